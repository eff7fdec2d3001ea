"""How much of a part its visual hull is: `python benchmarks/hulls.py [STL …]`, else the samples in `samples/meshes`.

Each part is drawn from the eight corners at 256 px and carved again from those pictures alone. The hull, of which only
the longest side is unknown, is laid over the part box on box; IoU is of volumes, by exact booleans.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from cad_renderers import CORNER_ISO, SoftwareRenderer
from cad_renderers.hull import likeness, visual_hull

SAMPLES = Path(__file__).resolve().parents[1] / "samples" / "meshes"


def manifold_of(vertices: Any, faces: Any) -> Any:
    """Make a manifold with its box's longest side 1 and its middle in the origin."""
    from manifold3d import Manifold, Mesh

    low, high = vertices.min(axis=0), vertices.max(axis=0)
    unit = (vertices - (low + high) / 2.0) / (high - low).max()
    mesh = Mesh(np.asarray(unit, dtype=np.float32), np.asarray(faces, dtype=np.uint32))
    mesh.merge()
    return Manifold(mesh)


def main() -> None:
    """Print a row for each part and the mean."""
    import trimesh

    shares, spent = [], []
    for path in [Path(each) for each in sys.argv[1:]] or sorted(SAMPLES.glob("*.stl")):
        part = trimesh.load_mesh(path)
        images = SoftwareRenderer().render(part).images
        start = time.process_time()
        hull = visual_hull(images, CORNER_ISO)
        spent.append(time.process_time() - start)
        one, other = manifold_of(part.vertices, part.faces), manifold_of(hull.vertices, hull.faces)
        common = (one ^ other).volume()
        share = common / (one.volume() + other.volume() - common)
        shares.append(share)
        alike, lines = likeness(images, SoftwareRenderer().render(hull).images)
        sides = np.ptp(hull.vertices, axis=0) / (np.ptp(part.vertices, axis=0) / np.ptp(part.vertices, axis=0).max())
        print(
            f"{path.stem:<36} IoU {share:.4f}  too much {other.volume() / one.volume() - 1:+.1%}  box off "
            f"{np.abs(sides - 1).max():.2%}  silhouettes {alike.mean():.4f}  lines {lines.mean():.4f}  "
            f"{len(hull.faces)} triangles  cpu {spent[-1]:.1f} s",
            flush=True,
        )
    print(f"mean IoU {np.mean(shares):.4f}, least {np.min(shares):.4f}; cpu {np.mean(spent):.1f} s a part")


if __name__ == "__main__":
    main()

"""How far the verifier's exact IoU lies from that of the bench's independent judge, on parts against changed copies.

    python benchmarks/agreement.py [--every 4] [--json]

Each part meets three copies of itself: shifted by 1 % of its box, stretched by 1 and -2 %, and with noise on its
vertices. The judge's functions are taken from its text and run in a process of their own, on the same triangles; it has
no opinion where it can't close a mesh, and such pairs are counted apart.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import trimesh

from cad_pipeline.verify import exact_iou

SET = Path(__file__).resolve().parents[2] / "shared" / "bench"
JUDGE = """
import sys, json, re, types, pathlib, numpy as np
folder, score = sys.argv[1:3]
body = re.search(r"ONE = r'''(.*?)'''", pathlib.Path(score).read_text(), re.S).group(1).split("cand, truth, mesh =")[0]
sys.modules["cadquery"] = types.ModuleType("cadquery")  # only its STEP reader needs it
space = {}
exec(body, space)
out = {}
for path in sorted(pathlib.Path(folder).glob("*.npz")):
    with np.load(path) as z:
        A, B = (space["man"](space["trimesh"].Trimesh(z[k + "v"], z[k + "f"], process=False)) for k in "ab")
    if A.status() == B.status() == space["m3"].Error.NoError:
        both = (A ^ B).volume()
        out[path.stem] = both / (A.volume() + B.volume() - both)
print(json.dumps(out))
"""


def copies(part: trimesh.Trimesh) -> dict[str, np.ndarray]:
    """Change the vertices in three ways."""
    centre = part.bounds.mean(axis=0)
    noise = np.random.default_rng(1).normal(size=part.vertices.shape) * 2e-4 * np.linalg.norm(part.extents)
    return {
        "shifted": part.vertices + 0.01 * part.extents,
        "stretched": (part.vertices - centre) * [1.01, 1.0, 0.98] + centre,
        "noisy": part.vertices + noise,
    }


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--set", type=Path, default=SET, help="folder of the bench")
    parser.add_argument("--every", type=int, default=1, help="take each so-manieth part only")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    paths = sorted((chosen.set / "parts").glob("*.stl"))[:: chosen.every]
    if not paths:
        sys.stderr.write(f"expected the bench in {chosen.set}, found no parts; say --set FOLDER\n")
        return 2
    ours: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        for path in paths:
            part = trimesh.load(path)
            for kind, moved in copies(part).items():
                name = f"{path.stem}~{kind}"
                np.savez(Path(folder) / f"{name}.npz", av=part.vertices, af=part.faces, bv=moved, bf=part.faces)
                ours[name] = exact_iou((part.vertices, part.faces), (moved, part.faces)).value
        command = [sys.executable, "-c", JUDGE, folder, str(chosen.set / "score.py")]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    theirs: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    apart = {name: abs(ours[name] - value) for name, value in theirs.items()}
    worst = max(apart, key=lambda name: apart[name])
    figures = {
        "parts": len(paths),
        "pairs": len(ours),
        "pairs on which the judge has no opinion": len(ours) - len(theirs),
        "largest disagreement": apart[worst],
        "where": worst,
        "beyond 0.002": {name: [ours[name], theirs[name]] for name, gap in apart.items() if gap > 0.002},
    }
    if chosen.json:
        print(json.dumps(figures))
        return 0
    for key, value in figures.items():
        print(f"{key:42} {value}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Speed of the verifier against the usual ways, as ratios measured in one run on one machine.

    python benchmarks/verifier.py [--json]

Times are processor time, all threads together, so that a busy machine tells the same story; ours are the best of
several runs after one warm-up (compiling, filling caches), the slow ways run once. The part is a drilled plate with
a ring and a ball on it, refined to about 10,000 triangles, so that nobody's file is needed.

The ways of others need `pip install rtree embreex libigl` beside what the project needs; one that is not there is left
out, and told.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from importlib.util import find_spec

import manifold3d
import numpy as np
import trimesh

from cad_pipeline.values import Mesh
from cad_pipeline.verify import (
    MeshVerifier,
    RotationSet,
    best_rotation_iou,
    exact_iou,
    ray_iou,
    register,
    surface_f1,
    voxel_iou,
    voxelise,
)
from cad_pipeline.verify.distance import TriangleTree

Solid = manifold3d.Manifold


def part(boss_radius: float = 12.0) -> Mesh:
    """Build the plate; `boss_radius` makes results that differ from the target."""
    plate = Solid.cube((100, 60, 8)) + Solid.cylinder(14, boss_radius, boss_radius, 96).translate((30, 30, 4))
    plate += Solid.sphere(9, 64).translate((75, 30, 10))
    for x, y in ((8, 8), (92, 8), (8, 52), (92, 52), (30, 30)):
        plate -= Solid.cylinder(40, 3, 3, 48).translate((x, y, -10))
    mesh = plate.refine_to_length(7.0).to_mesh64()
    return Mesh(name="plate", vertices=np.array(mesh.vert_properties)[:, :3], faces=np.array(mesh.tri_verts, np.int64))


def seconds(work: Callable[[], object], runs: int) -> float:
    """Take the shortest of `runs` runs after one warm-up."""
    work()
    taken = []
    for _ in range(runs):
        start = time.process_time()
        work()
        taken.append(time.process_time() - start)
    return min(taken)


def once(work: Callable[[], object]) -> float:
    """Take one run, for the slow ways."""
    start = time.process_time()
    work()
    return time.process_time() - start


def others(usual: trimesh.Trimesh, points: np.ndarray, centres: np.ndarray) -> dict[str, float]:
    """Take the ways of others once each, in seconds: distances of `points`, and which cell `centres` lie inside."""
    found = {"trimesh voxelized().fill()": once(lambda: usual.voxelized(usual.extents.max() / 64).fill())}
    if find_spec("rtree"):
        found["trimesh closest_point"] = once(lambda: trimesh.proximity.closest_point(usual, points))
    if find_spec("embreex"):
        # the first question builds its tree
        usual.ray.contains_points(centres[:1])
        found["embree containment test"] = once(lambda: usual.ray.contains_points(centres))
    if find_spec("igl"):
        import igl

        vertices, faces = np.array(usual.vertices), np.array(usual.faces, np.int64)
        found["igl fast winding number"] = once(lambda: igl.fast_winding_number(vertices, faces, centres))
    return found


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--json", action="store_true")
    wanted = options.parse_args()
    target, result = part(), part(12.4)
    a, b = (target.vertices, target.faces), (result.vertices, result.faces)
    usual = trimesh.Trimesh(target.vertices, target.faces, process=False)
    corners = target.vertices[target.faces]
    points = np.random.default_rng(0).uniform(*target.bounds, size=(20_000, 3))
    verifier = MeshVerifier()

    cells_of = voxelise(a, 64)
    places = np.indices(cells_of.occupied.shape).reshape(3, -1).T + 0.5
    slow = others(usual, points, cells_of.low_mm + places * cells_of.cell_mm)
    voxels = seconds(lambda: voxelise(a, 64), 9)
    tree = seconds(lambda: TriangleTree.over(corners).distances(points), 5)
    exact = seconds(lambda: exact_iou(a, b), 5)
    rays = seconds(lambda: ray_iou(a, b), 3)
    cells = seconds(lambda: voxel_iou(a, b, 64), 5)
    f1 = seconds(lambda: surface_f1(a, b), 3)
    judged = seconds(lambda: verifier.judge_mesh(target, result), 5)
    fresh = once(lambda: MeshVerifier().judge_mesh(target, result))
    turned = once(lambda: best_rotation_iou(a, b, RotationSet.ALL208))
    placed = once(lambda: register(b, a))

    figures = {
        "triangles": len(target.faces),
        "voxelise 64³, ms": voxels * 1e3,
        **{f"{name}, ms": taken * 1e3 for name, taken in slow.items() if "closest" not in name},
        **{f"ratio to {name}": taken / voxels for name, taken in slow.items() if "closest" not in name},
        "20,000 distances with building the tree, ms": tree * 1e3,
        **{f"{name}, ms": taken * 1e3 for name, taken in slow.items() if "closest" in name},
        **{f"ratio to {name}": taken / tree for name, taken in slow.items() if "closest" in name},
        "exact IoU, ms": exact * 1e3,
        "IoU by 3 × 384² rays, ms": rays * 1e3,
        "voxel IoU 64³, ms": cells * 1e3,
        "surface F1, ms": f1 * 1e3,
        "judge, target known, ms": judged * 1e3,
        "judge, target new, ms": fresh * 1e3,
        "best of 208 rotations at 64³, ms": turned * 1e3,
        "register, 208 rotations, ms": placed * 1e3,
    }
    if wanted.json:
        print(json.dumps(figures, ensure_ascii=False))
        return
    for name, value in figures.items():
        print(f"{name:48s} {value:12,.1f}")
    for package in ("rtree", "embreex", "igl"):
        if not find_spec(package):
            print(f"not compared: {package} is not installed")


if __name__ == "__main__":
    main()

"""Agreement with the independent judge, and behaviour on damaged meshes, where the shared bench lies beside."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import trimesh

from cad_pipeline.values import Mesh
from cad_pipeline.verify import MeshVerifier, exact_iou, voxelise

BENCH = Path(__file__).parents[3] / "shared" / "bench"
pytestmark = [
    pytest.mark.bench,
    pytest.mark.skipif(not (BENCH / "score.py").exists(), reason=f"the bench of real parts does not lie at {BENCH}"),
]

# The judge's own functions, taken from its text, on meshes instead of STEP files.
JUDGE = """
import sys, json, re, types, pathlib, numpy as np
folder, score = sys.argv[1:3]
text = pathlib.Path(score).read_text()
body = re.search(r"ONE = r'''(.*?)'''", text, re.S).group(1).split("cand, truth, mesh =")[0]
sys.modules["cadquery"] = types.ModuleType("cadquery")  # only its STEP reader needs it
space = {}
exec(body, space)
out = {}
for path in sorted(pathlib.Path(folder).glob("*.npz")):
    with np.load(path) as z:
        meshes = [space["trimesh"].Trimesh(z[k + "v"], z[k + "f"], process=False) for k in "ab"]
    A, B = map(space["man"], meshes)
    ok = A.status() == B.status() == space["m3"].Error.NoError
    if ok:
        both = (A ^ B).volume()
        out[path.stem] = both / (A.volume() + B.volume() - both)
print(json.dumps(out))
"""


def parts(step):
    return sorted((BENCH / "parts").glob("*.stl"))[::step]


def perturbed(part, kind):
    centre = part.bounds.mean(axis=0)
    if kind == "shifted":
        return part.vertices + 0.01 * part.extents
    if kind == "stretched":
        return (part.vertices - centre) * [1.01, 1.0, 0.98] + centre
    noise = np.random.default_rng(1).normal(size=part.vertices.shape)
    return part.vertices + noise * 2e-4 * np.linalg.norm(part.extents)


def test_the_iou_agrees_with_the_independent_judge(tmp_path):
    ours = {}
    for number, path in enumerate(parts(10)):
        part = trimesh.load(path)
        kind = ("shifted", "stretched", "noisy")[number % 3]
        moved = perturbed(part, kind)
        np.savez(tmp_path / f"{path.stem}.npz", av=part.vertices, af=part.faces, bv=moved, bf=part.faces)
        ours[path.stem] = exact_iou((part.vertices, part.faces), (moved, part.faces)).value
    done = subprocess.run(
        [sys.executable, "-c", JUDGE, str(tmp_path), str(BENCH / "score.py")],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    theirs = json.loads(done.stdout.splitlines()[-1])
    assert len(theirs) >= 7
    for name, value in theirs.items():
        assert ours[name] == pytest.approx(value, abs=0.002), name


@pytest.mark.parametrize("path", parts(12), ids=lambda path: path.stem)
def test_every_part_equals_itself(path):
    part = trimesh.load(path)
    mesh = Mesh(name=path.stem, vertices=part.vertices, faces=part.faces)
    verdict = MeshVerifier().judge_mesh(mesh, mesh)
    assert verdict.accepted, verdict.reason
    assert verdict.iou == pytest.approx(1.0, abs=1e-6)
    assert verdict.surface_f1 == 1.0
    assert verdict.regions == ()


def bad(name, process=True):
    loaded = trimesh.load(BENCH / "bad" / name, force="mesh", process=process)
    return np.array(loaded.vertices), np.array(loaded.faces)


def intact():
    whole = trimesh.load(BENCH / "parts" / "odri_linear_bearing_cover.stl")
    return np.array(whole.vertices), np.array(whole.faces)


def test_sixty_missing_triangles_cost_little():
    torn = bad("01_holes_60_tris_missing.stl")
    found = exact_iou(torn, intact())
    assert "rays" in found.method
    assert found.value > 0.98
    whole = voxelise(intact(), 64)
    mended = voxelise(torn, 64, trimesh.Trimesh(*intact()).bounds)
    assert mended.volume_mm3 == pytest.approx(whole.volume_mm3, rel=0.02)


def test_flipped_normals_are_the_same_part():
    vertices, faces = bad("03_all_normals_flipped.stl")
    part = trimesh.load(BENCH / "parts" / "odri_carriage.stl")
    assert exact_iou((part.vertices, part.faces), (vertices, faces)).value == pytest.approx(1.0, abs=1e-6)


def test_interpenetrating_shells_count_once():
    vertices, faces = bad("05_self_intersecting_overlap.stl")
    block = trimesh.creation.box(bounds=[vertices.min(axis=0) - 5, vertices.max(axis=0) + 5])
    union = exact_iou((block.vertices, block.faces), (vertices, faces)).value * block.volume
    assert union == pytest.approx(14032, rel=0.005)


@pytest.mark.parametrize(
    "name", ["15_tiny_1e-6.stl", "16_far_from_origin.stl", "17_assembly_4_parts.stl", "26_internal_void.stl"]
)
def test_odd_sizes_and_places_are_measured_exactly(name):
    # A part of 1e-6 units must not be merged away by absolute tolerances on loading either.
    vertices, faces = bad(name, process=False)
    found = exact_iou((vertices, faces), (vertices, faces))
    assert found.value == pytest.approx(1.0, abs=1e-6)
    assert found.method.startswith("exact")

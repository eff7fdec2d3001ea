"""The shared bench of real and of damaged parts, where it lies beside the checkout."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from cad_pipeline.errors import InputError
from cad_pipeline.mesh import bodies, mesh_from_arrays, read_mesh
from cad_pipeline.values import Mesh

BENCH = Path(__file__).resolve().parents[3] / "shared" / "bench"

pytestmark = [
    pytest.mark.bench,
    pytest.mark.skipif(not BENCH.is_dir(), reason="the shared bench of real parts does not lie beside the checkout"),
]

INTACT_COVER = 3190.912
REFUSED = {
    "08_zero_volume_flat_sheet.stl": "flat sheet",
    "09_empty.stl": "empty file",
    "10_truncated_binary.stl": "cut short",
    "22_text_renamed.stl": "plain text",
}
VOLUMES = {
    "01_holes_60_tris_missing.stl": (INTACT_COVER, 0.01),
    "03_all_normals_flipped.stl": (176324.9, 1e-5),
    "05_self_intersecting_overlap.stl": (14032.0, 2e-3),
    "11_ascii_nan_inf.stl": (8000.0, 1e-9),
    "15_tiny_1e-6.stl": (None, 0.0),
    "16_far_from_origin.stl": (INTACT_COVER, 1e-3),
    "17_assembly_4_parts.stl": (25152.7, 1e-4),
    "18_quads.obj": (10500.0, 1e-9),
    "20_part_metres_yup.glb": (176324.9, 1e-5),
    "23_solid_header_binary.stl": (INTACT_COVER, 1e-5),
    "26_internal_void.stl": (22847.0, 1e-3),
}


def test_every_bad_file_of_the_index_is_covered() -> None:
    with (BENCH / "bad" / "index.csv").open() as file:
        assert {row["file"] for row in csv.DictReader(file)} == set(REFUSED) | set(VOLUMES)


@pytest.mark.parametrize("name", REFUSED)
def test_hopeless_files_are_refused(name: str) -> None:
    with pytest.raises(InputError, match=REFUSED[name]):
        read_mesh(BENCH / "bad" / name)


@pytest.fixture(params=VOLUMES, name="damaged")
def each_damaged(request: pytest.FixtureRequest) -> tuple[str, Mesh]:
    return request.param, read_mesh(BENCH / "bad" / request.param)


def test_damaged_files_come_back_closed_with_their_volume(damaged: tuple[str, Mesh]) -> None:
    name, mesh = damaged
    volume, tolerance = VOLUMES[name]
    assert mesh.closed
    assert mesh.volume > 0
    if volume is not None:
        assert mesh.volume == pytest.approx(volume, rel=tolerance)


def test_bad_files_say_what_was_done() -> None:
    def notes(name: str) -> str:
        return " | ".join(read_mesh(BENCH / "bad" / name).notes)

    assert "closed 60 holes" in notes("01_holes_60_tris_missing.stl")
    assert "turned 1 shell" in notes("03_all_normals_flipped.stl")
    assert "fused 2 overlapping bodies" in notes("05_self_intersecting_overlap.stl")
    assert "NaN" in notes("11_ascii_nan_inf.stl")
    assert "tiny" in notes("15_tiny_1e-6.stl")
    assert "4 separate bodies" in notes("17_assembly_4_parts.stl")
    assert "polygons" in notes("18_quads.obj")
    assert "unit is m" in notes("20_part_metres_yup.glb")


def test_bodies_and_places_of_bad_files() -> None:
    assert len(bodies(read_mesh(BENCH / "bad" / "17_assembly_4_parts.stl"))) == 4
    assert len(bodies(read_mesh(BENCH / "bad" / "26_internal_void.stl"))) == 1
    middle = read_mesh(BENCH / "bad" / "16_far_from_origin.stl").bounds.mean(axis=0)
    assert middle == pytest.approx([1e5, -2e5, 3e5], abs=200)
    sides = read_mesh(BENCH / "bad" / "20_part_metres_yup.glb").bounds
    assert max(sides[1] - sides[0]) == pytest.approx(298.5)


def test_all_real_parts_are_read_as_the_index_says() -> None:
    with (BENCH / "index.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert rows
    for row in rows:
        mesh = read_mesh(BENCH / "parts" / f"{row['id']}.stl")
        assert mesh.closed, row["id"]
        assert mesh.volume == pytest.approx(float(row["volume"]), rel=1e-4), row["id"]
        assert len(bodies(mesh)) == int(row["n_bodies"]), row["id"]
        if row["watertight"] == "1":
            assert [n for n in mesh.notes if "separate" not in n and "took apart" not in n] == [], row["id"]


def damaged(kind: str, mesh: Mesh, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    vertices, faces = mesh.vertices[mesh.faces].reshape(-1, 3), np.arange(3 * len(mesh.faces)).reshape(-1, 3)
    match kind:
        case "triangles missing":
            return vertices, faces[rng.random(len(faces)) > 0.03]
        case "winding mixed":
            return vertices, np.where(rng.random((len(faces), 1)) < 0.3, faces[:, ::-1], faces)
        case "noise in every corner":
            return vertices + rng.uniform(-1e-6, 1e-6, vertices.shape) * mesh.diagonal, faces
        case "five digits":
            return np.array([float(f"{x:.5g}") for x in vertices.ravel()]).reshape(-1, 3), faces
        case "far away in float32":
            return (vertices + np.array([1e5, -2e5, 3e5])).astype(np.float32), faces
    raise AssertionError(kind)


@pytest.mark.parametrize(
    "kind",
    ["triangles missing", "winding mixed", "noise in every corner", "five digits", "far away in float32"],
)
def test_real_parts_survive_damage(kind: str) -> None:
    rng = np.random.default_rng(5)
    for path in sorted((BENCH / "parts").glob("*.stl"))[::6]:
        whole = read_mesh(path)
        mesh = mesh_from_arrays(*damaged(kind, whole, rng), path.stem)
        assert mesh.closed, path.stem
        assert mesh.volume == pytest.approx(whole.volume, rel=0.01), path.stem

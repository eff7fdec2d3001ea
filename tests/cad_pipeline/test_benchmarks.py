"""The pure parts of the benchmarks: what they count, change and match."""

from __future__ import annotations

import importlib.util
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from cad_pipeline.values import Parameter

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"
HEAD = 'import cadquery as cq\n\nxy = cq.Workplane("XY")\n'
# a plate with a drilled row, a hole with a counterbore, a cut circle, and a pocket in which a post stands
PLATE = HEAD + (
    "part = xy.rect(100.0, 60.0).extrude(10.0)\n"
    "part = part.copyWorkplane(xy.workplane(offset=10.0)).rarray(20.0, 1.0, 3, 1).hole(5.0)\n"
    "part = part.copyWorkplane(xy.workplane(offset=10.0)).pushPoints([(0.0, 20.0)]).cboreHole(4.0, 8.0, 3.0)\n"
    "cavity = xy.center(35.0, 0.0).circle(10.0).extrude(10.0)\n"
    "cavity = cavity.cut(xy.center(35.0, 0.0).circle(3.0).extrude(10.0))\n"
    "part = part.cut(cavity)\n"
    "part = part.cut(xy.pushPoints([(-40.0, 20.0), (-40.0, -30.0)]).circle(3.0).extrude(10.0))\n"
    "result = part\n"
)


@pytest.fixture(scope="module", autouse=True)
def _benchmarks_can_import_each_other() -> Iterator[None]:
    sys.path.insert(0, str(FOLDER))
    yield
    sys.path.remove(str(FOLDER))


def benchmark(name: str) -> ModuleType:
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
        assert spec is not None and spec.loader is not None
        sys.modules[name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


def test_operations_are_the_calls_that_make_a_solid() -> None:
    bench = benchmark("bench")
    assert bench.operations(PLATE) == 6
    assert bench.operations("import cadquery as cq\nresult = cq.Workplane().box(1, 2, 3).union(extrude)\n") == 1
    assert bench.lines("# a\n\nb = 1\n  # c\nd = 2\n") == 2


def test_a_length_changes_by_a_share_and_a_count_by_one() -> None:
    editing = benchmark("editing")
    length = Parameter(name="a", value=40.0, unit="mm", comment="")
    assert list(editing.edited(length, 0.2)) == [32.0, 48.0]
    count = Parameter(name="n", value=1.0, unit="count", comment="")
    assert list(editing.edited(count, 0.2)) == [2.0]
    assert list(editing.all_edits("a = 40.0  # mm\nn = 1\n", 0.5)) == [("a", 20.0), ("a", 60.0), ("n", 2.0)]


def test_the_disturbed_numbers_are_the_named_or_the_others() -> None:
    refining = benchmark("refining")
    source = "a = 40.0  # mm\nn = 3  # count\nr = f.circle(10.0).extrude(a)\n"
    named, count = refining.disturb(source, "parameters", 0.01, "0")
    assert count == 1 and ("a = 39.6 " in named or "a = 40.4 " in named) and "circle(10.0)" in named
    loose, count = refining.disturb(source, "literals", 0.01, "0")
    assert count == 1 and "a = 40.0 " in loose and ("circle(9.9)" in loose or "circle(10.1)" in loose)


def test_large_meshes_are_closed_and_as_large_as_asked() -> None:
    import trimesh

    large = benchmark("large_mesh")
    vertices, faces = large.bumpy_sphere(5000)
    sphere = trimesh.Trimesh(vertices, faces, process=False)
    assert sphere.is_watertight and sphere.volume > 0 and len(faces) == pytest.approx(5000, rel=0.05)
    more = trimesh.Trimesh(*large.halved(vertices, faces), process=False)
    assert more.is_watertight and len(more.faces) == 4 * len(faces)
    assert more.volume == pytest.approx(sphere.volume, rel=1e-9)


def test_faces_go_round_only_where_they_meet_in_height() -> None:
    full_round = benchmark("round_walls").full_round
    half = math.pi
    assert full_round([(0.0, half, 0.0, 5.0), (half, 2 * half, 0.0, 5.0)]) == pytest.approx(2.5)
    assert full_round([(0.0, half, 0.0, 5.0), (half, 2 * half, 5.0, 9.0)]) is None
    assert full_round([(-1.0, half, 0.0, 5.0), (half, 2 * half - 1.0, 2.0, 9.0)]) == pytest.approx(3.5)
    assert full_round([(0.0, 6.0, 0.0, 5.0)]) is None


def test_what_a_program_drills_is_traced_and_matches_the_walls_of_its_solid(tmp_path: Path) -> None:
    holes, found = benchmark("round_walls"), benchmark("holes_found")
    program = tmp_path / "plate.py"
    program.write_text(PLATE, "utf-8")
    features, solid = benchmark("hole_features").trace(program)
    assert sorted((f.kind, round(f.diameter, 3)) for f in features) == [
        ("cboreHole", 4.0),
        ("cboreHole", 8.0),
        ("cut", 6.0),
        ("cut", 6.0),
        ("cut", 20.0),
        *[("hole", 5.0)] * 3,
    ]
    walls = holes.walls(solid)
    assert sorted((w.kind, round(w.diameter, 3)) for w in walls) == [
        *[("hole", d) for d in (4.0, 5.0, 5.0, 5.0, 6.0, 8.0)],
        ("open", 6.0),
        ("ring", 20.0),
    ]
    row = found.matched("plate", walls, {"features": features, "walls": walls})
    assert (row.holes, row.features, len(row.missed), len(row.false), len(row.open)) == (6, 8, 0, 0, 2)


def test_missed_and_false_holes_are_told_apart() -> None:
    holes, found = benchmark("round_walls"), benchmark("holes_found")

    def hole(x: float, diameter: float, kind: str = "hole") -> object:
        return holes.Round(point=(x, 0.0, 0.0), axis=(0.0, 0.0, 1.0), diameter=diameter, kind=kind)

    truth = [hole(0.0, 10.0), hole(20.0, 10.0), hole(40.0, 10.0), hole(60.0, 10.0), hole(80.0, 10.0, "open")]
    features = [hole(0.0, 10.009), hole(20.0, 10.2), hole(80.0, 10.0), hole(90.0, 10.0), hole(0.01, 10.005)]
    row = found.matched("part", truth, {"features": features, "walls": [hole(40.0, 10.0)]})
    assert [(reason, where.point[0]) for reason, where, _ in row.missed] == [
        ("diameter", 20.0),
        ("otherwise", 40.0),
        ("absent", 60.0),
    ]
    assert row.features == 4
    assert [f.point[0] for f in row.false] == [90.0] and [f.point[0] for f in row.open] == [80.0]
    assert [reason for reason, *_ in found.matched("part", truth, None).missed] == ["faceted"] * 4


def test_an_axis_may_point_either_way_but_not_lean() -> None:
    holes = benchmark("round_walls")
    up = holes.Round(point=(0.0, 0.0, 0.0), axis=(0.0, 0.0, 1.0), diameter=5.0, kind="hole")
    down = holes.Round(point=(0.0, 0.04, 9.0), axis=(0.0, 0.0, -1.0), diameter=5.0, kind="hole")
    lean = np.array([0.0, math.sin(math.radians(0.2)), math.cos(math.radians(0.2))])
    leaning = holes.Round(point=(0.0, 0.0, 0.0), axis=tuple(lean.tolist()), diameter=5.0, kind="hole")
    assert holes.same_axis(up, down, 0.045) and not holes.same_axis(up, down, 0.03)
    assert not holes.same_axis(up, leaning, 0.045)

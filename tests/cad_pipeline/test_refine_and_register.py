"""Numbers are fitted, sizes and places are found, and both stand in the program's text afterwards."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cad_pipeline.doubles import ScriptedSandbox
from cad_pipeline.generators.number_fit import Effort, fit_numbers
from cad_pipeline.generators.numbers_in_text import numbers_of, with_numbers
from cad_pipeline.generators.refine import RefineGenerator
from cad_pipeline.generators.registration import RegisterGenerator, _figures, placed, scaled
from cad_pipeline.generators.scripted import ScriptedGenerator
from cad_pipeline.pipeline import Pipeline, Stage
from cad_pipeline.values import Mesh, Reconstruction, Target
from cad_pipeline.verify import MeshVerifier, Placement, load_result
from cad_sandbox import ForkServerSandbox
from cad_sandbox.execution import Outcome

HEAD = "import cadquery as cq\n\n"
PLATE = HEAD + (
    "length = 60.0\nwidth = 40.0  # mm\nheight = 8.0\nbore = 12.0\n"
    'result = cq.Workplane("XY").box(length, width, height).faces(">Z").workplane(offset=0).hole(bore)\n'
)
OFF = PLATE.replace("40.0", "44.0").replace("8.0", "10.0").replace("12.0", "15.0")
# lengths stand in the calls, one of them whole, and the number of the corners is none
LOOSE = HEAD + 'result = cq.Workplane("XY").polygon(6, 33.0).extrude(13)\n'
LOOSE_TRUE = LOOSE.replace("33.0", "30.0").replace("13", "10")
# a segment of a circle above a chord of twice 6.0
ARCHED = HEAD + (
    'arch = cq.Workplane("XY").moveTo(-6.0, 0.0).radiusArc((6.0, 0.0), 6.2).close().extrude(4.0)\n'
    'result = cq.Workplane("XY").box(16.0, 10.0, 4.0).union(arch)\n'
)


@pytest.fixture(scope="module")
def sandbox() -> Iterator[ForkServerSandbox]:
    if not sys.platform.startswith("linux"):
        pytest.skip("the sandbox needs Linux")
    with ForkServerSandbox(workers=2) as made:
        yield made


def mesh_of(source: str, sandbox: ForkServerSandbox, folder: Path, *, scale: float = 1.0, shift: float = 0.0) -> Mesh:
    folder.mkdir()
    execution = sandbox.run(source, folder)
    assert execution.mesh is not None, execution.message
    built = load_result(execution.mesh)
    return Mesh(name="target", vertices=built.vertices * scale + shift, faces=built.faces)


def converted(source: str, mesh: Mesh, sandbox: ForkServerSandbox, folder: Path, *stages: Stage) -> Reconstruction:
    plan = (Stage(ScriptedGenerator((source,))), *stages)
    return Pipeline(plan=plan, sandbox=sandbox, verifier=MeshVerifier()).reconstruct(Target(mesh=mesh), folder)


def test_named_dimensions_are_fitted_and_come_out_round(sandbox: ForkServerSandbox, tmp_path: Path) -> None:
    fit = fit_numbers(OFF, mesh_of(PLATE, sandbox, tmp_path / "t"), sandbox)
    assert fit is not None and fit.source == PLATE and fit.fitted == 3
    assert fit.after_mm < 1e-3 < fit.before_mm


def test_lengths_in_calls_are_fitted_and_counts_are_not(sandbox: ForkServerSandbox, tmp_path: Path) -> None:
    fit = fit_numbers(LOOSE, mesh_of(LOOSE_TRUE, sandbox, tmp_path / "t"), sandbox)
    assert fit is not None and "polygon(6, 30.0).extrude(10.0)" in fit.source


def test_what_fits_already_and_what_does_not_build_is_left_alone(sandbox: ForkServerSandbox, tmp_path: Path) -> None:
    mesh = mesh_of(PLATE, sandbox, tmp_path / "t")
    assert fit_numbers(PLATE, mesh, sandbox) is None
    assert fit_numbers(PLATE.replace("12.0", "-12.0"), mesh, sandbox) is None
    assert fit_numbers(HEAD + "result = cq.Workplane()\n", mesh, sandbox) is None


def test_a_program_that_does_not_build_is_moved_to_where_it_does_and_fitted(
    sandbox: ForkServerSandbox, tmp_path: Path
) -> None:
    mesh = mesh_of(ARCHED, sandbox, tmp_path / "t")
    # half the chord is longer than the radius
    broken = ARCHED.replace("6.0, 0.0", "6.3, 0.0").replace("6.2", "6.14")
    done = converted(broken, mesh, sandbox, tmp_path / "a", Stage(RefineGenerator(sandbox=sandbox), rounds=2))
    assert [a.execution.built for a in done.attempts] == [False, True]
    assert done.accepted and done.best is not None and (done.best.verdict.iou or 0.0) > 0.995
    assert "moved to where it builds" in done.best.program.origin.note


def test_failures_are_fitted_only_where_nothing_came_near(sandbox: ForkServerSandbox, tmp_path: Path) -> None:
    mesh = mesh_of(PLATE, sandbox, tmp_path / "t")
    refiner = RefineGenerator(sandbox=sandbox)
    (failed,) = converted(ARCHED.replace("6.2", "5.0"), mesh, sandbox, tmp_path / "a").attempts
    (near,) = converted(OFF, mesh, sandbox, tmp_path / "b").attempts
    assert not failed.execution.built and not near.verdict.accepted
    assert refiner._worth([failed]) == [failed]
    assert refiner._worth([failed, near]) == [near]
    hung = replace(failed, execution=replace(failed.execution, outcome=Outcome.TIMED_OUT))
    assert refiner._worth([hung]) == []


def test_a_fit_that_came_to_nothing_is_not_made_twice(sandbox: ForkServerSandbox, tmp_path: Path) -> None:
    target = Target(mesh=mesh_of(PLATE, sandbox, tmp_path / "t"))
    counting = ScriptedSandbox({})
    (failed,) = converted(ARCHED.replace("6.2", "5.0"), target.mesh, sandbox, tmp_path / "a").attempts
    refiner = RefineGenerator(sandbox=counting)
    assert refiner.propose(target, [failed]) == []
    runs = len(counting.ran)
    assert 0 < runs <= refiner.effort.runs // 3 + 1
    assert refiner.propose(target, [failed]) == [] and len(counting.ran) == runs


def test_a_fit_keeps_to_its_runs_and_numbers_and_tells_the_same_twice(
    sandbox: ForkServerSandbox, tmp_path: Path
) -> None:
    mesh = mesh_of(PLATE, sandbox, tmp_path / "t")
    first = fit_numbers(OFF, mesh, sandbox, Effort(runs=20, numbers=2))
    assert first is not None and first == fit_numbers(OFF, mesh, sandbox, Effort(runs=20, numbers=2))
    assert first.runs <= 20
    assert "height = 10.0" in first.source and "bore = 15.0" in first.source and "width = 40.0" in first.source
    assert Effort(runs=100, seconds=60.0, workers=2).runs_at(8.0) == 16
    assert Effort(runs=100, seconds=60.0, workers=2).runs_at(0.1) == 100


def test_the_stage_refines_what_came_near_and_the_loop_accepts_it(sandbox: ForkServerSandbox, tmp_path: Path) -> None:
    mesh = mesh_of(PLATE, sandbox, tmp_path / "t")
    done = converted(OFF, mesh, sandbox, tmp_path / "a", Stage(RefineGenerator(sandbox=sandbox), rounds=3))
    assert done.accepted and done.best is not None
    assert [a.program.origin.generator for a in done.attempts] == ["scripted", "refine"]
    assert "of scripted#0.0: 3 numbers fitted" in done.best.program.origin.note


def test_size_and_place_are_written_into_the_program(sandbox: ForkServerSandbox, tmp_path: Path) -> None:
    small = mesh_of(PLATE, sandbox, tmp_path / "t", scale=0.5, shift=30.0)
    done = converted(PLATE, small, sandbox, tmp_path / "a", Stage(RegisterGenerator()))
    assert done.accepted and done.best is not None
    source = done.best.program.source
    assert "length = 30.0\n" in source and "bore = 6.0\n" in source and "translate((30, 30, 30))" in source


def test_a_program_with_loose_lengths_is_scaled_as_a_whole(sandbox: ForkServerSandbox, tmp_path: Path) -> None:
    large = mesh_of(LOOSE, sandbox, tmp_path / "t", scale=3.0, shift=-7.0)
    done = converted(LOOSE, large, sandbox, tmp_path / "a", Stage(RegisterGenerator()))
    assert done.accepted and done.best is not None and ".scale(3" in done.best.program.source


def similarity(**changed: object) -> Placement:
    values = {"rotation": np.eye(3), "scale": 1.0, "translation_mm": np.zeros(3), "iou": 1.0, **changed}
    return Placement(**values)  # type: ignore[arg-type]


def test_a_placement_speaks_the_programs_own_name_for_its_result() -> None:
    shift = similarity(translation_mm=np.array([1.0, 0.0, 0.0]))
    bound = HEAD + 'body = cq.Workplane("XY").box(1, 2, 3)\n'
    assert "body = body.translate((1, 0, 0))" in (placed(bound, "last bound: body", shift, 4.0) or "")
    shown = placed(f"{bound}show_object(body, name='b')\n", "show_object", shift, 4.0)
    assert shown is not None and "result = body\n" in shown and "show_object" not in shown
    assert placed(f"{bound}show_object(body.val())\n", "show_object", shift, 4.0) is None
    faces = placed(bound.replace("body", "result"), "result (the solid of its chain)", shift, 4.0)
    assert faces is not None and "result = result.findSolid()" in faces
    turn = similarity(rotation=np.array([[0.0, -1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]))
    turned = placed(bound, "last bound: body", turn, 4.0)
    assert turned is not None and "rotate((0, 0, 0), (0, 0, 1), 90)" in turned
    assert placed(bound, "last bound: body", similarity(), 4.0) == bound


def test_only_programs_whose_lengths_are_all_named_are_scaled_in_their_dimensions() -> None:
    assert scaled(PLATE, 2.0) == PLATE.replace("60.0", "120.0").replace("40.0", "80.0").replace("8.0", "16.0").replace(
        "12.0", "24.0"
    )
    assert scaled(LOOSE, 2.0) is None
    assert scaled(PLATE.replace("hole(bore)", "hole(7.5)"), 2.0) is None


@given(st.floats(1e-3, 1e3), st.lists(st.floats(-10, 10), min_size=3, max_size=3), st.integers(0, 100))
def test_what_ranks_shapes_knows_neither_size_nor_pose(scale: float, shift: list[float], seed: int) -> None:
    from scipy.spatial.transform import Rotation

    corners = np.array([[0.0, 0, 0], [3, 0, 0], [0, 2, 0], [0, 0, 1]])
    faces = np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]])
    turn = Rotation.random(random_state=seed).as_matrix()
    moved = scale * (corners @ turn.T + np.array(shift))
    one, other = (_figures(Mesh(name="m", vertices=v, faces=faces)) for v in (corners, moved))
    assert np.allclose(one, other, atol=1e-6)
    flat = _figures(Mesh(name="m", vertices=corners * [1, 1, 0.5], faces=faces))
    assert np.abs(one - flat).sum() > 0.1


def test_spreads_are_those_of_the_whole_surface() -> None:
    # a square of two triangles: side s, second moment s²/12 along both edges
    square = Mesh(
        name="m",
        vertices=np.array([[0.0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]]),
        faces=np.array([[0, 1, 2], [0, 2, 3]]),
    )
    assert np.exp(_figures(square)[2:]) == pytest.approx([1 / 12, 1 / 12])


@given(st.lists(st.floats(0.1, 500.0).map(lambda x: round(x, 3)), min_size=1, max_size=8))
def test_numbers_are_replaced_in_place_and_nothing_else(values: list[float]) -> None:
    names = "".join(f"é{k} = {value}  # mm\n" for k, value in enumerate(values))
    source = f"{HEAD}{names}n = 6\nresult = cq.Workplane().polygon(n, é0).extrude(-2.5)\n"
    numbers = numbers_of(source)
    assert [number.value for number in numbers] == [*values, 2.5]
    doubled = with_numbers(source, numbers, [2 * number.value for number in numbers])
    assert [n.value for n in numbers_of(doubled)] == pytest.approx([2 * x for x in values] + [5.0])
    assert with_numbers(doubled, numbers_of(doubled), [n.value for n in numbers]) == source
    ast.parse(doubled)

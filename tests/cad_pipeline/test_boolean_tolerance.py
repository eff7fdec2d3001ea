"""Booleans with a tolerance: the rewritten text, when it is proposed, and that it mends what OCC leaves open."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cad_pipeline.doubles import built
from cad_pipeline.generators.boolean_tolerance import BooleanTolerance, with_boolean_tolerance
from cad_pipeline.syntax import parse
from cad_pipeline.values import Attempt, Grade, Mesh, Origin, Program, ProgramKind, Reconstruction, Target, Verdict
from cad_sandbox import ForkServerSandbox
from cad_sandbox.execution import Execution, Outcome

# the arc runs a tenth of a micrometre inside the circle below it: the union has a crack all around
CRACKED = """\
import cadquery as cq

disc = cq.Workplane().circle(20.41).extrude(10)
arm = (
    cq.Workplane().workplane(offset=2).moveTo(0.0, 20.4099).lineTo(80.0, 13.0).lineTo(80.0, -13.0)
    .lineTo(0.0, -20.4099).threePointArc((-20.4099, 0.0), (0.0, 20.4099)).close().extrude(10)
)
result = disc.union(arm)
"""
MESH = Mesh(
    name="tetrahedron",
    vertices=np.array([[0.0, 0, 0], [100, 0, 0], [0, 100, 0], [0, 0, 100]]),
    faces=np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]]),
)


def attempt(source: str, execution: Execution, iou: float, promised: float | None = None) -> Attempt:
    program = Program(source=source, origin=Origin(generator="test"), promised_iou=promised)
    return Attempt(program=program, execution=execution, verdict=Verdict(accepted=False, reason="", iou=iou))


def flawed() -> Execution:
    return replace(built(volume_mm3=1.0), flaw="faces do not meet")


@pytest.fixture(scope="module")
def sandbox():
    with_walls = ForkServerSandbox()
    yield with_walls
    with_walls.close()


def test_a_crack_that_occ_lets_pass_is_a_flaw_and_a_tolerance_mends_it(sandbox, tmp_path: Path) -> None:
    executions = []
    for number, source in enumerate((CRACKED, with_boolean_tolerance(CRACKED, 1e-3))):
        folder = tmp_path / str(number)
        folder.mkdir()
        executions.append(sandbox.run(source, folder))
    cracked, mended = executions
    assert cracked.built and not cracked.sound
    assert "open edges" in cracked.flaw
    assert mended.sound, mended.flaw
    assert mended.volume_mm3 == pytest.approx(cracked.volume_mm3, rel=1e-4)


def test_solids_that_touch_along_an_edge_are_no_crack(sandbox, tmp_path: Path) -> None:
    source = (
        "import cadquery as cq\nbox = cq.Workplane().box(10, 10, 10)\nresult = box.union(box.translate((10, 10, 0)))\n"
    )
    assert sandbox.run(source, tmp_path).sound


def test_every_boolean_gets_the_tolerance_once() -> None:
    text = with_boolean_tolerance(CRACKED.replace("result", "other") + "result = other.cut(disc, tol=0.5)\n", 2e-4)
    assert text.count("tol=boolean_tolerance") == 1
    assert "tol=0.5" in text
    names = {n.id for n in ast.walk(parse(text)) if isinstance(n, ast.Name)}
    assert "boolean_tolerance" in names


@pytest.mark.parametrize(
    "source",
    [
        "x = (",
        "import cadquery as cq\nresult = cq.Workplane().box(1, 1, 1)\n",
        "result = a.union(b)\n",
    ],
    ids=["no program", "no boolean", "no import"],
)
def test_what_needs_no_tolerance_stays_as_it_is(source: str) -> None:
    assert with_boolean_tolerance(source, 1e-3) == source


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        ((), 0),
        ((attempt(CRACKED, built(volume_mm3=1.0), 0.99, promised=0.99),), 0),
        ((attempt(CRACKED, flawed(), 0.99),), 3),
        ((attempt(CRACKED, built(volume_mm3=1.0), 0.6, promised=0.99),), 3),
        ((attempt(CRACKED, Execution(outcome=Outcome.INVALID, message="broken"), 0.0, promised=0.9),), 3),
        ((attempt(CRACKED, flawed(), 0.95), attempt("other", built(volume_mm3=1.0), 0.96)), 0),
    ],
    ids=["nothing yet", "sound", "flawed", "worse than promised", "invalid", "a sound one is better"],
)
def test_it_proposes_where_something_was_spoilt(history: tuple[Attempt, ...], expected: int) -> None:
    programs = BooleanTolerance().propose(Target(mesh=MESH), history)
    assert len(programs) == expected
    assert len({p.source for p in programs}) == expected


def test_what_it_tried_is_not_tried_again() -> None:
    first = attempt(CRACKED, flawed(), 0.99)
    tried = BooleanTolerance().propose(Target(mesh=MESH), (first,))
    again = [replace(first, program=program) for program in tried]
    assert BooleanTolerance().propose(Target(mesh=MESH), (first, *again)) == []


def test_a_useful_program_with_a_flaw_is_kept_and_sound_facets_are_delivered_beside_it(tmp_path: Path) -> None:
    step = tmp_path / "facets.step"
    facets = attempt("facets", replace(built(volume_mm3=1.0), step=step), 0.94)
    facets = replace(facets, program=replace(facets.program, kind=ProgramKind.FACETS))
    useful = attempt("features", built(volume_mm3=1.0), 0.9)
    spoilt = attempt("features", flawed(), 0.95)
    assert best(facets, spoilt) is spoilt and delivered(facets, spoilt) is facets
    assert best(facets, useful) is useful and delivered(facets, useful) is facets
    assert best(useful, spoilt) is useful and delivered(useful, spoilt) is useful
    assert Reconstruction(target=Target(mesh=MESH), attempts=(spoilt,)).grade is Grade.APPROXIMATE


def delivered(*attempts: Attempt) -> Attempt | None:
    return Reconstruction(target=Target(mesh=MESH), attempts=attempts).delivered


def best(*attempts: Attempt) -> Attempt | None:
    return Reconstruction(target=Target(mesh=MESH), attempts=attempts).best

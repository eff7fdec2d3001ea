"""Booleans rehearsed: what is tried, the rewritten text, when it is proposed, and that it mends what OCC spoils."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cad_pipeline.doubles import built
from cad_pipeline.generators.rehearsal import LEFT_OUT, NOTHING, rehearsed, steps_of
from cad_pipeline.generators.sound_booleans import Choice, SoundBooleans, rewritten, spoilt_attempts
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
part = disc
part = part.union(arm)
result = part
"""
BLOCK = """\
import cadquery as cq

bore_d = 2.0  # mm
post_d = 4.0  # mm
part = cq.Workplane().box(20, 20, 20)
post = cq.Workplane().box(4, 4, 30)
part = part.union(post)
part = part.faces("<Z").workplane().hole(bore_d, 20)
result = part
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


def test_a_crack_that_occ_lets_pass_is_a_flaw_and_a_rehearsal_mends_it(sandbox, tmp_path: Path) -> None:
    mended, count = SoundBooleans(sandbox).mended(CRACKED)
    assert count == 1
    executions = []
    for number, source in enumerate((CRACKED, mended)):
        folder = tmp_path / str(number)
        folder.mkdir()
        executions.append(sandbox.run(source, folder))
    cracked, whole = executions
    assert cracked.built and not cracked.sound
    assert "open edges" in cracked.flaw
    assert whole.sound, whole.flaw
    assert whole.volume_mm3 == pytest.approx(cracked.volume_mm3, rel=1e-3)


def test_a_step_that_nothing_helps_is_left_out(sandbox, tmp_path: Path) -> None:
    source = BLOCK.replace("(post)", "(post.edges().fillet(post_d + 9))")
    mended, count = SoundBooleans(sandbox).mended(source)
    assert count == 1 and "fillet" not in mended
    assert "post_d" not in mended, "a dimension that nothing uses is left out as well"
    assert sandbox.run(mended, tmp_path).volume_mm3 == pytest.approx(20**3 - 3.1415927 * 20, rel=1e-4)


def test_a_sound_program_comes_back_as_it_was(sandbox) -> None:
    assert SoundBooleans(sandbox).mended(BLOCK) == (BLOCK, 0)


def test_a_trial_that_kills_the_worker_is_not_made_again() -> None:
    class Deadly:
        """A sandbox in which the second trial of the first step never comes back."""

        def __init__(self) -> None:
            self.texts: list[str] = []

        def run(self, source: str, folder: Path, **_: object) -> Execution:
            self.texts.append(source)
            if len(self.texts) == 1:
                return Execution(outcome=Outcome.TIMED_OUT, log=f"try 0 {NOTHING}\ntry 0 tol=1e-08\n")
            return Execution(
                outcome=Outcome.BUILT, log="try 0 tol=1e-06\nstep 0 tol=1e-06 of 50.0\nstep 1 as it is of 9\n"
            )

    box = Deadly()
    mended, count = SoundBooleans(box).mended(BLOCK)  # type: ignore[arg-type]
    assert (
        "tol=1e-08" in box.texts[0] and "'tol=1e-08'" not in box.texts[1].split("part = _step(1")[0].split("_step(0")[1]
    )
    assert count == 1 and "tol=5e-05" in mended


def test_solids_that_touch_along_an_edge_are_no_crack(sandbox, tmp_path: Path) -> None:
    source = (
        "import cadquery as cq\nbox = cq.Workplane().box(10, 10, 10)\nresult = box.union(box.translate((10, 10, 0)))\n"
    )
    assert sandbox.run(source, tmp_path).sound


def test_what_a_program_prints_itself_is_not_taken_for_more_than_a_choice() -> None:
    class Lying:
        """A sandbox whose program talks."""

        def run(self, source: str, folder: Path, **_: object) -> Execution:
            log = (
                "step 0 tol=1e999); import os; (\nstep 0 tol=x of 1\nstep 99999999 left out\nstep 1 tol=1e-05 of ...\n"
            )
            return Execution(outcome=Outcome.BUILT, log=log)

    assert SoundBooleans(Lying()).mended(BLOCK) == (BLOCK, 0)  # type: ignore[arg-type]


def test_a_tool_that_is_an_expression_is_moved_as_a_whole() -> None:
    source = BLOCK.replace("part.union(post)", "part.union(post if post_d else part)")
    text = rewritten(source, {0: Choice("move=1e-04", 40.0)})
    assert "part.union((post if post_d else part).translate((4e-03, 4e-03, 4e-03)))" in text


def test_what_was_chosen_is_written_into_the_calls() -> None:
    text = rewritten(BLOCK, {0: Choice("tol=1e-05", 40.0), 1: Choice(NOTHING)})
    assert "part.union(post, tol=4e-04)" in text
    text = rewritten(BLOCK, {0: Choice("move=-1e-04", 40.0)})
    assert "part.union(post.translate((-4e-03, -4e-03, -4e-03)))" in text
    text = rewritten(BLOCK, {0: Choice(LEFT_OUT), 1: Choice(LEFT_OUT)})
    assert "hole" not in text and "union" not in text and "bore_d" not in text and parse(text)


def test_a_drilled_hole_may_leave_faces_unjoined_and_a_boolean_both() -> None:
    text = rewritten(BLOCK, {0: Choice("tol=1e-05, clean=False", 40.0), 1: Choice("clean=False", 40.0)})
    assert ".union(post, tol=4e-04, clean=False)" in text
    assert ".hole(bore_d, 20, clean=False)" in text


def test_what_was_left_unjoined_stays_so(sandbox, tmp_path: Path) -> None:
    # a rehearsal of two steps of which the first is told to leave faces unjoined
    text = rehearsed(BLOCK, {}, {0: "clean=False"}, set())
    assert text is not None
    log = sandbox.run(text, tmp_path).log
    assert [line.split(" of ")[0] for line in log.splitlines() if line.startswith("step")] == [
        "step 0 clean=False",
        "step 1 clean=False",
    ]


def test_long_lines_are_broken() -> None:
    long = BLOCK.replace(
        "part.union(post)", f"part.union({'post.translate((0.0, 0.0, 0.0)).' * 2}translate((0.0, 0.0, 0.0)))"
    )
    text = rewritten(long, {0: Choice("tol=1e-05", 40.0)})
    assert parse(text) and max(map(len, text.splitlines())) <= 120


@pytest.mark.parametrize(
    "source",
    ["x = (", "import cadquery as cq\nresult = cq.Workplane().box(1, 1, 1)\n"],
    ids=["no program", "no boolean"],
)
def test_what_has_no_steps_is_not_rehearsed(source: str) -> None:
    assert steps_of(source) == []
    assert rehearsed(source, {}, {}, set()) is None
    assert rewritten(source, {}) == source


@pytest.mark.parametrize(
    ("history", "expected"),
    [
        ((), 0),
        ((attempt(CRACKED, built(volume_mm3=1.0), 0.99, promised=0.99),), 0),
        ((attempt(CRACKED, flawed(), 0.99),), 1),
        ((attempt(CRACKED, built(volume_mm3=1.0), 0.6, promised=0.99),), 1),
        ((attempt(CRACKED, Execution(outcome=Outcome.INVALID, message="broken"), 0.0, promised=0.9),), 1),
        ((attempt(CRACKED, flawed(), 0.95), attempt("other", built(volume_mm3=1.0), 0.96)), 0),
    ],
    ids=["nothing yet", "sound", "flawed", "worse than promised", "invalid", "a sound one is better"],
)
def test_it_proposes_where_something_was_spoilt(sandbox, history: tuple[Attempt, ...], expected: int) -> None:
    assert len(SoundBooleans(sandbox).propose(Target(mesh=MESH), history)) == expected


def test_the_most_promising_comes_first_and_each_once(sandbox) -> None:
    first = attempt(CRACKED, flawed(), 0.8, promised=0.99)
    second = attempt(CRACKED.replace("20.41)", "20.4101)"), flawed(), 0.95, promised=0.95)
    assert spoilt_attempts((second, first)) == [first, second]
    stage = SoundBooleans(sandbox)
    (mended,) = stage.propose(Target(mesh=MESH), (second, first))
    (again,) = stage.propose(Target(mesh=MESH), (second, first, replace(first, program=mended)))
    assert "20.4101" in again.source and again.origin.round == 1
    # among two that OCC spoils alike, the mended one is the later
    assert mended.revision == first.program.revision + 1
    # one that came later and promises more has its turn as well
    late = attempt(CRACKED.replace("20.41)", "20.4102)"), flawed(), 0.995, promised=0.995)
    (third,) = stage.propose(Target(mesh=MESH), (first, replace(first, program=mended), late))
    assert "20.4102" in third.source and third.origin.round == 1


def test_what_comes_out_unsound_is_rehearsed_once_more_and_no_more() -> None:
    class Wavering:
        """A sandbox in which each rehearsal says something else, up to the third."""

        rehearsals = 0

        def run(self, source: str, folder: Path, **_: object) -> Execution:
            self.rehearsals += 1
            share = ("1e-06", "1e-05", "1e-05")[self.rehearsals - 1]
            return Execution(outcome=Outcome.BUILT, log=f"try 0 tol={share}\nstep 0 tol={share} of 50.0\n")

    box = Wavering()
    stage = SoundBooleans(box)  # type: ignore[arg-type]
    history = [attempt(BLOCK, flawed(), 0.9, promised=0.99)]
    texts = []
    while programs := stage.propose(Target(mesh=MESH), tuple(history)):
        texts.append(programs[0].source)
        history.append(replace(history[0], program=programs[0]))
    assert box.rehearsals == 3 and len(texts) == 2
    assert "tol=5e-05" in texts[0] and "tol=5e-04" in texts[1]
    # what is sound is left alone
    sound = replace(history[1], execution=built(volume_mm3=1.0), verdict=replace(history[1].verdict, iou=0.99))
    assert not stage.propose(Target(mesh=MESH), (history[0], sound)) and box.rehearsals == 3


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

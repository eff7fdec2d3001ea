"""Broken programs are mended by the least change that helps; the rescue rate is measured on a set written for it."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cad_pipeline.generators.program_edits import blends, cuts, drop, flip, shrink
from cad_pipeline.generators.repair import RepairGenerator, repairs
from cad_pipeline.generators.scripted import ScriptedGenerator
from cad_pipeline.pipeline import Pipeline, Stage
from cad_pipeline.values import Attempt, Mesh, Origin, Program, Target, Verdict
from cad_sandbox import ForkServerSandbox
from cad_sandbox.execution import Execution, Outcome

HEAD = "import cadquery as cq\n"
CHAIN = HEAD + (
    'result = (\n    cq.Workplane("XY")\n    .box(40, 20, 10)\n    .edges("|Z")\n    .fillet(30)\n    .faces(">Z")\n'
    "    .workplane()\n    .hole(4)\n)\n"
)
NAMED = (
    HEAD + 'radius = 12.0  # mm, too large\nresult = cq.Workplane("XY").box(40, 20, 10).edges("|Z").fillet(radius)\n'
)
TWO = HEAD + (
    'body = cq.Workplane("XY").box(40, 20, 10)\nbody = body.edges("|Z").fillet(15)\n'
    'result = body.faces(">Z").edges().chamfer(9)\n'
)
SHELLED = HEAD + (
    'result = cq.Workplane("XY").box(20, 20, 20).edges("|Z").fillet(3).edges(">Z").fillet(2).faces(">Z").shell(-5)\n'
)
NO_EDGES = HEAD + 'result = cq.Workplane("XY").sphere(10).edges("|Z").fillet(1)\n'
ONE_LINE = HEAD + (
    'result = cq.Workplane("XY").box(40, 20, 10).edges("|Z").fillet(2).faces(">Z").edges().chamfer(8)'
    '.faces(">X").workplane().hole(3)\n'
)
CUT_OFF = HEAD + 'body = cq.Workplane("XY").box(40, 20, 10)\nresult = body.faces(">Z").workplane().hole(\n'
COMPUTED = HEAD + 'w = 10.0\nresult = cq.Workplane("XY").box(w, w, w).edges().fillet(w * 0.8)\n'
LOOP = HEAD + (
    'result = cq.Workplane("XY").box(30, 30, 10)\nfor r in (2.0, 40.0):\n    result = result.edges("|Z").fillet(r)\n'
)
FUNCTION = HEAD + (
    "def rounded(body, r):\n    return body.edges().fillet(r)\n\n\n"
    'result = rounded(cq.Workplane("XY").box(10, 10, 10), r=9.0)\n'
)
HALF_A_WORD = HEAD + (
    'result = cq.Workplane("XY").box(30, 30, 10)\nfor x in (-5, 5):\n'
    '    result = result.faces(">Z").workplane().hole(3)\n'
    "result = result.fac"
)
HOPELESS = HEAD + "result = cq.Workplane('XY').bx(1, 2, 3)\n"
BROKEN = {
    "chain over lines": CHAIN,
    "named radius": NAMED,
    "two in a row": TWO,
    "shell too thick": SHELLED,
    "no edges": NO_EDGES,
    "one line": ONE_LINE,
    "cut off": CUT_OFF,
    "computed": COMPUTED,
    "loop": LOOP,
    "function": FUNCTION,
    "half a word": HALF_A_WORD,
}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[ForkServerSandbox]:
    if not sys.platform.startswith("linux"):
        pytest.skip("the sandbox needs Linux")
    with ForkServerSandbox(workers=1) as made:
        yield made


class Judge:
    """Accepts whatever builds."""

    def judge(self, target: Target, execution: Execution, /) -> Verdict:
        return Verdict(accepted=execution.built, reason=str(execution.outcome))


def target() -> Target:
    return Target(mesh=Mesh(name="part", vertices=np.eye(3), faces=np.array([[0, 1, 2]])))


def mended(source: str, sandbox: ForkServerSandbox, folder: Path) -> list[Attempt]:
    plan = (Stage(ScriptedGenerator((source,))), Stage(RepairGenerator(), rounds=8, samples=2))
    pipeline = Pipeline(plan=plan, sandbox=sandbox, verifier=Judge(), workers=1)
    return list(pipeline.reconstruct(target(), folder).attempts)


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_program_is_rescued(name: str, sandbox: ForkServerSandbox, tmp_path: Path) -> None:
    first, *repaired = mended(BROKEN[name], sandbox, tmp_path)
    assert not first.execution.built and first.execution.outcome is not Outcome.LOST
    assert repaired and repaired[-1].execution.built, [(a.program.source, a.execution.message) for a in repaired]
    assert str(first.program.origin) in repaired[-1].program.origin.note


def test_what_has_nothing_to_mend_is_left_alone(sandbox: ForkServerSandbox, tmp_path: Path) -> None:
    assert len(mended(HOPELESS, sandbox, tmp_path)) == 1


def test_the_least_change_comes_first_and_everything_else_stays() -> None:
    found = list(repairs(failed(CHAIN, line=6)))
    assert [words.split(" on ")[0] if "all" not in words else "all" for _, words in found] == [
        "fillet", "fillet", "fillet",
    ]  # fmt: skip
    assert found[0][0] == CHAIN.replace("fillet(30)", "fillet(15)")
    assert found[2][0] == CHAIN.replace('\n    .edges("|Z")\n    .fillet(30)', "")
    named = next(iter(repairs(failed(NAMED, line=3))))
    assert named[0] == NAMED.replace("12.0", "6.0")


def test_a_repaired_fillet_keeps_the_hole(sandbox: ForkServerSandbox, tmp_path: Path) -> None:
    built = mended(CHAIN, sandbox, tmp_path)[-1]
    assert built.execution.face_kinds["CYLINDER"] == 5


def test_a_shell_that_left_no_room_is_thinned() -> None:
    source = HEAD + 'result = cq.Workplane("XY").box(40, 30, 20).faces(">Z").shell(-16)\n'
    too_much = Attempt(
        program=Program(source=source, origin=Origin(generator="qwen")),
        execution=Execution(outcome=Outcome.BUILT),
        verdict=Verdict(accepted=False, reason="too much", volume_error=0.4),
    )
    assert [words for _, words in repairs(too_much)] == [
        "shell on line 2 thinned to 50%",
        "shell on line 2 thinned to 20%",
    ]
    (program,) = RepairGenerator().propose(target(), [too_much], samples=4)
    assert "shell((-16) * 0.5)" in program.source


def test_half_a_word_at_the_end_is_dropped_and_a_mistake_before_it_is_not() -> None:
    half = failed(HALF_A_WORD, line=5, message="AttributeError: no attribute 'fac'")
    assert next(iter(repairs(half)))[0] == HALF_A_WORD.removesuffix("result = result.fac")
    assert not list(repairs(failed(HALF_A_WORD, line=4, message="AttributeError: no attribute 'hol'")))
    assert not list(repairs(failed(HOPELESS, line=2, message="AttributeError: no attribute 'bx'")))


def test_a_cut_that_cut_air_is_turned_round() -> None:
    source = HEAD + (
        'd = 5.0\nresult = cq.Workplane("XY").box(20, 20, 10).faces(">Z").workplane().rect(8, 8).cutBlind(d)\n'
    )
    verdict = Verdict(accepted=False, reason="too much", iou=0.9, volume_error=0.1)
    attempt = Attempt(
        program=Program(source=source, origin=Origin(generator="x")),
        execution=Execution(outcome=Outcome.BUILT),
        verdict=verdict,
    )
    (program,) = RepairGenerator().propose(target(), [attempt], samples=3)
    assert program.source == source.replace("cutBlind(d)", "cutBlind(-d)") and "turned round" in program.origin.note
    assert flip(program.source, cuts(program.source)) == source
    enough = Attempt(program=attempt.program, execution=attempt.execution, verdict=Verdict(accepted=True, reason=""))
    assert RepairGenerator().propose(target(), [enough], samples=3) == []


def failed(source: str, line: int | None = None, message: str = "StdFail_NotDone") -> Attempt:
    return Attempt(
        program=Program(source=source, origin=Origin(generator="x")),
        execution=Execution(outcome=Outcome.RAISED, message=message, line=line),
        verdict=Verdict(accepted=False, reason="raised"),
    )


sizes = st.integers(1, 99)
links = st.sampled_from(
    ['.edges("|Z").fillet({})', '.faces(">Z").edges().chamfer({})', '.faces("<Z").shell(-{})', ".translate(({}, 0, 0))",
     '.faces(">Z").workplane().hole({})', "\n    .edges().fillet(\n        {}\n    )"]
)  # fmt: skip
chains = st.lists(st.tuples(links, sizes), max_size=6).map(
    lambda each: HEAD + "# é µ\nresult = (cq.Workplane().box(9, 9, 9)" + "".join(w.format(n) for w, n in each) + ")\n"
)


@given(chains)
def test_every_edit_parses_and_does_what_it_says(source: str) -> None:
    found = blends(source)
    for number, each in enumerate(found):
        without = drop(source, [each])
        ast.parse(without)
        assert len(blends(without)) == len(found) - 1
        smaller = shrink(source, each, 0.5)
        assert smaller is not None and len(blends(smaller)) == len(found)
        assert [e.name for e in blends(without)] == [e.name for k, e in enumerate(found) if k != number]
    none = drop(source, found)
    ast.parse(none)
    assert not blends(none) and none.count(".hole(") == source.count(".hole(")

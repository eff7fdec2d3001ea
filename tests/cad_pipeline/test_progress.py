"""What a person sees: plain lines in a log, a moving line at a terminal, no control codes where they do harm."""

from __future__ import annotations

import io

import numpy as np

from cad_pipeline.progress import ConsoleReporter, summary
from cad_pipeline.values import (
    Attempt,
    Deviation,
    Mesh,
    Origin,
    Program,
    Reconstruction,
    Target,
    Verdict,
)
from cad_sandbox.execution import Execution, Outcome

MESH = Mesh(
    name="[bold]wedge",
    vertices=np.array([[0, 0, 0], [30, 0, 0], [0, 20, 0], [0, 0, 10]], dtype=float),
    faces=np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [0, 3, 2]]),
    notes=("closed 1 hole with 2 triangles",),
)
TARGET = Target(mesh=MESH)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def attempt(outcome: Outcome, iou: float, *, accepted: bool = False) -> Attempt:
    return Attempt(
        program=Program(source="result = 1", origin=Origin(generator="geometric", note="slabs [2]")),
        execution=Execution(outcome=outcome, message="no luck"),
        verdict=Verdict(accepted=accepted, reason="", iou=iou, deviation=Deviation(max=0.0213, p95=0.0, mean=0.0)),
        seconds={"run": 1.0, "judge": 0.25},
    )


def talk(stream: io.StringIO) -> str:
    with ConsoleReporter(stream, parts=2) as reporter:
        reporter.reading("wedge")
        reporter.started(TARGET)
        reporter.proposing(TARGET, "geometric", 0)
        reporter.tried(TARGET, attempt(Outcome.TIMED_OUT, 0.0))
        reporter.proposing(TARGET, "geometric", 1)
        reporter.tried(TARGET, attempt(Outcome.BUILT, 0.99871))
    return stream.getvalue()


def test_a_log_gets_plain_lines() -> None:
    assert talk(io.StringIO()).splitlines() == [
        "[1/2] wedge: reading",
        "[bold]wedge: 4 triangles, 30 x 20 x 10 mm",
        "  note: closed 1 hole with 2 triangles",
        "[1/2] [bold]wedge: geometric is writing",
        "  geometric#0.0 (slabs [2]): timed_out, 1.2 s",
        "[1/2] [bold]wedge: geometric is writing, round 2",
        "  geometric#0.0 (slabs [2]): IoU 0.9987, 1.2 s",
    ]


def test_a_terminal_gets_the_same_lines_and_its_cursor_back() -> None:
    said = talk(Terminal())
    for line in ("4 triangles, 30 x 20 x 10 mm", "(slabs [2]): IoU 0.9987, 1.2 s", "note: closed 1 hole"):
        assert line in said
    assert said.rfind("\x1b[?25h") > said.rfind("\x1b[?25l") or "\x1b[?25l" not in said


def test_the_summary_never_says_more_than_was_found() -> None:
    good = Reconstruction(target=TARGET, attempts=(attempt(Outcome.BUILT, 0.99871, accepted=True),))
    assert summary(good, name="w", seconds=2.0) == ("✓ w: parametric, IoU 0.9987, largest deviation 0.0213 mm, 2.0 s")
    none = Reconstruction(target=TARGET, attempts=(attempt(Outcome.RAISED, 0.0),))
    assert summary(none, name="w", seconds=2.0) == "✗ w: nothing built (1 programs tried), 2.0 s"

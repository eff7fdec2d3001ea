"""Tells from the outside how a stage ended, in the words of an `Outcome`.

A breach of the memory limit can look like a MemoryError, a refused allocation in C++ or a segmentation fault; a stage
that closed its pipe, lied or died in the middle of a word has no report at all. Nothing here trusts the stage: its
report is capped, and only the fields and outcomes that a program is allowed to have are taken over.
"""

from __future__ import annotations

import json
import re
import signal
from typing import Any

from cad_sandbox.child import ChildEnd, Ending
from cad_sandbox.execution import Outcome
from cad_sandbox.frames import Kind, frames

__all__ = ["OF_PROGRAM", "OF_VALIDATION", "StageResult", "read_stage"]

OF_PROGRAM = frozenset(
    {
        Outcome.BUILT,
        Outcome.SYNTAX_ERROR,
        Outcome.RAISED,
        Outcome.NO_RESULT,
        Outcome.NO_SOLID,
        Outcome.OUT_OF_MEMORY,
        Outcome.REFUSED,
    }
)
# LOST from the validating process means that the machine failed it: a full disk, say.
OF_VALIDATION = frozenset(
    {Outcome.BUILT, Outcome.NO_SOLID, Outcome.INVALID, Outcome.OUT_OF_MEMORY, Outcome.REFUSED, Outcome.LOST}
)

_MAX_REPORT = 1 << 20
_MEMORY_SHARE = 0.8
_TRACE_LINE = re.compile(rb'File "<program>", line (\d+)')


class StageResult:
    """What one stage said and how it ended: a report with an `outcome`, its log, and the place of its shape's bytes."""

    __slots__ = ("log", "report", "shape")

    def __init__(self, report: dict[str, Any], log: bytes, shape: memoryview | None) -> None:
        self.report = report
        self.log = log
        self.shape = shape


def read_stage(
    end: ChildEnd,
    *,
    may_report: frozenset[Outcome],
    memory_mb: int,
    cpu_s: float,
    wall_s: float,
    log_bytes: int,
) -> StageResult:
    """Read what a stage left behind; a report with an outcome that is not in `may_report` counts as none."""
    phase = "starting"
    log = bytearray()
    report: dict[str, Any] | None = None
    shape: memoryview | None = None
    for kind, payload in frames(end.data):
        if kind is Kind.PHASE:
            phase = bytes(payload[:64]).decode(errors="replace")
        elif kind is Kind.LOG:
            log += payload
            # A forger may send more than the writer's own budget; the tail is kept.
            del log[: max(0, len(log) - 2 * log_bytes)]
        elif kind is Kind.REPORT:
            report = _parse(payload, may_report)
        else:
            shape = payload
    ended = _ended(end, phase, memory_mb, cpu_s, wall_s)
    if ended is None and report is None:
        ended = _plain(Outcome.CRASHED, f"the process ended without a word while {phase} (exit code {end.exit_code})")
    if ended is not None:
        report, shape = ended, None
    assert report is not None
    return StageResult(report, bytes(log[-log_bytes:]), shape)


def _plain(outcome: Outcome, message: str, line: int | None = None) -> dict[str, Any]:
    return {"outcome": outcome.value, "message": message, "line": line}


def _ended(end: ChildEnd, phase: str, memory_mb: int, cpu_s: float, wall_s: float) -> dict[str, Any] | None:
    """Name the ends that overrule whatever the stage said."""
    if end.ending is Ending.FLOOD:
        return _plain(Outcome.REFUSED, "the shape and the log are larger than the limits allow")
    if end.ending is Ending.CROWD:
        return _plain(Outcome.REFUSED, f"started more threads than the limit allows, while {phase}")
    if end.ending is Ending.DEADLINE:
        where, line = _where(end.trace)
        return _plain(Outcome.TIMED_OUT, f"not finished after {wall_s:g} s, while {phase}{where}", line)
    if end.signal is None:
        return None
    name = signal.Signals(end.signal).name if end.signal in {s.value for s in signal.Signals} else str(end.signal)
    if end.signal == signal.SIGXCPU or (end.signal == signal.SIGKILL and end.cpu_s >= cpu_s):
        return _plain(Outcome.TIMED_OUT, f"used {cpu_s:g} s of processor time, while {phase}")
    if end.signal == signal.SIGKILL:
        return _plain(Outcome.OUT_OF_MEMORY, f"killed by the system, most likely for its memory, while {phase}")
    if end.peak_memory_mb >= _MEMORY_SHARE * memory_mb:
        return _plain(Outcome.OUT_OF_MEMORY, f"reached the limit of {memory_mb} MB ({name}), while {phase}")
    return _plain(Outcome.CRASHED, f"crashed with {name} while {phase}")


def _where(trace: bytes) -> tuple[str, int | None]:
    """Say whether Python or C++ was running, and the innermost line of the program."""
    found = _TRACE_LINE.search(trace)
    if found is None:
        return "", None
    line = int(found.group(1)[:9])
    return (" in Python" if b"\nPYTHON\n" in trace else " in C++") + f" (line {line})", line


def _parse(payload: memoryview, may_report: frozenset[Outcome]) -> dict[str, Any] | None:
    if len(payload) > _MAX_REPORT:
        return None
    try:
        report = json.loads(bytes(payload))
        known = isinstance(report, dict) and Outcome(report["outcome"]) in may_report
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return report if known else None

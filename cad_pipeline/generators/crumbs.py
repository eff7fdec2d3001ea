"""Keeps the part and drops the crumbs: what cuts left standing beside it as solids of their own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from cad_pipeline.syntax import parse
from cad_pipeline.values import Attempt, Origin, Program, ProgramKind, Target

__all__ = ["Crumbs", "without_crumbs"]

_MARK = "# the cuts leave crumbs: the largest solid is the part"
_LARGEST = f"{_MARK}\nresult = cq.Workplane(max(result.solids().vals(), key=lambda solid: solid.Volume()))\n"


@dataclass(frozen=True, slots=True)
class Crumbs:
    """Propose the best feature program again, its largest solid alone, where the target is one body and it built more.

    Whether the others were crumbs is for the verifier to say.
    """

    name: str = "crumbs"

    def propose(self, target: Target, history: Sequence[Attempt], /, *, samples: int = 1) -> Sequence[Program]:
        """Propose up to `samples` programs, the closest first; nothing where no program built too many solids."""
        known = {attempt.program.source for attempt in history}
        crumbly = sorted((a for a in history if _crumbly(a)), key=lambda a: -(a.verdict.iou or 0.0))
        programs: list[Program] = []
        for attempt in crumbly[:samples]:
            source = without_crumbs(attempt.program.source)
            if source not in known:
                origin = Origin(generator=self.name, sample=len(programs), note=attempt.program.origin.note)
                programs.append(replace(attempt.program, source=source, origin=origin))
        return programs


def _crumbly(attempt: Attempt) -> bool:
    betti = attempt.verdict.betti_target
    return (
        attempt.program.kind is ProgramKind.FEATURES
        and attempt.execution.built
        and betti is not None
        and betti.b0 == 1 < attempt.execution.solids
        and _MARK not in attempt.program.source
    )


def without_crumbs(source: str) -> str:
    """Let a program that leaves a workplane in `result` keep its largest solid; another text comes back as it was."""
    try:
        tree = parse(source)
    except (SyntaxError, ValueError):
        return source
    lines = source.splitlines()
    if "import cadquery as cq" not in lines or not tree.body or not lines[-1].startswith("result ="):
        return source
    return source.rstrip("\n") + "\n" + _LARGEST

"""Proposes programs of the history again, with their numbers fitted to the target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from cad_pipeline.generators.number_fit import Effort, Fit, fit_numbers
from cad_pipeline.parameters import read_parameters
from cad_pipeline.roles import Sandbox
from cad_pipeline.values import Attempt, Origin, Program, ProgramKind, Target
from cad_sandbox.execution import Outcome

__all__ = ["RefineGenerator"]

# failures of the kernel or of its input that other numbers may cure; what ran out of time would do so again
_CURABLE = (Outcome.RAISED, Outcome.NO_SOLID, Outcome.INVALID, Outcome.CRASHED, Outcome.OUT_OF_MEMORY)
_MOST_REMEMBERED = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class RefineGenerator:
    """Propose the best programs of the history with their numbers fitted to the target, each once.

    What a fit may cost is in `effort`, and what it did cost in the note. What comes nearer only by chance is not
    proposed: the mean distance must fall. Where nothing of the history came near, the first program that failed in the
    kernel is moved to where it builds, and fitted.
    """

    sandbox: Sandbox
    least_iou: float = 0.3
    effort: Effort = field(default_factory=Effort)
    name: str = "refine"
    _barren: dict[tuple[str, str], None] = field(default_factory=dict, init=False, repr=False, compare=False)

    def propose(self, target: Target, history: Sequence[Attempt], /, *, samples: int = 1) -> Sequence[Program]:
        """Propose up to `samples` fitted programs, those of the best attempts first."""
        rounds = [a.program.origin.round for a in history if a.program.origin.generator == self.name]
        round_ = max(rounds, default=-1) + 1
        programs: list[Program] = []
        worth = [a for a in self._worth(history) if (target.mesh.digest, a.program.digest) not in self._barren]
        for attempt in worth[:samples]:
            fit = fit_numbers(attempt.program.source, target.mesh, self.sandbox, self.effort)
            if fit is None or fit.source == attempt.program.source:
                self._remember(target, attempt)
                continue
            origin = Origin(
                generator=self.name,
                round=round_,
                sample=len(programs),
                note=f"of {attempt.program.origin}: {_words(fit)}",
            )
            programs.append(Program(source=fit.source, origin=origin, parameters=read_parameters(fit.source)))
        return programs

    def _remember(self, target: Target, attempt: Attempt) -> None:
        """Keep for the next round that this fit came to nothing: the history does not tell."""
        if len(self._barren) >= _MOST_REMEMBERED:
            self._barren.clear()
        self._barren[(target.mesh.digest, attempt.program.digest)] = None

    def _worth(self, history: Sequence[Attempt]) -> list[Attempt]:
        """List what may be fitted, best first; of programs that build the same only one, and none a second time."""
        done = [a.program.origin.note for a in history if a.program.origin.generator == self.name]
        found: dict[tuple[int, int], Attempt] = {}
        failed: list[Attempt] = []
        near = False
        for attempt in history:
            program, iou = attempt.program, attempt.verdict.iou or 0.0
            if program.kind is not ProgramKind.FEATURES or program.origin.generator == self.name:
                continue
            near = near or (attempt.execution.built and iou >= self.least_iou)
            # its own results have been fitted as far as they go
            if attempt.verdict.accepted or any(note.startswith(f"of {program.origin}:") for note in done):
                continue
            if attempt.execution.built and iou >= self.least_iou:
                volume = attempt.execution.volume_mm3 or 0.0
                found.setdefault((round(iou * 1e4), round(volume)), attempt)
            elif attempt.execution.outcome in _CURABLE:
                failed.append(attempt)
        return sorted(found.values(), key=lambda each: -(each.verdict.iou or 0.0)) or ([] if near else failed[:1])


def _words(fit: Fit) -> str:
    moved = "moved to where it builds, " if fit.moved_to_build else ""
    distance = f"mean distance {fit.before_mm:.3g} to {fit.after_mm:.3g} mm"
    return f"{moved}{fit.fitted} numbers fitted, {distance}, {fit.runs} runs"

"""A generator that says what it was told to: the public test double, and a way to judge given programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cad_pipeline.values import Attempt, Origin, Program, ProgramKind, Target

__all__ = ["ScriptedGenerator"]


@dataclass(frozen=True)
class ScriptedGenerator:
    """Propose the given sources in order, `samples` at a time, and nothing once they are spent.

    Where the script stands is read from the history, so one generator serves many parts.
    """

    sources: tuple[str, ...]
    name: str = "scripted"
    kind: ProgramKind = ProgramKind.FEATURES

    def propose(self, target: Target, history: Sequence[Attempt], /, *, samples: int = 1) -> Sequence[Program]:
        """Propose the next sources of the script."""
        mine = [attempt for attempt in history if attempt.program.origin.generator == self.name]
        round_ = len({attempt.program.origin.round for attempt in mine})
        batch = self.sources[len(mine) : len(mine) + samples]
        return [
            Program(source=source, kind=self.kind, origin=Origin(generator=self.name, round=round_, sample=k))
            for k, source in enumerate(batch)
        ]

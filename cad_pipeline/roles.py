"""The roles that act on values: one method each, no base classes.

`Sandbox` and `Renderer` are the siblings' own protocols, named here so that a reader finds all roles on one page.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from cad_pipeline.values import Attempt, Program, Target, Verdict
from cad_sandbox.execution import Execution, Sandbox

__all__ = ["Generator", "Reporter", "Sandbox", "Verifier"]


class Generator(Protocol):
    """Writes or changes programs. Proposing nothing means: no better idea."""

    @property
    def name(self) -> str:
        """Short name used in origins, reports and options."""
        ...

    def propose(self, target: Target, history: Sequence[Attempt], /, *, samples: int = 1) -> Sequence[Program]:
        """Propose up to `samples` programs for `target`, knowing what was tried before."""
        ...


class Verifier(Protocol):
    """Judges what a program built against the target; judges failures too, so that the loop has no special case."""

    def judge(self, target: Target, execution: Execution, /) -> Verdict:
        """Compare the execution's files with the target's mesh."""
        ...


class Reporter(Protocol):
    """Hears what happens, for people and logs; must not change anything."""

    def started(self, target: Target, /) -> None:
        """Hear that work on a part begins."""
        ...

    def proposing(self, target: Target, generator: str, round_: int, /) -> None:
        """Hear that a generator is thinking."""
        ...

    def tried(self, target: Target, attempt: Attempt, /) -> None:
        """Hear of one finished attempt."""
        ...

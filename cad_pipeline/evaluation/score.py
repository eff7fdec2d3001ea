"""The values of an evaluation: a part that was read, and what a pair came to."""

from __future__ import annotations

import enum
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from cad_pipeline.mesh import SolidFacts
from cad_pipeline.values import Mesh

__all__ = ["Fate", "Part", "Score"]


class Fate(enum.StrEnum):
    """What became of a pair. Only `SCORED` is a success; `BAD_TARGET` is nobody's failure and counts nowhere."""

    SCORED = "scored"
    MISSING = "missing"
    UNREADABLE = "unreadable"
    NOT_BUILT = "not built"
    NOT_MEASURABLE = "not measurable"
    TIMED_OUT = "timed out"
    CRASHED = "crashed"
    BAD_TARGET = "bad target"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Part:
    """A part that was read: its mesh in mm, and the CAD kernel's word on it where the file holds an exact solid."""

    mesh: Mesh
    facts: SolidFacts | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """What one pair came to: `iou` as the protocol defines it (None for a failure), and the rest in words.

    `iou` lies in [0, 1], save where a published program's double counting was asked for. `reason` says why a pair
    failed, or what a person would see on a scored one. `figures` are the protocol's further numbers, `method` how the
    IoU was computed. `seconds` is wall-clock time, running a program included.
    """

    name: str
    fate: Fate
    kind: str | None = None
    iou: float | None = None
    reason: str = ""
    method: str = ""
    figures: Mapping[str, float | None] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def success(self) -> bool:
        """Whether there is a result that could be measured."""
        return self.fate is Fate.SCORED

    @property
    def counts(self) -> bool:
        """Whether the pair belongs in the statistics: all do, save those whose target can't be read."""
        return self.fate is not Fate.BAD_TARGET

    def as_dict(self) -> dict[str, Any]:
        """Give the score as plain values for JSON; a number that is not finite becomes null."""
        return {
            "name": self.name,
            "kind": self.kind,
            "fate": str(self.fate),
            "iou": _finite(self.iou),
            "reason": self.reason,
            "method": self.method,
            "figures": {key: _finite(value) for key, value in self.figures.items()},
            "seconds": round(self.seconds, 4),
        }

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Self:
        """Take a score from what `as_dict` gave; raises `KeyError`, `TypeError` or `ValueError` for anything else."""
        return cls(**{**record, "fate": Fate(record["fate"])})


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)

"""What a batch has come to so far: counts, rate, time to go, mean IoU, failures by kind."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cad_pipeline.batch.rows import Status

__all__ = ["Tally"]


@dataclass(kw_only=True)
class Tally:
    """Counts rows as they come. `taken_over` are parts that an earlier run had finished; they say nothing of speed."""

    parts: int
    done: int = 0
    taken_over: int = 0
    accepted: int = 0
    grades: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    _ious: float = 0.0
    _made: int = 0
    _started: float = field(default_factory=time.monotonic)

    def add(self, row: Mapping[str, Any], *, taken_over: bool = False) -> None:
        """Count one row."""
        self.done += 1
        self.taken_over += taken_over
        self.accepted += bool(row["accepted"])
        self.grades[str(row["grade"])] += 1
        if row["status"] != Status.MADE:
            self.failures[str(row["failure"])] += 1
        elif row["iou"] is not None:
            self._ious += row["iou"]
            self._made += 1

    @property
    def mean_iou(self) -> float | None:
        """Mean IoU of the parts that have one."""
        return self._ious / self._made if self._made else None

    @property
    def parts_per_hour(self) -> float:
        """Parts of this run an hour of wall-clock time, its start included."""
        return 3600.0 * (self.done - self.taken_over) / max(time.monotonic() - self._started, 1e-9)

    def line(self) -> str:
        """Say it in one line."""
        words = [f"{self.done}/{self.parts}"]
        if self.done > self.taken_over:
            rate = self.parts_per_hour
            words += [f"{rate:.0f} parts/h", f"{_span(3600.0 * (self.parts - self.done) / rate)} to go"]
        if self.mean_iou is not None:
            words.append(f"mean IoU {self.mean_iou:.4f}")
        if self.failures:
            kinds = ", ".join(f"{kind} {count}" for kind, count in sorted(self.failures.items()))
            words.append(f"failed {sum(self.failures.values())} ({kinds})")
        return ", ".join(words)


def _span(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"

"""`cad-pipeline batch`: many parts over the machines of a Ray cluster, with one line that says how it goes."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cad_pipeline.cli.exits import Exit, say
from cad_pipeline.cli.output import JsonLines
from cad_pipeline.options import Options
from cad_pipeline.store import Existing, Keep

if TYPE_CHECKING:
    from rich.status import Status

    from cad_pipeline.batch import Machines, Tally

__all__ = ["Plan", "run_batch"]

_TELL_EVERY_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What the command line was told about machines, files and talk."""

    machines: Machines
    ray_address: str | None
    wheel: Path | None
    existing: Existing
    keep: Keep
    part_timeout_s: float
    part_memory_mb: int
    export_dataset: Path | None
    json: bool
    quiet: bool


def run_batch(parts: Sequence[str], *, out: str, options: Options, plan: Plan) -> Exit:
    """Reconstruct every part; a part without a result costs the exit code 1, as one below the threshold does."""
    from cad_pipeline.batch import reconstruct_all

    lines = JsonLines() if plan.json else None
    with _line(plan) as line:

        def heard(row: dict[str, Any], tally: Tally) -> None:
            if lines is not None:
                lines.emit(row)
            line.show(row, tally)

        batch = reconstruct_all(
            list(parts),
            out=out,
            options=options,
            existing=plan.existing,
            keep=plan.keep,
            machines=plan.machines,
            ray_address=plan.ray_address,
            wheel=plan.wheel,
            part_timeout_s=plan.part_timeout_s,
            part_memory_mb=plan.part_memory_mb,
            export_dataset=plan.export_dataset,
            heard=heard,
        )
    if not plan.quiet:
        say(batch.tally.line())
        say(f"{batch.table}, {batch.summary}")
        if batch.rows is not None:
            say(f"{batch.rows} rows -> {plan.export_dataset}")
    return Exit.ACCEPTED if batch.accepted else Exit.BELOW_THRESHOLD


class _Line:
    """The moving line where there is a terminal; elsewhere a line now and then, and one for each failure."""

    def __init__(self, status: Status | None, plan: Plan) -> None:
        self._status, self._quiet = status, plan.quiet
        self._told = time.monotonic()

    def show(self, row: dict[str, Any], tally: Tally) -> None:
        """Say how it goes, and which part failed, with the reason."""
        if row["status"] != "made":
            self._stay(f"{row['name']}: {row['failure']}: {row['reason']}")
        if self._status is not None:
            self._status.update(tally.line())
        elif not self._quiet and time.monotonic() - self._told > _TELL_EVERY_S:
            self._told = time.monotonic()
            say(tally.line())

    def _stay(self, text: str) -> None:
        if self._status is not None:
            self._status.console.print(text, markup=False, highlight=False, soft_wrap=True)
        else:
            say(text)


@contextmanager
def _line(plan: Plan) -> Iterator[_Line]:
    if plan.quiet or not sys.stderr.isatty():
        if not plan.quiet:
            say("starting the workers")
        yield _Line(None, plan)
        return
    from rich.console import Console

    with Console(stderr=True).status("starting the workers") as status:
        yield _Line(status, plan)

"""`cad-pipeline evaluate`: many results against their targets, by a protocol of the field."""

from __future__ import annotations

import json as json_text
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from cad_pipeline.cli.exits import Exit, say
from cad_pipeline.cli.output import JsonLines, print_out
from cad_pipeline.errors import InputError, MissingPieceError
from cad_pipeline.store import Existing

if TYPE_CHECKING:
    from rich.progress import Progress

    from cad_pipeline.evaluation import Pair, RunOptions, Score, Summary
    from cad_pipeline.evaluation.runner import Taken

__all__ = ["Places", "evaluate_results"]

JOURNAL = "journal.jsonl"
_TELL_EVERY_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where an evaluation reads and writes, and what to do with an earlier one there."""

    results: Path
    targets: Path | None
    out: Path
    kinds: Path | None = None
    prediction: str | None = None
    existing: Existing = Existing.REFUSE


def evaluate_results(places: Places, options: RunOptions, *, json: bool, quiet: bool) -> Exit:
    """Judge every pair, write tables, pictures and the page, and show the figures.

    The exit code is 0 if every pair was scored, 1 if a result failed, 2 if a target can't be read.
    """
    from cad_pipeline.evaluation import evaluate
    from cad_pipeline.evaluation.journal import Journal

    _make_room(places)
    pairs = _pairs(places)
    lines = JsonLines() if json else None
    journal = Journal(places.out / JOURNAL)
    if not quiet:
        say(f"{len(pairs)} pairs, protocol {options.protocol} ({options.variant}), {options.workers} at once")
    with _Progress(len(pairs), quiet=quiet) as progress:

        def heard(taken: Taken) -> None:
            progress.heard(taken)
            if lines is not None:
                lines.emit(taken.score.as_dict())

        scores = evaluate(pairs, options, journal=journal, heard=heard)
    summary = _write(scores, options, places.out)
    if lines is not None:
        lines.emit({"summary": None if summary is None else summary.as_dict(), "out": str(places.out)})
    else:
        print_out(_text(scores, options, summary, places.out))
    if any(not score.counts for score in scores):
        return Exit.WRONG_INPUT
    return Exit.ACCEPTED if all(score.success for score in scores) else Exit.BELOW_THRESHOLD


def _make_room(places: Places) -> None:
    out = places.out
    if out.exists() and not out.is_dir():
        raise InputError(f"expected a folder for the evaluation, got the file {out}; choose another -o")
    if out.is_dir() and any(out.iterdir()):
        if not (out / JOURNAL).is_file():
            raise InputError(f"expected an empty folder or an earlier evaluation, found something else in {out}")
        if places.existing is Existing.REFUSE:
            raise InputError(
                f"expected room for an evaluation, found one in {out}; use --resume, --overwrite or another -o"
            )
        if places.existing is Existing.OVERWRITE:
            (out / JOURNAL).write_text("", encoding="utf-8")
            shutil.rmtree(out / "inputs", ignore_errors=True)
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / JOURNAL).touch()
    except OSError as error:
        raise InputError(f"expected to write in {out}, got: {error.strerror}; choose another -o") from None


def _pairs(places: Places) -> list[Pair]:
    from cad_pipeline.evaluation.pairs import pairs_of_folders, pairs_of_manifest, with_kinds

    if places.targets is None:
        if places.results.is_dir():
            raise InputError("expected RESULTS and TARGETS, or one CSV or Parquet table, got one folder; name TARGETS")
        pairs = pairs_of_manifest(places.results, places.out / "inputs", prediction=places.prediction)
    else:
        pairs = pairs_of_folders(places.results, places.targets)
    return with_kinds(pairs, places.kinds) if places.kinds else pairs


def _write(scores: Sequence[Score], options: RunOptions, out: Path) -> Summary | None:
    from cad_pipeline.evaluation import by_kind, iou_histogram, success_curve, summarise, write_csv, write_page
    from cad_pipeline.evaluation.tables import write_parquet

    summary = summarise(scores)
    record = {
        "schema_version": 1,
        "options": options.as_dict(),
        "summary": None if summary is None else summary.as_dict(),
        "kinds": {kind: each.as_dict() for kind, each in by_kind(scores).items()},
    }
    text = json_text.dumps(record, indent=2, ensure_ascii=False, allow_nan=False)
    (out / "summary.json").write_text(text + "\n", encoding="utf-8")
    write_csv(scores, out / "pairs.csv")
    try:
        write_parquet(scores, out / "pairs.parquet")
    except MissingPieceError as missing:
        say(f"note: pairs.csv only: {missing}")
    iou_histogram(scores).save(out / "iou_histogram.png")
    success_curve(scores).save(out / "success_curve.png")
    write_page(scores, options, out / "report.html")
    return summary


def _text(scores: Sequence[Score], options: RunOptions, summary: Summary | None, out: Path) -> str:
    """Lay the figures out for a terminal."""
    from cad_pipeline.evaluation import by_kind
    from cad_pipeline.evaluation.page import worst_first
    from cad_pipeline.evaluation.protocols import published
    from cad_pipeline.evaluation.tables import comparison_rows, kind_rows, summary_rows

    lines = [f"  {s.fate}: {s.name}: {s.reason}" for s in worst_first(scores) if not s.success][:20]
    if summary is None:
        return "\n".join([*lines, "no target could be read, so there are no figures"])
    failed = sum(not score.success for score in scores)
    if failed > len(lines):
        lines.append(f"  and {failed - len(lines)} more, in {out / 'pairs.csv'}")
    low, high = summary.success_interval.low, summary.success_interval.high
    lines.append(f"{summary.pairs} pairs, {summary.success_rate:.1%} scored [{low:.1%}, {high:.1%}]")
    if summary.bad_targets:
        lines.append(f"{summary.bad_targets} targets could not be read and count in no figure")
    lines += _columns([("", "over the successes", "failures as 0"), *summary_rows(summary)])
    for rows in (kind_rows(by_kind(scores)), comparison_rows(summary, published(options.protocol))):
        if len(rows) > 1:
            lines += ["", *_columns(rows)]
    return "\n".join([*lines, "", f"-> {out / 'report.html'}"])


def _columns(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    lines = []
    for first, *rest in rows:
        cells = [first.ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True))]
        lines.append("  ".join(cells))
    return lines


class _Progress:
    """Tells how far the work is: a bar on a terminal, else a line every ten seconds, with rate and time left."""

    def __init__(self, total: int, *, quiet: bool) -> None:
        self._total, self._quiet = total, quiet
        self._started = self._told = time.monotonic()
        self._bar: Progress | None = None

    def __enter__(self) -> Self:
        if not self._quiet and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"), TimeRemainingColumn())
            self._bar = Progress(*columns, console=Console(file=sys.stderr))
            self._bar.add_task("", total=self._total)
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def heard(self, taken: Taken) -> None:
        """Hear of a score."""
        now = time.monotonic()
        rate = taken.fresh / max(now - self._started, 1e-9)
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=taken.done, description=f"{rate:.2f} pairs/s")
        elif not self._quiet and (now - self._told >= _TELL_EVERY_S or taken.done == self._total):
            self._told = now
            left = (self._total - taken.done) / rate if rate else 0.0
            earlier = f", {taken.done - taken.fresh} taken over" if taken.done > taken.fresh else ""
            say(f"{taken.done} of {self._total} pairs{earlier}, {rate:.2f} pairs/s, {left:.0f} s left")

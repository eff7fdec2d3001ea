"""The scores as tables: a row a pair, failures with their reason among them."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cad_pipeline.errors import MissingPieceError
from cad_pipeline.evaluation.protocols import Published
from cad_pipeline.evaluation.score import Score
from cad_pipeline.evaluation.statistics import Interval, Spread, Summary

__all__ = ["comparison_rows", "kind_rows", "rows_of", "summary_rows", "write_csv", "write_parquet"]

_FIXED = ("name", "kind", "fate", "success", "iou", "reason", "method", "seconds")


def rows_of(scores: Sequence[Score]) -> list[dict[str, Any]]:
    """Lay scores out flat: name, kind, fate, success, iou (empty for a failure), every figure, seconds, reason."""
    names = list(dict.fromkeys(name for score in scores for name in score.figures))
    return [
        {
            "name": score.name,
            "kind": score.kind,
            "fate": str(score.fate),
            "success": score.success,
            "iou": score.as_dict()["iou"],
            **{name: score.as_dict()["figures"].get(name) for name in names},
            "seconds": round(score.seconds, 3),
            "method": score.method,
            "reason": score.reason,
        }
        for score in scores
    ]


def write_csv(scores: Sequence[Score], path: Path) -> None:
    """Write the rows as CSV in UTF-8."""
    rows = rows_of(scores)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]) if rows else list(_FIXED))
        writer.writeheader()
        writer.writerows(rows)


def write_parquet(scores: Sequence[Score], path: Path) -> None:
    """Write the rows as Parquet, with the same columns; raises `MissingPieceError` without pyarrow."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise MissingPieceError(
            "expected pyarrow for Parquet files, found none; pip install 'cad-pipeline[rows]'"
        ) from None
    rows = rows_of(scores)
    texts = {"name", "kind", "fate", "reason", "method"}
    names = list(rows[0]) if rows else list(_FIXED)
    kind_of = {
        name: pyarrow.string() if name in texts else pyarrow.bool_() if name == "success" else pyarrow.float64()
        for name in names
    }
    table = pyarrow.Table.from_pylist(rows, schema=pyarrow.schema([(name, kind_of[name]) for name in names]))
    parquet.write_table(table, path)


def summary_rows(summary: Summary) -> list[tuple[str, str, str]]:
    """Give the figures as (what, over the successes, with failures as 0), as text."""
    good, zero = summary.successes, summary.as_zero
    rows = [("pairs", str(good.count if good else 0), str(zero.count))]
    rows.append(("mean IoU", _with(good, "mean"), _with(zero, "mean")))
    rows.append(("median IoU", _with(good, "median"), _with(zero, "median")))
    rows.append(("P10", f"{good.p10:.4f}" if good else "-", f"{zero.p10:.4f}"))
    rows.append(("P90", f"{good.p90:.4f}" if good else "-", f"{zero.p90:.4f}"))
    rows += [
        (f"IoU ≥ {limit}", f"{good.at_least[limit]:.1%}" if good else "-", f"{share:.1%}")
        for limit, share in zero.at_least.items()
    ]
    return rows


def kind_rows(kinds: dict[str, Summary]) -> list[tuple[str, ...]]:
    """Give a row a kind, under the heading that comes first."""
    heading = (
        "kind",
        "pairs",
        "success",
        "mean",
        "median",
        "mean, fail = 0",
        "median, fail = 0",
        "≥ 0.9",
        "≥ 0.98",
    )
    return [heading, *(_kind_row(kind, summary) for kind, summary in kinds.items())]


def _kind_row(kind: str, summary: Summary) -> tuple[str, ...]:
    good, zero = summary.successes, summary.as_zero
    return (
        kind,
        str(summary.pairs),
        f"{summary.success_rate:.1%}",
        f"{good.mean:.4f}" if good else "-",
        f"{good.median:.4f}" if good else "-",
        f"{zero.mean:.4f}",
        f"{zero.median:.4f}",
        f"{zero.at_least['0.9']:.1%}",
        f"{zero.at_least['0.98']:.1%}",
    )


def comparison_rows(summary: Summary, published: Sequence[Published]) -> list[tuple[str, ...]]:
    """Set these results beside what was published under the same protocol, on other data; ~ marks derived figures."""
    if not published:
        return []
    good, zero = summary.successes, summary.as_zero
    heading = ("who", "data", "success", "mean", "median", "P90", "mean, fail = 0", "median, fail = 0")
    ours = (
        "these results",
        f"{summary.pairs} pairs",
        f"{summary.success_rate:.1%}",
        f"{good.mean:.3f}" if good else "-",
        f"{good.median:.3f}" if good else "-",
        f"{good.p90:.3f}" if good else "-",
        f"{zero.mean:.3f}",
        f"{zero.median:.3f}",
    )
    return [heading, ours, *(_published_row(each) for each in published)]


def _published_row(row: Published) -> tuple[str, ...]:
    mark = "~" if row.derived else ""
    return (
        row.who,
        row.data,
        f"{row.success_rate:.1%}" if row.success_rate is not None else "-",
        f"{row.mean:.3f}" if row.mean is not None else "-",
        f"{row.median:.3f}" if row.median is not None else "-",
        "-",
        f"{mark}{row.zero_mean:.3f}" if row.zero_mean is not None else "-",
        f"{row.zero_median:.3f}" if row.zero_median is not None else "-",
    )


def _with(spread: Spread | None, what: str) -> str:
    """Write a mean or median with its interval."""
    if spread is None:
        return "-"
    value, interval = getattr(spread, what), getattr(spread, f"{what}_interval")
    return f"{value:.4f}" + (f" [{interval.low:.4f}, {interval.high:.4f}]" if isinstance(interval, Interval) else "")

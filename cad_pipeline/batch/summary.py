"""`summary.html`: one page of its own on a whole batch, with no script and nothing fetched."""

from __future__ import annotations

import heapq
import html
import json
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from cad_pipeline.batch.charts import AMBER, BLUE, RED, Bar, bin_of, bins, columns, table_of_bars
from cad_pipeline.batch.filesystems import Home
from cad_pipeline.batch.rows import Status

__all__ = ["SUMMARY", "write_summary"]

SUMMARY = "summary.html"
_SHOWN = 10
_SLOWEST = 5
_FAILURES_SHOWN = 200
# finer where results lie: between 0.99 and 0.999 the error shrinks tenfold
_IOUS = (0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999)
_POOR = 0.9
_SECONDS = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0)
_COLOURS = {"parametric": BLUE, "approximate": AMBER, "faceted": AMBER}
_STYLE = """
body{font:15px/1.45 system-ui,sans-serif;margin:1.6rem auto;max-width:76rem;padding:0 1.2rem}
body{color:#1c2733;background:#fff}
h1{font-size:1.5rem;margin:0 0 .2rem}h2{font-size:1.05rem;margin:1.8rem 0 .5rem}p{margin:.2rem 0;color:#5a6773}
table{border-collapse:collapse;width:100%}th{font-weight:600;text-align:left;border-bottom:1px solid #9aa7b4}
th,td{padding:.22rem .8rem .22rem 0;vertical-align:top;overflow-wrap:anywhere}
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap;padding-right:0;padding-left:.8rem}
td.l,td.k{white-space:nowrap;width:1%}td.b{vertical-align:middle;min-width:4rem}
td.b i{display:block;height:.75rem;border-radius:2px;min-width:2px}
tr+tr td{border-top:1px solid #e6eaee}a{color:#0b5cad;text-decoration:none}a:hover{text-decoration:underline}
.figures{display:flex;gap:.6rem 2.4rem;flex-wrap:wrap;margin:1rem 0 0}
.figures b{display:block;font-size:1.7rem;font-weight:600;font-variant-numeric:tabular-nums;line-height:1.2}
.figures span{color:#5a6773}.bad b{color:#b3372d}
svg text{font:11px system-ui,sans-serif;fill:#5a6773}svg text.v{fill:#1c2733;font-weight:600}
.two{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,26rem),1fr));gap:0 3rem}
"""


@dataclass(kw_only=True)
class _Facts:
    """What a walk over the rows leaves behind; rows themselves are kept only where they are shown."""

    parts: int = 0
    made: int = 0
    accepted: int = 0
    ious: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    stages: Counter[str] = field(default_factory=Counter)
    grades: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    failed: list[dict[str, Any]] = field(default_factory=list)
    worst: list[tuple[float, int, dict[str, Any]]] = field(default_factory=list)
    best: list[tuple[float, int, dict[str, Any]]] = field(default_factory=list)
    slowest: list[tuple[float, int, dict[str, Any]]] = field(default_factory=list)

    def add(self, row: dict[str, Any]) -> None:
        """Take one row in."""
        self.parts += 1
        self.accepted += bool(row["accepted"])
        self.grades[row["grade"] or "unfinished"] += 1
        if row["seconds"] is not None:
            self.seconds.append(row["seconds"])
            self.stages.update(json.loads(row["stages"]))
            _keep(self.slowest, (row["seconds"], -row["number"], row))
        if row["status"] != Status.MADE:
            self.failures[row["failure"] or row["status"]] += 1
            if len(self.failed) < _FAILURES_SHOWN:
                self.failed.append(row)
            return
        self.made += 1
        if row["iou"] is not None:
            self.ious.append(row["iou"])
            _keep(self.worst, (-row["iou"], -row["number"], row))
            _keep(self.best, (row["iou"], -row["number"], row))


def write_summary(rows: Iterable[dict[str, Any]], home: Home) -> None:
    """Write the page from the rows of the table."""
    facts = _Facts()
    for row in rows:
        facts.add(row)
    home.write(SUMMARY, _page(facts).encode())


def _keep(heap: list[tuple[float, int, dict[str, Any]]], entry: tuple[float, int, dict[str, Any]]) -> None:
    """Keep the highest entries; numbers differ, so that rows are never compared."""
    if len(heap) < _SHOWN:
        heapq.heappush(heap, entry)
    elif entry[:2] > heap[0][:2]:
        heapq.heapreplace(heap, entry)


def _page(facts: _Facts) -> str:
    mean = statistics.fmean(facts.ious) if facts.ious else None
    with_zeros = sum(facts.ious) / facts.parts if facts.parts else None
    without = facts.parts - facts.made
    figures = [
        (f"{facts.parts:,}", "parts", ""),
        (f"{facts.accepted:,}", f"accepted, {_share(facts.accepted, facts.parts)}", ""),
        (f"{without:,}", f"without a result, {_share(without, facts.parts)}", "bad" if without else ""),
        (_number(statistics.median(facts.ious) if facts.ious else None, 4), "median IoU of results", ""),
        (_number(mean, 4), "mean IoU of results", ""),
        (_number(with_zeros, 4), "mean IoU, failures as 0", ""),
    ]
    blocks = "".join(f"<div class='{kind}'><b>{value}</b><span>{words}</span></div>" for value, words, kind in figures)
    # of few parts the worst and the best would be the same ones
    shown = min(_SHOWN, -(-len(facts.ious) // 2))
    grades = [Bar(label=kind, value=n, colour=_COLOURS.get(kind, RED)) for kind, n in facts.grades.most_common()]
    failures = [Bar(label=kind, value=n, colour=RED) for kind, n in facts.failures.most_common()]
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>Batch of {facts.parts} parts</title><style>{_STYLE}</style>"
        f"<h1>Batch of {facts.parts:,} parts</h1><p>Every row is in <a href=verdicts.parquet>verdicts.parquet</a>.</p>"
        f"<div class=figures>{blocks}</div>"
        f"<div class=two><div><h2>Parts by IoU</h2>{_histogram(facts.ious, without)}</div>"
        f"<div><h2>Grades</h2>{table_of_bars(grades)}<h2>Failures by kind</h2>{table_of_bars(failures)}</div></div>"
        f"<div class=two><div><h2>Worst</h2>{_parts(facts.worst, shown)}</div>"
        f"<div><h2>Best</h2>{_parts(facts.best, min(shown, len(facts.ious) - shown))}</div></div>"
        f"{_times(facts)}<h2>Failures</h2>{_failures(facts)}</html>\n"
    )


def _histogram(ious: Sequence[float], without: int) -> str:
    """Draw how many parts have which IoU, and how many have none."""
    counts = Counter(bin_of(iou, _IOUS) for iou in ious)
    poor = bin_of(_POOR, _IOUS)
    bars = [
        Bar(label=label, value=counts[number], colour=AMBER if number < poor else BLUE)
        for number, label in enumerate(bins(_IOUS))
    ]
    return columns([Bar(label="none", value=without, colour=RED), *bars], about="parts by IoU")


def _parts(heap: list[tuple[float, int, dict[str, Any]]], shown: int) -> str:
    if not shown:
        return "<p>None.</p>"
    lines = [
        f"<tr><td>{_link(row)}<td class=k>{html.escape(str(row['grade']))}<td class=n>{_number(row['iou'], 4)}"
        f"<td class=n>{_number(row.get('step_iou'), 4)}<td class=n>{_number(row['deviation_max_mm'], 3)}"
        for _, _, row in sorted(heap, key=lambda entry: entry[:2], reverse=True)[:shown]
    ]
    head = "<tr><th>part<th>grade<th class=n>IoU<th class=n>of its STEP<th class=n>deviation, mm"
    return f"<table>{head}{''.join(lines)}</table>"


def _failures(facts: _Facts) -> str:
    if not facts.failed:
        return "<p>None.</p>"
    lines = [
        f"<tr><td class=k>{_link(row)}<td class=k>{html.escape(str(row['failure'] or row['status']))}"
        f"<td>{html.escape(str(row['reason']))}"
        for row in facts.failed
    ]
    more = facts.parts - facts.made - len(facts.failed)
    rest = f"<p>And {more} more, in the table.</p>" if more else ""
    return f"<table><tr><th>part<th>kind<th>reason{''.join(lines)}</table>{rest}"


def _times(facts: _Facts) -> str:
    if not facts.seconds:
        return "<h2>Time</h2><p>No part was timed.</p>"
    each = sorted(facts.seconds)
    last = each[min(len(each) - 1, int(0.95 * len(each)))]
    words = (
        f"{_span(sum(each))} of work in all; a part took {statistics.median(each):.1f} s in the median,"
        f" {last:.1f} s at the 95th percentile, {each[-1]:.1f} s at the longest."
    )
    counts = Counter(bin_of(seconds, _SECONDS) for seconds in each)
    chart = columns(
        [Bar(label=f"{label} s", value=counts[number]) for number, label in enumerate(bins(_SECONDS))],
        about="parts by seconds",
    )
    slowest = "".join(
        f"<tr><td>{_link(row)}<td class=n>{seconds:.1f} s"
        for seconds, _, row in sorted(facts.slowest, key=lambda entry: entry[:2], reverse=True)[:_SLOWEST]
    )
    total = sum(facts.stages.values()) or 1.0
    stages = [
        Bar(label=stage, value=seconds, words=f"{seconds:.1f} s, {_share(seconds, total)}")
        for stage, seconds in facts.stages.most_common()
    ]
    return (
        f"<h2>Time</h2><p>{words}</p><div class=two><div>{chart}<h2>Slowest</h2><table>{slowest}</table></div>"
        f"<div>{table_of_bars(stages)}</div></div>"
    )


def _link(row: dict[str, Any]) -> str:
    name = html.escape(str(row["name"]))
    if row["folder"]:
        return f"<a href='{name}/report.json'>{name}</a>"
    if row["status"] == Status.QUARANTINED:
        return f"<a href='.batch/quarantine/{name}.json'>{name}</a>"
    return name


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"


def _share(count: float, total: float) -> str:
    return f"{100 * count / total:.0f} %" if total else "–"


def _span(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 600 else f"{seconds / 3600:.1f} h"

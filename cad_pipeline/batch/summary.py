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

from cad_pipeline.batch.filesystems import Home
from cad_pipeline.batch.rows import Status

__all__ = ["SUMMARY", "write_summary"]

SUMMARY = "summary.html"
_SHOWN = 12
_FAILURES_SHOWN = 200
_BINS = 20
_STYLE = """
body{font:15px/1.45 system-ui,sans-serif;margin:2rem auto;max-width:62rem;padding:0 1rem;color:#1c2733;background:#fff}
h1{font-size:1.5rem;margin:0 0 .2rem}h2{font-size:1.05rem;margin:2rem 0 .5rem}p{margin:.2rem 0}
table{border-collapse:collapse;width:100%}th{font-weight:600;text-align:left;border-bottom:1px solid #9aa7b4}
th,td{padding:.22rem .6rem .22rem 0;vertical-align:top}td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}
tr+tr td{border-top:1px solid #e6eaee}a{color:#0b5cad;text-decoration:none}
.figures{display:flex;gap:2.2rem;flex-wrap:wrap}
.figures b{display:block;font-size:1.6rem;font-weight:600;font-variant-numeric:tabular-nums}
.figures span{color:#5a6773}svg text{font:11px system-ui,sans-serif;fill:#5a6773}
.two{display:grid;grid-template-columns:1fr 1fr;gap:2.5rem}
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

    def add(self, row: dict[str, Any]) -> None:
        """Take one row in."""
        self.parts += 1
        self.accepted += bool(row["accepted"])
        self.grades[row["grade"] or "unfinished"] += 1
        if row["seconds"] is not None:
            self.seconds.append(row["seconds"])
            self.stages.update(json.loads(row["stages"]))
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
    figures = [
        (f"{facts.parts}", "parts"),
        (f"{facts.accepted}", "accepted"),
        (f"{facts.parts - facts.made}", "without a result"),
        (_number(mean, 4), "mean IoU of results"),
        (_number(with_zeros, 4), "mean IoU, failures as 0"),
        (_number(statistics.median(facts.ious) if facts.ious else None, 4), "median IoU of results"),
    ]
    blocks = "".join(f"<div><b>{value}</b><span>{words}</span></div>" for value, words in figures)
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        f"<title>Batch of {facts.parts} parts</title><style>{_STYLE}</style>"
        f"<h1>Batch of {facts.parts} parts</h1><p>Every row is in <a href=verdicts.parquet>verdicts.parquet</a>.</p>"
        f"<h2>Figures</h2><div class=figures>{blocks}</div>"
        f"<h2>IoU of results</h2>{_histogram(facts.ious)}"
        f"<div class=two><div><h2>Grades</h2>{_counts(facts.grades)}</div>"
        f"<div><h2>Failures by kind</h2>{_counts(facts.failures)}</div></div>"
        f"<h2>Worst</h2>{_parts(facts.worst)}<h2>Best</h2>{_parts(facts.best)}"
        f"<h2>Failures</h2>{_failures(facts)}<h2>Time</h2>{_times(facts)}</html>\n"
    )


def _histogram(ious: Sequence[float]) -> str:
    """Draw the IoU's histogram over [0, 1]; bars are labelled where they are not empty."""
    if not ious:
        return "<p>No part has an IoU.</p>"
    counts = Counter(min(int(iou * _BINS), _BINS - 1) for iou in ious)
    width, height, highest = 40, 150, max(counts.values())
    marks = []
    for k in range(_BINS):
        bar = height * counts[k] / highest
        low, high = k / _BINS, (k + 1) / _BINS
        title = f"<title>{counts[k]} parts with an IoU of {low:.2f} to {high:.2f}</title>"
        marks.append(
            f"<rect x={k * width + 1} y={height + 16 - bar:.1f} width={width - 2} height={bar:.1f} fill='#2f7ab8'>"
            f"{title}</rect>"
        )
        if counts[k]:
            middle = k * width + width / 2
            marks.append(f"<text x={middle} y={height + 11 - bar:.1f} text-anchor=middle>{counts[k]}</text>")
    for k in range(0, _BINS + 1, 4):
        anchor = "start" if k == 0 else "end" if k == _BINS else "middle"
        marks.append(f"<text x={k * width} y={height + 32} text-anchor={anchor}>{k / _BINS:.1f}</text>")
    axis = f"<line x1=0 x2={_BINS * width} y1={height + 16} y2={height + 16} stroke='#9aa7b4'/>"
    box = f"viewBox='0 0 {_BINS * width} {height + 38}' width='100%' role=img aria-label='histogram of IoU'"
    return f"<svg {box}>{axis}{''.join(marks)}</svg>"


def _counts(counts: Counter[str]) -> str:
    if not counts:
        return "<p>None.</p>"
    rows = "".join(f"<tr><td>{html.escape(kind)}<td class=n>{count}" for kind, count in counts.most_common())
    return f"<table>{rows}</table>"


def _parts(heap: list[tuple[float, int, dict[str, Any]]]) -> str:
    if not heap:
        return "<p>None.</p>"
    lines = [
        f"<tr><td>{_link(row)}<td>{html.escape(str(row['grade']))}<td class=n>{_number(row['iou'], 4)}"
        f"<td class=n>{_number(row['deviation_max_mm'], 3)}<td class=n>{_number(row['seconds'], 1)}"
        for _, _, row in sorted(heap, key=lambda entry: entry[:2], reverse=True)
    ]
    head = "<tr><th>part<th>grade<th class=n>IoU<th class=n>largest deviation, mm<th class=n>seconds"
    return f"<table>{head}{''.join(lines)}</table>"


def _failures(facts: _Facts) -> str:
    if not facts.failed:
        return "<p>None.</p>"
    lines = [
        f"<tr><td>{_link(row)}<td>{html.escape(str(row['failure'] or row['status']))}"
        f"<td>{html.escape(str(row['reason']))}"
        for row in facts.failed
    ]
    more = facts.parts - facts.made - len(facts.failed)
    rest = f"<p>And {more} more, in the table.</p>" if more else ""
    return f"<table><tr><th>part<th>kind<th>reason{''.join(lines)}</table>{rest}"


def _times(facts: _Facts) -> str:
    if not facts.seconds:
        return "<p>No part was timed.</p>"
    each = sorted(facts.seconds)
    last = each[min(len(each) - 1, int(0.95 * len(each)))]
    words = f"{sum(each):.0f} s of work in all; a part took {statistics.median(each):.1f} s in the median, {last:.1f} s"
    total = sum(facts.stages.values()) or 1.0
    rows = "".join(
        f"<tr><td>{html.escape(stage)}<td class=n>{seconds:.1f} s<td class=n>{100 * seconds / total:.0f} %"
        for stage, seconds in facts.stages.most_common()
    )
    return f"<p>{words} at the 95th percentile.</p><table>{rows}</table>"


def _link(row: dict[str, Any]) -> str:
    name = html.escape(str(row["name"]))
    if row["folder"]:
        return f"<a href='{name}/report.json'>{name}</a>"
    if row["status"] == Status.QUARANTINED:
        return f"<a href='.batch/quarantine/{name}.json'>{name}</a>"
    return name


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else f"{value:.{digits}f}"

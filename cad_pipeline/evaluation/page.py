"""An evaluation as one HTML page that needs nothing else: the worst pairs first, then tables and pictures."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from cad_pipeline.evaluation.plots import iou_histogram, success_curve
from cad_pipeline.evaluation.protocols import PROTOCOLS, published
from cad_pipeline.evaluation.runner import RunOptions
from cad_pipeline.evaluation.score import Score
from cad_pipeline.evaluation.statistics import by_kind, summarise
from cad_pipeline.evaluation.tables import comparison_rows, kind_rows, summary_rows

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["page_of", "worst_first", "write_page"]

_WORST = 25
_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; color: #1f2933; max-width: 72rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.6rem; margin: 0 } h2 { font-size: 1.15rem; margin: 2rem 0 .5rem } p.lead { margin: .3rem 0 1rem }
table { border-collapse: collapse; width: 100% } caption { text-align: left; color: #52606d; padding-bottom: .3rem }
th, td { text-align: left; padding: .25rem .6rem; border-bottom: 1px solid #e4e7eb; vertical-align: top }
th { font-weight: 600; background: #f5f7fa } td.n { text-align: right; font-variant-numeric: tabular-nums }
tr.failed td { background: #fdf0ee } img { max-width: 100%; height: auto } .pair { display: grid; gap: 1rem }
@media (min-width: 60rem) { .pair { grid-template-columns: 1fr 1fr } } .warn { color: #c0392b; font-weight: 600 }
"""


def write_page(scores: Sequence[Score], options: RunOptions, path: Path) -> None:
    """Write the page; it loads nothing from anywhere."""
    path.write_text(page_of(scores, options), encoding="utf-8")


def worst_first(scores: Sequence[Score]) -> list[Score]:
    """Order scores: bad targets, then failures, then by rising IoU."""
    return sorted(scores, key=lambda s: (s.counts, s.success, s.iou or 0.0, s.name))


def page_of(scores: Sequence[Score], options: RunOptions) -> str:
    """Lay the page out; names and reasons come from files, so all text is escaped."""
    summary = summarise(scores)
    title = f"Evaluation, {options.protocol}"
    parts = [
        f"<h1>{escape(title)}</h1>",
        f"<p class=lead>{escape(PROTOCOLS[options.protocol])} ({options.variant})</p>",
    ]
    if summary is None:
        parts.append("<p class=warn>No pair counts: no target could be read.</p>")
    else:
        low, high = summary.success_interval.low, summary.success_interval.high
        parts.append(
            f"<p>{summary.pairs} pairs, {summary.success_rate:.1%} scored [{low:.1%}, {high:.1%}]; mean IoU "
            f"<b>{summary.as_zero.mean:.4f}</b> with failures as 0. Brackets are 95 % intervals.</p>"
        )
        if summary.bad_targets:
            parts.append(f"<p class=warn>{summary.bad_targets} targets could not be read and count in no figure.</p>")
    worst = worst_first(scores)[:_WORST]
    parts.append(f"<h2>Worst {len(worst)} of {len(scores)}</h2>{_pairs(worst)}")
    if summary is not None:
        rows = [("", "over the successes", "failures as 0"), *summary_rows(summary)]
        fates = [("what became of them", "pairs"), *((fate, str(n)) for fate, n in summary.fates.items())]
        parts.append(f"<h2>Figures</h2><div class=pair><div>{_table(rows)}</div><div>{_table(fates)}</div></div>")
        parts.append(f"<div class=pair>{_picture(iou_histogram(scores))}{_picture(success_curve(scores))}</div>")
        if kinds := by_kind(scores):
            parts.append(f"<h2>By kind</h2>{_table(kind_rows(kinds))}")
        if beside := comparison_rows(summary, published(options.protocol)):
            note = "The same definition, on other data: ~ is derived as mean times success rate."
            parts.append(f"<h2>Beside what was published</h2>{_table(beside, note)}")
        if summary.figures:
            more = [
                ("further figure, over the successes", "mean", "median"),
                *((name, f"{value:.5g}", f"{summary.medians[name]:.5g}") for name, value in summary.figures.items()),
            ]
            parts.append(f"<h2>Further figures</h2>{_table(more)}")
    chosen = "; ".join(f"{key} {value}" for key, value in options.as_dict().items() if not isinstance(value, dict))
    versions = "; ".join(f"{key} {value}" for key, value in options.as_dict()["versions"].items())
    parts.append(f"<h2>How</h2><p>{escape(chosen)}</p><p>{escape(versions)}</p>")
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
    body = "".join(parts)
    return f'<!doctype html><html lang="en"><head>{head}<style>{_STYLE}</style></head><body>{body}</body></html>\n'


def _pairs(scores: Sequence[Score]) -> str:
    rows = "".join(
        f"<tr{'' if score.success else ' class=failed'}><td>{escape(score.name)}</td>"
        f"<td>{escape(score.kind or '')}</td>"
        f"<td>{escape(str(score.fate))}</td><td class=n>{'' if score.iou is None else f'{score.iou:.4f}'}</td>"
        f"<td>{escape(score.reason)}</td><td class=n>{score.seconds:.1f}</td></tr>"
        for score in scores
    )
    heading = "".join(f"<th>{word}</th>" for word in ("name", "kind", "fate", "IoU", "what is wrong", "s"))
    return f"<table><thead><tr>{heading}</tr></thead><tbody>{rows}</tbody></table>"


def _table(rows: Sequence[tuple[str, ...]], caption: str = "") -> str:
    heading = "".join(f"<th>{escape(cell)}</th>" for cell in rows[0])
    body = "".join(
        "<tr>" + "".join(f"<td{' class=n' if k else ''}>{escape(cell)}</td>" for k, cell in enumerate(row)) + "</tr>"
        for row in rows[1:]
    )
    told = f"<caption>{escape(caption)}</caption>" if caption else ""
    return f"<table>{told}<thead><tr>{heading}</tr></thead><tbody>{body}</tbody></table>"


def _picture(image: Image.Image) -> str:
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True)
    return f'<img alt="" src="data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}">'

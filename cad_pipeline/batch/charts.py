"""Charts of the summary page: bars as SVG or in a table's cells, with every number beside its bar."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

__all__ = ["AMBER", "BLUE", "RED", "Bar", "bin_of", "bins", "columns", "table_of_bars"]

BLUE, AMBER, RED = "#2f7ab8", "#d8902f", "#c0453b"
_WIDTH, _HEIGHT = 620, 150


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A bar: what it stands for, how long it is, and its colour; `words` are shown for the figure, if set."""

    label: str
    value: float
    colour: str = BLUE
    words: str = ""


def bins(edges: Sequence[float]) -> list[str]:
    """Label the bins between edges, of which the first and the last are open."""
    # ".995" for "0.995": there is no room for more under a bar
    words = [f"{edge:g}".removeprefix("0") for edge in edges]
    middle = [f"{low}–{high}" for low, high in pairwise(words)]
    return [f"< {words[0]}", *middle, f"≥ {words[-1]}"]


def bin_of(value: float, edges: Sequence[float]) -> int:
    """Say into which of these bins a value falls; one on an edge belongs to what is above."""
    return sum(value >= edge for edge in edges)


def columns(bars: Sequence[Bar], *, about: str) -> str:
    """Draw upright bars with the figure above and the label below; those of nothing show neither figure nor bar."""
    highest, width = max((bar.value for bar in bars), default=0.0) or 1.0, _WIDTH / max(len(bars), 1)
    marks = [f"<line x1=0 x2={_WIDTH} y1={_HEIGHT + 16} y2={_HEIGHT + 16} stroke='#9aa7b4'/>"]
    for number, bar in enumerate(bars):
        tall, left = _HEIGHT * bar.value / highest, number * width
        middle, top = left + width / 2, _HEIGHT + 16 - tall
        marks.append(f"<text x={middle:.1f} y={_HEIGHT + 32} text-anchor=middle>{html.escape(bar.label)}</text>")
        if bar.value:
            size = f"width={width - 6:.1f} height={tall:.1f}"
            marks.append(f"<rect x={left + 3:.1f} y={top:.1f} {size} rx=2 fill='{bar.colour}'/>")
            marks.append(f"<text class=v x={middle:.1f} y={top - 4:.1f} text-anchor=middle>{_figure(bar)}</text>")
    box = f"viewBox='0 0 {_WIDTH} {_HEIGHT + 38}' width='100%' role=img aria-label='{html.escape(about)}'"
    return f"<svg {box}>{''.join(marks)}</svg>"


def table_of_bars(bars: Sequence[Bar]) -> str:
    """Lay bars out as a table: label, bar, figure."""
    if not bars:
        return "<p>None.</p>"
    longest = max(bar.value for bar in bars) or 1.0
    rows = "".join(
        f"<tr><td class=l>{html.escape(bar.label)}<td class=b>"
        f"<i style='width:{100 * bar.value / longest:.1f}%;background:{bar.colour}'></i><td class=n>{_figure(bar)}"
        for bar in bars
    )
    return f"<table>{rows}</table>"


def _figure(bar: Bar) -> str:
    return html.escape(bar.words or f"{bar.value:g}")

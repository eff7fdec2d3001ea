"""The two pictures of an evaluation, drawn with pillow: how the IoUs are spread, and what share reaches which."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from cad_pipeline.evaluation.score import Score

if TYPE_CHECKING:
    from PIL import Image

__all__ = ["iou_histogram", "success_curve"]

_SIZE = (1120, 640)
_BOX = (120, 70, 1080, 540)
_INK, _FAINT, _BLUE, _RED = "#1f2933", "#d5dbe1", "#2f6fb0", "#c0392b"
_BINS = 20


def iou_histogram(scores: Sequence[Score], *, title: str = "IoU") -> Image.Image:
    """Draw how many pairs lie in each twentieth of the IoU, and the failures as a bar of their own on the left."""
    counted = [score for score in scores if score.counts]
    ious = np.clip([score.iou or 0.0 for score in counted if score.success], 0.0, 1.0)
    counts, _ = np.histogram(ious, bins=_BINS, range=(0.0, 1.0))
    failed = len(counted) - len(ious)
    top = _round_up(max([*counts.tolist(), failed, 1]))
    canvas = _Canvas(title, f"{len(counted)} pairs, {failed} failed", x_label="IoU", y_label="pairs")
    canvas.grid_y([top * k / 4 for k in range(5)], [f"{top * k / 4:g}" for k in range(5)], top)
    # two slots on the left for what failed, then the bins
    slots = _BINS + 2
    for k, count in enumerate(counts):
        canvas.bar((k + 2.04) / slots, (k + 2.96) / slots, count / top, _BLUE, str(count) if count else "")
    canvas.bar(0.1 / slots, 1.4 / slots, failed / top, _RED, str(failed))
    canvas.mark_x(0.75 / slots, "failed")
    for value in np.linspace(0.0, 1.0, 6):
        canvas.mark_x((2 + value * _BINS) / slots, f"{value:g}")
    return canvas.image


def success_curve(scores: Sequence[Score], *, title: str = "Share of pairs with at least this IoU") -> Image.Image:
    """Draw the share of all pairs, failures counted as 0, whose IoU reaches x, for x from 0 to 1."""
    counted = [score for score in scores if score.counts]
    ious = np.sort(np.clip([(score.iou or 0.0) if score.success else -1.0 for score in counted], -1.0, 1.0))
    rate = float((ious >= 0.0).mean()) if len(ious) else 0.0
    canvas = _Canvas(title, f"{len(counted)} pairs, {rate:.1%} scored", x_label="IoU", y_label="share")
    canvas.grid_y([0.25 * k for k in range(5)], [f"{25 * k} %" for k in range(5)], 1.0)
    for value in np.linspace(0.0, 1.0, 11):
        canvas.mark_x(float(value), f"{value:.1f}")
    if len(ious):
        steps = np.unique(np.concatenate([[0.0, 1.0], ious[ious >= 0.0]]))
        reach = 1.0 - np.searchsorted(ious, steps, side="left") / len(ious)
        beyond = 1.0 - np.searchsorted(ious, steps, side="right") / len(ious)
        # the share falls just beyond each IoU that occurs
        xs, ys = np.repeat(steps, 2), np.column_stack([reach, beyond]).ravel()
        canvas.curve(xs.tolist(), ys.tolist(), _BLUE)
    return canvas.image


class _Canvas:
    """A white picture with two axes; coordinates are shares of the plot's width and height, from below left."""

    def __init__(self, title: str, note: str, *, x_label: str, y_label: str) -> None:
        from PIL import Image, ImageDraw, ImageFont

        self.image = Image.new("RGB", _SIZE, "white")
        self._draw = ImageDraw.Draw(self.image)
        self._fonts = {size: ImageFont.load_default(size) for size in (18, 20, 28)}
        left, top, right, bottom = _BOX
        self._draw.text((left, 18), title, fill=_INK, font=self._fonts[28])
        self._draw.text((right, 44), note, fill=_INK, font=self._fonts[20], anchor="rs")
        self._draw.text(((left + right) / 2, _SIZE[1] - 18), x_label, fill=_INK, font=self._fonts[20], anchor="ms")
        self._draw.text((16, top - 22), y_label, fill=_INK, font=self._fonts[20], anchor="ls")
        self._draw.line([(left, bottom), (right, bottom)], fill=_INK, width=2)

    def grid_y(self, values: Sequence[float], words: Sequence[str], top: float) -> None:
        """Draw faint lines across at the values, with words beside."""
        for value, text in zip(values, words, strict=True):
            x, y = self._at(0.0, value / top)
            if value:
                self._draw.line([(x, y), (_BOX[2], y)], fill=_FAINT, width=1)
            self._draw.text((x - 10, y), text, fill=_INK, font=self._fonts[18], anchor="rm")

    def mark_x(self, x: float, text: str) -> None:
        """Write a word under the axis."""
        place, bottom = self._at(x, 0.0)
        self._draw.line([(place, bottom), (place, bottom + 6)], fill=_INK, width=2)
        self._draw.text((place, bottom + 12), text, fill=_INK, font=self._fonts[18], anchor="mt")

    def bar(self, start: float, end: float, height: float, colour: str, text: str) -> None:
        """Draw a bar with a word on it."""
        (left, bottom), (right, top) = self._at(start, 0.0), self._at(end, height)
        if height > 0.0:
            self._draw.rectangle([left, min(top, bottom - 2), right, bottom - 1], fill=colour)
        if text:
            self._draw.text(((left + right) / 2, top - 4), text, fill=_INK, font=self._fonts[18], anchor="ms")

    def curve(self, xs: Sequence[float], ys: Sequence[float], colour: str) -> None:
        """Draw a line through points."""
        self._draw.line([self._at(x, y) for x, y in zip(xs, ys, strict=True)], fill=colour, width=4, joint="curve")

    def _at(self, x: float, y: float) -> tuple[float, float]:
        left, top, right, bottom = _BOX
        return left + x * (right - left), bottom - y * (bottom - top)


def _round_up(value: float) -> float:
    """Give the next number that four equal steps of an axis lead to nicely."""
    scale = 10.0 ** np.floor(np.log10(value))
    return float(next(step * scale for step in (1.0, 2.0, 4.0, 8.0, 10.0) if step * scale >= value))

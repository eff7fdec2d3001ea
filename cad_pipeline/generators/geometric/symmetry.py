"""Symmetric outlines: found and made exact, so that a sketch can be drawn to one side of its axis and mirrored."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from cad_pipeline.generators.geometric.numbers import nice
from cad_pipeline.generators.geometric.shapes2d import Outline, Pair, Segment, circle_through, reflected

__all__ = ["Half", "count_along", "half_of", "is_along", "symmetrised"]

# fewer corners are drawn as quickly as mirrored
_LEAST_CORNERS = 6
_EXACT = 2e-6


@dataclass(frozen=True, slots=True)
class Half:
    """One side of an outline that is symmetric about x = `at` (`across` 0) or y = `at` (1).

    `start` and the end of the last of `segments` lie on the axis.
    """

    across: int
    at: float
    start: Pair
    segments: tuple[Segment, ...]

    @property
    def numbers(self) -> int:
        """How many numbers it takes to write it."""
        return 2 + 2 * (abs(self.at) > _EXACT) + count_along(self.start, self.segments)


def is_along(a: Pair, b: Pair) -> int | None:
    """The axis that a line from `a` to `b` runs along: 0 for x, 1 for y, None for neither."""
    for axis in (0, 1):
        if abs(a[1 - axis] - b[1 - axis]) < _EXACT * (1.0 + 0.01 * abs(a[1 - axis])):
            return axis
    return None


def count_along(start: Pair, segments: tuple[Segment, ...]) -> int:
    """Count the numbers of lines and arcs drawn one after the other: one for a line along an axis."""
    total = 0
    for segment in segments:
        total += 3 if segment.mid is not None else 2 - (is_along(start, segment.end) is not None)
        start = segment.end
    return total


@lru_cache(maxsize=4096)
def half_of(outline: Outline) -> Half | None:
    """One side of an outline that is exactly symmetric about a line along x or y; None of any other."""
    n = len(outline.segments)
    if n < _LEAST_CORNERS:
        return None
    points = np.array([s.end for s in outline.segments])
    reach = _EXACT * (1.0 + float(np.abs(points).max()))
    for across in (0, 1):
        at = float(points[:, across].min() + points[:, across].max()) / 2
        turn = _turn_of(outline, across, at, reach)
        if turn is not None:
            return _side(outline, across, at, turn)
    return None


def symmetrised(outline: Outline, tolerance: float, rounding: float) -> Outline:
    """Make an outline exactly symmetric where it is so within `tolerance`, rounded within `rounding`."""
    n = len(outline.segments)
    if n < _LEAST_CORNERS:
        return outline
    points = np.array([s.end for s in outline.segments])
    for across in (0, 1):
        at = float(points[:, across].min() + points[:, across].max()) / 2
        turn = _turn_of(outline, across, at, tolerance)
        if turn is None:
            continue
        at = nice(at, rounding)
        segments = list(outline.segments)
        for i in range(n):
            j = (turn - i) % n
            if i <= j:
                a, b = _evened(segments[i].end, segments[j].end, across, at, rounding)
                segments[i], segments[j] = replace(segments[i], end=a), replace(segments[j], end=b)
        for i in range(n):
            j = (turn - i + 1) % n
            p, q = segments[i].mid, segments[j].mid
            if i <= j and p is not None and q is not None:
                a, b = _evened(p, q, across, at, 0.0)
                segments[i], segments[j] = replace(segments[i], mid=a), replace(segments[j], mid=b)
        return Outline(tuple(segments))
    return outline


def _turn_of(outline: Outline, across: int, at: float, reach: float) -> int | None:
    """The number t with which point t - i mirrors point i, and arc t - i + 1 arc i; None if there is none."""
    points = np.array([s.end for s in outline.segments])
    mirrored = points.copy()
    mirrored[:, across] = 2 * at - mirrored[:, across]
    n = len(points)
    backwards = mirrored[::-1]  # at k: the mirror image of point n - 1 - k
    for shift in np.nonzero(np.abs(backwards - points[0]).max(axis=1) <= reach)[0]:
        if np.abs(np.concatenate((backwards[shift:], backwards[:shift])) - points).max() > reach:
            continue
        # point i is the image of point n - 1 - (i + shift)
        turn = (n - 1 - int(shift)) % n
        if all(
            _mirrors(outline.segments[i].mid, outline.segments[(turn - i + 1) % n].mid, across, at, reach)
            for i in range(n)
        ):
            return turn
    return None


def _mirrors(p: Pair | None, q: Pair | None, across: int, at: float, reach: float) -> bool:
    if p is None or q is None:
        return p is q
    return math.dist(p, reflected(q, across, at)) <= 3 * reach


def _evened(p: Pair, q: Pair, across: int, at: float, rounding: float) -> tuple[Pair, Pair]:
    """Two points, each the other's mirror image; both the same point on the axis where they are one."""
    out = nice((p[across] - q[across]) / 2, rounding)
    along = nice((p[1 - across] + q[1 - across]) / 2, rounding)
    if p == q:
        out = 0.0
    first, second = (at + out, along), (at - out, along)
    return (first, second) if across == 0 else (first[::-1], second[::-1])


def _side(outline: Outline, across: int, at: float, turn: int) -> Half | None:
    """Cut a symmetric outline at its axis and keep the side that runs first from the axis to it."""
    n = len(outline.segments)
    ends = [s.end for s in outline.segments]
    # where it crosses the axis: points that are their own images, and segments that are
    on_points = [i for i in range(n) if (2 * i - turn) % n == 0]
    on_segments = [i for i in range(n) if (2 * i - 1 - turn) % n == 0]
    if len(on_points) + len(on_segments) != 2:
        return None
    if on_points:
        first = on_points[0]
        start, follow = ends[first], first + 1
        opening: list[Segment] = []
    else:
        first = on_segments[0]
        start, opening = _upto_axis(outline, first, across, at, entering=False)
        follow = first + 1
    segments = list(opening)
    for step in range(n):
        k = (follow + step) % n
        if k in on_segments and (on_points or k != first):
            _, closing = _upto_axis(outline, k, across, at, entering=True)
            segments += closing
            break
        segments.append(outline.segments[k])
        if k in on_points and k != first:
            break
    else:
        return None
    if abs(segments[-1].end[across] - at) > 1e-5 or abs(start[across] - at) > 1e-5:
        return None
    return Half(across, at, start, tuple(segments))


def _upto_axis(outline: Outline, k: int, across: int, at: float, *, entering: bool) -> tuple[Pair, list[Segment]]:
    """The crossing of segment `k` with the axis, and the half of the segment after it (or before it, `entering`)."""
    segment, before = outline.segments[k], outline.segments[k - 1].end
    if segment.mid is None:
        middle = ((before[0] + segment.end[0]) / 2, (before[1] + segment.end[1]) / 2)
        crossing: Pair = (at, middle[1]) if across == 0 else (middle[0], at)
        return crossing, [Segment(crossing if entering else segment.end)]
    circle = circle_through(before, segment.mid, segment.end)
    # the middle of a symmetric arc lies on the axis
    crossing = (at, segment.mid[1]) if across == 0 else (segment.mid[0], at)
    if circle is None:
        return crossing, [Segment(crossing if entering else segment.end)]
    x, y, r = circle
    if across == 0:
        crossing = (at, y + math.copysign(r, segment.mid[1] - y))
    else:
        crossing = (x + math.copysign(r, segment.mid[0] - x), at)
    a, b = (before, crossing) if entering else (crossing, segment.end)
    return crossing, [Segment(b, _between(a, b, (x, y), r, segment.mid if not entering else before))]


def _between(a: Pair, b: Pair, centre: Pair, radius: float, hint: Pair) -> Pair:
    """The middle of the shorter arc from `a` to `b` about `centre`: half of an arc is less than half a turn."""
    middle = ((a[0] + b[0]) / 2 - centre[0], (a[1] + b[1]) / 2 - centre[1])
    length = math.hypot(*middle)
    if length < 1e-9 * radius:
        return hint
    return centre[0] + middle[0] * radius / length, centre[1] + middle[1] * radius / length

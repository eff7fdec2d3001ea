"""The inner loops of curve fitting: which corners of a ring are superfluous, and how far an arc runs along it."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from cad_pipeline.verify.compiled import compiled

__all__ = ["GENTLE_TURN", "MAX_TURN", "arc_end", "kept_corners"]

Points = NDArray[np.float64]
MAX_TURN = math.radians(50.0)
GENTLE_TURN = math.radians(36.0)
# how far in rad a line beside an arc may turn from its tangent
TANGENT = 0.03


@compiled
def kept_corners(points: Points, tolerance: float) -> NDArray[np.bool_]:
    """Mark the points of a ring (n, 2) farther than `tolerance` from the line from the last kept one to the next."""
    n = len(points)
    kept = np.ones(n, dtype=np.bool_)
    before = 0
    for i in range(1, n):
        after = (i + 1) % n
        dx, dy = points[after, 0] - points[before, 0], points[after, 1] - points[before, 1]
        ax, ay = points[i, 0] - points[before, 0], points[i, 1] - points[before, 1]
        length = math.hypot(dx, dy)
        if math.hypot(ax, ay) <= tolerance:
            kept[i] = False
        elif length > tolerance:
            off, along = abs(dx * ay - dy * ax) / length, (dx * ax + dy * ay) / length
            kept[i] = not (off <= tolerance and -tolerance <= along <= length + tolerance)
        if kept[i]:
            before = i
    return kept


@compiled
def _circle_through(ring: Points, i: int) -> tuple[float, float, float, bool]:
    """Centre and radius of the circle through three points of a ring from `i` on; False where they are in line."""
    bx, by = ring[i + 1, 0], ring[i + 1, 1]
    ax, ay = ring[i, 0] - bx, ring[i, 1] - by
    cx, cy = ring[i + 2, 0] - bx, ring[i + 2, 1] - by
    d = 2.0 * (ax * cy - ay * cx)
    size = math.hypot(ax, ay) + math.hypot(cx, cy)
    if abs(d) < 1e-12 * size * size or size == 0:
        return 0.0, 0.0, 0.0, False
    la, lc = ax * ax + ay * ay, cx * cx + cy * cy
    x, y = (cy * la - ay * lc) / d, (ax * lc - cx * la) / d
    return bx + x, by + y, math.hypot(x, y), True


@compiled
def _circle_fit(ring: Points, first: int, last: int) -> tuple[float, float, float, float]:
    """Least-squares circle of the points `first` to `last` of a ring, and the largest distance of one from it."""
    count = last - first + 1
    mx, my = 0.0, 0.0
    for k in range(first, last + 1):
        mx += ring[k, 0]
        my += ring[k, 1]
    mx, my = mx / count, my / count
    xx, xy, yy, xz, yz, zz = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for k in range(first, last + 1):
        px, py = ring[k, 0] - mx, ring[k, 1] - my
        z = px * px + py * py
        xx += px * px
        xy += px * py
        yy += py * py
        xz += px * z
        yz += py * z
        zz += z
    det = xx * yy - xy * xy
    if det <= 0.0:
        return mx, my, 0.0, math.inf
    x, y = 0.5 * (yy * xz - xy * yz) / det, 0.5 * (xx * yz - xy * xz) / det
    radius = math.sqrt(zz / count + x * x + y * y)
    error = 0.0
    for k in range(first, last + 1):
        error = max(error, abs(math.hypot(ring[k, 0] - mx - x, ring[k, 1] - my - y) - radius))
    return mx + x, my + y, radius, error


@compiled
def arc_end(ring: Points, length: Points, turn: Points, i: int, n: int, tolerance: float) -> int:
    """Index of the last point of an arc that starts at point `i`; `i + 1` if none does.

    An arc that was thinned has uneven chords, and three near points tell its circle only roughly: such a one is looked
    for where no even one begins, and must run farther than one that begins at the next point.
    """
    j = _arc_end(ring, length, turn, i, n, tolerance, False)
    if j > i + 1:
        return j
    thinned = _arc_end(ring, length, turn, i, n, tolerance, True)
    farther = thinned > i + 2 and thinned > _arc_end(ring, length, turn, i + 1, n, tolerance, False)
    return thinned if farther else j


@compiled
def _arc_end(ring: Points, length: Points, turn: Points, i: int, n: int, tolerance: float, thinned: bool) -> int:
    if i + 1 >= n or abs(turn[i + 1]) > MAX_TURN or length[i] > 2.2 * length[i + 1]:
        return i + 1
    sign = np.sign(turn[i + 1])
    x, y, r, round_ = _circle_through(ring, i)
    if not round_ or sign == 0:
        return i + 1
    j = i + 2
    longest = length[i + 1]
    while j < n:
        if np.sign(turn[j]) != sign or abs(turn[j]) > MAX_TURN:
            break
        if length[j] > 2.2 * longest:  # a tangent line that happens to touch the circle
            break
        if abs(math.hypot(ring[j + 1, 0] - x, ring[j + 1, 1] - y) - r) > tolerance:
            if not thinned:
                break
            fx, fy, fr, error = _circle_fit(ring, i, j + 1)
            if error > tolerance:
                break
            x, y, r = fx, fy, fr
        longest = max(longest, length[j])
        j += 1
        if (j - i) % 4 == 0:
            fx, fy, fr, error = _circle_fit(ring, i, j)
            if error <= tolerance:
                x, y, r = fx, fy, fr
    segments = j - i
    # where the lines beside it run on along its tangents, it is a round corner
    before = math.asin(min(length[i] / (2.0 * r), 1.0))
    behind = math.asin(min(length[j - 1] / (2.0 * r), 1.0))
    tangent = abs(abs(turn[i]) - before) < TANGENT and abs(abs(turn[j % n]) - behind) < TANGENT
    if segments >= 3:
        # a tessellated arc has even chords and gentle turns; a trapezoid's corners lie on a circle too, but more
        # points do so by no chance
        chords = length[i:j] if segments <= 5 else length[i + 1 : j - 1]
        uneven = 0.4 if segments > 5 or (thinned and (tangent or segments > 3)) else 0.85
        even = chords.min() >= uneven * chords.max()
        return j if even and np.abs(turn[i + 1 : j]).max() < GENTLE_TURN else i + 1
    a, b = length[i], length[i + 1]
    alike = abs(a - b) <= 0.02 * max(a, b)
    return j if alike and tangent and abs(turn[i + 1]) > 0.05 else i + 1

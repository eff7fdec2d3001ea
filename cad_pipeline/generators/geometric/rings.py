"""Fit sketch curves to the closed polygons that sections of a tessellated part give.

The vertices of such a polygon lie on the true curve (up to float32 noise), so circles and arcs are found exactly by
tight tests on vertices instead of by robust statistics.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cad_pipeline.generators.geometric.circles import circle_fit, outer_circle
from cad_pipeline.generators.geometric.corners import MAX_TURN, arc_end, kept_corners
from cad_pipeline.generators.geometric.numbers import Lexicon, nice, text
from cad_pipeline.generators.geometric.shapes2d import (
    Circle,
    Outline,
    Rectangle,
    RegularPolygon,
    Segment,
    Shape2D,
    Slot,
    circle_through,
    signed_area,
)
from cad_pipeline.generators.geometric.symmetry import symmetrised

__all__ = ["Fit", "fit_ring"]

Points = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Fit:
    """Tolerances of curve fitting in mm, the noise within which numbers are rounded, and agreed coordinates."""

    line: float
    arc: float
    rounding: float
    x: Lexicon
    y: Lexicon


def fit_ring(ring: Points, fit: Fit) -> Shape2D | None:
    """Fit a closed polygon (n, 2), without a repeated last point, by the simplest curve; None if it has no area."""
    points = _clean(ring, fit.line)
    if len(points) < 3:
        return None
    if signed_area(points) < 0:
        points = points[::-1]
    circle = _as_circle(points, fit)
    if circle is not None:
        return circle
    segments = _segments(points, fit.arc)
    return (
        _as_slot(segments, fit)
        or _as_rectangle(segments, fit)
        or _as_regular(points, fit)
        or _as_outline(segments, fit)
    )


def _clean(ring: Points, tolerance: float) -> Points:
    """Drop repeated points and points within `tolerance` of the line through their neighbours.

    Starts at the sharpest corner, which stays, so that every point is judged against one that was kept.
    """
    points = np.ascontiguousarray(ring, dtype=np.float64)
    changed = True
    while changed and len(points) >= 3:
        start = _sharpest(points)
        points = np.concatenate((points[start:], points[:start]))
        kept = kept_corners(points, tolerance)
        changed = not kept.all()
        points = points[kept]
    return points


def _following(points: Points) -> Points:
    """For each of a ring's points (n, 2) the next."""
    return np.concatenate((points[1:], points[:1]))


def _before(points: Points) -> Points:
    """For each of a ring's points (n, 2) the one before."""
    return np.concatenate((points[-1:], points[:-1]))


def _sharpest(points: Points) -> int:
    into = points - _before(points)
    out = _following(points) - points
    turn = np.abs(np.arctan2(into[:, 0] * out[:, 1] - into[:, 1] * out[:, 0], (into * out).sum(axis=1)))
    weight = np.minimum(np.hypot(*into.T), np.hypot(*out.T))
    return int(np.argmax(turn * weight))


def _as_circle(points: Points, fit: Fit) -> Circle | None:
    if len(points) < 8:
        return None
    circle = outer_circle(points, fit.arc, 0.012)
    if circle is None:
        return None
    x, y, radius = circle
    edge = np.linalg.norm(_following(points) - points, axis=1)
    turn = 2 * np.arcsin(np.clip(edge / (2 * radius), 0, 1))
    if turn.max() > MAX_TURN:
        return None
    return Circle((fit.x.snap(x), fit.y.snap(y)), nice(2 * radius, fit.rounding) / 2)


@dataclass(frozen=True, slots=True)
class _Piece:
    """A stretch of the ring: points[first..last], a line (2 points) or an arc with its circle."""

    points: Points
    circle: tuple[float, float, float] | None


def _segments(points: Points, tolerance: float) -> list[_Piece]:
    """Split a ring into the longest arcs that its vertices allow, and lines between them."""
    n = len(points)
    edge = _following(points) - points
    length = np.hypot(edge[:, 0], edge[:, 1])
    heading = np.arctan2(edge[:, 1], edge[:, 0])
    turn = (np.diff(np.r_[heading[-1], heading]) + np.pi) % (2 * np.pi) - np.pi
    # start where the longest line starts; an arc that runs across the seam all the same is joined afterwards
    corner = int(np.argmax(length))
    order = np.r_[corner:n, 0:corner]
    p, length, turn = points[order], length[order], turn[order]
    ring = np.vstack([p, p[:1]])
    pieces: list[_Piece] = []
    i = 0
    while i < n:
        j = arc_end(ring, length, turn, i, n, tolerance)
        if j - i >= 2:
            x, y, r, _ = circle_fit(ring[i : j + 1]) if j - i > 2 else (*_three(ring, i), 0.0)
            pieces.append(_Piece(ring[i : j + 1], (x, y, r)))
            i = j
        else:
            pieces.append(_Piece(ring[i : i + 2], None))
            i += 1
    return _join_seam(pieces, tolerance)


def _join_seam(pieces: list[_Piece], tolerance: float) -> list[_Piece]:
    """Join the first and the last piece where they lie on one circle."""
    if len(pieces) < 3 or pieces[0].circle is None or pieces[-1].circle is None:
        return pieces
    points = np.vstack([pieces[-1].points, pieces[0].points[1:]])
    x, y, r, error = circle_fit(points)
    return [_Piece(points, (x, y, r)), *pieces[1:-1]] if error <= tolerance else pieces


def _three(ring: Points, i: int) -> tuple[float, float, float]:
    found = circle_through(tuple(ring[i]), tuple(ring[i + 1]), tuple(ring[i + 2]))
    assert found is not None
    return found


def _as_rectangle(pieces: list[_Piece], fit: Fit) -> Rectangle | None:
    lines = [p for p in pieces if p.circle is None]
    arcs = [p for p in pieces if p.circle is not None]
    if len(lines) != 4 or len(arcs) not in (0, 4):
        return None
    corner = 0.0
    if arcs:
        if any((a.circle is None) == (b.circle is None) for a, b in zip(pieces, pieces[1:] + pieces[:1], strict=True)):
            return None
        radii = [a.circle[2] for a in arcs if a.circle is not None]
        if max(radii) - min(radii) > 4 * fit.arc + 0.002 * max(radii):
            return None
        if any(not _is_quarter(a) for a in arcs):
            return None
        corner = nice(float(np.mean(radii)), 2 * fit.rounding)
    direction = np.array([p.points[-1] - p.points[0] for p in lines])
    unit = direction / np.linalg.norm(direction, axis=1)[:, None]
    if (
        abs(float(unit[0] @ unit[1])) > 1e-3
        or abs(float(unit[1] @ unit[2])) > 1e-3
        or abs(float(unit[2] @ unit[3])) > 1e-3
    ):
        return None
    if float(unit[0] @ unit[2]) > 0 or float(unit[1] @ unit[3]) > 0:
        return None
    longest = int(np.argmax(np.linalg.norm(direction, axis=1)))
    angle = math.degrees(math.atan2(unit[longest][1], unit[longest][0])) % 180.0
    if abs(angle - 90) < 0.01 or angle < 0.01 or angle > 179.99:
        everything = np.vstack([p.points for p in pieces])
        low, high = everything.min(axis=0), everything.max(axis=0)
        x0, x1, y0, y1 = fit.x.snap(low[0]), fit.x.snap(high[0]), fit.y.snap(low[1]), fit.y.snap(high[1])
        if x1 <= x0 or y1 <= y0:
            return None
        centre, size, angle = ((x0 + x1) / 2, (y0 + y1) / 2), (x1 - x0, y1 - y0), 0.0
    else:
        u = unit[longest]
        frame = np.array([u, [-u[1], u[0]]])
        local = np.vstack([p.points for p in pieces]) @ frame.T
        low, high = local.min(axis=0), local.max(axis=0)
        middle = ((low + high) / 2) @ frame
        centre = (fit.x.snap(middle[0]), fit.y.snap(middle[1]))
        size = (nice(high[0] - low[0], fit.rounding), nice(high[1] - low[1], fit.rounding))
        angle = nice(angle, 0.01)
    if corner * 2 >= min(size):
        return None
    return Rectangle(centre, size, angle, corner)


def _is_quarter(piece: _Piece) -> bool:
    assert piece.circle is not None
    x, y, _ = piece.circle
    a, b = piece.points[0] - (x, y), piece.points[-1] - (x, y)
    cosine = float(a @ b) / float(np.linalg.norm(a) * np.linalg.norm(b))
    return abs(cosine) < 0.02 and float(a[0] * b[1] - a[1] * b[0]) > 0


def _as_slot(pieces: list[_Piece], fit: Fit) -> Slot | None:
    if len(pieces) != 4:
        return None
    lines = [p for p in pieces if p.circle is None]
    arcs = [p.circle for p in pieces if p.circle is not None]
    if len(lines) != 2 or len(arcs) != 2 or (pieces[0].circle is None) == (pieces[1].circle is None):
        return None
    (x0, y0, r0), (x1, y1, r1) = arcs
    d = lines[0].points[-1] - lines[0].points[0]
    e = lines[1].points[-1] - lines[1].points[0]
    between = math.hypot(x1 - x0, y1 - y0)
    if abs(r0 - r1) > 4 * fit.arc or abs(np.linalg.norm(d) - between) > 8 * fit.arc + 0.01 * r0 or float(d @ e) >= 0:
        return None
    if between < 1e-3 * r0:
        return None
    angle = math.degrees(math.atan2(y1 - y0, x1 - x0)) % 180.0
    angle = 0.0 if min(angle, 180 - angle) < 0.01 else nice(angle, 0.01)
    width = nice(r0 + r1, fit.rounding)
    return Slot(
        (fit.x.snap((x0 + x1) / 2), fit.y.snap((y0 + y1) / 2)), nice(between + width, fit.rounding), width, angle
    )


def _as_regular(points: Points, fit: Fit) -> RegularPolygon | None:
    n = len(points)
    if n < 3 or n == 4 or n > 12:
        return None
    centre = points.mean(axis=0)
    radius = np.linalg.norm(points - centre, axis=1)
    edge = np.linalg.norm(_following(points) - points, axis=1)
    if np.ptp(radius) > 4 * fit.arc or np.ptp(edge) > 8 * fit.arc:
        return None
    step = 360.0 / n
    angle = math.degrees(math.atan2(*(points[0] - centre)[::-1])) % step
    angle = 0.0 if min(angle, step - angle) < 0.01 else nice(angle, 0.01)
    # machinists measure across flats: round that, and write the circumscribed diameter it gives
    diameter = 2 * float(radius.mean())
    flats = nice(diameter * math.cos(math.pi / n), fit.rounding)
    if len(text(nice(diameter, fit.rounding))) >= len(text(flats)):
        diameter = flats / math.cos(math.pi / n)
    return RegularPolygon((fit.x.snap(centre[0]), fit.y.snap(centre[1])), n, nice(diameter, fit.rounding / 100), angle)


def _as_outline(pieces: list[_Piece], fit: Fit) -> Outline | None:
    starts = [(fit.x.snap(p.points[0][0]), fit.y.snap(p.points[0][1])) for p in pieces]
    segments: list[Segment] = []
    for k, piece in enumerate(pieces):
        start, end = starts[k], starts[(k + 1) % len(starts)]
        if math.dist(start, end) <= 1e-9:
            if piece.circle is None:
                continue
            return None
        segments.append(Segment(end, _arc_middle(piece, start, end, fit)))
    if len(segments) < 2 or (len(segments) == 2 and all(s.mid is None for s in segments)):
        return None
    return symmetrised(Outline(tuple(segments)), max(4 * fit.line, 2 * fit.rounding), fit.rounding)


def _arc_middle(
    piece: _Piece, start: tuple[float, float], end: tuple[float, float], fit: Fit
) -> tuple[float, float] | None:
    """Middle point of the arc with the piece's radius, rounded, between the snapped ends."""
    if piece.circle is None:
        return None
    x, y, r = piece.circle
    r = nice(r, fit.rounding)
    ex, ey = end[0] - start[0], end[1] - start[1]
    chord = math.hypot(ex, ey)
    middle = piece.points[len(piece.points) // 2]
    side = math.copysign(1.0, ex * (middle[1] - start[1]) - ey * (middle[0] - start[0]))
    centre_side = ex * (y - start[1]) - ey * (x - start[0])
    r = max(r, chord / 2)
    root = math.sqrt(max(r * r - chord * chord / 4, 0.0))
    height = r + root if centre_side * side > 0 else r - root
    return (start[0] + end[0]) / 2 - side * ey / chord * height, (start[1] + end[1]) / 2 + side * ex / chord * height

"""Circles through points that lie on a tessellated round wall, exactly or nearly."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["WIDEST_GAP_RAD", "WallCircle", "circle_fit", "outer_circle", "wall_circle"]

Points = NDArray[np.float64]
# how far points may lie within a wall's circle, on the chords of its facets, as a share of the radius
ON_CHORDS = 0.02
# points that lie on a circle all round leave no wider gap than this between them
WIDEST_GAP_RAD = math.radians(100.0)


@dataclass(frozen=True, slots=True)
class WallCircle:
    """A circle in mm; `scatter` is the root mean square distance of points from it where they lie on none exactly."""

    x: float
    y: float
    radius: float
    scatter: float = 0.0


def circle_fit(points: Points) -> tuple[float, float, float, float]:
    """Least-squares circle of (n, 2): centre x, y, radius and the largest distance of a point from it."""
    middle = points.mean(axis=0)
    q = points - middle
    a = np.column_stack([2 * q, np.ones(len(q))])
    (x, y, c), *_ = np.linalg.lstsq(a, (q**2).sum(axis=1), rcond=None)
    radius = math.sqrt(max(c + x * x + y * y, 0.0))
    error = np.abs(np.hypot(q[:, 0] - x, q[:, 1] - y) - radius).max()
    return float(middle[0] + x), float(middle[1] + y), radius, float(error)


def outer_circle(points: Points, tolerance: float, inside: float) -> tuple[float, float, float] | None:
    """Circle through the outer points of (n, 2); others may lie inside by up to `inside` of the radius, none outside.

    Triangles that do not run along a round wall put points on the chords of its facets.
    """
    x, y, radius, error = circle_fit(points)
    if error > tolerance:
        if error > 2 * inside * radius:
            return None
        for _ in range(3):
            distance = np.hypot(points[:, 0] - x, points[:, 1] - y)
            outer = points[distance > distance.max() - max(0.25 * error, tolerance)]
            if len(outer) < 8:
                return None
            x, y, radius, error = circle_fit(outer)
            if error <= tolerance:
                break
        distance = np.hypot(points[:, 0] - x, points[:, 1] - y)
        if error > tolerance or radius - distance.min() > inside * radius or distance.max() - radius > tolerance:
            return None
    return x, y, radius


def wall_circle(points: Points, tolerances: tuple[float, ...]) -> WallCircle | None:
    """Find the circle of a round wall's vertices (n, 2), by the first tolerance in mm that serves; None if none does.

    A clean tessellation's outer vertices lie on the circle all round. Where they do not, the wall only stands for a
    circle (a spline drawn as one, a scan) and its vertices lie on both sides: then it is the one of least squares.
    """
    for tolerance in tolerances:
        circle = outer_circle(points, tolerance, ON_CHORDS)
        if circle is not None and _widest_gap(points, circle, tolerance) < WIDEST_GAP_RAD:
            return WallCircle(*circle)
    x, y, radius, error = circle_fit(points)
    if error > ON_CHORDS * radius:
        return None
    distance = np.hypot(points[:, 0] - x, points[:, 1] - y)
    return WallCircle(x, y, radius, float(np.sqrt(np.mean((distance - radius) ** 2))))


def _widest_gap(points: Points, circle: tuple[float, float, float], tolerance: float) -> float:
    """The widest angle in rad between neighbours among the points that lie on a circle."""
    x, y, radius = circle
    on = points[np.abs(np.hypot(points[:, 0] - x, points[:, 1] - y) - radius) <= tolerance]
    if len(on) == 0:
        return 2 * math.pi
    angle = np.sort(np.arctan2(on[:, 1] - y, on[:, 0] - x))
    return float(np.diff(np.r_[angle, angle[0] + 2 * math.pi]).max())

"""Closed curves of a sketch: circle, rectangle, slot, regular polygon, and outlines of lines and arcs.

All lengths in mm in the sketch's own frame, angles in degrees, counter-clockwise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Circle", "Outline", "Rectangle", "RegularPolygon", "Segment", "Shape2D", "Slot", "reflected", "signed_area"]

Points = NDArray[np.float64]
Pair = tuple[float, float]


def _arc_steps(sweep: float) -> int:
    return max(2, math.ceil(abs(sweep) / math.radians(4.0)))


@dataclass(frozen=True, slots=True)
class Circle:
    """A circle; as a polygon it has the circle's own area, so that volumes compare."""

    centre: Pair
    radius: float

    @property
    def numbers(self) -> int:
        """How many numbers it takes to write it."""
        return 3

    def polygon(self) -> Points:
        """Vertices (n, 2), counter-clockwise."""
        n = 96
        angle = np.arange(n) * (2 * np.pi / n)
        radius = self.radius * math.sqrt((2 * np.pi / n) / math.sin(2 * np.pi / n))
        return np.column_stack([self.centre[0] + radius * np.cos(angle), self.centre[1] + radius * np.sin(angle)])


@dataclass(frozen=True, slots=True)
class Rectangle:
    """A rectangle, turned by `angle`, its corners rounded by `corner` (0 = sharp)."""

    centre: Pair
    size: Pair
    angle: float = 0.0
    corner: float = 0.0

    @property
    def numbers(self) -> int:
        """How many numbers it takes to write it."""
        return 4 + (self.angle != 0) + (self.corner != 0)

    def polygon(self) -> Points:
        """Vertices (n, 2), counter-clockwise."""
        half_x, half_y = self.size[0] / 2, self.size[1] / 2
        if self.corner > 0:
            c = self.corner
            angles = np.linspace(0, np.pi / 2, 24)
            arc = np.column_stack([np.cos(angles), np.sin(angles)]) * c
            parts = []
            for quarter, (sx, sy) in enumerate(((1, 1), (-1, 1), (-1, -1), (1, -1))):
                parts.append(_turn(arc, 90.0 * quarter) + np.array([sx * (half_x - c), sy * (half_y - c)]))
            points = np.vstack(parts)
        else:
            points = np.array([[half_x, half_y], [-half_x, half_y], [-half_x, -half_y], [half_x, -half_y]])
        return _turn(points, self.angle) + self.centre


@dataclass(frozen=True, slots=True)
class Slot:
    """A slot with round ends: `length` over all, `width`, turned by `angle`."""

    centre: Pair
    length: float
    width: float
    angle: float = 0.0

    @property
    def numbers(self) -> int:
        """How many numbers it takes to write it."""
        return 4 + (self.angle != 0)

    def polygon(self) -> Points:
        """Vertices (n, 2), counter-clockwise."""
        r, straight = self.width / 2, (self.length - self.width) / 2
        angles = np.linspace(-np.pi / 2, np.pi / 2, 48)
        cap = np.column_stack([np.cos(angles), np.sin(angles)]) * r
        right = cap + np.array([straight, 0.0])
        return _turn(np.vstack([right, -right]), self.angle) + self.centre


@dataclass(frozen=True, slots=True)
class RegularPolygon:
    """A regular polygon by its circumscribed diameter; a vertex lies at `angle`."""

    centre: Pair
    sides: int
    diameter: float
    angle: float = 0.0

    @property
    def numbers(self) -> int:
        """How many numbers it takes to write it."""
        return 4 + (self.angle != 0)

    def polygon(self) -> Points:
        """Vertices (n, 2), counter-clockwise."""
        angle = math.radians(self.angle) + np.arange(self.sides) * (2 * np.pi / self.sides)
        return np.column_stack([np.cos(angle), np.sin(angle)]) * (self.diameter / 2) + self.centre


@dataclass(frozen=True, slots=True)
class Segment:
    """A line to `end`, or an arc through `mid` to `end`."""

    end: Pair
    mid: Pair | None = None


@dataclass(frozen=True, slots=True)
class Outline:
    """A closed chain of lines and arcs that starts where its last segment ends, counter-clockwise."""

    segments: tuple[Segment, ...]

    @property
    def numbers(self) -> int:
        """How many numbers it takes to write it: one for a line along an axis, half of them where it is symmetric."""
        from cad_pipeline.generators.geometric.symmetry import count_along, half_of

        half = half_of(self)
        whole = 2 + count_along(self.segments[-1].end, self.segments[:-1]) + 3 * (self.segments[-1].mid is not None)
        return whole if half is None else min(half.numbers, whole)

    @property
    def corner_numbers(self) -> int:
        """How many numbers its corners and arcs hold, however they are written."""
        return sum(2 if s.mid is None else 3 for s in self.segments)

    def polygon(self) -> Points:
        """Vertices (n, 2), counter-clockwise."""
        points: list[Pair] = []
        start = self.segments[-1].end
        for segment in self.segments:
            if segment.mid is not None:
                points += arc_points(start, segment.mid, segment.end)
            points.append(segment.end)
            start = segment.end
        return np.array(points)


Shape2D = Circle | Rectangle | Slot | RegularPolygon | Outline


def signed_area(ring: Points) -> float:
    """The area that a ring (n, 2) goes round; negative where it goes clockwise."""
    x, y = ring.T
    after = np.concatenate((ring[1:], ring[:1]))
    return float((x * after[:, 1] - y * after[:, 0]).sum() / 2.0)


def reflected(point: Pair, across: int, at: float) -> Pair:
    """The image of a point in the line x = `at` (`across` 0) or y = `at` (1)."""
    return (2 * at - point[0], point[1]) if across == 0 else (point[0], 2 * at - point[1])


def circle_through(a: Pair, b: Pair, c: Pair) -> tuple[float, float, float] | None:
    """Centre and radius of the circle through three points, None if they are in line."""
    ax, ay = a[0] - b[0], a[1] - b[1]
    cx, cy = c[0] - b[0], c[1] - b[1]
    d = 2.0 * (ax * cy - ay * cx)
    size = math.hypot(ax, ay) + math.hypot(cx, cy)
    if abs(d) < 1e-12 * size * size or size == 0:
        return None
    la, lc = ax * ax + ay * ay, cx * cx + cy * cy
    ux, uy = (cy * la - ay * lc) / d, (ax * lc - cx * la) / d
    return b[0] + ux, b[1] + uy, math.hypot(ux, uy)


def arc_points(start: Pair, mid: Pair, end: Pair) -> list[Pair]:
    """Points strictly between `start` and `end` on the arc through `mid`."""
    circle = circle_through(start, mid, end)
    if circle is None:
        return [mid]
    x, y, r = circle
    a0 = math.atan2(start[1] - y, start[0] - x)
    a1 = (math.atan2(mid[1] - y, mid[0] - x) - a0) % (2 * math.pi)
    a2 = (math.atan2(end[1] - y, end[0] - x) - a0) % (2 * math.pi)
    sweep = a2 if a1 <= a2 else a2 - 2 * math.pi
    n = _arc_steps(sweep)
    return [(x + r * math.cos(a0 + sweep * k / n), y + r * math.sin(a0 + sweep * k / n)) for k in range(1, n)]


def _turn(points: Points, degrees: float) -> Points:
    if degrees == 0:
        return points
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.asarray(points @ np.array([[c, s], [-s, c]]))

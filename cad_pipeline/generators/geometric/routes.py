"""Ways through space along which a profile is swept: lines and arcs one after the other, or a helix. Lengths in mm."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Helix", "Leg", "Route", "Triple", "circle_in_space"]

Points = NDArray[np.float64]
Triple = tuple[float, float, float]
_STEP_DEG = 4.0


@dataclass(frozen=True, slots=True)
class Leg:
    """A line to `end`, or an arc through `mid` to `end`."""

    end: Triple
    mid: Triple | None = None


@dataclass(frozen=True, slots=True)
class Route:
    """Lines and arcs from `start`, in the coordinates of a frame."""

    start: Triple
    legs: tuple[Leg, ...]

    @property
    def flat(self) -> bool:
        """Whether it stays in the frame's plane of its start."""
        return all(p[2] == self.start[2] for leg in self.legs for p in (leg.end, leg.mid) if p is not None)

    @property
    def closed(self) -> bool:
        """Whether it ends where it starts."""
        return self.legs[-1].end == self.start

    @property
    def numbers(self) -> int:
        """How many numbers it takes to write it."""
        points = 1 + sum(1 + (leg.mid is not None) for leg in self.legs)
        return (2 if self.flat else 3) * points

    @property
    def heading(self) -> Points:
        """The unit vector (3,) along which it sets out."""
        start, leg = np.array(self.start), self.legs[0]
        bend = None if leg.mid is None else circle_in_space(start, np.array(leg.mid), np.array(leg.end))
        way = np.array(leg.end) - start if bend is None else np.cross(bend[2], start - bend[0])
        return np.asarray(way / np.linalg.norm(way))

    @property
    def corners(self) -> list[Triple]:
        """Its start, and the middle of each arc and the end of each leg, in their order."""
        return [self.start, *(p for leg in self.legs for p in (leg.mid, leg.end) if p is not None)]

    def points(self) -> Points:
        """Points (n, 3) along it, arcs in small steps, each corner once."""
        found = [np.array(self.start)]
        for leg in self.legs:
            if leg.mid is not None:
                found += _arc(found[-1], np.array(leg.mid), np.array(leg.end))
            found.append(np.array(leg.end))
        return np.array(found)


@dataclass(frozen=True, slots=True)
class Helix:
    """A helix about the frame's z axis, upwards from (radius, 0, 0); counter-clockwise unless `left`."""

    radius: float
    pitch: float
    height: float
    left: bool = False

    @property
    def flat(self) -> bool:
        """It does not stay in a plane."""
        return False

    @property
    def closed(self) -> bool:
        """It does not come back."""
        return False

    @property
    def numbers(self) -> int:
        """How many numbers it takes to write it."""
        return 3

    def points(self) -> Points:
        """Points (n, 3) along it, in small steps."""
        angle = self.angles()
        height = np.linspace(0.0, self.height, len(angle))
        return np.column_stack([self.radius * np.cos(angle), self.radius * np.sin(angle), height])

    def angles(self) -> Points:
        """Angles (n,) in rad of points along it, in small steps."""
        turns = self.height / self.pitch
        steps = max(2, math.ceil(turns * 360.0 / (1.5 * _STEP_DEG)))
        return (-2.0 if self.left else 2.0) * math.pi * turns * np.linspace(0.0, 1.0, steps + 1)


def circle_in_space(a: Points, b: Points, c: Points) -> tuple[Points, float, Points] | None:
    """Centre (3,), radius and unit normal (3,) of the circle through three points; None if they are in line."""
    u, v = b - a, c - a
    normal = np.cross(u, v)
    square = float(normal @ normal)
    if square <= 1e-18 * float(u @ u) * float(v @ v):
        return None
    centre = a + (np.cross(normal, u) * float(v @ v) + np.cross(v, normal) * float(u @ u)) / (2.0 * square)
    return centre, float(np.linalg.norm(a - centre)), normal / math.sqrt(square)


def _arc(start: Points, mid: Points, end: Points) -> list[Points]:
    """Points strictly between `start` and `end` on the arc through `mid`."""
    circle = circle_in_space(start, mid, end)
    if circle is None:
        return []
    centre, radius, normal = circle
    x = (start - centre) / radius
    y = np.cross(normal, x)
    away = end - centre
    sweep = math.atan2(float(away @ y), float(away @ x)) % (2.0 * math.pi)
    count = max(2, math.ceil(math.degrees(sweep) / _STEP_DEG))
    angles = np.linspace(0.0, sweep, count + 1)[1:-1]
    return list(centre + radius * (np.cos(angles)[:, None] * x + np.sin(angles)[:, None] * y))

"""Recognise how equal features are laid out: on a circle, on a grid, or free."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cad_pipeline.generators.geometric.numbers import nice

__all__ = ["Block", "Grid", "Pattern", "Polar", "Scattered", "blocks", "recognise"]

Pair = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Polar:
    """`count` points on a circle, evenly spaced, the first at `start` degrees."""

    centre: Pair
    diameter: float
    count: int
    start: float


@dataclass(frozen=True, slots=True)
class Grid:
    """A rectangular grid about `centre`."""

    centre: Pair
    pitch: Pair
    counts: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Scattered:
    """Points that follow no rule."""

    points: tuple[Pair, ...]


Pattern = Polar | Grid | Scattered


def recognise(points: Sequence[Pair], tolerance: float) -> Pattern:
    """Find the simplest layout that meets every point within `tolerance` mm."""
    if len(points) >= 2:
        grid = _grid(points, tolerance)
        if grid is not None:
            return grid
    if len(points) >= 3:
        polar = _polar(points, tolerance)
        if polar is not None:
            return polar
    return Scattered(tuple(sorted(points)))


def _polar(points: Sequence[Pair], tolerance: float) -> Polar | None:
    p = np.asarray(points)
    n = len(p)
    centre = p.mean(axis=0)
    centre = np.array([nice(c, tolerance) for c in centre])
    radius = np.linalg.norm(p - centre, axis=1)
    if np.ptp(radius) > 2 * tolerance or radius.min() < 10 * tolerance:
        return None
    angles = np.sort(np.degrees(np.arctan2(p[:, 1] - centre[1], p[:, 0] - centre[0])) % 360.0)
    gaps = np.diff(np.r_[angles, angles[0] + 360.0])
    slack = math.degrees(2 * tolerance / float(radius.mean())) + 1e-6
    if np.abs(gaps - 360.0 / n).max() > 2 * slack:
        return None
    step = 360.0 / n
    start = float(np.mean(angles - np.arange(n) * step))
    start = nice(start, slack)
    start = start - step * round(start / step) if abs(start - step * round(start / step)) < slack else start % step
    return Polar(
        (float(centre[0]), float(centre[1])), nice(2 * float(radius.mean()), 2 * tolerance), n, nice(start, slack)
    )


def _grid(points: Sequence[Pair], tolerance: float) -> Grid | None:
    p = np.asarray(points)
    axes = []
    for k in (0, 1):
        values = np.sort(p[:, k])
        groups = np.split(values, np.nonzero(np.diff(values) > 2 * tolerance)[0] + 1)
        axes.append(np.array([g.mean() for g in groups]))
    xs, ys = axes
    if len(xs) * len(ys) != len(p):
        return None
    for values in axes:
        if len(values) > 2 and np.ptp(np.diff(values)) > 2 * tolerance:
            return None
    pitch = tuple(nice(float(np.diff(v).mean()), tolerance) if len(v) > 1 else 1.0 for v in axes)
    centre = (nice(float(xs.mean()), tolerance / 2), nice(float(ys.mean()), tolerance / 2))
    return Grid(centre, (pitch[0], pitch[1]), (len(xs), len(ys)))


@dataclass(frozen=True, slots=True)
class Block:
    """Every x with every y: a grid of uneven spacing."""

    xs: tuple[float, ...]
    ys: tuple[float, ...]

    @property
    def saved(self) -> int:
        """How many numbers it saves against naming each point."""
        return 2 * len(self.xs) * len(self.ys) - len(self.xs) - len(self.ys)


def blocks(points: Sequence[Pair], tolerance: float) -> tuple[list[Block], list[Pair]]:
    """Gather scattered points in blocks, rows that share their columns or columns that share their rows; and the rest.

    Coordinates within `tolerance` mm are one.
    """
    places = [tuple(_agreed([p[k] for p in points], tolerance)) for k in (0, 1)]
    options = []
    for across in (0, 1):
        lines: dict[float, set[float]] = {}
        for line, place in zip(places[across], places[1 - across], strict=True):
            lines.setdefault(line, set()).add(place)
        alike: dict[frozenset[float], list[float]] = {}
        for line, filled in sorted(lines.items()):
            alike.setdefault(frozenset(filled), []).append(line)
        found = [
            Block(*((tuple(group), tuple(sorted(filled))) if across == 0 else (tuple(sorted(filled)), tuple(group))))
            for filled, group in alike.items()
            if len(group) > 1 and len(filled) > 1
        ]
        options.append(found)
    best = max(options, key=lambda found: sum(block.saved for block in found))
    inside = {(x, y) for block in best for x in block.xs for y in block.ys}
    return best, sorted(p for p in zip(*places, strict=True) if p not in inside)


def _agreed(values: Sequence[float], tolerance: float) -> list[float]:
    """Values with those within `tolerance` of a smaller one put on it."""
    known: list[float] = []
    for value in sorted(values):
        if not known or value - known[-1] > tolerance:
            known.append(value)
    return [max(k for k in known if k <= value) for value in values]

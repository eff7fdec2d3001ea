"""Ruled lofts through matched outlines: what a wall that is not vertical becomes when no simpler feature fits.

The outlines of neighbouring sections are matched by arc length, and thinned together, so that all of them keep the same
few corners.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import Polygon

from cad_pipeline.generators.geometric.shapes2d import Circle

__all__ = ["LoftSize", "lies_nearer_than_steps", "matched", "rounded_off", "thinned_sections"]

Points = NDArray[np.float64]
_SAMPLES = 240
_LEAST_CORNERS = 4
# a side that goes over into an arc is drawn in so many steps
_ARC_STEPS = 24


@dataclass(frozen=True, slots=True)
class LoftSize:
    """How many corners an outline, and how many sections a loft may have."""

    corners: int
    sections: int


def matched(rings: Sequence[Polygon], corners: int) -> list[Points] | None:
    """Draw every ring as a polygon (corners, 2) whose vertices correspond; None where one would cross itself.

    Each polygon is scaled about its middle to the area of its ring, so that rounding curves off loses no volume.
    """
    curves = [_resampled(ring) for ring in rings]
    for k in range(1, len(curves)):
        curves[k] = _turned_to(curves[k], curves[k - 1])
    kept = _joint_corners(np.concatenate(curves, axis=1), max(corners, _LEAST_CORNERS))
    drawn: list[Points] = []
    for ring, curve in zip(rings, curves, strict=True):
        points = curve[kept]
        polygon = Polygon(points)
        if not polygon.is_valid or polygon.area < 0.5 * ring.area:
            return None
        middle = np.asarray(polygon.centroid.coords[0])
        points = middle + (points - middle) * np.sqrt(ring.area / polygon.area)
        drawn.append(points)
    return drawn


def rounded_off(polygon: Points, circle: Circle) -> tuple[Points, Points]:
    """Draw a polygon (n, 2) and a circle with equally many points: each side goes over into the arc that it faces.

    The corners meet the circle in their own directions from its centre, as CAD kernels match wires.
    """
    away = polygon - circle.centre
    angle = np.unwrap(np.arctan2(away[:, 1], away[:, 0]))
    angle = np.append(angle, angle[0] + 2 * np.pi)
    ends = np.vstack([polygon, polygon[:1]])
    share = np.arange(_ARC_STEPS)[:, None] / _ARC_STEPS
    sides = [a + share * (b - a) for a, b in itertools.pairwise(ends)]
    turns = np.concatenate([a + share[:, 0] * (b - a) for a, b in itertools.pairwise(angle)])
    # a polygon of the circle's own area
    radius = circle.radius * np.sqrt(2 * np.pi / np.sin(np.diff(turns, append=turns[0] + 2 * np.pi)).sum())
    return np.vstack(sides), circle.centre + radius * np.column_stack([np.cos(turns), np.sin(turns)])


def _resampled(ring: Polygon) -> Points:
    """Points (n, 2) evenly spaced along the outline, counter-clockwise."""
    line = shapely.geometry.polygon.orient(ring).exterior
    stations = np.linspace(0.0, line.length, _SAMPLES, endpoint=False)
    return np.asarray(shapely.get_coordinates(shapely.line_interpolate_point(line, stations)))


def _turned_to(curve: Points, before: Points) -> Points:
    """Start the curve where its points lie nearest to those of the curve before; each about its own middle."""
    a, b = before - before.mean(axis=0), curve - curve.mean(axis=0)
    # the best cyclic shift maximises the correlation, which is one product of Fourier transforms
    spectrum = np.fft.fft(a[:, 0] + 1j * a[:, 1]) * np.conj(np.fft.fft(b[:, 0] + 1j * b[:, 1]))
    shift = int(np.argmax(np.fft.ifft(spectrum).real))
    return np.roll(curve, shift, axis=0)


def _joint_corners(curve: Points, count: int) -> NDArray[np.int64]:
    """Choose `count` places of a closed curve (n, d) in d dimensions: always where its chords are farthest off."""
    n = len(curve)
    middle = curve.mean(axis=0)
    first = int(np.argmax(((curve - middle) ** 2).sum(axis=1)))
    second = int(np.argmax(((curve - curve[first]) ** 2).sum(axis=1)))
    kept = sorted({first, second})
    gaps = {(a, b): _farthest(curve, a, b) for a, b in zip(kept, [*kept[1:], kept[0] + n], strict=True)}
    while len(kept) < min(count, n):
        (a, b), (_, where) = max(gaps.items(), key=lambda item: item[1][0])
        del gaps[a, b]
        gaps[a, where], gaps[where, b] = _farthest(curve, a, where), _farthest(curve, where, b)
        kept.append(where % n)
    return np.array(sorted(kept), dtype=np.int64)


def _farthest(curve: Points, a: int, b: int) -> tuple[float, int]:
    """The largest squared distance from the chord between places `a` and `b`, and where it is."""
    if b - a < 2:
        return -1.0, a
    inside = np.arange(a + 1, b)
    points = curve[inside % len(curve)] - curve[a % len(curve)]
    chord = curve[b % len(curve)] - curve[a % len(curve)]
    along = np.clip(points @ chord / max(float(chord @ chord), 1e-300), 0.0, 1.0)
    apart = ((points - along[:, None] * chord) ** 2).sum(axis=1)
    k = int(np.argmax(apart))
    return float(apart[k]), int(inside[k])


def thinned_sections(heights: Sequence[float], rings: Sequence[Polygon], most: int) -> list[int]:
    """Choose up to `most` of the sections, the ends always: those between which the area runs least straight."""
    areas = np.array([ring.area for ring in rings])
    middles = np.array([ring.centroid.coords[0] for ring in rings])
    size = np.sqrt(areas.max())
    # area and place in one curve over the height, in comparable lengths
    curve = np.column_stack([np.asarray(heights), np.sqrt(areas), middles])
    curve[:, 0] *= size / max(float(np.ptp(curve[:, 0])), 1e-300)
    kept = [0, len(rings) - 1]
    while len(kept) < min(most, len(rings)):
        found = [_off_line(curve, a, b) for a, b in itertools.pairwise(kept)]
        worst, where = max(found)
        if worst <= 1e-6 * size:
            break
        kept = sorted([*kept, where])
    return kept


def _off_line(curve: Points, a: int, b: int) -> tuple[float, int]:
    if b - a < 2:
        return -1.0, a
    inside = np.arange(a + 1, b)
    t = (curve[inside, 0] - curve[a, 0]) / max(curve[b, 0] - curve[a, 0], 1e-300)
    straight = curve[a, 1:] + t[:, None] * (curve[b, 1:] - curve[a, 1:])
    apart = np.linalg.norm(curve[inside, 1:] - straight, axis=1)
    k = int(np.argmax(apart))
    return float(apart[k]), int(inside[k])


def lies_nearer_than_steps(bottom: Points, top: Points, floor: Polygon, middle: Polygon, ceiling: Polygon) -> bool:
    """Whether half-way up the loft is nearer to the true section than the two ends are, which a step would repeat."""
    half = Polygon((bottom + top) / 2.0)
    if not half.is_valid:
        return False
    stepped = (middle.symmetric_difference(floor).area + middle.symmetric_difference(ceiling).area) / 4.0
    return bool(half.symmetric_difference(middle).area <= max(stepped, 0.02 * middle.area))

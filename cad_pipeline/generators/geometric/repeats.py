"""Find what a program makes again and again: features that are each other's moved or turned images become one.

A section is fitted wherever it is met, so equal teeth come out as texts that differ in the last digit. Told once, with
its places, a tooth is edited once.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cad_pipeline.generators.geometric.balls import ball_of
from cad_pipeline.generators.geometric.features import (
    Extrusion,
    Feature,
    Loft,
    Moves,
    Repeated,
    Revolution,
    Turns,
    length,
    runs,
)
from cad_pipeline.generators.geometric.frame import Frame, frame_along
from cad_pipeline.generators.geometric.numbers import nice
from cad_pipeline.generators.geometric.patterns import Grid, recognise
from cad_pipeline.generators.geometric.shapes2d import Outline, Pair, RegularPolygon

__all__ = ["layers", "moves", "repeats"]

Points = NDArray[np.float64]
# what is shorter is told as quickly by itself
_LEAST_NUMBERS = 6


def repeats(features: Sequence[Feature], near: float) -> Iterator[list[Feature]]:
    """Each way to write several features as one at several places; what is alike may differ by `near` mm.

    Only features of one run of additions or cuts are taken together, whose order does not matter.
    """
    for run in runs(features):
        for alike in _alike([(k, features[k]) for k in run], near):
            for frame, places, chosen in _placed(alike, near):
                first = alike[chosen[0]]
                assert isinstance(first.feature, Extrusion | Revolution | Loft)
                whole = Repeated(first.feature, frame, places, first.feature.mode)
                gone = {alike[k].index for k in chosen}
                rest = [
                    whole if k == first.index else f for k, f in enumerate(features) if k not in gone - {first.index}
                ]
                if length(rest) < length(features):
                    yield rest


@dataclass(frozen=True, slots=True, eq=False)
class _Drawn:
    """A feature by the corners (n, 3) of its sketches about the middle (3,) of the lowest, and where that is.

    Both are seen from the feature's frame, a turned one's from the world turned like it.
    """

    index: int
    feature: Feature
    corners: Points
    middle: Points


def _alike(run: Sequence[tuple[int, Feature]], near: float) -> list[list[_Drawn]]:
    """Groups of features of one kind, one direction and one size, wherever they stand and however they are turned."""
    groups: list[list[_Drawn]] = []
    for index, feature in run:
        drawn = _drawn(index, feature)
        if drawn is None or (feature.numbers < _LEAST_NUMBERS and ball_of(feature) is None):
            continue
        home = next((g for g in groups if _same_kind(g[0].feature, feature) and _same_size(g[0], drawn, near)), None)
        if home is None:
            groups.append([drawn])
        else:
            home.append(drawn)
    return [g for g in groups if len(g) > 1]


def _drawn(index: int, feature: Feature) -> _Drawn | None:
    if isinstance(feature, Extrusion) and feature.twist_deg == 0.0:
        # simple ones are grouped by the writer
        simple = not isinstance(feature.shape, Outline | RegularPolygon) and not getattr(feature.shape, "angle", 0.0)
        if simple and feature.bottom is None and feature.top is None:
            return None
        corners = np.vstack([_at(feature.shape.polygon(), z) for z in (feature.low, feature.high)])
    elif isinstance(feature, Loft):
        corners = np.vstack([_at(shape.polygon(), z) for z, shape in feature.sections])
    elif isinstance(feature, Revolution):
        return _Drawn(index, feature, _at(feature.profile.polygon(), 0.0), feature.frame.axes @ feature.frame.origin)
    else:
        return None
    middle = (corners.min(axis=0) + corners.max(axis=0)) / 2
    middle[2] = corners[0, 2]
    return _Drawn(index, feature, corners - middle, middle)


def _at(points: Points, height: float) -> Points:
    return np.column_stack([points, np.full(len(points), height)])


def _same_kind(a: Feature, b: Feature) -> bool:
    if isinstance(a, Revolution) and isinstance(b, Revolution):
        return bool(np.allclose(a.frame.axes, b.frame.axes, atol=1e-9))
    if a.frame.axes is not b.frame.axes or a.frame.origin is not b.frame.origin:
        return False
    if isinstance(a, Extrusion) and isinstance(b, Extrusion):
        return (a.bottom, a.top) == (b.bottom, b.top) and type(a.shape) is type(b.shape)
    if isinstance(a, Loft) and isinstance(b, Loft) and len(a.sections) == len(b.sections):
        return all(type(p[1]) is type(q[1]) for p, q in zip(a.sections, b.sections, strict=True))
    return False


def _same_size(a: _Drawn, b: _Drawn, near: float) -> bool:
    """Whether as many corners lie as far from each other, however turned: a first look."""
    if len(a.corners) != len(b.corners):
        return False
    spans = [np.linalg.norm(d.corners - d.corners.mean(axis=0), axis=1) for d in (a, b)]
    return bool(np.abs(np.sort(spans[0]) - np.sort(spans[1])).max() < 2 * near)


def _placed(alike: list[_Drawn], near: float) -> Iterator[tuple[Frame, Turns | Moves, list[int]]]:
    """Ways to place several of a group: evenly about a point, or moved; with which of the group they are."""
    frame = alike[0].feature.frame
    turns = _turned(alike, near)
    if turns is not None:
        yield frame, turns, list(range(len(alike)))
    left = list(range(len(alike)))
    while len(left) > 1:
        first = alike[left[0]]
        same = [k for k in left if _meets(first.corners, alike[k].corners, near)]
        if len(same) > 1:
            # turned features have frames of their own, each with its middle in its origin
            seen = Frame(np.zeros(3), frame.axes) if isinstance(first.feature, Revolution) else frame
            for plane, middles, chosen in layers(seen, np.array([alike[k].middle for k in same]), near):
                yield plane, moves(middles, near), [same[k] for k in chosen]
        left = [k for k in left if k not in same]


def layers(frame: Frame, places: Points, near: float) -> Iterator[tuple[Frame, list[Pair], list[int]]]:
    """Those of `places` (n, 3), seen from `frame`, that lie in one plane along two of its axes: each plane with some.

    Gives the plane's frame, the places there, and which they are; planes across the frame's own z come first.
    """
    for axis in (2, 0, 1):
        plane = frame if axis == 2 else _side(frame, axis)
        left = list(range(len(places)))
        while len(left) > 1:
            chosen = [k for k in left if abs(places[k, axis] - places[left[0], axis]) < near]
            if len(chosen) > 1:
                there = plane.to_local(frame.to_world(places[chosen]))
                yield plane, [(float(x), float(y)) for x, y in there[:, :2]], chosen
            left = [k for k in left if k not in chosen]


def _side(frame: Frame, axis: int) -> Frame:
    """The frame's plane across one of its axes: one with a name where there is one."""
    straight = np.abs(frame.axes).max(axis=1).min() > 1 - 1e-12
    return frame_along(frame.axes[axis], frame.origin, None if straight else frame.axes[2])


def moves(middles: Sequence[Pair], near: float) -> Moves:
    """The steps from the first of `middles` to each, rounded within `near` mm; on a grid, whole numbers of pitches."""
    layout = recognise(middles, near)
    origin = middles[0]
    if not isinstance(layout, Grid):
        return Moves(tuple((nice(x - origin[0], near / 4), nice(y - origin[1], near / 4)) for x, y in middles))
    pitch = []
    for axis, count in enumerate(layout.counts):
        span = max(m[axis] for m in middles) - min(m[axis] for m in middles)
        # an error of the pitch adds up
        pitch.append(nice(span / (count - 1), near / (20 * count)) if count > 1 else math.inf)
    steps = ([round((m[k] - origin[k]) / pitch[k]) * pitch[k] if m != origin else 0.0 for k in (0, 1)] for m in middles)
    return Moves(tuple((x if math.isfinite(x) else 0.0, y if math.isfinite(y) else 0.0) for x, y in steps), even=True)


def _turned(alike: list[_Drawn], near: float) -> Turns | None:
    """The whole group as one feature turned evenly about a point of its plane; None if it is not."""
    n = len(alike)
    if n < 3 or isinstance(alike[0].feature, Revolution):
        return None
    if np.ptp([d.middle[2] for d in alike]) > near:
        return None
    whole = [d.corners + d.middle * (1.0, 1.0, 0.0) for d in alike]
    centroids = np.array([w[:, :2].mean(axis=0) for w in whole])
    centre = centroids.mean(axis=0)
    centre = np.array([nice(float(c), near) for c in centre])
    radius = np.linalg.norm(centroids - centre, axis=1)
    if np.ptp(radius) > 2 * near or radius.min() < 4 * near:
        return None
    heading = np.arctan2(*(centroids - centre).T[::-1])
    turns = (heading - heading[0]) * n / (2 * math.pi)
    if len({round(t) % n for t in turns.tolist()}) < n:
        return None
    about = np.array([*centre, 0.0])
    for k in range(1, n):
        angle = -2 * math.pi * round(float(turns[k])) / n
        c, s = math.cos(angle), math.sin(angle)
        back = (whole[k] - about) @ np.array([[c, s, 0.0], [-s, c, 0.0], [0.0, 0.0, 1.0]])
        if not _meets(whole[0] - about, back, near):
            return None
    return Turns((float(centre[0]), float(centre[1])), n)


def _meets(a: Points, b: Points, near: float) -> bool:
    """Whether every corner of each has one of the other within `near`."""
    apart = np.linalg.norm(a[:, None] - b[None], axis=2)
    return bool(max(apart.min(axis=0).max(), apart.min(axis=1).max()) < near)

"""Let features agree: prisms that nearly continue each other become one, corners that nearly coincide become one.

Each section of a part is fitted by itself, so what was one wall in the design comes out as two that differ by less than
anybody can see. Such pairs are what a reader stumbles over, and where CAD kernels' booleans break.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import replace

import numpy as np
from shapely.geometry import Polygon

from cad_pipeline.generators.geometric.boxes import lined_up
from cad_pipeline.generators.geometric.copies import pairings
from cad_pipeline.generators.geometric.features import (
    Body,
    Extrusion,
    Feature,
    Hole,
    Moves,
    Repeated,
    Revolution,
    Twice,
    count_numbers,
    length,
)
from cad_pipeline.generators.geometric.frame import Frame
from cad_pipeline.generators.geometric.judging import Judge
from cad_pipeline.generators.geometric.repeats import repeats
from cad_pipeline.generators.geometric.scale import Scale
from cad_pipeline.generators.geometric.shapes2d import Circle, Outline, Pair, Rectangle, Segment, Shape2D, Slot
from cad_pipeline.generators.geometric.solids import Manifold

__all__ = ["agreed"]

# corners nearer than these shares of the part's size are tried as one, the widest first
_NEAR = (2e-3, 5e-4, 1e-4)
# what agreement may cost in IoU
_COST = 4e-4
# joining two prisms leaves one outline less to read: it may cost the price of its numbers, and so many times more
_JOIN = 1.5
_ALIKE = 0.85
# IoU that is no more than rounding
_DUST = 1e-9
# each trial builds the whole part
_MOST_TRIALS = 10


def agreed(features: Sequence[Feature], target: Manifold, scale: Scale, price: float) -> list[Feature]:
    """Join prisms and corners of `features` where `target` is met as well as before, or nearly.

    A number that need not be read any more may cost `price` in IoU.
    """
    judge = Judge(target)
    kept, judged = _lined_up(list(features), judge, scale, price)
    kept, judged = _joined(kept, judged, judge, price)
    kept, (reached, tunnels) = _gathered(kept, judged, judge, scale, price)
    for share in _NEAR:
        trial = _cornered(kept, share * scale.size)
        # moved corners may cost an outline its symmetry
        if trial is None or count_numbers(trial) > count_numbers(kept):
            continue
        if judge.changed(trial, kept, reached) >= reached - _COST and judge.no_farther(judge.tunnels(trial), tunnels):
            return trial
    return kept


# -- rows of boxes --------------------------------------------------------------------------------------------------


def _lined_up(
    features: list[Feature], judge: Judge, scale: Scale, price: float
) -> tuple[list[Feature], tuple[float, int]]:
    """Draw equal boxes along one direction, where that makes fewer statements; with what was judged of the features."""
    reached = judge(features)
    for share in reversed(_NEAR):
        trial = lined_up(features, share * scale.size)
        saved = length(features) - length(trial)
        if saved > 0:
            after, open_ = judge.changed(trial, features, reached[0]), judge.tunnels(trial)
            # what changes nothing opens nothing: walls that touch do so to the last digit or not
            same = open_ == reached[1] or abs(after - reached[0]) < _DUST
            if after >= reached[0] - price * saved and same:
                features, reached = trial, (after, open_)
    return features, reached


# -- repeats --------------------------------------------------------------------------------------------------------


def _gathered(
    features: list[Feature], reached: tuple[float, int], judge: Judge, scale: Scale, price: float
) -> tuple[list[Feature], tuple[float, int]]:
    """Write what is made again and again once, as long as it pays; with what was judged of the features."""
    for near in (share * scale.size for share in reversed(_NEAR)):
        for _ in range(_MOST_TRIALS):
            options = (
                place(option)
                for place, listing in _listings(features)
                for option in itertools.chain(repeats(listing, near), pairings(listing, near))
            )
            trials = sorted(options, key=length)
            for trial in trials[:2]:
                saved = length(features) - length(trial)
                after = judge.changed(trial, features, reached[0])
                if after >= reached[0] - price * saved and judge.tunnels(trial) == reached[1]:
                    features, reached = trial, (after, reached[1])
                    break
            else:
                break
    return features, reached


# -- prisms ---------------------------------------------------------------------------------------------------------


def _joined(
    features: list[Feature], reached: tuple[float, int], judge: Judge, price: float
) -> tuple[list[Feature], tuple[float, int]]:
    """Join prisms that stand on each other with like outlines, as long as it pays; with what was judged of them."""
    # with the features, since an id is theirs only as long as they live
    refused: dict[tuple[int, int, int], list[Feature]] = {}
    for _ in range(_MOST_TRIALS):
        option = min(_options(features, judge.volume, price, refused), key=lambda o: o[0], default=None)
        if option is None:
            break
        _, key, saved, trial = option
        after = judge.changed(trial, features, reached[0])
        if after >= reached[0] - _JOIN * price * saved and judge.tunnels(trial) == reached[1]:
            features, reached = trial, (after, reached[1])
        else:
            refused[key] = features
    return features, reached


def _options(
    features: list[Feature], volume: float, price: float, refused: Container[tuple[int, int, int]]
) -> Iterator[tuple[float, tuple[int, int, int], int, list[Feature]]]:
    """Each pair that could be joined: how much volume moves less what it saves, a key, numbers saved, the features."""
    for place, listing in _listings(features):
        prisms = [(k, f) for k, f in enumerate(listing) if isinstance(f, Extrusion) and f.twist_deg == 0.0]
        for (i, a), (j, b) in itertools.permutations(prisms, 2):
            if not _meet(a, b):
                continue
            p, q = Polygon(a.shape.polygon()), Polygon(b.shape.polygon())
            if not (p.is_valid and q.is_valid) or p.intersection(q).area < _ALIKE * max(p.area, q.area):
                continue
            off = p.symmetric_difference(q).area
            for kept, lost in ((a, b), (b, a)):
                saved = lost.shape.numbers + 1
                moved = off * (lost.high - lost.low) / volume
                key = (id(kept), id(lost), id(listing[0]))
                # features that follow may cover what moves: then it costs less than this
                if key in refused or moved > 4 * _JOIN * price * saved:
                    continue
                whole = replace(kept, low=a.low, high=b.high, bottom=a.bottom, top=b.top)
                rest = [whole if k == min(i, j) else f for k, f in enumerate(listing) if k != max(i, j)]
                yield moved - price * saved, key, saved, place(rest)


def _listings(features: list[Feature]) -> Iterator[tuple[Callable[[list[Feature]], list[Feature]], list[Feature]]]:
    """The features, and those of each body among them, with what puts a changed list back in its place."""
    yield (lambda rest: rest), features
    for k, body in enumerate(features):
        if isinstance(body, Body):

            def place(rest: list[Feature], k: int = k, body: Body = body) -> list[Feature]:
                return [*features[:k], replace(body, features=tuple(rest)), *features[k + 1 :]]

            yield place, list(body.features)


def _meet(a: Extrusion, b: Extrusion) -> bool:
    """Whether `b` stands on `a`: the same direction and mode, no blend between."""
    return (
        a.mode is b.mode
        and a.frame.axes is b.frame.axes
        and a.frame.origin is b.frame.origin
        and a.top is None
        and b.bottom is None
        and abs(a.high - b.low) < 1e-6 * max(a.high - a.low, b.high - b.low)
    )


# -- corners --------------------------------------------------------------------------------------------------------


def _cornered(features: Sequence[Feature], near: float) -> list[Feature] | None:
    """Give corners and axes that nearly coincide, within `near` along a direction, one place; None if none moved."""
    corners = _Corners(near)
    trial = [corners.agree(f) for f in features]
    return trial if corners.moved else None


class _Corners:
    """The corners and axes seen so far along each direction, in the order of the features: what comes first stays."""

    def __init__(self, near: float) -> None:
        self._near = near
        self._known: dict[tuple[float, ...], tuple[list[Pair], list[tuple[Pair, Pair, Pair]]]] = {}
        self.moved = False

    def agree(self, feature: Feature) -> Feature:
        """The feature with its corners moved onto known ones; as it is where that spoils its outline."""
        if isinstance(feature, Body):
            return replace(feature, features=tuple(self.agree(f) for f in feature.features))
        if isinstance(feature, Twice):
            return replace(feature, feature=self.agree(feature.feature))
        if isinstance(feature, Revolution):
            return self._turned(feature)
        if isinstance(feature, Repeated):
            return self._repeated(feature)
        if isinstance(feature, Hole):
            return self._drilled(feature)
        if not isinstance(feature, Extrusion) or feature.twist_deg:
            return feature
        origin, points, arcs = self._seen(feature.frame)
        shape = self._shape(feature.shape, origin, points, arcs)
        if shape is feature.shape:
            return feature
        corners = shape.polygon()
        if len(corners) < 3 or not Polygon(corners).is_valid:
            return feature
        self.moved = True
        return replace(feature, shape=shape)

    def _seen(self, frame: Frame) -> tuple[Pair, list[Pair], list[tuple[Pair, Pair, Pair]]]:
        """Where the frame's origin is, seen along its z, and the points and arcs that are known there."""
        x, y = frame.axes[:2] @ frame.origin
        key = tuple((frame.axes.round(6) + 0.0).ravel())
        return (float(x), float(y)), *self._known.setdefault(key, ([], []))

    def _turned(self, feature: Revolution) -> Revolution:
        """A turned feature with its axis where one is known."""
        origin, points, _ = self._seen(feature.frame)
        x, y = self._known_near((0.0, 0.0), origin, points)
        if (x, y) == (0.0, 0.0):
            return feature
        self.moved = True
        return replace(feature, frame=feature.frame.moved(np.array([x, y, 0.0])))

    def _repeated(self, feature: Repeated) -> Repeated:
        """Turned features at several places with their axes where some are known; a grid keeps its pitch."""
        one, places = feature.feature, feature.places
        if not isinstance(one, Revolution) or not isinstance(places, Moves) or feature.frame.axes is not one.frame.axes:
            return feature
        first = self._turned(one)
        if places.even:
            return replace(feature, feature=first)
        origin, points, _ = self._seen(one.frame)
        x, y = first.frame.axes[:2] @ first.frame.origin - origin
        settled = [self._known_near(step, origin, points) for step in places.steps[1:]]
        steps = ((0.0, 0.0), *((float(a - x), float(b - y)) for a, b in settled))
        self.moved |= steps != places.steps
        return replace(feature, feature=first, places=replace(places, steps=steps))

    def _drilled(self, feature: Hole) -> Hole:
        """Holes with their axes where some are known."""
        origin, points, _ = self._seen(feature.frame)
        settled = tuple(self._known_near(point, origin, points) for point in feature.points)
        self.moved |= settled != feature.points
        return replace(feature, points=settled)

    def _shape(self, shape: Shape2D, origin: Pair, points: list[Pair], arcs: list[tuple[Pair, Pair, Pair]]) -> Shape2D:
        if isinstance(shape, Circle | Slot):
            centre = self._known_near(shape.centre, origin, points)
            return shape if centre == shape.centre else replace(shape, centre=centre)
        if isinstance(shape, Rectangle):
            if not shape.angle and not shape.corner:
                points += [(float(x) + origin[0], float(y) + origin[1]) for x, y in shape.polygon()]
            return shape
        if not isinstance(shape, Outline):
            return shape
        ends = _carried(
            [s.end for s in shape.segments], [self._known_near(s.end, origin, points) for s in shape.segments]
        )
        segments: list[Segment] = []
        changed = False
        for k, segment in enumerate(shape.segments):
            start, old_start = ends[k - 1], shape.segments[k - 1].end
            mid = segment.mid
            if mid is not None:
                shift = [(a - b + c - d) / 2 for a, b, c, d in zip(start, old_start, ends[k], segment.end, strict=True)]
                mid = self._known_arc(start, (mid[0] + shift[0], mid[1] + shift[1]), ends[k], origin, arcs)
                if segment.mid is not None and math.dist(mid, segment.mid) < 1e-9:
                    mid = segment.mid
            elif math.dist(start, ends[k]) < 1e-9:
                changed = True
                continue
            changed |= ends[k] != segment.end or mid != segment.mid
            segments.append(Segment(ends[k], mid))
        return Outline(tuple(segments)) if changed and len(segments) > 1 else shape

    def _known_near(self, point: Pair, origin: Pair, points: list[Pair]) -> Pair:
        here = (point[0] + origin[0], point[1] + origin[1])
        known = min(points, key=lambda p: math.dist(p, here), default=None)
        if known is None or math.dist(known, here) > self._near:
            points.append(here)
            return point
        if math.dist(known, here) < 1e-9:
            return point
        return known[0] - origin[0], known[1] - origin[1]

    def _known_arc(self, start: Pair, mid: Pair, end: Pair, origin: Pair, arcs: list[tuple[Pair, Pair, Pair]]) -> Pair:
        """The middle of a known arc between the same ends that runs near this one, else this one's."""
        a, m, b = ((p[0] + origin[0], p[1] + origin[1]) for p in (start, mid, end))
        for p, q, r in arcs:
            same = (math.dist(p, a) < 1e-7 and math.dist(r, b) < 1e-7) or (
                math.dist(p, b) < 1e-7 and math.dist(r, a) < 1e-7
            )
            if same and math.dist(q, m) < 3 * self._near:
                return q[0] - origin[0], q[1] - origin[1]
        arcs.append((a, m, b))
        return mid


def _carried(before: list[Pair], after: list[Pair]) -> list[Pair]:
    """Corners that stayed go with those that moved and had their x or y, so that lines along an axis stay so."""
    known: tuple[dict[float, float], dict[float, float]] = ({}, {})
    for old, new in zip(before, after, strict=True):
        if old != new:
            for axis in (0, 1):
                known[axis].setdefault(round(old[axis], 6), new[axis])
    return [
        new if old != new else (known[0].get(round(old[0], 6), old[0]), known[1].get(round(old[1], 6), old[1]))
        for old, new in zip(before, after, strict=True)
    ]

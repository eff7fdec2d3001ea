"""Equal boxes are drawn along one direction, whichever each was found along: a row of them is then one statement."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cad_pipeline.generators.geometric.features import Body, Extrusion, Feature, count_statements, runs
from cad_pipeline.generators.geometric.frame import Frame, frame_along
from cad_pipeline.generators.geometric.numbers import nice
from cad_pipeline.generators.geometric.shapes2d import Rectangle

__all__ = ["lined_up"]


def lined_up(features: Sequence[Feature], near: float) -> list[Feature]:
    """The features, equal boxes of one run redrawn along the direction in which they make the fewest statements.

    So are those that bodies are made of. Sizes and heights that differ by less than `near` mm become one.
    """
    made = [_body(feature, near) if isinstance(feature, Body) else feature for feature in features]
    frames = [f.frame for f in features if isinstance(f, Extrusion)]
    for run in runs(features):
        boxes = [box for k in run if (box := _box(k, features[k])) is not None]
        for group in _equal(boxes, near):
            for box, prism in zip(group, _along_one(group, frames, near), strict=True):
                made[box.index] = prism
    return made


def _body(body: Body, near: float) -> Body:
    inside = tuple(lined_up(body.features, near))
    return body if inside == body.features else replace(body, features=inside)


@dataclass(frozen=True, slots=True, eq=False)
class _Box:
    """A plain box: its centre (3,) in the world, and its size (3,) along the axes of its prism's frame."""

    index: int
    prism: Extrusion
    centre: NDArray[np.float64]
    size: NDArray[np.float64]

    def size_along(self, axes: NDArray[np.float64]) -> NDArray[np.float64] | None:
        """Its size along other axes (3, 3); None where they are not its own, in whatever order."""
        turn = np.abs(axes @ self.prism.frame.axes.T)
        return turn.round() @ self.size if np.abs(turn - turn.round()).max() < 1e-6 else None


def _box(index: int, feature: Feature) -> _Box | None:
    if not isinstance(feature, Extrusion) or not isinstance(feature.shape, Rectangle):
        return None
    shape = feature.shape
    if shape.angle or shape.corner or feature.twist_deg or feature.bottom or feature.top:
        return None
    middle = np.array([[*shape.centre, (feature.low + feature.high) / 2]])
    size = np.array([*shape.size, feature.high - feature.low])
    return _Box(index, feature, feature.frame.to_world(middle)[0], size)


def _equal(boxes: Sequence[_Box], near: float) -> list[list[_Box]]:
    """Groups of two and more boxes of one size, whatever they were drawn along."""
    groups: list[list[_Box]] = []
    for box in boxes:
        axes = box.prism.frame.axes
        sizes = ((group, group[0].size_along(axes)) for group in groups)
        home = next((g for g, size in sizes if size is not None and np.abs(size - box.size).max() < near), None)
        if home is None:
            groups.append([box])
        else:
            home.append(box)
    return [group for group in groups if len(group) > 1]


def _along_one(group: Sequence[_Box], frames: Sequence[Frame], near: float) -> list[Extrusion]:
    """The group's prisms, drawn along the direction that makes fewest statements of them; as they are if none does."""
    best = [box.prism for box in group]
    fewest = count_statements(best)
    for frame in _directions(group[0], frames):
        size = group[0].size_along(frame.axes)
        assert size is not None
        places = frame.to_local(np.array([box.centre for box in group]))
        heights = _settled(places[:, 2], near)
        if len(set(heights)) < fewest:
            fewest = len(set(heights))
            best = [
                _prism(box.prism, frame, place, height, size)
                for box, place, height in zip(group, places, heights, strict=True)
            ]
    return best


def _directions(box: _Box, frames: Sequence[Frame]) -> Iterator[Frame]:
    """Frames to draw a box along: those that stand already, the most used first, then one along each of its sides."""
    known: dict[int, list[Frame]] = {}
    for frame in frames:
        known.setdefault(id(frame.axes), []).append(frame)
    for alike in sorted(known.values(), key=lambda a: -len(a)):
        if box.size_along(alike[0].axes) is not None:
            yield alike[0]
    for axis in box.prism.frame.axes:
        frame = frame_along(axis, box.prism.frame.origin)
        if box.size_along(frame.axes) is not None:
            yield frame


def _settled(heights: NDArray[np.float64], near: float) -> list[float]:
    """Each height, or an earlier one that it is near."""
    known: list[float] = []
    settled = []
    for height in heights.tolist():
        same = next((k for k in known if abs(k - height) < near), None)
        if same is None:
            known.append(height)
        settled.append(height if same is None else same)
    return settled


def _prism(
    prism: Extrusion, frame: Frame, place: NDArray[np.float64], height: float, size: NDArray[np.float64]
) -> Extrusion:
    """The box of a prism, drawn along a frame's z about a place (3,) there, its middle at a height."""
    dust = 1e-9 * float(np.abs(place).max() + size.max())
    x, y, z, *sides, rise = (nice(float(v), dust) for v in (*place[:2], height, *size))
    shape = Rectangle((x, y), (sides[0], sides[1]))
    return replace(prism, frame=frame, shape=shape, low=nice(z - rise / 2, dust), high=nice(z + rise / 2, dust))

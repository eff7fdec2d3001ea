"""Cuts that plane faces suggest, each kept only if the solid then looks more like the pictures."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cad_renderers.plane_faces import Face, FaceReader, prism

__all__ = ["cut_by_faces"]

_GAIN = 0.003
_PASSES = 2
_MOST = 12
_LEAST = 2e-4
_BEYOND = 1.01

F64 = NDArray[np.float64]


class _Effect(enum.Enum):
    """What a cut does to the room of its prism: keep only what lies in it, or clear it."""

    KEEP = "keep"
    CLEAR = "clear"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Cut:
    """A prism over a manifold3d cross-section square to an axis, and what it does."""

    effect: _Effect
    section: Any
    axis: int
    ends: tuple[float, float]

    def of(self, solid: Any) -> Any:
        """Cut a manifold."""
        loops = [np.asarray(loop) for loop in self.section.to_polygons()]
        room = prism(loops, self.axis, min(self.ends), max(self.ends))
        return solid ^ room if self.effect is _Effect.KEEP else solid - room


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Axis:
    """What the pictures show square to one axis: faces in the box's sides and inside it, by the side they look to."""

    axis: int
    end: float
    outer: tuple[Face, ...]
    inner: tuple[Face, ...]

    def profiles(self) -> Iterator[_Cut]:
        """Keep only what lies over or under some face: first over those in the box's sides alone, then over all."""
        for faces in (self.outer, (*self.outer, *self.inner)):
            if faces:
                yield self._cut(_Effect.KEEP, _union(faces), -self.end, self.end)

    def through_holes(self) -> Iterator[_Cut]:
        """Drill what is a hole in both of the box's sides."""
        if len(self.outer) == 2:
            one, other = (_holes(face) for face in self.outer)
            yield self._cut(_Effect.CLEAR, one ^ other, -self.end, self.end)

    def pockets(self) -> Iterator[_Cut]:
        """Sink what a face in the box's side surrounds down to each face that looks the same way."""
        for face in self.outer:
            hole = _holes(face)
            for floor in self.inner:
                if floor.side == face.side and not (hole ^ _section(floor.loops)).is_empty():
                    yield self._cut(_Effect.CLEAR, hole, floor.offset, face.side * self.end)

    def hollows(self) -> Iterator[_Cut]:
        """Clear the room before each face inside the box, up to the box's end or to a face that looks back at it.

        What a face surrounds may be a hole in it, and then there is nothing before it either, or a boss.
        """
        for face in sorted(self.inner, key=lambda each: -each.area)[:_MOST]:
            back = (other.offset for other in self.inner if other.side != face.side)
            ends = [face.side * self.end, *(offset for offset in back if (offset - face.offset) * face.side > 0.0)]
            section = _section(face.loops)
            filled = section + _holes(face)
            for end in ends:
                for shape in (filled, section) if filled.area() > 1.001 * section.area() else (section,):
                    yield self._cut(_Effect.CLEAR, shape, face.offset, end)

    def _cut(self, effect: _Effect, section: Any, low: float, high: float) -> _Cut:
        return _Cut(effect=effect, section=section, axis=self.axis, ends=(low, high))


def cut_by_faces(solid: Any, reader: FaceReader, half: F64, score: Callable[[Any], float]) -> Any:
    """Cut a manifold in its box of half sizes `half` by the faces that `reader` finds, as far as `score` rises.

    The likely cuts come first; what did not help is tried once more after the others.
    """
    axes = [
        _Axis(
            axis=axis,
            end=_BEYOND * float(half[axis]),
            outer=tuple(face for side in (1, -1) if (face := reader.outer(axis, side, half)) is not None),
            inner=tuple(face for side in (1, -1) for face in reader.inner(axis, side, half)),
        )
        for axis in range(3)
    ]
    kinds = (_Axis.profiles, _Axis.through_holes, _Axis.pockets, _Axis.hollows)
    waiting = [cut for kind in kinds for each in axes for cut in kind(each)]
    best = score(solid)
    for _ in range(_PASSES):
        left = []
        for cut in waiting:
            tried = cut.of(solid)
            if solid.volume() - tried.volume() < _LEAST * solid.volume():
                continue  # nothing is left there to cut
            reached = score(tried)
            if reached > best + _GAIN:
                solid, best = tried, reached
            else:
                left.append(cut)
        if len(left) == len(waiting):
            break
        waiting = left
    return solid


def _section(loops: Sequence[F64]) -> Any:
    from manifold3d import CrossSection, FillRule

    return CrossSection(list(loops), FillRule.EvenOdd)


def _union(faces: Sequence[Face]) -> Any:
    section = _section(faces[0].loops)
    for face in faces[1:]:
        section = section + _section(face.loops)
    return section


def _holes(face: Face) -> Any:
    """Take what a face surrounds."""
    from manifold3d import CrossSection, FillRule

    section = _section(face.loops)
    outer = [loop for loop in (np.asarray(each) for each in section.to_polygons()) if _turn(loop) > 0.0]
    return CrossSection(outer, FillRule.NonZero) - section


def _turn(loop: F64) -> float:
    x, y = loop.T
    return float(x @ np.roll(y, -1) - y @ np.roll(x, -1))

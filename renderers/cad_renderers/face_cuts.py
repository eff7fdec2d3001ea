"""Cuts that plane faces suggest, each kept only if the solid then looks more like the pictures."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cad_renderers.plane_faces import Face, FaceReader, prism

__all__ = ["cut_by_faces"]

_GAIN = 0.003
_PRICE = 0.25
_DEPTHS = (0.12, 0.3, 0.5, 0.7, 0.88, 1.0)
_FINER = (0.08, 0.04, 0.02, 0.01)
_HOPELESS = 0.02
_RINGS = 6
_MOST = 12
_OUTLINES = 4
_LEAST = 5e-4
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

    def outlines(self) -> Iterator[_Cut]:
        """Keep only what lies over or under the outline of one large face."""
        for face in sorted((*self.outer, *self.inner), key=lambda each: -each.area)[:_OUTLINES]:
            yield self._cut(_Effect.KEEP, _section(face.loops) + _holes(face), -self.end, self.end)

    def hollows(self) -> Iterator[_Cut]:
        """Clear the room before each face inside the box, up to the box's end or to a face that looks back at it.

        What a face surrounds may be a hole in it, and then there is nothing before it either, or a boss.
        """
        for face in sorted(self.inner, key=lambda each: -each.area)[:_MOST]:
            back = {other.offset for other in self.inner if other.side != face.side}
            ends = [face.side * self.end, *sorted(end for end in back if (end - face.offset) * face.side > 0.0)]
            section = _section(face.loops)
            filled = section + _holes(face)
            for end in ends:
                for shape in (filled, section) if filled.area() > 1.001 * section.area() else (section,):
                    yield self._cut(_Effect.CLEAR, shape, face.offset, end)

    def through_holes(self) -> Iterator[_Cut]:
        """Drill what is a hole in both of the box's sides."""
        seen = [face for face in self.outer if face.hidden == 1]
        if len(seen) == 2:
            for ring in (_holes(seen[0]) ^ _holes(seen[1])).decompose():
                yield self._cut(_Effect.CLEAR, ring, -self.end, self.end)

    def holes(self) -> Iterator[tuple[Face, Any]]:
        """Name what each face in the box's side surrounds: all of it first, then one hole after the other."""
        for face in self.outer:
            if face.hidden == 0:
                continue
            rings = _holes(face).decompose()
            rings = sorted(rings, key=lambda ring: -float(ring.area()))[:_RINGS]
            if len(rings) > 1:
                yield face, _holes(face)
            for ring in rings:
                yield face, ring

    def sunk(self, face: Face, hole: Any, depth: float) -> _Cut:
        """Sink a hole from a face by a share of the box's height."""
        return self._cut(_Effect.CLEAR, hole, face.side * self.end, face.side * self.end * (1.0 - 2.0 * depth))

    def _cut(self, effect: _Effect, section: Any, low: float, high: float) -> _Cut:
        return _Cut(effect=effect, section=section, axis=self.axis, ends=(low, high))


@dataclass(slots=True, kw_only=True, eq=False)
class _Bench:
    """The solid being cut, and how well it explains the pictures."""

    solid: Any
    score: Callable[[Any], float]
    best: float

    def gain(self, cut: _Cut) -> float | None:
        """Compute by how much a cut pays: what is out of sight must not be cleared for a small gain elsewhere.

        None where there is nothing left to cut.
        """
        tried = cut.of(self.solid)
        share = 1.0 - float(tried.volume() / self.solid.volume())
        return None if share < _LEAST else self.score(tried) - self.best - _GAIN - _PRICE * share

    def make(self, cut: _Cut) -> None:
        """Make a cut."""
        self.solid = cut.of(self.solid)
        self.best = self.score(self.solid)

    def make_harmless(self, cuts: Iterable[_Cut]) -> None:
        """Make each cut that geometry vouches for, though most of it is out of sight, unless the pictures object."""
        for cut in cuts:
            tried = cut.of(self.solid)
            reached = self.score(tried)
            if reached > self.best - _GAIN:
                self.solid, self.best = tried, reached

    def make_worthwhile(self, cuts: Sequence[_Cut]) -> list[_Cut]:
        """Make each cut that pays, in order; return those that may pay later."""
        left = []
        for cut in cuts:
            gain = self.gain(cut)
            if gain is not None and gain > 0.0:
                self.make(cut)
            elif gain is not None:
                left.append(cut)
        return left

    def sink(self, axis: _Axis, face: Face, hole: Any) -> None:
        """Sink a hole as deep as pays most, or not at all: tried in steps, then between them."""
        first = self.gain(axis.sunk(face, hole, _DEPTHS[0]))
        if first is None or first <= -_HOPELESS:
            return
        found = {depth: self.gain(axis.sunk(face, hole, depth)) for depth in _DEPTHS}
        for step in _FINER:
            paying = {depth: gain for depth, gain in found.items() if gain is not None}
            middle = max(paying, key=lambda depth: paying[depth])
            if middle == 1.0:
                break
            found |= {depth: self.gain(axis.sunk(face, hole, depth)) for depth in (middle - step, middle + step)}
        paying = {depth: gain for depth, gain in found.items() if gain is not None and gain > 0.0}
        if paying:
            self.make(axis.sunk(face, hole, max(paying, key=lambda depth: paying[depth])))


def cut_by_faces(solid: Any, reader: FaceReader, half: F64, score: Callable[[Any], float]) -> Any:
    """Cut a manifold in its box of half sizes `half` by the faces that `reader` finds, as far as `score` rises.

    Outlines come first, then holes, then the room before faces inside the box; of these what did not help is tried once
    more after the others.
    """
    axes = [
        _Axis(
            axis=axis,
            end=_BEYOND * float(half[axis]),
            outer=tuple(face for side in (1, -1) for face in reader.outer(axis, side, half)),
            inner=tuple(face for side in (1, -1) for face in reader.inner(axis, side, half)),
        )
        for axis in range(3)
    ]
    bench = _Bench(solid=solid, score=score, best=score(solid))
    bench.make_worthwhile([cut for kind in (_Axis.profiles, _Axis.outlines) for each in axes for cut in kind(each)])
    for each in axes:
        bench.make_harmless(each.through_holes())
    for each in axes:
        for face, hole in each.holes():
            bench.sink(each, face, hole)
    left = bench.make_worthwhile([cut for each in axes for cut in each.hollows()])
    bench.make_worthwhile(left)
    return bench.solid


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

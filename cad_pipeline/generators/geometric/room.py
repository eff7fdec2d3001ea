"""Where a prism may lie without doing harm: inside the target when it adds, outside of it when it cuts.

Along one direction the target is cut into slabs between its levels. The sections that several neighbouring slabs share
are what a prism through all of them may fill. So a missing piece is covered by a plain prism that may overlap what is
there already, instead of by the piece's own ragged outline; maximal volumes in the manner of Woo (1982) and Kim (1992),
with sections in the place of half-spaces.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import shapely
from shapely.geometry import Polygon, box
from shapely.geometry.base import BaseGeometry

from cad_pipeline.generators.geometric.features import Extrusion, Feature, Mode
from cad_pipeline.generators.geometric.frame import Frame
from cad_pipeline.generators.geometric.numbers import nice
from cad_pipeline.generators.geometric.rings import fit_ring
from cad_pipeline.generators.geometric.scale import Scale
from cad_pipeline.generators.geometric.sections import Slab, region, shadow
from cad_pipeline.generators.geometric.shapes2d import Shape2D
from cad_pipeline.generators.geometric.slabwork import fitting
from cad_pipeline.generators.geometric.solids import Manifold, to_frame

__all__ = ["Room", "silhouette_features"]

# finer stacks cost more than they find
_MOST_SLABS = 14
_MOST_CORNERS = 160
# share of a silhouette that its sections may miss
_MISSED = 0.01
_COARSENESS = (1.0, 4.0, 16.0)
# a cut that leaves the part goes on by this share of its size, so that no skin stays
_BEYOND = 0.02
# areas and their sums are exact to this share
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class _Span:
    """Neighbouring slabs, from `low` to `high`, the region that a prism may fill in them, and its estimated worth."""

    low: float
    high: float
    region: Polygon
    worth: float


class Room:
    """The target along one direction: between which levels it may be filled, and where."""

    def __init__(self, stack: list[Slab], frame: Frame, scale: Scale) -> None:
        self.frame, self.scale = frame, scale
        self.levels = [stack[0].low, *(slab.high for slab in stack)]
        coarse = 0.5 * scale.wall
        self._inside = [_thinned(_common(slab), coarse) for slab in stack]
        self.covered = [_thinned(_covered(slab), coarse) for slab in stack]
        hull = shapely.union_all(self.covered)
        self._bounds = hull.bounds if not hull.is_empty else (0.0, 0.0, 0.0, 0.0)
        self.usable = 0 < len(stack) <= _MOST_SLABS

    def features(self, piece: Manifold, mode: Mode, most: int = 3) -> Iterator[list[Feature]]:
        """Propose prisms that cover much of `piece` (in the world's frame), the most promising first."""
        local = to_frame(piece, self.frame)
        for span in self._spans(local, mode)[:most]:
            shape = self.fitted(span.region)
            if shape is not None:
                low, high = (nice(z, self.scale.noise) for z in (span.low, span.high))
                yield [Extrusion(self.frame, shape, low, high, mode)]

    def _spans(self, piece: Manifold, mode: Mode) -> list[_Span]:
        x0, y0, z0, x1, y1, z1 = piece.bounding_box()
        level = self.scale.level
        among = [k for k in range(len(self._inside)) if self.levels[k + 1] > z0 + level and self.levels[k] < z1 - level]
        if not among:
            return []
        window = self._window(x0, y0, x1, y1, mode)
        sections = {
            k: _thinned(region(piece, (max(self.levels[k], z0) + min(self.levels[k + 1], z1)) / 2.0), self.scale.wall)
            for k in among
        }
        heights = {k: min(self.levels[k + 1], z1) - max(self.levels[k], z0) for k in among}
        smallest = 1e-6 * self.scale.size**2
        free = {k: self._inside[k] if mode is Mode.ADD else _areal(window.difference(self.covered[k])) for k in among}
        found: list[_Span] = []
        third_best = 0.0
        for first in among:
            shared: BaseGeometry = window
            for last in among[among.index(first) :]:
                shared = _areal(shared.intersection(free[last]))
                if shared.area < smallest:
                    break
                span = range(first, last + 1)
                for whole in _polygons(shared):
                    if sum(min(whole.area, sections[k].area) * heights[k] for k in span) <= third_best:
                        continue
                    for part in _polygons(self._opened(whole)):
                        if part.area < smallest:
                            continue
                        filled = part if mode is Mode.CUT else Polygon(part.exterior)
                        won = _shared(part, [(sections[k], heights[k]) for k in span], third_best)
                        if won > third_best:
                            third_best = sorted([*(s.worth for s in found), won])[-3] if len(found) > 1 else 0.0
                            found.append(_Span(self.levels[first], self.levels[last + 1], filled, won))
        return sorted(found, key=lambda s: -s.worth)

    def _window(self, x0: float, y0: float, x1: float, y1: float, mode: Mode) -> Polygon:
        """The piece's own rectangle; where a cut reaches the end of the part, it goes beyond."""
        if mode is Mode.ADD:
            return box(x0, y0, x1, y1)
        near, beyond = self.scale.level, self._beyond
        low_x, low_y, high_x, high_y = self._bounds
        return box(
            x0 - beyond if x0 < low_x + near else x0,
            y0 - beyond if y0 < low_y + near else y0,
            x1 + beyond if x1 > high_x - near else x1,
            y1 + beyond if y1 > high_y - near else y1,
        )

    def opened(self, notch: Polygon) -> Polygon:
        """Carry a notch in the part's rectangle on beyond the sides at which it is open."""
        x0, y0, x1, y1 = self._bounds
        out = self._beyond
        sides = (
            (box(x0, y0, x0, y1), (-out, 0.0)),
            (box(x1, y0, x1, y1), (out, 0.0)),
            (box(x0, y0, x1, y0), (0.0, -out)),
            (box(x0, y1, x1, y1), (0.0, out)),
        )
        grown: BaseGeometry = notch
        for side, (dx, dy) in sides:
            mouth = notch.intersection(side.buffer(self.scale.level, cap_style="square"))
            if mouth.area > 0:
                a, b, c, d = mouth.bounds
                grown = grown.union(box(min(a, a + dx), min(b, b + dy), max(c, c + dx), max(d, d + dy)))
        return Polygon(max(_polygons(grown), key=lambda p: p.area).exterior)

    def _opened(self, outline: Polygon) -> BaseGeometry:
        """Part a region where it is no wider than a hair: what two sections share has tongues where they cross."""
        hair = 2.0 * self.scale.wall
        return outline.buffer(-hair, join_style="mitre").buffer(hair, join_style="mitre", mitre_limit=8.0)

    @property
    def _beyond(self) -> float:
        return nice(_BEYOND * self.scale.size, 0.3 * _BEYOND * self.scale.size)

    def fitted(self, outline: Polygon, coarse: float = 1.0) -> Shape2D | None:
        """Fit a curve to an outline without its hair-thin tongues; None where it has too many corners or none.

        `coarse` multiplies the tolerance to which its corners are thinned.
        """
        ring = Polygon(outline.exterior)
        parts = _polygons(self._opened(ring))
        if not parts:
            return None
        ring = Polygon(max(parts, key=lambda p: p.area).exterior).simplify(0.25 * coarse * self.scale.wall)
        corners = np.asarray(ring.exterior.coords)[:-1, :2]
        if len(corners) > _MOST_CORNERS:
            return None
        shape = fit_ring(corners, fitting([ring], self.scale))
        return shape if shape is not None and Polygon(shape.polygon()).is_valid else None


def _shared(part: Polygon, sections: list[tuple[BaseGeometry, float]], least: float) -> float:
    """The volume that a prism shares with slabs, (section, height); no more than `least` if it can't be more."""
    area = part.area
    left = [min(area, section.area) * height for section, height in sections]
    possible = sum(left)
    won = 0.0
    for (section, height), share in zip(sections, left, strict=True):
        if won + possible < least * (1 - _ROUNDING):
            return won
        won += part.intersection(section).area * height
        possible -= share
    return won


def _polygons(shape: BaseGeometry) -> list[Polygon]:
    return [p for p in getattr(shape, "geoms", [shape]) if isinstance(p, Polygon) and not p.is_empty]


def _areal(shape: BaseGeometry) -> BaseGeometry:
    """Leave out the points and lines at which two regions touch."""
    parts = _polygons(shape)
    return parts[0] if len(parts) == 1 else shapely.MultiPolygon(parts)


def _thinned(section: BaseGeometry, tolerance: float) -> BaseGeometry:
    """Drop corners within `tolerance` mm, which matters for the time of every later intersection."""
    return _areal(shapely.make_valid(section.simplify(tolerance)))


def _common(slab: Slab) -> BaseGeometry:
    if slab.straight:
        return slab.middle
    return _areal(_areal(slab.middle.intersection(slab.floor)).intersection(slab.ceiling))


def _covered(slab: Slab) -> BaseGeometry:
    return slab.middle if slab.straight else shapely.union_all([slab.middle, slab.floor, slab.ceiling])


def silhouette_features(rooms: list[Room], target: Manifold, rough: float = 1.0) -> list[Feature]:
    """Explain a part by its silhouettes: the first direction's is extruded, what the others show free is cut away.

    `rough` multiplies the tolerance of their outlines.
    """
    features: list[Feature] = []
    for number, room in enumerate(rooms):
        seen = _seen(room, target)
        low, high = room.levels[0], room.levels[-1]
        smallest = 2e-4 * seen.area
        if number == 0:
            for part in _polygons(seen):
                if part.area > smallest:
                    features += _through(room, Polygon(part.exterior), low, high, Mode.ADD, rough)
                    for hole in part.interiors:
                        if Polygon(hole).area > smallest:
                            features += _through(room, Polygon(hole), low, high, Mode.CUT, rough)
            continue
        notches = _areal(box(*seen.bounds).difference(seen))
        for notch in _polygons(notches):
            if notch.area > smallest:
                features += _through(room, room.opened(notch), low, high, Mode.CUT, rough)
    return features


def _seen(room: Room, target: Manifold) -> BaseGeometry:
    """What the target covers along a room's direction: by its sections, unless they miss much of what is seen.

    Sections agree with the levels of other features to the last digit; a projection shows every facet.
    """
    sections = shapely.union_all(room.covered)
    projected = _thinned(shadow(to_frame(target, room.frame)), 0.5 * room.scale.wall)
    missed = projected.symmetric_difference(sections).area
    return sections if missed < _MISSED * projected.area else projected


def _through(room: Room, outline: Polygon, low: float, high: float, mode: Mode, rough: float) -> list[Feature]:
    shapes = (room.fitted(outline, rough * coarse) for coarse in _COARSENESS)
    shape = next((s for s in shapes if s is not None), None)
    return [] if shape is None else [Extrusion(room.frame, shape, low, high, mode)]

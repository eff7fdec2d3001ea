"""Explain a part along one direction: prisms, with tapered stretches written as revolutions, blends, lofts or steps."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import Point, Polygon

from cad_pipeline.generators.geometric.copies import paired
from cad_pipeline.generators.geometric.features import (
    Blend,
    BlendKind,
    Extrusion,
    Feature,
    Loft,
    Mode,
    Revolution,
)
from cad_pipeline.generators.geometric.frame import Frame
from cad_pipeline.generators.geometric.lofting import (
    LoftSize,
    lies_nearer_than_steps,
    matched,
    rounded_off,
    thinned_sections,
)
from cad_pipeline.generators.geometric.numbers import Lexicon, nice
from cad_pipeline.generators.geometric.prisms import Prism, chains, track
from cad_pipeline.generators.geometric.rings import Fit, fit_ring
from cad_pipeline.generators.geometric.scale import Scale
from cad_pipeline.generators.geometric.sections import NEAR, Slab, loops_differ
from cad_pipeline.generators.geometric.shapes2d import Circle, Outline, Segment, Shape2D, Slot
from cad_pipeline.generators.geometric.solids import best_shift

__all__ = ["SlabWork", "fitting"]

# a polygon of more sides is a curve, and goes over into no circle
_MOST_SIDES = 12


class SlabWork:
    """A stack of slabs in a frame, followed once; `features` writes it at any coarseness."""

    def __init__(self, stack: list[Slab], frame: Frame, scale: Scale) -> None:
        self.frame = frame
        self.scale = scale
        self.prisms = track(stack, scale)
        self.chains = chains(self.prisms, scale.size)
        self.fit = fitting([p.ring for p in self.prisms], scale)
        heights = [z for p in self.prisms for z in (p.low, p.high)]
        self.heights = Lexicon.from_samples(heights, max(2e-5 * scale.size, 2 * scale.noise), scale.noise)

    def features(self, coarse: float = 1.0, lofts: LoftSize | None = None) -> list[Feature]:
        """Write the stack as features by depth of nesting, upwards, the largest first.

        `coarse` multiplies the tolerances of curve fitting, for outlines that are too long to edit. With `lofts`, walls
        that are not vertical become lofts of at most that size where a step would be farther off.
        """
        fit = replace(self.fit, line=self.fit.line * coarse, arc=self.fit.arc * max(1.0, coarse / 4))
        rows: list[tuple[int, float, float, Feature]] = []
        for chain in self.chains:
            for feature in self._chain(chain, fit, coarse, lofts):
                volume = sum(p.ring.area * (p.high - p.low) for p in chain)
                rows.append((chain[0].depth, chain[0].low, -volume, feature))
        rows.sort(key=lambda r: r[:3])
        runs = itertools.groupby(rows, key=lambda r: r[0])
        return [f for _, run in runs for f in paired([feature for *_, feature in run], max(4 * fit.line, fit.arc))]

    def points(self, coarse: float) -> int:
        """Count the corners of all outlines when thinned, with no curves fitted: a quick guess at their numbers."""
        reach = 1e-5 * self.scale.size * coarse
        rings = [p.ring for p in self.prisms]
        return int(shapely.get_num_coordinates(shapely.simplify(rings, reach)).sum()) if rings else 0

    def _chain(self, chain: list[Prism], fit: Fit, coarse: float, lofts: LoftSize | None) -> list[Feature]:
        if all(p.straight for p in chain):
            return [f for p in chain for f in self._prism(p, fit, coarse)]
        turned = self._turned(chain, fit)
        if turned:
            return turned
        return self._blended(chain, fit, coarse, lofts)

    def _prism(self, prism: Prism, fit: Fit, coarse: float) -> list[Feature]:
        shape = self._fitted(prism.ring, fit, coarse)
        low, high = self.heights.snap(prism.low), self.heights.snap(prism.high)
        return [] if shape is None or high <= low else [Extrusion(self.frame, shape, low, high, _mode(prism))]

    def _fitted(self, ring: Polygon, fit: Fit, coarse: float) -> Shape2D | None:
        """Fit a loop; None where the curve would cross itself, which CAD kernels do not forgive."""
        shape = fit_ring(_thinned(ring, self.scale, coarse), fit)
        return shape if shape is not None and Polygon(shape.polygon()).is_valid else None

    # -- round stretches ------------------------------------------------------------------------------------------

    def _turned(self, chain: list[Prism], fit: Fit) -> list[Feature]:
        """One revolution for a chain of concentric circles."""
        circles = []
        for prism in chain:
            pair = [fit_ring(np.asarray(r.exterior.coords)[:-1, :2], fit) for r in (prism.floor, prism.ceiling)]
            if not all(isinstance(c, Circle) for c in pair):
                return []
            circles.append([c for c in pair if isinstance(c, Circle)])
        centre = circles[0][0].centre
        reach = 4e-4 * self.scale.size
        if any(math.dist(c.centre, centre) > reach for pair in circles for c in pair):
            return []
        points: list[tuple[float, float]] = []
        for prism, (bottom, top) in zip(chain, circles, strict=True):
            slope = (top.radius - bottom.radius) / (1 - 2 * NEAR)
            points.append((bottom.radius - slope * NEAR, self.heights.snap(prism.low)))
            points.append((top.radius + slope * NEAR, self.heights.snap(prism.high)))
        outline = [(0.0, points[0][1]), *points, (0.0, points[-1][1])]
        outline = [(0.0 if r < 1e-3 * self.scale.size else r, z) for r, z in outline]
        rounding = Fit(
            fit.line, 4 * fit.arc, fit.rounding, Lexicon(2e-4 * self.scale.size, 8 * fit.rounding), self.heights
        )
        rounding.x.snap(0.0)
        shape = fit_ring(_deduplicated(outline, 1e-5 * self.scale.size), rounding)
        profile = shape if isinstance(shape, Outline) else None
        if shape is not None and profile is None:
            corners = shape.polygon()
            if len(corners) > 8:
                return []
            profile = Outline(tuple(Segment((float(x), float(y))) for x, y in corners))
        if profile is None or min(s.end[0] for s in profile.segments) < -1e-9:
            return []
        return [Revolution(self.frame.moved(np.array([*centre, 0.0])), profile, _mode(chain[0]))]

    # -- blended and drafted stretches ------------------------------------------------------------------------------

    def _blended(self, chain: list[Prism], fit: Fit, coarse: float, lofts: LoftSize | None) -> list[Feature]:
        """A prism with blended ends where the chain is one; else lofts or steps between its straight stretches."""
        straight = [k for k, p in enumerate(chain) if p.straight]
        if len(straight) == 1:
            k = straight[0]
            body = chain[k]
            below, above = chain[:k][::-1], chain[k + 1 :]
            bottom = self._blend(body.ring, [(body.low - p.low, p.floor) for p in below])
            top = self._blend(body.ring, [(p.high - body.high, p.ceiling) for p in above])
            if (bottom is not None or not below) and (top is not None or not above):
                shape = self._fitted(body.ring, fit, coarse)
                low, high = self.heights.snap(chain[0].low), self.heights.snap(chain[-1].high)
                if shape is not None:
                    return [Extrusion(self.frame, shape, low, high, _mode(body), bottom, top)]
        features: list[Feature] = []
        for stretch in _stretches(chain):
            if stretch[0].straight:
                features += self._prism(stretch[0], fit, coarse)
            else:
                features += (
                    self._loft(stretch, fit, coarse)
                    or self._rounded_off(stretch, fit)
                    or (self._skin(stretch, lofts) if lofts is not None else [])
                    or self._steps(stretch, fit, coarse)
                )
        return features

    def _blend(self, ring: Polygon, rim: list[tuple[float, Polygon]]) -> Blend | None:
        """The fillet or chamfer that takes `ring` to each of `rim`, (distance along the wall, section)."""
        if not rim:
            return None
        insets = []
        for _, section in rim:
            inset = (ring.area - section.area) / max(ring.length, 1e-12)
            for _ in range(4):  # the area of an offset is not linear in the offset: Newton on the area
                grown = ring.buffer(-inset, join_style="mitre", mitre_limit=4.0)
                if grown.is_empty:
                    return None
                inset += (grown.area - section.area) / max(grown.length, 1e-12)
            if inset <= 0 or loops_differ(
                ring.buffer(-inset, join_style="mitre", mitre_limit=4.0), section, 0.12 * inset
            ):
                return None
            insets.append(inset)
        height, size = rim[-1][0], insets[-1]
        if height <= 0:
            return None
        radius = max(height, size)
        if abs(height - size) < 0.1 * radius and len(rim) >= 2:
            expected = [radius - math.sqrt(max(radius**2 - min(h, radius) ** 2, 0.0)) for h, _ in rim[:-1]]
            if all(abs(e - i) < 0.1 * radius for e, i in zip(expected, insets[:-1], strict=True)):
                return Blend(BlendKind.FILLET, nice(radius, 0.006 * radius))
        if all(abs(i - size * h / height) < 0.1 * size for (h, _), i in zip(rim, insets, strict=True)):
            return Blend(
                BlendKind.CHAMFER, nice(size, 0.006 * size), nice(height, max(0.002 * height, self.scale.noise))
            )
        return None

    def _loft(self, stretch: list[Prism], fit: Fit, coarse: float) -> list[Feature]:
        """A ruled loft from the first to the last section, if the ones between lie on it and the outlines match."""
        first, last = stretch[0], stretch[-1]
        bottom, top = (self._fitted(r, fit, coarse) for r in (first.floor, last.ceiling))
        if bottom is None or top is None or type(bottom) is not type(top) or isinstance(bottom, Circle):
            return []
        p, q = bottom.polygon(), top.polygon()
        if len(p) != len(q) or len(p) > 16:
            return []
        if (
            isinstance(bottom, Outline)
            and isinstance(top, Outline)
            and any(s.mid for s in (*bottom.segments, *top.segments))
        ):
            return []
        shift = best_shift(p, q)
        middle = Polygon((p + np.roll(q, -shift, axis=0)) / 2.0)
        if not middle.is_valid:
            return []
        centre = (first.low + last.high) / 2
        there = min(stretch, key=lambda s: abs((s.low + s.high) / 2 - centre))
        if len(stretch) % 2 and loops_differ(middle, there.ring, 1.5e-3 * self.scale.size):
            return []
        sections = ((self.heights.snap(first.low), bottom), (self.heights.snap(last.high), top))
        return [Loft(self.frame, sections, _mode(first))]

    def _rounded_off(self, stretch: list[Prism], fit: Fit) -> list[Feature]:
        """A loft between a circle and a polygon round about its middle, if the section between lies on it."""
        low, high = stretch[0].floor, stretch[-1].ceiling
        for upwards in (True, False):
            made = self._circle_and_corners(*((high, low) if upwards else (low, high)), fit)
            if made is None:
                continue
            circle, polygon = made
            drawn = rounded_off(polygon.polygon(), circle)
            centre = (stretch[0].low + stretch[-1].high) / 2
            there = min(stretch, key=lambda s: abs((s.low + s.high) / 2 - centre))
            share = ((there.low + there.high) / 2 - stretch[0].low) / (stretch[-1].high - stretch[0].low)
            middle = Polygon(drawn[0] + (share if upwards else 1.0 - share) * (drawn[1] - drawn[0]))
            if not middle.is_valid or loops_differ(middle, there.ring, 3e-3 * self.scale.size):
                continue
            bottom, top = (polygon, circle) if upwards else (circle, polygon)
            ends = (self.heights.snap(stretch[0].low), self.heights.snap(stretch[-1].high))
            return [Loft(self.frame, ((ends[0], bottom), (ends[1], top)), _mode(stretch[0]))]
        return []

    def _circle_and_corners(self, round_: Polygon, other: Polygon, fit: Fit) -> tuple[Circle, Shape2D] | None:
        """The circle and the polygon between which a loft runs, by sections that lie a little within its ends."""
        x, y = (nice(c, 1e-4 * self.scale.size) for c in round_.centroid.coords[0])
        centre = Point(x, y)
        away = np.linalg.norm(np.asarray(round_.exterior.coords) - (x, y), axis=1)
        reach = np.linalg.norm(np.asarray(other.exterior.coords) - (x, y), axis=1)
        # within its end a circle has a little of the polygon's corners, and they have a little of it
        slack = max(3 * NEAR * abs(float(reach.max() - away.mean())), 4e-4 * self.scale.size)
        # thinning keeps the point with which it begins, which must be a corner
        ring = np.roll(np.asarray(other.exterior.coords)[:-1, :2], -int(np.argmax(reach[:-1])), axis=0)
        corners = np.asarray(Polygon(ring).simplify(slack).exterior.coords)[:-1, :2]
        if np.ptp(away) > slack or not 3 <= len(corners) <= _MOST_SIDES or not other.contains(centre):
            return None
        corners = corners if Polygon(corners).exterior.is_ccw else corners[::-1]
        near = float(away.min())
        radius = nice(near - NEAR * (other.exterior.distance(centre) - near), 5e-4 * near)
        circle = Circle((x, y), radius)
        drawn, arcs = rounded_off(corners, circle)
        steps = len(drawn) // len(corners)
        corners = corners + NEAR / (1 - NEAR) * (drawn - arcs)[::steps]
        rough = replace(fit, line=max(fit.line, slack / 10), arc=max(fit.arc, slack / 10))
        shape = fit_ring(corners, rough)
        if shape is None or isinstance(shape, Circle | Slot) or getattr(shape, "corner", 0.0) > 0.0:
            return None
        return None if isinstance(shape, Outline) and any(s.mid for s in shape.segments) else (circle, shape)

    def _skin(self, stretch: list[Prism], size: LoftSize) -> list[Feature]:
        """A ruled loft through the sections of a stretch, drawn with equally many corners."""
        heights = [stretch[0].low, *(p.high for p in stretch)]
        rings = [stretch[0].floor, *(p.ceiling for p in stretch)]
        kept = thinned_sections(heights, rings, size.sections)
        outlines = matched([rings[k] for k in kept], size.corners)
        if outlines is None:
            return []
        if len(kept) == len(rings):
            pairs = zip(stretch, outlines, outlines[1:], strict=False)
            if not all(lies_nearer_than_steps(a, b, p.floor, p.ring, p.ceiling) for p, a, b in pairs):
                return []
        sections = tuple(
            (self.heights.snap(heights[k]), _polyline(outline, 2e-5 * self.scale.size))
            for k, outline in zip(kept, outlines, strict=True)
        )
        return [Loft(self.frame, sections, _mode(stretch[0]))]

    def _steps(self, stretch: list[Prism], fit: Fit, coarse: float, most: int = 3) -> list[Feature]:
        """A few steps: neighbours whose sections are nearest are taken together until `most` are left."""
        groups = [[p] for p in stretch]
        while len(groups) > most:
            gaps = [
                abs(a[-1].ring.area - b[0].ring.area) * (a[0].high - a[0].low) for a, b in itertools.pairwise(groups)
            ]
            k = int(np.argmin(gaps))
            groups[k : k + 2] = [groups[k] + groups[k + 1]]
        features: list[Feature] = []
        for group in groups:
            middle = group[len(group) // 2]
            merged = Prism(
                middle.ring, group[0].low, group[-1].high, middle.sign, middle.depth, True, middle.ring, middle.ring
            )
            features += self._prism(merged, fit, coarse)
        return features


def _mode(prism: Prism) -> Mode:
    return Mode.ADD if prism.sign > 0 else Mode.CUT


def _stretches(chain: list[Prism]) -> Iterator[list[Prism]]:
    run: list[Prism] = []
    for prism in chain:
        if prism.straight:
            if run:
                yield run
            run = []
            yield [prism]
        else:
            run.append(prism)
    if run:
        yield run


def _polyline(points: NDArray[np.float64], tolerance: float) -> Outline:
    return Outline(tuple(Segment((nice(x, tolerance), nice(y, tolerance))) for x, y in points.tolist()))


def _deduplicated(points: list[tuple[float, float]], reach: float) -> NDArray[np.float64]:
    kept: list[tuple[float, float]] = []
    for point in points:
        if not kept or math.dist(point, kept[-1]) > reach:
            kept.append(point)
    return np.array(kept)


def fitting(rings: list[Polygon], scale: Scale) -> Fit:
    """Tolerances for curves, and coordinates on which all given loops agree."""
    corners = [np.asarray(ring.exterior.coords)[:-1, :2] for ring in rings]
    points = np.vstack(corners) if corners else np.zeros((0, 2))
    agree = max(4e-5 * scale.size, 2 * scale.noise)
    return Fit(
        line=max(4e-6 * scale.size, 2 * scale.noise),
        arc=max(6e-5 * scale.size, 2 * scale.noise),
        rounding=scale.noise,
        # coordinates that occur at several vertices are agreed; the many single ones of arcs are left free
        x=Lexicon.from_samples(points[:, 0], agree, scale.noise, least=2),
        y=Lexicon.from_samples(points[:, 1], agree, scale.noise, least=2),
    )


def _thinned(ring: Polygon, scale: Scale, coarse: float) -> NDArray[np.float64]:
    """Vertices (n, 2) of a loop; thinned by Douglas-Peucker when coarser than the mesh is asked for."""
    if coarse > 1.0:
        ring = ring.simplify(1e-5 * scale.size * coarse)
    return np.asarray(ring.exterior.coords)[:-1, :2]

"""Find stretches of a part whose section turns evenly with the height: helical gears, worms, spirals.

Sections close to each other are compared by their outlines as radii over the angle; the shift that makes them agree is
the turn between them. The sum of the turns is trusted only if it grows evenly and if the first section, turned by it,
is the section half-way up and at the end.
"""

from __future__ import annotations

import enum
import itertools
import math
from dataclasses import replace

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import Point, Polygon

from cad_pipeline.generators.geometric.features import Extrusion, Feature, Mode
from cad_pipeline.generators.geometric.frame import Frame
from cad_pipeline.generators.geometric.numbers import nice
from cad_pipeline.generators.geometric.rays import along_rays
from cad_pipeline.generators.geometric.rings import fit_ring
from cad_pipeline.generators.geometric.scale import Scale
from cad_pipeline.generators.geometric.sections import Slab, region
from cad_pipeline.generators.geometric.shapes2d import Shape2D
from cad_pipeline.generators.geometric.slabwork import SlabWork, fitting
from cad_pipeline.generators.geometric.solids import Manifold

__all__ = ["twisted_features"]

Floats = NDArray[np.float64]
_SECTIONS = (65, 513)
_ASKED_AT = (0.0791, 0.3713, 0.6217, 0.9377)
_RAYS = 720
# a section that is nearly a circle turns without being seen to
_LEAST_RIPPLE = 0.01
_LEAST_TURN_DEG = 3.0
# how unevenly a section may seem to turn, by itself and as a share of the whole: facets turn by leaps
_UNEVEN_DEG = 1.0
_UNEVEN = 0.03
_SAME_SHARE = 0.02
_INSIDE = 1e-3
_COARSENESS = (0.0, 1e-4, 3e-4, 1e-3)
_MOST_NUMBERS = 120


class _Ambiguous(enum.Enum):
    """The sections lie too far apart to tell the turn."""

    TOO_FAR_APART = enum.auto()


_AMBIGUOUS = _Ambiguous.TOO_FAR_APART


def twisted_features(solid: Manifold, stack: list[Slab], frame: Frame, scale: Scale) -> list[Feature]:
    """Explain a part (in `frame`) by twisted extrusions, and plain prisms above and below; nothing where none turns."""
    twisted: list[Feature] = []
    rest: list[Slab] = []
    for slab in stack:
        found = None if slab.straight else _twisted(solid, slab, frame, scale)
        if found is None:
            rest.append(slab)
        else:
            twisted.append(found)
    if not twisted:
        return []
    others = SlabWork(rest, frame, scale).features() if rest else []
    return [*twisted, *others]


def _twisted(solid: Manifold, slab: Slab, frame: Frame, scale: Scale) -> Extrusion | None:
    if not _keeps_its_area(slab):
        return None
    few, many = _SECTIONS
    found = _turning(solid, slab, scale, few)
    if found is _AMBIGUOUS:
        found = _turning(solid, slab, scale, many)
    if not isinstance(found, tuple):
        return None
    first, centre, total = found
    local = shapely.affinity.translate(first, -centre.x, -centre.y)
    shape = _short(local, scale)
    if shape is None:
        return None
    low, high = (nice(z, scale.noise) for z in (slab.low, slab.high))
    return Extrusion(frame.moved(np.array([centre.x, centre.y, 0.0])), shape, low, high, Mode.ADD, twist_deg=total)


def _keeps_its_area(slab: Slab) -> bool:
    """Whether floor, middle and ceiling are one outline each, of one area: what turns only does not grow."""
    areas = [s.area for s in (slab.floor, slab.middle, slab.ceiling) if isinstance(s, Polygon) and not s.interiors]
    return len(areas) == 3 and max(areas) < (1.0 + _SAME_SHARE) * min(areas)


def _turning(solid: Manifold, slab: Slab, scale: Scale, count: int) -> tuple[Polygon, Point, float] | _Ambiguous | None:
    """The section on the floor, the axis and the turn in degrees up to the ceiling, from `count` sections.

    Ambiguous where the sections turn evenly but not so between them: a tooth was taken for its neighbour.
    """
    heights = np.linspace(slab.low + _INSIDE * slab.height, slab.high - _INSIDE * slab.height, count)
    whole: list[Polygon] = []
    for z in heights:
        outline = _outline(solid, float(z))
        if outline is None:
            return None
        whole.append(outline)
    centre = _axis(whole, scale)
    if centre is None:
        return None
    first = _radii(whole[0], centre)
    if np.ptp(first) < _LEAST_RIPPLE * first.mean():
        return None
    curves = [first, *(_radii(outline, centre) for outline in whole[1:])]
    turns = np.cumsum([0.0, *(_turn(a, b) for a, b in itertools.pairwise(curves))])
    rate, offset = np.polyfit(heights, turns, 1)
    uneven = max(_UNEVEN_DEG, _UNEVEN * abs(float(turns[-1])))
    if np.abs(turns - rate * heights - offset).max() > uneven or abs(turns[-1]) < _LEAST_TURN_DEG:
        return None
    total = nice(float(rate) * slab.height, 0.002 * abs(float(rate) * slab.height))
    floor = shapely.affinity.rotate(whole[0], -total * _INSIDE, origin=centre)
    for share in _ASKED_AT:
        there = _outline(solid, slab.low + share * slab.height)
        turned = shapely.affinity.rotate(floor, total * share, origin=centre)
        if there is None or turned.symmetric_difference(there).area > _SAME_SHARE * floor.area:
            return _AMBIGUOUS
    return floor, centre, total


def _outline(solid: Manifold, z: float) -> Polygon | None:
    section = region(solid, z)
    return Polygon(section.exterior) if isinstance(section, Polygon) and not section.interiors else None


def _short(outline: Polygon, scale: Scale) -> Shape2D | None:
    """Fit the outline, coarser and coarser until it is short: sections across facets have a corner at each of them."""
    shape = None
    for share in _COARSENESS:
        ring = outline.simplify(share * scale.size)
        fit = fitting([ring], scale)
        fit = replace(fit, line=max(fit.line, share * scale.size), arc=max(fit.arc, 2.0 * share * scale.size))
        found = fit_ring(np.asarray(ring.exterior.coords)[:-1, :2], fit)
        if found is not None and Polygon(found.polygon()).is_valid:
            shape = found
            if found.numbers <= _MOST_NUMBERS:
                break
    return shape


def _axis(outlines: list[Polygon], scale: Scale) -> Point | None:
    """The point about which the sections turn: their middle, or the centre of the circle on which their middles run."""
    middles = np.array([o.centroid.coords[0] for o in outlines])
    # a section off the axis has a middle that runs on a circle: take its centre
    q = middles - middles.mean(axis=0)
    if np.abs(q).max() < 1e-3 * scale.size:
        x, y = middles.mean(axis=0)
    else:
        a = np.column_stack([2 * q, np.ones(len(q))])
        (x, y, _), *_ = np.linalg.lstsq(a, (q**2).sum(axis=1), rcond=None)
        x, y = np.array([x, y]) + middles.mean(axis=0)
    x, y = (nice(float(c), 1e-3 * scale.size) for c in (x, y))
    return Point(x, y) if outlines[0].contains(Point(x, y)) else None


def _radii(outline: Polygon, centre: Point) -> Floats:
    """How much of each ray from the centre lies inside the outline, at evenly spaced angles (n,)."""
    angles = np.linspace(0.0, 2 * math.pi, _RAYS, endpoint=False, dtype=np.float64)
    return along_rays(outline, (centre.x, centre.y), angles)[0]


def _turn(a: Floats, b: Floats) -> float:
    """Degrees by which curve `b` is `a` turned: the nearest peak of their correlation, between samples."""
    spectrum = np.conj(np.fft.fft(a - a.mean())) * np.fft.fft(b - b.mean())
    match = np.fft.ifft(spectrum).real
    # the smallest turn that fits: of a gear with n teeth every n-th of a circle would do as well
    window = np.r_[-_RAYS // 8 : _RAYS // 8 + 1]
    values = match[window % _RAYS]
    peaks = [k for k in range(1, len(values) - 1) if values[k] >= values[k - 1] and values[k] >= values[k + 1]]
    if not peaks:
        return 0.0
    high = max(values[k] for k in peaks)
    best = min((k for k in peaks if values[k] > 0.98 * high), key=lambda k: abs(int(window[k])))
    left, here, right = values[best - 1], values[best], values[best + 1]
    bend = left - 2 * here + right
    between = 0.0 if bend == 0 else 0.5 * (left - right) / bend
    return float((window[best] + between) * 360.0 / _RAYS)

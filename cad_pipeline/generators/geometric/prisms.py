"""Explain a part as prisms along one direction: loops of its sections, followed from slab to slab.

A loop that keeps its shape through several slabs is one prism; outer loops add, inner loops cut. In a slab the loops
nest, so adding and cutting by depth of nesting rebuilds every section exactly, whatever the other slabs do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from shapely.geometry import Polygon

from cad_pipeline.generators.geometric.features import Extrusion, Feature, Mode
from cad_pipeline.generators.geometric.frame import Frame
from cad_pipeline.generators.geometric.numbers import Lexicon
from cad_pipeline.generators.geometric.rings import Fit, fit_ring
from cad_pipeline.generators.geometric.scale import Scale
from cad_pipeline.generators.geometric.sections import Slab, loops_differ, rings_of

__all__ = ["Prism", "explain_slabs", "track"]


@dataclass(slots=True)
class Prism:
    """A loop that keeps its shape from `low` to `high`."""

    ring: Polygon
    low: float
    high: float
    sign: int
    depth: int


def track(stack: list[Slab], size: float) -> list[Prism]:
    """Follow loops through the slabs, upwards; a loop that reappears unchanged goes on."""
    finished: list[Prism] = []
    growing: list[Prism] = []
    for slab in stack:
        section = slab.middle
        loops = _with_depth(rings_of(section, 1e-6 * size * size))
        still: list[Prism] = []
        for ring, sign, depth in loops:
            match = next(
                (
                    p
                    for p in growing
                    if p.sign == sign
                    and p.depth == depth
                    and abs(p.high - slab.low) < 1e-9 * size
                    and not loops_differ(p.ring, ring, 1.5e-4 * size)
                ),
                None,
            )
            if match is not None:
                growing.remove(match)
                match.high = slab.high
                still.append(match)
            else:
                still.append(Prism(ring, slab.low, slab.high, sign, depth))
        finished += growing
        growing = still
    return finished + growing


def _with_depth(loops: list[tuple[Polygon, int]]) -> list[tuple[Polygon, int, int]]:
    """Number each loop by how many loops lie around it."""
    points = [ring.representative_point() for ring, _ in loops]
    result = []
    for k, (ring, sign) in enumerate(loops):
        around = sum(
            1
            for m, (other, _) in enumerate(loops)
            if m != k and other.area > ring.area and other.contains(points[k])
        )
        result.append((ring, sign, around + (around % 2 != (sign < 0))))
    return result


def explain_slabs(stack: list[Slab], frame: Frame, scale: Scale, coarse: float = 1.0) -> list[Feature]:
    """Write a stack of slabs as extrusions in `frame`, by depth of nesting and then from the largest.

    `coarse` multiplies the tolerances of curve fitting, for outlines that are too long to edit.
    """
    size = scale.size
    prisms = track(stack, size)
    fit = fitting([p.ring for p in prisms], scale, coarse)
    z_values = Lexicon.from_samples([z for p in prisms for z in (p.low, p.high)], 2e-5 * size, scale.noise)
    features: list[tuple[int, float, float, Feature]] = []
    for prism in prisms:
        shape = fit_ring(simplified(prism.ring, size, coarse), fit)
        low, high = z_values.snap(prism.low), z_values.snap(prism.high)
        if shape is None or high <= low:
            continue
        mode = Mode.ADD if prism.sign > 0 else Mode.CUT
        volume = prism.ring.area * (prism.high - prism.low)
        features.append((prism.depth, low, -volume, Extrusion(frame, shape, low, high, mode)))
    features.sort(key=lambda f: f[:3])
    return [feature for *_, feature in features]


def fitting(rings: list[Polygon], scale: Scale, coarse: float = 1.0) -> Fit:
    """Tolerances for curves, and coordinates on which all given loops agree."""
    corners = [np.asarray(ring.exterior.coords)[:-1] for ring in rings]
    points = np.vstack(corners) if corners else np.zeros((0, 2))
    agree = 4e-5 * scale.size
    return Fit(
        line=max(4e-6 * scale.size, 2 * scale.noise) * coarse,
        arc=6e-5 * scale.size * max(1.0, coarse / 4),
        rounding=scale.noise,
        x=_agreed(points[:, 0], agree, scale.noise),
        y=_agreed(points[:, 1], agree, scale.noise),
    )


def _agreed(values: NDArray[np.float64], agree: float, noise: float) -> Lexicon:
    """Take coordinates that occur at several vertices as known values; arcs' many single ones are left free."""
    values = np.sort(values)
    if not len(values):
        return Lexicon(agree, noise)
    groups = np.split(values, np.nonzero(np.diff(values) > agree)[0] + 1)
    return Lexicon.from_samples([float(np.median(g)) for g in groups if len(g) >= 2], agree, noise)


def simplified(ring: Polygon, size: float, coarse: float) -> NDArray[np.float64]:
    """Vertices (n, 2) of a loop; thinned by Douglas-Peucker when coarser than the mesh is asked for."""
    if coarse > 1.0:
        ring = ring.simplify(1e-5 * size * coarse)
    return np.asarray(ring.exterior.coords)[:-1, :2]

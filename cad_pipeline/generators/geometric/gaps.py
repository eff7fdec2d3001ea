"""Cut gaps all round: a part that comes round is turned from its hull, and one gap is explained for all of them.

It is what a hobbing machine does, and what a reader would change: one gap, and how many there are.
"""

from __future__ import annotations

import math
from dataclasses import replace

import manifold3d as m3
import numpy as np
from numpy.typing import NDArray

from cad_pipeline.generators.geometric.cycles import Cycle
from cad_pipeline.generators.geometric.features import Feature, Mode, Repeated, Turns
from cad_pipeline.generators.geometric.numbers import nice
from cad_pipeline.generators.geometric.openings import NARROWED, SHORTENED, opened, tapered
from cad_pipeline.generators.geometric.scale import Scale
from cad_pipeline.generators.geometric.sections import levels, slabs
from cad_pipeline.generators.geometric.shapes2d import Pair
from cad_pipeline.generators.geometric.slabwork import SlabWork
from cad_pipeline.generators.geometric.solids import (
    Manifold,
    as_solid,
    build,
    iou,
    mesh_of,
    mirrored,
    moments,
    to_frame,
)
from cad_pipeline.generators.geometric.turned import explain_hulls

__all__ = ["cut_all_round"]

Vectors = NDArray[np.float64]
_MOST_FEATURES = 3
# gaps of less than this share of the part's volume in all are none
_SMALLEST = 2e-4
# a gap so like its mirror image is drawn symmetric
_SYMMETRIC = 0.97
_NEAR_DEG = 0.02
# share of what a gap takes, all round, that may belong to the part: more says that it does not come round
_MOST_WRONG = 0.1
# the least tooth that stays between two gaps, as a share of the part's size
_CLEAR = 5e-4
_COARSE = (1.0, 8.0, 30.0)


def cut_all_round(solid: Manifold, cycle: Cycle, vertices: Vectors, scale: Scale, price: float) -> list[list[Feature]]:
    """Turn the part's hull about the axis and cut its gaps all round: one program for each hull that has gaps."""
    local = to_frame(solid, cycle.frame)
    hulls = explain_hulls(solid, cycle.frame, cycle.count, vertices, scale)
    programs = [[*hull, *_cuts(hull, local, cycle, scale, price)] for hull in hulls]
    return [program for hull, program in zip(hulls, programs, strict=True) if len(program) > len(hull)]


def _cuts(hull: list[Feature], local: Manifold, cycle: Cycle, scale: Scale, price: float) -> list[Feature]:
    """The cuts that make the part, seen from the axis, of its hull: the largest gaps first, as long as they pay."""
    part = to_frame(build(hull), cycle.frame)
    narrow, box = _narrowed(part), local.bounding_box()
    gaps = ((narrow - local) ^ _wedge(cycle, scale)).decompose()
    gaps = sorted((g for g in gaps if g.volume() * cycle.count > _SMALLEST * local.volume()), key=lambda g: -g.volume())
    cuts: list[Feature] = []
    reached = iou(part, local)
    for gap in gaps[:_MOST_FEATURES]:
        judged: list[tuple[float, list[Feature]]] = []
        for option in _explained(gap, cycle, (float(box[2]), float(box[5])), scale):
            if not all(_stand_apart(f, cycle.count, scale) for f in option):
                continue
            gone = to_frame(build([replace(f, mode=Mode.ADD) for f in option]), cycle.frame) ^ part
            if gone.volume() > 0 and (gone ^ local).volume() < _MOST_WRONG * gone.volume():
                judged.append((iou(part - gone, local), option))
        best = max(judged, key=lambda j: j[0] - price * sum(f.numbers for f in j[1]), default=None)
        if best is not None and best[0] > reached:
            reached = best[0]
            cuts += best[1]
            part = to_frame(build([*hull, *cuts]), cycle.frame)
    return cuts


def _stand_apart(cut: Feature, count: int, scale: Scale) -> bool:
    """Whether a cut keeps clear of the next one: faces that nearly coincide are where OCC's booleans go wrong."""
    assert isinstance(cut, Repeated)
    one = to_frame(as_solid(cut.feature), cut.frame)
    return bool(one.min_gap(one.rotate((0.0, 0.0, 360.0 / count)), scale.size) > _CLEAR * scale.size)


def _narrowed(hull: Manifold) -> Manifold:
    """A hull, seen from the axis, a little smaller on all sides: what is left of it beyond the part has no skins."""
    box = hull.bounding_box()
    middle = (box[2] + box[5]) / 2
    smaller = hull.translate((0.0, 0.0, -middle)).scale((1 - NARROWED, 1 - NARROWED, 1 - SHORTENED))
    return smaller.translate((0.0, 0.0, middle)) ^ hull


def _wedge(cycle: Cycle, scale: Scale) -> Manifold:
    """One period about a gap, in the axis' frame."""
    half, reach = math.pi / cycle.count, 4 * scale.size
    angles = np.linspace(-half, half, 5)
    points = [(0.0, 0.0), *((reach * math.cos(a), reach * math.sin(a)) for a in angles)]
    wedge = m3.CrossSection([np.array(points)], m3.FillRule.NonZero).extrude(2 * reach)
    return wedge.translate((0.0, 0.0, -reach)).rotate((0.0, 0.0, cycle.gap_deg))


def _explained(gap: Manifold, cycle: Cycle, ends: Pair, scale: Scale) -> list[list[Feature]]:
    """Ways to cut a gap all round, open to the outside and to the part's `ends`: drawn at x, placed by its angle."""
    gap, start = _upright(gap, cycle)
    vertices, faces = mesh_of(gap)
    turns = Turns((0.0, 0.0), cycle.count, start)
    heights = levels(vertices, faces, scale)
    whole = [heights[0], heights[-1]]
    options: list[list[Feature]] = []
    for cuts in (whole, heights) if 2 < len(heights) <= 6 else (whole,):
        work = SlabWork(slabs(gap, cuts, scale), cycle.frame, scale)
        for coarse in _COARSE:
            made = [opened(f, cycle, turns, ends) for f in work.features(coarse) if f.mode is Mode.ADD]
            if made and len(made) <= _MOST_FEATURES:
                options.append([f for f in made if f is not None])
    options = [option for option in options if option]
    return [*options, *([loft] for loft in tapered(gap, cycle, turns))]


def _upright(gap: Manifold, cycle: Cycle) -> tuple[Manifold, float]:
    """The gap turned about the axis so that its middle lies along x, and by how many degrees it stood."""
    (x, y, _), _ = moments(gap)
    period, stood = 360.0 / cycle.count, math.degrees(math.atan2(y, x))
    angle = stood % period
    quarter = round(4 * angle / period) * period / 4
    start = quarter if abs(quarter - angle) < _NEAR_DEG else nice(angle, _NEAR_DEG)
    gap = gap.rotate((0.0, 0.0, -period * math.floor(stood / period) - start))
    start = start % period
    image = mirrored(gap, 1, 0.0)
    if iou(gap, image) < _SYMMETRIC:
        return gap, start
    half = gap.trim_by_plane((0.0, 1.0, 0.0), 0.0)
    return half + mirrored(half, 1, 0.0), start

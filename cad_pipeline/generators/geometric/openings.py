"""Cuts that open a gap to the outside: carried on beyond the hull along their flanks, straight or down a cone."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import shapely
from numpy.typing import NDArray

from cad_pipeline.generators.geometric.cycles import Cycle
from cad_pipeline.generators.geometric.features import Extrusion, Feature, Loft, Mode, Repeated, Turns
from cad_pipeline.generators.geometric.frame import Frame
from cad_pipeline.generators.geometric.lofting import matched
from cad_pipeline.generators.geometric.sections import region
from cad_pipeline.generators.geometric.shapes2d import Outline, Pair, Segment, Shape2D
from cad_pipeline.generators.geometric.solids import Manifold, moments, to_frame

__all__ = ["NARROWED", "SHORTENED", "opened", "tapered"]

Vectors = NDArray[np.float64]
# by how much a hull is narrowed before it is compared, so that its gaps hang together by no skin
NARROWED = 0.01
# and by how much in all it is shortened
SHORTENED = 4e-4
# a gap wider than this is not closed by a line
_WIDEST_DEG = 100.0
_CORNERS = (4, 6, 10, 14)
_STATIONS = 21
# share of its height by which a tapered gap's rim is raised, and of its length by which its ends are carried on
_RIM, _ENDS = 0.15, 0.05
# a gap along the axis is a prism's affair
_ALONG_AXIS = 0.98


def opened(feature: Feature, cycle: Cycle, turns: Turns, ends: Pair) -> Feature | None:
    """A prism or loft about a gap, in the axis' frame, as cuts all round; None for what is neither.

    Where it nearly reaches the part's `ends`, it ends with the part.
    """
    near = SHORTENED * (ends[1] - ends[0])

    def settled(z: float) -> float:
        return next((end for end in ends if abs(z - end) < near), z)

    if isinstance(feature, Extrusion):
        low, high = settled(feature.low), settled(feature.high)
        cut: Extrusion | Loft = replace(feature, shape=_carried_out(feature.shape), low=low, high=high, mode=Mode.CUT)
    elif isinstance(feature, Loft):
        sections = tuple((settled(z), _carried_out(shape)) for z, shape in feature.sections)
        if len({len(shape.polygon()) for _, shape in sections}) > 1:
            return None
        cut = replace(feature, sections=sections, mode=Mode.CUT)
    else:
        return None
    return Repeated(cut, cycle.frame, turns, Mode.CUT)


def _carried_out(shape: Shape2D) -> Shape2D:
    """An outline about a gap carried on beyond the hull, along its flanks, where it reaches the hull's rim."""
    if not isinstance(shape, Outline):
        return shape
    segments = list(shape.segments)
    ends = np.array([s.end for s in segments])
    radius = np.linalg.norm(ends, axis=1)
    rim = float(radius.max())
    outer = radius > (1 - 1.2 * NARROWED) * rim
    n = len(segments)
    if outer.sum() < 2 or outer.all():
        return shape
    first = next(k for k in range(n) if outer[k] and not outer[k - 1])
    run = 1
    while outer[(first + run) % n]:
        run += 1
    if run < 2 or run != outer.sum():
        return shape
    last = (first + run - 1) % n
    spread = abs(math.remainder(math.atan2(*ends[first][::-1]) - math.atan2(*ends[last][::-1]), 2 * math.pi))
    if spread > math.radians(_WIDEST_DEG):
        return shape
    beyond = rim * (1 + 3 * NARROWED) / math.cos(spread / 2)
    made = [segments[(last + 1 + k) % n] for k in range(n - run)]
    into = segments[first]
    before, after = segments[first - 1].end, segments[(last + 1) % n]
    if into.mid is None:
        made.append(Segment(_further(before, into.end, beyond)))
    else:
        made += [into, Segment(_outward(into.end, beyond))]
    if after.mid is None:
        made.append(Segment(_further(after.end, segments[last].end, beyond)))
    else:
        made += [Segment(_outward(segments[last].end, beyond)), Segment(segments[last].end)]
    return Outline(tuple(made))


def _further(start: Pair, end: Pair, radius: float) -> Pair:
    """Where the line from `start` through `end` reaches a radius; straight outwards where it hardly leads there."""
    d = np.subtract(end, start) / max(math.dist(start, end), 1e-12)
    p = np.asarray(end)
    along = float(d @ p)
    if along < 0.5 * float(np.linalg.norm(p)):
        return _outward(end, radius)
    t = -along + math.sqrt(max(along * along - float(p @ p) + radius * radius, 0.0))
    return float(p[0] + t * d[0]), float(p[1] + t * d[1])


def _outward(point: Pair, radius: float) -> Pair:
    length = math.hypot(*point)
    return point[0] * radius / length, point[1] * radius / length


def tapered(gap: Manifold, cycle: Cycle, turns: Turns) -> list[Feature]:
    """A gap that leads up or down a cone, as a ruled loft along it, carried on beyond the hull at both ends and above.

    Straight teeth of a bevel gear taper evenly: two sections tell all others. `gap` is given in the axis' frame.
    """
    frame = _leading(gap)
    if frame is None:
        return []
    found = _two_sections(to_frame(gap, frame))
    if found is None:
        return []
    heights, rings, ends = found
    world = Frame(cycle.frame.origin, frame.axes @ cycle.frame.axes)
    made: list[Feature] = []
    for corners in _CORNERS:
        outlines = matched(rings, corners)
        if outlines is None:
            continue
        low, high = (_raised_rim(o) for o in outlines)
        slope = (high - low) / (heights[1] - heights[0])
        drawn = [low + slope * (z - heights[0]) for z in ends]
        if all(shapely.Polygon(d).is_valid for d in drawn):
            sections = tuple((z, _polygon(d)) for z, d in zip(ends, drawn, strict=True))
            made.append(Repeated(Loft(world, sections, Mode.CUT), cycle.frame, turns, Mode.CUT))
    return made


def _leading(gap: Manifold) -> Frame | None:
    """The frame whose z leads along a gap and whose x leads out of it; None where it leads along the axis."""
    middle, spread = moments(gap)
    out = np.array([middle[0], middle[1], 0.0]) / max(float(np.hypot(*middle[:2])), 1e-12)
    up = np.array([0.0, 0.0, 1.0])
    plane = np.column_stack([out, up])
    along = np.linalg.eigh(plane.T @ spread @ plane)[1][:, -1]
    if abs(float(along[1])) > _ALONG_AXIS:
        return None
    normal = plane @ (along * np.sign(along[1] or 1.0))
    x = np.cross(np.cross(out, up), normal)
    # upwards, where it leads straight outwards
    x = x * np.sign(x @ out or x @ up)
    return Frame(np.zeros(3), np.array([x, np.cross(normal, x), normal]))


def _two_sections(local: Manifold) -> tuple[list[float], list[shapely.Polygon], tuple[float, float]] | None:
    """Two heights where a gap is whole, its sections there, and the heights of its ends, carried on."""
    box = local.bounding_box()
    stations = np.linspace(box[2], box[5], _STATIONS + 2)[1:-1]
    rings = [_largest(region(local, float(z))) for z in stations]
    areas = np.array([r.area for r in rings])
    whole = np.nonzero(areas > 0.4 * areas.max())[0]
    first, last = (round(float(whole[0] + (whole[-1] - whole[0]) * share)) for share in (0.25, 0.75))
    if last <= first or areas[first : last + 1].min() <= 0.3 * areas.max():
        return None
    low, high = float(stations[max(whole[0] - 1, 0)]), float(stations[min(whole[-1] + 1, _STATIONS - 1)])
    ends = (low - _ENDS * (high - low), high + _ENDS * (high - low))
    return [float(stations[k]) for k in (first, last)], [rings[k] for k in (first, last)], ends


def _largest(section: shapely.Geometry) -> shapely.Polygon:
    """The largest polygon of a section, without its holes."""
    polygons = [p for p in getattr(section, "geoms", [section]) if isinstance(p, shapely.Polygon)]
    return shapely.Polygon(max(polygons, key=lambda p: p.area, default=shapely.Polygon()).exterior)


def _polygon(points: Vectors) -> Outline:
    return Outline(tuple(Segment((float(x), float(y))) for x, y in points))


def _raised_rim(points: Vectors) -> Vectors:
    """Carry the corners at the largest x on along the flanks that lead to them."""
    x = points[:, 0]
    depth = float(np.ptp(x))
    outer = x > x.max() - _RIM * depth
    lifted = points.copy()
    for k in np.nonzero(outer)[0]:
        inner = next((points[j] for j in ((k - 1) % len(x), (k + 1) % len(x)) if not outer[j]), None)
        if inner is not None and points[k, 0] - inner[0] > 1e-9:
            t = (x.max() + _RIM * depth - points[k, 0]) / (points[k, 0] - inner[0])
            lifted[k] = points[k] + (points[k] - inner) * min(t, 2.0)
        else:
            lifted[k, 0] += _RIM * depth
    return lifted

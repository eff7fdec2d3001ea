"""Turn round cuts into drilled holes: through, blind, counterbored, countersunk; equal ones together.

What a hole may pass is asked of the target itself: a beam along the axis that meets no material above the floor is a
hole open at the top, one that meets none at all is a hole through everything.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import manifold3d as m3
import numpy as np

from cad_pipeline.generators.geometric.features import (
    Extrusion,
    Feature,
    Hole,
    Mode,
    Moves,
    Repeated,
    Revolution,
    Twice,
)
from cad_pipeline.generators.geometric.frame import Frame, frame_along
from cad_pipeline.generators.geometric.numbers import nice
from cad_pipeline.generators.geometric.scale import Scale
from cad_pipeline.generators.geometric.shapes2d import Circle
from cad_pipeline.generators.geometric.solids import Manifold, as_solid, build, iou, to_frame

__all__ = ["drilled"]

# a drill that meets less than this share of itself drills nothing
_NOTHING_LEFT = 1e-3


@dataclass(frozen=True, slots=True)
class _Bore:
    """A round cut: where its axis meets the frame, its radius and its ends; a cone widens it where `mouth` is given."""

    index: int
    x: float
    y: float
    radius: float
    low: float
    high: float
    mouth_radius: float | None = None
    mouth_depth: float = 0.0


def drilled(features: Sequence[Feature], target: Manifold, scale: Scale) -> list[Feature]:
    """Replace round cuts by holes where the target shows that they can be drilled; the order of the rest is kept.

    The cuts are left as they are if the holes build something else.
    """
    apart = [each for k, feature in enumerate(features) for each in (_apart(feature, scale) if k else [feature])]
    holed = _drilled(apart, target, scale)
    if any(each in holed and each not in features for each in apart):
        # what can't be drilled is better told once
        holed = _drilled(features, target, scale)
    if len(holed) == len(features) and not any(isinstance(f, Hole) for f in holed):
        return holed
    before, after = build(features), build(holed)
    return holed if iou(before, after) > 0.9995 else list(features)


def _drilled(features: Sequence[Feature], target: Manifold, scale: Scale) -> list[Feature]:
    rest: dict[int, Feature] = dict(enumerate(features))
    holes: list[tuple[int, Hole]] = []
    for frame, bores in _by_frame(features, scale):
        beam_target = to_frame(target, frame)
        for stack in _stacks(bores, scale):
            hole = _hole(stack, frame, beam_target, _levels(features, frame), scale)
            if hole is not None:
                for bore in stack:
                    del rest[bore.index]
                holes.append((stack[0].index, hole))
    merged: list[Hole] = []
    for _, hole in sorted(holes, key=lambda h: h[0]):
        for k, other in enumerate(merged):
            if _alike(hole, other, scale):
                merged[k] = _together(other, hole, scale)
                break
        else:
            merged.append(hole)
    return [*rest.values(), *_once(merged, list(rest.values()), scale)]


def _once(holes: list[Hole], rest: Sequence[Feature], scale: Scale) -> list[Hole]:
    """Leave out places at which a plain hole is drilled where others of its axis have left nothing to drill."""
    kept: list[Hole] = list(holes)
    for hole in holes:
        others = [h for h in kept if h is not hole and _share_an_axis(h, hole, scale)]
        if not others or hole.counterbore or hole.countersink:
            continue
        left = m3.Manifold.batch_boolean([build(rest), *map(as_solid, others)], m3.OpType.Subtract)
        drills = {point: as_solid(replace(hole, points=(point,))) for point in hole.points}
        needed = tuple(p for p, d in drills.items() if (d ^ left).volume() > _NOTHING_LEFT * d.volume())
        place = next(k for k, h in enumerate(kept) if h is hole)
        kept[place : place + 1] = [replace(hole, points=needed)] if needed else []
    return kept


def _share_an_axis(a: Hole, b: Hole, scale: Scale) -> bool:
    """Whether a place of one hole is on the axis of a place of another."""
    if abs(abs(float(a.frame.axes[2] @ b.frame.axes[2])) - 1) > 1e-9:
        return False
    there = b.frame.to_local(a.frame.to_world(np.array([[*p, 0.0] for p in a.points])))[:, :2]
    return bool((np.linalg.norm(there[:, None] - np.array(b.points)[None], axis=2) < scale.level).any())


def _apart(feature: Feature, scale: Scale) -> list[Feature]:
    """A round cut at several places as that many cuts; any other feature alone."""
    if not isinstance(feature, Repeated) or feature.mode is not Mode.CUT:
        return [feature]
    one, frame, places = replace(feature.feature, mode=Mode.CUT), feature.frame, feature.places
    bore = _bore(0, one, scale)
    along = abs(abs(float(one.frame.axes[2] @ frame.axes[2])) - 1) < 1e-9
    if bore is None or not (along or isinstance(places, Moves)):
        return [feature]
    if isinstance(places, Moves):
        steps = np.array(places.steps)
    else:
        x, y, _ = frame.to_local(one.frame.to_world(np.array([[bore.x, bore.y, 0.0]])))[0] - np.array(
            [*places.centre, 0.0]
        )
        turns = np.radians(places.start + 360.0 * np.arange(places.count) / places.count)
        steps = np.column_stack([x * np.cos(turns) - y * np.sin(turns) - x, x * np.sin(turns) + y * np.cos(turns) - y])
    return [replace(one, frame=Frame(one.frame.origin + step @ frame.axes[:2], one.frame.axes)) for step in steps]


def _levels(features: Sequence[Feature], frame: Frame) -> list[float]:
    """Heights of the ends of added prisms along the frame's z."""
    found = []
    for each in features:
        feature = each.feature if isinstance(each, Twice | Repeated) else each
        if isinstance(feature, Extrusion) and feature.mode is Mode.ADD:
            turn = float(feature.frame.axes[2] @ frame.axes[2])
            if abs(abs(turn) - 1) < 1e-9:
                shift = float(frame.to_local(feature.frame.origin[None])[0][2])
                found += [turn * feature.low + shift, turn * feature.high + shift]
    return found


def _alike(a: Hole, b: Hole, scale: Scale) -> bool:
    """Whether two drillings are one: of one height, or plain ones through all, which may start higher up as well."""
    if not np.allclose(a.frame.axes, b.frame.axes, atol=1e-9):
        return False
    if (a.diameter, a.counterbore, a.countersink, a.depth) != (b.diameter, b.counterbore, b.countersink, b.depth):
        return False
    plain = a.depth is None and a.counterbore is None and a.countersink is None
    return plain or abs(_above(a, b)) < 2e-5 * scale.size


def _above(a: Hole, b: Hole) -> float:
    """How much higher the mouths of `a` are than those of `b`, in mm."""
    return float(b.frame.to_local(a.frame.origin[None])[0][2])


def _together(a: Hole, b: Hole, scale: Scale) -> Hole:
    """Two drillings as one from the higher of their mouths, each place once."""
    higher, other = (b, a) if _above(b, a) > 2e-5 * scale.size else (a, b)
    places = higher.frame.to_local(other.frame.to_world(np.array([[*p, 0.0] for p in other.points])))
    new = [(float(x), float(y)) for x, y, _ in places]
    new = [p for p in new if all(math.dist(p, q) > scale.level for q in higher.points)]
    return replace(higher, points=(*higher.points, *new))


def _by_frame(features: Sequence[Feature], scale: Scale) -> list[tuple[Frame, list[_Bore]]]:
    groups: list[tuple[Frame, list[_Bore]]] = []
    for index, feature in enumerate(features):
        if feature.mode is not Mode.CUT or index == 0:
            continue
        bore = _bore(index, feature, scale)
        if bore is None:
            continue
        for frame, bores in groups:
            if np.allclose(frame.axes, feature.frame.axes, atol=1e-9):
                moved = frame.to_local(feature.frame.to_world(np.array([[bore.x, bore.y, 0.0]])))[0]
                shift = float(moved[2])
                bores.append(
                    replace(bore, x=float(moved[0]), y=float(moved[1]), low=bore.low + shift, high=bore.high + shift)
                )
                break
        else:
            groups.append((feature.frame, [bore]))
    return groups


def _bore(index: int, feature: Feature, scale: Scale) -> _Bore | None:
    if isinstance(feature, Extrusion) and isinstance(feature.shape, Circle) and not (feature.bottom or feature.top):
        return _Bore(index, *feature.shape.centre, feature.shape.radius, feature.low, feature.high)
    if isinstance(feature, Revolution) and all(s.mid is None for s in feature.profile.segments):
        points = sorted((s.end for s in feature.profile.segments), key=lambda p: (p[1], p[0]))
        outer = [p for p in points if p[0] > 1e-6 * scale.size]
        if len(points) == 5 and len(outer) == 3 and abs(outer[0][0] - outer[1][0]) < 1e-4 * scale.size:
            (r, low), (_, neck), (wide, high) = outer
            if wide > r and high > neck > low:
                return _Bore(index, 0.0, 0.0, r, low, high, wide, high - neck)
        if len(points) == 4 and len(outer) == 2 and outer[1][1] > outer[0][1]:
            (bottom, low), (top, high) = outer
            return _Bore(index, 0.0, 0.0, bottom, low, high, top, high - low)
    return None


def _stacks(bores: list[_Bore], scale: Scale) -> list[list[_Bore]]:
    """Put coaxial bores that continue each other together, upwards."""
    stacks: list[list[_Bore]] = []
    for bore in sorted(bores, key=lambda b: (b.low, b.index)):
        for stack in stacks:
            top = stack[-1]
            if math.hypot(top.x - bore.x, top.y - bore.y) > 1e-4 * scale.size:
                continue
            if _widens(bore, top, scale):
                stack[-1] = top = replace(top, high=bore.low)
            if abs(top.high - bore.low) < 2e-5 * scale.size:
                stack.append(bore)
                break
        else:
            stacks.append([bore])
    return stacks


def _widens(cone: _Bore, bore: _Bore, scale: Scale) -> bool:
    """Whether a cone is cut about the upper end of a bore that goes on within it."""
    near = 2e-5 * scale.size
    alike = cone.mouth_radius is not None and bore.mouth_radius is None and abs(cone.radius - bore.radius) < near
    return alike and abs(cone.high - bore.high) < near and bore.low < cone.low - near


def _hole(
    stack: list[_Bore], frame: Frame, target: Manifold, levels: Sequence[float], scale: Scale, turned: bool = False
) -> Hole | None:
    """Write a stack of bores as one hole drilled from above, or, with the frame turned over, from below."""
    if len(stack) > 2:
        return None
    low, high = stack[0].low, stack[-1].high
    narrow = min(stack, key=lambda b: b.radius)
    open_up = _empty(target, narrow, low, math.inf, scale)
    open_down = _empty(target, narrow, -math.inf, high, scale)
    if not (open_up or open_down):
        return None
    if _widest_below(stack) or not open_up:
        if turned or not open_down:
            return None
        over = frame_along(-frame.axes[2], frame.origin, None if frame.plane_name else frame.axes[0])
        below = to_frame(target.transform(np.column_stack([frame.axes.T, frame.origin])), over)
        return _hole([_over(b, frame, over) for b in reversed(stack)], over, below, [], scale, turned=True)
    depth = None if open_down else _depth(stack, low, high, target, scale)
    stepped = len(stack) == 2 or narrow.mouth_radius is not None
    if not turned and open_down and not stepped and not any(abs(high - level) < scale.level for level in levels):
        high = target.bounding_box()[5]  # a hole through a curved wall starts outside the part
    at = frame.moved(np.array([0.0, 0.0, high]))
    reach = high - low if depth is not None else high - target.bounding_box()[2]
    hole = Hole(at, ((narrow.x, narrow.y),), 2 * narrow.radius, depth, reach)
    wide = stack[-1]
    if wide.mouth_radius is None:
        if len(stack) == 1:
            return hole
        return replace(hole, counterbore=(2 * wide.radius, nice(wide.high - wide.low, scale.noise)))
    cone_alone = wide.high - wide.low - wide.mouth_depth < scale.noise
    if wide.mouth_radius <= wide.radius or cone_alone != (len(stack) == 2):
        return None
    if abs(wide.radius - stack[0].radius) > 2e-5 * scale.size:
        return None
    # the tip of the cone lies on the bore's own radius: that is what CadQuery's countersink is measured from
    angle = 2 * math.degrees(math.atan2(wide.mouth_radius - wide.radius, wide.mouth_depth))
    return replace(hole, countersink=(2 * wide.mouth_radius, nice(angle, 0.2)))


def _depth(stack: list[_Bore], low: float, high: float, target: Manifold, scale: Scale) -> float:
    """How deep to drill: where the floor is no floor but another hollow, a little into it, so that no skin stays."""
    narrow = min(stack, key=lambda b: b.radius)
    into = min(0.25 * narrow.radius, 0.02 * scale.size)
    beam = m3.Manifold.cylinder(into, 0.9 * narrow.radius, 0.9 * narrow.radius, 32)
    met = (beam.translate((narrow.x, narrow.y, low - into)) ^ target).volume()
    if met < 1e-3 * beam.volume():
        return nice(high - low + into, 0.5 * into)
    return nice(high - low, scale.noise)


def _widest_below(stack: list[_Bore]) -> bool:
    if len(stack) == 1:
        return stack[0].mouth_radius is not None and stack[0].mouth_radius < stack[0].radius
    bottom, top = stack
    if bottom.mouth_radius is not None and bottom.mouth_radius < bottom.radius:
        return True
    return bottom.radius > top.radius and bottom.mouth_radius is None


def _over(bore: _Bore, frame: Frame, over: Frame) -> _Bore:
    """The same bore in a frame whose z is turned over; a cone that narrows upwards widens upwards there."""
    x, y, _ = over.to_local(frame.to_world(np.array([[bore.x, bore.y, 0.0]])))[0]
    placed = replace(bore, x=float(x), y=float(y), low=-bore.high, high=-bore.low)
    if bore.mouth_radius is None:
        return placed
    return replace(placed, radius=bore.mouth_radius, mouth_radius=bore.radius)


def _empty(target: Manifold, bore: _Bore, low: float, high: float, scale: Scale) -> bool:
    """Whether a beam a little thinner than the bore meets no material between two heights."""
    margin = 1e-3 * scale.size
    box = target.bounding_box()
    bottom, top = max(low + margin, box[2] - margin), min(high - margin, box[5] + margin)
    if top <= bottom:
        return True
    beam = m3.Manifold.cylinder(top - bottom, 0.9 * bore.radius, 0.9 * bore.radius, 32)
    met = (beam.translate((bore.x, bore.y, bottom)) ^ target).volume()
    return bool(met < 1e-3 * math.pi * bore.radius**2 * (top - bottom))

"""Wires and tubes swept along a way: hooks, pipes, springs, rings, handles, bent rods.

Their spines come from the mesh; a spine that goes round evenly is a ring, one that rises besides is a coil, and any
other is lines and arcs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import manifold3d as m3
import numpy as np
from numpy.typing import NDArray

from cad_pipeline.generators.geometric.features import Feature, Revolution, Sweep
from cad_pipeline.generators.geometric.frame import WORLD, Frame, frame_along, straightened, upright
from cad_pipeline.generators.geometric.numbers import nice
from cad_pipeline.generators.geometric.routes import Helix, Leg, Route, Triple, circle_in_space
from cad_pipeline.generators.geometric.scale import Scale
from cad_pipeline.generators.geometric.shapes2d import Outline, Segment
from cad_pipeline.generators.geometric.shells import shells_of
from cad_pipeline.generators.geometric.solids import Manifold, as_solid, build
from cad_pipeline.generators.geometric.spines import Spine, spines
from cad_pipeline.generators.geometric.ways import OFF, ROUGHLY, STRAIGHT, legs_of, straight

__all__ = ["sweeps", "without_sweeps"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
# a coil ends at a whole multiple of this where it is as near as a share of the wire's radius
_ROUND_DEG = 5.0
_NEAR_END = 0.1
# a coil has at least so many turns
_LEAST_TURNS = 0.8
# shares of a wire's volume: what may stick out of the part, and what it must add
_OUTSIDE = 0.04
_NEW = 0.3
# lengths are made rounder by no more than this share of the part's size
_REACH = 2e-5
# the middle of an arc follows from its ends and the lines that it touches, and is hardly moved
_FINE = 1e-7
# bodies of less than this share of the part are what taking its wires off left over
_CRUMBS = 5e-3
# wires are this much thicker where it is asked what is left without them, and boxes wider by this share of the part
_THICKER = 1.02
_WIDER = 1e-3


def sweeps(vertices: Floats, faces: Ints, target: Manifold, scale: Scale) -> list[Feature]:
    """List the bent wires and tubes of a part, the longest first; what is straight is no sweep.

    What sticks out of the target, or lies in what was listed before, is left out.
    """
    outer, inner = ([f for s in spines(vertices, faces, scale, sign) for f in _swept(s, scale)] for sign in (1, -1))
    kept: list[Feature] = []
    whole = build(kept)
    for wire in outer:
        for option in (*_bored(wire, inner), wire):
            solid = as_solid(option)
            volume = solid.volume()
            outside, new = (solid - target).volume(), (solid - whole).volume()
            if outside < _OUTSIDE * volume and new > _NEW * volume:
                kept.append(option)
                whole += solid
                break
    return kept


def without_sweeps(solid: Manifold, bent: list[Feature], scale: Scale) -> Manifold | None:
    """What is left of a solid without its wires, rings and balls; None if nothing is."""
    full = [replace(f, bore=0.0) if isinstance(f, Sweep) else f for f in bent]
    thick = [replace(f, radius=_THICKER * f.radius) if isinstance(f, Sweep) else f for f in full]
    crumb = _CRUMBS * solid.volume()
    # within the boxes of what a thicker wire leaves lie no shards of the wire's own facets
    bodies = [body for body, _ in shells_of(solid - build(thick)).solids(crumb)]
    rest = solid - build(full)
    rest = m3.Manifold.batch_boolean([rest ^ _box(body, _WIDER * scale.size) for body in bodies], m3.OpType.Add)
    shells = shells_of(rest)
    if not (shells.volume < -crumb).any():
        rest = m3.Manifold.compose([body for body, _ in shells.solids(crumb)])
    return None if rest.is_empty() else rest


def _box(solid: Manifold, wider: float) -> Manifold:
    """The box about a solid, wider by so many mm on every side."""
    low, high = np.array(solid.bounding_box()).reshape(2, 3)
    return m3.Manifold.cube(high - low + 2 * wider).translate(low - wider)


def _bored(wire: Sweep | Revolution, inner: list[Sweep | Revolution]) -> Iterator[Sweep]:
    """A wire as a tube, with what runs along the same way within it as its bore."""
    if isinstance(wire, Sweep):
        ours = wire.frame.to_world(wire.path.points())
        for bore in inner:
            if isinstance(bore, Sweep) and bore.radius < wire.radius:
                theirs = bore.frame.to_world(bore.path.points())
                apart = np.linalg.norm(ours[:, None] - theirs[None], axis=2)
                if max(apart.min(axis=0).max(), apart.min(axis=1).max()) < wire.radius:
                    yield replace(wire, bore=bore.radius)


def _swept(spine: Spine, scale: Scale) -> Iterator[Sweep | Revolution]:
    """A spine as a ring, a coil, or lines and arcs; nothing where it is straight, or none of these."""
    reach = _REACH * scale.size
    radius = nice(spine.radius, reach)
    coil = None if spine.closed else _coil(spine, max(reach, ROUGHLY * spine.radius) if spine.rough else reach)
    if coil is not None:
        yield Sweep(*coil, nice(radius, ROUGHLY * radius) if spine.rough else radius)
        return
    ring = _ring(spine, radius, reach) if spine.closed else None
    if ring is not None:
        yield ring
        return
    legs = legs_of(spine)
    if legs is None or all(mid is None for _, mid in legs):
        return
    if spine.rough:
        reach = max(reach, ROUGHLY * spine.radius)
        radius = nice(spine.radius, reach)
    frame, flat = _plane(spine, reach)

    rounded = [_rounded(frame.to_local(p[None])[0], reach, flat) for p in (spine.middles[0], *(end for end, _ in legs))]
    rounded = _agreed(np.array(rounded), 3 * reach)
    way: list[Leg] = []
    before = spine.middles[0]
    for (end, mid), first, last in zip(legs, rounded, rounded[1:], strict=False):
        bent = None if mid is None else _as_bent(frame.to_local(np.array([before, mid, end])), first, last)
        way.append(Leg(_triple(last), None if bent is None else _triple(_rounded(bent, _FINE * scale.size, flat))))
        before = end
    start = _triple(rounded[0])
    if spine.closed:
        way[-1] = replace(way[-1], end=start)
    yield Sweep(frame, Route(start, tuple(way)), radius)


def _rounded(point: Floats, reach: float, flat: bool) -> Floats:
    """A point (3,) with rounder coordinates; in the plane where it is `flat`."""
    x, y, z = (nice(float(c), reach) for c in point)
    return np.array([x, y, 0.0 if flat else z])


def _agreed(points: Floats, near: float) -> list[Floats]:
    """Points (n, 3) whose coordinates are one where they differ by less than `near`."""
    made = points.copy()
    for axis in range(3):
        order = np.argsort(points[:, axis])
        gaps = np.nonzero(np.diff(points[order, axis]) > near)[0] + 1
        for group in np.split(order, gaps):
            made[group, axis] = nice(float(points[group, axis].mean()), near)
    return list(made)


def _triple(point: Floats) -> Triple:
    x, y, z = point.tolist()
    return x, y, z


def _as_bent(arc: Floats, first: Floats, last: Floats) -> Floats:
    """The middle of an arc from `first` to `last` that turns as much as `arc`: its start, middle and end (3, 3)."""
    start, mid, end = arc
    chord = last - first
    rise = mid - (start + end) / 2
    rise -= chord * float(rise @ chord) / float(chord @ chord)
    scale = float(np.linalg.norm(chord) / np.linalg.norm(end - start))
    return np.asarray((first + last) / 2 + scale * rise)


def _plane(spine: Spine, reach: float) -> tuple[Frame, bool]:
    """The plane in which a spine lies, and True; the world and False if it lies in none."""
    middle = spine.middles.mean(axis=0)
    _, spread, axes = np.linalg.svd(spine.middles - middle, full_matrices=False)
    normal = upright(straightened(axes[2], STRAIGHT))
    if np.abs((spine.middles - middle) @ normal).max() > OFF * spine.radius or spread[1] < 1e-6 * spread[0]:
        return WORLD, False
    return frame_along(normal, nice(float(middle @ normal), reach) * normal), True


def _ring(spine: Spine, radius: float, reach: float) -> Revolution | None:
    """A ring: a circle turned about the axis of the circle on which the spine lies; None if it lies on none."""
    n = len(spine.middles) - 1
    circle = circle_in_space(spine.middles[0], spine.middles[n // 3], spine.middles[2 * n // 3])
    if circle is None:
        return None
    centre, big, normal = circle
    away = spine.middles - centre
    off = np.hypot(np.linalg.norm(away - np.outer(away @ normal, normal), axis=1) - big, away @ normal)
    if off.max() > OFF * spine.radius or big <= radius:
        return None
    frame = frame_along(upright(straightened(normal, STRAIGHT)), np.array([nice(float(c), reach) for c in centre]))
    big = nice(big, reach)
    profile = Outline(
        (Segment((big - radius, 0.0), mid=(big, radius)), Segment((big + radius, 0.0), mid=(big, -radius)))
    )
    return Revolution(frame, profile)


def _coil(spine: Spine, reach: float) -> tuple[Frame, Helix] | None:
    """The frame and the helix of a spine that rises evenly about an axis; None where it does not."""
    points = spine.middles[1:-1] if spine.rough else spine.middles
    steps = np.diff(points, axis=0)
    tangents = steps / np.linalg.norm(steps, axis=1)[:, None]
    if len(points) < 8:
        return None
    axis = np.linalg.svd(tangents - tangents.mean(axis=0), full_matrices=False)[2][2]
    axis = straight(axis if float(axis @ (points[-1] - points[0])) > 0 else -axis)
    flat = frame_along(axis, np.zeros(3)).to_local(points)
    rows = np.column_stack([2 * flat[:, :2], np.ones(len(flat))])
    (x, y, c), *_ = np.linalg.lstsq(rows, (flat[:, :2] ** 2).sum(axis=1), rcond=None)
    radius = float(np.sqrt(max(c + x * x + y * y, 0.0)))
    off = OFF * spine.radius
    if np.abs(np.hypot(flat[:, 0] - x, flat[:, 1] - y) - radius).max() > 2 * off:
        return None
    angle = np.unwrap(np.arctan2(flat[:, 1] - y, flat[:, 0] - x))
    turns = float(angle[-1] - angle[0]) / (2 * np.pi)
    rise, floor = np.polyfit(angle - angle[0], flat[:, 2], 1)
    if abs(turns) < _LEAST_TURNS or np.abs(floor + rise * (angle - angle[0]) - flat[:, 2]).max() > 2 * off:
        return None
    if abs(rise) < 0.1 * off:
        return None
    base = frame_along(axis, np.zeros(3))
    first, last = (float(a) for a in angle[[0, -1]])
    if spine.ends is not None:
        sense = np.sign(turns)
        reached = [_turned_from(base.to_local(p), (x, y), a) for p, a in zip(spine.ends, (first, last), strict=True)]
        first, last = (
            first - sense * float((-sense * reached[0]).max()),
            last + sense * float((sense * reached[1]).max()),
        )
        whole = np.radians(_ROUND_DEG * np.round(np.degrees([first, last]) / _ROUND_DEG))
        near = np.abs(whole - [first, last]) * radius < _NEAR_END * spine.radius
        first, last = np.where(near, whole, [first, last]).tolist()
        turns = (last - first) / (2 * np.pi)
    start = straight(np.cos(first) * base.axes[0] + np.sin(first) * base.axes[1])
    floor += rise * (first - angle[0])
    origin = base.to_world(np.array([[x, y, floor]]))[0]
    frame = frame_along(axis, np.array([nice(float(v), reach) for v in origin]), start)
    pitch = nice(abs(2 * np.pi * float(rise)), reach)
    return frame, Helix(nice(radius, reach), pitch, nice(pitch * abs(turns), 4 * reach), left=turns < 0)


def _turned_from(points: Floats, centre: tuple[float, float], angle: float) -> Floats:
    """By how much points (n, 3) lie beyond an angle about `centre`, in rad."""
    there = np.arctan2(points[:, 1] - centre[1], points[:, 0] - centre[0])
    return np.asarray((there - angle + np.pi) % (2 * np.pi) - np.pi)

"""Build features as manifold solids, to score candidates in milliseconds without asking a CAD kernel.

Circles are polygons of the circle's own area, so that volumes agree with the exact solid far below the score's scale.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any

import manifold3d as m3
import numpy as np
from numpy.typing import NDArray

from cad_pipeline.generators.geometric.features import (
    Blend,
    BlendedEdges,
    BlendKind,
    Body,
    Extrusion,
    Feature,
    Hole,
    Loft,
    Mode,
    Repeated,
    Revolution,
    Sweep,
    Turns,
    Twice,
)
from cad_pipeline.generators.geometric.frame import Frame
from cad_pipeline.generators.geometric.lofting import rounded_off
from cad_pipeline.generators.geometric.routes import Helix
from cad_pipeline.generators.geometric.shapes2d import Circle
from cad_pipeline.generators.geometric.shells import mesh_of, shells_of

__all__ = [
    "Manifold",
    "as_solid",
    "before_blends",
    "best_shift",
    "build",
    "count_bodies",
    "count_tunnels",
    "iou",
    "mesh_of",
    "mesh_solid",
    "mirrored",
    "moments",
    "to_frame",
    "to_world",
    "without_crumbs",
]

Manifold = Any
SEGMENTS = 96
TUBE_SEGMENTS = 48
HAIR = 1e-7
# a program is scored, pruned, made to agree and drilled in turn: it is built and compared once for all of them
_PROGRAMS_REMEMBERED = 12
DEGREES_A_LAYER = 4.0
# bodies of less than this share of the volume in all are what cuts left over
CRUMBS = 0.02
GROWTH = math.sqrt((2 * math.pi / SEGMENTS) / math.sin(2 * math.pi / SEGMENTS))


def mesh_solid(vertices: NDArray[np.float64], faces: NDArray[np.int64]) -> Manifold | None:
    """Make a manifold of a closed mesh; None if it is not one even after merging."""
    mesh = m3.Mesh64(np.array(vertices, np.float64), np.array(faces, np.uint64))  # copies: it takes no read-only arrays
    solid = m3.Manifold(mesh)
    if solid.status() != m3.Error.NoError or solid.is_empty():
        mesh.merge()
        solid = m3.Manifold(mesh)
    return None if solid.status() != m3.Error.NoError or solid.is_empty() else solid


def to_frame(solid: Manifold, frame: Frame) -> Manifold:
    """Express a world solid in `frame`."""
    return solid.transform(np.column_stack([frame.axes, -frame.axes @ frame.origin]))


def to_world(solid: Manifold, frame: Frame) -> Manifold:
    """Express a solid of `frame` in the world."""
    return solid.transform(np.column_stack([frame.axes.T, frame.origin]))


def mirrored(solid: Manifold, axis: int, at: float) -> Manifold:
    """The image of a solid across the plane where the coordinate `axis` is `at`."""
    normal = np.eye(3)[axis]
    return solid.translate(-at * normal).mirror(normal).translate(at * normal)


def build(features: Iterable[Feature], start: Manifold | None = None) -> Manifold:
    """Apply features in order; the last few programs built from nothing are remembered."""
    if start is None:
        return _built(tuple(features))
    part = start
    for feature in features:
        solid = as_solid(feature)
        part = part + solid if feature.mode is Mode.ADD else part - solid
    return part


@lru_cache(maxsize=_PROGRAMS_REMEMBERED)
def _built(features: tuple[Feature, ...]) -> Manifold:
    """Build a program from nothing; known by the identity of its features, which nothing changes."""
    return build(features, m3.Manifold())


def before_blends(features: Sequence[Feature], built: Manifold) -> Manifold:
    """What `features` build without blended edges, to ask how many bodies and holes there are; `built` is with them.

    Blends part and join nothing, but what they take off may leave skins on what is a little too large.
    """
    sharp = [f for f in features if not isinstance(f, BlendedEdges)]
    return built if len(sharp) == len(features) else build(sharp)


def without_crumbs(solid: Manifold) -> Manifold:
    """The solid without the crumbs that cuts left beside one large body; as it is where there are others."""
    shells = shells_of(solid)
    volume = np.sort(shells.volume[shells.volume > 0])  # a void is a shell of negative volume
    if len(volume) < 2 or volume[:-1].sum() > CRUMBS * volume[-1]:
        return solid
    bodies = sorted(shells.solids(np.nextafter(0.0, 1.0)), key=lambda body: -body[1])
    return m3.Manifold.batch_boolean([solid, *(body for body, _ in bodies[1:])], m3.OpType.Subtract)


def count_bodies(solid: Manifold) -> int:
    """Count bodies, without the crumbs that touching faces leave."""
    return int((shells_of(solid).volume > 1e-6 * abs(solid.volume())).sum())


def count_tunnels(solid: Manifold) -> int:
    """Count the holes that go through a solid: its first Betti number, from the genus of all its shells."""
    return int(solid.genus()) + len(shells_of(solid).volume) - 1


@lru_cache(maxsize=_PROGRAMS_REMEMBERED)
def iou(a: Manifold, b: Manifold) -> float:
    """Intersection over union of two solids, in [0, 1]; what was asked last of the same solids is remembered."""
    common = (a ^ b).volume()
    union = a.volume() + b.volume() - common
    return min(max(common / union, 0.0), 1.0) if union > 0 else 0.0


def moments(solid: Manifold) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Centre of mass (3,) and second moments about it (3, 3) of a solid's volume, exactly, from its tetrahedra."""
    vertices, faces = mesh_of(solid)
    corners = vertices[faces]
    volume = np.einsum("ij,ij->i", corners[:, 0], np.cross(corners[:, 1], corners[:, 2])) / 6
    total = corners.sum(axis=1)
    middle = (total * volume[:, None]).sum(axis=0) / (4 * volume.sum())
    squares = np.einsum("nki,nkj->nij", corners, corners) + np.einsum("ni,nj->nij", total, total)
    spread = (squares * volume[:, None, None]).sum(axis=0) / 20 / volume.sum()
    return middle, spread - np.outer(middle, middle)


def as_solid(feature: Feature) -> Manifold:
    """Build one feature in the world's frame."""
    if isinstance(feature, Extrusion):
        return to_world(_touching(_extrusion(feature), feature.frame), feature.frame)
    if isinstance(feature, Revolution):
        return to_world(_touching(_revolution(feature), feature.frame), feature.frame)
    if isinstance(feature, Twice):
        one = to_frame(as_solid(feature.feature), feature.frame)
        return to_world(one + mirrored(one, feature.axis, feature.at), feature.frame)
    if isinstance(feature, Repeated):
        return to_world(_repeated(feature), feature.frame)
    if isinstance(feature, Body):
        return build(feature.features)
    if isinstance(feature, BlendedEdges):
        return feature.volume
    if isinstance(feature, Loft):
        return to_world(_touching(_loft(feature), feature.frame), feature.frame)
    if isinstance(feature, Sweep):
        return to_world(_sweep(feature), feature.frame)
    return to_world(_holes(feature), feature.frame)


def _touching(solid: Manifold, frame: Frame) -> Manifold:
    """A solid of a skew frame, by a hair longer: turned into the world, faces that touched would miss each other."""
    if np.abs(frame.axes).max(axis=1).min() > 1 - 1e-12:
        return solid
    box = solid.bounding_box()
    middle = (box[2] + box[5]) / 2
    return solid.translate((0.0, 0.0, -middle)).scale((1.0, 1.0, 1.0 + HAIR)).translate((0.0, 0.0, middle))


def _section(points: NDArray[np.float64]) -> Any:
    return m3.CrossSection([np.ascontiguousarray(points)], m3.FillRule.NonZero)


def _prism(section: Any, low: float, high: float) -> Manifold:
    return section.extrude(high - low).translate((0.0, 0.0, low))


def _extrusion(feature: Extrusion) -> Manifold:
    section = _section(feature.shape.polygon())
    low, high = feature.low, feature.high
    if feature.twist_deg:
        layers = math.ceil(abs(feature.twist_deg) / DEGREES_A_LAYER)
        return section.extrude(high - low, layers, feature.twist_deg).translate((0.0, 0.0, low))
    if feature.bottom is None and feature.top is None:
        return _prism(section, low, high)
    body_low = low + (feature.bottom.height if feature.bottom else 0.0)
    body_high = high - (feature.top.height if feature.top else 0.0)
    slices = [_prism(section, body_low, body_high)] if body_high > body_low else []
    for blend, end, sign in ((feature.bottom, low, 1.0), (feature.top, high, -1.0)):
        if blend is not None:
            for inner, outer, inset in _blend_layers(blend):
                # a little into the next, wider layer, so that no layer hangs by a face
                z = sorted((end + sign * inner, end + sign * (outer + 0.01 * (outer - inner))))
                slices.append(_prism(section.offset(-inset, m3.JoinType.Miter, 4.0), z[0], z[1]))
    return m3.Manifold.batch_boolean(slices, m3.OpType.Add)


def _blend_layers(blend: Blend, count: int = 5) -> Iterator[tuple[float, float, float]]:
    """Thin layers (from, to, inset), measured from the end face inwards along the wall."""
    h = blend.height
    edges = [h * (1 - math.cos(math.pi / 2 * k / count)) for k in range(count + 1)]
    for near, far in itertools.pairwise(edges):
        d = (near + far) / 2
        if blend.kind is BlendKind.FILLET:
            yield near, far, h - math.sqrt(max(h * h - (h - d) ** 2, 0.0))
        else:
            yield near, far, blend.size * (1 - d / h)


def _repeated(repeated: Repeated) -> Manifold:
    one, places = to_frame(as_solid(repeated.feature), repeated.frame), repeated.places
    if isinstance(places, Turns):
        x, y = places.centre
        one = one.translate((-x, -y, 0.0))
        angles = [places.start + 360.0 * k / places.count for k in range(places.count)]
        all_ = [one.rotate((0.0, 0.0, angle)).translate((x, y, 0.0)) for angle in angles]
    else:
        all_ = [one.translate((*step, 0.0)) for step in places.steps]
    return m3.Manifold.batch_boolean(all_, m3.OpType.Add)


def _revolution(feature: Revolution) -> Manifold:
    points = feature.profile.polygon() * [GROWTH, 1.0]
    return _section(points).revolve(SEGMENTS)


def _loft(feature: Loft) -> Manifold:
    outlines = [shape.polygon() for _, shape in feature.sections]
    round_ = [shape for _, shape in feature.sections if isinstance(shape, Circle)]
    if len(outlines) == 2 and len(round_) == 1:
        first = isinstance(feature.sections[0][1], Circle)
        outlines = list(rounded_off(outlines[1 if first else 0], round_[0]))[:: -1 if first else 1]
    n = len(outlines[0])
    if any(len(outline) != n for outline in outlines):
        counts = ", ".join(str(len(outline)) for outline in outlines)
        raise ValueError(f"a ruled loft joins outlines of equal vertex count, got {counts}")
    for k in range(1, len(outlines)):
        outlines[k] = np.roll(outlines[k], -best_shift(outlines[k - 1], outlines[k]), axis=0)
    vertices = np.vstack(
        [np.column_stack([o, np.full(n, z)]) for (z, _), o in zip(feature.sections, outlines, strict=True)]
    )
    i = np.arange(n)
    j = (i + 1) % n
    side = np.vstack([np.column_stack([i, j, j + n]), np.column_stack([i, j + n, i + n])])
    sides = np.vstack([side + k * n for k in range(len(outlines) - 1)])
    floor = np.asarray(m3.triangulate([np.ascontiguousarray(outlines[0])]))
    roof = np.asarray(m3.triangulate([np.ascontiguousarray(outlines[-1])])) + n * (len(outlines) - 1)
    faces = np.vstack([sides, floor[:, ::-1], roof])
    solid = m3.Manifold(m3.Mesh64(vertices, faces.astype(np.uint64)))
    return solid if solid.volume() >= 0 else m3.Manifold()


def _sweep(feature: Sweep) -> Manifold:
    if isinstance(feature.path, Helix):
        whole = _joined(_coiled(feature.path, feature.radius, 0.0), closed=False)
        return whole - _joined(_coiled(feature.path, feature.bore, HAIR), closed=False) if feature.bore > 0 else whole
    points, closed = feature.path.points(), feature.path.closed
    whole = _joined(_mitred(points, feature.radius, closed=closed), closed=closed)
    if feature.bore <= 0.0:
        return whole
    if not closed:
        # a bore goes through both ends
        points[0] += HAIR * (points[0] - points[1])
        points[-1] += HAIR * (points[-1] - points[-2])
    return whole - _joined(_mitred(points, feature.bore, closed=closed), closed=closed)


def _circle_points(radius: float) -> NDArray[np.float64]:
    """Points (n, 2) of a circle's polygon of the circle's own area."""
    angle = np.arange(TUBE_SEGMENTS) * (2 * np.pi / TUBE_SEGMENTS)
    growth = math.sqrt((2 * math.pi / TUBE_SEGMENTS) / math.sin(2 * math.pi / TUBE_SEGMENTS))
    return growth * radius * np.column_stack([np.cos(angle), np.sin(angle)])


def _mitred(points: NDArray[np.float64], radius: float, *, closed: bool) -> NDArray[np.float64]:
    """Rings (m, n, 3) of a round tube along points (m, 3), mitred at each; the last point is the first if `closed`."""
    along = np.diff(points, axis=0)
    along /= np.linalg.norm(along, axis=1)[:, None]
    before = np.vstack([along[-1:] if closed else along[:1], along])
    after = np.vstack([along, along[:1] if closed else along[-1:]])
    x = np.cross(along[0], np.eye(3)[int(np.argmin(np.abs(along[0])))])
    x /= np.linalg.norm(x)
    ring = points[0] + _circle_points(radius) @ np.array([x, np.cross(along[0], x)])
    rings = []
    for point, way, mitre in zip(points, before, before + after, strict=True):
        ring = ring + (((point - ring) @ mitre) / float(way @ mitre))[:, None] * way
        rings.append(ring)
    return np.array(rings[:-1] if closed else rings)


def _coiled(helix: Helix, radius: float, beyond: float) -> NDArray[np.float64]:
    """Rings (m, n, 3) of a coil, each in a plane through the axis, as a sketch there is swept; longer by `beyond`."""
    angle = helix.angles()
    height = np.linspace(0.0, helix.height, len(angle))
    angle[[0, -1]] += beyond * (angle[0] - angle[1]), beyond * (angle[-1] - angle[-2])
    across, up = _circle_points(radius).T
    out = helix.radius + across
    rise = height[:, None] + up
    return np.stack([np.cos(angle)[:, None] * out, np.sin(angle)[:, None] * out, rise], axis=2)


def _joined(rings: NDArray[np.float64], *, closed: bool) -> Manifold:
    """A solid whose walls run from ring to ring (m, n, 3), with ends unless `closed`."""
    m, n, _ = rings.shape
    i, k = (a.ravel() for a in np.meshgrid(np.arange(n), np.arange(m if closed else m - 1)))
    j, here, there = (i + 1) % n, k * n, (k + 1) % m * n
    faces = [np.column_stack([here + i, here + j, there + j]), np.column_stack([here + i, there + j, there + i])]
    if not closed:
        fan = np.column_stack([np.zeros(n - 2, dtype=np.int64), np.arange(1, n - 1), np.arange(2, n)])
        faces += [fan[:, ::-1], fan + (m - 1) * n]
    solid = m3.Manifold(m3.Mesh64(rings.reshape(-1, 3), np.vstack(faces).astype(np.uint64)))
    if solid.volume() < 0:
        flipped = np.vstack(faces)[:, ::-1]
        solid = m3.Manifold(m3.Mesh64(rings.reshape(-1, 3), np.ascontiguousarray(flipped).astype(np.uint64)))
    return solid


def best_shift(a: NDArray[np.float64], b: NDArray[np.float64]) -> int:
    """By how many places `b` is to be rolled back so that its corners (n, 2) lie nearest those of `a`."""
    a0, b0 = a - a.mean(axis=0), b - b.mean(axis=0)
    places = np.arange(len(b))
    return int(np.argmin(((a0 - b0[(places + places[:, None]) % len(b)]) ** 2).sum(axis=(1, 2))))


def _holes(feature: Hole) -> Manifold:
    depth = feature.depth if feature.depth is not None else feature.length
    radius = feature.diameter / 2 * GROWTH
    drill = m3.Manifold.cylinder(depth, radius, radius, SEGMENTS).translate((0, 0, -depth))
    if feature.counterbore is not None:
        wide, deep = feature.counterbore
        drill += m3.Manifold.cylinder(deep, wide / 2 * GROWTH, wide / 2 * GROWTH, SEGMENTS).translate((0, 0, -deep))
    if feature.countersink is not None:
        wide, angle = feature.countersink
        deep = wide / 2 / math.tan(math.radians(angle / 2))
        drill += m3.Manifold.cylinder(deep, 0.0, wide / 2 * GROWTH, SEGMENTS).translate((0, 0, -deep))
    return m3.Manifold.batch_boolean([drill.translate((x, y, 0.0)) for x, y in feature.points], m3.OpType.Add)

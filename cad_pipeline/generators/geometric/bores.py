"""Find round bores on any axis in the mesh and fill them, so that the rest is explained without them.

A bore is a patch of facets joined by shallow angles whose normals point at one axis, all the way round, and whose
vertices lie at one distance from it. Its triangles are taken out and the openings that they leave are capped; what the
caps cut off (the floor of a blind bore, the shoulder of a counterbore) encloses nothing and goes with them. A bore that
runs on smoothly into a fillet or another wall is looked for along likely axes, in what is left of the patches.
Feature recognition by patches and their adjacency follows Joshi and Chang (1988).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import manifold3d as m3
import numpy as np
from numpy.typing import NDArray

from cad_pipeline.generators.geometric.circles import wall_circle
from cad_pipeline.generators.geometric.facets import Facets
from cad_pipeline.generators.geometric.features import Extrusion, Mode
from cad_pipeline.generators.geometric.frame import Frame, frame_along, straightened, upright
from cad_pipeline.generators.geometric.mouths import opened
from cad_pipeline.generators.geometric.numbers import nice
from cad_pipeline.generators.geometric.patches import shallow_patches, turning_directions, walls_along
from cad_pipeline.generators.geometric.scale import Scale
from cad_pipeline.generators.geometric.shapes2d import Circle
from cad_pipeline.generators.geometric.solids import Manifold, mesh_of, mesh_solid, to_frame

__all__ = ["Filled", "closed_loops", "fill_bores", "flat_triangles"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
# the share of a bore's inner cylinder that may be filled, as by a ledge: a groove round a core is no bore
FILLED = 0.15
# a void at the end of a bore is not told by itself up to this share of the part
SMALL_VOID = 5e-4
CRUMB = 1e-6


@dataclass(frozen=True, slots=True, eq=False)
class Filled:
    """A mesh without its bores, as arrays and solid, and the bores as round cuts."""

    vertices: Floats
    faces: Ints
    solid: Manifold
    bores: tuple[Extrusion, ...]


def fill_bores(
    vertices: Floats, faces: Ints, facets: Facets, scale: Scale, frames: Sequence[Frame] = ()
) -> Filled | None:
    """Fill every full-round bore; None if there is none or the filled mesh does not close.

    A bore along the z of one of `frames` takes that frame, so that it is written on the same plane as the rest.
    """
    found = list(_found(vertices, faces, facets, scale, frames))
    if not found:
        return None
    before = mesh_solid(vertices, faces)
    if before is None:
        return None
    found = [(bore, triangles) for bore, triangles in found if _is_hollow(bore, before)]
    return _filled(vertices, faces, before, found) or _filled_apart(vertices, faces, before, found)


def _found(
    vertices: Floats, faces: Ints, facets: Facets, scale: Scale, frames: Sequence[Frame]
) -> Iterator[tuple[Extrusion, Ints]]:
    """Every bore with its triangles: those that are a patch by themselves, then those that run on into others."""
    known = list(frames)
    left = np.ones(len(facets.area), dtype=bool)

    def bores(patches: Iterable[Ints]) -> Iterator[tuple[Extrusion, Ints]]:
        for patch in patches:
            triangles = np.nonzero(np.isin(facets.of_triangle, patch))[0]
            bore = _as_bore(vertices, faces[triangles], facets.normal[patch], facets.area[patch], scale, known)
            if bore is not None:
                left[patch] = False
                if not any(bore.frame is frame for frame in known):
                    known.append(bore.frame)
                yield opened(bore, patch, vertices, faces, facets, scale), triangles

    yield from bores(shallow_patches(facets))
    directions = turning_directions(vertices, faces, facets, left)
    for axis in (*(frame.axes[2] for frame in known), *np.eye(3)):
        if all(abs(float(axis @ other)) < 1 - 1e-6 for other in directions):
            directions.append(axis)
    yield from bores(walls_along(vertices, faces, facets, left, directions))


def _is_hollow(bore: Extrusion, part: Manifold) -> bool:
    """Whether there is little material within a bore."""
    inner = m3.Manifold.cylinder(bore.high - bore.low, 0.9 * _radius(bore), 0.9 * _radius(bore), 32)
    met = inner.translate((*_centre(bore), bore.low)) ^ to_frame(part, bore.frame)
    return bool(met.volume() < FILLED * inner.volume())


def _filled(vertices: Floats, faces: Ints, before: Manifold, found: Sequence[tuple[Extrusion, Ints]]) -> Filled | None:
    """Take the bores' triangles out and cap what they leave; None if that does not close, or encloses no more."""
    if not found:
        return None
    gone = np.zeros(len(faces), dtype=bool)
    for _, triangles in found:
        gone[triangles] = True
    capped = _capped(vertices, faces, gone)
    solid = None if capped is None else mesh_solid(*capped)
    if solid is None:
        return None
    parts = [p for p in solid.decompose() if p.volume() > CRUMB * before.volume()]
    if not parts or solid.volume() <= before.volume():
        return None
    solid, bores = _continued(solid, [bore for bore, _ in found], before.volume())
    return Filled(*mesh_of(solid), solid, tuple(bores))


def _continued(solid: Manifold, bores: list[Extrusion], volume: float) -> tuple[Manifold, list[Extrusion]]:
    """Fill the voids, small against `volume` in mm³, that bores enclosed at their ends when they were filled.

    The tip that a drill left at the floor, or the cone on the shoulder of a counterbore: there the narrower bore goes
    on to the wider.
    """
    bores = list(bores)
    for void in (shell for shell in solid.decompose() if CRUMB < -shell.volume() / volume < SMALL_VOID):
        below, above = (_touching(void, bores, top) for top in (False, True))
        if below is None and above is None:
            continue
        solid = solid + void.hull()
        if below is None or above is None or bores[above].frame is not bores[below].frame:
            continue
        if _radius(bores[below]) < _radius(bores[above]):
            bores[below] = replace(bores[below], high=bores[above].low)
        else:
            bores[above] = replace(bores[above], low=bores[below].high)
    return solid, bores


def _touching(void: Manifold, bores: Sequence[Extrusion], top: bool) -> int | None:
    """Which bore a void continues on the same axis: upwards a bore that ends where it begins, or one on its top."""
    for k, bore in enumerate(bores):
        box = to_frame(void, bore.frame).bounding_box()
        off = np.abs(np.array([box[0] + box[3], box[1] + box[4]]) / 2 - _centre(bore)).max()
        gap = abs(box[5] - bore.low) if top else abs(box[2] - bore.high)
        if max(off, gap) < 1e-2 * _radius(bore):
            return k
    return None


def _radius(bore: Extrusion) -> float:
    assert isinstance(bore.shape, Circle)
    return bore.shape.radius


def _centre(bore: Extrusion) -> Floats:
    assert isinstance(bore.shape, Circle)
    return np.array(bore.shape.centre)


def _filled_apart(
    vertices: Floats, faces: Ints, before: Manifold, found: Sequence[tuple[Extrusion, Ints]]
) -> Filled | None:
    """Fill the bores that can be filled: halves are tried until one that cannot does not keep the others open."""
    kept: list[tuple[Extrusion, Ints]] = []
    best = None
    waiting = [found] if len(found) > 1 else []
    while waiting:
        some = waiting.pop()
        more = _filled(vertices, faces, before, [*kept, *some])
        if more is not None:
            best = more
            kept += some
        elif len(some) > 1:
            waiting += [some[len(some) // 2 :], some[: len(some) // 2]]
    return best


def flat_triangles(facets: Facets) -> NDArray[np.bool_]:
    """Mark triangles (m,) of facets that are truly flat, not strips of a curved wall that happen to lie level.

    A strip meets both its neighbours at shallow angles along most of its rim.
    """
    one, two = (facets.of_triangle[facets.sides[:, k]] for k in (0, 1))
    rim = one != two
    cosine = np.einsum("ij,ij->i", facets.normal[one], facets.normal[two])
    shallow = rim & (cosine > math.cos(math.radians(25.0)))
    count = len(facets.area)
    ways: Ints = np.zeros(count, dtype=np.int64)
    for side in (one, two):
        ways += np.bincount(side[shallow], minlength=count)
    sharp: Ints = np.zeros(count, dtype=np.int64)
    for side in (one, two):
        sharp += np.bincount(side[rim & ~shallow], minlength=count)
    typical = np.median(facets.area)
    strip = (ways >= 2) & (ways >= sharp) & (facets.area < max(20 * typical, 0.0))
    return np.asarray(~strip[facets.of_triangle])


def _as_bore(
    vertices: Floats, faces: Ints, normals: Floats, area: Floats, scale: Scale, frames: Sequence[Frame]
) -> Extrusion | None:
    weight = np.sqrt(area / area.sum())[:, None]
    _, singular, axes = np.linalg.svd(normals * weight, full_matrices=False)
    if singular[2] > 0.01 or singular[1] < 0.3:
        return None
    axis = upright(straightened(axes[2], 2e-3))
    alike = next((f for f in frames if abs(float(f.axes[2] @ axis)) > 1 - 2e-6), None)
    frame = alike if alike is not None else frame_along(axis, np.zeros(3))
    corners = frame.to_local(vertices[np.unique(faces)])
    # tight first: where bores cross, vertices on the chords of facets would draw a looser circle in
    reach = float(np.ptp(corners[:, :2], axis=0).max()) / 2
    tight, loose = (max(min(share * scale.size, 2e-3 * reach), 3 * scale.noise) for share in (2e-5, 1e-4))
    circle = wall_circle(corners[:, :2], (tight, loose))
    if circle is None:
        return None
    centre, radius = np.array([circle.x, circle.y]), circle.radius
    middles = frame.to_local(vertices[faces].mean(axis=1))[:, :2] - centre
    local_normals = np.cross(
        vertices[faces[:, 1]] - vertices[faces[:, 0]], vertices[faces[:, 2]] - vertices[faces[:, 0]]
    )
    outward = local_normals @ frame.axes.T
    if (np.einsum("ij,ij->i", middles, outward[:, :2]) > 0).any():
        return None
    if not _goes_round(frame.to_local(vertices)[:, :2] - centre, faces):
        return None
    # a drill is told from the next size by a twentieth of a per cent of its diameter, however large the part
    agree = max(min(2e-5 * scale.size, 1e-3 * radius), scale.noise, 2 * circle.scatter)
    x, y = (nice(float(c), 2 * scale.noise) for c in centre)
    low, high = (nice(float(z), scale.noise) for z in (corners[:, 2].min(), corners[:, 2].max()))
    return Extrusion(frame, Circle((x, y), nice(2 * radius, agree) / 2), low, high, Mode.CUT)


def _goes_round(points: Floats, faces: Ints) -> bool:
    """Whether at least two of the patch's rims run once about the origin: an open ring has a rim but no way round."""
    rims = _rims(faces)
    round_ = 0
    for rim in rims or []:
        angle = np.arctan2(points[rim, 1], points[rim, 0])
        turns = (np.diff(np.r_[angle, angle[:1]]) + np.pi) % (2 * np.pi) - np.pi
        round_ += abs(abs(float(turns.sum())) - 2 * np.pi) < 0.1
    return round_ >= 2


def _rims(faces: Ints) -> list[list[int]] | None:
    """Closed boundary loops of a patch, along its triangles' own sense; None where a vertex is passed twice."""
    edges = np.vstack([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    there = {(int(a), int(b)) for a, b in edges}
    following: dict[int, int] = {}
    for a, b in sorted(there):
        if (b, a) not in there:
            if a in following:
                return None
            following[a] = b
    return closed_loops(following)


def closed_loops(following: dict[int, int]) -> list[list[int]] | None:
    """Chain vertices, each with the one that follows it, to closed loops; None where a chain ends. Empties the dict."""
    loops = []
    while following:
        start = next(iter(following))
        loop, here = [start], following.pop(start)
        while here != start:
            loop.append(here)
            if here not in following:
                return None
            here = following.pop(here)
        loops.append(loop)
    return loops


def _capped(vertices: Floats, faces: Ints, gone: NDArray[np.bool_]) -> tuple[Floats, Ints] | None:
    """Take triangles out and close each opening with a fan about its middle."""
    rims = _rims(faces[gone])
    if rims is None:
        return None
    points, caps = [vertices], [faces[~gone]]
    for count, rim in enumerate(rims, start=len(vertices)):
        points.append(vertices[rim].mean(axis=0)[None])
        ring = np.array(rim)
        caps.append(np.column_stack([ring, np.roll(ring, -1), np.full(len(ring), count)]))
    return np.vstack(points), np.vstack(caps)

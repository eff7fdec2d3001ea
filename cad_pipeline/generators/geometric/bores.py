"""Find round bores on any axis in the mesh and fill them, so that the rest is explained without them.

A bore is a patch of facets joined by shallow angles whose normals point at one axis, all the way round, and whose
vertices lie at one distance from it. Its triangles are taken out and the openings that they leave are capped; what the
caps cut off (the floor of a blind bore, the shoulder of a counterbore) encloses nothing and goes with them.
Feature recognition by patches and their adjacency follows Joshi and Chang (1988).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cad_pipeline.generators.geometric.facets import Facets, components
from cad_pipeline.generators.geometric.features import Extrusion, Mode
from cad_pipeline.generators.geometric.frame import Frame, frame_along, straightened, upright
from cad_pipeline.generators.geometric.numbers import nice
from cad_pipeline.generators.geometric.rings import outer_circle
from cad_pipeline.generators.geometric.scale import Scale
from cad_pipeline.generators.geometric.shapes2d import Circle
from cad_pipeline.generators.geometric.solids import Manifold, mesh_solid

__all__ = ["Filled", "closed_loops", "fill_bores", "flat_triangles"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
SHALLOW = math.cos(math.radians(46.0))


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
    patches = _patches(facets)
    found: list[tuple[Extrusion, Ints]] = []
    for patch in patches:
        triangles = np.nonzero(np.isin(facets.of_triangle, patch))[0]
        bore = _as_bore(vertices, faces[triangles], facets.normal[patch], facets.area[patch], scale, frames)
        if bore is not None:
            found.append((bore, triangles))
    if not found:
        return None
    gone = np.zeros(len(faces), dtype=bool)
    for _, triangles in found:
        gone[triangles] = True
    filled = _capped(vertices, faces, gone)
    if filled is None:
        return None
    new_vertices, new_faces = filled
    solid = mesh_solid(new_vertices, new_faces)
    before = mesh_solid(vertices, faces)
    if solid is None or before is None:
        return None
    parts = [p for p in solid.decompose() if p.volume() > 1e-6 * before.volume()]
    if not parts or solid.volume() <= before.volume():
        return None
    mesh = solid.to_mesh64()
    return Filled(
        np.asarray(mesh.vert_properties)[:, :3],
        np.asarray(mesh.tri_verts, dtype=np.int64),
        solid,
        tuple(b for b, _ in found),
    )


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


def _patches(facets: Facets) -> list[Ints]:
    one, two = (facets.of_triangle[facets.sides[:, k]] for k in (0, 1))
    cosine = np.einsum("ij,ij->i", facets.normal[one], facets.normal[two])
    joined = (one != two) & (cosine > SHALLOW)
    label = components(len(facets.area), np.column_stack([one, two])[joined])
    order = np.argsort(label, kind="stable")
    starts = np.nonzero(np.diff(np.r_[-1, label[order]]))[0]
    return [patch.astype(np.int64) for patch in np.split(order, starts[1:]) if len(patch) >= 8]


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
    tight, loose = (max(share * scale.size, 3 * scale.noise) for share in (2e-5, 1e-4))
    circle = outer_circle(corners[:, :2], tight, 0.02) or outer_circle(corners[:, :2], loose, 0.02)
    if circle is None:
        return None
    centre, radius = np.array(circle[:2]), circle[2]
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
    agree = max(min(2e-5 * scale.size, 1e-3 * radius), scale.noise)
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

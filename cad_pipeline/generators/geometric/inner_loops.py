"""Take a mesh apart at the inner loops of its flat faces: a base without them, and what hung on them as solids.

Where the outline of a flat face has a hole, something stands on the face or goes into it. Cutting the surface along
these loops separates it from the rest, and flat caps close both sides: pockets, windows, countersinks and bosses on any
axis become small solids of their own, and the base loses them. Protrusions and depressions are told apart by the
sign of the volume. After Gavankar and Henderson (1990), with triangles in the place of B-rep faces.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import manifold3d as m3
import numpy as np
from numpy.typing import NDArray

from cad_pipeline.generators.geometric.bores import closed_loops, flat_triangles
from cad_pipeline.generators.geometric.facets import Facets, components
from cad_pipeline.generators.geometric.features import Mode
from cad_pipeline.generators.geometric.frame import Frame, frame_along
from cad_pipeline.generators.geometric.scale import Scale
from cad_pipeline.generators.geometric.solids import Manifold, iou, mesh_solid

__all__ = ["Piece", "TakenApart", "take_apart"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
# a face of less than this share of the squared size bears no features
_LEAST_FACE = 2e-5
# a piece of less than this share of the part's volume is noise
_LEAST_PIECE = 1e-7
_MOST_PIECES = 120
_SAME = 0.9999


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """What hung on inner loops, as a closed mesh (n, 3), (m, 3) and a solid; `mode` says whether it stands or is cut.

    `normal` is the outward direction of the face that bore it, `rims` on how many loops it hung: a blind pocket on one,
    a window through a wall on two.
    """

    vertices: Floats
    faces: Ints
    solid: Manifold
    mode: Mode
    normal: Floats
    rims: int


@dataclass(frozen=True, slots=True, eq=False)
class TakenApart:
    """A mesh without what hung on the inner loops of its flat faces, and those pieces, the largest first."""

    vertices: Floats
    faces: Ints
    solid: Manifold
    pieces: tuple[Piece, ...]


def take_apart(vertices: Floats, faces: Ints, facets: Facets, whole: Manifold, scale: Scale) -> TakenApart | None:
    """Take the features on inner loops off a closed mesh; None where there are none.

    The base is the side of the loops that encloses most. What base and pieces make together is compared with `whole`;
    None also where it is not the same solid, as it happens where loops touch.
    """
    loops = _inner_loops(vertices, faces, facets, scale)
    if not loops:
        return None
    cut = _marked(facets.edges, np.vstack(loops))
    part_of = components(len(faces), facets.sides[~cut])
    one, two = (part_of[facets.sides[cut, k]] for k in (0, 1))
    parted = one != two
    if not parted.any():
        return None
    base = _fullest(vertices, faces, part_of)
    groups = components(int(part_of.max()) + 1, np.column_stack([one, two])[parted & (one != base) & (two != base)])
    home = groups[part_of]
    beside = np.column_stack([one, two])[parted & ((one == base) | (two == base))]
    pieces: list[Piece] = []
    rest = np.ones(len(faces), dtype=bool)
    # bodies of their own hang on no loop of the base, and stay with it
    for group in np.setdiff1d(groups[beside], groups[base]):
        mine = home == group
        piece = _piece(vertices, faces, mine, facets, whole.volume())
        if piece is None:
            return None
        pieces.append(piece)
        rest &= ~mine
    closed = _closed(vertices, faces, rest, facets)
    solid = None if closed is None else mesh_solid(*closed)
    if closed is None or solid is None or not 0 < len(pieces) <= _MOST_PIECES:
        return None
    pieces.sort(key=lambda p: -p.solid.volume())
    if iou(_together(solid, pieces), whole) < _SAME:
        return None
    return TakenApart(*_compact(*closed), solid, tuple(pieces))


def _together(base: Manifold, pieces: Sequence[Piece]) -> Manifold:
    added = [p.solid for p in pieces if p.mode is Mode.ADD]
    taken = [p.solid for p in pieces if p.mode is Mode.CUT]
    solid = m3.Manifold.batch_boolean([base, *added], m3.OpType.Add) if added else base
    return m3.Manifold.batch_boolean([solid, *taken], m3.OpType.Subtract) if taken else solid


def _inner_loops(vertices: Floats, faces: Ints, facets: Facets, scale: Scale) -> list[Ints]:
    """Vertex pairs (k, 2) of each inner loop of a flat facet."""
    flat = np.zeros(len(facets.area), dtype=bool)
    flat[facets.of_triangle[flat_triangles(facets)]] = True
    flat &= facets.area > _LEAST_FACE * scale.size**2
    start, end, owner = _rims(faces, facets)
    keep = flat[owner]
    start, end, owner = start[keep], end[keep], owner[keep]
    if not len(owner):
        return []
    # the same vertex is another place on another facet's rim
    places, index = np.unique(np.column_stack([np.r_[start, end], np.r_[owner, owner]]), axis=0, return_inverse=True)
    tail, head = np.split(index.ravel(), 2)
    loop = components(len(places), np.column_stack([tail, head]))[tail]
    area = _loop_areas(vertices, facets, start, end, owner, loop)
    largest: dict[int, int] = {}
    for number in np.unique(loop):
        face = int(owner[np.argmax(loop == number)])
        if face not in largest or area[number] > area[largest[face]]:
            largest[face] = int(number)
    outer = set(largest.values())
    return [
        np.column_stack([start, end])[loop == number]
        for number in np.unique(loop)
        if int(number) not in outer and area[number] < 0
    ]


def _rims(faces: Ints, facets: Facets) -> tuple[Ints, Ints, Ints]:
    """Directed edges on the rims of facets, along the triangles' own sense, with the facet that each bounds."""
    rim = facets.of_triangle[facets.sides[:, 0]] != facets.of_triangle[facets.sides[:, 1]]
    edges, sides = facets.edges[rim], facets.sides[rim]
    starts, ends, owners = [], [], []
    for side in (0, 1):
        corners = faces[sides[:, side]]
        at = np.argmax(corners == edges[:, :1], axis=1)
        along = corners[np.arange(len(at)), (at + 1) % 3] == edges[:, 1]
        starts.append(np.where(along, edges[:, 0], edges[:, 1]))
        ends.append(np.where(along, edges[:, 1], edges[:, 0]))
        owners.append(facets.of_triangle[sides[:, side]])
    return np.concatenate(starts), np.concatenate(ends), np.concatenate(owners)


def _loop_areas(vertices: Floats, facets: Facets, start: Ints, end: Ints, owner: Ints, loop: Ints) -> Floats:
    """Signed area of each loop about its facet's normal: the outer one is positive, inner ones are negative."""
    middle = facets.centroid[owner]
    twice = np.cross(vertices[start] - middle, vertices[end] - middle)
    return np.asarray(np.bincount(loop, weights=np.einsum("ij,ij->i", twice, facets.normal[owner]) / 2.0))


def _marked(edges: Ints, chosen: Ints) -> NDArray[np.bool_]:
    """Which of the sorted vertex pairs (e, 2) are among `chosen`, in either sense."""
    count = int(edges.max()) + 1
    chosen = np.sort(chosen, axis=1)
    return np.isin(edges[:, 0] * count + edges[:, 1], chosen[:, 0] * count + chosen[:, 1])


def _fullest(vertices: Floats, faces: Ints, part_of: Ints) -> int:
    """The component of the surface with the largest box, by its diagonal; the larger area among equals."""
    count = int(part_of.max()) + 1
    low, high = np.full((count, 3), np.inf), np.full((count, 3), -np.inf)
    for k in range(3):
        np.minimum.at(low, part_of, vertices[faces[:, k]])
        np.maximum.at(high, part_of, vertices[faces[:, k]])
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    area = np.bincount(part_of, weights=np.linalg.norm(np.cross(b - a, c - a), axis=1))
    box = np.round(np.linalg.norm(high - low, axis=1) / max(float(np.ptp(vertices, axis=0).max()), 1e-300), 3)
    return int(np.lexsort((area, box))[-1])


def _piece(vertices: Floats, faces: Ints, mine: NDArray[np.bool_], facets: Facets, volume: float) -> Piece | None:
    closed = _closed(vertices, faces, mine, facets)
    if closed is None:
        return None
    points, triangles = _compact(*closed)
    a, b, c = (points[triangles[:, k]] - points[0] for k in range(3))
    signed = float(np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6.0)
    mode = Mode.ADD if signed > 0 else Mode.CUT
    if mode is Mode.CUT:
        triangles = triangles[:, ::-1].copy()
    solid = mesh_solid(points, triangles)
    if solid is None or abs(signed) < _LEAST_PIECE * volume:
        return None
    return Piece(points, triangles, solid, mode, _bearing(mine, facets), _count_rims(mine, facets))


def _count_rims(mine: NDArray[np.bool_], facets: Facets) -> int:
    edges = facets.edges[mine[facets.sides[:, 0]] != mine[facets.sides[:, 1]]]
    places, index = np.unique(edges, return_inverse=True)
    return int(components(len(places), index.reshape(edges.shape)).max()) + 1


def _bearing(mine: NDArray[np.bool_], facets: Facets) -> Floats:
    """Normal of the largest facet that the piece hangs on."""
    across = mine[facets.sides[:, 0]] != mine[facets.sides[:, 1]]
    outside = np.where(mine[facets.sides[across, 0]], facets.sides[across, 1], facets.sides[across, 0])
    bearers = np.unique(facets.of_triangle[outside])
    return np.asarray(facets.normal[bearers[np.argmax(facets.area[bearers])]])


def _closed(vertices: Floats, faces: Ints, mine: NDArray[np.bool_], facets: Facets) -> tuple[Floats, Ints] | None:
    """The triangles `mine` with flat caps over the loops that they end at; None where a cap can't be drawn."""
    across = mine[facets.sides[:, 0]] != mine[facets.sides[:, 1]]
    edges, sides = facets.edges[across], facets.sides[across]
    inside = np.where(mine[sides[:, 0]], sides[:, 0], sides[:, 1])
    corners = faces[inside]
    at = np.argmax(corners == edges[:, :1], axis=1)
    along = corners[np.arange(len(at)), (at + 1) % 3] == edges[:, 1]
    # caps run against the triangles' own sense
    following = dict(
        zip(
            np.where(along, edges[:, 1], edges[:, 0]).tolist(),
            np.where(along, edges[:, 0], edges[:, 1]).tolist(),
            strict=True,
        )
    )
    if len(following) != len(edges):
        return None
    loops = closed_loops(following)
    if loops is None:
        return None
    caps = [faces[mine]]
    for loop in loops:
        ring = np.array(loop, dtype=np.int64)
        local = _cap_frame(vertices[ring]).to_local(vertices[ring])[:, :2]
        triangles = np.asarray(m3.triangulate([np.ascontiguousarray(local)], 0.0))
        if len(triangles) != len(ring) - 2:
            return None
        caps.append(ring[triangles])
    return vertices, np.vstack(caps)


def _cap_frame(points: Floats) -> Frame:
    """A frame on a flat loop (n, 3), its z the side from which the loop runs counter-clockwise."""
    middle = points.mean(axis=0)
    arms = points - middle
    normal = np.cross(arms, np.roll(arms, -1, axis=0)).sum(axis=0)
    return frame_along(normal, middle, np.eye(3)[int(np.argmin(np.abs(normal)))])


def _compact(vertices: Floats, faces: Ints) -> tuple[Floats, Ints]:
    used, index = np.unique(faces, return_inverse=True)
    return vertices[used], index.reshape(faces.shape).astype(np.int64)

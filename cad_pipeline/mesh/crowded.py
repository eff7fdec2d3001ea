"""Edges where more than two faces meet, taken apart into edges of two."""

from __future__ import annotations

import numpy as np

from cad_pipeline.mesh.edges import Edges
from cad_pipeline.mesh.raw import Floats, Ints

__all__ = ["split_crowded_edges"]

MAX_CROWDED_EDGES = 50_000


def split_crowded_edges(vertices: Floats, faces: Ints, edges: Edges) -> tuple[Floats, Ints, int]:
    """Take apart edges shared by four, six… faces into edges of two; return vertices, faces and how many were.

    Around the edge the faces are sorted by angle and those that bound one wedge of material stay together. Where
    bodies only touch, vertices are doubled. Where one sheet runs through the same edge twice, that can't part them
    and the edges get middles of their own.
    """
    pairs = _paired(vertices, faces, edges)
    if not pairs:
        return vertices, faces, 0
    vertices, faces = _double_vertices(vertices, faces, np.concatenate(pairs))
    again = _paired(vertices, faces, Edges.of(faces))
    if again:
        vertices, faces = _halve_edges(vertices, faces, np.concatenate([group[1:] for group in again]))
    return vertices, faces, len(pairs)


def _paired(vertices: Floats, faces: Ints, edges: Edges) -> list[Ints]:
    """For each crowded edge that can be taken apart the pairs of half-edges that belong together, (k, 2)."""
    if len(edges.crowded) > MAX_CROWDED_EDGES:
        return []
    found: list[Ints] = []
    for group in edges.crowded:
        members = edges.order[edges.starts[group] : edges.starts[group] + edges.counts[group]]
        pairs = _wedges(vertices, faces, edges, members)
        if pairs:
            found.append(np.array(pairs, np.int64))
    return found


def _double_vertices(vertices: Floats, faces: Ints, pairs: Ints) -> tuple[Floats, Ints]:
    """Give each fan of faces around the ends of the paired half-edges a vertex of its own."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    edges = Edges.of(faces)
    joined = np.concatenate([edges.pairs[edges.agreeing], pairs])
    after = 3 * (joined // 3) + (joined % 3 + 1) % 3
    rows, cols = joined.T.ravel(), after[:, ::-1].T.ravel()
    corners = 3 * len(faces)
    graph = coo_array((np.ones(len(rows), np.int8), (rows, cols)), shape=(corners, corners))
    _, fan = connected_components(graph, directed=False)
    flat = faces.ravel().copy()
    touched = np.flatnonzero(np.isin(flat, np.unique(edges.half[pairs[:, 0]])))
    _, first, inverse = np.unique(fan[touched], return_index=True, return_inverse=True)
    old = flat[touched[first]]
    _, keeper = np.unique(old, return_index=True)  # one fan keeps the old number, the others get new ones
    number = np.full(len(first), -1, np.int64)
    number[keeper] = old[keeper]
    fresh = number < 0
    number[fresh] = len(vertices) + np.arange(fresh.sum())
    flat[touched] = number[inverse]
    return np.concatenate([vertices, vertices[old[fresh]]]), flat.reshape(-1, 3)


def _halve_edges(vertices: Floats, faces: Ints, pairs: Ints) -> tuple[Floats, Ints]:
    """Put a vertex in the middle of each paired edge; a face with two such edges gets only the first."""
    gone: set[int] = set()
    fresh: list[tuple[int, int, int]] = []
    middles: list[Floats] = []
    for one, other in pairs.tolist():
        if one // 3 in gone or other // 3 in gone:
            continue
        gone |= {one // 3, other // 3}
        middle = len(vertices) + len(middles)
        for half_edge in (one, other):
            a, b, c = (int(faces[half_edge // 3, (half_edge + k) % 3]) for k in range(3))
            fresh += [(a, middle, c), (middle, b, c)]
        middles.append((vertices[a] + vertices[b]) / 2)
    rest = np.delete(faces, sorted(gone), axis=0)
    return np.concatenate([vertices, np.array(middles)]), np.concatenate([rest, np.array(fresh, np.int64)])


def _wedges(vertices: Floats, faces: Ints, edges: Edges, members: Ints) -> list[tuple[int, int]]:
    """Pair the half-edges of one crowded edge by the material between them; empty when they don't alternate."""
    a, b = edges.half[members[0]]
    axis = vertices[b] - vertices[a]
    length = float(np.linalg.norm(axis))
    if length == 0.0 or len(members) % 2:
        return []
    axis = axis / length
    third = vertices[faces[members // 3, (members % 3 + 2) % 3]] - vertices[a]
    third -= (third @ axis)[:, None] * axis
    u = third[0] / max(float(np.linalg.norm(third[0])), np.finfo(float).tiny)
    # Rounded, and with -180° as 180°, so that faces which coincide also tie.
    angle = np.round(np.mod(np.arctan2(third @ np.cross(axis, u), third @ u) + 1e-7, 2 * np.pi), 6)
    forward = edges.half[members, 0] == a
    # Going round, material ends at a forward face. Where faces coincide, first take them as two bodies that touch
    # (material ends, then begins again); if the senses then don't alternate, as a fold without thickness.
    for tie in (~forward, forward):
        around = np.lexsort((tie, angle))
        sense = forward[around]
        if not (sense == np.roll(sense, 1)).any():
            ring = members[around]
            return [(int(ring[k]), int(ring[k - 1])) for k in range(len(ring)) if sense[k]]
    return []

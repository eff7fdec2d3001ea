"""Joining vertices that are the same point: exactly, within rounding noise, and across T-junctions."""

from __future__ import annotations

from itertools import chain, pairwise

import numpy as np

from cad_pipeline.mesh.edges import Edges
from cad_pipeline.mesh.raw import Floats, Ints

__all__ = ["drop_flat_indices", "drop_unused", "split_t_junctions", "weld_equal", "weld_near_open"]

NEIGHBOURS = 6
MAX_T_PASSES = 4
MAX_OPEN_EDGES = 60_000
MAX_NEAR = 10_000_000


def weld_equal(vertices: Floats, faces: Ints) -> tuple[Floats, Ints]:
    """Join vertices with identical numbers, kept in order of first appearance."""
    points = np.ascontiguousarray(vertices + 0.0)  # + 0.0 makes -0.0 and 0.0 the same bits
    bits = points.view(np.uint64)
    key = bits[:, 0] * np.uint64(0x9E3779B97F4A7C15)
    for column in (1, 2):
        key ^= key >> np.uint64(29)
        key = (key + bits[:, column]) * np.uint64(0xBF58476D1CE4E5B9)
    key ^= key >> np.uint64(32)
    order = np.argsort(key)
    new = np.concatenate([[True], key[order[1:]] != key[order[:-1]]])
    first = np.minimum.reduceat(order, np.flatnonzero(new))
    inverse = np.empty(len(order), np.int64)
    inverse[order] = np.cumsum(new) - 1
    if not np.array_equal(points[first[inverse]], points):  # two different points with one key
        _, first, inverse = np.unique(points, axis=0, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    in_order = np.argsort(first)
    rank[in_order] = np.arange(len(first))
    return points[first[in_order]], rank[inverse.reshape(-1)][faces]


def drop_flat_indices(faces: Ints) -> Ints:
    """Drop triangles that name a vertex twice; the same array comes back when there are none."""
    a, b, c = faces.T
    keep = (a != b) & (b != c) & (c != a)
    return faces if keep.all() else np.asarray(faces[keep], np.int64)


def drop_unused(vertices: Floats, faces: Ints) -> tuple[Floats, Ints]:
    """Drop vertices that no triangle names; the order stays."""
    used = np.zeros(len(vertices), bool)
    used[faces] = True
    number = np.cumsum(used) - 1
    return vertices[used], number[faces]


def weld_near_open(vertices: Floats, faces: Ints, edges: Edges, tolerances: tuple[float, ...]) -> tuple[Ints, int]:
    """Join vertices on open edges that lie closer than a tolerance; return the faces and how many vertices went.

    Tolerances are tried from small to large. Only vertices on open edges move together, never the two ends of one
    edge, never further than a quarter of the shortest open edge there, and only if fewer edges are open afterwards:
    so a fine detail can't be melted away by a coarse tolerance.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components
    from scipy.spatial import cKDTree

    gone = 0
    for tolerance in tolerances:
        rim = edges.half[edges.open]
        if not len(rim):
            break
        ids = np.unique(rim)
        reach = np.full(len(vertices), np.inf)
        lengths = np.linalg.norm(vertices[rim[:, 0]] - vertices[rim[:, 1]], axis=1)
        for end in (0, 1):
            np.minimum.at(reach, rim[:, end], lengths)
        near, other = cKDTree(vertices[ids]).query(vertices[ids], k=NEIGHBOURS, distance_upper_bound=tolerance)
        left, column = np.nonzero(np.isfinite(near))
        right = other[left, column]
        keep = (left < right) & (near[left, column] <= 0.25 * np.minimum(reach[ids[left]], reach[ids[right]]))
        left, right = left[keep], right[keep]
        if not len(left):
            continue
        graph = coo_array((np.ones(len(left), np.int8), (left, right)), shape=(len(ids), len(ids)))
        _, label = connected_components(graph, directed=False)
        _, first = np.unique(label, return_index=True)
        target = np.arange(len(vertices))
        target[ids] = ids[first[label]]
        joined = drop_flat_indices(target[faces])
        after = Edges.of(joined)
        # Joining may lay bare a few edges that really are crowded, but must not make more of them than it closes.
        if len(after.open) + 4 * len(after.crowded) < len(edges.open) + 4 * len(edges.crowded):
            gone += len(ids) - len(first)
            faces, edges = joined, after
    return faces, gone


def split_t_junctions(vertices: Floats, faces: Ints, edges: Edges, tolerance: float) -> tuple[Ints, int]:
    """Split triangles whose open edge has other open vertices on it; return the faces and how many were split.

    A pass that leaves no fewer open edges than before is taken back.
    """
    split = 0
    for _ in range(MAX_T_PASSES):
        if not 0 < len(edges.open) <= MAX_OPEN_EDGES:
            break
        cut = _points_on_open_edges(vertices, edges, tolerance)
        if not cut:
            break
        fresh: list[tuple[int, int, int]] = []
        hit: set[int] = set()
        for half_edge, inner in cut.items():
            face, corner = divmod(half_edge, 3)
            if face in hit:
                continue
            hit.add(face)
            a, b, c = (int(faces[face, (corner + k) % 3]) for k in range(3))
            if c in inner:
                continue
            fresh += [(p, q, c) for p, q in pairwise([a, *inner, b])]
        rest = np.delete(faces, sorted(hit), axis=0)
        candidate = np.concatenate([rest, np.array(fresh, np.int64).reshape(-1, 3)])
        after = Edges.of(candidate)
        if len(after.open) >= len(edges.open):
            break
        faces, edges, split = candidate, after, split + len(hit)
    return faces, split


def _points_on_open_edges(vertices: Floats, edges: Edges, tolerance: float) -> dict[int, list[int]]:
    from scipy.spatial import cKDTree

    rim = edges.half[edges.open]
    ids = np.unique(rim)
    points = vertices[ids]
    start, end = vertices[rim[:, 0]], vertices[rim[:, 1]]
    length = np.linalg.norm(end - start, axis=1)
    tree, middle, reach = cKDTree(points), (start + end) / 2, length / 2 + tolerance
    if tree.query_ball_point(middle, reach, return_length=True).sum() > MAX_NEAR:
        return {}
    found = tree.query_ball_point(middle, reach, return_sorted=False)
    edge = np.repeat(np.arange(len(rim)), [len(near) for near in found])
    point = np.fromiter(chain.from_iterable(found), np.int64, len(edge))
    direction = (end - start) / np.maximum(length, np.finfo(float).tiny)[:, None]
    away = points[point] - start[edge]
    along = np.einsum("ij,ij->i", away, direction[edge])
    off = np.linalg.norm(away - along[:, None] * direction[edge], axis=1)
    on = (off <= tolerance) & (along > tolerance) & (along < length[edge] - tolerance)
    on &= (ids[point] != rim[edge, 0]) & (ids[point] != rim[edge, 1])
    edge, point, along = edge[on], point[on], along[on]
    cut: dict[int, list[int]] = {}
    for k in np.lexsort((along, edge)):
        cut.setdefault(int(edges.open[edge[k]]), []).append(int(ids[point[k]]))
    return cut

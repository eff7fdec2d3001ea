"""Closing holes: rims of open edges are traced and covered with triangles that continue their surroundings."""

from __future__ import annotations

import numpy as np

from cad_pipeline.mesh.edges import Edges
from cad_pipeline.mesh.raw import Floats, Ints

__all__ = ["cover_loop", "fill_holes", "rims"]

MAX_RIM = 200
EARCUT_FROM = 40
MAX_STEPS = 120_000
"""Steps of dynamic programming for all holes of a mesh together: about ten seconds."""


def rims(edges: Edges) -> list[list[int]]:
    """Trace the open half-edges into simple loops, each a list of half-edges in the order of the hole's own winding.

    Where loops touch in a vertex, a loop is cut off as soon as the walk meets a vertex again. Walks that end blindly
    (possible only where more than two faces share an edge) are left out.
    """
    leaving: dict[int, list[int]] = {}
    for half_edge in edges.open:
        leaving.setdefault(int(edges.half[half_edge, 1]), []).append(int(half_edge))
    loops: list[list[int]] = []
    for start in list(leaving):
        while leaving.get(start):
            walk: list[int] = []
            seen: dict[int, int] = {}
            at = start
            while True:
                if at in seen:
                    loop = walk[seen[at] :]
                    loops.append(loop)
                    for half_edge in loop:
                        seen.pop(int(edges.half[half_edge, 1]), None)
                    del walk[len(walk) - len(loop) :]
                seen[at] = len(walk)
                choices = leaving.get(at)
                if not choices:
                    break
                step = choices.pop()
                walk.append(step)
                at = int(edges.half[step, 0])
    return [loop for loop in loops if len(loop) > 2]


def fill_holes(vertices: Floats, faces: Ints, edges: Edges) -> tuple[Ints, int, float, int]:
    """Cover the holes; return faces (the new ones last), holes closed, length of the longest rim, holes left open.

    Rims of more than `MAX_RIM` edges are covered only if flat, and so are all once `MAX_STEPS` are spent.
    """
    new: list[Ints] = []
    longest, left, steps = 0.0, 0, 0
    for loop in rims(edges):
        half = np.array(loop, np.int64)
        ring = edges.half[half, 1]
        longest_rim = MAX_RIM if steps < MAX_STEPS else 3
        patch = _cover(vertices, faces, ring, half, longest_rim)
        if patch is None:
            left += 1
            continue
        steps += len(loop) ** 2 // 2 if 3 < len(loop) <= longest_rim else 0
        new.append(patch)
        longest = max(longest, float(np.linalg.norm(vertices[ring] - vertices[np.roll(ring, -1)], axis=1).sum()))
    return np.concatenate([faces, *new]) if new else faces, len(new), longest, left


def _cover(vertices: Floats, faces: Ints, ring: Ints, half: Ints, longest_rim: int) -> Ints | None:
    if len(ring) == 3:
        return ring[None, :]
    if len(ring) >= EARCUT_FROM or len(ring) > longest_rim:
        flat = _cover_flat(vertices[ring])
        if flat is not None:
            return ring[flat]
        if len(ring) > longest_rim:
            return None
    return ring[_cover_smooth(vertices[ring], unit_normals(vertices, faces[half // 3]))]


def cover_loop(points: Floats, longest_bent: int) -> Ints | None:
    """Triangulate a free loop of points (k, 3) in its own winding, (k - 2, 3).

    None if it is not flat and has more than `longest_bent` points.
    """
    flat = _cover_flat(points)
    if flat is not None or len(points) > longest_bent:
        return flat
    return _cover_smooth(points, np.zeros_like(points))


def unit_normals(vertices: Floats, faces: Ints) -> Floats:
    """Unit normals of faces, (m, 3); zero for a triangle without area."""
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    return _unit(np.cross(b - a, c - a))


def _unit(vectors: Floats) -> Floats:
    length = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0), np.float64)


def _cover_flat(points: Floats) -> Ints | None:
    """Ear-cut a flat loop, (k - 2, 3); None when it is not flat or its points are in line."""
    import mapbox_earcut

    after = np.roll(points, -1, axis=0)
    centre = points.mean(axis=0)
    area_vector = np.cross(points - centre, after - centre).sum(axis=0)
    double_area = float(np.linalg.norm(area_vector))
    size = float(np.ptp(points, axis=0).max())
    if double_area <= 1e-9 * size * size:
        return None
    normal = area_vector / double_area
    if float(np.abs((points - centre) @ normal).max()) > 1e-4 * size:
        return None
    u = _unit(np.cross(normal, np.eye(3)[np.argmin(np.abs(normal))]))
    flat = np.stack([(points - centre) @ u, (points - centre) @ np.cross(normal, u)], axis=1)
    cut = mapbox_earcut.triangulate_float64(flat, np.array([len(flat)], np.uint32)).astype(np.int64).reshape(-1, 3)
    if len(cut) != len(points) - 2:
        return None
    a, b, c = (flat[cut[:, k]] for k in range(3))
    signed = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    cut = np.where((signed < 0)[:, None], cut[:, ::-1], cut)
    return cut if abs(np.abs(signed).sum() - double_area) <= 1e-3 * double_area else None


def _cover_smooth(points: Floats, beyond: Floats) -> Ints:
    """Triangulate a loop in space with the fewest creases, (k - 2, 3).

    Dynamic programming over sub-polygons as in Barequet & Sharir (1995) and Liepa (2003), with another weight: the sum
    of square roots of the angles at all edges, rim included. A machined part has few sharp edges and flat faces, so
    one crease of 90° must cost less than four of 50°; the largest angle or the least area would cut corners off.
    """
    k = len(points)
    size2 = float(np.ptp(points, axis=0).max()) ** 2 or 1.0
    cost = np.zeros((k, k))
    apex = np.zeros((k, k), np.int64)
    normal = np.zeros((k, k, 3))
    edge = np.arange(k - 1)
    normal[edge, edge + 1] = beyond[:-1]
    for gap in range(2, k):
        for i in range(k - gap):
            j = i + gap
            m = np.arange(i + 1, j)
            cross = np.cross(points[m] - points[i], points[j] - points[i])
            area = np.linalg.norm(cross, axis=1)
            unit = _unit(cross)
            price = cost[i, m] + cost[m, j] + 0.1 * area / size2
            price += _crease(unit, normal[i, m]) + _crease(unit, normal[m, j])
            price += np.where(area <= 1e-12 * size2, 4.0, 0.0)
            if gap == k - 1:
                price += _crease(unit, beyond[-1])
            best = int(np.argmin(price))
            cost[i, j], apex[i, j], normal[i, j] = price[best], m[best], unit[best]
    out: list[tuple[int, int, int]] = []
    todo = [(0, k - 1)]
    while todo:
        i, j = todo.pop()
        if j - i < 2:
            continue
        middle = int(apex[i, j])
        out.append((i, middle, j))
        todo += [(i, middle), (middle, j)]
    return np.array(out, np.int64)


def _crease(left: Floats, right: Floats) -> Floats:
    cosine = np.clip((left * right).sum(axis=-1), -1.0, 1.0)
    return np.asarray(np.sqrt(np.arccos(cosine) / np.pi))

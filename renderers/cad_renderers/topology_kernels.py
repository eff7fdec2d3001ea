"""Compiled passes over triangles, in linear time: welding, edges, groups of corners that share a smooth normal."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cad_renderers.compiled import compiled

__all__ = [
    "corner_groups",
    "drop_specks",
    "edge_cosines",
    "face_geometry",
    "find",
    "group_normals",
    "inherit_normals",
    "join_regions",
    "paired_edges",
    "region_areas",
    "weld",
]

I32 = NDArray[np.int32]
F64 = NDArray[np.float64]


@compiled
def weld(points: F64, tolerance: float) -> tuple[I32, int]:
    """Number points (n, 3) so that those in the same cell of `tolerance` share a number, in order of appearance."""
    n = len(points)
    size = 16
    while size < 2 * n:
        size *= 2
    table = np.zeros(size, dtype=np.int32)  # 0 is free; else a point's number plus one
    cells = np.empty((n, 3), dtype=np.int64)
    number = np.empty(n, dtype=np.int32)
    count = 0
    for i in range(n):
        x = np.int64(np.rint(points[i, 0] / tolerance))
        y = np.int64(np.rint(points[i, 1] / tolerance))
        z = np.int64(np.rint(points[i, 2] / tolerance))
        cells[i, 0], cells[i, 1], cells[i, 2] = x, y, z
        mixed = x * np.int64(73856093) ^ y * np.int64(19349663) ^ z * np.int64(83492791)
        slot = (mixed ^ (mixed >> 17)) & (size - 1)
        while True:
            other = table[slot] - 1
            if other < 0:
                table[slot] = i + 1
                number[i] = count
                count += 1
                break
            if cells[other, 0] == x and cells[other, 1] == y and cells[other, 2] == z:
                number[i] = number[other]
                break
            slot = (slot + 1) & (size - 1)
    return number, count


@compiled
def paired_edges(faces: I32, n_vertices: int) -> tuple[I32, I32]:
    """Pair the half-edges of `faces` (m, 3) by their end points with two counting sorts.

    Returns `halves` (e, 2), the half-edges `3·face + corner` of each edge with -1 for a missing second one, and `uses`
    (e,), how many triangles share the edge (of more than two, the first two are named).
    """
    count = 3 * len(faces)
    low = np.empty(count, dtype=np.int32)
    high = np.empty(count, dtype=np.int32)
    for h in range(count):
        a = faces[h // 3, h % 3]
        b = faces[h // 3, (h + 1) % 3]
        low[h], high[h] = min(a, b), max(a, b)
    order = np.empty(count, dtype=np.int32)
    for h in range(count):
        order[h] = h
    for turn in range(2):
        key = high if turn == 0 else low
        start = np.zeros(n_vertices + 1, dtype=np.int64)
        for h in range(count):
            start[key[h] + 1] += 1
        for v in range(n_vertices):
            start[v + 1] += start[v]
        sorted_order = np.empty(count, dtype=np.int32)
        for i in range(count):
            h = order[i]
            sorted_order[start[key[h]]] = h
            start[key[h]] += 1
        order = sorted_order
    halves = np.empty((count, 2), dtype=np.int32)
    uses = np.empty(count, dtype=np.int32)
    n_edges = 0
    i = 0
    while i < count:
        j = i + 1
        while j < count and low[order[j]] == low[order[i]] and high[order[j]] == high[order[i]]:
            j += 1
        halves[n_edges, 0] = order[i]
        halves[n_edges, 1] = order[i + 1] if j > i + 1 else -1
        uses[n_edges] = j - i
        n_edges += 1
        i = j
    return halves[:n_edges], uses[:n_edges]


@compiled
def face_geometry(points: F64, faces: I32, thin: float) -> tuple[F64, F64, NDArray[np.uint8], I32, float]:
    """Measure triangles: unit normals (m, 3), areas (m,), `sliver` flags, longest half-edge (m,), enclosed volume.

    A triangle whose height is below `thin` is a sliver: its normal says nothing and is left zero.
    """
    m = len(faces)
    normals = np.zeros((m, 3))
    areas = np.zeros(m)
    sliver = np.zeros(m, dtype=np.uint8)
    longest = np.empty(m, dtype=np.int32)
    volume = 0.0
    for f in range(m):
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        ax, ay, az = points[a, 0], points[a, 1], points[a, 2]
        ux, uy, uz = points[b, 0] - ax, points[b, 1] - ay, points[b, 2] - az
        vx, vy, vz = points[c, 0] - ax, points[c, 1] - ay, points[c, 2] - az
        wx, wy, wz = vx - ux, vy - uy, vz - uz
        nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
        volume += (ax * nx + ay * ny + az * nz) / 6.0
        length = np.sqrt(nx * nx + ny * ny + nz * nz)
        k, side = 0, ux * ux + uy * uy + uz * uz
        if wx * wx + wy * wy + wz * wz > side:
            k, side = 1, wx * wx + wy * wy + wz * wz
        if vx * vx + vy * vy + vz * vz > side:
            k, side = 2, vx * vx + vy * vy + vz * vz
        longest[f] = 3 * f + k
        areas[f] = 0.5 * length
        if length <= thin * np.sqrt(side):
            sliver[f] = 1
        else:
            normals[f, 0], normals[f, 1], normals[f, 2] = nx / length, ny / length, nz / length
    return normals, areas, sliver, longest, volume


@compiled
def inherit_normals(
    halves: I32, turned: NDArray[np.int8], normals: F64, sliver: NDArray[np.uint8], longest: I32
) -> int:
    """Give each sliver the normal of its neighbour across its longest edge, in place; return how many received one."""
    given = 0
    for e in range(len(halves)):
        for side in range(2):
            h, other = halves[e, side], halves[e, 1 - side]
            if h < 0 or other < 0:
                continue
            f, g = h // 3, other // 3
            if sliver[f] == 1 and sliver[g] != 1 and longest[f] == h:
                for k in range(3):
                    normals[f, k] = turned[e] * normals[g, k]
                sliver[f] = 2
                given += 1
    return given


@compiled
def edge_cosines(normals: F64, edge_faces: I32, turned: NDArray[np.int8]) -> F64:
    """Compute the cosine of the turn between the two triangles of each edge (e,); beyond a border it says nothing."""
    cosines = np.zeros(len(edge_faces))
    for e in range(len(edge_faces)):
        f, g = edge_faces[e, 0], edge_faces[e, 1]
        if g >= 0:
            dot = normals[f, 0] * normals[g, 0] + normals[f, 1] * normals[g, 1] + normals[f, 2] * normals[g, 2]
            cosines[e] = turned[e] * dot
    return cosines


@compiled
def region_areas(regions: I32, areas: F64) -> F64:
    """Sum the areas of the triangles of each region and give each triangle (m,) its region's."""
    sums = np.zeros(len(regions))
    for f in range(len(regions)):
        sums[regions[f]] += areas[f]
    out = np.empty(len(regions))
    for f in range(len(regions)):
        out[f] = sums[regions[f]]
    return out


@compiled
def own_roots(count: int) -> I32:
    """Start a forest in which each of `count` things is its own root."""
    parent = np.empty(count, dtype=np.int32)
    for i in range(count):
        parent[i] = i
    return parent


@compiled
def find(parent: I32, i: int) -> int:
    """Find the root of `i`, halving the path."""
    while parent[i] != i:
        parent[i] = parent[parent[i]]
        i = parent[i]
    return i


@compiled
def join_regions(halves: I32, cosines: F64, flat_cosine: float, n_faces: int) -> I32:
    """Join faces across edges that turn less than the flat limit; return each face's region (m,), named by a face."""
    parent = own_roots(n_faces)
    for e in range(len(halves)):
        if halves[e, 1] >= 0 and cosines[e] >= flat_cosine:
            a, b = find(parent, halves[e, 0] // 3), find(parent, halves[e, 1] // 3)
            if a != b:
                parent[max(a, b)] = min(a, b)
    for f in range(n_faces):
        parent[f] = find(parent, f)
    return parent


@compiled
def drop_specks(points: F64, edge_vertices: I32, kind: NDArray[np.uint8], shortest: float) -> None:
    """Turn connected lines that are shorter than `shortest` in all into smooth edges, in place.

    Slivers leave such specks, which no picture can show as what they are.
    """
    parent = own_roots(len(points))
    length = np.zeros(len(points))
    for e in range(len(kind)):
        if kind[e] == 1:
            a, b = find(parent, edge_vertices[e, 0]), find(parent, edge_vertices[e, 1])
            if a != b:
                parent[max(a, b)] = min(a, b)
    for sweep in range(2):
        for e in range(len(kind)):
            if kind[e] == 0:
                continue
            p, q = edge_vertices[e, 0], edge_vertices[e, 1]
            root = find(parent, p)
            if sweep == 0:
                dx, dy, dz = points[p, 0] - points[q, 0], points[p, 1] - points[q, 1], points[p, 2] - points[q, 2]
                length[root] += np.sqrt(dx * dx + dy * dy + dz * dz)
            elif length[root] < shortest:
                kind[e] = 0


@compiled
def corner_groups(faces: I32, halves: I32, smooth: NDArray[np.uint8]) -> tuple[I32, int]:
    """Number the corners (m, 3) so that those around a vertex that are linked by smooth edges share a number."""
    m = len(faces)
    parent = own_roots(3 * m)
    for e in range(len(halves)):
        if smooth[e] == 0:
            continue
        f, k = halves[e, 0] // 3, halves[e, 0] % 3
        g, j = halves[e, 1] // 3, halves[e, 1] % 3
        # A neighbour of the same sense runs along the edge the other way: its next corner is our first one.
        for end in range(2):
            ra = find(parent, 3 * f + (k + end) % 3)
            rb = find(parent, 3 * g + (j + 1 - end) % 3)
            if ra != rb:
                parent[max(ra, rb)] = min(ra, rb)
    groups = np.empty((m, 3), dtype=np.int32)
    number = np.zeros(3 * m, dtype=np.int32)  # 0 is none yet; else the group's number plus one
    count = 0
    for c in range(3 * m):
        root = find(parent, c)
        if number[root] == 0:
            count += 1
            number[root] = count
        groups[c // 3, c % 3] = number[root] - 1
    return groups, count


@compiled
def group_normals(
    points: F64, faces: I32, normals: F64, weights: F64, groups: I32, n_groups: int
) -> tuple[F64, NDArray[np.uint8]]:
    """Average face normals over each group of corners, weighted by corner angle and `weights` (m,).

    Returns unit normals (k, 3) and a flag for each face whose three corners agree.
    """
    sums = np.zeros((n_groups, 3))
    for f in range(len(faces)):
        for k in range(3):
            p, q, r = faces[f, k], faces[f, (k + 1) % 3], faces[f, (k + 2) % 3]
            dot, uu, vv = 0.0, 0.0, 0.0
            for i in range(3):
                u, v = points[q, i] - points[p, i], points[r, i] - points[p, i]
                dot += u * v
                uu += u * u
                vv += v * v
            scale = np.sqrt(uu * vv)
            cosine = min(1.0, max(-1.0, dot / scale)) if scale > 0.0 else 1.0
            weight = weights[f] * (np.arccos(cosine) + 1e-9)
            g = groups[f, k]
            for i in range(3):
                sums[g, i] += weight * normals[f, i]
    for g in range(n_groups):
        length = np.sqrt(sums[g, 0] ** 2 + sums[g, 1] ** 2 + sums[g, 2] ** 2)
        if length > 0.0:
            for i in range(3):
                sums[g, i] /= length
    flat = np.zeros(len(faces), dtype=np.uint8)
    for f in range(len(faces)):
        ab, ac = 0.0, 0.0
        for i in range(3):
            own = sums[groups[f, 0], i]
            ab += own * sums[groups[f, 1], i]
            ac += own * sums[groups[f, 2], i]
        flat[f] = 1 if min(ab, ac) > 1.0 - 1e-7 else 0
    return sums, flat

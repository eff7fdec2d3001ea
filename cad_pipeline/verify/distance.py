"""Exact distances from points to triangles, through a tree of boxes."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cad_pipeline.verify.compiled import compiled

__all__ = ["TriangleTree"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TriangleTree:
    """A binary tree of boxes over triangles (m, 9), sorted so that every node holds a range of them.

    Node k has the box `boxes[k]` (low, high), and either children `links[k] = (left, right)` or, as a leaf,
    the triangles `links[k] = (-first - 1, count)`. `order` gives the caller's number of each sorted triangle.
    """

    triangles: NDArray[np.float64]
    normals: NDArray[np.float64]
    order: NDArray[np.int64]
    boxes: NDArray[np.float64]
    links: NDArray[np.int64]

    @classmethod
    def over(cls, corners: NDArray[np.float64]) -> TriangleTree:
        """Build the tree over triangles (m, 3, 3)."""
        low, high = corners.min(axis=1), corners.max(axis=1)
        order, boxes, links = _build(np.ascontiguousarray(low), np.ascontiguousarray(high))
        sorted_corners = corners[order]
        cross = np.cross(sorted_corners[:, 1] - sorted_corners[:, 0], sorted_corners[:, 2] - sorted_corners[:, 0])
        length = np.linalg.norm(cross, axis=1)[:, None]
        normals = np.divide(cross, length, out=np.zeros_like(cross), where=length > 0.0)
        return cls(
            triangles=np.ascontiguousarray(sorted_corners.reshape(-1, 9)),
            normals=normals,
            order=order,
            boxes=boxes,
            links=links,
        )

    def distances(self, points: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Find for each point (n, 3) its distance to the nearest triangle and that triangle's number, both (n,).

        Neighbours in the list that are neighbours in space make it faster. Closest points after Ericson,
        Real-Time Collision Detection (2005), section 5.1.5.
        """
        distance, nearest = _nearest(np.ascontiguousarray(points), self.triangles, self.boxes, self.links)
        return distance, self.order[nearest]

    def near(
        self, points: NDArray[np.float64], normals: NDArray[np.float64], radius: float, cosine: float
    ) -> NDArray[np.bool_]:
        """Say for each point (n, 3) whether some triangle within `radius` has a normal at least `cosine` alike."""
        return _near(
            np.ascontiguousarray(points),
            np.ascontiguousarray(normals),
            self.triangles,
            self.normals,
            self.boxes,
            self.links,
            radius,
            cosine,
        )


@compiled
def _build(
    low: NDArray[np.float64], high: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
    """Split at the middle of the longest side of the centres' box, by halves where that separates nothing."""
    n = low.shape[0]
    order = np.arange(n)
    boxes = np.empty((2 * n, 6), np.float64)
    links = np.empty((2 * n, 2), np.int64)
    spread = np.empty((2, 3), np.float64)
    stack = np.empty((256, 4), np.int64)
    stack[0, 0], stack[0, 1], stack[0, 2], stack[0, 3] = 0, n, 0, 0
    waiting, used = 1, 1
    while waiting > 0:
        waiting -= 1
        first, last, node, depth = stack[waiting, 0], stack[waiting, 1], stack[waiting, 2], stack[waiting, 3]
        for axis in range(3):
            boxes[node, axis], boxes[node, 3 + axis] = np.inf, -np.inf
            spread[0, axis], spread[1, axis] = np.inf, -np.inf
            for i in range(first, last):
                t = order[i]
                boxes[node, axis] = min(boxes[node, axis], low[t, axis])
                boxes[node, 3 + axis] = max(boxes[node, 3 + axis], high[t, axis])
                centre = 0.5 * (low[t, axis] + high[t, axis])
                spread[0, axis] = min(spread[0, axis], centre)
                spread[1, axis] = max(spread[1, axis], centre)
        if last - first <= 4:
            links[node, 0], links[node, 1] = -first - 1, last - first
            continue
        widest = 0
        for axis in range(1, 3):
            if spread[1, axis] - spread[0, axis] > spread[1, widest] - spread[0, widest]:
                widest = axis
        middle = 0.5 * (spread[0, widest] + spread[1, widest])
        i, j = first, last - 1
        while i <= j:
            if 0.5 * (low[order[i], widest] + high[order[i], widest]) < middle:
                i += 1
            else:
                order[i], order[j] = order[j], order[i]
                j -= 1
        # Halving bounds the depth, and with it all stacks, whatever the spacing of the triangles.
        if i in (first, last) or depth > 64:
            i = (first + last) // 2
        links[node, 0], links[node, 1] = used, used + 1
        stack[waiting, 0], stack[waiting, 1], stack[waiting, 2], stack[waiting, 3] = first, i, used, depth + 1
        stack[waiting + 1, 0], stack[waiting + 1, 1] = i, last
        stack[waiting + 1, 2], stack[waiting + 1, 3] = used + 1, depth + 1
        waiting += 2
        used += 2
    return order, boxes[:used].copy(), links[:used].copy()


@compiled
def _square(x: float, y: float, z: float) -> float:
    return x * x + y * y + z * z


@compiled
def _box_distance2(boxes: NDArray[np.float64], node: int, x: float, y: float, z: float) -> float:
    dx = max(boxes[node, 0] - x, 0.0, x - boxes[node, 3])
    dy = max(boxes[node, 1] - y, 0.0, y - boxes[node, 4])
    dz = max(boxes[node, 2] - z, 0.0, z - boxes[node, 5])
    return _square(dx, dy, dz)


@compiled
def _triangle_distance2(t: NDArray[np.float64], px: float, py: float, pz: float) -> float:
    """Squared distance from a point to a triangle given as nine numbers."""
    abx, aby, abz = t[3] - t[0], t[4] - t[1], t[5] - t[2]
    acx, acy, acz = t[6] - t[0], t[7] - t[1], t[8] - t[2]
    x, y, z = px - t[0], py - t[1], pz - t[2]
    d1 = abx * x + aby * y + abz * z
    d2 = acx * x + acy * y + acz * z
    if d1 <= 0.0 and d2 <= 0.0:
        return _square(x, y, z)
    x, y, z = px - t[3], py - t[4], pz - t[5]
    d3 = abx * x + aby * y + abz * z
    d4 = acx * x + acy * y + acz * z
    if d3 >= 0.0 and d4 <= d3:
        return _square(x, y, z)
    vc = d1 * d4 - d3 * d2
    if vc <= 0.0 and d1 >= 0.0 and d3 <= 0.0 and d1 > d3:
        s = d1 / (d1 - d3)
        x, y, z = px - t[0] - s * abx, py - t[1] - s * aby, pz - t[2] - s * abz
        return _square(x, y, z)
    x, y, z = px - t[6], py - t[7], pz - t[8]
    d5 = abx * x + aby * y + abz * z
    d6 = acx * x + acy * y + acz * z
    if d6 >= 0.0 and d5 <= d6:
        return _square(x, y, z)
    vb = d5 * d2 - d1 * d6
    if vb <= 0.0 and d2 >= 0.0 and d6 <= 0.0 and d2 > d6:
        s = d2 / (d2 - d6)
        x, y, z = px - t[0] - s * acx, py - t[1] - s * acy, pz - t[2] - s * acz
        return _square(x, y, z)
    va = d3 * d6 - d5 * d4
    if va <= 0.0 and d4 - d3 >= 0.0 and d5 - d6 >= 0.0 and (d4 - d3) + (d5 - d6) > 0.0:
        s = (d4 - d3) / ((d4 - d3) + (d5 - d6))
        x, y, z = px - t[3] - s * (t[6] - t[3]), py - t[4] - s * (t[7] - t[4]), pz - t[5] - s * (t[8] - t[5])
        return _square(x, y, z)
    total = va + vb + vc
    if total <= 0.0:
        x, y, z = px - t[0], py - t[1], pz - t[2]
        return _square(x, y, z)
    s, r = vb / total, vc / total
    x = px - t[0] - s * abx - r * acx
    y = py - t[1] - s * aby - r * acy
    z = pz - t[2] - s * abz - r * acz
    return _square(x, y, z)


@compiled
def _nearest(
    points: NDArray[np.float64],
    triangles: NDArray[np.float64],
    boxes: NDArray[np.float64],
    links: NDArray[np.int64],
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    n = points.shape[0]
    distance = np.empty(n, np.float64)
    nearest = np.empty(n, np.int64)
    stack = np.empty(256, np.int64)
    bounds = np.empty(256, np.float64)
    hint = 0
    for p in range(n):
        x, y, z = points[p, 0], points[p, 1], points[p, 2]
        # The last point's triangle is a good first guess, and any guess is a correct bound.
        best = _triangle_distance2(triangles[hint], x, y, z)
        found = hint
        stack[0] = 0
        bounds[0] = _box_distance2(boxes, 0, x, y, z)
        depth = 1
        while depth > 0:
            depth -= 1
            if bounds[depth] >= best:
                continue
            left, right = links[stack[depth], 0], links[stack[depth], 1]
            if left < 0:
                for i in range(-left - 1, -left - 1 + right):
                    d = _triangle_distance2(triangles[i], x, y, z)
                    if d < best:
                        best = d
                        found = i
                continue
            dl = _box_distance2(boxes, left, x, y, z)
            dr = _box_distance2(boxes, right, x, y, z)
            if dl < dr:
                left, right, dl, dr = right, left, dr, dl
            if dl < best:
                stack[depth], bounds[depth] = left, dl
                depth += 1
            if dr < best:
                stack[depth], bounds[depth] = right, dr
                depth += 1
        distance[p] = math.sqrt(best)
        nearest[p] = found
        hint = found
    return distance, nearest


@compiled
def _near(
    points: NDArray[np.float64],
    point_normals: NDArray[np.float64],
    triangles: NDArray[np.float64],
    normals: NDArray[np.float64],
    boxes: NDArray[np.float64],
    links: NDArray[np.int64],
    radius: float,
    cosine: float,
) -> NDArray[np.bool_]:
    n = points.shape[0]
    found = np.zeros(n, np.bool_)
    stack = np.empty(256, np.int64)
    limit = radius * radius
    hint = 0
    for p in range(n):
        x, y, z = points[p, 0], points[p, 1], points[p, 2]
        nx, ny, nz = point_normals[p, 0], point_normals[p, 1], point_normals[p, 2]
        alike = normals[hint, 0] * nx + normals[hint, 1] * ny + normals[hint, 2] * nz >= cosine
        if alike and _triangle_distance2(triangles[hint], x, y, z) <= limit:
            found[p] = True
            continue
        stack[0] = 0
        depth = 1
        while depth > 0 and not found[p]:
            depth -= 1
            left, right = links[stack[depth], 0], links[stack[depth], 1]
            if left < 0:
                for i in range(-left - 1, -left - 1 + right):
                    alike = normals[i, 0] * nx + normals[i, 1] * ny + normals[i, 2] * nz >= cosine
                    if alike and _triangle_distance2(triangles[i], x, y, z) <= limit:
                        found[p] = True
                        hint = i
                        break
                continue
            if _box_distance2(boxes, left, x, y, z) <= limit:
                stack[depth] = left
                depth += 1
            if _box_distance2(boxes, right, x, y, z) <= limit:
                stack[depth] = right
                depth += 1
    return found

"""The compiled pen: antialiased lines along the edges that can be seen."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cad_renderers.compiled import compiled

__all__ = ["draw_edges"]

F64 = NDArray[np.float64]
I32 = NDArray[np.int32]


@compiled
def _hidden_by(f: int, x: float, y: float, z: float, screen: F64, faces: I32, slack: float) -> bool:
    """Tell whether triangle `f`, prolonged to (x, y) but not beyond its own depths, lies in front of depth `z`."""
    i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
    az, bz, cz = screen[i, 2], screen[j, 2], screen[k, 2]
    if z <= min(az, bz, cz) + slack:
        return False
    if z > max(az, bz, cz) + slack:
        return True
    ax, ay = screen[i, 0], screen[i, 1]
    bx, by = screen[j, 0] - ax, screen[j, 1] - ay
    cx, cy = screen[k, 0] - ax, screen[k, 1] - ay
    area = bx * cy - cx * by
    if area == 0.0:
        return False
    wb = ((x - ax) * cy - cx * (y - ay)) / area
    wc = (bx * (y - ay) - (x - ax) * by) / area
    return bool(az + wb * (bz - az) + wc * (cz - az) + slack < z)


@compiled
def _visible(x: float, y: float, z: float, ids: I32, screen: F64, faces: I32, slack: float) -> bool:
    """Tell whether a point of an edge is seen: at one of the four samples around it nothing lies in front of it.

    A silhouette has the ground or a farther surface on one side, a fold has its own triangles, whose planes meet it; so
    neither needs a depth offset, which would let lines shine through thin walls.
    """
    size = len(ids)
    column, row = int(np.floor(x - 0.5)), int(np.floor(y - 0.5))
    last = -1
    for i in range(2):
        for j in range(2):
            u, v = column + j, row + i
            if u < 0 or v < 0 or u >= size or v >= size:
                return True
            f = ids[v, u]
            if f < 0:
                return True
            if f != last and not _hidden_by(f, x, y, z, screen, faces, slack):
                return True
            last = f
    return False


@compiled
def draw_edges(
    ids: I32,
    samples: int,
    screen: F64,
    faces: I32,
    edge_vertices: I32,
    edge_faces: I32,
    edge_kind: NDArray[np.uint8],
    edge_turned: NDArray[np.int8],
    outward: bool,
    widths: F64,
    slack: float,
) -> F64:
    """Draw the edges that a viewer sees; return how much of each pixel they cover (p, p).

    `widths` (3,): of features, silhouettes and tangent borders, in pixels; 0 leaves them out. An edge is a silhouette
    if one of its triangles faces the viewer and the other does not.
    """
    pixels = len(ids) // samples
    ink = np.zeros((pixels, pixels))
    facing = np.zeros(len(faces), dtype=np.int8)
    for f in range(len(faces)):
        i, j, k = faces[f, 0], faces[f, 1], faces[f, 2]
        ax, ay = screen[i, 0], screen[i, 1]
        area = (screen[j, 0] - ax) * (screen[k, 1] - ay) - (screen[k, 0] - ax) * (screen[j, 1] - ay)
        facing[f] = 1 if area < 0.0 else -1
    scale = 1.0 / samples
    for e in range(len(edge_vertices)):
        f, g = edge_faces[e, 0], edge_faces[e, 1]
        outline = g < 0 or facing[f] != edge_turned[e] * facing[g]
        if outward and not outline and facing[f] < 0:
            continue
        width = widths[1] if outline else 0.0
        if edge_kind[e] == 1:
            width = max(width, widths[0])
        elif edge_kind[e] == 2:
            width = max(width, widths[2])
        if width <= 0.0:
            continue
        p, q = edge_vertices[e, 0], edge_vertices[e, 1]
        x0, y0, z0 = screen[p, 0] * scale, screen[p, 1] * scale, screen[p, 2]
        x1, y1, z1 = screen[q, 0] * scale, screen[q, 1] * scale, screen[q, 2]
        dx, dy = x1 - x0, y1 - y0
        length2 = dx * dx + dy * dy
        if length2 < 1e-12:
            continue
        steep = abs(dy) > abs(dx)
        radius = 0.5 * width
        start, end = (y0, y1) if steep else (x0, x1)
        run = end - start
        reach = (radius + 0.5) * np.sqrt(length2) / abs(run)
        first = max(0, int(np.floor(min(start, end) - radius)))
        final = min(pixels - 1, int(np.floor(max(start, end) + radius)))
        for major in range(first, final + 1):
            t = min(1.0, max(0.0, (major + 0.5 - start) / run))
            x, y = x0 + t * dx, y0 + t * dy
            if not _visible(x * samples, y * samples, z0 + t * (z1 - z0), ids, screen, faces, slack):
                continue
            middle = x if steep else y
            for minor in range(
                max(0, int(np.floor(middle - reach))), min(pixels - 1, int(np.floor(middle + reach))) + 1
            ):
                px, py = (minor + 0.5, major + 0.5) if steep else (major + 0.5, minor + 0.5)
                s = min(1.0, max(0.0, ((px - x0) * dx + (py - y0) * dy) / length2))
                distance = np.sqrt((px - x0 - s * dx) ** 2 + (py - y0 - s * dy) ** 2)
                # A thin line covers less than a pixel even in its middle.
                amount = min(1.0, width, max(0.0, radius + 0.5 - distance))
                row, column = (major, minor) if steep else (minor, major)
                if amount > ink[row, column]:
                    ink[row, column] = amount
    return ink

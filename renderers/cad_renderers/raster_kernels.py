"""The compiled z-buffer: which triangle is in front at the middle of each sample."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cad_renderers.compiled import compiled

__all__ = ["nearest_triangles"]


@compiled
def nearest_triangles(
    screen: NDArray[np.float64], faces: NDArray[np.int32], size: int, outward: bool
) -> NDArray[np.int32]:
    """Find the nearest triangle at each sample of a square of `size`; -1 where there is none.

    `screen` (n, 3): x right and y down in samples, depth away from the viewer. Of a part that faces `outward` only what
    faces the viewer is looked at. Two triangles that share an edge compute its crossing of a row to the same bits, so
    no sample between them is lost; a sample right on it goes to the nearer one and, at the same depth, to the lower
    number.
    """
    ids = np.empty((size, size), dtype=np.int32)
    nearest = np.empty((size, size), dtype=np.float32)
    for row in range(size):
        for column in range(size):
            ids[row, column] = -1
            nearest[row, column] = np.inf
    sides = np.empty((3, 4))
    for f in range(len(faces)):
        x0, y0, z0 = screen[faces[f, 0], 0], screen[faces[f, 0], 1], screen[faces[f, 0], 2]
        x1, y1, z1 = screen[faces[f, 1], 0], screen[faces[f, 1], 1], screen[faces[f, 1], 2]
        x2, y2, z2 = screen[faces[f, 2], 0], screen[faces[f, 2], 1], screen[faces[f, 2], 2]
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if area == 0.0 or (outward and area > 0.0):  # rows run down: what faces the viewer turns the other way
            continue
        top, bottom = max(0.0, np.ceil(min(y0, y1, y2) - 0.5)), min(size - 1.0, np.floor(max(y0, y1, y2) - 0.5))
        left, right = max(0.0, np.ceil(min(x0, x1, x2) - 0.5)), min(size - 1.0, np.floor(max(x0, x1, x2) - 0.5))
        if top > bottom or left > right:
            continue
        slope_x = ((z1 - z0) * (y2 - y0) - (z2 - z0) * (y1 - y0)) / area
        slope_y = ((z2 - z0) * (x1 - x0) - (z1 - z0) * (x2 - x0)) / area
        z_low, z_high = min(z0, z1, z2), max(z0, z1, z2)
        for k in range(3):
            # Both triangles of an edge must do the same sums: a side is always taken from its end that is higher up.
            a, b = faces[f, k], faces[f, (k + 1) % 3]
            fall = screen[b, 1] - screen[a, 1]
            if fall < 0.0:
                a, b = b, a
            sides[k, 0], sides[k, 1] = screen[a, 0], screen[a, 1]
            # A level side bounds nothing: the rows are those of the triangle's box.
            sides[k, 2], sides[k, 3] = 0.0, 0.0
            if fall != 0.0:
                sides[k, 2] = (screen[b, 0] - screen[a, 0]) / (screen[b, 1] - screen[a, 1])
                sides[k, 3] = 1.0 if (fall > 0.0) == (area > 0.0) else -1.0
        for row in range(int(top), int(bottom) + 1):
            y = row + 0.5
            low, high = left + 0.5, right + 0.5
            for k in range(3):
                crossing = sides[k, 0] + (y - sides[k, 1]) * sides[k, 2]
                if sides[k, 3] > 0.0:
                    high = min(high, crossing)
                elif sides[k, 3] < 0.0:
                    low = max(low, crossing)
            for column in range(int(np.ceil(low - 0.5)), int(np.floor(high - 0.5)) + 1):
                z = z0 + (column + 0.5 - x0) * slope_x + (y - y0) * slope_y
                z32 = np.float32(min(z_high, max(z_low, z)))
                if z32 < nearest[row, column]:
                    nearest[row, column] = z32
                    ids[row, column] = f
    return ids

"""Scan conversion of a closed mesh straight into cells: one pass, no sorting, for searches that voxelise thousands."""

from __future__ import annotations

import enum
import math

import numpy as np
from numpy.typing import NDArray

from cad_pipeline.verify.columns import row_span
from cad_pipeline.verify.compiled import compiled

__all__ = ["Trouble", "scan"]


class Trouble(enum.IntEnum):
    """What the scan met: nothing, bodies that overlap (harmless), or columns that don't close."""

    NONE = 0
    OVERLAP = 1
    OPEN = 2


def scan(
    vertices: NDArray[np.float64],
    faces: NDArray[np.int64],
    low: NDArray[np.float64],
    cell: float,
    shape: tuple[int, int, int],
) -> tuple[NDArray[np.bool_], Trouble]:
    """Find the cells whose centre lies inside by rays along z, and say whether the answer can be trusted.

    Each crossing adds its sign to the first cell centre beyond it; running sums along z are winding numbers. Columns
    that don't come back to zero (holes, mixed orientation) are filled by parity and reported as `OPEN`.
    """
    nx, ny, nz = shape
    # One more cell on top takes what lies beyond the last centre, so that open columns show wherever the grid ends.
    delta = np.zeros((nx, ny, nz + 1), np.int16)
    _cross(vertices, faces, delta, float(low[0]), float(low[1]), float(low[2]), cell)
    occupied = np.empty(shape, np.uint8)
    trouble = _accumulate(delta, occupied)
    return occupied.view(np.bool_), Trouble(trouble)


@compiled
def _cross(
    vertices: NDArray[np.float64],
    faces: NDArray[np.int64],
    delta: NDArray[np.int16],
    ox: float,
    oy: float,
    oz: float,
    cell: float,
) -> None:
    nx, ny, nz = delta.shape[0], delta.shape[1], delta.shape[2] - 1
    per = 1.0 / cell
    for t in range(faces.shape[0]):
        a, b, c = faces[t, 0], faces[t, 1], faces[t, 2]
        ax, ay, az = vertices[a, 0], vertices[a, 1], vertices[a, 2]
        bx, by, bz = vertices[b, 0], vertices[b, 1], vertices[b, 2]
        cx, cy, cz = vertices[c, 0], vertices[c, 1], vertices[c, 2]
        # One row of margin: whether a row is crossed is decided below, on the same numbers for both neighbours.
        first = max(math.floor((min(ay, by, cy) - oy) * per - 0.5), 0)
        last = min(math.ceil((max(ay, by, cy) - oy) * per + 0.5), ny)
        if first >= last:
            continue
        zlow, zhigh = min(az, bz, cz), max(az, bz, cz)
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        dx = 0.0
        dy = 0.0
        if area != 0.0:
            dx = ((bz - az) * (cy - ay) - (cz - az) * (by - ay)) / area
            dy = ((cz - az) * (bx - ax) - (bz - az) * (cx - ax)) / area
        for j in range(first, last):
            y = oy + (j + 0.5) * cell
            crosses, up, down = row_span(ax, ay, bx, by, cx, cy, y)
            if not crosses:
                continue
            left, right, sign = (down, up, -1) if up > down else (up, down, 1)
            i0 = max(math.ceil((left - ox) * per - 0.5), 0)
            i1 = min(math.ceil((right - ox) * per - 0.5), nx)
            for i in range(i0, i1):
                z = az + dx * (ox + (i + 0.5) * cell - ax) + dy * (y - ay)
                k = max(math.ceil((min(max(z, zlow), zhigh) - oz) * per - 0.5), 0)
                delta[i, j, min(k, nz)] += sign


@compiled
def _accumulate(delta: NDArray[np.int16], occupied: NDArray[np.uint8]) -> int:
    nx, ny, above = delta.shape
    trouble = 0
    for i in range(nx):
        for j in range(ny):
            winding = 0
            for k in range(above - 1):
                winding += delta[i, j, k]
                occupied[i, j, k] = winding != 0
                if winding > 1 or winding < -1:
                    trouble = max(trouble, 1)
            total = winding + delta[i, j, above - 1]
            if total == 0:
                continue
            trouble = 2
            parity = 0
            for k in range(above - 1):
                parity ^= delta[i, j, k] & 1
                occupied[i, j, k] = parity if total % 2 == 0 else 0
    return trouble

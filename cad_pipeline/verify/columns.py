"""Rays along one axis through every cell of a grid: where they enter and leave a mesh.

The rows of the grid are scan-converted like polygons: every mesh edge crosses a row at one x that is computed from its
lower end, so that both triangles at the edge agree on it to the last bit, and spans are half open. A closed mesh
therefore gives every column as many entries as exits, whatever its edges coincide with, and no jitter is needed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cad_pipeline.verify.compiled import compiled

__all__ = ["Columns", "cast_columns", "overlap", "row_span"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Stretches of material along one axis: for column c, `runs[c]` pairs (low, high) in `cuts[starts[c]:]`.

    `broken` marks columns with an odd number of crossings (a hole in the mesh); they hold no runs.
    Columns are numbered i * ny + j over the two other axes in cyclic order.
    """

    axis: int
    shape: tuple[int, int]
    starts: NDArray[np.int64]
    cuts: NDArray[np.float64]
    runs: NDArray[np.int64]
    broken: NDArray[np.bool_]

    @property
    def broken_share(self) -> float:
        """Share of the non-empty columns that are broken."""
        used = int(np.count_nonzero(np.diff(self.starts)))
        return float(np.count_nonzero(self.broken)) / used if used else 0.0


def cast_columns(
    vertices: NDArray[np.float64],
    faces: NDArray[np.int64],
    axis: int,
    origin: NDArray[np.float64],
    spacing: NDArray[np.float64],
    shape: tuple[int, int, int],
) -> Columns:
    """Cast rays along `axis` (0, 1, 2) through the cell centres of a grid given by origin, spacing and shape.

    Material is where the winding number is not zero, so overlapping bodies are one and an inverted mesh is the same;
    a column whose winding does not return to zero falls back to parity (mixed orientation), and is broken if odd.
    """
    u, v = (axis + 1) % 3, (axis + 2) % 3
    starts, cuts, signs = _cross(
        vertices, faces, u, v, axis, origin[u], origin[v], spacing[u], spacing[v], shape[u], shape[v]
    )
    runs, broken = _resolve(starts, cuts, signs)
    return Columns(axis=axis, shape=(shape[u], shape[v]), starts=starts, cuts=cuts, runs=runs, broken=broken)


def overlap(a: Columns, b: Columns) -> tuple[float, float, float]:
    """Sum the lengths of a ∩ b and of a ∪ b over the columns that are whole in both; third is the share left out."""
    both, either, left_out, used = _overlap(a.starts, a.cuts, a.runs, a.broken, b.starts, b.cuts, b.runs, b.broken)
    return both, either, left_out / used if used else 0.0


@compiled
def _crossing_x(ax: float, ay: float, bx: float, by: float, y: float) -> float:
    """Find x where an edge meets the row, computed from the lower end so that neighbours agree."""
    if ay > by:
        ax, ay, bx, by = bx, by, ax, ay
    return ax + (y - ay) * ((bx - ax) / (by - ay))


@compiled
def row_span(ax: float, ay: float, bx: float, by: float, cx: float, cy: float, y: float) -> tuple[bool, float, float]:
    """Find where the triangle's edges cross the row upwards and downwards."""
    up = 0.0
    down = 0.0
    crosses = False
    if ay <= y < by:
        up = _crossing_x(ax, ay, bx, by, y)
        crosses = True
    elif by <= y < ay:
        down = _crossing_x(ax, ay, bx, by, y)
        crosses = True
    if by <= y < cy:
        up = _crossing_x(bx, by, cx, cy, y)
        crosses = True
    elif cy <= y < by:
        down = _crossing_x(bx, by, cx, cy, y)
        crosses = True
    if cy <= y < ay:
        up = _crossing_x(cx, cy, ax, ay, y)
        crosses = True
    elif ay <= y < cy:
        down = _crossing_x(cx, cy, ax, ay, y)
        crosses = True
    return crosses, up, down


@compiled
def _cross(
    vertices: NDArray[np.float64],
    faces: NDArray[np.int64],
    u: int,
    v: int,
    w: int,
    ou: float,
    ov: float,
    hu: float,
    hv: float,
    nu: int,
    nv: int,
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int8]]:
    """List all crossings by column: pass 0 counts, pass 1 writes."""
    starts = np.zeros(nu * nv + 1, np.int64)
    cuts = np.empty(0, np.float64)
    signs = np.empty(0, np.int8)
    ends = np.zeros(nu * nv, np.int64)
    for writing in range(2):
        if writing == 1:
            for c in range(nu * nv):
                starts[c + 1] += starts[c]
            for c in range(nu * nv):
                ends[c] = starts[c]
            cuts = np.empty(starts[nu * nv], np.float64)
            signs = np.empty(starts[nu * nv], np.int8)
        for t in range(faces.shape[0]):
            ax, ay, az = vertices[faces[t, 0], u], vertices[faces[t, 0], v], vertices[faces[t, 0], w]
            bx, by, bz = vertices[faces[t, 1], u], vertices[faces[t, 1], v], vertices[faces[t, 1], w]
            cx, cy, cz = vertices[faces[t, 2], u], vertices[faces[t, 2], v], vertices[faces[t, 2], w]
            low, high = min(ay, by, cy), max(ay, by, cy)
            first = max(math.ceil((low - ov) / hv - 0.5) - 1, 0)
            last = min(math.ceil((high - ov) / hv - 0.5) + 1, nv)
            if first >= last:
                continue
            area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
            zlow, zhigh = min(az, bz, cz), max(az, bz, cz)
            du = 0.0
            dv = 0.0
            if area != 0.0:
                du = ((bz - az) * (cy - ay) - (cz - az) * (by - ay)) / area
                dv = ((cz - az) * (bx - ax) - (bz - az) * (cx - ax)) / area
            for j in range(first, last):
                y = ov + (j + 0.5) * hv
                crosses, up, down = row_span(ax, ay, bx, by, cx, cy, y)
                if not crosses:
                    continue
                left, right, sign = (down, up, -1) if up > down else (up, down, 1)
                i0 = max(math.ceil((left - ou) / hu - 0.5), 0)
                i1 = min(math.ceil((right - ou) / hu - 0.5), nu)
                for i in range(i0, i1):
                    c = i * nv + j
                    if writing == 0:
                        starts[c + 1] += 1
                        continue
                    z = az + du * (ou + (i + 0.5) * hu - ax) + dv * (y - ay)
                    # A steep triangle's plane runs far away beside it; its own heights bound the crossing.
                    cuts[ends[c]] = min(max(z, zlow), zhigh)
                    signs[ends[c]] = sign
                    ends[c] += 1
    return starts, cuts, signs


@compiled
def _resolve(
    starts: NDArray[np.int64], cuts: NDArray[np.float64], signs: NDArray[np.int8]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Sort each column's crossings and turn them, in place, into (low, high) pairs."""
    n = starts.shape[0] - 1
    runs = np.zeros(n, np.int64)
    broken = np.zeros(n, np.bool_)
    for c in range(n):
        s, e = starts[c], starts[c + 1]
        total = 0
        for i in range(s, e):
            total += signs[i]
            z, sign = cuts[i], signs[i]
            k = i - 1
            while k >= s and cuts[k] > z:
                cuts[k + 1] = cuts[k]
                signs[k + 1] = signs[k]
                k -= 1
            cuts[k + 1] = z
            signs[k + 1] = sign
        if (e - s) % 2 == 1:
            broken[c] = True
            continue
        out = s
        winding = 0
        low = 0.0
        for i in range(s, e):
            before = winding
            winding = winding + signs[i] if total == 0 else 1 - winding
            if before == 0 and winding != 0:
                low = cuts[i]
            elif before != 0 and winding == 0 and cuts[i] > low:
                high = cuts[i]
                cuts[out] = low
                cuts[out + 1] = high
                out += 2
        runs[c] = (out - s) // 2
    return runs, broken


@compiled
def _overlap(
    a_starts: NDArray[np.int64],
    a_cuts: NDArray[np.float64],
    a_runs: NDArray[np.int64],
    a_broken: NDArray[np.bool_],
    b_starts: NDArray[np.int64],
    b_cuts: NDArray[np.float64],
    b_runs: NDArray[np.int64],
    b_broken: NDArray[np.bool_],
) -> tuple[float, float, int, int]:
    both = 0.0
    either = 0.0
    left_out = 0
    used = 0
    for c in range(a_runs.shape[0]):
        if a_starts[c + 1] > a_starts[c] or b_starts[c + 1] > b_starts[c]:
            used += 1
        if a_broken[c] or b_broken[c]:
            left_out += 1
            continue
        p, pe = a_starts[c], a_starts[c] + 2 * a_runs[c]
        q, qe = b_starts[c], b_starts[c] + 2 * b_runs[c]
        for i in range(p, pe, 2):
            either += a_cuts[i + 1] - a_cuts[i]
        for i in range(q, qe, 2):
            either += b_cuts[i + 1] - b_cuts[i]
        while p < pe and q < qe:
            common = min(a_cuts[p + 1], b_cuts[q + 1]) - max(a_cuts[p], b_cuts[q])
            if common > 0.0:
                both += common
                either -= common
            if a_cuts[p + 1] < b_cuts[q + 1]:
                p += 2
            else:
                q += 2
    return both, either, left_out, used

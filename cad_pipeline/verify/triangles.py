"""Per-triangle sums in one pass: edge cross products and the enclosed volume."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cad_pipeline.verify.compiled import compiled

__all__ = ["edge_crosses", "enclosed_volume"]


@compiled
def edge_crosses(vertices: NDArray[np.float64], faces: NDArray[np.int64]) -> NDArray[np.float64]:
    """Compute the cross product of two edges of every triangle, (m, 3): twice its area, along its normal."""
    crosses = np.empty((faces.shape[0], 3), np.float64)
    for t in range(faces.shape[0]):
        a, b, c = faces[t, 0], faces[t, 1], faces[t, 2]
        ux, uy, uz = vertices[b, 0] - vertices[a, 0], vertices[b, 1] - vertices[a, 1], vertices[b, 2] - vertices[a, 2]
        vx, vy, vz = vertices[c, 0] - vertices[a, 0], vertices[c, 1] - vertices[a, 1], vertices[c, 2] - vertices[a, 2]
        crosses[t, 0] = uy * vz - uz * vy
        crosses[t, 1] = uz * vx - ux * vz
        crosses[t, 2] = ux * vy - uy * vx
    return crosses


@compiled
def enclosed_volume(vertices: NDArray[np.float64], faces: NDArray[np.int64]) -> float:
    """Compute the signed volume that triangles enclose (divergence theorem)."""
    six = 0.0
    for t in range(faces.shape[0]):
        a, b, c = faces[t, 0], faces[t, 1], faces[t, 2]
        six += vertices[a, 0] * (vertices[b, 1] * vertices[c, 2] - vertices[b, 2] * vertices[c, 1])
        six += vertices[a, 1] * (vertices[b, 2] * vertices[c, 0] - vertices[b, 0] * vertices[c, 2])
        six += vertices[a, 2] * (vertices[b, 0] * vertices[c, 1] - vertices[b, 1] * vertices[c, 0])
    return six / 6.0

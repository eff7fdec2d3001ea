"""Solids whose pictures are known beforehand, for self-tests and conformance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Solid", "ball", "box", "boxes", "letter_f", "moved"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Solid:
    """Triangles: `vertices` (n, 3) float64 and `faces` (m, 3) int64, outward."""

    vertices: NDArray[np.float64]
    faces: NDArray[np.int64]

    def mirrored(self) -> Solid:
        """Return the solid reflected in the plane x = 0, still facing outwards."""
        return Solid(vertices=self.vertices * (-1.0, 1.0, 1.0), faces=self.faces[:, ::-1])


_CORNERS = np.array([(x, y, z) for x in (0.0, 1.0) for y in (0.0, 1.0) for z in (0.0, 1.0)])
_QUADS = ((0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3))
_BOX_FACES = np.array([t for a, b, c, d in _QUADS for t in ((a, b, c), (a, c, d))])


def box(low: tuple[float, float, float], high: tuple[float, float, float]) -> Solid:
    """Make a box of twelve triangles."""
    lo, hi = np.array(low), np.array(high)
    return Solid(vertices=lo + _CORNERS * (hi - lo), faces=_BOX_FACES.copy())


def boxes(cells: set[tuple[int, int, int]]) -> Solid:
    """Make the outer skin of a union of unit cells: closed, and without faces between neighbours."""
    vertices: list[NDArray[np.float64]] = []
    faces: list[tuple[int, int, int]] = []
    outward = ((-1, 0, 0), (1, 0, 0), (0, -1, 0), (0, 1, 0), (0, 0, -1), (0, 0, 1))
    for cell in sorted(cells):
        for (a, b, c, d), step in zip(_QUADS, outward, strict=True):
            if tuple(np.add(cell, step)) in cells:
                continue
            start = len(vertices)
            vertices += [_CORNERS[k] + cell for k in (a, b, c, d)]
            faces += [(start, start + 1, start + 2), (start, start + 2, start + 3)]
    unique, index = np.unique(np.array(vertices), axis=0, return_inverse=True)
    return Solid(vertices=unique, faces=index.reshape(-1)[np.array(faces)])


def letter_f() -> Solid:
    """Make a letter F that stands on the XZ plane's grid and reads right from the front (-Y): 3 wide, 5 high, 1 deep.

    Its stem carries a foot towards the rear, so that no two of its views are alike.
    """
    stem = {(0, 0, z) for z in range(5)}
    bars = {(1, 0, 4), (2, 0, 4), (1, 0, 2)}
    return boxes(stem | bars | {(0, 1, 0), (0, 2, 0)})


def ball(radius: float, *, rings: int = 48) -> Solid:
    """Make a sphere of `rings` by 2·`rings` patches, its points on the sphere."""
    polar = np.linspace(0.0, np.pi, rings + 1)[1:-1]
    azimuth = np.linspace(0.0, 2.0 * np.pi, 2 * rings, endpoint=False)
    p, a = np.meshgrid(polar, azimuth, indexing="ij")
    middle = np.stack([np.sin(p) * np.cos(a), np.sin(p) * np.sin(a), np.cos(p)], axis=-1).reshape(-1, 3)
    vertices = np.vstack([middle, [(0.0, 0.0, 1.0), (0.0, 0.0, -1.0)]]) * radius
    n, top, bottom = 2 * rings, len(middle), len(middle) + 1
    faces = []
    for j in range(n):
        k = (j + 1) % n
        faces.append((top, j, k))
        for i in range(rings - 2):
            a0, a1, b0, b1 = i * n + j, i * n + k, (i + 1) * n + j, (i + 1) * n + k
            faces += [(a0, b0, b1), (a0, b1, a1)]
        last = (rings - 2) * n
        faces.append((bottom, last + k, last + j))
    return Solid(vertices=vertices, faces=np.array(faces))


def moved(solid: Solid, *, scale: float = 1.0, by: tuple[float, float, float] = (0.0, 0.0, 0.0)) -> Solid:
    """Return the solid scaled about the origin and then moved."""
    return Solid(vertices=solid.vertices * scale + np.array(by), faces=solid.faces)

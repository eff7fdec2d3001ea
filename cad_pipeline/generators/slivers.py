"""Take triangles without area out of a closed mesh: their middle corner goes into the neighbour's long edge."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["without_slivers"]

Ints = NDArray[np.int64]


def without_slivers(vertices: NDArray[np.float64], faces: Ints, flat: float) -> Ints:
    """Faces (k, 3) of the same closed surface without triangles lower than `flat` mm; vertices (n, 3) stay.

    Meshes are closed with such triangles where a vertex lies on another triangle's edge. They have no plane, so they
    can't be faces of a solid.
    """
    corner = vertices[faces]
    longest = np.linalg.norm(corner - np.roll(corner, -1, axis=1), axis=2).max(axis=1)
    double_area = np.linalg.norm(np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0]), axis=1)
    waiting = np.nonzero(double_area <= flat * longest)[0].tolist()
    if not waiting:
        return faces
    kept: dict[int, tuple[int, int, int]] = {k: (a, b, c) for k, (a, b, c) in enumerate(faces.tolist())}
    beside = {edge: k for k, face in kept.items() for edge in _edges(face)}
    number = len(faces)
    for k in waiting:
        face = kept.get(k)
        if face is None:
            continue
        p, q, r = _along_longest(face, vertices)
        other = beside.get((q, p))
        if other is None or other == k:
            continue
        (x,) = (v for v in kept[other] if v not in (p, q)) if len(set(kept[other])) == 3 else (r,)
        if x == r:
            continue
        for gone in (k, other):
            for edge in _edges(kept.pop(gone)):
                if beside.get(edge) == gone:
                    del beside[edge]
        for made in ((q, r, x), (r, p, x)):
            kept[number] = made
            beside |= dict.fromkeys(_edges(made), number)
            number += 1
    return np.array(list(kept.values()), dtype=np.int64)


def _edges(face: tuple[int, int, int]) -> tuple[tuple[int, int], ...]:
    a, b, c = face
    return (a, b), (b, c), (c, a)


def _along_longest(face: tuple[int, int, int], vertices: NDArray[np.float64]) -> tuple[int, int, int]:
    """The face turned so that its longest edge comes first."""
    a, b, c = face
    turns = ((a, b, c), (b, c, a), (c, a, b))
    return max(turns, key=lambda t: float(np.linalg.norm(vertices[t[0]] - vertices[t[1]])))

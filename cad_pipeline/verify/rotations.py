"""The rotation sets over which results without a pose of their own are compared."""

from __future__ import annotations

import enum
from functools import cache
from itertools import permutations, product

import numpy as np
from numpy.typing import NDArray

__all__ = ["RotationSet", "rotations"]


class RotationSet(enum.StrEnum):
    """Which rotations are tried: about z by 45°, of the cube, or all compositions of 45° turns about x, y and z."""

    NONE = "none"
    AXIS8 = "axis8"
    CUBE24 = "cube24"
    ALL208 = "all208"


@cache
def rotations(which: RotationSet) -> NDArray[np.float64]:
    """List the rotation matrices of a set, (k, 3, 3), read-only: the identity first, then by angle, then as written.

    `ALL208` are the distinct products Rz(i·45°) Ry(j·45°) Rx(k·45°): 512 triples, 208 rotations. It holds the others.
    """
    found: NDArray[np.float64]
    if which is RotationSet.NONE:
        found = np.eye(3)[None]
    elif which is RotationSet.AXIS8:
        found = np.array([_turn(2, k) for k in range(8)])
    elif which is RotationSet.CUBE24:
        found = np.array(list(_cube()))
    else:
        triples = [_turn(2, i) @ _turn(1, j) @ _turn(0, k) for i, j, k in product(range(8), repeat=3)]
        _, first = np.unique(np.round(triples, 6) + 0.0, axis=0, return_index=True)
        found = np.array(triples)[first]
    angle = np.arccos(np.clip((np.trace(found, axis1=1, axis2=2) - 1.0) / 2.0, -1.0, 1.0))
    written = -np.round(found.reshape(len(found), 9), 6)
    order = np.lexsort([*written.T[::-1], np.round(angle, 6)])
    ordered = np.ascontiguousarray(found[order])
    ordered.setflags(write=False)
    return ordered


def _turn(axis: int, eighths: int) -> NDArray[np.float64]:
    # Exact where the angle is a quarter turn, so that a box turned by it stays on its grid.
    half = np.sqrt(0.5)
    cosine = (1.0, half, 0.0, -half, -1.0, -half, 0.0, half)[eighths]
    sine = (0.0, half, 1.0, half, 0.0, -half, -1.0, -half)[eighths]
    u, v = (axis + 1) % 3, (axis + 2) % 3
    turn = np.eye(3)
    turn[u, u] = turn[v, v] = cosine
    turn[v, u], turn[u, v] = sine, -sine
    return turn


def _cube() -> list[NDArray[np.float64]]:
    signed = (
        np.eye(3)[list(order)] * np.array(signs)[:, None]
        for order in permutations(range(3))
        for signs in product((1.0, -1.0), repeat=3)
    )
    return [matrix for matrix in signed if np.linalg.det(matrix) > 0.0]

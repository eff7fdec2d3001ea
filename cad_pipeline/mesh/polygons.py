"""Polygons to triangles, concave ones included."""

from __future__ import annotations

import numpy as np

from cad_pipeline.mesh.holes import cover_loop
from cad_pipeline.mesh.raw import Floats, Ints
from cad_pipeline.mesh.shells import cross_products

__all__ = ["triangulate"]

MAX_CORNERS = 5000
MAX_BENT, MANY = 40, 1000
"""Concave polygons that are not flat are searched for the best cut up to this size, and only so many of them."""


def triangulate(vertices: Floats, counts: Ints, corners: Ints) -> tuple[Ints, int]:
    """Triangulate polygons given by their corner counts (p,) and concatenated corner numbers.

    Returns triangles (m, 3) in the polygons' winding and order, and how many polygons had no triangles in them
    (fewer than three corners). Quads take the diagonal that lies inside, larger polygons are fanned when convex and
    ear-cut when not.
    """
    starts = np.concatenate([[0], np.cumsum(counts)[:-1]]).astype(np.int64) if len(counts) else np.empty(0, np.int64)
    owner: list[Ints] = []
    pieces: list[Ints] = []
    for size in np.unique(counts):
        if size < 3:
            continue
        which = np.flatnonzero(counts == size)
        polygons = corners[starts[which][:, None] + np.arange(size)]
        cut = polygons if size == 3 else _quads(vertices, polygons) if size == 4 else _large(vertices, polygons)
        pieces.append(cut.reshape(-1, 3))
        owner.append(np.repeat(which, size - 2))
    if not pieces:
        return np.empty((0, 3), np.int64), int((counts < 3).sum())
    order = np.argsort(np.concatenate(owner), kind="stable")
    return np.concatenate(pieces)[order], int((counts < 3).sum())


def _quads(vertices: Floats, quads: Ints) -> Ints:
    """Cut quads (k, 4) by the diagonal whose two triangles agree best, (k, 2, 3)."""
    options = np.array([[[0, 1, 2], [0, 2, 3]], [[1, 2, 3], [1, 3, 0]]])
    agreement = []
    for option in options:
        left, right = (cross_products(vertices, quads[:, corner]) for corner in option)
        lengths = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
        cosine = (left * right).sum(axis=1) / np.maximum(lengths, np.finfo(float).tiny)
        agreement.append(np.where(lengths > 0, cosine, 0.0))
    better = (agreement[1] > agreement[0] + 1e-9).astype(np.int64)
    return np.asarray(quads[np.arange(len(quads))[:, None, None], options[better]], np.int64)


def _large(vertices: Floats, polygons: Ints) -> Ints:
    """Cut polygons (k, n), n > 4, into (k, n - 2, 3)."""
    size = polygons.shape[1]
    fan = np.stack([np.zeros(size - 2, np.int64), np.arange(1, size - 1), np.arange(2, size)], axis=1)
    out: Ints = polygons[:, fan]
    points = vertices[polygons]
    normal = np.cross(points, np.roll(points, -1, axis=1)).sum(axis=1)
    turns = np.cross(points - np.roll(points, 1, axis=1), np.roll(points, -1, axis=1) - points)
    concave = ((turns * normal[:, None, :]).sum(axis=2) < 0).any(axis=1)
    for turn, number in enumerate(np.flatnonzero(concave) if size <= MAX_CORNERS else ()):
        cut = cover_loop(points[number], MAX_BENT if turn < MANY else 0)
        if cut is not None:
            out[number] = polygons[number][cut]
    return out

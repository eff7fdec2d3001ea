"""Directions along which a part may have been extruded, from the normals of its flat faces."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cad_pipeline.generators.geometric.frame import Frame, frame_along, straightened

__all__ = ["candidate_frames", "prismatic_share"]

Vectors = NDArray[np.float64]
# a direction so near to an axis of the world is it, but for float32's rounding
_FLOAT32_NOISE = 2e-5
# a mesh of so many triangles was thinned, or measured: it knows its directions less well
_FINE, _ON_AXIS = 30_000, 1e-4


def candidate_frames(vertices: Vectors, faces: NDArray[np.int64], most: int = 4) -> list[Frame]:
    """Frames (origin at the world's) whose z is a likely direction of extrusion, best first.

    A direction is likely when much of the surface lies across it or along it. World axes are tried whenever they are no
    worse than the part's own; a part in a skew pose gets frames from its own face normals.
    """
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    cross = np.cross(b - a, c - a)
    double_area = np.linalg.norm(cross, axis=1)
    keep = double_area > 1e-12 * double_area.max()
    normals, area = cross[keep] / double_area[keep, None], double_area[keep] / 2.0
    clusters = _clusters(normals, area)
    scored: list[tuple[float, Vectors]] = []
    for direction, _ in [*clusters, *((e, 0.0) for e in np.eye(3))]:
        if not any(abs(float(direction @ d)) > 1 - 1e-7 for _, d in scored):
            scored.append((prismatic_share(normals, area, direction), direction))
    scored.sort(key=lambda s: -s[0])
    frames: list[Frame] = []
    for share, direction in scored[:most]:
        if frames and share < 0.3 * scored[0][0]:
            break
        frames.append(_oriented(direction, clusters))
    return frames


def prismatic_share(normals: Vectors, area: Vectors, direction: Vectors) -> float:
    """Share of the area that lies across or along `direction`, within a quarter of a degree."""
    cosine = np.abs(normals @ direction)
    return float(area[(cosine > 0.99999) | (cosine < 0.0044)].sum() / area.sum())


def _clusters(normals: Vectors, area: Vectors, most: int = 12) -> list[tuple[Vectors, float]]:
    """Largest groups of parallel normals, opposite ones counted together, with their area."""
    flip = np.where(
        (np.abs(normals) > 1e-6) & (np.cumsum(np.abs(normals) > 1e-6, axis=1) == 1), np.sign(normals), 0
    ).sum(axis=1)
    folded = normals * np.where(flip == 0, 1, flip)[:, None]
    keys = np.round(folded * 500).astype(np.int64)
    _, group = np.unique(keys, axis=0, return_inverse=True)
    group = group.ravel()
    weight = np.bincount(group, weights=area)
    total = np.stack([np.bincount(group, weights=area * folded[:, k]) for k in range(3)], axis=1)
    found: list[tuple[Vectors, float]] = []
    within = _FLOAT32_NOISE if len(normals) < _FINE else _ON_AXIS
    for k in np.argsort(-weight):
        direction = straightened(total[k] / np.linalg.norm(total[k]), within)
        if all(abs(float(direction @ d)) < 0.9999 for d, _ in found):
            found.append((direction, float(weight[k])))
        if len(found) >= most:
            break
    return found


def _oriented(direction: Vectors, clusters: list[tuple[Vectors, float]]) -> Frame:
    """A frame whose x follows the largest flat faces along the direction, where it is no world axis."""
    if np.abs(direction).max() > 1 - 1e-12:
        return frame_along(np.abs(direction), np.zeros(3))
    across = [d for d, _ in clusters if abs(float(d @ direction)) < 1e-3]
    return frame_along(direction, np.zeros(3), across[0] if across else None)

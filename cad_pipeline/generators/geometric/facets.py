"""Planar facets of a tessellation: coplanar neighbouring triangles taken together, with how they meet."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

__all__ = ["Facets", "components", "facets_of"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Facets:
    """Facet index of each triangle (m,); normal (k, 3), centroid (k, 3) and area (k,) of each facet.

    `edges` (e, 2) are the vertex pairs shared by two triangles, `sides` (e, 2) the triangles on either side of each.
    """

    of_triangle: Ints
    normal: Floats
    centroid: Floats
    area: Floats
    edges: Ints
    sides: Ints


def facets_of(vertices: Floats, faces: Ints, size: float, noise: float) -> Facets:
    """Group triangles that share an edge and a plane.

    Two triangles share a plane when their normals agree within 0.02°, or when each one's far vertex lies within a few
    noise widths of the other's plane: slivers have no reliable normal.
    """
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    cross = np.cross(b - a, c - a)
    double = np.linalg.norm(cross, axis=1)
    normal = cross / np.maximum(double, 1e-300)[:, None]
    edges, sides = shared_edges(faces)
    one, two = sides[:, 0], sides[:, 1]
    aligned = np.einsum("ij,ij->i", normal[one], normal[two]) > np.cos(np.radians(0.02))
    far_two = faces[two].sum(axis=1) - edges.sum(axis=1)
    far_one = faces[one].sum(axis=1) - edges.sum(axis=1)
    start = vertices[edges[:, 0]]
    off_one = np.abs(np.einsum("ij,ij->i", vertices[far_two] - start, normal[one]))
    off_two = np.abs(np.einsum("ij,ij->i", vertices[far_one] - start, normal[two]))
    near = (np.minimum(off_one, off_two) < 3 * noise) & (np.einsum("ij,ij->i", normal[one], normal[two]) > 0.99)
    same = aligned | near
    label = components(len(faces), sides[same])
    groups = int(label.max()) + 1
    area: Floats = np.bincount(label, weights=double / 2.0, minlength=groups).astype(np.float64)
    middle = (a + b + c) / 3.0
    centroid = _weighted(label, groups, double / 2.0, middle)
    direction = _weighted(label, groups, double / 2.0, normal)
    length = np.linalg.norm(direction, axis=1)
    return Facets(label, direction / np.maximum(length, 1e-300)[:, None], centroid, area, edges, sides)


def components(count: int, links: Ints) -> Ints:
    """Number the components (count,) of a graph of `count` nodes whose links are the rows of (n, 2)."""
    graph = coo_matrix((np.ones(len(links), dtype=np.int8), (links[:, 0], links[:, 1])), shape=(count, count))
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)


def _weighted(label: Ints, groups: int, weight: Floats, values: Floats) -> Floats:
    total = np.maximum(np.bincount(label, weights=weight, minlength=groups), 1e-300)
    return np.stack(
        [np.bincount(label, weights=weight * values[:, k], minlength=groups) / total for k in range(3)], axis=1
    )


def shared_edges(faces: Ints) -> tuple[Ints, Ints]:
    """Edges (e, 2) that exactly two triangles share, lower vertex first, and those triangles (e, 2)."""
    corners = np.sort(np.stack([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]], axis=1).reshape(-1, 2), axis=1)
    owner = np.repeat(np.arange(len(faces)), 3)
    order = np.lexsort((corners[:, 1], corners[:, 0]))
    corners, owner = corners[order], owner[order]
    same = (corners[1:] == corners[:-1]).all(axis=1)
    first = np.nonzero(same)[0]
    triple = np.zeros(len(same), dtype=bool)
    triple[1:] |= same[1:] & same[:-1]
    triple[:-1] |= same[1:] & same[:-1]
    first = np.nonzero(same & ~triple)[0]
    return corners[first].astype(np.int64), np.stack([owner[first], owner[first + 1]], axis=1).astype(np.int64)

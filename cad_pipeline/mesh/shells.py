"""Closed shells: their volumes, which lies inside which, and which way they face."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cad_pipeline.mesh.edges import Edges, face_groups
from cad_pipeline.mesh.raw import Floats, Ints

__all__ = ["Shells", "cross_products", "parents"]

MAX_NESTED = 4000
PROBES = 7


def cross_products(vertices: Floats, faces: Ints) -> Floats:
    """Twice the area vectors of faces, (m, 3)."""
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    return np.cross(b - a, c - a)


@dataclass(frozen=True, kw_only=True, eq=False)
class Shells:
    """Connected shells of a mesh and their figures.

    `label` (m,) numbers the faces; for each shell `volume` is signed, `area`, `low` and `high` (s, 3) its box,
    `closed` whether no edge of it is open or crowded.
    """

    count: int
    label: Ints
    volume: Floats
    area: Floats
    low: Floats
    high: Floats
    closed: NDArray[np.bool_]

    @classmethod
    def of(cls, vertices: Floats, faces: Ints, edges: Edges | None = None) -> Shells:
        """Measure the shells; `edges` are those of `faces`, if at hand."""
        edges = edges or Edges.of(faces)
        count, label = face_groups(edges)
        cross = cross_products(vertices, faces)
        # Each shell against its own first corner: a shell far from the centre keeps its digits.
        first = np.full(count, len(faces))
        np.minimum.at(first, label, np.arange(len(faces)))
        foot = vertices[faces[first, 0]][label]
        height = np.einsum("ij,ij->i", vertices[faces[:, 0]] - foot, cross)
        volume = np.bincount(label, weights=height, minlength=count) / 6.0
        area = np.bincount(label, weights=np.linalg.norm(cross, axis=1), minlength=count) / 2.0
        low, high = np.full((count, 3), np.inf), np.full((count, 3), -np.inf)
        for axis in range(3):
            column = vertices[:, axis][faces]
            np.minimum.at(low[:, axis], label, np.minimum(np.minimum(column[:, 0], column[:, 1]), column[:, 2]))
            np.maximum.at(high[:, axis], label, np.maximum(np.maximum(column[:, 0], column[:, 1]), column[:, 2]))
        closed = np.ones(count, bool)
        bad = np.repeat(edges.counts != 2, edges.counts)
        closed[label[edges.order[bad] // 3]] = False
        closed[label[edges.pairs[~edges.agreeing].ravel() // 3]] = False
        return cls(count=count, label=label, volume=volume, area=area, low=low, high=high, closed=closed)

    @property
    def extent(self) -> Floats:
        """Diagonals of the shells' boxes, (s,)."""
        return np.asarray(np.linalg.norm(self.high - self.low, axis=1))


def parents(vertices: Floats, faces: Ints, shells: Shells) -> Ints:
    """For each shell the smallest other one that wholly contains it, -1 for none.

    Candidates by boxes, then points of the inner shell are tested by signed crossings of a ray with the outer one.
    More than `MAX_NESTED` shells are all taken as side by side.
    """
    parent = np.full(shells.count, -1, np.int64)
    if not 1 < shells.count <= MAX_NESTED:
        return parent
    by_shell = np.split(np.argsort(shells.label, kind="stable"), np.cumsum(np.bincount(shells.label))[:-1])
    by_size = np.argsort(np.abs(shells.volume), kind="stable")
    for inner in range(shells.count):
        inside_box = (shells.low < shells.low[inner]).all(axis=1) & (shells.high > shells.high[inner]).all(axis=1)
        if not inside_box.any():
            continue
        points = _probes(vertices, faces, by_shell[inner])
        for outer in by_size:
            if inside_box[outer] and all(_winding(point, vertices, faces[by_shell[outer]]) for point in points):
                parent[inner] = outer
                break
    return parent


def _probes(vertices: Floats, faces: Ints, members: Ints) -> Floats:
    """Points on a few faces, at odd weights so that a ray seldom runs through an edge."""
    chosen = members[np.linspace(0, len(members) - 1, PROBES).astype(np.int64)]
    weights = np.array([0.4142, 0.3271, 0.2587])
    return np.asarray(np.einsum("k,mkj->mj", weights, vertices[faces[chosen]]))


def _winding(point: Floats, vertices: Floats, faces: Ints) -> int:
    """Count signed crossings of the ray from `point` along +z: ±1 inside a closed shell, 0 outside."""
    corner = vertices[faces][:, :, :2] - point[:2]
    near = (corner.min(axis=1) <= 0).all(axis=1) & (corner.max(axis=1) >= 0).all(axis=1)
    a, b, c = (corner[near, k] for k in range(3))
    ab = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
    bc = b[:, 0] * c[:, 1] - b[:, 1] * c[:, 0]
    ca = c[:, 0] * a[:, 1] - c[:, 1] * a[:, 0]
    total = ab + bc + ca
    hit = (((ab >= 0) & (bc >= 0) & (ca >= 0)) | ((ab <= 0) & (bc <= 0) & (ca <= 0))) & (total != 0)
    z = vertices[faces[near][hit]][:, :, 2]
    weight = np.stack([bc, ca, ab], axis=1)[hit] / total[hit, None]
    above = (weight * z).sum(axis=1) > point[2]
    return int(np.sign(total[hit][above]).sum())

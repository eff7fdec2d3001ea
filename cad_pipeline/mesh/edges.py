"""The edges of a triangle mesh as sorted arrays: which are shared, open, or crowded."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cad_pipeline.mesh.raw import Ints

__all__ = ["Edges", "face_groups"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Edges:
    """Half-edges of faces (m, 3), grouped by undirected edge.

    `half` (3m, 2) holds start and end; half-edge h belongs to face h // 3. `order` sorts the half-edges by undirected
    edge, `starts` and `counts` mark the groups in that order.
    """

    half: Ints
    order: Ints
    starts: Ints
    counts: Ints

    @classmethod
    def of(cls, faces: Ints) -> Edges:
        """Group the half-edges of `faces`."""
        half = np.ascontiguousarray(faces[:, [0, 1, 1, 2, 2, 0]]).reshape(-1, 2)
        base = np.int64(faces.max() + 1 if len(faces) else 1)
        keys = np.minimum(half[:, 0], half[:, 1]) * base + np.maximum(half[:, 0], half[:, 1])
        order = np.argsort(keys)
        keys = keys[order]
        starts = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]])) if len(keys) else np.empty(0, np.int64)
        counts = np.diff(np.append(starts, len(keys)))
        return cls(half=half, order=order, starts=starts, counts=counts)

    @cached_property
    def pairs(self) -> Ints:
        """Half-edges of the edges shared by exactly two faces, (k, 2)."""
        two = self.starts[self.counts == 2]
        return np.stack([self.order[two], self.order[two + 1]], axis=1)

    @cached_property
    def agreeing(self) -> NDArray[np.bool_]:
        """For each pair, whether its two half-edges run in opposite directions, as consistent winding wants."""
        return np.asarray(self.half[self.pairs[:, 0], 0] != self.half[self.pairs[:, 1], 0])

    @cached_property
    def open(self) -> Ints:
        """Half-edges whose edge has no other face, (k,)."""
        return np.asarray(self.order[self.starts[self.counts == 1]], np.int64)

    @cached_property
    def crowded(self) -> Ints:
        """Group numbers of edges with more than two faces."""
        return np.flatnonzero(self.counts > 2)

    @cached_property
    def balanced(self) -> bool:
        """Whether every edge is run through as often one way as the other: then the faces bound volumes."""
        if not len(self.counts):
            return False
        sense = np.where(self.half[:, 0] < self.half[:, 1], 1, -1)[self.order]
        return not np.add.reduceat(sense, self.starts).any()

    @property
    def closed(self) -> bool:
        """Whether every edge is shared by exactly two faces, in opposite directions."""
        return bool(len(self.counts) and (self.counts == 2).all() and self.agreeing.all())


def face_groups(edges: Edges) -> tuple[int, Ints]:
    """Number the faces by connected group, joined across edges that exactly two faces share."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    left, right = edges.pairs[:, 0] // 3, edges.pairs[:, 1] // 3
    graph = coo_array((np.ones(len(left), np.int8), (left, right)), shape=(len(edges.half) // 3,) * 2)
    count, label = connected_components(graph, directed=False)
    return int(count), label.astype(np.int64)

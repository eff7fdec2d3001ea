"""Bodies, handles and voids of a solid, and whether triangles close at all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from cad_pipeline.values import Betti
from cad_pipeline.verify.subject import NotMeasurable, Shape, as_subject

if TYPE_CHECKING:
    from cad_pipeline.verify.solids import Solid

__all__ = ["EdgeCount", "betti", "betti_of_solid", "count_edges", "shells"]


@dataclass(frozen=True, slots=True, kw_only=True)
class EdgeCount:
    """How the edges of a triangle mesh are shared: by two opposite triangles, by one, wrongly turned, by more."""

    faces: int
    paired: int
    open: int
    turned: int
    crowded: int

    @property
    def closed(self) -> bool:
        """Whether every edge is shared by exactly two triangles with opposite orientation."""
        return self.faces > 0 and self.open == self.turned == self.crowded == 0


def count_edges(faces: NDArray[np.int64]) -> EdgeCount:
    """Count how the edges of faces (m, 3) are shared; vertices count as equal only by index."""
    if len(faces) == 0:
        return EdgeCount(faces=0, paired=0, open=0, turned=0, crowded=0)
    ends = faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    low, high = ends.min(axis=1), ends.max(axis=1)
    _, where, counts = np.unique(low * (faces.max() + 1) + high, return_inverse=True, return_counts=True)
    balance = np.bincount(where.reshape(-1), weights=np.where(ends[:, 0] == low, 1, -1))
    return EdgeCount(
        faces=len(faces),
        paired=int(((counts == 2) & (balance == 0)).sum()),
        open=int((counts == 1).sum()),
        turned=int(((counts == 2) & (balance != 0)).sum()),
        crowded=int((counts > 2).sum()),
    )


def shells(faces: NDArray[np.int64], vertex_count: int) -> NDArray[np.int64]:
    """Number the connected shell of every face, (m,), by shared vertices."""
    ends = np.concatenate([faces[:, :2], faces[:, 1:]])
    graph = coo_matrix((np.ones(len(ends), np.int8), (ends[:, 0], ends[:, 1])), shape=(vertex_count, vertex_count))
    _, label = connected_components(graph, directed=False)
    _, shell = np.unique(label[faces[:, 0]], return_inverse=True)
    return np.asarray(shell, np.int64).reshape(-1)


def betti(mesh: Shape) -> Betti:
    """Count bodies, through handles and enclosed voids of the solid that the mesh bounds.

    For a solid in space the handles are the genera of all its shells, added (Alexander duality): one shell of Euler
    characteristic χ has genus (2 − χ) / 2. Shells that face inwards are voids. Raises `NotMeasurable` if the mesh
    does not close.
    """
    return as_subject(mesh).betti


def betti_of_solid(solid: Solid) -> Betti:
    """Count bodies, handles and voids of a solid made by `make_solid`; raises `NotMeasurable` if there is none."""
    if solid.manifold is None:
        raise NotMeasurable(solid.reason)
    mesh = solid.manifold.to_mesh64()
    faces = np.asarray(mesh.tri_verts, np.int64)
    points = np.asarray(mesh.vert_properties, np.float64)[:, :3]
    shell = shells(faces, len(points))
    n = int(shell.max()) + 1
    owner = np.empty(len(points), np.int64)
    owner[faces.reshape(-1)] = np.repeat(shell, 3)
    used = np.zeros(len(points), bool)
    used[faces.reshape(-1)] = True
    vertex_counts = np.bincount(owner[used], minlength=n)
    face_counts = np.bincount(shell, minlength=n)
    genus = (2 - (vertex_counts - face_counts // 2)) // 2
    a, b, c = (points[faces[:, k]] for k in range(3))
    volume = np.bincount(shell, weights=np.einsum("ij,ij->i", a, np.cross(b, c)), minlength=n) / 6.0
    # Dust of the boolean kernel, thousands of times smaller than a voxel, is neither a body nor a void.
    real = np.abs(volume) > 1e-9 * np.abs(volume).sum()
    return Betti(b0=int((real & (volume > 0)).sum()), b1=int(genus[real].sum()), b2=int((real & (volume < 0)).sum()))

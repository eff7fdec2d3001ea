"""The shells of a solid, told apart on its arrays: crumbs by the thousand never become solids of their own."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import manifold3d as m3
import numpy as np
from numpy.typing import NDArray

from cad_pipeline.generators.geometric.facets import components

__all__ = ["Shells", "mesh_of", "shells_of"]

Manifold = Any
# fewer are soon made, and keep what the kernel knows of the solid's precision
_FEW = 64


@dataclass(frozen=True, slots=True, eq=False)
class Shells:
    """A solid, its mesh, which shell each triangle (m,) is of, and the volume (k,) of each; a void's is negative."""

    solid: Manifold
    vertices: NDArray[np.float64]
    faces: NDArray[np.int64]
    of_triangle: NDArray[np.int64]
    volume: NDArray[np.float64]

    def solids(self, least: float) -> list[tuple[Manifold, float]]:
        """The shells of at least `least` mm³ as solids, with their volumes."""
        if (self.volume < least).all():
            return []
        if len(self.volume) <= _FEW:
            found = ((shell, float(shell.volume())) for shell in self.solid.decompose())
            return [(shell, volume) for shell, volume in found if volume >= least]
        return [(self._solid(k), float(self.volume[k])) for k in np.nonzero(self.volume >= least)[0].tolist()]

    def _solid(self, shell: int) -> Manifold:
        used, faces = np.unique(self.faces[self.of_triangle == shell], return_inverse=True)
        return m3.Manifold(m3.Mesh64(self.vertices[used], faces.reshape(-1, 3).astype(np.uint64)))


def mesh_of(solid: Manifold) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Vertices (n, 3) and faces (m, 3) of a solid."""
    mesh = solid.to_mesh64()
    return np.asarray(mesh.vert_properties)[:, :3], np.asarray(mesh.tri_verts, dtype=np.int64)


@lru_cache(maxsize=2)
def shells_of(solid: Manifold) -> Shells:
    """Tell the shells of a solid apart; the last are remembered, as a solid is asked for several things in turn."""
    vertices, faces = mesh_of(solid)
    if not len(faces):
        return Shells(solid, vertices, faces, np.zeros(0, dtype=np.int64), np.zeros(0))
    label = components(len(vertices), np.vstack([faces[:, :2], faces[:, 1:]]))
    _, of_triangle = np.unique(label[faces[:, 0]], return_inverse=True)
    a, b, c = (vertices - vertices.mean(axis=0))[faces].transpose(1, 0, 2)
    tetrahedra = np.einsum("ij,ij->i", a, np.cross(b, c)) / 6
    volume = np.bincount(of_triangle, weights=tetrahedra).astype(np.float64)
    return Shells(solid, vertices, faces, of_triangle, volume)

"""Fewer triangles for those who need no more: a closed surface thinned within a tolerance, by edge collapses."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cad_pipeline.generators.geometric.solids import mesh_solid

__all__ = ["thinned"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
# tolerances in shares of the diagonal, the finest first
_SHARES = (2e-6, 1e-5, 3e-5, 1e-4, 3e-4)


def thinned(vertices: Floats, faces: Ints, *, most: int) -> tuple[Floats, Ints]:
    """Thin a closed mesh to about `most` triangles, or as near as it gets within 3e-4 of its diagonal.

    A mesh that has no more, or that does not close, comes back as it was.
    """
    if len(faces) <= most:
        return vertices, faces
    solid = mesh_solid(vertices, faces)
    if solid is None:
        return vertices, faces
    size = float(np.linalg.norm(np.ptp(vertices, axis=0)))
    for share in _SHARES:
        light = solid.simplify(share * size)
        if light.num_tri() <= most:
            break
    mesh = light.to_mesh64()
    return np.array(mesh.vert_properties)[:, :3], np.array(mesh.tri_verts, dtype=np.int64)

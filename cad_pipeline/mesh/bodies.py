"""Connected bodies of a mesh: an outer shell with the cavities in it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cad_pipeline.mesh.raw import Ints
from cad_pipeline.mesh.shells import Shells, parents
from cad_pipeline.mesh.weld import drop_unused
from cad_pipeline.values import Mesh

__all__ = ["bodies", "body_of_faces"]


def bodies(mesh: Mesh) -> tuple[Mesh, ...]:
    """Split a mesh into its bodies, in the order of their first triangles; cavities stay with their outer shell.

    A mesh of one body comes back as it is. Several are named `<name>_1`, `<name>_2`…, each at its own place.
    """
    centred = mesh.vertices - (mesh.vertices.min(axis=0) + mesh.vertices.max(axis=0)) / 2
    shells = Shells.of(centred, mesh.faces)
    if shells.count == 1:
        return (mesh,)
    body = body_of_faces(shells, parents(centred, mesh.faces, shells))
    count = int(body.max()) + 1
    if count == 1:
        return (mesh,)
    members = np.split(np.argsort(body, kind="stable"), np.cumsum(np.bincount(body))[:-1])
    out: list[Mesh] = []
    for number, chosen in enumerate(members, start=1):
        vertices, faces = drop_unused(mesh.vertices, mesh.faces[chosen])
        closed = bool(shells.closed[np.unique(shells.label[chosen])].all())
        name = f"{mesh.name}_{number:0{len(str(count))}d}"
        out.append(replace(mesh, name=name, vertices=vertices, faces=faces, closed=closed))
    return tuple(out)


def body_of_faces(shells: Shells, parent: Ints) -> Ints:
    """Number the body of each face, (m,), by first appearance: inward shells belong to the outward one around them."""
    owner = np.arange(shells.count)
    for shell in range(shells.count):
        if shells.volume[shell] < 0:
            at = int(parent[shell])
            while at >= 0 and shells.volume[at] < 0:
                at = int(parent[at])
            owner[shell] = at if at >= 0 else shell
    body = owner[shells.label]
    _, first, inverse = np.unique(body, return_index=True, return_inverse=True)
    rank = np.argsort(np.argsort(first))
    return np.asarray(rank[inverse.reshape(-1)], np.int64)

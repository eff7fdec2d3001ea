"""Parts of several bodies drawn apart, so that each is seen."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cad_renderers.camera import CORNER_ISO, Rig
from cad_renderers.roles import Renderer, Triangles
from cad_renderers.shapes import Solid
from cad_renderers.style import CAD_GREY, Style

__all__ = ["exploded_bodies", "exploded_image"]


def exploded_bodies(mesh: Triangles, /, *, spread: float = 0.9) -> Solid:
    """Move the bodies of a mesh (pieces that share no vertex) away from its middle, in the mesh's unit.

    `spread` is the way as a share of each body's own distance from the middle; bodies that share a middle are pulled
    apart along Z, in steps of the part's height. A single body stays where it is.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    vertices, faces = np.array(mesh.vertices, dtype=np.float64), np.asarray(mesh.faces, dtype=np.int64)
    pairs = np.vstack([faces[:, :2], faces[:, 1:]])
    count = len(vertices)
    graph = coo_matrix((np.ones(len(pairs), dtype=np.int8), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
    _, label = connected_components(graph, directed=False)
    bodies = np.unique(label[faces[:, 0]])
    if len(bodies) < 2:
        return Solid(vertices=vertices, faces=faces)
    boxes = np.array([(vertices[label == b].min(axis=0), vertices[label == b].max(axis=0)) for b in bodies])
    middle = (boxes[:, 0].min(axis=0) + boxes[:, 1].max(axis=0)) / 2.0
    height = float(boxes[:, 1, 2].max() - boxes[:, 0, 2].min())
    way = (boxes.mean(axis=1) - middle) * spread
    small = 1e-6 * float(np.linalg.norm(boxes[:, 1].max(axis=0) - boxes[:, 0].min(axis=0)))
    level = 0
    for k in range(len(bodies)):
        if any(float(np.linalg.norm(way[k] - way[j])) <= small for j in range(k)):
            level += 1
            way[k, 2] += level * height * (1.0 + spread) / 1.5
        vertices[label == bodies[k]] += way[k]
    return Solid(vertices=vertices, faces=faces)


def exploded_image(
    mesh: Triangles,
    /,
    *,
    renderer: Renderer | None = None,
    style: Style = CAD_GREY,
    size_px: int = 256,
) -> NDArray[np.uint8]:
    """Draw the bodies of a mesh apart, from the front right and above; (size_px, size_px, 3) uint8."""
    if renderer is None:
        from cad_renderers.software import SoftwareRenderer

        renderer = SoftwareRenderer()
    rig = Rig(name="exploded", cameras=CORNER_ISO.cameras[:1], margin=0.04)
    return renderer.render(exploded_bodies(mesh), rig=rig, style=style, size_px=size_px)[0].image

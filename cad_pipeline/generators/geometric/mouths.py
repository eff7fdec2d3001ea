"""Where a bore's wall ends in a fillet or a chamfer, the bore itself goes on to the face that it opens."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cad_pipeline.generators.geometric.facets import Facets, components
from cad_pipeline.generators.geometric.features import Extrusion
from cad_pipeline.generators.geometric.numbers import nice
from cad_pipeline.generators.geometric.scale import Scale
from cad_pipeline.generators.geometric.shapes2d import Circle

__all__ = ["opened"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
# a broken edge is no wider than this at its rim, in radii of the bore, and leans by a degree at least
WIDEST = 2.0
LEAST_LEAN, MOST_LEAN = 0.02, 0.995


def opened(bore: Extrusion, wall: Ints, vertices: Floats, faces: Ints, facets: Facets, scale: Scale) -> Extrusion:
    """Lengthen a bore, whose wall is the facets `wall` (k,), by the broken edges at its mouths."""
    assert isinstance(bore.shape, Circle)
    local = bore.frame.to_local(vertices) - np.array([*bore.shape.centre, 0.0])
    radius, centroid = bore.shape.radius, bore.frame.to_local(facets.centroid) - np.array([*bore.shape.centre, 0.0])
    normal = facets.normal @ bore.frame.axes.T
    far = np.zeros(len(facets.area))
    np.maximum.at(far, facets.of_triangle, np.linalg.norm(local[faces][:, :, :2], axis=2).max(axis=1))
    inward = np.einsum("ij,ij->i", normal[:, :2], centroid[:, :2]) < 0
    ends = []
    for end, out in ((bore.low, -1.0), (bore.high, 1.0)):
        lean = out * normal[:, 2]
        near = inward & (lean > LEAST_LEAN) & (lean < MOST_LEAN)
        near &= out * (centroid[:, 2] - end) > -scale.noise
        edge = _joined_to(wall, near, facets)
        heights = local[np.unique(faces[edge[facets.of_triangle]])][:, 2]
        broken = len(heights) > 0 and far[edge].max() < WIDEST * radius
        ends.append(nice(float((out * heights).max()) * out, scale.noise) if broken else end)
    return replace(bore, low=min(bore.low, ends[0]), high=max(bore.high, ends[1]))


def _joined_to(wall: Ints, near: NDArray[np.bool_], facets: Facets) -> NDArray[np.bool_]:
    """Which of the facets marked in `near` (k,) hang together with the wall."""
    kept = near.copy()
    kept[wall] = True
    sides = facets.of_triangle[facets.sides]
    label = components(len(near), sides[kept[sides].all(axis=1)])
    return np.asarray(near & (label == label[wall[0]]))

"""Rods in any direction: cylinders that stick out between others, as in lattices, handles and frames of tubes.

The edges of a tessellated cylinder run along its axis, and its facets' normals stand square to it. So directions come
from long edges, and along each the facets that stand square to it fall apart into walls that are round or not.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cad_pipeline.generators.geometric.circles import outer_circle
from cad_pipeline.generators.geometric.facets import components
from cad_pipeline.generators.geometric.features import Extrusion, Feature
from cad_pipeline.generators.geometric.frame import Frame, frame_along, straightened, upright
from cad_pipeline.generators.geometric.numbers import nice
from cad_pipeline.generators.geometric.scale import Scale
from cad_pipeline.generators.geometric.shapes2d import Circle
from cad_pipeline.generators.geometric.solids import Manifold, as_solid, build

__all__ = ["rods"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_MOST_DIRECTIONS = 24
# directions within a quarter of a degree are one, and along the world's axes where one is as near
_SAME_DIRECTION = 1 - 1e-5
_ON_AXIS = 4e-3
_SQUARE = 5e-3
_LEAST_FACETS = 6
# shares of the part's size: how far a wall may be from its circle, and how long a rod must be
_OFF = 5e-4
_LEAST_LENGTH = 0.02
# shares of a rod's volume: what may stick out of the part, and what it must add
_OUTSIDE = 0.03
_NEW = 0.3


def rods(vertices: Floats, faces: Ints, target: Manifold, scale: Scale) -> list[Feature]:
    """List the cylinders that bound material from outside, each as far as its wall reaches; the longest first.

    What sticks out of the target, or lies in what was listed before, is left out.
    """
    kept: list[Feature] = []
    whole = build(kept)
    for rod in _walls(vertices, faces, scale):
        solid = as_solid(rod)
        volume = solid.volume()
        if (solid - target).volume() < _OUTSIDE * volume and (solid - whole).volume() > _NEW * volume:
            kept.append(rod)
            whole += solid
    return kept


def _walls(vertices: Floats, faces: Ints, scale: Scale) -> list[Extrusion]:
    normals = np.cross(vertices[faces[:, 1]] - vertices[faces[:, 0]], vertices[faces[:, 2]] - vertices[faces[:, 0]])
    lengths = np.linalg.norm(normals, axis=1)
    good = lengths > 1e-12 * scale.size**2
    faces, normals = faces[good], normals[good] / lengths[good, None]
    found: list[Extrusion] = []
    for axis in _directions(vertices, faces):
        frame = frame_along(axis, np.zeros(3))
        local, turned = frame.to_local(vertices), normals @ frame.axes.T
        wall = np.nonzero(np.abs(turned[:, 2]) < _SQUARE)[0]
        for patch in _patches(faces[wall]):
            rod = _rod(local, faces[wall[patch]], turned[wall[patch]], frame, scale)
            if rod is not None:
                _add(found, rod, scale)
    return sorted(found, key=lambda f: f.low - f.high)


def _directions(vertices: Floats, faces: Ints) -> list[Floats]:
    """Directions of long edges, those with the most length first; each once, whichever way it points."""
    ends = np.unique(np.sort(np.vstack([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]]), axis=1), axis=0)
    along = vertices[ends[:, 1]] - vertices[ends[:, 0]]
    length = np.linalg.norm(along, axis=1)
    order = np.argsort(-length)[:4000]
    along, length = along[order] / length[order, None], length[order]
    chosen: list[tuple[float, Floats]] = []
    axes = np.zeros_like(along)
    left = np.ones(len(along), dtype=bool)
    for k in range(len(along)):
        if left[k]:
            alike = left & (np.abs(along @ along[k]) > _SAME_DIRECTION)
            left &= ~alike
            axis = upright(straightened(along[k], _ON_AXIS))
            if (np.abs(axes[: len(chosen)] @ axis) < _SAME_DIRECTION).all():
                axes[len(chosen)] = axis
                chosen.append((float(length[alike].sum()), axis))
    return [axis for _, axis in sorted(chosen, key=lambda c: -c[0])[:_MOST_DIRECTIONS]]


def _patches(faces: Ints) -> list[NDArray[np.intp]]:
    """Row numbers of triangles that hang together by their corners."""
    if not len(faces):
        return []
    corners, place = np.unique(faces, return_inverse=True)
    place = place.reshape(-1, 3)
    home = components(len(corners), np.vstack([place[:, [0, 1]], place[:, [1, 2]]]))
    of_face = home[place[:, 0]]
    return [np.nonzero(of_face == k)[0] for k in np.unique(of_face)]


def _rod(local: Floats, faces: Ints, normals: Floats, frame: Frame, scale: Scale) -> Extrusion | None:
    if len(faces) < _LEAST_FACETS:
        return None
    points = local[np.unique(faces)]
    low, high = float(points[:, 2].min()), float(points[:, 2].max())
    if high - low < _LEAST_LENGTH * scale.size:
        return None
    circle = outer_circle(points[:, :2], max(_OFF * scale.size, 3 * scale.noise), 0.02)
    if circle is None:
        return None
    x, y, radius = circle
    middles = local[faces].mean(axis=1)[:, :2] - (x, y)
    if radius > 0.5 * scale.size or (np.einsum("ij,ij->i", middles, normals[:, :2]) < 0).any():
        return None
    reach = 2e-5 * scale.size
    return Extrusion(
        frame, Circle((nice(x, reach), nice(y, reach)), nice(radius, reach)), nice(low, reach), nice(high, reach)
    )


def _add(found: list[Extrusion], rod: Extrusion, scale: Scale) -> None:
    """Take a rod in, as part of a known one where both lie on one cylinder."""
    near = 2e-3 * scale.size
    assert isinstance(rod.shape, Circle)
    for k, known in enumerate(found):
        shape = known.shape
        if known.frame is rod.frame and isinstance(shape, Circle):
            off = np.hypot(shape.centre[0] - rod.shape.centre[0], shape.centre[1] - rod.shape.centre[1])
            if off < near and abs(shape.radius - rod.shape.radius) < near:
                found[k] = Extrusion(known.frame, shape, min(known.low, rod.low), max(known.high, rod.high))
                return
    found.append(rod)

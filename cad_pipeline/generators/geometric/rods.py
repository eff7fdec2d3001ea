"""Rods in any direction: cylinders that stick out between others, as in lattices, handles and frames of tubes.

The edges of a tessellated cylinder run along its axis, and its facets' normals stand square to it. So directions come
from long edges, and along each the facets that have such an edge and stand square to it fall apart into walls that are
round or not. Where rods meet, their walls end before their axes do, and a ball may round the joint.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cad_pipeline.generators.geometric.balls import ball
from cad_pipeline.generators.geometric.circles import outer_circle
from cad_pipeline.generators.geometric.facets import components
from cad_pipeline.generators.geometric.features import Extrusion, Feature, Revolution
from cad_pipeline.generators.geometric.frame import frame_along, straightened, upright
from cad_pipeline.generators.geometric.numbers import nice
from cad_pipeline.generators.geometric.scale import Scale
from cad_pipeline.generators.geometric.shapes2d import Circle
from cad_pipeline.generators.geometric.solids import Manifold, as_solid, build

__all__ = ["is_lattice", "rods"]

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
# share of its radius by which corners on the chords of a wall's facets lie within it
_INSIDE = 0.02
# circles that differ by less than this share of the part's size bound one wall
_SAME_WALL = 2e-3
# shares of a rod's or a ball's volume: what may stick out of the part, and what it must add
_OUTSIDE = 0.03
_NEW = 0.3
_NEW_OF_A_BALL = 0.01
# axes that pass each other within this share of a rod's radius meet; its end may lie so many radii from there
_MEETS = 0.05
_REACH = 3.0
# the sine of an angle at which two axes are no longer nearly parallel
_ASKEW = 0.1
# a ball's corners look away from its middle within this angle's cosine, and there are so many of them
_RADIAL = 0.995
_LEAST_CORNERS = 8
# a lattice has rods in so many directions, and their walls are this share of its corners
_DIRECTIONS = 3
_MOSTLY = 0.6


def rods(vertices: Floats, faces: Ints, target: Manifold, scale: Scale) -> list[Feature]:
    """List the cylinders that bound material from outside, and then the balls at their joints.

    A rod goes on to where its axis meets others, or ends with its wall. What sticks out of the target, or lies in what
    was listed before, is left out.
    """
    kept: list[Extrusion] = []
    whole = build([])
    for rod in _walls(vertices, faces, scale):
        if _lies_in(rod, target) and _adds(rod, whole, _NEW):
            kept.append(rod)
            whole += as_solid(rod)
    carried = [_carried_on(rod, kept, scale) for rod in kept]
    kept = [on if _lies_in(on, target) else rod for rod, on in zip(kept, carried, strict=True)]
    # what stands along the world's axes gives the datum
    kept.sort(key=lambda rod: rod.frame.plane_name is None)
    whole = build(kept)
    balls: list[Revolution] = []
    for one in _balls(vertices, faces, _joints(kept, scale), scale):
        if _lies_in(one, target) and _adds(one, whole, _NEW_OF_A_BALL):
            balls.append(one)
            whole += as_solid(one)
    return [*kept, *balls]


def is_lattice(vertices: Floats, faces: Ints, scale: Scale) -> bool:
    """Whether most of a mesh's corners lie on the walls of rods that run in several directions."""
    directions: set[int] = set()
    lie_on = np.zeros(len(vertices), dtype=bool)
    for rod in _walls(vertices, faces, scale):
        assert isinstance(rod.shape, Circle)
        local = rod.frame.to_local(vertices)
        away = local[:, :2] - rod.shape.centre
        on = np.abs(np.linalg.norm(away, axis=1) - rod.shape.radius) < _INSIDE * rod.shape.radius
        on &= (local[:, 2] > rod.low - scale.level) & (local[:, 2] < rod.high + scale.level)
        angle = np.sort(np.arctan2(away[on, 1], away[on, 0]))
        # what goes less than half round is a rounded edge
        if len(angle) and float(np.diff(angle, append=angle[0] + 2 * np.pi).max()) < np.pi:
            directions.add(id(rod.frame))
            lie_on |= on
    return len(directions) >= _DIRECTIONS and float(lie_on.mean()) > _MOSTLY


def _lies_in(feature: Feature, target: Manifold) -> bool:
    """Whether a feature hardly sticks out of the target."""
    solid = as_solid(feature)
    return bool((solid - target).volume() < _OUTSIDE * solid.volume())


def _adds(feature: Feature, whole: Manifold, share: float) -> bool:
    """Whether more than a share of a feature is not in `whole` yet."""
    solid = as_solid(feature)
    return bool((solid - whole).volume() > share * solid.volume())


def _joints(rods: list[Extrusion], scale: Scale) -> list[Floats]:
    """The ends (3,) of rods, each once."""
    joints: list[Floats] = []
    for rod in rods:
        joints += [p for p in _ends(rod) if all(np.linalg.norm(p - q) > scale.level for q in joints)]
    return joints


def _reach(scale: Scale) -> float:
    """How far in mm a length of a rod may be moved to be rounder."""
    return 2e-5 * scale.size


def _ends(rod: Extrusion) -> Floats:
    """The ends (2, 3) of a rod's axis."""
    assert isinstance(rod.shape, Circle)
    return rod.frame.to_world(np.array([[*rod.shape.centre, rod.low], [*rod.shape.centre, rod.high]]))


def _carried_on(rod: Extrusion, others: list[Extrusion], scale: Scale) -> Extrusion:
    """A rod that goes on to where its axis meets others, or back to there, as far as that is near its ends."""
    assert isinstance(rod.shape, Circle)
    axis, near = rod.frame.axes[2], _REACH * rod.shape.radius
    foot, _ = _ends(rod)
    crossings = []
    for other in others:
        along = other.frame.axes[2]
        normal = np.cross(axis, along)
        size = float(np.linalg.norm(normal))
        if size > _ASKEW:
            apart = _ends(other)[0] - foot
            if abs(float(apart @ normal)) < _MEETS * rod.shape.radius * size:
                crossings.append(rod.low + float(np.cross(apart, along) @ normal) / size**2)

    def met(end: float) -> float:
        nearest = min(crossings, key=lambda z: abs(z - end), default=end)
        return nice(nearest, _reach(scale)) if abs(nearest - end) < near else end

    low, high = met(rod.low), met(rod.high)
    return replace(rod, low=low, high=high) if high > low else rod


def _balls(vertices: Floats, faces: Ints, middles: list[Floats], scale: Scale) -> list[Revolution]:
    """Find balls about `middles` by the corners of the mesh that look straight away from one, all equally far."""
    corners = vertices[faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    looks = np.zeros_like(vertices)
    for k in range(3):
        np.add.at(looks, faces[:, k], normals)
    looks /= np.maximum(np.linalg.norm(looks, axis=1), 1e-300)[:, None]
    found: list[Revolution] = []
    reach = _reach(scale)
    for middle in middles:
        away = vertices - middle
        distance = np.linalg.norm(away, axis=1)
        radial = distance[np.einsum("ij,ij->i", away, looks) > _RADIAL * distance]
        radial = radial[radial < 0.5 * scale.size]
        if len(radial) < _LEAST_CORNERS:
            continue
        radius = float(np.median(radial))
        if (np.abs(radial - radius) < _OFF * scale.size).sum() >= max(_LEAST_CORNERS, 0.5 * len(radial)):
            found.append(ball(np.array([nice(float(c), reach) for c in middle]), nice(radius, reach)))
    return found


def _walls(vertices: Floats, faces: Ints, scale: Scale) -> list[Extrusion]:
    """The cylinders that bound material from outside, each as far as its wall reaches; those with the largest first."""
    normals = np.cross(vertices[faces[:, 1]] - vertices[faces[:, 0]], vertices[faces[:, 2]] - vertices[faces[:, 0]])
    lengths = np.linalg.norm(normals, axis=1)
    good = lengths > 1e-12 * scale.size**2
    faces, lengths, normals = faces[good], lengths[good], normals[good] / lengths[good, None]
    found: list[tuple[float, Extrusion]] = []
    edges = vertices[faces[:, [1, 2, 0]]] - vertices[faces]
    edges /= np.maximum(np.linalg.norm(edges, axis=2), 1e-300)[..., None]
    for axis in _directions(vertices, faces):
        frame = frame_along(axis, np.zeros(3))
        local, turned = frame.to_local(vertices), normals @ frame.axes.T
        square = np.nonzero(np.abs(turned[:, 2]) < _SQUARE)[0]
        wall, looks = faces[square], turned[square, :2]
        known: list[Circle] = []
        ruled = np.nonzero((np.abs(edges[square] @ axis) > _SAME_DIRECTION).any(axis=1))[0]
        corners = local[wall]
        for patch in _patches(wall[ruled]):
            circle = _circle(corners[ruled[patch]], looks[ruled[patch]], scale)
            if circle is None:
                continue
            # a patch is a small piece of a wall that others cross
            on = _lie_on(circle, corners, looks, scale)
            circle = _circle(corners[on], looks[on], scale) or circle
            if all(_apart(circle, other) > _SAME_WALL * scale.size for other in known):
                known.append(circle)
                area = float(lengths[square[on]].sum())
                spans = _spans(corners[on, :, 2], circle, scale)
                found += [(area, Extrusion(frame, circle, low, high)) for low, high in spans]
    # edges across the facets of a slender wall point nearly along it
    return [rod for _, rod in sorted(found, key=lambda f: (-f[0], f[1].low - f[1].high))]


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
    order = np.argsort(of_face, kind="stable")
    return np.split(order, np.nonzero(np.diff(of_face[order]))[0] + 1)


def _circle(corners: Floats, looks: Floats, scale: Scale) -> Circle | None:
    """The circle of a convex wall's triangles (n, 3, 3) along z with normals `looks` (n, 2); None if it has none."""
    if len(corners) < _LEAST_FACETS:
        return None
    points = np.unique(corners[..., :2].reshape(-1, 2), axis=0)
    circle = outer_circle(points, max(_OFF * scale.size, 3 * scale.noise), _INSIDE)
    if circle is None:
        return None
    x, y, radius = circle
    middles = corners[..., :2].mean(axis=1) - (x, y)
    if radius > 0.5 * scale.size or (np.einsum("ij,ij->i", middles, looks) < 0).any():
        return None
    reach = _reach(scale)
    return Circle((nice(x, reach), nice(y, reach)), nice(radius, reach))


def _apart(a: Circle, b: Circle) -> float:
    """How much two circles differ, in mm."""
    return max(float(np.hypot(a.centre[0] - b.centre[0], a.centre[1] - b.centre[1])), abs(a.radius - b.radius))


def _lie_on(circle: Circle, corners: Floats, looks: Floats, scale: Scale) -> NDArray[np.bool_]:
    """Which triangles (n, 3, 3), whose normals are `looks` (n, 2), lie on a cylinder along z and look outwards."""
    away = corners[..., :2] - circle.centre
    distance = np.linalg.norm(away, axis=2)
    off = max(_OFF * scale.size, 3 * scale.noise)
    on = (distance < circle.radius + off).all(axis=1) & (distance > (1 - _INSIDE) * circle.radius - off).all(axis=1)
    middles = away.mean(axis=1)
    outwards = np.einsum("ij,ij->i", middles, looks) > _RADIAL * np.linalg.norm(middles, axis=1)
    return np.asarray(on & outwards)


def _spans(heights: Floats, circle: Circle, scale: Scale) -> list[tuple[float, float]]:
    """From where to where a wall reaches whose triangles have corners at `heights` (n, 3); in pieces where it gapes."""
    lows, highs = heights.min(axis=1), heights.max(axis=1)
    order = np.argsort(lows)
    found: list[tuple[float, float]] = []
    for low, high in zip(lows[order].tolist(), highs[order].tolist(), strict=True):
        if found and low < found[-1][1] + circle.radius:
            found[-1] = (found[-1][0], max(found[-1][1], high))
        else:
            found.append((low, high))
    reach = _reach(scale)
    return [(nice(a, reach), nice(b, reach)) for a, b in found if b - a > _LEAST_LENGTH * scale.size]

"""Patches of facets that may be one round wall: what shallow angles join, and what lies along one direction.

Round walls often run on smoothly into what they meet: a fillet at the mouth or the floor, a flat wall, another bore.
There the patch is split by direction. The edges between the strips of a bore run along its axis, and together they
turn by a full circle: a direction for which they do is worth looking along.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from cad_pipeline.generators.geometric.circles import WIDEST_GAP_RAD
from cad_pipeline.generators.geometric.facets import Facets, components

__all__ = ["LEAST_FACETS", "shallow_patches", "turning_directions", "walls_along"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]
SHALLOW = math.cos(math.radians(46.0))
LEAST_FACETS = 8
# edges run along a direction if they are within this of it; between rims of different vertices they zigzag
ALONG = tuple(math.cos(math.radians(degrees)) for degrees in (0.5, 4.0))
# a wall is round if its edges turn by this much, in rad: a full circle, but for strips that are missing at a mouth
FULL_TURN = 0.75 * 2 * math.pi
# a turn the other way that is no more than the noise of slivers, as a sine
SLIGHT_TURN = 0.02
# how far a wall's normals may lean from across its axis: exact walls first, since fillets begin with less than a degree
LEANS = (0.003, 0.012)
MOST_DIRECTIONS = 32


def shallow_patches(facets: Facets) -> list[Ints]:
    """Facets joined by shallow angles, as arrays of facet numbers; those of fewer than eight are left out."""
    one, two = (facets.of_triangle[facets.sides[:, k]] for k in (0, 1))
    cosine = np.einsum("ij,ij->i", facets.normal[one], facets.normal[two])
    joined = (one != two) & (cosine > SHALLOW)
    return _joined(len(facets.area), np.column_stack([one, two])[joined])


def turning_directions(vertices: Floats, faces: Ints, facets: Facets, left: Mask) -> list[Floats]:
    """Unit vectors (3,) along which concave edges between the facets `left` (k,) turn by a full circle, most first."""
    one, two, turn = _concave_turns(vertices, faces, facets)
    along = vertices[facets.edges[:, 1]] - vertices[facets.edges[:, 0]]
    length = np.linalg.norm(along, axis=1)
    use = np.nonzero(left[one] & left[two] & (turn > SLIGHT_TURN / 10) & (length > 0))[0]
    # two facets count once, by the longest edge that they share
    pairs = np.sort(np.column_stack([one, two])[use], axis=1)
    order = np.lexsort((-length[use], pairs[:, 1], pairs[:, 0]))
    use, pairs = use[order], pairs[order]
    first = np.r_[True, (pairs[1:] != pairs[:-1]).any(axis=1)] if len(use) else np.zeros(0, dtype=bool)
    use = use[first]
    unit = along[use] / length[use, None]
    largest = np.take_along_axis(unit, np.abs(unit).argmax(axis=1)[:, None], axis=1)
    return _heaviest(unit * np.sign(largest), np.arcsin(np.clip(turn[use], 0.0, 1.0)))


def walls_along(
    vertices: Floats, faces: Ints, facets: Facets, left: Mask, directions: Sequence[Floats]
) -> Iterator[Ints]:
    """Patches of the facets `left` (k,) that stand along a direction and face all ways, as arrays of facet numbers.

    `left` is looked at anew for each patch: what the caller strikes out of it is not offered again.
    """
    one, two, turn = _concave_turns(vertices, faces, facets)
    cosine = np.einsum("ij,ij->i", facets.normal[one], facets.normal[two])
    joined = (one != two) & (cosine > SHALLOW) & (turn > -SLIGHT_TURN)
    for direction in directions:
        lean = np.abs(facets.normal @ direction)
        for most in LEANS:
            across = left & (lean < most)
            links = np.column_stack([one, two])[joined & across[one] & across[two]]
            for patch in _joined(len(facets.area), links):
                if left[patch].all() and _faces_all_ways(facets.normal[patch], direction):
                    yield patch


def _concave_turns(vertices: Floats, faces: Ints, facets: Facets) -> tuple[Ints, Ints, Floats]:
    """The facets beside each shared edge (e,) and the sine of the turn there, positive where it is hollow."""
    one, two = (facets.of_triangle[facets.sides[:, k]] for k in (0, 1))
    sine = np.linalg.norm(np.cross(facets.normal[one], facets.normal[two]), axis=1)
    beyond = vertices[faces[facets.sides[:, 1]]].mean(axis=1) - vertices[facets.edges[:, 0]]
    hollow = np.einsum("ij,ij->i", beyond, facets.normal[one]) > 0
    cosine = np.einsum("ij,ij->i", facets.normal[one], facets.normal[two])
    return one, two, np.where(cosine > SHALLOW, np.where(hollow, sine, -sine), 0.0)


def _heaviest(unit: Floats, weight: Floats) -> list[Floats]:
    """Directions of at least a full turn among unit vectors (n, 3) with turns (n,) in rad, those of most turn first."""
    _, bins = np.unique(np.round(unit * 200).astype(np.int64), axis=0, return_inverse=True)
    bins = bins.ravel()
    heaviest = np.argsort(-np.bincount(bins, weights=weight), kind="stable")[: 8 * MOST_DIRECTIONS]
    left = weight.copy()
    found: list[tuple[float, Floats]] = []
    for along in ALONG:
        for k in heaviest:
            seed = (unit * (left * (bins == k))[:, None]).sum(axis=0)
            if not seed.any():
                continue
            cosine = unit @ (seed / np.linalg.norm(seed))
            near = np.abs(cosine) > along
            turned = float(left[near].sum())
            if turned >= FULL_TURN:
                middle = (unit[near] * (left[near] * np.sign(cosine[near]))[:, None]).sum(axis=0)
                found.append((turned, middle / np.linalg.norm(middle)))
                left[near] = 0.0
    found.sort(key=lambda f: -f[0])
    return [direction for _, direction in found[:MOST_DIRECTIONS]]


def _joined(count: int, links: Ints) -> list[Ints]:
    label = components(count, links)
    large = np.bincount(label)[label] >= LEAST_FACETS
    members = np.nonzero(large)[0]
    members = members[np.argsort(label[members], kind="stable")]
    starts = np.nonzero(np.diff(label[members]))[0] + 1
    return [patch.astype(np.int64) for patch in np.split(members, starts) if len(patch)]


def _faces_all_ways(normals: Floats, direction: Floats) -> bool:
    """Whether normals (n, 3) face all ways about a direction, but for what a mouth may have cut off."""
    x = np.cross(direction, np.eye(3)[int(np.argmin(np.abs(direction)))])
    heading = np.sort(np.arctan2(normals @ np.cross(direction, x), normals @ x))
    return float(np.diff(np.r_[heading, heading[0] + 2 * np.pi]).max()) < WIDEST_GAP_RAD

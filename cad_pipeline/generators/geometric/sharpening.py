"""Make a mesh sharp where its edges are blended: every vertex of a blend goes to where the faces beside it meet.

A vertex stays on the faces that it lies on and goes onto those that support its strip; the strip collapses into an
edge, the patch where strips meet into a corner.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from cad_pipeline.generators.geometric.edge_blends import (
    Strip,
    one_of_each_face,
    rims_of,
    surrounded,
)
from cad_pipeline.generators.geometric.facets import Facets, components, shared_edges
from cad_pipeline.generators.geometric.scale import Scale
from cad_pipeline.generators.geometric.solids import Manifold, mesh_of, mesh_solid

__all__ = ["Sharp", "sharpened"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
# how far a vertex goes, in sizes of the blend, and how far off its faces it may end
FARTHEST, OFF = 4.0, 0.1
PARALLEL = 0.15
MOST_TRIALS = 3
# what else than the blend may change, in shares of the blend
SPILT = 0.02
# by what share of the part's size a blend's volume reaches beyond the faces
HAIR = 1e-4
# by how much the normals of faces differ that are taken for supports
ALIKE = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class Sharp:
    """A mesh without some blends, as arrays and solid, and where their edges are, as segments (n, 2, 3) in mm.

    `beyond` is the solid with the faces at these edges a hair further out, or in where the edges are concave.
    """

    vertices: Floats
    faces: Ints
    solid: Manifold
    beyond: Manifold
    strips: tuple[Strip, ...]
    edges: Floats

    @property
    def convex(self) -> bool:
        """Whether the blends took something off; else they filled something in."""
        return self.strips[0].convex

    def gained(self, before: Manifold) -> float:
        """By how much there is more of it than `before`, or less at concave edges, in mm³."""
        more = float(self.solid.volume() - before.volume())
        return more if self.convex else -more

    def blend(self, before: Manifold) -> Manifold | None:
        """What the blends took off or filled in; None if there are other differences from the solid `before`.

        It reaches a hair beyond the faces, so that no skin is left where it is taken off what explains the sharp mesh.
        """
        spilt = (before - self.solid if self.convex else self.solid - before).volume()
        if spilt > SPILT * self.gained(before):
            return None
        return self.beyond - before if self.convex else before - self.beyond


def sharpened(vertices: Floats, faces: Ints, facets: Facets, strips: Sequence[Strip], scale: Scale) -> Sharp | None:
    """Undo `strips` of one size; those that cannot be undone stay, None if that is all of them."""
    left = list(strips)
    for _ in range(MOST_TRIALS):
        if not left:
            return None
        mine, supports = _blended(vertices, faces, facets, left)
        steps, hairs, stuck = _steps(vertices, faces, facets, mine, supports, left[0].size, scale)
        if not stuck:
            moved = vertices + steps
            hair = (HAIR if left[0].convex else -HAIR) * scale.size
            points = (moved, moved + hair * hairs)
            return _collapsed(points, faces, facets, mine[facets.of_triangle], supports, left, scale)
        left = [s for s in left if not stuck & s.supports.keys()]
    return None


def _blended(
    vertices: Floats, faces: Ints, facets: Facets, strips: Sequence[Strip]
) -> tuple[NDArray[np.bool_], dict[int, tuple[int, ...]]]:
    """Which facets (k,) are of strips or of corners that they surround, and the supports of each.

    What has none by itself has those of all that it borders on.
    """
    supports = {k: touched for strip in strips for k, touched in strip.supports.items()}
    mine = np.zeros(len(facets.area), dtype=bool)
    mine[list(supports)] = True
    rims = rims_of(vertices, faces, facets)
    mine = surrounded(mine, facets, rims, max(s.size for s in strips))
    bare = mine.copy()
    bare[list(supports)] = False
    label = components(len(mine), np.column_stack([rims.one, rims.two])[bare[rims.one] & bare[rims.two]])
    around: dict[int, set[int]] = {}
    for here, there in ((rims.one, rims.two), (rims.two, rims.one)):
        for k in np.nonzero(bare[here] & mine[there] & ~bare[there])[0].tolist():
            around.setdefault(int(label[here[k]]), set()).update(supports[int(there[k])])
    for k in np.nonzero(bare)[0].tolist():
        supports[k] = tuple(one_of_each_face(facets, sorted(around.get(int(label[k]), ()))))
    return mine, supports


def _steps(
    vertices: Floats,
    faces: Ints,
    facets: Facets,
    mine: NDArray[np.bool_],
    supports: Mapping[int, tuple[int, ...]],
    size: float,
    scale: Scale,
) -> tuple[Floats, Floats, set[int]]:
    """How the vertices (n, 3) of facets `mine` (k,) move, and how if the faces there were raised by 1 mm.

    And the facets of which some vertex has no place.
    """
    wanted = np.zeros(len(vertices), dtype=bool)
    wanted[faces[mine[facets.of_triangle]]] = True
    around: dict[int, set[int]] = {}
    for triangle in np.nonzero(wanted[faces].any(axis=1))[0].tolist():
        for vertex in faces[triangle].tolist():
            if wanted[vertex]:
                around.setdefault(vertex, set()).add(int(facets.of_triangle[triangle]))
    steps, hairs = np.zeros_like(vertices), np.zeros_like(vertices)
    stuck: set[int] = set()
    for vertex, beside in around.items():
        blended = {k for k in beside if mine[k]}
        votes = Counter(s for k in sorted(blended) for s in supports[k])
        met = one_of_each_face(facets, [s for s, _ in votes.most_common()], sorted(beside - blended))
        normals, here = facets.normal[met], vertices[vertex]
        off = (normals * (facets.centroid[met] - here)).sum(axis=1)
        step, hair = np.linalg.lstsq(normals, np.column_stack([off, np.ones(len(met))]), rcond=PARALLEL)[0].T
        left = np.abs(normals @ step - off).max(initial=0.0)
        if left > max(OFF * size, 4 * scale.noise) or np.linalg.norm(step) > FARTHEST * size:
            stuck |= blended
        steps[vertex], hairs[vertex] = step, hair
    return steps, hairs, stuck


def _collapsed(
    points: tuple[Floats, Floats],
    faces: Ints,
    facets: Facets,
    mine: NDArray[np.bool_],
    supports: Mapping[int, tuple[int, ...]],
    strips: Sequence[Strip],
    scale: Scale,
) -> Sharp | None:
    """The solid of the moved vertices and that of those moved a hair further; None if they are none."""
    moved, beyond = points
    _, first, place = np.unique(np.round(moved / (4 * scale.noise)), axis=0, return_index=True, return_inverse=True)
    welded = first[place.ravel()][faces]
    whole = (welded != np.roll(welded, 1, axis=1)).all(axis=1)
    sharp, wider = (mesh_solid(corners, welded[whole]) for corners in (moved, beyond))
    if sharp is None or wider is None:
        return None
    edges = _edges(moved, welded, whole, mine, supports, facets)
    sharp = sharp.simplify(2 * scale.noise)
    return Sharp(*mesh_of(sharp), sharp, wider, tuple(strips), edges)


def _edges(
    points: Floats,
    welded: Ints,
    whole: NDArray[np.bool_],
    mine: NDArray[np.bool_],
    supports: Mapping[int, tuple[int, ...]],
    facets: Facets,
) -> Floats:
    """Segments (n, 2, 3) where faces like the supports of a strip meet that did not meet before.

    And the sides of what is left of strips: slivers along an edge.
    """
    ends, sides = shared_edges(welded[whole])
    kept = np.nonzero(whole)[0]
    sides = np.sort(kept[sides], axis=1)
    count = len(welded)
    before = np.sort(facets.sides, axis=1)
    met = np.isin(sides[:, 0] * count + sides[:, 1], before[:, 0] * count + before[:, 1])
    pairs = np.array([p for touched in supports.values() for p in itertools.permutations(touched, 2)], dtype=np.int64)
    like = np.unique(np.round(facets.normal[pairs.reshape(-1, 2)] / ALIKE).reshape(-1, 6), axis=0) * ALIKE
    new = np.nonzero(~met & ~mine[sides].any(axis=1))[0]
    normals = facets.normal[facets.of_triangle[sides[new]]].reshape(-1, 6)
    off = cKDTree(like).query(normals, p=np.inf)[0] if len(like) and len(new) else np.zeros(len(new))
    chosen = np.r_[new[off < 2 * ALIKE], np.nonzero(mine[sides].any(axis=1))[0]]
    return points[np.unique(ends[chosen], axis=0)]

"""How far a mesh's own facets stand off the curved faces that they approximate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from cad_pipeline.verify.compiled import compiled

if TYPE_CHECKING:
    from cad_pipeline.verify.subject import Subject

__all__ = ["Facets", "measure_facets"]

_FLAT_RAD = np.radians(0.05)
# A 12-gon is the coarsest round that is taken for one; an octagon is meant.
_SHARP_RAD = np.radians(31.0)
# Facets at the rim of a round turn half as much there; more than this ratio is a chamfer, not a round.
_UNEVEN = 2.6
# Facets of one round are about equally wide; a plane beside a round is wider.
_WIDER = 1.6
_FEWEST = 4
_TYPICAL_SHARE = 0.995


@dataclass(frozen=True, slots=True, kw_only=True)
class Facets:
    """What the facets of curved faces explain, in local units: arc height, and volume between chord and arc."""

    sagitta: float
    volume: float
    curved_area: float


def measure_facets(subject: Subject) -> Facets:
    """Estimate the arc height of the facets from the turn at smooth edges and the facets' widths.

    Coplanar triangles form a facet. A facet belongs to a curved face if at least two of its edges turn the same way by
    at most 31° and about equally, towards facets about as wide as itself, and if at least four such facets hang
    together; with width w and turn θ the arc stands w·θ/8 off the chord (exact to 1 % at 31°), and two thirds of that
    on average. A shallow chamfer explains nothing, and neither does a plane between two rounds. `sagitta` is the height
    that 99.5 % of the curved area stays below.
    """
    from cad_pipeline.verify.solids import weld

    vertices, faces = weld(subject.vertices, subject.faces, 1e-7 * subject.diagonal)
    none = Facets(sagitta=0.0, volume=0.0, curved_area=0.0)
    if len(faces) == 0:
        return none
    corners = vertices[faces]
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    doubled = np.linalg.norm(cross, axis=1)
    normals = np.divide(cross, doubled[:, None], out=np.zeros_like(cross), where=doubled[:, None] > 0.0)
    one, other, ends = _shared_edges(faces)
    if len(one) == 0:
        return none
    left, right = one // 3, other // 3
    along = vertices[ends[:, 1]] - vertices[ends[:, 0]]
    length = np.linalg.norm(along, axis=1)
    turn = np.arctan2(
        np.linalg.norm(np.cross(normals[left], normals[right]), axis=1),
        np.einsum("ij,ij->i", normals[left], normals[right]),
    )
    flat = (turn < _FLAT_RAD) | _sliver(doubled, length, left, right)
    n = len(faces)
    joined = coo_matrix((np.ones(int(flat.sum()), np.int8), (left[flat], right[flat])), shape=(n, n))
    count, found = connected_components(joined, directed=False)
    # scipy's labels are int32, in which a facet and a vertex together have no room
    facet = found.astype(np.int64)
    smooth = ~flat & (turn < _SHARP_RAD) & (facet[left] != facet[right]) & (length > 0.0)
    if not smooth.any():
        return none
    outer = np.ones(3 * n, np.bool_)
    inner = facet[left] == facet[right]
    outer[one[inner]] = outer[other[inner]] = False
    edges = _EdgesOfFacets.gather(
        _Rims.of(facet, faces, outer, vertices),
        left[smooth],
        right[smooth],
        ends[smooth],
        turn[smooth],
        normals,
        corners,
        vertices,
    )
    height = edges.heights(count)
    area = np.bincount(facet, weights=doubled / 2.0, minlength=count)
    curved = np.flatnonzero(height > 0.0)
    if len(curved) == 0:
        return none
    rising = curved[np.argsort(height[curved])]
    running = np.cumsum(area[rising])
    typical = rising[min(int(np.searchsorted(running, _TYPICAL_SHARE * running[-1])), len(rising) - 1)]
    return Facets(
        sagitta=float(height[typical]),
        volume=float((area[curved] * np.minimum(height[curved], height[typical])).sum() * 2.0 / 3.0),
        curved_area=float(area[curved].sum()),
    )


def _shared_edges(
    faces: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """List the two sides and the two vertices of every edge that exactly two faces share; side k is of face k // 3."""
    ends = faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    low, high = ends.min(axis=1), ends.max(axis=1)
    key = low * (faces.max() + 1) + high
    order = np.argsort(key, kind="stable")
    ordered = key[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    pairs = starts[np.diff(np.r_[starts, len(ordered)]) == 2]
    return order[pairs], order[pairs + 1], np.column_stack([low, high])[order[pairs]]


def _sliver(
    doubled: NDArray[np.float64], length: NDArray[np.float64], left: NDArray[np.int64], right: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Mark edges beside a triangle so thin that its normal is noise."""
    thinnest = np.minimum(doubled[left], doubled[right])
    return thinnest < 1e-6 * length**2


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Rims:
    """The facet of every triangle, and each facet's outermost points: those of facet f in `points[starts[f]:]`."""

    facet: NDArray[np.int64]
    points: NDArray[np.float64]
    starts: NDArray[np.int64]

    @classmethod
    def of(
        cls, facet: NDArray[np.int64], faces: NDArray[np.int64], outer: NDArray[np.bool_], vertices: NDArray[np.float64]
    ) -> _Rims:
        """Take the ends of the sides that are marked `outer`; points inside a flat facet reach no farther."""
        ends = faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)[outer]
        key = np.unique(np.repeat(facet, 3)[outer][:, None] * len(vertices) + ends)
        starts = np.searchsorted(key, np.arange(facet.max() + 2) * len(vertices))
        return cls(facet=facet, points=vertices[key % len(vertices)], starts=starts)

    def reach(
        self, owner: NDArray[np.int64], start: NDArray[np.float64], inward: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Measure how far facet `owner[k]` reaches from `start[k]` along `inward[k]`, at least 0, in local units."""
        return _reach(self.points, self.starts, owner, start, inward)


@compiled
def _reach(
    points: NDArray[np.float64],
    starts: NDArray[np.int64],
    owner: NDArray[np.int64],
    start: NDArray[np.float64],
    inward: NDArray[np.float64],
) -> NDArray[np.float64]:
    """As `_Rims.reach`: a large flat with a finely divided rim has many points for each of many edges."""
    reach = np.zeros(len(owner))
    for k in range(len(owner)):
        most = 0.0
        for i in range(starts[owner[k]], starts[owner[k] + 1]):
            far = 0.0
            for axis in range(3):
                far += (points[i, axis] - start[k, axis]) * inward[k, axis]
            most = max(most, far)
        reach[k] = most
    return reach


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _EdgesOfFacets:
    """Smooth edges, once for each facet beside them: turn (convex positive), own width, neighbour, its width."""

    facet: NDArray[np.int64]
    turn: NDArray[np.float64]
    width: NDArray[np.float64]
    across: NDArray[np.float64]
    neighbour: NDArray[np.int64]

    @classmethod
    def gather(
        cls,
        rims: _Rims,
        left: NDArray[np.int64],
        right: NDArray[np.int64],
        ends: NDArray[np.int64],
        turn: NDArray[np.float64],
        normals: NDArray[np.float64],
        corners: NDArray[np.float64],
        vertices: NDArray[np.float64],
    ) -> _EdgesOfFacets:
        start = vertices[ends[:, 0]]
        along = vertices[ends[:, 1]] - start
        along /= np.linalg.norm(along, axis=1)[:, None]
        # Convex where the neighbour's far corner lies below this facet's plane.
        far = corners[right].mean(axis=1) - start
        convex = np.where(np.einsum("ij,ij->i", far, normals[left]) < 0.0, 1.0, -1.0)
        facets, turns, widths = [], [], []
        for face in (left, right):
            owner = rims.facet[face]
            inward = np.cross(normals[face], along)
            inward *= np.sign(np.einsum("ij,ij->i", corners[face].mean(axis=1) - start, inward))[:, None]
            facets.append(owner)
            turns.append(turn * convex)
            widths.append(rims.reach(owner, start, inward))
        return cls(
            facet=np.concatenate(facets),
            turn=np.concatenate(turns),
            width=np.concatenate(widths),
            across=np.concatenate(widths[::-1]),
            neighbour=np.concatenate(facets[::-1]),
        )

    def heights(self, count: int) -> NDArray[np.float64]:
        """Arc height of each of `count` facets, zero where the facet is no part of a curved face."""
        height = np.zeros(count)
        alike = (self.width <= _WIDER * self.across) & (self.across <= _WIDER * self.width)
        for sign in (1.0, -1.0):
            mine = alike & (self.turn * sign > 0.0)
            height = np.maximum(height, self._heights(count, mine))
        return height

    def _heights(self, count: int, mine: NDArray[np.bool_]) -> NDArray[np.float64]:
        facet, turn, width = self.facet[mine], np.abs(self.turn[mine]), self.width[mine]
        edges = np.bincount(facet, minlength=count)
        most, least, narrow = np.zeros(count), np.full(count, np.inf), np.full(count, np.inf)
        np.maximum.at(most, facet, turn)
        np.minimum.at(least, facet, turn)
        np.minimum.at(narrow, facet, width)
        curved = (edges >= 2) & (most <= _UNEVEN * least)
        pairs = np.column_stack([facet, self.neighbour[mine]])
        pairs = pairs[curved[pairs].all(axis=1)]
        links = coo_matrix((np.ones(len(pairs), np.int8), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
        _, group = connected_components(links, directed=False)
        curved &= np.bincount(group)[group] >= _FEWEST
        # Triangles that curve both ways stand off by their circumcircle, not by half their height.
        shape = np.where(edges >= 3, 16.0 / 9.0, 1.0)
        return np.where(curved, np.where(curved, narrow, 0.0) * most * shape / 8.0, 0.0)

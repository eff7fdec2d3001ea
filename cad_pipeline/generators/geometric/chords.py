"""How far the flat facets of a mesh run within the curved walls that they stand for.

Between a round feature and the mesh of one like it lie skins as thick as the facets' chords are off. They are how the
part was meshed and not how it is made: nothing is to be said of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from cad_pipeline.generators.geometric.facets import shared_edges
from cad_pipeline.generators.geometric.shells import Manifold, mesh_of

__all__ = ["Chords", "chords_of"]

# facets that turn by less are one plane, by more a corner
_FLAT = math.radians(0.5)
_SHARP = math.radians(30.0)
# a skin between chord and arc is two thirds as thick on average as at its thickest
_SKIN = 0.8
_SOLIDS_REMEMBERED = 4
# so many edges are looked at about each place: many fine ones may lie beside a coarse one
_BESIDE = 8


@dataclass(frozen=True, slots=True, eq=False)
class Chords:
    """Edges between facets that together stand for a curved wall: how far off the chord is beside each, in mm.

    `middles` finds edges by their middles; those of an edge (k,) reach so far from its middle.
    """

    middles: cKDTree | None
    error: NDArray[np.float64]
    reach: NDArray[np.float64]

    def is_skin(self, piece: Manifold) -> bool:
        """Whether a piece of the difference is no thicker than the chords about it are off."""
        if self.middles is None:
            return False
        vertices, faces = mesh_of(piece)
        corners = vertices[faces]
        area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1) / 2.0
        thickness = 2.0 * piece.volume() / max(float(area.sum()), 1e-300)
        if thickness >= _SKIN * self.error.max():
            return False
        apart, edge = self.middles.query(corners.mean(axis=1), k=_BESIDE)
        # there are fewer edges than asked for: what is not there is infinitely far
        edge = np.minimum(edge, len(self.error) - 1)
        error = np.where(apart < self.reach[edge], self.error[edge], 0.0).max(axis=1)
        return bool(thickness < _SKIN * np.average(error, weights=np.maximum(area, 1e-300)))


@lru_cache(maxsize=_SOLIDS_REMEMBERED)
def chords_of(solid: Manifold) -> Chords:
    """Find the edges of a solid's curved walls, and the height of the arc over the chord beside each."""
    vertices, faces = mesh_of(solid)
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    cross = np.cross(b - a, c - a)
    double = np.linalg.norm(cross, axis=1)
    edges, sides = shared_edges(faces)
    normal = cross / np.maximum(double, 1e-300)[:, None]
    cosine = np.einsum("ij,ij->i", normal[sides[:, 0]], normal[sides[:, 1]])
    turn = np.arccos(np.clip(cosine, -1.0, 1.0))
    length = np.linalg.norm(vertices[edges[:, 1]] - vertices[edges[:, 0]], axis=1)
    curved = (turn > _FLAT) & (turn < _SHARP) & (length > 0)
    if not curved.any():
        return Chords(None, np.zeros(0), np.zeros(0))
    # the facets' widths across the edge; a chord of width w that turns by t runs w t / 8 within its arc
    width = double[sides[curved]].min(axis=1) / length[curved]
    error, reach = width * turn[curved] / 8.0, width + length[curved] / 2.0
    return Chords(cKDTree(vertices[edges[curved]].mean(axis=1)), error, reach)

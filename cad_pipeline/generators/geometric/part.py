"""What the search works on: a mesh as arrays and as a solid, and what may be spent on it."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cad_pipeline.generators.geometric.bores import flat_triangles
from cad_pipeline.generators.geometric.facets import Facets, facets_of
from cad_pipeline.generators.geometric.mending import Effort
from cad_pipeline.generators.geometric.scale import Scale
from cad_pipeline.generators.geometric.solids import Manifold, count_bodies, count_tunnels

__all__ = ["MOST_NUMBERS", "PRICE_PER_NUMBER", "Part"]

# the IoU that one more number must be worth to its reader
PRICE_PER_NUMBER = 2e-5
MOST_NUMBERS = 370


@dataclass(frozen=True, eq=False)
class Part:
    """What the search works on: the mesh as arrays and as a solid, its lengths, and the limit of numbers.

    `stake` is its volume over that of the whole part: the hull of a thin-walled part must be met more exactly than
    the part.
    """

    vertices: NDArray[np.float64]
    faces: NDArray[np.int64]
    solid: Manifold
    scale: Scale
    limit: int = MOST_NUMBERS
    effort: Effort = field(default_factory=lambda: Effort(100))
    stake: float = 1.0

    def other(self, vertices: NDArray[np.float64], faces: NDArray[np.int64], solid: Manifold, *, limit: int) -> Part:
        """Take another solid in this one's place, a part of it or a hull: lengths and effort are shared."""
        stake = self.stake * solid.volume() / self.solid.volume()
        return Part(vertices, faces, solid, self.scale, limit, self.effort, stake)

    def enough(self, iou: float) -> float:
        """The IoU that this solid must reach for the whole part to lose no more than `iou` would lose."""
        return 1.0 - (1.0 - iou) / max(self.stake, 1.0)

    @property
    def price(self) -> float:
        """The IoU of this solid that one more number must be worth."""
        return PRICE_PER_NUMBER / max(self.stake, 1.0)

    @cached_property
    def facets(self) -> Facets:
        """Planar facets of the mesh."""
        return facets_of(self.vertices, self.faces, self.scale.size, self.scale.noise)

    @cached_property
    def flat_faces(self) -> NDArray[np.int64]:
        """Triangles (k, 3) of truly flat facets, which alone make levels."""
        return self.faces[flat_triangles(self.facets)]

    @cached_property
    def bodies(self) -> int:
        """How many bodies the part has."""
        return count_bodies(self.solid)

    @cached_property
    def tunnels(self) -> int:
        """How many holes go through the part: its first Betti number, where no body has a void."""
        return count_tunnels(self.solid)

"""A part along one direction: with plain slabs, finer, coarser, twisted, as contours and as lofts."""

from __future__ import annotations

import numpy as np

from cad_pipeline.generators.geometric.features import Feature, Loft, count_numbers
from cad_pipeline.generators.geometric.frame import Frame
from cad_pipeline.generators.geometric.lofting import LoftSize
from cad_pipeline.generators.geometric.part import Part
from cad_pipeline.generators.geometric.sections import Slab, levels, slabs
from cad_pipeline.generators.geometric.slabwork import SlabWork
from cad_pipeline.generators.geometric.solids import as_solid, build, iou, to_frame
from cad_pipeline.generators.geometric.twisted import twisted_features

__all__ = ["BASE_NUMBERS", "Direction"]

BASE_NUMBERS = 150
LOFTED_COARSENESS = 64.0
LOFT_SIZES = tuple(LoftSize(*size) for size in ((24, 7), (16, 10), (16, 6), (12, 12), (12, 7), (8, 12), (8, 7), (8, 4)))
COARSENESS = (1.0, 4.0, 16.0, 64.0, 256.0, 1024.0)


class Direction:
    """The part along one direction: with plain slabs, and with slabs cut finer where walls are not vertical."""

    def __init__(self, part: Part, frame: Frame, number: int) -> None:
        self.part, self.frame, self.number = part, frame, number
        self._z = frame.to_local(part.vertices)[:, 2]
        self._solid = to_frame(part.solid, frame)
        self._heights = levels(frame.to_local(part.vertices), part.flat_faces, part.scale)
        self._plain = slabs(self._solid, self._heights, part.scale)

    @property
    def stack(self) -> list[Slab]:
        """The slabs between the part's levels."""
        return self._plain

    def plain(self) -> list[Feature]:
        """Extrude the middle section of every slab."""
        return _editable(self.part, SlabWork(self._plain, self.frame, self.part.scale), self.part.limit)

    def twisted(self) -> list[Feature]:
        """Extrude with a twist what turns evenly on the way up; nothing if nothing does."""
        return twisted_features(self._solid, self._plain, self.frame, self.part.scale)

    def few(self) -> list[Feature]:
        """Extrude between the weightiest levels only: a short base for mending; nothing if all levels are weighty."""
        heights = self._weighty(0.05)
        return [] if len(heights) == len(self._heights) else self._stacked(heights, min(BASE_NUMBERS, self.part.limit))

    def contours(self, count: int) -> list[Feature]:
        """Stack about `count` contours, evenly spaced: what can be said of a free-form part in few lines."""
        return self._stacked(self._evenly(count), self.part.limit)

    def lofts(self, count: int) -> list[Feature]:
        """Loft through about `count` contours; nothing if none of it is a loft."""
        features = self.lofted(self.evenly_cut(count))
        return features if any(isinstance(f, Loft) for f in features) else []

    def evenly_cut(self, count: int) -> list[Slab]:
        """Cut the part into about `count` slabs."""
        return slabs(self._solid, self._evenly(count), self.part.scale)

    def lofted(self, stack: list[Slab], limit: int | None = None) -> list[Feature]:
        """Loft through a stack's contours where its walls are not vertical, as finely as serves best in the limit."""
        work = SlabWork(stack, self.frame, self.part.scale)
        options = [work.features(LOFTED_COARSENESS, size) for size in LOFT_SIZES]
        most = self.part.limit if limit is None else limit
        options = [o if count_numbers(o) <= most else _weightiest(o, most) for o in options]
        lofted = [o for o in options if any(isinstance(f, Loft) for f in o)]
        return max(lofted or options, key=lambda o: iou(build(o), self.part.solid), default=[])

    def _evenly(self, count: int) -> list[float]:
        low, high = self._heights[0], self._heights[-1]
        strong = self._weighty(0.1)
        gap = (high - low) / count
        between = (float(z) for z in np.linspace(low, high, count + 1) if min(abs(z - s) for s in strong) > 0.4 * gap)
        return sorted({*strong, *between})

    def _weighty(self, least_share: float) -> list[float]:
        local = self.frame.to_local(self.part.vertices)
        return levels(local, self.part.flat_faces, self.part.scale, least_share)

    def _stacked(self, heights: list[float], limit: int) -> list[Feature]:
        stack = slabs(self._solid, heights, self.part.scale)
        return _editable(self.part, SlabWork(stack, self.frame, self.part.scale), limit)

    def fine(self) -> list[Feature]:
        """Cut slabs without vertical walls at the heights of their vertices; nothing if there are none."""
        if all(slab.straight for slab in self._plain):
            return []
        stack = slabs(self._solid, self._heights, self.part.scale, np.unique(self._z))
        if len(stack) == len(self._plain):
            return []
        return _editable(self.part, SlabWork(stack, self.frame, self.part.scale), self.part.limit)


def _editable(part: Part, work: SlabWork, limit: int) -> list[Feature]:
    """Write slab work within the limit of numbers: coarser, or without what matters least."""
    over: list[Feature] = []
    # an arc has many corners and few numbers: start well before the corners alone would fit
    first = next((c for c in COARSENESS if work.points(c) <= 5 * limit), COARSENESS[-1])
    for coarse in COARSENESS[COARSENESS.index(first) :]:
        features = work.features(coarse)
        if count_numbers(features) <= limit:
            if not over:
                return features
            options = [features, _weightiest(over, limit)]
            return max(options, key=lambda f: iou(build(f), part.solid))
        over = features
    return _weightiest(over, limit)


def _weightiest(features: list[Feature], limit: int) -> list[Feature]:
    """Keep the features with the most volume a number, in their order, within the limit."""
    worth = [abs(as_solid(f).volume()) / f.numbers for f in features]
    kept: list[int] = []
    for k in sorted(range(len(features)), key=lambda k: -worth[k]):
        if count_numbers([features[i] for i in (*kept, k)]) <= limit:
            kept.append(k)
    return [features[k] for k in sorted(kept)]

"""Judge programs by their IoU with a target and their holes, and changes of a few features by where they change it.

A whole part is dear to build and dearer to compare, and most trials change little of it: what lies elsewhere is the
same before and after, so that the surroundings of the change tell how much of the target is won or lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import manifold3d as m3
import numpy as np
from numpy.typing import NDArray

from cad_pipeline.generators.geometric.features import Body, Feature
from cad_pipeline.generators.geometric.solids import (
    Manifold,
    as_solid,
    before_blends,
    build,
    count_tunnels,
    iou,
    mesh_of,
)

__all__ = ["Judge"]

# the surroundings of a change reach beyond it by this share of its size, so that none of its faces lies in their walls
_BESIDE = 0.01
# where more than this share of the target's vertices lies about changes, the whole is compared as quickly
_MUCH = 0.08
_BOXES_REMEMBERED = 1024

Box = NDArray[np.float64]


class Judge:
    """Says of programs how well they meet a target."""

    def __init__(self, target: Manifold) -> None:
        self._target = target
        self._vertices, _ = mesh_of(target)
        self.volume = target.volume()

    def __call__(self, features: Sequence[Feature]) -> tuple[float, int]:
        """The IoU with the target, and how many holes go through what the features build."""
        return iou(build(features), self._target), self.tunnels(features)

    def tunnels(self, features: Sequence[Feature]) -> int:
        """How many holes go through what the features build."""
        return count_tunnels(before_blends(features, build(features)))

    def no_farther(self, tunnels: int, before: int) -> bool:
        """Whether so many holes are no farther from the target's than so many `before`."""
        wanted = count_tunnels(self._target)
        return abs(tunnels - wanted) <= abs(before - wanted)

    def changed(self, trial: Sequence[Feature], features: Sequence[Feature], reached: float) -> float:
        """The IoU that `trial` reaches, up to rounding: a change of `features`, whose IoU is `reached`."""
        boxes = _changes(features, trial)
        if boxes is None or self._share(boxes) > _MUCH:
            return iou(build(trial), self._target)
        volume = build(features).volume()
        shared = reached * (volume + self.volume) / (1.0 + reached)
        for low, high in boxes:
            block = m3.Manifold.cube(high - low).translate(low)
            target = self._target ^ block
            before, after = (_near(f, low, high) ^ block for f in (features, trial))
            shared += (after ^ target).volume() - (before ^ target).volume()
            volume += after.volume() - before.volume()
        return float(shared / (volume + self.volume - shared))

    def _share(self, boxes: Sequence[Box]) -> float:
        """The share of the target's vertices that lie in boxes."""
        within = ((self._vertices >= low) & (self._vertices <= high) for low, high in boxes)
        return sum(float(inside.all(axis=1).mean()) for inside in within)


def _near(features: Sequence[Feature], low: Box, high: Box) -> Manifold:
    """Build those features that reach into a box."""
    near = [f for f in features if (_bounds(f)[0] <= high).all() and (_bounds(f)[1] >= low).all()]
    return build(near, m3.Manifold())


def _changes(before: Sequence[Feature], after: Sequence[Feature]) -> list[Box] | None:
    """Boxes (2, 3), apart from each other, outside of which two programs build the same; None if that is not known."""
    if [f for f in before if f in after] != [f for f in after if f in before]:
        return None
    old, new = [f for f in before if f not in after], [f for f in after if f not in before]
    if len(old) == len(new) == 1 and isinstance(old[0], Body) and isinstance(new[0], Body):
        return _changes(old[0].features, new[0].features) if old[0].mode is new[0].mode else None
    apart: list[Box] = []
    for feature in (*old, *new):
        box = _bounds(feature)
        beside = _BESIDE * (box[1] - box[0]).max()
        box = box + np.array([[-beside], [beside]])
        while met := [k for k, other in enumerate(apart) if (other[0] <= box[1]).all() and (other[1] >= box[0]).all()]:
            other = apart.pop(met[0])
            box = np.array([np.minimum(box[0], other[0]), np.maximum(box[1], other[1])])
        apart.append(box)
    return apart


@lru_cache(maxsize=_BOXES_REMEMBERED)
def _bounds(feature: Feature) -> Box:
    return np.array(as_solid(feature).bounding_box()).reshape(2, 3)

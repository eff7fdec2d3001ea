"""Leave out features that cost a reader more than they bring, and the least useful ones where a text is too long."""

from __future__ import annotations

from collections.abc import Sequence

from cad_pipeline.generators.geometric.features import Extrusion, Feature, Hole, Mode
from cad_pipeline.generators.geometric.shapes2d import Circle
from cad_pipeline.generators.geometric.solids import Manifold, as_solid, build, iou

__all__ = ["lightened", "pruned"]

# a feature whose whole volume is worth more than so many times its price is not asked about
_CLEARLY_WORTH = 3.0


def pruned(features: Sequence[Feature], target: Manifold, price: float) -> list[Feature]:
    """Drop the features, the base aside, whose loss costs less IoU than `price` times their numbers; holes stay."""
    kept = list(features)
    volume = target.volume()
    reached = iou(build(kept), target)
    suspects = [
        f
        for f in kept[1:]
        if not _is_bore(f) and as_solid(f).volume() < _CLEARLY_WORTH * price * f.numbers * volume
    ]
    for feature in sorted(suspects, key=lambda f: as_solid(f).volume() / f.numbers):
        rest = [f for f in kept if f is not feature]
        without = iou(build(rest), target)
        if without > reached - price * feature.numbers:
            kept, reached = rest, without
    return kept


def lightened(features: Sequence[Feature], target: Manifold, excess: int) -> list[Feature]:
    """Drop the features that lose the least for their numbers, the base aside, until `excess` numbers are gone."""
    kept = list(features)
    while excess > 0 and len(kept) > 1:
        smallest = sorted(range(1, len(kept)), key=lambda k: as_solid(kept[k]).volume() / kept[k].numbers)[:4]
        losses = {k: iou(build(kept[:k] + kept[k + 1 :]), target) for k in smallest}
        least = max(losses, key=lambda k: losses[k] + 1e-6 * kept[k].numbers)
        excess -= kept[least].numbers
        del kept[least]
    return kept


def _is_bore(feature: Feature) -> bool:
    """Whether it is a round cut: a hole is worth more to its reader than its volume."""
    if isinstance(feature, Hole):
        return True
    return isinstance(feature, Extrusion) and feature.mode is Mode.CUT and isinstance(feature.shape, Circle)

"""Leave out features that cost a reader more than they bring, and the least useful ones where a text is too long."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from cad_pipeline.generators.geometric.features import (
    Body,
    Extrusion,
    Feature,
    Hole,
    Mode,
    Repeated,
    count_numbers,
    count_statements,
    weight_of,
)
from cad_pipeline.generators.geometric.judging import Judge
from cad_pipeline.generators.geometric.shapes2d import Circle
from cad_pipeline.generators.geometric.solids import Manifold, as_solid, before_blends, build, iou

__all__ = ["lightened", "pruned"]

# a feature whose whole volume is worth more than so many times its price is not asked about
_CLEARLY_WORTH = 3.0


def pruned(features: Sequence[Feature], target: Manifold, price: float) -> list[Feature]:
    """Drop the features, bases and bores aside, that cost more than they bring, `price` IoU a number.

    What opens or closes a hole through the part stays.
    """
    kept = list(features)
    judge = Judge(target)
    whole = build(kept)
    reached, genus = iou(whole, target), before_blends(kept, whole).genus()
    suspects = [f for f in _optional(kept) if _volume(f) < _CLEARLY_WORTH * price * _length(f, kept) * judge.volume]
    for feature in sorted(suspects, key=_weight):
        rest = _without(kept, feature)
        left = judge.changed(rest, kept, reached)
        if left > reached - price * _length(feature, kept) and before_blends(rest, build(rest)).genus() == genus:
            kept, reached = rest, left
    return kept


def _length(feature: Feature, program: Sequence[Feature]) -> int:
    """How much there is to read in one of a program's features, in numbers."""
    statements = count_statements(program)
    return feature.numbers + weight_of(statements) - weight_of(statements - count_statements([feature]))


def lightened(features: Sequence[Feature], excess: int) -> list[Feature]:
    """Drop the features, bases aside, with the least volume for their numbers until `excess` numbers are gone."""
    kept = list(features)
    wanted = count_numbers(kept) - excess
    for feature in sorted([*_optional(kept), *(f for f in kept[1:] if _is_bore(f))], key=_weight):
        if count_numbers(kept) <= wanted:
            break
        kept = _without(kept, feature)
    return kept


def _optional(features: Sequence[Feature]) -> Iterator[Feature]:
    """What may go: everything but the first feature of the part and of each body, and the bores."""
    for feature in features[1:]:
        if isinstance(feature, Body):
            yield from _optional(feature.features)
        if not _is_bore(feature):
            yield feature


def _without(features: Sequence[Feature], gone: Feature) -> list[Feature]:
    rest: list[Feature] = []
    for feature in features:
        if feature is gone:
            continue
        if isinstance(feature, Body):
            inside = _without(feature.features, gone)
            feature = feature if len(inside) == len(feature.features) else replace(feature, features=tuple(inside))
        rest.append(feature)
    return rest


def _volume(feature: Feature) -> float:
    return float(abs(as_solid(feature).volume()))


def _weight(feature: Feature) -> float:
    return _volume(feature) / feature.numbers


def _is_bore(feature: Feature) -> bool:
    """Whether it is a round cut: a hole is worth more to its reader than its volume."""
    if isinstance(feature, Hole):
        return True
    if isinstance(feature, Repeated):
        return _is_bore(replace(feature.feature, mode=feature.mode))
    return isinstance(feature, Extrusion) and feature.mode is Mode.CUT and isinstance(feature.shape, Circle)

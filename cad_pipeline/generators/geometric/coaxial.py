"""Tell round features on one axis that touch each other as one turned profile: a bore with its steps and cones.

What a drill makes is a hole already; this is for what no drill makes at one go.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import Polygon

from cad_pipeline.generators.geometric.features import Extrusion, Feature, Mode, Revolution, length
from cad_pipeline.generators.geometric.frame import Frame
from cad_pipeline.generators.geometric.scale import Scale
from cad_pipeline.generators.geometric.shapes2d import Circle, Outline, Segment
from cad_pipeline.generators.geometric.solids import build, iou

__all__ = ["turned_together"]

# axes nearer than this share of the part's size are one
_ONE_AXIS = 5e-5
_LEAST_PRISMS = 3
_SAME = 0.9999


@dataclass(frozen=True, slots=True, eq=False)
class _Turned:
    """A round feature by its axis and its half section (n, 2) of (radius, height) there."""

    index: int
    frame: Frame
    section: Polygon

    def seen_from(self, frame: Frame, near: float) -> Polygon | None:
        """The half section along the axis of another frame; None if that is another axis."""
        along = float(self.frame.axes[2] @ frame.axes[2])
        x, y, z = frame.to_local(self.frame.origin[None])[0]
        if abs(abs(along) - 1) > 1e-9 or np.hypot(x, y) > near:
            return None
        points = np.asarray(self.section.exterior.coords) * [1.0, np.sign(along)] + [0.0, z]
        return Polygon(points)


def turned_together(features: Sequence[Feature], scale: Scale) -> list[Feature]:
    """Write round additions or cuts on one axis as one revolution each, where that is shorter and builds the same.

    It stands in the place of the last of them. Two cylinders are left as they are: a step says as much by itself.
    """
    kept = list(features)
    while (shorter := _with_one_joined(kept, scale)) is not None:
        kept = shorter
    return kept


def _with_one_joined(features: list[Feature], scale: Scale) -> list[Feature] | None:
    for mode in Mode:
        turned = [t for k, f in enumerate(features[1:], 1) if f.mode is mode and (t := _turned(k, f)) is not None]
        for first in turned:
            trial = _joined(features, first, turned, scale)
            if trial is not None and length(trial) < length(features) and iou(build(trial), build(features)) > _SAME:
                return trial
    return None


def _turned(index: int, feature: Feature) -> _Turned | None:
    if isinstance(feature, Extrusion) and isinstance(feature.shape, Circle) and not (feature.bottom or feature.top):
        radius, low, high = feature.shape.radius, feature.low, feature.high
        frame = feature.frame.moved(np.array([*feature.shape.centre, 0.0]))
        return _Turned(index, frame, shapely.box(0.0, low, radius, high))
    if isinstance(feature, Revolution) and all(s.mid is None for s in feature.profile.segments):
        section = Polygon(feature.profile.polygon())
        return _Turned(index, feature.frame, section) if section.is_valid else None
    return None


def _joined(
    features: Sequence[Feature], first: _Turned, turned: Sequence[_Turned], scale: Scale
) -> list[Feature] | None:
    """The features with those on the axis of one that its half section grows together with told as one."""
    whole, members = first.section, [first]
    grown = True
    while grown:
        grown = False
        for other in turned:
            section = None if other in members else other.seen_from(first.frame, _ONE_AXIS * scale.size)
            both = None if section is None else whole.union(section)
            if isinstance(both, Polygon) and not both.interiors:
                whole, grown = both, True
                members.append(other)
    cones = any(isinstance(features[m.index], Revolution) for m in members)
    if len(members) < (2 if cones else _LEAST_PRISMS):
        return None
    corners = _corners(whole, scale)
    mode = features[first.index].mode
    revolution = Revolution(first.frame, Outline(tuple(Segment((float(r), float(z))) for r, z in corners)), mode)
    gone = {m.index for m in members}
    last = max(gone)
    return [revolution if k == last else f for k, f in enumerate(features) if k == last or k not in gone]


def _corners(section: Polygon, scale: Scale) -> NDArray[np.float64]:
    """The corners (n, 2) of a half section, counter-clockwise, without those that lie in line."""
    ring = shapely.geometry.polygon.orient(section.simplify(scale.noise))
    return np.asarray(ring.exterior.coords)[:-1]

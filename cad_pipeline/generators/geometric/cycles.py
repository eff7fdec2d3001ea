"""Axes about which a part comes round when it is turned, as gears, wheels and knobs do, and copies about them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import shapely
from numpy.typing import NDArray

from cad_pipeline.generators.geometric.features import Extrusion, Feature, Loft, Repeated, Turns
from cad_pipeline.generators.geometric.frame import Frame
from cad_pipeline.generators.geometric.numbers import nice
from cad_pipeline.generators.geometric.rays import along_rays
from cad_pipeline.generators.geometric.scale import Scale
from cad_pipeline.generators.geometric.sections import region
from cad_pipeline.generators.geometric.shapes2d import Circle, Pair
from cad_pipeline.generators.geometric.solids import Manifold, to_frame

__all__ = ["Cycle", "cycles_of", "turned_copies"]

Vectors = NDArray[np.float64]
# rays by which a section's material is measured all round, and heights at which it is
_RAYS = 720
_LEVELS = 5
_MOST_COUNT = 120
# share of what changes all round that must come round with the period
_LIKE = 0.75
# what changes by less than this share of the material all round is turned
_TURNED = 2e-4


@dataclass(frozen=True, slots=True, eq=False)
class Cycle:
    """A part comes round `count` times about the z axis of `frame`; `gap_deg` is where a period has least material."""

    frame: Frame
    count: int
    gap_deg: float


def cycles_of(solid: Manifold, frames: Sequence[Frame], axes: Sequence[Frame | None], scale: Scale) -> list[Cycle]:
    """Find axes along the part's directions about which it comes round; `axes` are the turned ones, where known."""
    found: list[Cycle] = []
    for frame, known in zip(frames, axes, strict=True):
        local = to_frame(solid, frame)
        sections = _sections(local)
        if not sections:
            continue
        points = [tuple((known.origin - frame.origin) @ frame.axes.T)[:2]] if known is not None else []
        middle = shapely.union_all(sections).centroid
        points.append((middle.x, middle.y))
        for x, y in (tuple(_settled(c, scale) for c in point) for point in points):
            counts = _counts(sections, (float(x), float(y)))
            if counts:
                axis = frame.moved(np.array([x, y, 0.0]))
                found += [Cycle(axis, count, gap) for count, gap in counts.items()]
                break
    return found


def _settled(coordinate: float, scale: Scale) -> float:
    """A coordinate of an axis: on the datum, where it is so near that only arithmetic is between."""
    near = 2e-4 * scale.size
    return 0.0 if abs(coordinate) < near else nice(coordinate, near / 2)


def _sections(local: Manifold) -> list[shapely.Geometry]:
    low, high = local.bounding_box()[2], local.bounding_box()[5]
    heights = low + (high - low) * (np.arange(_LEVELS) + 0.513) / _LEVELS
    return [s for s in (region(local, float(z)) for z in heights) if not s.is_empty]


def _counts(sections: Sequence[shapely.Geometry], centre: Pair) -> dict[int, float]:
    """How often sections come round about a point, by their rim and by all their material, with the gap's angle."""
    angles = 2 * np.pi * (np.arange(_RAYS) + 0.5) / _RAYS
    inside, rim = (np.array(rows) for rows in zip(*(along_rays(s, centre, angles) for s in sections), strict=True))
    found: dict[int, float] = {}
    for signal in (rim, inside):
        period = _period(signal)
        if period is not None:
            found.setdefault(*period)
    return found


def _period(signal: Vectors) -> tuple[int, float] | None:
    """The most often that rows (n, rays) come round, and at how many degrees a period is least; None if never."""
    waves = np.fft.rfft(signal, axis=1)
    power = (np.abs(waves) ** 2).sum(axis=0)
    changing = power[1:].sum()
    if changing < _TURNED * power[0]:
        return None
    for count in range(_MOST_COUNT, 1, -1):
        if power[count::count].sum() > _LIKE * changing:
            fullest = (math.pi / _RAYS) - float(np.angle(waves[:, count].sum())) / count
            return count, math.degrees(fullest + math.pi / count)
    return None


def turned_copies(features: Sequence[Feature], cycle: Cycle) -> list[Feature] | None:
    """The features all round; None where one of them can't be written so. Round prisms along the axis are placed."""
    made: list[Feature] = []
    for feature in features:
        round_ = isinstance(feature, Extrusion) and isinstance(feature.shape, Circle) and not feature.twist_deg
        if isinstance(feature, Extrusion) and round_ and _along(feature.frame, cycle.frame):
            made += _placed(feature, cycle)
        elif not isinstance(feature, Extrusion | Loft):
            return None
        else:
            # a frame of its own would cost a reader more than the place of the axis
            home, centre = _home(feature.frame, cycle.frame)
            made.append(Repeated(feature, home, Turns(centre, cycle.count), feature.mode))
    return made


def _along(a: Frame, b: Frame) -> bool:
    return abs(float(a.axes[2] @ b.axes[2])) > 1 - 1e-9


def _home(frame: Frame, axis: Frame) -> tuple[Frame, Pair]:
    """The feature's own frame with the axis' place in it, where it lies along the axis; else the axis' own."""
    if float(frame.axes[2] @ axis.axes[2]) > 1 - 1e-9:
        x, y, _ = frame.to_local(axis.origin[None])[0]
        return frame, (float(x), float(y))
    return axis, (0.0, 0.0)


def _placed(feature: Extrusion, cycle: Cycle) -> list[Feature]:
    x, y, _ = feature.frame.to_local(cycle.frame.origin[None])[0]
    assert isinstance(feature.shape, Circle)
    dx, dy = feature.shape.centre[0] - x, feature.shape.centre[1] - y
    made: list[Feature] = []
    for k in range(cycle.count):
        c, s = math.cos(2 * math.pi * k / cycle.count), math.sin(2 * math.pi * k / cycle.count)
        made.append(replace(feature, shape=replace(feature.shape, centre=(x + c * dx - s * dy, y + s * dx + c * dy))))
    return made

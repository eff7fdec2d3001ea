"""Features that are each other's mirror images, written as one and its image; and what a symmetric part has twice."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cad_pipeline.generators.geometric.features import (
    BlendedEdges,
    Body,
    Extrusion,
    Feature,
    Hole,
    Repeated,
    Sweep,
    Twice,
    runs,
)
from cad_pipeline.generators.geometric.frame import Frame
from cad_pipeline.generators.geometric.numbers import nice
from cad_pipeline.generators.geometric.repeats import layers, moves
from cad_pipeline.generators.geometric.scale import Scale
from cad_pipeline.generators.geometric.shapes2d import Circle, Outline, Rectangle, Segment, Slot, reflected
from cad_pipeline.generators.geometric.solids import Manifold, iou, mirrored, to_frame

__all__ = [
    "MirrorPlane",
    "mirror_planes",
    "mirrored_outline",
    "moved_copies",
    "paired",
    "pairings",
    "same_outline",
    "with_images",
]

# what is shorter is said as quickly twice, and equal simple shapes are placed by their centres
_LEAST_NUMBERS = 8


def paired(features: Sequence[Feature], near: float) -> list[Feature]:
    """Take prisms of one run, whose order does not matter, together with their images; corners may be off by `near`."""
    kept: list[Feature] = []
    gone: set[int] = set()
    for k, feature in enumerate(features):
        if k in gone:
            continue
        if _long(feature):
            for m in range(k + 1, len(features)):
                other = features[m]
                if m not in gone and _long(other) and (both := _together(feature, other, near)) is not None:
                    gone.add(m)
                    feature = both
                    break
        kept.append(feature)
    return kept


def pairings(features: Sequence[Feature], near: float) -> Iterator[list[Feature]]:
    """Each way to write two prisms of one run as one with its image; corners may be off by `near` mm."""
    for run in runs(features):
        for i, j in itertools.combinations([k for k in run if _long(features[k])], 2):
            both = _together(features[i], features[j], near)
            if both is not None:
                yield [both if k == i else f for k, f in enumerate(features) if k != j]


def _long(feature: Feature) -> bool:
    return (
        isinstance(feature, Extrusion)
        and isinstance(feature.shape, Outline)
        and feature.shape.numbers >= _LEAST_NUMBERS
    )


def _together(a: Feature, b: Feature, near: float) -> Twice | None:
    """One prism and its image across a plane of its frame, where `b` is that image; None where it is not."""
    assert isinstance(a, Extrusion) and isinstance(b, Extrusion)
    if a.frame is not b.frame or a.mode is not b.mode or a.twist_deg or b.twist_deg:
        return None
    assert isinstance(a.shape, Outline) and isinstance(b.shape, Outline)
    if len(a.shape.segments) != len(b.shape.segments):
        return None
    if abs((a.high - a.low) - (b.high - b.low)) > near:
        return None
    if (a.bottom, a.top) == (b.top, b.bottom) and same_outline(a.shape, b.shape, near):
        return Twice(a, 2, (a.low + b.high) / 2, a.mode)
    if abs(a.low - b.low) > near or (a.bottom, a.top) != (b.bottom, b.top):
        return None
    p, q = (np.array([s.end for s in f.shape.segments]) for f in (a, b))  # type: ignore[union-attr]
    for axis in (0, 1):
        at = float(p[:, axis].min() + p[:, axis].max() + q[:, axis].min() + q[:, axis].max()) / 4
        if same_outline(a.shape, mirrored_outline(b.shape, axis, at), near):
            return Twice(a, axis, at, a.mode)
    return None


def mirrored_outline(outline: Outline, across: int, at: float) -> Outline:
    """The image of an outline in the line x = `at` (`across` 0) or y = `at` (1), counter-clockwise again."""
    segments = outline.segments
    n = len(segments)
    made = []
    for k in range(n):
        mid = segments[(n - k) % n].mid
        end = reflected(segments[n - 1 - k].end, across, at)
        made.append(Segment(end, None if mid is None else reflected(mid, across, at)))
    return Outline(tuple(made))


def same_outline(a: Outline, b: Outline, near: float) -> bool:
    """Whether two outlines agree within `near`, wherever each begins."""
    p, q = (np.array([s.end for s in o.segments]) for o in (a, b))
    if len(p) != len(q):
        return False
    for shift in np.nonzero(np.abs(q - p[0]).max(axis=1) <= near)[0]:
        if np.abs(np.roll(q, -int(shift), axis=0) - p).max() > near:
            continue
        mids = [(s.mid, b.segments[(k + int(shift)) % len(p)].mid) for k, s in enumerate(a.segments)]
        if all((m is None) == (n is None) for m, n in mids) and all(
            m is None or n is None or max(abs(m[0] - n[0]), abs(m[1] - n[1])) <= 4 * near for m, n in mids
        ):
            return True
    return False


@dataclass(frozen=True, slots=True, eq=False)
class MirrorPlane:
    """A plane about which a part is nearly symmetric: its unit normal, and its distance from the origin along it."""

    normal: NDArray[np.float64]
    distance: float


# much of a part may be symmetric where the whole is not
_LIKE = 0.8
_MOST_PLANES = 2
# a rough likeness tells as much, in a fraction of the time
_ROUGH = 1e-3


def mirror_planes(target: Manifold, frames: Sequence[Frame], scale: Scale) -> list[MirrorPlane]:
    """Find planes across the middle of the part, square to its directions, about which it is nearly symmetric."""
    found: list[tuple[float, MirrorPlane]] = []
    rough = target.simplify(_ROUGH * scale.size)
    for frame in frames[:3]:
        local = to_frame(rough, frame)
        box = np.array(local.bounding_box()).reshape(2, 3)
        for axis in range(3):
            normal = frame.axes[axis]
            if any(abs(float(normal @ plane.normal)) > 1 - 1e-6 for _, plane in found):
                continue
            at = nice(float(box[:, axis].mean()), scale.noise)
            alike = iou(mirrored(local, axis, at), local)
            if alike > _LIKE:
                found.append((alike, MirrorPlane(normal, at + float(normal @ frame.origin))))
    return [plane for _, plane in sorted(found, key=lambda f: -f[0])[:_MOST_PLANES]]


def with_images(features: Sequence[Feature], plane: MirrorPlane) -> list[Feature] | None:
    """The features together with their images; None where the plane does not run along the axes of each of them."""
    made: list[Feature] = []
    for feature in features:
        turns = feature.frame.axes @ plane.normal
        axis = int(np.argmax(np.abs(turns)))
        if abs(turns[axis]) < 1 - 1e-6 or isinstance(feature, Hole | Repeated | BlendedEdges):
            return None
        at = float(np.sign(turns[axis])) * plane.distance - float(feature.frame.axes[axis] @ feature.frame.origin)
        made += _twice(feature, axis, at)
    return made


def _twice(feature: Feature, axis: int, at: float) -> list[Feature]:
    """Two of a simple prism, which can be told by two places; else the feature with its image."""
    if (
        isinstance(feature, Extrusion)
        and isinstance(feature.shape, Circle | Rectangle | Slot)
        and not feature.twist_deg
    ):
        shape = feature.shape
        if axis == 2:
            low, high = 2 * at - feature.high, 2 * at - feature.low
            return [feature, replace(feature, low=low, high=high, bottom=feature.top, top=feature.bottom)]
        centre = reflected(shape.centre, axis, at)
        if isinstance(shape, Circle):
            return [feature, replace(feature, shape=replace(shape, centre=centre))]
        return [feature, replace(feature, shape=replace(shape, centre=centre, angle=-shape.angle % 180.0))]
    return [Twice(feature, axis, at, feature.mode)]


def moved_copies(
    features: Sequence[Feature], steps: Sequence[NDArray[np.float64]], near: float
) -> list[Feature] | None:
    """The features and their copies moved by `steps` (3,); None where these do not lie in one plane.

    Simple prisms are placed by their centres, others told once with their places.
    """
    made: list[Feature] = []
    for feature in features:
        if isinstance(feature, Hole | Body | Twice | Repeated | BlendedEdges | Sweep):
            return None
        own = np.array([np.zeros(3), *(feature.frame.axes @ step for step in steps)])
        layer = next((found for found in layers(feature.frame, own, near) if len(found[2]) == len(own)), None)
        if layer is None:
            return None
        frame, middles, _ = layer
        places = moves(middles, near)
        # a twisted sketch turns about its frame's origin
        if (
            isinstance(feature, Extrusion)
            and isinstance(feature.shape, Circle | Rectangle | Slot)
            and frame is feature.frame
            and not feature.twist_deg
        ):
            shape = feature.shape
            for x, y in places.steps:
                moved = replace(shape, centre=(shape.centre[0] + x, shape.centre[1] + y))
                made.append(replace(feature, shape=moved))
        else:
            made.append(Repeated(feature, frame, places, feature.mode))
    return made

"""What the writer asks of places: what a feature is called, and where it stands from a datum or a frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cad_pipeline.generators.geometric.features import (
    BlendedEdges,
    Body,
    Extrusion,
    Feature,
    Hole,
    Loft,
    Mode,
    Repeated,
    Revolution,
    Sweep,
    Turns,
    Twice,
)
from cad_pipeline.generators.geometric.frame import Frame
from cad_pipeline.generators.geometric.numbers import nice, text
from cad_pipeline.generators.geometric.parameters import is_zero
from cad_pipeline.generators.geometric.patterns import blocks
from cad_pipeline.generators.geometric.routes import Route
from cad_pipeline.generators.geometric.shapes2d import Circle, Outline, Segment, Shape2D, Slot
from cad_pipeline.generators.geometric.sketch_text import pair

__all__ = [
    "clean",
    "datum_of",
    "face_selector",
    "grouped",
    "home",
    "mirror_call",
    "point_list",
    "raised",
    "relocated",
    "role_of",
    "shifted",
]


def role_of(feature: Feature, base: bool) -> str:
    """The word for a feature in names of dimensions."""
    if base:
        return "base"
    if isinstance(feature, Sweep):
        return "wire" if feature.bore == 0.0 else "tube"
    shape = feature.shape if isinstance(feature, Extrusion) else None
    if feature.mode is Mode.ADD:
        return "boss" if isinstance(shape, Circle) else "step"
    if isinstance(shape, Circle):
        return "bore"
    return "slot" if isinstance(shape, Slot) else "pocket"


def face_selector(axis: NDArray[np.float64]) -> str:
    """Write the selector of the outermost face along a unit vector."""
    for name, direction in (("X", 0), ("Y", 1), ("Z", 2)):
        if abs(abs(axis[direction]) - 1) < 1e-9:
            return f'"{">" if axis[direction] > 0 else "<"}{name}"'
    return f"cq.DirectionMinMaxSelector(cq.Vector({', '.join(text(nice(c, 1e-9)) for c in axis)}))"


def clean(value: float) -> float:
    """A length without the dust of arithmetic."""
    return nice(value, 1e-7 * max(1.0, abs(value)))


def shifted(shape: Shape2D, dx: float, dy: float, tolerance: float) -> Shape2D:
    """Express a sketch relative to the datum at (dx, dy); a centre within the datum's own rounding lies on it."""

    def moved(p: tuple[float, float]) -> tuple[float, float]:
        return clean(p[0] - dx), clean(p[1] - dy)

    def settled(p: tuple[float, float]) -> tuple[float, float]:
        x, y = moved(p)
        return 0.0 if abs(x) < 20 * tolerance else x, 0.0 if abs(y) < 20 * tolerance else y

    if isinstance(shape, Outline):
        return Outline(tuple(Segment(moved(s.end), None if s.mid is None else moved(s.mid)) for s in shape.segments))
    return replace(shape, centre=settled(shape.centre))


def raised(profile: Outline, dz: float) -> Outline:
    """A turned profile, moved along its axis."""

    def moved(p: tuple[float, float]) -> tuple[float, float]:
        return p[0], clean(p[1] + dz)

    return Outline(tuple(Segment(moved(s.end), None if s.mid is None else moved(s.mid)) for s in profile.segments))


def datum_of(features: Sequence[Feature], tolerance: float) -> NDArray[np.float64]:
    """World point from which everything is measured: the middle of the base sketch, on its lower face."""
    base = features[0]
    while isinstance(base, Body | Twice | Repeated):
        base = base.features[0] if isinstance(base, Body) else base.feature
    if isinstance(base, Revolution | Hole | BlendedEdges):
        return base.frame.origin
    if isinstance(base, Sweep):
        start = base.path.start if isinstance(base.path, Route) else (0.0, 0.0, 0.0)
        return np.array([nice(c, 1e-9) for c in base.frame.to_world(np.array([start]))[0]])
    low, shape = base.sections[0] if isinstance(base, Loft) else (base.low, base.shape)
    if isinstance(shape, Outline):
        points = shape.polygon()
        x, y = (points.min(axis=0) + points.max(axis=0)) / 2.0
    else:
        x, y = shape.centre
    local = np.array([[nice(float(x), 20 * tolerance), nice(float(y), 20 * tolerance), low]])
    return np.array([nice(c, 1e-9) for c in base.frame.to_world(local)[0]])


def grouped(features: Sequence[Feature]) -> list[list[Feature]]:
    """Put equal prisms of one run of additions or cuts together, as one statement; the base stands alone."""
    groups: list[list[Feature]] = []
    run: list[list[Feature]] = []
    for feature in features:
        if run and run[0][0].mode is not feature.mode:
            run = []
        home = next((g for g in run if _alike(g[0], feature)), None)
        if home is not None:
            home.append(feature)
            continue
        groups.append([feature])
        if len(groups) > 1:
            run.append(groups[-1])
    return groups


def _alike(a: Feature, b: Feature) -> bool:
    return (
        isinstance(a, Extrusion)
        and isinstance(b, Extrusion)
        and a.frame.axes is b.frame.axes
        and a.frame.origin is b.frame.origin
        and a.twist_deg == b.twist_deg == 0.0
        and (a.low, a.high, a.top, a.bottom) == (b.low, b.high, b.top, b.bottom)
        and not isinstance(a.shape, Outline)
        and not isinstance(b.shape, Outline)
        and replace(a.shape, centre=(0.0, 0.0)) == replace(b.shape, centre=(0.0, 0.0))
        and getattr(a.shape, "angle", 0.0) == 0.0
        and getattr(a.shape, "corner", 0.0) == 0.0
    )


def point_list(points: Sequence[tuple[float, float]], tolerance: float) -> str:
    """Write a list of points; those that are every x with every y are written so."""
    found, rest = blocks(points, tolerance)
    lists = [f"[(x, y) for x in {_row(block.xs)} for y in {_row(block.ys)}]" for block in found]
    if rest or not lists:
        lists.append(f"[{', '.join(pair(*p) for p in rest)}]")
    return " + ".join(lists)


def _row(values: Sequence[float]) -> str:
    return f"({', '.join(text(v) for v in values)})"


def home(repeated: Repeated, level: float) -> tuple[float, float, float]:
    """Where the first of a repeated feature is drawn, in its frame: on the axis, or in its own middle, at `level`."""
    if isinstance(repeated.places, Turns):
        return (*repeated.places.centre, level)
    feature, frame = repeated.feature, repeated.frame
    if isinstance(feature, Revolution):
        x, y, _ = frame.to_local(feature.frame.origin[None])[0]
        return float(x), float(y), level
    low, shape = feature.sections[0] if isinstance(feature, Loft) else (feature.low, feature.shape)
    corners = np.pad(shape.polygon(), ((0, 0), (0, 1)), constant_values=low)
    points = frame.to_local(feature.frame.to_world(corners))
    x, y = (points.min(axis=0) + points.max(axis=0))[:2] / 2
    return clean(float(x)), clean(float(y)), level


def relocated(feature: Extrusion | Revolution | Loft, frame: Frame) -> Extrusion | Revolution | Loft:
    """A feature as it is seen from `frame`."""
    axes = np.round(feature.frame.axes @ frame.axes.T, 12) + 0.0
    return replace(feature, frame=Frame(frame.to_local(feature.frame.origin[None])[0], axes))


def mirror_call(twice: Twice, tolerance: float) -> str:
    """Write the call that joins a solid with its image."""
    normal = twice.frame.axes[twice.axis]
    point = (twice.at + float(normal @ twice.frame.origin)) * normal
    x, y, z = (nice(c, tolerance / 100) for c in point)
    named = next((name for k, name in enumerate(("YZ", "XZ", "XY")) if abs(abs(normal[k]) - 1) < 1e-9), None)
    plane = f'"{named}"' if named else f"cq.Vector({', '.join(text(nice(c, 1e-9)) for c in normal)})"
    place = "" if all(is_zero(c) for c in (x, y, z)) else f", ({text(x)}, {text(y)}, {text(z)})"
    return f".mirror({plane}{place}, union=True)"

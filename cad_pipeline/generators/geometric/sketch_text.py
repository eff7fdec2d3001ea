"""Write sketch curves, and the holes drilled at their points, as CadQuery calls on a workplane."""

from __future__ import annotations

import math
from collections.abc import Sequence

from cad_pipeline.generators.geometric.features import Hole
from cad_pipeline.generators.geometric.numbers import nice, text
from cad_pipeline.generators.geometric.parameters import ParameterBook, is_zero
from cad_pipeline.generators.geometric.shapes2d import (
    Circle,
    Outline,
    Rectangle,
    RegularPolygon,
    Segment,
    Shape2D,
    Slot,
    circle_through,
)
from cad_pipeline.generators.geometric.symmetry import Half, count_along, half_of, is_along

__all__ = ["arc_call", "half", "hole_call", "pair", "sketch_calls"]


def pair(x: float, y: float) -> str:
    """Write a point."""
    return f"({text(x)}, {text(y)})"


def half(expression: str) -> str:
    """Write half of an expression, worked out where it is a number."""
    try:
        return text(float(expression) / 2)
    except ValueError:
        return f"{expression} / 2"


def sketch_calls(shape: Shape2D, role: str, book: ParameterBook, *, whole: bool = False) -> str:
    """Write the calls that draw `shape`, ready to be extruded; sizes become parameters of `role`.

    `whole` keeps a symmetric outline from being drawn to one side and mirrored, which may move the plane's origin.
    """
    if isinstance(shape, Circle):
        diameter = book.name(role, "d", 2 * shape.radius)
        return f"{_at(shape.centre)}.circle({half(diameter)})"
    if isinstance(shape, Rectangle):
        return _rectangle(shape, role, book)
    if isinstance(shape, Slot):
        length, width = book.name(role, "length", shape.length), book.name(role, "width", shape.width)
        angle = "" if is_zero(shape.angle) else f", {text(shape.angle)}"
        return f"{_at(shape.centre)}.slot2D({length}, {width}{angle})"
    if isinstance(shape, RegularPolygon):
        diameter = book.name(role, "d", shape.diameter, comment="across corners")
        return f"{_turned(shape.centre, shape.angle)}.polygon({shape.sides}, {diameter})"
    return _outline(shape, whole=whole)


def _at(centre: tuple[float, float]) -> str:
    return "" if is_zero(centre[0]) and is_zero(centre[1]) else f".moveTo{pair(*centre)}"


def _turned(centre: tuple[float, float], angle: float) -> str:
    if is_zero(angle):
        return _at(centre)
    offset = "" if is_zero(centre[0]) and is_zero(centre[1]) else f", offset=({text(centre[0])}, {text(centre[1])}, 0)"
    return f".transformed(rotate=(0, 0, {text(angle)}){offset})"


def _rectangle(shape: Rectangle, role: str, book: ParameterBook) -> str:
    length, width = book.name(role, "length", shape.size[0]), book.name(role, "width", shape.size[1])
    if shape.corner <= 0:
        return f"{_turned(shape.centre, shape.angle)}.rect({length}, {width})"
    corner = book.name(role, "corner_r", shape.corner)
    at_origin = is_zero(shape.centre[0]) and is_zero(shape.centre[1])
    push = "" if at_origin else f".push([{pair(*shape.centre)}])"
    reset = "" if at_origin else ".reset()"
    angle = "" if is_zero(shape.angle) else f", {text(shape.angle)}"
    return f".sketch(){push}.rect({length}, {width}{angle}){reset}.vertices().fillet({corner}).finalize()"


def _outline(shape: Outline, *, whole: bool) -> str:
    side = None if whole else half_of(shape)
    if side is not None and side.numbers <= shape.numbers:
        return _mirrored(side)
    start, segments = shape.segments[-1].end, shape.segments
    # a list of points reads best where there are lines alone, and few of them run along an axis and save a number
    if all(s.mid is None for s in segments) and 2 * count_along(start, segments) > 3 * len(segments):
        points = ", ".join(pair(*p) for p in (start, *(s.end for s in segments[:-1])))
        return f".polyline([{points}]).close()"
    last = segments[-1]
    drawn = _drawn(start, segments if last.mid is not None else segments[:-1])
    return f".moveTo{pair(*start)}{drawn}.close()"


def _mirrored(side: Half) -> str:
    """Draw one side from the axis to the axis, and mirror it."""
    shift = (side.at, 0.0) if side.across == 0 else (0.0, side.at)

    def moved(p: tuple[float, float]) -> tuple[float, float]:
        x, y = p[0] - shift[0], p[1] - shift[1]
        return nice(x, 1e-7 * max(1.0, abs(p[0]))), nice(y, 1e-7 * max(1.0, abs(p[1])))

    segments = [Segment(moved(s.end), None if s.mid is None else moved(s.mid)) for s in side.segments]
    start = moved(side.start)
    axis = "Y" if side.across == 0 else "X"
    centre = "" if is_zero(side.at) else f".center{pair(*shift)}"
    return f"{centre}.moveTo{pair(*start)}{_drawn(start, segments)}.mirror{axis}()"


def _drawn(start: tuple[float, float], segments: Sequence[Segment]) -> str:
    """Lines and arcs one after the other; a line along an axis says where it ends on it."""
    calls: list[str] = []
    for segment in segments:
        axis = is_along(start, segment.end) if segment.mid is None else None
        if segment.mid is not None:
            calls.append(arc_call(start, segment.mid, segment.end))
        elif axis is not None:
            calls.append(f".{'hv'[axis]}LineTo({text(segment.end[axis])})")
        else:
            calls.append(f".lineTo{pair(*segment.end)}")
        start = segment.end
    return "".join(calls)


def arc_call(
    start: tuple[float, float], mid: tuple[float, float], end: tuple[float, float], end_text: str | None = None
) -> str:
    """Write an arc by its radius where that is safe, else by its middle point; `end_text` stands for its end."""
    end_text = end_text or pair(*end)
    circle = circle_through(start, mid, end)
    chord = math.dist(start, end)
    if circle is not None:
        radius = nice(circle[2], 1e-6 * circle[2])
        sagitta = math.dist(mid, ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2))
        if sagitta < 0.45 * chord and chord < 1.98 * radius:
            left = (end[0] - start[0]) * (mid[1] - start[1]) - (end[1] - start[1]) * (mid[0] - start[0]) > 0
            return f".radiusArc({end_text}, {text(radius if left else -radius)})"
    return f".threePointArc({pair(*mid)}, {end_text})"


def hole_call(hole: Hole, diameter: str, depth: str, book: ParameterBook) -> str:
    """Write the call that drills a hole; `depth` is empty where it goes through."""
    if hole.counterbore is not None:
        wide = book.name("cbore", "d", hole.counterbore[0])
        deep = book.name("cbore", "depth", hole.counterbore[1])
        return f".cboreHole({diameter}, {wide}, {deep}{depth})"
    if hole.countersink is not None:
        wide = book.name("csk", "d", hole.countersink[0])
        return f".cskHole({diameter}, {wide}, {text(hole.countersink[1])}{depth})"
    return f".hole({diameter}{depth})"

"""Write the way of a sweep, and the plane across it in which its sketch lies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from cad_pipeline.generators.geometric.frame import Frame, frame_along
from cad_pipeline.generators.geometric.numbers import exact_text, nice, text
from cad_pipeline.generators.geometric.parameters import is_zero
from cad_pipeline.generators.geometric.routes import Route, Triple
from cad_pipeline.generators.geometric.sketch_text import pair

__all__ = ["flat_calls", "in_world", "placed", "plane_across", "wire_of_edges"]


def flat_calls(route: Route, corners: Sequence[tuple[float, ...]]) -> str:
    """Write the calls that draw a route in its plane, with its corners as they are seen there."""
    legs = "".join(_flat_leg([p[:2] for p in points]) for points in _by_leg(route, corners))
    return f".moveTo{pair(*corners[0][:2])}{legs}{'.close()' if route.closed else ''}"


def wire_of_edges(route: Route, corners: Sequence[tuple[float, ...]]) -> str:
    """Write a route that stays in no plane, with its corners in the world."""
    edges = ", ".join(_edge(points) for points in _by_leg(route, corners))
    return f"cq.Workplane(cq.Wire.assembleEdges([{edges}]))"


def in_world(frame: Frame, points: Sequence[Triple], tolerance: float) -> list[tuple[float, ...]]:
    """Points of a frame as they are written in the world."""
    return [tuple(nice(float(c), tolerance / 100) for c in p) for p in frame.to_world(np.array(points))]


def plane_across(point: NDArray[np.float64], normal: NDArray[np.float64], tolerance: float) -> str:
    """Write the plane through a point (3,), across a direction (3,)."""
    frame = frame_along(normal, point)
    x, y, z = in_world(frame, [(0.0, 0.0, 0.0)], tolerance)[0]
    if frame.plane_name is not None:
        where = "" if all(is_zero(c) for c in (x, y, z)) else f", origin=({text(x)}, {text(y)}, {text(z)})"
        return f'cq.Workplane("{frame.plane_name}"{where})'
    n = ", ".join(exact_text(nice(c, 1e-9)) for c in frame.axes[2])
    return f"cq.Workplane(cq.Plane(origin=({text(x)}, {text(y)}, {text(z)}), normal=({n})))"


def placed(frame: Frame, tolerance: float) -> str | None:
    """Write a frame as a plane; None where it is the world's."""
    x, y, z = in_world(frame, [(0.0, 0.0, 0.0)], tolerance)[0]
    if frame.plane_name == "XY" and is_zero(x) and is_zero(y) and is_zero(z):
        return None
    first, normal = (", ".join(exact_text(nice(c, 1e-9)) for c in frame.axes[k]) for k in (0, 2))
    place = f"cq.Plane(origin=({text(x)}, {text(y)}, {text(z)}), xDir=({first}), normal=({normal}))"
    return f"cq.Workplane({place})"


def _by_leg(route: Route, corners: Sequence[tuple[float, ...]]) -> Iterator[list[tuple[float, ...]]]:
    """Of a route's corners, as they are written, those of each leg: where it starts, its middle if bent, its end."""
    place = 0
    for leg in route.legs:
        ahead = 1 + (leg.mid is not None)
        yield list(corners[place : place + ahead + 1])
        place += ahead


def _flat_leg(points: Sequence[tuple[float, ...]]) -> str:
    if len(points) == 2:
        return f".lineTo{pair(*points[1])}"
    return f".threePointArc({pair(*points[1])}, {pair(*points[2])})"


def _edge(points: Sequence[tuple[float, ...]]) -> str:
    made = ", ".join(f"cq.Vector({', '.join(text(c) for c in p)})" for p in points)
    return f"cq.Edge.{'makeLine' if len(points) == 2 else 'makeThreePointArc'}({made})"

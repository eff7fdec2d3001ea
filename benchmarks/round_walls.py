"""The round walls of a solid: what all cylindrical faces of one axis and radius make together.

Lengths in mm, angles in rad unless they say otherwise.
"""

from __future__ import annotations

import dataclasses
import enum
import itertools
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Round", "Wall", "full_round", "plain_cylinders", "read_step", "same_axis", "walls"]

ANGLE_DEG = 0.1
FULL_RAD = 2.0 * math.pi - 0.01
# a spline is a cylinder if it lies within this of one
SPLINE_MM = 1e-3
SAMPLES = 17


class Wall(enum.StrEnum):
    """How a wall stands: all round an empty axis, all round material as a groove does, or open to a side."""

    HOLE = "hole"
    RING = "ring"
    OPEN = "open"


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """A round wall or hole: a point of its axis, the axis' direction, and the diameter, in mm."""

    point: tuple[float, float, float]
    axis: tuple[float, float, float]
    diameter: float
    kind: str


def same_axis(one: Round, other: Round, off_mm: float) -> bool:
    """Whether two lie on one line, within 0.1° and `off_mm`, measured at `one`'s point."""
    a, b = np.array(one.axis), np.array(other.axis)
    apart = np.array(one.point) - np.array(other.point)
    slant = float(np.linalg.norm(np.cross(a, b)))
    return slant < math.sin(math.radians(ANGLE_DEG)) and float(np.linalg.norm(np.cross(apart, b))) < off_mm


def full_round(spans: Sequence[tuple[float, float, float, float]]) -> float | None:
    """Find a height in whose plane faces go full round together; None if there is none.

    Each face is (first angle, last angle, low, high), in rad and mm, in one common frame.
    """
    heights = sorted({h for _, _, low, high in spans for h in (low, high)})
    for low, high in itertools.pairwise(heights):
        middle = (low + high) / 2.0
        if high - low > 1e-6 and _covered([s[:2] for s in spans if s[2] <= middle <= s[3]]) >= FULL_RAD:
            return middle
    return None


def _covered(spans: Iterable[tuple[float, float]]) -> float:
    """Add up the angles that the spans cover together, in rad."""
    whole, parts = 2.0 * math.pi, []
    for first, last in spans:
        if last - first >= FULL_RAD:
            return whole
        start = first % whole
        end = start + last - first
        parts += [(start, min(end, whole)), (0.0, end - whole)] if end > whole else [(start, end)]
    covered, reached = 0.0, 0.0
    for start, end in sorted(parts):
        covered += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return covered


def walls(shape: Any, *, concave: bool = True) -> list[Round]:
    """List the walls of a shape, one for each axis and radius; those with the material inside if not `concave`."""
    groups: list[tuple[Round, list[tuple[float, float, float, float]]]] = []
    for face in shape.Faces():
        found = _cylinder(face, concave)
        if found is None:
            continue
        near = max(1e-3, 1e-4 * found.diameter)
        same = (g for g in groups if abs(g[0].diameter - found.diameter) < near and same_axis(found, g[0], near))
        first, spans = next(same, (found, []))
        if not spans:
            groups.append((first, spans))
        spans.append(_span(face, first))
    return [_placed(first, spans, shape) for first, spans in groups]


def _cylinder(face: Any, concave: bool) -> Round | None:
    """Find the cylinder that a face lies on, also where it is written as a spline; None if there is none."""
    from OCP.BRepAdaptor import BRepAdaptor_Surface
    from OCP.GeomAbs import GeomAbs_Cylinder
    from OCP.GeomAdaptor import GeomAdaptor_Surface
    from OCP.GeomConvert import GeomConvert_SurfToAnaSurf

    if face.geomType() in ("PLANE", "CONE", "SPHERE", "TORUS"):
        return None
    surface: Any = BRepAdaptor_Surface(face.wrapped)
    if surface.GetType() != GeomAbs_Cylinder:
        plain = GeomConvert_SurfToAnaSurf(face._geomAdaptor()).ConvertToAnalytical(SPLINE_MM)
        if plain is None:
            return None
        surface = GeomAdaptor_Surface(plain)
    if surface.GetType() != GeomAbs_Cylinder:
        return None
    cylinder = surface.Cylinder()
    frame = cylinder.Position()
    point, axis = (np.array([v.X(), v.Y(), v.Z()]) for v in (frame.Location(), frame.Direction()))
    places, normals = _sampled(face)
    inwards = float(np.einsum("ij,ij->i", normals, places - point).mean()) < 0.0
    if inwards is not concave:
        return None
    return Round(
        point=tuple(point.tolist()), axis=tuple(axis.tolist()), diameter=2.0 * cylinder.Radius(), kind=Wall.OPEN
    )


def _sampled(face: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give points of a face's surface in mm, row by row over its bounds, and their outward normals."""
    from OCP.BRepGProp import BRepGProp_Face
    from OCP.BRepTools import BRepTools
    from OCP.gp import gp_Pnt, gp_Vec

    first, last, low, high = BRepTools.UVBounds_s(face.wrapped)
    surface, point, normal = BRepGProp_Face(face.wrapped), gp_Pnt(), gp_Vec()
    places, normals = [], []
    for u in np.linspace(first, last, SAMPLES):
        for v in np.linspace(low, high, SAMPLES):
            surface.Normal(float(u), float(v), point, normal)
            places.append((point.X(), point.Y(), point.Z()))
            normals.append((normal.X(), normal.Y(), normal.Z()))
    return np.array(places), np.array(normals)


def _span(face: Any, around: Round) -> tuple[float, float, float, float]:
    """Give a face's first and last angle about an axis, in rad, and its lowest and highest point along it, in mm."""
    axis = np.array(around.axis)
    x = np.cross(axis, np.eye(3)[np.argmin(np.abs(axis))])
    x /= np.linalg.norm(x)
    places = _sampled(face)[0] - np.array(around.point)
    heights = places @ axis
    angles = np.arctan2(places @ np.cross(axis, x), places @ x).reshape(SAMPLES, SAMPLES)
    # the angle runs along one of the two parameters; unwrapped along both, its steps are small
    angles = np.unwrap(np.unwrap(angles, axis=0), axis=1)
    return float(angles.min()), float(angles.max()), float(heights.min()), float(heights.max())


def _placed(around: Round, spans: list[tuple[float, float, float, float]], shape: Any) -> Round:
    """Put a wall's point into the middle of its full round stretch, and say how it stands."""
    height = full_round(spans)
    middle = (min(s[2] for s in spans) + max(s[3] for s in spans)) / 2.0 if height is None else height
    point = np.array(around.point) + middle * np.array(around.axis)
    kind = Wall.OPEN if height is None else Wall.RING if _inside(shape, point) else Wall.HOLE
    return dataclasses.replace(around, point=tuple(point.tolist()), kind=kind)


def _inside(shape: Any, point: NDArray[np.float64]) -> bool:
    """Whether a point lies in the material."""
    from cadquery import Vector

    return any(solid.isInside(Vector(*point.tolist()), 1e-6) for solid in shape.Solids())


def plain_cylinders(shapes: Iterable[Any]) -> list[Round]:
    """List the solids that are a cylinder and nothing else."""
    found = []
    for solid in (s for shape in shapes for s in shape.Solids()):
        kinds = [face.geomType() for face in solid.Faces()]
        if kinds.count("PLANE") == 2 and kinds.count("CYLINDER") == len(kinds) - 2 > 0:
            around = walls(solid, concave=False)
            found += [dataclasses.replace(w, kind="cut") for w in around if len(around) == 1 and w.kind != Wall.OPEN]
    return found


def read_step(path: Path) -> Any:
    """Read a STEP file's solids as one compound."""
    import cadquery as cq

    return cq.Compound.makeCompound([s for each in cq.importers.importStep(str(path)).vals() for s in each.Solids()])

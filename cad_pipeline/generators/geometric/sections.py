"""Cross-sections of a part along one direction, and the heights at which they change."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import Polygon
from shapely.geometry.base import BaseGeometry

from cad_pipeline.generators.geometric.frame import Frame
from cad_pipeline.generators.geometric.scale import Scale
from cad_pipeline.generators.geometric.shapes2d import signed_area
from cad_pipeline.generators.geometric.solids import Manifold, mesh_of, to_frame

NEAR = 0.004

__all__ = ["NEAR", "Slab", "levels", "loops_differ", "region", "rings_of", "shadow", "slabs", "stack_of"]


@dataclass(frozen=True, slots=True, eq=False)
class Slab:
    """The part between two heights: sections just above the floor, in the middle and just below the ceiling."""

    low: float
    high: float
    floor: BaseGeometry
    middle: BaseGeometry
    ceiling: BaseGeometry
    straight: bool

    @property
    def height(self) -> float:
        """Thickness of the slab in mm."""
        return self.high - self.low


def region(solid: Manifold, z: float) -> BaseGeometry:
    """Section of a solid (in its frame) at height `z`: a valid shapely polygon or multipolygon."""
    return _areas(solid.slice(z))


def shadow(solid: Manifold) -> BaseGeometry:
    """What a solid (in its frame) covers when it is looked at along z: a valid shapely polygon or multipolygon."""
    return _areas(solid.project())


def _areas(section: Any) -> BaseGeometry:
    found = [(signed_area(ring), ring) for ring in map(np.asarray, section.to_polygons()) if len(ring) >= 3]
    if len(found) == 1 and found[0][0] > 0:
        # most sections are one outline, which needs no overlay; it runs as an overlay would leave it
        alone = Polygon(found[0][1][::-1])
        if alone.is_valid:
            return alone
    found.sort(key=lambda f: -abs(f[0]))
    covered = shapely.Polygon()
    for outer, group in itertools.groupby(found, key=lambda f: f[0] > 0):
        # from the largest inwards, so that an island in a hole comes back after the hole
        filled = shapely.union_all([shapely.make_valid(Polygon(ring)) for _, ring in group])
        covered = covered.union(filled) if outer else covered.difference(filled)
    return covered


def levels(
    vertices: NDArray[np.float64], faces: NDArray[np.int64], scale: Scale, least_share: float = 0.0
) -> list[float]:
    """Heights of the flat faces that lie across z, with the part's ends; local vertices (n, 3).

    A triangle is flat when its corners agree in height within the mesh's noise. Slivers of less than `2e-6 · size²`, or
    of less than `least_share` of all flat area, are no level.
    """
    size = scale.size
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    normal = np.cross(b - a, c - a)
    double_area = np.linalg.norm(normal, axis=1)
    z_corners = vertices[faces][:, :, 2]
    flat = (np.abs(normal[:, 2]) > 0.99 * np.maximum(double_area, 1e-300)) & (
        np.ptp(z_corners, axis=1) < 3 * scale.noise
    )
    flat |= np.abs(normal[:, 2]) > 0.99999 * np.maximum(double_area, 1e-300)
    z = ((a + b + c) / 3.0)[flat, 2]
    area = double_area[flat] / 2.0
    order = np.argsort(z)
    z, area = z[order], area[order]
    found = [float(vertices[:, 2].min()), float(vertices[:, 2].max())]
    if len(z):
        cuts = np.nonzero(np.diff(z) > scale.level)[0] + 1
        for group_z, group_area in zip(np.split(z, cuts), np.split(area, cuts), strict=True):
            if group_area.sum() > max(2e-6 * size * size, least_share * area.sum()):
                found.append(float(np.average(group_z, weights=group_area)))
    return merge_close(found, scale.level)


def merge_close(values: list[float], tolerance: float) -> list[float]:
    """Sort values and keep one of each run closer than `tolerance`, the ends always."""
    values = sorted(values)
    kept = [values[0]]
    for value in values[1:]:
        if value - kept[-1] > tolerance:
            kept.append(value)
    if len(kept) > 1:
        kept[-1] = max(kept[-1], values[-1])
    return kept


def slabs(solid: Manifold, heights: list[float], scale: Scale, knots: NDArray[np.float64] | None = None) -> list[Slab]:
    """Cut a solid at `heights` into slabs and say which have vertical walls.

    A slab whose walls are not vertical is cut again at the heights among `knots` that lie inside it, where the mesh has
    vertices: between them the walls of a tessellation are ruled.
    """
    result = []
    for low, high in itertools.pairwise(heights):
        slab = _slab(solid, low, high, scale)
        inside = _spread(knots, low, high, scale.size) if knots is not None and not slab.straight else []
        if inside:
            edges = [low, *inside, high]
            result += [_slab(solid, a, b, scale) for a, b in itertools.pairwise(edges)]
        else:
            result.append(slab)
    return result


def stack_of(solid: Manifold, frame: Frame, scale: Scale) -> list[Slab]:
    """Cut a solid (in the world's frame) along a direction at the heights of its flat faces."""
    vertices, faces = mesh_of(solid)
    return slabs(to_frame(solid, frame), levels(frame.to_local(vertices), faces, scale), scale)


def _slab(solid: Manifold, low: float, high: float, scale: Scale) -> Slab:
    rise = high - low
    floor, middle, ceiling = (region(solid, low + rise * t) for t in (NEAR, 0.5, 1 - NEAR))
    straight = not (loops_differ(floor, ceiling, scale.wall) or loops_differ(floor, middle, scale.wall))
    return Slab(low, high, floor, middle, ceiling, straight)


def _spread(knots: NDArray[np.float64], low: float, high: float, size: float, most: int = 8) -> list[float]:
    """Choose up to `most` heights strictly inside, spread evenly where there are more."""
    margin = max(2e-4 * size, 0.02 * (high - low))
    inside = knots[(knots > low + margin) & (knots < high - margin)]
    if not len(inside):
        return []
    inside = np.array(merge_close(list(inside), max(2e-4 * size, (high - low) / 40)))
    inside = inside[inside < high - margin]
    if len(inside) > most:
        wanted = np.linspace(low, high, most + 2)[1:-1]
        inside = np.unique(inside[np.abs(inside[:, None] - wanted).argmin(axis=0)])
    return [float(z) for z in inside]


def loops_differ(a: BaseGeometry, b: BaseGeometry, tolerance: float) -> bool:
    """Whether two sections differ by more than a mean distance of `tolerance` along their outlines."""
    if a.is_empty and b.is_empty:
        return False
    if a.is_empty or b.is_empty:
        return True
    if shapely.equals_identical(a, b):
        return False
    if abs(a.area - b.area) > tolerance * (a.length + b.length) / 2:
        return True
    return bool(a.symmetric_difference(b).area > tolerance * (a.length + b.length) / 2)


def rings_of(section: BaseGeometry, smallest: float) -> list[tuple[Polygon, int]]:
    """List closed loops as filled polygons with their sign: +1 for an outer, −1 for an inner; specks are left out."""
    result: list[tuple[Polygon, int]] = []
    parts = getattr(section, "geoms", [section])
    for part in parts:
        if not isinstance(part, Polygon) or part.is_empty:
            continue
        if Polygon(part.exterior).area > smallest:
            result.append((Polygon(part.exterior), 1))
            result += [(Polygon(hole), -1) for hole in part.interiors if Polygon(hole).area > smallest]
    return result

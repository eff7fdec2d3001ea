"""Explain a part as a body of revolution: find the axis, then the half-profile that the lathe would follow."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from shapely.geometry import MultiPolygon, Polygon, box

from cad_pipeline.generators.geometric.facets import Facets
from cad_pipeline.generators.geometric.features import Feature, Mode, Revolution
from cad_pipeline.generators.geometric.frame import Frame
from cad_pipeline.generators.geometric.numbers import nice
from cad_pipeline.generators.geometric.rings import fit_ring
from cad_pipeline.generators.geometric.scale import Scale
from cad_pipeline.generators.geometric.sections import region
from cad_pipeline.generators.geometric.shapes2d import Outline, Segment, Shape2D
from cad_pipeline.generators.geometric.slabwork import fitting
from cad_pipeline.generators.geometric.solids import Manifold, to_frame

__all__ = ["axis_frame", "explain_hulls", "explain_turned", "turned_share"]

Vectors = NDArray[np.float64]
# half-planes in which one period of a part that comes round is looked at
HULL_SECTIONS = 36
HULL_ROUGHNESS = 2e-3
ANGLES_DEG = (3.7, 63.3, 123.7, 187.1, 249.3, 303.3, 33.1)


def axis_frame(frame: Frame, facets: Facets, scale: Scale) -> Frame | None:
    """Move `frame` so that its z is the axis about which most of the surface is turned; None if there is none.

    The axis is where the normals' lines meet: a weighted least-squares point in the plane across z, refined twice
    without the faces that miss it.
    """
    centre, normal, area = frame.to_local(facets.centroid), facets.normal @ frame.axes.T, facets.area
    use = (np.abs(normal[:, 2]) < 0.98) & (area > 0)
    if not use.any():
        return None
    tangent = np.column_stack([-normal[:, 1], normal[:, 0]])
    length = np.linalg.norm(tangent, axis=1)
    tangent = tangent / np.maximum(length, 1e-12)[:, None]
    offset = (tangent * centre[:, :2]).sum(axis=1)
    weight = np.sqrt(area)
    point = np.zeros(2)
    for tolerance in (np.inf, 0.05 * scale.size, 5e-3 * scale.size, 5e-4 * scale.size):
        chosen = use & (np.abs(tangent @ point - offset) < tolerance)
        if chosen.sum() < 6:
            return None
        w = weight[chosen]
        point, _, rank, _ = np.linalg.lstsq(tangent[chosen] * w[:, None], offset[chosen] * w, rcond=1e-6)
        if rank < 2:
            return None
    point = np.array(
        [nice(c, 4 * scale.noise) if abs(c - nice(c, 2e-5 * scale.size)) < 2e-5 * scale.size else c for c in point]
    )
    if frame.plane_name is not None:  # in a skew frame no round numbers are to be expected
        point = np.array([nice(c, 1e-5 * scale.size) for c in point])
    return frame.moved(np.array([point[0], point[1], 0.0]))


def turned_share(axis: Frame, facets: Facets, scale: Scale) -> float:
    """Share of the area whose normals point through the axis, flat faces across it included.

    Zero for prisms, whose walls face few ways: normals must fill the circle.
    """
    centre, normal, area = axis.to_local(facets.centroid), facets.normal @ axis.axes.T, facets.area
    round_ = np.abs(normal[:, 2]) < 0.98
    heading = ((np.arctan2(normal[round_, 1], normal[round_, 0]) / (2 * np.pi)) % 1.0 * 12).astype(int) % 12
    filled = np.bincount(heading, weights=area[round_], minlength=12)
    if (filled > 0.01 * filled.sum()).sum() < 9:
        return 0.0
    radius = np.linalg.norm(centre[:, :2], axis=1)
    sideways = np.abs(centre[:, 0] * normal[:, 1] - centre[:, 1] * normal[:, 0])
    meets = sideways < 0.02 * np.maximum(radius, 0.01 * scale.size)
    return float(area[meets].sum() / area.sum())


def explain_turned(solid: Manifold, axis: Frame, vertices: Vectors, scale: Scale) -> list[list[Feature]]:
    """Propose revolutions about the axis: the leanest, the most typical and the fullest half-section."""
    halves = _half_sections(to_frame(solid, axis), ANGLES_DEG, scale)
    if not halves:
        return []
    halves.sort(key=lambda h: h.area * h.centroid.x)
    chosen = [halves[0], halves[len(halves) // 2], halves[-1]]
    corners = _profile_points(axis, vertices)
    proposals = []
    for k, half in enumerate(chosen):
        if any(half.symmetric_difference(other).area < 1e-4 * half.area for other in chosen[:k]):
            continue
        features = _revolutions(half, axis, corners, scale)
        if features:
            proposals.append(features)
    return proposals


def explain_hulls(solid: Manifold, axis: Frame, count: int, vertices: Vectors, scale: Scale) -> list[list[Feature]]:
    """Turn what a part that comes round `count` times sweeps about the axis: as it is, and with a bore filled."""
    # each at another phase of the period, and all round, for what does not come round
    degrees = [360.0 / count * ((k + 0.37) / HULL_SECTIONS + k * 7 % count) for k in range(HULL_SECTIONS)]
    halves = _half_sections(to_frame(solid, axis), degrees, scale)
    if not halves:
        return []
    reach = 1e-4 * scale.size
    swept = shapely.union_all(halves).buffer(reach, join_style="mitre").buffer(-reach, join_style="mitre")
    shadow = _shadow(swept)
    profiles = [swept, shadow] if shadow.area > (1 + HULL_ROUGHNESS) * swept.area else [swept]
    corners = _profile_points(axis, vertices)
    hulls = [_revolutions(p.simplify(HULL_ROUGHNESS * scale.size), axis, corners, scale) for p in profiles]
    return [hull for hull in hulls if hull]


def _shadow(half: Polygon | MultiPolygon) -> Polygon | MultiPolygon:
    """A half-section with what lies between it and the axis."""
    quads = []
    for part in getattr(half, "geoms", [half]):
        ring = np.asarray(part.exterior.coords)[:, :2]
        quads += [Polygon([(0.0, y), (x, y), (u, v), (0.0, v)]) for (x, y), (u, v) in itertools.pairwise(ring.tolist())]
    return half.union(shapely.union_all([q for q in quads if q.is_valid and q.area > 0]))


def _half_sections(local: Manifold, degrees: Sequence[float], scale: Scale) -> list[Polygon | MultiPolygon]:
    """Sections with half-planes from the axis: x is the radius, y the height along it."""
    reach = 2 * scale.size
    halves = []
    for angle in degrees:
        turned = local.rotate((0.0, 0.0, -angle)).rotate((-90.0, 0.0, 0.0))
        half = region(turned, 1e-7 * scale.size).intersection(box(0.0, -reach, reach, reach))
        if not half.is_empty:
            halves.append(half)
    return halves


def _profile_points(axis: Frame, vertices: Vectors) -> Vectors:
    local = axis.to_local(vertices)
    return np.column_stack([np.linalg.norm(local[:, :2], axis=1), local[:, 2]])


def _revolutions(half: Polygon | MultiPolygon, axis: Frame, corners: Vectors, scale: Scale) -> list[Feature]:
    parts = [p for p in getattr(half, "geoms", [half]) if isinstance(p, Polygon) and p.area > 1e-7 * scale.size**2]
    rings: list[tuple[Polygon, Mode]] = [(Polygon(_snapped(p.exterior, corners, scale)), Mode.ADD) for p in parts]
    holes = [r for p in parts for r in p.interiors if Polygon(r).area > 1e-7 * scale.size**2]
    rings += [(Polygon(_snapped(r, corners, scale)), Mode.CUT) for r in holes]
    rings = [(r, m) for r, m in rings if r.area > 0]
    fit = fitting([r for r, _ in rings], scale)
    fit.x.snap(0.0)
    features: list[Feature] = []
    for ring, mode in rings:
        shape = fit_ring(np.asarray(ring.exterior.coords)[:-1], fit)
        profile = _as_profile(shape) if shape is not None else None
        if profile is not None:
            features.append(Revolution(axis, profile, mode))
    return features


def _snapped(ring: shapely.LinearRing, corners: Vectors, scale: Scale) -> Vectors:
    """Move profile points onto the mesh's own vertices, which lie on the true surface.

    Points far from any vertex are where the half-plane crosses a facet's inside: they lie off the surface and go.
    """
    points = np.asarray(ring.coords)[:-1, :2]
    distance, nearest = cKDTree(corners).query(points)
    on_axis = points[:, 0] < 2e-4 * scale.size
    close = distance < 0.012 * np.maximum(points[:, 0], 0.02 * scale.size)
    snapped = np.where((close & ~on_axis)[:, None], corners[nearest], points)
    snapped[snapped[:, 0] < 2e-4 * scale.size, 0] = 0.0
    kept = snapped[close | on_axis]
    if len(kept) < 3:
        kept = snapped
    apart = np.linalg.norm(kept - np.roll(kept, 1, axis=0), axis=1) > 1e-6 * scale.size
    return np.asarray(kept[apart] if apart.sum() >= 3 else kept)


def _as_profile(shape: Shape2D) -> Outline | None:
    if isinstance(shape, Outline):
        if min(s.end[0] for s in shape.segments) < -1e-9:
            return None
        return shape
    points = shape.polygon()
    if len(points) > 12 or points[:, 0].min() < -1e-9:
        # a closed round profile (a torus): two half circles
        low, high = points[:, 1].argmin(), points[:, 1].argmax()
        left, right = points[:, 0].argmin(), points[:, 0].argmax()
        return Outline(
            (
                Segment(_pair(points[high]), _pair(points[right])),
                Segment(_pair(points[low]), _pair(points[left])),
            )
        )
    return Outline(tuple(Segment(_pair(p)) for p in points))


def _pair(point: Vectors) -> tuple[float, float]:
    return float(point[0]), float(point[1])

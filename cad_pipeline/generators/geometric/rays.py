"""How far rays from a point run inside a section: what turns about the point shows in it as a shift."""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray

__all__ = ["along_rays"]

Floats = NDArray[np.float64]


def along_rays(section: shapely.Geometry, centre: tuple[float, float], angles: Floats) -> tuple[Floats, Floats]:
    """Of rays from `centre` at `angles` (n,) in radians: how much lies inside polygons, and where they leave last.

    Every edge that a ray crosses adds its distance where the ray leaves and takes it where it enters.
    """
    p, e = _edges(section, centre)
    if not len(p):
        return np.zeros(len(angles)), np.zeros(len(angles))
    u = np.array([np.cos(angles), np.sin(angles)])
    start, end = p[:, :1] * u[1] - p[:, 1:] * u[0], (p + e)[:, :1] * u[1] - (p + e)[:, 1:] * u[0]
    crossed = (start > 0) != (end > 0)
    leaving = start - end
    with np.errstate(divide="ignore", invalid="ignore"):
        distance = (p[:, 0] * e[:, 1] - p[:, 1] * e[:, 0])[:, None] / leaving
    distance = np.where(crossed & (distance > 0), distance, 0.0)
    return (np.sign(leaving) * distance).sum(axis=0), distance.max(axis=0)


def _edges(section: shapely.Geometry, centre: tuple[float, float]) -> tuple[Floats, Floats]:
    """Starts and vectors (m, 2) of all edges about `centre`, with the inside on their left."""
    starts, vectors = [np.zeros((0, 2))], [np.zeros((0, 2))]
    for polygon in getattr(section, "geoms", [section]):
        if isinstance(polygon, shapely.Polygon) and not polygon.is_empty:
            whole = shapely.geometry.polygon.orient(polygon)
            for ring in (whole.exterior, *whole.interiors):
                points = np.asarray(ring.coords)[:, :2] - centre
                starts.append(points[:-1])
                vectors.append(np.diff(points, axis=0))
    return np.vstack(starts), np.vstack(vectors)

"""How far rays from a point run inside a section: what turns about the point shows in it as a shift."""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray

from cad_pipeline.verify.compiled import compiled

__all__ = ["along_rays"]

Floats = NDArray[np.float64]


def along_rays(section: shapely.Geometry, centre: tuple[float, float], angles: Floats) -> tuple[Floats, Floats]:
    """Of rays from `centre` at `angles` (n,) in radians: how much lies inside polygons, and where they leave last.

    Every edge that a ray crosses adds its distance where the ray leaves and takes it where it enters.
    """
    start, vector = _edges(section, centre)
    return _crossed(start, vector, np.cos(angles), np.sin(angles))


@compiled
def _crossed(start: Floats, vector: Floats, cosine: Floats, sine: Floats) -> tuple[Floats, Floats]:
    """For rays (n,) that cross edges (m, 2): the length inside, and the farthest crossing."""
    inside, farthest = np.zeros(len(cosine)), np.zeros(len(cosine))
    for k in range(len(start)):
        x, y = start[k, 0], start[k, 1]
        u, v = vector[k, 0], vector[k, 1]
        turn = x * v - y * u
        for r in range(len(cosine)):
            before = x * sine[r] - y * cosine[r]
            after = (x + u) * sine[r] - (y + v) * cosine[r]
            if (before > 0) != (after > 0):
                distance = turn / (before - after)
                if distance > 0:
                    inside[r] += distance if before > after else -distance
                    farthest[r] = max(farthest[r], distance)
    return inside, farthest


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

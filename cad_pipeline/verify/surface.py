"""Points spread evenly over a surface, the distances between two surfaces, and how much of them agrees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cad_pipeline.values import Deviation
from cad_pipeline.verify.subject import NotMeasurable, Shape, as_subject

if TYPE_CHECKING:
    from cad_pipeline.verify.subject import Subject

__all__ = ["Samples", "deviation", "sample", "surface_f1"]

SAMPLES = 8000


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Samples:
    """Points (n, 3) on a surface, in the local frame, with the unit normals (n, 3) of their triangles."""

    points: NDArray[np.float64]
    normals: NDArray[np.float64]


def sample(subject: Subject, count: int = SAMPLES) -> Samples:
    """Spread `count` points over the surface by area, the same ones every time.

    Systematic sampling over the running area (every triangle gets its share, to within one point), placed inside the
    triangles by the additive R₂ sequence (Roberts 2018), so that no random state is needed.
    """
    running = np.cumsum(subject.areas)
    if running[-1] <= 0.0:
        raise NotMeasurable(f"{subject.mesh.name}: the triangles have no area")
    steps = (np.arange(count) + 0.5) * (running[-1] / count)
    face = np.minimum(np.searchsorted(running, steps), len(running) - 1)
    numbers = np.arange(1, count + 1)[:, None] * np.array([0.7548776662466927, 0.5698402909980532])
    first, second = (numbers % 1.0).T
    beyond = first + second > 1.0
    first, second = np.where(beyond, 1.0 - first, first), np.where(beyond, 1.0 - second, second)
    a, b, c = (subject.corners[face, k] for k in range(3))
    points = a + first[:, None] * (b - a) + second[:, None] * (c - a)
    return Samples(points=np.ascontiguousarray(points), normals=np.ascontiguousarray(subject.normals[face]))


def deviation(target: Shape, result: Shape) -> Deviation:
    """Measure how far the two surfaces lie apart, both ways, in mm.

    Exact point-to-triangle distances of both meshes' vertices and triangle centres and of area-weighted samples: `max`
    over all of them (no face is too small to count), `p95` and `mean` over the samples. `sagitta` is the height of the
    arcs that the target's own facets cut off, so a true cylinder over a 16-gon deviates by its sagitta and is right.
    Walls inside overlapping bodies are no surface.
    """
    a = as_subject(target, name="target").skin
    b = as_subject(result, a.frame, name="result").skin
    there, _ = b.tree.distances(a.samples.points)
    back, _ = a.tree.distances(b.samples.points)
    corners = max(float(to.tree.distances(_marks(of))[0].max()) for of, to in ((a, b), (b, a)))
    both = np.concatenate([there, back])
    unit = a.frame.mm_per_unit
    return Deviation(
        max=max(corners, float(both.max())) * unit,
        p95=float(np.percentile(both, 95.0)) * unit,
        mean=float((there.mean() + back.mean()) / 2.0) * unit,
        sagitta=a.facets.sagitta * unit,
    )


def surface_f1(target: Shape, result: Shape, *, radius_rel: float = 0.005, angle_deg: float = 20.0) -> float:
    """Compute F1 of the surfaces: the harmonic mean of the shares of each that have the other at hand, in [0, 1].

    A point has the other surface at hand if that passes within `radius_rel` of the target's diagonal with a normal
    within `angle_deg`. Distances and normals are the triangles' own, so no second sample blurs the answer.
    """
    a = as_subject(target, name="target").skin
    b = as_subject(result, a.frame, name="result").skin
    radius, cosine = radius_rel * a.diagonal, float(np.cos(np.radians(angle_deg)))
    # An inverted mesh is the same surface; its normals are turned to those of the other.
    same = 1.0 if a.signed_volume * b.signed_volume >= 0.0 else -1.0
    recall = float(b.tree.near(a.samples.points, a.samples.normals * same, radius, cosine).mean())
    precision = float(a.tree.near(b.samples.points, b.samples.normals * same, radius, cosine).mean())
    return 2.0 * recall * precision / (recall + precision) if recall + precision > 0.0 else 0.0


def _marks(subject: Subject) -> NDArray[np.float64]:
    """Every vertex in use and every triangle's centre; of a filled hole's wall only the centres lie off the surface."""
    return np.concatenate([subject.vertices[np.unique(subject.faces)], subject.corners.mean(axis=1)])

"""Intersection over union of two meshes: exact where both close, else by rays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cad_pipeline.verify.columns import cast_columns, overlap
from cad_pipeline.verify.subject import NotMeasurable, Shape, as_subject

__all__ = ["Iou", "exact_iou", "ray_iou"]

_MOST_LEFT_OUT = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Iou:
    """Intersection over union in [0, 1], how it was computed, and the largest error to reckon with."""

    value: float
    method: str
    error: float = 0.0


def exact_iou(a: Shape, b: Shape, *, rays: int = 384) -> Iou:
    """Compute the IoU of the solids that two meshes bound, in the frame and at the size they have.

    Exact (manifold3d on float64, in a centred, scaled frame) where both meshes close, after welding if need be;
    overlapping bodies of one mesh count once, inverted meshes are turned. Where one does not close, `ray_iou` with
    `rays` a side answers, and `method` says so and why. Raises `NotMeasurable` if neither encloses a volume.
    """
    first = as_subject(a, name="first mesh")
    second = as_subject(b, first.frame, name="second mesh")
    left, right = first.solid, second.solid
    if left.manifold is None or right.manifold is None:
        found = ray_iou(first, second, rays=rays)
        which = " and ".join(
            f"{subject.mesh.name}: {solid.reason}"
            for subject, solid in ((first, left), (second, right))
            if solid.manifold is None
        )
        return Iou(value=found.value, method=f"{found.method}, because {which}", error=found.error)
    volumes = (left.manifold.volume(), right.manifold.volume())
    both = max((left.manifold ^ right.manifold).volume(), 0.0)
    if both > min(volumes) * (1.0 + 1e-6):
        # a closed mesh that crosses itself counts some of its volume as negative; what is shared can't exceed either
        found = ray_iou(first, second, rays=rays)
        return Iou(value=found.value, method=f"{found.method}, because a mesh crosses itself", error=found.error)
    either = sum(volumes) - both
    cures = sorted({*left.cures, *right.cures})
    return Iou(value=_clamped(both / either), method="exact" + "".join(f", {cure}" for cure in cures))


def ray_iou(a: Shape, b: Shape, *, rays: int = 384) -> Iou:
    """Compute the IoU from about `rays`² rays along each of the three axes, with exact lengths along each.

    The common box is stretched to a cube first, so a thin plate gets as many rays as a block, and sheared a little
    across the rays, so that no plane face lies along the grid; neither changes an IoU. Along its normal a wall is
    measured exactly however thin it is. Rays that leave a mesh through a hole are left out. `error` is twice the
    spread of the three axes' own answers, at least 1 / `rays`.
    Raises `NotMeasurable` if too many rays are lost or no volume is enclosed.
    """
    first = as_subject(a, name="first mesh")
    second = as_subject(b, first.frame, name="second mesh")
    low = np.minimum(first.bounds[0], second.bounds[0])
    high = np.maximum(first.bounds[1], second.bounds[1])
    size = high - low
    if size.min() <= 1e-9 * size.max():
        raise NotMeasurable(f"{first.mesh.name} and {second.mesh.name} are flat and enclose no volume")
    spans: list[tuple[float, float]] = []
    lost: list[float] = []
    for axis in range(3):
        shear = _shear(axis)
        left, right = (
            cast_columns((s.vertices - low) / size @ shear, s.faces, axis, _ZERO, _cells(shear, rays), (rays,) * 3)
            for s in (first, second)
        )
        both, either, left_out = overlap(left, right)
        lost.append(left_out)
        if left_out <= _MOST_LEFT_OUT:
            spans.append((both, either))
    if not spans:
        raise NotMeasurable(f"{first.mesh.name} or {second.mesh.name}: {min(lost):.0%} of the rays leave through holes")
    both, either = np.mean(spans, axis=0)
    if either <= 1e-9 * rays**2:
        raise NotMeasurable(f"{first.mesh.name} and {second.mesh.name} enclose no volume")
    each = [x / y for x, y in spans if y > 0.0]
    error = max(2.0 * float(np.ptp(each)), 1.0 / rays)
    return Iou(value=_clamped(both / either), method=f"{rays}² rays along {len(spans)} axes", error=error)


_ZERO = np.zeros(3)
_SLOPES = (0.1272, 0.0786)


def _shear(axis: int) -> NDArray[np.float64]:
    """Make the matrix (for row vectors) that shears the unit cube across `axis`, keeping volumes and heights."""
    u, v = (axis + 1) % 3, (axis + 2) % 3
    first, second = np.eye(3), np.eye(3)
    first[v, u] = _SLOPES[0]
    second[u, v] = _SLOPES[1]
    return first @ second


def _cells(shear: NDArray[np.float64], rays: int) -> NDArray[np.float64]:
    """Size the cells so that `rays` of them span the sheared cube."""
    return np.ones(3) @ shear / rays


def _clamped(value: float) -> float:
    return float(min(max(value, 0.0), 1.0))

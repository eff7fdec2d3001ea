"""How far a part's surface lies from points on the target: the residuals that a program's numbers are fitted to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cad_pipeline.values import Mesh

if TYPE_CHECKING:
    from cad_pipeline.verify.subject import Frame, Subject

__all__ = ["SurfaceGap"]

# what lies beside a face weighs less than what lies before it
_BESIDE = 0.5
# least cosine between a side's direction and the triangles that count as facing it
_FACING = 0.25
_AXES = np.concatenate([np.eye(3), -np.eye(3)])


@dataclass(frozen=True, kw_only=True, eq=False)
class SurfaceGap:
    """Points (n, 3) on a target in its local frame, the side (n,) of six that each faces, and the target's thickness.

    A point is compared with the triangles that face its own side only: the far side of a thin wall is no surface of
    its own, however near it comes. `thickness_mm` is volume over area, so that the mean residual over it is about the
    IoU that is lost.
    """

    points: NDArray[np.float64]
    sides: NDArray[np.int64]
    frame: Frame
    thickness_mm: float

    @classmethod
    def of(cls, target: Mesh, count: int = 3000) -> SurfaceGap:
        """Spread `count` points over the target; raises `NotMeasurable` if it has no surface."""
        from cad_pipeline.verify import as_subject
        from cad_pipeline.verify.surface import sample

        goal = as_subject(target)
        samples = sample(goal, count)
        # neighbours in the list that are neighbours in space make the search faster: by side, then as they come
        sides = np.argmax(_outward(goal, samples.normals) @ _AXES.T, axis=1)
        order = np.argsort(sides, kind="stable")
        thickness = abs(goal.signed_volume) / float(goal.areas.sum())
        return cls(
            points=samples.points[order],
            sides=np.asarray(sides[order], np.int64),
            frame=goal.frame,
            thickness_mm=max(thickness, 1e-4 * goal.diagonal) * goal.frame.mm_per_unit,
        )

    def residuals(self, mesh: Mesh) -> NDArray[np.float64]:
        """Measure a part: (2n,) in mm, first the signed distances to the nearest triangles' planes, then those beside.

        The signed distance is the residual of Chen and Medioni (1991), positive where the point lies outside the part.
        A point on the plane of a face but past its edge has none; how far past is the second residual, halved. Raises
        `NotMeasurable` for a mesh without triangles.
        """
        from cad_pipeline.verify import as_subject
        from cad_pipeline.verify.distance import TriangleTree

        part = as_subject(mesh, self.frame)
        normals = _outward(part, part.normals)
        before, beside = np.zeros(len(self.points)), np.zeros(len(self.points))
        for side, axis in enumerate(_AXES):
            mine = np.flatnonzero(self.sides == side)
            if not len(mine):
                continue
            facing = np.flatnonzero(normals @ axis > _FACING)
            facing = facing if len(facing) else np.arange(len(normals))
            points = self.points[mine]
            distances, nearest = TriangleTree.over(part.corners[facing]).distances(points)
            chosen = facing[nearest]
            before[mine] = np.einsum("ij,ij->i", points - part.corners[chosen, 0], normals[chosen])
            beside[mine] = np.sqrt(np.maximum(distances**2 - before[mine] ** 2, 0.0))
        return np.concatenate([before, _BESIDE * beside]) * self.frame.mm_per_unit

    def mean_mm(self, residuals: NDArray[np.float64]) -> float:
        """Tell the mean distance in mm of the points from the planes, of residuals (2n,)."""
        return float(np.abs(residuals[: len(self.points)]).mean())


def _outward(subject: Subject, normals: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn normals round if the triangles of their mesh face inwards."""
    return normals if subject.signed_volume >= 0.0 else -normals

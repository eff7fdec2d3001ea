"""`cadbench`: exact IoU after alignment by centroid, inertia and principal axes; failures count as 0.

Each shape is moved to its centroid, scaled to a radius of gyration of 1 and turned into its principal axes; of the four
proper turns that flip two of them or none the best counts. Mirror images are not matched. Where two principal moments
lie within 1 % of each other (turned parts, square plates) the axes between them are anybody's: the result as it lies
is then tried too, and `axes_ambiguous` is 1. The public program's alignment, as it is written, keeps the smallest IoU
instead of the largest; whether it made the published numbers is not known.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cad_pipeline.evaluation.protocols import Measured, Published
from cad_pipeline.evaluation.score import Part
from cad_pipeline.values import Mesh
from cad_pipeline.verify import NotMeasurable, Subject, exact_iou

__all__ = ["PUBLISHED", "CadBench", "Moments", "moments"]

_EQUAL = 0.01
_DATA = "CADBench meshes, 18,000"
PUBLISHED = (
    Published(who="CADFit", data=_DATA, success_rate=0.981, zero_median=0.859),
    Published(who="CADEvolve", data=_DATA, success_rate=0.967, zero_median=0.707),
    Published(who="cadrille", data=_DATA, success_rate=0.939, zero_median=0.687),
    Published(who="CAD-Recode", data=_DATA, success_rate=0.912, zero_median=0.673),
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Moments:
    """Of a solid: centroid (3,) in mm, radius of gyration in mm, principal axes as rows (3, 3), their moments."""

    centroid: NDArray[np.float64]
    gyration_mm: float
    axes: NDArray[np.float64]
    principal: NDArray[np.float64]

    @property
    def ambiguous(self) -> bool:
        """Whether two principal moments are equal within 1 %, so that the axes between them are not defined."""
        return bool((np.diff(self.principal) <= _EQUAL * self.principal[1:]).any())


class CadBench:
    """Measures the exact IoU of aligned shapes; blind to size, place and orientation by design."""

    name = "cadbench"

    def measure(self, target: Part, result: Part, /) -> Measured:
        """Compare; raises `NotMeasurable` where no volume is enclosed."""
        a, b = moments(target.mesh), moments(result.mesh)
        fixed = _placed(target.mesh, a, a.axes)
        ambiguous = a.ambiguous or b.ambiguous
        turns = [np.diag(signs) @ b.axes for signs in ((1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1))]
        if ambiguous:
            turns.append(a.axes)
        best = max((exact_iou(fixed, _placed(result.mesh, b, turn)) for turn in turns), key=lambda found: found.value)
        figures: dict[str, float | None] = {
            "scale": a.gyration_mm / b.gyration_mm,
            "axes_ambiguous": float(ambiguous),
        }
        words = f"IoU {best.value:.4f} aligned, at {figures['scale']:.4g} times its size"
        method = f"{best.method}, best of {len(turns)} turns"
        return Measured(iou=best.value, method=method, words=words, figures=figures)


def moments(mesh: Mesh) -> Moments:
    """Compute centroid and second moments of the volume (divergence theorem); overlapping bodies count once."""
    from trimesh.triangles import mass_properties

    subject = Subject(mesh).skin
    found = mass_properties(subject.corners)
    volume = float(found.volume)
    if not abs(volume) > 1e-9 * subject.diagonal**3:
        raise NotMeasurable(f"{mesh.name}: encloses no volume, so it has no moments")
    # moments of an inverted mesh are negative, volume and all
    inertia = np.asarray(found.inertia, np.float64) / volume
    principal, columns = np.linalg.eigh(inertia)
    axes = columns.T
    # a sign for each axis that does not hang on the solver, and a right-handed set
    axes *= np.sign(axes[np.arange(3), np.abs(axes).argmax(axis=1)])[:, None]
    axes[2] *= np.sign(np.linalg.det(axes))
    unit = subject.frame.mm_per_unit
    return Moments(
        centroid=subject.frame.out(np.asarray(found.center_mass, np.float64)),
        gyration_mm=float(np.sqrt(max(np.trace(inertia), 0.0) / 2.0)) * unit,
        axes=axes,
        principal=principal * unit**2,
    )


def _placed(mesh: Mesh, own: Moments, turn: NDArray[np.float64]) -> Mesh:
    vertices = (mesh.vertices - own.centroid) / own.gyration_mm @ turn.T
    return Mesh(name=mesh.name, vertices=vertices, faces=mesh.faces)

"""`zero-to-cad`: the metric of the Zero-to-CAD paper (arXiv 2604.24479), for its own test set and for ABC alike.

The card says: voxel IoU at 64³, the largest over turns of the generated shape by 45° increments. Three things it leaves
open are settled here. Turns: all distinct compositions of 45° turns about x, y and z, 512 triples that come to 208
rotations, because "increments of 45°" names neither one axis (8) nor the cube's 90° turns (24), and the 208 hold both,
so that the figure can't come out lower for a narrower reading. Normalisation: centred on the box and scaled to a
longest side of 1, anew after each turn, so that no turned shape leaves the grid. Voxels: solid, by cell centres.
"""

from __future__ import annotations

from cad_pipeline.evaluation.protocols import Measured, Published
from cad_pipeline.evaluation.score import Part
from cad_pipeline.verify import RotationSet, best_rotation_iou

__all__ = ["PUBLISHED", "ZeroToCad"]

PUBLISHED = (
    Published(
        who="Zero-To-CAD-Qwen3-VL-2B",
        data="Zero-to-CAD test",
        success_rate=0.821,
        mean=0.747,
        median=0.847,
        zero_mean=0.613,
        derived=True,
    ),
    Published(
        who="Zero-To-CAD-Qwen3-VL-2B",
        data="ABC, 1,000 shapes",
        success_rate=0.610,
        mean=0.377,
        median=0.303,
        zero_mean=0.230,
        derived=True,
    ),
    Published(who="GPT-5.2 High", data="Zero-to-CAD test", zero_mean=0.350, derived=True),
    Published(who="GPT-5.2 High", data="ABC, 1,000 shapes", zero_mean=0.228, derived=True),
    Published(who="GPT-5.2 Medium", data="Zero-to-CAD test", zero_mean=0.352, derived=True),
    Published(who="GPT-5.2 Medium", data="ABC, 1,000 shapes", zero_mean=0.217, derived=True),
)


class ZeroToCad:
    """Measures the best 64³ voxel IoU over 208 rotations of the result; blind to size and place by design.

    Figures: the same IoU without a turn, and the angle of the best turn in degrees.
    """

    name = "zero-to-cad"

    def measure(self, target: Part, result: Part, /) -> Measured:
        """Compare; raises `NotMeasurable` for meshes without triangles."""
        import numpy as np

        best = best_rotation_iou(target.mesh, result.mesh, RotationSet.ALL208)
        still = best_rotation_iou(target.mesh, result.mesh, RotationSet.NONE)
        angle = float(np.degrees(np.arccos(np.clip((np.trace(best.rotation) - 1.0) / 2.0, -1.0, 1.0))))
        words = f"IoU {best.value:.4f} at a turn of {angle:.0f}°, {still.value:.4f} unturned"
        figures: dict[str, float | None] = {"iou_unturned": still.value, "turn_deg": angle}
        return Measured(iou=best.value, method="64³ voxels, best of 208 turns", words=words, figures=figures)

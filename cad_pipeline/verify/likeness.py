"""The judge where pictures are all that is known: what was built is drawn by the same cameras and compared."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cad_pipeline.values import Target, Verdict
from cad_pipeline.verify.subject import NotMeasurable
from cad_pipeline.verify.verifier import load_result
from cad_sandbox.execution import Execution

__all__ = ["ViewsVerifier"]

_UNKNOWN = "the input is pictures: there is no mesh to measure against"


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewsVerifier:
    """Judges executions by how they look; raises `ValueError` for a target without pictures.

    Accepted is what reaches `min_iou` in the mean silhouette IoU over the views, no view more than `worst_slack` below,
    and `min_lines` in the agreement of lines (F1 within two pixels) in every view: what a pocket adds to the lines is
    seen in some views only. A solid with a flaw is never accepted. `iou` of its verdicts is the mean of the two figures
    and no share of volume, as `iou_method` says: silhouettes alone can't tell a pocket from none.
    """

    min_iou: float = 0.98
    min_lines: float = 0.95
    worst_slack: float = 0.03

    def judge(self, target: Target, execution: Execution, /) -> Verdict:
        """Draw the execution's result as the target's pictures were taken, and compare; failures get IoU 0."""
        from cad_renderers import SoftwareRenderer
        from cad_renderers.hull import likeness

        if target.pictures is None:
            raise ValueError("expected a target with pictures, got one with a mesh only; use MeshVerifier")
        if not execution.built:
            words = f"{execution.outcome}: {execution.message}" if execution.message else str(execution.outcome)
            return Verdict(accepted=False, reason=words, iou=0.0, iou_method="nothing was built")
        if execution.mesh is None:
            return _unjudged("the sandbox wrote no mesh of the STEP file")
        pictures = target.pictures
        size = len(pictures[0].image)
        try:
            result = load_result(execution.mesh)
            drawn = SoftwareRenderer().render(result, rig=pictures.rig, style=pictures.style, size_px=size)
        except (NotMeasurable, ValueError) as broken:
            return _unjudged(str(broken))
        outlines, lines = likeness(pictures.images, drawn.images)
        outline, line, worst = float(outlines.mean()), float(lines.mean()), int(np.argmin(outlines))
        enough = outline >= self.min_iou and outlines[worst] >= self.min_iou - self.worst_slack
        accepted = bool(enough and lines.min() >= self.min_lines and not execution.flaw)
        figures = (
            f"over {len(outlines)} pictures the silhouettes agree to {outline:.4f} "
            f"(worst: {pictures[worst].name} {outlines[worst]:.4f}) "
            f"and the lines to {line:.4f} (worst {lines.min():.4f})"
        )
        if execution.flaw:
            figures = f"{execution.flaw}; {figures}"
        needed = f"needed are {self.min_iou:g} in the mean, and {self.min_lines:g} for the lines of each"
        return Verdict(
            accepted=accepted,
            reason=figures if accepted else f"{figures}; {needed}",
            iou=(outline + line) / 2.0,
            iou_method=f"no volume, pictures only: mean of silhouette IoU {outline:.4f} and line agreement {line:.4f}",
            unknown=_unknown(_UNKNOWN),
        )


def _unjudged(reason: str) -> Verdict:
    return Verdict(accepted=False, reason=reason, unknown={"iou": reason, **_unknown(reason)})


def _unknown(reason: str) -> dict[str, str]:
    names = ("iou_voxel64", "deviation", "surface_f1", "volume_error", "bbox_error_mm")
    return dict.fromkeys((*names, "betti", "regions"), reason)

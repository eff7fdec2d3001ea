"""`own-frame`: the result as it lies, in mm, judged as `cad-pipeline verify` does."""

from __future__ import annotations

from cad_pipeline.evaluation.protocols import Measured
from cad_pipeline.evaluation.score import Part
from cad_pipeline.values import Verdict
from cad_pipeline.verify import MeshVerifier, NotMeasurable

__all__ = ["OwnFrame"]


class OwnFrame:
    """Measures in the part's own frame and at its own size, with nothing aligned or scaled.

    Figures: voxel IoU, deviation in mm (max, p95, mean, and the sagitta that the target's facets explain), surface F1,
    relative volume error, box error in mm, Betti numbers equal (1) or not (0), accepted by the default tolerance,
    validity by the CAD kernel's checker (None for a mesh), number of solids.
    """

    name = "own-frame"

    def __init__(self) -> None:
        self._verifier = MeshVerifier()

    def measure(self, target: Part, result: Part, /) -> Measured:
        """Judge; raises `NotMeasurable` where no IoU can be had."""
        verdict = self._verifier.judge_mesh(target.mesh, result.mesh)
        if verdict.iou is None:
            raise NotMeasurable(verdict.unknown.get("iou", verdict.reason))
        facts = result.facts
        deviation = verdict.deviation
        figures: dict[str, float | None] = {
            "iou_voxel64": verdict.iou_voxel64,
            "deviation_max_mm": deviation.max if deviation else None,
            "deviation_p95_mm": deviation.p95 if deviation else None,
            "deviation_mean_mm": deviation.mean if deviation else None,
            "sagitta_mm": deviation.sagitta if deviation else None,
            "surface_f1": verdict.surface_f1,
            "volume_error": verdict.volume_error,
            "bbox_error_mm": verdict.bbox_error_mm,
            "betti_equal": _same_topology(verdict),
            "accepted": float(verdict.accepted and (facts is None or facts.valid)),
            "valid": float(facts.valid) if facts else None,
            "solids": float(facts.solids) if facts else None,
        }
        words = verdict.reason
        if facts is not None and not facts.valid:
            words = f"the CAD kernel's checker finds faults in the solid; {words}"
        return Measured(iou=verdict.iou, method=verdict.iou_method, words=words, figures=figures)


def _same_topology(verdict: Verdict) -> float | None:
    if verdict.betti_target is None or verdict.betti_result is None:
        return None
    return float(verdict.betti_target == verdict.betti_result)

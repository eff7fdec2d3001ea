"""A row of the table of verdicts: one a part, also where nothing came out, and then with the reason."""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping, Sequence
from typing import Any

from cad_pipeline.batch.ledger import Kill

__all__ = ["COLUMNS", "FLEETING", "Failure", "Status", "failed_row", "made_row", "quarantined_row"]


class Status(enum.StrEnum):
    """Where a part stands. `MACHINE` is no verdict: the machine failed, and `--resume` does the part again."""

    MADE = "made"
    FAILED = "failed"
    QUARANTINED = "quarantined"
    MACHINE = "machine"
    UNFINISHED = "unfinished"


class Failure(enum.StrEnum):
    """Why there is no result."""

    UNREADABLE = "unreadable"
    INPUT = "input"
    NOTHING_BUILT = "nothing built"
    MEMORY = "memory"
    CRASH = "crash"
    TIME = "time"
    VANISHED = "vanished"
    INTERNAL = "internal"


# name → Arrow's name of the type
COLUMNS = {
    "number": "int64",
    "name": "string",
    "path": "string",
    "status": "string",
    "failure": "string",
    "reason": "string",
    "grade": "string",
    "accepted": "bool_",
    "iou": "float64",
    "iou_voxel64": "float64",
    "step_kind": "string",
    "step_iou": "float64",
    "deviation_max_mm": "float64",
    "deviation_p95_mm": "float64",
    "deviation_mean_mm": "float64",
    "surface_f1": "float64",
    "volume_error": "float64",
    "bbox_error_mm": "float64",
    "solids": "int64",
    "valid": "bool_",
    "volume_mm3": "float64",
    "faces": "int64",
    "parameters": "int64",
    "generator": "string",
    "attempts": "int64",
    "triangles": "int64",
    "unit": "string",
    "folder": "string",
    "digest": "string",
    "key": "string",
    "kills": "int64",
    "seconds": "float64",
    "stages": "string",
    "host": "string",
}
# what differs between two runs that came to the same
FLEETING = ("kills", "seconds", "stages", "host")
_EMPTY = dict.fromkeys(COLUMNS)
_SAME = ("grade", "accepted", "reason", "iou", "iou_voxel64", "surface_f1", "volume_error", "bbox_error_mm", "solids")


def made_row(report: Mapping[str, Any], *, name: str, key: str, folder: str, host: str, kills: int) -> dict[str, Any]:
    """Lay out a report's figures as a row; a part on which nothing was built counts as failed."""
    deviation = report.get("deviation_mm") or {}
    step = report.get("step") or {}
    failed = report["grade"] == "failed"
    return {
        **_EMPTY,
        **{each: report.get(each) for each in (*_SAME, "valid", "volume_mm3", "generator", "unit")},
        "name": name,
        "status": str(Status.FAILED if failed else Status.MADE),
        "failure": str(Failure.NOTHING_BUILT) if failed else None,
        **{f"deviation_{each}_mm": deviation.get(each) for each in ("max", "p95", "mean")},
        "step_kind": step.get("kind"),
        "step_iou": step.get("iou"),
        "faces": sum((report.get("face_kinds") or {}).values()),
        "parameters": len(report["parameters"]),
        "attempts": len(report["attempts"]),
        "triangles": report["input"].get("triangles"),
        "folder": folder,
        "digest": report["input"].get("digest"),
        "key": key,
        "kills": kills,
        "seconds": report["seconds"]["total"],
        "stages": json.dumps(report["seconds"]["stages"]),
        "host": host,
    }


def failed_row(*, name: str, key: str, digest: str | None, failure: Failure, reason: str, host: str) -> dict[str, Any]:
    """Lay out a row for a part on which no work could be done."""
    return {
        **_EMPTY,
        "name": name,
        "status": str(Status.FAILED),
        "failure": str(failure),
        "reason": reason,
        "grade": "failed",
        "accepted": False,
        "digest": digest,
        "key": key,
        "kills": 0,
        "host": host,
    }


def quarantined_row(*, name: str, key: str, digest: str | None, kills: Sequence[Kill], host: str) -> dict[str, Any]:
    """Lay out a row for a part that killed its workers; the cause that left a trace goes before one that left none."""
    cause = next((kill.cause for kill in reversed(kills) if kill.cause != "vanished"), kills[-1].cause)
    reason = f"quarantined: its workers died under it ({cause}); the evidence is in .batch/quarantine"
    row = failed_row(name=name, key=key, digest=digest, failure=Failure(str(cause)), reason=reason, host=host)
    return {**row, "status": str(Status.QUARANTINED), "kills": len(kills)}

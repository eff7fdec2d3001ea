"""The certificate: what `report.json` says about a part, every field always there.

A figure that could not be computed is null, and `unknown` holds its reason; nothing is left out.
"""

from __future__ import annotations

import hashlib
import math
import platform
from collections.abc import Mapping
from dataclasses import asdict
from functools import cache
from importlib import metadata
from pathlib import Path
from textwrap import shorten
from typing import Any

from cad_pipeline.options import Options
from cad_pipeline.parameters import read_parameters
from cad_pipeline.values import Attempt, Grade, Mesh, Reconstruction, Verdict
from cad_pipeline.version import VERSION

__all__ = ["SCHEMA_VERSION", "certificate", "failure", "identity", "verdict_figures", "versions"]

SCHEMA_VERSION = 1
_MAX_REASON = 300
_PACKAGES = ("cadquery", "cadquery-ocp", "numpy", "scipy", "manifold3d", "trimesh", "shapely", "vtk")
_OF_THE_VERDICT = ("iou", "iou_voxel64", "deviation_mm", "surface_f1", "volume_error", "bbox_error_mm", "betti")
_OF_THE_SOLID = ("volume_mm3", "face_kinds")


def certificate(
    reconstruction: Reconstruction, *, name: str, options: Options, seconds: Mapping[str, float]
) -> dict[str, Any]:
    """Say in plain values what came out for a part and how close it is.

    `seconds` are wall-clock seconds by stage; `total` among them is the whole part, reading included.
    """
    mesh, best = reconstruction.target.mesh, reconstruction.best
    same = identity(mesh.source, options, mesh)
    report: dict[str, Any] = _plain(
        {
            "schema_version": same["schema_version"],
            "name": name,
            "input": {**same["input"], **_input(mesh)},
            "unit": mesh.unit,
            "grade": reconstruction.grade,
            "accepted": reconstruction.accepted,
            "reason": _reason(reconstruction),
            **(_figures(best) if best else _no_figures("no program built a solid")),
            "step": _step(reconstruction),
            "parameters": _parameters(best),
            "generator": str(best.program.origin) if best else None,
            "attempts": [_attempt(each) for each in reconstruction.attempts],
            "seconds": _seconds(seconds),
            "sandbox_layers": _layers(reconstruction),
            "notes": list(mesh.notes),
            "options": same["options"],
            "versions": same["versions"],
        }
    )
    return report


def failure(*, name: str, path: str, reason: str, options: Options) -> dict[str, Any]:
    """Say the same fields about a part on which no work could be done."""
    return {
        "schema_version": SCHEMA_VERSION,
        "name": name,
        "input": {"path": path, "digest": None},
        "unit": options.unit,
        "grade": str(Grade.FAILED),
        "accepted": False,
        "reason": reason,
        **_no_figures("the input could not be worked on"),
        "step": None,
        "parameters": [],
        "generator": None,
        "attempts": [],
        "seconds": {"total": None, "stages": {}},
        "sandbox_layers": {},
        "notes": [],
        "options": options.as_dict(),
        "versions": versions(),
    }


@cache
def versions() -> dict[str, str]:
    """Name the versions that a result depends on; a package that is not installed is told as absent."""
    return {
        "cad-pipeline": VERSION,
        "python": platform.python_version(),
        **{package: _version(package) for package in _PACKAGES},
    }


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "absent"


def identity(source: Path | None, options: Options, mesh: Mesh | None = None) -> dict[str, Any]:
    """Say what an earlier result must share to stand for this part: the file's bytes, the options, the versions.

    A folder of pictures is known by their bytes and the cameras and the look that they are taken for. A mesh without a
    file, or whose file is gone, is known by its arrays. Raises `OSError` if there is no mesh either, and `InputError`
    for a folder that does not hold eight pictures.
    """
    try:
        digest = mesh.digest if source is None and mesh is not None else _digest(source, options)
    except OSError:
        if mesh is None:
            raise
        digest = mesh.digest
    return {
        "schema_version": SCHEMA_VERSION,
        "input": {"path": str(source) if source else None, "digest": digest},
        "options": options.as_dict(),
        "versions": versions(),
    }


def _digest(source: Path | None, options: Options) -> str | None:
    if source is None:
        return None
    if source.is_dir():
        from cad_pipeline.pictures import views_digest

        return views_digest(source, rig=options.rig)
    with source.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def _input(mesh: Mesh) -> dict[str, object]:
    return {
        "triangles": len(mesh.faces),
        "closed": mesh.closed,
        "mesh_digest": mesh.digest,
        "mm_per_unit": mesh.mm_per_unit,
        "size_mm": mesh.bounds[1] - mesh.bounds[0] if len(mesh.vertices) else None,
        "volume_mm3": mesh.volume if len(mesh.vertices) else None,
    }


def verdict_figures(verdict: Verdict) -> dict[str, Any]:
    """Lay a verdict's figures out as plain values, with a reason under `unknown` for each that is null."""
    betti = {"target": verdict.betti_target, "result": verdict.betti_result}
    figures: dict[str, Any] = _plain(
        {
            "iou": verdict.iou,
            "iou_method": verdict.iou_method or None,
            "iou_voxel64": verdict.iou_voxel64,
            "deviation_mm": asdict(verdict.deviation) if verdict.deviation else None,
            "surface_f1": verdict.surface_f1,
            "volume_error": verdict.volume_error,
            "bbox_error_mm": verdict.bbox_error_mm,
            "betti": {key: asdict(each) if each else None for key, each in betti.items()},
            "differences": [asdict(region) for region in verdict.regions],
        }
    )
    return {**figures, "unknown": _reasons(figures, verdict.unknown)}


def _figures(best: Attempt) -> dict[str, Any]:
    execution = best.execution
    return {
        **verdict_figures(best.verdict),
        "solids": execution.solids,
        "valid": execution.built,
        "volume_mm3": execution.volume_mm3,
        "face_kinds": dict(execution.face_kinds),
    }


def _reasons(figures: Mapping[str, Any], told: Mapping[str, str]) -> dict[str, str]:
    """Give every figure that is null a reason: the verifier's, or that it gave none."""
    reasons = dict(told)
    for key in _OF_THE_VERDICT:
        value = figures[key]
        if value is None or (isinstance(value, dict) and None in value.values()):
            reason = reasons.pop(key.removesuffix("_mm"), None)
            reasons.setdefault(key, reason or "the verifier gave no figure and no reason")
    return reasons


def _no_figures(reason: str) -> dict[str, Any]:
    missing = (*_OF_THE_VERDICT, *_OF_THE_SOLID)
    return {
        **dict.fromkeys(missing),
        "iou_method": None,
        "solids": 0,
        "valid": False,
        "differences": [],
        "unknown": dict.fromkeys(missing, reason),
    }


def _step(reconstruction: Reconstruction) -> dict[str, Any] | None:
    """Say what the STEP file holds: the program's own solid, or facets where the program is outside the tolerance."""
    solid = reconstruction.delivered
    if solid is None:
        return None
    return {
        "origin": str(solid.program.origin),
        "kind": solid.program.kind,
        "within_tolerance": solid.verdict.accepted,
        **{key: value for key, value in _figures(solid).items() if key in ("iou", "deviation_mm", "surface_f1")},
        "solids": solid.execution.solids,
    }


def _parameters(best: Attempt | None) -> list[dict[str, object]]:
    if best is None:
        return []
    return [asdict(each) for each in best.program.parameters or read_parameters(best.program.source)]


def _attempt(attempt: Attempt) -> dict[str, object]:
    return {
        "origin": str(attempt.program.origin),
        "outcome": str(attempt.execution.outcome),
        "iou": attempt.verdict.iou,
        "accepted": attempt.verdict.accepted,
        "reason": attempt.verdict.reason,
        "seconds": round(sum(attempt.seconds.values()), 4),
    }


def _seconds(seconds: Mapping[str, float]) -> dict[str, object]:
    stages = {key: round(value, 4) for key, value in seconds.items() if key != "total"}
    return {"total": round(seconds.get("total", sum(stages.values())), 4), "stages": stages}


def _layers(reconstruction: Reconstruction) -> dict[str, str]:
    best = reconstruction.best
    executions = [best.execution] if best else [each.execution for each in reconstruction.attempts]
    return dict(executions[0].layers) if executions else {}


def _reason(reconstruction: Reconstruction) -> str:
    if reconstruction.best:
        return reconstruction.best.verdict.reason
    if not reconstruction.attempts:
        return "no generator proposed a program"
    last = reconstruction.attempts[-1].execution
    words = (
        f"none of {len(reconstruction.attempts)} programs built a solid; the last one: {last.outcome} {last.message}"
    )
    return shorten(words, _MAX_REASON)


def _plain(value: Any) -> Any:
    """Turn numpy values, enums and tuples into what JSON knows; a number that is not finite becomes null."""
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, str):
        return str(value)
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    raise TypeError(f"expected a value that a report can hold, got {type(value).__name__}")

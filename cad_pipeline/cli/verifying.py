"""`cad-pipeline verify`: an earlier result, measured against a mesh."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from cad_pipeline import warm
from cad_pipeline.certificate import verdict_figures, versions
from cad_pipeline.cli.exits import Exit
from cad_pipeline.cli.output import JsonLines, print_out
from cad_pipeline.errors import InputError
from cad_pipeline.mesh import read_exact, read_mesh
from cad_pipeline.options import Options
from cad_pipeline.plans import read_program
from cad_pipeline.values import Target, Verdict
from cad_pipeline.verify import MeshVerifier, Tolerance
from cad_sandbox.execution import Box, Execution, Outcome

__all__ = ["verify_result"]

_COUNTED = (("body", "bodies"), ("through hole", "through holes"), ("void", "voids"))


def verify_result(result: Path, mesh: Path, *, options: Options, json: bool) -> Exit:
    """Measure a STEP file or a program against a mesh; the exit code says whether it is accepted."""
    lines = JsonLines() if json else None
    target = Target(mesh=read_mesh(mesh, unit=options.unit))
    with tempfile.TemporaryDirectory(prefix="cad-pipeline-verify-") as folder:
        execution = _execution(result, Path(folder), options)
        verdict = MeshVerifier(tolerance=Tolerance(min_iou=options.min_iou)).judge(target, execution)
    exit_ = Exit.ACCEPTED if verdict.accepted else Exit.BELOW_THRESHOLD
    if lines is not None:
        lines.emit(_record(result, mesh, verdict, execution, exit_))
    else:
        print_out("\n".join(_lines(verdict, execution)))
    return exit_


def _execution(result: Path, folder: Path, options: Options) -> Execution:
    """Get the result's mesh: a program is run behind walls, a STEP or BREP file is tessellated as it is."""
    suffix = result.suffix.lower()
    if suffix == ".py":
        return warm.warm_sandbox(options.isolation, options.timeout_s).run(read_program(result), folder)
    if suffix not in (".step", ".stp", ".brep"):
        raise InputError(f"expected a result ending in .step, .stp, .brep or .py, got {result.name}")
    mesh, facts = read_exact(result)
    path = folder / "part.npz"
    np.savez(path, vertices=mesh.vertices, faces=mesh.faces)
    low, high = (tuple(float(x) for x in corner) for corner in mesh.bounds)
    return Execution(
        outcome=Outcome.BUILT,
        solids=facts.solids if facts else 0,
        volume_mm3=facts.volume_mm3 if facts else mesh.volume,
        face_kinds=facts.face_kinds if facts else {},
        flaw="" if facts is None or facts.valid else "the CAD kernel's checker finds faults in the solid",
        area_mm2=mesh.area,
        box=Box(low=(low[0], low[1], low[2]), high=(high[0], high[1], high[2])),
        mesh=path,
    )


def _record(result: Path, mesh: Path, verdict: Verdict, execution: Execution, exit_: Exit) -> dict[str, Any]:
    return {
        "schema_version": 1,
        "name": result.stem,
        "result": str(result),
        "mesh": str(mesh),
        "outcome": str(execution.outcome),
        "accepted": verdict.accepted,
        "reason": verdict.reason,
        **verdict_figures(verdict),
        "solids": execution.solids,
        "valid": execution.sound,
        "volume_mm3": execution.volume_mm3,
        "face_kinds": dict(execution.face_kinds),
        "sandbox_layers": dict(execution.layers),
        "versions": versions(),
        "exit_code": int(exit_),
    }


def _lines(verdict: Verdict, execution: Execution) -> list[str]:
    """Lay the figures out for a person; what is unknown says why."""
    figures = verdict_figures(verdict)
    lines = [f"{'accepted' if verdict.accepted else 'not accepted'}: {verdict.reason}"]
    for key in ("iou", "iou_voxel64", "surface_f1", "volume_error", "bbox_error_mm"):
        value = figures[key]
        lines.append(f"  {key:14} {value:.6g}" if value is not None else f"  {key:14} unknown")
    deviation = verdict.deviation
    if deviation is not None:
        lines.append(
            f"  {'deviation_mm':14} max {deviation.max:.4g}, p95 {deviation.p95:.4g}, mean {deviation.mean:.4g}"
        )
    for key, each in (("mesh has", verdict.betti_target), ("result has", verdict.betti_result)):
        if each is not None:
            counts = (
                (each.b0, "body", "bodies"),
                (each.b1, "through hole", "through holes"),
                (each.b2, "void", "voids"),
            )
            lines.append(f"  {key:14} {', '.join(f'{n} {one if n == 1 else many}' for n, one, many in counts)}")
    if execution.built:
        kinds = ", ".join(f"{count} {kind.lower()}" for kind, count in execution.face_kinds.items())
        lines.append(f"  {'solid':14} {'valid' if execution.sound else 'not sound'}; faces: {kinds or 'unknown'}")
    lines += [f"  unknown {key}: {why}" for key, why in figures["unknown"].items()]
    return lines

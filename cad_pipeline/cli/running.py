"""`cad-pipeline run`: one program behind walls, and what became of it."""

from __future__ import annotations

import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from cad_pipeline import warm
from cad_pipeline.certificate import SCHEMA_VERSION, versions
from cad_pipeline.cli.exits import Exit, say
from cad_pipeline.cli.output import JsonLines, print_out
from cad_pipeline.options import Options
from cad_pipeline.parameters import read_parameters
from cad_pipeline.plans import read_program
from cad_pipeline.store import Existing, Store, part_name
from cad_sandbox.execution import Execution

__all__ = ["run_program", "told"]


def run_program(program: Path, *, out: Path | None, options: Options, json: bool, overwrite: bool) -> Exit:
    """Run a program file, keep what it built in `out`, say the outcome; the exit code says whether it built."""
    source = read_program(program)
    lines = JsonLines() if json else None
    name = part_name(program.stem)
    store = Store(root=out, existing=Existing.OVERWRITE if overwrite else Existing.REFUSE) if out else None
    if store is not None:
        store.check(name)
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="cad-pipeline-run-") as folder:
        execution = warm.warm_sandbox(options.isolation, options.timeout_s).run(source, Path(folder))
        seconds = {"total": round(time.perf_counter() - started, 4), "stages": {"run": round(execution.seconds, 4)}}
        record = {**_record(name, program, source, execution), "seconds": seconds, "versions": versions()}
        if store is not None and execution.built:
            with store.draft(name) as draft:
                draft.write(record, source=source, files={".step": execution.step, ".stl": execution.stl})
    place = store.place(name) if store is not None and execution.built else None
    exit_ = Exit.ACCEPTED if execution.built else Exit.BELOW_THRESHOLD
    if lines is not None:
        lines.emit({**record, "folder": str(place) if place else None, "exit_code": int(exit_)})
    else:
        print_out(told(execution) + (f" -> {place}" if place else ""))
        if execution.log.strip():
            say(execution.log.rstrip())
        if execution.layers:
            say(_walls(execution))
    return exit_


def told(execution: Execution) -> str:
    """Say in one line what became of a program."""
    if not execution.built:
        where = f" (line {execution.line})" if execution.line else ""
        return f"{execution.outcome}: {execution.message}{where}"
    size = " x ".join(f"{x:.4g}" for x in execution.box.size) + " mm" if execution.box else "unknown size"
    volume = f"{execution.volume_mm3:.6g} mm³" if execution.volume_mm3 is not None else "unknown volume"
    solids = "1 solid" if execution.solids == 1 else f"{execution.solids} solids"
    return f"built: {solids}, {size}, {volume}, {execution.seconds:.2f} s"


def _walls(execution: Execution) -> str:
    """Name the walls that stood around a program, and those that were missing."""
    named = {name: state.split(":")[0] for name, state in execution.layers.items() if name != "isolation"}
    standing = [name for name, state in named.items() if state != "absent"]
    missing = [name for name, state in named.items() if state == "absent"]
    without = f"; without {', '.join(missing)}" if missing else ""
    return f"isolation {execution.layers.get('isolation', 'unknown')}: {', '.join(standing)}{without}"


def _record(name: str, program: Path, source: str, execution: Execution) -> dict[str, Any]:
    return {
        "schema_version": SCHEMA_VERSION,
        "name": name,
        "program": str(program),
        "outcome": str(execution.outcome),
        "message": execution.message,
        "line": execution.line,
        "rule": execution.rule,
        "solids": execution.solids,
        "valid": execution.built,
        "volume_mm3": execution.volume_mm3,
        "area_mm2": execution.area_mm2,
        "box_mm": {"low": list(execution.box.low), "high": list(execution.box.high)} if execution.box else None,
        "face_kinds": dict(execution.face_kinds),
        "parameters": [asdict(each) for each in read_parameters(source)],
        "log": execution.log,
        "sandbox_layers": dict(execution.layers),
    }

"""One pair, read and measured in this process: every way it can fail becomes a `Score`."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from cad_pipeline.errors import InputError
from cad_pipeline.evaluation.pairs import Pair
from cad_pipeline.evaluation.protocols import EvaluationProtocol
from cad_pipeline.evaluation.score import Fate, Part, Score
from cad_pipeline.mesh import SolidFacts, read_exact
from cad_pipeline.roles import Sandbox
from cad_pipeline.verify import NotMeasurable, load_result
from cad_sandbox.execution import Execution

__all__ = ["NotRead", "read_part", "score_pair"]


class NotRead(Exception):
    """Say that a file gives no part; `fate` says how it failed and the message why."""

    def __init__(self, fate: Fate, message: str) -> None:
        super().__init__(message)
        self.fate = fate


def read_part(path: Path | None, *, sandbox: Callable[[], Sandbox], folder: Path, unit: str | None = None) -> Part:
    """Read a STEP, BREP or mesh file, or run a CadQuery program behind the sandbox's walls; raises `NotRead`.

    `sandbox` gives the sandbox when a program needs it, `folder` takes the program's files, `unit` is that of meshes.
    """
    if path is None or not path.is_file():
        raise NotRead(Fate.MISSING, "there is no result" if path is None else f"there is no file {path.name}")
    if path.suffix.lower() == ".npz":
        return _loaded(path, None)
    if path.suffix.lower() != ".py":
        try:
            mesh, facts = read_exact(path, unit=unit)
        except InputError as error:
            raise NotRead(Fate.UNREADABLE, str(error)) from error
        return Part(mesh=mesh, facts=facts)
    try:
        source = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise NotRead(Fate.UNREADABLE, f"{path.name}: expected a program's text, got: {error}") from error
    folder.mkdir(parents=True, exist_ok=True)
    execution = sandbox().run(source, folder)
    if not execution.built or execution.mesh is None:
        raise NotRead(Fate.NOT_BUILT, f"{execution.outcome}: {execution.message}".rstrip(": "))
    return _loaded(execution.mesh, execution)


def score_pair(
    pair: Pair,
    protocol: EvaluationProtocol,
    *,
    sandbox: Callable[[], Sandbox],
    folder: Path,
    unit: str | None = None,
) -> Score:
    """Score one pair here and now; `evaluate` does so in processes that can be killed.

    `unit` is that of the target's mesh; results are in mm. Never raises for what is wrong with a result.
    """
    started = time.perf_counter()

    def score(fate: Fate, reason: str) -> Score:
        return Score(name=pair.name, kind=pair.kind, fate=fate, reason=reason, seconds=time.perf_counter() - started)

    try:
        target = read_part(pair.target, sandbox=sandbox, folder=folder / "target", unit=unit)
    except NotRead as error:
        return score(Fate.BAD_TARGET, str(error))
    try:
        result = read_part(pair.result, sandbox=sandbox, folder=folder / "result")
        found = protocol.measure(target, result)
    except NotRead as error:
        return score(error.fate, str(error))
    except NotMeasurable as error:
        return score(Fate.NOT_MEASURABLE, str(error))
    return Score(
        name=pair.name,
        kind=pair.kind,
        fate=Fate.SCORED,
        iou=found.iou,
        reason=found.words,
        method=found.method,
        figures=found.figures,
        seconds=time.perf_counter() - started,
    )


def _loaded(path: Path, execution: Execution | None) -> Part:
    try:
        mesh = load_result(path)
    except NotMeasurable as error:
        raise NotRead(Fate.UNREADABLE, str(error)) from error
    if execution is None:
        return Part(mesh=mesh)
    facts = SolidFacts(
        solids=execution.solids,
        valid=execution.sound,
        volume_mm3=execution.volume_mm3 or 0.0,
        face_kinds=dict(execution.face_kinds),
    )
    return Part(mesh=mesh, facts=facts)

"""Plans with a model: what `auto` chooses and says, what is missing, and the feedback that a served model gets."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from cad_pipeline.cli.app import app
from cad_pipeline.errors import InputError, MissingPieceError
from cad_pipeline.generators.chat_server import ChatServer
from cad_pipeline.generators.feedback import FeedbackGenerator, told_about
from cad_pipeline.generators.openai_api import ServerGenerator
from cad_pipeline.options import ModelOptions
from cad_pipeline.plans import auto_choice, plan_for
from cad_pipeline.values import Attempt, Mesh, Origin, Program, ProgramKind, Region, Target, Verdict
from cad_sandbox.execution import Execution, Outcome

SAMPLE = Path(__file__).resolve().parents[2] / "samples" / "meshes" / "bolt_plate.stl"
COMMAND = [sys.executable, "-m", "cad_pipeline.cli"]
SOURCE = 'import cadquery as cq\nresult = cq.Workplane("XY").box(1, 2, 3).edges().fillet(9)\n'
needs_torch = pytest.mark.skipif(
    any(find_spec(package) is None for package in ("torch", "transformers")),
    reason="needs torch and transformers (pip install 'cad-pipeline[qwen]')",
)


def names(generator: str, model: ModelOptions) -> list[str]:
    return [stage.generator.name for stage in plan_for(generator, model=model)]


def test_without_packages_auto_is_geometry_and_says_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cad_pipeline.generators.checkpoint.find_spec", lambda name: None)
    plans, words = auto_choice(ModelOptions())
    assert plans == ("geometric",) and "pip install 'cad-pipeline[qwen]'" in words
    assert "geometric" in names("auto", ModelOptions()) and "qwen" not in names("auto", ModelOptions())


@needs_torch
def test_with_a_checkpoint_auto_asks_the_model_after_geometry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "qwen3_vl"}')
    (tmp_path / "model.safetensors").write_bytes(b"")
    here = ModelOptions(checkpoint=str(tmp_path), device="cpu", samples=5)
    assert auto_choice(here)[0] == ("geometric", "qwen")
    found = names("auto", here)
    assert found.index("geometric") < found.index("qwen") < found.index("repair") < found.index("register")
    stages = {stage.generator.name: stage for stage in plan_for("qwen", model=here)}
    assert stages["qwen"].samples == 5
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    plans, words = auto_choice(ModelOptions(checkpoint=str(tmp_path)))
    assert plans == ("geometric",) and "--device cpu" in words


def test_a_server_that_is_named_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    named = ModelOptions(server="http://localhost:9/v1", model="big")
    assert auto_choice(named) == (("geometric", "server"), "geometry first, then big on http://localhost:9/v1")
    found = names("server", named)
    assert found[:2] == ["server", "feedback"] and "facets" in found
    monkeypatch.setattr(ChatServer, "models", lambda self: ["first", "second"])
    asked = plan_for("server", model=ModelOptions(server="http://localhost:9/v1"))[0].generator
    assert isinstance(asked, ServerGenerator) and asked.model == "first"
    monkeypatch.setattr(ChatServer, "models", lambda self: [])
    with pytest.raises(MissingPieceError, match="--model"):
        plan_for("server", model=ModelOptions(server="http://localhost:9/v1"))
    with pytest.raises(InputError, match="--server"):
        plan_for("server")


def test_impossible_numbers_and_names_are_refused() -> None:
    with pytest.raises(InputError, match="--samples"):
        ModelOptions(samples=0)
    with pytest.raises(InputError, match="auto, facets, geometric, qwen, server"):
        plan_for("magic")


@needs_torch
def test_the_command_line_ends_with_3_and_the_cure_before_any_work(tmp_path: Path) -> None:
    run = CliRunner().invoke(
        app, ["convert", str(SAMPLE), "-o", str(tmp_path / "out"), "--generator", "qwen", "--checkpoint", "no/such"]
    )
    assert run.exit_code == 3 and not (tmp_path / "out").exists()
    process = subprocess.run(
        [
            sys.executable,
            "-m",
            "cad_pipeline.cli",
            "convert",
            str(SAMPLE),
            "--generator",
            "qwen",
            "--checkpoint",
            "a/b",
        ],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={"PYTHONPATH": ":".join(sys.path), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        timeout=120,
    )
    assert process.returncode == 3 and "hf download a/b" in process.stderr and "Traceback" not in process.stderr


def test_commands_for_models_refuse_what_they_cannot_use(tmp_path: Path) -> None:
    run = CliRunner().invoke(app, ["dataset", "-o", str(tmp_path / "rows.parquet")])
    assert run.exit_code == 2 and not list(tmp_path.iterdir())
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "config.json").write_text("{}")
    run = CliRunner().invoke(app, ["train", str(tmp_path), "-o", str(tmp_path / "old")])
    assert run.exit_code == 2 and (tmp_path / "old" / "config.json").exists()


def attempt(execution: Execution, verdict: Verdict, kind: ProgramKind = ProgramKind.FEATURES) -> Attempt:
    return Attempt(
        program=Program(source=SOURCE, origin=Origin(generator="server"), kind=kind),
        execution=execution,
        verdict=verdict,
    )


FAILED = attempt(
    Execution(outcome=Outcome.RAISED, message="StdFail_NotDone: BRep_API", line=2),
    Verdict(accepted=False, reason="raised", iou=0.0),
)
OFF = attempt(
    Execution(outcome=Outcome.BUILT),
    Verdict(
        accepted=False,
        reason="IoU 0.7, wanted 0.98",
        iou=0.7,
        volume_error=0.12,
        regions=(Region(kind="hole", centre=(0, 0, 0), size=(1, 1, 1), volume_mm3=1.0, words="hole ⌀3 is filled"),),
    ),
)


def test_what_is_told_holds_the_error_with_its_line_or_the_measured_differences() -> None:
    assert told_about(FAILED) == (
        "The program failed (raised): StdFail_NotDone: BRep_API\n"
        'In line 2: result = cq.Workplane("XY").box(1, 2, 3).edges().fillet(9)'
    )
    words = told_about(OFF)
    assert "0.700" in words and "+12.0%" in words and "- hole ⌀3 is filled" in words


def test_feedback_shows_the_best_program_and_takes_a_corrected_one() -> None:
    asked: list[dict[str, Any]] = []
    better = SOURCE.replace("9", "0.5")

    def chat(request: dict[str, Any]) -> dict[str, Any]:
        asked.append(request)
        return {"choices": [{"message": {"content": f"Of course:\n```python\n{better}```"}}]}

    writer = ServerGenerator(server=SimpleNamespace(chat=chat), model="big")  # type: ignore[arg-type]
    feedback = FeedbackGenerator(writer=writer)
    target = Target(mesh=Mesh(name="part", vertices=np.eye(3), faces=np.array([[0, 1, 2]])))
    target.__dict__["views"] = SimpleNamespace(images=[np.zeros((8, 8, 3), np.uint8)] * 8)
    facets = attempt(Execution(outcome=Outcome.BUILT), Verdict(accepted=False, reason="", iou=1.0), ProgramKind.FACETS)
    assert feedback.propose(target, [facets]) == [] and not asked
    (program,) = feedback.propose(target, [FAILED, OFF, facets])
    assert program.source == better and program.origin.note.startswith("of server#0.0: corrected")
    system, shown, answer, wrong = asked[0]["messages"]
    assert (system["role"], answer["role"]) == ("system", "assistant") and len(shown["content"]) == 9
    assert SOURCE in answer["content"] and "hole ⌀3 is filled" in wrong["content"][-1]["text"]
    tried = Attempt(program=program, execution=Execution(outcome=Outcome.RAISED), verdict=FAILED.verdict)
    assert feedback.propose(target, [FAILED, tried]) == [] and asked[-1]["temperature"] > 0.0

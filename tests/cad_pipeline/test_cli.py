"""The command line in this process, with a script in place of the sandbox: exit codes, one-line messages, files."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from cad_pipeline import warm
from cad_pipeline.cli.app import app
from cad_pipeline.doubles import ScriptedSandbox, ScriptedVerifier, built
from cad_pipeline.mesh import write_stl
from cad_pipeline.values import Mesh
from cad_sandbox.execution import Execution, Outcome

SIZE = (30.0, 20.0, 10.0)
QUADS = ((0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3))
PROGRAM = "width = 30.0  # mm, along x\nresult = box(width, 20, 10)\n"


def block(scale: float = 1.0) -> Mesh:
    x, y, z = (scale * each for each in SIZE)
    corners = np.array([[i, j, k] for i in (0, x) for j in (0, y) for k in (0, z)], dtype=float)
    faces = np.array([each for a, b, c, d in QUADS for each in ((a, b, c), (a, c, d))])
    return Mesh(name="block", vertices=corners, faces=faces)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a folder with a block, a program for it and a sandbox that knows the program."""
    monkeypatch.chdir(tmp_path)
    write_stl(block(), tmp_path / "block.stl")
    write_stl(block(2.0), tmp_path / "large.stl")
    (tmp_path / "block.py").write_text(PROGRAM)
    script(monkeypatch, ScriptedSandbox({PROGRAM: built(volume_mm3=6000.0)}))
    return tmp_path


def script(monkeypatch: pytest.MonkeyPatch, sandbox: ScriptedSandbox) -> None:
    monkeypatch.setattr("cad_pipeline.warm.warm_sandbox", lambda *_: sandbox)
    judge = lambda tolerance: ScriptedVerifier(min_iou=tolerance.min_iou)  # noqa: E731
    monkeypatch.setattr("cad_pipeline.verify.MeshVerifier", judge)


def call(*arguments: str) -> tuple[int, str, str]:
    """Run the command line and return exit code, stdout and stderr."""
    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, result.stdout, result.stderr


def convert(*arguments: str) -> tuple[int, str, str]:
    return call("convert", *arguments, "--generator", "block.py")


def test_an_accepted_part_ends_with_0_and_its_text_on_stderr(here: Path) -> None:
    code, out, told = convert("block.stl", "-o", "results")
    assert (code, out) == (0, "")
    assert "✓ block: parametric, IoU 1.0000" in told and "results/block" in told
    assert {path.name for path in (here / "results" / "block").iterdir()} == {
        "block.py",
        "block.step",
        "block.stl",
        "report.json",
    }


def test_below_the_threshold_ends_with_1_and_still_delivers(here: Path) -> None:
    code, _, told = convert("large.stl")
    assert code == 1 and "≈ large: approximate" in told
    report = json.loads((here / "out" / "large" / "report.json").read_text())
    assert report["accepted"] is False and report["iou"] == pytest.approx(1 / 8)
    assert (here / "out" / "large" / "large.step").exists()


def test_the_worst_part_decides_and_the_others_are_done(here: Path) -> None:
    code, _, told = convert("missing.stl", "large.stl", "block.stl")
    assert code == 2
    assert (here / "out" / "block" / "report.json").exists() and (here / "out" / "large" / "report.json").exists()
    assert "missing.stl" in told and "[3/3]" in told


def test_quiet_says_only_what_went_wrong(here: Path) -> None:
    assert convert("block.stl", "-q")[2] == ""
    told = convert("large.stl", "-q")[2]
    assert told.count("\n") == 1 and told.startswith("large: approximate")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("missing.stl",), ("missing.stl", "expected")),
        (("block.stl", "--iou", "1.5"), ("up to 1", "1.5", "--iou 0.98")),
        (("block.stl", "--timeout", "0"), ("seconds", "--timeout")),
        (("block.stl", "--overwrite", "--resume"), ("both",)),
        (("block.stl", "--unit", "furlong"), ("furlong",)),
        (("block.stl", "-o", "block.py"), ("expected a folder", "block.py")),
        ((".",), ("folder",)),
    ],
)
def test_wrong_input_ends_with_2_and_one_line(here: Path, arguments: tuple[str, ...], words: tuple[str, ...]) -> None:
    code, out, told = convert(*arguments, "-q")
    assert (code, out) == (2, "")
    assert told.startswith("error: ") and told.count("\n") == 1, told
    for word in words:
        assert word in told


@pytest.mark.parametrize("generator", ["clairvoyant", "missing.py"])
def test_a_generator_that_is_not_there_ends_with_2(here: Path, generator: str) -> None:
    code, _, told = call("convert", "block.stl", "--generator", generator)
    assert code == 2 and told.startswith("error: expected") and told.count("\n") == 1


@pytest.mark.parametrize("arguments", [["convert"], ["convert", "block.stl", "--isolation", "none"], ["convrt"]])
def test_wrong_usage_ends_with_2(here: Path, arguments: list[str]) -> None:
    code, _, told = call(*arguments)
    assert code == 2 and "Traceback" not in told


def test_a_machine_without_walls_ends_with_3_and_the_cure(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(monkeypatch, ScriptedSandbox({}, broken="no seccomp; apt-get install -y libseccomp2"))
    code, _, told = convert("block.stl", "large.stl", "-q")
    assert code == 3
    assert told == "error: block.stl: no seccomp; apt-get install -y libseccomp2\n"
    assert not (here / "out" / "block").exists() and not list((here / "out").glob(".*"))


def test_our_own_fault_is_one_line_and_a_traceback_only_with_debug(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError("a bug\nof ours")

    monkeypatch.setattr("cad_pipeline.verify.MeshVerifier", fail)
    code, _, told = convert("block.stl", "-q")
    assert code == 1
    assert told == "error: block.stl: internal error, ZeroDivisionError: a bug of ours; --debug shows where\n"
    assert "Traceback" in convert("block.stl", "-q", "--debug")[2]


def test_an_earlier_result_is_refused_replaced_or_taken_over(here: Path) -> None:
    assert convert("block.stl")[0] == 0
    code, _, told = convert("block.stl", "-q")
    assert code == 2 and "--overwrite, --resume" in told
    assert convert("block.stl", "--overwrite")[0] == 0
    code, _, told = convert("block.stl", "--resume")
    assert code == 0 and "= block: parametric, taken over" in told


def test_two_inputs_of_one_name_both_get_a_folder_and_a_note(here: Path) -> None:
    (here / "other").mkdir()
    write_stl(block(2.0), here / "other" / "block.stl")
    code, _, told = convert("block.stl", "other/block.stl")
    assert code == 1 and "this one becomes block-2" in told
    first, second = (json.loads((here / "out" / each / "report.json").read_text()) for each in ("block", "block-2"))
    assert (first["input"]["path"], second["input"]["path"]) == ("block.stl", "other/block.stl")
    assert second["input"]["volume_mm3"] == pytest.approx(48000.0)
    assert (here / "out" / "block-2" / "block-2.step").exists()


def test_attempts_are_kept_when_asked_for(here: Path) -> None:
    assert convert("block.stl", "--keep-attempts")[0] == 0
    assert (here / "out" / "block" / "attempts" / "attempt-00" / "part.step").exists()


def test_run_says_the_outcome_and_keeps_what_was_built(here: Path) -> None:
    code, out, _ = call("run", "block.py", "-o", "built")
    assert code == 0 and out.startswith("built: 1 solid") and (here / "built" / "block" / "block.step").exists()
    (here / "other.py").write_text("raise ValueError")
    code, out, _ = call("run", "other.py", "-o", "built")
    assert code == 1 and out.startswith("raised: NameError") and not (here / "built" / "other").exists()
    assert call("run", "none.py")[0] == 2


def test_run_says_on_which_line_a_program_failed(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failed = Execution(
        outcome=Outcome.RAISED,
        message="StdFail: fillet",
        line=7,
        log="a word of the program\n",
        layers={"isolation": "strict", "seccomp": "active", "bubblewrap": "absent: not installed"},
    )
    script(monkeypatch, ScriptedSandbox({PROGRAM: failed}))
    code, out, told = call("run", "block.py")
    assert (code, out) == (1, "raised: StdFail: fillet (line 7)\n") and told.splitlines() == [
        "a word of the program",
        "isolation strict: seccomp; without bubblewrap",
    ]


def test_version_and_help() -> None:
    code, out, _ = call("--version")
    assert code == 0 and out.startswith("cad-pipeline 0.")
    for command in ("convert", "run", "verify", "render", "doctor"):
        code, out, _ = call(command, "--help")
        assert code == 0 and (command == "doctor" or f"cad-pipeline {command}" in out)


def test_a_sandbox_that_could_not_start_is_asked_for_anew() -> None:
    def fail() -> ScriptedSandbox:
        raise OSError("no pipes left")

    broken = warm._Warming(fail)
    with pytest.raises(OSError, match="no pipes"):
        broken.run("", Path())
    assert not broken.usable
    broken.close()
    sandbox = ScriptedSandbox({})
    works = warm._Warming(lambda: sandbox)
    works.close()
    assert works.usable and sandbox.closed

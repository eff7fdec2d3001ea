"""The command line as a process of its own, with the real sandbox and verifier: streams, signals, exit codes."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from cad_pipeline.doubles import block
from cad_pipeline.mesh import write_stl

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the sandbox needs Linux")

PROGRAM = """\
import cadquery as cq

length = 30.0  # mm, along x
width = 20.0  # mm, along y
print("a program's own words go nowhere near stdout")
show_object(cq.Workplane().box(length, width, 10.0, centered=False))
"""


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, "-m", "cad_pipeline.cli", *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, cwd=folder, env=environment, text=True, start_new_session=True, **pipes)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder with two blocks, a program for one of them, and a file that is no mesh."""
    folder = tmp_path_factory.mktemp("cli")
    for name, scale in (("block", 1.0), ("large", 2.0)):
        write_stl(block(name, scale), folder / f"{name}.stl")
    (folder / "block.py").write_text(PROGRAM)
    (folder / "forever.py").write_text("while True:\n    pass\n")
    (folder / "letter.stl").write_text("Dear reader,\nthis is no mesh.\n")
    return folder


@pytest.fixture(scope="module")
def converted(folder: Path) -> tuple[int, str, str]:
    """Convert a good, a poor and a broken part in one process, with JSON on stdout."""
    parts = ("block.stl", "letter.stl", "large.stl")
    process = start(folder, "convert", *parts, "-o", "out", "--generator", "block.py", "--json")
    out, told = process.communicate(timeout=120)
    return process.returncode, out, told


def test_stdout_holds_one_json_object_a_part_and_nothing_else(converted: tuple[int, str, str]) -> None:
    code, out, told = converted
    records = [json.loads(line) for line in out.splitlines()]
    assert [record["name"] for record in records] == ["block", "letter", "large"], told
    assert [record["exit_code"] for record in records] == [0, 2, 1]
    assert [record["grade"] for record in records] == ["parametric", "failed", "approximate"]
    assert code == 2
    assert records[0].keys() == records[1].keys()
    assert records[1]["unknown"]["iou"] and "letter.stl" in records[1]["reason"]
    assert "Traceback" not in told and "✓ block" in told


def test_the_delivered_program_runs_with_plain_cadquery(folder: Path, converted: tuple[int, str, str]) -> None:
    program = folder / "out" / "block" / "block.py"
    code = f"import runpy; print(runpy.run_path({str(program)!r})['result'].val().Volume())"
    run = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, timeout=120)
    assert float(run.stdout.splitlines()[-1]) == pytest.approx(6000.0), run.stderr


def test_the_delivered_step_is_measured_again_by_verify(folder: Path, converted: tuple[int, str, str]) -> None:
    process = start(folder, "verify", "out/block/block.step", "block.stl", "--json")
    out, told = process.communicate(timeout=120)
    record = json.loads(out)
    assert process.returncode == 0 and record["accepted"] and record["iou"] == pytest.approx(1.0, abs=1e-6), told


def test_verify_of_another_part_ends_with_1_and_says_why(folder: Path, converted: tuple[int, str, str]) -> None:
    process = start(folder, "verify", "out/block/block.step", "large.stl")
    out, told = process.communicate(timeout=120)
    assert process.returncode == 1 and out.startswith("not accepted: "), told


def test_an_interruption_ends_with_130_at_once_and_leaves_nothing(folder: Path) -> None:
    process = start(folder, "convert", "block.stl", "-o", "interrupted", "--generator", "forever.py", "--timeout", "60")
    assert process.stderr is not None
    for line in process.stderr:
        if "is writing" in line:
            break
    time.sleep(1.0)
    started = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    _, told = process.communicate(timeout=60)
    assert time.monotonic() - started < 20.0
    assert process.returncode == 130 and "interrupted" in told and "Traceback" not in told, told
    assert list((folder / "interrupted").iterdir()) == []


def test_a_reader_that_goes_away_is_no_error(folder: Path) -> None:
    process = start(folder, "convert", "letter.stl", "block.stl", "-o", "unread", "--generator", "block.py", "--json")
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    told: list[str] = []
    reader = threading.Thread(target=lambda: told.extend(process.stderr or []))
    reader.start()
    assert process.wait(timeout=120) == 2
    reader.join()
    process.stderr.close()
    assert "Broken" not in "".join(told) and "Traceback" not in "".join(told)
    assert (folder / "unread" / "block" / "report.json").exists()


@pytest.mark.slow
def test_doctor_says_that_the_core_works_here(folder: Path) -> None:
    process = start(folder, "doctor", "--json")
    out, told = process.communicate(timeout=300)
    record = json.loads(out)
    broken = [each for each in record["findings"] if each["health"] == "broken"]
    assert (process.returncode, broken) == (0, []), told
    assert {"python", "cadquery", "isolation strict", "model device", "model weights", "a program"} <= {
        each["subject"] for each in record["findings"]
    }


@pytest.mark.slow
def test_render_draws_eight_views_and_a_sheet(folder: Path) -> None:
    shutil.rmtree(folder / "views", ignore_errors=True)
    process = start(folder, "render", "block.stl", "-o", "views", "--size", "64", "--renderer", "software")
    out, told = process.communicate(timeout=300)
    assert process.returncode == 0 and "8 views of block by software" in out, told
    assert len(list((folder / "views").glob("*.png"))) == 9

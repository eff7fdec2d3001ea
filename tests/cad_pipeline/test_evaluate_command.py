"""`cad-pipeline evaluate` as people call it: what it writes, says and returns."""

from __future__ import annotations

import json
from pathlib import Path

import manifold3d
import numpy as np
import pytest
from typer.testing import CliRunner

from cad_pipeline.cli.app import app
from cad_pipeline.evaluation import Fate, RunOptions, Score
from cad_pipeline.evaluation.page import page_of
from cad_pipeline.mesh import write_stl
from cad_pipeline.values import Mesh

PROGRAM = 'import cadquery as cq\nresult = cq.Workplane("XY").box(40, 30, 10).faces(">Z").workplane().hole(8)\n'


def plate(radius: float = 4.0) -> Mesh:
    solid = manifold3d.Manifold.cube((40, 30, 10), True) - manifold3d.Manifold.cylinder(20, radius, radius, 96, True)
    out = solid.to_mesh64()
    return Mesh(name="plate", vertices=np.array(out.vert_properties[:, :3]), faces=np.array(out.tri_verts, np.int64))


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "targets").mkdir()
    (tmp_path / "results").mkdir()
    for name in ("one", "two", "three"):
        write_stl(plate(), tmp_path / "targets" / f"{name}.stl")
    write_stl(plate(5.0), tmp_path / "results" / "one.stl")
    (tmp_path / "results" / "two.step").write_text("ISO-10303-21; cut off")
    (tmp_path / "kinds.csv").write_text("name,kind\none,plate\ntwo,plate\nthree,<b>other</b>\n")
    return tmp_path


def call(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["evaluate", *arguments])
    return result.exit_code, result.stdout, result.stderr


def test_everything_is_written_and_an_earlier_run_is_taken_over(here: Path) -> None:
    usual = ("results", "targets", "-o", "out", "--protocol", "cadrille", "-j", "1", "--kinds", "kinds.csv")
    code, out, told = call(*usual)
    assert code == 1
    assert "3 pairs, 33.3% scored" in out and "three: there is no result" in out and "plate" in out
    assert "cadrille RL, images" in out and "3 of 3 pairs" in told
    assert {path.name for path in (here / "out").iterdir()} >= {
        "journal.jsonl",
        "summary.json",
        "pairs.csv",
        "report.html",
        "iou_histogram.png",
        "success_curve.png",
    }
    summary = json.loads((here / "out" / "summary.json").read_text())
    assert summary["summary"]["fates"] == {"scored": 1, "unreadable": 1, "missing": 1}
    assert summary["kinds"]["plate"]["success_rate"] == 0.5
    page = (here / "out" / "report.html").read_text()
    assert page.index("there is no result") < page.index("Figures") and "&lt;b&gt;other" in page
    assert "<b>other" not in page and "http" not in page
    code, _, told = call(*usual)
    assert code == 2 and "--resume" in told
    code, _, told = call(*usual, "--resume")
    assert code == 1 and "3 taken over" in told
    code, _, told = call(*usual, "--resume", "--overwrite")
    assert code == 2


def test_a_folder_with_something_else_in_it_is_left_alone(here: Path) -> None:
    code, _, told = call("results", "targets", "-o", "targets", "--overwrite")
    assert code == 2 and "something else" in told
    assert (here / "targets" / "one.stl").is_file()
    assert call("results", "-o", "out")[0] == 2
    assert call("results", "targets", "--protocol", "best")[0] == 2


def test_a_target_that_can_not_be_read_ends_with_2_and_is_told(here: Path) -> None:
    (here / "targets" / "one.stl").write_text("no mesh")
    code, out, _ = call("results", "targets", "-o", "out", "--protocol", "cadrille", "-j", "1")
    assert code == 2
    assert "bad target: one" in out and "1 targets could not be read" in out


def test_the_page_escapes_what_files_say() -> None:
    scores = [Score(name="<script>", fate=Fate.NOT_BUILT, reason="raised: <img src=x>")]
    page = page_of(scores, RunOptions())
    assert "<script>" not in page and "<img src=x>" not in page


@pytest.mark.slow
def test_programs_of_a_data_set_are_run_and_judged_as_published(here: Path, capfd: pytest.CaptureFixture[str]) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    stl = (here / "targets" / "one.stl").read_bytes()
    programs = [
        PROGRAM,
        PROGRAM.replace("40, 30", "80, 60").replace("10)", "20)").replace("hole(8)", "hole(16)"),
        "1 / 0",
    ]
    rows = {"uuid": ["as it is", "twice as large", "raises"], "stl_file": [stl] * 3, "prediction": programs}
    parquet.write_table(pyarrow.table(rows), here / "rows.parquet")
    code, _, _ = call("rows.parquet", "--protocol", "zero-to-cad", "-o", "out", "-j", "1", "--json")
    # --json writes to the descriptor itself, past Python's stdout
    *scores, summary = [json.loads(line) for line in capfd.readouterr().out.splitlines()]
    found = {score["name"]: score for score in scores}
    assert code == 1
    assert found["as_it_is"]["iou"] > 0.99 and found["twice_as_large"]["iou"] > 0.99
    assert found["raises"]["fate"] == "not built" and "ZeroDivisionError" in found["raises"]["reason"]
    assert summary["summary"]["success_rate"] == pytest.approx(2 / 3)

"""A batch without Ray: one worker's work, parts that kill it, places that are no local folder, the table."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cad_pipeline import doubles
from cad_pipeline.batch.charts import bin_of, bins
from cad_pipeline.batch.filesystems import Home
from cad_pipeline.batch.identity import identify
from cad_pipeline.batch.job import Job, Machines
from cad_pipeline.batch.ledger import Cause, Kill, Ledger, Started
from cad_pipeline.batch.manifest import Item, Row, lay_down, read_items, read_rows
from cad_pipeline.batch.rows import COLUMNS
from cad_pipeline.batch.summary import write_summary
from cad_pipeline.batch.tables import read_table_rows, write_table
from cad_pipeline.batch.witness import Task
from cad_pipeline.batch.worker import Worker
from cad_pipeline.errors import InputError
from cad_pipeline.mesh import write_stl
from cad_pipeline.options import Options
from cad_pipeline.store import Existing

HAZARDS = "cad_pipeline.batch.doubles:hazardous_pipeline"
CRASH = "plate: reading\nFatal Python error: Segmentation fault\n\nCurrent thread 0x1 (most recent call first):\n"


def block(place: Path, scale: float = 1.0) -> Path:
    place.parent.mkdir(parents=True, exist_ok=True)
    write_stl(doubles.block(place.stem, scale), place)
    return place


def worker(out: Path | str, **changes: Any) -> Worker:
    return Worker(job=replace(Job(out=str(out), run="one", pipeline=HAZARDS, part_timeout_s=60.0), **changes))


def item(path: Path, number: int = 0) -> Item:
    return Item(number=number, name=path.stem, path=str(path))


def rows_of(parts: Any) -> list[Row]:
    return list(read_rows(parts))


# one worker


def test_a_part_is_made_once_and_its_row_comes_back(tmp_path: Path) -> None:
    part = block(tmp_path / "plate.stl")
    row = worker(tmp_path / "out").convert(item(part))
    assert (row["status"], row["accepted"], row["kills"]) == ("made", True, 0)
    assert row["iou"] == row["step_iou"] == pytest.approx(0.995) and set(row) == set(COLUMNS)
    report = json.loads((tmp_path / "out" / "plate" / "report.json").read_text())
    assert report["input"]["digest"] == row["digest"]
    assert sorted(path.name for path in (tmp_path / "out" / "plate").iterdir()) == [
        "plate.py",
        "plate.step",
        "plate.stl",
        "report.json",
    ]
    assert worker(tmp_path / "out", run="two").convert(item(part)) == row
    starts = list((tmp_path / "out" / ".batch" / "ledger").glob("plate.convert-*"))
    assert len(starts) == 1 and "hazard" in (tmp_path / "out" / ".batch" / "logs" / "plate.convert-1.log").read_text()


def test_a_result_whose_row_was_lost_in_a_crash_is_not_made_again(tmp_path: Path) -> None:
    part, out = block(tmp_path / "plate.stl"), tmp_path / "out"
    row = worker(out).convert(item(part))
    (out / ".batch" / "ledger" / "plate.row.json").unlink()
    made = (out / "plate" / "report.json").stat().st_mtime_ns
    assert worker(out).convert(item(part)) == row
    assert (out / "plate" / "report.json").stat().st_mtime_ns == made


def test_a_result_that_was_removed_or_whose_input_changed_is_made_again(tmp_path: Path) -> None:
    part, out = block(tmp_path / "plate.stl"), tmp_path / "out"
    first = worker(out).convert(item(part))
    (out / "plate" / "report.json").unlink()
    (out / "plate").rename(out / "elsewhere")
    assert worker(out, run="two").convert(item(part))["key"] == first["key"]
    assert (out / "plate" / "report.json").is_file()
    block(part, scale=2.0)
    refused = worker(out, run="two").convert(item(part))
    assert (refused["failure"], "expected room" in refused["reason"]) == ("input", True)
    changed = worker(out, run="three", existing=Existing.RESUME).convert(item(block(part, scale=3.0)))
    assert changed["status"] == "made" and changed["volume_mm3"] == pytest.approx(27 * first["volume_mm3"])
    assert [path.name for path in out.iterdir() if path.name.startswith(".plate")] == []


@pytest.mark.parametrize(
    ("name", "data", "failure"),
    [
        ("letter", b"Dear reader,\n", "input"),
        ("empty", b"", "input"),
        ("gone", None, "unreadable"),
        ("raise-x", ..., "internal"),
        ("bomb-x", ..., "memory"),
        ("poor-x", ..., None),
    ],
)
def test_each_kind_of_trouble_has_its_row_and_reason(tmp_path: Path, name: str, data: Any, failure: str | None) -> None:
    part = tmp_path / f"{name}.stl"
    if data is ...:
        block(part)
    elif data is not None:
        part.write_bytes(data)
    row = worker(tmp_path / "out", part_memory_mb=256).convert(item(part))
    assert (row["failure"], row["accepted"]) == (failure, False) and row["reason"]
    assert worker(tmp_path / "out", run="two").convert(item(part)) == row


def test_a_worker_that_outlived_its_run_fails_no_part(tmp_path: Path) -> None:
    part, out = block(tmp_path / "raise-x.stl"), tmp_path / "out"
    old = worker(out)
    Ledger(home=Home.of(out), run="two").take_over()
    assert old.convert(item(part))["status"] == "machine"
    assert worker(out, run="two").convert(item(part))["status"] == "failed"


def test_a_store_that_cannot_be_asked_costs_its_part_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from cad_pipeline.batch import worker as module

    def refuse(*_: object) -> Path:
        raise RuntimeError("403: not yours")

    part = block(tmp_path / "plate.stl")
    monkeypatch.setattr(module, "fetch", refuse)
    row = worker(tmp_path / "out").convert(item(part))
    assert (row["failure"], row["reason"]) == ("unreadable", "403: not yours")
    monkeypatch.undo()
    assert worker(tmp_path / "out", run="two").convert(item(part))["status"] == "made"


def test_what_is_no_result_of_ours_is_never_replaced(tmp_path: Path) -> None:
    part, out = block(tmp_path / "plate.stl"), tmp_path / "out"
    (out / "plate").mkdir(parents=True)
    (out / "plate" / "thesis.txt").write_text("years of work")
    for existing in Existing:
        row = worker(out / "", existing=existing, options=Options(min_iou=0.5 + len(existing) / 100)).convert(
            item(part)
        )
        assert row["failure"] == "input"
    assert (out / "plate" / "thesis.txt").read_text() == "years of work"


def test_a_broken_machine_is_no_verdict_on_the_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from cad_pipeline.batch import doubles
    from cad_sandbox.execution import SandboxUnavailable

    def broken(*_: object, **__: object) -> None:
        raise SandboxUnavailable("no walls here; install some")

    part, out = block(tmp_path / "plate.stl"), tmp_path / "out"
    monkeypatch.setattr(doubles.VolumeSandbox, "run", broken)
    row = worker(out).convert(item(part))
    assert (row["status"], row["reason"]) == ("machine", "no walls here; install some")
    monkeypatch.undo()
    assert worker(out, run="two").convert(item(part))["status"] == "made"


def test_a_quarantined_part_leaves_evidence_and_stays_so(tmp_path: Path) -> None:
    part, out = block(tmp_path / "plate.stl"), tmp_path / "out"
    home = Home.of(out)
    same = identify(part, Options())
    for _ in range(2):
        begun = Ledger(home=home, run="one").begin("plate", same.key)
        assert isinstance(begun, Started)
        home.write(begun.log, CRASH.encode())
    row = worker(out).convert(item(part))
    assert (row["status"], row["failure"], row["kills"]) == ("quarantined", "crash", 2)
    place = out / ".batch" / "quarantine" / "plate.json"
    assert "Segmentation fault" in json.loads(place.read_text())["kills"][1]["evidence"]
    assert worker(out, run="two").convert(item(part)) == row
    # other options are another part, and no evidence against it is left
    other = worker(out, run="three", existing=Existing.RESUME, options=Options(min_iou=0.9)).convert(item(part))
    assert other["status"] == "made" and not place.exists()


@pytest.mark.parametrize(
    ("name", "cause", "seen"),
    [("vanish-x", "vanished", "by SIGKILL"), ("segfault-x", "crash", "by SIGSEGV"), ("hang-x", "time", "exit code 1")],
)
def test_a_part_whose_worker_vanished_dies_alone_after_that_and_is_quarantined(
    tmp_path: Path, name: str, cause: str, seen: str
) -> None:
    part, out = block(tmp_path / f"{name}.stl"), tmp_path / "out"
    first = worker(out, part_timeout_s=3.0)
    # as the worker leaves it that was killed while it was at the part
    assert isinstance(first.ledger.begin(name, identify(part, Options()).key), Started)
    row = first.convert(item(part))
    # a crash that left its trace does not prove that the part also killed the worker that vanished
    kills = 2 if cause == "vanished" else 3
    assert (row["status"], row["failure"], row["kills"]) == ("quarantined", cause, kills)
    evidence = json.loads((out / ".batch" / "quarantine" / f"{name}.json").read_text())
    assert evidence["kills"][0]["seen"] == "" and evidence["kills"][1]["seen"].endswith(seen)


@pytest.mark.parametrize(("name", "failure"), [("plate", None), ("raise-x", "internal"), ("bomb-x", "memory")])
def test_a_part_that_was_only_on_a_machine_that_died_is_done_as_ever(
    tmp_path: Path, name: str, failure: str | None
) -> None:
    part, out = block(tmp_path / f"{name}.stl"), tmp_path / "out"
    one = worker(out, part_memory_mb=256)
    for _ in range(9):
        assert isinstance(one.ledger.begin(name, identify(part, Options()).key, most=10), Started)
    row = one.convert(item(part))
    assert (row["status"], row["failure"]) == ("failed" if failure else "made", failure)
    assert one.convert(item(part)) == row


def test_a_part_that_goes_with_its_worker_is_not_tried_for_ever(tmp_path: Path) -> None:
    part, one = block(tmp_path / "plate.stl"), worker(tmp_path / "out")
    for _ in range(10):
        one.ledger.begin("plate", identify(part, Options()).key, most=10)
    row = one.convert(item(part))
    assert (row["status"], row["failure"], row["kills"]) == ("quarantined", "vanished", 10)


def test_a_worker_that_is_being_ended_blames_nobody(tmp_path: Path) -> None:
    # it loses its part's process first, and lives on for a moment
    part, out = block(tmp_path / "hang-x.stl"), tmp_path / "out"
    key = identify(part, Options()).key
    code = f"""
import os, signal, sys, threading, time
from pathlib import Path
from cad_pipeline.batch.job import Job
from cad_pipeline.batch.manifest import Item
from cad_pipeline.batch.worker import Worker
one = Worker(job=Job(out={str(out)!r}, run="one", pipeline={HAZARDS!r}))
one.ledger.begin("hang-x", {key!r})
def end():
    log = Path({str(out)!r}, ".batch", "logs", "hang-x.convert-2.log")
    while not log.exists():
        time.sleep(0.05)
    for child in Path(f"/proc/{{os.getpid()}}/task/{{os.getpid()}}/children").read_text().split():
        os.kill(int(child), signal.SIGKILL)
    time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGKILL)
threading.Thread(target=end).start()
one.convert(Item(number=0, name="hang-x", path={str(part)!r}))
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    run = subprocess.run([sys.executable, "-c", code], env=environment, timeout=120)
    assert run.returncode == -signal.SIGKILL
    kills = Ledger(home=Home.of(out), run="one").kills("hang-x", key)
    assert [(kill.cause, kill.seen) for kill in kills] == [(Cause.VANISHED, "")] * 2


def test_views_are_drawn_once_more_after_a_worker_vanished(tmp_path: Path) -> None:
    part, out = block(tmp_path / "plate.stl"), tmp_path / "out"
    viewer = worker(out)
    assert isinstance(viewer.ledger.begin("plate", identify(part, Options()).key, step="view"), Started)
    found = viewer.view(item(part))
    assert isinstance(found, tuple) and len(found[0].views.images) == 8
    assert len(viewer.ledger.kills("plate", found[1].key, step="view")) == 1


def test_a_job_and_its_task_travel_as_text(tmp_path: Path) -> None:
    job = Job(out="o", run="r", options=Options(unit="inch"), existing=Existing.RESUME, part_timeout_s=5.0)
    kills = (Kill(number=1, host="h", cause=Cause.VANISHED, evidence="é"),)
    task = Task(
        job=job,
        step="convert",
        item=Item(number=3, name="plate", path="a b.stl", unit="cm"),
        begun=Started(number=2, log="l", kills=kills),
        same=identify(block(tmp_path / "plate.stl"), Options()),
        path=tmp_path / "a b.stl",
    )
    assert Task.of(task.text()) == task


def test_identity_is_of_bytes_options_and_nothing_else(tmp_path: Path) -> None:
    one, two = block(tmp_path / "a.stl"), tmp_path / "sub" / "b.stl"
    two.parent.mkdir()
    two.write_bytes(one.read_bytes())
    assert identify(one, Options()).key == identify(two, Options()).key
    assert identify(one, Options()).key != identify(one, Options(min_iou=0.9)).key
    assert identify(one, Options()).key != identify(block(two, 2.0), Options()).key


def test_an_object_store_gets_the_same_files_and_the_report_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = block(tmp_path / "plate.stl")
    out = f"local://{tmp_path}/bucket/out"
    written: list[str] = []
    upload = Home._upload
    monkeypatch.setattr(Home, "_upload", lambda self, path, name: (written.append(name), upload(self, path, name)))
    made = worker(out)
    assert made._home.local is None
    row = made.convert(item(part))
    assert row["status"] == "made" and written == [f"plate/plate{s}" for s in (".py", ".step", ".stl")] + [
        "plate/report.json"
    ]
    away = Item(number=0, name="plate", path=f"local://{part}")
    assert worker(out, run="two").convert(away) == row
    lay_down(rows_of(f"local://{tmp_path}"), Home.of(out), {})
    [told] = [each for each in read_table_rows(Home.of(out)) if each["name"] == "plate"]
    assert {**told, "path": None, "number": None} == row
    assert (tmp_path / "bucket" / "out" / ".batch" / "logs" / "plate.convert-1.log").is_file()


def test_the_table_and_the_page_have_a_row_for_every_part(tmp_path: Path) -> None:
    import pyarrow.parquet

    parts = [block(tmp_path / f"{name}.stl") for name in ("plate", "poor-x", "raise-<b>x", "later")]
    home, one = Home.of(tmp_path / "out"), worker(tmp_path / "out")
    lay_down((Row(path=str(part)) for part in parts), home, {})
    for each in list(read_items(home))[:3]:
        one.convert(each)
    assert write_table(read_table_rows(home), home) == 4
    table = pyarrow.parquet.read_table(tmp_path / "out" / "verdicts.parquet").to_pylist()
    assert [row["status"] for row in table] == ["made", "made", "failed", "unfinished"]
    assert [row["number"] for row in table] == [0, 1, 2, 3] and table[0]["path"] == str(parts[0])
    write_summary(read_table_rows(home), home)
    page = (tmp_path / "out" / "summary.html").read_text()
    assert "<svg" in page and "0.9950" in page and "<b>x" not in page and "<script" not in page
    assert "http" not in page and "a generator&#x27;s own mistake" in page
    # of two results one is the worst and the other the best
    worst, best = (page.partition(f"<h2>{word}</h2>")[2].partition("</table>")[0] for word in ("Worst", "Best"))
    assert ("poor-x" in worst, "poor-x" in best, ">plate<" in best) == (True, False, True)


def test_a_bin_holds_its_lower_edge_and_has_its_label() -> None:
    edges = (0.5, 0.995)
    assert [bins(edges)[bin_of(value, edges)] for value in (0.0, 0.5, 0.99, 0.995, 1.0)] == [
        "< .5",
        ".5–.995",
        ".5–.995",
        "≥ .995",
        "≥ .995",
    ]


@pytest.mark.parametrize(
    "wrong", [{"workers": 0}, {"num_gpus": -1.0}, {"parts_per_block": 0}, {"memory_mb": 0}], ids=lambda each: str(each)
)
def test_numbers_that_cannot_be_meant_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="expected"):
        Machines(**wrong)

"""The evaluator's judges, which may die without costing a pair, and its journal."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from pathlib import Path

import manifold3d
import numpy as np
import pytest
import trimesh

from cad_pipeline.evaluation import (
    Fate,
    Pair,
    RunOptions,
    Score,
    evaluate,
)
from cad_pipeline.evaluation.journal import Journal, pair_key
from cad_pipeline.evaluation.judges import Judge
from cad_pipeline.evaluation.runner import Taken
from cad_pipeline.mesh import write_stl
from cad_pipeline.values import Mesh


def solid(manifold, name="part"):
    out = manifold.to_mesh64()
    return Mesh(name=name, vertices=np.array(out.vert_properties[:, :3]), faces=np.array(out.tri_verts, np.int64))


def bracket():
    """Build an L with a hole, which no rotation maps onto itself."""
    cube = manifold3d.Manifold.cube
    hole = manifold3d.Manifold.cylinder(20, 3, 3, 48)
    return cube((60, 30, 8)) + cube((10, 30, 40)) - hole.translate((45, 12, -5))


def moved(part, *, turn_deg=0.0, axis=(0, 0, 1), scale=1.0, shift=(0.0, 0.0, 0.0)):
    turn = trimesh.transformations.rotation_matrix(np.radians(turn_deg), axis)[:3, :3]
    return Mesh(name="moved", vertices=scale * part.vertices @ turn.T + shift, faces=part.faces)


def test_scores_survive_the_journal_and_a_torn_line_costs_only_itself(tmp_path):
    target, result = tmp_path / "t.stl", tmp_path / "r.stl"
    target.write_bytes(b"target")
    result.write_bytes(b"result")
    pair = Pair(name="a", result=result, target=target)
    key, options = pair_key(pair, RunOptions().as_dict()), RunOptions().as_dict()
    score = Score(name="a", fate=Fate.SCORED, iou=0.25, figures={"f": None})
    path = tmp_path / "journal.jsonl"
    Journal(path).keep(key, score)
    with path.open("a") as file:
        file.write('{"key": "torn", "sco')
    again = Journal(path)
    assert len(again) == 1
    assert again.earlier(key, Pair(name="renamed", result=result, target=target, kind="k")).name == "renamed"
    again.keep("other", score)
    assert len(Journal(path)) == 2
    result.write_bytes(b"another")
    assert again.earlier(pair_key(pair, options), pair) is None
    assert pair_key(pair, options) != pair_key(pair, RunOptions(protocol="cadrille").as_dict())
    again.keep("late", Score(name="a", fate=Fate.TIMED_OUT))
    assert again.earlier("late", pair) is None


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Write a target and results that fail in every way that needs no sandbox."""
    folder = tmp_path_factory.mktemp("files")
    part = solid(bracket())
    write_stl(part, folder / "target.stl")
    write_stl(moved(part, shift=(1.0, 0.0, 0.0)), folder / "shifted.stl")
    (folder / "broken.step").write_text("ISO-10303-21; nothing more")
    (folder / "text.stl").write_text("not a mesh")
    return folder


def test_every_way_to_fail_gets_its_own_fate_and_order_is_kept(files, tmp_path):
    def pair(name, result, target="target.stl"):
        return Pair(name=name, result=files / result if result else None, target=files / target)

    pairs = [
        pair("broken", "broken.step"),
        pair("shifted", "shifted.stl"),
        pair("none", None),
        pair("gone", "gone.step"),
        pair("text", "text.stl"),
        pair("bad target", "shifted.stl", "text.stl"),
    ]
    heard: list[Taken] = []
    journal = Journal(tmp_path / "journal.jsonl")
    found = evaluate(pairs, RunOptions(protocol="cadrille", jobs=1), journal=journal, heard=heard.append)
    assert [(score.name, score.fate) for score in found] == [
        ("broken", Fate.UNREADABLE),
        ("shifted", Fate.SCORED),
        ("none", Fate.MISSING),
        ("gone", Fate.MISSING),
        ("text", Fate.UNREADABLE),
        ("bad target", Fate.BAD_TARGET),
    ]
    assert all(score.reason for score in found)
    assert found[1].iou == pytest.approx(1.0, abs=1e-6)
    # a result that is not there is the same failure under any name, so the second is known from the first
    assert [(taken.done, taken.fresh) for taken in heard][-1] == (6, 5)
    heard.clear()
    again = evaluate(pairs, RunOptions(protocol="cadrille", jobs=1), journal=journal, heard=heard.append)
    assert [score.as_dict() for score in again] == [score.as_dict() for score in found]
    assert heard[-1].fresh == 0


def stalled(monkeypatch, code):
    """Put another program in the place of the judge's process, for its handle to live with."""
    import sys

    made = Judge(("cadrille",), limit_s=0.5)
    made._command = [sys.executable, "-c", code]
    monkeypatch.setattr("cad_pipeline.evaluation.judges._START_S", 20.0)
    return made


ANSWER = json.dumps(Score(name="a", fate=Fate.SCORED, iou=1.0).as_dict())


def test_a_judge_that_crashes_is_told_with_its_last_words_and_started_again(monkeypatch, files):
    judge = stalled(
        monkeypatch,
        "import sys, os\nsys.stdin.readline()\nprint('about to fall', file=sys.stderr, flush=True)\nos.abort()",
    )
    pair = Pair(name="a", result=files / "shifted.stl", target=files / "target.stl")
    for _ in range(2):
        score = judge.score(pair)
        assert (score.fate, score.reason) == (Fate.CRASHED, "its judge ended by SIGABRT: about to fall")
    judge.close()


def test_a_judge_that_hangs_is_ended_with_its_children_and_the_next_pair_is_judged(monkeypatch, files, tmp_path):
    note = tmp_path / "pid"
    # answers the first question, then starts a child and hangs; the child must go as well
    judge = stalled(
        monkeypatch,
        f"import sys, subprocess, time, pathlib\nsys.stdin.readline()\nprint({ANSWER!r}, flush=True)\n"
        "sys.stdin.readline()\nchild = subprocess.Popen(['sleep', '600'])\n"
        f"pathlib.Path({str(note)!r}).write_text(str(child.pid))\ntime.sleep(600)",
    )
    pair = Pair(name="a", result=files / "shifted.stl", target=files / "target.stl")
    assert judge.score(pair).fate is Fate.SCORED
    judge._limit_s = 2.0
    score = judge.score(pair)
    assert score.fate is Fate.TIMED_OUT and "2 s" in score.reason
    child = int(note.read_text())
    for _ in range(100):
        if not Path(f"/proc/{child}").exists() or "Z" in Path(f"/proc/{child}/stat").read_text().split()[2]:
            break
        time.sleep(0.05)
    else:
        os.kill(child, signal.SIGKILL)
        raise AssertionError("the child outlived its judge")
    assert judge.score(pair).fate is Fate.SCORED
    judge.close()


def test_a_closed_judge_lets_the_thread_that_waits_for_it_go(monkeypatch, files):
    judge = stalled(monkeypatch, "import time; time.sleep(600)")
    pair = Pair(name="a", result=files / "shifted.stl", target=files / "target.stl")
    ended: list[BaseException] = []

    def ask():
        try:
            judge.score(pair)
        except RuntimeError as error:
            ended.append(error)

    thread = threading.Thread(target=ask)
    thread.start()
    while judge._process is None:
        time.sleep(0.01)
    judge.close()
    thread.join(timeout=30.0)
    assert not thread.is_alive()

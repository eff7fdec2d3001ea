"""The evaluator: pairs, protocols against closed forms, statistics, and judges that die without costing a pair."""

from __future__ import annotations

import csv
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

from cad_pipeline.errors import InputError
from cad_pipeline.evaluation import (
    PROTOCOLS,
    Fate,
    Pair,
    Part,
    RunOptions,
    Score,
    Variant,
    by_kind,
    evaluate,
    pairs_of_folders,
    pairs_of_manifest,
    protocol,
    summarise,
    write_csv,
    write_parquet,
)
from cad_pipeline.evaluation.journal import Journal, pair_key
from cad_pipeline.evaluation.judges import Judge
from cad_pipeline.evaluation.pairs import with_kinds
from cad_pipeline.evaluation.runner import Taken
from cad_pipeline.evaluation.tables import rows_of
from cad_pipeline.mesh import SolidFacts, write_stl
from cad_pipeline.values import Mesh
from cad_pipeline.verify import NotMeasurable


def solid(manifold, name="part"):
    out = manifold.to_mesh64()
    return Mesh(name=name, vertices=np.array(out.vert_properties[:, :3]), faces=np.array(out.tri_verts, np.int64))


def mesh(shape, name="part"):
    return Mesh(name=name, vertices=np.array(shape.vertices), faces=np.array(shape.faces))


def bracket():
    """Build an L with a hole, which no rotation maps onto itself."""
    cube = manifold3d.Manifold.cube
    hole = manifold3d.Manifold.cylinder(20, 3, 3, 48)
    return cube((60, 30, 8)) + cube((10, 30, 40)) - hole.translate((45, 12, -5))


def moved(part, *, turn_deg=0.0, axis=(0, 0, 1), scale=1.0, shift=(0.0, 0.0, 0.0)):
    turn = trimesh.transformations.rotation_matrix(np.radians(turn_deg), axis)[:3, :3]
    return Mesh(name="moved", vertices=scale * part.vertices @ turn.T + shift, faces=part.faces)


def measured(name, target, result, variant=Variant.CORRECTED):
    return protocol(name, variant).measure(Part(mesh=target), Part(mesh=result))


# --- pairs -----------------------------------------------------------------------------------------------------------


def test_folders_are_paired_by_name_and_what_is_missing_is_a_pair_too(tmp_path):
    results, targets = tmp_path / "results", tmp_path / "targets"
    for path in ("a/a.step", "a/a.py", "b.py", "c.STEP", "stray.step"):
        (results / path).parent.mkdir(parents=True, exist_ok=True)
        (results / path).touch()
    targets.mkdir()
    for path in ("a.stl", "a.step", "b.stl", "c.stl", "d.stl", "readme.txt", ".hidden.stl"):
        (targets / path).touch()
    found = {
        pair.name: (pair.result and pair.result.name, pair.target.name) for pair in pairs_of_folders(results, targets)
    }
    assert found == {
        "a": ("a.step", "a.step"),
        "b": ("b.py", "b.stl"),
        "c": ("c.STEP", "c.stl"),
        "d": (None, "d.stl"),
    }


def test_folders_that_share_no_name_are_refused_with_the_cure(tmp_path):
    for folder, name in (("results", "x.step"), ("targets", "y.stl")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).touch()
    with pytest.raises(InputError, match="RESULTS comes first"):
        pairs_of_folders(tmp_path / "results", tmp_path / "targets")
    with pytest.raises(InputError, match="expected a folder of targets"):
        pairs_of_folders(tmp_path / "results", tmp_path / "nowhere")


def test_a_csv_names_pairs_relative_to_itself(tmp_path):
    (tmp_path / "pairs.csv").write_text("name,result,target,kind\none,r/a.step,t/a.stl,plate\ntwo,,t/b.stl,\n")
    one, two = pairs_of_manifest(tmp_path / "pairs.csv", tmp_path / "unused")
    assert one == Pair(name="one", result=tmp_path / "r/a.step", target=tmp_path / "t/a.stl", kind="plate")
    assert two == Pair(name="two", result=None, target=tmp_path / "t/b.stl")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("name,result\na,b\n", "no target"),
        ("name,result,target\na,b,\n", "row 1"),
        ("name,result,target\na,b,c\na,d,e\n", "more than once"),
        ("name,result,target\n", "expected rows"),
    ],
)
def test_a_csv_that_can_not_be_meant_is_refused(tmp_path, text, complaint):
    (tmp_path / "pairs.csv").write_text(text)
    with pytest.raises(InputError, match=complaint):
        pairs_of_manifest(tmp_path / "pairs.csv", tmp_path)


def test_rows_in_the_schema_of_the_data_set_are_unpacked(tmp_path):
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    write_stl(solid(bracket()), tmp_path / "part.stl")
    stl = (tmp_path / "part.stl").read_bytes()
    rows = {
        "uuid": ["../../evil", "two", "three"],
        "cadquery_file": [b"own = 1", b"own = 2", b"own = 3"],
        "stl_file": [stl, stl, stl],
        "prediction": ["result = 1", "", None],
    }
    parquet.write_table(pyarrow.table(rows), tmp_path / "rows.parquet")
    pairs = pairs_of_manifest(tmp_path / "rows.parquet", tmp_path / "inputs")
    assert [pair.result and pair.result.read_text() for pair in pairs] == ["result = 1", None, None]
    assert all(pair.target.parent == tmp_path / "inputs" and pair.target.read_bytes() == stl for pair in pairs)
    own = pairs_of_manifest(tmp_path / "rows.parquet", tmp_path / "inputs", prediction="cadquery_file")
    assert [pair.result.read_text() for pair in own] == ["own = 1", "own = 2", "own = 3"]
    as_stl = pairs_of_manifest(tmp_path / "rows.parquet", tmp_path / "inputs", prediction="stl_file")
    assert [pair.result.suffix for pair in as_stl] == [".stl"] * 3
    with pytest.raises(InputError, match="nonsense"):
        pairs_of_manifest(tmp_path / "rows.parquet", tmp_path / "inputs", prediction="nonsense")


def test_kinds_come_from_a_table_beside(tmp_path):
    (tmp_path / "index.csv").write_text("id,kind\na,plate\n")
    pairs = [Pair(name=name, result=None, target=tmp_path / name) for name in "ab"]
    assert [pair.kind for pair in with_kinds(pairs, tmp_path / "index.csv")] == ["plate", None]


# --- protocols -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PROTOCOLS)
def test_every_protocol_gives_a_thing_with_itself_one(name):
    part = solid(bracket())
    assert measured(name, part, part).iou == pytest.approx(1.0, abs=1e-6)


def test_each_protocol_forgives_what_its_words_say_and_no_more():
    part = solid(bracket())
    larger = moved(part, scale=2.0, shift=(5.0, -3.0, 40.0))
    turned = moved(part, turn_deg=90.0, axis=(0, 1, 0))
    skewed = moved(part, turn_deg=33.0, axis=(1, 2, 0.5), scale=0.3, shift=(9.0, 9.0, 9.0))
    iou = {
        (name, what): measured(name, part, result).iou
        for name in PROTOCOLS
        for what, result in (("larger", larger), ("turned", turned), ("skewed", skewed))
    }
    assert iou["own-frame", "larger"] < 0.2 and iou["own-frame", "turned"] < 0.5
    assert iou["cadrille", "larger"] == pytest.approx(1.0, abs=1e-6) and iou["cadrille", "turned"] < 0.5
    assert iou["zero-to-cad", "larger"] > 0.999 and iou["zero-to-cad", "turned"] > 0.999
    assert iou["zero-to-cad", "skewed"] < 0.8
    for what in ("larger", "turned", "skewed"):
        assert iou["cadbench", what] == pytest.approx(1.0, abs=1e-6), what


def test_the_mirror_image_is_not_the_part():
    part = solid(bracket())
    mirrored = Mesh(name="mirrored", vertices=part.vertices * [1.0, -1.0, 1.0], faces=part.faces[:, ::-1])
    for name in ("zero-to-cad", "cadbench"):
        assert measured(name, part, mirrored).iou < 0.99, name


def test_unit_boxes_follow_the_closed_form():
    # 2 × 1 × 1 against a cube: in unit boxes 1 × ½ × ½ lies wholly inside 1 × 1 × 1
    assert measured("cadrille", mesh(trimesh.creation.box((2, 1, 1))), mesh(trimesh.creation.box((5, 5, 5)))).iou == (
        pytest.approx(0.25, abs=1e-9)
    )


def test_the_published_sum_counts_overlapping_bodies_twice_and_only_when_asked():
    once = trimesh.creation.box((1, 1, 1))
    # a body inside a body adds nothing to the solid, and an eighth to each of the published sums
    nested = trimesh.util.concatenate([once, trimesh.creation.box((0.5, 0.5, 0.5))])
    assert measured("cadrille", mesh(once), mesh(nested)).iou == pytest.approx(1.0, abs=1e-6)
    as_published = measured("cadrille", mesh(once), mesh(nested), Variant.AS_PUBLISHED)
    assert as_published.iou == pytest.approx(1.125 / (1.0 + 1.125 - 1.125), rel=1e-6)
    ball = trimesh.creation.icosphere(3)
    bowl = Mesh(name="bowl", vertices=ball.vertices, faces=ball.faces[ball.triangles_center[:, 2] < 0.5])
    with pytest.raises(NotMeasurable, match="no component is closed"):
        measured("cadrille", mesh(once), bowl, Variant.AS_PUBLISHED)


def test_the_chamfer_distance_follows_the_closed_form():
    inner, outer = trimesh.creation.icosphere(5, 0.4), trimesh.creation.icosphere(5, 0.5)
    from cad_pipeline.evaluation.cadrille import squared_chamfer

    # every point has the other sphere 0.1 away; sampling adds the spacing of the points, squared
    assert squared_chamfer(mesh(inner), mesh(outer)) == pytest.approx(2 * 0.1**2, rel=0.03)


def test_moments_follow_the_closed_form():
    from cad_pipeline.evaluation.cadbench import moments

    found = moments(mesh(trimesh.creation.box((2, 4, 6)).apply_translation((1, 2, 3))))
    assert found.centroid == pytest.approx([1, 2, 3])
    assert found.gyration_mm == pytest.approx(np.sqrt((2**2 + 4**2 + 6**2) / 12))
    # the smallest moment is about the longest side
    assert found.principal == pytest.approx(np.array([2**2 + 4**2, 2**2 + 6**2, 4**2 + 6**2]) / 12)
    assert np.abs(found.axes) == pytest.approx(np.eye(3)[::-1], abs=1e-9)
    assert not found.ambiguous
    assert moments(mesh(trimesh.creation.cylinder(radius=2, height=9))).ambiguous


def test_a_square_plate_turned_by_the_solver_is_found_as_it_lies():
    plate = manifold3d.Manifold.cube((40, 40, 6), True) - manifold3d.Manifold.cylinder(20, 4, 4, 48, True)
    other = solid(plate + manifold3d.Manifold.cylinder(3.5, 10, 10, 96))
    found = measured("cadbench", solid(plate), other)
    assert found.figures["axes_ambiguous"] == 1.0
    still = measured("cadrille", solid(plate), other)
    assert found.iou > 0.8 * still.iou


def test_an_invalid_solid_is_measured_but_never_accepted():
    part = solid(bracket())
    facts = SolidFacts(solids=1, valid=False, volume_mm3=part.volume)
    found = protocol("own-frame").measure(Part(mesh=part), Part(mesh=part, facts=facts))
    assert (found.iou, found.figures["valid"], found.figures["accepted"]) == (pytest.approx(1.0), 0.0, 0.0)
    assert "checker finds faults" in found.words


def test_protocols_that_there_are_not_are_refused_with_those_that_there_are():
    with pytest.raises(InputError, match="own-frame, zero-to-cad, cadrille, cadbench"):
        RunOptions(protocol="voxels")
    with pytest.raises(InputError, match="--protocol cadrille"):
        RunOptions(protocol="cadbench", variant=Variant.AS_PUBLISHED)


# --- statistics ------------------------------------------------------------------------------------------------------


def scores(*ious, kind=None):
    return [
        Score(name=str(k), kind=kind, fate=Fate.MISSING if iou is None else Fate.SCORED, iou=iou)
        for k, iou in enumerate(ious)
    ]


def test_failures_count_as_zero_beside_the_successes():
    summary = summarise([*scores(1.0, 0.5, None, None), Score(name="x", fate=Fate.BAD_TARGET)])
    assert (summary.pairs, summary.bad_targets, summary.success_rate) == (4, 1, 0.5)
    assert (summary.successes.mean, summary.as_zero.mean) == (0.75, 0.375)
    assert (summary.successes.median, summary.as_zero.median) == (0.75, 0.25)
    assert summary.as_zero.at_least["0.9"] == 0.25
    assert summary.fates == {"scored": 2, "missing": 2, "bad target": 1}


def test_all_failures_and_no_scores_are_summed_up_too():
    summary = summarise(scores(None, None))
    assert summary.successes is None and summary.as_zero.mean == 0.0
    assert summarise([]) is None
    assert summarise(scores(0.7)).as_zero.mean_interval is None


def test_the_intervals_are_seeded_and_cover_the_mean_as_often_as_they_say():
    assert summarise(scores(0.1, 0.5, 0.9)).as_zero == summarise(scores(0.1, 0.5, 0.9)).as_zero
    chance = np.random.default_rng(5)
    hits = 0
    for _ in range(60):
        interval = summarise(scores(*chance.beta(2, 1, 60))).as_zero.mean_interval
        hits += interval.low <= 2 / 3 <= interval.high
    assert 51 <= hits <= 60


def test_kinds_are_summed_up_apart():
    found = by_kind([*scores(1.0, None, kind="plate"), *scores(0.5, kind="gear"), *scores(0.2)])
    assert {kind: summary.as_zero.mean for kind, summary in found.items()} == {"gear": 0.5, "plate": 0.5, "-": 0.2}
    assert by_kind(scores(1.0)) == {}


def test_the_tables_have_a_row_for_every_pair_with_its_reason(tmp_path):
    given = [
        Score(name="good", fate=Fate.SCORED, iou=0.9, figures={"f1": 0.8, "nan": float("nan")}),
        Score(name="bad, “quoted”", fate=Fate.NOT_BUILT, reason='raised: "no"\nreally'),
    ]
    write_csv(given, tmp_path / "pairs.csv")
    with (tmp_path / "pairs.csv").open(newline="", encoding="utf-8") as file:
        good, bad = csv.DictReader(file)
    assert (good["iou"], good["f1"], good["nan"], bad["iou"], bad["reason"]) == ("0.9", "0.8", "", "", given[1].reason)
    parquet = pytest.importorskip("pyarrow.parquet")
    write_parquet(given, tmp_path / "pairs.parquet")
    assert parquet.read_table(tmp_path / "pairs.parquet").to_pylist() == rows_of(given)


# --- running ---------------------------------------------------------------------------------------------------------


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

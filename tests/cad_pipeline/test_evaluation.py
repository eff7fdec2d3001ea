"""The evaluator's pairs, statistics and tables."""

from __future__ import annotations

import csv

import manifold3d
import numpy as np
import pytest

from cad_pipeline.errors import InputError
from cad_pipeline.evaluation import (
    Fate,
    Pair,
    Score,
    by_kind,
    pairs_of_folders,
    pairs_of_manifest,
    summarise,
    write_csv,
    write_parquet,
)
from cad_pipeline.evaluation.pairs import with_kinds
from cad_pipeline.evaluation.tables import rows_of
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

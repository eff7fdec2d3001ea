"""What a batch writes down: the manifest of its parts, and the ledger of what was begun and what came out."""

from __future__ import annotations

import tracemalloc
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from cad_pipeline import doubles
from cad_pipeline.batch.filesystems import Home
from cad_pipeline.batch.ledger import Cause, Ledger, Poisoned, Started, cause_in
from cad_pipeline.batch.manifest import Kind, Row, earlier_names, lay_down, read_items, read_rows
from cad_pipeline.errors import InputError
from cad_pipeline.mesh import write_stl

CRASH = "plate: reading\nFatal Python error: Segmentation fault\n\nCurrent thread 0x1 (most recent call first):\n"


def block(place: Path, scale: float = 1.0) -> Path:
    place.parent.mkdir(parents=True, exist_ok=True)
    write_stl(doubles.block(place.stem, scale), place)
    return place


def rows_of(parts: Any) -> list[Row]:
    return list(read_rows(parts))


# the manifest


def test_a_folder_lists_its_meshes_in_order_with_broken_links_and_without_other_files(tmp_path: Path) -> None:
    for name in ("b.stl", "a/c.STL", "a/d.step", "notes.txt"):
        block(tmp_path / name)
    (tmp_path / "z.stl").symlink_to("nowhere")
    assert [Path(row.path).name for row in rows_of(tmp_path)] == ["c.STL", "d.step", "b.stl", "z.stl"]
    assert [Path(row.path).name for row in rows_of(f"{tmp_path}/*.stl")] == ["b.stl", "z.stl"]


def test_a_csv_and_a_parquet_manifest_say_the_same(tmp_path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    text = "path,name,unit,kind\na.stl,first,inch,\nsub/b.stl,,,\nviews,,,pictures\n"
    (tmp_path / "list.csv").write_text(text)
    columns = {"path": ["a.stl", "sub/b.stl", "views"], "name": ["first", None, None], "unit": ["inch", None, None]}
    table = pyarrow.table({**columns, "kind": [None, None, "pictures"], "weight": [1, 2, 3]})
    pyarrow.parquet.write_table(table, tmp_path / "list.parquet")
    rows = rows_of(tmp_path / "list.csv")
    assert rows == rows_of(tmp_path / "list.parquet")
    assert rows[0] == Row(path=str(tmp_path / "a.stl"), name="first", unit="inch")
    assert rows[1].path == str(tmp_path / "sub" / "b.stl") and rows[2].kind is Kind.PICTURES


@pytest.mark.parametrize(
    ("text", "told"),
    [("file\na.stl\n", "name one of them `path`"), ("path,kind\na.stl,drawing\n", "expected kind mesh or pictures")],
)
def test_a_manifest_that_is_none_is_refused_with_its_line(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "list.csv").write_text(text)
    with pytest.raises(InputError, match=f"line 2 of .*{told}|{told}.*line 2 of"):
        rows_of(tmp_path / "list.csv")


def test_results_are_no_parts_of_the_batch_that_made_them(tmp_path: Path) -> None:
    out = tmp_path / "out"
    block(tmp_path / "plate.stl")
    block(out / "plate" / "plate.stl")
    for parts in (tmp_path, f"{tmp_path}/**/*.stl", f"file://{tmp_path}"):
        assert [row.path for row in read_rows(parts, results=Home.of(out))] == [str(tmp_path / "plate.stl")]
    away = list(read_rows(f"local://{tmp_path}", results=Home.of(f"local://{out}")))
    assert [row.path for row in away] == [f"local://{tmp_path}/plate.stl"]


def test_a_file_address_is_a_local_folder_whatever_its_name(tmp_path: Path) -> None:
    block(tmp_path / "ü 50%25" / "a b.stl")
    [row] = rows_of(f"file://{tmp_path}/ü%2050%2525")
    assert row.path == str(tmp_path / "ü 50%25" / "a b.stl")
    assert Home.of(f"file://{tmp_path}/ü%20x").local == tmp_path / "ü x"


def test_an_address_with_a_password_is_refused_without_telling_it(tmp_path: Path) -> None:
    address = "s3://user:secret@bucket/parts"
    for what in (
        lambda: Home.of(address),
        lambda: lay_down([Row(path=f"{address}/a.stl")], Home.of(tmp_path), {}),
        lambda: rows_of(address),
    ):
        with pytest.raises(InputError, match="keys belong in the environment") as refused:
            what()
        assert "secret" not in str(refused.value)


@pytest.mark.parametrize("data", ["path\nGröße.stl\n".encode("latin-1"), b"path\n" + b"x" * 200_000])
def test_a_manifest_that_is_no_csv_in_utf8_is_refused(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "list.csv").write_bytes(data)
    with pytest.raises(InputError, match="save it as UTF-8"):
        rows_of(tmp_path / "list.csv")


def test_an_empty_cell_of_a_table_of_numbers_is_empty(tmp_path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    table = pyarrow.table({"path": ["a.stl"], "unit": [float("nan")], "name": [7]})
    pyarrow.parquet.write_table(table, tmp_path / "list.parquet")
    assert rows_of(tmp_path / "list.parquet") == [Row(path=str(tmp_path / "a.stl"), name="7")]


def test_nothing_at_all_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="found nothing at"):
        rows_of(tmp_path / "gone")
    with pytest.raises(InputError, match="expected parts, found none"):
        lay_down(rows_of(tmp_path), Home.of(tmp_path / "out"), {})


def named(home: Home, paths: Sequence[str]) -> list[str]:
    lay_down((Row(path=path) for path in paths), home, earlier_names(home))
    return [each.name for each in read_items(home)]


def test_names_are_distinct_and_stay_when_parts_are_added(tmp_path: Path) -> None:
    home = Home.of(tmp_path)
    first = named(home, ["/a/plate.stl", "/b/plate.stl", "/c/Plate.stl", "/a/plate.stl", "/d/summary.html.stl"])
    assert first == ["plate", "plate-2", "Plate-3", "plate-4", "summary.html-2"]
    again = named(home, ["/0/plate.stl", "/b/plate.stl", "/a/plate.stl", "/c/Plate.stl", "/a/plate.stl"])
    assert again == ["plate-5", "plate-2", "plate", "Plate-3", "plate-4"]


def test_ten_thousand_parts_of_one_name_cost_little_memory(tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("path\n" + "".join(f"p{k % 7}/plate.stl\n" for k in range(10_000)))
    home = Home.of(tmp_path / "out")
    tracemalloc.start()
    assert lay_down(read_rows(tmp_path / "list.csv"), home, {}) == 10_000
    assert sum(1 for _ in read_items(home)) == 10_000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 16e6
    assert len({each.name for each in read_items(home)}) == 10_000


# the ledger


def begun(ledger: Ledger, key: str = "k") -> Started:
    found = ledger.begin("plate", key)
    assert isinstance(found, Started)
    return found


def test_a_start_without_an_end_is_a_kill_in_its_own_run_only(tmp_path: Path) -> None:
    home = Home.of(tmp_path)
    one, two = Ledger(home=home, run="one"), Ledger(home=home, run="two")
    assert [len(begun(one).kills), len(begun(one).kills)] == [0, 1]
    assert len(begun(two).kills) == 0
    assert [kill.cause for kill in begun(two).kills] == [Cause.VANISHED]
    assert len(begun(two).kills) == 2
    assert isinstance(two.begin("plate", "k"), Poisoned)


def test_two_kills_that_left_a_trace_are_enough_in_whatever_runs(tmp_path: Path) -> None:
    for run in ("one", "two"):
        started = begun(Ledger(home=Home.of(tmp_path), run=run))
        Home.of(tmp_path).write(started.log, CRASH.encode())
    found = Ledger(home=Home.of(tmp_path), run="three").begin("plate", "k")
    assert isinstance(found, Poisoned) and [kill.cause for kill in found.kills] == [Cause.CRASH] * 2
    assert "Segmentation fault" in found.kills[0].evidence


def test_a_death_that_was_seen_makes_two_in_all_enough_and_one_of_another_run_still_says_nothing(
    tmp_path: Path,
) -> None:
    other, ledger = (Ledger(home=Home.of(tmp_path), run=run) for run in ("other", "one"))
    begun(other)
    assert not begun(ledger).doubtful
    second = begun(ledger)
    assert second.doubtful
    ledger.died("plate", second, "ended by SIGKILL", step="convert")
    found = ledger.begin("plate", "k")
    assert isinstance(found, Poisoned) and [kill.seen for kill in found.kills] == ["", "ended by SIGKILL"]


def test_a_crash_and_a_worker_that_vanished_are_not_yet_two_of_the_parts_own(tmp_path: Path) -> None:
    ledger = Ledger(home=Home.of(tmp_path), run="one")
    Home.of(tmp_path).write(begun(ledger).log, CRASH.encode())
    begun(ledger)
    assert [kill.cause for kill in begun(ledger).kills] == [Cause.CRASH, Cause.VANISHED]


def test_other_bytes_or_options_begin_anew(tmp_path: Path) -> None:
    ledger = Ledger(home=Home.of(tmp_path), run="one")
    for _ in range(3):
        ledger.begin("plate", "old")
    assert isinstance(ledger.begin("plate", "old"), Poisoned)
    assert begun(ledger, "new") == Started(number=1, log=".batch/logs/plate.convert-1.log", kills=())


def test_the_first_word_on_a_part_is_the_last(tmp_path: Path) -> None:
    ledger = Ledger(home=Home.of(tmp_path), run="one")
    assert ledger.finish("plate", {"key": "k", "iou": 0.5}) == ledger.finish("plate", {"key": "k", "iou": 0.6})
    assert ledger.row("plate", "other") is None and ledger.row("plate") == {"key": "k", "iou": 0.5}


def test_half_a_record_was_never_said(tmp_path: Path) -> None:
    ledger = Ledger(home=Home.of(tmp_path), run="one")
    started = begun(ledger)
    ledger.finish("plate", {"key": "k"})
    for place in (tmp_path / ".batch" / "ledger").iterdir():
        place.write_bytes(place.read_bytes()[:7])
    assert ledger.row("plate") is None and begun(ledger) == started


@pytest.mark.parametrize(
    ("log", "cause"),
    [
        ("", Cause.VANISHED),
        ("plate: 'Timeout (1' is a name\n", Cause.VANISHED),
        (CRASH, Cause.CRASH),
        (CRASH + "  File x\n" * 9000, Cause.CRASH),
        ("a\nTimeout (0:00:04)!\nThread 0x1\n", Cause.TIME),
    ],
)
def test_the_log_tells_how_a_worker_died(log: str, cause: Cause) -> None:
    found, evidence = cause_in(log)
    assert found is cause and len(evidence) < 5100

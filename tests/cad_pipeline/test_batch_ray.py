"""A batch on a local Ray of two cores: crashes, resuming, a model's stages, a Ray Dataset, training rows, chaos."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cad_pipeline import doubles
from cad_pipeline.batch import Batch, Home, Machines, reconstruct_all
from cad_pipeline.batch.cluster import Resources, cluster, refuse_without_gpu, sizes_for
from cad_pipeline.errors import InputError, MissingPieceError
from cad_pipeline.mesh import write_stl
from cad_pipeline.options import Options

pytest.importorskip("ray")

ROOT = Path(__file__).resolve().parents[2]
DOUBLES = "cad_pipeline.batch.doubles"
MACHINES = Machines(workers=2, memory_mb=256, num_gpus=0.0, gpu_workers=1, parts_per_gpu_batch=4)


@pytest.fixture(scope="module")
def ray_of_two() -> Iterator[Resources]:
    """Start a Ray of this machine's own, and end it with all its processes."""
    import ray

    with cluster(cpus=2) as resources:
        yield resources
    assert not ray.is_initialized()


def blocks(folder: Path, *names: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        write_stl(doubles.block(name), folder / f"{name}.stl")
    return folder


def batch(parts: Any, out: Path, **changes: Any) -> Batch:
    settings = {"pipeline": f"{DOUBLES}:hazardous_pipeline", "machines": MACHINES, "part_timeout_s": 60.0}
    return reconstruct_all(parts, out=out, **{**settings, **changes})


def table(out: Path) -> dict[str, dict[str, Any]]:
    import pyarrow.parquet

    return {row["name"]: row for row in pyarrow.parquet.read_table(out / "verdicts.parquet").to_pylist()}


def test_crashing_parts_cost_the_others_nothing_and_nothing_is_done_twice(
    tmp_path: Path, ray_of_two: Resources
) -> None:
    parts, out = blocks(tmp_path / "parts", "plate-1", "poor-2", "segfault-3", "raise-4", "plate-5"), tmp_path / "out"
    (parts / "letter.stl").write_text("Dear reader,\n")
    heard: list[str] = []
    # blocks of several parts: what was finished in a block before its worker died must not be done again
    machines = Machines(workers=2, memory_mb=256, parts_per_block=3)
    done = batch(parts, out, machines=machines, heard=lambda row, tally: heard.append(f"{row['name']} {tally.line()}"))
    assert len(heard) == 6 and heard[-1].split()[1] == "6/6," and "failed 3 (crash 1, input 1, internal 1)" in heard[-1]
    assert (done.accepted, done.tally.accepted, done.tally.mean_iou) == (False, 2, pytest.approx(0.9633, abs=1e-3))
    rows = table(out)
    assert {name: row["failure"] for name, row in rows.items()} == {
        "letter": "input",
        "plate-1": None,
        "plate-5": None,
        "poor-2": None,
        "raise-4": "internal",
        "segfault-3": "crash",
    }
    assert rows["segfault-3"]["status"] == "quarantined" and rows["segfault-3"]["kills"] == 2
    ledger = sorted(path.name for path in (out / ".batch" / "ledger").glob("*.convert-*"))
    assert ledger == [
        f"{name}.convert-{k}.json" for name in sorted(rows) for k in ((1, 2) if rows[name]["kills"] else (1,))
    ]
    assert "</svg>" in (out / "summary.html").read_text() and not (out / ".batch" / "work").exists()

    with pytest.raises(InputError, match="use --resume, --overwrite"):
        batch(parts, out)
    (out / ".batch" / "ledger" / "poor-2.row.json").unlink()
    (out / "poor-2" / "report.json").unlink()
    for left in (out / "poor-2").iterdir():
        left.unlink()
    (out / "poor-2").rmdir()
    blocks(parts, "late-6")
    again = batch(parts, out, existing="resume")
    assert (again.tally.parts, again.tally.taken_over) == (7, 5)
    with pytest.raises(InputError, match="found nothing at"):
        batch(tmp_path / "gone", out, existing="overwrite")
    kept = {name: row for name, row in table(out).items() if name not in ("late-6", "poor-2")}
    assert {name: {**row, "number": 0} for name, row in kept.items()} == {
        name: {**row, "number": 0} for name, row in rows.items() if name != "poor-2"
    }


def test_a_model_writes_for_several_parts_and_the_one_that_kills_it_is_found(
    tmp_path: Path, ray_of_two: Resources
) -> None:
    import ray.data

    parts = blocks(tmp_path / "parts", "plate-1", "plate-2", "gpu_segfault-3", "raise-4")
    (parts / "letter.stl").write_text("Dear reader,\n")
    listed = [{"path": str(path), "name": path.stem} for path in sorted(parts.iterdir())]
    dataset = ray.data.from_items(listed, override_num_blocks=1)
    batch(dataset, tmp_path / "out", writer=f"{DOUBLES}:hazardous_writer", options=Options(min_iou=0.97))
    rows = table(tmp_path / "out")
    assert list(rows) == sorted(rows, key=str.lower)
    failures = {name: row["failure"] for name, row in rows.items() if row["failure"]}
    # the written programs are accepted, so that part 4's own generator is never asked
    assert failures == {"gpu_segfault-3": "crash", "letter": "input"}
    assert rows["raise-4"]["generator"].startswith("written#0.0") and rows["raise-4"]["iou"] == pytest.approx(0.99)
    assert rows["gpu_segfault-3"]["status"] == "quarantined"


def test_accepted_parts_become_training_rows(tmp_path: Path, ray_of_two: Resources) -> None:
    from cad_pipeline.batch.export import export_rows
    from cad_pipeline.training.rows import RowFiles

    parts = blocks(tmp_path / "parts", "plate-1", "plate-2", "poor-3")
    batch(parts, tmp_path / "out")
    for name in ("plate-1", "plate-2"):
        place = tmp_path / "out" / name
        (place / f"{name}.stl").write_bytes((parts / f"{name}.stl").read_bytes())
        (place / f"{name}.py").write_text("result = cq.Workplane().box(30, 20, 10)\n")
    assert export_rows(Home.of(tmp_path / "out"), tmp_path / "rows.parquet", drawers=1) == 1
    [example] = list(RowFiles([tmp_path / "rows.parquet"]))
    assert example.program.startswith("result =") and len(example.views) == 8


@pytest.mark.slow
def test_a_broken_machine_ends_the_batch_with_its_cure(tmp_path: Path, ray_of_two: Resources) -> None:
    parts = blocks(tmp_path / "parts", "plate-1", "plate-2")
    with pytest.raises(MissingPieceError, match="No module named 'nowhere'"):
        batch(parts, tmp_path / "out", pipeline="nowhere:at_all")
    assert batch(parts, tmp_path / "out", existing="resume").accepted


def test_sizes_follow_from_cores_memory_and_gpus_and_can_be_told() -> None:
    box = Resources(cpus=32.0, gpus=2.0, memory_bytes=64 * 2.0**30)
    assert sizes_for(Machines(), box, 1000).workers == 32
    assert sizes_for(Machines(memory_mb=4096), box, 1000).workers == 16
    assert sizes_for(Machines(), box, 5).workers == 5
    assert sizes_for(Machines(num_gpus=0.5), box, 1000).gpu_workers == 4
    assert sizes_for(Machines(memory_mb=10**6), box, 1000).memory_bytes < 64 * 2**30
    told = sizes_for(Machines(workers=7, gpu_workers=1), box, 1000)
    assert (told.workers, told.gpu_workers, told.viewers) == (7, 1, 1)


def test_a_model_without_a_gpu_is_refused_and_not_waited_for() -> None:
    none = Resources(cpus=2.0, gpus=0.0, memory_bytes=2.0**33)
    with pytest.raises(MissingPieceError, match="--num-gpus 0 --device cpu"):
        refuse_without_gpu(1.0, none, None)
    refuse_without_gpu(0.0, none, None)
    refuse_without_gpu(1.0, none, "auto")


def test_without_ray_the_command_says_the_cure(tmp_path: Path) -> None:
    code = "import sys; sys.modules['ray'] = None; from cad_pipeline.cli import main; main()"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, "-c", code, "batch", str(blocks(tmp_path, "plate")), "-o", str(tmp_path / "out")]
    run = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120)
    assert run.returncode == 3 and run.stderr.splitlines()[-1].endswith("pip install 'cad-pipeline[ray]'")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.parametrize("seed", [7, 8])
def test_kills_at_random_moments_change_nothing_in_the_table(seed: int) -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / "batch_chaos.py"), "--parts", "20", "--seed", str(seed)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    run = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=1800)
    assert run.returncode == 0, run.stdout + run.stderr
    report = json.loads(run.stdout)
    assert sum(report["kills"].values()) >= 1 and report["survivors"] == 0


@pytest.mark.slow
def test_an_interrupted_command_goes_on_with_resume(tmp_path: Path) -> None:
    parts = blocks(tmp_path / "parts", *(f"plate-{k}" for k in range(6)))
    (tmp_path / "slow.py").write_text(
        "import time\ntime.sleep(3)\nimport cadquery as cq\nr = cq.Workplane().box(3, 2, 1)\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, "-m", "cad_pipeline.cli", "batch", str(parts), "-o", str(tmp_path / "out")]
    command += ["--generator", str(tmp_path / "slow.py"), "--workers", "1", "--memory-mb", "512"]
    first = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True, cwd=tmp_path)
    deadline = time.monotonic() + 300
    while not list((tmp_path / "out").glob(".batch/ledger/*.row.json")) and time.monotonic() < deadline:
        time.sleep(0.2)
    first.send_signal(signal.SIGINT)
    _, told = first.communicate(timeout=120)
    assert first.returncode == 130 and "interrupted" in told
    finished = {path.name for path in (tmp_path / "out" / ".batch" / "ledger").glob("*.row.json")}
    assert 0 < len(finished) < 6
    second = subprocess.run([*command, "--resume"], capture_output=True, text=True, env=environment, timeout=600)
    assert second.returncode == 1, second.stderr
    assert len(table(tmp_path / "out")) == 6
    starts = [path.name for path in (tmp_path / "out" / ".batch" / "ledger").glob("*.convert-*")]
    assert 6 <= len(starts) <= 7

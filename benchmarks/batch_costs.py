"""What a batch costs beside the work itself: time a part, speed-up of a second worker, memory of a long manifest.

    python benchmarks/batch_costs.py                # overhead, speed-up, memory (some minutes)
    python benchmarks/batch_costs.py --only real    # the ten samples through the real pipeline, one and two workers

Each figure is taken in a process of its own. Times are read between the first and the last row, so that the start of
Ray, some seconds, is told apart. Ratios are of runs that followed one another; the load of the machine stands beside.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
HAZARDS = "cad_pipeline.batch.doubles:hazardous_pipeline"
MANY_ROWS = 10_000


def main() -> int:
    """Take the figures that were asked for and print them."""
    options = arguments()
    if options.take:
        sys.stdout.write(json.dumps(TAKERS[options.take](**json.loads(options.settings))) + "\n")
        return 0
    report: dict[str, Any] = {}
    for name in options.only or ("overhead", "speedup", "manifest"):
        report[name] = {**MEASURES[name](), "load": round(os.getloadavg()[0], 1)}
        sys.stderr.write(f"{name}: {json.dumps(report[name])}\n")
    sys.stdout.write(json.dumps(report, indent=2) + "\n")
    return 0


def overhead() -> dict[str, Any]:
    """Compare cheap parts in a plain loop, through a worker without Ray, and through Ray in small and large blocks."""
    count = 120
    plain = take("plain", kind="plate", count=count)
    ledger = take("worker", kind="plate", count=count)
    ones = take("batch", kind="plate", count=count, workers=1, block=1)
    twenties = take("batch", kind="plate", count=count, workers=1, block=20)
    return {
        "parts": count,
        "plain_loop_ms": plain["each_ms"],
        "with_ledger_ms": ledger["each_ms"],
        "ray_blocks_of_1_ms": ones["each_ms"],
        "ray_blocks_of_20_ms": twenties["each_ms"],
        "ray_start_s": ones["start_s"],
    }


def speedup() -> dict[str, Any]:
    """Compare one and two workers on parts that wait and on parts that compute, each for 0.4 s."""
    found: dict[str, Any] = {}
    for kind in ("wait", "busy"):
        # cores that are shared with other work make the second of these figures worthless; the load stands beside it
        one, two = (take("batch", kind=kind, count=48, workers=workers, block=4) for workers in (1, 2))
        found[f"{kind}_speedup"] = round(one["each_ms"] / two["each_ms"], 2)
        found[f"{kind}_parts_per_hour_of_two"] = round(3.6e6 / two["each_ms"])
    return found


def manifest() -> dict[str, Any]:
    """Measure the memory of laying down and reading a manifest, and of the driver of a whole batch, short and long."""
    laid = take("lay_down", count=MANY_ROWS)
    short, long = (take("missing", count=count) for count in (100, MANY_ROWS))
    return {
        "rows": MANY_ROWS,
        "lay_down_mb": laid["grown_mb"],
        "lay_down_s": laid["seconds"],
        "driver_peak_mb_100_rows": short["peak_mb"],
        "driver_peak_mb": long["peak_mb"],
        "batch_s": long["seconds"],
    }


def real() -> dict[str, Any]:
    """Convert the ten samples with the defaults, by one worker and by two."""
    one, two = (take("samples", workers=workers) for workers in (1, 2))
    return {
        "speedup": round(one["work_s"] / two["work_s"], 2),
        "parts_per_hour_of_one": one["parts_per_hour"],
        "parts_per_hour_of_two": two["parts_per_hour"],
        "mean_iou": two["mean_iou"],
    }


def take_plain(*, kind: str, count: int) -> dict[str, Any]:
    """Convert in a loop, as `convert` does."""
    from cad_pipeline.batch.doubles import hazardous_pipeline
    from cad_pipeline.facade import convert
    from cad_pipeline.mesh import read_mesh
    from cad_pipeline.options import Options
    from cad_pipeline.store import Store

    with tempfile.TemporaryDirectory() as folder:
        parts = sorted(make_parts(Path(folder), kind, count).iterdir())
        options, store = Options(), Store(root=Path(folder) / "out")
        pipeline = hazardous_pipeline(options)

        def one(part: Path) -> None:
            convert(read_mesh(part), name=part.stem, options=options, store=store, pipeline=pipeline)

        return timed(one, parts)


def take_worker(*, kind: str, count: int) -> dict[str, Any]:
    """Convert in a loop through a batch's worker: identity, ledger, log, bounds and fsync included."""
    from cad_pipeline.batch.job import Job
    from cad_pipeline.batch.manifest import Item
    from cad_pipeline.batch.worker import Worker

    with tempfile.TemporaryDirectory() as folder:
        parts = sorted(make_parts(Path(folder), kind, count).iterdir())
        worker = Worker(job=Job(out=str(Path(folder) / "out"), run="costs", pipeline=HAZARDS))
        return timed(lambda part: worker.convert(Item(number=0, name=part.stem, path=str(part))), parts)


def timed(one: Any, parts: list[Path]) -> dict[str, Any]:
    """Time a loop over all parts but the first, which pays for imports."""
    one(parts[0])
    started = time.perf_counter()
    for part in parts[1:]:
        one(part)
    return {"each_ms": round(1000.0 * (time.perf_counter() - started) / (len(parts) - 1), 1)}


def take_batch(*, kind: str, count: int, workers: int, block: int) -> dict[str, Any]:
    """Convert as a batch; the time a part is taken from the end of the first blocks on."""
    from cad_pipeline.batch import Machines, reconstruct_all

    times: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        reconstruct_all(
            make_parts(Path(folder), kind, count),
            out=Path(folder) / "out",
            pipeline=HAZARDS,
            machines=Machines(workers=workers, memory_mb=256, parts_per_block=block),
            heard=lambda row, tally: times.append(time.perf_counter()),
        )
    first = workers * block
    each = (times[-1] - times[first - 1]) / (len(times) - first)
    return {"each_ms": round(1000.0 * each, 1), "start_s": round(times[0] - started, 1)}


def take_lay_down(*, count: int) -> dict[str, Any]:
    """Lay down a manifest and walk over it."""
    from cad_pipeline.batch.filesystems import Home, pyarrow_here
    from cad_pipeline.batch.manifest import lay_down, read_items, read_rows

    pyarrow_here()
    with tempfile.TemporaryDirectory() as folder:
        place = missing(Path(folder), count)
        home, before, started = Home.of(Path(folder) / "out"), peak_mb(), time.perf_counter()
        lay_down(read_rows(place), home, {})
        rows = sum(1 for _ in read_items(home))
        assert rows == count
        return {"grown_mb": round(peak_mb() - before, 1), "seconds": round(time.perf_counter() - started, 2)}


def take_missing(*, count: int) -> dict[str, Any]:
    """Run a batch of files that are not there: all the machinery, and no work."""
    from cad_pipeline.batch import Machines, reconstruct_all

    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        batch = reconstruct_all(
            missing(Path(folder), count),
            out=Path(folder) / "out",
            pipeline=HAZARDS,
            machines=Machines(workers=2, memory_mb=256, parts_per_block=50),
        )
        assert batch.tally.failures["unreadable"] == count
        return {"peak_mb": round(peak_mb()), "seconds": round(time.perf_counter() - started, 1)}


def take_samples(*, workers: int) -> dict[str, Any]:
    """Convert the samples with the real pipeline."""
    from cad_pipeline.batch import Machines, reconstruct_all

    times: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        batch = reconstruct_all(
            ROOT / "samples" / "meshes",
            out=Path(folder) / "out",
            machines=Machines(workers=workers),
            heard=lambda row, tally: times.append(time.perf_counter()),
        )
        work_s = times[-1] - started
    rate = 3600.0 * len(times) / work_s
    return {"work_s": work_s, "parts_per_hour": round(rate), "mean_iou": round(batch.tally.mean_iou or 0.0, 4)}


def take(what: str, **settings: Any) -> dict[str, Any]:
    """Take a figure in a fresh process."""
    command = [sys.executable, __file__, "--take", what, "--settings", json.dumps(settings)]
    # Ray's workers are nicer than a plain loop unless told otherwise, and would lose to whatever else runs here
    environment = {"RAY_worker_niceness": "0", **os.environ}
    environment["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    run = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=3600)
    if run.returncode != 0:
        raise SystemExit(f"{what} failed:\n{run.stderr[-3000:]}")
    found: dict[str, Any] = json.loads(run.stdout.splitlines()[-1])
    return found


def peak_mb() -> float:
    """Say how much memory this process has held at most, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000.0


def missing(folder: Path, count: int) -> Path:
    """Write a manifest of files that are not there."""
    place = folder / "list.csv"
    place.write_text("path\n" + "".join(f"shelf-{k // 100}/part-{k}.stl\n" for k in range(count)))
    return place


def make_parts(folder: Path, kind: str, count: int) -> Path:
    """Write blocks that are named for what they do."""
    from cad_pipeline.doubles import block
    from cad_pipeline.mesh import write_stl

    place = folder / "parts"
    place.mkdir()
    for number in range(count):
        name = f"{kind}-{number:04d}"
        write_stl(block(name, 1.0 + number / 100.0), place / f"{name}.stl")
    return place


MEASURES = {"overhead": overhead, "speedup": speedup, "manifest": manifest, "real": real}
TAKERS = {
    "plain": take_plain,
    "worker": take_worker,
    "batch": take_batch,
    "lay_down": take_lay_down,
    "missing": take_missing,
    "samples": take_samples,
}


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="*", choices=MEASURES)
    parser.add_argument("--take", choices=TAKERS, help=argparse.SUPPRESS)
    parser.add_argument("--settings", default="{}", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())

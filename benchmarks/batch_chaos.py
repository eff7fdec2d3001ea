"""Kills workers, the driver and the node of a batch at random moments, and compares its table with a quiet run's.

    python benchmarks/batch_chaos.py                      # 200 parts, some of which crash, hang or eat memory
    python benchmarks/batch_chaos.py --parts 20 --seed 7  # the version that the tests run

The parts are blocks on the pipeline of hazards (`cad_pipeline.batch.doubles`), so a part costs milliseconds and the
machinery is what is measured. Exit code 1 if a part was lost, done twice, or came to something else.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HAZARDS = "cad_pipeline.batch.doubles:hazardous_pipeline"
# of twenty parts; the rest are plates
MIX = ("hang", "segfault", "bomb", "vanish", "letter", "empty", "poor", "raise", "busy", "busy", "wait", "wait")
MARK = "CAD_PIPELINE_CHAOS"
PART_TIMEOUT_S = 6.0
GIVE_UP_S = 1800.0


def main() -> int:
    """Run quietly, run under fire, compare, and print what happened."""
    options = arguments()
    if options.drive:
        return drive(Path(options.drive), Path(options.out), options.existing)
    with tempfile.TemporaryDirectory(prefix="cad-pipeline-chaos-") as folder:
        root = Path(folder)
        parts = make_parts(root / "parts", options.parts)
        started = time.monotonic()
        quiet = Run(parts=parts, out=root / "quiet")
        quiet.start("refuse")
        quiet.wait()
        quiet_s = time.monotonic() - started
        started = time.monotonic()
        rough = Run(parts=parts, out=root / "rough")
        kills = under_fire(rough, random.Random(options.seed), schedule(options.parts, random.Random(options.seed)))
        rough_s = time.monotonic() - started
        report = {
            "parts": options.parts,
            "seed": options.seed,
            "quiet_s": round(quiet_s, 1),
            "rough_s": round(rough_s, 1),
            "kills": dict(Counter(kill.target for kill in kills)),
            "recovery_s": recoveries(kills),
            **compare(quiet, rough, options.parts),
            "survivors": len(quiet.mine()) + len(rough.mine()),
            "load": round(os.getloadavg()[0], 1),
        }
        if options.keep:
            shutil.copytree(root, options.keep, symlinks=True)
    sys.stdout.write(json.dumps(report, indent=2) + "\n")
    sound = not report["lost"] and not report["different"] and not report["twice"] and not report["survivors"]
    return 0 if sound else 1


def drive(parts: Path, out: Path, existing: str) -> int:
    """Be the driver of one run: this is the process that gets killed."""
    from cad_pipeline.batch import Machines, reconstruct_all

    batch = reconstruct_all(
        parts,
        out=out,
        existing=existing,
        pipeline=HAZARDS,
        machines=Machines(workers=2, memory_mb=512),
        part_timeout_s=PART_TIMEOUT_S,
        part_memory_mb=512,
    )
    return 0 if batch.tally.done == batch.tally.parts else 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """What was killed, and how long it took until the next part was finished; None if it was the end."""

    target: str
    recovered_s: float | None


@dataclass(kw_only=True)
class Run:
    """A driver with all its processes, known by a mark in their environment."""

    parts: Path
    out: Path
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)
    process: subprocess.Popen[bytes] | None = None

    def start(self, existing: str) -> None:
        """Start a driver."""
        command = [sys.executable, __file__, "--drive", str(self.parts), "--out", str(self.out), "--existing", existing]
        environment = {**os.environ, MARK: self.mark, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        self.out.parent.mkdir(parents=True, exist_ok=True)
        with (self.out.parent / f"{self.out.name}.log").open("ab") as log:
            self.process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)

    def wait(self) -> None:
        """Wait for the driver's own end, which must be a good one."""
        assert self.process is not None
        if self.process.wait(timeout=GIVE_UP_S) != 0:
            log = (self.out.parent / f"{self.out.name}.log").read_text(errors="replace")
            raise SystemExit(f"expected the batch to end well, got exit {self.process.returncode}:\n{log[-3000:]}")
        self.settle()

    def ended(self) -> bool:
        """Say whether the driver has ended."""
        return self.process is not None and self.process.poll() is not None

    def settle(self, patience_s: float = 20.0) -> None:
        """Give the processes of an ended driver time to end as well."""
        deadline = time.monotonic() + patience_s
        while self.mine() and time.monotonic() < deadline:
            time.sleep(0.2)

    def mine(self) -> dict[int, str]:
        """List the processes of this run with their command lines."""
        found = {}
        wanted = f"{MARK}={self.mark}".encode()
        for place in Path("/proc").glob("[0-9]*"):
            try:
                if wanted in (place / "environ").read_bytes().split(b"\0"):
                    words = (place / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                    if words:
                        found[int(place.name)] = words
            # it ended while we looked
            except OSError:
                continue
        return found

    def finished(self) -> int:
        """Count the rows that are noted."""
        return len(list((self.out / ".batch" / "ledger").glob("*.row.json")))

    def table(self) -> dict[str, dict[str, Any]]:
        """Read the table of verdicts by name."""
        import pyarrow.parquet

        return {row["name"]: row for row in pyarrow.parquet.read_table(self.out / "verdicts.parquet").to_pylist()}


def under_fire(run: Run, chance: random.Random, targets: Sequence[str]) -> list[Kill]:
    """Run a batch to its end while killing one thing after another; go on with --resume whenever the driver is gone."""
    kills: list[Kill] = []
    run.start("refuse")
    for target in targets:
        before = run.finished()
        wait_until(run, lambda before=before: run.finished() > before)
        time.sleep(chance.uniform(0.0, 1.5))
        if run.ended():
            break
        at = time.monotonic()
        if not strike(run, target, chance):
            continue
        if target != "worker":
            assert run.process is not None
            stop_driver(run)
            run.settle()
            run.start("resume")
        before = run.finished()
        wait_until(run, lambda before=before: run.finished() > before)
        kills.append(Kill(target=target, recovered_s=time.monotonic() - at if run.finished() > before else None))
    run.wait()
    return kills


def strike(run: Run, target: str, chance: random.Random) -> bool:
    """Send SIGKILL to one process of that kind; False if there is none."""
    assert run.process is not None
    if target == "driver":
        victims = [run.process.pid]
    else:
        wanted = "raylet/raylet" if target == "node" else "ray::MapWorker"
        victims = sorted(pid for pid, words in run.mine().items() if wanted in words)
    if not victims:
        return False
    try:
        os.kill(chance.choice(victims), signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def stop_driver(run: Run) -> None:
    """See the driver's end; one that lost its node may wait for it for ever, and is interrupted as a person would."""
    assert run.process is not None
    for word in (None, signal.SIGINT, signal.SIGKILL):
        if word is not None:
            run.process.send_signal(word)
        try:
            run.process.wait(timeout=20.0)
            return
        except subprocess.TimeoutExpired:
            continue


def wait_until(run: Run, happened: Any) -> None:
    """Wait until something happened, or the driver has ended."""
    deadline = time.monotonic() + GIVE_UP_S
    while not happened() and not run.ended():
        if time.monotonic() > deadline:
            raise SystemExit(f"expected the batch to go on, got nothing for {GIVE_UP_S:.0f} s")
        time.sleep(0.05)


def schedule(parts: int, chance: random.Random) -> list[str]:
    """Choose what is killed, in order: a worker for every ten parts, three drivers, two nodes; fewer of few parts."""
    few = parts < 100
    targets = ["worker"] * max(2, parts // 10) + ["driver"] * (1 if few else 3) + ["node"] * (1 if few else 2)
    chance.shuffle(targets)
    return targets


def recoveries(kills: Sequence[Kill]) -> dict[str, dict[str, float]]:
    """Give the seconds from each kind of kill to the next finished part."""
    seconds: dict[str, list[float]] = defaultdict(list)
    for kill in kills:
        if kill.recovered_s is not None:
            seconds[kill.target].append(kill.recovered_s)
    return {k: {"median": round(statistics.median(v), 1), "longest": round(max(v), 1)} for k, v in seconds.items()}


def compare(quiet: Run, rough: Run, parts: int) -> dict[str, Any]:
    """Compare the tables but for what differs between any two runs, and look for parts that were done twice."""
    from cad_pipeline.batch.rows import FLEETING

    one, two = (
        {name: {k: v for k, v in row.items() if k not in FLEETING} for name, row in run.table().items()}
        for run in (quiet, rough)
    )
    different = {
        name: [(key, row[key], two.get(name, {}).get(key)) for key in row if row[key] != two.get(name, {}).get(key)]
        for name, row in one.items()
        if row != two.get(name)
    }
    return {
        "lost": sorted({*one} ^ {*two}) if len(one) == len(two) == parts else [f"{len(one)} and {len(two)} of {parts}"],
        "different": different,
        "twice": [*started_after_the_end(quiet.out), *started_after_the_end(rough.out)],
        "failures": dict(Counter(row["failure"] or "none" for row in one.values())),
    }


def started_after_the_end(out: Path) -> Iterator[str]:
    """Name the parts that a worker began although they were finished."""
    for row in (out / ".batch" / "ledger").glob("*.row.json"):
        name = row.name.removesuffix(".row.json")
        for start in row.parent.glob(f"{name}.convert-*.json"):
            if json.loads(start.read_text())["time"] > row.stat().st_mtime:
                yield name


def make_parts(folder: Path, count: int) -> Path:
    """Write blocks of different sizes, named for what they do to a worker, and files that are no meshes."""
    from cad_pipeline.doubles import block
    from cad_pipeline.mesh import write_stl

    folder.mkdir(parents=True)
    for number in range(count):
        kind = dict(enumerate(MIX)).get(number % 20, "plate")
        place = folder / f"{kind}-{number:04d}.stl"
        if kind in ("letter", "empty"):
            place.write_text("Dear reader,\n" if kind == "letter" else "")
            continue
        write_stl(block(place.stem, 1.0 + number / 100.0), place)
    return folder


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--parts", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", help="copy parts, results and logs into this new folder")
    parser.add_argument("--drive", help=argparse.SUPPRESS)
    parser.add_argument("--out", help=argparse.SUPPRESS)
    parser.add_argument("--existing", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())

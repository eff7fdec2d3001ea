"""Disturbs the numbers of programs that fit their mesh, lets the refiner fit them again, and tells how well it did.

    python benchmarks/refining.py out/bench --parts 12           # ../shared/bench holds parts/<id>.stl
    python benchmarks/refining.py out/bench --what literals      # the numbers without a name, named ones kept

Taken are the feature programs whose report says an IoU of at least 0.99. Each number is multiplied by 0.99 or 1.01, by
the seed; counts and zeros stay. The refiner has the same stage as in the plans that use it, and starts from the
disturbed program alone, with 0.99 as the least IoU that is accepted, whatever a coarse mesh might forgive; a program
that is accepted as it is, or that the refiner made no better, keeps its IoU, and one that does not build has 0. Runs
are those of the sandbox, the judged ones included.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cad_pipeline.errors import InputError
from cad_pipeline.generators.number_fit import Effort
from cad_pipeline.generators.numbers_in_text import numbers_of, with_numbers
from cad_pipeline.generators.refine import RefineGenerator
from cad_pipeline.generators.scripted import ScriptedGenerator
from cad_pipeline.mesh import read_mesh
from cad_pipeline.pipeline import Pipeline, Stage
from cad_pipeline.values import Target
from cad_pipeline.verify import MeshVerifier, Tolerance
from cad_sandbox import Execution, ForkServerSandbox, Limits

ROOT = Path(__file__).resolve().parent.parent
SET = ROOT.parent / "shared" / "bench"
LEAST_IOU, GOAL = 0.99, 0.90
MOST_NUMBERS = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One program: how many numbers were disturbed, IoU with the mesh before and after, and what the fit cost."""

    part: str
    numbers: int
    before: float
    after: float
    runs: int
    seconds: float
    words: str


@dataclass(slots=True)
class Counting:
    """A sandbox that counts its runs."""

    sandbox: ForkServerSandbox
    runs: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, source: str, folder: Path, /, *, limits: Limits | None = None) -> Execution:
        """Count, and run."""
        with self._lock:
            self.runs += 1
        return self.sandbox.run(source, folder, limits=limits)

    def close(self) -> None:
        """Close the sandbox."""
        self.sandbox.close()


def main() -> int:
    """Disturb and refine each chosen program, and print a row for each and the totals."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("results", type=Path, help="folder with <id>/<id>.py and <id>/report.json")
    parser.add_argument("--set", type=Path, default=SET, help="folder with parts/<id>.stl")
    parser.add_argument("--parts", type=int, default=0, metavar="N", help="only so many programs, chosen by the seed")
    parser.add_argument("--what", choices=("parameters", "literals"), default="parameters", help="what is disturbed")
    parser.add_argument("--change", type=float, default=0.01, help="share by which a number is disturbed")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2, help="programs of the fit at once")
    options = parser.parse_args()
    programs = chosen(options.results, options.set)
    if options.parts:
        programs = sorted(random.Random(options.seed).sample(programs, min(options.parts, len(programs))))
    print(f"{'part':44} {'numbers':>7} {'before':>7} {'after':>7} {'runs':>5} {'s':>6}")
    rows = []
    with ForkServerSandbox(workers=options.workers) as sandbox:
        for program in programs:
            row = refined(program, options, Counting(sandbox))
            if row is not None:
                rows.append(row)
                print_row(row)
    if not rows:
        sys.stderr.write(f"expected programs with IoU ≥ {LEAST_IOU} and their meshes, found none; say --set FOLDER\n")
        return 2
    print_totals(rows)
    return 0


def chosen(results: Path, folder: Path) -> list[Path]:
    """List the feature programs that fit their mesh, and whose mesh is there."""
    found = []
    for path in sorted(results.glob("*/report.json")):
        report = json.loads(path.read_text(encoding="utf-8"))
        program, mesh = path.with_name(f"{path.parent.name}.py"), folder / "parts" / f"{path.parent.name}.stl"
        features = report.get("grade") in ("parametric", "approximate") and (report.get("iou") or 0.0) >= LEAST_IOU
        if features and program.is_file() and mesh.is_file():
            found.append(program)
    return found


def refined(program: Path, options: argparse.Namespace, sandbox: Counting) -> Row | None:
    """Disturb one program and let the refiner have it; None if there is no number to disturb, or no mesh."""
    source = program.read_text(encoding="utf-8")
    disturbed, count = disturb(source, options.what, options.change, f"{options.seed} {program.stem}")
    try:
        mesh = read_mesh(options.set / "parts" / f"{program.stem}.stl")
    except InputError:
        return None
    if not count:
        return None
    refiner = RefineGenerator(sandbox=sandbox, effort=Effort(workers=options.workers))
    pipeline = Pipeline(
        plan=(Stage(ScriptedGenerator((disturbed,))), Stage(refiner, rounds=2, samples=2)),
        sandbox=sandbox,
        verifier=MeshVerifier(tolerance=Tolerance(min_iou=LEAST_IOU, max_forgiven_iou=0.0)),
        workers=options.workers,
    )
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        done = pipeline.reconstruct(Target(mesh=mesh), Path(folder))
    ious = [attempt.verdict.iou or 0.0 for attempt in done.attempts]
    first = done.attempts[0]
    if not first.execution.built:
        words = f"disturbed, it does not build: {first.execution.message[:60]}"
    elif first.verdict.accepted:
        words = "accepted as it was"
    else:
        words = (
            "; ".join(a.program.origin.note.rpartition(": ")[2] for a in done.attempts[1:]) or "nothing nearer found"
        )
    return Row(
        part=program.stem,
        numbers=count,
        before=ious[0],
        after=max(ious),
        runs=sandbox.runs,
        seconds=time.monotonic() - started,
        words=words,
    )


def disturb(source: str, what: str, change: float, seed: str) -> tuple[str, int]:
    """Multiply the named lengths, or those without a name, by 1 ± `change`; also tell how many they are."""
    numbers = [n for n in numbers_of(source, MOST_NUMBERS) if bool(n.name) is (what == "parameters")]
    draw = random.Random(seed)
    values = [number.value * (1.0 + draw.choice((-change, change))) for number in numbers]
    return with_numbers(source, numbers, values), len(numbers)


def print_row(row: Row) -> None:
    """Print one program."""
    figures = f"{row.numbers:7} {row.before:7.4f} {row.after:7.4f} {row.runs:5} {row.seconds:6.1f}"
    print(f"{row.part:44} {figures}  {row.words}", flush=True)


def print_totals(rows: Sequence[Row]) -> None:
    """Print how many fit again, the means, and the median cost, beside the goal."""
    again = sum(row.after >= LEAST_IOU for row in rows)
    lost = [row for row in rows if row.before < LEAST_IOU]
    regained = sum(row.after >= LEAST_IOU for row in lost)
    print(
        f"{again} of {len(rows)} at IoU ≥ {LEAST_IOU} after the fit ({again / len(rows):.0%}, goal {GOAL:.0%}), "
        f"{len(rows) - len(lost)} before it; of the {len(lost)} below, {regained} came back; mean IoU "
        f"{statistics.mean(r.before for r in rows):.4f} before, {statistics.mean(r.after for r in rows):.4f} after; "
        f"{statistics.median(r.runs for r in rows):.0f} runs in the middle and {max(r.runs for r in rows)} at most, "
        f"{statistics.median(r.seconds for r in rows):.0f} s and {max(r.seconds for r in rows):.0f} s"
    )


if __name__ == "__main__":
    sys.exit(main())

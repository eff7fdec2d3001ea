"""Converts the whole set of real parts, resumably, and lets the independent judge compare the results with the truth.

    make bench                                     # ../shared/bench, results in out/bench
    python benchmarks/bench.py --only a,b --jobs 1 # some parts, one process
    python benchmarks/bench.py --fresh             # forget earlier results

Each part gets a process of its own and a hard limit on its time; a part whose result still stands is not done again.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
SET = ROOT.parent / "shared" / "bench"
# the calls of CadQuery that make a solid; joining and cutting are not counted
OPERATIONS = frozenset(
    {
        "box",
        "cboreHole",
        "cone",
        "cskHole",
        "cutBlind",
        "cutThruAll",
        "cylinder",
        "extrude",
        "hole",
        "loft",
        "revolve",
        "sphere",
        "sweep",
        "twistExtrude",
        "wedge",
    }
)
MOST_OPERATIONS, LEAST_IOU, GOAL = 15, 0.98, 0.75
MESHES = (".stl", ".obj", ".ply", ".off", ".3mf", ".glb")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What became of one part: its grade, figures, and the seconds that its process took."""

    part: str
    grade: str
    iou: float | None
    wall_s: float
    words: str

    @property
    def taken_over(self) -> bool:
        """Whether an earlier run had done it."""
        return self.words == "taken over"


def main() -> int:
    """Convert, judge, and print the tables."""
    options = arguments()
    parts = chosen(options.parts, options.only)
    if not parts:
        sys.stderr.write(f"expected meshes in {options.parts}, found none; say --parts FOLDER\n")
        return 2
    if options.fresh:
        shutil.rmtree(options.results, ignore_errors=True)
    options.results.mkdir(parents=True, exist_ok=True)
    rows = []
    started = time.monotonic()
    for number, row in enumerate(converted(parts, options), start=1):
        rows.append(row)
        left = (time.monotonic() - started) / number * (len(parts) - number)
        iou = f"{row.iou:.4f}" if row.iou is not None else "  -   "
        print(
            f"[{number:3}/{len(parts)}] {row.part:48} {row.grade:12} IoU {iou} {row.wall_s:6.1f} s  "
            f"{row.words}  ({left / 60:.0f} min left)",
            flush=True,
        )
    if not options.unjudged and options.judge.is_file():
        judge(options)
    print_summary(rows, options.results)
    return 0


def arguments() -> argparse.Namespace:
    """Read the options; each has a default that serves."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--parts", type=Path, default=SET / "parts", help="folder of meshes")
    parser.add_argument("--results", type=Path, default=ROOT / "out" / "bench", help="folder for results")
    parser.add_argument("--judge", type=Path, default=SET / "score.py", help="the program that scores RESULTS")
    parser.add_argument("--only", default="", help="names of parts, separated by commas")
    parser.add_argument("--jobs", type=int, default=2, choices=(1, 2), help="processes at once")
    parser.add_argument("--part-timeout", type=float, default=300.0, metavar="S", help="seconds that one part may take")
    parser.add_argument("--fresh", action="store_true", help="forget earlier results")
    parser.add_argument("--unjudged", action="store_true", help="do not run the judge")
    parser.add_argument("more", nargs="*", help="further options for `cad-pipeline convert`, after --")
    return parser.parse_args()


def chosen(folder: Path, only: str) -> list[Path]:
    """List the meshes of the set, the small files first, so that first results come soon."""
    parts = [path for path in folder.glob("*") if path.suffix.lower() in MESHES] if folder.is_dir() else []
    names = set(only.split(",")) if only else {path.stem for path in parts}
    return sorted((path for path in parts if path.stem in names), key=lambda path: path.stat().st_size)


def converted(parts: Sequence[Path], options: argparse.Namespace) -> Iterator[Row]:
    """Convert the parts, so many at once, and give each row as it comes."""
    with ThreadPoolExecutor(max_workers=options.jobs) as pool:
        futures = [pool.submit(convert, part, options) for part in parts]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def convert(part: Path, options: argparse.Namespace) -> Row:
    """Convert one part in a process group of its own, and end the whole group when its time is up."""
    command = [sys.executable, "-m", "cad_pipeline.cli", "convert", str(part), "-o", str(options.results)]
    command += ["--resume", "--json", *options.more]
    started = time.monotonic()
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        out, told = process.communicate(timeout=options.part_timeout)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        wall_s = time.monotonic() - started
        return Row(part=part.stem, grade="timed out", iou=None, wall_s=wall_s, words="the part's time was up")
    wall_s = time.monotonic() - started
    try:
        record: dict[str, Any] = json.loads(out.splitlines()[-1])
    except (IndexError, ValueError):
        words = (told.strip().splitlines() or ["no output"])[-1]
        return Row(part=part.stem, grade="crashed", iou=None, wall_s=wall_s, words=words)
    words = "taken over" if "taken over" in told else record["reason"] if not record["accepted"] else ""
    return Row(part=part.stem, grade=record["grade"], iou=record["iou"], wall_s=wall_s, words=words[:100])


def judge(options: argparse.Namespace) -> None:
    """Run the independent judge over the results."""
    command = [sys.executable, str(options.judge), str(options.results), "--kinds"]
    command += ["--json", str(options.results / "score.json")]
    subprocess.run([*command, "--only", options.only] if options.only else command, check=False)


def print_summary(rows: Sequence[Row], results: Path) -> None:
    """Print the share of each grade, and the times of the parts' own reports."""
    print(f"\n{len(rows)} parts")
    for grade, count in Counter(row.grade for row in rows).most_common():
        print(f"  {grade:12} {count:4}  {count / len(rows):6.1%}")
    fresh = [row.wall_s for row in rows if not row.taken_over]
    totals = [total for row in rows if (total := reported_s(results / row.part / "report.json")) is not None]
    for words, seconds in (("whole process", fresh), ("inside the process, by report.json", totals)):
        if seconds:
            print(f"  seconds a part, {words}: median {statistics.median(seconds):.1f}, p90 {p90(seconds):.1f}")
    print_programs(rows, results)


def print_programs(rows: Sequence[Row], results: Path) -> None:
    """Print how long the feature programs are, and the share of all parts that a short one comes near."""
    counted = [(row, program(results / row.part)) for row in rows if row.grade in ("parametric", "approximate")]
    sized = [(row.iou or 0.0, operations(source), lines(source)) for row, source in counted if source]
    if not sized:
        return
    made = [count for _, count, _ in sized]
    short = sum(iou > LEAST_IOU and count <= MOST_OPERATIONS for iou, count, _ in sized)
    print(
        f"  operations a feature program: median {statistics.median(made):.0f}, p90 {p90(made):.0f}; "
        f"lines: median {statistics.median(length for _, _, length in sized):.0f}"
    )
    print(
        f"  at most {MOST_OPERATIONS} operations at IoU > {LEAST_IOU}: {short} of {len(rows)} parts "
        f"({short / len(rows):.1%}, goal {GOAL:.0%})"
    )


def program(folder: Path) -> str:
    """Read a result's program; empty if there is none."""
    try:
        return (folder / f"{folder.name}.py").read_text(encoding="utf-8")
    except OSError:
        return ""


def operations(source: str) -> int:
    """Count the calls that make a solid; a pattern of equal solids is one."""
    calls = (node.func for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call))
    return sum(isinstance(call, ast.Attribute) and call.attr in OPERATIONS for call in calls)


def lines(source: str) -> int:
    """Count the lines that are neither empty nor a comment."""
    return sum(bool(line.strip()) and not line.strip().startswith("#") for line in source.splitlines())


def reported_s(report: Path) -> float | None:
    """Read a result's own total seconds, if it has a report."""
    try:
        total = json.loads(report.read_text(encoding="utf-8"))["seconds"]["total"]
    except (OSError, ValueError, KeyError):
        return None
    return float(total) if total is not None else None


def p90(seconds: Sequence[float]) -> float:
    """Give the time that nine of ten parts stay within."""
    return sorted(seconds)[min(len(seconds) - 1, int(0.9 * len(seconds)))]


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.stderr.write("interrupted; run it again to go on\n")
        sys.exit(130)

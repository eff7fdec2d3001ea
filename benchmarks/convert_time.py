"""Times the command line as a user meets it: cold, as a second part, and its help.

    python benchmarks/convert_time.py [PART ...] [--runs 5] [-- OPTIONS OF convert]

Wall and processor seconds are those of the whole process with all its children, median over the runs.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
COMMAND = [sys.executable, "-m", "cad_pipeline.cli"]


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("parts", type=Path, nargs="*", help="two meshes; the first is timed cold, the second warm")
    parser.add_argument("--runs", type=int, default=5)
    own, _, more = split(sys.argv[1:])
    options = parser.parse_args(own)
    parts = options.parts or sorted((ROOT / "samples" / "meshes").glob("*.stl"))[:2]
    if not parts:
        sys.stderr.write("expected a mesh, found no samples/meshes/*.stl; name one\n")
        return 2
    first, second = parts[0], parts[-1]
    with tempfile.TemporaryDirectory() as folder:
        cold, warm_s = [], []
        for run in range(options.runs):
            cold.append(timed(partial(convert, [first], Path(folder) / f"cold-{run}", more)))
            warm_s.append(convert([first, second], Path(folder) / f"warm-{run}", more)[-1])
    bare = [timed(partial(call, [*COMMAND, "--help"])) for _ in range(options.runs)]
    print(f"{'':34} wall s   cpu s   (median of {options.runs}, {os.cpu_count()} cores)")
    print_line(f"convert {first.stem}, cold", cold)
    print(f"{f'convert {second.stem}, second in a process':34} {statistics.median(warm_s):6.2f}")
    print_line("--help", bare)
    return 0


def split(words: list[str]) -> tuple[list[str], str, list[str]]:
    """Part our options from those that are handed on, which stand after `--`."""
    at = words.index("--") if "--" in words else len(words)
    return words[:at], "--", words[at + 1 :]


def convert(parts: list[Path], out: Path, more: list[str]) -> list[float]:
    """Convert parts in one process and return each part's total seconds by its report."""
    lines = call([*COMMAND, "convert", *map(str, parts), "-o", str(out), "--json", "--quiet", *more]).splitlines()
    return [float(json.loads(line)["seconds"]["total"]) for line in lines]


def call(command: list[str]) -> str:
    """Run a command and return its output; below the threshold is as good an end as any here."""
    run = subprocess.run(command, capture_output=True, text=True)
    if run.returncode not in (0, 1):
        raise SystemExit(f"{' '.join(command)} ended with {run.returncode}: {run.stderr.strip()}")
    return run.stdout


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Return wall and processor seconds of the processes that `work` starts and waits for."""
    before, started = os.times(), time.perf_counter()
    work()
    wall_s, after = time.perf_counter() - started, os.times()
    cpu_s = after.children_user + after.children_system - before.children_user - before.children_system
    return wall_s, cpu_s


def print_line(words: str, figures: list[tuple[float, float]]) -> None:
    """Print the medians of one kind of run."""
    wall_s, cpu_s = (statistics.median(each) for each in zip(*figures, strict=True))
    print(f"{words:34} {wall_s:6.2f}  {cpu_s:6.2f}")


if __name__ == "__main__":
    sys.exit(main())

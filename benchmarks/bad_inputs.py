"""Shows what the command line does with a folder of damaged, odd and hostile files.

    python benchmarks/bad_inputs.py [FOLDER]        # default ../shared/bench/bad

FOLDER holds the files and an index.csv with the columns `file` and `good_behaviour`. Every file is converted by a
process of its own; a table of file, exit code, seconds and last words is printed, beside what would be good.
"""

from __future__ import annotations

import argparse
import csv
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    """Convert every file and print the table; the exit code counts tracebacks, hangs and crashes."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", default=ROOT.parent / "shared" / "bench" / "bad")
    parser.add_argument("--part-timeout", type=float, default=120.0, metavar="S")
    options = parser.parse_args()
    index = options.folder / "index.csv"
    if not index.is_file():
        sys.stderr.write(f"expected {index}, found none; name a folder that has one\n")
        return 2
    with index.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    bad = 0
    with tempfile.TemporaryDirectory() as out:
        for row in rows:
            bad += not behaves(options.folder / row["file"], Path(out), options.part_timeout, row["good_behaviour"])
    print(f"\n{len(rows)} files, {bad} of them ended in a traceback, a hang or a crash")
    return 1 if bad else 0


def behaves(path: Path, out: Path, limit_s: float, good: str) -> bool:
    """Convert one file, print its rows, and say whether it came to a civil end."""
    command = [sys.executable, "-m", "cad_pipeline.cli", "convert", str(path), "-o", str(out), "--json"]
    started = time.monotonic()
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=limit_s)
    except subprocess.TimeoutExpired:
        print(f"{path.name:34} HANGS after {limit_s:.0f} s\n    good: {good}", flush=True)
        return False
    wall_s = time.monotonic() - started
    record = last_record(run.stdout)
    volume = f", {record['volume_mm3']:.6g} mm³ in {record['solids']} solids" if record.get("volume_mm3") else ""
    print(f"{path.name:34} exit {run.returncode}  {wall_s:5.1f} s  {record.get('grade', '?')}{volume}")
    print(f"    says: {record.get('reason', run.stderr.strip()[-200:])}")
    for note in record.get("notes", []):
        print(f"    note: {note}")
    print(f"    good: {good}", flush=True)
    return run.returncode in (0, 1, 2) and "Traceback" not in run.stderr and "internal error" not in run.stderr


def last_record(out: str) -> dict[str, Any]:
    """Read the part's record, or nothing if the process wrote none."""
    lines = out.splitlines()
    record: dict[str, Any] = json.loads(lines[-1]) if lines else {}
    return record


if __name__ == "__main__":
    sys.exit(main())

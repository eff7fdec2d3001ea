"""Converts two samples into `out/`, draws one of them, and says where to look."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WANTED = ("counterbored_bracket", "flange")


def main() -> int:
    """Run the same commands that a user would type."""
    os.chdir(ROOT)
    samples = sorted(Path("samples/meshes").glob("*.stl"))
    chosen = [each for each in samples if each.stem in WANTED] or samples[:2]
    if not chosen:
        sys.stderr.write("expected samples/meshes/*.stl, found none; python samples/make_samples.py makes them\n")
        return 2
    code = pipeline("convert", *map(str, chosen), "-o", "out", "--overwrite")
    first = Path("out") / chosen[0].stem
    views = first / "views"
    drawn = pipeline("render", f"{first / first.name}.stl", "-o", str(views), "--size", "384")
    sys.stdout.write("\nLook at:\n")
    for part in chosen:
        folder = Path("out") / part.stem
        report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
        iou = "unknown" if report["iou"] is None else f"{report['iou']:.4f}"
        sys.stdout.write(
            f"  {folder}/{part.stem}.py: the CadQuery program, {len(report['parameters'])} named dimensions\n"
            f"  {folder}/{part.stem}.step: for any CAD system\n"
            f"  {folder}/report.json: grade {report['grade']}, IoU {iou}\n"
        )
    sys.stdout.write(f"  {views}/contact_sheet.png: the first of them from eight sides\n")
    return max(code, drawn)


def pipeline(*arguments: str) -> int:
    """Run the command line, show what is run, and return its exit code."""
    sys.stderr.write(f"$ cad-pipeline {' '.join(arguments)}\n")
    return subprocess.call([sys.executable, "-m", "cad_pipeline.cli", *arguments])


if __name__ == "__main__":
    sys.exit(main())

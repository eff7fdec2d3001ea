"""Converts every sample mesh with the pipeline and keeps what comes out in `samples/results/`.

    .venv/bin/python samples/make_results.py

Programs, STEP files and reports are kept; the STL files can be made from them and are left out.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
UNITS = {"inch_manifold": "inch"}


def main() -> int:
    """Run the command line as a user would, the part in inches with its unit."""
    meshes = sorted((HERE / "meshes").glob("*.stl"))
    worst = 0
    for unit in ("mm", "inch"):
        chosen = [str(m.relative_to(HERE.parent)) for m in meshes if UNITS.get(m.stem, "mm") == unit]
        command = [sys.executable, "-m", "cad_pipeline.cli", "convert", *chosen, "-o", "samples/results"]
        worst = max(worst, subprocess.call([*command, "--unit", unit, "--overwrite"], cwd=HERE.parent))
    for stl in (HERE / "results").glob("*/*.stl"):
        stl.unlink()
    return worst


if __name__ == "__main__":
    sys.exit(main())

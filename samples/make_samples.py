"""Make the sample meshes: run each of `programs/*.py`, write `meshes/<name>.stl` and the table in README.md.

    python samples/make_samples.py            every sample
    python samples/make_samples.py clevis     only that one (the table is then left as it is)

Each program runs in a process of its own and leaves its part in `result`; its numbers are millimetres unless its name
starts with `inch_`.
"""

from __future__ import annotations

import ast
import json
import runpy
import subprocess
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parent
PROGRAMS = FOLDER / "programs"
MESHES = FOLDER / "meshes"
README = FOLDER / "README.md"
TABLE_START, TABLE_END = "<!-- table: written by make_samples.py -->", "<!-- end of table -->"

RELATIVE_DEFLECTION = 5e-4
ANGLE_RAD = 0.3
TIMEOUT_S = 300


def main(names: list[str]) -> int:
    """Make the named samples, or all of them and the table."""
    chosen = [PROGRAMS / f"{name}.py" for name in names] or sorted(PROGRAMS.glob("*.py"))
    MESHES.mkdir(exist_ok=True)
    rows = [make(program) for program in chosen]
    if not names:
        write_table(rows)
    return 0


def make(program: Path) -> dict[str, object]:
    """Run one program in a process of its own and return its row of the table."""
    target = MESHES / f"{program.stem}.stl"
    command = [sys.executable, str(Path(__file__).resolve()), "--build", str(program), str(target)]
    done = subprocess.run(command, check=True, timeout=TIMEOUT_S, capture_output=True, text=True)
    figures = json.loads(done.stdout.strip().splitlines()[-1])
    title = (ast.get_docstring(ast.parse(program.read_text("utf-8"))) or program.stem).splitlines()[0]
    print(f"{program.stem}: {figures['triangles']} triangles")
    return {"name": program.stem, "title": title, "unit": unit_of(program.stem), **figures}


def unit_of(name: str) -> str:
    """Tell in which unit a sample's numbers are."""
    return "inch" if name.startswith("inch_") else "mm"


def build(program: Path, target: Path) -> None:
    """Run `program`, write its part as binary STL and print its figures (in this process)."""
    result = runpy.run_path(str(program))["result"]
    shape = result.val()
    if not shape.isValid() or len(shape.Solids()) != 1:
        raise SystemExit(f"{program.name}: expected one valid solid, got {len(shape.Solids())}")
    box = shape.BoundingBox()
    deflection = RELATIVE_DEFLECTION * box.DiagonalLength
    shape.exportStl(str(target), tolerance=deflection, angularTolerance=ANGLE_RAD, ascii=False, relative=False)
    triangles = (target.stat().st_size - 84) // 50
    print(json.dumps({"size": [box.xlen, box.ylen, box.zlen], "triangles": triangles, "volume": shape.Volume()}))


def write_table(rows: list[dict[str, object]]) -> None:
    """Put the table between its marks in the README; the text around it is kept."""
    lines = ["| part | what it shows | size | unit | triangles |", "|---|---|---|---|---|"]
    for row in rows:
        size = " × ".join(f"{side:.4g}" for side in row["size"])
        program = f"[{row['name']}](programs/{row['name']}.py)"
        lines.append(f"| {program} | {row['title']} | {size} | {row['unit']} | {row['triangles']} |")
    text = README.read_text("utf-8")
    before, rest = text.split(TABLE_START)
    after = rest.split(TABLE_END)[1]
    README.write_text("\n".join([before + TABLE_START, *lines, TABLE_END + after]), "utf-8")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--build"]:
        build(Path(sys.argv[2]), Path(sys.argv[3]))
    else:
        raise SystemExit(main(sys.argv[1:]))

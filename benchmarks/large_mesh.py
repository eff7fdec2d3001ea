"""Converts meshes of a tenth of a million to two million triangles, and tells seconds, memory and what came out.

    python benchmarks/large_mesh.py [--triangles 100000 500000 2000000] [--program samples/programs/flange.py]
                                    [--timeout 600] [-- OPTIONS OF convert]

Two parts of each size: a program's solid, its arcs meshed finely and its flats divided like a scan's, and a sphere
with bumps, that has no features to find. Memory is the highest sum over the command's processes, the sandbox's
included, of the memory that each has to itself or its share of what several have (`Pss`). The goal is a mesh of two
million triangles within a minute; exit code 1 if a conversion ended without a result.
"""

from __future__ import annotations

import argparse
import json
import os
import runpy
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cad_pipeline.mesh import write_stl
from cad_pipeline.values import Mesh

ROOT = Path(__file__).resolve().parent.parent
GOAL_S = 60.0
# halvings of every edge after the solid was meshed: each makes four triangles of one
HALVINGS = 2
Triangles = tuple[NDArray[np.float64], NDArray[np.int64]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One conversion: its part, triangles, wall seconds, highest memory in MB, and what its report says."""

    part: str
    triangles: int
    wall_s: float
    peak_mb: float
    grade: str
    iou: float | None
    lines: int | None
    stages: dict[str, float]


def main() -> int:
    """Make the meshes, convert each, and print a row for each and the worst figures."""
    own, more = split(sys.argv[1:])
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--triangles", type=int, nargs="+", default=[100_000, 500_000, 2_000_000])
    parser.add_argument("--program", type=Path, default=ROOT / "samples" / "programs" / "flange.py")
    parser.add_argument("--timeout", type=float, default=600.0, metavar="S", help="seconds that one may take")
    options = parser.parse_args(own)
    makers: list[tuple[str, Callable[[int], Triangles]]] = [
        (options.program.stem, lambda count: meshed(options.program, count)),
        ("bumpy_sphere", bumpy_sphere),
    ]
    rows = []
    print(f"{'part':24} {'triangles':>9} {'wall s':>7} {'MB':>6}  {'grade':12} {'IoU':>6} {'lines':>5}  slowest stages")
    with tempfile.TemporaryDirectory(prefix="large-mesh-") as folder:
        for count in options.triangles:
            for name, make in makers:
                path = Path(folder) / f"{name}_{count}.stl"
                vertices, faces = make(count)
                write_stl(Mesh(name=name, vertices=vertices, faces=faces), path)
                rows.append(convert(path, Path(folder) / "out", options.timeout, more))
                path.unlink()
                print_row(rows[-1])
    slowest, largest = max(rows, key=lambda r: r.wall_s), max(rows, key=lambda r: r.peak_mb)
    built = sum(row.iou is not None for row in rows)
    print(
        f"{built} of {len(rows)} converted; slowest {slowest.wall_s:.0f} s ({slowest.triangles} triangles, goal "
        f"{GOAL_S:.0f} s at 2 million), most memory {largest.peak_mb:.0f} MB ({largest.triangles} triangles)"
    )
    return int(built < len(rows))


def split(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Part our options from those of `convert`, which stand after `--`."""
    at = words.index("--") if "--" in words else len(words)
    return list(words[:at]), list(words[at + 1 :])


def print_row(row: Row) -> None:
    """Print one conversion, with the stages that took the most of its time."""
    iou = "-" if row.iou is None else f"{row.iou:.4f}"
    stages = sorted(((s, name) for name, s in row.stages.items()), reverse=True)[:4]
    words = ", ".join(f"{name} {s:.1f}" for s, name in stages)
    print(
        f"{row.part:24} {row.triangles:9} {row.wall_s:7.1f} {row.peak_mb:6.0f}  {row.grade:12} {iou:>6} "
        f"{row.lines if row.lines is not None else '-':>5}  {words}",
        flush=True,
    )


def meshed(program: Path, count: int) -> Triangles:
    """Mesh the program's solid so finely that about `count` triangles come out."""
    solid = runpy.run_path(str(program))["result"].val()
    wanted, angle = count / 4**HALVINGS, 0.1
    for _ in range(8):
        # OCC keeps an earlier mesh that is fine enough
        vertices, faces = solid.copy().tessellate(1e-3 * solid.BoundingBox().DiagonalLength, angle)
        if 0.9 < len(faces) / wanted < 1.1:
            break
        angle *= (len(faces) / wanted) ** 0.6
    corners = np.array([v.toTuple() for v in vertices], dtype=np.float64)
    triangles = np.array(faces, dtype=np.int64)
    for _ in range(HALVINGS):
        corners, triangles = halved(corners, triangles)
    return corners, triangles


def halved(vertices: NDArray[np.float64], faces: NDArray[np.int64]) -> Triangles:
    """Divide each triangle into four by the middles of its edges, (n, 3) and (m, 3)."""
    edges = np.sort(faces[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    single, which = np.unique(edges, axis=0, return_inverse=True)
    middle = which.reshape(-1, 3) + len(vertices)
    a, b, c = faces.T
    ab, bc, ca = middle.T
    parts = [(a, ab, ca), (ab, b, bc), (ca, bc, c), (ab, bc, ca)]
    return np.vstack([vertices, vertices[single].mean(axis=1)]), np.vstack([np.stack(p, axis=1) for p in parts])


def bumpy_sphere(count: int, radius: float = 50.0) -> Triangles:
    """Make a closed sphere of about `count` triangles whose radius in mm swings by a tenth."""
    rings = max(4, round((count / 4.0) ** 0.5))
    around = 2 * rings
    theta = np.pi * np.arange(1, rings) / rings
    phi = 2.0 * np.pi * np.arange(around) / around
    t, p = (each.ravel() for each in np.meshgrid(theta, phi, indexing="ij"))
    r = radius * (1.0 + 0.1 * np.sin(t) ** 2 * np.sin(5.0 * t) * np.cos(4.0 * p))
    inner = np.stack([r * np.sin(t) * np.cos(p), r * np.sin(t) * np.sin(p), r * np.cos(t)], axis=1)
    vertices = np.vstack([inner, [[0.0, 0.0, radius], [0.0, 0.0, -radius]]])
    grid = np.arange(len(inner)).reshape(rings - 1, around)
    one, other = grid, np.roll(grid, -1, axis=1)
    north, south = np.full(around, len(inner)), np.full(around, len(inner) + 1)
    faces = [
        (one[:-1].ravel(), one[1:].ravel(), other[1:].ravel()),
        (one[:-1].ravel(), other[1:].ravel(), other[:-1].ravel()),
        (north, one[0], other[0]),
        (south, other[-1], one[-1]),
    ]
    return vertices, np.vstack([np.stack(each, axis=1) for each in faces])


def convert(path: Path, out: Path, timeout_s: float, more: Sequence[str]) -> Row:
    """Convert one mesh in a process of its own, and watch the memory of all its processes."""
    command = [sys.executable, "-m", "cad_pipeline.cli", "convert", str(path), "-o", str(out), "--json", "--quiet"]
    started = time.monotonic()
    process = subprocess.Popen(
        [*command, *more], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    peak_mb, grade = 0.0, ""
    while not grade:
        peak_mb = max(peak_mb, memory_mb(process.pid))
        try:
            process.wait(timeout=0.2)
            break
        except subprocess.TimeoutExpired:
            if time.monotonic() - started > timeout_s:
                grade = "timed out"
                os.killpg(process.pid, signal.SIGKILL)
    wall_s = time.monotonic() - started
    printed, told = process.communicate()
    record: dict[str, Any] = {}
    try:
        record = json.loads(printed.splitlines()[-1])
    except (IndexError, ValueError):
        grade = grade or "crashed"
        sys.stderr.write((told.strip().splitlines() or ["no output"])[-1] + "\n")
    program = out / path.stem / f"{path.stem}.py"
    return Row(
        part=path.stem.rsplit("_", 1)[0],
        triangles=(path.stat().st_size - 84) // 50,
        wall_s=wall_s,
        peak_mb=peak_mb,
        grade=grade or record["grade"],
        iou=record.get("iou"),
        lines=len(program.read_text("utf-8").splitlines()) if program.is_file() else None,
        stages=(record.get("seconds") or {}).get("stages") or {},
    )


def memory_mb(pid: int) -> float:
    """Add up the memory in MB of a process and all that come from it; what several share is counted once."""
    children: dict[int, list[int]] = {}
    for place in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((place / "stat").read_text().rsplit(")", 1)[1].split()[1])
        except (OSError, IndexError):
            continue
        children.setdefault(parent, []).append(int(place.name))
    family, total_kb = [pid], 0
    while family:
        one = family.pop()
        family += children.get(one, [])
        try:
            text = Path(f"/proc/{one}/smaps_rollup").read_text()
        except OSError:
            continue
        total_kb += next((int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")), 0)
    return total_kb / 1024.0


if __name__ == "__main__":
    sys.exit(main())

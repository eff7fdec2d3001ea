"""How fast the renderers are and how far apart their pictures: `python benchmarks/renderers.py [--quick]`.

Times are the best of several runs of eight views of 256 px on one core; ratios are to the software renderer in the
same run, which say more than milliseconds on a busy machine. `--quick` leaves out a million triangles, `--parts FOLDER`
compares the renderers on STL files, `--json FILE` keeps the rows. Cold starts are whole processes; `no cache`
compiles all. Last comes the calibration's table for pictures from cameras that it is not told.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from cad_renderers import Camera, Renderer, Rig, SoftwareRenderer, Views, probe_renderers, renderer_named
from cad_renderers.shapes import Solid, ball

SIZES = {"1k": 16, "10k": 50, "100k": 158, "1M": 500}
"""Rings of a ball with about so many triangles: every triangle is seen from some side, and every pixel is curved."""


def bumpy(rings: int) -> Solid:
    """Make a ball with dents, so that silhouettes, creases and self-occlusion cost what they cost on parts."""
    solid = ball(1.0, rings=rings)
    x, y, z = solid.vertices.T
    dent = 1.0 + 0.12 * np.sign(np.sin(6 * np.arctan2(y, x))) * (np.abs(z) < 0.6)
    return Solid(vertices=solid.vertices * dent[:, None], faces=solid.faces)


def best_ms(renderer: Renderer, solid: Solid, *, runs: int) -> tuple[float, float, Views]:
    """Time eight views: the fastest run by the clock and by the processor's own time, in ms, and the last views."""
    wall, cpu = [], []
    for _ in range(runs):
        start, start_cpu = time.perf_counter(), time.process_time()
        views = renderer.render(solid)
        wall.append(time.perf_counter() - start)
        cpu.append(time.process_time() - start_cpu)
    return 1e3 * min(wall), 1e3 * min(cpu), views


def compare_parts(folder: Path, names: list[str]) -> None:
    """Print the largest disagreement with the software renderer in any view of any STL file in `folder`."""
    import trimesh

    from cad_renderers.conformance import disagreement

    worst = dict.fromkeys(names, (0.0, 0.0, ""))
    spent: list[float] = []
    for path in sorted(folder.glob("*.stl")):
        mesh = trimesh.load_mesh(path)
        start = time.process_time()
        base = SoftwareRenderer().render(mesh)
        spent.append(1e3 * (time.process_time() - start))
        for name in names:
            pixels, masks = disagreement(base, renderer_named(name).render(mesh))
            if max(pixels, masks) > max(worst[name][:2]):
                worst[name] = (pixels, masks, path.stem)
    for name, (pixels, masks, part) in worst.items():
        print(f"{name} on {len(spent)} parts: pixels off {pixels:.2e}, silhouette {masks:.2e} at worst ({part})")
    print(f"software cpu_ms per part: median {np.median(spent):.1f}, 90 % {np.percentile(spent, 90):.1f}")


def calibration_table(samples: Path) -> None:
    """Hide a rig from the calibration (a ring, shuffled, rolled, at 28°) and print what it finds, best first."""
    import trimesh

    from cad_renderers.calibration import Row, calibrate

    cameras = []
    for azimuth in (100, 10, 55, 145, 190, 235, 280, 325):
        right, up, toward = Camera.at("c", azimuth_deg=azimuth, elevation_deg=28.0).axes
        cameras.append(Camera(name=f"c{azimuth}", eye=tuple(toward), up=tuple(0.98 * right + 0.2 * up)))
    hidden = Rig(name="hidden", cameras=tuple(cameras), margin=0.05)
    rows = []
    for name in ("clevis", "counterbored_bracket"):
        mesh = trimesh.load_mesh(samples / f"{name}.stl")
        rows.append(Row(name=name, images=SoftwareRenderer().render(mesh, rig=hidden, size_px=128).images, mesh=mesh))
    start = time.process_time()
    scores = calibrate(rows)
    seconds = time.process_time() - start
    for score in scores[:8]:
        print(
            f"calibrate: {score.rig.name:<34} {score.rig.fit.value:<6} margin {score.rig.margin:.3f} "
            f"{score.style.name:<18} order {''.join(map(str, score.order))} silhouette IoU {score.silhouette_iou:.4f} "
            f"pixels {score.pixel_difference:.4f}"
        )
    off = [
        np.degrees(np.arccos(np.clip((a.axes * b.axes).sum(axis=1), -1.0, 1.0))).max()
        for a, b in zip(scores[0].rig, hidden, strict=True)
    ]
    print(f"calibrate: the best is {max(off):.2f}° off the hidden cameras at worst; cpu {seconds:.1f} s, 2 rows")


def cold_s(name: str, environment: dict[str, str]) -> float:
    """Time a fresh process that draws one part with `name`, in seconds, the interpreter's start included."""
    code = (
        f"from cad_renderers import renderer_named; from cad_renderers.shapes import letter_f; "
        f"renderer_named({name!r}).render(letter_f())"
    )
    path = os.pathsep.join(entry for entry in sys.path if entry)
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ, "PYTHONPATH": path, **environment})
    return time.perf_counter() - start


def main() -> None:
    """Print the table, and write it as JSON if asked for."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    renderers = [probe for probe in probe_renderers() if probe.works]
    for probe in renderers:
        print(probe)
    rows: list[dict[str, Any]] = []
    for label, rings in SIZES.items():
        if label == "1M" and "--quick" in sys.argv:
            continue
        solid = bumpy(rings)
        base: Views | None = None
        base_ms = 0.0
        for probe in renderers:
            renderer = renderer_named(probe.name)
            renderer.render(solid)
            wall, cpu, views = best_ms(renderer, solid, runs=3 if rings > 200 else 7)
            if isinstance(renderer, SoftwareRenderer):
                base, base_ms = views, wall
            assert base is not None
            apart = np.abs(np.array(views.images, dtype=int) - np.array(base.images, dtype=int)).max(axis=3)
            masks = np.array([a.mask != b.mask for a, b in zip(views, base, strict=True)])
            row = {
                "triangles": len(solid.faces),
                "renderer": probe.name,
                "ms": round(wall, 1),
                "cpu_ms": round(cpu, 1),
                "ratio_to_software": round(wall / base_ms, 2),
                "pixels_off_by_more_than_16": float((apart > 16).mean(axis=(1, 2)).max()),
                "largest_difference": int(apart.max()),
                "silhouette_pixels_off": float(masks.mean(axis=(1, 2)).max()),
            }
            rows.append(row)
            print(" ".join(f"{key}={value}" for key, value in row.items()))
    if "--parts" in sys.argv:
        compare_parts(Path(sys.argv[sys.argv.index("--parts") + 1]), [probe.name for probe in renderers])
    for probe in renderers:
        line = f"cold start {probe.name}: {cold_s(probe.name, dict(probe.environment)):.2f} s"
        if probe.name == "software":
            with tempfile.TemporaryDirectory() as folder:
                line += f"; no cache: {cold_s(probe.name, {'NUMBA_CACHE_DIR': folder}):.2f} s"
        print(line)
    for probe in renderers[1:]:
        own = [row for row in rows if row["renderer"] == probe.name]
        keys = ("pixels_off_by_more_than_16", "silhouette_pixels_off", "largest_difference")
        worst = ", ".join(f"{key} {max(row[key] for row in own):.3g}" for key in keys)
        print(f"{probe.name} against software, worst of all: {worst}")
    calibration_table(Path(__file__).resolve().parents[1] / "samples" / "meshes")
    if "--json" in sys.argv:
        Path(sys.argv[sys.argv.index("--json") + 1]).write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()

"""Training data from a batch: each accepted part's program with its views, STL and STEP, in the public set's schema."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cad_pipeline.batch.filesystems import Home
from cad_pipeline.batch.tables import read_table_rows
from cad_pipeline.errors import InputError

__all__ = ["Draw", "export_rows", "verified_row"]


class Draw:
    """The actor that makes rows of finished parts."""

    def __init__(self, out: str) -> None:
        """Open the place of results in this process."""
        self._home = Home.of(out)

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """Make the row of one part."""
        return verified_row(self._home, row["name"])


def export_rows(home: Home, place: Path, *, drawers: int) -> int:
    """Write a row for every accepted part, drawn on the cluster, and say how many there were.

    A program that came out for two parts has one row. Raises `InputError` if nothing was accepted.
    """
    import ray.data

    from cad_pipeline.training.rows import write_rows

    names = [row["name"] for row in read_table_rows(home) if row["accepted"]]
    if not names:
        raise InputError("expected accepted parts to export, found none; see the table for the reasons")
    pool = ray.data.ActorPoolStrategy(min_size=1, max_size=drawers)
    work = ray.data.from_items([{"name": name} for name in names], override_num_blocks=min(len(names), 256))
    drawn = work.map(Draw, fn_constructor_kwargs={"out": home.address}, compute=pool, num_cpus=1)

    def rows() -> Iterator[dict[str, Any]]:
        seen = set()
        for row in drawn.iter_rows():
            if row["uuid"] not in seen:
                seen.add(row["uuid"])
                yield row

    return write_rows(rows(), place)


def verified_row(home: Home, name: str) -> dict[str, Any]:
    """Make the row of a finished part from its folder; the views show what the program built, not the input."""
    from cad_pipeline.mesh import read_mesh
    from cad_pipeline.training.rows import lay_out_row
    from cad_renderers import auto_renderer

    files = {suffix: home.read(f"{name}/{name}{suffix}") for suffix in (".py", ".stl", ".step")}
    report = home.read(f"{name}/report.json")
    if report is None or None in files.values():
        raise InputError(f"expected the files of {name} in {home.address}, found some missing; do it again")
    program, stl, step = (files[suffix] or b"" for suffix in (".py", ".stl", ".step"))
    with tempfile.TemporaryDirectory(prefix="cad-pipeline-row-") as folder:
        place = Path(folder) / f"{name}.stl"
        place.write_bytes(stl)
        mesh = read_mesh(place, unit="mm")
    faces = sum((json.loads(report).get("face_kinds") or {}).values())
    return lay_out_row(program.decode(), mesh, auto_renderer(), stl=stl, step=step, num_faces=faces)

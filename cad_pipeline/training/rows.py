"""Rows of views and programs in the schema of the public Zero-To-CAD data set, made, written and read."""

from __future__ import annotations

import ast
import io
import json
import tempfile
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cad_pipeline.errors import InputError, MissingPieceError
from cad_pipeline.roles import Sandbox
from cad_pipeline.syntax import parse
from cad_pipeline.values import Mesh
from cad_sandbox.execution import Execution, Export
from cad_sandbox.limits import Limits

if TYPE_CHECKING:
    from cad_renderers import Renderer

__all__ = ["VIEWS", "Example", "RowFiles", "lay_out_row", "list_operations", "make_row", "write_rows"]

VIEWS = 8
_GROUP = 64
_TEXT = ("uuid", "cadquery_ops_json")
_COUNTS = ("num_faces", "cadquery_ops_count", "num_renders")
_FLOATS = ("face_latency_ms", "ops_latency_ms")
_BINARY = ("cadquery_file", *(f"image_{k}" for k in range(VIEWS)), "stl_file", "step_file")
_COLUMNS = (
    "uuid",
    "cadquery_file",
    "num_faces",
    "face_latency_ms",
    "cadquery_ops_json",
    "cadquery_ops_count",
    "ops_latency_ms",
    "num_renders",
    *(f"image_{k}" for k in range(VIEWS)),
    "stl_file",
    "step_file",
)
_LIMITS = Limits(exports=frozenset({Export.STEP, Export.STL, Export.MESH}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """What a model learns from: the program and the PNG files of its views, in order."""

    program: str
    views: tuple[bytes, ...]


def make_row(program: str, sandbox: Sandbox, renderer: Renderer) -> dict[str, Any] | Execution:
    """Run a program behind the walls and draw what it built; gives the execution instead if nothing was built."""
    from cad_pipeline.verify import load_result

    started = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="cad-pipeline-row-") as folder:
        execution = sandbox.run(program, Path(folder), limits=_LIMITS)
        if not execution.built or execution.mesh is None or execution.stl is None or execution.step is None:
            return execution
        mesh = load_result(execution.mesh)
        stl, step = execution.stl.read_bytes(), execution.step.read_bytes()
    latency = 1000.0 * (time.perf_counter() - started)
    faces = sum(execution.face_kinds.values())
    return lay_out_row(program, mesh, renderer, stl=stl, step=step, num_faces=faces, face_latency_ms=latency)


def lay_out_row(
    program: str,
    mesh: Mesh,
    renderer: Renderer,
    *,
    stl: bytes,
    step: bytes,
    num_faces: int,
    face_latency_ms: float | None = None,
) -> dict[str, Any]:
    """Lay out the row of a program and of what it built: `mesh` in mm, its files, and how long counting faces took."""
    started = time.perf_counter()
    operations = list_operations(program)
    return {
        # the same program has the same name, wherever it is made
        "uuid": str(uuid.uuid5(uuid.NAMESPACE_URL, f"cad-pipeline:{program}")),
        "cadquery_file": program.encode(),
        "num_faces": num_faces,
        "face_latency_ms": face_latency_ms,
        "cadquery_ops_json": json.dumps(operations),
        "cadquery_ops_count": len(operations),
        "ops_latency_ms": 1000.0 * (time.perf_counter() - started),
        "num_renders": VIEWS,
        **{f"image_{k}": png for k, png in enumerate(_pictures(mesh, renderer))},
        "stl_file": stl,
        "step_file": step,
    }


def list_operations(program: str) -> list[dict[str, Any]]:
    """List the program's calls as they stand in its text: dotted name, place and arguments."""
    calls = [node for node in ast.walk(parse(program)) if isinstance(node, ast.Call)]
    calls.sort(key=lambda node: (node.end_lineno or 0, node.end_col_offset or 0))
    return [
        {
            "function": (name := _dotted(call.func)),
            "op_name": name.rsplit(".", 1)[-1],
            "lineno": call.lineno,
            "col_offset": call.col_offset,
            "args": [ast.unparse(each) for each in call.args],
            "keywords": {each.arg or "**": ast.unparse(each.value) for each in call.keywords},
        }
        for call in calls
    ]


def write_rows(rows: Iterable[dict[str, Any]], path: Path) -> int:
    """Write rows as one Parquet file, a group of rows in memory at a time; return how many there were."""
    arrow, parquet = _arrow()
    kinds = {**dict.fromkeys(_TEXT, arrow.string()), **dict.fromkeys(_COUNTS, arrow.int64())}
    kinds |= {**dict.fromkeys(_FLOATS, arrow.float64()), **dict.fromkeys(_BINARY, arrow.binary())}
    schema = arrow.schema([(name, kinds[name]) for name in _COLUMNS])
    path.parent.mkdir(parents=True, exist_ok=True)
    written, group = 0, []
    partial = path.with_name(f".{path.name}.part")
    with parquet.ParquetWriter(partial, schema) as writer:
        for row in rows:
            group.append(row)
            if len(group) == _GROUP:
                writer.write_table(arrow.Table.from_pylist(group, schema=schema))
                written, group = written + len(group), []
        if group:
            writer.write_table(arrow.Table.from_pylist(group, schema=schema))
            written += len(group)
    partial.replace(path)
    return written


class RowFiles:
    """The examples in Parquet files, read by number without holding them in memory.

    Raises `InputError` if there are none or a file is not of the schema.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        _, parquet = _arrow()
        files = sorted(each for path in paths for each in (path.rglob("*.parquet") if path.is_dir() else [path]))
        if not files:
            raise InputError(f"expected Parquet files, found none in {', '.join(map(str, paths))}")
        self._groups: list[tuple[Any, int, int]] = []
        self._length = 0
        self._columns = ["cadquery_file", *(f"image_{k}" for k in range(VIEWS))]
        self._held: tuple[int, list[dict[str, Any]]] = (-1, [])
        for file in files:
            try:
                opened = parquet.ParquetFile(file)
            except (OSError, ValueError) as error:
                raise InputError(f"expected a Parquet file, got {file}: {error}") from None
            if missing := set(self._columns) - set(opened.schema_arrow.names):
                raise InputError(f"expected the data set's columns in {file}, found no {', '.join(sorted(missing))}")
            for number in range(opened.num_row_groups):
                self._groups.append((opened, number, self._length))
                self._length += opened.metadata.row_group(number).num_rows

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, number: int) -> Example:
        if not 0 <= number < self._length:
            raise IndexError(number)
        group = next(g for g in reversed(range(len(self._groups))) if self._groups[g][2] <= number)
        if self._held[0] != group:
            opened, inside, _ = self._groups[group]
            self._held = (group, opened.read_row_group(inside, columns=self._columns).to_pylist())
        row = self._held[1][number - self._groups[group][2]]
        program = row["cadquery_file"]
        return Example(
            program=program.decode() if isinstance(program, bytes) else str(program),
            views=tuple(_bytes(row[f"image_{k}"]) for k in range(VIEWS)),
        )

    def __iter__(self) -> Iterator[Example]:
        return (self[number] for number in range(self._length))


def _pictures(mesh: Mesh, renderer: Renderer) -> Iterator[bytes]:
    from PIL import Image

    for image in renderer.render(mesh).images:
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, format="PNG")
        yield buffer.getvalue()


def _bytes(picture: Any) -> bytes:
    """Take a picture's file as bytes, or inside the mapping that other tools wrap it in."""
    found = picture.get("bytes") if isinstance(picture, dict) else picture
    if not isinstance(found, bytes):
        raise InputError(f"expected a picture's bytes in the row, got {type(picture).__name__}")
    return found


def _dotted(function: ast.expr) -> str:
    if isinstance(function, ast.Attribute):
        return f"{_dotted(function.value)}.{function.attr}"
    if isinstance(function, ast.Call):
        return _dotted(function.func)
    return function.id if isinstance(function, ast.Name) else ast.unparse(function)


def _arrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise MissingPieceError(
            "expected pyarrow for Parquet files, found none; pip install 'cad-pipeline[qwen]'"
        ) from None
    return pyarrow, pyarrow.parquet

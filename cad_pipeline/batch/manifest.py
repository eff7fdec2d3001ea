"""The list of a batch's parts, laid down once in `manifest.parquet`: numbered, with names of their own.

It is read and written as a stream, so that ten thousand parts cost little memory; a batch that is resumed keeps the
names it gave before, also when parts were added since.
"""

from __future__ import annotations

import csv
import enum
import glob
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cad_pipeline.batch.filesystems import Home, is_address, pyarrow_here, refuse_keys
from cad_pipeline.errors import InputError
from cad_pipeline.store import part_name

__all__ = ["MESH_SUFFIXES", "Item", "Kind", "Parts", "Row", "earlier_names", "lay_down", "read_items", "read_rows"]

MESH_SUFFIXES = (".stl", ".obj", ".ply", ".off", ".3mf", ".glb", ".gltf", ".step", ".stp")
FILE = ".batch/manifest.parquet"
_ROWS = 1024
# what else lies beside the parts' folders
_TAKEN = {"verdicts.parquet", "summary.html"}

# a Ray Dataset is known by its iter_rows
Parts = str | os.PathLike[str] | Iterable[str | os.PathLike[str]] | Any


class Kind(enum.StrEnum):
    """What a path of the manifest is: a mesh's file, or a folder of eight pictures."""

    MESH = "mesh"
    PICTURES = "pictures"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A part as the user named it."""

    path: str
    name: str = ""
    unit: str | None = None
    kind: Kind = Kind.MESH


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A part of a batch: its number in the manifest and a name that no other part has."""

    number: int
    name: str
    path: str
    unit: str | None = None
    kind: Kind = Kind.MESH


def read_rows(parts: Parts, *, results: Home | None = None) -> Iterator[Row]:
    """Read a folder, a glob, a CSV or Parquet manifest, a list of these, or a Ray Dataset, in a fixed order.

    A manifest has the column `path`, and may have `name`, `unit` and `kind`; relative paths start at its own folder.
    What lies where a batch puts its `results` is no part, unless a manifest lists it. Raises `InputError` on what is
    none of these.
    """
    if hasattr(parts, "iter_rows"):
        for number, row in enumerate(parts.iter_rows(), start=1):
            yield _row(row, f"row {number} of the dataset", above="")
    elif isinstance(parts, str | os.PathLike):
        yield from _one(os.fspath(parts), results)
    elif isinstance(parts, Iterable):
        for each in parts:
            yield from _one(os.fspath(each), results)
    else:
        raise InputError(f"expected a folder, glob, manifest or Ray Dataset, got {type(parts).__name__}")


def lay_down(rows: Iterable[Row], home: Home, earlier: Mapping[str, Sequence[str]]) -> int:
    """Name the parts, write the manifest into a batch's home and say how many there are. Raises `InputError` if none.

    `earlier` gives the names of an earlier run, by path, in the order of its manifest.
    """
    arrow = pyarrow_here()
    schema = arrow.schema([("number", arrow.int64()), *((k, arrow.string()) for k in ("name", "path", "unit", "kind"))])
    names, written = _Names(earlier), 0
    with tempfile.TemporaryDirectory(prefix="cad-pipeline-manifest-") as folder:
        place = Path(folder) / "manifest.parquet"
        with arrow.parquet.ParquetWriter(place, schema) as writer:
            for group in _groups(rows):
                table = [
                    {
                        "number": number,
                        "name": names.give(row),
                        "path": row.path,
                        "unit": row.unit,
                        "kind": str(row.kind),
                    }
                    for number, row in enumerate(group, start=written)
                ]
                writer.write_table(arrow.Table.from_pylist(table, schema=schema))
                written += len(group)
        if not written:
            raise InputError("expected parts, found none; name a folder with meshes, a glob, or a manifest with `path`")
        home.write(FILE, place.read_bytes())
    return written


def read_items(home: Home) -> Iterator[Item]:
    """Read the manifest of a batch, a group at a time."""
    data = home.read(FILE)
    if data is None:
        return
    arrow = pyarrow_here()
    opened = arrow.parquet.ParquetFile(arrow.BufferReader(data))
    for group in range(opened.num_row_groups):
        for row in opened.read_row_group(group).to_pylist():
            yield Item(**{**row, "kind": Kind(row["kind"])})


def earlier_names(home: Home) -> dict[str, list[str]]:
    """Say which names each path has in the manifest that lies there, if one does; a path may be listed twice."""
    names: dict[str, list[str]] = {}
    for item in read_items(home):
        names.setdefault(item.path, []).append(item.name)
    return names


class _Names:
    """Gives every part a name of its own, as the store does for a command line: the second `plate` is `plate-2`."""

    def __init__(self, earlier: Mapping[str, Sequence[str]]) -> None:
        self._earlier = {path: list(reversed(names)) for path, names in earlier.items()}
        self._used = {name.casefold() for names in earlier.values() for name in names} | _TAKEN
        self._numbers: dict[str, int] = {}

    def give(self, row: Row) -> str:
        if self._earlier.get(row.path):
            return self._earlier[row.path].pop()
        stem = part_name(row.name or _stem(row.path))
        number = self._numbers.get(stem.casefold(), 1)
        name = stem if number == 1 else f"{stem}-{number}"
        while name.casefold() in self._used:
            number += 1
            name = f"{stem}-{number}"
        self._numbers[stem.casefold()] = number
        self._used.add(name.casefold())
        return name


def _stem(path: str) -> str:
    return Path(path.rstrip("/").rsplit("/", 1)[-1]).stem


def _one(text: str, results: Home | None) -> Iterator[Row]:
    suffix = _suffix(text)
    if suffix == ".csv":
        yield from _of_csv(text)
    elif suffix == ".parquet":
        yield from _of_parquet(text)
    elif is_address(text):
        yield from [Row(path=text)] if suffix in MESH_SUFFIXES else _of_address(text, results)
    elif Path(text).is_dir():
        for path in sorted(Path(text).rglob("*")):
            # also a link to nowhere: it gets its row, and the row its reason
            if path.suffix.lower() in MESH_SUFFIXES and not path.is_dir() and not _lies_in(path, results):
                yield Row(path=str(path.absolute()))
    elif Path(text).exists():
        yield Row(path=str(Path(text).absolute()))
    elif glob.has_magic(text):
        for match in sorted(glob.glob(text, recursive=True)):
            if not _lies_in(Path(match), results):
                yield Row(path=str(Path(match).absolute()))
    else:
        raise InputError(f"expected a folder, glob or manifest, found nothing at {text}; check the path")


def _lies_in(path: Path, results: Home | None) -> bool:
    """Say whether a file is a result: resuming a batch must not take what it made for new parts."""
    return results is not None and results.local is not None and results.local in path.absolute().parents


def _of_address(text: str, results: Home | None) -> Iterator[Row]:
    home = Home.of(text)
    if home.local is not None:
        yield from _one(str(home.local), results)
        return
    for name in home.files():
        path = f"{text.rstrip('/')}/{name}"
        if _suffix(name) in MESH_SUFFIXES and not (results and path.startswith(f"{results.address}/")):
            yield Row(path=path)


def _of_csv(text: str) -> Iterator[Row]:
    with (
        tempfile.TemporaryDirectory(prefix="cad-pipeline-manifest-") as folder,
        _local(text, Path(folder)).open(encoding="utf-8-sig", newline="") as file,
    ):
        reader = csv.DictReader(file)
        try:
            for row in reader:
                yield _row(row, f"line {reader.line_num} of {text}", above=_above(text))
        except (UnicodeDecodeError, csv.Error) as error:
            where = f"after line {reader.line_num} of {text}"
            raise InputError(f"expected CSV in UTF-8, got {where}: {error}; save it as UTF-8") from None


def _of_parquet(text: str) -> Iterator[Row]:
    arrow = pyarrow_here()
    with tempfile.TemporaryDirectory(prefix="cad-pipeline-manifest-") as folder:
        try:
            opened = arrow.parquet.ParquetFile(_local(text, Path(folder)))
        except arrow.ArrowInvalid as error:
            raise InputError(f"expected a Parquet manifest, got {text}: {error}") from None
        known = [name for name in ("path", "name", "unit", "kind") if name in opened.schema_arrow.names]
        number = 0
        for batch in opened.iter_batches(batch_size=_ROWS, columns=known):
            for row in batch.to_pylist():
                number += 1
                yield _row(row, f"row {number} of {text}", above=_above(text))


def _row(row: Mapping[str, Any], where: str, *, above: str) -> Row:
    path = _text(row, "path")
    if not path:
        raise InputError(f"expected a path in {where}, got columns {', '.join(map(str, row))}; name one of them `path`")
    kind = _text(row, "kind") or str(Kind.MESH)
    if kind not in list(Kind):
        raise InputError(f"expected kind {' or '.join(Kind)} in {where}, got {kind!r}")
    if not is_address(path):
        path = f"{above}/{path}" if is_address(above) else str((Path(above) / path).absolute())
    return Row(path=path, name=_text(row, "name"), unit=_text(row, "unit") or None, kind=Kind(kind))


def _text(row: Mapping[str, Any], column: str) -> str:
    """Give a cell as text; what a table has for an empty one, None or no number, is empty."""
    cell = row.get(column)
    return "" if cell is None or cell != cell else str(cell).strip()


def _local(text: str, folder: Path) -> Path:
    from cad_pipeline.batch.filesystems import fetch

    place = fetch(text, folder)
    if not place.is_file():
        raise InputError(f"expected a manifest, found no file {text}; check the path")
    return place


def _above(text: str) -> str:
    return text.rpartition("/")[0] if is_address(text) else str(Path(text).absolute().parent)


def _suffix(text: str) -> str:
    return Path(text.rsplit("/", 1)[-1]).suffix.lower()


def _groups(rows: Iterable[Row]) -> Iterator[list[Row]]:
    group: list[Row] = []
    for row in rows:
        refuse_keys(row.path)
        group.append(row)
        if len(group) == _ROWS:
            yield group
            group = []
    if group:
        yield group

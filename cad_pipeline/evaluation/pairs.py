"""Which result belongs to which target: by file names in two folders, or by the rows of a table."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cad_pipeline.errors import InputError, MissingPieceError
from cad_pipeline.store import distinct_names

__all__ = ["Pair", "pairs_of_folders", "pairs_of_manifest", "with_kinds"]

# The STEP is what is delivered; a program is judged where it is all there is.
RESULT_SUFFIXES = (".step", ".stp", ".brep", ".brp", ".py", ".stl", ".obj", ".ply", ".off", ".3mf", ".glb")
# The exact solid says more than its facets.
TARGET_SUFFIXES = (".step", ".stp", ".brep", ".brp", ".stl", ".obj", ".ply", ".off", ".3mf", ".glb", ".py")
PREDICTIONS = ("prediction", "predicted_cadquery", "cadquery_file")
_ROW_TARGETS = ("step_file", "stl_file")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A result and what it should be; `result` is None where there is none, which is a failure like any other."""

    name: str
    result: Path | None
    target: Path
    kind: str | None = None


def pairs_of_folders(results: Path, targets: Path) -> list[Pair]:
    """Pair RESULTS/NAME/NAME.step, RESULTS/NAME.step, .brep, .py, .stl … with TARGETS/NAME.step, .stl …, by name.

    Every target makes a pair; one without a result has None there. Raises `InputError` if a folder is missing, holds
    nothing, or nothing in the one bears a name of the other.
    """
    for what, folder in (("results", results), ("targets", targets)):
        if not folder.is_dir():
            raise InputError(f"expected a folder of {what}, got {folder}; name a folder, or one CSV or Parquet table")
    wanted: dict[str, Path] = {}
    for path in sorted(targets.iterdir(), key=lambda p: (p.stem, _rank(p, TARGET_SUFFIXES), p.name)):
        if path.suffix.lower() in TARGET_SUFFIXES and path.is_file() and not path.name.startswith("."):
            wanted.setdefault(path.stem, path)
        elif path.is_dir() and (own := _find(path, path.name, TARGET_SUFFIXES)):
            wanted.setdefault(path.name, own)
    if not wanted:
        raise InputError(f"expected parts in {targets}, found none; it takes {', '.join(TARGET_SUFFIXES)}")
    pairs = [
        Pair(
            name=name,
            result=_find(results / name, name, RESULT_SUFFIXES) or _find(results, name, RESULT_SUFFIXES),
            target=target,
        )
        for name, target in sorted(wanted.items())
    ]
    if all(pair.result is None for pair in pairs):
        raise InputError(
            f"expected results named as the {len(pairs)} targets are, e.g. {results / pairs[0].name}.step, found none "
            f"in {results}; check that RESULTS comes first and TARGETS second"
        )
    return pairs


def pairs_of_manifest(table: Path, folder: Path, *, prediction: str | None = None) -> list[Pair]:
    """Read pairs from a CSV or Parquet table.

    Either with the columns `name`, `result`, `target` and perhaps `kind`, whose paths count from the table's folder and
    where an empty result is a failure; or a Parquet in the schema of the Zero-To-CAD data set, whose `step_file` or
    `stl_file` is the target and whose column `prediction` (else `cadquery_file`: the data judged against itself) holds
    a program as text or bytes, or a STEP or STL file as bytes. Such files are unpacked into `folder`. Raises
    `InputError` for other tables, `MissingPieceError` without pyarrow.
    """
    if not table.is_file():
        raise InputError(f"expected a CSV or Parquet table, found no file {table}; check the path")
    if table.suffix.lower() == ".csv":
        with table.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            columns, rows = list(reader.fieldnames or ()), list(reader)
        return _of_paths(table, columns, rows)
    if table.suffix.lower() not in (".parquet", ".pq"):
        raise InputError(f"expected a table ending in .csv or .parquet, got {table.name}")
    opened = _parquet(table)
    columns = list(opened.schema_arrow.names)
    if {"result", "target"} <= set(columns):
        known = [column for column in ("name", "result", "target", "kind") if column in columns]
        return _of_paths(table, columns, opened.read(columns=known).to_pylist())
    return list(_of_rows(opened, columns, table, folder, prediction))


def with_kinds(pairs: Sequence[Pair], table: Path) -> list[Pair]:
    """Give the pairs the kinds that a CSV with the columns `name` (or `id`) and `kind` holds. Raises `InputError`."""
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"expected a CSV of names and kinds, could not read {table}: {error}") from None
    key = "name" if rows and "name" in rows[0] else "id"
    if not rows or key not in rows[0] or "kind" not in rows[0]:
        found = ", ".join(rows[0]) if rows else "no rows"
        raise InputError(f"expected the columns name (or id) and kind in {table}, got {found}")
    kinds = {row[key]: row["kind"] or None for row in rows}
    return [replace(pair, kind=kinds.get(pair.name, pair.kind)) for pair in pairs]


def _rank(path: Path, suffixes: Sequence[str]) -> int:
    suffix = path.suffix.lower()
    return suffixes.index(suffix) if suffix in suffixes else len(suffixes)


def _find(folder: Path, name: str, suffixes: Sequence[str]) -> Path | None:
    candidates = (folder / f"{name}{each}" for suffix in suffixes for each in (suffix, suffix.upper()))
    return next((path for path in candidates if path.is_file()), None)


def _of_paths(table: Path, columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> list[Pair]:
    if missing := {"result", "target"} - set(columns):
        raise InputError(
            f"expected the columns name, result, target and perhaps kind in {table.name}, found no "
            f"{' and no '.join(sorted(missing))}"
        )
    pairs = []
    for number, row in enumerate(rows, start=1):
        result, target = row.get("result"), row.get("target")
        if not target:
            raise InputError(f"expected a target in row {number} of {table.name}, got nothing; fill it or drop the row")
        pairs.append(
            Pair(
                name=str(row.get("name") or Path(str(target)).stem),
                result=table.parent / str(result) if result else None,
                target=table.parent / str(target),
                kind=str(row["kind"]) if row.get("kind") else None,
            )
        )
    twice = [name for name, count in Counter(pair.name for pair in pairs).items() if count > 1]
    if twice:
        raise InputError(f"expected each name once in {table.name}, found {twice[0]!r} more than once; rename one")
    if not pairs:
        raise InputError(f"expected rows in {table.name}, found none")
    return pairs


def _of_rows(opened: Any, columns: Sequence[str], table: Path, folder: Path, prediction: str | None) -> Iterator[Pair]:
    """Unpack a data set's rows, a group at a time."""
    targets = [column for column in _ROW_TARGETS if column in columns]
    wanted = (prediction,) if prediction else PREDICTIONS
    column = next((each for each in wanted if each in columns), None)
    if not targets or column is None:
        raise InputError(
            f"expected the columns result and target, or {' or '.join(_ROW_TARGETS)} and {' or '.join(wanted)}, in "
            f"{table.name}, found {', '.join(columns[:12])}"
        )
    named = next((each for each in ("uuid", "name", "id") if each in columns), None)
    read = [*targets, column, *([named] if named else []), *(["kind"] if "kind" in columns else [])]
    count = opened.metadata.num_rows
    stems = opened.read(columns=[named]).column(0).to_pylist() if named else [f"row-{k}" for k in range(count)]
    names = iter(distinct_names([str(stem) for stem in stems]))
    folder.mkdir(parents=True, exist_ok=True)
    for batch in opened.iter_batches(batch_size=64, columns=read):
        for row in batch.to_pylist():
            name = next(names)
            found = next((each for each in targets if row[each]), None)
            target = folder / f"{name}.target{'.step' if found == 'step_file' else '.stl'}"
            target.write_bytes(_bytes(row[found]) if found else b"")
            content = _bytes(row[column])
            result = folder / f"{name}.result{_suffix(content)}" if content else None
            if result is not None:
                result.write_bytes(content)
            yield Pair(name=name, result=result, target=target, kind=row.get("kind"))


def _bytes(value: Any) -> bytes:
    """Take a file's content as text, as bytes, or inside the mapping that other tools wrap it in."""
    if isinstance(value, Mapping):
        value = value.get("bytes")
    if isinstance(value, str):
        return value.encode()
    return value if isinstance(value, bytes) else b""


def _suffix(content: bytes) -> str:
    start = content[:512].lstrip()
    if start.startswith(b"ISO-10303-21"):
        return ".step"
    solid = start.startswith(b"solid") and b"facet" in content[:2048]
    binary = len(content) >= 84 and len(content) == 84 + 50 * int.from_bytes(content[80:84], "little")
    return ".stl" if solid or binary else ".py"


def _parquet(table: Path) -> Any:
    try:
        from pyarrow import parquet
    except ImportError:
        raise MissingPieceError(
            "expected pyarrow for Parquet tables, found none; pip install 'cad-pipeline[rows]'"
        ) from None
    try:
        return parquet.ParquetFile(table)
    except (OSError, ValueError) as error:
        raise InputError(f"expected a Parquet table, got {table}: {error}") from None

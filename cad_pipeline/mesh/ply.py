"""PLY: ASCII and binary of both byte orders, with polygons."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cad_pipeline.errors import InputError
from cad_pipeline.mesh.raw import MAX_TRIANGLES, Floats, Ints, RawMesh
from cad_pipeline.mesh.text_formats import polygon_mesh

__all__ = ["parse_ply"]

TYPES = {
    "char": "i1", "int8": "i1", "uchar": "u1", "uint8": "u1", "short": "i2", "int16": "i2", "ushort": "u2",
    "uint16": "u2", "int": "i4", "int32": "i4", "uint": "u4", "uint32": "u4", "float": "f4", "float32": "f4",
    "double": "f8", "float64": "f8",
}  # fmt: skip
ORDERS = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}
CORNER_NAMES = ("vertex_indices", "vertex_index")
MAX_HEADER_BYTES = 65536


@dataclass(frozen=True, slots=True, kw_only=True)
class Property:
    """One column: its name, number type, and the type of the length before it if it is a list."""

    name: str
    type: str
    length_type: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Element:
    """One table of the file: name, rows, columns."""

    name: str
    rows: int
    properties: tuple[Property, ...]


def parse_ply(data: bytes, name: str) -> RawMesh:
    """Read the vertices and faces of a PLY; other elements and properties are skipped."""
    try:
        order, elements, body = _header(data)
        tables = _ascii_tables(body, elements) if order == "" else _binary_tables(body, elements, order)
    except (ValueError, KeyError, IndexError, OverflowError) as error:
        raise InputError(f"{name}: expected a whole PLY, got a damaged or cut one ({error}); export it again") from None
    if "vertex" not in tables or "face" not in tables or not len(tables["face"][1]):
        raise InputError(f"{name}: expected a PLY with triangles, got none (a point cloud?); export the part as a mesh")
    vertices = tables["vertex"][0]
    counts, corners = tables["face"][1], tables["face"][2]
    return polygon_mesh(vertices, counts, corners, name, 2.0**-23)


def _header(data: bytes) -> tuple[str, list[Element], memoryview]:
    end = data.find(b"end_header", 0, MAX_HEADER_BYTES)
    if end < 0:
        raise ValueError("no end_header")
    start = data.index(b"\n", end) + 1
    order: str | None = None
    elements: list[Element] = []
    for line in data[:end].decode("ascii", "replace").splitlines()[1:]:
        match line.split():
            case ["format", kind, *_]:
                order = ORDERS[kind]
            case ["element", word, rows]:
                elements.append(Element(name=word, rows=int(rows), properties=()))
            case ["property", "list", length, kind, word]:
                _add(elements, Property(name=word, type=TYPES[kind], length_type=TYPES[length]))
            case ["property", kind, word]:
                _add(elements, Property(name=word, type=TYPES[kind], length_type=None))
    if order is None:
        raise ValueError("no format line")
    for element in elements:
        if not 0 <= element.rows <= max(len(data), MAX_TRIANGLES):
            raise ValueError(f"{element.rows} rows of {element.name}")
    return order, elements, memoryview(data)[start:]


def _add(elements: list[Element], column: Property) -> None:
    last = elements[-1]
    elements[-1] = Element(name=last.name, rows=last.rows, properties=(*last.properties, column))


Table = tuple[Floats, Ints, Ints]
"""x, y, z of the rows (empty for faces), corner counts and corners (empty for vertices)."""


def _binary_tables(body: memoryview, elements: list[Element], order: str) -> dict[str, Table]:
    tables: dict[str, Table] = {}
    at = 0
    for element in elements:
        if not element.properties:
            continue
        if any(p.length_type for p in element.properties):
            table, at = _binary_lists(body, at, element, order)
        else:
            kind = np.dtype([(f"{k} {p.name}", order + p.type) for k, p in enumerate(element.properties)])
            rows = np.frombuffer(body, kind, element.rows, at)
            at += kind.itemsize * element.rows
            names = [p.name for p in element.properties]
            xyz = [rows[f"{names.index(axis)} {axis}"] for axis in "xyz"] if {"x", "y", "z"} <= set(names) else []
            table = _points(np.stack(xyz, axis=1) if xyz else np.empty((0, 3)))
        tables[element.name] = table
    return tables


def _points(xyz: Floats) -> Table:
    return np.asarray(xyz, np.float64).reshape(-1, 3), np.empty(0, np.int64), np.empty(0, np.int64)


def _binary_lists(body: memoryview, at: int, element: Element, order: str) -> tuple[Table, int]:
    """Read rows with lists: in one piece if all lists are as long as in the first row, else row by row."""
    if not element.rows:
        return _points(np.empty((0, 3))), at
    lengths, _ = _row(body, at, element, order)
    fields = []
    for k, p in enumerate(element.properties):
        if p.length_type:
            fields += [(f"n{k}", order + p.length_type), (f"v{k}", order + p.type, (lengths[k],))]
        else:
            fields.append((f"v{k}", order + p.type))
    kind = np.dtype(fields)
    which = next((k for k, p in enumerate(element.properties) if p.name in CORNER_NAMES), None)
    if kind.itemsize * element.rows <= len(body) - at:
        rows = np.frombuffer(body, kind, element.rows, at)
        lists = [k for k, p in enumerate(element.properties) if p.length_type]
        if all((rows[f"n{k}"] == lengths[k]).all() for k in lists):
            after = at + kind.itemsize * element.rows
            if which is None:
                return _points(np.empty((0, 3))), after
            counts = rows[f"n{which}"].astype(np.int64)
            return (np.empty((0, 3)), counts, rows[f"v{which}"].astype(np.int64).ravel()), after
    counts_list: list[int] = []
    corners: list[Ints] = []
    for _ in range(element.rows):
        lengths, values_at = _row(body, at, element, order)
        if which is not None:
            counts_list.append(lengths[which])
            start = values_at[which]
            corners.append(np.frombuffer(body, order + element.properties[which].type, lengths[which], start))
        at = values_at[-1] + lengths[-1] * np.dtype(element.properties[-1].type).itemsize
    flat = np.concatenate(corners).astype(np.int64) if corners else np.empty(0, np.int64)
    return (np.empty((0, 3)), np.array(counts_list, np.int64), flat), at


def _row(body: memoryview, at: int, element: Element, order: str) -> tuple[list[int], list[int]]:
    """Give for one row the length of each property and where its values start."""
    lengths: list[int] = []
    starts: list[int] = []
    for p in element.properties:
        length = 1
        if p.length_type:
            length = int(np.frombuffer(body, order + p.length_type, 1, at)[0])
            at += np.dtype(p.length_type).itemsize
        if length < 0 or at + length * np.dtype(p.type).itemsize > len(body):
            raise ValueError("a list runs over the end of the file")
        lengths.append(length)
        starts.append(at)
        at += length * np.dtype(p.type).itemsize
    return lengths, starts


def _ascii_tables(body: memoryview, elements: list[Element]) -> dict[str, Table]:
    lines = [line for line in bytes(body).splitlines() if line.strip()]
    tables: dict[str, Table] = {}
    at = 0
    for element in elements:
        rows = [line.split() for line in lines[at : at + element.rows]]
        if len(rows) < element.rows:
            raise ValueError(f"{len(rows)} of {element.rows} rows of {element.name}")
        at += element.rows
        names = [p.name for p in element.properties]
        which = next((k for k, n in enumerate(names) if n in CORNER_NAMES), None)
        if which is not None:
            tables[element.name] = _ascii_faces(rows, element, which)
        elif {"x", "y", "z"} <= set(names) and not any(p.length_type for p in element.properties):
            columns = [names.index(axis) for axis in "xyz"]
            words = [[row[k] for k in columns] for row in rows]
            tables[element.name] = _points(np.array(words, dtype="S40").astype(np.float64))
    return tables


def _ascii_faces(rows: list[list[bytes]], element: Element, which: int) -> Table:
    counts: list[int] = []
    corners: list[int] = []
    for row in rows:
        at = 0
        for k, p in enumerate(element.properties):
            length = int(row[at]) if p.length_type else 1
            at += 1 if p.length_type else 0
            if k == which:
                if length < 0 or at + length > len(row):
                    raise ValueError("a face with too few corners")
                counts.append(length)
                corners += [int(word) for word in row[at : at + length]]
            at += length
    return np.empty((0, 3)), np.array(counts, np.int64), np.array(corners, np.int64)

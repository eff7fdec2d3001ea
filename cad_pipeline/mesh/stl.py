"""STL, binary and ASCII, told apart by arithmetic and not by the word `solid`."""

from __future__ import annotations

import os
import re
import warnings
from pathlib import Path

import numpy as np

from cad_pipeline.errors import InputError
from cad_pipeline.mesh.raw import MAX_TRIANGLES, Floats, RawMesh
from cad_pipeline.values import Mesh

__all__ = ["parse_stl", "write_stl"]

HEADER_BYTES = 84
RECORD = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
TEXT_START = 1024
NAME_LINE = re.compile(rb"(?m)^[ \t]*(?:end)?solid[^\r\n]*")
VERTEX = re.compile(rb"vertex\s+(\S+)\s+(\S+)\s+(\S+)")


def parse_stl(data: bytes | memoryview, name: str) -> RawMesh:
    """Read the bytes of an STL file; raise `InputError` when they are cut short or are no STL."""
    if len(data) == 0:
        raise InputError(f"{name}: expected an STL mesh, got an empty file (0 bytes); export the part again")
    start = bytes(data[:TEXT_START])
    if len(data) >= HEADER_BYTES:
        count = int.from_bytes(start[80:84], "little")
        # A text file can't pass this: four printable characters as a count mean gigabytes.
        if len(data) == HEADER_BYTES + RECORD.itemsize * count and count > 0:
            return _binary(data, count, ())
    if _is_text(start):
        return _ascii(bytes(data), name)
    if len(data) < HEADER_BYTES:
        raise InputError(f"{name}: expected an STL mesh, got {len(data)} bytes of something else; export it again")
    return _binary_with_odd_length(data, count, name)


def _binary_with_odd_length(data: bytes | memoryview, count: int, name: str) -> RawMesh:
    room, rest = divmod(len(data) - HEADER_BYTES, RECORD.itemsize)
    if count == 0 and room == 0:
        raise InputError(f"{name}: expected triangles, got an STL with none; export the part again")
    if count in (0, 0xFFFFFFFF) and rest == 0:
        return _binary(data, room, (f"the header gives no triangle count; took {room} from the file's size",))
    if count > room:
        raise InputError(
            f"{name}: expected {HEADER_BYTES + RECORD.itemsize * count} bytes for the {count} triangles of the STL "
            f"header, got {len(data)}; the file is cut short or no STL, export or copy it again"
        )
    if count == 0 or room - count > count:
        raise InputError(
            f"{name}: expected an STL mesh, got a header that says {count} triangles in a file with room for {room}; "
            "the file is damaged or no STL, export it again"
        )
    extra = len(data) - HEADER_BYTES - RECORD.itemsize * count
    return _binary(data, count, (f"ignored {extra} bytes after the last triangle",))


def _binary(data: bytes | memoryview, count: int, notes: tuple[str, ...]) -> RawMesh:
    _check_count(count)
    records = np.frombuffer(data, dtype=RECORD, count=count, offset=HEADER_BYTES)
    return _soup(records["corners"].reshape(-1, 3).astype(np.float64), notes)


def _soup(corners: Floats, notes: tuple[str, ...], doubt: str | None = None) -> RawMesh:
    faces = np.arange(len(corners), dtype=np.int64).reshape(-1, 3)
    return RawMesh(vertices=corners, faces=faces, notes=notes, doubt=doubt)


def _check_count(count: int) -> None:
    if count > MAX_TRIANGLES:
        raise InputError(f"expected at most {MAX_TRIANGLES} triangles, got {count}; simplify the mesh first")


def _is_text(start: bytes) -> bool:
    printable = sum(byte >= 32 or byte in b"\t\r\n\f" for byte in start)
    return printable == len(start)


def _ascii(data: bytes, name: str) -> RawMesh:
    whole = data.lower()
    text = NAME_LINE.sub(b"", whole)  # the part's name may hold any word
    facets, vertices = text.count(b"facet") - text.count(b"endfacet"), text.count(b"vertex")
    if not whole.lstrip().startswith((b"solid", b"facet")) or vertices == 0:
        if whole.lstrip().startswith(b"solid") and b"endsolid" in whole:
            raise InputError(f"{name}: expected triangles, got an ASCII STL with none; export the part again")
        raise InputError(f"{name}: expected an STL mesh, got plain text; export the part from its CAD program as STL")
    _check_count(vertices // 3)
    complete = text.count(b"endfacet")
    if vertices % 3 or facets != complete:
        raise InputError(
            f"{name}: expected {facets} whole triangles, got {complete} (the ASCII STL ends or breaks in the middle "
            "of one); export or copy it again"
        )
    doubt: str | None = None
    notes: tuple[str, ...] = ()
    if b"endsolid" not in whole:
        doubt = f"{name}: expected `endsolid` at the end and a closed surface, got neither; the file is cut short"
        notes = ("the ASCII STL lacks its last line (`endsolid`)",)
    return _soup(_vertices_of_text(text, vertices, name), notes, doubt)


def _vertices_of_text(text: bytes, count: int, name: str) -> Floats:
    """Take the coordinates from lower-case ASCII STL without its name lines, (count, 3).

    First the quick way, all numbers at once; if their count is odd, vertex by vertex.
    """
    bare = text
    for word in (b"facet normal", b"outer loop", b"vertex", b"endloop", b"endfacet"):
        bare = bare.replace(word, b"")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            numbers = np.fromstring(bare, dtype=np.float64, sep=" ")
        except (DeprecationWarning, ValueError):
            numbers = np.empty(0)
    if len(numbers) == 4 * count:
        return np.ascontiguousarray(numbers.reshape(-1, 4, 3)[:, 1:].reshape(-1, 3))
    words = VERTEX.findall(text)
    try:
        slow = np.array(words, dtype="S64").astype(np.float64).reshape(-1, 3)
    except ValueError as error:
        raise InputError(f"{name}: expected numbers after `vertex`, got other words ({error}); export again") from None
    if len(slow) != count:
        raise InputError(f"{name}: expected three numbers after each of {count} `vertex`, got {len(slow)} such lines")
    return slow


def write_stl(mesh: Mesh, path: Path) -> None:
    """Write a binary STL in mm, beside and then renamed into place, so that no half file is ever seen."""
    path = Path(path)
    records = np.zeros(len(mesh.faces), dtype=RECORD)
    corners = mesh.vertices[mesh.faces]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    length = np.linalg.norm(normal, axis=1, keepdims=True)
    records["normal"] = np.divide(normal, length, out=np.zeros_like(normal), where=length > 0)
    records["corners"] = corners
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with beside.open("wb") as file:
            file.write(b"binary STL, millimetres".ljust(80, b" "))
            file.write(np.uint32(len(records)).tobytes())
            file.write(records.tobytes())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)

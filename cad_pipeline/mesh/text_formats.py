"""OBJ and OFF: vertices and polygons written as text."""

from __future__ import annotations

import numpy as np

from cad_pipeline.errors import InputError
from cad_pipeline.mesh.polygons import triangulate
from cad_pipeline.mesh.raw import MAX_TRIANGLES, Floats, Ints, RawMesh

__all__ = ["parse_obj", "parse_off", "polygon_mesh"]

DECIMAL_SPACING = 2.0**-23
"""Text is mostly printed from float32 or with seven digits."""


def parse_obj(data: bytes, name: str) -> RawMesh:
    """Read the vertices and polygons of a Wavefront OBJ; groups are taken together, materials and normals ignored."""
    lines = data.replace(b"\\\r\n", b" ").replace(b"\\\n", b" ").splitlines()
    numbers: list[list[bytes]] = []
    polygons: list[list[bytes]] = []
    known: list[int] = []
    for line in lines:
        words = line.split(b"#", 1)[0].split()
        if not words:
            continue
        if words[0] == b"v":
            numbers.append(words[1:4])
        elif words[0] == b"f":
            polygons.append(words[1:])
            known.append(len(numbers))
    if not numbers or not polygons:
        raise InputError(f"{name}: expected an OBJ with faces, got {len(numbers)} vertices and {len(polygons)} faces")
    vertices = _table(numbers, name)
    counts = np.array([len(polygon) for polygon in polygons], np.int64)
    try:
        corners = np.array([int(word.split(b"/", 1)[0]) for polygon in polygons for word in polygon], np.int64)
    except (ValueError, OverflowError) as error:
        raise InputError(f"{name}: expected corner numbers after `f`, got something else ({error})") from None
    # Negative numbers count back from the vertices read so far.
    corners = np.where(corners < 0, corners + np.repeat(np.array(known, np.int64), counts), corners - 1)
    return polygon_mesh(vertices, counts, corners, name, DECIMAL_SPACING)


def parse_off(data: bytes, name: str) -> RawMesh:
    """Read an OFF file (also COFF, NOFF…, whose extra columns are ignored)."""
    lines = [words for line in data.splitlines() if (words := line.split(b"#", 1)[0].split())]
    if not lines or not lines[0][0].upper().endswith(b"OFF"):
        raise InputError(f"{name}: expected the word OFF at the start, got something else; export the part again")
    if len(lines[0]) > 1 and lines[0][1].upper() == b"BINARY":
        raise InputError(f"{name}: expected a text OFF, got a binary one; export it as text")
    header = lines[0][1:] or (lines[1] if len(lines) > 1 else [])
    body = lines[1:] if lines[0][1:] else lines[2:]
    try:
        n, m = int(header[0]), int(header[1])
    except (ValueError, IndexError):
        raise InputError(f"{name}: expected counts of vertices and faces after OFF, got none; export again") from None
    if n < 0 or m < 0 or len(body) < n + m:
        raise InputError(f"{name}: expected {n} vertices and {m} faces, got {len(body)} lines; the file is cut short")
    vertices = _table([words[:3] for words in body[:n]], name)
    try:
        counts = np.array([int(words[0]) for words in body[n : n + m]], np.int64)
        corners = [words[1 : 1 + count] for words, count in zip(body[n : n + m], counts.tolist(), strict=True)]
        flat = np.array([int(word) for words in corners for word in words], np.int64)
    except (ValueError, OverflowError) as error:
        raise InputError(f"{name}: expected whole numbers in the faces, got something else ({error})") from None
    if (counts < 0).any() or counts.sum() != len(flat):
        raise InputError(f"{name}: expected as many corners as each face announces, got fewer; the file is damaged")
    return polygon_mesh(vertices, counts, flat, name, DECIMAL_SPACING)


def _table(rows: list[list[bytes]], name: str) -> Floats:
    try:
        return np.array(rows, dtype="S40").astype(np.float64).reshape(-1, 3)
    except ValueError as error:
        raise InputError(f"{name}: expected three numbers for each vertex, got something else ({error})") from None


def polygon_mesh(vertices: Floats, counts: Ints, corners: Ints, name: str, spacing: float) -> RawMesh:
    """Check corner numbers, triangulate and note what was not a triangle."""
    bad = (corners < 0) | (corners >= len(vertices))
    if bad.any():
        raise InputError(
            f"{name}: expected corner numbers below {len(vertices)}, got {int(bad.sum())} other ones; the file is "
            "damaged, export it again"
        )
    if int(np.maximum(counts - 2, 0).sum()) > MAX_TRIANGLES:
        raise InputError(f"{name}: expected at most {MAX_TRIANGLES} triangles, got more; simplify the mesh first")
    faces, empty = triangulate(vertices, counts, corners)
    notes = []
    many = int((counts > 3).sum())
    if many:
        notes.append(f"cut {many} polygon{'s' * (many > 1)} into triangles")
    if empty:
        notes.append(f"ignored {empty} face{'s' * (empty > 1)} with fewer than three corners")
    return RawMesh(vertices=vertices, faces=faces, spacing=spacing, notes=tuple(notes))

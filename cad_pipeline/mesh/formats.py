"""Which reader a file needs: by its first bytes, and by its name only where the format has no mark of its own."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from cad_pipeline.errors import InputError
from cad_pipeline.mesh.brep import read_brep, read_step
from cad_pipeline.mesh.gltf import read_glb, read_gltf
from cad_pipeline.mesh.ply import parse_ply
from cad_pipeline.mesh.raw import RawMesh
from cad_pipeline.mesh.stl import parse_stl
from cad_pipeline.mesh.text_formats import parse_obj, parse_off
from cad_pipeline.mesh.threemf import read_3mf

__all__ = ["SUFFIXES", "read_raw"]

START_BYTES = 4096
SUFFIXES = {
    ".stl": "STL",
    ".obj": "OBJ",
    ".ply": "PLY",
    ".off": "OFF",
    ".3mf": "3MF",
    ".glb": "GLB",
    ".gltf": "glTF",
    ".step": "STEP",
    ".stp": "STEP",
    ".brep": "BREP",
    ".brp": "BREP",
}
READERS: dict[str, Callable[[Path], RawMesh]] = {
    "STL": lambda path: parse_stl(path.read_bytes(), path.name),
    "OBJ": lambda path: parse_obj(path.read_bytes(), path.name),
    "PLY": lambda path: parse_ply(path.read_bytes(), path.name),
    "OFF": lambda path: parse_off(path.read_bytes(), path.name),
    "3MF": read_3mf,
    "GLB": read_glb,
    "glTF": read_gltf,
    "STEP": read_step,
    "BREP": read_brep,
}
MAX_BYTES = {"STL": 1 << 30, "OBJ": 1 << 29, "OFF": 1 << 29, "PLY": 1 << 29, "STEP": 1 << 29, "BREP": 1 << 29}
"""Limits for files of text, which take ten times their size in memory while they are read."""
UNMARKED = ("STL", "OBJ")
MARKS = tuple(
    (re.compile(mark), found)
    for mark, found in (
        (rb"glTF", "GLB"),
        (rb"PK\x03\x04", "3MF"),
        (rb"ply\s", "PLY"),
        (rb"(?:#[^\n]*\n\s*)*(?:ST)?C?N?4?n?OFF\b", "OFF"),
        (rb"ISO-10303-21", "STEP"),
        (rb"(?:DBRep_DrawableShape|CASCADE Topology)", "BREP"),
        (rb'(?s)\{.*"asset"', "glTF"),
        (rb"(?is)solid\b.*\bfacet\s+normal\s", "STL"),
    )
)
OBJ_LINE = re.compile(rb"(?m)^v[ \t]+[-+.\d]")


def read_raw(path: Path) -> RawMesh:
    """Read a file by what it holds; note it when the name says something else."""
    named = SUFFIXES.get(path.suffix.lower())
    with path.open("rb") as file:
        start = file.read(START_BYTES)
    if not start:
        raise InputError(f"{path.name}: expected a mesh, got an empty file (0 bytes); export the part again")
    found = _marked(start) or (named if named in UNMARKED else None)
    if found is None:
        what = f"a {named} file" if named else f"one of {', '.join(dict.fromkeys(SUFFIXES.values()))}"
        raise InputError(f"{path.name}: expected {what}, got something else by its content; export the part again")
    size = path.stat().st_size
    if found in MAX_BYTES and size > MAX_BYTES[found] and b"\0" not in start:
        raise InputError(
            f"{path.name}: expected at most {MAX_BYTES[found] >> 20} MiB of text, got {size >> 20} MiB; export the "
            "part in a binary format, e.g. binary STL"
        )
    raw = READERS[found](path)
    if named is not None and found != named:
        raw = replace(raw, notes=(f"the name says {named}, the content is {found}", *raw.notes))
    return raw


def _marked(start: bytes) -> str | None:
    """Tell the format by the mark it starts with; None when there is no such mark."""
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    for mark, found in MARKS:
        if mark.match(text):
            return found
    # A plain-text file without a known start that is full of `v 1 2 3` can only be an OBJ.
    return "OBJ" if len(OBJ_LINE.findall(start)) > 2 else None

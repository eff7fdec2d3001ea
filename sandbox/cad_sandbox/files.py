"""Writes a validated shape as B-rep and STEP, a mesh as STL and arrays; the same bytes for the same shape, always."""

from __future__ import annotations

import io
import re
from pathlib import Path
from typing import Any

import numpy as np

from cad_sandbox.stitch import SharedMesh

__all__ = ["read_step", "write_brep", "write_mesh", "write_step", "write_stl"]

_STAMP = re.compile(rb"(FILE_NAME\('(?:[^']|'')*',\s*')[^']*(')")
_FIXED_STAMP = b"1970-01-01T00:00:00"
# OCC numbers the products of a process; a name shall not depend on how many were written before.
_NUMBERED_PRODUCT = re.compile(rb"(= PRODUCT\(')((?:[^'\n]|'')*?) \d+','\2 \d+'")
_MAX_NAME_CHARACTERS = 40


def write_brep(shape: Any, path: Path) -> None:
    """Write the exact shape as text B-rep, without triangles."""
    from OCP.BRepTools import BRepTools
    from OCP.TopTools import TopTools_FormatVersion

    version = TopTools_FormatVersion.TopTools_FormatVersion_VERSION_1
    # OCC ignores a full disk or a file limit; Python's own writing does not.
    stream = io.BytesIO()
    BRepTools.Write_s(shape, stream, False, False, version)
    path.write_bytes(stream.getbuffer())


def write_step(shape: Any, path: Path, *, product: str) -> None:
    """Write the shape as STEP AP214 in millimetres, one product named `product`, with a fixed time stamp.

    Characters of `product` outside printable ASCII become underscores.
    """
    from OCP.IFSelect import IFSelect_RetDone
    from OCP.Interface import Interface_Static
    from OCP.STEPControl import STEPControl_AsIs, STEPControl_Controller, STEPControl_Writer

    # A writer takes its settings when it is made; they exist once the controller has been set up.
    STEPControl_Controller.Init_s()
    Interface_Static.SetCVal_s("xstep.cascade.unit", "MM")
    Interface_Static.SetCVal_s("write.step.unit", "MM")
    # A plane needs no curves in its parameters; without them a faceted solid is half as large and read twice as fast.
    Interface_Static.SetIVal_s("write.surfacecurve.mode", 0 if _only_planes(shape) else 1)
    Interface_Static.SetIVal_s("write.precision.mode", 0)
    Interface_Static.SetCVal_s("write.step.product.name", _plain(product))
    # Several solids stay one product; an assembly of nameless parts would help nobody.
    Interface_Static.SetIVal_s("write.step.assembly", 0)
    writer = STEPControl_Writer()
    stream = io.BytesIO()
    if writer.Transfer(shape, STEPControl_AsIs) != IFSelect_RetDone or writer.WriteStream(stream) != IFSelect_RetDone:
        raise ValueError(f"expected OCC to write {path.name}, it refused")
    text = stream.getvalue()
    stamped, count = _STAMP.subn(rb"\g<1>" + _FIXED_STAMP + rb"\g<2>", text[:4096], count=1)
    if count != 1:
        raise ValueError(f"expected a FILE_NAME line in {path.name}, found none")
    whole = stamped + text[4096:]
    path.write_bytes(_NUMBERED_PRODUCT.sub(rb"\g<1>\g<2>','\g<2>'", whole, count=1))


def _plain(name: str) -> str:
    """Keep what a STEP string may hold without escapes: printable ASCII."""
    return "".join(c if " " <= c <= "~" else "_" for c in name)[:_MAX_NAME_CHARACTERS] or "part"


def _only_planes(shape: Any) -> bool:
    import cadquery as cq

    return all(face.geomType() == "PLANE" for face in cq.Shape.cast(shape).Faces())


def read_step(path: Path) -> Any:
    """Read a STEP file back as one shape, in millimetres."""
    from OCP.IFSelect import IFSelect_RetDone
    from OCP.Interface import Interface_Static
    from OCP.STEPControl import STEPControl_Controller, STEPControl_Reader

    STEPControl_Controller.Init_s()
    Interface_Static.SetCVal_s("xstep.cascade.unit", "MM")
    reader = STEPControl_Reader()
    if reader.ReadFile(str(path)) != IFSelect_RetDone:
        raise ValueError(f"expected {path.name} to be readable, OCC refused it")
    reader.TransferRoots()
    return reader.OneShape()


def write_mesh(mesh: SharedMesh, path: Path) -> None:
    """Write `vertices` and `faces` as an uncompressed npz."""
    np.savez(path, vertices=mesh.vertices, faces=mesh.faces)


def write_stl(mesh: SharedMesh, path: Path) -> None:
    """Write the mesh as binary STL with float32 coordinates, in mm."""
    corners = mesh.vertices[mesh.faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    lengths = np.linalg.norm(normals, axis=1, keepdims=True)
    normals = np.divide(normals, lengths, out=np.zeros_like(normals), where=lengths > 0)
    record = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
    rows = np.zeros(len(corners), dtype=record)
    rows["normal"], rows["corners"] = normals, corners
    head = b"binary STL, millimetres".ljust(80, b" ")
    path.write_bytes(head + np.uint32(len(rows)).astype("<u4").tobytes() + rows.tobytes())

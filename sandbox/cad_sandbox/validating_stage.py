"""The second stage: a fresh process that never saw the program reads its B-rep bytes, judges, measures and writes.

The bytes may be forged and may crash OCC; that ends this process and nothing else.
"""

from __future__ import annotations

import errno
import io
import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

from cad_sandbox.execution import Export
from cad_sandbox.file_names import FILE_NAMES
from cad_sandbox.files import read_step, write_brep, write_mesh, write_step, write_stl
from cad_sandbox.frames import Kind, write_frame
from cad_sandbox.stitch import Chord, SharedMesh, tessellate

__all__ = ["validate_and_write"]

_READ_BACK_TOLERANCE = 1e-4


def validate_and_write(
    shape_bytes: memoryview,
    *,
    pipe: int,
    folder: Path,
    exports: frozenset[Export],
    deflection: float,
    angle_rad: float,
    product: str,
) -> None:
    """Judge the shape, write what `exports` asks for into `folder`, and report to `pipe`."""
    try:
        report = _report(shape_bytes, pipe, folder, exports, deflection, angle_rad, product)
    except MemoryError as error:
        report = {"outcome": "out_of_memory", "message": f"while the shape was validated: {error or 'MemoryError'}"}
    except OSError as error:
        # The file limit is the program's affair, a full disk the machine's.
        outcome = "refused" if error.errno == errno.EFBIG else "lost"
        report = {"outcome": outcome, "message": f"the files could not be written: {error}"}
    except Exception as error:
        text = " ".join(str(error)[:500].split())
        report = {"outcome": "invalid", "message": f"the shape could not be validated: {type(error).__name__} {text}"}
    write_frame(pipe, Kind.REPORT, json.dumps(report, allow_nan=False).encode())


def _report(
    shape_bytes: memoryview,
    pipe: int,
    folder: Path,
    exports: frozenset[Export],
    deflection: float,
    angle_rad: float,
    product: str,
) -> dict[str, Any]:
    write_frame(pipe, Kind.PHASE, b"validating the shape")
    shape = _read(shape_bytes)
    measured = _measure(shape)
    if measured["outcome"] != "built":
        return measured
    diagonal = math.dist(measured["low"], measured["high"])
    if Export.BREP in exports:
        write_brep(shape.wrapped, folder / FILE_NAMES[Export.BREP])
    if exports & {Export.STEP, Export.STL, Export.MESH}:
        write_frame(pipe, Kind.PHASE, b"writing STEP")
        step = folder / FILE_NAMES[Export.STEP]
        write_step(shape.wrapped, step, product=product)
        write_frame(pipe, Kind.PHASE, b"reading STEP back")
        again = _cast(read_step(step))
        complaint = _differs(measured, again)
        if complaint is not None:
            return {"outcome": "invalid", "message": f"the STEP file does not read back as it was: {complaint}"}
    if exports & {Export.STL, Export.MESH}:
        write_frame(pipe, Kind.PHASE, b"tessellating")
        mesh = tessellate(again.Solids(), deflection_mm=deflection * diagonal, angle_rad=angle_rad)
        measured["flaw"] = _flaw(mesh, again, "the STEP file's")
        # a solid of flat faces and straight edges is meshed one way whatever the chords
        if Export.MESH in exports and not measured["flaw"] and not _is_polyhedral(shape):
            own = tessellate(
                shape.Solids(), deflection_mm=deflection * diagonal, angle_rad=angle_rad, chord=Chord.RELATIVE
            )
            measured["flaw"] = _flaw(own, shape, "the program's")
        if len(mesh.faces) == 0:
            return {"outcome": "invalid", "message": "no face of the solid can be tessellated"}
        if Export.MESH in exports:
            write_mesh(mesh, folder / FILE_NAMES[Export.MESH])
        if Export.STL in exports:
            write_stl(mesh, folder / FILE_NAMES[Export.STL])
    return measured


def _cast(shape: Any) -> Any:
    import cadquery as cq

    return cq.Shape.cast(shape)


def _read(shape_bytes: memoryview) -> Any:
    from OCP.BinTools import BinTools
    from OCP.BRepTools import BRepTools
    from OCP.TopoDS import TopoDS_Shape

    shape = TopoDS_Shape()
    BinTools.Read_s(shape, io.BytesIO(shape_bytes))
    if shape.IsNull():
        raise ValueError("expected a shape, got none")
    # Forged bytes may bring triangles that have nothing to do with the surfaces.
    BRepTools.Clean_s(shape, True)
    return _cast(shape)


def _measure(shape: Any) -> dict[str, Any]:
    """Gate and measure; volume and area over the solids only, as a wire's "volume" is a number without meaning."""
    import cadquery as cq
    from OCP.BRepLib import BRepLib

    solids = shape.Solids()
    if not solids:
        return {"outcome": "no_solid", "message": f"expected at least one solid, got a {shape.ShapeType()}"}
    volume = area = 0.0
    for number, solid in enumerate(solids, start=1):
        name = "the solid" if len(solids) == 1 else f"solid {number} of {len(solids)}"
        if not solid.isValid():
            return {
                "outcome": "invalid",
                "message": f"{name} is not valid: OCC's checker finds broken or crossing faces",
            }
        if solid.Volume() <= 0:
            BRepLib.OrientClosedSolid_s(solid.wrapped)
        own = solid.Volume()
        if not (math.isfinite(own) and own > 0):
            return {"outcome": "invalid", "message": f"{name} has volume {own:g} mm³, expected more than 0"}
        volume += own
        area += solid.Area()
    whole = solids[0] if len(solids) == 1 else cq.Compound.makeCompound(solids)
    shape.wrapped = whole.wrapped
    box = whole.BoundingBox()
    low, high = (box.xmin, box.ymin, box.zmin), (box.xmax, box.ymax, box.zmax)
    if not all(map(math.isfinite, (*low, *high, area))):
        return {"outcome": "invalid", "message": "the solid has no finite box"}
    kinds = Counter(face.geomType() for solid in solids for face in solid.Faces())
    return {
        "outcome": "built",
        "message": "",
        "flaw": "",
        "solids": len(solids),
        "volume_mm3": volume,
        "area_mm2": area,
        "low": low,
        "high": high,
        "face_kinds": dict(sorted(kinds.items())),
    }


def _is_polyhedral(shape: Any) -> bool:
    """Whether all faces are flat and all edges straight."""
    flat = all(face.geomType() == "PLANE" for face in shape.Faces())
    return flat and all(edge.geomType() == "LINE" for edge in shape.Edges())


def _flaw(mesh: SharedMesh, meshed: Any, whose: str) -> str:
    """Say what meshing brought to light: OCC's checker passes solids whose faces do not meet."""
    if mesh.open_edges:
        unmeshed = f", {mesh.unmeshed_faces} faces without triangles" if mesh.unmeshed_faces else ""
        return f"faces do not meet: {mesh.open_edges} open edges in a mesh of {whose} solid{unmeshed}"
    if not all(solid.isValid() for solid in meshed.Solids()):
        return f"OCC's checker finds {whose} solid broken once it is meshed"
    return ""


def _differs(measured: dict[str, Any], again: Any) -> str | None:
    solids = again.Solids()
    if len(solids) != measured["solids"]:
        return f"{measured['solids']} solids went in, {len(solids)} came out"
    volume = sum(abs(solid.Volume()) for solid in solids)
    if abs(volume - measured["volume_mm3"]) > _READ_BACK_TOLERANCE * measured["volume_mm3"]:
        return f"volume {measured['volume_mm3']:g} mm³ went in, {volume:g} mm³ came out"
    return None

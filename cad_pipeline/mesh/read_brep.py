"""Tessellate a STEP or BREP file in a process of its own: `python -m cad_pipeline.mesh.read_brep IN OUT.npz KIND`.

The CAD kernel can hang or crash on a damaged file; the parent kills this process after a while. It talks to the kernel
directly: importing all of cadquery takes three times as long.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from cad_pipeline.mesh.raw import Floats, Ints

__all__ = ["main"]

RELATIVE_DEFLECTION = 2e-4
"""Largest distance between facets and the true surface, relative to the box's diagonal."""
ANGLE_RAD = 0.2


def main() -> int:
    """Read argv[1], a `step` or `brep` as argv[3] says, and write its triangles and figures to argv[2]."""
    source, target, kind = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    shape = _step(source) if kind == "step" else _brep(source)
    if shape.IsNull():
        print("the file holds no shape", file=sys.stderr)  # noqa: T201 - stderr is how the parent hears of it
        return 1
    solids = list(_parts(shape, "SOLID"))
    deflection = RELATIVE_DEFLECTION * _diagonal(shape)
    vertices, faces = _tessellate(shape, solids or [shape], deflection)
    np.savez(target, vertices=vertices, faces=faces, deflection=deflection, facts=json.dumps(_facts(solids)))
    return 0


def _facts(solids: list[Any]) -> dict[str, Any]:
    """Ask the kernel's checker, and measure the exact solids; a shape without any is invalid."""
    from OCP.BRepAdaptor import BRepAdaptor_Surface
    from OCP.BRepCheck import BRepCheck_Analyzer
    from OCP.BRepGProp import BRepGProp
    from OCP.GProp import GProp_GProps
    from OCP.TopoDS import TopoDS

    kinds: Counter[str] = Counter()
    volume, valid = 0.0, bool(solids)
    for solid in solids:
        valid = valid and BRepCheck_Analyzer(solid).IsValid()
        properties = GProp_GProps()
        BRepGProp.VolumeProperties_s(solid, properties)
        volume += float(properties.Mass())
        for face in _parts(solid, "FACE"):
            kind = BRepAdaptor_Surface(TopoDS.Face_s(face), False).GetType().name
            kinds[kind.removeprefix("GeomAbs_").replace("SurfaceOf", "").replace("Surface", "").upper()] += 1
    valid = valid and volume > 0.0
    return {"solids": len(solids), "valid": valid, "volume_mm3": volume, "face_kinds": dict(sorted(kinds.items()))}


def _step(source: Path) -> Any:
    from OCP.IFSelect import IFSelect_RetDone
    from OCP.Interface import Interface_Static
    from OCP.STEPControl import STEPControl_Reader

    reader = STEPControl_Reader()
    Interface_Static.SetCVal_s("xstep.cascade.unit", "MM")
    if reader.ReadFile(str(source)) != IFSelect_RetDone:
        raise SystemExit("the STEP can't be parsed")
    reader.TransferRoots()
    return reader.OneShape()


def _brep(source: Path) -> Any:
    from OCP.BRep import BRep_Builder
    from OCP.BRepTools import BRepTools
    from OCP.TopoDS import TopoDS_Shape

    shape = TopoDS_Shape()
    BRepTools.Read_s(shape, str(source), BRep_Builder())
    return shape


def _parts(shape: Any, kind: str) -> Iterator[Any]:
    from OCP import TopAbs
    from OCP.TopExp import TopExp_Explorer

    explorer = TopExp_Explorer(shape, getattr(TopAbs, f"TopAbs_{kind}"))
    while explorer.More():
        yield explorer.Current()
        explorer.Next()


def _diagonal(shape: Any) -> float:
    from OCP.Bnd import Bnd_Box
    from OCP.BRepBndLib import BRepBndLib

    box = Bnd_Box()
    BRepBndLib.Add_s(shape, box)
    if box.IsVoid():
        raise SystemExit("the shape is empty")
    return float(np.sqrt(box.SquareExtent()))


def _tessellate(shape: Any, parts: list[Any], deflection: float) -> tuple[Floats, Ints]:
    """Mesh the shape once, so that neighbours share the points of their edges, and collect the faces of `parts`."""
    from OCP.BRep import BRep_Tool
    from OCP.BRepMesh import BRepMesh_IncrementalMesh
    from OCP.TopAbs import TopAbs_REVERSED
    from OCP.TopLoc import TopLoc_Location
    from OCP.TopoDS import TopoDS

    BRepMesh_IncrementalMesh(shape, deflection, False, ANGLE_RAD, False)
    points: list[tuple[float, float, float]] = []
    corners: list[tuple[int, ...]] = []
    for part in parts:
        for face in _parts(part, "FACE"):
            place = TopLoc_Location()
            mesh = BRep_Tool.Triangulation_s(TopoDS.Face_s(face), place)
            if mesh is None:
                continue
            move, offset = place.Transformation(), len(points) - 1
            nodes = (mesh.Node(k).Transformed(move) for k in range(1, mesh.NbNodes() + 1))
            points += [(node.X(), node.Y(), node.Z()) for node in nodes]
            step = -1 if face.Orientation() == TopAbs_REVERSED else 1
            triangles = (mesh.Triangle(k).Get()[::step] for k in range(1, mesh.NbTriangles() + 1))
            corners += [tuple(corner + offset for corner in triangle) for triangle in triangles]
    return np.array(points, np.float64).reshape(-1, 3), np.array(corners, np.int64).reshape(-1, 3)


if __name__ == "__main__":
    sys.exit(main())

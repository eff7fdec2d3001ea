"""Meshes solids so that triangles of neighbouring faces share the vertices of their common edge.

OCC's mesher divides each edge once and both faces use that division, but hands out one point list a face. The stitching
goes by topology (which node of a face is which point of which edge), so it holds where rounding coordinates would glue
apart or together: at thin walls, tiny edges, seams and poles.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from OCP.BRep import BRep_Tool
from OCP.BRepMesh import BRepMesh_IncrementalMesh
from OCP.TopAbs import TopAbs_EDGE, TopAbs_FACE, TopAbs_REVERSED
from OCP.TopExp import TopExp, TopExp_Explorer
from OCP.TopLoc import TopLoc_Location
from OCP.TopoDS import TopoDS
from OCP.TopTools import TopTools_IndexedMapOfShape
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

__all__ = ["Chord", "SharedMesh", "tessellate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedMesh:
    """Vertices (n, 3) float64 in mm, faces (m, 3) int64, outward; `open_edges` counts those that do not close."""

    vertices: NDArray[np.float64]
    faces: NDArray[np.int64]
    open_edges: int
    unmeshed_faces: int


class Chord(enum.Enum):
    """What the chord error is measured by: the same length everywhere, or each edge's own size (CadQuery's habit)."""

    ABSOLUTE = False
    RELATIVE = True


def tessellate(
    solids: list[Any], *, deflection_mm: float, angle_rad: float, chord: Chord = Chord.ABSOLUTE
) -> SharedMesh:
    """Mesh cadquery `solids` with chord error `deflection_mm` and at most `angle_rad` between neighbouring facets."""
    vertices: list[NDArray[np.float64]] = []
    faces: list[NDArray[np.int64]] = []
    count = open_edges = unmeshed = 0
    for solid in solids:
        points, triangles, missing = _solid(solid.wrapped, deflection_mm, angle_rad, chord)
        unmeshed += missing
        if _signed_volume(points, triangles) < 0:
            triangles = triangles[:, ::-1]
        open_edges += _open_edges(triangles)
        vertices.append(points)
        faces.append(triangles + count)
        count += len(points)
    return SharedMesh(
        vertices=np.concatenate(vertices),
        faces=np.ascontiguousarray(np.concatenate(faces)),
        open_edges=open_edges,
        unmeshed_faces=unmeshed,
    )


def _solid(
    shape: Any, deflection_mm: float, angle_rad: float, chord: Chord
) -> tuple[NDArray[np.float64], NDArray[np.int64], int]:
    BRepMesh_IncrementalMesh(shape, deflection_mm, chord.value, angle_rad, False)
    points: list[tuple[float, float, float]] = []
    triangles: list[tuple[int, int, int]] = []
    same = _Identities()
    missing = 0
    faces = TopExp_Explorer(shape, TopAbs_FACE)
    while faces.More():
        if not _add_face(TopoDS.Face_s(faces.Current()), points, triangles, same):
            missing += 1
        faces.Next()
    if not triangles:
        return np.zeros((0, 3)), np.zeros((0, 3), dtype=np.int64), missing
    merged = same.representatives(len(points))[np.array(triangles, dtype=np.int64)]
    a, b, c = merged.T
    merged = merged[(a != b) & (b != c) & (c != a)]
    used, compact = np.unique(merged, return_inverse=True)
    return np.array(points)[used], compact.reshape(-1, 3).astype(np.int64), missing


def _add_face(
    face: Any, points: list[tuple[float, float, float]], triangles: list[tuple[int, int, int]], same: _Identities
) -> bool:
    """Add one face's points and triangles and note which points are whose; say whether there was anything to add."""
    location = TopLoc_Location()
    triangulation = BRep_Tool.Triangulation_s(face, location)
    if triangulation is None or triangulation.NbTriangles() == 0:
        return False
    first = len(points) - 1  # OCC counts from 1
    moved = None if location.IsIdentity() else location.Transformation()
    for number in range(1, triangulation.NbNodes() + 1):
        node = triangulation.Node(number)
        if moved is not None:
            node = node.Transformed(moved)
        points.append((node.X(), node.Y(), node.Z()))
    backwards = face.Orientation() == TopAbs_REVERSED
    for number in range(1, triangulation.NbTriangles() + 1):
        a, b, c = triangulation.Triangle(number).Get()
        triangles.append((first + c, first + b, first + a) if backwards else (first + a, first + b, first + c))
    edges = TopExp_Explorer(face, TopAbs_EDGE)
    while edges.More():
        edge = TopoDS.Edge_s(edges.Current())
        edges.Next()
        polygon = BRep_Tool.PolygonOnTriangulation_s(edge, triangulation, location)
        if polygon is not None:
            same.note_edge(edge, [first + polygon.Node(k) for k in range(1, polygon.NbNodes() + 1)])
    return True


class _Identities:
    """Which mesh points are one point: those of one place on one edge, and those of one vertex."""

    def __init__(self) -> None:
        # Counts a shape once wherever it occurs, whatever its orientation (OCC's `IsSame`).
        self._shapes = TopTools_IndexedMapOfShape()
        self._first: dict[tuple[int, int, int], int] = {}
        self._pairs: list[tuple[int, int]] = []

    def _note(self, key: tuple[int, int, int], point: int) -> None:
        self._pairs.append((self._first.setdefault(key, point), point))

    def note_edge(self, edge: Any, nodes: list[int]) -> None:
        """Note the points along one edge, in the edge's own direction whatever its orientation in the face."""
        start, end = TopExp.FirstVertex_s(edge, False), TopExp.LastVertex_s(edge, False)
        if not start.IsNull():
            vertex = (self._shapes.Add(start), 0, 0)
            self._note(vertex, nodes[0])
            if BRep_Tool.Degenerated_s(edge):
                # The pole of a sphere: every point of the edge lies in its one vertex.
                for point in nodes:
                    self._note(vertex, point)
                return
        if not end.IsNull():
            self._note((self._shapes.Add(end), 0, 0), nodes[-1])
        if len(nodes) > 2:
            own = self._shapes.Add(edge)
            for place in range(1, len(nodes) - 1):
                self._note((own, len(nodes), place), nodes[place])

    def representatives(self, count: int) -> NDArray[np.int64]:
        """Give every point the lowest number of its class, (count,)."""
        pairs = np.array(self._pairs, dtype=np.int64).reshape(-1, 2)
        graph = coo_array((np.ones(len(pairs), dtype=bool), (pairs[:, 0], pairs[:, 1])), shape=(count, count))
        _, label = connected_components(graph, directed=False)
        lowest = np.full(label.max() + 1, count, dtype=np.int64)
        np.minimum.at(lowest, label, np.arange(count))
        representative: NDArray[np.int64] = lowest[label]
        return representative


def _signed_volume(points: NDArray[np.float64], triangles: NDArray[np.int64]) -> float:
    if len(triangles) == 0:
        return 0.0
    a, b, c = (points[triangles[:, k]] - points.mean(axis=0) for k in range(3))
    return float(np.einsum("ij,ij->", a, np.cross(b, c)) / 6.0)


def _open_edges(triangles: NDArray[np.int64]) -> int:
    """Count the edges that are not run through as often one way as the other.

    Where two corners of a solid touch along an edge, four triangles share it: that is a shape, not a crack.
    """
    if len(triangles) == 0:
        return 0
    start, end = triangles[:, [0, 1, 2]].ravel(), triangles[:, [1, 2, 0]].ravel()
    base = int(triangles.max()) + 1
    edges, which = np.unique(np.minimum(start, end) * base + np.maximum(start, end), return_inverse=True)
    balance = np.bincount(which.reshape(-1), weights=np.where(start < end, 1, -1), minlength=len(edges))
    return int(np.count_nonzero(balance))

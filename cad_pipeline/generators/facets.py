"""The net under the ladder: a valid solid with the mesh's own planar faces, merged, sharing edges and vertices.

Written as a program too, so that it runs, is judged and is delivered like any other; its data are vertices and polygons
instead of features, and its grade says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cad_pipeline.generators.slivers import without_slivers
from cad_pipeline.values import Attempt, Mesh, Origin, Program, ProgramKind, Target

__all__ = ["FacetGenerator"]

# OCC needs seconds for every ten thousand faces: finer meshes are thinned, and none of more is attempted
THIN_TO = 30_000
MOST_TRIANGLES = 60_000

BUILDER = """
from OCP.BRep import BRep_Builder
from OCP.BRepBuilderAPI import BRepBuilderAPI_MakeEdge, BRepBuilderAPI_MakeFace, BRepBuilderAPI_MakeVertex
from OCP.BRepBuilderAPI import BRepBuilderAPI_MakeWire
from OCP.gp import gp_Dir, gp_Pln, gp_Pnt
from OCP.ShapeFix import ShapeFix_Shape
from OCP.TopoDS import TopoDS, TopoDS_Shell, TopoDS_Solid

# Shared topology: one OCC vertex a point, one edge a pair of points, so that the shell closes without sewing.
corners = [BRepBuilderAPI_MakeVertex(gp_Pnt(*p)).Vertex() for p in points]
edges = {}


def edge(a, b):
    key = (a, b) if a < b else (b, a)
    if key not in edges:
        edges[key] = BRepBuilderAPI_MakeEdge(corners[key[0]], corners[key[1]]).Edge()
    return edges[key] if a < b else TopoDS.Edge_s(edges[key].Reversed())


def wire(loop):
    maker = BRepBuilderAPI_MakeWire()
    for a, b in zip(loop, loop[1:] + loop[:1]):
        maker.Add(edge(a, b))
    return maker.Wire()


def face(loops, normal):
    plane = gp_Pln(gp_Pnt(*points[loops[0][0]]), gp_Dir(*normal))
    maker = BRepBuilderAPI_MakeFace(plane, wire(loops[0]), True)
    for hole in loops[1:]:
        maker.Add(wire(hole))
    return maker.Face()


def solid(shells):
    builder = BRep_Builder()
    body = TopoDS_Solid()
    builder.MakeSolid(body)
    for polygons in shells:  # the outer shell, then those of its voids
        shell = TopoDS_Shell()
        builder.MakeShell(shell)
        for loops, normal in polygons:
            builder.Add(shell, face(loops, normal))
        shell.Closed(True)
        builder.Add(body, shell)
    fixer = ShapeFix_Shape(body)
    fixer.Perform()
    return cq.Shape.cast(fixer.Shape())
"""


@dataclass(frozen=True, slots=True)
class FacetGenerator:
    """Propose the faceted solid, once, when nothing in the history was accepted."""

    name: str = "facets"

    def propose(self, target: Target, history: Sequence[Attempt], /, *, samples: int = 1) -> Sequence[Program]:
        """Propose the mesh as a shell of merged planar faces; nothing if the mesh encloses no volume."""
        mine = [a for a in history if a.program.origin.generator == self.name]
        if any(a.verdict.accepted for a in history) or len(mine) >= len(MERGE_STEPS):
            return []
        mesh = _whole(_light(target.mesh))
        if len(mesh.faces) > MOST_TRIANGLES:
            return []
        step = MERGE_STEPS[len(mine)]
        origin = Origin(generator=self.name, round=len(mine), note=step.words)
        return [Program(source=_source(mesh, step.merge), kind=ProgramKind.FACETS, origin=origin)]


def _light(mesh: Mesh) -> Mesh:
    """The mesh itself, or one of fewer triangles where it has too many."""
    if len(mesh.faces) <= THIN_TO:
        return mesh
    from cad_pipeline.generators.thinning import thinned

    vertices, faces = thinned(mesh.vertices, mesh.faces, most=THIN_TO)
    return Mesh(name=mesh.name, vertices=vertices, faces=faces)


def _whole(mesh: Mesh) -> Mesh:
    """The mesh without triangles that have no plane."""
    from cad_pipeline.generators.geometric.scale import Scale

    faces = without_slivers(mesh.vertices, mesh.faces, Scale.of(mesh.vertices).noise)
    return mesh if faces is mesh.faces else Mesh(name=mesh.name, vertices=mesh.vertices, faces=faces)


@dataclass(frozen=True, slots=True)
class _MergeStep:
    words: str
    merge: bool


MERGE_STEPS = (_MergeStep("coplanar triangles merged", True), _MergeStep("every triangle a face", False))


def _source(mesh: Mesh, merge: bool) -> str:
    from cad_pipeline.generators.geometric.numbers import nice
    from cad_pipeline.generators.geometric.scale import Scale

    scale = Scale.of(mesh.vertices)
    bodies = _polygons(mesh, scale, merge)
    faces = [face for shells in bodies for shell in shells for face in shell]
    used = np.unique(np.concatenate([np.asarray(loop) for loops, _ in faces for loop in loops]))
    index = np.full(len(mesh.vertices), -1, dtype=np.int64)
    index[used] = np.arange(len(used))
    step = scale.noise / 8
    points = ",\n    ".join("(" + ", ".join(repr(nice(float(c), step)) for c in mesh.vertices[v]) + ")" for v in used)

    def written(face: Polygon) -> str:
        loops, normal = face
        return f"({[[int(index[v]) for v in loop] for loop in loops]}, ({', '.join(f'{c:.12g}' for c in normal)}))"

    rows = []
    for shells in bodies:
        texts = ["[\n    " + ",\n    ".join(written(face) for face in shell) + ",\n]" for shell in shells]
        rows.append(f"[{', '.join(texts)}]")
    return (
        f'"""{mesh.name}: a faceted solid of {len(faces)} planar faces.\n\n'
        'No features were found: edit what the mesh was made from instead."""\n\n'
        f"import cadquery as cq\n\npoints = [\n    {points},\n]\nbodies = [{', '.join(rows)}]\n{BUILDER}\n"
        "solids = [s for shells in bodies for s in solid(shells).Solids()]\n"
        "result = cq.Workplane(obj=cq.Compound.makeCompound(solids))\n"
    )


Polygon = tuple[list[list[int]], NDArray[np.float64]]


def _polygons(mesh: Mesh, scale: object, merge: bool) -> list[list[list[Polygon]]]:
    """Group the triangles into planar polygons with holes: per body its outer shell, then those of its voids.

    Loops are vertex indices.
    """
    from cad_pipeline.generators.geometric.facets import facets_of
    from cad_pipeline.generators.geometric.scale import Scale

    assert isinstance(scale, Scale)
    facets = facets_of(mesh.vertices, mesh.faces, scale.size, scale.noise)
    label = facets.of_triangle if merge else np.arange(len(mesh.faces))
    body = _bodies(mesh.faces)
    corner = mesh.vertices[mesh.faces]
    cross = np.cross(corner[:, 1] - corner[:, 0], corner[:, 2] - corner[:, 0])
    order = np.argsort(label, kind="stable")
    starts = np.nonzero(np.diff(np.r_[-1, label[order]]))[0]
    shells: dict[int, list[Polygon]] = {}
    for members in np.split(order, starts[1:]):
        normal = cross[members].sum(axis=0)
        length = float(np.linalg.norm(normal))
        flat = merge and len(members) > 1 and length > 0
        if (
            flat
            and np.abs((corner[members].reshape(-1, 3) - corner[members[0], 0]) @ (normal / length)).max()
            > 8 * scale.noise
        ):
            flat = False
        loops = _loops(mesh.faces[members], mesh.vertices, normal) if flat else None
        target = shells.setdefault(int(body[members[0]]), [])
        if loops is not None:
            target.append((loops, normal / length))
            continue
        for t in members:
            n = float(np.linalg.norm(cross[t]))
            if n > 0:
                target.append(([mesh.faces[t].tolist()], cross[t] / n))
    return [[shells[k] for k in group] for group in _nested(corner, body) if any(k in shells for k in group)]


def _nested(corner: NDArray[np.float64], body: NDArray[np.int64]) -> list[list[int]]:
    """Put each shell that bounds a void (negative volume) behind the smallest outer shell whose box holds it."""
    middle = corner.reshape(-1, 3).mean(axis=0)
    a, b, c = (corner[:, k] - middle for k in range(3))
    volume = np.bincount(body, weights=np.einsum("ij,ij->i", a, np.cross(b, c)) / 6.0)
    boxes = {k: (corner[body == k].min(axis=(0, 1)), corner[body == k].max(axis=(0, 1))) for k in np.unique(body)}
    groups = {int(k): [int(k)] for k in np.unique(body) if volume[k] >= 0}
    for k in np.unique(body):
        if volume[k] < 0:
            low, high = boxes[k]
            around = [g for g in groups if (boxes[g][0] <= low).all() and (boxes[g][1] >= high).all()]
            home = min(around, key=lambda g: float(volume[g]), default=None)
            groups.setdefault(int(k) if home is None else home, []).append(int(k))
    return list(groups.values())


def _bodies(faces: NDArray[np.int64]) -> NDArray[np.int64]:
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    n = int(faces.max()) + 1
    pairs = np.vstack([faces[:, :2], faces[:, 1:]])
    graph = coo_matrix((np.ones(len(pairs), dtype=np.int8), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    _, label = connected_components(graph, directed=False)
    return np.asarray(label[faces[:, 0]], dtype=np.int64)


def _loops(
    faces: NDArray[np.int64], vertices: NDArray[np.float64], normal: NDArray[np.float64]
) -> list[list[int]] | None:
    """Boundary loops of coplanar triangles, the outer one first; None where a vertex is met twice."""
    edges = np.vstack([faces[:, [0, 1]], faces[:, [1, 2]], faces[:, [2, 0]]])
    there = {(int(a), int(b)) for a, b in edges}
    after: dict[int, int] = {}
    for a, b in there:
        if (b, a) not in there:
            if a in after:
                return None
            after[a] = b
    loops = []
    while after:
        start, here = after.popitem()
        loop = [start]
        while here != start:
            loop.append(here)
            if here not in after:
                return None
            here = after.pop(here)
        loops.append(loop)
    axis = int(np.argmax(np.abs(normal)))
    plane = [k for k in range(3) if k != axis]
    sign = np.sign(normal[axis]) * (1 if axis != 1 else -1)
    areas = []
    for loop in loops:
        p = vertices[loop][:, plane]
        x, y = p[:, 0] - p[0, 0], p[:, 1] - p[0, 1]
        areas.append(sign * float((x * np.roll(y, -1) - y * np.roll(x, -1)).sum()))
    outer = int(np.argmax(areas))
    if areas[outer] <= 0 or sum(a > 0 for a in areas) != 1:
        return None
    return [loops[outer], *(loop for k, loop in enumerate(loops) if k != outer)]

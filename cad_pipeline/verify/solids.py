"""Meshes as solids for exact booleans (manifold3d), with every cure that was needed told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import manifold3d
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

__all__ = ["UNITED", "Solid", "close_cracks", "make_solid", "remade", "weld"]

# Relative to the diagonal; far below what any metric here resolves, far above float32 noise of a file.
_WELDS = (0.0, 1e-7, 1e-6, 1e-5)
_MOST_PATCHED = 1e-3
_MOST_COMPARED = 2000
UNITED = "overlapping bodies united"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Solid:
    """A manifold, or None with the reason. `cures` names what had to be done to the triangles."""

    manifold: Any | None
    reason: str = ""
    cures: tuple[str, ...] = ()


def make_solid(vertices: NDArray[np.float64], faces: NDArray[np.int64]) -> Solid:
    """Build a solid from triangles, welding ever more boldly until they close; overlapping bodies are united.

    Inverted meshes are turned. The welds move no vertex by more than 1e-5 of the diagonal; cracks are closed if that
    adds less than a thousandth of the area (tessellators leave them where faces meet at vertices of one side only).
    """
    made = _as_manifold(vertices, faces)
    cures: tuple[str, ...] = ()
    if made is None:
        diagonal = float(np.linalg.norm(np.ptp(vertices, axis=0)))
        for tolerance in _WELDS:
            welded, kept = weld(vertices, faces, tolerance * diagonal)
            made = _as_manifold(welded, kept)
            if made is not None:
                cures = (_told(tolerance),)
                break
            made = _as_manifold(welded, close_cracks(welded, kept))
            if made is not None:
                cures = (_told(tolerance), "cracks closed")
                break
        else:
            return Solid(manifold=None, reason=_why_open(*weld(vertices, faces, 0.0)))
    manifold, more = _settle(made)
    if manifold.volume() <= 0.0:
        return Solid(manifold=None, reason="the triangles enclose no volume", cures=cures + more)
    return Solid(manifold=manifold, cures=cures + more)


def _told(tolerance: float) -> str:
    return f"vertices welded at {tolerance:g} of the diagonal" if tolerance > 0.0 else "equal vertices joined"


def weld(
    vertices: NDArray[np.float64], faces: NDArray[np.int64], tolerance: float
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Join vertices within `tolerance` (0: equal ones) and drop triangles that lose a corner or cancel out."""
    if tolerance > 0.0:
        pairs = cKDTree(vertices).query_pairs(tolerance, output_type="ndarray")
        n = len(vertices)
        graph = coo_matrix((np.ones(len(pairs), np.int8), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
        _, label = connected_components(graph, directed=False)
        _, first = np.unique(label, return_index=True)
    else:
        _, first, label = np.unique(vertices + 0.0, axis=0, return_index=True, return_inverse=True)
    joined = np.asarray(label, np.int64).reshape(-1)[faces]
    whole = (joined[:, 0] != joined[:, 1]) & (joined[:, 1] != joined[:, 2]) & (joined[:, 2] != joined[:, 0])
    return np.ascontiguousarray(vertices[first]), _without_folds(joined[whole])


def close_cracks(vertices: NDArray[np.float64], faces: NDArray[np.int64]) -> NDArray[np.int64]:
    """Add fans of triangles over the open loops of faces (m, 3); unchanged if they are no cracks but holes."""
    ends = faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2)
    n = len(vertices)
    forward, backward = ends[:, 0] * n + ends[:, 1], ends[:, 1] * n + ends[:, 0]
    open_ends = ends[~np.isin(forward, backward)]
    if len(open_ends) == 0 or len(open_ends) > len(faces) // 4:
        return faces
    onward: dict[int, list[int]] = {}
    for start, end in open_ends.tolist():
        onward.setdefault(end, []).append(start)
    fans: list[tuple[int, int, int]] = []
    while onward:
        loop = [next(iter(onward))]
        while (choices := onward.get(loop[-1])) is not None:
            step = choices.pop()
            if not choices:
                del onward[loop[-1]]
            if step == loop[0]:
                break
            loop.append(step)
        else:
            return faces
        fans += [(loop[0], loop[k], loop[k + 1]) for k in range(1, len(loop) - 1)]
    patch = np.array(fans, np.int64).reshape(-1, 3)
    closed = np.concatenate([faces, patch])
    added, before = (_area(vertices, part) for part in (patch, faces))
    return closed if added <= _MOST_PATCHED * before else faces


def _area(vertices: NDArray[np.float64], faces: NDArray[np.int64]) -> float:
    a, b, c = (vertices[faces[:, k]] for k in range(3))
    return float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2.0)


def _without_folds(faces: NDArray[np.int64]) -> NDArray[np.int64]:
    """Drop pairs of triangles on the same corners with opposite orientation: a fold encloses nothing."""
    if len(faces) == 0:
        return faces
    key = np.sort(faces, axis=1)
    even = (np.argmin(faces, axis=1)[:, None] + np.arange(3)) % 3
    turned = np.take_along_axis(faces, even, axis=1)
    sign = np.where(turned[:, 1] < turned[:, 2], 1, -1)
    _, where, counts = np.unique(key, axis=0, return_inverse=True, return_counts=True)
    where = where.reshape(-1)
    if counts.max() == 1:
        return faces
    net = np.bincount(where, weights=sign)
    keep = (counts[where] == 1) | (net[where] != 0)
    return np.ascontiguousarray(faces[keep])


def _as_manifold(vertices: NDArray[np.float64], faces: NDArray[np.int64]) -> Any | None:
    if len(faces) < 4:
        return None
    mesh = manifold3d.Mesh64(vertices.copy(), faces.astype(np.uint64))
    made = manifold3d.Manifold(mesh)
    if made.status() != manifold3d.Error.NoError and mesh.merge():
        made = manifold3d.Manifold(mesh)
    return made if made.status() == manifold3d.Error.NoError and not made.is_empty() else None


def _turned(manifold: Any) -> Any:
    mesh = manifold.to_mesh64()
    return remade(np.array(mesh.vert_properties)[:, :3], np.array(mesh.tri_verts)[:, ::-1])


def remade(points: NDArray[np.float64], triangles: NDArray[np.uint64]) -> Any:
    """Build a manifold from arrays that a manifold gave; its vertices are shared already."""
    return manifold3d.Manifold(
        manifold3d.Mesh64(np.array(points, np.float64, order="C"), np.array(triangles, np.uint64, order="C"))
    )


def _settle(manifold: Any) -> tuple[Any, tuple[str, ...]]:
    """Turn what faces inwards and unite bodies that overlap, keeping voids.

    Components go from large to small: what lies inside another is smaller, so a void is cut from its body before an
    island inside the void is added. A component that faces inwards and lies in no body is a turned body, not a void.
    """
    cures: list[str] = []
    if manifold.volume() < 0.0:
        manifold = _turned(manifold)
        cures.append("triangles faced inwards and were turned")
    parts = sorted(manifold.decompose(), key=lambda part: -abs(part.volume()))
    if len(parts) == 1 or (all(p.volume() > 0.0 for p in parts) and _boxes_apart(parts)):
        return manifold, tuple(cures)
    if all(part.volume() > 0.0 for part in parts):
        whole = manifold3d.Manifold.batch_boolean(parts, manifold3d.OpType.Add)
        united = whole.volume() < (1.0 - 1e-9) * manifold.volume()
        return whole, (*cures, UNITED) if united else tuple(cures)
    whole = parts[0] if parts[0].volume() > 0.0 else _turned(parts[0])
    apart = abs(parts[0].volume())
    for part in parts[1:]:
        volume = part.volume()
        if volume > 0.0:
            whole = whole + part
            apart += volume
        elif volume < 0.0:
            filled = _turned(part)
            if (whole ^ filled).volume() > 0.5 * filled.volume():
                whole = whole - filled
                apart += volume
            else:
                whole = whole + filled
                apart -= volume
                cures.append("a body faced inwards and was turned")
    if whole.volume() < (1.0 - 1e-9) * apart:
        cures.append(UNITED)
    return whole, tuple(cures)


def _boxes_apart(parts: list[Any]) -> bool:
    if len(parts) > _MOST_COMPARED:
        return False
    boxes = np.array([part.bounding_box() for part in parts])
    low, high = boxes[:, :3], boxes[:, 3:]
    meet = ((low[:, None] <= high[None]) & (high[:, None] >= low[None])).all(axis=2)
    return int(meet.sum()) == len(parts)


def _why_open(vertices: NDArray[np.float64], faces: NDArray[np.int64]) -> str:
    from cad_pipeline.verify.topology import count_edges

    edges = count_edges(faces)
    if len(faces) == 0 or edges.faces < 4:
        return "the triangles enclose no volume"
    return f"the triangles do not close ({edges.open} open edges, {edges.crowded} shared by more than two)"

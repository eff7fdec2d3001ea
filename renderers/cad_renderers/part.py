"""A mesh made ready to be drawn: checked, centred, scaled, welded, with smooth normals and its lines.

Everything here is the same for all renderers and all views, so that they can only differ in which triangle they see.
"""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cad_renderers import topology_kernels as kernels
from cad_renderers.roles import Triangles

__all__ = ["MAX_TRIANGLES", "EdgeKind", "Part", "prepare"]

MAX_TRIANGLES = 2**23 - 1
"""Graphics drivers answer with the number of a triangle's side in three bytes."""

_WELD = 1e-6
_THIN = 2e-6
_THIN_AT_MOST = 1e-4
_FLOAT32_STEP = 2.0**-23
_COPLANAR_DEG = 0.3
_SPECK = 4e-3
_BEND_DEG = 0.8
_PLANE_AREA = 2e-3
_PLANE_RATIO = 4.0


class EdgeKind(enum.IntEnum):
    """What an edge is to the pen: drawn only as a silhouette, always, or a plane's guessed border to a rounding."""

    SMOOTH = 0
    FEATURE = 1
    TANGENT = 2


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Part:
    """A checked mesh in its own frame, moved to the middle of its box and divided by the box's diagonal.

    `vertices` (n, 3) float64; `faces` (m, 3) int32; `normals` (k, 3) float64 with `corner_normals` (m, 3) that index
    them; `flat` (m,) uint8 marks triangles of one normal. `edge_vertices` (e, 2), `edge_faces` (e, 2; -1 beyond a
    border), `edge_kind` (e,): an `EdgeKind`, `edge_turned` (e,): -1 where the two triangles disagree on what is
    outside. `outward` says that the triangles enclose a volume and face out of it. `centre` and `diagonal` lead back
    to the mesh's frame; `half_size` (3,) is half the box, in diagonals.
    """

    vertices: NDArray[np.float64]
    faces: NDArray[np.int32]
    normals: NDArray[np.float64]
    corner_normals: NDArray[np.int32]
    flat: NDArray[np.uint8]
    edge_vertices: NDArray[np.int32]
    edge_faces: NDArray[np.int32]
    edge_kind: NDArray[np.uint8]
    edge_turned: NDArray[np.int8]
    outward: bool
    centre: NDArray[np.float64]
    diagonal: float
    half_size: NDArray[np.float64]


def _checked(mesh: Triangles) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    vertices = np.asarray(mesh.vertices, dtype=np.float64)
    faces = np.asarray(mesh.faces)
    if vertices.ndim != 2 or vertices.shape[1] != 3:
        raise ValueError(f"expected vertices of shape (n, 3), got {vertices.shape}")
    if faces.ndim != 2 or faces.shape[1] != 3 or len(faces) == 0:
        raise ValueError(f"expected at least one triangle, faces of shape (m, 3), got {faces.shape}: nothing to draw")
    if not np.issubdtype(faces.dtype, np.integer):
        raise ValueError(f"expected integer faces, got {faces.dtype}")
    if len(faces) > MAX_TRIANGLES:
        raise ValueError(f"expected at most {MAX_TRIANGLES:,} triangles, got {len(faces):,}: decimate the mesh first")
    if faces.min() < 0 or faces.max() >= len(vertices):
        raise ValueError(f"expected faces that index {len(vertices)} vertices, got {faces.min()}..{faces.max()}")
    return vertices, faces.astype(np.int64)


def _thin(vertices: NDArray[np.float64], diagonal: float) -> float:
    """Say below which height, in diagonals, a triangle's normal is noise: single precision is coarse far from zero."""
    with np.errstate(over="ignore"):
        single = np.array_equal(vertices, vertices.astype(np.float32))
    noise = 8.0 * _FLOAT32_STEP * float(np.abs(vertices).max()) / diagonal if single else 0.0
    return min(max(_THIN, noise), _THIN_AT_MOST)


def prepare(mesh: Triangles, /, *, crease_deg: float) -> Part:
    """Check `mesh` and find what is drawn of it: smooth normals and lines, split where it turns by `crease_deg`.

    Corner normals are weighted by corner angle times the area of the flat region a triangle lies in, so that a plane
    stays plane beside a fillet that runs into it. Raises `ValueError` for meshes that show nothing.
    """
    vertices, faces = _checked(mesh)
    seen = np.zeros(len(vertices), dtype=bool)
    seen[faces] = True
    if not seen.all():
        faces = (np.cumsum(seen) - 1)[faces]
        vertices = vertices[seen]
    if not np.isfinite(vertices).all():
        raise ValueError("expected finite vertices, got NaN or infinity: repair the mesh first")
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    with np.errstate(over="ignore"):
        diagonal = float(np.linalg.norm(high - low))
    if not math.isfinite(diagonal):
        raise ValueError(f"expected a part of finite size, got one from {low} to {high}")
    if diagonal <= 0.0:
        raise ValueError("expected a part with an extent, got triangles that lie in one point")
    centre = low + (high - low) / 2.0
    unit = (vertices - centre) / diagonal
    number, count = kernels.weld(unit, _WELD)
    points = np.empty((count, 3))
    points[number[::-1]] = unit[::-1]  # the first of each cell stays
    welded = number[faces]
    a, b, c = welded.T
    triangles = np.ascontiguousarray(welded[(a != b) & (b != c) & (c != a)], dtype=np.int32)
    normals, areas, sliver, longest, volume = kernels.face_geometry(points, triangles, _thin(vertices, diagonal))
    if not (sliver == 0).any():
        raise ValueError("expected at least one triangle with an area, got only points and lines: nothing to draw")
    halves, uses = kernels.paired_edges(triangles, count)
    first, second = halves[:, 0], halves[:, 1]
    edge_vertices = np.column_stack([triangles.ravel()[first], triangles[first // 3, (first + 1) % 3]])
    edge_faces = np.ascontiguousarray(np.where(halves >= 0, halves // 3, -1), dtype=np.int32)
    starts = triangles.ravel()[np.maximum(second, 0)]
    turned = np.where((second >= 0) & (starts == edge_vertices[:, 0]), -1, 1).astype(np.int8)
    for _ in range(4):  # rows of slivers pass a normal on
        if not kernels.inherit_normals(halves, turned, normals, sliver, longest):
            break
    one, other = edge_faces[:, 0], edge_faces[:, 1]
    cosines = kernels.edge_cosines(normals, edge_faces, turned)
    unknown = (sliver[one] == 1) | (sliver[other] == 1)
    soft = (uses == 2) & ((cosines > math.cos(math.radians(crease_deg))) | unknown)
    smooth = (soft & (turned > 0)).astype(np.uint8)
    regions = kernels.join_regions(halves, cosines * (uses == 2), math.cos(math.radians(_COPLANAR_DEG)), len(triangles))
    groups, n_groups = kernels.corner_groups(triangles, halves, smooth)
    weights = kernels.region_areas(regions, areas)
    larger, smaller = np.maximum(weights[one], weights[other]), np.minimum(weights[one], weights[other])
    known = (sliver[one] == 0) & (sliver[other] == 0)
    bends = (smooth == 1) & (cosines < math.cos(math.radians(_BEND_DEG))) & known
    planes = (larger >= _PLANE_AREA) & (larger > _PLANE_RATIO * smaller)
    corner, flat = kernels.group_normals(points, triangles, normals, weights, groups, n_groups)
    kind = np.where(soft, EdgeKind.SMOOTH, EdgeKind.FEATURE).astype(np.uint8)
    edge_vertices = np.ascontiguousarray(edge_vertices, dtype=np.int32)
    kernels.drop_specks(points, edge_vertices, kind, _SPECK)
    kind[bends & planes] = EdgeKind.TANGENT
    return Part(
        vertices=points,
        faces=triangles,
        normals=corner,
        corner_normals=groups,
        flat=flat,
        edge_vertices=edge_vertices,
        edge_faces=edge_faces,
        edge_kind=kind,
        edge_turned=turned,
        outward=bool((uses == 2).all() and (turned > 0).all() and volume > 0.0),
        centre=centre,
        diagonal=diagonal,
        half_size=(high - low) / (2.0 * diagonal),
    )

"""Fusing closed bodies of one file that run into each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cad_pipeline.mesh.raw import Floats, Ints

if TYPE_CHECKING:
    from manifold3d import Manifold

__all__ = ["Fused", "fuse_overlaps"]

MAX_PAIRS = 3000
"""More pairs of overlapping boxes than this are not tested: each costs milliseconds to a second."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Fused:
    """Result of fusing: vertices and faces of everything, the groups of bodies that became one, and what failed."""

    vertices: Floats
    faces: Ints
    groups: tuple[int, ...]
    refused: int


def fuse_overlaps(vertices: Floats, faces: Ints, body: Ints, *, noise: float) -> Fused:
    """Unite bodies (numbered per face by `body`) whose common volume is more than rounding noise.

    Bodies that only touch, or lie in another's cavity, stay apart. `noise` is the length (input units) by which
    coordinates are unsure. Booleans by manifold3d in float64, in a frame centred on the part.
    """
    count = int(body.max()) + 1
    low, high = np.full((count, 3), np.inf), np.full((count, 3), -np.inf)
    for k in range(3):
        np.minimum.at(low, body, vertices[faces[:, k]])
        np.maximum.at(high, body, vertices[faces[:, k]])
    pairs = _box_pairs(low, high, noise)
    if not len(pairs) or len(pairs) > MAX_PAIRS:
        return Fused(vertices=vertices, faces=faces, groups=(), refused=count if len(pairs) else 0)
    centre = (low.min(axis=0) + high.max(axis=0)) / 2
    members = np.split(np.argsort(body, kind="stable"), np.cumsum(np.bincount(body, minlength=count))[:-1])
    solids: dict[int, Manifold | None] = {}
    for one in np.unique(pairs):
        solids[int(one)] = _solid(vertices - centre, faces[members[one]])
    links = [(int(a), int(b)) for a, b in pairs if _common(solids[int(a)], solids[int(b)], noise)]
    refused = sum(solid is None for solid in solids.values())
    if not links:
        return Fused(vertices=vertices, faces=faces, groups=(), refused=refused)
    groups = _groups(links)
    kept = ~np.isin(body, [one for group in groups for one in group])
    parts_v, parts_f, offset = [vertices], [faces[kept]], len(vertices)
    for group in groups:
        joined = _unite([solid for one in group if (solid := solids[one]) is not None])
        parts_v.append(joined[0] + centre)
        parts_f.append(joined[1] + offset)
        offset += len(joined[0])
    return Fused(
        vertices=np.concatenate(parts_v),
        faces=np.concatenate(parts_f),
        groups=tuple(len(group) for group in groups),
        refused=refused,
    )


def _box_pairs(low: Floats, high: Floats, noise: float) -> Ints:
    """Pairs of bodies whose boxes overlap by more than `noise` in every direction, found by a sweep along x."""
    order = np.argsort(low[:, 0], kind="stable")
    found: list[tuple[int, int]] = []
    for rank, one in enumerate(order):
        stop = np.searchsorted(low[order, 0], high[one, 0] - noise, side="left")
        others = order[rank + 1 : stop]
        hit = ((low[others] < high[one] - noise) & (high[others] > low[one] + noise)).all(axis=1)
        found += [(int(one), int(other)) for other in others[hit]]
        if len(found) > MAX_PAIRS:
            break
    return np.array(found, np.int64).reshape(-1, 2)


def _solid(vertices: Floats, faces: Ints) -> Manifold | None:
    from manifold3d import Error, Manifold, Mesh64

    from cad_pipeline.mesh.weld import drop_unused

    points, corners = drop_unused(vertices, faces)
    solid = Manifold(Mesh64(np.ascontiguousarray(points), np.ascontiguousarray(corners.astype(np.uint64))))
    return solid if solid.status() == Error.NoError and not solid.is_empty() else None


def _common(one: Manifold | None, other: Manifold | None, noise: float) -> bool:
    if one is None or other is None:
        return False
    common = (one ^ other).volume()
    smaller = min(one.volume(), other.volume())
    area = min(one.surface_area(), other.surface_area())
    return bool(common > 1e-6 * smaller and common > 0.5 * noise * area)


def _groups(links: list[tuple[int, int]]) -> list[list[int]]:
    import networkx

    return [sorted(group) for group in networkx.connected_components(networkx.Graph(links))]


def _unite(solids: list[Manifold]) -> tuple[Floats, Ints]:
    from manifold3d import Manifold, OpType

    mesh = Manifold.batch_boolean(solids, OpType.Add).to_mesh64()
    return np.asarray(mesh.vert_properties, np.float64)[:, :3], np.asarray(mesh.tri_verts).astype(np.int64)

"""The pieces of material that are missing or too much, where they lie and what they look like."""

from __future__ import annotations

from typing import Any

import manifold3d
import numpy as np

from cad_pipeline.values import Deviation, Region
from cad_pipeline.verify.pieces import Excess, Piece, describe
from cad_pipeline.verify.solids import remade
from cad_pipeline.verify.subject import NotMeasurable, Shape, Subject, as_subject
from cad_pipeline.verify.topology import shells

__all__ = ["find_regions", "regions"]

_MOST = 12
# Relative to the target's diagonal: films thinner than this are rounding, not machining.
_FILM = 3e-4


def regions(target: Shape, result: Shape) -> tuple[Region, ...]:
    """Find the largest pieces of missing and extra material, largest first, at most twelve.

    Films thinner than 3e-4 of the diagonal, or than the arc height of the target's own facets, are left out: before
    each difference the solid that is taken away is swollen by that much, which also keeps films from joining pieces.
    Raises `NotMeasurable` if either mesh is no solid.
    """
    a = as_subject(target, name="target")
    return find_regions(a, as_subject(result, a.frame, name="result"))


def film_of(target: Subject) -> float:
    """Thickness below which a difference from this target is not told, in local units."""
    return max(_FILM * target.diagonal, 1.1 * target.facets.sagitta)


def find_regions(a: Subject, b: Subject, apart: Deviation | None = None) -> tuple[Region, ...]:
    """Find the pieces between two subjects in one frame; see `regions`.

    If their deviation is known and below the film, there are none, and no boolean is needed to see it.
    """
    for subject in (a, b):
        if subject.solid.manifold is None:
            raise NotMeasurable(f"{subject.mesh.name}: {subject.solid.reason}")
    film = film_of(a)
    if apart is not None and apart.max <= film * a.frame.mm_per_unit:
        return ()
    found: list[tuple[float, Region]] = []
    swollen_b = swollen(b.solid.manifold, film)
    for excess, more, less, grown in ((Excess.MISSING, a, b, swollen_b), (Excess.EXTRA, b, a, a.swollen)):
        for piece in _pieces(more.solid.manifold - grown, film):
            region = describe(piece, excess, surroundings=less.solid.manifold, film=film, frame=a.frame)
            found.append((piece.volume, region))
    found.sort(key=lambda each: -each[0])
    return tuple(region for _, region in found[:_MOST])


def swollen(manifold: Any, thickness: float) -> Any:
    """Move every face of a manifold outwards by about `thickness`; exact at plane faces and at right-angled edges."""
    mesh = manifold.to_mesh64()
    points = np.array(mesh.vert_properties[:, :3], np.float64)
    faces = np.asarray(mesh.tri_verts, np.int64)
    corners = points[faces]
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    length = np.linalg.norm(cross, axis=1)
    normals = np.divide(cross, length[:, None], out=np.zeros_like(cross), where=length[:, None] > 0.0)
    mean = np.zeros_like(points)
    for k in range(3):
        first, second = corners[:, (k + 1) % 3] - corners[:, k], corners[:, (k + 2) % 3] - corners[:, k]
        sine = np.linalg.norm(np.cross(first, second), axis=1)
        angle = np.arctan2(sine, np.einsum("ij,ij->i", first, second))
        np.add.at(mean, faces[:, k], normals * angle[:, None])
    size = np.linalg.norm(mean, axis=1)
    mean = np.divide(mean, size[:, None], out=np.zeros_like(mean), where=size[:, None] > 0.0)
    # A vertex must move further along its mean normal the more the faces around it differ.
    least = np.ones(len(points))
    for k in range(3):
        slope = np.einsum("ij,ij->i", mean[faces[:, k]], normals)
        np.minimum.at(least, faces[:, k], np.where(length > 0.0, slope, 1.0))
    points += mean * (thickness / np.clip(least, 0.5, 1.0))[:, None]
    made = remade(points, mesh.tri_verts)
    return made if made.status() == manifold3d.Error.NoError else manifold


def _pieces(left: Any, film: float) -> list[Piece]:
    """Split what is left of a difference into its connected pieces, and drop films."""
    if left.is_empty():
        return []
    mesh = left.to_mesh64()
    points = np.asarray(mesh.vert_properties, np.float64)[:, :3]
    faces = np.asarray(mesh.tri_verts, np.int64)
    shell = shells(faces, len(points))
    a, b, c = (points[faces[:, k]] for k in range(3))
    cross = np.cross(b - a, c - a)
    volume = np.bincount(shell, weights=np.einsum("ij,ij->i", a, cross)) / 6.0
    area = np.bincount(shell, weights=np.linalg.norm(cross, axis=1)) / 2.0
    thick = 2.0 * volume >= 0.5 * film * np.maximum(area, 1e-300)
    chosen = np.flatnonzero(thick & (volume > film**3))
    chosen = chosen[np.argsort(-volume[chosen])][:_MOST]
    return [Piece.of(points, faces[shell == which]) for which in chosen]

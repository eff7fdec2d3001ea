"""A mesh under measurement: a local frame, and everything costly computed once."""

from __future__ import annotations

import atexit
import weakref
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cad_pipeline.values import Mesh

if TYPE_CHECKING:
    from cad_pipeline.values import Betti
    from cad_pipeline.verify.distance import TriangleTree
    from cad_pipeline.verify.facets import Facets
    from cad_pipeline.verify.solids import Solid
    from cad_pipeline.verify.surface import Samples

__all__ = ["Frame", "NotMeasurable", "Shape", "Subject", "as_subject"]

_LOCAL_DIAGONAL = 100.0
_LIVING: weakref.WeakSet[Subject] = weakref.WeakSet()


@atexit.register
def _let_go() -> None:
    """Drop every solid before the interpreter ends: the binding reports objects that outlive it as leaks, on stderr."""
    for subject in list(_LIVING):
        subject.__dict__.pop("solid", None)
        subject.__dict__.pop("swollen", None)


class NotMeasurable(ValueError):
    """Say that a figure can't be computed for this mesh; the message is the reason a person reads."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Frame:
    """A centred, scaled frame: local = (mm − centre) / mm_per_unit."""

    centre: NDArray[np.float64]
    mm_per_unit: float

    def into(self, points_mm: NDArray[np.float64]) -> NDArray[np.float64]:
        """Express points (n, 3) in mm in this frame; always a new, writable array."""
        return np.ascontiguousarray((points_mm - self.centre) / self.mm_per_unit)

    def out(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Express points (n, 3) of this frame in mm."""
        return points * self.mm_per_unit + self.centre


class Subject:
    """A mesh in a local frame, with its solid, tree, samples and facets made when first asked for.

    The frame makes parts of 1e-6 and of 1e9 units, and parts far from the origin, the same to the tolerances inside.
    `frame=None` takes the mesh's own; two subjects that meet must share one. The given mesh is never changed.
    `bounds` is the box (2, 3), lowest and highest corner, in the local frame.
    Raises `NotMeasurable` for a mesh without triangles, with indices out of range or with non-finite vertices.
    """

    def __init__(self, mesh: Mesh, frame: Frame | None = None) -> None:
        if len(mesh.faces) == 0:
            raise NotMeasurable(f"{mesh.name}: expected triangles, got none")
        if mesh.faces.min() < 0 or mesh.faces.max() >= len(mesh.vertices):
            raise NotMeasurable(f"{mesh.name}: a triangle names a vertex that does not exist")
        used = np.zeros(len(mesh.vertices), np.bool_)
        used[mesh.faces.reshape(-1)] = True
        points = mesh.vertices if used.all() else mesh.vertices[used]
        box = np.array([points.min(axis=0), points.max(axis=0)])
        if not np.isfinite(box).all():
            raise NotMeasurable(f"{mesh.name}: expected finite vertices, got NaN or infinity")
        diagonal = float(np.linalg.norm(box[1] - box[0]))
        if frame is None:
            if diagonal <= 0.0:
                raise NotMeasurable(f"{mesh.name}: all vertices coincide")
            frame = Frame(centre=box.mean(axis=0), mm_per_unit=diagonal / _LOCAL_DIAGONAL)
        _LIVING.add(self)
        self.mesh = mesh
        self.frame = frame
        self.vertices = frame.into(mesh.vertices)
        self.faces: NDArray[np.int64] = mesh.faces.copy()
        self.bounds: NDArray[np.float64] = frame.into(box)

    @cached_property
    def diagonal(self) -> float:
        """Length of the box's diagonal, in local units."""
        return float(np.linalg.norm(self.bounds[1] - self.bounds[0]))

    @cached_property
    def corners(self) -> NDArray[np.float64]:
        """Triangles as (m, 3, 3) coordinates in the local frame."""
        return self.vertices[self.faces]

    @cached_property
    def _crosses(self) -> NDArray[np.float64]:
        from cad_pipeline.verify.triangles import edge_crosses

        return edge_crosses(self.vertices, self.faces)

    @cached_property
    def areas(self) -> NDArray[np.float64]:
        """Area of every triangle, (m,)."""
        areas: NDArray[np.float64] = np.linalg.norm(self._crosses, axis=1) / 2.0
        return areas

    @cached_property
    def normals(self) -> NDArray[np.float64]:
        """Unit normal of every triangle, (m, 3); zero for a triangle without area. Outward if the winding is."""
        doubled = 2.0 * self.areas[:, None]
        return np.divide(self._crosses, doubled, out=np.zeros_like(self._crosses), where=doubled > 0.0)

    @cached_property
    def signed_volume(self) -> float:
        """Volume by the divergence theorem, in local units; negative if the triangles face inwards."""
        from cad_pipeline.verify.triangles import enclosed_volume

        return enclosed_volume(self.vertices, self.faces)

    @cached_property
    def volume(self) -> float:
        """Volume of the solid in local units, overlaps counted once; by the triangles alone where they don't close.

        Raises `NotMeasurable` if no volume is enclosed.
        """
        volume = abs(self.signed_volume) if self.solid.manifold is None else float(self.solid.manifold.volume())
        if volume <= 1e-12 * self.diagonal**3:
            raise NotMeasurable(f"{self.mesh.name} encloses no volume")
        return volume

    @cached_property
    def solid(self) -> Solid:
        """The mesh as a solid for exact booleans, or the reason why there is none."""
        from cad_pipeline.verify.solids import make_solid

        return make_solid(self.vertices, self.faces)

    @cached_property
    def tree(self) -> TriangleTree:
        """Boxes over the triangles, for exact distances."""
        from cad_pipeline.verify.distance import TriangleTree

        return TriangleTree.over(self.corners)

    @cached_property
    def samples(self) -> Samples:
        """Evenly spread points on the surface."""
        from cad_pipeline.verify.surface import sample

        return sample(self)

    @cached_property
    def facets(self) -> Facets:
        """The flat facets that approximate curved faces, and how far they stand off."""
        from cad_pipeline.verify.facets import measure_facets

        return measure_facets(self)

    @cached_property
    def skin(self) -> Subject:
        """The subject whose surface counts: without the walls inside bodies that overlap, else this one itself."""
        from cad_pipeline.verify.solids import UNITED

        manifold = self.solid.manifold
        if manifold is None or UNITED not in self.solid.cures:
            return self
        mesh = manifold.to_mesh64()
        points = self.frame.out(np.array(mesh.vert_properties, np.float64)[:, :3])
        faces = np.array(mesh.tri_verts, np.int64)
        return Subject(Mesh(name=self.mesh.name, vertices=points, faces=faces), self.frame)

    @cached_property
    def swollen(self) -> Any:
        """The solid with every face moved outwards by the film that a difference from it must exceed to be told."""
        from cad_pipeline.verify.differences import film_of, swollen

        return swollen(self.solid.manifold, film_of(self))

    @cached_property
    def betti(self) -> Betti:
        """Bodies, handles and voids of the solid."""
        from cad_pipeline.verify.topology import betti_of_solid

        return betti_of_solid(self.solid)


Shape: TypeAlias = "Mesh | Subject | tuple[ArrayLike, ArrayLike]"


def as_subject(shape: Shape, frame: Frame | None = None, name: str = "mesh") -> Subject:
    """Take a `Mesh`, a pair (vertices, faces) or a `Subject` as a subject in `frame` (its own if None)."""
    if isinstance(shape, Subject):
        return shape if frame is None or frame is shape.frame else Subject(shape.mesh, frame)
    if isinstance(shape, Mesh):
        return Subject(shape, frame)
    vertices: Any
    faces: Any
    vertices, faces = shape
    return Subject(Mesh(name=name, vertices=vertices, faces=faces), frame)

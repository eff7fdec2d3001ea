"""`cadrille`: exact IoU and chamfer distance of box-normalised shapes, as cadrille, CAD-Recode and CADReasoner report.

Both shapes are centred on their boxes and scaled to a longest side of 1, each on its own, and not turned. The published
program adds up the volumes that every component of the one shares with every component of the other, so components
that overlap count twice and the IoU can exceed 1; it drops components that are not closed, never clamps, and averages
over what is left. `Variant.AS_PUBLISHED` repeats the sum and the dropping; without it bodies that overlap count once.
Not repeated: its time limit of 3 s a program, and its unseeded samples.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from cad_pipeline.evaluation.protocols import Measured, Published, Variant
from cad_pipeline.evaluation.score import Part
from cad_pipeline.values import Mesh
from cad_pipeline.verify import NotMeasurable, exact_iou

__all__ = ["PUBLISHED", "Cadrille"]

_POINTS = 8192
PUBLISHED = (
    Published(who="cadrille RL, images", data="DeepCAD", mean=0.922),
    Published(who="cadrille RL, images", data="Fusion 360", mean=0.846),
    Published(who="cadrille RL, points", data="DeepCAD", mean=0.902),
    Published(who="cadrille RL, points", data="Fusion 360", mean=0.850),
    Published(who="CAD-Recode 1.5, best of 10", data="DeepCAD", success_rate=0.9963, mean=0.920),
    Published(who="CAD-Recode 1.5, best of 10", data="Fusion 360", success_rate=0.995, mean=0.878),
    Published(who="CADFit", data="DeepCAD", success_rate=1.0, mean=0.964),
)


class Cadrille:
    """Measures the exact IoU of shapes in unit boxes, and the chamfer distance of 8192 points each, squared, × 1000."""

    name = "cadrille"

    def __init__(self, *, variant: Variant = Variant.CORRECTED) -> None:
        self._variant = variant

    def measure(self, target: Part, result: Part, /) -> Measured:
        """Compare; raises `NotMeasurable` where no IoU can be had."""
        a, b = in_unit_box(target.mesh), in_unit_box(result.mesh)
        figures: dict[str, float | None] = {"chamfer_x1000": 1000.0 * squared_chamfer(a, b)}
        if self._variant is Variant.AS_PUBLISHED:
            value, method = component_iou(a, b), "sum over pairs of components, as published"
        else:
            found = exact_iou(a, b)
            value, method = found.value, found.method
        return Measured(iou=value, method=method, words=f"IoU {value:.4f} in unit boxes", figures=figures)


def in_unit_box(mesh: Mesh) -> Mesh:
    """Centre a mesh on its box and scale it to a longest side of 1, the box's middle at (½, ½, ½)."""
    low, high = mesh.bounds
    side = float((high - low).max())
    if not side > 0.0:
        raise NotMeasurable(f"{mesh.name}: all vertices coincide")
    return Mesh(name=mesh.name, vertices=(mesh.vertices - (low + high) / 2.0) / side + 0.5, faces=mesh.faces)


def component_iou(a: Mesh, b: Mesh) -> float:
    """Add up what each closed component of `a` shares with each of `b`, over the volumes less that; may exceed 1."""
    import manifold3d

    def manifolds(mesh: Mesh) -> tuple[list[Any], float]:
        import trimesh

        whole = trimesh.Trimesh(mesh.vertices, mesh.faces, process=True)
        closed = [
            manifold3d.Manifold(manifold3d.Mesh64(np.array(each.vertices, np.float64), np.array(each.faces, np.uint64)))
            for each in whole.split(only_watertight=True)
        ]
        return [each for each in closed if each.status() == manifold3d.Error.NoError], float(whole.volume)

    (left, volume_a), (right, volume_b) = manifolds(a), manifolds(b)
    if not left or not right:
        raise NotMeasurable("no component is closed, so the published program finds no volume")
    both = sum(float((x ^ y).volume()) for x in left for y in right)
    either = volume_a + volume_b - both
    if not either > 0.0:
        raise NotMeasurable(f"the union by the published sum is {either:.3g}, not above 0")
    return both / either


def squared_chamfer(a: Mesh, b: Mesh) -> float:
    """Add the mean squared distances of 8192 points of each to the nearest point of the other, both ways; seeded."""
    from scipy.spatial import cKDTree

    first, second = _points(a), _points(b)
    there, _ = cKDTree(second).query(first)
    back, _ = cKDTree(first).query(second)
    return float((there**2).mean() + (back**2).mean())


def _points(mesh: Mesh) -> NDArray[np.float64]:
    """Draw points evenly over the surface, the same ones every time."""
    chance = np.random.default_rng(0)
    a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
    areas = np.linalg.norm(np.cross(b - a, c - a), axis=1)
    if not areas.sum() > 0.0:
        raise NotMeasurable(f"{mesh.name}: the triangles have no area")
    face = chance.choice(len(areas), _POINTS, p=areas / areas.sum())
    root, share = np.sqrt(chance.random((_POINTS, 1))), chance.random((_POINTS, 1))
    points: NDArray[np.float64] = (1.0 - root) * a[face] + root * (1.0 - share) * b[face] + root * share * c[face]
    return points

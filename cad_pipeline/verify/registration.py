"""Find the turn, the uniform scale and the shift that lay one mesh on another."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cad_pipeline.values import Mesh
from cad_pipeline.verify.dense import scan
from cad_pipeline.verify.iou import ray_iou
from cad_pipeline.verify.rotations import RotationSet, rotations
from cad_pipeline.verify.subject import Frame, NotMeasurable, Shape, Subject, as_subject
from cad_pipeline.verify.surface import sample

__all__ = ["Placement", "RotationIou", "best_rotation_iou", "register"]

_COARSE = 28
_KEPT = 6
_POINTS = 1500
_STEPS = 12
# IoUs closer than this are a tie, and the first rotation of the set wins: symmetric parts are not turned for noise.
_TIE = 2e-3
# From here on no other rotation can win by more than a tie.
_ENOUGH = 0.998


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Placement:
    """A similarity: target ≈ scale · rotation · source + translation_mm, and the IoU (by rays) it reaches."""

    rotation: NDArray[np.float64]
    scale: float
    translation_mm: NDArray[np.float64]
    iou: float

    def apply(self, points_mm: NDArray[np.float64]) -> NDArray[np.float64]:
        """Move points (n, 3) of the source onto the target."""
        moved: NDArray[np.float64] = self.scale * points_mm @ self.rotation.T + self.translation_mm
        return moved


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RotationIou:
    """The best voxel IoU over a rotation set, and the rotation of the second mesh (3, 3) that reaches it."""

    value: float
    rotation: NDArray[np.float64]


def best_rotation_iou(
    a: Shape, b: Shape, rotation_set: RotationSet = RotationSet.ALL208, resolution: int = 64
) -> RotationIou:
    """Compute the largest voxel IoU of `a` with `b` turned, both centred on their boxes and scaled to a longest side 1.

    The box of `b` is taken after each turn, so a turned box does not leave the grid. This is the lenient measure that
    papers on CAD generation report; it is blind to size and place, which `exact_iou` is not. Ties go to the
    smallest turn.
    """
    first, second = as_subject(a, name="first mesh"), as_subject(b, name="second mesh")
    low, cell, shape = np.full(3, -0.5), 1.0 / resolution, (resolution, resolution, resolution)
    target = scan(_unit(first.vertices, first.faces), first.faces, low, cell, shape)[0]
    best = RotationIou(value=-1.0, rotation=np.eye(3))
    for rotation in rotations(rotation_set):
        turned = _unit(second.vertices @ rotation.T, second.faces)
        value = _cells_iou(target, scan(turned, second.faces, low, cell, shape)[0])
        if value > best.value + 1e-9:
            best = RotationIou(value=value, rotation=rotation)
    return best


def register(source: Shape, target: Shape, rotation_set: RotationSet = RotationSet.ALL208) -> Placement:
    """Find the similarity that lays `source` on `target`, for results that have a size and a pose of their own.

    Every rotation of the set is tried on coarse voxels, with size and place from volumes and centroids and from boxes;
    the best few are refined by point-to-plane least squares, both ways, once with the rotation of the set kept and once
    free. A free rotation must beat the kept one clearly. The same input always gives the same placement, also for
    symmetric parts: among equals the smallest turn wins. Mirrored parts are not matched.
    """
    to = as_subject(target, name="target")
    own = as_subject(source, name="source")
    candidates = _coarse(own, to, rotations(rotation_set))
    best: tuple[float, _Similarity] | None = None
    for start in candidates:
        kept = _refined(start, own, to, turning=False)
        kept_iou = _score(kept, own, to)
        if kept_iou < _ENOUGH:
            free = _refined(kept, own, to, turning=True)
            free_iou = _score(free, own, to)
            if free_iou > kept_iou + _TIE:
                kept, kept_iou = free, free_iou
        if best is None or kept_iou > best[0] + _TIE:
            best = (kept_iou, kept)
        if best[0] >= _ENOUGH:
            break
    if best is None:
        raise NotMeasurable(f"{own.mesh.name} could not be laid on {to.mesh.name}")
    iou, found = best
    # From the two local frames back to mm: target_mm = k·(s·R·(source_mm − c)/j + t) + centre.
    k, j = to.frame.mm_per_unit, own.frame.mm_per_unit
    scale = found.scale * k / j
    shift = k * found.shift + to.frame.centre - scale * found.rotation @ own.frame.centre
    return Placement(rotation=found.rotation, scale=scale, translation_mm=shift, iou=iou)


@dataclass(frozen=True, slots=True, eq=False)
class _Similarity:
    rotation: NDArray[np.float64]
    scale: float
    shift: NDArray[np.float64]

    def apply(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        moved: NDArray[np.float64] = self.scale * points @ self.rotation.T + self.shift
        return np.ascontiguousarray(moved)


def _unit(vertices: NDArray[np.float64], faces: NDArray[np.int64]) -> NDArray[np.float64]:
    used = vertices[np.unique(faces)]
    low, high = used.min(axis=0), used.max(axis=0)
    return np.ascontiguousarray((vertices - (low + high) / 2.0) / float((high - low).max()))


def _cells_iou(a: NDArray[np.bool_], b: NDArray[np.bool_]) -> float:
    either = int(np.count_nonzero(a | b))
    return int(np.count_nonzero(a & b)) / either if either else 0.0


def _centroid(subject: Subject) -> NDArray[np.float64]:
    """Centroid of the enclosed volume (divergence theorem); of the box if none is enclosed."""
    six = np.einsum("ij,ij->i", subject.corners[:, 0], np.cross(subject.corners[:, 1], subject.corners[:, 2]))
    if abs(six.sum()) < 1e-9 * subject.diagonal**3:
        return np.asarray(subject.bounds.mean(axis=0), np.float64)
    return np.asarray((subject.corners.sum(axis=1) * six[:, None]).sum(axis=0) / (4.0 * six.sum()), np.float64)


def _coarse(own: Subject, to: Subject, turns: NDArray[np.float64]) -> list[_Similarity]:
    """Rank the rotations on coarse cells around the target; the best few, best first."""
    size = to.bounds[1] - to.bounds[0]
    cell = float(size.max()) * 1.2 / _COARSE
    nx, ny, nz = (max(4, int(np.ceil(side * 1.2 / cell))) for side in size)
    low = to.bounds.mean(axis=0) - 0.5 * cell * np.array([nx, ny, nz])
    shape = (nx, ny, nz)
    wanted = scan(to.vertices, to.faces, low, cell, shape)[0]
    own_centroid, to_centroid = _centroid(own), _centroid(to)
    by_volume = (abs(to.signed_volume) / max(abs(own.signed_volume), 1e-12)) ** (1.0 / 3.0)
    used = np.unique(own.faces)
    ranked: list[tuple[float, int, _Similarity]] = []
    for number, turn in enumerate(turns):
        turned = own.vertices @ turn.T
        box = np.array([turned[used].min(axis=0), turned[used].max(axis=0)])
        by_box = float(np.prod(size) / max(float(np.prod(box[1] - box[0])), 1e-12)) ** (1.0 / 3.0)
        starts = (
            _Similarity(turn, by_volume, to_centroid - by_volume * turn @ own_centroid),
            _Similarity(turn, by_box, to.bounds.mean(axis=0) - by_box * box.mean(axis=0)),
        )
        scored = [(_cells_iou(wanted, scan(s.apply(own.vertices), own.faces, low, cell, shape)[0]), s) for s in starts]
        value, start = max(scored, key=lambda each: each[0])
        ranked.append((value, number, start))
    ranked.sort(key=lambda each: (-round(each[0], 2), each[1]))
    return [start for _, _, start in ranked[:_KEPT]]


def _score(placed: _Similarity, own: Subject, to: Subject) -> float:
    moved = Mesh(name=own.mesh.name, vertices=placed.apply(own.vertices), faces=own.faces)
    still = Frame(centre=np.zeros(3), mm_per_unit=1.0)
    local = Mesh(name=to.mesh.name, vertices=to.vertices, faces=to.faces)
    try:
        return ray_iou(Subject(local, still), Subject(moved, still), rays=96).value
    except NotMeasurable:
        return 0.0


def _refined(start: _Similarity, own: Subject, to: Subject, *, turning: bool) -> _Similarity:
    """Gauss-Newton on point-to-plane distances, both ways, with Huber weights; damped where the part is symmetric."""
    now = start
    mine, theirs = sample(own, _POINTS), sample(to, _POINTS)
    centre = to.bounds.mean(axis=0)
    for _ in range(_STEPS):
        points = now.apply(mine.points)
        _, nearest = to.tree.distances(points)
        normals = to.normals[nearest]
        gaps = np.einsum("ij,ij->i", points - to.corners[nearest, 0], normals)
        # The way back: target points seen in the source's frame, their planes carried over to the target's.
        seen = np.ascontiguousarray((theirs.points - now.shift) @ now.rotation / now.scale)
        _, back = own.tree.distances(seen)
        back_normals = own.normals[back] @ now.rotation.T
        feet = now.apply(own.corners[back, 0])
        back_gaps = np.einsum("ij,ij->i", feet - theirs.points, back_normals)
        where = np.concatenate([points, theirs.points]) - centre
        across = np.concatenate([normals, back_normals])
        gap = np.concatenate([gaps, back_gaps])
        limit = max(1.5 * float(np.median(np.abs(gap))), 1e-9)
        weight = np.minimum(1.0, limit / np.maximum(np.abs(gap), 1e-300))
        columns = [across, np.einsum("ij,ij->i", where, across)[:, None]]
        if turning:
            columns.append(np.cross(where, across))
        system = np.concatenate(columns, axis=1)
        normal = system.T @ (system * weight[:, None])
        damping = 1e-6 * np.trace(normal) / len(normal)
        step = np.linalg.solve(normal + damping * np.eye(len(normal)), -system.T @ (weight * gap))
        now = _moved(now, step, centre)
        if float(np.abs(step[:3]).max()) < 1e-7 * to.diagonal and abs(step[3]) < 1e-9:
            break
    return now


def _moved(now: _Similarity, step: NDArray[np.float64], centre: NDArray[np.float64]) -> _Similarity:
    """Shift, grow and turn a similarity about `centre` by a small step."""
    grow = float(np.clip(1.0 + step[3], 0.5, 2.0))
    turn = np.eye(3)
    if len(step) > 4:
        angle = float(np.linalg.norm(step[4:]))
        if angle > 0.0:
            x, y, z = step[4:] / angle
            skew = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
            angle = min(angle, 0.3)
            turn = np.eye(3) + np.sin(angle) * skew + (1.0 - np.cos(angle)) * skew @ skew
    return _Similarity(turn @ now.rotation, grow * now.scale, grow * turn @ (now.shift - centre) + centre + step[:3])

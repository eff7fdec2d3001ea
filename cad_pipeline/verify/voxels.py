"""Voxels of a mesh and the IoU on them: fast, robust on open meshes, with a stated error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from cad_pipeline.verify.columns import Columns, cast_columns
from cad_pipeline.verify.compiled import compiled
from cad_pipeline.verify.dense import Trouble, scan
from cad_pipeline.verify.iou import Iou
from cad_pipeline.verify.subject import NotMeasurable, Shape, Subject, as_subject

__all__ = ["THIN_SHARE", "Voxels", "voxel_iou", "voxelise"]

# Rounded edges always leave a few short runs; above this share of the material it is walls that go missing.
THIN_SHARE = 0.05


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Voxels:
    """Cubic cells of a mesh: a cell is occupied if its centre lies inside.

    `occupied` (nx, ny, nz); cell (i, j, k) has its centre at low_mm + (i + ½, j + ½, k + ½) · cell_mm.
    `thin_share` is the share of the material that is one cell thick or less along some axis, and which the cells
    therefore may miss; of material that vanished, the mesh's volume tells. `broken_share` is the share of rays lost
    through holes of the mesh, before the vote of the three axes mended what it could.
    """

    occupied: NDArray[np.bool_]
    low_mm: NDArray[np.float64]
    cell_mm: float
    thin_share: float
    broken_share: float

    @property
    def volume_mm3(self) -> float:
        """Volume of the occupied cells in mm³."""
        return float(np.count_nonzero(self.occupied)) * self.cell_mm**3


def voxelise(mesh: Shape, resolution: int = 64, bounds: ArrayLike | None = None) -> Voxels:
    """Voxelise the solid that a mesh bounds with `resolution` cubic cells along the longest side of `bounds`.

    `bounds` is (2, 3) in mm, the mesh's own box if None. On a closed mesh one axis of scan-converted rays decides, and
    every cell is right about its centre; on an open one the three axes vote, and rays that leave through a hole
    abstain. As a volume, each face moves by at most half a cell along each axis.
    """
    subject = as_subject(mesh)
    box = subject.bounds if bounds is None else subject.frame.into(np.asarray(bounds, np.float64).reshape(2, 3))
    return _voxelise(subject, *_grid(box, resolution))


def voxel_iou(a: Shape, b: Shape, resolution: int = 64) -> Iou:
    """Compute the IoU of two meshes on common cubic cells, `resolution` of them along the longest common side.

    `error` bounds the distance to the exact IoU: every face moves by at most half a cell along each axis. It is large
    for thin parts (a wall thinner than a cell may vanish), and `method` says if there are such walls; use `exact_iou`
    there. Raises `NotMeasurable` if no cell is occupied.
    """
    first = as_subject(a, name="first mesh")
    second = as_subject(b, first.frame, name="second mesh")
    box = np.array([np.minimum(first.bounds[0], second.bounds[0]), np.maximum(first.bounds[1], second.bounds[1])])
    low, cell, shape = _grid(box, resolution)
    left, right = (_voxelise(subject, low, cell, shape) for subject in (first, second))
    either = int(np.count_nonzero(left.occupied | right.occupied))
    if either == 0:
        raise NotMeasurable(f"no cell of {resolution}³ has its centre inside either mesh: all walls are too thin")
    both = int(np.count_nonzero(left.occupied & right.occupied))
    thin = max(left.thin_share, right.thin_share)
    words = f"{resolution}³ voxels" + (f", {thin:.0%} of the material thinner than one" if thin > THIN_SHARE else "")
    shift = 0.5 * cell * sum(float(np.abs(s.normals).sum(axis=1) @ s.areas) for s in (first, second))
    return Iou(value=both / either, method=words, error=min(1.0, 2.0 * shift / (either * cell**3)))


def _grid(box: NDArray[np.float64], resolution: int) -> tuple[NDArray[np.float64], float, tuple[int, int, int]]:
    size = box[1] - box[0]
    cell = float(size.max()) / resolution
    if not cell > 0.0:
        raise NotMeasurable("expected a box with an extent, got a point")
    nx, ny, nz = (max(1, round(float(side) / cell + 0.49)) for side in size)
    # Cells are centred on the box, so that a mirror-symmetric part gets mirror-symmetric cells.
    low = box.mean(axis=0) - 0.5 * cell * np.array([nx, ny, nz])
    return low, cell, (nx, ny, nz)


def _voxelise(subject: Subject, low: NDArray[np.float64], cell: float, shape: tuple[int, int, int]) -> Voxels:
    occupied, trouble = scan(subject.vertices, subject.faces, low, cell, shape)
    broken = 0.0
    if trouble is Trouble.OPEN:
        occupied, broken = _vote(subject, low, cell, shape)
    thin = _thin_share(occupied)
    inside = bool(((subject.bounds[0] >= low) & (subject.bounds[1] <= low + cell * np.array(shape))).all())
    if trouble is Trouble.NONE and inside and subject.signed_volume != 0.0:
        # Walls may vanish altogether; the volume knows.
        found = np.count_nonzero(occupied) * cell**3
        thin = min(1.0, thin + max(0.0, 1.0 - found / abs(subject.signed_volume)))
    return Voxels(
        occupied=occupied,
        low_mm=subject.frame.out(low),
        cell_mm=cell * subject.frame.mm_per_unit,
        thin_share=thin,
        broken_share=broken,
    )


def _vote(
    subject: Subject, low: NDArray[np.float64], cell: float, shape: tuple[int, int, int]
) -> tuple[NDArray[np.bool_], float]:
    """Let rays along the three axes vote; those that leave through a hole abstain."""
    spacing = np.full(3, cell)
    inside, voters = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
    broken = 0.0
    for axis in range(3):
        columns = cast_columns(subject.vertices, subject.faces, axis, low, spacing, shape)
        _fill(columns, inside, voters, low, cell)
        broken = max(broken, columns.broken_share)
    return 2 * inside > voters, broken


def _thin_share(occupied: NDArray[np.bool_]) -> float:
    """Share of the occupied cells that have no occupied neighbour on either side along some axis."""
    total = int(np.count_nonzero(occupied))
    if total == 0:
        return 1.0
    padded = np.pad(occupied, 1)
    thin = np.zeros_like(occupied)
    for axis in range(3):
        near = [slice(1, -1)] * 3
        before, after = list(near), list(near)
        before[axis], after[axis] = slice(0, -2), slice(2, None)
        thin |= ~(padded[tuple(before)] | padded[tuple(after)])
    return int(np.count_nonzero(thin & occupied)) / total


def _fill(
    columns: Columns, inside: NDArray[np.uint8], voters: NDArray[np.uint8], low: NDArray[np.float64], cell: float
) -> None:
    """Add one to the cells inside, and one to `voters` for every column that knows."""
    order = ((columns.axis + 1) % 3, (columns.axis + 2) % 3, columns.axis)
    _raster(columns.starts, columns.cuts, columns.runs, inside.transpose(order), float(low[columns.axis]), cell)
    voters.transpose(order)[...] += ~columns.broken.reshape(columns.shape)[:, :, None]


@compiled
def _raster(
    starts: NDArray[np.int64],
    cuts: NDArray[np.float64],
    runs: NDArray[np.int64],
    inside: NDArray[np.uint8],
    low: float,
    cell: float,
) -> None:
    nu, nv, nw = inside.shape
    for i in range(nu):
        for j in range(nv):
            c = i * nv + j
            for r in range(starts[c], starts[c] + 2 * runs[c], 2):
                first = max(int(np.ceil((cuts[r] - low) / cell - 0.5)), 0)
                last = min(int(np.ceil((cuts[r + 1] - low) / cell - 0.5)), nw)
                for k in range(first, last):
                    inside[i, j, k] += 1

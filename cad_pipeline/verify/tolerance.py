"""What counts as good enough, and the reason in words."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cad_pipeline.values import Betti, Deviation, Region
from cad_pipeline.verify.iou import Iou
from cad_pipeline.verify.moves import Move, find_moves
from cad_pipeline.verify.words import box_words, region_words

__all__ = ["Decision", "Figures", "Tolerance", "weigh"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """How close a result must come to be accepted.

    min_iou: lowest intersection over union. A coarse target's own facets keep even the true solid from reaching it;
        where the surfaces lie within twice the facets' arc height of each other, the share of volume that the facets
        explain is forgiven, up to `max_forgiven_iou`.
    max_bbox_error_rel: largest shift of a side of the box, relative to the target's diagonal (arc height forgiven).
    max_volume_error_rel: largest difference in volume, relative to the target's.
    min_feature_rel: where handles or voids differ in number, the middle one of a missing or extra piece's extents from
        which on that refuses, relative to the diagonal: a missing ⌀4 hole refuses a 200 mm plate although its IoU is
        0.999, and the thinnest sheet too, while a pinhole of the tessellation is only told. Another number of bodies
        always refuses.
    max_moved_rel: how far a hole, boss or other feature may lie from its place, relative to the diagonal (arc height
        forgiven): a ⌀6 hole that is 3 mm off refuses although the IoU is 0.99.
    max_deviation_rel: largest distance between the surfaces relative to the diagonal; not asked for if None.
    """

    min_iou: float = 0.98
    max_forgiven_iou: float = 0.03
    max_bbox_error_rel: float = 0.005
    max_volume_error_rel: float = 0.02
    min_feature_rel: float = 0.005
    max_moved_rel: float = 0.005
    max_deviation_rel: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Figures:
    """What was measured; None for what could not be. Boxes are (2, 3) in mm."""

    iou: Iou | None
    deviation: Deviation | None
    volume_error: float | None
    target_box_mm: NDArray[np.float64]
    result_box_mm: NDArray[np.float64]
    betti_target: Betti | None
    betti_result: Betti | None
    regions: tuple[Region, ...]
    explained_share: float

    @property
    def bbox_error_mm(self) -> float:
        """Largest shift of a side of the box, in mm."""
        return float(np.abs(self.result_box_mm - self.target_box_mm).max())

    @property
    def diagonal_mm(self) -> float:
        """Diagonal of the target's box, in mm."""
        return float(np.linalg.norm(self.target_box_mm[1] - self.target_box_mm[0]))

    @property
    def sagitta_mm(self) -> float:
        """Arc height that the target's facets explain, in mm."""
        return self.deviation.sagitta if self.deviation else 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Accepted or not, and why."""

    accepted: bool
    reason: str


def weigh(figures: Figures, tolerance: Tolerance) -> Decision:
    """Decide by the tolerance, and say first what refuses, then what a person would see on the part."""
    moves, others = find_moves(figures.regions)
    faults = [*_iou_faults(figures, tolerance), *_size_faults(figures, tolerance), *_count_faults(figures, tolerance)]
    faults += _move_faults(moves, figures, tolerance)
    seen = [*(move.words for move in moves if move.words not in faults), *region_words(others)]
    sized = box_words(figures.target_box_mm, figures.result_box_mm, _visible(figures))
    notes = list(dict.fromkeys([*sized, *seen]))
    counts = _count_words(figures)
    iou = "IoU unknown" if figures.iou is None else f"IoU {figures.iou.value:.4f}"
    if faults:
        return Decision(accepted=False, reason="; ".join([*faults, *notes]))
    return Decision(accepted=True, reason="; ".join([f"{iou}, within the tolerance", *counts, *notes]))


def _visible(figures: Figures) -> float:
    return max(2.0 * figures.sagitta_mm, 0.001 * figures.diagonal_mm)


def _iou_faults(figures: Figures, tolerance: Tolerance) -> list[str]:
    if figures.iou is None:
        return ["the IoU could not be computed"]
    floor = tolerance.min_iou
    apart = figures.deviation
    if apart is not None and apart.max <= 2.0 * apart.sagitta:
        floor -= min(figures.explained_share, tolerance.max_forgiven_iou)
    if figures.iou.value >= floor:
        return []
    return [f"IoU {figures.iou.value:.4f}, wanted {floor:.4f}"]


def _size_faults(figures: Figures, tolerance: Tolerance) -> list[str]:
    faults = []
    allowed = tolerance.max_bbox_error_rel * figures.diagonal_mm + figures.sagitta_mm
    if figures.bbox_error_mm > allowed:
        faults.append(f"the box is off by {figures.bbox_error_mm:.3g} mm, allowed {allowed:.3g} mm")
    error, allowed = figures.volume_error, tolerance.max_volume_error_rel + figures.explained_share
    if error is not None and abs(error) > allowed:
        faults.append(f"{abs(error):.1%} too {'much' if error > 0 else 'little'} volume, allowed {allowed:.1%}")
    apart, limit = figures.deviation, tolerance.max_deviation_rel
    if limit is not None:
        allowed = limit * figures.diagonal_mm + figures.sagitta_mm
        if apart is None:
            faults.append("the deviation could not be computed")
        elif apart.max > allowed:
            faults.append(f"the surfaces lie up to {apart.max:.3g} mm apart, allowed {allowed:.3g} mm")
    return faults


def _count_faults(figures: Figures, tolerance: Tolerance) -> list[str]:
    """Refuse other numbers of bodies always, of handles and voids only where a piece that size is wrong."""
    a, b = figures.betti_target, figures.betti_result
    if a is None or b is None or a == b:
        return []
    smallest = tolerance.min_feature_rel * figures.diagonal_mm
    if a.b0 == b.b0 and not any(sorted(region.size)[1] > smallest for region in figures.regions):
        return []
    return _count_words(figures)


def _move_faults(moves: list[Move], figures: Figures, tolerance: Tolerance) -> list[str]:
    """Refuse features that lie too far from their places; the words stand among the faults then."""
    allowed = tolerance.max_moved_rel * figures.diagonal_mm + figures.sagitta_mm
    return [move.words for move in moves if move.distance_mm is not None and move.distance_mm > allowed]


def _count_words(figures: Figures) -> list[str]:
    a, b = figures.betti_target, figures.betti_result
    if a is None or b is None:
        return []
    pairs = (
        (a.b0, b.b0, "body", "bodies"),
        (a.b1, b.b1, "through hole", "through holes"),
        (a.b2, b.b2, "void", "voids"),
    )
    return [f"{got} {one if got == 1 else many} instead of {want}" for want, got, one, many in pairs if want != got]

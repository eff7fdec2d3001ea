"""The judge of every execution: what was built, held against the target's mesh."""

from __future__ import annotations

import threading
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np

from cad_pipeline.values import Betti, Deviation, Mesh, Region, Target, Verdict
from cad_pipeline.verify.differences import find_regions
from cad_pipeline.verify.iou import Iou, exact_iou
from cad_pipeline.verify.subject import NotMeasurable, Subject, as_subject
from cad_pipeline.verify.surface import deviation, surface_f1
from cad_pipeline.verify.tolerance import Figures, Tolerance, weigh
from cad_pipeline.verify.voxels import voxel_iou
from cad_sandbox.execution import Execution

__all__ = ["MeshVerifier", "load_result", "warm_up"]

_Figure = TypeVar("_Figure")
_KEPT_TARGETS = 8


def load_result(path: Path, name: str = "result") -> Mesh:
    """Load the mesh of a STEP read back: an `.npz` with `vertices` (n, 3) in mm and `faces` (m, 3).

    Raises `NotMeasurable` for a file that is missing, broken or holds anything else; nothing in it is ever run.
    """
    try:
        with zipfile.ZipFile(path), np.load(path, allow_pickle=False) as arrays:
            return Mesh(name=name, vertices=arrays["vertices"], faces=arrays["faces"])
    except (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as broken:
        raise NotMeasurable(f"expected vertices and faces in {path.name}, could not read them: {broken}") from broken


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MeshVerifier:
    """Judges executions by the mesh of their STEP file, read back. Safe to share between threads and to pickle.

    What a target costs (its solid, trees, samples) is kept for the last few targets, by their digest; it stays behind
    when the verifier is sent to another process.
    """

    tolerance: Tolerance = field(default_factory=Tolerance)
    _targets: OrderedDict[str, Subject] = field(default_factory=OrderedDict, init=False, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    def __reduce__(self) -> tuple[Callable[[], MeshVerifier], tuple[()]]:
        return partial(MeshVerifier, tolerance=self.tolerance), ()

    def iou(self, target: Mesh, result: Mesh) -> Iou:
        """Compute `exact_iou` alone, with what is kept of the target: the cheap figure for searches.

        Raises `NotMeasurable` if there is nothing to compare.
        """
        known = self._subject(target)
        return exact_iou(known, as_subject(result, known.frame))

    def judge(self, target: Target, execution: Execution, /) -> Verdict:
        """Compare the execution's result with the target's mesh; failures get IoU 0 and their own message.

        A solid with a flaw is measured, but never accepted.
        """
        if not execution.built:
            words = f"{execution.outcome}: {execution.message}" if execution.message else str(execution.outcome)
            return Verdict(accepted=False, reason=words, iou=0.0, iou_method="nothing was built")
        if execution.mesh is None:
            return Verdict(accepted=False, reason="the sandbox wrote no mesh of the STEP file", unknown=_all("no mesh"))
        try:
            mesh = load_result(execution.mesh)
        except NotMeasurable as broken:
            return Verdict(accepted=False, reason=str(broken), unknown=_all(str(broken)))
        verdict = self.judge_mesh(target.mesh, mesh)
        if execution.flaw:
            return replace(verdict, accepted=False, reason=f"{execution.flaw}; {verdict.reason}")
        return verdict

    def judge_mesh(self, target: Mesh, result: Mesh) -> Verdict:
        """Compare two meshes that lie in one frame, in mm."""
        try:
            a = self._subject(target)
            b = as_subject(result, a.frame)
        except NotMeasurable as broken:
            return Verdict(accepted=False, reason=str(broken), unknown=_all(str(broken)))
        unknown: dict[str, str] = {}

        def figure(name: str, measure: Callable[[], _Figure]) -> _Figure | None:
            try:
                return measure()
            except NotMeasurable as reason:
                unknown[name] = str(reason)
                return None

        iou: Iou | None = figure("iou", lambda: exact_iou(a, b))
        voxels: Iou | None = figure("iou_voxel64", lambda: voxel_iou(a, b, 64))
        apart: Deviation | None = figure("deviation", lambda: deviation(a, b))
        f1: float | None = figure("surface_f1", lambda: surface_f1(a, b))
        volume: float | None = figure("volume_error", lambda: _volume_error(a, b))
        betti_a: Betti | None = figure("betti_target", lambda: a.betti)
        betti_b: Betti | None = figure("betti_result", lambda: b.betti)
        regions: tuple[Region, ...] = figure("regions", lambda: find_regions(a, b, apart)) or ()
        figures = Figures(
            iou=iou,
            deviation=apart,
            volume_error=volume,
            target_box_mm=target.bounds,
            result_box_mm=result.bounds,
            betti_target=betti_a,
            betti_result=betti_b,
            regions=regions,
            explained_share=a.facets.volume / abs(a.signed_volume) if a.signed_volume else 0.0,
        )
        decision = weigh(figures, self.tolerance)
        return Verdict(
            accepted=decision.accepted,
            reason=decision.reason,
            iou=None if iou is None else iou.value,
            iou_method="" if iou is None else iou.method,
            iou_voxel64=None if voxels is None else voxels.value,
            deviation=apart,
            surface_f1=f1,
            volume_error=volume,
            bbox_error_mm=figures.bbox_error_mm,
            betti_target=betti_a,
            betti_result=betti_b,
            regions=regions,
            unknown=unknown,
        )

    def _subject(self, mesh: Mesh) -> Subject:
        with self._lock:
            known = self._targets.get(mesh.digest)
            if known is not None:
                self._targets.move_to_end(mesh.digest)
                return known
        made = Subject(mesh)
        with self._lock:
            made = self._targets.setdefault(mesh.digest, made)
            while len(self._targets) > _KEPT_TARGETS:
                self._targets.popitem(last=False)
        return made


def warm_up() -> None:
    """Compile the inner loops, or load them from their cache: ten seconds once on a machine, then tenths of one.

    Worth a background thread while the first program runs; calling it never is only slower.
    """
    corners = np.array([[0.0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1]])
    faces = np.array([[0, 2, 1], [0, 1, 3], [1, 2, 3], [2, 0, 3]])
    small, large = (Mesh(name="warm-up", vertices=corners * size, faces=faces) for size in (1.0, 1.1))
    MeshVerifier().judge_mesh(small, large)


def _volume_error(a: Subject, b: Subject) -> float:
    """Relative, signed difference of the enclosed volumes."""
    return b.volume / a.volume - 1.0


def _all(reason: str) -> dict[str, str]:
    names = ("iou", "iou_voxel64", "deviation", "surface_f1", "volume_error", "bbox_error_mm")
    return dict.fromkeys((*names, "betti_target", "betti_result", "regions"), reason)

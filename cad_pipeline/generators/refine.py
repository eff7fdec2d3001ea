"""Fits a program's numbers to the target: damped Gauss-Newton on signed distances, through runs of the sandbox."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cad_pipeline.generators.numbers_in_text import Number, numbers_of, with_numbers
from cad_pipeline.parameters import read_parameters
from cad_pipeline.roles import Sandbox
from cad_pipeline.values import Attempt, Mesh, Origin, Program, ProgramKind, Target
from cad_sandbox.execution import Export
from cad_sandbox.limits import Limits

__all__ = ["Fit", "RefineGenerator", "fit_numbers"]

_MESH = Limits(wall_s=15.0, exports=frozenset({Export.MESH}))
_POINTS = 1200
Residuals = Callable[[Sequence[NDArray[np.float64]]], list[NDArray[np.float64] | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class RefineGenerator:
    """Propose the best programs of the history with their numbers fitted to the target, each once.

    A number costs a run of the sandbox in each of up to `steps` steps, so programs of more than `most_numbers` keep the
    rest as they are. What comes nearer only by chance is not proposed: the mean distance must fall.
    """

    sandbox: Sandbox
    least_iou: float = 0.3
    most_numbers: int = 12
    steps: int = 8
    workers: int = 2
    name: str = "refine"

    def propose(self, target: Target, history: Sequence[Attempt], /, *, samples: int = 1) -> Sequence[Program]:
        """Propose up to `samples` fitted programs, those of the best attempts first."""
        rounds = [a.program.origin.round for a in history if a.program.origin.generator == self.name]
        round_ = max(rounds, default=-1) + 1
        programs: list[Program] = []
        for attempt in self._worth(history)[:samples]:
            fit = fit_numbers(
                attempt.program.source,
                target.mesh,
                self.sandbox,
                most=self.most_numbers,
                steps=self.steps,
                workers=self.workers,
            )
            if fit is None or fit.source == attempt.program.source:
                continue
            words = f"{fit.fitted} numbers fitted, mean distance {fit.before_mm:.3g} to {fit.after_mm:.3g} mm"
            origin = Origin(
                generator=self.name,
                round=round_,
                sample=len(programs),
                note=f"of {attempt.program.origin}: {words}",
            )
            programs.append(Program(source=fit.source, origin=origin, parameters=read_parameters(fit.source)))
        return programs

    def _worth(self, history: Sequence[Attempt]) -> list[Attempt]:
        """List what may be fitted, best first; of programs that build the same only one, and none a second time."""
        done = [a.program.origin.note for a in history if a.program.origin.generator == self.name]
        found: dict[tuple[int, int], Attempt] = {}
        for attempt in history:
            program, iou = attempt.program, attempt.verdict.iou or 0.0
            if program.kind is not ProgramKind.FEATURES or not attempt.execution.built or iou < self.least_iou:
                continue
            if attempt.verdict.accepted or any(note.startswith(f"of {program.origin}:") for note in done):
                continue
            # its own results have been fitted as far as they go
            if program.origin.generator != self.name:
                volume = attempt.execution.volume_mm3 or 0.0
                found.setdefault((round(iou * 1e4), round(volume)), attempt)
        return sorted(found.values(), key=lambda each: -(each.verdict.iou or 0.0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """A program with fitted numbers, how many they are, and the mean distance before and after."""

    source: str
    fitted: int
    before_mm: float
    after_mm: float


def fit_numbers(
    source: str, target: Mesh, sandbox: Sandbox, *, most: int = 12, steps: int = 8, workers: int = 2
) -> Fit | None:
    """Fit the program's numbers to the target; None if it has none, does not build, or gets no nearer.

    The residuals are signed distances of points on the target to the part's surface, weighted after Huber; the step is
    Levenberg's, with derivatives from one run a number. Then the numbers are rounded as far as the fit allows.
    """
    numbers = numbers_of(source, most)
    if not numbers:
        return None
    with tempfile.TemporaryDirectory(prefix="cad-pipeline-fit-") as folder, ThreadPoolExecutor(workers) as pool:
        residuals = _residuals(source, numbers, target, sandbox, Path(folder), pool)
        start = np.array([number.value for number in numbers])
        before = residuals([start])[0]
        if before is None:
            return None
        size = target.diagonal
        values, at = _descended(start, before, residuals, size=size, steps=steps)
        values, at = _snapped(values, at, residuals, size)
    if _cost(at, size) >= 0.98 * _cost(before, size):
        return None
    return Fit(
        source=with_numbers(source, numbers, values.tolist()),
        fitted=int(np.count_nonzero(values != start)),
        before_mm=float(np.abs(before).mean()),
        after_mm=float(np.abs(at).mean()),
    )


def _residuals(
    source: str, numbers: Sequence[Number], target: Mesh, sandbox: Sandbox, folder: Path, pool: ThreadPoolExecutor
) -> Residuals:
    from cad_pipeline.verify import NotMeasurable, as_subject, load_result
    from cad_pipeline.verify.surface import sample

    goal = as_subject(target)
    points = sample(goal, _POINTS).points
    count = iter(range(1_000_000))

    def one(values: NDArray[np.float64]) -> NDArray[np.float64] | None:
        place = folder / str(next(count))
        place.mkdir()
        execution = sandbox.run(with_numbers(source, numbers, values.tolist()), place, limits=_MESH)
        if not execution.built or execution.mesh is None:
            return None
        try:
            part = as_subject(load_result(execution.mesh), goal.frame)
            distances, nearest = part.tree.distances(points)
        except NotMeasurable:
            return None
        outside = np.einsum("ij,ij->i", points - part.corners[nearest, 0], part.normals[nearest])
        return np.asarray(np.copysign(distances, outside) * goal.frame.mm_per_unit, np.float64)

    return lambda many: list(pool.map(one, many))


def _descended(
    start: NDArray[np.float64], before: NDArray[np.float64], residuals: Residuals, *, size: float, steps: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    values, at, damping = start, before, 1e-2
    for _ in range(steps):
        cost = _cost(at, size)
        if cost < 1e-6 * size:
            break
        reach = np.maximum(0.01 * np.abs(values), 2e-3 * size * np.minimum(1.0, np.abs(values) / size + 0.1))
        slopes = np.zeros((len(at), len(values)))
        for k, moved in enumerate(residuals([values + reach * row for row in np.eye(len(values))])):
            # a number whose change breaks the part stays as it is
            if moved is not None:
                slopes[:, k] = (moved - at) / reach[k]
        weights = 1.0 / np.maximum(1.0, np.abs(at) / max(1.5 * float(np.median(np.abs(at))), 1e-4 * size))
        normal = slopes.T @ (slopes * weights[:, None])
        scale = np.maximum(np.diag(normal), 1e-9 * max(float(np.trace(normal)), 1e-300))
        down = slopes.T @ (weights * at)
        dampings = [damping, 30.0 * damping]
        bound = np.maximum(0.4 * np.abs(values), 0.02 * size)
        trials = [
            values - np.clip(np.linalg.solve(normal + np.diag(each * scale), down), -bound, bound) for each in dampings
        ]
        # a length must not change its sign, nor vanish
        trials = [np.where(np.sign(t) == np.sign(values), t, 0.5 * values) for t in trials]
        found = [
            (_cost(r, size), k, t, r)
            for k, (t, r) in enumerate(zip(trials, residuals(trials), strict=True))
            if r is not None
        ]
        best = min(found, key=lambda each: each[:2], default=None)
        if best is None or best[0] >= cost:
            damping *= 300.0
            if damping > 1e5:
                break
            continue
        damping = max(dampings[best[1]] / 10.0, 1e-6)
        values, at = best[2], best[3]
        if best[0] > 0.995 * cost:
            break
    return values, at


def _snapped(
    values: NDArray[np.float64], at: NDArray[np.float64], residuals: Residuals, size: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Round to the coarsest of the usual steps that keeps the fit, all numbers alike, then number by number."""
    unit = 10.0 ** np.floor(np.log10(size) - 2.0)
    allowed = 1.05 * _cost(at, size) + 2e-5 * size
    for step in (5.0 * unit, unit, 0.5 * unit, 0.1 * unit, 0.01 * unit, 0.001 * unit):
        close = np.abs(values - step * np.round(values / step)) < 4e-3 * size
        rounded = np.where(close, step * np.round(values / step), values)
        rounded = np.where(rounded == 0.0, values, rounded)
        found = residuals([rounded])[0]
        if found is not None and _cost(found, size) <= allowed:
            return np.asarray(np.round(rounded, 9), np.float64), found
    return values, at


def _cost(distances: NDArray[np.float64], size: float) -> float:
    """Mean distance after Huber: quadratic below a thousandth of the part's size."""
    near = 1e-3 * size
    far = np.abs(distances)
    return float(np.where(far < near, far * far / (2.0 * near), far - 0.5 * near).mean())

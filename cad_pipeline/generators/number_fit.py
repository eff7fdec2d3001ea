"""Fits the numbers of one program to a target through runs of the sandbox, and rounds them as far as the fit allows."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cad_pipeline.generators.least_squares import Descent, Scales, huber
from cad_pipeline.generators.numbers_in_text import Number, numbers_of, with_numbers
from cad_pipeline.generators.starting_point import found_start
from cad_pipeline.generators.surface_gap import SurfaceGap
from cad_pipeline.roles import Sandbox
from cad_pipeline.values import Mesh
from cad_sandbox.execution import Export, Outcome
from cad_sandbox.limits import Limits

__all__ = ["Effort", "Fit", "fit_numbers"]

Vector = NDArray[np.float64]
# the facets are those that will be judged
_MESH = Limits(exports=frozenset({Export.MESH}))
_FIRST_S, _LEAST_S, _MOST_S = 30.0, 5.0, 40.0
_BLOCK, _ROUNDINGS = 24, 4
# a share of the volume that is not worth another block of numbers; a share of the cost that is no progress
_LITTLE, _HARDLY = 0.002, 0.97
# the nice steps, in hundredths of the power of ten below the part's size
_STEPS = (5.0, 1.0, 0.5, 0.1, 0.01, 0.001)


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """What a fit may cost: numbers fitted, runs of the sandbox, and seconds if every run takes what the first did.

    The clock is read once, after the first run, and coarsely, so that the same input gives the same program.
    """

    numbers: int = 60
    runs: int = 120
    seconds: float = 90.0
    workers: int = 2

    def runs_at(self, seconds: float) -> int:
        """Tell how many runs are allowed if one takes `seconds`."""
        return int(np.clip(self.seconds * self.workers / max(seconds, 1e-3), min(16, self.runs), self.runs))


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """A program with fitted numbers, how many changed, the mean distance before and after, and the runs it took.

    `moved_to_build` says that the program did not build as it was given; `before_mm` is where it first did.
    """

    source: str
    fitted: int
    before_mm: float
    after_mm: float
    runs: int
    moved_to_build: bool = False


def fit_numbers(source: str, target: Mesh, sandbox: Sandbox, effort: Effort = Effort()) -> Fit | None:
    """Fit the program's numbers to the target; None if it has none, builds nowhere near them, or gets no nearer.

    Named numbers are fitted first, then the others in blocks, the largest first, together with those before. A program
    that does not build is first moved to where it does (`found_start`). Raises `NotMeasurable` if the target has no
    surface, and `SandboxUnavailable` if the machine is at fault.
    """
    numbers = _in_order(numbers_of(source, 10_000))[: effort.numbers]
    if not numbers:
        return None
    gap = SurfaceGap.of(target)
    given = np.array([number.value for number in numbers])
    with _Runs(source, numbers, gap, sandbox, effort.workers) as runs:
        before, start = runs.first(given), given
        most = effort.runs_at(runs.seconds)
        if before is None:
            found = None if runs.timed_out else found_start(numbers, runs, line=runs.line, most=most // 3)
            if found is None:
                return None
            start, before, _ = found
        scales = _scales(start, target.diagonal, gap.thickness_mm)
        left = most - _ROUNDINGS
        descent = Descent(residuals=runs, values=start, at=before, scales=scales, most=left, runs=runs.count)
        _fit_in_blocks(descent, _blocks(numbers, most), gap)
        values, at = _rounded(descent, given, target.diagonal, gap.thickness_mm)
    moved = start is not given
    if not moved and huber(at, scales.near) >= 0.98 * huber(before, scales.near):
        return None
    return Fit(
        source=with_numbers(source, numbers, values.tolist()),
        fitted=int(np.count_nonzero(values != given)),
        before_mm=gap.mean_mm(before),
        after_mm=gap.mean_mm(at),
        runs=runs.count,
        moved_to_build=moved,
    )


def _fit_in_blocks(descent: Descent, blocks: Sequence[Sequence[int]], gap: SurfaceGap) -> None:
    """Fit block after block, until hardly anything of the volume is missing or a block brings it hardly nearer."""
    for block in blocks:
        before = descent.cost
        descent.fit(block)
        lost = gap.mean_mm(descent.at) / gap.thickness_mm
        if descent.done or lost < _LITTLE or (block is not blocks[0] and descent.cost > _HARDLY * before):
            break


def _in_order(numbers: Sequence[Number]) -> list[Number]:
    """Put named numbers first, then the large ones: a share of a large number is a large length."""
    return sorted(numbers, key=lambda each: (not each.name, 0.0 if each.name else -abs(each.value)))


def _blocks(numbers: Sequence[Number], most: int) -> list[list[int]]:
    """Cut the numbers into blocks that leave runs for steps; the named ones are in the first, if they are not many."""
    size = max(min(_BLOCK, most // 3), 1)
    first = min(max(sum(bool(number.name) for number in numbers), 1), size)
    if first + 4 >= len(numbers) <= size:
        first = len(numbers)
    cuts = [0, *range(first, len(numbers), size), len(numbers)]
    return [list(range(low, high)) for low, high in pairwise(cuts)]


def _scales(values: Vector, size: float, thickness: float) -> Scales:
    far = np.abs(values)
    reach = np.minimum(np.clip(0.005 * far, 3e-4 * size, 2e-3 * size), 0.2 * far)
    return Scales(
        near=min(1e-3 * size, 0.02 * thickness),
        enough=1e-5 * thickness,
        reach=np.maximum(reach, 1e-6 * size),
        bound=np.maximum(0.2 * far, 0.02 * size),
    )


def _rounded(descent: Descent, given: Vector, size: float, thickness: float) -> tuple[Vector, Vector]:
    """Round each number that changed to the coarsest nice step that its derivative allows, and check it by a run."""
    unit = 10.0 ** np.floor(np.log10(size) - 2.0)
    values, at, near = descent.values, descent.at, descent.scales.near
    changed = np.flatnonzero(values != given)
    if not len(changed):
        return values, at
    allowed = 0.05 * huber(at, near) + 2e-4 * thickness
    weight = np.abs(descent.slopes).mean(axis=0)
    share = 2.0 * allowed / len(changed)
    for _ in range(_ROUNDINGS):
        rounded = values.copy()
        for k in changed:
            steps = [float(np.round(values[k] / (step * unit)) * step * unit) for step in _STEPS]
            rounded[k] = next((x for x in steps if x != 0.0 and weight[k] * abs(x - values[k]) <= share), values[k])
        rounded = np.round(rounded, 9)
        found = descent.residuals([rounded])[0]
        if found is not None and huber(found, near) <= huber(at, near) + allowed:
            return rounded, found
        share *= 0.3
    return values, at


class _Runs:
    """Residuals of a program's numbers, each a run of the sandbox; counts them."""

    def __init__(self, source: str, numbers: Sequence[Number], gap: SurfaceGap, sandbox: Sandbox, workers: int) -> None:
        self.count = 0
        self.line: int | None = None
        self.timed_out = False
        self.seconds = 0.0
        self._source, self._numbers, self._gap, self._sandbox = source, numbers, gap, sandbox
        self._limits = replace(_MESH, wall_s=_FIRST_S)
        self._folder = tempfile.TemporaryDirectory(prefix="cad-pipeline-fit-")
        self._pool = ThreadPoolExecutor(workers)

    def __enter__(self) -> _Runs:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()
        self._folder.cleanup()

    def first(self, values: Vector) -> Vector | None:
        """Run the program as it was given: what it takes bounds all others, and its failing line is kept."""
        began = time.monotonic()
        found = self([values])[0]
        # in powers of two, so that a busy machine seldom changes what is done
        self.seconds = float(2.0 ** np.ceil(np.log2(max(time.monotonic() - began, 0.125))))
        self._limits = replace(_MESH, wall_s=float(np.clip(3.0 * self.seconds + 3.0, _LEAST_S, _MOST_S)))
        return found

    def __call__(self, many: Sequence[Vector]) -> list[Vector | None]:
        """Run the program with each of several values (p,)."""
        first, self.count = self.count, self.count + len(many)
        return list(self._pool.map(self._one, many, range(first, self.count)))

    def _one(self, values: Vector, number: int) -> Vector | None:
        from cad_pipeline.verify import NotMeasurable, load_result

        place = Path(self._folder.name) / str(number)
        place.mkdir()
        text = with_numbers(self._source, self._numbers, values.tolist())
        execution = self._sandbox.run(text, place, limits=self._limits)
        if number == 0:
            self.line, self.timed_out = execution.line, execution.outcome is Outcome.TIMED_OUT
        if not execution.built or execution.mesh is None:
            return None
        try:
            return self._gap.residuals(load_result(execution.mesh))
        except NotMeasurable:
            return None
        finally:
            execution.mesh.unlink(missing_ok=True)

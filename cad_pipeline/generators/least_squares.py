"""Damped least squares for residuals that are dear, not smooth, and sometimes not to be had at all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

__all__ = ["Descent", "Residuals", "Scales", "huber"]

Vector = NDArray[np.float64]
# the residuals (m,) at each of several points (p,), or None where there are none
Residuals = Callable[[Sequence[Vector]], list[Vector | None]]
_LEAST_DAMPING, _MOST_DAMPING = 1e-7, 1e5
# a step to less than this share of the cost is worth another with the same derivatives; derivatives that bring it to
# more than that share are not worth being measured again
_BRISK, _HARDLY = 0.7, 0.9


def huber(residuals: Vector, near: float) -> float:
    """Compute the mean residual after Huber (1964): quadratic up to `near`, linear beyond it."""
    size = np.abs(residuals)
    return float(np.where(size < near, size * size / (2.0 * near), size - 0.5 * near).mean())


@dataclass(frozen=True, slots=True, kw_only=True)
class Scales:
    """What is near (residuals below count squared), what cost is enough, and how far values (p,) are moved.

    `reach` is the move for a derivative, `bound` the most that a step changes.
    """

    near: float
    enough: float
    reach: Vector
    bound: Vector


@dataclass(slots=True, kw_only=True)
class Descent:
    """Walks from `values` (p,) with residuals `at` (m,) to lower cost, and never asks for more than `most` residuals.

    Levenberg and Marquardt's step with Huber's weights. Derivatives are differences, one run for each value at first;
    after that the secant of every step corrects them (Broyden 1965; sparse after Schubert 1970), until that helps no
    longer. A value whose move has no residuals is moved the other way, then less; if neither has any it stays as it is.

    `slopes` (m, p) are the derivatives, `touched` (m, p) says which residuals a value moves, and `known` (p,) which
    values have derivatives.
    """

    residuals: Residuals
    values: Vector
    at: Vector
    scales: Scales
    most: int
    runs: int = 0
    slopes: Vector = field(init=False)
    reach: Vector = field(init=False)
    known: NDArray[np.bool_] = field(init=False)
    touched: NDArray[np.bool_] = field(init=False)
    _damping: float = 1e-3
    _signs: Vector = field(init=False)

    def __post_init__(self) -> None:
        """Start without derivatives."""
        self.slopes = np.zeros((len(self.at), len(self.values)))
        self.reach = self.scales.reach.copy()
        self.known = np.zeros(len(self.values), np.bool_)
        self.touched = np.zeros(self.slopes.shape, np.bool_)
        self._signs = np.where(self.values < 0.0, -1.0, 1.0)

    @property
    def cost(self) -> float:
        """The cost where it stands."""
        return huber(self.at, self.scales.near)

    @property
    def done(self) -> bool:
        """Whether it is near enough, or has no runs left for another step."""
        return self.cost <= self.scales.enough or self.runs + 2 > self.most

    def fit(self, values: Sequence[int]) -> None:
        """Fit these values together with those fitted before, until it gets no nearer."""
        self.learn(values)
        self._damping, learnt_at, fresh = 1e-3, self.cost, True
        while not self.done and self.known.any():
            before = self.cost
            stepped = self._stepped()
            if stepped:
                fresh = False
                if self.cost < _BRISK * before:
                    continue
            elif fresh:
                self._damping *= 100.0
                if self._damping > _MOST_DAMPING:
                    break
                continue
            if self.done or self.cost > _HARDLY * learnt_at:
                break
            self.learn(np.flatnonzero(self.known))
            self._damping, learnt_at, fresh = min(self._damping, 1e-2), self.cost, True

    def learn(self, values: Sequence[int] | NDArray[np.intp]) -> None:
        """Measure the derivatives by these values, as far as the runs last."""
        left = [int(k) for k in values]
        for factor in (1.0, -1.0, 0.1, -0.1):
            left = left[: max(self.most - self.runs, 0)]
            answers = self._ask([self._moved(k, factor) for k in left])
            for k, moved in zip(left, answers, strict=True):
                if moved is not None:
                    self._take(k, moved, factor)
            left = [k for k, moved in zip(left, answers, strict=True) if moved is None]

    def _moved(self, k: int, factor: float) -> Vector:
        values = self.values.copy()
        values[k] += factor * self.reach[k]
        return values

    def _take(self, k: int, moved: Vector, factor: float) -> None:
        """Read the derivatives off the change of the residuals."""
        change = moved - self.at
        self.slopes[:, k] = change / (factor * self.reach[k])
        most = float(np.abs(change).max())
        self.known[k], self.touched[:, k] = True, np.abs(change) > 1e-3 * most
        if most > 0.0:
            # next time by what moves the residuals clearly, and no further
            wanted = 5.0 * self.scales.near * abs(factor) / most * self.reach[k]
            self.reach[k] = np.clip(wanted, 0.2 * self.scales.reach[k], 2.0 * self.scales.reach[k])

    def _stepped(self) -> bool:
        """Try the step with two dampings and take the better, if it is lower; the secant corrects the derivatives."""
        dampings = (self._damping, 30.0 * self._damping)
        trials = [self._step(each) for each in dampings]
        best: tuple[float, int, Vector] | None = None
        for n, found in enumerate(self._ask(trials)):
            if found is None:
                continue
            moved, change = trials[n] - self.values, found - self.at
            # only what a value touches is corrected, or soon every value would seem to touch everything
            share = self.touched * (moved / self.reach**2)
            length = share @ moved
            missed = (change - self.slopes @ moved) / np.where(length > 0.0, length, np.inf)
            self.slopes += missed[:, None] * share
            cost = huber(found, self.scales.near)
            if cost < self.cost and (best is None or cost < best[0]):
                best = (cost, n, found)
        if best is None:
            return False
        self._damping = max(dampings[best[1]] / 10.0, _LEAST_DAMPING)
        self.values, self.at = trials[best[1]], best[2]
        return True

    def _step(self, damping: float) -> Vector:
        """Solve for the damped step; a value neither changes its sign nor vanishes."""
        slopes = self.slopes[:, self.known]
        weights = np.minimum(1.0, self.scales.near / np.maximum(np.abs(self.at), 1e-300))
        normal = slopes.T @ (slopes * weights[:, None])
        diagonal = np.maximum(np.diag(normal), 1e-9 * max(float(np.trace(normal)), 1e-300))
        step = np.zeros(len(self.values))
        step[self.known] = -np.linalg.solve(normal + np.diag(damping * diagonal), slopes.T @ (weights * self.at))
        values = self.values + np.clip(step, -self.scales.bound, self.scales.bound)
        return np.where(values * self._signs > 0.0, values, 0.5 * self.values)

    def _ask(self, points: Sequence[Vector]) -> list[Vector | None]:
        self.runs += len(points)
        return self.residuals(points) if points else []

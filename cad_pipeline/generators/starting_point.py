"""Looks near a program's numbers for some with which it builds, where those that were given do not build."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from cad_pipeline.generators.least_squares import Residuals
from cad_pipeline.generators.numbers_in_text import Number

__all__ = ["found_start", "neighbours"]

Vector = NDArray[np.float64]
# by how much numbers are moved together; radii of short arcs must grow by far more than their ends were moved
_SHARES = (0.01, -0.01, 0.03, -0.03, 0.1, -0.1, 0.3)
# values that differ by less may have been equal
_ALIKE = 0.025


def found_start(
    numbers: Sequence[Number], residuals: Residuals, *, line: int | None = None, most: int = 40, batch: int = 4
) -> tuple[Vector, Vector, int] | None:
    """Find values (p,) near the given ones that have residuals (m,); also tell the runs it took, at most `most`.

    The first that builds, in the order of `neighbours`, is taken; `batch` are tried at once. None if none builds.
    """
    runs = 0
    trials = islice(neighbours(numbers, line), most)
    while block := list(islice(trials, batch)):
        runs += len(block)
        for values, at in zip(block, residuals(block), strict=True):
            if at is not None:
                return values, at, runs
    return None


def neighbours(numbers: Sequence[Number], line: int | None = None) -> Iterator[Vector]:
    """List values near the given ones, the likeliest to build first, the same ones every time.

    Rounded ones, then ones with like values made equal: a disturbed number breaks most often because it no longer meets
    another. Then groups in one role moved together, those of the failing `line` first, and last all of them by chance.
    """
    given = np.array([number.value for number in numbers])
    seen = {given.tobytes()}
    for values in _guesses(numbers, given, line):
        if values.tobytes() not in seen and np.all(values * given > 0.0):
            seen.add(values.tobytes())
            yield values


def _guesses(numbers: Sequence[Number], given: Vector, line: int | None) -> Iterator[Vector]:
    magnitude = 10.0 ** np.floor(np.log10(np.abs(given)))
    for step in (0.1, 0.05, 0.01):
        yield np.round(given / (step * magnitude)) * step * magnitude
    yield _evened(given)
    roles: dict[str, list[int]] = {}
    for k, number in enumerate(numbers):
        roles.setdefault(number.role, []).append(k)
    groups = sorted(roles.values(), key=lambda group: min(_far(numbers[k], line) for k in group))
    for share in _SHARES:
        for group in groups[:6]:
            values = given.copy()
            values[group] *= 1.0 + share
            yield values
    chance = np.random.default_rng(0)
    for share in (0.005, 0.01, 0.02) * 8:
        yield given * (1.0 + share * chance.uniform(-1.0, 1.0, len(given)))


def _far(number: Number, line: int | None) -> int:
    return 0 if line is None else abs(number.line - line)


def _evened(given: Vector) -> Vector:
    """Give values of like size the mean of their size."""
    values = given.copy()
    order = np.argsort(np.abs(given), kind="stable")
    size = np.abs(given)[order]
    for group in np.split(order, np.flatnonzero(np.diff(size) > _ALIKE * size[1:]) + 1):
        values[group] = np.sign(given[group]) * np.abs(given[group]).mean()
    return values

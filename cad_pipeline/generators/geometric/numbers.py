"""Round numbers: the shortest decimal within a tolerance, and coordinates that agree with each other."""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterable

import numpy as np

__all__ = ["Lexicon", "nice", "text"]


def nice(value: float, tolerance: float) -> float:
    """Round `value` to the fewest decimals (or to a half, quarter or eighth) that stay within `tolerance`."""
    value = float(value)
    for decimals in range(-1, 8):
        rounded = round(value, decimals)
        if abs(rounded - value) <= tolerance:
            return rounded + 0.0
    return value


def text(value: float) -> str:
    """Write a number for a program: no exponent for common sizes, no trailing zeros, always a float."""
    if value == 0 or not math.isfinite(value):
        return "0.0"
    if abs(value) >= 1e7 or abs(value) < 1e-5:
        return repr(float(f"{value:.8g}"))
    decimals = max(1, 7 - math.floor(math.log10(abs(value))) - 1)
    short = f"{value:.{decimals}f}".rstrip("0")
    short = short + "0" if short.endswith(".") else short
    return "0.0" if float(short) == 0 else short


class Lexicon:
    """Agreed values along one coordinate: what lies within `tolerance` of a known value becomes that value.

    New values are rounded within `rounding`, the noise of the mesh, which is much finer.
    """

    def __init__(self, tolerance: float, rounding: float, known: Iterable[float] = ()) -> None:
        self.tolerance = tolerance
        self.rounding = rounding
        self._values: list[float] = sorted(set(known))

    def snap(self, value: float) -> float:
        """Return the known value near `value`, or take `value`, rounded, into the lexicon."""
        at = bisect.bisect_left(self._values, value)
        near = [v for v in self._values[max(0, at - 1) : at + 1] if abs(v - value) <= self.tolerance]
        if near:
            return min(near, key=lambda v: abs(v - value))
        rounded = nice(value, self.rounding)
        bisect.insort(self._values, rounded)
        return rounded

    @staticmethod
    def from_samples(samples: Iterable[float], tolerance: float, rounding: float) -> Lexicon:
        """Cluster samples (gaps over `tolerance` separate clusters); each cluster's median, rounded, becomes known."""
        values = np.sort(np.asarray(list(samples), dtype=np.float64))
        if not len(values):
            return Lexicon(tolerance, rounding)
        groups = np.split(values, np.nonzero(np.diff(values) > tolerance)[0] + 1)
        return Lexicon(tolerance, rounding, (nice(float(np.median(g)), rounding) for g in groups))

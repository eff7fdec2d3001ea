"""Round numbers: the shortest decimal within a tolerance, and coordinates that agree with each other."""

from __future__ import annotations

import bisect
import math
from collections.abc import Iterable

import numpy as np

__all__ = ["Lexicon", "exact_text", "nice", "text"]


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


def exact_text(value: float) -> str:
    """Write a coordinate of a direction: planes that were at right angles must be so to OCC's tolerance far out."""
    return text(value) if abs(value - float(text(value))) < 1e-15 else repr(round(value, 14))


class Lexicon:
    """Agreed values along one coordinate: what lies within `tolerance` of a known value becomes that value.

    Values are rounded within `rounding`, the noise of the mesh, which is much finer, when they are first used.
    """

    def __init__(self, tolerance: float, rounding: float, known: Iterable[float] = ()) -> None:
        self.tolerance = tolerance
        self.rounding = rounding
        self._values: list[float] = sorted(known)
        self._rounded: dict[float, float] = {}

    def snap(self, value: float) -> float:
        """Return the known value near `value`, rounded; take `value` into the lexicon where there is none."""
        value, values = float(value), self._values
        at = bisect.bisect_left(values, value)
        known = values[at - 1] if at and value - values[at - 1] <= self.tolerance else None
        if at < len(values) and values[at] - value <= self.tolerance:
            known = values[at] if known is None or values[at] - value < value - known else known
        if known is None:
            known = value
            values.insert(at, known)
        if known not in self._rounded:
            self._rounded[known] = nice(known, self.rounding)
        return self._rounded[known]

    @staticmethod
    def from_samples(samples: Iterable[float], tolerance: float, rounding: float, least: int = 1) -> Lexicon:
        """Cluster samples (gaps over `tolerance` separate); medians of clusters of at least `least` become known."""
        values = np.sort(np.asarray(list(samples), dtype=np.float64))
        if not len(values):
            return Lexicon(tolerance, rounding)
        starts = np.r_[0, np.nonzero(np.diff(values) > tolerance)[0] + 1]
        ends = np.r_[starts[1:], len(values)]
        medians = values[(starts + ends - 1) // 2]
        return Lexicon(tolerance, rounding, medians[ends - starts >= least].tolist())

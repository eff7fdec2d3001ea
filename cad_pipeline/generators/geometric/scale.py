"""How large a part is and how exact its mesh: the two lengths that every tolerance derives from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Scale"]

FLOAT32_STEP = float(np.finfo(np.float32).eps)


@dataclass(frozen=True, slots=True)
class Scale:
    """`size` is the box's diagonal; `noise` is how far a coordinate may be from what its designer wrote. Both in mm."""

    size: float
    noise: float

    @staticmethod
    def of(vertices: NDArray[np.float64]) -> Scale:
        """Measure a mesh whose coordinates went through float32, as in STL: a step at its farthest coordinate."""
        size = float(np.linalg.norm(np.ptp(vertices, axis=0)))
        return Scale(size, 4e-7 * size + FLOAT32_STEP * float(np.abs(vertices).max(initial=0.0)))

    @property
    def level(self) -> float:
        """Heights nearer than this are one level."""
        return max(1e-4 * self.size, 3 * self.noise)

    @property
    def wall(self) -> float:
        """Sections that differ by less than this on average are the same section."""
        return max(2e-4 * self.size, 2 * self.noise)

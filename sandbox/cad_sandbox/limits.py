"""What one program may use; every number carries its unit."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from cad_sandbox.execution import Export

__all__ = ["Isolation", "Limits"]


class Isolation(enum.StrEnum):
    """How strong the walls must be; a level that can't be met refuses and says the cure."""

    MAX = "max"
    STRICT = "strict"
    PROCESS = "process"


# A reply with the largest log, every character escaped, still fits into a message.
_MOST = {
    "wall_s": 1e6,
    "cpu_s": 1e6,
    "memory_mb": 1 << 24,
    "file_mb": 1 << 20,
    "brep_mb": 1 << 14,
    "log_kb": 512,
    "deflection": 1.0,
    "angle_rad": 3.2,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds for one program, over both stages; a breach is an `Outcome`, not an exception.

    `deflection` is the chord error of the meshes relative to the solid's diagonal, `angle_rad` the largest turn between
    neighbouring facets.
    """

    wall_s: float = 30.0
    cpu_s: float = 25.0
    memory_mb: int = 4096
    file_mb: int = 256
    brep_mb: int = 128
    log_kb: int = 64
    exports: frozenset[Export] = frozenset(Export)
    deflection: float = 3e-4
    angle_rad: float = 0.1

    def __post_init__(self) -> None:
        """Refuse, with `ValueError`, what could never run or would never end."""
        for name, most in _MOST.items():
            value = getattr(self, name)
            if not 0 < value <= most:
                raise ValueError(f"expected {name} above 0 and at most {most:g}, got {value}")

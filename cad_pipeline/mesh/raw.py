"""What a format reader hands on: triangles as the file has them, before any repair."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

__all__ = ["MAX_TRIANGLES", "Floats", "Ints", "RawMesh", "SolidFacts"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MAX_TRIANGLES = 12_000_000
"""More triangles than this are refused: repairs need about 500 bytes for each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SolidFacts:
    """What the CAD kernel says of an exact solid: how many, whether its checker finds no fault, volume, face kinds.

    `volume_mm3` is that of the B-rep, not of its facets; `face_kinds` counts faces by surface (`PLANE`, `CYLINDER`, …).
    """

    solids: int
    valid: bool
    volume_mm3: float
    face_kinds: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, eq=False)
class RawMesh:
    """Triangles in the file's own numbers: `vertices` (n, 3), `faces` (m, 3).

    `unit` is what the format itself says, None when it says nothing. `spacing` is the step between neighbouring
    numbers relative to their magnitude (2**-23 for float32). `converted` says that the reader turned the file's unit
    into mm itself. `doubt` is the complaint to raise if the triangles turn out not to close: set by readers that saw
    signs of a cut file. `facts` are there where the file holds an exact solid.
    """

    vertices: Floats
    faces: Ints
    unit: str | None = None
    converted: bool = False
    spacing: float = 2.0**-23
    notes: tuple[str, ...] = ()
    doubt: str | None = None
    facts: SolidFacts | None = None

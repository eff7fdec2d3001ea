"""The triangles under repair, and what was done to them so far."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cad_pipeline.mesh.edges import Edges
from cad_pipeline.mesh.raw import Floats, Ints
from cad_pipeline.mesh.shells import Shells

__all__ = ["Bench", "flat_shells"]

FLAT = 1e-6


@dataclass(kw_only=True, eq=False)
class Bench:
    """The triangles under repair, in a frame near the part, where float64 keeps its digits.

    `size` is the diagonal, `noise` the length by which coordinates are unsure; `winding_known` says whether the file's
    own winding can be trusted to tell a cavity from overlapping material.
    """

    vertices: Floats
    faces: Ints
    size: float
    noise: float
    name: str
    notes: list[str]
    winding_known: bool = True
    _edges: tuple[Ints, Edges] | None = None

    @property
    def edges(self) -> Edges:
        """The edges of `faces`, grouped once for each new array of faces (seconds for millions)."""
        if self._edges is None or self._edges[0] is not self.faces:
            self._edges = self.faces, Edges.of(self.faces)
        return self._edges[1]

    def say(self, count: int, words: str) -> None:
        """Note a repair when it happened at all; `{n}` and `{s}` stand for the count and a plural s."""
        if count:
            self.notes.append(words.format(n=count, s="" if count == 1 else "s"))


def flat_shells(shells: Shells, bench: Bench) -> NDArray[np.bool_]:
    """Tell which shells are thinner than a millionth of their size, or than the noise: they hold no volume, (s,)."""
    thickness = 2 * np.abs(shells.volume) / np.maximum(shells.area, np.finfo(float).tiny)
    return np.asarray(thickness <= np.maximum(FLAT * shells.extent, 0.5 * bench.noise))

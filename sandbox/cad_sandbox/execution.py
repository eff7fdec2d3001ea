"""The values that a sandbox returns: what a program did, told without trusting it.

A program that fails is a value (`Execution` with its `Outcome`); a sandbox that fails is an exception
(`SandboxUnavailable`), and is never shown to a program's author as the program's own mistake.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from cad_sandbox.limits import Limits

__all__ = ["Box", "Execution", "Export", "Outcome", "Sandbox", "SandboxUnavailable"]


class SandboxUnavailable(RuntimeError):
    """The isolation that was asked for can't be had here, or the server is broken; the message holds the cure."""


class Outcome(enum.StrEnum):
    """How a program ended; exactly one of these, and only `BUILT` has files."""

    BUILT = "built"
    SYNTAX_ERROR = "syntax_error"
    RAISED = "raised"
    NO_RESULT = "no_result"
    NO_SOLID = "no_solid"
    INVALID = "invalid"
    TIMED_OUT = "timed_out"
    OUT_OF_MEMORY = "out_of_memory"
    CRASHED = "crashed"
    REFUSED = "refused"
    LOST = "lost"


class Export(enum.StrEnum):
    """What is written for a program that built: exact B-rep, neutral CAD file, display mesh, mesh of the STEP file."""

    BREP = "brep"
    STEP = "step"
    STL = "stl"
    MESH = "mesh"


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """An axis-aligned box in the program's own frame, in mm."""

    low: tuple[float, float, float]
    high: tuple[float, float, float]

    @property
    def size(self) -> tuple[float, float, float]:
        """Edge lengths along x, y and z, in mm."""
        return tuple(h - lo for lo, h in zip(self.low, self.high, strict=True))  # type: ignore[return-value]


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """What became of one program.

    `message` is one line in words; for `RAISED` it has the exception's type and text, and `line` the program's line.
    `rule` says which convention gave the result (`show_object`, `result`, `r`, …). Volume, area, box and face kinds
    were measured by the validating process, never by the program. `mesh` is an `.npz` with `vertices` (n, 3) float64 in
    mm and `faces` (m, 3) int64, tessellated from the STEP file *read back*, with vertices shared along edges.
    `flaw` says in words what is wrong with a solid that OCC's checker let pass, such as faces that do not meet; it is
    looked for thoroughly where `MESH` is exported, and not at all where neither STL nor mesh is.
    `starts` is 2 if the server was lost while the program ran for the first time, and it was started once more.
    `layers` names every isolation layer and whether it was active in this run.
    """

    outcome: Outcome
    message: str = ""
    line: int | None = None
    rule: str | None = None
    solids: int = 0
    volume_mm3: float | None = None
    area_mm2: float | None = None
    box: Box | None = None
    face_kinds: Mapping[str, int] = field(default_factory=dict)
    brep: Path | None = None
    step: Path | None = None
    stl: Path | None = None
    mesh: Path | None = None
    log: str = ""
    seconds: float = 0.0
    layers: Mapping[str, str] = field(default_factory=dict)
    flaw: str = ""
    starts: int = 1

    @property
    def built(self) -> bool:
        """Whether a valid solid came out."""
        return self.outcome is Outcome.BUILT

    @property
    def sound(self) -> bool:
        """Whether a valid solid came out and nothing was found wrong with it afterwards."""
        return self.built and not self.flaw


class Sandbox(Protocol):
    """Runs one untrusted CadQuery program and says what it did. Safe to call from several threads at once."""

    def run(self, source: str, folder: Path, /, *, limits: Limits | None = None) -> Execution:
        """Run `source` and leave `part.brep`, `part.step`, `part.stl` and `part.npz` in `folder` if it built.

        `limits` replaces the sandbox's own for this program, and says which of the files are wanted.

        Raises `SandboxUnavailable` if the machine, not the program, is at fault.
        """
        ...

    def close(self) -> None:
        """End every process and remove every temporary file of this sandbox."""
        ...

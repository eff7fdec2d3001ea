"""Stand-ins for the sandbox and the verifier, public as the scripted generator is: loops are tested in milliseconds.

sandbox = ScriptedSandbox({"good": built(volume_mm3=990.0)})
verifier = ScriptedVerifier(min_iou=0.98)          # IoU = the smaller volume over the larger one
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from cad_pipeline.values import Mesh, Target, Verdict
from cad_sandbox.execution import Execution, Outcome, SandboxUnavailable
from cad_sandbox.limits import Limits

__all__ = ["ScriptedSandbox", "ScriptedVerifier", "block", "built"]

_QUADS = ((0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3))


def block(name: str = "block", scale: float = 1.0) -> Mesh:
    """Make the mesh of a block of 30 × 20 × 10 mm, times `scale`, with a corner at the origin."""
    corners = np.array([[x, y, z] for x in (0, 30) for y in (0, 20) for z in (0, 10)], dtype=float) * scale
    faces = np.array([each for a, b, c, d in _QUADS for each in ((a, b, c), (a, c, d))])
    return Mesh(name=name, vertices=corners, faces=faces)


def built(*, volume_mm3: float, solids: int = 1) -> Execution:
    """Make the execution of a program that built a solid of that volume."""
    return Execution(outcome=Outcome.BUILT, solids=solids, volume_mm3=volume_mm3, layers={"scripted": "active"})


@dataclass
class ScriptedSandbox:
    """Runs nothing: answers each source with the execution that was laid out for it, and writes its files if it built.

    A source that is not in the script raised. `broken` makes every run raise `SandboxUnavailable` with that text.
    """

    script: Mapping[str, Execution]
    broken: str = ""
    ran: list[str] = field(default_factory=list)
    closed: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, source: str, folder: Path, /, *, limits: Limits | None = None) -> Execution:
        """Answer with the script's execution, its STEP and STL lying in `folder`."""
        if self.broken:
            raise SandboxUnavailable(self.broken)
        with self._lock:
            self.ran.append(source)
        execution = self.script.get(source, Execution(outcome=Outcome.RAISED, message="NameError: not in the script"))
        if not execution.built:
            return execution
        step, stl = folder / "part.step", folder / "part.stl"
        step.write_text(f"STEP of {source}", encoding="utf-8")
        stl.write_text(f"STL of {source}", encoding="utf-8")
        return replace(execution, step=step, stl=stl)

    def close(self) -> None:
        """Remember that it was closed."""
        self.closed = True


@dataclass(frozen=True, kw_only=True)
class ScriptedVerifier:
    """Judges by volume alone: the IoU is the smaller volume over the larger one."""

    min_iou: float = 0.98

    def judge(self, target: Target, execution: Execution, /) -> Verdict:
        """Compare the two volumes; what did not build has an IoU of 0."""
        if not execution.built or execution.volume_mm3 is None:
            return Verdict(accepted=False, iou=0.0, reason=f"{execution.outcome}: {execution.message}")
        low, high = sorted((execution.volume_mm3, target.mesh.volume))
        iou = low / high
        accepted = iou >= self.min_iou
        return Verdict(accepted=accepted, iou=iou, iou_method="volumes", reason=f"the volumes agree to {iou:.3f}")

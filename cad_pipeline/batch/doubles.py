"""A pipeline of hazards, public as the other doubles are: what a part does to its worker is in its name.

plate            a cheap program that builds         hang-plate       never comes back
poor-plate       builds, below the threshold         segfault-plate   kills its worker with SIGSEGV
raise-plate      its generator raises                vanish-plate     kills its worker and leaves no trace
bomb-plate       asks for memory without end         busy-plate       computes for 0.4 s of processor time
"""

from __future__ import annotations

import ctypes
import os
import signal
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cad_pipeline.doubles import ScriptedVerifier, built
from cad_pipeline.options import Options
from cad_pipeline.pipeline import Pipeline, Stage
from cad_pipeline.values import Attempt, Origin, Program, Target
from cad_sandbox.execution import Execution, Outcome
from cad_sandbox.limits import Limits

__all__ = ["HAZARDS", "HazardGenerator", "HazardWriter", "VolumeSandbox", "hazardous_pipeline", "hazardous_writer"]

BUSY_S = 0.4
_CHUNK_BYTES = 32 << 20


@dataclass(frozen=True, slots=True)
class HazardGenerator:
    """Do what the part's name asks for, then propose a program that is no more than the volume it builds."""

    name: str = "hazard"

    def propose(self, target: Target, history: Sequence[Attempt], /, *, samples: int = 1) -> Sequence[Program]:
        """Propose once."""
        if history:
            return ()
        hazard = target.mesh.name.split("-")[0]
        if hazard in HAZARDS:
            HAZARDS[hazard]()
        share = 0.9 if hazard == "poor" else 0.995
        return (Program(source=repr(target.mesh.volume * share), origin=Origin(generator=self.name)),)


@dataclass(frozen=True, slots=True)
class VolumeSandbox:
    """Takes a program for the volume in mm³ that it builds; writes files that say so."""

    def run(self, source: str, folder: Path, /, *, limits: Limits | None = None) -> Execution:
        """Answer with an execution of that volume."""
        try:
            execution = built(volume_mm3=float(source))
        except ValueError:
            return Execution(outcome=Outcome.RAISED, message="ValueError: no volume")
        step, stl = folder / "part.step", folder / "part.stl"
        step.write_text(f"STEP of {source}", encoding="utf-8")
        stl.write_text(f"STL of {source}", encoding="utf-8")
        return Execution(
            outcome=Outcome.BUILT,
            solids=1,
            volume_mm3=execution.volume_mm3,
            layers=execution.layers,
            step=step,
            stl=stl,
        )

    def close(self) -> None:
        """Do nothing."""


def hazardous_pipeline(options: Options) -> Pipeline:
    """Put the hazards into a pipeline; name it to a batch as `cad_pipeline.batch.doubles:hazardous_pipeline`."""
    return Pipeline(
        plan=(Stage(HazardGenerator()),),
        sandbox=VolumeSandbox(),
        verifier=ScriptedVerifier(min_iou=options.min_iou),
        workers=1,
    )


@dataclass(frozen=True, slots=True)
class HazardWriter:
    """Stand for a model: write for each part a program of `volume_mm3`; a part named `gpu_segfault-…` kills it."""

    volume_mm3: float = 5940.0

    def propose_for(
        self, targets: Sequence[Target], histories: Sequence[Sequence[Attempt]], /, *, samples: int = 1
    ) -> list[list[Program]]:
        """Write one program for each part, from pictures that must be there."""
        for target in targets:
            if target.mesh.name.startswith("gpu_segfault"):
                _segfault()
            if len(target.views.images) != 8:
                raise ValueError(f"expected eight views of {target.mesh.name}")
        return [
            [Program(source=repr(self.volume_mm3), origin=Origin(generator="written", note=f"{len(targets)} at once"))]
            for _ in targets
        ]


def hazardous_writer(options: Options) -> HazardWriter:
    """Make the stand-in for a model; name it to a batch as `cad_pipeline.batch.doubles:hazardous_writer`."""
    return HazardWriter()


def _hang() -> None:
    threading.Event().wait()


def _segfault() -> None:
    ctypes.string_at(0)


def _vanish() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _bomb() -> None:
    held = []
    while True:
        held.append(bytearray(_CHUNK_BYTES))


def _busy() -> None:
    end = time.process_time() + BUSY_S
    while time.process_time() < end:
        sum(range(1000))


def _wait() -> None:
    time.sleep(BUSY_S)


def _raise() -> None:
    raise ValueError("a generator's own mistake")


HAZARDS = {
    "hang": _hang,
    "segfault": _segfault,
    "vanish": _vanish,
    "bomb": _bomb,
    "busy": _busy,
    "wait": _wait,
    "raise": _raise,
}

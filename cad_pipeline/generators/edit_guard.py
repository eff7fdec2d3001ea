"""Keeps a promise of every named dimension: changed by a few per cent, the program still builds as many solids.

A dimension that breaks the part when it is edited is written out as a number, so that what stands in the block on top
is safe to change.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from cad_pipeline.parameters import with_parameter
from cad_pipeline.roles import Sandbox
from cad_pipeline.values import Attempt, Origin, Parameter, Program, ProgramKind, Target
from cad_sandbox.execution import Export
from cad_sandbox.limits import Limits

__all__ = ["EditGuard"]

# whether it builds is all that is asked: no STEP, no meshes
_TRIAL = Limits(wall_s=15.0, exports=frozenset({Export.BREP}))


@dataclass(frozen=True, slots=True)
class EditGuard:
    """Edit every named dimension of the accepted program by ±`change`, and propose it without those that break it.

    Solids of more than `most_faces` faces are left as they are: each dimension costs two runs.
    """

    sandbox: Sandbox
    change: float = 0.05
    most_faces: int = 120
    workers: int = 2
    name: str = "edit guard"

    def propose(self, target: Target, history: Sequence[Attempt], /, *, samples: int = 1) -> Sequence[Program]:
        """Propose the last accepted feature program with its unsafe dimensions written out; nothing if all are safe."""
        accepted = [a for a in history if a.verdict.accepted and a.program.kind is ProgramKind.FEATURES]
        if not accepted or sum(accepted[-1].execution.face_kinds.values()) > self.most_faces:
            return []
        attempt = accepted[-1]
        program = attempt.program
        with (
            tempfile.TemporaryDirectory(prefix="cad-pipeline-edits-") as folder,
            ThreadPoolExecutor(self.workers) as pool,
        ):

            def survives(numbered: tuple[int, Parameter]) -> bool:
                number, parameter = numbered
                for k, value in enumerate(_edits(parameter, self.change)):
                    place = Path(folder) / f"{number}-{k}"
                    place.mkdir()
                    edited = with_parameter(program.source, parameter.name, value)
                    execution = self.sandbox.run(edited, place, limits=_TRIAL)
                    if not execution.built or execution.solids != attempt.execution.solids:
                        return False
                return True

            safe = list(pool.map(survives, enumerate(program.parameters)))
        unsafe = [p for p, kept in zip(program.parameters, safe, strict=True) if not kept]
        if not unsafe:
            return []
        rest = tuple(p for p in program.parameters if p not in unsafe)
        note = f"{program.origin.note}, {len(unsafe)} unsafe dimensions written out"
        origin = Origin(generator=self.name, round=program.origin.round, note=note)
        source = _written_out(program.source, unsafe)
        return [Program(source=source, origin=origin, parameters=rest, revision=program.revision + 1)]


def _edits(parameter: Parameter, change: float) -> Iterator[float]:
    if parameter.unit == "count":
        yield from (v for v in (parameter.value - 1, parameter.value + 1) if v >= 1)
    else:
        yield from (parameter.value * (1 - change), parameter.value * (1 + change))


def _written_out(source: str, parameters: Sequence[Parameter]) -> str:
    """Take parameters off the top of a program and put their numbers where they stood."""
    for parameter in parameters:
        line = re.search(rf"^{parameter.name}\s*=\s*(\S+).*\n", source, re.MULTILINE)
        assert line is not None
        source = source[: line.start()] + source[line.end() :]
        source = re.sub(rf"\b{parameter.name}\b", line.group(1), source)
    return source

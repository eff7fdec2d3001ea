"""Keeps a promise of every named dimension: changed by a few per cent, the program still builds as many solids.

A dimension that breaks the part when it is edited is written out as a number, so that what stands in the block on top
is safe to change.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
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
# so few dimensions are edited one by one; more are edited together first, in so many couples of trials
_ALONE = 3
_MOST_COUPLES = 3


@dataclass(frozen=True, slots=True)
class EditGuard:
    """Edit every named dimension of the accepted program by ±`change`, and propose it without those that break it.

    Many dimensions are edited together, and one by one only where that breaks the part. Solids of more than
    `most_faces` faces are left as they are.
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

            def survives(edits: Mapping[str, float]) -> bool:
                edited = program.source
                for name, value in edits.items():
                    edited = with_parameter(edited, name, value)
                execution = self.sandbox.run(edited, Path(tempfile.mkdtemp(dir=folder)), limits=_TRIAL)
                return execution.built and execution.solids == attempt.execution.solids

            def breaks(parameter: Parameter) -> bool:
                return not all(survives({parameter.name: value}) for value in _edits(parameter, self.change))

            # most programs survive all edits at once; where one does not, each dimension is asked by itself
            couples = _couples(program.parameters, self.change) if len(program.parameters) > _ALONE else []
            if couples and all(all(pool.map(survives, couple)) for couple in couples):
                return []
            broken = list(pool.map(breaks, program.parameters))
        unsafe = [p for p, gone in zip(program.parameters, broken, strict=True) if gone]
        if not unsafe:
            return []
        rest = tuple(p for p in program.parameters if p not in unsafe)
        note = f"{program.origin.note}, {len(unsafe)} unsafe dimensions written out"
        origin = Origin(generator=self.name, round=program.origin.round, note=note)
        source = _written_out(program.source, unsafe)
        return [Program(source=source, origin=origin, parameters=rest, revision=program.revision + 1)]


def _couples(parameters: Sequence[Parameter], change: float) -> list[list[dict[str, float]]]:
    """Couples of edits of all parameters at once, each up in one and down in the other.

    In the k-th couple those go up first whose number has the k-th bit set, so that what two dimensions hold together
    only while they grow alike is found too.
    """
    made: list[list[dict[str, float]]] = []
    for bit in range(min((len(parameters) - 1).bit_length(), _MOST_COUPLES)):
        couple: list[dict[str, float]] = [{}, {}]
        for number, parameter in enumerate(parameters):
            values = list(_edits(parameter, change))
            for first, edits in enumerate(couple):
                edits[parameter.name] = values[((number >> bit & 1) ^ first) % len(values)]
        made.append(couple)
    return made


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

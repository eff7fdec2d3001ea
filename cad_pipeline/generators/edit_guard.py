"""Keeps a promise of every named dimension: changed by a few per cent, the program still builds as many solids.

A dimension that breaks the part when it is edited is written out as a number, so that what stands in the block on top
is safe to change.
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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

            def all_survive(trials: Iterable[Mapping[str, float]]) -> bool:
                runs = [pool.submit(survives, edits) for edits in trials]
                try:
                    return all(run.result() for run in runs)
                finally:
                    for run in runs:
                        run.cancel()

            unsafe = list(_unsafe(program.parameters, self.change, all_survive))
        if not unsafe:
            return []
        rest = tuple(p for p in program.parameters if p not in unsafe)
        note = f"{program.origin.note}, {len(unsafe)} unsafe dimensions written out"
        origin = Origin(generator=self.name, round=program.origin.round, note=note)
        source = _written_out(program.source, unsafe)
        return [Program(source=source, origin=origin, parameters=rest, revision=program.revision + 1)]


def _unsafe(
    parameters: Sequence[Parameter], change: float, all_survive: Callable[[Iterable[Mapping[str, float]]], bool]
) -> Iterator[Parameter]:
    """The parameters that break the program, found by halves: most groups are safe and cost a few runs together."""
    if len(parameters) == 1:
        if not all_survive({parameters[0].name: value} for value in _edits(parameters[0], change)):
            yield parameters[0]
    elif len(parameters) <= _ALONE or not all_survive(_together(parameters, change)):
        half = len(parameters) // 2
        for group in (parameters[:half], parameters[half:]):
            if group:
                yield from _unsafe(group, change, all_survive)


def _together(parameters: Sequence[Parameter], change: float) -> Iterator[dict[str, float]]:
    """Edits of all parameters at once, each up in one and down in another, and most pairs of them apart in some.

    In the k-th couple of trials those go up first whose number has the k-th bit set, so that what two dimensions hold
    together only while they grow alike is found too.
    """
    bits = min((len(parameters) - 1).bit_length(), _MOST_COUPLES)
    for bit in range(bits):
        for first in (0, 1):
            edits: dict[str, float] = {}
            for number, parameter in enumerate(parameters):
                values = list(_edits(parameter, change))
                edits[parameter.name] = values[((number >> bit & 1) ^ first) % len(values)]
            yield edits


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

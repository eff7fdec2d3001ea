"""Mends programs that OCC spoils: each boolean is tried with the tolerance under which its result is sound.

OCC's booleans can leave cracks where two faces nearly coincide, lose most of a solid, or make what OCC itself calls
broken, and one bad step spoils all that follow. So the program is rehearsed: each result is looked at, and a bad one is
tried again with a fuzzy value (CadQuery's `tol`), without joining faces (`clean=False`), or with its tool moved by a
hair. One that nothing helps is left out.
"""

from __future__ import annotations

import ast
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from cad_pipeline.generators.rehearsal import CHOICES, LEFT_OUT, NOTHING, Step, rehearsed, steps_of
from cad_pipeline.parameters import read_parameters
from cad_pipeline.roles import Sandbox
from cad_pipeline.syntax import parse
from cad_pipeline.values import Attempt, Origin, Program, ProgramKind, Target
from cad_sandbox.execution import Export, Outcome
from cad_sandbox.limits import Limits

__all__ = ["Choice", "SoundBooleans", "rewritten", "spoilt_attempts"]

# the shape at the end is of no interest, only what the rehearsal says on the way
_REHEARSAL = Limits(wall_s=60.0, cpu_s=60.0, exports=frozenset({Export.BREP}))
# a trial that hangs or kills the worker is skipped in the next rehearsal
_REHEARSALS = 3
_PASSES = 3
_WORTH = 0.002
_MOST_KNOWN = 64
_LOST = 0.01
# a program may print what it likes: only what a rehearsal can say is heard
_LENGTH = r"\d{1,12}(?:\.\d{1,20})?(?:e[+-]?\d\d)?"
_SAID = re.compile(
    rf"^(try|step) (\d{{1,4}}) ({'|'.join(map(re.escape, CHOICES))})(?: of ({_LENGTH}))?$",
    re.MULTILINE,
)
_WIDTH = 116


@dataclass(frozen=True, slots=True)
class Choice:
    """What helps a step, its length in shares of the part's diagonal, which was so many mm there."""

    help: str
    diagonal: float = 0.0

    @property
    def text(self) -> str:
        """The help with its length in mm."""
        parts = (part.partition("=") for part in self.help.split(", "))
        return ", ".join(
            f"{kind}={float(value) * self.diagonal:.0e}" if kind in ("tol", "move") else f"{kind}{equals}{value}"
            for kind, equals, value in parts
        )


@dataclass(frozen=True, slots=True)
class _Mended:
    """A program's text with what was chosen for its steps, by their numbers."""

    source: str
    chosen: Mapping[int, Choice]

    @property
    def count(self) -> int:
        """How many booleans were mended."""
        return sum(choice.help != NOTHING for choice in self.chosen.values())


@dataclass(frozen=True, slots=True)
class SoundBooleans:
    """Propose a spoilt feature program again, each boolean with what makes it sound; a round each, the best first.

    What is not sound yet when it is run is rehearsed once more. Silent where a sound program is as good as the spoilt
    one was meant to be.
    """

    sandbox: Sandbox
    name: str = "sound booleans"
    _known: dict[str, list[_Mended]] = field(default_factory=dict, init=False, repr=False, compare=False)

    def propose(self, target: Target, history: Sequence[Attempt], /, *, samples: int = 1) -> Sequence[Program]:
        """Propose one program, mended, or nothing where nothing was spoilt or nothing helps."""
        own = {a.program.source: a for a in history if a.program.origin.generator == self.name}
        others = [a for a in history if a.program.origin.generator != self.name]
        sound = max((a.verdict.iou or 0.0 for a in history if a.execution.sound and _is_features(a)), default=0.0)
        rounds = len({a.program.origin.round for a in own.values()})
        for attempt in spoilt_attempts(others):
            if _hope(attempt) < sound + _WORTH:
                break
            for made in self._passes(attempt.program):
                if made.source not in own and all(a.program.source != made.source for a in history):
                    return [self._proposed(attempt.program, made, rounds)]
                if made.source in own and own[made.source].execution.sound:
                    break
        return []

    def _passes(self, program: Program) -> Iterator[_Mended]:
        """Mend a program, and again what came of it, since it can come out otherwise without the trials before it.

        What was done is remembered: a rehearsal is dear, and comes out the same.
        """
        if program.digest not in self._known and len(self._known) >= _MOST_KNOWN:
            self._known.clear()
        known = self._known.setdefault(program.digest, [])
        yield from known
        while len(known) < _PASSES and (len(known) < 2 or known[-1].source != known[-2].source):
            before = known[-1].chosen if known else {}
            known.append(self._mended(program.source, before))
            yield known[-1]

    def _proposed(self, program: Program, made: _Mended, round_: int) -> Program:
        note = f"{program.origin.note}, {made.count} booleans mended"
        known = {p.name for p in read_parameters(made.source)}
        parameters = tuple(p for p in program.parameters if p.name in known)
        origin = Origin(generator=self.name, round=round_, note=note)
        revision = program.revision + 1
        return replace(program, source=made.source, origin=origin, parameters=parameters, revision=revision)

    def mended(self, source: str) -> tuple[str, int]:
        """Rehearse a program; returns its text with what its booleans need, and how many are mended."""
        made = self._mended(source, {})
        return made.source, made.count

    def _mended(self, source: str, before: Mapping[int, Choice]) -> _Mended:
        chosen = self._rehearse(source, before)
        return _Mended(rewritten(source, chosen), chosen)

    def _rehearse(self, source: str, preferred: Mapping[int, Choice]) -> dict[int, Choice]:
        """What each step needs, by its number; steps that were not reached are missing."""
        chosen: dict[int, Choice] = {}
        deadly: set[tuple[int, str]] = set()
        for _ in range(_REHEARSALS):
            settled = {number: choice.help for number, choice in chosen.items()}
            text = rehearsed(source, settled, {number: c.help for number, c in preferred.items()}, deadly)
            if text is None:
                return {}
            with tempfile.TemporaryDirectory(prefix="cad-pipeline-rehearsal-") as folder:
                execution = self.sandbox.run(text, Path(folder), limits=_REHEARSAL)
            last: tuple[int, str] | None = None
            for kind, number, help_, diagonal in _SAID.findall(execution.log):
                last = (int(number), help_) if kind == "try" else None
                if kind == "step":
                    chosen[int(number)] = Choice(help_, float(diagonal or 0.0))
            if last is None or execution.outcome in (Outcome.BUILT, Outcome.RAISED):
                break
            deadly.add(last)
        return chosen


def spoilt_attempts(history: Sequence[Attempt]) -> list[Attempt]:
    """List the feature programs that would be worth having whole, the most promising first.

    Spoilt is what OCC refused as invalid, built with a flaw, or built clearly worse than its author promised.
    """
    spoilt = {a.program.source: a for a in history if _is_features(a) and _is_spoilt(a)}
    return sorted(spoilt.values(), key=lambda a: -_hope(a))


def _is_features(attempt: Attempt) -> bool:
    return attempt.program.kind is ProgramKind.FEATURES


def _is_spoilt(attempt: Attempt) -> bool:
    if attempt.execution.outcome in (Outcome.INVALID, Outcome.TIMED_OUT, Outcome.OUT_OF_MEMORY, Outcome.CRASHED):
        return attempt.program.promised_iou is not None or attempt.execution.outcome is Outcome.INVALID
    if not attempt.execution.built:
        return False
    return not attempt.execution.sound or _hope(attempt) - (attempt.verdict.iou or 0.0) > _LOST


def _hope(attempt: Attempt) -> float:
    promised = attempt.program.promised_iou
    return promised if promised is not None else attempt.verdict.iou or 0.0


def rewritten(source: str, chosen: Mapping[int, Choice]) -> str:
    """Give each step of a program what was chosen for it; a step left out goes, and so do the dimensions it alone used.

    A text without steps, or for which nothing but what stands there was chosen, comes back as it was.
    """
    steps = {step.number: step for step in steps_of(source)}
    lines = [line.encode() for line in source.splitlines(keepends=True)]
    for number in sorted(steps, reverse=True):
        choice, step = chosen.get(number, Choice(NOTHING)), steps[number]
        if choice.help == LEFT_OUT:
            del lines[step.line - 1 : step.end_line]
        elif choice.help != NOTHING and step.call is not None:
            _with_choice(lines, step, choice.text)
    text = b"".join(lines).decode()
    return _without_idle_names(text) if any(c.help == LEFT_OUT for c in chosen.values()) else text


def _with_choice(lines: list[bytes], step: Step, choice: str) -> None:
    """Write a choice into the boolean's call: a move of its tool, or an argument of its own."""
    assert step.call is not None
    tool, call = step.call.args[0], step.call
    kind, _, value = choice.partition("=")
    if kind == "move":
        simple = isinstance(tool, ast.Call | ast.Name | ast.Attribute)
        _insert(
            lines,
            tool.end_lineno,
            tool.end_col_offset,
            f"{'' if simple else ')'}.translate(({value}, {value}, {value}))",
        )
        if not simple:
            _insert(lines, tool.lineno, tool.col_offset, "(")
    else:
        head = lines[(call.end_lineno or 1) - 1][: (call.end_col_offset or 1) - 1].rstrip()
        comma = "" if head.endswith((b"(", b",")) else ", "
        _insert(lines, call.end_lineno, (call.end_col_offset or 1) - 1, comma + choice)


def _insert(lines: list[bytes], row: int | None, column: int | None, text: str) -> None:
    assert row is not None and column is not None
    line = lines[row - 1]
    head, tail = line[:column], line[column:]
    if len(head) + len(text) + len(tail) > _WIDTH:
        head, text = head.rstrip() + (b"," if text.startswith(", ") else b"") + b"\n    ", text.removeprefix(", ")
    lines[row - 1] = head + text.encode() + tail


def _without_idle_names(source: str) -> str:
    """Drop the top-level numbers and sums that nothing uses any more."""
    while True:
        tree = parse(source)
        used = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load)}
        idle = [
            node
            for node in tree.body
            if isinstance(node, ast.Assign)
            and all(isinstance(t, ast.Name) and t.id not in used and t.id != "result" for t in node.targets)
            and not any(isinstance(n, ast.Call) for n in ast.walk(node.value))
        ]
        if not idle:
            return source
        lines = source.splitlines(keepends=True)
        for node in reversed(idle):
            del lines[node.lineno - 1 : node.end_lineno]
        source = "".join(lines)

"""Mends programs that fail in the kernel, with the least change that helps: smaller, without, without all, turned."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cad_pipeline.generators.program_edits import Edit, blends, cuts, drop, flip, shrink
from cad_pipeline.generators.program_text import without_broken_end, without_last_line
from cad_pipeline.parameters import read_parameters
from cad_pipeline.values import Attempt, Origin, Program, ProgramKind, Target
from cad_sandbox.execution import Execution, Outcome

__all__ = ["RepairGenerator", "repairs"]

_FACTORS = (0.5, 0.2)
_MOST_FLIPS = 4
_EXTRA_VOLUME = 0.005
_MENDABLE = (Outcome.RAISED, Outcome.INVALID, Outcome.NO_SOLID, Outcome.TIMED_OUT, Outcome.CRASHED)


@dataclass(frozen=True, slots=True)
class RepairGenerator:
    """Propose for each failing program of the history its next repair, until one builds or none is left.

    A round makes one step for each; what was tried is read from the history. Programs that built with too much material
    and have blind cuts are proposed with cuts turned round (a cut along the outward normal cuts only air), and those
    with shells with thinner walls (a wall thicker than half the part leaves it solid).
    """

    name: str = "repair"

    def propose(self, target: Target, history: Sequence[Attempt], /, *, samples: int = 1) -> Sequence[Program]:
        """Propose up to `samples` repaired programs, those of the earliest failures first."""
        tried = {attempt.program.source: attempt for attempt in history}
        rounds = [a.program.origin.round for a in history if a.program.origin.generator == self.name]
        round_ = max(rounds, default=-1) + 1
        programs: dict[str, Program] = {}
        for attempt in _in_need(history):
            if len(programs) == samples:
                break
            for source, words in repairs(attempt):
                earlier = tried.get(source)
                if earlier is not None and earlier.execution.built and not attempt.execution.built:
                    break
                if earlier is None and source not in programs:
                    programs[source] = self._program(source, words, attempt, round_, len(programs))
                    break
        return list(programs.values())

    def _program(self, source: str, words: str, attempt: Attempt, round_: int, sample: int) -> Program:
        old = attempt.program
        # a repair of a repair tells the whole way
        before = old.origin.note if old.origin.generator == self.name else f"of {old.origin}"
        origin = Origin(
            generator=self.name, round=round_, sample=sample, seed=old.origin.seed, note=f"{before}: {words}"
        )
        return Program(source=source, origin=origin, parameters=read_parameters(source))


def repairs(attempt: Attempt) -> Iterator[tuple[str, str]]:
    """List the changed texts worth trying, the least change first, each with words for what was done."""
    source = attempt.program.source
    seen = {source}
    for changed, words in _changes(source, attempt.execution):
        if changed is not None and changed not in seen:
            seen.add(changed)
            yield changed, words


def _changes(source: str, execution: Execution) -> Iterator[tuple[str | None, str]]:
    outcome, line = execution.outcome, execution.line
    if outcome is Outcome.SYNTAX_ERROR:
        yield without_broken_end(source), "the broken end dropped"
        return
    if outcome is Outcome.BUILT:
        turned = cuts(source)
        for cut in turned[:_MOST_FLIPS]:
            yield flip(source, [cut]), f"the cut on line {cut.line} turned round"
        if len(turned) > 1:
            yield flip(source, turned), "all blind cuts turned round"
        for factor in _FACTORS:
            for shell in (each for each in blends(source) if each.name == "shell"):
                yield shrink(source, shell, factor), f"shell on line {shell.line} thinned to {factor:.0%}"
        return
    if _broke_off(source, execution):
        yield without_last_line(source), "the broken end dropped"
    everything = blends(source)
    suspects = _suspects(everything, line)
    for factor in _FACTORS:
        for blend in suspects[:3]:
            yield shrink(source, blend, factor), f"{blend.name} on line {blend.line} shrunk to {factor:.0%}"
    # the last of a chain is the likeliest: the earlier ones had a simpler body
    for blend in reversed(suspects):
        yield drop(source, [blend]), f"{blend.name} on line {blend.line} dropped"
    if everything:
        yield drop(source, everything), f"all {len(everything)} fillets, chamfers and shells dropped"


def _broke_off(source: str, execution: Execution) -> bool:
    """Say whether a program failed on its last line for half a word, as one does that was cut off there."""
    half_a_word = execution.message.startswith(("AttributeError", "NameError"))
    return half_a_word and execution.line is not None and execution.line >= source.rstrip().count("\n") + 1


def _suspects(everything: Sequence[Edit], line: int | None) -> list[Edit]:
    """Choose the blends on the failing line, or else those of the statement around it, or else all."""
    if line is None:
        return list(everything)
    here = [each for each in everything if each.line == line]
    around = [each for each in everything if each.node.lineno <= line <= each.end_line]
    return here or around or list(everything)


def _in_need(history: Sequence[Attempt]) -> Iterator[Attempt]:
    """List feature programs that failed in a way that may be mended, and those that built with too much material."""
    failed: set[tuple[str, int | None]] = set()
    for attempt in history:
        if attempt.program.kind is not ProgramKind.FEATURES:
            continue
        outcome = attempt.execution.outcome
        if outcome in _MENDABLE or outcome is Outcome.SYNTAX_ERROR:
            trouble = (attempt.execution.message, attempt.execution.line)
            # a repair that fails as its origin did leads nowhere; the origin's own next step does
            if attempt.program.origin.generator != "repair" or trouble not in failed:
                yield attempt
            failed.add(trouble)
    for attempt in history:
        error = attempt.verdict.volume_error
        built = attempt.execution.built and attempt.program.kind is ProgramKind.FEATURES
        if built and not attempt.verdict.accepted and error is not None and error > _EXTRA_VOLUME:
            yield attempt

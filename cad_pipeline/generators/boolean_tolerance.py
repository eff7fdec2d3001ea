"""Mends solids whose faces do not quite meet: the same program, with a tolerance in its booleans.

OCC's booleans can leave cracks where two faces nearly coincide, and its checker passes the result. With a fuzzy value
(CadQuery's `tol`) faces nearer than that are taken for one; which value serves can only be tried.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from cad_pipeline.syntax import parse
from cad_pipeline.values import Attempt, Origin, Program, ProgramKind, Target
from cad_sandbox.execution import Outcome

__all__ = ["BooleanTolerance", "most_promising_spoilt", "tolerances", "with_boolean_tolerance"]

_BOOLEANS = frozenset({"union", "cut", "intersect"})
_NAME = "boolean_tolerance"


# OCC's own tolerances are of this order once a boolean has trouble, in shares of the diagonal
_SHARES = (1e-5, 1e-6, 5e-5)
_WORTH = 0.002
_LOST = 0.01


@dataclass(frozen=True, slots=True)
class BooleanTolerance:
    """Propose the most promising spoilt feature program again, with tolerances in its booleans.

    Silent where a sound program is as good as the spoilt one was meant to be.
    """

    name: str = "boolean tolerance"

    def propose(self, target: Target, history: Sequence[Attempt], /, *, samples: int = 1) -> Sequence[Program]:
        """Propose the tolerant variants, all at once: they cost one run each, side by side."""
        spoilt = most_promising_spoilt(history)
        if spoilt is None:
            return []
        known = {a.program.source for a in history}
        low, high = target.mesh.bounds
        programs: list[Program] = []
        for number, tolerance in enumerate(tolerances(math.dist(low, high))):
            note = f"{spoilt.program.origin.note}, within {tolerance:g}"
            origin = Origin(generator=self.name, sample=number, note=note)
            source = with_boolean_tolerance(spoilt.program.source, tolerance)
            if source not in known:
                programs.append(replace(spoilt.program, source=source, origin=origin))
        return programs


def tolerances(diagonal_mm: float) -> tuple[float, ...]:
    """List the fuzzy values worth trying on a part of this size, in mm, the likeliest first."""
    return tuple(float(f"{share * diagonal_mm:.0e}") for share in _SHARES)


def most_promising_spoilt(history: Sequence[Attempt]) -> Attempt | None:
    """Pick the spoilt feature program that would be worth having whole; None if a sound one is as good.

    Spoilt is what OCC refused as invalid, built with a flaw, or built clearly worse than its author promised.
    """
    features = [a for a in history if a.program.kind is ProgramKind.FEATURES]
    sound = max((a.verdict.iou or 0.0 for a in features if a.execution.sound), default=0.0)
    spoilt = [a for a in features if _is_spoilt(a) and _NAME not in a.program.source]
    best = max(spoilt, key=_hope, default=None)
    return best if best is not None and _hope(best) >= sound + _WORTH else None


def _is_spoilt(attempt: Attempt) -> bool:
    if attempt.execution.outcome is Outcome.INVALID:
        return True
    if not attempt.execution.built:
        return False
    return not attempt.execution.sound or _hope(attempt) - (attempt.verdict.iou or 0.0) > _LOST


def _hope(attempt: Attempt) -> float:
    promised = attempt.program.promised_iou
    return promised if promised is not None else attempt.verdict.iou or 0.0


def with_boolean_tolerance(source: str, tolerance_mm: float) -> str:
    """Give every `union`, `cut` and `intersect` of a program the named tolerance, where it has none yet.

    A text that does not parse, imports no cadquery or has no such call comes back as it was.
    """
    try:
        tree = parse(source)
    except (SyntaxError, ValueError):
        return source
    imports = [n for n in tree.body if isinstance(n, ast.Import | ast.ImportFrom)]
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and _is_plain_boolean(node)]
    if not imports or not calls:
        return source
    lines = [line.encode() for line in source.splitlines(keepends=True)]
    for row, column in sorted({(c.end_lineno or 0, c.end_col_offset or 0) for c in calls}, reverse=True):
        line = lines[row - 1]
        head = line[: column - 1].rstrip()
        comma = b"" if head.endswith((b"(", b",")) else b", "
        lines[row - 1] = head + comma + f"tol={_NAME}".encode() + line[column - 1 :]
    after = imports[-1].end_lineno or 0
    constant = f"\n{_NAME} = {tolerance_mm:g}  # mm: faces nearer than this are one to the booleans\n"
    tolerant = b"".join([*lines[:after], constant.encode(), *lines[after:]]).decode()
    try:
        parse(tolerant)
    except SyntaxError:  # a trailing comma on a line of its own: too rare to be worth a tokenizer
        return source
    return tolerant


def _is_plain_boolean(node: ast.Call) -> bool:
    return (
        isinstance(node.func, ast.Attribute)
        and node.func.attr in _BOOLEANS
        and len(node.args) == 1
        and not any(keyword.arg == "tol" for keyword in node.keywords)
    )

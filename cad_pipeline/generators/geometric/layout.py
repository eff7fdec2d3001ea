"""Lay long statements out over lines of readable length, breaking before calls and between points."""

from __future__ import annotations

import re

__all__ = ["wrapped"]

WIDTH = 116
_BREAKS = re.compile(r"(?<=\))(?=\.[a-zA-Z])|(?<=\), )(?=\(|xDir|normal)")
_ONE_CALL = re.compile(r"\w+\.(union|cut)\(")


def wrapped(statement: str) -> list[str]:
    """Break `name = expression` into lines; a statement that fits stays one line."""
    if len(statement) <= WIDTH:
        return [statement]
    name, expression = statement.split(" = ", 1)
    # inside the brackets of one call a line may end as it is; anything else needs brackets of its own
    before, after = ("", "") if _ONE_CALL.match(expression) else ("(", ")")
    lines: list[str] = []
    opening = line = f"{name} = {before}"
    for piece in _BREAKS.split(expression):
        if len(line) + len(piece) > WIDTH and line.strip() and line != opening:
            lines.append(line.rstrip())
            line = "    "
        line += piece
    lines.append(line + after)
    return lines if len(lines) > 1 else [statement]

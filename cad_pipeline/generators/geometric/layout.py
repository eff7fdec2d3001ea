"""Lay long statements out over lines of readable length, breaking before calls and between points."""

from __future__ import annotations

import re

__all__ = ["wrapped"]

WIDTH = 110
_BREAKS = re.compile(r"(?<=\))(?=\.[a-zA-Z])|(?<=\), )(?=\()")


def wrapped(statement: str) -> list[str]:
    """Break `name = expression` into lines; a statement that fits stays one line."""
    if len(statement) <= WIDTH:
        return [statement]
    name, expression = statement.split(" = ", 1)
    lines, line = [], ""
    for piece in _BREAKS.split(expression):
        if line and len(line) + len(piece) > WIDTH - 4:
            lines.append(line.rstrip())
            line = ""
        line += piece
    lines.append(line)
    if len(lines) == 1:
        return [statement]
    return [f"{name} = (", *(f"    {row}" for row in lines), ")"]

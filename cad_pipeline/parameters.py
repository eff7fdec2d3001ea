"""The named dimensions of a program: read from its text, and changed in it.

A parameter is a top-level assignment of one number to one plain name, as `width = 40.0  # mm, along x`.
"""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterator

from cad_pipeline.syntax import parse
from cad_pipeline.values import Parameter

__all__ = ["read_parameters", "with_parameter"]

_UNITS = {"mm": "mm", "deg": "deg", "degrees": "deg", "°": "deg", "count": "count"}


def read_parameters(source: str) -> tuple[Parameter, ...]:
    """List the program's named numbers in order; the trailing comment may begin with a unit (`mm`, `deg`, `count`).

    Without a unit in the comment an integer is taken for a count and any other number for millimetres. A name that is
    assigned twice is a variable of the program and no parameter. A text that does not parse has none.
    """
    comments = _comments(source)
    found: dict[str, list[Parameter]] = {}
    for name, value, line in _assignments(source):
        unit, comment = _unit_and_words(comments.get(line, ""), value)
        found.setdefault(name, []).append(Parameter(name=name, value=float(value), unit=unit, comment=comment))
    return tuple(each[0] for each in found.values() if len(each) == 1)


def with_parameter(source: str, name: str, value: float) -> str:
    """Return the program with one parameter's number replaced, and nothing else touched.

    An integer stays one: `holes = 6` set to 7.0 becomes `holes = 7`. Raises `KeyError` if there is no such parameter.
    """
    for node in _nodes(source):
        target = node.targets[0] if isinstance(node, ast.Assign) else node.target
        if isinstance(target, ast.Name) and target.id == name and node.value is not None:
            old = _number(node.value)
            if old is None:
                continue
            text = str(round(value)) if isinstance(old, int) else repr(float(value))
            return _replaced(source, node.value, text)
    raise KeyError(f"expected a top-level number named {name!r}; the program has none")


def _nodes(source: str) -> Iterator[ast.Assign | ast.AnnAssign]:
    try:
        body = parse(source).body
    except SyntaxError:
        return
    for node in body:
        if isinstance(node, ast.AnnAssign) or (isinstance(node, ast.Assign) and len(node.targets) == 1):
            yield node


def _assignments(source: str) -> Iterator[tuple[str, float | int, int]]:
    for node in _nodes(source):
        target = node.targets[0] if isinstance(node, ast.Assign) else node.target
        value = _number(node.value) if node.value is not None else None
        if isinstance(target, ast.Name) and value is not None:
            yield target.id, value, node.end_lineno or node.lineno


def _number(node: ast.expr) -> float | int | None:
    sign = 1
    while isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        sign, node = (-sign if isinstance(node.op, ast.USub) else sign), node.operand
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        assert isinstance(node.value, int | float)
        return sign * node.value
    return None


def _comments(source: str) -> dict[int, str]:
    try:
        tokens = list(tokenize.generate_tokens(io.StringIO(source).readline))
    except (tokenize.TokenError, SyntaxError):
        return {}
    return {token.start[0]: token.string.lstrip("# ").rstrip() for token in tokens if token.type == tokenize.COMMENT}


def _unit_and_words(comment: str, value: float | int) -> tuple[str, str]:
    first, _, rest = comment.partition(" ")
    unit = _UNITS.get(first.rstrip(",:;").lower())
    if unit is not None:
        return unit, rest.strip()
    return ("count" if isinstance(value, int) else "mm"), comment


def _replaced(source: str, node: ast.expr, text: str) -> str:
    lines = source.splitlines(keepends=True)
    row, end_row = node.lineno - 1, (node.end_lineno or node.lineno) - 1
    head = lines[row].encode()[: node.col_offset].decode()
    tail = lines[end_row].encode()[node.end_col_offset :].decode()
    return "".join([*lines[:row], head + text + tail, *lines[end_row + 1 :]])

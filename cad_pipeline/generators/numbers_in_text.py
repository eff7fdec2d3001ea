"""The numbers of a program that may be fitted: named dimensions first, then lengths written into calls."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass

from cad_pipeline.parameters import read_parameters
from cad_pipeline.syntax import parse

__all__ = ["Number", "numbers_of", "with_numbers"]

# calls whose whole numbers are lengths; elsewhere a whole number may be a count
_LENGTHS = frozenset(
    {
        "box",
        "cylinder",
        "sphere",
        "cone",
        "circle",
        "rect",
        "ellipse",
        "extrude",
        "cutBlind",
        "hole",
        "cboreHole",
        "cskHole",
        "fillet",
        "chamfer",
        "shell",
        "translate",
        "moveTo",
        "lineTo",
        "line",
        "move",
        "hLine",
        "vLine",
        "hLineTo",
        "vLineTo",
        "threePointArc",
        "radiusArc",
        "slot2D",
        "center",
        "workplane",
        "offset2D",
    }
)


@dataclass(frozen=True, slots=True)
class Number:
    """A number in a program's text: its name or the call it stands in, its value, and its place in bytes and lines.

    Numbers at the same place of the same call share a `role`, such as the radii of all arcs.
    """

    name: str
    value: float
    start: int
    end: int
    line: int = 0
    role: str = ""


def numbers_of(source: str, most: int = 16) -> list[Number]:
    """List the lengths and angles that may be fitted, named ones first, at most `most`; zeros and counts are none."""
    try:
        tree = parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    starts = [0]
    for line in source.encode().split(b"\n"):
        starts.append(starts[-1] + len(line) + 1)
    dimensions = {each.name: each for each in read_parameters(source) if each.unit != "count"}
    # a whole number without words is taken for a count by the reader; as a length it is used like one
    named, loose = [], []
    for node in tree.body:
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
            if name in dimensions and isinstance(_bare(node.value), ast.Constant):
                named.append(_number(name, _bare(node.value), starts))
    inside = {(each.start, each.end) for each in named}
    for call in ast.walk(tree):
        if isinstance(call, ast.Call):
            length = isinstance(call.func, ast.Attribute) and call.func.attr in _LENGTHS
            callee = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
            arguments = [(str(k), each) for k, each in enumerate(call.args)]
            arguments += [(each.arg or "", each.value) for each in call.keywords]
            for place, constant in ((place, n) for place, each in arguments for n in _flat(each)):
                if isinstance(constant.value, float) or length:
                    found = _number("", constant, starts, f"{callee}.{place}")
                    if (found.start, found.end) not in inside:
                        inside.add((found.start, found.end))
                        loose.append(found)
    loose.sort(key=lambda each: each.start)
    return [each for each in [*named, *loose] if each.value != 0.0][:most]


def with_numbers(source: str, numbers: Sequence[Number], values: Sequence[float]) -> str:
    """Write new values where the numbers stand, and nothing else."""
    data = source.encode()
    for number, value in sorted(zip(numbers, values, strict=True), key=lambda each: -each[0].start):
        data = data[: number.start] + repr(round(float(value), 9) + 0.0).encode() + data[number.end :]
    return data.decode()


def _flat(node: ast.expr) -> list[ast.Constant]:
    """List the bare numbers of an argument, also inside brackets; numbers of a formula are no lengths."""
    node = _bare(node)
    if isinstance(node, ast.Tuple | ast.List):
        return [found for each in node.elts for found in _flat(each)]
    return [node] if isinstance(node, ast.Constant) and type(node.value) in (int, float) else []


def _bare(node: ast.expr) -> ast.expr:
    """Look through a sign; what is fitted is the number behind it."""
    while isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.UAdd):
        node = node.operand
    return node


def _number(name: str, node: ast.expr, starts: Sequence[int], role: str = "") -> Number:
    assert isinstance(node, ast.Constant) and isinstance(node.value, int | float)
    assert node.end_lineno is not None and node.end_col_offset is not None
    start = starts[node.lineno - 1] + node.col_offset
    end = starts[node.end_lineno - 1] + node.end_col_offset
    return Number(name, float(node.value), start, end, node.lineno, role or name)

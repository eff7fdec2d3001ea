"""Small changes to a program's text that tend to cure it, found in its syntax tree and made in place."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cad_pipeline.parameters import read_parameters, with_parameter
from cad_pipeline.syntax import parse

__all__ = ["BLENDS", "Edit", "blends", "cuts", "drop", "flip", "shrink"]

BLENDS = ("fillet", "chamfer", "shell", "offset2D")
# what only picks out edges or faces for the call that follows
_SELECTORS = ("edges", "faces", "vertices", "wires", "solids", "tag", "workplaneFromTagged")


@dataclass(frozen=True, slots=True)
class Edit:
    """A call that could be changed: its name and the lines it stands on, from 1."""

    name: str
    line: int
    end_line: int
    node: ast.Call


def blends(source: str) -> list[Edit]:
    """List the fillets, chamfers and shells in the order they run in a chain; none of a text that does not parse."""
    return [each for each in _calls(source) if each.name in BLENDS]


def cuts(source: str) -> list[Edit]:
    """List the blind cuts, whose sign decides whether they cut the part or the air beside it."""
    return [each for each in _calls(source) if each.name == "cutBlind"]


def shrink(source: str, edit: Edit, factor: float) -> str | None:
    """Make a blend's first number smaller: the named dimension if it has one of its own, else the argument in place."""
    size = _size(edit)
    if size is None:
        return None
    if isinstance(size, ast.Name):
        named = {each.name: each.value for each in read_parameters(source)}
        uses = sum(isinstance(n, ast.Name) and n.id == size.id for n in ast.walk(parse(source)))
        # once where it is set and once here
        if size.id in named and uses == 2:
            return with_parameter(source, size.id, round(named[size.id] * factor, 6))
    if isinstance(size, ast.Constant) and isinstance(size.value, int | float):
        return _replaced(source, [(size, f"{size.value * factor:.6g}")])
    return _replaced(source, [(size, f"({_text(source, size)}) * {factor:g}")])


def drop(source: str, edits: Sequence[Edit]) -> str:
    """Take calls out of their chains, with the selectors that only served them."""
    replacements = []
    for edit in edits:
        assert isinstance(edit.node.func, ast.Attribute)
        replacements.append((edit.node, _without_selectors(edit.node.func.value)))
    # the innermost first: an outer call's text is taken after its inner ones are gone
    return _dropped(source, {id(node): kept for node, kept in replacements}, [node for node, _ in replacements])


def flip(source: str, edits: Sequence[Edit]) -> str:
    """Turn the sign of the depth of cuts."""
    sizes = [size for edit in edits if (size := _size(edit)) is not None]
    return _replaced(source, [(size, _negated(source, size)) for size in sizes])


def _calls(source: str) -> list[Edit]:
    try:
        tree = parse(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return []
    found = [
        Edit(node.func.attr, _name_line(node), node.end_lineno or node.lineno, node)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    ]
    return sorted(found, key=lambda each: (each.end_line, each.node.end_col_offset or 0))


def _name_line(node: ast.Call) -> int:
    """Give the line of the call's own name, which in a chain over several lines is not where the chain begins."""
    return node.func.end_lineno or node.lineno


def _size(edit: Edit) -> ast.expr | None:
    if edit.node.args:
        return edit.node.args[0]
    names = ("radius", "length", "thickness", "until", "d")
    return next((each.value for each in edit.node.keywords if each.arg in names), None)


def _without_selectors(node: ast.expr) -> ast.expr:
    while isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _SELECTORS:
        # cq.Workplane("XY").edges() has nothing to fall back on but the plane
        node = node.func.value
    return node


def _negated(source: str, node: ast.expr) -> str:
    text = _text(source, node)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return _text(source, node.operand)
    return f"-{text}" if isinstance(node, ast.Name | ast.Constant | ast.Attribute | ast.Call) else f"-({text})"


def _dropped(source: str, kept: dict[int, ast.expr], nodes: Sequence[ast.expr]) -> str:
    # every dropped call becomes a cut of the text between its receiver's end and its own end
    starts = _starts(source)
    spans = []
    for node in nodes:
        receiver = kept[id(node)]
        spans.append((_end(starts, source, receiver), _end(starts, source, node)))
    return _without(source, spans)


def _without(source: str, spans: Sequence[tuple[int, int]]) -> str:
    data = source.encode()
    pieces, at = [], 0
    for start, end in _merged(spans):
        pieces.append(data[at:start])
        at = end
    return b"".join([*pieces, data[at:]]).decode()


def _merged(spans: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    last: tuple[int, int] | None = None
    for start, end in sorted(spans):
        if last is not None and start <= last[1]:
            last = (last[0], max(last[1], end))
        else:
            if last is not None:
                yield last
            last = (start, end)
    if last is not None:
        yield last


def _replaced(source: str, replacements: Sequence[tuple[ast.expr, str]]) -> str:
    starts, data = _starts(source), source.encode()
    placed = [(starts[n.lineno - 1] + n.col_offset, _end(starts, source, n), text) for n, text in replacements]
    for start, end, text in sorted(placed, reverse=True):
        data = data[:start] + text.encode() + data[end:]
    return data.decode()


def _text(source: str, node: ast.expr) -> str:
    return ast.get_source_segment(source, node) or ast.unparse(node)


def _starts(source: str) -> list[int]:
    """Give the byte at which each line begins, as the parser counts lines."""
    starts = [0]
    for line in source.encode().split(b"\n"):
        starts.append(starts[-1] + len(line) + 1)
    return starts


def _end(starts: Sequence[int], source: str, node: ast.expr) -> int:
    assert node.end_lineno is not None and node.end_col_offset is not None
    return starts[node.end_lineno - 1] + node.end_col_offset

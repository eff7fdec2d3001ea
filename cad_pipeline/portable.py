"""Makes a program run with plain CadQuery: `show_object` belongs to CQ-editor and to the sandbox, not to Python."""

from __future__ import annotations

import ast

from cad_pipeline.syntax import parse

__all__ = ["portable"]

_SHIM = """\
if "show_object" not in globals():  # outside CQ-editor the first shape shown is kept as `result`

    def show_object(shape, *_, **__):
        globals().setdefault("result", shape)

"""


def portable(source: str) -> str:
    """Return the program with a stand-in for `show_object` if it calls one that it does not define."""
    text = source if source.endswith("\n") else source + "\n"
    try:
        tree = parse(text)
    except (SyntaxError, ValueError):
        return text
    names = [node for node in ast.walk(tree) if isinstance(node, ast.Name) and node.id == "show_object"]
    defined = any(isinstance(node, ast.FunctionDef) and node.name == "show_object" for node in ast.walk(tree))
    if not names or defined:
        return text
    lines = text.splitlines(keepends=True)
    row = _first_free_line(tree)
    return "".join([*lines[:row], _SHIM, *lines[row:]])


def _first_free_line(tree: ast.Module) -> int:
    """Count the lines that must stay on top: the docstring and imports from the future."""
    row = 0
    for number, node in enumerate(tree.body):
        docstring = number == 0 and isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        future = isinstance(node, ast.ImportFrom) and node.module == "__future__"
        if not (docstring or future):
            break
        row = node.end_lineno or row
    return row

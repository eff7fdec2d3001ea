"""Program texts as syntax trees, from any thread."""

from __future__ import annotations

import ast
from threading import Lock

__all__ = ["parse"]

# Python 3.11 and 3.12 count the depth of the tree under construction once for all threads, so two texts parsed at the
# same time can end in "AST constructor recursion depth mismatch".
_LOCK = Lock()


def parse(source: str) -> ast.Module:
    """Parse a program; raises `SyntaxError` or, for a null byte, `ValueError`."""
    with _LOCK:
        return ast.parse(source)

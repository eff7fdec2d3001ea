"""The one way in which this package compiles: serial, without the interpreter's lock, exact, and cached on disk."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

__all__ = ["compiled"]

F = TypeVar("F", bound=Callable[..., Any])


def compiled(function: F) -> F:
    """Compile `function` when it is first called.

    No fast-math: pictures are to be the same to the bit wherever they are drawn. Where no folder for the cache can be
    written (a read-only image without a home), compile in memory only.
    """
    options = {"nogil": True, "error_model": "numpy", "boundscheck": False}
    try:
        return cast(F, numba.njit(cache=True, **options)(function))
    except RuntimeError:  # numba found no folder that it may write
        return cast(F, numba.njit(**options)(function))

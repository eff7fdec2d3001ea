"""One decorator for the inner loops that numpy can't express."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar, cast

import numba

__all__ = ["compiled"]

_Function = TypeVar("_Function", bound=Callable[..., object])


def compiled(function: _Function) -> _Function:
    """Compile `function` with numba, without the GIL, cached on disk where a cache can be written.

    An installation that nobody may write to and a user without a home have no place for a cache; compiling again in
    each process is slow there, but right.
    """
    try:
        made = numba.njit(cache=True, nogil=True)(function)
    except RuntimeError:
        made = numba.njit(nogil=True)(function)
    return cast(_Function, made)

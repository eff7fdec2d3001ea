"""Bounds for one part inside a worker, kept by the kernel and a C thread: neither waits for Python's lock.

A part in C++ that never comes back can't be stopped by any Python thread, so the worker is ended, with every thread's
traceback in the part's log. Memory is bounded by RLIMIT_DATA, beyond which allocations fail.
"""

from __future__ import annotations

import faulthandler
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

__all__ = ["bounded"]

_STDERR = 2


@contextmanager
def bounded(log: TextIO, *, timeout_s: float, memory_mb: int | None) -> Iterator[None]:
    """Bound what runs inside; a crash or an overrun of time ends the process and leaves its traceback in `log`.

    No `memory_mb` leaves memory unbounded, as a GPU's driver needs it.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    bound = soft if memory_mb is None else _data_bytes() + (memory_mb << 20)
    if hard != resource.RLIM_INFINITY:
        bound = min(bound, hard)
    # anew, since Ray puts its own handlers of fatal signals over the ones that Python had
    faulthandler.disable()
    faulthandler.enable(file=log)
    faulthandler.dump_traceback_later(timeout_s, exit=True, file=log)
    resource.setrlimit(resource.RLIMIT_DATA, (bound, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
        faulthandler.cancel_dump_traceback_later()
        faulthandler.enable(file=_STDERR)


def _data_bytes() -> int:
    """Read how much private writable memory this process has mapped, in bytes; 0 where the kernel does not say."""
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith("VmData:")), 0)

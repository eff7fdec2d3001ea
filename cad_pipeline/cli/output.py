"""Keeps stdout clean for programs that read it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from typing import Any

__all__ = ["JsonLines", "print_out"]


class JsonLines:
    """The process's stdout, taken over for JSON objects, one a line.

    Whatever else writes to file descriptor 1 from then on, a C++ library included, lands on stderr.
    """

    def __init__(self) -> None:
        """Take stdout over; call once a process."""
        sys.stdout.flush()
        self._descriptor = os.dup(1)
        os.dup2(2, 1)

    def emit(self, record: Mapping[str, Any]) -> None:
        """Write one object; a reader that has gone away is no error of ours."""
        data = (json.dumps(record, allow_nan=False) + "\n").encode("ascii")
        try:
            while data:
                data = data[os.write(self._descriptor, data) :]
        except BrokenPipeError:
            _to_nowhere(self._descriptor)


def print_out(text: str) -> None:
    """Write a line to stdout, quietly ending there if the reader has gone away."""
    try:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        _to_nowhere(1)


def _to_nowhere(descriptor: int) -> None:
    """Point a descriptor at /dev/null, so that neither later lines nor the interpreter's last flush complain."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, descriptor)
    os.close(nowhere)

"""The little language on a child's pipe: frames of a kind, a length and a payload.

The writer is untrusted or may die in the middle of a frame, so the reader takes what is whole, ignores the rest, and
never believes a length beyond what it holds.
"""

from __future__ import annotations

import enum
import os
import struct
from collections.abc import Iterator

__all__ = ["Kind", "frames", "write_frame"]

_HEAD = struct.Struct("!BQ")
# Far more than the log's budget makes of single letters; a flood of empty frames must not keep the reader busy.
_MAX_FRAMES = 200_000


class Kind(enum.IntEnum):
    """What a frame holds."""

    PHASE = 1
    LOG = 2
    REPORT = 3
    SHAPE = 4


def write_frame(pipe: int, kind: Kind, payload: bytes | memoryview) -> None:
    """Write one frame, waiting until the reader has taken it all."""
    for part in (_HEAD.pack(kind, len(payload)), payload):
        view = memoryview(part)
        while view:
            view = view[os.write(pipe, view) :]


def frames(data: bytearray) -> Iterator[tuple[Kind, memoryview]]:
    """Walk over the whole frames in `data`, stopping at the first that is cut off or unknown."""
    view = memoryview(data)
    known = set(Kind)
    at = count = 0
    while at + _HEAD.size <= len(view) and count < _MAX_FRAMES:
        count += 1
        kind, length = _HEAD.unpack_from(view, at)
        at += _HEAD.size
        if kind not in known or length > len(view) - at:
            return
        yield Kind(kind), view[at : at + length]
        at += length

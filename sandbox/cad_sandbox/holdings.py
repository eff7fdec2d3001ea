"""What a sandbox holds outside itself, and how it is given back: processes, sockets and a folder.

Apart from the sandbox, so that it can be undone by a finalizer, in a fork, or for a caller that was killed.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import shutil
import socket
import tempfile
import time
import weakref
from pathlib import Path

from cad_sandbox.launch import Zygote

__all__ = ["Holdings", "Slot", "sweep"]

_PREFIX = "cad-sandbox-"
_SWEEP_AFTER_S = 60.0


@dataclasses.dataclass(slots=True)
class Slot:
    """A place for one program at a time: the warden's socket, whose zygote it belongs to, and its runs so far."""

    sock: socket.socket | None = None
    zygote: Zygote | None = None
    runs: int = 0
    busy: bool = False

    def hang_up(self) -> None:
        """Let the warden go; the next program gets a new one."""
        if self.sock is not None:
            self.sock.close()
        self.sock, self.zygote, self.runs = None, None, 0


class Holdings:
    """What must be undone at the end, apart from the sandbox itself so that a finalizer may hold it."""

    def __init__(self) -> None:
        self.owner = os.getpid()
        sweep(Path(tempfile.gettempdir()))
        self.root = Path(tempfile.mkdtemp(prefix=_PREFIX))
        self.zygote: Zygote | None = None
        self.slots: list[Slot] = []
        _ALL.add(self)

    def hang_up_in_fork(self) -> None:
        """Close a fork's copies of the sockets: the server must notice when its true caller ends."""
        if self.zygote is not None:
            self.zygote.hang_up()
        for slot in self.slots:
            slot.hang_up()

    def undo(self) -> None:
        """End every process and remove every file; nothing in a fork, which owns none of them."""
        if os.getpid() != self.owner:
            return
        if self.zygote is not None:
            self.zygote.kill()
            self.zygote = None
        for slot in self.slots:
            # A thread that waits on a slot hears of the end by itself, and hangs up by itself.
            if not slot.busy:
                slot.hang_up()
        shutil.rmtree(self.root, ignore_errors=True)


_ALL: weakref.WeakSet[Holdings] = weakref.WeakSet()


def _hang_up_in_fork() -> None:
    for state in list(_ALL):
        state.hang_up_in_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_hang_up_in_fork)


def sweep(folder: Path) -> None:
    """Remove what callers that were killed left behind: their servers empty the spool, but can't remove its folder.

    A living sandbox's spool is never empty, and rmdir removes nothing else.
    """
    for old in folder.glob(_PREFIX + "*"):
        with contextlib.suppress(OSError):
            if time.time() - old.stat().st_mtime > _SWEEP_AFTER_S:
                (old / "spool").rmdir()
                old.rmdir()

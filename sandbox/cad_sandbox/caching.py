"""Remembers what programs did, so that the same program under the same limits is run once.

Samplers and repairers propose the same text again and again. A program that builds the same shape every time, as the
sandbox sees to it by fixed seeds, need not be asked twice.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import shutil
import tempfile
import threading
import time
import weakref
from collections import OrderedDict
from pathlib import Path
from types import TracebackType
from typing import Any

from cad_sandbox.execution import Execution, Outcome, Sandbox
from cad_sandbox.limits import Limits

__all__ = ["CachingSandbox"]

# Ends that a busy machine may have caused are no property of the program.
_LASTING = frozenset(
    {
        Outcome.BUILT,
        Outcome.SYNTAX_ERROR,
        Outcome.RAISED,
        Outcome.NO_RESULT,
        Outcome.NO_SOLID,
        Outcome.INVALID,
    }
)
_FILES = ("brep", "step", "stl", "mesh")


class CachingSandbox:
    """A sandbox that asks `inner` only about programs that it has not seen; implements the `Sandbox` protocol.

    The key is a hash of the program and all its limits. What is remembered ends with this object, so it never meets
    another version of CadQuery, of the sandbox or of its walls. At most `entries` programs and `megabytes` of files are
    kept, the least recently used go first. Safe to call from several threads.
    """

    def __init__(self, inner: Sandbox, *, entries: int = 512, megabytes: float = 256.0) -> None:
        """Wrap `inner`, which is closed with this."""
        self.inner = inner
        self.hits = 0
        self._entries, self._bytes_left = entries, round(megabytes * 1e6)
        self._known: OrderedDict[str, tuple[Execution, int]] = OrderedDict()
        self._lock = threading.Lock()
        self._owner = os.getpid()
        self._root = Path(tempfile.mkdtemp(prefix="cad-executions-"))
        self._finalizer = weakref.finalize(self, _remove, self._root, self._owner)

    def run(self, source: str, folder: Path, /, *, limits: Limits | None = None) -> Execution:
        """Run `source`, or hand over what it did before; the files lie in `folder` either way."""
        started = time.monotonic()
        if os.getpid() != self._owner:
            # A fork shares the folder but not the lock.
            return self.inner.run(source, folder, limits=limits)
        key = _key(source, limits)
        with self._lock:
            if key in self._known:
                self._known.move_to_end(key)
                self.hits += 1
                execution = self._copied(self._known[key][0], Path(folder))
                return dataclasses.replace(execution, seconds=time.monotonic() - started)
        execution = self.inner.run(source, folder, limits=limits)
        if execution.outcome in _LASTING:
            with self._lock:
                self._remember(key, execution)
        return execution

    def close(self) -> None:
        """Close `inner` and forget everything."""
        self.inner.close()
        self._finalizer()

    def __enter__(self) -> CachingSandbox:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _copied(self, execution: Execution, folder: Path) -> Execution:
        paths = _paths(execution)
        if paths:
            folder.mkdir(parents=True, exist_ok=True)
        for path in paths.values():
            part = folder / f".{path.name}.{threading.get_ident()}.part"
            shutil.copyfile(path, part)
            os.replace(part, folder / path.name)
        moved: dict[str, Any] = {name: folder / path.name for name, path in paths.items()}
        return dataclasses.replace(execution, **moved)

    def _remember(self, key: str, execution: Execution) -> None:
        size = sum(path.stat().st_size for path in _paths(execution).values())
        if key in self._known or size > self._bytes_left + sum(kept for _, kept in self._known.values()):
            return
        while self._known and (len(self._known) >= self._entries or size > self._bytes_left):
            old, (_, freed) = self._known.popitem(last=False)
            shutil.rmtree(self._root / old, ignore_errors=True)
            self._bytes_left += freed
        try:
            kept = self._copied(execution, self._root / key)
        except OSError:
            # A full disk costs the memory of this program, not its result.
            shutil.rmtree(self._root / key, ignore_errors=True)
            return
        self._known[key] = (kept, size)
        self._bytes_left -= size


def _key(source: str, limits: Limits | None) -> str:
    told = None if limits is None else {**dataclasses.asdict(limits), "exports": sorted(limits.exports)}
    text = source.encode(errors="surrogatepass")
    return hashlib.sha256(json.dumps([len(text), told]).encode() + b"\0" + text).hexdigest()


def _paths(execution: Execution) -> dict[str, Path]:
    named = {name: getattr(execution, name) for name in _FILES}
    return {name: path for name, path in named.items() if path is not None}


def _remove(root: Path, owner: int) -> None:
    if os.getpid() == owner:
        shutil.rmtree(root, ignore_errors=True)

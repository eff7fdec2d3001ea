"""Takes finished files out of the spool: regular files of bounded size only, never a link, whole or not at all."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import threading
from collections.abc import Iterable
from pathlib import Path

from cad_sandbox.execution import SandboxUnavailable

__all__ = ["collect"]


def collect(spool: Path, names: Iterable[str], folder: Path, *, max_bytes: int) -> dict[str, Path]:
    """Move the named files from `spool` to `folder`; return where they are now.

    Raises `SandboxUnavailable` when a file is missing, is a link, has a second name or is too large: the process that
    wrote it has ended, so this is no race but a broken wall.
    """
    folder.mkdir(parents=True, exist_ok=True)
    collected = {}
    for name in names:
        source, target = spool / name, folder / name
        try:
            descriptor = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise SandboxUnavailable(f"expected the file {name} from the sandbox, got {error}") from error
        try:
            _check(name, os.fstat(descriptor), max_bytes)
            os.fchmod(descriptor, 0o666 & ~_umask())
            _move(descriptor, source, target)
        finally:
            os.close(descriptor)
        collected[name] = target
    return collected


def _check(name: str, facts: os.stat_result, max_bytes: int) -> None:
    if not stat.S_ISREG(facts.st_mode) or facts.st_nlink != 1 or facts.st_size > max_bytes:
        raise SandboxUnavailable(
            f"expected {name} to be a plain file of at most {max_bytes} bytes, got mode {facts.st_mode:o}, "
            f"{facts.st_nlink} names, {facts.st_size} bytes"
        )


def _move(descriptor: int, source: Path, target: Path) -> None:
    try:
        os.replace(source, target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        # Another file system: copy beside the target, then rename, so that nobody sees half a file.
        part = target.with_name(f".{target.name}.{os.getpid()}.{threading.get_ident()}.part")
        with open(descriptor, "rb", closefd=False) as file, open(part, "wb") as copy:
            shutil.copyfileobj(file, copy)
        os.replace(part, target)


def _umask() -> int:
    """The process's umask, read without setting it where /proc tells (setting is not thread-safe)."""
    try:
        with open("/proc/self/status") as status:
            for line in status:
                if line.startswith("Umask:"):
                    return int(line.split()[1], 8)
    except OSError:
        pass
    return 0o022

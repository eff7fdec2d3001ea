"""What a child does to itself before it touches anything untrusted: every wall but the outermost.

The order matters: limits and file descriptors first, then capabilities, then Landlock (which needs system calls that
the filter forbids), the seccomp filter last. Nothing here can be undone by the process it was done to.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Walls", "die_with_parent", "file_rules", "lock_down"]

_PR_SET_PDEATHSIG = 1
_PR_SET_SECCOMP = 22
_PR_SET_NO_NEW_PRIVS = 38
_PR_CAPBSET_DROP = 24
_SECCOMP_MODE_FILTER = 2
_CAPABILITY_VERSION_3 = 0x20080522


@dataclass(frozen=True, slots=True, kw_only=True)
class Walls:
    """Which walls the children get; `seccomp` is the filter as bytes (empty: none), `readable` the paths left open."""

    seccomp: bytes = b""
    landlock: bool = False
    readable: tuple[str, ...] = field(default=())


class _Filter(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("program", ctypes.c_void_p))


class _CapabilityHead(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _CapabilityData(ctypes.Structure):
    _fields_ = (("effective", ctypes.c_uint32), ("permitted", ctypes.c_uint32), ("inheritable", ctypes.c_uint32))


def _libc() -> Any:
    return ctypes.CDLL(None, use_errno=True)


def _prctl(libc: Any, what: int, *values: Any) -> None:
    arguments = [ctypes.c_ulong(v) if isinstance(v, int) else v for v in values]
    arguments += [ctypes.c_ulong(0)] * (4 - len(arguments))
    if libc.prctl(ctypes.c_int(what), *arguments) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"prctl({what}): {os.strerror(number)}")


def die_with_parent(parent_pid: int) -> None:
    """Let the kernel kill this process when `parent_pid`, which made it, ends; exit if that happened already."""
    _prctl(_libc(), _PR_SET_PDEATHSIG, int(signal.SIGKILL))
    if os.getppid() != parent_pid:
        os._exit(1)


def file_rules(walls: Walls, writable: str | None = None) -> Any:
    """Build in the parent what a child shall be held to: read `walls.readable`, write to the folder `writable`.

    Returns a context manager, a `landlockpy.Ruleset`, or None without Landlock. A parent's memory is warm; building the
    same in each child costs it hundreds of page faults.
    """
    if not walls.landlock:
        return None
    import landlockpy

    access, scope = landlockpy.AccessFS, landlockpy.Scope
    rules = landlockpy.Ruleset(scoped=scope.ABSTRACT_UNIX_SOCKET | scope.SIGNAL)
    try:
        for path in walls.readable:
            if os.path.isdir(path):
                rules.allow_path(path, access.READ_FILE | access.READ_DIR)
            elif os.path.exists(path):
                rules.allow_path(path, access.READ_FILE)
        rules.allow_path(os.devnull, access.READ_FILE | access.WRITE_FILE)
        if writable is not None:
            rules.allow_path(
                writable,
                access.READ_FILE | access.READ_DIR | access.WRITE_FILE | access.MAKE_REG | access.TRUNCATE,
            )
    except BaseException:
        rules.close()
        raise
    return rules


def lock_down(
    walls: Walls,
    *,
    rules: Any,
    parent_pid: int,
    keep: Sequence[int],
    memory_mb: int,
    cpu_s: float,
    file_mb: int,
) -> None:
    """Lock the calling process down for good, as far as `walls` says.

    `rules` are what `file_rules` made in the parent, `keep` the descriptors that stay open above 2 (0 to 2 become
    /dev/null). Raises `OSError` or `ValueError` if a wall that was asked for does not stand.
    """
    if walls.landlock and rules is None:
        raise ValueError("expected rules for Landlock, got none")
    libc = _libc()
    die_with_parent(parent_pid)
    _close_descriptors(keep if rules is None else (*keep, rules.fileno()))
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
        # Where memory runs out, the kernel shall pick the program and not the server.
        file.write("1000")
    _set_limits(memory_mb, cpu_s, file_mb)
    _prctl(libc, _PR_SET_NO_NEW_PRIVS, 1)
    _drop_capabilities(libc)
    if rules is not None:
        rules.restrict()
        # The parent goes on using them, so a program must not get hold of them.
        rules.close()
    if walls.seccomp:
        _install_filter(libc, walls.seccomp)


def _close_descriptors(keep: Sequence[int]) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    for number in range(3):
        os.dup2(null, number)
    low = 3
    for number in sorted(keep):
        os.closerange(low, number)
        low = number + 1
    os.closerange(low, 1 << 20)
    for number in keep:
        os.set_inheritable(number, False)


def _set_limits(memory_mb: int, cpu_s: float, file_mb: int) -> None:
    cpu = max(1, round(cpu_s + 0.5))
    wanted = (
        (resource.RLIMIT_AS, memory_mb << 20, memory_mb << 20),
        (resource.RLIMIT_CPU, cpu, cpu + 1),
        (resource.RLIMIT_FSIZE, file_mb << 20, file_mb << 20),
        (resource.RLIMIT_NOFILE, 64, 64),
        (resource.RLIMIT_CORE, 0, 0),
        (resource.RLIMIT_MEMLOCK, 0, 0),
        (resource.RLIMIT_MSGQUEUE, 0, 0),
    )
    for what, soft, hard in wanted:
        highest = resource.getrlimit(what)[1]
        if highest != resource.RLIM_INFINITY:
            soft, hard = min(soft, highest), min(hard, highest)
        resource.setrlimit(what, (soft, hard))


def _drop_capabilities(libc: Any) -> None:
    """Give up every capability, so that a caller who is root does not lend that to the program."""
    for number in range(64):
        try:
            _prctl(libc, _PR_CAPBSET_DROP, number)
        except OSError:
            # EINVAL past the last capability, EPERM for one who has none to drop.
            break
    head = _CapabilityHead(_CAPABILITY_VERSION_3, 0)
    data = (_CapabilityData * 2)()
    if libc.capset(ctypes.byref(head), data) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"capset: {os.strerror(number)}")


def _install_filter(libc: Any, program: bytes) -> None:
    buffer = ctypes.create_string_buffer(program, len(program))
    instructions = _Filter(len(program) // 8, ctypes.cast(buffer, ctypes.c_void_p))
    _prctl(libc, _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(instructions))

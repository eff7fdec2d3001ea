"""Forks one child, listens to its pipe and ends it: at its own end, at a deadline, or when it says too much.

The child may close its pipe, ignore signals or loop in C++: the deadline holds over its whole life, and the end is
SIGKILL to a process that is still ours (unreaped), so never to a stranger with a recycled number.
"""

from __future__ import annotations

import contextlib
import enum
import os
import select
import signal
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["CallerGone", "ChildEnd", "Ending", "run_child"]

_TRACE_SIGNALS = (signal.SIGUSR1, signal.SIGUSR2)
_TRACE_GRACE_S = 0.1
_CHUNK = 1 << 18
_CHUNKS_AT_ONCE = 64
_LOOK_EVERY_S = 0.05
# A thread costs the kernel memory that no limit counts, and a number that the whole machine has only so many of.
_MAX_THREADS = 64


class CallerGone(Exception):
    """The caller hung up while a child was running; the child has been ended."""


class Ending(enum.Enum):
    """Why the listening ended."""

    EXITED = "exited"
    DEADLINE = "deadline"
    FLOOD = "flood"
    CROWD = "crowd"


@dataclass(slots=True, kw_only=True)
class ChildEnd:
    """What a child left behind: its bytes, how it ended, what it used, and what it was doing when time ran out."""

    data: bytearray
    ending: Ending
    signal: int | None
    exit_code: int | None
    cpu_s: float
    peak_memory_mb: float
    trace: bytes = b""


def run_child(
    body: Callable[[int, int], None], *, deadline: float, max_bytes: int, caller: socket.socket | None = None
) -> ChildEnd:
    """Fork, run `body(pipe, trace_pipe)` in the child, and collect at most `max_bytes` from its pipe.

    `deadline` is on the `time.monotonic` clock. At the deadline the child is asked by a signal where it is (it may
    answer on the trace pipe) and then killed. Raises `CallerGone` when `caller` hangs up.
    """
    reader, writer = os.pipe()
    trace_reader, trace_writer = os.pipe2(os.O_NONBLOCK)
    pid = os.fork()
    if pid == 0:
        code = 70
        try:
            body(writer, trace_writer)
            code = 0
        finally:
            # No handler, no atexit hook, no thread of the program outlives this line.
            os._exit(code)
    os.close(writer)
    os.close(trace_writer)
    os.set_blocking(reader, False)
    watcher = os.pidfd_open(pid)
    data = bytearray()
    peak = 0.0
    reaped = False
    try:
        ending, peak = _listen(pid, watcher, reader, data, deadline, max_bytes, caller)
        trace = b""
        if ending is Ending.DEADLINE:
            trace = _ask(pid, watcher, trace_reader)
        if ending is not Ending.EXITED:
            os.kill(pid, signal.SIGKILL)
        _, status, usage = os.wait4(pid, 0)
        reaped = True
        while ending is Ending.EXITED:
            # The writer is gone: what lies in the pipe is all there is.
            before = len(data)
            if not _drain(reader, data, max_bytes):
                ending = Ending.FLOOD
            elif len(data) == before:
                break
    finally:
        if not reaped:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
        for number in (reader, trace_reader, watcher):
            os.close(number)
    return ChildEnd(
        data=data,
        ending=ending,
        signal=os.WTERMSIG(status) if os.WIFSIGNALED(status) else None,
        exit_code=os.WEXITSTATUS(status) if os.WIFEXITED(status) else None,
        cpu_s=usage.ru_utime + usage.ru_stime,
        peak_memory_mb=max(peak, usage.ru_maxrss / 1024),
        trace=trace,
    )


def _listen(
    pid: int,
    watcher: int,
    reader: int,
    data: bytearray,
    deadline: float,
    max_bytes: int,
    caller: socket.socket | None,
) -> tuple[Ending, float]:
    poll = select.poll()
    poll.register(watcher, select.POLLIN)
    poll.register(reader, select.POLLIN)
    if caller is not None:
        # Between a request and its reply the caller has nothing to say: being readable means it hung up.
        poll.register(caller.fileno(), select.POLLIN | select.POLLHUP)
    peak = 0.0
    while True:
        left = deadline - time.monotonic()
        if left <= 0:
            return Ending.DEADLINE, peak
        events = dict(poll.poll(min(left, _LOOK_EVERY_S) * 1000 + 1))
        size_mb, threads = _size_and_threads(pid)
        peak = max(peak, size_mb)
        if threads > _MAX_THREADS:
            return Ending.CROWD, peak
        if reader in events:
            if not _drain(reader, data, max_bytes):
                return Ending.FLOOD, peak
            if events[reader] & select.POLLHUP and not events[reader] & select.POLLIN:
                poll.unregister(reader)
        if watcher in events:
            return Ending.EXITED, peak
        if caller is not None and caller.fileno() in events:
            raise CallerGone


def _drain(reader: int, data: bytearray, max_bytes: int) -> bool:
    """Read what is there, up to a number of pieces, as a busy writer must not keep us from the clock.

    Says whether it still fits.
    """
    for _ in range(_CHUNKS_AT_ONCE):
        try:
            chunk = os.read(reader, _CHUNK)
        except BlockingIOError:
            return True
        if not chunk:
            return True
        data += chunk
        if len(data) > max_bytes:
            return False
    return True


def _ask(pid: int, watcher: int, trace_reader: int) -> bytes:
    """Ask a child that is out of time where it is; it need not answer."""
    with contextlib.suppress(OSError):
        for number in _TRACE_SIGNALS:
            os.kill(pid, number)
        select.select([watcher], [], [], _TRACE_GRACE_S)
        return os.read(trace_reader, 1 << 16)
    return b""


def _size_and_threads(pid: int) -> tuple[float, int]:
    """Size of the child's address space in MB, what RLIMIT_AS counts, and its threads; 0 where /proc does not tell."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            # The name in parentheses may hold anything; what is counted comes after it.
            fields = file.read().rpartition(b")")[2].split()
        return int(fields[20]) / (1 << 20), int(fields[17])
    except (OSError, ValueError, IndexError):
        return 0.0, 0

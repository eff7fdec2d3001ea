"""Tries from the inside what a program must not be able to do, and says which wall held.

Runs in a child locked down exactly like the first stage, when a zygote starts: a wall is believed because it was pushed
against, not because a call to build it returned zero.
"""

from __future__ import annotations

import contextlib
import errno
import json
import mmap
import os
import resource
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cad_sandbox.child import Ending, run_child
from cad_sandbox.frames import Kind, frames, write_frame
from cad_sandbox.lockdown import Walls, file_rules, lock_down
from cad_sandbox.promises import CANARY, HELD

__all__ = ["run_self_test"]

_KILL_AFTER_S = 0.1
_DEADLINE_S = 10.0
_MEMORY_MB = 4096
_REFUSALS = {errno.EPERM, errno.EACCES, errno.ENOSYS, errno.ENOMEM}


def run_self_test(request: dict[str, Any], *, walls: Walls, spool: Path, caller: socket.socket) -> dict[str, Any]:
    """Push against every wall; return a word for each probe: `held`, or what got through."""
    own_pid = os.getpid()
    known = set(map(str, request["environment"]))

    def lock(keep: tuple[int, ...]) -> None:
        os.chdir("/")
        rules = file_rules(walls)
        lock_down(walls, rules=rules, parent_pid=own_pid, keep=keep, memory_mb=_MEMORY_MB, cpu_s=5, file_mb=1)

    def push(pipe: int, trace: int) -> None:
        lock((pipe, trace))
        found = {name: probe() for name, probe in _probes(spool, own_pid, known, {0, 1, 2, pipe, trace}).items()}
        write_frame(pipe, Kind.REPORT, json.dumps(found).encode())

    def linger(pipe: int, trace: int) -> None:
        lock((pipe, trace))
        os.close(pipe)
        while True:
            time.sleep(1)

    end = run_child(push, deadline=time.monotonic() + _DEADLINE_S, max_bytes=1 << 16, caller=caller)
    found: dict[str, Any] = {
        "run": f"the probing process failed: {end.ending.value}, signal {end.signal}, exit {end.exit_code}"
    }
    for kind, payload in frames(end.data):
        if kind is Kind.REPORT:
            found = json.loads(bytes(payload))
    end = run_child(linger, deadline=time.monotonic() + _KILL_AFTER_S, max_bytes=1 << 16, caller=caller)
    found["kill"] = (
        HELD if end.ending is Ending.DEADLINE else f"expected a kill at the deadline, got {end.ending.value}"
    )
    return found


def _probes(spool: Path, parent: int, environment: set[str], descriptors: set[int]) -> dict[str, Callable[[], str]]:
    def refused(action: Callable[[], object]) -> str:
        try:
            action()
        except MemoryError:
            return HELD
        except OSError as error:
            return HELD if error.errno in _REFUSALS else f"not refused, but failed: {error}"
        except ValueError as error:
            # What setrlimit makes of EPERM.
            return HELD if "not allowed" in str(error) else f"not refused, but failed: {error}"
        return "not refused"

    def fork() -> None:
        if os.fork() == 0:
            os._exit(0)

    def raise_limit() -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_CPU)
        resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))

    def open_descriptors() -> str:
        found = set()
        for number in range(256):
            with contextlib.suppress(OSError):
                os.fstat(number)
                found.add(number)
        return HELD if found <= descriptors else f"descriptors {sorted(found - descriptors)} are open"

    def names() -> str:
        strange = sorted(set(os.environ) - environment)
        return HELD if not strange else "the environment holds " + ", ".join(strange[:5])

    return {
        "read": lambda: refused(lambda: (spool / CANARY).read_bytes()),
        "list": lambda: refused(lambda: os.listdir(spool)),
        "write": lambda: refused(lambda: (spool / "written").write_bytes(b"")),
        "network": lambda: refused(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)),
        "local-socket": lambda: refused(lambda: socket.socket(socket.AF_UNIX)),
        "fork": lambda: refused(fork),
        "exec": lambda: refused(lambda: os.execv(spool / "no-such-program", ["x"])),
        "signal": lambda: refused(lambda: os.kill(parent, 0)),
        "limits": lambda: refused(raise_limit),
        "memory": lambda: refused(lambda: mmap.mmap(-1, (_MEMORY_MB + 1) << 20)),
        "descriptors": open_descriptors,
        "environment": names,
    }

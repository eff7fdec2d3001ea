"""The sandboxes of this process: started on first use beside other work, kept warm between parts, closed at exit."""

from __future__ import annotations

import atexit
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

from cad_pipeline.options import DEFAULT_TIMEOUT_S
from cad_pipeline.roles import Sandbox
from cad_sandbox.execution import Execution
from cad_sandbox.limits import Isolation, Limits

__all__ = ["WORKERS", "close_sandboxes", "warm_sandbox"]

WORKERS = 2


class _Warming:
    """A sandbox that is being started beside other work; the first run waits for it, and hears if it can't be had."""

    def __init__(self, start: Callable[[], Sandbox]) -> None:
        self._started: Future[Sandbox] = Future()
        threading.Thread(target=self._start, args=(start,), name="start sandbox", daemon=True).start()

    def _start(self, start: Callable[[], Sandbox]) -> None:
        try:
            self._started.set_result(start())
        # carried over to the thread that asks for a run
        except BaseException as error:
            self._started.set_exception(error)

    @property
    def usable(self) -> bool:
        """Whether it runs or may yet; one that could not be started is asked for anew next time."""
        return not self._started.done() or self._started.exception() is None

    def run(self, source: str, folder: Path, /, *, limits: Limits | None = None) -> Execution:
        """Run a program as soon as the sandbox stands."""
        return self._started.result().run(source, folder, limits=limits)

    def close(self) -> None:
        """Wait for the start, then end it all."""
        if self._started.exception() is None:
            self._started.result().close()


_SANDBOXES: dict[tuple[int, Isolation, float], _Warming] = {}
_LOCK = threading.Lock()


def warm_sandbox(isolation: Isolation = Isolation.STRICT, timeout_s: float = DEFAULT_TIMEOUT_S) -> Sandbox:
    """Return this process's sandbox of that strength and time limit, started on first use and closed at exit.

    It starts beside the caller's own work; `run` raises `SandboxUnavailable` if this machine can't have it.
    """

    def start() -> Sandbox:
        from cad_sandbox import CachingSandbox, ForkServerSandbox

        limits = Limits(wall_s=timeout_s, cpu_s=timeout_s)
        return CachingSandbox(ForkServerSandbox(limits=limits, isolation=isolation, workers=WORKERS))

    # a forked child must not talk through its parent's pipes, hence the pid
    key = (os.getpid(), isolation, timeout_s)
    with _LOCK:
        if key not in _SANDBOXES or not _SANDBOXES[key].usable:
            _SANDBOXES[key] = _Warming(start)
        return _SANDBOXES[key]


@atexit.register
def close_sandboxes() -> None:
    """End this process's warm sandboxes; the next call starts new ones."""
    with _LOCK:
        mine = [key for key in _SANDBOXES if key[0] == os.getpid()]
        sandboxes = [_SANDBOXES.pop(key) for key in mine]
    for sandbox in sandboxes:
        sandbox.close()

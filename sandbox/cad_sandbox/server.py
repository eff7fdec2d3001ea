"""The sandbox that callers hold: slots on a warm fork server, each serving one program at a time."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import queue
import shutil
import socket
import threading
import time
import weakref
from pathlib import Path
from types import TracebackType

from cad_sandbox.collect import collect
from cad_sandbox.execution import Execution, Export, Outcome, SandboxUnavailable
from cad_sandbox.file_names import FILE_NAMES
from cad_sandbox.holdings import Holdings, Slot
from cad_sandbox.isolation import find_means, layers_of
from cad_sandbox.launch import Zygote, environment
from cad_sandbox.limits import Isolation, Limits
from cad_sandbox.promises import CANARY, check_self_test
from cad_sandbox.reply import read_reply
from cad_sandbox.wire import MAX_SOURCE_BYTES, WireError, WireTimeout, receive, send

__all__ = ["ForkServerSandbox"]

_MAX_REPLY_BYTES = 8 << 20
_RUNS_PER_WARDEN = 1000
_GRACE_S = 20.0
_ATTEMPTS_TO_OPEN = 3
_STARTS = 2
_ANOMALIES = frozenset({Outcome.CRASHED, Outcome.OUT_OF_MEMORY, Outcome.TIMED_OUT})


class ForkServerSandbox:
    """Runs untrusted CadQuery programs in locked-down forks of a warm process; implements the `Sandbox` protocol.

    Each program gets two processes: one runs it and hands over nothing but B-rep bytes, another, which never saw the
    program, validates, measures and writes. Up to `workers` programs run at once; `run` may be called from any thread
    of the process that made the sandbox.
    """

    def __init__(
        self,
        limits: Limits = Limits(),  # noqa: B008 - frozen
        isolation: Isolation = Isolation.STRICT,
        workers: int = 2,
    ) -> None:
        """Start the server and let it test its walls (some seconds).

        Raises `SandboxUnavailable`, with the cure, if `isolation` can't be met here.
        """
        if workers < 1:
            raise ValueError(f"expected at least one worker, got {workers}")
        self.limits = limits
        self.isolation = isolation
        self._means = find_means(isolation)
        self._layers = {"isolation": isolation.value, **layers_of(self._means)}
        self._probes: dict[str, str] = {}
        self._lock = threading.Lock()
        self._numbers = 0
        self._closed = False
        self._state = Holdings()
        self._finalizer = weakref.finalize(self, self._state.undo)
        (self._state.root / "spool").mkdir(mode=0o700)
        (self._state.root / "spool" / CANARY).write_text("a program that reads this has left its sandbox\n")
        self._free: queue.LifoQueue[Slot] = queue.LifoQueue()
        for _ in range(workers):
            slot = Slot()
            self._state.slots.append(slot)
            self._free.put(slot)
        try:
            self._zygote()
        except BaseException:
            self.close()
            raise

    def run(self, source: str, folder: Path, /, *, limits: Limits | None = None, product: str = "part") -> Execution:
        """Run `source`; leave the files that the limits' exports ask for in `folder` if it built a valid solid.

        `limits` replaces the sandbox's own for this program, `product` is the part's name in STEP. Waits while all
        workers are busy. Raises `SandboxUnavailable` if the machine or the server, not the program, is at fault.
        """
        bounds = self.limits if limits is None else limits
        self._check_usable()
        try:
            text = source.encode()
        except UnicodeEncodeError as error:
            return self._refuse(Outcome.SYNTAX_ERROR, f"the text is not valid Unicode: {error.reason}")
        if len(text) > MAX_SOURCE_BYTES:
            return self._refuse(Outcome.REFUSED, f"the program has {len(text)} bytes, the limit is {MAX_SOURCE_BYTES}")
        slot = self._free.get()
        slot.busy = True
        try:
            for starts in range(1, _STARTS + 1):
                sock, zygote = self._ready(slot)
                with contextlib.suppress(WireError):
                    execution = self._run_in(sock, zygote, text, Path(folder), bounds, product)
                    if execution.outcome in _ANOMALIES:
                        # Nothing is known to be wrong with the warden; a new one costs less than finding out.
                        slot.hang_up()
                    return execution if starts == 1 else dataclasses.replace(execution, starts=starts)
                slot.hang_up()
            return dataclasses.replace(
                self._refuse(Outcome.LOST, "the sandbox's server went away twice while this program ran"),
                starts=_STARTS,
            )
        except BaseException:
            # Whatever it is (Ctrl-C among others), a reply may still be under way: this line can't be used again.
            slot.hang_up()
            raise
        finally:
            slot.busy = False
            self._free.put(slot)

    def layers(self) -> dict[str, str]:
        """Name every isolation layer and whether it is active."""
        return dict(self._layers)

    def self_test(self) -> dict[str, str]:
        """Push against the walls once more; return a word a probe. Raises `SandboxUnavailable` if one gave way."""
        self._check_usable()
        zygote = self._zygote()
        self._test(zygote)
        return dict(self._probes)

    def close(self) -> None:
        """End every process and remove every temporary file of this sandbox; safe to call twice."""
        if os.getpid() != self._state.owner:
            # A fork owns nothing here, and the lock may have been held when it was made.
            self._closed = True
            return
        with self._lock:
            self._closed = True
            self._finalizer()

    def __enter__(self) -> ForkServerSandbox:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _check_usable(self) -> None:
        if self._closed:
            raise SandboxUnavailable("this sandbox is closed; make a new one")
        if os.getpid() != self._state.owner:
            raise SandboxUnavailable("this sandbox belongs to another process; make one in each process that needs it")

    def _refuse(self, outcome: Outcome, message: str) -> Execution:
        return Execution(outcome=outcome, message=message, layers=self._layers)

    def _zygote(self) -> Zygote:
        """Return the living zygote, starting one if there is none."""
        with self._lock:
            self._check_usable()
            current = self._state.zygote
            if current is not None and current.alive:
                return current
            if current is not None:
                current.kill()
                self._state.zygote = None
            zygote = Zygote(
                spool=self._state.root / "spool",
                seccomp=self._means.seccomp,
                landlock=self._means.landlock_abi > 0,
                wrapped=self._means.bubblewrap,
            )
            try:
                self._test(zygote)
            except BaseException:
                zygote.kill()
                raise
            self._state.zygote = zygote
            return zygote

    def _test(self, zygote: Zygote) -> None:
        try:
            with zygote.open_slot() as sock:
                send(sock, {"job": "self-test", "environment": [*sorted(environment()), "PWD"]})
                found, _ = receive(sock, max_text=1 << 16, deadline=time.monotonic() + 60)
        except WireError as error:
            raise SandboxUnavailable(f"the sandbox could not test itself: {error}") from error
        self._probes = {str(name): str(word) for name, word in found.items()}
        check_self_test(self._probes, self._layers)

    def _ready(self, slot: Slot) -> tuple[socket.socket, Zygote]:
        """Give the slot a warden of the living zygote; one that does not even open a slot is replaced."""
        for _ in range(_ATTEMPTS_TO_OPEN):
            zygote = self._zygote()
            if slot.sock is not None and slot.zygote is zygote and slot.runs < _RUNS_PER_WARDEN:
                slot.runs += 1
                return slot.sock, zygote
            slot.hang_up()
            try:
                with self._lock:
                    sock = zygote.open_slot()
            except WireError:
                self._end(zygote)
                continue
            slot.sock, slot.zygote, slot.runs = sock, zygote, 1
            return sock, zygote
        raise SandboxUnavailable("the sandbox's server ends as soon as it has started; run `dmesg` for the reason")

    def _end(self, zygote: Zygote) -> None:
        # Under the lock: nobody may be talking to the zygote while its socket is closed.
        with self._lock:
            zygote.kill()

    def _run_in(
        self, sock: socket.socket, zygote: Zygote, source: bytes, folder: Path, limits: Limits, product: str
    ) -> Execution:
        with self._lock:
            self._numbers += 1
            name = str(self._numbers)
        # Apart, so that nothing a program may leave behind lies where the other process writes.
        spool, scratch = (self._state.root / "spool" / kind for kind in (name, name + "-scratch"))
        try:
            spool.mkdir(mode=0o700)
            scratch.mkdir(mode=0o700)
        except OSError as error:
            self._check_usable()
            shutil.rmtree(spool, ignore_errors=True)
            raise SandboxUnavailable(
                f"expected to make a folder in {spool.parent}, got {error}; make room there or set TMPDIR"
            ) from error
        try:
            request = {
                "job": "run",
                "folder": spool.name,
                "scratch": scratch.name,
                "product": product,
                **dataclasses.asdict(limits),
                "exports": sorted(limits.exports),
            }
            send(sock, request, source)
            try:
                reply, _ = receive(
                    sock, max_text=_MAX_REPLY_BYTES, deadline=time.monotonic() + limits.wall_s + _GRACE_S
                )
            except WireTimeout:
                # The warden kills at the deadline; one that does not answer soon after is broken itself.
                self._end(zygote)
                raise
            except WireError:
                zygote.wait_if_ending()
                raise
            execution = read_reply(reply, self._layers)
            if execution.outcome is Outcome.LOST:
                raise SandboxUnavailable(f"{execution.message}; make room in {self._state.root.parent} or set TMPDIR")
            if not execution.built:
                return execution
            names = sorted(FILE_NAMES[export] for export in limits.exports)
            files = collect(spool, names, folder, max_bytes=limits.file_mb << 20)
            return dataclasses.replace(
                execution,
                brep=files.get(FILE_NAMES[Export.BREP]),
                step=files.get(FILE_NAMES[Export.STEP]),
                stl=files.get(FILE_NAMES[Export.STL]),
                mesh=files.get(FILE_NAMES[Export.MESH]),
            )
        finally:
            shutil.rmtree(spool, ignore_errors=True)
            shutil.rmtree(scratch, ignore_errors=True)

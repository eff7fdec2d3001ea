"""The warm process that all children are forked from: cadquery imported, one thread, no untrusted byte ever inside.

Started by exec with one socket. Over that socket the caller sends further sockets; for each the zygote forks a warden
that serves it. The zygote ends when the caller hangs up, and takes its wardens along.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import select
import shutil
import signal
import socket
import sys
from pathlib import Path

from cad_sandbox.huge_pages import gather_memory
from cad_sandbox.lockdown import Walls
from cad_sandbox.wire import WireError, receive, send

__all__ = ["main"]

_MAX_FILTER_BYTES = 1 << 20


def main() -> None:
    """Serve the socket whose descriptor is the first argument, for the spool folder that is the second."""
    control = socket.socket(fileno=int(sys.argv[1]))
    control.set_inheritable(False)
    spool = Path(sys.argv[2])
    try:
        settings, program = receive(control, max_text=1 << 20, max_blob=_MAX_FILTER_BYTES)
        walls = Walls(seccomp=bytes(program), landlock=bool(settings["landlock"]), readable=tuple(settings["readable"]))
        versions = _warm_up(walls, spool)
        tasks = len(os.listdir("/proc/self/task"))
        if tasks != 1:
            raise RuntimeError(f"expected one thread before forking, got {tasks}: children would deadlock")
        send(control, {"ready": True, "versions": versions})
    except WireError:
        _clear(spool)
        return
    except Exception as error:
        with contextlib.suppress(WireError):
            send(control, {"ready": False, "error": f"{type(error).__name__}: {error}"})
        return
    _serve(control, spool, walls)


def _warm_up(walls: Walls, spool: Path) -> dict[str, str]:
    """Import all that children will need and make forking safe; return the versions that matter."""
    import cadquery
    import OCP
    from OCP.OSD import OSD_ThreadPool

    # CadQuery's booleans run in parallel. The first of them would start worker threads, which no fork inherits: every
    # child would wait for them for ever. One thread must be asked for by number (0 means "as many as processors").
    OSD_ThreadPool.DefaultPool_s().Init(1)

    import cad_sandbox.self_test
    import cad_sandbox.warden  # noqa: F401 - imported now, as children can't

    for name in _LATE_MODULES:
        __import__(name)
    if walls.landlock:
        __import__("landlockpy")
    _rehearse(spool)
    gc.collect()
    gc.freeze()
    gather_memory()
    return {
        "cadquery": str(cadquery.__version__),
        "ocp": str(getattr(OCP, "__version__", "")),
        "python": sys.version.split()[0],
    }


def _rehearse(spool: Path) -> None:
    """Build, write, read and mesh one part, so that no child has to resolve those symbols and pages again."""
    import cadquery as cq

    from cad_sandbox.files import read_step, write_step
    from cad_sandbox.stitch import tessellate

    part = cq.Workplane().box(3, 2, 1).edges("|Z").fillet(0.2).faces(">Z").workplane().hole(0.5)
    part = part.union(cq.Workplane("XZ").circle(0.3).extrude(1)).faces(">X").chamfer(0.01)
    path = spool / "rehearsal.step"
    write_step(part.val().wrapped, path, product="part")
    solids = cq.Shape.cast(read_step(path)).Solids()
    path.unlink()
    part.val().isValid()
    part.val().BoundingBox()
    tessellate(solids, deflection_mm=0.01, angle_rad=0.5)


_LATE_MODULES = (
    "encodings.idna",
    "numpy.random",
    "scipy.sparse.csgraph",
    "math",
    "random",
    "itertools",
    "functools",
    "dataclasses",
    "zipfile",
    "OCP.BinTools",
    "OCP.BRepMesh",
    "OCP.BRepTools",
    "OCP.Poly",
    "OCP.STEPControl",
)


def _serve(control: socket.socket, spool: Path, walls: Walls) -> None:
    own_pid = os.getpid()
    wake_reader, wake_writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(wake_writer, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    wardens: set[int] = set()
    while True:
        ready, _, _ = select.select([control.fileno(), wake_reader], [], [])
        if wake_reader in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(wake_reader, 4096)
            _reap(wardens)
        if control.fileno() not in ready:
            continue
        message, descriptors, _, _ = socket.recv_fds(control, 4096, 1)
        if not message:
            break
        _reap(wardens)
        for descriptor in descriptors:
            pid = os.fork()
            if pid == 0:
                _become_warden(control, wake_reader, wake_writer, descriptor, own_pid, spool, walls)
            os.close(descriptor)
            wardens.add(pid)
        control.sendall(json.dumps({"forked": len(descriptors)}).encode().ljust(64))
    for pid in wardens:
        os.kill(pid, signal.SIGKILL)
    for pid in wardens:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, 0)
    _clear(spool)


def _clear(spool: Path) -> None:
    """Remove the spool of a caller that died; one that closes its sandbox kills this process first."""
    shutil.rmtree(spool, ignore_errors=True)
    with contextlib.suppress(OSError):
        spool.parent.rmdir()


def _become_warden(
    control: socket.socket,
    wake_reader: int,
    wake_writer: int,
    descriptor: int,
    zygote_pid: int,
    spool: Path,
    walls: Walls,
) -> None:
    from cad_sandbox.warden import serve

    code = 70
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        control.close()
        os.close(wake_reader)
        os.close(wake_writer)
        with socket.socket(fileno=descriptor) as caller:
            serve(caller, zygote_pid=zygote_pid, spool=spool, walls=walls)
        code = 0
    finally:
        os._exit(code)


def _reap(wardens: set[int]) -> None:
    for pid in tuple(wardens):
        with contextlib.suppress(ChildProcessError):
            if os.waitpid(pid, os.WNOHANG)[0] == 0:
                continue
        wardens.discard(pid)


if __name__ == "__main__":
    main()

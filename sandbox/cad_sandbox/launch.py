"""Starts the zygote: by exec, with a scrubbed environment, inside bubblewrap where that works."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import json
import os
import shutil
import signal
import site
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from cad_sandbox.execution import SandboxUnavailable
from cad_sandbox.wire import WireError, receive, send

__all__ = ["Zygote", "bubblewrap_works", "environment", "readable_paths"]

BUBBLEWRAP_CURE = "install it: `apt-get install bubblewrap`; in containers user namespaces must be allowed"
_START_TIMEOUT_S = 120.0
_FORK_TIMEOUT_S = 30.0
_ENDING_S = 2.0
_SYSTEM_PATHS = (
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/lib",
    "/lib64",
    "/etc/ld.so.cache",
    "/etc/localtime",
    "/usr/share/zoneinfo",
    "/etc/fonts",
    "/usr/share/fonts",
    "/usr/local/share/fonts",
    "/dev/urandom",
    "/dev/zero",
)

_ENVIRONMENT = {
    "HOME": "/",
    "PATH": "/usr/bin:/bin",
    "LANG": "C.UTF-8",
    "LC_CTYPE": "C.UTF-8",
    # A second thread in the zygote would make every fork a gamble.
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    # The same program shall build the same shape every time.
    "PYTHONHASHSEED": "0",
    "PYTHONDONTWRITEBYTECODE": "1",
    "PYTHONNOUSERSITE": "1",
}

_BOOT = "import sys; sys.path[:] = {path!r}; from cad_sandbox.zygote import main; main()"


def environment() -> dict[str, str]:
    """Environment of the server: nothing of the caller's but where its own interpreter finds its libraries."""
    own = os.path.join(sys.base_prefix, "")
    libraries = [path for path in os.environ.get("LD_LIBRARY_PATH", "").split(":") if path.startswith(own)]
    return {**_ENVIRONMENT, "LD_LIBRARY_PATH": ":".join(libraries)} if libraries else dict(_ENVIRONMENT)


@functools.cache
def _python_path() -> tuple[str, ...]:
    """Folders that modules come from: the interpreter's own, and those that hold this package and cadquery."""
    own = str(Path(__file__).resolve().parent.parent)
    folders = [path for path in sys.path if path and _is_interpreters(path)]
    for name in ("cadquery", "OCP", "numpy", "scipy", "landlockpy"):
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.origin is not None:
            home = Path(spec.origin).parent
            folders.append(str(home.parent if spec.submodule_search_locations else home))
    folders += [path for path in site.getsitepackages() if os.path.isdir(path)]
    return tuple(dict.fromkeys([*folders, own]))


def _is_interpreters(path: str) -> bool:
    return any(path.startswith(os.path.join(prefix, "")) for prefix in {sys.base_prefix, sys.base_exec_prefix})


@functools.cache
def readable_paths() -> tuple[str, ...]:
    """Paths that a program may read: the interpreter, its and the system's libraries, fonts, and this package."""
    own = Path(__file__).resolve().parent
    # Not the whole prefix: one in a home folder may hold settings and tokens beside its libraries.
    libraries = [os.path.join(p, lib) for p in (sys.base_prefix, sys.base_exec_prefix) for lib in ("lib", "lib64")]
    folders = [path for path in _python_path() if path != str(own.parent)]
    paths = [*_SYSTEM_PATHS, *libraries, *folders, str(own)]
    # Every rule costs each child some microseconds; one inside another adds nothing.
    real = sorted({os.path.realpath(path) for path in paths if os.path.exists(path)})
    return tuple(path for path in real if not any(path.startswith(os.path.join(other, "")) for other in real))


def _bubblewrap(spool: Path | None, extra: tuple[str, ...]) -> list[str]:
    """Arguments that wrap the command following them; only libraries are visible, and `spool`, writable."""
    program = shutil.which("bwrap", path=os.environ.get("PATH", "") + ":/usr/bin:/bin")
    if program is None:
        raise FileNotFoundError("bwrap is not installed")
    words = [program, "--unshare-all", "--unshare-user", *extra, "--new-session", "--cap-drop", "ALL"]
    for link in ("/bin", "/sbin", "/lib", "/lib64", "/lib32"):
        if os.path.islink(link):
            words += ["--symlink", os.readlink(link), link]
        elif os.path.isdir(link):
            words += ["--ro-bind", link, link]
    words += ["--ro-bind", "/usr", "/usr", "--tmpfs", "/tmp", "--proc", "/proc", "--dev", "/dev"]
    visible = {*readable_paths(), sys.prefix, sys.base_prefix, str(Path(__file__).resolve().parent)}
    there = ("/usr", "/bin", "/sbin", "/lib", "/lib64", "/lib32", "/dev")
    for path in sorted(visible):
        if os.path.exists(path) and not any(path == root or path.startswith(root + "/") for root in there):
            words += ["--ro-bind", path, path]
    if spool is not None:
        words += ["--bind", str(spool), str(spool)]
    return words


@functools.cache
def _try_bubblewrap() -> tuple[str, tuple[str, ...]]:
    """Run bubblewrap around the interpreter; return why it fails ("" if it works) and the options that it takes."""
    reason = ""
    # Versions before 0.8 can't forbid further namespaces; the seccomp filter does that as well.
    for extra in (("--disable-userns",), ()):
        try:
            done = subprocess.run(
                [*_bubblewrap(None, extra), sys.executable, "-I", "-S", "-c", "pass"],
                env=environment(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=30,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return str(error), ()
        if done.returncode == 0:
            return "", extra
        reason = reason or done.stderr.decode(errors="replace").strip()[-300:] or "bwrap failed"
    return reason, ()


def bubblewrap_works() -> str:
    """Say why bubblewrap does not work here, "" if it does; found by running it, once a process."""
    return _try_bubblewrap()[0]


class Zygote:
    """A running zygote, as its starter sees it: opens slots, and can be ended at any time with all its descendants."""

    def __init__(self, *, spool: Path, seccomp: bytes, landlock: bool, wrapped: bool) -> None:
        """Start a zygote and wait until it is warm, some seconds; raise `SandboxUnavailable` if it does not come up."""
        self._control, theirs = socket.socketpair()
        self._inner = -1
        self._inner_pid: int | None = None
        self._noise = tempfile.TemporaryFile()  # noqa: SIM115 - closed by kill()
        info_reader, info_writer = os.pipe()
        try:
            theirs.set_inheritable(True)
            boot = _BOOT.format(path=list(_python_path()))
            python = [sys.executable, "-s", "-S", "-P", "-c", boot, str(theirs.fileno()), str(spool)]
            wrap = [*_bubblewrap(spool, _try_bubblewrap()[1]), "--info-fd", str(info_writer)] if wrapped else []
            passed = (theirs.fileno(), info_writer) if wrapped else (theirs.fileno(),)
            self._process = subprocess.Popen(
                [*wrap, *python],
                env=environment(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._noise,
                pass_fds=passed,
                # Ctrl-C is the caller's business; it ends the zygote in its own order.
                start_new_session=True,
                cwd="/",
            )
        finally:
            theirs.close()
            os.close(info_writer)
        try:
            if wrapped:
                self._inner_pid = _inner_process(info_reader)
                self._inner = os.pidfd_open(self._inner_pid)
            self.versions = self._greet(seccomp, landlock)
        except BaseException:
            self.kill()
            raise
        finally:
            os.close(info_reader)

    def _greet(self, seccomp: bytes, landlock: bool) -> dict[str, str]:
        settings = {"landlock": landlock, "readable": readable_paths()}
        try:
            send(self._control, settings, seccomp)
            answer, _ = receive(self._control, max_text=1 << 16, deadline=time.monotonic() + _START_TIMEOUT_S)
        except WireError as error:
            self._noise.seek(0)
            text = self._noise.read().decode(errors="replace").strip()[-500:]
            raise SandboxUnavailable(f"the sandbox's server did not start: {error}. {text}") from error
        if answer.get("ready") is not True:
            raise SandboxUnavailable(f"the sandbox's server did not start: {answer.get('error')}")
        return dict(answer["versions"])

    @property
    def pid(self) -> int:
        """Process number of the zygote, or of the first process of its namespace; all of the server dies with it."""
        return self._process.pid if self._inner_pid is None else self._inner_pid

    @property
    def alive(self) -> bool:
        """Whether the process is still there."""
        return self._process.poll() is None

    def open_slot(self) -> socket.socket:
        """Let the zygote fork a warden; return the socket to it. Raises `WireError` if the zygote is gone."""
        ours, theirs = socket.socketpair()
        try:
            self._control.settimeout(_FORK_TIMEOUT_S)
            socket.send_fds(self._control, [b"w"], [theirs.fileno()])
            answer = b""
            while len(answer) < 64:
                part = self._control.recv(64 - len(answer))
                if not part:
                    raise WireError("the zygote is gone")
                answer += part
        except OSError as error:
            ours.close()
            raise WireError(f"the zygote did not answer: {error}") from error
        finally:
            theirs.close()
        return ours

    def wait_if_ending(self) -> None:
        """Give a process that is just ending the moment it needs, so that `alive` tells the truth."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(timeout=_ENDING_S)

    def hang_up(self) -> None:
        """Close this process's copies of the descriptors and leave the zygote alone: for a fork of its starter."""
        self._control.close()
        if self._inner >= 0:
            os.close(self._inner)
            self._inner = -1

    def kill(self) -> None:
        """End the zygote and everything below it, at once."""
        self._control.close()
        if self._inner >= 0:
            # The first process of the namespace: the kernel ends all others with it.
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._inner, signal.SIGKILL)
            os.close(self._inner)
            self._inner = -1
            # bubblewrap's outer process ends by itself, and reaps the inner one only if it is left the time to.
            self.wait_if_ending()
        self._process.kill()
        self._process.wait()
        self._noise.close()


def _inner_process(info_reader: int) -> int:
    """Read the number of the namespace's first process from bubblewrap."""
    text = b""
    while b"}" not in text:
        part = os.read(info_reader, 4096)
        if not part:
            raise SandboxUnavailable(f"bubblewrap did not start; {BUBBLEWRAP_CURE}")
        text += part
    return int(json.loads(text)["child-pid"])

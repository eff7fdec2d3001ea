"""What happens to servers, wardens and callers over many runs and in unusual processes."""

from __future__ import annotations

import dataclasses
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import cad_sandbox.server
from cad_sandbox import CachingSandbox, Execution, Export, ForkServerSandbox, Limits, Outcome, SandboxUnavailable

ROOT = Path(__file__).parents[2]
BOX = "import cadquery as cq\nresult = cq.Workplane().box({0}, 1, 1)\n"
SMALL = Limits(wall_s=20, exports=frozenset({Export.BREP}))


@pytest.fixture(scope="module")
def own() -> Iterator[ForkServerSandbox]:
    with ForkServerSandbox(SMALL, workers=1) as made:
        yield made


def _line(sandbox: ForkServerSandbox) -> object:
    (slot,) = sandbox._state.slots
    return slot.sock


def test_a_warden_is_replaced_after_its_runs(
    own: ForkServerSandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cad_sandbox.server, "_RUNS_PER_WARDEN", 2)
    seen = []
    for edge in range(1, 6):
        assert own.run(BOX.format(edge), tmp_path).volume_mm3 == pytest.approx(edge)
        seen.append(_line(own))
    assert len({id(line) for line in seen}) == 3, "five runs of two a warden need three wardens"


@pytest.mark.parametrize(
    ("source", "outcome"),
    [("import ctypes\nctypes.string_at(1)\n", Outcome.CRASHED), ("import time\ntime.sleep(9)\n", Outcome.TIMED_OUT)],
)
def test_a_warden_is_replaced_after_an_anomaly(
    source: str, outcome: Outcome, own: ForkServerSandbox, tmp_path: Path
) -> None:
    own.run(BOX.format(1), tmp_path)
    before = _line(own)
    assert own.run("1 / 0\n", tmp_path).outcome is Outcome.RAISED
    assert _line(own) is before, "a program's own mistake is no anomaly"
    assert own.run(source, tmp_path, limits=dataclasses.replace(SMALL, wall_s=3)).outcome is outcome
    assert _line(own) is not before
    assert own.run(BOX.format(2), tmp_path).volume_mm3 == pytest.approx(2)


def test_a_second_start_is_told(own: ForkServerSandbox, tmp_path: Path) -> None:
    assert own.run(BOX.format(1), tmp_path).starts == 1
    spool = own._state.root / "spool"
    with ThreadPoolExecutor(1) as pool:
        job = pool.submit(own.run, "import time\ntime.sleep(2)\n" + BOX.format(3), tmp_path)
        while not list(spool.glob("[0-9]*")):
            time.sleep(0.01)
        zygote = own._state.zygote
        assert zygote is not None
        os.kill(zygote.pid, signal.SIGKILL)
        execution = job.result()
    assert execution.starts == 2 and execution.volume_mm3 == pytest.approx(3), execution.message


def test_a_full_disk_for_the_folders_is_the_machines_fault(own: ForkServerSandbox, tmp_path: Path) -> None:
    spool = own._state.root / "spool"
    spool.rename(own._state.root / "gone")
    try:
        with pytest.raises(SandboxUnavailable, match="set TMPDIR"):
            own.run(BOX.format(1), tmp_path)
    finally:
        (own._state.root / "gone").rename(spool)
    assert own.run(BOX.format(1), tmp_path).built


def test_a_fork_can_let_go_while_the_lock_is_held(own: ForkServerSandbox) -> None:
    """Another thread may be starting a server at the moment of a fork; closing in the fork must not wait for it."""
    with own._lock:
        pid = os.fork()
        if pid == 0:
            own.close()
            os._exit(0)
        deadline = time.monotonic() + 20
        while os.waitpid(pid, os.WNOHANG) == (0, 0):
            if time.monotonic() > deadline:
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
                pytest.fail("the fork waits for a lock that nobody in it holds")
            time.sleep(0.02)


_FORK_AND_DIE = """
import os, sys, time
from cad_sandbox import ForkServerSandbox
sandbox = ForkServerSandbox(workers=1)
child = os.fork()
if child == 0:
    os.close(1)
    time.sleep(60)
    os._exit(0)
print(sandbox._state.zygote.pid, child, flush=True)
os.kill(os.getpid(), 9)
"""


def test_a_forks_copies_do_not_keep_the_server_alive() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _FORK_AND_DIE],
        env={**os.environ, "PYTHONPATH": str(ROOT / "sandbox")},
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    server, child = map(int, done.stdout.split())
    try:
        deadline = time.monotonic() + 20
        while os.path.exists(f"/proc/{server}") and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not os.path.exists(f"/proc/{server}")
    finally:
        os.kill(child, signal.SIGKILL)


_LIKE_A_WORKER = """
import os, signal, socket, sys, tempfile, threading, time
from pathlib import Path
# Threads that poll, handlers and wake-up descriptors of its own, children ignored, a busy environment.
signal.signal(signal.SIGCHLD, signal.SIG_DFL)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
keep = socket.socketpair()
for _ in range(8):
    threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
os.environ.update(RAY_ADDRESS="x", AWS_SECRET_ACCESS_KEY="x", LD_PRELOAD="", PYTHONSTARTUP="/nowhere", PYTHONHOME="")
os.environ["PYTHONPATH"] = "/nowhere"
told = []

def work():
    from cad_sandbox import ForkServerSandbox
    with ForkServerSandbox(workers=2) as sandbox, tempfile.TemporaryDirectory() as folder:
        execution = sandbox.run("import os\\nprint(sorted(os.environ))\\nimport cadquery as cq\\n"
                                "result = cq.Workplane().box(1, 2, 3)", Path(folder))
        told.append((str(execution.outcome), execution.volume_mm3, "AWS" in execution.log or "RAY" in execution.log))

thread = threading.Thread(target=work)
thread.start()
thread.join()
print(*told[0])
os._exit(0)
"""


def _run(code: str, user: int | None = None) -> str:
    with tempfile.TemporaryDirectory() as home:
        os.chmod(home, 0o777)
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONPATH": str(ROOT / "sandbox"), "HOME": home, "TMPDIR": home},
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            **({} if user is None else {"user": user, "group": user, "extra_groups": []}),
        )
    return done.stdout.strip() or done.stderr[-2000:]


def test_works_in_a_thread_of_a_busy_process() -> None:
    """As in a worker of a job scheduler: not the main thread, other threads running, secrets in the environment."""
    assert _run(_LIKE_A_WORKER).split() == ["built", "6.0", "False"]


def test_a_cache_runs_the_same_program_once(own: ForkServerSandbox, tmp_path: Path) -> None:
    cached = CachingSandbox(_Counting(own))
    first = cached.run(BOX.format(1), tmp_path / "1")
    again = cached.run(BOX.format(1), tmp_path / "2")
    assert first.brep is not None and again.brep == tmp_path / "2" / "part.brep"
    assert again.brep.read_bytes() == first.brep.read_bytes()
    assert dataclasses.replace(again, seconds=0.0, brep=None) == dataclasses.replace(first, seconds=0.0, brep=None)
    assert cached.hits == 1
    first.brep.write_bytes(b"spoiled by its owner")
    assert cached.run(BOX.format(1), tmp_path / "3").brep.read_bytes() == again.brep.read_bytes()  # type: ignore[union-attr]
    assert cached.run(BOX.format(2), tmp_path / "4").volume_mm3 == pytest.approx(2)
    other = dataclasses.replace(SMALL, memory_mb=3000)
    assert cached.run(BOX.format(1), tmp_path / "5", limits=other).built
    assert cached.hits == 2, "another program and other limits are asked about anew"
    root = cached._root
    assert root.exists()
    cached.close()
    assert not root.exists()


class _Counting:
    """Counts what it is asked and keeps the sandbox that it asks open."""

    def __init__(self, inner: ForkServerSandbox | None, outcome: Outcome = Outcome.RAISED) -> None:
        self.inner, self.outcome, self.asked = inner, outcome, 0

    def run(self, source: str, folder: Path, /, *, limits: Limits | None = None) -> Execution:
        self.asked += 1
        return Execution(outcome=self.outcome) if self.inner is None else self.inner.run(source, folder, limits=limits)

    def close(self) -> None: ...


@pytest.mark.parametrize(
    ("outcome", "asked"),
    [(Outcome.RAISED, 1), (Outcome.NO_SOLID, 1), (Outcome.TIMED_OUT, 2), (Outcome.OUT_OF_MEMORY, 2), (Outcome.LOST, 2)],
)
def test_a_cache_keeps_only_what_lasts(outcome: Outcome, asked: int, tmp_path: Path) -> None:
    inner = _Counting(None, outcome)
    with CachingSandbox(inner) as cached:
        for _ in range(2):
            assert cached.run("x", tmp_path).outcome is outcome
    assert inner.asked == asked


def test_a_cache_forgets_the_oldest(tmp_path: Path) -> None:
    inner = _Counting(None)
    with CachingSandbox(inner, entries=2) as cached:
        for source in ("a", "b", "a", "c", "a", "b"):
            cached.run(source, tmp_path)
    assert inner.asked == 4, "b, used least recently, was forgotten for c"


@pytest.mark.parametrize(
    "wrong",
    [{"wall_s": 0}, {"wall_s": float("nan")}, {"cpu_s": -1}, {"memory_mb": 0}, {"log_kb": 10**6}, {"deflection": 0}],
)
def test_limits_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Limits(**wrong)  # type: ignore[arg-type]


_AS_NOBODY = """
import os, tempfile
from pathlib import Path
from cad_sandbox import ForkServerSandbox
assert os.getresuid() == (65534,) * 3
with ForkServerSandbox(workers=1) as sandbox, tempfile.TemporaryDirectory() as folder:
    execution = sandbox.run("import cadquery as cq\\nresult = cq.Workplane().box(1, 2, 3)", Path(folder))
    print(execution.outcome, execution.volume_mm3, set(sandbox.self_test().values()))
"""


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become another user")
def test_runs_as_a_true_other_user() -> None:
    """Not root in a namespace of its own but another user of the machine."""
    if subprocess.run(["/usr/bin/test", "-x", sys.executable], user=65534, check=False).returncode != 0:
        pytest.skip("this interpreter lies where another user can't read it")
    assert _run(_AS_NOBODY, user=65534).split() == ["built", "6.0", "{'held'}"]


def test_threads_share_one_sandbox(own: ForkServerSandbox, tmp_path: Path) -> None:
    """More callers than workers, good programs and bad ones mixed: each gets its own answer."""
    barrier = threading.Barrier(6)

    def work(number: int) -> tuple[Outcome, float | None]:
        barrier.wait()
        source = BOX.format(number) if number % 2 else f"raise ValueError('{number}')"
        execution = own.run(source, tmp_path / str(number))
        assert execution.built or f"ValueError: {number}" in execution.message
        return execution.outcome, execution.volume_mm3

    with ThreadPoolExecutor(6) as pool:
        told = list(pool.map(work, range(6)))
    assert [volume and round(volume, 6) for _, volume in told] == [None, 1, None, 3, None, 5]


def test_only_private_memory_is_gathered() -> None:
    from cad_sandbox.huge_pages import _private_memory, gather_memory

    maps = (
        "400000-401000 r-xp 00000000 fe:00 7 /usr/bin/python\n"
        "401000-801000 rw-p 00000000 fe:00 7 /usr/bin/python with spaces\n"
        "1000000-1800000 rw-p 00000000 00:00 0 [heap]\n"
        "2000000-2400000 rw-p 00000000 00:00 0\n"
        "3000000-3400000 rw-s 00000000 00:01 9 /dev/zero (deleted)\n"
        "4000000-4400000 r--p 00000000 00:00 0\n"
        "7ff0000000-7ff0400000 rw-p 00000000 00:00 0 [stack]\n"
    )
    assert list(_private_memory(maps)) == [(0x1000000, 0x1800000), (0x2000000, 0x2400000)]
    kept = bytearray(range(256)) * (1 << 16)
    assert gather_memory() >= 0
    assert kept == bytearray(range(256)) * (1 << 16)


def test_threads_and_size_are_read_whatever_a_process_is_called() -> None:
    from cad_sandbox.child import _size_and_threads

    name = Path("/proc/self/comm")
    before = name.read_text().strip()
    name.write_text("a) S 1 2 (3")
    try:
        size_mb, threads = _size_and_threads(os.getpid())
    finally:
        name.write_text(before)
    assert threads == len(os.listdir("/proc/self/task"))
    assert size_mb == pytest.approx(int(Path("/proc/self/statm").read_text().split()[0]) * 4096 / 2**20, rel=0.1)
    assert _size_and_threads(2**22 + 1) == (0.0, 0)

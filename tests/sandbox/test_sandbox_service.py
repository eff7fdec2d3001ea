from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cad_sandbox import Execution, Export, ForkServerSandbox, Limits, Outcome, SandboxUnavailable

ROOT = Path(__file__).parents[2]
BOX = "import cadquery as cq\nresult = cq.Workplane().box({0}, 1, 1)\n"
SMALL = Limits(wall_s=20, exports=frozenset({Export.BREP}))


@pytest.fixture(scope="module")
def own() -> Iterator[ForkServerSandbox]:
    """A sandbox that tests of this module may mistreat."""
    with ForkServerSandbox(SMALL, workers=2) as made:
        yield made


def _server_pid(sandbox: ForkServerSandbox) -> int:
    zygote = sandbox._state.zygote
    assert zygote is not None
    return zygote.pid


def test_exports_what_is_asked_for(own: ForkServerSandbox, tmp_path: Path) -> None:
    for export, name in ((Export.BREP, "part.brep"), (Export.STEP, "part.step"), (Export.STL, "part.stl")):
        folder = tmp_path / export
        execution = own.run(BOX.format(2), folder, limits=Limits(exports=frozenset({export})))
        assert execution.built, execution.message
        assert [path.name for path in folder.iterdir()] == [name]
    assert own.run(BOX.format(2), tmp_path / "none", limits=Limits(exports=frozenset())).volume_mm3 == pytest.approx(2)


def test_a_killed_server_costs_no_program(own: ForkServerSandbox, tmp_path: Path) -> None:
    """Kill -9 in the middle of work: every program is accounted for, and the next server takes over."""
    before = _server_pid(own)
    spool = own._state.root / "spool"
    seen = set(spool.glob("[0-9]*"))

    def work(number: int) -> Execution:
        return own.run("sum(range(10_000_000))\n" + BOX.format(number), tmp_path / str(number))

    with ThreadPoolExecutor(2) as pool:
        jobs = [pool.submit(work, number) for number in range(1, 6)]
        while not set(spool.glob("[0-9]*")) - seen:
            time.sleep(0.01)
        os.kill(before, signal.SIGKILL)
        # One comes after the kill, however fast the others were.
        jobs.append(pool.submit(work, 6))
        executions = [job.result() for job in jobs]
    assert [e.outcome for e in executions] == [Outcome.BUILT] * 6
    assert [round(e.volume_mm3 or 0, 6) for e in executions] == [1, 2, 3, 4, 5, 6]
    assert _server_pid(own) != before


@pytest.mark.slow
def test_a_program_that_outlives_two_servers_is_lost(own: ForkServerSandbox, tmp_path: Path) -> None:
    spool = own._state.root / "spool"
    seen = {path.name for path in spool.glob("[0-9]*")}
    killed: set[int] = set()
    with ThreadPoolExecutor(1) as pool:
        job = pool.submit(own.run, "while True: pass", tmp_path)
        while not job.done():
            running = {path.name for path in spool.glob("[0-9]*")} - seen
            if running and len(killed) < 2:
                time.sleep(0.2)
                seen |= running
                killed.add(_server_pid(own))
                os.kill(_server_pid(own), signal.SIGKILL)
            time.sleep(0.02)
    assert job.result().outcome is Outcome.LOST
    assert len(killed) == 2
    assert own.run(BOX.format(1), tmp_path).built


def _family(root: int) -> list[int]:
    """Process numbers of `root` and all its descendants, from /proc."""
    parents = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            parents[int(name)] = int(Path(f"/proc/{name}/stat").read_text().rsplit(")", 1)[1].split()[1])
        except OSError:
            continue
    found = [root]
    for pid in found:
        found += [child for child, parent in parents.items() if parent == pid]
    return found


@pytest.mark.slow
def test_a_server_that_stops_answering_is_replaced(
    own: ForkServerSandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import cad_sandbox.server

    assert own.run(BOX.format(1), tmp_path).built
    before = _server_pid(own)
    for pid in _family(before):
        os.kill(pid, signal.SIGSTOP)
    monkeypatch.setattr(cad_sandbox.server, "_GRACE_S", 0.5)
    execution = own.run(BOX.format(2), tmp_path, limits=Limits(wall_s=5, exports=frozenset({Export.BREP})))
    assert execution.volume_mm3 == pytest.approx(2), execution.message
    assert _server_pid(own) != before


def test_the_product_has_a_name(own: ForkServerSandbox, tmp_path: Path) -> None:
    limits = Limits(exports=frozenset({Export.STEP}))
    names = {"part": "part", "bracket 7": "bracket 7", "Jörg's, (x) 'y'": "J_rg''s, (x) ''y''", "": "part"}
    for name, written in names.items():
        execution = own.run(BOX.format(1), tmp_path, limits=limits, product=name)
        assert execution.built and execution.step is not None, execution.message
        text = execution.step.read_bytes().decode("ascii")
        assert "1970-01-01T00:00:00" in text
        assert f"PRODUCT('{written}','{written}'," in text


def test_closing_ends_running_programs(tmp_path: Path) -> None:
    with ThreadPoolExecutor(2) as pool, ForkServerSandbox(SMALL, workers=1) as sandbox:
        jobs = [pool.submit(sandbox.run, "while True: pass", tmp_path) for _ in range(2)]
        spool = sandbox._state.root / "spool"
        while not list(spool.glob("[0-9]*")):
            time.sleep(0.02)
        sandbox.close()
        for job in jobs:
            with pytest.raises(SandboxUnavailable, match="closed"):
                job.result(timeout=30)


def test_limits_of_one_run(own: ForkServerSandbox, tmp_path: Path) -> None:
    started = time.monotonic()
    execution = own.run("while True:\n    pass\n", tmp_path, limits=Limits(wall_s=0.7))
    assert execution.outcome is Outcome.TIMED_OUT
    assert "0.7 s" in execution.message and "in Python" in execution.message and execution.line in (1, 2)
    assert time.monotonic() - started < 10
    execution = own.run("import time\nwhile True: pass", tmp_path, limits=Limits(cpu_s=1))
    assert execution.outcome is Outcome.TIMED_OUT and "processor time" in execution.message
    execution = own.run("x = bytearray(900 << 20)\n" + BOX.format(1), tmp_path, limits=Limits(memory_mb=1500))
    assert execution.outcome is Outcome.OUT_OF_MEMORY


def test_cpp_is_told_from_python(own: ForkServerSandbox, tmp_path: Path) -> None:
    """Native code that never comes back to the interpreter, as OCC's does."""
    execution = own.run("x = 1\ny = 2\nz = sum(range(10**13))\n", tmp_path, limits=Limits(wall_s=1))
    assert execution.outcome is Outcome.TIMED_OUT
    assert "in C++" in execution.message and execution.line == 3


def test_large_files_are_refused(own: ForkServerSandbox, tmp_path: Path) -> None:
    torus = "import cadquery as cq\nresult = cq.Solid.makeTorus(10, 3)\n"
    boxes = (
        "import cadquery as cq\n"
        "result = [cq.Solid.makeBox(1 + k / 1000, 1, 1, cq.Vector(3 * k, 0, 0)) for k in range(450)]\n"
    )
    for source, export in ((torus, Export.STL), (boxes, Export.STEP), (boxes, Export.BREP)):
        execution = own.run(source, tmp_path, limits=Limits(file_mb=1, exports=frozenset({export})))
        assert execution.outcome is Outcome.REFUSED, (export, execution.message)
        assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_not_the_programs_fault(
    own: ForkServerSandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import cad_sandbox.server

    def full(*_: object, **__: object) -> tuple[dict[str, object], bytes]:
        return {"outcome": "lost", "message": "[Errno 28] No space left", "log": "", "seconds": 1}, b""

    with monkeypatch.context() as patch:
        patch.setattr(cad_sandbox.server, "receive", full)
        with pytest.raises(SandboxUnavailable, match="No space left"):
            own.run(BOX.format(1), tmp_path)
    assert own.run(BOX.format(2), tmp_path).volume_mm3 == pytest.approx(2)


def test_the_log_keeps_both_ends(own: ForkServerSandbox, tmp_path: Path) -> None:
    source = "import sys\nprint('first')\nfor i in range(30000): print('x' * 20)\nprint('last', file=sys.stderr)\n1/0"
    execution = own.run(source, tmp_path)
    assert execution.outcome is Outcome.RAISED
    assert execution.log.startswith("first") and execution.log.rstrip().endswith("last")
    assert "bytes left out" in execution.log and len(execution.log) <= (SMALL.log_kb << 10)


def test_large_texts(own: ForkServerSandbox, tmp_path: Path) -> None:
    table = ", ".join(f"({i}.25, {i}.5, -{i}.125)" for i in range(100_000))
    execution = own.run(f"POINTS = [{table}]\nassert len(POINTS) == 100_000\n" + BOX.format(3), tmp_path)
    assert execution.built, execution.message
    assert own.run("x = '" + "\ud800" + "'", tmp_path).outcome is Outcome.SYNTAX_ERROR


def test_nothing_is_left_over(tmp_path: Path) -> None:
    before = set(os.listdir("/proc/self/fd"))
    with ForkServerSandbox(SMALL, workers=2) as sandbox:
        root = sandbox._state.root
        for number in range(1, 6):
            assert sandbox.run(BOX.format(number), tmp_path).built
        sandbox.run("raise SystemExit(3)", tmp_path)
        spool = root / "spool"
        assert sorted(path.name for path in spool.iterdir()) == ["canary"]
        pid = _server_pid(sandbox)
    assert not root.exists()
    assert set(os.listdir("/proc/self/fd")) <= before
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    with pytest.raises(SandboxUnavailable, match="closed"):
        sandbox.run(BOX.format(1), tmp_path)
    sandbox.close()


def test_only_abandoned_folders_are_swept(tmp_path: Path) -> None:
    from cad_sandbox.holdings import sweep

    for name in ("cad-sandbox-old", "cad-sandbox-alive", "cad-sandbox-young", "other"):
        (tmp_path / name / "spool").mkdir(parents=True)
    (tmp_path / "cad-sandbox-alive" / "spool" / "canary").write_text("x")
    for name in ("cad-sandbox-old", "cad-sandbox-alive", "other"):
        os.utime(tmp_path / name, (0, 0))
    sweep(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cad-sandbox-alive", "cad-sandbox-young", "other"]


_ABANDON = """
import os, sys
from cad_sandbox import ForkServerSandbox
sandbox = ForkServerSandbox(workers=1)
print(sandbox._state.zygote.pid, sandbox._state.root, flush=True)
{end}
"""


@pytest.mark.parametrize(
    "end",
    [
        pytest.param("sys.exit(0)", id="exit", marks=pytest.mark.slow),
        pytest.param("os.kill(os.getpid(), 9)", id="killed"),
    ],
)
def test_the_server_ends_with_its_caller(end: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _ABANDON.format(end=end)],
        env={**os.environ, "PYTHONPATH": str(ROOT / "sandbox")},
        capture_output=True,
        text=True,
        check=False,
    )
    pid, root = done.stdout.split()
    deadline = time.monotonic() + 10
    while os.path.exists(f"/proc/{pid}") and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not os.path.exists(f"/proc/{pid}")
    while os.path.exists(f"{root}/spool/canary") and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not os.path.exists(f"{root}/spool/canary")


def _try_in_fork(sandbox: ForkServerSandbox, answer: multiprocessing.connection.Connection) -> None:
    try:
        sandbox.run(BOX.format(1), Path(tempfile.gettempdir()))
    except SandboxUnavailable as error:
        answer.send_bytes(str(error).encode())
    else:
        answer.send_bytes(b"ran")
    sandbox.close()


def test_a_forked_process_does_not_disturb(own: ForkServerSandbox, tmp_path: Path) -> None:
    """A fork of the caller shares its sockets; it must neither use nor close them."""
    ours, theirs = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(target=_try_in_fork, args=(own, theirs))
    process.start()
    process.join(20)
    assert b"another process" in ours.recv_bytes()
    assert own.run(BOX.format(4), tmp_path).volume_mm3 == pytest.approx(4)


def test_an_interrupted_run_leaves_a_working_sandbox(
    own: ForkServerSandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import cad_sandbox.server

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(cad_sandbox.server, "receive", interrupt)
        for _ in range(3):
            with pytest.raises(KeyboardInterrupt):
                own.run("import time; time.sleep(60)", tmp_path)
    started = time.monotonic()
    assert own.run(BOX.format(5), tmp_path).volume_mm3 == pytest.approx(5)
    assert time.monotonic() - started < 15

"""Measures the sandbox: speed against a fresh interpreter in the same run, the price of each wall, and endurance.

    python benchmarks/sandbox_throughput.py                 speed and walls
    python benchmarks/sandbox_throughput.py --soak 1000     descriptors, zombies, files and memory over many runs
    python benchmarks/sandbox_throughput.py --fuzz 500      mutated B-reps into the validating stage
    python benchmarks/sandbox_throughput.py --kill 100      kill -9 of the server again and again

Processor time is what to compare: wall time depends on what else the machine does.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cad_sandbox import Export, ForkServerSandbox, Limits, Outcome
from cad_sandbox.launch import readable_paths
from cad_sandbox.lockdown import Walls, file_rules, lock_down
from cad_sandbox.syscalls import build_filter

PROGRAM = "import cadquery as cq\nresult = cq.Workplane().box(10, 20, 30).faces('>Z').workplane().hole(4)\n"
FRESH = PROGRAM + (
    "shape = result.val()\nassert shape.isValid() and shape.Volume() > 0\n"
    "cq.exporters.export(result, 'part.step')\ncq.exporters.export(result, 'part.stl')\n"
)
MUTATED = """
import cadquery as cq, io, json, os, random, stat, struct
from OCP.BinTools import BinTools
stream = io.BytesIO()
BinTools.Write_s(cq.Workplane().box(1, 2, 3).edges('|Z').fillet(0.2).val().wrapped, stream)
data = bytearray(stream.getvalue())
chance = random.Random({seed})
for _ in range(chance.choice((1, 2, 8, 40))):
    how, place = chance.randrange(3), chance.randrange(100, len(data))
    if how == 0: data[place] = chance.randrange(256)
    elif how == 1: data[place:place + 8] = struct.pack('<d', chance.choice((float('nan'), 1e300, -1.0, 0.0)))
    else: del data[place:place + chance.choice((1, 4, 64))]
for number in range(3, 64):
    try:
        if not stat.S_ISFIFO(os.fstat(number).st_mode): continue
        for kind, text in ((4, bytes(data)), (3, json.dumps({{'outcome': 'built', 'rule': 'forged'}}).encode())):
            os.write(number, struct.pack('!BQ', kind, len(text)) + text)
        break
    except OSError: pass
os._exit(0)
"""
STEP_AND_STL = Limits(exports=frozenset({Export.STEP, Export.STL}))


def family(root: int) -> list[int]:
    """Process numbers of `root` and all its descendants."""
    children: dict[int, list[int]] = collections.defaultdict(list)
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                fields = Path(f"/proc/{name}/stat").read_text().rsplit(")", 1)[1].split()
            except OSError:
                continue
            children[int(fields[1])].append(int(name))
    found = [root]
    for pid in found:
        found += children[pid]
    return found


def cpu_seconds(pids: list[int]) -> float:
    """Processor time of `pids` and of the children they have reaped."""
    total = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
        total += sum(map(int, fields[11:15]))
    return total / os.sysconf("SC_CLK_TCK")


def state(sandbox: ForkServerSandbox, pid: int) -> dict[str, int]:
    """Count what could leak."""
    pids = family(pid)
    status = [Path(f"/proc/{p}/status").read_text() for p in pids]
    return {
        "descriptors": len(os.listdir("/proc/self/fd")),
        "server_descriptors": sum(len(os.listdir(f"/proc/{p}/fd")) for p in pids),
        "processes": len(pids),
        "zombies": sum("\nState:\tZ" in text for text in status),
        "files": sum(1 for _ in sandbox._state.root.rglob("*")),
        "server_private_mb": sum(
            int(line.split()[1]) for text in status for line in text.splitlines() if line.startswith("RssAnon")
        )
        >> 10,
        "caller_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10,
    }


def server_pid(sandbox: ForkServerSandbox) -> int:
    """Process number of the sandbox's server."""
    assert sandbox._state.zygote is not None
    return sandbox._state.zygote.pid


def speed(runs: int) -> dict[str, float]:
    """Compare warm two-stage runs with fresh, unprotected interpreters doing the same work."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        walls = []
        for _ in range(max(2, runs // 10)):
            started = time.perf_counter()
            subprocess.run([sys.executable, "-c", FRESH], cwd=folder, check=True)
            walls.append(time.perf_counter() - started)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        fresh_cpu = (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / len(walls)
        started = time.perf_counter()
        with ForkServerSandbox(STEP_AND_STL, workers=1) as sandbox:
            start_s = time.perf_counter() - started
            figures = {
                "start_s": start_s,
                "fresh_cpu_ms": 1e3 * fresh_cpu,
                "fresh_wall_ms": 1e3 * statistics.median(walls),
            }
            for label, limits in (("step_stl", STEP_AND_STL), ("all_exports", Limits()), ("brep", _only(Export.BREP))):
                sandbox.run(PROGRAM, folder, limits=limits)
                pids = family(server_pid(sandbox))
                used, own = cpu_seconds(pids), time.process_time()
                times = []
                for _ in range(runs):
                    started = time.perf_counter()
                    assert sandbox.run(PROGRAM, folder, limits=limits).built
                    times.append(time.perf_counter() - started)
                cpu = (cpu_seconds(pids) - used + time.process_time() - own) / runs
                figures |= {
                    f"{label}_cpu_ms": 1e3 * cpu,
                    f"{label}_wall_ms": 1e3 * statistics.median(times),
                    f"{label}_per_second_per_core": 1 / cpu,
                }
            figures["cpu_ratio_fresh_to_two_stage"] = figures["fresh_cpu_ms"] / figures["step_stl_cpu_ms"]
    return figures


def _only(export: Export) -> Limits:
    return Limits(exports=frozenset({export}))


def walls(runs: int = 15) -> dict[str, float]:
    """Measure what locking down costs inside a child, in ms, wall by wall."""
    program = build_filter()
    kinds = {
        "limits": Walls(),
        "limits+landlock": Walls(landlock=True, readable=readable_paths()),
        "limits+seccomp": Walls(seccomp=program),
        "all": Walls(seccomp=program, landlock=True, readable=readable_paths()),
    }
    return {name: 1e3 * statistics.median(_lock_time(kind) for _ in range(runs)) for name, kind in kinds.items()}


def _lock_time(kind: Walls) -> float:
    reader, writer = os.pipe()
    parent = os.getpid()
    rules = file_rules(kind)
    if os.fork() == 0:
        try:
            started = time.perf_counter()
            lock_down(kind, rules=rules, parent_pid=parent, keep=(writer,), memory_mb=4096, cpu_s=9, file_mb=9)
            os.write(writer, str(time.perf_counter() - started).encode())
        finally:
            os._exit(0)
    os.close(writer)
    os.wait()
    if rules is not None:
        rules.close()
    with open(reader, "rb") as file:
        return float(file.read())


def soak(runs: int) -> dict[str, object]:
    """Run many programs, good and bad, and count what could leak before and after."""
    mixture = (PROGRAM, "1/0", "import ctypes; ctypes.string_at(1)", "import os; os._exit(0)", "x = 1", "def f(:")
    with tempfile.TemporaryDirectory() as name, ForkServerSandbox(_only(Export.BREP), workers=2) as sandbox:
        outcomes: collections.Counter[str] = collections.Counter()

        def work(number: int) -> None:
            outcomes[sandbox.run(mixture[number % len(mixture)], Path(name) / str(number % 2)).outcome] += 1

        def all_of(numbers: range) -> dict[str, int]:
            with ThreadPoolExecutor(2) as pool:
                list(pool.map(work, numbers))
            return state(sandbox, server_pid(sandbox))

        # The pools' own threads and the slots' sockets exist from the first round on.
        before = all_of(range(24))
        after = all_of(range(24, runs))
        return {"runs": runs, "outcomes": dict(outcomes), "before": before, "after": after}


def fuzz(runs: int) -> dict[str, object]:
    """Feed mutated B-reps to the validating stage; the server must stay the same process throughout."""
    with tempfile.TemporaryDirectory() as name, ForkServerSandbox(Limits(wall_s=10), workers=2) as sandbox:
        pid = server_pid(sandbox)
        with ThreadPoolExecutor(2) as pool:
            jobs = [pool.submit(sandbox.run, MUTATED.format(seed=k), Path(name) / str(k)) for k in range(runs)]
            outcomes = collections.Counter(str(job.result().outcome) for job in jobs)
        healthy = sandbox.run(PROGRAM, Path(name)).built
        return {
            "runs": runs,
            "outcomes": dict(outcomes),
            "server_survived": server_pid(sandbox) == pid,
            "healthy": healthy,
        }


def kill(runs: int) -> dict[str, object]:
    """Kill the server ten times in the middle of programs; every run must be accounted for."""
    with tempfile.TemporaryDirectory() as name, ForkServerSandbox(_only(Export.BREP), workers=2) as sandbox:
        spool = sandbox._state.root / "spool"
        kills = 0
        # By the count of finished runs, not by the clock: a slow machine must get on between two kills.
        with ThreadPoolExecutor(2) as pool:
            jobs = [pool.submit(sandbox.run, PROGRAM, Path(name) / str(k)) for k in range(runs)]
            for number in range(0, runs, max(1, runs // 10)):
                jobs[number].result()
                while not list(spool.glob("[0-9]*")) and not all(job.done() for job in jobs):
                    time.sleep(0.001)
                zygote = sandbox._state.zygote
                if zygote is not None and zygote.alive:
                    os.kill(zygote.pid, signal.SIGKILL)
                    kills += 1
            executions = [job.result() for job in jobs]
        outcomes = collections.Counter(str(execution.outcome) for execution in executions)
        accounted = sum(outcomes.values()) == runs and set(outcomes) <= {Outcome.BUILT.value, Outcome.LOST.value}
        twice = sum(execution.starts > 1 for execution in executions)
        return {
            "runs": runs,
            "kills": kills,
            "outcomes": dict(outcomes),
            "started_twice": twice,
            "all_accounted_for": accounted,
        }


def main() -> None:
    """Run what was asked for and print one JSON object a measurement."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=40, help="programs for the speed figures")
    for name in ("soak", "fuzz", "kill"):
        parser.add_argument(f"--{name}", type=int, metavar="N", help=f"only: {name} with N runs")
    arguments = parser.parse_args()
    tasks: dict[str, Callable[[], object]] = {
        name: (lambda act=act, n=n: act(n))
        for name, act, n in (
            ("soak", soak, arguments.soak),
            ("fuzz", fuzz, arguments.fuzz),
            ("kill", kill, arguments.kill),
        )
        if n
    } or {"speed": lambda: speed(arguments.runs), "walls_ms": walls}
    for name, task in tasks.items():
        result = task()
        print(json.dumps({name: result}, indent=2, default=str))


if __name__ == "__main__":
    main()

"""Serves one slot: takes a program, leads it through both stages, answers, and waits for the next.

A warden is a fork of the zygote and single-threaded like it. It holds the bytes of programs and shapes but never looks
into them; all it parses is the frames of its own children and the caller's requests.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from pathlib import Path
from typing import Any

from cad_sandbox.child import CallerGone, ChildEnd, run_child
from cad_sandbox.endings import OF_PROGRAM, OF_VALIDATION, read_stage
from cad_sandbox.execution import Export, Outcome
from cad_sandbox.lockdown import Walls, die_with_parent, file_rules, lock_down
from cad_sandbox.program_stage import run_program
from cad_sandbox.validating_stage import validate_and_write
from cad_sandbox.wire import MAX_SOURCE_BYTES, WireError, receive, send

__all__ = ["serve"]

_MAX_TEXT = 1 << 16
_MESSAGE_CHARACTERS = 2000


def serve(caller: socket.socket, *, zygote_pid: int, spool: Path, walls: Walls) -> None:
    """Answer requests on `caller` until it hangs up."""
    die_with_parent(zygote_pid)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(WireError, CallerGone):
        rules = file_rules(walls)
        while True:
            request, source = receive(caller, max_text=_MAX_TEXT, max_blob=MAX_SOURCE_BYTES)
            if request["job"] == "self-test":
                from cad_sandbox.self_test import run_self_test

                reply = run_self_test(request, walls=walls, spool=spool, caller=caller)
            else:
                reply = _run(request, source, caller=caller, spool=spool, walls=walls, rules=rules)
            source[:] = bytes(len(source))
            send(caller, reply)


def _run(
    request: dict[str, Any], source: bytearray, *, caller: socket.socket, spool: Path, walls: Walls, rules: Any
) -> dict[str, Any]:
    started = time.monotonic()
    wall_s, cpu_s, memory_mb = float(request["wall_s"]), float(request["cpu_s"]), int(request["memory_mb"])
    log_bytes, file_mb = int(request["log_kb"]) << 10, int(request["file_mb"])
    deadline = started + wall_s
    folder, scratch = spool / str(request["folder"]), spool / str(request["scratch"])
    own_pid = os.getpid()

    def first(pipe: int, trace: int) -> None:
        os.environ["HOME"] = str(scratch)
        os.chdir(scratch)
        lock_down(
            walls,
            rules=rules,
            parent_pid=own_pid,
            keep=(pipe, trace),
            memory_mb=memory_mb,
            cpu_s=cpu_s,
            file_mb=file_mb,
        )
        run_program(bytes(source), pipe=pipe, trace=trace, log_bytes=log_bytes)

    end = run_child(
        first,
        deadline=deadline,
        max_bytes=(int(request["brep_mb"]) << 20) + 16 * log_bytes + (2 << 20),
        caller=caller,
    )
    result = read_stage(
        end, may_report=OF_PROGRAM, memory_mb=memory_mb, cpu_s=cpu_s, wall_s=wall_s, log_bytes=log_bytes
    )
    reply = _text_fields(result.report)
    shape = result.shape
    if reply["outcome"] == Outcome.BUILT.value and shape is None:
        reply = {**reply, "outcome": Outcome.CRASHED.value, "message": "the process ended without handing over a shape"}
    elif reply["outcome"] == Outcome.BUILT.value and shape is not None:
        if len(shape) > int(request["brep_mb"]) << 20:
            reply["outcome"] = Outcome.REFUSED.value
            reply["message"] = f"the shape has {len(shape) >> 20} MB as B-rep, the limit is {request['brep_mb']} MB"
        else:
            second = _validate(request, shape, caller=caller, folder=folder, walls=walls, deadline=deadline, used=end)
            reply = {**second, "rule": reply["rule"]}
    _forget(end, result)
    reply["log"] = result.log.decode(errors="replace")
    reply["seconds"] = time.monotonic() - started
    return reply


def _validate(
    request: dict[str, Any],
    shape: memoryview,
    *,
    caller: socket.socket,
    folder: Path,
    walls: Walls,
    deadline: float,
    used: ChildEnd,
) -> dict[str, Any]:
    own_pid = os.getpid()
    memory_mb, wall_s = int(request["memory_mb"]), float(request["wall_s"])
    cpu_s = max(1.0, float(request["cpu_s"]) - used.cpu_s)
    exports = frozenset(map(Export, request["exports"]))
    rules = file_rules(walls, str(folder))

    def second(pipe: int, trace: int) -> None:
        os.close(trace)
        os.chdir(folder)
        lock_down(
            walls,
            rules=rules,
            parent_pid=own_pid,
            keep=(pipe,),
            memory_mb=memory_mb,
            cpu_s=cpu_s,
            file_mb=int(request["file_mb"]),
        )
        validate_and_write(
            shape,
            pipe=pipe,
            folder=folder,
            exports=exports,
            deflection=float(request["deflection"]),
            angle_rad=float(request["angle_rad"]),
            product=str(request["product"]),
        )

    try:
        end = run_child(second, deadline=deadline, max_bytes=4 << 20, caller=caller)
    finally:
        if rules is not None:
            rules.close()
    result = read_stage(end, may_report=OF_VALIDATION, memory_mb=memory_mb, cpu_s=cpu_s, wall_s=wall_s, log_bytes=0)
    report = result.report
    reply = _text_fields(report)
    if reply["outcome"] == Outcome.BUILT.value:
        for key in ("solids", "volume_mm3", "area_mm2", "low", "high", "face_kinds", "flaw"):
            reply[key] = report.get(key)
    return reply


def _text_fields(report: dict[str, Any]) -> dict[str, Any]:
    """Keep what a program may say about itself: outcome, message, line and rule, cut to size."""
    line, rule = report.get("line"), report.get("rule")
    return {
        "outcome": str(report["outcome"]),
        "message": str(report.get("message") or "")[:_MESSAGE_CHARACTERS],
        "line": line if isinstance(line, int) and 0 < line < 1 << 31 else None,
        "rule": rule[:100] if isinstance(rule, str) else None,
    }


def _forget(end: ChildEnd, result: Any) -> None:
    """Wipe the program's shape, so that the next program, a fork of this process, can't find it in memory."""
    result.shape = None
    with contextlib.suppress(BufferError):
        end.data[:] = bytes(len(end.data))
        end.data.clear()

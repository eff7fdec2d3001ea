from __future__ import annotations

import json
import os
import signal
import socket
import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cad_sandbox import Outcome, SandboxUnavailable
from cad_sandbox.child import CallerGone, ChildEnd, Ending, run_child
from cad_sandbox.collect import collect
from cad_sandbox.endings import OF_PROGRAM, OF_VALIDATION, StageResult, read_stage
from cad_sandbox.frames import Kind, frames
from cad_sandbox.reply import read_reply
from cad_sandbox.wire import WireError, WireTimeout, receive, send


def _frame(kind: int, payload: bytes) -> bytes:
    return struct.pack("!BQ", kind, len(payload)) + payload


def _read(data: bytes, **facts: object) -> StageResult:
    settled: dict[str, object] = {
        "ending": Ending.EXITED,
        "signal": None,
        "exit_code": 0,
        "cpu_s": 0.1,
        "peak_memory_mb": 900.0,
        **facts,
    }
    end = ChildEnd(data=bytearray(data), **settled)  # type: ignore[arg-type]
    return read_stage(end, may_report=OF_PROGRAM, memory_mb=4096, cpu_s=10, wall_s=30, log_bytes=100)


def _report(**fields: object) -> bytes:
    return _frame(Kind.REPORT, json.dumps(fields).encode())


def test_a_whole_report_is_taken() -> None:
    result = _read(_frame(Kind.LOG, b"hello") + _frame(Kind.SHAPE, b"bytes") + _report(outcome="built", rule="r"))
    assert result.report == {"outcome": "built", "rule": "r"}
    assert result.log == b"hello" and bytes(result.shape or b"") == b"bytes"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x03",
        _frame(3, b"not json"),
        _frame(3, b"[1]"),
        _frame(3, b"{}"),
        _frame(3, b'{"outcome": 7}'),
        _frame(3, b'{"outcome": "lost"}'),
        _frame(3, b'{"outcome": "timed_out"}'),
        _frame(3, b"[" * 100_000),
        _frame(9, b"unknown kind") + _report(outcome="built"),
        struct.pack("!BQ", 3, 1 << 62) + b'{"outcome": "built"}',
        _report(outcome="built")[:-1],
    ],
)
def test_nonsense_is_a_crash(data: bytes) -> None:
    assert _read(data).report["outcome"] == "crashed"


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        ({"signal": signal.SIGSEGV, "exit_code": None}, Outcome.CRASHED),
        ({"signal": signal.SIGSEGV, "exit_code": None, "peak_memory_mb": 4000.0}, Outcome.OUT_OF_MEMORY),
        ({"signal": signal.SIGKILL, "exit_code": None}, Outcome.OUT_OF_MEMORY),
        ({"signal": signal.SIGKILL, "exit_code": None, "cpu_s": 10.2}, Outcome.TIMED_OUT),
        ({"signal": signal.SIGXCPU, "exit_code": None, "cpu_s": 10.2}, Outcome.TIMED_OUT),
        ({"signal": signal.SIGKILL, "exit_code": None, "ending": Ending.DEADLINE}, Outcome.TIMED_OUT),
        ({"signal": signal.SIGKILL, "exit_code": None, "ending": Ending.FLOOD}, Outcome.REFUSED),
        ({"signal": 64, "exit_code": None}, Outcome.CRASHED),
    ],
)
def test_how_it_ended_overrules_what_it_said(facts: dict[str, object], expected: Outcome) -> None:
    result = _read(_frame(Kind.SHAPE, b"x") + _report(outcome="built"), **facts)
    assert result.report["outcome"] == expected and result.shape is None


def test_a_deadline_says_where() -> None:
    phase = _frame(Kind.PHASE, b"running the program")
    trace = (
        b'Current thread 0x1 (most recent call first):\n  File "x.py", line 3 in f\n  File "<program>", line 7 in g\n'
    )
    cpp = _read(phase, ending=Ending.DEADLINE, signal=9, trace=trace).report
    python = _read(phase, ending=Ending.DEADLINE, signal=9, trace=trace + b"\nPYTHON\n").report
    assert cpp["line"] == python["line"] == 7
    assert "running the program in C++" in cpp["message"] and "in Python" in python["message"]


def test_frames_stop_at_the_first_broken_one() -> None:
    data = bytearray(_frame(1, b"a") + _frame(2, b"bc") + b"\x02\x00")
    assert [(kind, bytes(payload)) for kind, payload in frames(data)] == [(Kind.PHASE, b"a"), (Kind.LOG, b"bc")]


def _quiet(pipe: int, trace: int) -> None:
    os.close(pipe)
    os.close(trace)
    time.sleep(60)


def _flood(pipe: int, trace: int) -> None:
    while True:
        os.write(pipe, bytes(1 << 16))


def _last_words(pipe: int, trace: int) -> None:
    os.write(pipe, b"x" * 50_000)


@pytest.mark.parametrize(
    ("body", "ending"), [(_quiet, Ending.DEADLINE), (_flood, Ending.FLOOD), (_last_words, Ending.EXITED)]
)
def test_a_child_ends(body: Callable[[int, int], None], ending: Ending) -> None:
    before = set(os.listdir("/proc/self/fd"))
    started = time.monotonic()
    seconds = 0.4 if ending is Ending.DEADLINE else 30.0
    end = run_child(body, deadline=started + seconds, max_bytes=1 << 20)
    assert end.ending is ending
    assert time.monotonic() - started < 20
    if ending is Ending.EXITED:
        assert end.data == b"x" * 50_000 and end.exit_code == 0
    assert set(os.listdir("/proc/self/fd")) == before


def test_a_caller_that_hangs_up_ends_the_child() -> None:
    ours, theirs = socket.socketpair()
    threading.Timer(0.2, ours.close).start()

    def wait(pipe: int, trace: int) -> None:
        os.close(ours.fileno())  # a fork's copy would keep the line open
        time.sleep(60)

    started = time.monotonic()
    with theirs, pytest.raises(CallerGone):
        run_child(wait, deadline=started + 30, max_bytes=100, caller=theirs)
    assert time.monotonic() - started < 20


def test_messages_keep_their_lengths() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        send(ours, {"a": 1}, b"blob")
        assert receive(theirs, max_text=100, max_blob=4) == ({"a": 1}, b"blob")
        for text, blob in (({"a": "x" * 200}, b""), ({}, b"12345")):
            send(ours, text, blob)
            with pytest.raises(WireError, match="at most"):
                receive(theirs, max_text=100, max_blob=4)
            theirs.recv(1 << 16)
        ours.sendall(struct.pack("!IQ", 2, 0) + b"[]")
        with pytest.raises(WireError, match="object"):
            receive(theirs, max_text=100)
        with pytest.raises(WireTimeout):
            receive(theirs, max_text=100, deadline=time.monotonic() + 0.05)
        ours.close()
        with pytest.raises(WireError, match="gone"):
            receive(theirs, max_text=100)


_REPLY = {
    "outcome": "built",
    "message": "",
    "line": None,
    "rule": "r",
    "log": "",
    "seconds": 1.0,
    "solids": 1,
    "volume_mm3": 6.0,
    "area_mm2": 22.0,
    "low": [0, 0, 0],
    "high": [1, 2, 3],
    "face_kinds": {"PLANE": 6},
    "flaw": "",
}


@pytest.mark.parametrize(
    "spoiled",
    [
        {"volume_mm3": float("nan")},
        {"volume_mm3": None},
        {"area_mm2": float("inf")},
        {"low": [0, 0]},
        {"high": "abc"},
        {"face_kinds": [1]},
        {"face_kinds": {str(k): 1 for k in range(100)}},
        {"outcome": "fine"},
        {"solids": {}},
        {"line": "x"},
    ],
)
def test_a_reply_is_believed_only_as_far_as_it_makes_sense(spoiled: dict[str, object]) -> None:
    assert read_reply(_REPLY, {}).volume_mm3 == 6.0
    assert read_reply({**_REPLY, **spoiled}, {}).outcome is Outcome.CRASHED


def test_only_plain_files_are_collected(tmp_path: Path) -> None:
    spool, folder = tmp_path / "spool", tmp_path / "folder"
    spool.mkdir()
    (tmp_path / "secret").write_text("secret")
    (spool / "good").write_text("good")
    (spool / "link").symlink_to(tmp_path / "secret")
    os.link(tmp_path / "secret", spool / "second-name")
    os.mkfifo(spool / "pipe")
    (spool / "folder").mkdir()
    (spool / "large").write_bytes(bytes(11))
    for name in ("link", "second-name", "pipe", "folder", "large", "missing"):
        with pytest.raises(SandboxUnavailable, match=name):
            collect(spool, [name], folder, max_bytes=10)
    collected = collect(spool, ["good"], folder, max_bytes=10)
    assert collected == {"good": folder / "good"} and (folder / "good").read_text() == "good"


def test_only_the_validation_may_call_a_shape_invalid() -> None:
    assert OF_VALIDATION.difference(OF_PROGRAM) == {Outcome.INVALID, Outcome.LOST}

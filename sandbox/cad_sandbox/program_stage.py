"""The first stage: runs the untrusted program and emits its shape as B-rep bytes, with a small report.

Everything in this process may be forged by the program, so nothing it says is believed: the bytes are measured by
another process, and the report only tells a person what happened.
"""

from __future__ import annotations

import builtins
import contextlib
import errno
import faulthandler
import io
import json
import os
import signal
import sys
import types
from typing import Any

from cad_sandbox.conventions import NoResultError, NoSolidError, choose, to_shape
from cad_sandbox.frames import Kind, write_frame

__all__ = ["FILE_NAME", "run_program"]

FILE_NAME = "<program>"
_RECURSION_LIMIT = 5000
_CUT_NOTE_BYTES = 64
_MESSAGE_CHARACTERS = 2000


class _NotPythonError(Exception):
    """The text can't be compiled; the argument is the compiler's own error."""


class _Log(io.TextIOBase):
    """What the program prints: the first bytes go out at once, the last ones at the end, the middle is dropped."""

    def __init__(self, pipe: int, limit: int) -> None:
        self._pipe = pipe
        self._head_left = max(0, limit - limit // 4 - _CUT_NOTE_BYTES)
        self._tail_limit = limit // 4
        self._tail = bytearray()
        self._dropped = 0

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return False

    def write(self, text: str, /) -> int:
        data = text.encode(errors="replace")
        if self._head_left > 0:
            head, data = data[: self._head_left], data[self._head_left :]
            self._head_left -= len(head)
            write_frame(self._pipe, Kind.LOG, head)
        self._tail += data
        surplus = len(self._tail) - self._tail_limit
        if surplus > 0:
            self._dropped += surplus
            del self._tail[:surplus]
        return len(text)

    def finish(self) -> None:
        if self._dropped:
            write_frame(self._pipe, Kind.LOG, f"\n[… {self._dropped} bytes left out …]\n".encode())
        if self._tail:
            write_frame(self._pipe, Kind.LOG, bytes(self._tail))
            self._tail.clear()


def run_program(source: bytes, *, pipe: int, trace: int, log_bytes: int) -> None:
    """Run `source` and write frames to `pipe`: phases, log, one report, and the shape if there is one."""
    log = _Log(pipe, log_bytes)
    report: dict[str, Any]
    shape: Any = None
    _answer_where(trace)
    with contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
        try:
            shape, rule = _result(source, pipe)
            report = {"outcome": "built", "rule": rule}
        except BaseException as error:
            report = _failure(error)
    log.finish()
    if shape is not None:
        write_frame(pipe, Kind.PHASE, b"handing over the shape")
        try:
            payload = _to_bytes(shape)
        except BaseException as error:
            report = _failure(error)
        else:
            write_frame(pipe, Kind.SHAPE, payload)
    write_frame(pipe, Kind.REPORT, json.dumps(report).encode())


def _result(source: bytes, pipe: int) -> tuple[Any, str]:
    write_frame(pipe, Kind.PHASE, b"reading the program")
    try:
        code = compile(source, FILE_NAME, "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError) as error:
        # ValueError: null bytes or a broken encoding; RecursionError: nested too deeply.
        raise _NotPythonError(error) from error
    module = types.ModuleType("__main__")
    shown: list[Any] = []

    def show_object(thing: Any, *_: Any, **__: Any) -> Any:
        shown.append(thing)
        return thing

    module.__dict__.update(
        show_object=show_object,
        debug=_ignore,
        describe_parameter=_ignore,
        __builtins__=builtins,
        __file__="program.py",
    )
    sys.modules["__main__"] = module
    sys.argv = ["program.py"]
    sys.setrecursionlimit(_RECURSION_LIMIT)
    _keep_exports_inside()
    _settle_chance()
    write_frame(pipe, Kind.PHASE, b"running the program")
    try:
        exec(code, module.__dict__)
    except SystemExit as end:
        if end.code not in (None, 0):
            raise
    write_frame(pipe, Kind.PHASE, b"looking for the result")
    result, rule = choose(shown, module.__dict__, code)
    return to_shape(result, rule)


def _ignore(*_: Any, **__: Any) -> None:
    return None


def _keep_exports_inside() -> None:
    """Turn the exports that many programs end with into no-ops, as the sandbox writes the files itself."""
    import cadquery as cq

    def skipped(name: str, original: Any) -> Any:
        def export(*arguments: Any, **keywords: Any) -> Any:
            if any(isinstance(value, (str, os.PathLike)) for value in (*arguments, *keywords.values())):
                sys.stdout.write(f"[{name}: skipped; the sandbox writes the files]\n")
                return None
            return original(*arguments, **keywords)

        return export

    # Showing needs a screen; without one VTK would end the process.
    vis = types.ModuleType("cadquery.vis")
    vis.__dict__.update(show=_ignore, __getattr__=lambda name: _ignore)
    sys.modules["cadquery.vis"] = vis
    owners: tuple[tuple[Any, tuple[str, ...]], ...] = (
        (cq.exporters, ("export",)),
        (cq.Workplane, ("export", "exportSvg")),
        (cq.Assembly, ("save", "export")),
        (cq.Shape, ("export", "exportStep", "exportStl", "exportBrep", "exportBin")),
    )
    for owner, names in owners:
        for name in names:
            original = getattr(owner, name, None)
            if original is not None:
                setattr(owner, name, skipped(f"{getattr(owner, '__name__', name).split('.')[-1]}.{name}", original))


def _settle_chance() -> None:
    """Seed the usual generators, as the same program shall build the same shape every time."""
    import random

    import numpy as np

    random.seed(0)
    np.random.seed(0)  # the global generator is what programs use


def _to_bytes(shape: Any) -> memoryview:
    from OCP.BinTools import BinTools, BinTools_FormatVersion

    stream = io.BytesIO()
    version = BinTools_FormatVersion.BinTools_FormatVersion_CURRENT
    BinTools.Write_s(shape, stream, False, False, version)
    return stream.getbuffer()


def _answer_where(trace: int) -> None:
    """Let the signals that come at the deadline say which line runs, and whether Python or C++ runs it.

    faulthandler answers the first with the line at once, in any code; Python answers the second only if it is running.
    """

    def in_python(_signal: int, _frame: Any) -> None:
        with contextlib.suppress(OSError):
            os.write(trace, b"\nPYTHON\n")

    signal.signal(signal.SIGUSR2, in_python)
    faulthandler.register(signal.SIGUSR1, file=trace, all_threads=False)


def _failure(error: BaseException) -> dict[str, Any]:
    if isinstance(error, NoResultError):
        return {"outcome": "no_result", "message": str(error)}
    if isinstance(error, NoSolidError):
        return {"outcome": "no_solid", "message": str(error)}
    if isinstance(error, _NotPythonError):
        return _not_python(error.args[0])
    name = type(error).__name__
    try:
        text = str(error)
    except BaseException as second:
        text = f"(its text raised {type(second).__name__})"
    text = " ".join(text[: 4 * _MESSAGE_CHARACTERS].split())[:_MESSAGE_CHARACTERS]
    line = _line(error)
    message = f"{name}: {text}" if text else name
    if isinstance(error, MemoryError) or name == "Standard_OutOfMemory" or "std::bad_alloc" in text:
        return {"outcome": "out_of_memory", "message": message, "line": line}
    if isinstance(error, OSError) and error.errno in (errno.EPERM, errno.EACCES):
        return {
            "outcome": "refused",
            "message": f"{message} (the sandbox allows no files, network or processes)",
            "line": line,
        }
    return {"outcome": "raised", "message": message, "line": line}


def _not_python(error: Exception) -> dict[str, Any]:
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    line = error.lineno if isinstance(error, SyntaxError) else None
    message = f"{type(error).__name__}: {text}"[:_MESSAGE_CHARACTERS]
    return {"outcome": "syntax_error", "message": message, "line": line}


def _line(error: BaseException) -> int | None:
    """Line of the program itself that was running, the innermost one."""
    line = None
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == FILE_NAME:
            line = trace.tb_lineno
        trace = trace.tb_next
    return line

"""A handle on one judging process: asked over a pipe, given a time limit, killed with all it started if it overruns."""

from __future__ import annotations

import json
import os
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import IO, Any

from cad_pipeline.evaluation.pairs import Pair
from cad_pipeline.evaluation.score import Fate, Score
from cad_sandbox.execution import SandboxUnavailable

__all__ = ["Judge"]

# One thread a judge: there are several judges, and a pair's time must not hang on how many.
_THREADS = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
_START_S = 120.0


class Judge:
    """Starts the process on the first question and again after it died. Not for use by two threads at once."""

    def __init__(self, arguments: Sequence[str], *, limit_s: float) -> None:
        """Keep the worker's arguments and the wall-clock seconds that one pair may take."""
        self._command = [sys.executable, "-m", "cad_pipeline.evaluation.worker", *arguments]
        self._limit_s = limit_s
        self._process: subprocess.Popen[bytes] | None = None
        self._told: IO[bytes] | None = None
        self._folder: str | None = None
        self._fresh = True
        self._over = False

    def score(self, pair: Pair) -> Score:
        """Ask for one score; a judge that dies or overruns is ended, and the pair gets that for its fate.

        Raises `SandboxUnavailable` if programs can't be run on this machine.
        """
        started = time.monotonic()
        process = self._running()
        question = {
            "name": pair.name,
            "result": str(pair.result.resolve()) if pair.result else None,
            "target": str(pair.target.resolve()),
            "kind": pair.kind,
        }
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps(question).encode() + b"\n")
            process.stdin.flush()
        except OSError:
            return self._lost(pair, started, self._ended())
        # a new process loads its libraries on the first pair's time, which must not be that pair's loss
        limit_s = self._limit_s + (_START_S if self._fresh else 0.0)
        line = self._answer(process, started + limit_s)
        if line is None:
            self._end()
            reason = f"not judged within {limit_s:.0f} s, and ended"
            return Score(
                name=pair.name, kind=pair.kind, fate=Fate.TIMED_OUT, reason=reason, seconds=time.monotonic() - started
            )
        self._fresh = False
        try:
            answer: dict[str, Any] = json.loads(line)
        except ValueError:
            return self._lost(pair, started, self._ended())
        if "unavailable" in answer:
            raise SandboxUnavailable(answer["unavailable"])
        return Score.of(answer)

    def close(self) -> None:
        """End the process and whatever it started, for good; a question under way in another thread raises."""
        self._over = True
        self._end()

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        # one that went by itself leaves nothing to end
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        for pipe in (process.stdin, process.stdout, self._told):
            # what was still to be written has no reader any more
            with suppress(BrokenPipeError):
                pipe.close()  # type: ignore[union-attr]
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is None:
            return self._process
        self._end()
        self._told = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        # a process that is killed clears nothing away, so its files lie where we can
        self._folder = tempfile.mkdtemp(prefix="cad-pipeline-judge-")
        self._fresh = True
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._told,
            env={**os.environ, **_THREADS, "TMPDIR": self._folder},
            start_new_session=True,
        )
        if self._over:
            self._end()
            raise RuntimeError("the judge was closed")
        return self._process

    def _answer(self, process: subprocess.Popen[bytes], until: float) -> bytes | None:
        """Wait for one line; None if the time is up, what there is (perhaps nothing) if the process ended."""
        assert process.stdout is not None
        descriptor = process.stdout.fileno()
        line = b""
        with selectors.DefaultSelector() as selector:
            selector.register(descriptor, selectors.EVENT_READ)
            while not line.endswith(b"\n"):
                left = until - time.monotonic()
                if left <= 0.0 or not selector.select(left):
                    return None
                piece = os.read(descriptor, 1 << 16)
                if not piece:
                    break
                line += piece
        return line

    def _lost(self, pair: Pair, started: float, reason: str) -> Score:
        return Score(
            name=pair.name, kind=pair.kind, fate=Fate.CRASHED, reason=reason, seconds=time.monotonic() - started
        )

    def _ended(self) -> str:
        """Say how the process ended, with its last words, and clear it away."""
        process, told = self._process, self._told
        if process is None or told is None:
            raise RuntimeError("the judge was closed")
        # its pipe has closed, so it has ended or is about to
        try:
            code = process.wait(timeout=10.0)
        except subprocess.TimeoutExpired:
            code = -signal.SIGKILL
        told.seek(0)
        words = told.read().decode("utf-8", "replace").strip().splitlines()
        self._end()
        how = f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
        return f"its judge ended {how}" + (f": {words[-1][:300]}" if words else "")

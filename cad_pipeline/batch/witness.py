"""A part whose worker vanished is tried again in a process of its own, so that somebody sees how it ends.

A worker that is gone without a trace may have been killed by its part, or with its machine. Only a parent learns how a
process ended: the worker that lives on while the part's own process dies is the proof that the part did it. If both
are gone, the machine is the likelier cause, and nothing is proven.
"""

from __future__ import annotations

import dataclasses
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cad_pipeline.batch.identity import Identity
from cad_pipeline.batch.job import Job
from cad_pipeline.batch.ledger import Cause, Kill, Started
from cad_pipeline.batch.manifest import Item, Kind
from cad_pipeline.values import Program
from cad_sandbox.lockdown import die_with_parent

__all__ = ["Death", "Task", "attempt", "witnessed"]

# a worker that is being ended takes its processes with it first, and must not live to blame the part
_SETTLE_S = 3.0
# beyond what the part may take, for the start of Python; the process ends itself long before
_GRACE_S = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Death:
    """How a part's own process ended without an answer."""

    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One begun step of a part, as it travels to a process of its own; `path` is the input on this machine."""

    job: Job
    step: str
    item: Item
    begun: Started
    same: Identity
    path: Path
    programs: Sequence[Program] = ()

    def text(self) -> str:
        """Write it as JSON."""
        from cad_pipeline.batch.writing import text_of

        plain = {
            "job": self.job.as_dict(),
            "step": self.step,
            "item": dataclasses.asdict(self.item),
            "begun": dataclasses.asdict(self.begun),
            "same": {"key": self.same.key, "like": dict(self.same.like)},
            "path": str(self.path),
            "programs": text_of(self.programs),
        }
        return json.dumps(plain)

    @classmethod
    def of(cls, text: str) -> Task:
        """Read it from JSON."""
        from cad_pipeline.batch.writing import read_programs

        told = json.loads(text)
        item, begun = told["item"], told["begun"]
        kills = tuple(Kill(**{**kill, "cause": Cause(kill["cause"])}) for kill in begun["kills"])
        return cls(
            job=Job.of(told["job"]),
            step=told["step"],
            item=Item(**{**item, "kind": Kind(item["kind"])}),
            begun=Started(**{**begun, "kills": kills}),
            same=Identity(**told["same"]),
            path=Path(told["path"]),
            programs=read_programs(told["programs"]),
        )


def witnessed(task: Task) -> dict[str, Any] | Death | None:
    """Do a task in a process of its own: its row, None where it came through without one, or how it died.

    Raises `OSError` where that process could not do its work for want of something on the machine.
    """
    with tempfile.TemporaryDirectory(prefix="cad-pipeline-witness-") as folder:
        asked, answer = Path(folder) / "task.json", Path(folder) / "answer.json"
        asked.write_text(task.text(), encoding="utf-8")
        start = "from cad_pipeline.batch.witness import attempt; attempt()"
        command = [sys.executable, "-c", start, str(os.getpid()), str(asked), str(answer)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        process = subprocess.Popen(command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        try:
            code = process.wait(timeout=task.job.part_timeout_s + _GRACE_S)
        except subprocess.TimeoutExpired:
            code = None
        finally:
            process.kill()
            process.wait()
        if not answer.exists():
            raise OSError(f"expected a process for {task.item.name}, got none ({_words(code)}); see its log")
        text = answer.read_text(encoding="utf-8")
    if not text:
        time.sleep(_SETTLE_S)
        return Death(words=_words(code))
    told: dict[str, Any] = json.loads(text)
    if told["machine"] is not None:
        raise OSError(told["machine"])
    row: dict[str, Any] | None = told["row"]
    return row


def _words(code: int | None) -> str:
    if code is None:
        return "did not end in its time"
    if code < 0:
        return f"ended by {signal.Signals(-code).name}"
    return f"ended with exit code {code}"


def attempt() -> None:
    """Be the part's own process; an answer that stays empty says that the part was begun and not survived."""
    parent, asked, answer = sys.argv[1:]
    die_with_parent(int(parent))
    from cad_pipeline.batch.worker import MACHINES, Worker

    task, place = Task.of(Path(asked).read_text(encoding="utf-8")), Path(answer)
    worker = Worker(job=task.job)
    place.touch()
    machine = row = None
    try:
        row = worker.perform(task)
    except MACHINES as error:
        machine = " ".join(str(error).split()) or type(error).__name__
    partial = place.with_suffix(".partial")
    partial.write_text(json.dumps({"machine": machine, "row": row}), encoding="utf-8")
    partial.replace(place)

"""The record of what was begun and what came out, one small file an event, so that no crash can tear it.

    .batch/ledger/NAME.convert-K.json  a worker began the part for the K-th time
    .batch/ledger/NAME.row.json        the part is finished, and this is its row of the table

Whatever is killed, the files say which parts are finished, and which part a worker was at when it died. A start that
found no end in the same run is a kill: the engine only hands a part out again when its worker is gone. A start of an
earlier run says nothing of the kind, since the whole run may have been ended, unless its log holds a crash.

A part is quarantined after two kills of its own doing: a crash or its time run out, which its log tells, or a death
without a trace that its worker saw and survived (`batch.witness`), and then also the one before, which nobody saw.
Kills that nobody saw and no log tells are bounded as well, lest a part be tried for ever: by three where a part has no
process of its own, by ten where it had one and its worker went with it, which speaks for the part.
"""

from __future__ import annotations

import enum
import json
import os
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cad_pipeline.batch.filesystems import Home

__all__ = [
    "ANY_KILLS",
    "ANY_KILLS_WITNESSED",
    "OWN_KILLS",
    "Cause",
    "Kill",
    "Ledger",
    "Poisoned",
    "Started",
    "cause_in",
]

OWN_KILLS = 2
ANY_KILLS = 3
ANY_KILLS_WITNESSED = 10
_RUN = ".batch/run"
_LOG_BYTES = 1 << 18
_EVIDENCE_CHARACTERS = 4000
# what faulthandler writes at the start of a line; a part's own words never stand there
_MARKS = {"\nTimeout (": "time", "\nFatal Python error": "crash"}


class Cause(enum.StrEnum):
    """How a worker died under a part, as far as its log tells."""

    CRASH = "crash"
    TIME = "time"
    VANISHED = "vanished"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """A worker's death under a part: which try it was, on which machine, why, and the end of the log it left.

    `seen` says how the part's own process ended, if it had one and its worker lived to see it.
    """

    number: int
    host: str
    cause: Cause
    evidence: str
    seen: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """The part may be worked on: for the `number`-th time, into a log of that name."""

    number: int
    log: str
    kills: tuple[Kill, ...]

    @property
    def doubtful(self) -> bool:
        """Whether a worker vanished under the part, and it can't be told yet who did it."""
        return any(kill.cause is Cause.VANISHED for kill in self.kills)


@dataclass(frozen=True, slots=True, kw_only=True)
class Poisoned:
    """The part has killed its workers too often; the kills say how."""

    kills: tuple[Kill, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """The events of a batch under one home; `run` names the run that asks. A `step` is a worker's share of a part."""

    home: Home
    run: str

    def row(self, name: str, key: str | None = None) -> dict[str, Any] | None:
        """Give a part's row if it is finished, and if it was of that identity where one is given."""
        row = self._read(f"{name}.row.json")
        return row if row is not None and key in (None, row["key"]) else None

    def begin(self, name: str, key: str, *, step: str = "convert", most: int = ANY_KILLS) -> Started | Poisoned:
        """Note that a worker begins a part, or say that it must not; `most` bounds kills of whatever cause."""
        starts = self._starts(name, step)
        if any(start["key"] != key for start in starts):
            self._forget(name, step, len(starts))
            starts = []
        kills = tuple(self._kills(starts))
        if _own(kills) >= OWN_KILLS or len(kills) >= most:
            return Poisoned(kills=kills)
        number = len(starts) + 1
        log = f".batch/logs/{name}.{step}-{number}.log"
        event = {"key": key, "run": self.run, "log": log, "host": socket.gethostname(), "pid": os.getpid()}
        self._write(f"{name}.{step}-{number}.json", {**event, "time": time.time(), "passed": False})
        return Started(number=number, log=log, kills=kills)

    def kills(self, name: str, key: str, *, step: str = "convert") -> tuple[Kill, ...]:
        """Say which workers have died under a part."""
        return tuple(self._kills([start for start in self._starts(name, step) if start["key"] == key]))

    def point(self, name: str, started: Started, log: str, *, step: str) -> None:
        """Note that a part's log is another one's, where several are worked on at once."""
        self._add(name, started, step, {"log": log})

    def passed(self, name: str, started: Started, *, step: str) -> None:
        """Note that a worker came through its share of a part, which goes on elsewhere."""
        self._add(name, started, step, {"passed": True})

    def died(self, name: str, started: Started, words: str, *, step: str) -> None:
        """Note how a part's own process ended under the eyes of its worker."""
        self._add(name, started, step, {"seen": words})

    def take_over(self) -> None:
        """Note that this run is the one that counts from now on."""
        self.home.write(_RUN, self.run.encode())

    @property
    def outdated(self) -> bool:
        """Whether a later run has taken over, while this one's worker outlived its driver for a moment."""
        return self.home.read(_RUN) not in (None, self.run.encode())

    def finish(self, name: str, row: Mapping[str, Any]) -> dict[str, Any]:
        """Note a part's row, the last word on it; of two workers that finish the same part the first one counts."""
        earlier = self.row(name, row["key"])
        if earlier is not None:
            return earlier
        self._write(f"{name}.row.json", row)
        return dict(row)

    def _starts(self, name: str, step: str) -> list[dict[str, Any]]:
        starts: list[dict[str, Any]] = []
        while (event := self._read(f"{name}.{step}-{len(starts) + 1}.json")) is not None:
            starts.append(event)
        return starts

    def _kills(self, starts: list[dict[str, Any]]) -> list[Kill]:
        kills = []
        for number, start in enumerate(starts, start=1):
            if start["passed"]:
                continue
            data = self.home.read(start["log"]) or b""
            cause, evidence = cause_in(data[-_LOG_BYTES:].decode(errors="replace"))
            seen = start.get("seen", "")
            if start["run"] == self.run or cause is not Cause.VANISHED or seen:
                kills.append(Kill(number=number, host=start["host"], cause=cause, evidence=evidence, seen=seen))
        return kills

    def _add(self, name: str, started: Started, step: str, facts: Mapping[str, Any]) -> None:
        event = self._read(f"{name}.{step}-{started.number}.json") or {}
        self._write(f"{name}.{step}-{started.number}.json", {**event, **facts})

    def _forget(self, name: str, step: str, count: int) -> None:
        # the last first: what is left after a crash in between is still counted without a gap
        for number in range(count, 0, -1):
            self.home.remove(f".batch/ledger/{name}.{step}-{number}.json")
        self.home.remove(f".batch/ledger/{name}.row.json")
        self.home.remove(f".batch/quarantine/{name}.json")

    def _read(self, name: str) -> dict[str, Any] | None:
        data = self.home.read(f".batch/ledger/{name}")
        try:
            found = None if data is None else json.loads(data)
        # a store that is no local disk may keep half of what a killed worker wrote: it was never said
        except ValueError:
            return None
        return found if isinstance(found, dict) else None

    def _write(self, name: str, event: Mapping[str, Any]) -> None:
        self.home.write(f".batch/ledger/{name}", json.dumps(event, allow_nan=False).encode())


def _own(kills: tuple[Kill, ...]) -> int:
    """Count the kills that are the part's own doing."""
    proven = any(kill.seen and kill.cause is Cause.VANISHED for kill in kills)
    return sum(kill.cause is not Cause.VANISHED or proven for kill in kills)


def cause_in(log: str) -> tuple[Cause, str]:
    """Read from a log how its worker died, and cut out what shows it: the lines before, and the traceback."""
    text = f"\n{log}"
    for mark, cause in _MARKS.items():
        place = text.rfind(mark)
        if place >= 0:
            return Cause(cause), text[max(0, place - 1000) : place + _EVIDENCE_CHARACTERS].strip()
    return Cause.VANISHED, text[-_EVIDENCE_CHARACTERS:].strip()

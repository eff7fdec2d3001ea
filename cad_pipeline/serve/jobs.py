"""The desk where jobs are taken in and given out: bounded, and emptied of what is old. Knows neither Ray nor HTTP."""

from __future__ import annotations

import enum
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["Desk", "Job", "State"]


class State(enum.StrEnum):
    """Where a job stands."""

    QUEUED = "queued"
    DONE = "done"
    FAILED = "failed"


@dataclass(kw_only=True)
class Job:
    """One upload: its id, name and state; `bundle` is the zip of a job that is done, `reason` why one has failed."""

    id: str
    name: str
    state: State = State.QUEUED
    reason: str = ""
    grade: str | None = None
    iou: float | None = None
    bundle: Path | None = None
    asked_at: float = field(default_factory=time.time)
    ended_at: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """Give what a caller may know."""
        kept = ("id", "name", "reason", "grade", "iou", "asked_at", "ended_at")
        return {"state": str(self.state), **{key: getattr(self, key) for key in kept}}


@dataclass(kw_only=True)
class Desk:
    """Keeps jobs for `keep_s` seconds after their end, and takes in no more than `max_jobs` that have not ended."""

    folder: Path
    max_jobs: int
    keep_s: float
    clock: Callable[[], float] = time.time
    _jobs: dict[str, Job] = field(default_factory=dict)

    @property
    def waiting(self) -> int:
        """How many jobs have not ended."""
        return sum(job.state is State.QUEUED for job in self._jobs.values())

    def take(self, name: str) -> Job | None:
        """Take a job in; None if there is no room. Its id can't be guessed."""
        self.tidy()
        if self.waiting >= self.max_jobs:
            return None
        job = Job(id=secrets.token_urlsafe(18), name=name, asked_at=self.clock())
        self._jobs[job.id] = job
        return job

    def find(self, id_: str) -> Job | None:
        """Find a job; None if it never was or is too old."""
        self.tidy()
        return self._jobs.get(id_)

    def done(self, job: Job, bundle: bytes, *, grade: str, iou: float | None) -> None:
        """Keep a job's bundle, unless it was dropped in the meantime."""
        if job.id in self._jobs:
            job.bundle = self.folder / f"{job.id}.zip"
            job.bundle.write_bytes(bundle)
            job.grade, job.iou = grade, iou
            job.state, job.ended_at = State.DONE, self.clock()

    def failed(self, job: Job, reason: str) -> None:
        """Note that nothing comes of a job."""
        job.reason, job.state, job.ended_at = reason, State.FAILED, self.clock()

    def drop(self, job: Job) -> None:
        """Forget a job and remove its bundle."""
        self._jobs.pop(job.id, None)
        if job.bundle is not None:
            job.bundle.unlink(missing_ok=True)

    def tidy(self) -> None:
        """Drop what ended too long ago."""
        oldest = self.clock() - self.keep_s
        for job in [job for job in self._jobs.values() if job.ended_at is not None and job.ended_at < oldest]:
            self.drop(job)

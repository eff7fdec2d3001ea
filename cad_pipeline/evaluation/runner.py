"""Many pairs, several at once, each in a process that can be killed; nothing is lost, and nothing is judged twice."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from queue import SimpleQueue
from typing import Any

from cad_pipeline.certificate import versions
from cad_pipeline.errors import InputError
from cad_pipeline.evaluation.journal import Journal, pair_key
from cad_pipeline.evaluation.judges import Judge
from cad_pipeline.evaluation.pairs import Pair
from cad_pipeline.evaluation.protocols import Variant, check
from cad_pipeline.evaluation.score import Score
from cad_pipeline.options import DEFAULT_TIMEOUT_S
from cad_sandbox.limits import Isolation

__all__ = ["DEFAULT_PAIR_TIMEOUT_S", "RunOptions", "Taken", "evaluate"]

DEFAULT_PAIR_TIMEOUT_S = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """By which protocol pairs are judged, and how: `jobs` at once, `timeout_s` a program, `pair_timeout_s` a pair.

    `unit` says what the numbers of the targets' meshes are; results are in mm. Raises `InputError` on a value that
    can't be meant.
    """

    protocol: str = "own-frame"
    variant: Variant = Variant.CORRECTED
    jobs: int = 0
    timeout_s: float = DEFAULT_TIMEOUT_S
    pair_timeout_s: float = DEFAULT_PAIR_TIMEOUT_S
    unit: str | None = None
    isolation: Isolation = Isolation.STRICT

    def __post_init__(self) -> None:
        """Refuse what can't be meant, before any work is done."""
        check(self.protocol, self.variant)
        if not 0 <= self.jobs <= 1024:
            raise InputError(f"expected 1 to 1024 jobs, or 0 for one a core, got {self.jobs}")
        for what, seconds in (("program", self.timeout_s), ("pair", self.pair_timeout_s)):
            if not 0.1 <= seconds <= 86_400.0:
                raise InputError(f"expected 0.1 to 86400 seconds a {what}, got {seconds:g}")

    @property
    def workers(self) -> int:
        """How many judges work at once: `jobs`, or one a core this process may use."""
        return self.jobs or len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else self.jobs or 1

    def as_dict(self) -> dict[str, Any]:
        """Give the choices that change a score, and the versions it depends on."""
        return {
            "protocol": self.protocol,
            "variant": str(self.variant),
            "timeout_s": self.timeout_s,
            "pair_timeout_s": self.pair_timeout_s,
            "unit": self.unit,
            "isolation": str(self.isolation),
            "versions": versions(),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What is told while work goes on: the newest score, how many are done of how many, and how many of them anew."""

    score: Score
    done: int
    total: int
    fresh: int


def evaluate(
    pairs: Sequence[Pair],
    options: RunOptions | None = None,
    *,
    journal: Journal | None = None,
    heard: Callable[[Taken], None] = lambda taken: None,
) -> list[Score]:
    """Judge the pairs and give their scores in the same order.

    With a `journal`, pairs whose files and choices it knows are taken from it, and new scores go into it at once.
    `heard` is told of each score as it comes, in this thread. Raises `SandboxUnavailable` if there are programs to run
    and this machine can't hold them behind walls.
    """
    options = options or RunOptions()
    choices = options.as_dict()
    arguments = (
        options.protocol,
        str(options.variant),
        options.unit or "",
        str(options.isolation),
        str(options.timeout_s),
    )
    workers = max(1, min(options.workers, len(pairs)))
    judges = [Judge(arguments, limit_s=options.pair_timeout_s) for _ in range(workers)]
    idle: SimpleQueue[Judge] = SimpleQueue()
    for judge in judges:
        idle.put(judge)
    stopping = threading.Event()

    def work(pair: Pair) -> tuple[Score, bool] | None:
        key = pair_key(pair, choices)
        earlier = journal.earlier(key, pair) if journal is not None else None
        if earlier is not None:
            return earlier, False
        judge = idle.get()
        try:
            if stopping.is_set():
                return None
            score = judge.score(pair)
            # a judge that was ended because the whole run is, says nothing about its pair
            if stopping.is_set():
                return None
        finally:
            idle.put(judge)
        if journal is not None:
            journal.keep(key, score)
        return score, True

    with ThreadPoolExecutor(max_workers=workers, thread_name_prefix="evaluate") as pool:
        futures = {pool.submit(work, pair): number for number, pair in enumerate(pairs)}
        try:
            return _collected(futures, heard)
        finally:
            stopping.set()
            pool.shutdown(wait=False, cancel_futures=True)
            for judge in judges:
                judge.close()


def _collected(futures: dict[Future[tuple[Score, bool] | None], int], heard: Callable[[Taken], None]) -> list[Score]:
    scores: dict[int, Score] = {}
    waiting, fresh = set(futures), 0
    while waiting:
        finished, waiting = wait(waiting, return_when=FIRST_COMPLETED)
        for future in sorted(finished, key=futures.__getitem__):
            found = future.result()
            assert found is not None, "no work is dropped before the run ends"
            score, new = found
            scores[futures[future]] = score
            fresh += new
            heard(Taken(score=score, done=len(scores), total=len(futures), fresh=fresh))
    return [scores[number] for number in range(len(futures))]

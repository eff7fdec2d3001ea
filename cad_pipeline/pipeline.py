"""The loop: generators propose, the sandbox runs, the verifier judges, the best attempt is kept."""

from __future__ import annotations

import enum
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cad_pipeline.roles import Generator, Reporter, Sandbox, Verifier
from cad_pipeline.values import Attempt, Program, Reconstruction, Target
from cad_sandbox.limits import Limits

__all__ = ["Pipeline", "Silent", "Stage", "Turn"]


@dataclass(frozen=True, slots=True)
class Silent:
    """A reporter that says nothing."""

    def started(self, target: Target, /) -> None:
        """Say nothing."""

    def proposing(self, target: Target, generator: str, round_: int, /) -> None:
        """Say nothing."""

    def tried(self, target: Target, attempt: Attempt, /) -> None:
        """Say nothing."""


class Turn(enum.Enum):
    """When a stage has its turn: while nothing is accepted yet, or once something is."""

    SEARCH = "search"
    POLISH = "polish"


@dataclass(frozen=True, slots=True)
class Stage:
    """One generator's turn in a plan: so many rounds of so many samples; `limits` replaces the sandbox's own."""

    generator: Generator
    rounds: int = 1
    samples: int = 1
    turn: Turn = Turn.SEARCH
    limits: Limits | None = None


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """A plan, a sandbox and a verifier. Holds no state between parts, so one serves many."""

    plan: tuple[Stage, ...]
    sandbox: Sandbox
    verifier: Verifier
    reporter: Reporter = field(default_factory=Silent)
    workers: int = 2

    def reconstruct(self, target: Target, folder: Path | None = None) -> Reconstruction:
        """Try the plan's programs on `target` until one is accepted and polished, or the plan is spent.

        Each attempt leaves its files in `folder/attempt-NN` (a temporary folder that outlives the call if None).
        A program that fails is an attempt like any other; only a broken machine raises.
        """
        folder = folder or Path(tempfile.mkdtemp(prefix="cad-pipeline-"))
        clock = Clock()
        attempts: list[Attempt] = []
        self.reporter.started(target)
        for stage, round_ in self._rounds():
            if any(attempt.verdict.accepted for attempt in attempts) is not (stage.turn is Turn.POLISH):
                continue
            self.reporter.proposing(target, stage.generator.name, round_)
            with clock.measure(f"propose {stage.generator.name}"):
                programs = stage.generator.propose(target, tuple(attempts), samples=stage.samples)
            with clock.measure("run and judge"):
                attempts += self._try_all(target, programs, folder, len(attempts), stage.limits)
        return Reconstruction(target=target, attempts=tuple(attempts), seconds=clock.seconds)

    def _rounds(self) -> Iterator[tuple[Stage, int]]:
        return ((stage, round_) for stage in self.plan for round_ in range(stage.rounds))

    def _try_all(
        self, target: Target, programs: Sequence[Program], folder: Path, first: int, limits: Limits | None
    ) -> list[Attempt]:
        def attempt(numbered: tuple[int, Program]) -> Attempt:
            number, program = numbered
            return self._try(target, program, folder / f"attempt-{number:02d}", limits)

        with ThreadPoolExecutor(max_workers=self.workers) as pool:
            attempts = list(pool.map(attempt, enumerate(programs, start=first)))
        for each in attempts:
            self.reporter.tried(target, each)
        return attempts

    def _try(self, target: Target, program: Program, folder: Path, limits: Limits | None) -> Attempt:
        clock = Clock()
        folder.mkdir(parents=True, exist_ok=True)
        with clock.measure("run"):
            execution = self.sandbox.run(program.source, folder, limits=limits)
        with clock.measure("judge"):
            verdict = self.verifier.judge(target, execution)
        return Attempt(program=program, execution=execution, verdict=verdict, seconds=clock.seconds)


class Clock:
    """Adds up wall-clock seconds by name."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def measure(self, name: str) -> Iterator[None]:
        """Add the time spent inside to `name`."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start

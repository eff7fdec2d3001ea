"""The loop, with a script in place of every role: milliseconds, no CAD kernel."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from cad_pipeline.doubles import ScriptedSandbox, ScriptedVerifier, built
from cad_pipeline.generators.scripted import ScriptedGenerator
from cad_pipeline.pipeline import Pipeline, Stage
from cad_pipeline.values import Attempt, Grade, Mesh, Origin, Program, ProgramKind, Target
from cad_sandbox.execution import Execution, Outcome, SandboxUnavailable
from cad_sandbox.limits import Limits

CORNERS = np.array([[x, y, z] for x in (0, 10) for y in (0, 10) for z in (0, 10)], dtype=float)
QUADS = ((0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3))
CUBE_FACES = np.array([each for a, b, c, d in QUADS for each in ((a, b, c), (a, c, d))])
SCRIPT = {
    "good": built(volume_mm3=1000.0),
    "near": built(volume_mm3=950.0),
    "far": built(volume_mm3=200.0),
    "slow": Execution(outcome=Outcome.TIMED_OUT, message="ran past 30 s"),
}


@pytest.fixture
def target() -> Target:
    mesh = Mesh(name="cube", vertices=CORNERS, faces=CUBE_FACES)
    assert mesh.volume == pytest.approx(1000.0)
    return Target(mesh=mesh)


def pipeline(*plan: Stage, sandbox: ScriptedSandbox | None = None, **more: object) -> Pipeline:
    sandbox = sandbox or ScriptedSandbox(SCRIPT)
    return Pipeline(plan=plan, sandbox=sandbox, verifier=ScriptedVerifier(), **more)  # type: ignore[arg-type]


def script(*sources: str, kind: ProgramKind = ProgramKind.FEATURES) -> ScriptedGenerator:
    return ScriptedGenerator(sources, kind=kind)


def test_stops_at_the_first_accepted_program(target: Target, tmp_path: Path) -> None:
    sandbox = ScriptedSandbox(SCRIPT)
    found = pipeline(Stage(script("far", "good", "near"), rounds=3), sandbox=sandbox).reconstruct(target, tmp_path)
    assert sandbox.ran == ["far", "good"]
    assert found.grade is Grade.PARAMETRIC and found.accepted
    assert found.best is not None and found.best.program.source == "good"


def test_spends_the_plan_when_nothing_is_accepted_and_delivers_the_nearest(target: Target, tmp_path: Path) -> None:
    found = pipeline(Stage(script("far", "near", "slow"), rounds=5)).reconstruct(target, tmp_path)
    assert [attempt.program.source for attempt in found.attempts] == ["far", "near", "slow"]
    assert found.best is not None and found.best.program.source == "near"
    assert found.grade is Grade.APPROXIMATE and not found.accepted


def test_failures_are_values_and_the_next_program_still_runs(target: Target, tmp_path: Path) -> None:
    found = pipeline(Stage(script("slow", "typo", "good"), rounds=3)).reconstruct(target, tmp_path)
    outcomes = [attempt.execution.outcome for attempt in found.attempts]
    assert outcomes == [Outcome.TIMED_OUT, Outcome.RAISED, Outcome.BUILT]
    assert found.attempts[0].verdict.iou == 0.0 and "30 s" in found.attempts[0].verdict.reason


def test_nothing_built_is_an_answer(target: Target, tmp_path: Path) -> None:
    found = pipeline(Stage(script("slow"))).reconstruct(target, tmp_path)
    assert found.best is None and found.grade is Grade.FAILED and len(found.attempts) == 1


def test_a_broken_sandbox_raises_and_is_no_attempt(target: Target, tmp_path: Path) -> None:
    sandbox = ScriptedSandbox(SCRIPT, broken="no seccomp; apt-get install libseccomp2")
    with pytest.raises(SandboxUnavailable, match="apt-get"):
        pipeline(Stage(script("good")), sandbox=sandbox).reconstruct(target, tmp_path)


def test_samples_of_one_round_are_all_tried_and_the_best_is_kept(target: Target, tmp_path: Path) -> None:
    found = pipeline(Stage(script("near", "good", "far"), samples=3)).reconstruct(target, tmp_path)
    assert [attempt.program.origin.sample for attempt in found.attempts] == [0, 1, 2]
    assert found.best is not None and found.best.program.source == "good"


def test_the_order_of_attempts_is_that_of_the_proposals_whatever_runs_first(target: Target, tmp_path: Path) -> None:
    class Uneven(ScriptedSandbox):
        def run(self, source: str, folder: Path, /, *, limits: Limits | None = None) -> Execution:
            if source == "near":
                import time

                time.sleep(0.05)
            return super().run(source, folder, limits=limits)

    run = pipeline(Stage(script("near", "far"), samples=2), sandbox=Uneven(SCRIPT))
    assert [each.program.source for each in run.reconstruct(target, tmp_path).attempts] == ["near", "far"]


def test_later_stages_see_the_history(target: Target, tmp_path: Path) -> None:
    class Net:
        name = "net"
        seen: tuple[int, ...] = ()

        def propose(self, target: Target, history: Sequence[Attempt], /, *, samples: int = 1) -> Sequence[Program]:
            self.seen = (*self.seen, len(history))
            return [Program(source="good", origin=Origin(generator="net"), kind=ProgramKind.FACETS)]

    net = Net()
    found = pipeline(Stage(script("far")), Stage(net)).reconstruct(target, tmp_path)
    assert net.seen == (1,)
    assert found.grade is Grade.FACETED and not found.accepted


def test_accepted_features_win_over_better_facets_and_facets_over_useless_features(
    target: Target, tmp_path: Path
) -> None:
    facets = Stage(ScriptedGenerator(("good",), name="facets", kind=ProgramKind.FACETS))
    assert pipeline(Stage(script("near")), facets).reconstruct(target, tmp_path / "a").grade is Grade.APPROXIMATE
    assert pipeline(Stage(script("far")), facets).reconstruct(target, tmp_path / "b").grade is Grade.FACETED


def test_the_best_is_chosen_by_its_verdict_not_by_who_wrote_it(target: Target, tmp_path: Path) -> None:
    first = Stage(ScriptedGenerator(("near",), name="oracle"))
    second = Stage(ScriptedGenerator(("good",), name="guesser"))
    found = pipeline(first, second).reconstruct(target, tmp_path)
    assert found.best is not None and found.best.program.origin.generator == "guesser"


def test_each_attempt_has_a_folder_of_its_own(target: Target, tmp_path: Path) -> None:
    found = pipeline(Stage(script("far", "near"), rounds=2)).reconstruct(target, tmp_path)
    folders = [each.execution.step.parent.name for each in found.attempts if each.execution.step]
    assert folders == ["attempt-00", "attempt-01"]


def test_a_reporter_hears_everything_in_order(target: Target, tmp_path: Path) -> None:
    class Ear:
        def __init__(self) -> None:
            self.heard: list[str] = []

        def started(self, target: Target, /) -> None:
            self.heard.append("started")

        def proposing(self, target: Target, generator: str, round_: int, /) -> None:
            self.heard.append(f"{generator} {round_}")

        def tried(self, target: Target, attempt: Attempt, /) -> None:
            self.heard.append(attempt.program.source)

    ear = Ear()
    pipeline(Stage(script("far", "good"), rounds=2), reporter=ear).reconstruct(target, tmp_path)
    assert ear.heard == ["started", "scripted 0", "far", "scripted 1", "good"]


def test_seconds_are_told_by_stage(target: Target, tmp_path: Path) -> None:
    found = pipeline(Stage(script("good"))).reconstruct(target, tmp_path)
    assert set(found.seconds) == {"propose scripted", "run and judge"}
    assert set(found.attempts[0].seconds) == {"run", "judge"}


def test_facets_are_delivered_where_the_program_lies_outside_the_tolerance(target: Target, tmp_path: Path) -> None:
    plan = (Stage(script("near")), Stage(ScriptedGenerator(("good",), name="net", kind=ProgramKind.FACETS)))
    found = pipeline(*plan).reconstruct(target, tmp_path)
    assert found.grade is Grade.APPROXIMATE and not found.accepted
    assert found.best is not None and found.best.program.source == "near"
    assert found.delivered is not None and found.delivered.program.source == "good"


def test_the_program_s_own_solid_is_delivered_where_it_is_accepted_or_nearer(target: Target, tmp_path: Path) -> None:
    accepted = pipeline(Stage(script("good"))).reconstruct(target, tmp_path / "a")
    assert accepted.delivered is accepted.best
    plan = (Stage(script("near")), Stage(ScriptedGenerator(("far",), name="net", kind=ProgramKind.FACETS)))
    nearer = pipeline(*plan).reconstruct(target, tmp_path / "b")
    assert nearer.delivered is nearer.best and nearer.best is not None and nearer.best.program.source == "near"

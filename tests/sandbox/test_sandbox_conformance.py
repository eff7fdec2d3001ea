from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import cad_sandbox.server
from cad_sandbox import ForkServerSandbox, Isolation, Sandbox
from cad_sandbox.conformance import ATTACKS, LIMITS, PROPERTIES, Attack, Field, Length, NotConforming, withstand
from cad_sandbox.isolation import Means

# Where bubblewrap's own walls could hide a hole in the inner ones.
_OUTER = {
    "read-system-file",
    "read-secret",
    "list-secret-folder",
    "follow-link",
    "processes-in-proc",
    "thread-flood",
    "write-outside",
    "chmod-outside",
    "udp-send",
    "abstract-socket",
    "path-socket",
    "fork-bomb",
    "kill-parent",
    "parents-environment",
    "parents-memory",
    "shared-memory",
    "temporary-file",
    "daemon",
    "read-siblings",
    "poison-shared-rules",
}


def _marks(attack: Attack, *, always: bool) -> list[pytest.MarkDecorator]:
    waits = attack.length is Length.LONG and attack.name != "python-loop"
    return [pytest.mark.slow] if waits or not always else []


@pytest.mark.parametrize("holds", PROPERTIES, ids=lambda check: check.__name__)
def test_property(holds: Callable[[Sandbox, Path], None], sandbox: ForkServerSandbox, tmp_path: Path) -> None:
    holds(sandbox, tmp_path)


@pytest.mark.parametrize("attack", [pytest.param(a, id=a.name, marks=_marks(a, always=True)) for a in ATTACKS])
def test_attack(attack: Attack, sandbox: ForkServerSandbox, ground: Field, tmp_path: Path) -> None:
    withstand(sandbox, tmp_path, attack, ground)


@pytest.mark.parametrize(
    "attack", [pytest.param(a, id=a.name, marks=_marks(a, always=a.name in _OUTER)) for a in ATTACKS]
)
def test_attack_without_bubblewrap(
    attack: Attack, bare_sandbox: ForkServerSandbox, ground: Field, tmp_path: Path
) -> None:
    withstand(bare_sandbox, tmp_path, attack, ground)


def test_two_servers_write_the_same_bytes(
    sandbox: ForkServerSandbox, bare_sandbox: ForkServerSandbox, tmp_path: Path
) -> None:
    source = "import random\nimport cadquery as cq\nr = cq.Workplane().box(1 + random.random(), len({'a', 'b'}), 3)\n"
    written = []
    for number, one in enumerate((sandbox, bare_sandbox, bare_sandbox)):
        execution = one.run(source, tmp_path / str(number))
        assert execution.step is not None and execution.brep is not None, execution.message
        written.append((execution.step.read_bytes(), execution.brep.read_bytes()))
    assert written[0] == written[1] == written[2]


@pytest.fixture(scope="module")
def open_sandbox(ground: Field) -> Iterator[ForkServerSandbox]:
    """A process and nothing more, as on a machine that has no walls to offer."""
    with pytest.MonkeyPatch.context() as patch:
        nothing = {"seccomp": "none", "landlock": "none", "bubblewrap": "none"}
        patch.setattr(cad_sandbox.server, "find_means", lambda level: Means(missing=nothing))
        with ForkServerSandbox(LIMITS, Isolation.PROCESS) as made:
            yield made


@pytest.mark.parametrize(
    "name",
    [
        "read-secret",
        "list-secret-folder",
        "follow-link",
        "tcp-connect",
        "udp-send",
        "abstract-socket",
        "raw-socket-call",
    ],
)
def test_the_suite_sees_a_missing_wall(
    name: str, open_sandbox: ForkServerSandbox, ground: Field, tmp_path: Path
) -> None:
    """Without walls these attacks succeed; a suite that does not notice would prove nothing elsewhere."""
    attack = next(a for a in ATTACKS if a.name == name)
    with pytest.raises(NotConforming):
        withstand(open_sandbox, tmp_path, attack, ground)
    ground.breaches()  # clears what arrived


def test_an_open_sandbox_says_so(open_sandbox: ForkServerSandbox) -> None:
    layers = open_sandbox.layers()
    assert layers["seccomp"].startswith("absent") and layers["landlock"].startswith("absent")
    assert open_sandbox.self_test()["network"] != "held"

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import cad_sandbox.isolation
import cad_sandbox.syscalls
from cad_sandbox import ForkServerSandbox, Isolation, SandboxUnavailable, probe_isolation
from cad_sandbox.promises import HELD, check_self_test

ROOT = Path(__file__).parents[2]


def _no_libseccomp() -> None:
    raise SandboxUnavailable(
        "seccomp is needed, but libseccomp is not usable (test); " + cad_sandbox.syscalls.LIBSECCOMP_CURE
    )


@pytest.mark.parametrize("level", [Isolation.STRICT, Isolation.MAX])
def test_refuses_without_libseccomp(level: Isolation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cad_sandbox.isolation, "build_filter", _no_libseccomp)
    with pytest.raises(SandboxUnavailable, match="apt-get install libseccomp2"):
        ForkServerSandbox(isolation=level)


@pytest.mark.parametrize("level", [Isolation.STRICT, Isolation.MAX])
def test_refuses_without_landlock(level: Isolation, monkeypatch: pytest.MonkeyPatch) -> None:
    import landlockpy

    monkeypatch.setattr(landlockpy, "abi_version", lambda: 0)
    with pytest.raises(SandboxUnavailable, match=r"Linux 5\.13"):
        ForkServerSandbox(isolation=level)


@pytest.mark.parametrize("reason", ["bwrap is not installed", "bwrap: Creating new namespace failed: ENOSPC"])
def test_max_needs_bubblewrap(reason: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cad_sandbox.isolation, "bubblewrap_works", lambda: reason)
    with pytest.raises(SandboxUnavailable, match=r"(?s)bubblewrap: .*apt-get install bubblewrap"):
        ForkServerSandbox(isolation=Isolation.MAX)
    report = probe_isolation()
    assert report["strict"][0] and not report["max"][0]
    assert reason in report["max"][1]


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_other_systems_are_refused_plainly(platform: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cad_sandbox.isolation.sys, "platform", platform)
    for level in Isolation:
        with pytest.raises(SandboxUnavailable, match=f"expected Linux, got {platform}"):
            ForkServerSandbox(isolation=level)


def test_a_wall_that_gave_way_stops_the_sandbox() -> None:
    kept = {
        "seccomp": "active",
        "landlock": "active",
        "rlimits": "active",
        "environment": "scrubbed",
        "deadline": "active",
    }
    names = ["network", "local-socket", "fork", "exec", "signal", "limits", "read", "list", "write", "memory"]
    names += ["environment", "descriptors", "kill"]
    found = dict.fromkeys(names, HELD)
    check_self_test(found, kept)
    for name in names:
        with pytest.raises(SandboxUnavailable, match=name):
            check_self_test({**found, name: "not refused"}, kept)
        with pytest.raises(SandboxUnavailable, match=name):
            check_self_test({key: word for key, word in found.items() if key != name}, kept)


def test_the_layers_match_the_self_test(sandbox: ForkServerSandbox) -> None:
    assert set(sandbox.self_test().values()) == {HELD}
    assert sandbox.layers()["seccomp"] == "active"
    assert sandbox.layers()["landlock"].startswith("active (ABI ")


_AS_NOBODY = """
import os, sys, tempfile
from pathlib import Path
from cad_sandbox import ForkServerSandbox
assert os.getuid() == 65534
with ForkServerSandbox(workers=1) as sandbox, tempfile.TemporaryDirectory() as folder:
    execution = sandbox.run("import cadquery as cq\\nresult = cq.Workplane().box(1, 2, 3)", Path(folder))
    print(execution.outcome, execution.volume_mm3, set(sandbox.self_test().values()))
"""


@pytest.mark.skipif(shutil.which("bwrap") is None, reason="needs bubblewrap to become another user")
@pytest.mark.parametrize(
    "nesting",
    [pytest.param(["--disable-userns"], id="no-namespaces"), pytest.param([], id="namespaces", marks=pytest.mark.slow)],
)
def test_runs_as_another_user(nesting: list[str]) -> None:
    become = ["bwrap", "--unshare-user", "--uid", "65534", "--gid", "65534", *nesting, "--dev-bind", "/", "/"]
    if subprocess.run([*become, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("user namespaces are not allowed here")
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "sandbox")}
    done = subprocess.run(
        [*become, sys.executable, "-c", _AS_NOBODY], env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == ["built", "6.0", "{'held'}"], done.stderr[-2000:]


def test_importing_the_package_is_light() -> None:
    code = "import sys, cad_sandbox; print(sorted({'cadquery', 'OCP', 'numpy', 'scipy'} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(ROOT / "sandbox")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"

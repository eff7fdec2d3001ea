from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
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


_ELSEWHERE = """
import sys
sys.platform = {platform!r}
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name in ("resource", "fcntl", "termios", "pwd", "landlockpy", "pyseccomp"):
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Missing())
for name in ("resource", "fcntl", "pwd"):
    sys.modules.pop(name, None)
import cad_sandbox
print([(level, possible) for level, (possible, _) in cad_sandbox.probe_isolation().items()])
for level in cad_sandbox.Isolation:
    try:
        cad_sandbox.ForkServerSandbox(isolation=level)
    except cad_sandbox.SandboxUnavailable as error:
        print(level, error)
"""


@pytest.mark.parametrize("platform", ["darwin", "win32"])
def test_elsewhere_the_package_loads_and_refuses(platform: str) -> None:
    """Without the modules that only Linux has: importing works, and every level says what is missing and the cure."""
    done = subprocess.run(
        [sys.executable, "-S", "-c", _ELSEWHERE.format(platform=platform)],
        env={**os.environ, "PYTHONPATH": str(ROOT / "sandbox")},
        capture_output=True,
        text=True,
        check=False,
    )
    first, *levels = done.stdout.splitlines()
    assert first == "[('max', False), ('strict', False), ('process', False)]", done.stderr
    assert len(levels) == 3 and all(f"got {platform}" in line and "WSL2" in line for line in levels)


@pytest.mark.parametrize("abi", [1, 2, 3, 5])
def test_an_old_landlock_still_keeps_files_shut(abi: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernels since 5.13 know fewer rights; what they know is used, and files outside stay out of reach."""
    import landlockpy.ruleset

    from cad_sandbox.child import run_child
    from cad_sandbox.lockdown import Walls, file_rules, lock_down

    monkeypatch.setattr(landlockpy.ruleset._syscall, "abi_version", lambda: abi)
    (tmp_path / "secret").write_text("secret")
    parent = os.getpid()

    def body(pipe: int, trace: int) -> None:
        walls = Walls(landlock=True, readable=("/usr/lib",), seccomp=cad_sandbox.syscalls.build_filter())
        rules = file_rules(walls)
        lock_down(walls, rules=rules, parent_pid=parent, keep=(pipe, trace), memory_mb=1 << 20, cpu_s=9, file_mb=1)
        for path, mode in ((tmp_path / "secret", "r"), (tmp_path / "secret", "r+"), (tmp_path / "new", "w")):
            try:
                open(path, mode).close()
            except PermissionError:
                os.write(pipe, b"held ")
            else:
                os.write(pipe, b"open ")

    end = run_child(body, deadline=time.monotonic() + 30, max_bytes=100)
    assert end.data == b"held held held "


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

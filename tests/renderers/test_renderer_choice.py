"""The choice of a renderer rests on a trial, survives crashing drivers, and is remembered and explained."""

import json
import os
import sys
from pathlib import Path

import pytest

from cad_renderers import RendererUnavailable, auto_renderer, choice, explain_choice, renderer_named
from cad_renderers.choice import Probe


@pytest.fixture(autouse=True)
def memory(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "cad-pipeline"


def _pretend_gpu(monkeypatch, outcomes: dict[str, Probe]) -> list[str]:
    """Let this machine have a graphics device, and trials end as told; returns the names tried."""
    tried: list[str] = []

    def trial(name: str) -> Probe:
        tried.append(name)
        return outcomes[name]

    monkeypatch.setattr(choice, "_GPU_NODES", ("/",))
    monkeypatch.setattr(choice, "_trial", trial)
    return tried


def test_without_a_graphics_device_software_is_taken_untried(monkeypatch) -> None:
    if not sys.platform.startswith("linux"):
        pytest.skip("device nodes are looked for on Linux only")
    tried = _pretend_gpu(monkeypatch, {})
    monkeypatch.setattr(choice, "_GPU_NODES", ("/no/such/device",))
    assert auto_renderer().name == "software"
    assert tried == [] and "no graphics device" in explain_choice()


def test_hardware_is_preferred_and_remembered(monkeypatch, memory) -> None:
    working = Probe(name="vtk", works=True, device="NVIDIA H100 (vtkEGLRenderWindow)")
    broken = Probe(name="pyrender", works=False, reason="its trial ended with status -11: no message")
    tried = _pretend_gpu(monkeypatch, {"pyrender": broken, "vtk": working})
    assert auto_renderer().name == "vtk"
    assert auto_renderer().name == "vtk"
    assert tried == ["pyrender", "vtk"]
    assert "status -11" in explain_choice() and "NVIDIA" in explain_choice()
    notes = sorted(memory.iterdir())
    assert len(notes) == 2
    notes[0].write_text("not json")
    assert auto_renderer().name == "vtk"
    assert tried == ["pyrender", "vtk", "pyrender"]


def test_opengl_on_the_processor_is_not_worth_it(monkeypatch) -> None:
    slow = {name: Probe(name=name, works=True, device="llvmpipe (LLVM 15)") for name in ("pyrender", "vtk")}
    _pretend_gpu(monkeypatch, slow)
    assert auto_renderer().name == "software"
    assert "software is faster" in explain_choice()


def test_other_circumstances_ask_again(monkeypatch) -> None:
    slow = {name: Probe(name=name, works=True, device="llvmpipe") for name in ("pyrender", "vtk")}
    tried = _pretend_gpu(monkeypatch, slow)
    auto_renderer()
    monkeypatch.setenv("EGL_DEVICE_ID", "7")
    auto_renderer()
    assert tried == ["pyrender", "vtk"] * 2


def test_a_trial_that_kills_its_process_is_an_answer(monkeypatch, tmp_path) -> None:
    """A driver that ends the process with a signal becomes a reason, not a crash."""
    package = tmp_path / "fake" / "cad_renderers"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (package / "selftest.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)\n")
    monkeypatch.setattr(sys, "path", [str(package.parent), *sys.path])
    monkeypatch.chdir(tmp_path)
    probe = choice._trial("vtk")
    assert not probe.works and "status -11" in probe.reason


def test_a_trial_reports_a_missing_driver(monkeypatch) -> None:
    """A platform that does not exist makes pyrender unavailable; its message holds the cure."""
    monkeypatch.setenv("PYOPENGL_PLATFORM", "osmesa")
    if (probe := choice._trial("pyrender")).works:
        pytest.skip("this machine has OSMesa")
    assert "pyrender found no OpenGL" in probe.reason and "apt-get install" in probe.reason


def test_a_real_trial_of_the_reference_works(memory) -> None:
    probe = choice._tried("software")
    assert probe.works and not probe.hardware and probe.first_s is not None
    (note,) = memory.iterdir()
    assert json.loads(note.read_text())["works"] is True
    assert choice._remembered("software") == probe


def test_without_a_writable_home_nothing_breaks(monkeypatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", os.devnull)
    _pretend_gpu(monkeypatch, {name: Probe(name=name, works=False, reason="no") for name in ("pyrender", "vtk")})
    assert auto_renderer().name == "software"


def test_names_are_checked() -> None:
    with pytest.raises(ValueError, match="software, pyrender, vtk"):
        renderer_named("povray")
    assert renderer_named("software").name == "software"
    assert issubclass(RendererUnavailable, RuntimeError)

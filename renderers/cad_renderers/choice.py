"""Which renderer to use here: found by trial in a child process, remembered, and explained."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from cad_renderers.roles import Renderer

__all__ = ["RENDERERS", "Probe", "auto_renderer", "explain_choice", "probe_renderers", "renderer_named"]

_TRIAL_S = 120.0
_CPU_DEVICES = ("llvmpipe", "softpipe", "swrast", "swiftshader", "software rasterizer")
_SWITCHES = ("PYOPENGL_PLATFORM", "EGL_DEVICE_ID", "DISPLAY", "CUDA_VISIBLE_DEVICES")
_GPU_NODES = ("/dev/dri", "/dev/nvidiactl", "/dev/dxg", "/dev/kfd", "/dev/mali0")


def _software() -> Renderer:
    from cad_renderers.software import SoftwareRenderer

    return SoftwareRenderer()


def _pyrender() -> Renderer:
    from cad_renderers.pyrender_gl import PyrenderRenderer

    return PyrenderRenderer()


def _vtk() -> Renderer:
    from cad_renderers.vtk_gl import VtkRenderer

    return VtkRenderer()


RENDERERS: Mapping[str, Callable[[], Renderer]] = {"software": _software, "pyrender": _pyrender, "vtk": _vtk}
"""Makers of the renderers by name; making one loads nothing heavy before its first picture, except for `software`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """What a trial found: whether the renderer works here, on which device, why not, and the environment it needed."""

    name: str
    works: bool
    device: str = ""
    reason: str = ""
    first_s: float | None = None
    environment: tuple[tuple[str, str], ...] = ()

    @property
    def hardware(self) -> bool:
        """Whether it draws on graphics hardware."""
        return self.works and self.name != "software" and not any(cpu in self.device.lower() for cpu in _CPU_DEVICES)

    def __str__(self) -> str:
        if self.works:
            return f"{self.name}: works on {self.device}"
        return f"{self.name}: {self.reason}"


def renderer_named(name: str) -> Renderer:
    """Make the renderer called `name`: software, pyrender, vtk, or auto."""
    if name == "auto":
        return auto_renderer()
    if name not in RENDERERS:
        raise ValueError(f"expected a renderer out of auto, {', '.join(RENDERERS)}; got {name!r}")
    return RENDERERS[name]()


def auto_renderer() -> Renderer:
    """Choose the renderer for this machine: OpenGL on graphics hardware if a trial shows it draws right, else software.

    Software wins over OpenGL on the processor: the pictures are the same and it is faster. Where there is no graphics
    device at all nothing has to be tried. `explain_choice` says what was chosen and why the others were not.
    """
    chosen, _ = _choose()
    return RENDERERS[chosen]()


def explain_choice() -> str:
    """Say in one line which renderer `auto_renderer` takes here and why not the others."""
    chosen, reasons = _choose()
    return f"{chosen} ({'; '.join(reasons)})"


def _choose() -> tuple[str, list[str]]:
    if sys.platform.startswith("linux") and not any(map(os.path.exists, _GPU_NODES)):
        return "software", ["no graphics device here, and OpenGL on the processor is slower"]
    reasons: list[str] = []
    for name in ("pyrender", "vtk"):
        probe = _remembered(name)
        if probe.hardware:
            os.environ.update(probe.environment)
            return name, [*reasons, str(probe)]
        slow = f"{name}: {probe.device} draws on the processor, where software is faster"
        reasons.append(slow if probe.works else str(probe))
    return "software", reasons


def probe_renderers() -> tuple[Probe, ...]:
    """Try every renderer in a child process of its own and say what works here; takes seconds, and refreshes the
    memory.
    """
    return tuple(_tried(name) for name in RENDERERS)


def _trial(name: str) -> Probe:
    """Try a renderer in a child, as a graphics driver may end its process; pyrender also on OSMesa if EGL fails."""
    attempts: list[dict[str, str]] = [{}]
    if name == "pyrender" and "PYOPENGL_PLATFORM" not in os.environ:
        attempts = [{"PYOPENGL_PLATFORM": "egl"}, {"PYOPENGL_PLATFORM": "osmesa"}]
    probes = []
    for environment in attempts:
        probe = _trial_with(name, environment)
        if probe.works:
            return probe
        probes.append(probe)
    return probes[0]


def _trial_with(name: str, environment: dict[str, str]) -> Probe:
    path = os.pathsep.join(entry for entry in sys.path if entry)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "cad_renderers.selftest", name],
            env={**os.environ, **environment, "PYTHONPATH": path},
            capture_output=True,
            text=True,
            timeout=_TRIAL_S,
            stdin=subprocess.DEVNULL,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Probe(name=name, works=False, reason=f"its trial did not end within {_TRIAL_S:.0f} s")
    said: dict[str, Any] = {}
    for line in done.stdout.splitlines():
        with contextlib.suppress(json.JSONDecodeError):
            said = json.loads(line) if line.startswith("{") else said
    if "works" not in said:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        return Probe(name=name, works=False, reason=f"its trial ended with status {done.returncode}: {last[:300]}")
    return Probe(
        name=name,
        works=bool(said["works"]),
        device=str(said["device"]),
        reason=str(said["reason"]),
        first_s=said.get("first_s"),
        environment=tuple(environment.items()),
    )


def _remembered(name: str) -> Probe:
    """Recall the last trial under the same circumstances, or make one."""
    try:
        data = json.loads(_note(name).read_text(encoding="utf-8"))
        return Probe(**{**data, "environment": tuple(tuple(pair) for pair in data["environment"])})
    except (OSError, ValueError, TypeError, KeyError):
        return _tried(name)


def _tried(name: str) -> Probe:
    """Make a trial and note its outcome."""
    probe = _trial(name)
    path = _note(name)
    with contextlib.suppress(OSError):  # without a home the trial is repeated next time
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as draft:
            json.dump(asdict(probe), draft)
        os.replace(draft.name, path)
    return probe


def _note(name: str) -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return Path(base) / "cad-pipeline" / f"renderer-{name}-{_circumstances()}.json"


def _circumstances() -> str:
    """Digest everything that may change the outcome of a trial: versions, machine, devices, environment."""
    facts = [sys.version, platform.platform(), platform.node(), str(Path(__file__).parent)]
    for package in ("cad-pipeline", "numpy", "numba", "pyrender", "PyOpenGL", "vtk"):
        try:
            facts.append(f"{package} {metadata.version(package)}")
        except metadata.PackageNotFoundError:
            facts.append(f"{package} none")
    facts += [f"{key}={os.environ.get(key)}" for key in _SWITCHES]
    facts += [node for node in _GPU_NODES if os.path.exists(node)]
    return hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16]

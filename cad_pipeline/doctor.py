"""Examines the machine: what the pipeline needs, what is there, and the one line that cures each lack."""

from __future__ import annotations

import ctypes
import enum
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from cad_sandbox.limits import Isolation

__all__ = ["Finding", "Health", "examine", "healthy"]

_CORE = (
    "cadquery",
    "cadquery-ocp",
    "numpy",
    "scipy",
    "numba",
    "trimesh",
    "manifold3d",
    "shapely",
    "vtk",
    "pyrender",
    "pillow",
    "typer",
    "rich",
    "landlockpy",
    "pyseccomp",
    "networkx",
    "lxml",
    "mapbox-earcut",
)
_EXTRAS = {"qwen": ("torch", "transformers", "accelerate", "peft"), "ray": ("ray",)}

# what each shared library is for, and the Debian or Ubuntu package that brings it
_LIBRARIES = {
    "libGL.so.1": ("CadQuery's kernel and VTK", "libgl1"),
    "libX11.so.6": ("CadQuery's kernel and VTK", "libx11-6"),
    "libXrender.so.1": ("VTK", "libxrender1"),
    "libseccomp.so.2": ("the sandbox's system-call filter", "libseccomp2"),
    "libEGL.so.1": ("pyrender without a display", "libegl1"),
    "libOSMesa.so.8": ("pyrender without EGL", "libosmesa6"),
}
_NEEDED = {"libGL.so.1", "libX11.so.6", "libXrender.so.1", "libseccomp.so.2"}


class Health(enum.StrEnum):
    """Whether a thing works, is missed only by some commands, or keeps the core from working."""

    WORKS = "works"
    OPTIONAL = "optional"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at: which, how it is, what was found, and the cure where it is not well."""

    subject: str
    health: Health
    found: str
    cure: str = ""


def examine() -> Iterator[Finding]:
    """Look at everything, the quick things first, and end by running a real program behind the walls."""
    yield _python()
    yield from _packages()
    yield from _libraries()
    yield _scratch_space()
    yield from _sandbox_levels()
    yield from _renderers()
    yield from _model()
    yield _whole_way()


def healthy(findings: list[Finding]) -> bool:
    """Say whether the core works: nothing that was looked at is broken."""
    return all(finding.health is not Health.BROKEN for finding in findings)


def _python() -> Finding:
    found = f"{platform.python_version()} on {platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    if sys.version_info[:2] < (3, 11) or sys.version_info[:2] >= (3, 14):
        return Finding(
            subject="python",
            health=Health.BROKEN,
            found=found,
            cure="make a virtual environment of Python 3.11 to 3.13",
        )
    return Finding(subject="python", health=Health.WORKS, found=found)


def _packages() -> Iterator[Finding]:
    for package in _CORE:
        yield _package(package, missing=Health.BROKEN, cure="pip install cad-pipeline")
    for extra, packages in _EXTRAS.items():
        for package in packages:
            yield _package(package, missing=Health.OPTIONAL, cure=f"pip install 'cad-pipeline[{extra}]'")


def _package(package: str, *, missing: Health, cure: str) -> Finding:
    try:
        return Finding(subject=package, health=Health.WORKS, found=metadata.version(package))
    except metadata.PackageNotFoundError:
        return Finding(subject=package, health=missing, found="not installed", cure=cure)


def _libraries() -> Iterator[Finding]:
    if not sys.platform.startswith("linux"):
        return
    for library, (purpose, package) in _LIBRARIES.items():
        try:
            ctypes.CDLL(library)
        except OSError:
            health = Health.BROKEN if library in _NEEDED else Health.OPTIONAL
            cure = f"apt-get install -y {package}"
            yield Finding(subject=library, health=health, found=f"missing; {purpose} needs it", cure=cure)
        else:
            yield Finding(subject=library, health=Health.WORKS, found=f"for {purpose}")


def _scratch_space() -> Finding:
    folder = Path(tempfile.gettempdir())
    free_mb = shutil.disk_usage(folder).free // 2**20
    found = f"{free_mb} MB free in {folder}"
    if free_mb < 512:
        return Finding(
            subject="scratch space", health=Health.OPTIONAL, found=found, cure="point TMPDIR at a folder with more room"
        )
    return Finding(subject="scratch space", health=Health.WORKS, found=found)


def _sandbox_levels() -> Iterator[Finding]:
    try:
        from cad_sandbox import probe_isolation

        levels = probe_isolation()
    # a machine so bare that the probe itself does not load is the very case this page is for
    except Exception as error:
        yield Finding(subject="sandbox", health=Health.BROKEN, found=_words(error), cure="see the lines above")
        return
    for name, (available, words) in levels.items():
        lacking = Health.BROKEN if name == Isolation.STRICT else Health.OPTIONAL
        yield Finding(subject=f"isolation {name}", health=Health.WORKS if available else lacking, found=words)


def _renderers() -> Iterator[Finding]:
    try:
        from cad_renderers import probe_renderers

        probes = probe_renderers()
    # as above: a driver that can't be loaded must not end the examination
    except Exception as error:
        yield Finding(subject="renderers", health=Health.OPTIONAL, found=_words(error), cure="see the lines above")
        return
    for probe in probes:
        # pictures are an extra to a conversion, and the software renderer needs nothing but numba
        lacking = Health.BROKEN if probe.name == "software" else Health.OPTIONAL
        found = f"draws on {probe.device}" if probe.works else probe.reason
        yield Finding(subject=f"renderer {probe.name}", health=Health.WORKS if probe.works else lacking, found=found)


def _model() -> Iterator[Finding]:
    """Look for what a local model needs beside its packages: a device, and the published weights."""
    from cad_pipeline.errors import CadPipelineError
    from cad_pipeline.generators.checkpoint import DEFAULT_CHECKPOINT, ModelChoice, find_checkpoint, usable_device

    checks: tuple[tuple[str, Callable[[], str]], ...] = (
        ("model device", lambda: _device_in_words(usable_device(ModelChoice()))),
        ("model weights", lambda: f"{DEFAULT_CHECKPOINT} in {find_checkpoint()}"),
    )
    for subject, look in checks:
        try:
            yield Finding(subject=subject, health=Health.WORKS, found=look())
        except CadPipelineError as error:
            found, _, cure = str(error).partition("; ")
            yield Finding(subject=subject, health=Health.OPTIONAL, found=found, cure=cure)
        # torch that can't load its own libraries is a finding, not the end of the examination
        except (ImportError, OSError, RuntimeError) as error:
            cure = "pip install 'cad-pipeline[qwen]'"
            yield Finding(subject=subject, health=Health.OPTIONAL, found=_words(error), cure=cure)


def _device_in_words(device: str) -> str:
    import torch

    if device == "cuda":
        free, total = torch.cuda.mem_get_info()
        return f"{torch.cuda.get_device_name()}, {free / 2**30:.1f} of {total / 2**30:.1f} GiB free"
    if device == "mps":
        return "mps, Apple's GPU"
    return "cpu only: a part takes minutes; auto leaves the model out unless --device cpu is given"


def _whole_way() -> Finding:
    """Run one program behind the default walls, as every conversion does."""
    from cad_pipeline import warm

    source = "import cadquery as cq\nresult = cq.Workplane().box(30, 20, 10)\n"
    try:
        with tempfile.TemporaryDirectory(prefix="cad-pipeline-doctor-") as folder:
            execution = warm.warm_sandbox().run(source, Path(folder))
    # whatever stops the sandbox is what a user wants to read here
    except Exception as error:
        return Finding(subject="a program", health=Health.BROKEN, found=_words(error), cure="see the lines above")
    if execution.built and execution.volume_mm3 is not None and abs(execution.volume_mm3 - 6000.0) < 0.01:
        active = ", ".join(f"{layer}: {state}" for layer, state in execution.layers.items())
        found = f"built a box of 6000 mm³ in {execution.seconds:.2f} s ({active})"
        return Finding(subject="a program", health=Health.WORKS, found=found)
    found = f"{execution.outcome}: {execution.message or execution.volume_mm3}"
    return Finding(subject="a program", health=Health.BROKEN, found=found, cure="cad-pipeline doctor --debug")


def _words(error: BaseException) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())

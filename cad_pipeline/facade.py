"""The front door: one call from a part to its reconstruction, with the same powers as the command line.

    reconstruct("plate.stl")                          # a Reconstruction; its files live until the process ends
    reconstruct("plate.stl", unit="inch", out="out")  # the files lie in out/plate/
    reconstruct(trimesh.load("plate.ply"))            # any object with vertices and faces
    reconstruct_views("views/plate", size_mm=80.0)    # eight pictures in the place of a mesh

A sandbox is started on first use, kept warm between calls and closed at exit.
"""

from __future__ import annotations

import atexit
import os
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from cad_pipeline import warm
from cad_pipeline.certificate import certificate
from cad_pipeline.errors import InputError
from cad_pipeline.options import DEFAULT_GENERATOR, DEFAULT_MIN_IOU, DEFAULT_TIMEOUT_S, ModelOptions, Options
from cad_pipeline.pipeline import Pipeline, Silent
from cad_pipeline.plans import plan_for
from cad_pipeline.roles import Generator, Reporter, Sandbox, Verifier
from cad_pipeline.store import Existing, Keep, Store, part_name
from cad_pipeline.values import Attempt, Mesh, Reconstruction, Target
from cad_sandbox.limits import Isolation

if TYPE_CHECKING:
    from cad_renderers import Rig

__all__ = ["Conversion", "Part", "as_choice", "convert", "default_pipeline", "reconstruct", "reconstruct_views"]

SMALLEST_PART_MM = 1e-3

E = TypeVar("E", Isolation, Existing, Keep)


class Triangles(Protocol):
    """Anything with `vertices` (n, 3) and `faces` (m, 3), as `trimesh.Trimesh` has them."""

    @property
    def vertices(self) -> Any:
        """Corner points, (n, 3)."""
        ...

    @property
    def faces(self) -> Any:
        """Corner numbers of each triangle, (m, 3)."""
        ...


Part = str | os.PathLike[str] | Mesh | Triangles


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """What one part came to, its report, and where both lie."""

    name: str
    report: Mapping[str, Any]
    reconstruction: Reconstruction
    folder: Path


def reconstruct(
    part: Part,
    *,
    unit: str | None = None,
    generator: str | Generator = DEFAULT_GENERATOR,
    min_iou: float = DEFAULT_MIN_IOU,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    isolation: Isolation | str = Isolation.STRICT,
    out: str | os.PathLike[str] | None = None,
    existing: Existing | str = Existing.REFUSE,
    keep: Keep | str = Keep.BEST,
    reporter: Reporter | None = None,
    model: ModelOptions | None = None,
) -> Reconstruction:
    """Find an editable CadQuery program for a part.

    `part` is a file's path, a `Mesh` in mm, or an object with `vertices` and `faces` whose numbers are in `unit`.
    `timeout_s` bounds each program; `model` says which model writes, for the generators that have one. With `out`, the
    files and `report.json` lie in `out/<name>/`; without it they live until the process ends. Raises `InputError` on
    unusable input, `SandboxUnavailable` on a machine that can't hold a program behind walls; a part on which nothing
    worked is an answer, with grade `failed`.
    """
    options = Options(
        generator=generator if isinstance(generator, str) else generator.name,
        min_iou=min_iou,
        timeout_s=timeout_s,
        isolation=as_choice(Isolation, isolation, "isolation"),
        unit=unit,
        model=model or ModelOptions(),
    )
    pipeline = default_pipeline(options, generator=generator, reporter=reporter)
    started = time.perf_counter()
    mesh = as_mesh(part, unit=unit)
    before = {"read": time.perf_counter() - started}
    refuse_dust(mesh)
    store = _store(out, existing, keep)
    return _reconstructed(Target(mesh=mesh), options=options, store=store, pipeline=pipeline, before=before)


def reconstruct_views(
    folder: str | os.PathLike[str],
    *,
    size_mm: float | None = None,
    rig: str | os.PathLike[str] | None = None,
    generator: str | Generator = DEFAULT_GENERATOR,
    min_iou: float = DEFAULT_MIN_IOU,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    isolation: Isolation | str = Isolation.STRICT,
    out: str | os.PathLike[str] | None = None,
    existing: Existing | str = Existing.REFUSE,
    keep: Keep | str = Keep.BEST,
    reporter: Reporter | None = None,
    model: ModelOptions | None = None,
) -> Reconstruction:
    """Find an editable CadQuery program for a part that is known by eight pictures in a folder.

    `size_mm` is the part's longest side: pictures carry no scale, and without it 100 mm are assumed and said. `rig` are
    the cameras, a preset's name or a file; without it those of the folder's `views.json`, else the calibrated ones.
    The judge compares silhouettes and lines, so `min_iou` is a share of silhouettes, not of volume. All else is as for
    `reconstruct`, and so is what is raised.
    """
    from cad_pipeline.pictures import target_from_views
    from cad_pipeline.verify.likeness import ViewsVerifier

    options = Options(
        generator=generator if isinstance(generator, str) else generator.name,
        min_iou=min_iou,
        timeout_s=timeout_s,
        isolation=as_choice(Isolation, isolation, "isolation"),
        rig=None if rig is None else os.fspath(rig),
        size_mm=size_mm,
        model=model or ModelOptions(),
    )
    store = _store(out, existing, keep)
    pipeline = default_pipeline(
        options, generator=generator, reporter=reporter, verifier=ViewsVerifier(min_iou=options.min_iou)
    )
    started = time.perf_counter()
    target = target_from_views(Path(folder), size_mm=options.size_mm, rig=options.rig)
    before = {"read": time.perf_counter() - started}
    return _reconstructed(target, options=options, store=store, pipeline=pipeline, before=before)


def _store(out: str | os.PathLike[str] | None, existing: Existing | str, keep: Keep | str) -> Store | None:
    if out is None:
        return None
    store = Store(
        root=Path(out), existing=as_choice(Existing, existing, "existing"), keep=as_choice(Keep, keep, "keep")
    )
    # an earlier result holds no attempts, so there is no reconstruction to give back: only the command line resumes
    if store.existing is Existing.RESUME:
        raise InputError("expected existing='refuse' or 'overwrite', got 'resume', which is for the command line")
    return store


def _reconstructed(
    target: Target, *, options: Options, store: Store | None, pipeline: Pipeline, before: Mapping[str, float]
) -> Reconstruction:
    name = part_name(target.mesh.name)
    if store is None:
        return pipeline.reconstruct(target, _scratch() / f"{name}-{time.monotonic_ns()}")
    return convert(target, name=name, options=options, store=store, pipeline=pipeline, before=before).reconstruction


def default_pipeline(
    options: Options | None = None,
    *,
    generator: str | Generator | None = None,
    reporter: Reporter | None = None,
    sandbox: Sandbox | None = None,
    verifier: Verifier | None = None,
) -> Pipeline:
    """Put together the pipeline that `reconstruct` and the command line use.

    `generator` may be one of your own and then stands in the place of `options.generator`, `verifier` in that of
    the judge by mesh.
    """
    from cad_pipeline.verify import MeshVerifier, Tolerance

    options = options or Options()
    sandbox = sandbox or warm.warm_sandbox(options.isolation, options.timeout_s)
    return Pipeline(
        plan=plan_for(generator or options.generator, sandbox, options.model),
        sandbox=sandbox,
        verifier=verifier or MeshVerifier(tolerance=Tolerance(min_iou=options.min_iou)),
        reporter=reporter or Silent(),
        workers=warm.WORKERS,
    )


def convert(
    part: Mesh | Target,
    *,
    name: str,
    options: Options,
    store: Store,
    pipeline: Pipeline,
    before: Mapping[str, float] = MappingProxyType({}),
) -> Conversion:
    """Reconstruct one part and put the result in the store; `before` are the seconds spent on it so far, by stage.

    Raises `InputError` where the store may not be written.
    """
    started = time.perf_counter()
    target = part if isinstance(part, Target) else Target(mesh=part, rig=rig_of(options))
    refuse_dust(target.mesh)
    with store.draft(name) as draft:
        reconstruction = pipeline.reconstruct(target, draft.attempts)
        total = sum(before.values()) + time.perf_counter() - started
        seconds = {**before, **reconstruction.seconds, "total": total}
        report = certificate(reconstruction, name=name, options=options, seconds=seconds)
        best, solid = reconstruction.best, reconstruction.delivered
        draft.write(
            report,
            source=best.program.source if best else None,
            files={".step": solid.execution.step, ".stl": solid.execution.stl} if solid else {},
        )
    moved = _moved(reconstruction, name=name, attempts=draft.attempts, place=draft.place, keep=store.keep)
    return Conversion(name=name, report=report, reconstruction=moved, folder=draft.place)


def rig_of(options: Options) -> Rig | None:
    """Load the cameras that the options name; None leaves the choice to the target. Raises `InputError`."""
    if options.rig is None:
        return None
    from cad_renderers import Rig

    try:
        return Rig.load(options.rig)
    except ValueError as error:
        raise InputError(str(error)) from None


def as_mesh(part: Part, *, unit: str | None = None) -> Mesh:
    """Take a path, a `Mesh` or anything with vertices and faces for a mesh in mm. Raises `InputError`."""
    from cad_pipeline.mesh import mesh_from_arrays, read_mesh

    if isinstance(part, Mesh):
        if unit not in (None, "mm"):
            raise InputError(f"expected no unit with a Mesh, which is in mm already, got {unit!r}; leave it out")
        return part
    if isinstance(part, str | os.PathLike):
        return read_mesh(Path(part), unit=unit)
    vertices, faces = getattr(part, "vertices", None), getattr(part, "faces", None)
    if vertices is None or faces is None:
        raise InputError(f"expected a path, a Mesh or an object with vertices and faces, got {type(part).__name__}")
    return mesh_from_arrays(vertices, faces, name=_name_of(part), unit=unit or "mm")


def as_choice(kind: type[E], value: E | str, option: str) -> E:
    """Take a word for one of an enum's values; `option` names it in the message. Raises `InputError`."""
    try:
        return kind(value)
    except ValueError:
        raise InputError(f"expected {option} {', '.join(kind)}, got {value!r}") from None


def refuse_dust(mesh: Mesh) -> None:
    """Raise `InputError` for a part that CAD kernels can't hold: their points are one within 1e-7 mm."""
    longest = float((mesh.bounds[1] - mesh.bounds[0]).max())
    if longest < SMALLEST_PART_MM:
        raise InputError(
            f"{mesh.name}: expected a part of at least {SMALLEST_PART_MM:g} mm, got {longest:.3g} mm, too small for "
            "a CAD kernel; if the file's numbers are not millimetres, give the unit, e.g. --unit m"
        )


@cache
def _scratch() -> Path:
    folder = tempfile.TemporaryDirectory(prefix="cad-pipeline-")
    atexit.register(folder.cleanup)
    return Path(folder.name)


def _moved(reconstruction: Reconstruction, *, name: str, attempts: Path, place: Path, keep: Keep) -> Reconstruction:
    """Let the attempts' paths say where the files lie now; a file that was not kept has no path."""
    delivered = reconstruction.delivered

    def moved(path: Path | None) -> Path | None:
        kept = path is not None and keep is Keep.ATTEMPTS
        return place / "attempts" / path.relative_to(attempts) if path is not None and kept else None

    def placed(attempt: Attempt) -> Attempt:
        old = attempt.execution
        step, stl = moved(old.step), moved(old.stl)
        if attempt is delivered:
            step, stl = (place / f"{name}.{key}" if getattr(old, key) else None for key in ("step", "stl"))
        execution = replace(old, brep=moved(old.brep), step=step, stl=stl, mesh=moved(old.mesh))
        return replace(attempt, execution=execution)

    return replace(reconstruction, attempts=tuple(placed(each) for each in reconstruction.attempts))


def _name_of(part: object) -> str:
    metadata = getattr(part, "metadata", None)
    name = metadata.get("file_name") or metadata.get("name") if isinstance(metadata, Mapping) else None
    return Path(str(name)).stem if name else "part"

"""From an upload's bytes to a bundle: a zip of NAME.py, NAME.step, NAME.stl and report.json."""

from __future__ import annotations

import io
import json
import tempfile
import traceback
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from cad_pipeline.batch.bounds import bounded
from cad_pipeline.batch.job import Job
from cad_pipeline.batch.worker import make_pipeline
from cad_pipeline.batch.writing import plan_around
from cad_pipeline.errors import CadPipelineError
from cad_pipeline.serve.service import FORMATS, Service
from cad_pipeline.store import Store

if TYPE_CHECKING:
    from cad_pipeline.pipeline import Pipeline
    from cad_pipeline.values import Program, Target

__all__ = ["Bundle", "Oven", "Refusal", "Upload"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A mesh as it came in; `format` is one of `FORMATS`, and `name` was made by `part_name`."""

    name: str
    format: str
    data: bytes
    unit: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A finished zip, with the grade and IoU that its report tells."""

    data: bytes
    grade: str
    iou: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """Why nothing comes of an upload, in one line."""

    reason: str


class Oven:
    """Holds one warm pipeline and turns uploads into bundles, one at a time."""

    def __init__(self, service: Service) -> None:
        """Take the settings; the pipeline is put together when the first upload comes."""
        self._service = service
        self._job = Job(out=".", run="serve", options=service.options, pipeline=service.pipeline, writer=service.writer)
        self._pipeline: Pipeline | None = None

    def bake(self, upload: Upload, write: Callable[[Target], Sequence[Program]] | None = None) -> Bundle | Refusal:
        """Convert an upload within the service's bounds; `write` asks a model elsewhere for programs.

        A crash or an overrun of time ends this process: whoever asked learns it from that.
        """
        if upload.format not in FORMATS:
            return Refusal(reason=f"expected a format of {', '.join(FORMATS)}, got {upload.format!r}")
        with tempfile.TemporaryDirectory(prefix="cad-pipeline-serve-") as folder:
            log_place = Path(folder) / "log"
            with log_place.open("w", encoding="utf-8") as log:
                bounds = bounded(log, timeout_s=self._service.part_timeout_s, memory_mb=self._service.part_memory_mb)
                try:
                    with bounds:
                        return self._bake(upload, Path(folder), write)
                except MemoryError:
                    return Refusal(reason=f"the part asked for more than {self._service.part_memory_mb} MB")
                except CadPipelineError as error:
                    return Refusal(reason=" ".join(str(error).split()))
                # one upload's trouble must not end the service; its details are the operator's
                except Exception as error:
                    traceback.print_exception(error)
                    return Refusal(reason=f"internal error, {type(error).__name__}")

    def _bake(
        self, upload: Upload, folder: Path, write: Callable[[Target], Sequence[Program]] | None
    ) -> Bundle | Refusal:
        from cad_pipeline.facade import convert, refuse_dust
        from cad_pipeline.mesh import read_mesh
        from cad_pipeline.values import Target

        # a name of our own: the caller's is only ever the name of what comes out
        place = folder / f"upload.{upload.format}"
        place.write_bytes(upload.data)
        mesh = replace(read_mesh(place, unit=upload.unit), name=upload.name)
        refuse_dust(mesh)
        target = Target(mesh=mesh)
        if self._pipeline is None:
            self._pipeline = make_pipeline(self._job)
        pipeline = self._pipeline
        if write is not None:
            pipeline = replace(pipeline, plan=plan_around(write(target), pipeline, self._job))
        store = Store(root=folder / "out")
        done = convert(target, name=upload.name, options=self._service.options, store=store, pipeline=pipeline)
        if done.report["grade"] == "failed":
            return Refusal(reason=str(done.report["reason"]))
        return Bundle(
            data=_zip(done.folder, path=f"{upload.name}.{upload.format}"),
            grade=str(done.report["grade"]),
            iou=done.report["iou"],
        )


def _zip(folder: Path, *, path: str) -> bytes:
    """Zip a result, whose report is to name the input as the caller knows it and not where it lay here."""
    report = folder / "report.json"
    told = json.loads(report.read_text(encoding="utf-8"))
    told["input"]["path"] = path
    report.write_text(json.dumps(told, indent=2, ensure_ascii=False, allow_nan=False) + "\n", encoding="utf-8")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for each in sorted(folder.iterdir()):
            if each.is_file():
                archive.write(each, f"{folder.name}/{each.name}")
    return buffer.getvalue()

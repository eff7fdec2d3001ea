"""The stages before conversion where a model writes: views are drawn on CPUs, programs for several parts on a GPU.

The model writes one round of `samples` programs for each part; what is made of them (repair, registration, refinement,
the net of facets) goes on elsewhere, on the CPU actors. Of a batch that killed its actor every part is tried alone, so
that the one to blame shows.
"""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
import io
import json
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from cad_pipeline.batch.filesystems import pyarrow_here
from cad_pipeline.batch.identity import Identity
from cad_pipeline.batch.job import Job
from cad_pipeline.batch.ledger import Poisoned, Started
from cad_pipeline.batch.manifest import Item, Kind
from cad_pipeline.batch.rows import Failure
from cad_pipeline.batch.worker import MACHINES, Worker
from cad_pipeline.options import Options
from cad_pipeline.values import Attempt, Origin, Parameter, Program, ProgramKind, Target

if TYPE_CHECKING:
    from cad_pipeline.pipeline import Pipeline, Stage

__all__ = [
    "View",
    "Write",
    "Writer",
    "Written",
    "item_of",
    "make_writer",
    "pack",
    "plan_around",
    "read_programs",
    "text_of",
    "unpack",
]


class Writer(Protocol):
    """Writes programs for several parts at once, from their views."""

    def propose_for(
        self, targets: Sequence[Target], histories: Sequence[Sequence[Attempt]], /, *, samples: int = 1
    ) -> Sequence[Sequence[Program]]:
        """Write up to `samples` programs for each part."""
        ...


@dataclass(frozen=True, slots=True)
class Written:
    """A generator that proposes what was written elsewhere, once."""

    programs: tuple[Program, ...]
    name: str = "written"

    def propose(self, target: Target, history: Sequence[Attempt], /, *, samples: int = 1) -> Sequence[Program]:
        """Propose all that was not tried yet."""
        tried = {attempt.program.source for attempt in history}
        return [program for program in self.programs if program.source not in tried]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """What the model may know of a part on another machine: name, views, and the digest that seeds its draws."""

    name: str
    images: tuple[NDArray[np.uint8], ...]
    digest: str

    @property
    def views(self) -> _Seen:
        return self

    @property
    def mesh(self) -> _Seen:
        return self


class View:
    """The actor that reads a part and draws its views."""

    def __init__(self, job: Job) -> None:
        """Open the job in this process."""
        self._worker = Worker(job=job)

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """Draw a part's views, or give its row if there is one already, or none to be had."""
        found = self._worker.view(item_of(row))
        if isinstance(found, dict):
            return {**row, "done": json.dumps(found), "views": b"", "key": "", "input": ""}
        target, same = found
        return {**row, "done": "", "views": pack(target), "key": same.key, "input": same.digest or ""}


class Write:
    """The actor that holds the model."""

    def __init__(self, job: Job) -> None:
        """Open the job in this process; the model is loaded when the first part comes."""
        self._job = job
        self._worker = Worker(job=job)
        self._writer: Writer | None = None

    def __call__(self, batch: Any) -> Any:
        """Write for a batch of parts."""
        rows = [{**row, "programs": ""} for row in batch.to_pylist()]
        asked = [row for row in rows if not row["done"]]
        if any(self._worker.ledger.kills(row["name"], row["key"], step="write") for row in asked):
            for row in asked:
                self._write([row])
        elif asked:
            self._write(asked)
        kept = ("number", "name", "path", "unit", "kind", "done", "programs")
        arrow = pyarrow_here()
        fields = [(name, arrow.int64() if name == "number" else arrow.string()) for name in kept]
        return arrow.Table.from_pylist([{k: row[k] for k in kept} for row in rows], schema=arrow.schema(fields))

    def _write(self, rows: Sequence[dict[str, Any]]) -> None:
        """Write for all of these at once, and put programs or a row that is done into each."""
        begun: list[tuple[dict[str, Any], Started]] = []
        for row in rows:
            answer = self._worker.ledger.begin(row["name"], row["key"], step="write")
            if isinstance(answer, Poisoned):
                row["done"] = json.dumps(self._worker.quarantine(item_of(row), _same(row), answer.kills))
            else:
                begun.append((row, answer))
        if not begun:
            return
        with contextlib.ExitStack() as stack:
            # one log serves them all: who is to blame is not known yet
            log = stack.enter_context(self._worker.log(begun[0][1]))
            for other, started in begun[1:]:
                self._worker.point(started, begun[0][1], other["name"])
            stack.enter_context(self._worker.bounds(log, parts=len(begun), memory=None))
            try:
                targets = [unpack(row["views"]) for row, _ in begun]
                written = self._model().propose_for(
                    targets, [() for _ in targets], samples=self._job.options.model.samples
                )
            except MACHINES as error:
                for row, _ in begun:
                    row["done"] = json.dumps(self._worker.broken(item_of(row), error))
                return
            # no worker died: what one part did must not cost the others theirs
            except Exception as error:
                traceback.print_exception(error, file=log)
                self._alone(begun, error)
                return
        for (row, started), programs in zip(begun, written, strict=True):
            row["programs"] = text_of(programs)
            self._worker.ledger.passed(row["name"], started, step="write")

    def _alone(self, begun: Sequence[tuple[dict[str, Any], Started]], error: Exception) -> None:
        """Try each part of a batch that raised by itself; one that was by itself has failed."""
        for row, started in begun:
            self._worker.ledger.passed(row["name"], started, step="write")
        if len(begun) > 1:
            for row, _ in begun:
                self._write([row])
            return
        row = begun[0][0]
        words = f"internal error, {type(error).__name__}: {error}"
        row["done"] = json.dumps(self._worker.fail(item_of(row), _same(row), Failure.INTERNAL, words))

    def _model(self) -> Writer:
        if self._writer is None:
            self._writer = make_writer(self._job.options, self._job.writer)
        return self._writer


def plan_around(programs: Sequence[Program], pipeline: Pipeline, job: Job) -> tuple[Stage, ...]:
    """Lay out the stages for programs that were written elsewhere; a pipeline of your own follows them."""
    from cad_pipeline.pipeline import Stage
    from cad_pipeline.plans import plan_after

    written = Written(tuple(programs))
    if job.pipeline:
        return (Stage(written), *pipeline.plan)
    return plan_after(written, pipeline.sandbox, job.options.model, first=job.options.generator)


def read_programs(text: str) -> tuple[Program, ...]:
    """Read programs from the text that travels between actors."""
    return tuple(
        Program(
            **{
                **each,
                "origin": Origin(**each["origin"]),
                "kind": ProgramKind(each["kind"]),
                "parameters": tuple(Parameter(**one) for one in each["parameters"]),
            }
        )
        for each in json.loads(text)
    )


def item_of(row: dict[str, Any]) -> Item:
    """Read a part from a row that travels between actors."""
    return Item(**{key: row[key] for key in ("number", "name", "path", "unit")}, kind=Kind(row["kind"]))


def _same(row: dict[str, Any]) -> Identity:
    return Identity(key=row["key"], like={"input": {"digest": row["input"] or None}})


def text_of(programs: Sequence[Program]) -> str:
    """Write programs as the text that travels between actors."""
    return json.dumps([dataclasses.asdict(each) for each in programs])


def pack(target: Target) -> bytes:
    """Pack what a model may know of a part: its name, its views, and the digest that seeds its draws."""
    buffer = io.BytesIO()
    about = np.array([target.mesh.name, target.mesh.digest])
    np.savez_compressed(buffer, images=np.stack(target.views.images), about=about)
    return buffer.getvalue()


def unpack(packed: bytes) -> Target:
    """Unpack it again, into something with `views` and a mesh's name and digest and nothing else."""
    with np.load(io.BytesIO(packed), allow_pickle=False) as held:
        name, digest = map(str, held["about"])
        return cast("Target", _Seen(name=name, images=tuple(held["images"]), digest=digest))


def make_writer(options: Options, own: str = "") -> Writer:
    """Load the model that the options name, or what `module:function` makes."""
    if own:
        module, _, function = own.partition(":")
        made: Writer = getattr(importlib.import_module(module), function)(options)
        return made
    from cad_pipeline.generators.checkpoint import ModelChoice
    from cad_pipeline.generators.qwen3_vl import Qwen3VLGenerator

    model = options.model
    return Qwen3VLGenerator(choice=ModelChoice(checkpoint=model.checkpoint, device=model.device), seed=model.seed)

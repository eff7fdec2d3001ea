"""One worker's work on one part: identify, begin, convert within bounds, put in place, note the row. Knows no Ray."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import importlib
import json
import shutil
import socket
import tempfile
import traceback
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from cad_pipeline.batch.bounds import bounded
from cad_pipeline.batch.filesystems import Home, fetch
from cad_pipeline.batch.identity import Identity, identify
from cad_pipeline.batch.job import Job
from cad_pipeline.batch.ledger import ANY_KILLS_WITNESSED, Kill, Ledger, Poisoned, Started
from cad_pipeline.batch.manifest import Item, Kind
from cad_pipeline.batch.rows import Failure, Status, failed_row, made_row, quarantined_row
from cad_pipeline.batch.witness import Death, Task, witnessed
from cad_pipeline.errors import InputError, MissingPieceError
from cad_pipeline.facade import refuse_dust
from cad_pipeline.options import Options
from cad_pipeline.store import Existing, Store
from cad_sandbox.execution import SandboxUnavailable

if TYPE_CHECKING:
    from cad_pipeline.pipeline import Pipeline
    from cad_pipeline.values import Program, Target

__all__ = ["MACHINES", "Worker", "make_pipeline", "options_for", "read_target"]

_HOST = socket.gethostname()
MACHINES = (MissingPieceError, SandboxUnavailable, ImportError, OSError)
_UNREAD = Identity(key="unread", like={"input": {"digest": None}})
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO}

T = TypeVar("T")
_Work = Callable[[Started, Path, Identity, Any], T]


@dataclass(kw_only=True)
class Worker:
    """Holds one warm pipeline and takes one part after another. Nothing that a part does raises here."""

    job: Job
    _pipeline: Pipeline | None = None
    _home: Home = field(init=False)
    ledger: Ledger = field(init=False)

    def __post_init__(self) -> None:
        """Open the place of results."""
        self._home = Home.of(self.job.out)
        self.ledger = Ledger(home=self._home, run=self.job.run)

    def convert(self, item: Item, programs: Sequence[Program] = ()) -> dict[str, Any]:
        """Convert a part unless it is finished already, and give its row; `programs` were written for it elsewhere."""
        try:
            with tempfile.TemporaryDirectory(prefix="cad-pipeline-part-") as scratch:
                return self._take(item, Path(scratch), "convert", self._converting(item, programs), programs)
        except MACHINES as error:
            return self.broken(item, error)

    def view(self, item: Item) -> dict[str, Any] | tuple[Target, Identity]:
        """Read a part and draw its views, for a model elsewhere; gives its row if there is one already."""
        try:
            with tempfile.TemporaryDirectory(prefix="cad-pipeline-part-") as scratch:
                return self._take(item, Path(scratch), "view", self._viewing(item), ())
        except MACHINES as error:
            return self.broken(item, error)

    def perform(self, task: Task) -> dict[str, Any] | None:
        """Do a step that another process has begun, and give its row; None if views were drawn, and are drawn again."""
        work: _Work[Any] = (
            self._viewing(task.item, last=False) if task.step == "view" else self._converting(task.item, task.programs)
        )
        found = self._within_bounds(task.item, task.same, task.path, task.begun, work)
        return found if isinstance(found, dict) else None

    def broken(self, item: Item, error: BaseException) -> dict[str, Any]:
        """Give the row that ends the batch: the machine's trouble is no verdict on the part, and is noted nowhere."""
        words = _words(error)
        row = failed_row(name=item.name, key="", digest=None, failure=Failure.INTERNAL, reason=words, host=_HOST)
        return {**row, "status": str(Status.MACHINE)}

    def _take(
        self, item: Item, scratch: Path, step: str, work: _Work[T], programs: Sequence[Program]
    ) -> dict[str, Any] | T:
        """Identify a part, look for its row, and otherwise begin it."""
        options = options_for(item, self.job.options)
        try:
            path = fetch(item.path, scratch)
            if not (path.is_dir() if item.kind is Kind.PICTURES else path.is_file()):
                raise InputError(f"expected a {item.kind} at {item.path}, found none; check the path")
            same = identify(path, options)
        # file systems of all kinds have errors of their own
        except Exception as error:
            if isinstance(error, MissingPieceError) or (isinstance(error, OSError) and error.errno in _FULL):
                raise
            return self.fail(item, _UNREAD, Failure.UNREADABLE, _words(error))
        earlier = self._earlier(item, same)
        return self._begin(item, same, path, step, work, programs) if earlier is None else earlier

    def _earlier(self, item: Item, same: Identity) -> dict[str, Any] | None:
        """Give the row of a part that is finished; a result whose row was lost in a crash gets it now."""
        row = self.ledger.row(item.name, same.key)
        if row is not None and (row["folder"] is None or self._home.has(f"{item.name}/report.json")):
            return row
        replace_all = self.job.existing is Existing.OVERWRITE
        report = None if replace_all else _json(self._home.read(f"{item.name}/report.json"))
        if report is None or not same.made(report):
            return None
        row = made_row(report, name=item.name, key=same.key, folder=item.name, host=_HOST, kills=0)
        return self.ledger.finish(item.name, row)

    def _begin(
        self, item: Item, same: Identity, path: Path, step: str, work: _Work[T], programs: Sequence[Program]
    ) -> dict[str, Any] | T:
        """Note that work on a part begins, and do it: in a process of its own if a worker has vanished under it."""
        while True:
            begun = self.ledger.begin(item.name, same.key, step=step, most=ANY_KILLS_WITNESSED)
            if isinstance(begun, Poisoned):
                return self.quarantine(item, same, begun.kills)
            if not begun.doubtful:
                return self._within_bounds(item, same, path, begun, work)
            task = Task(job=self.job, step=step, item=item, begun=begun, same=same, path=path, programs=programs)
            found = witnessed(task)
            if not isinstance(found, Death):
                return self._within_bounds(item, same, path, begun, work) if found is None else found
            self.ledger.died(item.name, begun, found.words, step=step)

    def _within_bounds(
        self, item: Item, same: Identity, path: Path, begun: Started, work: _Work[T]
    ) -> dict[str, Any] | T:
        """Work on a part within its bounds; what goes wrong with the part becomes its row."""
        with self.log(begun) as log:
            try:
                with self.bounds(log, parts=1, memory=self.job.part_memory_mb):
                    return work(begun, path, same, log)
            except (MissingPieceError, SandboxUnavailable, ImportError):
                raise
            except MemoryError:
                words = f"expected at most {self.job.part_memory_mb} MB for a part, and it asked for more"
                return self.fail(item, same, Failure.MEMORY, words)
            except InputError as error:
                return self.fail(item, same, Failure.INPUT, _words(error))
            # one part's trouble must not cost the others their results
            except Exception as error:
                if isinstance(error, OSError) and error.errno in _FULL:
                    raise
                traceback.print_exception(error, file=log)
                words = f"internal error, {type(error).__name__}: {_words(error)}"
                return self.fail(item, same, Failure.INTERNAL, words)

    def bounds(self, log: Any, *, parts: int, memory: int | None) -> contextlib.AbstractContextManager[None]:
        """Give the bounds for so many parts at once."""
        return bounded(log, timeout_s=parts * self.job.part_timeout_s, memory_mb=memory)

    def _converting(self, item: Item, programs: Sequence[Program]) -> _Work[dict[str, Any]]:
        return lambda begun, path, same, log: self._convert(item, programs, begun, path, same, log)

    def _viewing(self, item: Item, *, last: bool = True) -> _Work[tuple[Target, Identity]]:
        """Draw views, and note that a worker came through it unless they are to be drawn again."""

        def draw(begun: Started, path: Path, same: Identity, log: Any) -> tuple[Target, Identity]:
            target = read_target(item, path, options_for(item, self.job.options))
            refuse_dust(target.mesh)
            log.write(f"{item.name}: drew {len(target.views.images)} views\n")
            if last:
                self.ledger.passed(item.name, begun, step="view")
            return target, same

        return draw

    def _convert(
        self, item: Item, programs: Sequence[Program], begun: Started, path: Path, same: Identity, log: Any
    ) -> dict[str, Any]:
        from cad_pipeline.facade import convert
        from cad_pipeline.pipeline import Clock
        from cad_pipeline.progress import ConsoleReporter

        options = options_for(item, self.job.options)
        self._check(item)
        clock = Clock()
        with clock.measure("read"):
            target = read_target(item, path, options)
        with clock.measure("prepare"):
            pipeline = replace(self._prepared(item, programs), reporter=ConsoleReporter(log))
        root = self._room()
        try:
            store = Store(root=root, keep=self.job.keep)
            done = convert(
                target, name=item.name, options=options, store=store, pipeline=pipeline, before=clock.seconds
            )
            self._home.publish(done.folder, item.name)
        finally:
            shutil.rmtree(root, ignore_errors=True)
        row = made_row(done.report, name=item.name, key=same.key, folder=item.name, host=_HOST, kills=len(begun.kills))
        return self.ledger.finish(item.name, row)

    def _room(self) -> Path:
        """Make a folder to work in, beside the results where they are local, so that a rename puts them in place."""
        above = None if self._home.local is None else self._home.local / ".batch" / "work" / self.job.run
        if above is not None:
            above.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=f"{uuid.uuid4().hex[:8]}-", dir=above))

    def _check(self, item: Item) -> None:
        """Refuse to replace what no batch may replace. Raises `InputError`."""
        if not self._home.has(item.name):
            return
        if self.job.existing is Existing.REFUSE:
            raise InputError(
                f"expected room for a new result, found {item.name} in {self.job.out}; use --overwrite or another -o"
            )
        if not self._home.has(f"{item.name}/report.json"):
            raise InputError(
                f"expected an earlier result, found something else at {item.name} in {self.job.out}; use another -o"
            )

    def _prepared(self, item: Item, programs: Sequence[Program]) -> Pipeline:
        if self._pipeline is None:
            self._pipeline = make_pipeline(self.job)
        pipeline = self._pipeline
        if programs:
            from cad_pipeline.batch.writing import plan_around

            pipeline = replace(pipeline, plan=plan_around(programs, pipeline, self.job))
        if item.kind is Kind.PICTURES:
            from cad_pipeline.verify.likeness import ViewsVerifier

            pipeline = replace(pipeline, verifier=ViewsVerifier(min_iou=self.job.options.min_iou))
        return pipeline

    def point(self, started: Started, other: Started, name: str) -> None:
        """Let a part share another one's log."""
        self.ledger.point(name, started, other.log, step="write")

    def quarantine(self, item: Item, same: Identity, kills: Sequence[Kill]) -> dict[str, Any]:
        """Put a part that kills its workers aside, with the evidence of every kill."""
        evidence = {
            "name": item.name,
            "path": item.path,
            "key": same.key,
            "kills": [dataclasses.asdict(k) for k in kills],
        }
        self._home.write(f".batch/quarantine/{item.name}.json", json.dumps(evidence, indent=2).encode())
        row = quarantined_row(name=item.name, key=same.key, digest=same.digest, kills=kills, host=_HOST)
        return self.ledger.finish(item.name, row)

    def fail(self, item: Item, same: Identity, failure: Failure, reason: str) -> dict[str, Any]:
        """Note that nothing comes of a part, and why.

        Raises `OSError` in a worker that outlived its run: what fails there may do so for want of its folder.
        """
        if self.ledger.outdated:
            raise OSError("expected to be the batch at work here, found another; this one is over")
        row = failed_row(name=item.name, key=same.key, digest=same.digest, failure=failure, reason=reason, host=_HOST)
        return self.ledger.finish(item.name, row)

    @contextlib.contextmanager
    def log(self, begun: Started) -> Iterator[Any]:
        """Open the part's log; one that can't lie with the results at once is taken there when the part is done."""
        if self._home.local is not None:
            place = self._home.local / begun.log
            place.parent.mkdir(parents=True, exist_ok=True)
            with place.open("w", encoding="utf-8") as file:
                yield file
            return
        with tempfile.TemporaryDirectory(prefix="cad-pipeline-log-") as folder:
            place = Path(folder) / "log"
            with place.open("w", encoding="utf-8") as file:
                yield file
            self._home.write(begun.log, place.read_bytes())


def make_pipeline(job: Job) -> Pipeline:
    """Put a job's pipeline together: the default one, or what `module:function` makes. One core is one worker's."""
    if job.pipeline:
        module, _, function = job.pipeline.partition(":")
        made: Pipeline = getattr(importlib.import_module(module), function)(job.options)
        return made
    from cad_pipeline.facade import default_pipeline

    return replace(default_pipeline(job.options), workers=1)


def options_for(item: Item, options: Options) -> Options:
    """Give the options as they hold for one part."""
    return options if item.unit is None else replace(options, unit=item.unit)


def read_target(item: Item, path: Path, options: Options) -> Target:
    """Read a part's mesh or pictures under its name. Raises `InputError`."""
    from cad_pipeline.facade import rig_of
    from cad_pipeline.mesh import read_mesh
    from cad_pipeline.pictures import target_from_views
    from cad_pipeline.values import Target

    if item.kind is Kind.PICTURES:
        target = target_from_views(path, size_mm=options.size_mm, rig=options.rig)
    else:
        target = Target(mesh=read_mesh(path, unit=options.unit), rig=rig_of(options))
    return target if target.mesh.name == item.name else replace(target, mesh=replace(target.mesh, name=item.name))


def _json(data: bytes | None) -> Mapping[str, Any] | None:
    try:
        found = None if data is None else json.loads(data)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None


def _words(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__

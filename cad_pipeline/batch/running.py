"""`reconstruct_all`: a batch from its parts to its table, on whatever machines there are."""

from __future__ import annotations

import contextlib
import fcntl
import os
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cad_pipeline.batch.cluster import cluster, ray_here, refuse_without_gpu, sizes_for
from cad_pipeline.batch.filesystems import Home, pyarrow_here
from cad_pipeline.batch.flow import flow
from cad_pipeline.batch.job import Job, Machines
from cad_pipeline.batch.ledger import Ledger
from cad_pipeline.batch.manifest import Parts, earlier_names, lay_down, read_items, read_rows
from cad_pipeline.batch.rows import Status
from cad_pipeline.batch.summary import SUMMARY, write_summary
from cad_pipeline.batch.tables import TABLE, read_table_rows, write_table
from cad_pipeline.batch.tally import Tally
from cad_pipeline.errors import CadPipelineError, InputError, MissingPieceError
from cad_pipeline.facade import as_choice
from cad_pipeline.options import ModelOptions, Options
from cad_pipeline.store import Existing, Keep

__all__ = ["Batch", "reconstruct_all"]

Heard = Callable[[dict[str, Any], Tally], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What a batch came to: the counts, and where its table, its summary and its training rows lie."""

    tally: Tally
    table: str
    summary: str
    rows: int | None = None

    @property
    def accepted(self) -> bool:
        """Whether every part was accepted."""
        return self.tally.accepted == self.tally.parts


def reconstruct_all(
    parts: Parts,
    *,
    out: str | os.PathLike[str],
    options: Options | None = None,
    existing: Existing | str = Existing.REFUSE,
    keep: Keep | str = Keep.BEST,
    machines: Machines | None = None,
    ray_address: str | None = None,
    wheel: str | os.PathLike[str] | None = None,
    pipeline: str = "",
    writer: str = "",
    part_timeout_s: float = 900.0,
    part_memory_mb: int = 8192,
    export_dataset: str | os.PathLike[str] | None = None,
    heard: Heard | None = None,
) -> Batch:
    """Reconstruct many parts over the machines of a Ray cluster, each exactly once, whatever dies on the way.

    `parts` is a folder, a glob, a CSV or Parquet manifest, a list of these, or a Ray Dataset with a column `path`.
    `out` is a folder, or an address such as `s3://bucket/parts`. It gets what `convert` writes for each part,
    `verdicts.parquet` with a row a part, `summary.html`, and `.batch/` with logs, the record that `existing="resume"`
    stands on, and the evidence on quarantined parts. `heard` is told each row as it comes. Raises `InputError` on
    unusable input, `MissingPieceError` if a machine lacks something; what is finished by then stays finished.
    """
    ray_here()
    pyarrow_here()
    job = Job(
        out=Home.of(out).address,
        run=uuid.uuid4().hex[:12],
        options=options or Options(),
        existing=as_choice(Existing, existing, "existing"),
        keep=as_choice(Keep, keep, "keep"),
        part_timeout_s=part_timeout_s,
        part_memory_mb=part_memory_mb,
        pipeline=pipeline,
        writer=writer,
    )
    machines = machines or Machines()
    home = Home.of(out)
    with _alone(home):
        _refuse(home, job.existing)
        with cluster(ray_address, wheel=Path(wheel) if wheel else None, cpus=machines.workers) as resources:
            model = _writes_with_a_model(job, resources.gpus)
            if model:
                refuse_without_gpu(machines.num_gpus, resources, ray_address)
            # what is unusable must not cost an earlier batch its record
            earlier = {} if job.existing is Existing.OVERWRITE else earlier_names(home)
            count = lay_down(read_rows(parts, results=home), home, earlier)
            Ledger(home=home, run=job.run).take_over()
            _clear(home, job.existing)
            tally = Tally(parts=count)
            done = _finished(home) if job.existing is Existing.RESUME else set()
            sizes = sizes_for(machines, resources, count)
            rows = flow(job, machines, sizes, count, model=model)
            with contextlib.closing(rows):
                for row in rows:
                    if row["status"] == Status.MACHINE:
                        raise MissingPieceError(f"{row['name']} on {row['host']}: {row['reason']}")
                    tally.add(row, taken_over=(row["name"], row["key"]) in done)
                    if heard is not None:
                        heard(row, tally)
            if tally.done != count:
                raise CadPipelineError(f"expected {count} rows, got {tally.done}; --resume does what is missing")
            write_table(read_table_rows(home), home)
            write_summary(read_table_rows(home), home)
            exported = None
            if export_dataset is not None:
                from cad_pipeline.batch.export import export_rows

                exported = export_rows(home, Path(export_dataset), drawers=sizes.workers)
        home.remove(".batch/work")
    return Batch(tally=tally, table=f"{home.address}/{TABLE}", summary=f"{home.address}/{SUMMARY}", rows=exported)


def _refuse(home: Home, existing: Existing) -> None:
    """Refuse to begin where there is no room for a batch. Raises `InputError`."""
    if home.local is not None and home.local.exists() and not home.local.is_dir():
        raise InputError(f"expected a folder for results, got the file {home.local}; choose another -o")
    if existing is Existing.REFUSE and home.has(".batch/manifest.parquet"):
        raise InputError(
            f"expected room for a new batch, found one in {home.address}; use --resume, --overwrite or another -o"
        )


def _clear(home: Home, existing: Existing) -> None:
    """Take away what is left of an earlier batch, or of a run that was killed at its work."""
    if existing is Existing.OVERWRITE:
        for each in ("ledger", "logs", "quarantine"):
            home.remove(f".batch/{each}")
        home.remove(TABLE)
        home.remove(SUMMARY)
    home.remove(".batch/work")


def _finished(home: Home) -> set[tuple[str, str]]:
    """Name the parts that earlier runs finished, for the rate alone; the workers look for themselves."""
    ledger = Ledger(home=home, run="")
    found = ((item.name, ledger.row(item.name)) for item in read_items(home))
    return {(name, row["key"]) for name, row in found if row is not None}


def _writes_with_a_model(job: Job, gpus: float) -> bool:
    """Check that the plan can be had, and say whether it wants actors that hold a model."""
    from cad_pipeline.plans import plan_for

    if job.pipeline or job.writer:
        return bool(job.writer)
    options = job.options
    plan_for(options.generator, model=options.model)
    if options.generator != "auto":
        return options.generator == "qwen"
    return gpus > 0 and not options.model.server and _has_weights(options.model)


def _has_weights(model: ModelOptions) -> bool:
    from cad_pipeline.generators.checkpoint import find_checkpoint

    try:
        find_checkpoint(model.checkpoint)
    except MissingPieceError:
        return False
    return True


@contextlib.contextmanager
def _alone(home: Home) -> Iterator[None]:
    """Hold the batch's lock where the place knows locks. Raises `InputError` if another run holds it."""
    if home.local is None:
        yield
        return
    folder = home.local / ".batch"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise InputError(f"expected to write in {home.local}, got: {error.strerror}; choose another -o") from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise InputError(
            f"expected to be alone, found another batch at work in {home.local}; choose another -o"
        ) from None
    finally:
        os.close(handle)

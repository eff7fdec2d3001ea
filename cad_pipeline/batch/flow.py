"""Ray Data as the engine: items in blocks → actors that hold a warm pipeline → rows, as they come.

    geometric    items ─ Convert (CPU actors) → rows
    model        items ─ View (CPU actors) ─ Write (GPU actors, several parts at a time) ─ Convert (CPU actors) → rows

When an actor dies, Ray Data starts it anew and hands out its block again, without end and without knowing which row it
was at. The ledger knows: rows that are finished come back at once, and a part that keeps killing is quarantined. So a
block may hold several parts, and each is still done exactly once. Backpressure is Ray Data's: an actor holds one block
at a time, a GPU actor one more that waits, and nobody reads ahead of that.
"""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Generator, Iterator
from itertools import islice
from typing import Any

from cad_pipeline.batch.cluster import Sizes
from cad_pipeline.batch.filesystems import Home, pyarrow_here
from cad_pipeline.batch.job import Job, Machines
from cad_pipeline.batch.manifest import read_items
from cad_pipeline.batch.worker import Worker
from cad_pipeline.batch.writing import View, Write, item_of, read_programs

__all__ = ["Convert", "flow"]

# above this many blocks the engine's own book-keeping starts to cost memory
_MOST_BLOCKS = 4096


class Convert:
    """The actor that converts: one warm pipeline, one part at a time. Its sandbox is started by exec, never forked."""

    def __init__(self, job: Job) -> None:
        """Open the job in this process."""
        self._worker = Worker(job=job)
        self._counts = _Counts()

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """Convert a part, or pass on the row that an earlier stage gave."""
        if row.get("done"):
            return {"name": row["name"], "row": row["done"]}
        written = row.get("programs")
        done = self._worker.convert(item_of(row), read_programs(written) if written else ())
        self._counts.count(done)
        return {"name": row["name"], "row": json.dumps(done)}


def flow(job: Job, machines: Machines, sizes: Sizes, parts: int, *, model: bool) -> Generator[dict[str, Any]]:
    """Run the batch and give each part's row as it comes, in no particular order."""
    import ray.data

    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    context.issue_detectors_config.detectors = []
    context.print_on_execution_start = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    told = {"job": job}
    work = ray.data.from_arrow(list(_blocks(job, machines.parts_per_block or -(-parts // _MOST_BLOCKS))))
    if model:
        # no cores are asked for: on a small machine the workers have them all, and would wait for the views for ever
        work = work.map(View, fn_constructor_kwargs=told, compute=_pool(sizes.viewers, 2), num_cpus=0)
        work = work.map_batches(
            Write,
            fn_constructor_kwargs=told,
            compute=_pool(sizes.gpu_workers, 2),
            batch_size=machines.parts_per_gpu_batch,
            batch_format="pyarrow",
            num_cpus=0,
            num_gpus=machines.num_gpus,
        )
    work = work.map(
        Convert, fn_constructor_kwargs=told, compute=_pool(sizes.workers, 1), num_cpus=1, memory=sizes.memory_bytes
    )
    for batch in work.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
        for text in batch.column("row").to_pylist():
            yield json.loads(text)


def _pool(size: int, in_flight: int) -> Any:
    from ray.data import ActorPoolStrategy

    return ActorPoolStrategy(min_size=1, initial_size=size, max_size=size, max_tasks_in_flight_per_actor=in_flight)


def _blocks(job: Job, each: int) -> Iterator[Any]:
    """Lay the manifest out in blocks of so many parts."""
    arrow = pyarrow_here()
    fields = [("number", arrow.int64()), *((k, arrow.string()) for k in ("name", "path", "unit", "kind"))]
    items = read_items(Home.of(job.out))
    while group := list(islice(items, each)):
        rows = [{**dataclasses.asdict(item), "kind": str(item.kind)} for item in group]
        yield arrow.Table.from_pylist(rows, schema=arrow.schema(fields))


class _Counts:
    """Counts for the cluster's dashboard: parts by status, and the seconds they took."""

    def __init__(self) -> None:
        from ray.util.metrics import Counter, Histogram

        self._parts = Counter(
            "cad_pipeline_parts", description="Parts that were finished, by status.", tag_keys=("status",)
        )
        self._seconds = Histogram(
            "cad_pipeline_part_seconds",
            description="Wall-clock seconds that a part took.",
            boundaries=[1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0],
        )

    def count(self, row: dict[str, Any]) -> None:
        self._parts.inc(1, tags={"status": row["status"]})
        if row["seconds"] is not None:
            self._seconds.observe(row["seconds"])

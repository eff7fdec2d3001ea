"""The Ray cluster of a batch: the one that runs already, one at an address, or a small one of this machine's own."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cad_pipeline.batch.job import Machines
from cad_pipeline.errors import InputError, MissingPieceError

__all__ = ["ONE_THREAD", "Resources", "Sizes", "cluster", "ray_here", "refuse_without_gpu", "sizes_for"]

_OBJECT_STORE_BYTES = 512 << 20
_VIEWER_CORES = 8
# one core is one worker's; libraries that start a thread a core would have the workers fight for them
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
# and no nicer than `convert`, or a busy machine would starve the workers alone
_QUIET = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_BACKEND_LOG_LEVEL": "fatal", "RAY_worker_niceness": "0"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What a cluster has in all."""

    cpus: float
    gpus: float
    memory_bytes: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How many actors of each kind a batch starts, and the memory that each worker is promised."""

    workers: int
    viewers: int
    gpu_workers: int
    memory_bytes: int


def ray_here() -> Any:
    """Import ray. Raises `MissingPieceError` with the cure."""
    try:
        import ray
    except ImportError:
        raise MissingPieceError("expected ray, found none; pip install 'cad-pipeline[ray]'") from None
    return ray


@contextlib.contextmanager
def cluster(address: str | None = None, *, wheel: Path | None = None, cpus: int | None = None) -> Iterator[Resources]:
    """Be connected to a cluster, and say what it has; one that was started here ends with the block.

    Without an address a local one of `cpus` cores is started, on the loopback alone, without a dashboard and without
    usage statistics. `wheel` is this project's wheel, for nodes that lack it. Raises `MissingPieceError` if the cluster
    can't be reached.
    """
    ray = ray_here()
    if ray.is_initialized():
        yield _resources(ray)
        return
    if wheel is not None and not wheel.is_file():
        raise InputError(
            f"expected this project's wheel, found no file {wheel}; make one with `python -m hatchling build -t wheel`"
        )
    modules = {"py_modules": [str(wheel)]} if wheel else {}
    quiet = {"logging_level": "error", "log_to_driver": False}
    with _signals_kept():
        if address is None:
            with _environment({**ONE_THREAD, **_QUIET}):
                ray.init(
                    num_cpus=cpus,
                    include_dashboard=False,
                    object_store_memory=_OBJECT_STORE_BYTES,
                    _node_ip_address="127.0.0.1",
                    runtime_env=modules or None,
                    **quiet,
                )
        else:
            try:
                ray.init(address=address, runtime_env={**modules, "env_vars": ONE_THREAD}, **quiet)
            except (ConnectionError, ValueError, RuntimeError) as error:
                words = " ".join(str(error).split())[:200]
                raise MissingPieceError(
                    f"expected a Ray cluster at {address}, got: {words}; `ray start --head` starts one"
                ) from None
    with _quiet(ray):
        try:
            yield _resources(ray)
        finally:
            ray.shutdown()


def sizes_for(machines: Machines, resources: Resources, parts: int) -> Sizes:
    """Derive how many actors a cluster can hold: one worker a core, as far as memory goes, and no more than parts."""
    by_memory = int(resources.memory_bytes // (machines.memory_mb << 20))
    workers = machines.workers or max(1, min(int(resources.cpus), by_memory, parts))
    share = machines.num_gpus
    by_gpus = int(resources.gpus // share) if share > 0 else 1
    return Sizes(
        workers=workers,
        viewers=max(1, workers // _VIEWER_CORES),
        gpu_workers=machines.gpu_workers or max(1, by_gpus),
        # a promise that no node can keep would have the engine wait for ever
        memory_bytes=min(machines.memory_mb << 20, int(0.9 * resources.memory_bytes)),
    )


def refuse_without_gpu(num_gpus: float, resources: Resources, address: str | None) -> None:
    """Raise `MissingPieceError` where a model's actor would wait for ever; a cluster elsewhere may yet grow a GPU."""
    if address is None and resources.gpus < num_gpus:
        raise MissingPieceError(
            f"expected {num_gpus:g} GPUs for the model, found {resources.gpus:g}; try --num-gpus 0 --device cpu"
        )


def _resources(ray: Any) -> Resources:
    found = ray.cluster_resources()
    return Resources(cpus=found.get("CPU", 1.0), gpus=found.get("GPU", 0.0), memory_bytes=found.get("memory", 0.0))


@contextlib.contextmanager
def _quiet(ray: Any) -> Iterator[None]:
    """Keep Ray's own words on dead workers off stdout: the rows tell them, and a reader of JSON may be listening.

    There is no public switch for these, only for what workers write themselves.
    """
    module, name = ray._private.worker, "_worker_logs_enabled"
    before = getattr(module, name, None)
    if before is not None:
        setattr(module, name, False)
    try:
        yield
    finally:
        if before is not None:
            setattr(module, name, before)


@contextlib.contextmanager
def _signals_kept() -> Iterator[None]:
    """Keep the caller's handlers: Ray puts its own in their place, and would end the process past our way out."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


@contextlib.contextmanager
def _environment(wanted: dict[str, str]) -> Iterator[None]:
    """Set variables that the cluster's processes inherit, and put this process's own back afterwards."""
    before = {key: os.environ.get(key) for key in wanted}
    for key, value in wanted.items():
        os.environ.setdefault(key, value)
    try:
        yield
    finally:
        for key, old in before.items():
            if old is None:
                os.environ.pop(key, None)

"""Starts the service on Ray Serve: one front, workers that convert, and where a model is wanted, one that writes."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from cad_pipeline.batch.cluster import cluster, refuse_without_gpu
from cad_pipeline.errors import CadPipelineError, InputError, MissingPieceError
from cad_pipeline.serve.bundle import Bundle, Oven, Refusal, Upload
from cad_pipeline.serve.service import Service

if TYPE_CHECKING:
    from cad_pipeline.values import Program, Target

__all__ = ["MODEL_ENDED", "serving"]

# one upload can take those down with it that the model wrote for at the same time
MODEL_ENDED = "the model ended while it wrote"
_NAME = "cad-pipeline"
_ANSWER_S = 60.0


@contextlib.contextmanager
def serving(service: Service, *, ray_address: str | None = None) -> Iterator[str]:
    """Have the service up inside the block, and give its address.

    Raises `InputError` if the port is taken, `MissingPieceError` if Ray Serve can't be had.
    """
    try:
        import fastapi  # noqa: F401  # lest the front fail for want of it on a worker
        from ray import serve
    except ImportError:
        raise MissingPieceError("expected ray with serve, found none; pip install 'cad-pipeline[ray]'") from None
    _refuse_taken(service)
    logging.getLogger("ray.serve").setLevel(logging.ERROR)
    # the front, the proxy and the controller need little, but Ray counts whole cores unless told
    with cluster(ray_address, cpus=service.workers + 1) as resources:
        if service.model:
            refuse_without_gpu(service.num_gpus, resources, ray_address)
        quiet: dict[str, Any] = {"log_level": "ERROR", "enable_access_log": False}
        serve.start(http_options={"host": service.host, "port": service.port}, logging_config=quiet)
        try:
            serve.run(_application(service, quiet), name=_NAME, route_prefix="/", logging_config=quiet)
            yield f"http://{service.host}:{service.port}"
        finally:
            serve.shutdown()


def _application(service: Service, quiet: dict[str, Any]) -> Any:
    from ray import serve

    def deployment(name: str, **changes: Any) -> Any:
        return serve.deployment(name=name, logging_config=quiet, **changes)

    patience_s = service.part_timeout_s + _ANSWER_S
    oven = deployment(
        "Oven",
        num_replicas=service.workers,
        max_ongoing_requests=1,
        ray_actor_options={"num_cpus": 1},
        # a worker deep in C++ may hold Python's lock for as long as a part may take
        health_check_timeout_s=patience_s,
        graceful_shutdown_timeout_s=1.0,
    )(_Worker)
    told: list[Any] = [service]
    if service.model:
        size, wait_s = service.parts_per_gpu_batch, service.batch_wait_s
        options = {"num_cpus": 0.1, "num_gpus": service.num_gpus}
        written = deployment("Writer", ray_actor_options=options, max_ongoing_requests=4 * size)(
            _batching(size, wait_s)
        )
        told.append(written.bind(service))
    # the class is made from the application inside the replica, where its handles are
    front = deployment("Front", max_ongoing_requests=1000, ray_actor_options={"num_cpus": 0.1})(_front(service))
    return front.bind(oven.bind(*told))


def _front(service: Service) -> type:
    from ray import serve

    def build() -> Any:
        from cad_pipeline.serve.front import make_app

        async def converted(upload: Upload) -> Bundle | Refusal:
            found: Bundle | Refusal = await held[0].bake.remote(upload)
            return found

        app = make_app(service, converted)
        folders.append(app.state.folder)
        return app

    held: list[Any] = []
    folders: list[Any] = []

    class Front:
        """Holds the handle to the workers for the application."""

        def __init__(self, oven: Any) -> None:
            held.append(oven)

        def __del__(self) -> None:
            # called by Serve before it ends the replica, which no other way of clearing up outlives
            for folder in folders:
                folder.cleanup()

    made: type = serve.ingress(build)(Front)
    return made


class _Worker:
    """A replica that converts one upload at a time."""

    def __init__(self, service: Service, writer: Any = None) -> None:
        self._oven, self._writer = Oven(service), writer
        self._alone = asyncio.Lock()

    async def bake(self, upload: Upload) -> Bundle | Refusal:
        """Convert beside the event loop, which answers for the replica's health.

        A caller may be gone while the work goes on, which no thread can be made to stop; the next one waits for it,
        since the bounds on time and memory are of the whole process.
        """
        async with self._alone:
            work = asyncio.ensure_future(self._bake(upload))
            try:
                return await asyncio.shield(work)
            except asyncio.CancelledError:
                await asyncio.wait([work])
                raise

    async def _bake(self, upload: Upload) -> Bundle | Refusal:
        loop = asyncio.get_running_loop()

        def write(target: Target) -> Sequence[Program]:
            from ray.exceptions import RayError

            from cad_pipeline.batch.writing import pack, read_programs

            async def ask() -> str:
                text: str = await self._writer.write.remote(pack(target))
                return text

            try:
                return read_programs(asyncio.run_coroutine_threadsafe(ask(), loop).result())
            except RayError as error:
                raise CadPipelineError(f"{MODEL_ENDED} ({type(error).__name__}); post it again") from None

        return await asyncio.to_thread(self._oven.bake, upload, write if self._writer is not None else None)


def _batching(size: int, wait_s: float) -> type:
    """Make the class that holds the model and writes for as many parts as are asked for at a time."""
    from ray import serve

    class Writer:
        """A replica with the model."""

        def __init__(self, service: Service) -> None:
            from cad_pipeline.batch.writing import make_writer

            self._samples = service.options.model.samples
            self._writer = make_writer(service.options, service.writer)

        @serve.batch(max_batch_size=size, batch_wait_timeout_s=wait_s)  # type: ignore[untyped-decorator]
        async def write(self, packed: list[bytes]) -> list[str]:
            from cad_pipeline.batch.writing import text_of, unpack

            targets = [unpack(each) for each in packed]
            histories: list[tuple[()]] = [() for _ in targets]
            written = await asyncio.to_thread(self._writer.propose_for, targets, histories, samples=self._samples)
            return [text_of(programs) for programs in written]

    return Writer


def _refuse_taken(service: Service) -> None:
    """Say at once that a port is taken; Ray Serve would try for a minute."""
    try:
        with socket.create_server((service.host, service.port)):
            pass
    except OSError as error:
        raise InputError(
            f"expected to listen on {service.host}:{service.port}, got: {error.strerror}; choose another --port"
        ) from None

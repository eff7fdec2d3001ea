"""The front of the service: who may come in, what is taken in, and where it is given out. HTTP by FastAPI.

FastAPI is imported with this module, and only with it: it looks the handlers' annotations up in the module.
"""

from __future__ import annotations

import asyncio
import html
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Depends, FastAPI, Header, HTTPException, Query, Request
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse

from cad_pipeline.serve.bundle import Bundle, Refusal, Upload
from cad_pipeline.serve.jobs import Desk, Job, State
from cad_pipeline.serve.service import FORMATS, Service
from cad_pipeline.store import part_name
from cad_pipeline.version import VERSION

__all__ = ["Converted", "make_app"]

Converted = Callable[[Upload], Awaitable[Bundle | Refusal]]
_LONGEST_WAIT_S = 60.0
_MEDIA = "application/octet-stream"
# an upload that only trickles in must not hold a place for ever
_ARRIVAL_S = 300.0
_LANDING = """<!doctype html><html lang=en><meta charset=utf-8><title>cad-pipeline</title>
<style>body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:52rem;padding:0 1rem;color:#1c2733}
pre{background:#f2f5f7;padding:.8rem;overflow-x:auto}</style>
<h1>cad-pipeline</h1><p>A mesh goes in; a CAD program, a STEP file, an STL and a report come out.</p>
<pre>curl -H "Authorization: Bearer $TOKEN" --data-binary @plate.stl "ADDRESS/v1/jobs?name=plate&amp;format=stl"
curl -H "Authorization: Bearer $TOKEN" "ADDRESS/v1/jobs/$ID?wait_s=60"
curl -H "Authorization: Bearer $TOKEN" -OJ "ADDRESS/v1/jobs/$ID/result"</pre>
<p><a href=docs>Every call, to try out</a> (its page fetches its scripts from the net),
<a href=openapi.json>as OpenAPI</a>, <a href=v1/health>health</a>.</p></html>
"""
_UNITS = ("mm", "cm", "m", "um", "inch", "ft")


def make_app(service: Service, converted: Converted) -> FastAPI:
    """Make the application; `converted` is asked to convert each upload, and may raise if its worker died."""
    folder = tempfile.TemporaryDirectory(prefix="cad-pipeline-desk-")
    desk = Desk(folder=Path(folder.name), max_jobs=service.max_jobs, keep_s=service.keep_s)
    counter = _Counter(service=service, desk=desk, converted=converted)
    app = FastAPI(title="cad-pipeline", version=VERSION, description="A mesh goes in; a CAD program and STEP come out.")
    # the folder lives as long as the application
    app.state.folder = folder
    app.include_router(counter.router())
    app.add_api_route("/", _landing, methods=["GET"], include_in_schema=False)
    app.add_api_route("/v1/health", _health, methods=["GET"], summary="Say that the service is up.")
    return app


def _health() -> dict[str, str]:
    return {"status": "ok", "version": VERSION}


def _landing(request: Request) -> HTMLResponse:
    return HTMLResponse(_LANDING.replace("ADDRESS", html.escape(str(request.base_url).rstrip("/"))))


class _Counter:
    """The handlers, behind the token."""

    def __init__(self, *, service: Service, desk: Desk, converted: Converted) -> None:
        self._service, self._desk, self._converted = service, desk, converted
        # by the job's id; a task that nobody holds may be collected before it ends
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def router(self) -> APIRouter:
        """Lay out the routes."""
        router = APIRouter(prefix="/v1/jobs", dependencies=[Depends(self._admit)])
        body = {"required": True, "content": {_MEDIA: {"schema": {"type": "string", "format": "binary"}}}}
        router.add_api_route(
            "",
            self.post,
            methods=["POST"],
            status_code=202,
            summary="Post a mesh's bytes as the body; a job comes back.",
            openapi_extra={"requestBody": body},
            responses={413: {"description": "Too large."}, 429: {"description": "Too many jobs; try later."}},
        )
        router.add_api_route("/{job}", self.get, methods=["GET"], summary="Say where a job stands.")
        router.add_api_route("/{job}", self.delete, methods=["DELETE"], status_code=204, summary="Forget a job.")
        router.add_api_route(
            "/{job}/result",
            self.result,
            methods=["GET"],
            summary="Give a finished job's bundle, a zip of program, STEP, STL and report.",
            response_class=FileResponse,
            responses={409: {"description": "Not finished."}, 422: {"description": "Nothing came of it."}},
        )
        return router

    async def _admit(self, authorization: Annotated[str, Header()] = "") -> None:
        if not self._service.admits(authorization):
            raise HTTPException(401, "expected the service's bearer token", headers={"WWW-Authenticate": "Bearer"})

    async def post(
        self,
        request: Request,
        format: Annotated[str, Query(description=", ".join(FORMATS))] = "stl",
        name: Annotated[str, Query(max_length=200, description="What the part is called.")] = "part",
        unit: Annotated[str | None, Query(description="What the numbers are: mm, cm, m, um, inch, ft.")] = None,
    ) -> JSONResponse:
        """Take a mesh in."""
        if format not in FORMATS:
            raise HTTPException(415, f"expected a format of {', '.join(FORMATS)}, got {format[:20]!r}")
        if unit is not None and unit not in _UNITS:
            raise HTTPException(422, f"expected a unit of {', '.join(_UNITS)}, got {unit[:20]!r}")
        job = self._desk.take(part_name(name))
        if job is None:
            raise HTTPException(429, "expected fewer jobs at a time; try later", headers={"Retry-After": "5"})
        try:
            data = await asyncio.wait_for(self._body(request), _ARRIVAL_S)
        except TimeoutError:
            self._desk.drop(job)
            raise HTTPException(408, f"expected all of the upload within {_ARRIVAL_S:.0f} s") from None
        # also where the caller hung up: an upload that did not arrive must not take a place
        except BaseException:
            self._desk.drop(job)
            raise
        task = asyncio.create_task(self._work(job, Upload(name=job.name, format=format, data=data, unit=unit)))
        self._tasks[job.id] = task
        task.add_done_callback(lambda _: self._tasks.pop(job.id, None))
        return JSONResponse(job.as_dict(), 202, headers={"Location": f"/v1/jobs/{job.id}"})

    async def get(self, job: str, wait_s: Annotated[float, Query(ge=0.0, le=_LONGEST_WAIT_S)] = 0.0) -> dict[str, Any]:
        """Say where a job stands, after waiting up to `wait_s` seconds for its end."""
        found = self._find(job)
        loop = asyncio.get_running_loop()
        deadline = loop.time() + wait_s
        while found.state is State.QUEUED and loop.time() < deadline:
            await asyncio.sleep(0.05)
        return found.as_dict()

    async def delete(self, job: str) -> None:
        """Forget a job. One that waits is not begun; work that has begun goes on, and its result is thrown away."""
        found = self._find(job)
        self._desk.drop(found)
        if task := self._tasks.get(found.id):
            task.cancel()

    async def result(self, job: str) -> FileResponse:
        """Give the bundle."""
        found = self._find(job)
        if found.state is State.QUEUED:
            raise HTTPException(409, "expected a finished job, this one is not; ask again later")
        if found.state is State.FAILED or found.bundle is None:
            raise HTTPException(422, found.reason)
        return FileResponse(found.bundle, media_type="application/zip", filename=f"{found.name}.zip")

    def _find(self, id_: str) -> Job:
        job = self._desk.find(id_)
        if job is None:
            raise HTTPException(404, "expected a job's id, found none of that id; results are kept for a while only")
        return job

    async def _body(self, request: Request) -> bytes:
        """Read the body as far as the limit, and not a byte further than it takes to know."""
        limit = self._service.max_bytes
        told = request.headers.get("content-length", "0")
        if not (told.isascii() and told.isdigit()) or int(told) > limit:
            raise HTTPException(413, f"expected at most {limit} bytes, got {told[:20]}")
        data = bytearray()
        async for chunk in request.stream():
            data += chunk
            if len(data) > limit:
                raise HTTPException(413, f"expected at most {limit} bytes, got more")
        if not data:
            raise HTTPException(422, "expected a mesh's bytes as the body, got none")
        return bytes(data)

    async def _work(self, job: Job, upload: Upload) -> None:
        # the worker ends itself at the same limit; here it also counts what waits in line
        limit = self._service.part_timeout_s * (2 + self._desk.waiting / self._service.workers)
        try:
            found = await asyncio.wait_for(self._converted(upload), limit)
        except TimeoutError:
            self._desk.failed(job, f"no result within {limit:.0f} s")
        # the worker's death, in whatever words the machinery has for it
        except Exception as error:
            seconds = self._service.part_timeout_s
            words = f"its worker ended under it, by a crash or after {seconds:g} s ({type(error).__name__})"
            self._desk.failed(job, words)
        else:
            if isinstance(found, Refusal):
                self._desk.failed(job, found.reason)
            else:
                self._desk.done(job, found.data, grade=found.grade, iou=found.iou)

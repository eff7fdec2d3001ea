"""The service: its desk and front on a plain server with a stand-in for the workers, and the whole under load."""

from __future__ import annotations

import asyncio
import io
import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cad_pipeline.errors import InputError
from cad_pipeline.serve.bundle import Bundle, Oven, Refusal, Upload
from cad_pipeline.serve.jobs import Desk, State
from cad_pipeline.serve.service import Service

pytest.importorskip("fastapi")

ROOT = Path(__file__).resolve().parents[2]
TOKEN = "a token of some length"
PLATE = ROOT / "samples" / "meshes" / "bolt_plate.stl"
HAZARDS = "cad_pipeline.batch.doubles:hazardous_pipeline"
SEEN: list[Upload] = []
GIVEN_UP: list[Upload] = []


async def stand_in(upload: Upload) -> Bundle | Refusal:
    """Do what the upload says: a good one comes back after a moment."""
    SEEN.append(upload)
    if upload.data == b"crash":
        raise ConnectionError("the actor died")
    if upload.data == b"no":
        return Refusal(reason="no mesh")
    try:
        await asyncio.sleep(30.0 if upload.data == b"slow" else 0.05)
    except asyncio.CancelledError:
        GIVEN_UP.append(upload)
        raise
    return Bundle(data=b"zip of " + upload.data, grade="parametric", iou=0.99)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Have the front listen on the loopback."""
    import uvicorn

    from cad_pipeline.serve.front import make_app

    sock = socket.create_server(("127.0.0.1", 0))
    app = make_app(Service(token=TOKEN, max_bytes=1000, max_jobs=3), stand_in)
    server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{sock.getsockname()[1]}"
    server.should_exit = True
    thread.join(timeout=10)


def call(method: str, url: str, data: bytes | None = None, token: str = TOKEN) -> tuple[int, bytes]:
    request = urllib.request.Request(url, data=data, method=method, headers={"Authorization": f"Bearer {token}"})
    try:
        with urllib.request.urlopen(request, timeout=60) as reply:
            return reply.status, reply.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def post(address: str, data: bytes, query: str = "") -> dict[str, Any]:
    code, body = call("POST", f"{address}/v1/jobs{query}", data)
    assert code == 202, body
    job: dict[str, Any] = json.loads(body)
    return job


def ended(address: str, job: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(call("GET", f"{address}/v1/jobs/{job['id']}?wait_s=30")[1])
    return found


def test_a_mesh_becomes_a_bundle_and_can_be_forgotten(address: str) -> None:
    job = post(address, b"mesh", "?name=bracket&format=obj&unit=inch")
    assert job["state"] == "queued" and len(job["id"]) >= 24
    assert (ended(address, job)["state"], ended(address, job)["iou"]) == ("done", 0.99)
    assert call("GET", f"{address}/v1/jobs/{job['id']}/result") == (200, b"zip of mesh")
    assert SEEN[-1] == Upload(name="bracket", format="obj", data=b"mesh", unit="inch")
    assert call("DELETE", f"{address}/v1/jobs/{job['id']}")[0] == 204
    assert call("GET", f"{address}/v1/jobs/{job['id']}/result")[0] == 404


@pytest.mark.parametrize(("data", "told"), [(b"no", "no mesh"), (b"crash", "its worker ended under it")])
def test_what_comes_to_nothing_says_why(address: str, data: bytes, told: str) -> None:
    job = post(address, data)
    assert ended(address, job)["state"] == "failed"
    code, body = call("GET", f"{address}/v1/jobs/{job['id']}/result")
    assert code == 422 and json.loads(body)["detail"].startswith(told)


@pytest.mark.parametrize("token", ["", "wrong", TOKEN[:-1], TOKEN + "x"])
def test_nobody_comes_in_without_the_token(address: str, token: str) -> None:
    before = len(SEEN)
    for method, path in (
        ("POST", "/v1/jobs"),
        ("GET", "/v1/jobs/x"),
        ("DELETE", "/v1/jobs/x"),
        ("GET", "/v1/jobs/x/result"),
    ):
        assert call(method, address + path, b"mesh" if method == "POST" else None, token)[0] == 401
    assert len(SEEN) == before and call("GET", f"{address}/v1/health", None, token)[0] == 200


@pytest.mark.parametrize(
    ("query", "size", "code"),
    [("", 1000, 202), ("", 1001, 413), ("", 0, 422), ("?format=exe", 9, 415), ("?unit=furlong", 9, 422)],
)
def test_uploads_are_bounded_and_of_known_kinds(address: str, query: str, size: int, code: int) -> None:
    found, body = call("POST", f"{address}/v1/jobs{query}", b"x" * size)
    assert found == code
    if code == 202:
        ended(address, json.loads(body))


def test_a_body_without_a_length_is_cut_off_at_the_limit(address: str) -> None:
    host, port = address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as sock:
        head = (
            f"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        sock.sendall(head.encode() + (b"200\r\n" + b"x" * 512 + b"\r\n") * 3 + b"0\r\n\r\n")
        assert b" 413 " in sock.recv(4096).splitlines()[0]


@pytest.mark.parametrize(
    "name", ["../../etc/passwd", "/etc/passwd", "a;rm -rf $HOME", "con\x00sole", "numpy", "..", "ä" * 150]
)
def test_a_callers_name_never_is_a_path(address: str, name: str) -> None:
    import urllib.parse

    job = post(address, b"mesh", f"?name={urllib.parse.quote(name)}")
    assert not set("/\\;$ \0") & set(job["name"]) and job["name"] not in ("", ".", "..", "numpy")
    assert ended(address, job)["state"] == "done" and SEEN[-1].name == job["name"]


def test_too_many_jobs_are_turned_away_and_a_place_is_free_again(address: str) -> None:
    jobs = [post(address, b"slow") for _ in range(3)]
    assert call("POST", f"{address}/v1/jobs", b"mesh")[0] == 429
    assert call("GET", f"{address}/v1/jobs/{jobs[0]['id']}/result")[0] == 409
    for job in jobs:
        call("DELETE", f"{address}/v1/jobs/{job['id']}")
    assert ended(address, post(address, b"mesh"))["state"] == "done"
    # else a caller could pile up work by posting and forgetting
    assert len(GIVEN_UP) == 3


def test_an_upload_that_only_trickles_in_holds_no_place(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from cad_pipeline.serve import front

    monkeypatch.setattr(front, "_ARRIVAL_S", 0.2)
    host, port = address.removeprefix("http://").split(":")
    for _ in range(4):
        with socket.create_connection((host, int(port)), timeout=30) as sock:
            head = f"POST /v1/jobs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: 9\r\n\r\nm"
            sock.sendall(head.encode())
            assert b" 408 " in sock.recv(4096).splitlines()[0]


def test_a_worker_whose_caller_is_gone_takes_no_second_part_beside_the_first() -> None:
    from cad_pipeline.serve.starting import _Worker

    class Slow:
        at_work = most = done = 0

        def bake(self, *_: object) -> Refusal:
            self.at_work += 1
            self.most = max(self.most, self.at_work)
            time.sleep(0.2)
            self.at_work -= 1
            self.done += 1
            return Refusal(reason="")

    async def run() -> Slow:
        worker, slow = _Worker(Service(token=TOKEN)), Slow()
        worker._oven = slow  # type: ignore[assignment]
        upload = Upload(name="plate", format="stl", data=b"")
        first, second = (asyncio.ensure_future(worker.bake(upload)) for _ in range(2))
        await asyncio.sleep(0.05)
        first.cancel()
        second.cancel()
        await worker.bake(upload)
        assert first.cancelled() and second.cancelled()
        return slow

    slow = asyncio.run(run())
    assert (slow.most, slow.done) == (1, 2)


def test_the_calls_are_described(address: str) -> None:
    told = json.loads(call("GET", f"{address}/openapi.json")[1])
    assert set(told["paths"]) == {"/v1/jobs", "/v1/jobs/{job}", "/v1/jobs/{job}/result", "/v1/health"}
    body = told["paths"]["/v1/jobs"]["post"]["requestBody"]["content"]
    assert "application/octet-stream" in body and call("GET", f"{address}/docs")[0] == 200
    code, page = call("GET", address)
    assert code == 200 and f"{address}/v1/jobs?name=plate".encode() in page


def test_the_desk_forgets_what_is_old_and_removes_its_file(tmp_path: Path) -> None:
    now = [0.0]
    desk = Desk(folder=tmp_path, max_jobs=1, keep_s=10.0, clock=lambda: now[0])
    job = desk.take("plate")
    assert job is not None and desk.take("other") is None
    desk.done(job, b"zip", grade="parametric", iou=1.0)
    assert job.state is State.DONE and desk.take("other") is not None
    now[0] = 9.0
    assert desk.find(job.id) is job
    now[0] = 11.0
    assert desk.find(job.id) is None and list(tmp_path.iterdir()) == []


def test_an_oven_bakes_what_convert_writes() -> None:
    oven = Oven(Service(token=TOKEN, pipeline=HAZARDS))
    found = oven.bake(Upload(name="plate", format="stl", data=PLATE.read_bytes()))
    assert isinstance(found, Bundle) and found.iou == pytest.approx(0.995)
    archive = zipfile.ZipFile(io.BytesIO(found.data))
    assert json.loads(archive.read("plate/report.json"))["input"]["path"] == "plate.stl"
    names = archive.namelist()
    assert names == [f"plate/{each}" for each in ("plate.py", "plate.step", "plate.stl", "report.json")]
    for upload in (
        Upload(name="plate", format="stl", data=b"Dear reader,"),
        Upload(name="plate", format="../stl", data=b""),
        Upload(name="raise-x", format="stl", data=PLATE.read_bytes()),
    ):
        assert isinstance(oven.bake(upload), Refusal)


def test_a_service_keeps_no_token_and_refuses_a_short_one() -> None:
    service = Service(token=TOKEN)
    assert TOKEN not in repr(service) and TOKEN not in service.token and service.host == "127.0.0.1"
    assert service.admits(f"Bearer {TOKEN}") and not service.admits(TOKEN) and not service.admits(f"Basic {TOKEN}")
    assert not service.admits(f"Bearer {service.token}")
    with pytest.raises(InputError, match="at least 16 characters"):
        Service(token="secret")


@pytest.mark.slow
@pytest.mark.parametrize("how", [[], ["--model"]], ids=["geometry", "a model's stand-in"])
def test_the_whole_service_bears_load_with_bad_uploads_among_the_good(how: list[str]) -> None:
    command = [sys.executable, str(ROOT / "benchmarks" / "serve_load.py"), "--uploads", "60", *how]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    started = time.monotonic()
    run = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=900)
    assert run.returncode == 0, f"{time.monotonic() - started:.0f} s\n{run.stdout}{run.stderr}"
    report = json.loads(run.stdout)
    assert report["wrong"] == [] and report["survivors"] == 0 and report["good"] >= 20

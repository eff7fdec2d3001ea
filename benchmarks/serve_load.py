"""Posts good, malformed, oversized and deadly uploads at the service side by side, and checks every answer.

    python benchmarks/serve_load.py                 # 200 uploads, 8 at a time
    python benchmarks/serve_load.py --model         # with the stand-in for a model that writes for several parts

The service runs in a process of its own on the loopback, with the pipeline of hazards, so that the machinery is what is
measured. Exit code 1 if an answer was wrong, or a process survived.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import signal
import socket
import statistics
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
import zipfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
DOUBLES = "cad_pipeline.batch.doubles"
MARK = "CAD_PIPELINE_LOAD"
MAX_BYTES = 1 << 20
AT_ONCE = 8
# what is posted, how often in twenty, and what must come of it: an HTTP code at once, or a state and words in the end
KINDS: dict[str, tuple[int, int, str, str]] = {
    "plate": (11, 202, "done", ""),
    "wait": (2, 202, "done", ""),
    "letter": (2, 202, "failed", "expected an STL mesh"),
    "cut": (1, 202, "failed", "expected"),
    "large": (1, 413, "", ""),
    "stranger": (1, 401, "", ""),
    "bomb": (1, 202, "failed", "asked for more than"),
    "segfault": (1, 202, "failed", "its worker ended"),
}
# with a model the programs are written, and nothing that a part does to a worker on the way is reached
WITH_MODEL = {
    **{kind: KINDS[kind] for kind in ("plate", "wait", "letter", "cut", "large", "stranger")},
    "gpu_segfault": (1, 202, "failed", "the model ended"),
}
# an innocent upload may be taken down by another; it is told so, and posted again
COLLATERAL = ("its worker ended", "the model ended")


def main() -> int:
    """Start the service, post, wait, check and print."""
    options = arguments()
    if options.serve:
        return serve(options.serve, model=options.model)
    port = free_port()
    # the mark by which the service's processes are known serves as the token as well
    mark = os.environ[MARK] = uuid.uuid4().hex
    command = [sys.executable, __file__, "--serve", str(port), *(["--model"] if options.model else [])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    started = time.monotonic()
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        address = f"http://127.0.0.1:{port}"
        await_service(address, process)
        up_s = time.monotonic() - started
        expected = WITH_MODEL if options.model else KINDS
        kinds = [kind for kind, (share, *_) in expected.items() for _ in range(-(-options.uploads * share // 20))]
        random.Random(options.seed).shuffle(kinds)
        started = time.monotonic()
        with ThreadPoolExecutor(AT_ONCE) as pool:
            found = list(pool.map(lambda numbered: ask(address, *numbered, expected), enumerate(kinds)))
        asked_s = time.monotonic() - started
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=120)
    good = [each for each in found if each["kind"] == "plate" and not each["wrong"]]
    report = {
        "uploads": dict(Counter(kinds)),
        "at_once": AT_ONCE,
        "start_s": round(up_s, 1),
        "seconds": round(asked_s, 1),
        "uploads_per_s": round(len(kinds) / asked_s, 1),
        "good": len(good),
        "good_median_s": round(statistics.median(each["seconds"] for each in good), 2) if good else None,
        "collateral": sum(each["again"] for each in found),
        "together": max((each["together"] for each in found), default=0),
        "wrong": [each for each in found if each["wrong"]],
        "survivors": survivors(mark),
        "load": round(os.getloadavg()[0], 1),
    }
    sys.stdout.write(json.dumps(report, indent=2) + "\n")
    return 1 if report["wrong"] or report["survivors"] else 0


def serve(port: int, *, model: bool) -> int:
    """Be the service until interrupted."""
    import threading

    from cad_pipeline.options import Options
    from cad_pipeline.serve import Service, serving

    service = Service(
        token=os.environ[MARK],
        port=port,
        workers=2,
        max_bytes=MAX_BYTES,
        part_timeout_s=20.0,
        part_memory_mb=512,
        options=Options(min_iou=0.97),
        pipeline=f"{DOUBLES}:hazardous_pipeline",
        model=model,
        num_gpus=0.0,
        writer=f"{DOUBLES}:hazardous_writer" if model else "",
    )
    # a shell starts what runs in its background with this signal ignored
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with serving(service):
            threading.Event().wait()
    except KeyboardInterrupt:
        return 0
    return 0


def ask(address: str, number: int, kind: str, expected: dict[str, tuple[int, int, str, str]]) -> dict[str, Any]:
    """Post one upload, wait for its end, and say what was wrong with the answers, if anything."""
    _, code, state, words = expected[kind]
    started = time.monotonic()
    name = f"{kind}-{number}"
    query = f"/v1/jobs?name={name}"
    again = 0
    while True:
        found, body = call("POST", address + query, upload(kind, number), token="nobody" if kind == "stranger" else "")
        if found == 429:
            time.sleep(0.2)
            continue
        job: dict[str, Any] = json.loads(body) if found == 202 else {}
        while job and job["state"] == "queued":
            job = json.loads(call("GET", f"{address}/v1/jobs/{job['id']}?wait_s=30")[1])
        if state == "done" and job.get("reason", "").startswith(COLLATERAL) and again < 5:
            again += 1
            continue
        break
    wrong, together = "", 0
    if found != code:
        wrong = f"expected code {code}, got {found}: {body[:200]!r}"
    elif job and (job["state"] != state or words not in job["reason"]):
        wrong = f"expected {state} ({words}), got {job['state']} ({job['reason']})"
    elif state == "done":
        wrong, together = check(address, job, name, number)
    seconds = time.monotonic() - started
    return {"kind": kind, "seconds": seconds, "wrong": wrong, "again": again, "together": together}


def check(address: str, job: dict[str, Any], name: str, number: int) -> tuple[str, int]:
    """Fetch a bundle and see that it is of just this upload; also say for how many parts the model wrote at once."""
    code, body = call("GET", f"{address}/v1/jobs/{job['id']}/result")
    if code != 200:
        return f"expected a bundle, got {code}", 0
    archive = zipfile.ZipFile(io.BytesIO(body))
    wanted = [f"{name}/{each}" for each in (f"{name}.py", f"{name}.step", f"{name}.stl", "report.json")]
    if sorted(archive.namelist()) != sorted(wanted):
        return f"expected {wanted}, got {archive.namelist()}", 0
    report = json.loads(archive.read(f"{name}/report.json"))
    length = report["input"]["size_mm"][0]
    if report["name"] != name or abs(length - (30.0 + number * 1e-3)) > 1e-4:
        return f"expected the report of {name}, got {report['name']} of {length} mm", 0
    note = str(report["generator"])
    return "", int(note.split("(")[1].split()[0]) if "at once" in note else 0


def upload(kind: str, number: int) -> bytes:
    """Make an upload's bytes; every block has a length of its own, so that answers can't be mixed up unseen."""
    if kind == "letter":
        return b"Dear reader,\nthis is no mesh.\n"
    if kind == "large":
        return b"0" * (MAX_BYTES + 1)
    length = 30.0 + number * 1e-3
    corners = [(x, y, z) for x in (0.0, length) for y in (0.0, 20.0) for z in (0.0, 10.0)]
    quads = ((0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3))
    lines = ["v {:.6f} {:.6f} {:.6f}".format(*corner) for corner in corners]
    faces = [face for a, b, c, d in quads for face in ((a, b, c), (a, c, d))]
    text = "solid block\n"
    for face in faces:
        points = "".join(f"vertex {lines[each][2:]}\n" for each in face)
        text += f"facet normal 0 0 0\nouter loop\n{points}endloop\nendfacet\n"
    data = (text + "endsolid block\n").encode()
    return data[: len(data) // 50] if kind == "cut" else data


def call(method: str, url: str, data: bytes | None = None, token: str = "") -> tuple[int, bytes]:
    """Make one call."""
    headers = {"Authorization": f"Bearer {token or os.environ[MARK]}"}
    request = urllib.request.Request(url, data=data, method=method, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=90) as reply:
            return reply.status, reply.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def await_service(address: str, process: subprocess.Popen[bytes]) -> None:
    """Wait until the service answers."""
    deadline = time.monotonic() + 180.0
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if call("GET", f"{address}/v1/health")[0] == 200:
                return
        except OSError:
            pass
        time.sleep(0.3)
    raise SystemExit("expected the service to come up, got no answer")


def survivors(mark: str) -> int:
    """Count the processes of the service that are still there a while after its end."""
    deadline = time.monotonic() + 20.0
    while True:
        left = 0
        for place in Path("/proc").glob("[0-9]*"):
            try:
                mine = int(place.name) == os.getpid()
                left += not mine and f"{MARK}={mark}".encode() in (place / "environ").read_bytes().split(b"\0")
            # it ended while we looked
            except OSError:
                continue
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.2)


def free_port() -> int:
    """Find a port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--uploads", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--model", action="store_true")
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())

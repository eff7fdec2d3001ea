"""A model server with bad days, public as the other stand-ins are: it is slow, busy, broken, cut off or talks nonsense.

with troubled_server() as server:
    server.script = [BAD_DAYS["busy"][0], BAD_DAYS["cut off"][0]]   # then it behaves
    ServerGenerator(server=ChatServer(base_url=server.url), model="tiny").propose(target, ())
"""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

__all__ = [
    "BAD_DAYS",
    "PROGRAM",
    "Behaviour",
    "TroubledServer",
    "busy",
    "failing",
    "raw",
    "reply",
    "troubled_server",
    "well",
]

PROGRAM = 'import cadquery as cq\nresult = cq.Workplane("XY").box({0}, 2, 3)\n'
Behaviour = Callable[[Any, dict[str, Any]], None]


class TroubledServer(ThreadingHTTPServer):
    """Behaves as the next of `script` says, and well once that is spent; remembers what it was asked.

    It gives at most `most` answers to a request.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.script: list[Behaviour] = []
        self.asked: list[dict[str, Any]] = []
        self.keys: list[str | None] = []
        self.most = 100
        self.written = 0
        self.lock = threading.Lock()

    @property
    def url(self) -> str:
        """Address to give to a `ChatServer`."""
        return f"http://127.0.0.1:{self.server_port}/v1"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of connections that were cut on purpose."""


@contextlib.contextmanager
def troubled_server() -> Iterator[TroubledServer]:
    """Serve on a free port of this machine, and stop at the end."""
    made = TroubledServer()
    threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    try:
        yield made
    finally:
        made.shutdown()
        made.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: TroubledServer

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            self.server.asked.append(request)
            self.server.keys.append(self.headers.get("Authorization"))
            behave = self.server.script.pop(0) if self.server.script else well
        behave(self, request)

    def do_GET(self) -> None:
        reply(self, 200, {"data": [{"id": "tiny"}]})

    def log_message(self, *_: Any) -> None:
        """Keep quiet."""


def reply(handler: Any, code: int, body: Any, headers: dict[str, str] | None = None) -> None:
    """Send a whole answer: bytes as they are, anything else as JSON."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    handler.send_response(code)
    for name, value in {"Content-Length": str(len(data)), **(headers or {})}.items():
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(data)


def well(handler: Any, request: dict[str, Any]) -> None:
    """Answer as asked, each time with another program."""
    choices = []
    for _ in range(min(request["n"], handler.server.most)):
        with handler.server.lock:
            handler.server.written += 1
            text = f"```python\n{PROGRAM.format(handler.server.written)}```"
        choices.append({"message": {"role": "assistant", "content": text}, "finish_reason": "stop"})
    reply(handler, 200, {"choices": choices, "usage": {"completion_tokens": 10 * len(choices)}})


def busy(seconds: str = "0") -> Behaviour:
    """Ask to come back after some seconds, or at a date."""
    return lambda handler, _: reply(handler, 429, {"error": {"message": "slow down"}}, {"Retry-After": seconds})


def failing(code: int, words: str = "oops") -> Behaviour:
    """Answer with an HTTP error."""
    return lambda handler, _: reply(handler, code, {"error": {"message": words}})


def raw(body: bytes) -> Behaviour:
    """Answer with these bytes, as if all were well."""
    return lambda handler, _: reply(handler, 200, body)


def _slow(handler: Any, request: dict[str, Any]) -> None:
    time.sleep(1.0)
    well(handler, request)


def _dripping(handler: Any, request: dict[str, Any]) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    for _ in range(20):
        handler.wfile.write(b" ")
        handler.wfile.flush()
        time.sleep(0.1)


def _cut(handler: Any, _: dict[str, Any]) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "5000")
    handler.end_headers()
    handler.wfile.write(b'{"choices": [')
    handler.wfile.flush()
    handler.connection.shutdown(socket.SHUT_RDWR)


def _hung_up(handler: Any, _: dict[str, Any]) -> None:
    handler.connection.shutdown(socket.SHUT_RDWR)


# Each with the kind of failure that a client should count. The slow ones take longer than a second.
BAD_DAYS: dict[str, tuple[Behaviour, str]] = {
    "busy": (busy(), "http 429"),
    "broken": (failing(500), "http 500"),
    "behind a gateway": (failing(502), "http 502"),
    "slow": (_slow, "timeout"),
    "dripping": (_dripping, "timeout"),
    "cut off": (_cut, "cut"),
    "hung up": (_hung_up, "cut"),
    "no json": (raw(b"<html>hello</html>"), "garbage"),
    "half json": (raw(b'{"choices": [{"mess'), "garbage"),
    "a list": (raw(b"[1, 2]"), "garbage"),
    "error inside": (raw(b'{"error": {"message": "engine dead"}}'), "garbage"),
    "not text": (raw(b"\xff\xfe\x00"), "garbage"),
}

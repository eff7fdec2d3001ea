"""Length-prefixed messages between the caller, the zygote and its wardens.

A message is one JSON object and one blob, both with their lengths in front; a reader states the largest lengths it
takes. Nothing is ever unpickled: what comes from behind the wall is text and bytes.
"""

from __future__ import annotations

import json
import socket
import struct
import time
from typing import Any

__all__ = ["MAX_SOURCE_BYTES", "WireError", "WireTimeout", "receive", "send"]

MAX_SOURCE_BYTES = 64 << 20

_HEAD = struct.Struct("!IQ")


class WireError(ConnectionError):
    """The other end is gone, late, or says something that is no message."""


class WireTimeout(WireError):
    """The other end is there but did not answer in time."""


def send(sock: socket.socket, message: dict[str, Any], blob: bytes = b"") -> None:
    """Send one message; raise `WireError` if the other end is gone."""
    text = json.dumps(message).encode()
    try:
        sock.sendall(_HEAD.pack(len(text), len(blob)) + text)
        if blob:
            sock.sendall(blob)
    except OSError as error:
        raise WireError(f"could not send: {error}") from error


def receive(
    sock: socket.socket, *, max_text: int, max_blob: int = 0, deadline: float | None = None
) -> tuple[dict[str, Any], bytearray]:
    """Receive one message of at most `max_text` bytes of JSON and `max_blob` bytes of blob.

    `deadline` is on the `time.monotonic` clock, in seconds; None waits for ever. Raises `WireError` at the end of the
    stream, past the deadline, beyond a length, or when the text is no JSON object.
    """
    text_length, blob_length = _HEAD.unpack(_exactly(sock, _HEAD.size, deadline))
    if text_length > max_text or blob_length > max_blob:
        raise WireError(f"expected at most {max_text} + {max_blob} bytes, got {text_length} + {blob_length}")
    text = _exactly(sock, text_length, deadline)
    blob = _exactly(sock, blob_length, deadline)
    try:
        message = json.loads(bytes(text))
    except ValueError as error:
        raise WireError(f"expected JSON, got {bytes(text[:40])!r}") from error
    if not isinstance(message, dict):
        raise WireError(f"expected a JSON object, got {type(message).__name__}")
    return message, blob


def _exactly(sock: socket.socket, count: int, deadline: float | None) -> bytearray:
    buffer = bytearray(count)
    view = memoryview(buffer)
    got = 0
    while got < count:
        if deadline is None:
            sock.settimeout(None)
        else:
            left = deadline - time.monotonic()
            if left <= 0:
                raise WireTimeout("no answer in time")
            sock.settimeout(left)
        try:
            step = sock.recv_into(view[got:])
        except TimeoutError as error:
            raise WireTimeout("no answer in time") from error
        except OSError as error:
            raise WireError(f"no answer: {error}") from error
        if step == 0:
            raise WireError("the other end is gone")
        got += step
    return buffer

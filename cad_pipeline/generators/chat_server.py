"""Talks to any server that speaks the OpenAI chat API (vLLM, SGLang, llama.cpp, hosted), and outlasts its bad days."""

from __future__ import annotations

import email.utils
import http.client
import json
import os
import random
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from cad_pipeline.errors import CadPipelineError, InputError, MissingPieceError

__all__ = ["ChatServer", "Counts", "Patience", "ServerTrouble"]

_RETRIED = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
_MAX_REPLY = 64 * 1024 * 1024


class ServerTrouble(CadPipelineError):
    """The server gave no usable answer, however often it was asked; another part may fare better."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long one request may take, how often it is repeated, and how the waits between grow.

    A server's own `Retry-After` counts where it is longer than the wait, up to `longest_wait_s`.
    """

    timeout_s: float = 300.0
    tries: int = 6
    first_wait_s: float = 1.0
    longest_wait_s: float = 60.0


@dataclass(slots=True)
class Counts:
    """What was asked and what went wrong, by kind; holds no text of requests or answers."""

    requests: int = 0
    retries: int = 0
    failures: dict[str, int] = field(default_factory=dict)
    tokens: int = 0

    def failed(self, kind: str) -> None:
        """Count one failed try."""
        self.failures[kind] = self.failures.get(kind, 0) + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatServer:
    """An endpoint such as `http://localhost:8000/v1`. The key is read from the environment for each request and kept
    nowhere: neither reprs nor messages hold it, also where the server repeats it.
    """

    base_url: str
    key_variable: str = "OPENAI_API_KEY"
    patience: Patience = field(default_factory=Patience)
    counts: Counts = field(default_factory=Counts, compare=False)
    sleep: Callable[[float], None] = field(default=time.sleep, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse what is no web address, and one that carries a password, which would end up in reports."""
        parts = urllib.parse.urlsplit(self.base_url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InputError(f"expected a server's address such as http://localhost:8000/v1, got {parts.scheme}:…")
        if parts.username or parts.password or parts.query:
            raise InputError(
                f"expected an address without name, password or query; put the key into {self.key_variable}"
            )

    def chat(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """Send a chat request and return the reply; its `choices` is a list.

        Raises `MissingPieceError` if the server can't be reached or refuses the key or the model, `ServerTrouble` if it
        keeps failing or says no to this request.
        """
        body = json.dumps(request).encode()
        trouble: _Trouble = _Trouble("nothing was tried")
        for attempt in range(self.patience.tries):
            if attempt:
                self.counts.retries += 1
                self.sleep(self._wait(attempt, trouble.retry_after_s))
            self.counts.requests += 1
            try:
                return self._once(body)
            except _Trouble as told:
                trouble = told
                self.counts.failed(told.kind)
                if told.final is not None:
                    raise told.final from None
        words = f"{self._place()} failed {self.patience.tries} times, last: {trouble}"
        if trouble.kind == "unreachable":
            raise MissingPieceError(
                f"expected a server at {self._place()}, got {trouble} in {self.patience.tries} tries; start it, or "
                "correct --server"
            )
        raise ServerTrouble(f"expected an answer, but {words}; try again later or with fewer samples")

    def models(self) -> list[str]:
        """Ask which models are served; an empty list if it does not say."""
        try:
            with self._open("/models", None, timeout_s=min(10.0, self.patience.timeout_s)) as reply:
                listed = json.loads(reply.read(_MAX_REPLY))
            return [str(each["id"]) for each in listed["data"]]
        except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
            return []

    def _once(self, body: bytes) -> dict[str, Any]:
        started = time.monotonic()
        try:
            with self._open("/chat/completions", body, timeout_s=self.patience.timeout_s) as reply:
                text = _read(reply, started + self.patience.timeout_s)
        except urllib.error.HTTPError as error:
            raise self._refusal(error) from None
        except TimeoutError:
            raise _Trouble(f"no answer within {self.patience.timeout_s:g} s", kind="timeout") from None
        except urllib.error.URLError as error:
            raise self._unreached(error) from None
        except (http.client.HTTPException, OSError) as error:
            raise _Trouble(f"the connection was cut ({type(error).__name__})", kind="cut") from None
        return self._understood(text)

    def _open(self, path: str, body: bytes | None, *, timeout_s: float) -> Any:
        headers = {"Content-Type": "application/json", "User-Agent": "cad-pipeline"}
        if key := self._key():
            headers["Authorization"] = f"Bearer {key}"
        request = urllib.request.Request(self.base_url.rstrip("/") + path, data=body, headers=headers)
        return _OPENER.open(request, timeout=timeout_s)

    def _refusal(self, error: urllib.error.HTTPError) -> _Trouble:
        try:
            said = error.read(4096).decode("utf-8", "replace")
        except (OSError, http.client.HTTPException):
            said = ""
        words = f"HTTP {error.code} {self._clean(_message(said))}".strip()
        kind = f"http {error.code}"
        if error.code in _RETRIED:
            return _Trouble(words, kind=kind, retry_after_s=_retry_after(error.headers.get("Retry-After")))
        if error.code in (401, 403):
            known = f"the key in {self.key_variable}" if self._key() else f"no key in {self.key_variable}"
            final: CadPipelineError = MissingPieceError(
                f"expected {self._place()} to let us in, got {words} with {known}; set {self.key_variable}"
            )
        elif error.code == 404:
            final = MissingPieceError(
                f"expected the model at {self._place()}, got {words}; correct --server or --model"
            )
        else:
            final = ServerTrouble(f"expected an answer from {self._place()}, got {words}")
        return _Trouble(words, kind=kind, final=final)

    def _unreached(self, error: urllib.error.URLError) -> _Trouble:
        reason = error.reason
        if isinstance(reason, TimeoutError):
            return _Trouble(f"no answer within {self.patience.timeout_s:g} s", kind="timeout")
        words = self._clean(str(reason))
        if isinstance(reason, ssl.SSLError):
            final = MissingPieceError(
                f"expected a trusted connection to {self._place()}, got {words}; write http:// for a server without a "
                "certificate, or name its authority's file in SSL_CERT_FILE"
            )
            return _Trouble(words, kind="tls", final=final)
        cut = isinstance(reason, ConnectionResetError | BrokenPipeError)
        return _Trouble(words, kind="cut" if cut else "unreachable")

    def _understood(self, text: bytes) -> dict[str, Any]:
        try:
            reply = json.loads(text)
        except ValueError:
            raise _Trouble(f"an answer that is no JSON ({len(text)} bytes)", kind="garbage") from None
        if not isinstance(reply, dict) or not isinstance(reply.get("choices"), list):
            error = reply.get("error") if isinstance(reply, dict) else None
            words = f"an error: {self._clean(str(error))[:200]}" if error else "an answer without choices"
            raise _Trouble(words, kind="garbage")
        usage = reply.get("usage")
        if isinstance(usage, dict) and isinstance(usage.get("completion_tokens"), int):
            self.counts.tokens += usage["completion_tokens"]
        return reply

    def _wait(self, attempt: int, asked_s: float | None) -> float:
        # spread out, so that many waiting clients don't come back all at once
        grown = self.patience.first_wait_s * 2.0 ** (attempt - 1) * random.uniform(0.75, 1.25)
        return min(max(grown, asked_s or 0.0), self.patience.longest_wait_s)

    def _key(self) -> str:
        return os.environ.get(self.key_variable, "").strip()

    def _place(self) -> str:
        return self.base_url

    def _clean(self, words: str) -> str:
        key = self._key()
        return words.replace(key, "[key]") if key else words


class _Trouble(Exception):
    """One try that failed; `final` is what to raise if repeating it can't help."""

    def __init__(
        self,
        words: str,
        *,
        kind: str = "",
        retry_after_s: float | None = None,
        final: CadPipelineError | None = None,
    ) -> None:
        super().__init__(words)
        self.kind, self.retry_after_s, self.final = kind, retry_after_s, final


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: the key must not travel to a place that nobody named."""

    def redirect_request(self, *args: Any, **kwargs: Any) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoRedirect)


def _read(reply: Any, deadline: float) -> bytes:
    """Read to the end; the socket's own limit is for each piece, so a server that drips is stopped here."""
    pieces: list[bytes] = []
    size = 0
    while piece := reply.read1(65536):
        pieces.append(piece)
        size += len(piece)
        if time.monotonic() > deadline:
            raise TimeoutError
        if size > _MAX_REPLY:
            raise _Trouble("an answer of more than 64 MiB", kind="garbage")
    wanted = reply.headers.get("Content-Length", "")
    if wanted.isdigit() and size < int(wanted):
        raise http.client.IncompleteRead(b"", int(wanted) - size)
    return b"".join(pieces)


def _message(said: str) -> str:
    try:
        error = json.loads(said).get("error", said)
        said = str(error.get("message", error)) if isinstance(error, dict) else str(error)
    except (ValueError, AttributeError):
        pass
    return " ".join(said.split())[:200]


def _retry_after(header: str | None) -> float | None:
    """Read seconds or a date."""
    if header is None:
        return None
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(header).timestamp() - time.time())
    except ValueError:
        return None

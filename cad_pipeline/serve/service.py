"""What a service is told: where it listens, who may come in, and what one upload may use up."""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import dataclass, field

from cad_pipeline.errors import InputError
from cad_pipeline.options import Options

__all__ = ["FORMATS", "Service"]

# what an upload may be; the word becomes the suffix of a file whose name is ours
FORMATS = ("stl", "obj", "ply", "off", "3mf", "glb", "step")
_SHORTEST_TOKEN = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """A service's settings. `token` is what callers must bear; it is kept as a digest only.

    `max_bytes` bounds an upload, `part_timeout_s` and `part_memory_mb` the work on it, `max_jobs` what may wait or be
    worked on at a time; a result is kept for `keep_s`. `model` says whether a GPU actor writes programs
    (`parts_per_gpu_batch` at a time, waiting up to `batch_wait_s` for more); `pipeline` and `writer` are
    `module:function`, as in a batch. Raises `InputError` on what can't be meant.
    """

    token: str = field(repr=False)
    host: str = "127.0.0.1"
    port: int = 8000
    options: Options = field(default_factory=Options)
    workers: int = 1
    max_bytes: int = 64 << 20
    max_jobs: int = 64
    part_timeout_s: float = 300.0
    part_memory_mb: int = 8192
    keep_s: float = 3600.0
    model: bool = False
    num_gpus: float = 1.0
    parts_per_gpu_batch: int = 8
    batch_wait_s: float = 0.5
    pipeline: str = ""
    writer: str = ""

    def __post_init__(self) -> None:
        """Refuse what would be no service, and forget the token but for its digest."""
        if not self.token.startswith("sha256:"):
            if len(self.token) < _SHORTEST_TOKEN:
                raise InputError(f"expected a token of at least {_SHORTEST_TOKEN} characters, got {len(self.token)}")
            object.__setattr__(self, "token", _digest(self.token))
        for name in ("workers", "max_bytes", "max_jobs", "parts_per_gpu_batch"):
            if getattr(self, name) < 1:
                raise InputError(f"expected at least 1 for {name}, got {getattr(self, name)}")
        if not 0 < self.port < 65536:
            raise InputError(f"expected a port of 1 to 65535, got {self.port}")

    def admits(self, header: str) -> bool:
        """Say whether an Authorization header bears the token."""
        scheme, _, given = header.partition(" ")
        return scheme.lower() == "bearer" and hmac.compare_digest(_digest(given.strip()), self.token)


def _digest(token: str) -> str:
    return "sha256:" + hashlib.sha256(token.encode()).hexdigest()

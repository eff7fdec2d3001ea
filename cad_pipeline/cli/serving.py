"""`cad-pipeline serve`: the service in the foreground, until it is interrupted."""

from __future__ import annotations

import os
import secrets
import threading
from pathlib import Path

from cad_pipeline.cli.exits import say
from cad_pipeline.errors import InputError
from cad_pipeline.plans import plan_for
from cad_pipeline.serve import Service, serving

__all__ = ["find_token", "run_service"]

_VARIABLE = "CAD_PIPELINE_TOKEN"
_LOOPBACK = ("127.", "::1", "localhost")


def find_token(file: Path | None) -> tuple[str, str]:
    """Read the callers' token from a file or the environment, or draw one; gives it, and words if it was drawn."""
    if file is not None:
        try:
            return file.read_text(encoding="utf-8").strip(), ""
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"expected a file with a token, got for {file}: {error}") from None
    if token := os.environ.get(_VARIABLE, "").strip():
        return token, ""
    token = secrets.token_urlsafe(24)
    return token, f"token drawn for this run: {token}"


def run_service(service: Service, *, ray_address: str | None, told: str) -> None:
    """Serve until a signal ends it."""
    plan_for(service.options.generator, model=service.options.model)
    if not service.host.startswith(_LOOPBACK):
        say(f"note: {service.host} can be reached from elsewhere, and the token travels in clear; put TLS in front")
    with serving(service, ray_address=ray_address) as address:
        say(f"{address}/v1/jobs takes meshes, {address}/ says how; Ctrl-C ends it")
        if told:
            say(told)
        threading.Event().wait()

"""Reads the server's reply about one program into an `Execution`, believing no type and no number."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from cad_sandbox.execution import Box, Execution, Outcome

__all__ = ["read_reply"]

_MAX_KINDS = 64
_MAX_MESSAGE_CHARACTERS = 4000
# What moves a terminal's cursor or turns text around, and halves of characters, which no file takes.
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def read_reply(reply: Mapping[str, Any], layers: Mapping[str, str]) -> Execution:
    """Turn a reply into an `Execution` without files; one that makes no sense is a crash of the validating stage."""
    line, rule = reply.get("line"), reply.get("rule")
    try:
        outcome = Outcome(reply["outcome"])
        told: dict[str, Any] = {
            "message": _line(reply["message"]),
            "line": None if line is None else int(line),
            "rule": None if rule is None else _line(rule),
            "log": _plain(reply["log"]),
            "seconds": _finite(reply["seconds"]),
            "layers": layers,
        }
        if outcome is not Outcome.BUILT:
            return Execution(outcome=outcome, **told)
        return Execution(
            outcome=outcome,
            **told,
            solids=int(reply["solids"]),
            volume_mm3=_finite(reply["volume_mm3"]),
            area_mm2=_finite(reply["area_mm2"]),
            box=Box(low=_triple(reply["low"]), high=_triple(reply["high"])),
            face_kinds=_kinds(reply["face_kinds"]),
            flaw=_line(reply["flaw"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        return Execution(
            outcome=Outcome.CRASHED, message=f"the sandbox's reply makes no sense: {error!r}", layers=layers
        )


def _plain(text: Any) -> str:
    """Take the sting out of a text: it may be printed, logged and stored by whoever reads it."""
    return _UNSAFE.sub("\ufffd", str(text).replace("\r\n", "\n"))


def _line(text: Any) -> str:
    return " ".join(_plain(str(text)[:_MAX_MESSAGE_CHARACTERS]).split())


def _finite(value: Any) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"expected a finite number, got {number}")
    return number


def _triple(values: Any) -> tuple[float, float, float]:
    x, y, z = values
    return _finite(x), _finite(y), _finite(z)


def _kinds(counts: Any) -> dict[str, int]:
    if len(counts) > _MAX_KINDS:
        raise ValueError(f"expected at most {_MAX_KINDS} kinds of faces, got {len(counts)}")
    return {_line(kind)[:40]: int(count) for kind, count in counts.items()}

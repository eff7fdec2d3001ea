"""Reads the server's reply about one program into an `Execution`, believing no type and no number."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from cad_sandbox.execution import Box, Execution, Outcome

__all__ = ["read_reply"]

_MAX_KINDS = 64


def read_reply(reply: Mapping[str, Any], layers: Mapping[str, str]) -> Execution:
    """Turn a reply into an `Execution` without files; one that makes no sense is a crash of the validating stage."""
    line, rule = reply.get("line"), reply.get("rule")
    try:
        outcome = Outcome(reply["outcome"])
        told: dict[str, Any] = {
            "message": str(reply["message"]),
            "line": None if line is None else int(line),
            "rule": None if rule is None else str(rule),
            "log": str(reply["log"]),
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
            flaw=str(reply["flaw"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
        return Execution(
            outcome=Outcome.CRASHED, message=f"the sandbox's reply makes no sense: {error!r}", layers=layers
        )


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
    return {str(kind): int(count) for kind, count in counts.items()}

"""What each wall promises, and whether the self-test found it kept."""

from __future__ import annotations

from collections.abc import Mapping

from cad_sandbox.execution import SandboxUnavailable

__all__ = ["ABSENT", "CANARY", "HELD", "check_self_test"]

ABSENT = "absent: "
CANARY = "canary"
HELD = "held"

# What a level promises; a probe that gets through although its wall is promised stops the sandbox from serving.
_PROMISES = {
    "seccomp": ("network", "local-socket", "fork", "exec", "signal", "limits"),
    "landlock": ("read", "list", "write"),
    "rlimits": ("memory",),
    "environment": ("environment", "descriptors"),
    "deadline": ("kill",),
}


def check_self_test(found: Mapping[str, str], layers: Mapping[str, str]) -> None:
    """Compare the probes with the promises; raise `SandboxUnavailable` if a promised wall gave way."""
    if "run" in found:
        raise SandboxUnavailable(f"the sandbox could not test itself: {found['run']}")
    broken = [
        f"{wall} ({probe}: {found.get(probe, 'not tried')})"
        for wall, probes in _PROMISES.items()
        if not layers[wall].startswith(ABSENT)
        for probe in probes
        if found.get(probe) != HELD
    ]
    if broken:
        raise SandboxUnavailable("the sandbox's walls do not hold here: " + ", ".join(broken) + "; nothing will be run")

"""Which walls this machine offers, which a level needs, and the one line that cures what is missing."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field

from cad_sandbox.execution import SandboxUnavailable
from cad_sandbox.launch import BUBBLEWRAP_CURE, bubblewrap_works
from cad_sandbox.limits import Isolation
from cad_sandbox.promises import ABSENT
from cad_sandbox.syscalls import build_filter

__all__ = ["LANDLOCK_CURE", "Means", "find_means", "layers_of", "probe_isolation"]

LANDLOCK_CURE = "needs Linux 5.13 or newer with Landlock among the boot parameter lsm=, and `pip install landlockpy`"
_PLATFORM_CURE = "run it on Linux: in WSL2, a container or a virtual machine"


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """The walls to build: seccomp filter (empty: none), Landlock's ABI (0: none), bubblewrap; why some are missing."""

    seccomp: bytes = b""
    landlock_abi: int = 0
    bubblewrap: bool = False
    missing: Mapping[str, str] = field(default_factory=dict)


def find_means(level: Isolation) -> Means:
    """Find what this machine offers and compare it with what `level` needs.

    Raises `SandboxUnavailable`, naming the wall and the cure, if that is not enough.
    """
    means = _look()
    missing = means.missing
    needed = {
        Isolation.MAX: ("linux", "seccomp", "landlock", "bubblewrap"),
        Isolation.STRICT: ("linux", "seccomp", "landlock"),
        Isolation.PROCESS: ("linux",),
    }[level]
    lacking = [f"{wall}: {missing[wall]}" for wall in needed if wall in missing]
    if lacking:
        way_out = "" if level is Isolation.PROCESS or "linux" in missing else _way_out(level)
        raise SandboxUnavailable(f"isolation level '{level}' can't be met here; " + "; ".join(lacking) + way_out)
    return means


def _way_out(level: Isolation) -> str:
    if level is Isolation.MAX:
        return ". Level 'strict' does without bubblewrap"
    return ". For programs that you trust, level 'process' does without"


def _look() -> Means:
    if sys.platform != "linux":
        return Means(missing={"linux": f"expected Linux, got {sys.platform}; {_PLATFORM_CURE}"})
    missing: dict[str, str] = {}
    program = b""
    try:
        program = build_filter()
    except SandboxUnavailable as error:
        missing["seccomp"] = str(error)
    abi = 0
    try:
        import landlockpy

        abi = landlockpy.abi_version()
        if abi < 1:
            missing["landlock"] = f"this kernel does not offer it; {LANDLOCK_CURE}"
    except (ImportError, OSError) as error:
        missing["landlock"] = f"not usable ({error}); {LANDLOCK_CURE}"
    reason = bubblewrap_works()
    if reason:
        missing["bubblewrap"] = f"{reason}; {BUBBLEWRAP_CURE}"
    return Means(seccomp=program, landlock_abi=abi, bubblewrap=not reason, missing=missing)


def layers_of(means: Means) -> dict[str, str]:
    """Name every layer and whether it is active, for reports."""
    missing = means.missing
    return {
        "seccomp": "active" if means.seccomp else ABSENT + missing.get("seccomp", "not asked for"),
        "landlock": f"active (ABI {means.landlock_abi})"
        if means.landlock_abi
        else ABSENT + missing.get("landlock", ""),
        "bubblewrap": "active" if means.bubblewrap else ABSENT + missing.get("bubblewrap", "not asked for"),
        "rlimits": "active (memory, processor time, file size, descriptors, no core)",
        "no_new_privs": "active",
        "capabilities": "dropped",
        "environment": "scrubbed",
        "deadline": "active (SIGKILL)",
        "two_stages": "active (files and figures come from a process that never saw the program)",
    }


def probe_isolation() -> dict[str, tuple[bool, str]]:
    """Say for each level whether this machine can have it, and what it has or lacks, with the cure.

    Starts no server; takes some tens of milliseconds.
    """
    report = {}
    for level in Isolation:
        try:
            means = find_means(level)
        except SandboxUnavailable as error:
            report[level.value] = (False, str(error))
        else:
            active = [name for name, state in layers_of(means).items() if not state.startswith(ABSENT)]
            report[level.value] = (True, "has " + ", ".join(active))
    return report

"""Runs every attack of the conformance suite at every isolation level, as this user and, from root, as nobody.

    python benchmarks/sandbox_attacks.py                    # levels strict and max
    python benchmarks/sandbox_attacks.py --levels process   # what that level does not hold is part of the table

An attack counts as contained only if it left no trace and a healthy program built what it should afterwards.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NOBODY = ["bwrap", "--unshare-user", "--uid", "65534", "--gid", "65534", "--dev-bind", "/", "/"]


def main() -> int:
    """Print one line a level and user; the exit code is 1 if anything at `strict` or above got through."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--levels", nargs="+", default=["strict", "max"], choices=["strict", "max", "process"])
    parser.add_argument("--one", metavar="LEVEL", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(attacked(options.one)))
        return 0
    worst = 0
    for level in options.levels:
        for user, prefix in users():
            row = measured(level, prefix)
            print(f"{level:8s} {user:8s} {row['held']:3d} of {row['run']:3d} contained", *row["through"], flush=True)
            worst |= level != "process" and row["held"] < row["run"]
    return int(worst)


def users() -> list[tuple[str, list[str]]]:
    """List who runs the sandbox: this user, and nobody where root can become it."""
    mine = [("root" if os.getuid() == 0 else "user", list[str]())]
    nobody = [("nobody", NOBODY)] if os.getuid() == 0 and shutil.which("bwrap") else []
    return mine + nobody


def measured(level: str, prefix: list[str]) -> dict[str, object]:
    """Run all attacks at one level in a process of its own."""
    done = subprocess.run(
        [*prefix, sys.executable, __file__, "--one", level],
        env={**os.environ, "PYTHONPATH": str(ROOT / "sandbox")},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        return {"held": 0, "run": 0, "through": [done.stderr.strip().splitlines()[-1]]}
    row: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return row


def attacked(level: str) -> dict[str, object]:
    """Run all attacks here; what got through is named with why."""
    from cad_sandbox import ForkServerSandbox, Isolation
    from cad_sandbox.conformance import ATTACKS, LIMITS, NotConforming, field, withstand

    through: list[str] = []
    with (
        ForkServerSandbox(isolation=Isolation(level), limits=LIMITS) as sandbox,
        field() as ground,
        tempfile.TemporaryDirectory(prefix="cad-attacks-") as folder,
    ):
        for number, attack in enumerate(ATTACKS):
            place = Path(folder) / str(number)
            place.mkdir()
            try:
                withstand(sandbox, place, attack, ground)
            except NotConforming as broken:
                through.append(f"{attack.name}: {str(broken)[:160]}")
    return {"held": len(ATTACKS) - len(through), "run": len(ATTACKS), "through": through}


if __name__ == "__main__":
    sys.exit(main())

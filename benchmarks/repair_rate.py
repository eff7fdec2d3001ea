"""Measures how many broken programs repair rescues, and how much of the part as it was meant is left.

    python benchmarks/repair_rate.py [--json]

The set was written for this: each program has the faults that models make (a blend too large for its edge, a shell too
thick, a selector that finds nothing, an end cut off, a cut that meets only air) and says itself what it should have
been. A program is rescued if a repair builds a valid solid; `IoU` compares that solid with the part as it was meant,
by exact booleans, so that a rescue that throws the part away does not count for much.
"""

from __future__ import annotations

import argparse
import collections
import json
import statistics
import tempfile
from dataclasses import dataclass
from pathlib import Path

from broken_programs import BROKEN, BrokenProgram

from cad_pipeline.generators.repair import RepairGenerator
from cad_pipeline.generators.scripted import ScriptedGenerator
from cad_pipeline.pipeline import Pipeline, Stage
from cad_pipeline.values import Attempt, Target
from cad_pipeline.verify import MeshVerifier, load_result
from cad_sandbox import ForkServerSandbox
from cad_sandbox.execution import Execution

ROUNDS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Rescue:
    """What became of one program: how it failed, whether and how it was rescued, in how many tries, how well."""

    name: str
    fault: str
    outcome: str
    rescued: bool
    tries: int
    iou: float
    how: str


def main() -> None:
    """Repair all and print a table, or one JSON object a program."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    with ForkServerSandbox(workers=2) as sandbox, tempfile.TemporaryDirectory() as folder:
        rescues = [rescue(broken, sandbox, Path(folder)) for broken in BROKEN]
    if chosen.json:
        for one in rescues:
            print(json.dumps({name: getattr(one, name) for name in Rescue.__slots__}))
        return
    by_fault: dict[str, list[Rescue]] = collections.defaultdict(list)
    for one in rescues:
        by_fault[one.fault].append(one)
    print(f"{'fault':28} {'programs':>8} {'rescued':>8} {'mean IoU':>9} {'tries':>6}")
    for fault, some in [*by_fault.items(), ("all", rescues)]:
        share = sum(one.rescued for one in some) / len(some)
        tries = statistics.mean(one.tries for one in some)
        print(f"{fault:28} {len(some):8} {share:8.0%} {statistics.mean(o.iou for o in some):9.3f} {tries:6.1f}")
    for one in rescues:
        if not one.rescued:
            print(f"not rescued: {one.name} ({one.outcome})")


def rescue(broken: BrokenProgram, sandbox: ForkServerSandbox, folder: Path) -> Rescue:
    """Repair one program against the mesh of what it should have been."""
    meant = sandbox.run(broken.meant, folder / f"{broken.name} meant")
    if meant.mesh is None:
        raise ValueError(f"expected {broken.name} as it was meant to build, got {meant.outcome}: {meant.message}")
    target = Target(mesh=load_result(meant.mesh))
    plan = (Stage(ScriptedGenerator((broken.source,))), Stage(RepairGenerator(), rounds=ROUNDS, samples=2))
    pipeline = Pipeline(plan=plan, sandbox=sandbox, verifier=MeshVerifier(), workers=1)
    first, *later = pipeline.reconstruct(target, folder / broken.name).attempts
    if first.verdict.accepted:
        raise ValueError(f"expected {broken.name} to be broken, it was accepted")
    mended = [attempt for attempt in later if attempt.execution.built]
    best = max(mended, key=_iou, default=None)
    return Rescue(
        name=broken.name,
        fault=broken.fault,
        outcome=_told(first.execution),
        rescued=best is not None and _iou(best) > _iou(first),
        tries=len(later),
        iou=_iou(best) if best else 0.0,
        how=best.program.origin.note if best else "",
    )


def _iou(attempt: Attempt) -> float:
    return attempt.verdict.iou or 0.0


def _told(execution: Execution) -> str:
    return f"{execution.outcome}: {execution.message[:60]}"


if __name__ == "__main__":
    main()

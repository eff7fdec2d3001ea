"""Changes every named dimension of every result by several shares and counts what still builds as many solids.

    python benchmarks/editing.py samples/results                   # ±1, ±5 and ±20 %
    python benchmarks/editing.py out/bench --change 0.2 --parts 25

A count changes by 1, whatever the share. Results graded `faceted` or `failed` have no dimensions and are left out.
Exit code 1 if fewer edits survive than the goal for their share; at a share without a goal, all must.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from cad_pipeline.parameters import read_parameters, with_parameter
from cad_pipeline.values import Parameter
from cad_sandbox import Execution, Export, ForkServerSandbox, Limits

GOALS = {0.01: 0.98, 0.05: 0.95, 0.2: 0.80}
# whether it builds is all that is asked: no STEP, no meshes
LIMITS = Limits(exports=frozenset({Export.BREP}))


def main() -> int:
    """Print a line a program and the share of edits that survive at each change."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("results", type=Path, help="folder with <name>/<name>.py")
    parser.add_argument(
        "--change",
        type=float,
        action="append",
        help="share by which a dimension changes, may be given several times; 0.01, 0.05 and 0.2 if left out",
    )
    parser.add_argument("--parts", type=int, default=0, metavar="N", help="only so many programs, chosen by the seed")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--workers", type=int, default=2, help="programs at once")
    options = parser.parse_args()
    changes = options.change or list(GOALS)
    paths = chosen(options.results, options.parts, options.seed)
    tried, failed = dict.fromkeys(changes, 0), dict.fromkeys(changes, 0)
    with (
        ForkServerSandbox(LIMITS, workers=options.workers) as sandbox,
        tempfile.TemporaryDirectory() as folder,
        ThreadPoolExecutor(options.workers) as pool,
    ):

        def run(source: str) -> Execution:
            return sandbox.run(source, Path(tempfile.mkdtemp(dir=folder)))

        for path in paths:
            source = path.read_text(encoding="utf-8")
            plain = run(source)
            if not plain.built:
                print(f"{path.stem:44} does not build: {plain.message[:60]}", flush=True)
            told = []
            for change in changes:
                edits = list(all_edits(source, change))
                broken = failures(source, edits, plain.solids if plain.built else 1, run, pool)
                tried[change], failed[change] = tried[change] + len(edits), failed[change] + len(broken)
                told += [f"±{change:.0%}: {'; '.join(broken)}"] if broken else []
            count = len(read_parameters(source))
            print(f"{path.stem:44} {count:3} dimensions  {'  '.join(told) or 'all edits build'}", flush=True)
    print_totals(tried, failed)
    return int(any(share(tried[c], failed[c]) < GOALS.get(c, 1.0) for c in changes))


def chosen(results: Path, parts: int, seed: int) -> list[Path]:
    """List the programs of a folder that have features, or `parts` of them."""
    paths = [path for path in sorted(results.glob("*/*.py")) if grade(path) not in ("faceted", "failed")]
    return sorted(random.Random(seed).sample(paths, min(parts, len(paths)))) if parts else paths


def grade(program: Path) -> str | None:
    """Read the grade of the result that a program belongs to, if a report lies beside it."""
    try:
        found = json.loads((program.parent / "report.json").read_text(encoding="utf-8"))["grade"]
    except (OSError, ValueError, KeyError):
        return None
    return str(found)


def all_edits(source: str, change: float) -> Iterator[tuple[str, float]]:
    """Give each named dimension with each value to try."""
    for parameter in read_parameters(source):
        for value in edited(parameter, change):
            yield parameter.name, value


def edited(parameter: Parameter, change: float) -> Iterator[float]:
    """Give the two values to try; a count does not fall below 1."""
    if parameter.unit == "count":
        yield from (v for v in (parameter.value - 1, parameter.value + 1) if v >= 1)
    else:
        yield from (parameter.value * (1 - change), parameter.value * (1 + change))


def failures(
    source: str,
    edits: Sequence[tuple[str, float]],
    solids: int,
    run: Callable[[str], Execution],
    pool: ThreadPoolExecutor,
) -> list[str]:
    """Run the edits, and tell those in words that do not build or build another number of solids."""
    done = pool.map(lambda edit: run(with_parameter(source, *edit)), edits)
    return [
        f"{name} = {value:g} ({f'{each.solids} solids' if each.built else each.outcome})"
        for (name, value), each in zip(edits, done, strict=True)
        if not each.built or each.solids != solids
    ]


def print_totals(tried: dict[float, int], failed: dict[float, int]) -> None:
    """Print the share that survives at each change, beside its goal."""
    told = []
    for change, count in tried.items():
        goal = f", goal {GOALS[change]:.0%}" if change in GOALS else ""
        told.append(f"±{change:.0%} {count - failed[change]} of {count} ({share(count, failed[change]):.1%}{goal})")
    print(f"edits that build the same number of solids: {'; '.join(told)}")


def share(tried: int, failed: int) -> float:
    """Give the share that survived; of nothing, all."""
    return (tried - failed) / tried if tried else 1.0


if __name__ == "__main__":
    sys.exit(main())

"""Projects how a batch scales: a simulation of the engine with rates that are written down, not a measurement.

    python benchmarks/batch_scaling.py
    python benchmarks/batch_scaling.py --cpu-s 20 --gpu-batch-s 40

What is simulated: parts wait in line; a GPU actor takes up to eight, writes for all of them in a time that grows little
with their number, and holds one more batch ready; CPU actors take one part each, whose times are lognormal; what the
GPUs have written ahead is bounded, so that they stop when CPUs lag. Every hand-out costs the engine's tick. What is
not: slow disks, spot machines that go away, autoscaling.

The defaults: a part costs 17 s of one core in the median, and nine of ten are done in 54 s (README); a batch of eight
parts with eight programs each takes a GPU 60 s, which is an assumption and the first thing to replace by your own
figure; a core costs 0.05 and a GPU 2.50 an hour, in whatever money.
"""

from __future__ import annotations

import argparse
import heapq
import random
import sys
from dataclasses import dataclass

TICK_S = 0.2
START_S = 15.0
MODEL_START_S = 45.0
AHEAD_PER_WORKER = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """Machines: cores that convert, and GPUs that write (none for the geometric plan)."""

    name: str
    cores: int
    gpus: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """How long things take: a part on a core (median and spread of the logarithm), a full batch on a GPU."""

    cpu_s: float
    spread: float
    gpu_batch_s: float
    batch: int
    fixed_share: float = 0.6


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a simulated batch came to."""

    hours: float
    cpu_busy: float
    gpu_busy: float


FLEETS = (
    Fleet(name="laptop", cores=8),
    Fleet(name="laptop, one worker", cores=1),
    Fleet(name="GPU box", cores=15, gpus=1),
    Fleet(name="GPU box, more cores", cores=63, gpus=1),
    Fleet(name="cluster, geometric", cores=256),
    Fleet(name="cluster", cores=256, gpus=8),
)


def main() -> int:
    """Simulate each fleet and print the table."""
    options = arguments()
    rates = Rates(cpu_s=options.cpu_s, spread=options.spread, gpu_batch_s=options.gpu_batch_s, batch=options.batch)
    sys.stdout.write(
        "| machines | cores | GPUs | parts an hour | 10,000 parts | cores busy | GPUs busy | cost of 1,000 |\n"
    )
    sys.stdout.write("|---|---|---|---|---|---|---|---|\n")
    for fleet in FLEETS:
        found = simulate(fleet, rates, options.parts, random.Random(options.seed))
        rate = options.parts / found.hours
        money = (fleet.cores * options.core_price + fleet.gpus * options.gpu_price) * 1000.0 / rate
        gpus = f"{100 * found.gpu_busy:.0f} %" if fleet.gpus else "–"
        sys.stdout.write(
            f"| {fleet.name} | {fleet.cores} | {fleet.gpus or '–'} | {rate:,.0f} | {10_000 / rate:.1f} h | "
            f"{100 * found.cpu_busy:.0f} % | {gpus} | {money:.2f} |\n"
        )
    return 0


def simulate(fleet: Fleet, rates: Rates, parts: int, chance: random.Random) -> Outcome:
    """Walk from event to event until every part is done."""
    unwritten, written, in_work = parts, 0, 0
    free_cores, free_gpus, done = fleet.cores, fleet.gpus, 0
    cpu_s = gpu_s = 0.0
    events: list[tuple[float, int, str, int]] = []
    number = 0
    now = START_S
    ready_at = START_S + (MODEL_START_S if fleet.gpus else 0.0)
    if not fleet.gpus:
        written, unwritten = parts, 0
    ahead = max(AHEAD_PER_WORKER * fleet.cores, 2 * rates.batch)
    while done < parts:
        while free_gpus and unwritten and written + in_work < ahead:
            size = min(rates.batch, unwritten)
            share = rates.fixed_share + (1.0 - rates.fixed_share) * size / rates.batch
            seconds = rates.gpu_batch_s * share
            unwritten, in_work, free_gpus = unwritten - size, in_work + size, free_gpus - 1
            gpu_s += seconds
            number += 1
            heapq.heappush(events, (max(now, ready_at) + TICK_S + seconds, number, "gpu", size))
        while free_cores and written:
            seconds = rates.cpu_s * chance.lognormvariate(0.0, rates.spread)
            written, free_cores = written - 1, free_cores - 1
            cpu_s += seconds
            number += 1
            heapq.heappush(events, (now + TICK_S + seconds, number, "cpu", 1))
        now, _, kind, size = heapq.heappop(events)
        if kind == "gpu":
            written, in_work, free_gpus = written + size, in_work - size, free_gpus + 1
        else:
            done, free_cores = done + 1, free_cores + 1
    gpus = max(1, fleet.gpus)
    return Outcome(hours=now / 3600.0, cpu_busy=cpu_s / now / fleet.cores, gpu_busy=gpu_s / now / gpus)


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--parts", type=int, default=10_000)
    parser.add_argument("--cpu-s", type=float, default=17.0, help="median seconds of one core for a part")
    parser.add_argument("--spread", type=float, default=0.9, help="standard deviation of the logarithm of these")
    parser.add_argument("--gpu-batch-s", type=float, default=60.0, help="seconds of one GPU for a full batch")
    parser.add_argument("--batch", type=int, default=8, help="parts that a GPU writes for at once")
    parser.add_argument("--core-price", type=float, default=0.05, help="price of a core for an hour")
    parser.add_argument("--gpu-price", type=float, default=2.50, help="price of a GPU for an hour")
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())

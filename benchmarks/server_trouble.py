"""Counts what a misbehaving model server costs: requests, retries, failures by kind, and programs lost.

    python benchmarks/server_trouble.py --each 3 --programs 8

A real HTTP server on this machine answers badly so many times in a row, in each of the ways a server can, and then
well; last come all ways one after the other, and a server that never recovers. Waits are counted, not waited for.
"""

from __future__ import annotations

import argparse
import os
from types import SimpleNamespace

import numpy as np

from cad_pipeline.generators.chat_server import ChatServer, Patience
from cad_pipeline.generators.openai_api import ServerGenerator
from cad_pipeline.troubled_server import BAD_DAYS, Behaviour, failing, troubled_server
from cad_pipeline.values import Mesh, Target


def main() -> None:
    """Print one line a kind of trouble."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--each", type=int, default=3, help="bad answers in a row")
    options.add_argument("--programs", type=int, default=8, help="programs asked for")
    chosen = options.parse_args()
    os.environ["NO_PROXY"] = "127.0.0.1"
    print(f"{'trouble':18} {'requests':>8} {'retries':>8} {'waits':>8} {'programs':>9} {'lost':>5}  failures")
    days = {name: [behaviour] * chosen.each for name, (behaviour, _) in BAD_DAYS.items()}
    days["all in a row"] = [behaviour for behaviour, _ in BAD_DAYS.values()]
    for name, script in days.items():
        _told(name, script, chosen.programs, tries=max(chosen.each, len(script)) + 1)
    _told("never recovers", [failing(503)] * 100, chosen.programs, tries=6)


def _told(name: str, script: list[Behaviour], wanted: int, *, tries: int) -> None:
    waits: list[float] = []
    with troubled_server() as server:
        server.script = list(script)
        chat = ChatServer(base_url=server.url, patience=Patience(timeout_s=0.5, tries=tries), sleep=waits.append)
        programs = ServerGenerator(server=chat, model="tiny").propose(_target(), (), samples=wanted)
    real = [program for program in programs if program.origin.note != "no answer"]
    counts = chat.counts
    print(
        f"{name:18} {counts.requests:8} {counts.retries:8} {sum(waits):6.1f} s {len(real):9} {wanted - len(real):5}  "
        + ", ".join(f"{kind}: {number}" for kind, number in counts.failures.items())
        + (f"; told: {_words(programs[0].source)}" if not real else "")
    )


def _words(source: str) -> str:
    """Read what the comments of a program that builds nothing say."""
    return " ".join(line.lstrip("# ") for line in source.splitlines())[:160]


def _target() -> Target:
    made = Target(mesh=Mesh(name="part", vertices=np.eye(3), faces=np.array([[0, 1, 2]])))
    # Pictures of no part: what is sent does not matter to this server.
    views = [np.full((16, 16, 3), 30 * k, dtype=np.uint8) for k in range(8)]
    made.__dict__["views"] = SimpleNamespace(images=views)
    return made


if __name__ == "__main__":
    main()

"""What sampling, repair and refinement add to a model: unseen members of the built-in family, mesh to verified STEP.

    python benchmarks/model_table.py CHECKPOINT --parts 20 --samples 16

Each part is built from its program, written down as a mesh, and converted by the model alone. The last row is the
tournament: the geometric generator, which sees the same mesh, proposes as well, and the best verdict wins; how often
the model's own program was the best is told below the table. A part on which nothing was built counts with an IoU of 0.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from cad_pipeline.generators.checkpoint import ModelChoice
from cad_pipeline.generators.geometric import GeometricGenerator
from cad_pipeline.generators.qwen3_vl import Qwen3VLGenerator
from cad_pipeline.generators.refine import RefineGenerator
from cad_pipeline.generators.registration import RegisterGenerator
from cad_pipeline.generators.repair import RepairGenerator
from cad_pipeline.generators.writing import Decoding
from cad_pipeline.pipeline import Pipeline, Stage
from cad_pipeline.training.part_family import family_programs
from cad_pipeline.values import Attempt, Mesh, Target
from cad_pipeline.verify import MeshVerifier, load_result
from cad_sandbox import ForkServerSandbox

Kept = Callable[[Attempt], bool]
GEOMETRIC = "geometric"


def main() -> None:
    """Convert the parts one after the other and print the table."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("checkpoint")
    options.add_argument("--parts", type=int, default=20)
    options.add_argument("--samples", type=int, default=16)
    options.add_argument("--temperature", type=float, default=0.8)
    options.add_argument("--seed", type=int, default=7)
    options.add_argument("--device", default="auto")
    options.add_argument("--seconds", type=float, default=float("inf"), help="begin no new part after this")
    options.add_argument("--moved", action="store_true", help="give the parts another size and place than the family's")
    chosen = options.parse_args()
    chance = np.random.default_rng(chosen.seed)
    programs = family_programs(chosen.parts, seed=chosen.seed, held_out=True)
    writer = Qwen3VLGenerator(
        choice=ModelChoice(checkpoint=chosen.checkpoint, device=chosen.device),
        decoding=Decoding(temperature=chosen.temperature, max_new_tokens=256),
    )
    rows: dict[str, Kept] = {
        "greedy": lambda a: a.program.origin.generator == "qwen" and a.program.origin.sample == 0,
        "best of 4": lambda a: a.program.origin.generator == "qwen" and a.program.origin.sample < 4,
        f"best of {chosen.samples}": lambda a: a.program.origin.generator == "qwen",
        "+ repair": lambda a: a.program.origin.generator in ("qwen", "repair"),
        "+ register": lambda a: a.program.origin.generator in ("qwen", "repair", "register"),
        "+ refine": lambda a: a.program.origin.generator != GEOMETRIC,
        "+ tournament": lambda a: True,
    }
    won = 0
    figures: dict[str, list[tuple[bool, bool, float]]] = {name: [] for name in rows}
    started = time.monotonic()
    with ForkServerSandbox(workers=2) as sandbox, tempfile.TemporaryDirectory() as folder:
        plan = (
            Stage(writer, samples=chosen.samples),
            Stage(RepairGenerator(), rounds=4, samples=chosen.samples),
            Stage(RegisterGenerator(), samples=3),
            Stage(RefineGenerator(sandbox=sandbox), rounds=2, samples=1),
        )
        pipeline = Pipeline(plan=plan, sandbox=sandbox, verifier=MeshVerifier(), workers=2)
        geometric = Stage(GeometricGenerator(), rounds=3)
        rival = Pipeline(plan=(geometric,), sandbox=sandbox, verifier=MeshVerifier(), workers=2)
        for number, program in enumerate(programs):
            if time.monotonic() - started > chosen.seconds:
                break
            place = Path(folder) / str(number)
            place.mkdir()
            execution = sandbox.run(program, place)
            assert execution.mesh is not None, program
            built = load_result(execution.mesh)
            vertices = built.vertices
            if chosen.moved:
                vertices = vertices * np.exp(chance.uniform(-1.5, 1.5)) + chance.uniform(-50.0, 50.0, 3)
            target = Target(mesh=Mesh(name=f"member {number}", vertices=vertices, faces=built.faces))
            done = pipeline.reconstruct(target, place / "attempts")
            other = rival.reconstruct(target, place / "rival")
            attempts = (*done.attempts, *other.attempts)
            for name, kept in rows.items():
                figures[name].append(_figures([attempt for attempt in attempts if kept(attempt)]))
            best = done.best
            won += _best_iou(done.attempts) >= _best_iou(other.attempts)
            told = {"part": number, "iou": best.verdict.iou, "by": str(best.program.origin)} if best else {}
            print(json.dumps({**told, "attempts": len(done.attempts), "seconds": round(time.monotonic() - started)}))
    print(f"{len(figures['greedy'])} unseen parts, {chosen.samples} samples, temperature {chosen.temperature:g}")
    print(f"{'':13} {'built':>7} {'accepted':>9} {'mean IoU':>9}")
    for name, each in figures.items():
        built_share, accepted, iou = (sum(figure[k] for figure in each) / len(each) for k in range(3))
        print(f"{name:13} {built_share:7.0%} {accepted:9.0%} {iou:9.3f}")
    print(f"the model's program was at least as good as the geometric one on {won} of {len(figures['greedy'])} parts")


def _best_iou(attempts: Sequence[Attempt]) -> float:
    return max((attempt.verdict.iou or 0.0 for attempt in attempts if attempt.execution.built), default=0.0)


def _figures(attempts: Sequence[Attempt]) -> tuple[bool, bool, float]:
    """Say whether any was built, whether any was accepted, and the best IoU."""
    built = any(attempt.execution.built for attempt in attempts)
    return built, any(attempt.verdict.accepted for attempt in attempts), _best_iou(attempts)


if __name__ == "__main__":
    main()

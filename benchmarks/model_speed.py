"""Measures how fast a Qwen3-VL writes: what more samples cost, and plain decoding against a fixed cache and compiling.

    python benchmarks/model_speed.py --small                    a model of the real architecture, seconds on a CPU
    python benchmarks/model_speed.py --device cuda              random weights in the published 2B shape
    python benchmarks/model_speed.py CHECKPOINT --device cuda --rows 1 8 32 --tokens 256

Prints one JSON object a line. `samples`: seconds and calls of the vision tower for N answers to one part in one batch,
against N times one answer. `decoding`: tokens a second by batch and pace, without the time to the first token (a run
of one token is taken off), and the share of the floor that reading all weights once a step sets.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from cad_pipeline.generators.checkpoint import LoadedCheckpoint, ModelChoice, open_checkpoint
from cad_pipeline.generators.pace import Pace
from cad_pipeline.generators.writing import Decoding, First, write_answers
from cad_pipeline.training.part_family import family_programs
from cad_pipeline.training.small_model import SmallShape, build_small_checkpoint

PUBLISHED = SmallShape(
    hidden=2048,
    layers=28,
    heads=16,
    vision_hidden=1024,
    vision_depth=24,
    vision_heads=16,
    vocabulary=512,
    view_px=256,
    padded_vocabulary=151_936,
    key_heads=8,
    vision_widening=4,
)


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("checkpoint", nargs="?")
    options.add_argument("--small", action="store_true")
    options.add_argument("--device", default="auto")
    options.add_argument("--rows", type=int, nargs="+", default=[1, 8, 32])
    options.add_argument("--samples", type=int, nargs="+", default=[1, 4, 16])
    options.add_argument("--tokens", type=int, default=128)
    options.add_argument("--repeats", type=int, default=3)
    options.add_argument("--paces", nargs="+", choices=[str(p) for p in Pace if p is not Pace.AUTO])
    chosen = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        name = chosen.checkpoint or str(_built(Path(folder), SmallShape() if chosen.small else PUBLISHED))
        checkpoint = open_checkpoint(ModelChoice(checkpoint=name, device=chosen.device))
    weights = sum(p.numel() * p.element_size() for p in checkpoint.model.parameters())
    parameters = sum(p.numel() for p in checkpoint.model.parameters())
    print(json.dumps({"device": _device(checkpoint), "dtype": checkpoint.dtype, "parameters": parameters}))
    # No model of random weights may end before its tokens are written.
    checkpoint.model.generation_config.eos_token_id = None
    checkpoint.encoder.tokenizer.eos_token_id = None
    one = 0.0
    for samples in chosen.samples:
        took, looks = _samples(checkpoint, samples, chosen.tokens, chosen.repeats)
        one = one or took / samples
        told = {"samples": samples, "vision_calls": looks, "seconds": round(took, 3)}
        print(json.dumps({**told, "times_one": round(took / one, 2)}), flush=True)
    on_cuda = checkpoint.device.startswith("cuda")
    floor_s = weights / _bandwidth(checkpoint)
    for rows in chosen.rows:
        for pace in map(Pace, chosen.paces or (["plain", "static", "compiled"] if on_cuda else ["plain", "static"])):
            warm_s, each_s = _decoding(checkpoint, rows, pace, chosen.tokens, chosen.repeats)
            told = {"rows": rows, "pace": str(pace), "tokens_per_second": round(rows / each_s, 1)}
            told |= {"first_batch_s": round(warm_s, 2), "share_of_floor": round(floor_s / each_s, 3)}
            print(json.dumps(told), flush=True)


def _built(folder: Path, shape: SmallShape) -> Path:
    build_small_checkpoint(folder, family_programs(50, seed=0), shape)
    return folder


def _device(checkpoint: LoadedCheckpoint) -> str:
    import torch

    return torch.cuda.get_device_name() if checkpoint.device.startswith("cuda") else checkpoint.device


def _views(number: int) -> list[Any]:
    noise = np.random.default_rng(number)
    return [noise.integers(0, 255, (256, 256, 3), dtype=np.uint8) for _ in range(8)]


def _timed(checkpoint: LoadedCheckpoint, rows: int, tokens: int, pace: Pace) -> float:
    import torch

    decoding = Decoding(max_new_tokens=tokens, pace=pace, rows=rows)
    started = time.perf_counter()
    write_answers(checkpoint, [_views(0)], each=rows, first=First.SAMPLED, decoding=decoding, seed=1)
    if checkpoint.device.startswith("cuda"):
        torch.cuda.synchronize()
    return time.perf_counter() - started


def _samples(checkpoint: LoadedCheckpoint, samples: int, tokens: int, repeats: int) -> tuple[float, int]:
    """Time `samples` answers in one batch, and count how often the vision tower ran for them."""
    looks = 0

    def look(*_: object) -> None:
        nonlocal looks
        looks += 1

    hook = checkpoint.model.model.visual.register_forward_hook(look)
    try:
        _timed(checkpoint, samples, tokens, Pace.PLAIN)
    finally:
        hook.remove()
    return min(_timed(checkpoint, samples, tokens, Pace.PLAIN) for _ in range(repeats)), looks


def _decoding(checkpoint: LoadedCheckpoint, rows: int, pace: Pace, tokens: int, repeats: int) -> tuple[float, float]:
    """Give the seconds of a first batch, compiling included, and of one step in later ones."""
    first = _timed(checkpoint, rows, tokens, pace)
    # A cache of another size is another model to compile: the short run is taken plainly, as its prefill always is.
    short = min(_timed(checkpoint, rows, 1, Pace.PLAIN) for _ in range(repeats))
    whole = min(_timed(checkpoint, rows, tokens, pace) for _ in range(repeats))
    return first, max(whole - short, 1e-9) / (tokens - 1)


def _bandwidth(checkpoint: LoadedCheckpoint) -> float:
    """Measure how many bytes a second a sum over a large array reads."""
    import torch

    on_cuda = checkpoint.device.startswith("cuda")
    block = torch.ones((1 << 30 if on_cuda else 1 << 26), dtype=torch.float32, device=checkpoint.device)
    times = []
    for _ in range(5):
        started = time.perf_counter()
        block.sum().item()
        times.append(time.perf_counter() - started)
    return block.numel() * block.element_size() / min(times)


if __name__ == "__main__":
    main()

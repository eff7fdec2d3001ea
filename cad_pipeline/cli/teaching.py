"""`cad-pipeline dataset` and `cad-pipeline train`: rows for models, and models from rows."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cad_pipeline.cli.exits import Exit, say
from cad_pipeline.cli.output import print_out
from cad_pipeline.errors import InputError
from cad_pipeline.options import Options

__all__ = ["Lesson", "make_dataset", "teach"]

_TELL_EVERY = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """What the command line was told about a training."""

    checkpoint: str
    small: bool
    device: str
    method: str
    epochs: float
    steps: int
    batch: int
    accumulate: int
    rate: float
    seconds: float
    seed: int
    overwrite: bool


def make_dataset(paths: Sequence[Path], *, out: Path, family: int, held_out: bool, seed: int, options: Options) -> Exit:
    """Write a row for each program that builds; one that does not is told, and costs the exit code 1."""
    from cad_pipeline import warm
    from cad_pipeline.training.rows import make_row, write_rows
    from cad_renderers import auto_renderer

    programs = [*_read(paths), *((f"family {k}", p) for k, p in enumerate(_family(family, seed, held_out)))]
    if not programs:
        raise InputError("expected programs, got none; name .py files, or draw some with --family 1000")
    sandbox, renderer = warm.warm_sandbox(options.isolation, options.timeout_s), auto_renderer()
    failed: list[str] = []

    def rows() -> Iterator[dict[str, Any]]:
        for number, (name, program) in enumerate(programs, start=1):
            row = make_row(program, sandbox, renderer)
            if isinstance(row, dict):
                yield row
            else:
                failed.append(name)
                say(f"{name}: {row.outcome}: {row.message}")
            if number % _TELL_EVERY == 0:
                say(f"{number} of {len(programs)} programs")

    written = write_rows(rows(), out)
    print_out(f"{written} rows -> {out}" + (f", {len(failed)} programs did not build" if failed else ""))
    return Exit.BELOW_THRESHOLD if failed else Exit.ACCEPTED


def teach(rows: Sequence[Path], *, out: Path, lesson: Lesson) -> Exit:
    """Train and write the checkpoint; an earlier one in its place is refused unless told otherwise."""
    from cad_pipeline.generators.checkpoint import ModelChoice
    from cad_pipeline.training.fine_tuning import Method, Training, train

    if out.exists() and any(out.iterdir() if out.is_dir() else [out]):
        if not lesson.overwrite:
            raise InputError(f"expected an empty place for the checkpoint, {out} holds one; --overwrite replaces it")
        shutil.rmtree(out)
    if lesson.method not in list(Method):
        raise InputError(f"expected --method {' or '.join(Method)}, got {lesson.method!r}")
    training = Training(
        method=Method(lesson.method),
        epochs=lesson.epochs,
        max_steps=lesson.steps,
        batch=lesson.batch,
        accumulate=lesson.accumulate,
        learning_rate=lesson.rate,
        max_seconds=lesson.seconds,
        seed=lesson.seed,
    )
    with tempfile.TemporaryDirectory(prefix="cad-pipeline-small-") as folder:
        checkpoint = _small(rows, Path(folder), lesson.seed) if lesson.small else lesson.checkpoint
        report = train(
            ModelChoice(checkpoint=checkpoint, device=lesson.device),
            rows,
            out,
            training,
            heard=lambda step, loss: say(f"step {step}: loss {loss:.4f}"),
        )
    print_out(
        f"{report.examples} rows, {report.steps} steps, {report.seconds:.0f} s, loss {report.first_loss:.3f} to "
        f"{report.last_loss:.3f}, {report.trained_parameters:,} of {report.parameters:,} parameters -> {out}"
    )
    return Exit.ACCEPTED


def _read(paths: Sequence[Path]) -> Iterator[tuple[str, str]]:
    from cad_pipeline.plans import read_program

    for path in paths:
        for each in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            yield str(each), read_program(each)


def _family(count: int, seed: int, held_out: bool) -> list[str]:
    from cad_pipeline.training.part_family import family_programs

    return family_programs(count, seed=seed, held_out=held_out)


def _small(rows: Sequence[Path], folder: Path, seed: int) -> str:
    """Build a small model whose tokenizer knows the rows' words."""
    from cad_pipeline.generators.checkpoint import require_packages
    from cad_pipeline.training.rows import RowFiles
    from cad_pipeline.training.small_model import SmallShape, build_small_checkpoint

    require_packages()
    corpus = [example.program for example in RowFiles(rows)]
    build_small_checkpoint(
        folder, corpus, SmallShape(hidden=128, layers=3, vision_hidden=128, vision_depth=2, view_px=64, seed=seed)
    )
    return str(folder)

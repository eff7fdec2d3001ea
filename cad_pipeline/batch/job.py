"""What every worker of a batch is told, as plain values that reach any node."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cad_pipeline.errors import InputError
from cad_pipeline.options import ModelOptions, Options
from cad_pipeline.store import Existing, Keep
from cad_sandbox.limits import Isolation

__all__ = ["Job", "Machines"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Machines:
    """How the cluster is used; None is derived from what the cluster has.

    `workers` are CPU actors, one core and `memory_mb` each. `gpu_workers` are actors that hold the model, `num_gpus` of
    a GPU each, and write for `parts_per_gpu_batch` parts at a time. `parts_per_block` are handed out together: one
    balances best and suits parts of seconds, more spare cheap parts the engine's tenths of a second. Raises
    `InputError` on what can't be meant.
    """

    workers: int | None = None
    memory_mb: int = 2048
    num_gpus: float = 1.0
    gpu_workers: int | None = None
    parts_per_gpu_batch: int = 8
    parts_per_block: int | None = None

    def __post_init__(self) -> None:
        """Refuse numbers that can't be meant, before a cluster is started."""
        for name in ("workers", "gpu_workers", "memory_mb", "parts_per_gpu_batch", "parts_per_block"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InputError(f"expected at least 1 for {name}, got {value}")
        if self.num_gpus < 0:
            raise InputError(f"expected no negative num_gpus, got {self.num_gpus:g}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One batch: where results go, how parts are converted, and what a part may use up.

    `run` names this run among those that resume one another. A part that takes longer than `part_timeout_s`, or more
    than `part_memory_mb` beyond what its worker held before, ends its worker. `pipeline` is `module:function` for a
    pipeline of your own (the function takes `Options`), and `writer` for what holds a model of your own and writes for
    several parts at a time (`batch.writing.Writer`); empty means the default ones.
    """

    out: str
    run: str
    options: Options = field(default_factory=Options)
    existing: Existing = Existing.REFUSE
    keep: Keep = Keep.BEST
    part_timeout_s: float = 900.0
    part_memory_mb: int = 8192
    pipeline: str = ""
    writer: str = ""

    def __post_init__(self) -> None:
        """Refuse what no part could live with."""
        if self.part_timeout_s < 0.1:
            raise InputError(f"expected at least 0.1 s for a part, got {self.part_timeout_s:g}; try 900")
        if self.part_memory_mb < 64:
            raise InputError(f"expected at least 64 MB for a part, got {self.part_memory_mb}; try 8192")
        for each in (self.pipeline, self.writer):
            if each and each.count(":") != 1:
                raise InputError(f"expected a pipeline or writer as module:function, got {each!r}")

    def as_dict(self) -> dict[str, Any]:
        """Give it as plain values."""
        return dataclasses.asdict(self)

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Job:
        """Read it from plain values."""
        options = told["options"]
        model, isolation = ModelOptions(**options["model"]), Isolation(options["isolation"])
        return cls(
            **{
                **told,
                "options": Options(**{**options, "model": model, "isolation": isolation}),
                "existing": Existing(told["existing"]),
                "keep": Keep(told["keep"]),
            }
        )

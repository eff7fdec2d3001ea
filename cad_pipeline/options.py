"""What a user may choose for a conversion, with the defaults that serve."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

from cad_pipeline.errors import InputError
from cad_pipeline.generators.checkpoint import DEFAULT_CHECKPOINT
from cad_sandbox.limits import Isolation

__all__ = ["DEFAULT_GENERATOR", "DEFAULT_MIN_IOU", "DEFAULT_TIMEOUT_S", "ModelOptions", "Options"]

DEFAULT_GENERATOR = "geometric"
DEFAULT_MIN_IOU = 0.98
DEFAULT_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelOptions:
    """Which model writes programs, and how many: a checkpoint on this machine, or `model` on a `server`.

    `samples` programs are written in each round, the first of them the likeliest. The server's key is read from the
    environment (OPENAI_API_KEY). Raises `InputError` on a value that can't be meant.
    """

    checkpoint: str = DEFAULT_CHECKPOINT
    device: str = "auto"
    samples: int = 8
    seed: int = 0
    server: str = ""
    model: str = ""

    def __post_init__(self) -> None:
        """Refuse numbers that can't be meant, before any work is done."""
        if not 1 <= self.samples <= 1024:
            raise InputError(f"expected 1 to 1024 samples, got {self.samples}; try --samples 8")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The choices that change a result, and therefore decide whether an earlier one still stands.

    `generator` names a plan (see `cad_pipeline.plans`) or a program file to judge; `min_iou` is the share of common
    volume from which a program is accepted; `timeout_s` bounds each program, not the part; `unit` says what the file's
    numbers are, None leaves it to the file; `rig` are the cameras of the views, None means the calibrated ones or the
    preset; `size_mm` is the longest side of a part that is known by pictures. Raises `InputError` on a value that can't
    be meant.
    """

    generator: str = DEFAULT_GENERATOR
    min_iou: float = DEFAULT_MIN_IOU
    timeout_s: float = DEFAULT_TIMEOUT_S
    isolation: Isolation = Isolation.STRICT
    unit: str | None = None
    rig: str | None = None
    size_mm: float | None = None
    model: ModelOptions = field(default_factory=ModelOptions)

    def __post_init__(self) -> None:
        """Refuse numbers that can't be meant, before any work is done."""
        if not 0.0 < self.min_iou <= 1.0:
            raise InputError(f"expected an IoU threshold above 0 and up to 1, got {self.min_iou:g}; try --iou 0.98")
        if not 0.1 <= self.timeout_s <= 86_400.0:
            raise InputError(f"expected a time limit of 0.1 to 86400 seconds, got {self.timeout_s:g}; try --timeout 30")
        if self.size_mm is not None and not 1e-2 <= self.size_mm <= 1e6:
            raise InputError(f"expected a longest side of 0.01 to 1000000 mm, got {self.size_mm:g}; try --size 100")

    def as_dict(self) -> dict[str, object]:
        """Give the options as plain values, the way `report.json` keeps them."""
        return {**dataclasses.asdict(self), "isolation": str(self.isolation)}

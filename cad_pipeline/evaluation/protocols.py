"""The protocols of the field by name: what each compares, and what was published under it."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Protocol

from cad_pipeline.errors import InputError
from cad_pipeline.evaluation.score import Part

__all__ = ["PROTOCOLS", "EvaluationProtocol", "Measured", "Published", "Variant", "protocol"]


class Variant(enum.StrEnum):
    """Whether a protocol is computed as its words mean it, or with the known defects of the published program."""

    CORRECTED = "corrected"
    AS_PUBLISHED = "as-published"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """The figures of one pair by one protocol: the IoU it ranks by, how that was computed, words, further numbers."""

    iou: float
    method: str
    words: str
    figures: Mapping[str, float | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """A row of someone's paper or card under the same protocol, for the table; None is what they did not give.

    `mean` and `median` are over successes; `zero_mean` and `zero_median` count failures as 0, and are derived
    (mean times success rate) where `derived` says so.
    """

    who: str
    data: str
    success_rate: float | None = None
    mean: float | None = None
    median: float | None = None
    zero_mean: float | None = None
    zero_median: float | None = None
    derived: bool = False


class EvaluationProtocol(Protocol):
    """Measures how close one result comes to its target, by one definition."""

    @property
    def name(self) -> str:
        """Name on the command line, in tables and in journals."""
        ...

    def measure(self, target: Part, result: Part, /) -> Measured:
        """Compare the two; raises `NotMeasurable` with the reason where that can't be done."""
        ...


PROTOCOLS = {
    "own-frame": "exact IoU where both lie, nothing moved or scaled; deviation, F1, volume, topology, validity",
    "zero-to-cad": "64³ voxel IoU of shapes centred and scaled to a longest side of 1, best of 208 turns by 45°",
    "cadrille": "exact IoU of shapes centred and scaled to a longest side of 1, not turned; chamfer distance",
    "cadbench": "exact IoU of shapes aligned by centroid, inertia and principal axes",
}
_HOMES = {
    "own-frame": ("own_frame", "OwnFrame"),
    "zero-to-cad": ("zero_to_cad", "ZeroToCad"),
    "cadrille": ("cadrille", "Cadrille"),
    "cadbench": ("cadbench", "CadBench"),
}


def protocol(name: str, variant: Variant = Variant.CORRECTED) -> EvaluationProtocol:
    """Make the protocol of that name; raises `InputError` for another name, or one that has no published defects."""
    check(name, variant)
    home, kind = _HOMES[name]
    make: Callable[..., EvaluationProtocol] = getattr(import_module(f"cad_pipeline.evaluation.{home}"), kind)
    return make(variant=variant) if name == "cadrille" else make()


def published(name: str) -> tuple[Published, ...]:
    """List what was published under a protocol."""
    rows: tuple[Published, ...] = getattr(import_module(f"cad_pipeline.evaluation.{_HOMES[name][0]}"), "PUBLISHED", ())
    return rows


def check(name: str, variant: Variant) -> None:
    """Raise `InputError` for a protocol or a variant of it that there is not."""
    if name not in PROTOCOLS:
        raise InputError(f"expected a protocol among {', '.join(PROTOCOLS)}, got {name!r}")
    if variant is Variant.AS_PUBLISHED and name != "cadrille":
        raise InputError(
            "expected --as-published with --protocol cadrille, whose published program has defects to repeat, "
            f"got {name}"
        )

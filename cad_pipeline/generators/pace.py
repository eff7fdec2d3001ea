"""Which way of decoding is used: plain, or on CUDA with a cache of fixed size and a compiled model.

A plain step launches hundreds of small kernels; at small batches a GPU spends more time on being told what to do than
on reading the weights. A cache of fixed size lets transformers compile the step, which takes its time before the first
token; so the first batch is written plainly. `benchmarks/model_speed.py` measures what either comes to on a machine.
"""

from __future__ import annotations

import enum
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["Pace", "PaceMemory", "paced"]

_PLAIN_BATCHES = 1


class Pace(enum.StrEnum):
    """How steps are run. `AUTO`: compiled on CUDA from the second batch on, plain everywhere else."""

    AUTO = "auto"
    PLAIN = "plain"
    STATIC = "static"
    COMPILED = "compiled"


@dataclass(slots=True)
class PaceMemory:
    """What was learnt about one loaded model: batches written so far, and why compiling failed ("" if it did not)."""

    batches: int = 0
    failed: str = ""


def paced(pace: Pace, device: str, memory: PaceMemory, write: Callable[[dict[str, Any]], Any]) -> Any:
    """Call `write` with the options for `generate` that `pace` comes to on `device`; return what it returns.

    Where compiling fails (no C compiler, a kernel that the chip can't run), it is told once by a warning and the batch
    is written plainly. A lack of memory is passed on, as a smaller batch may still fit.
    """
    chosen = _chosen(pace, device, memory)
    if chosen is Pace.COMPILED and pace is Pace.AUTO:
        import torch

        try:
            written = write(_OPTIONS[chosen])
        except torch.OutOfMemoryError:
            raise
        # what compilers raise are RuntimeErrors, and OSErrors where their tools are missing
        except (RuntimeError, OSError) as error:
            memory.failed = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
            warnings.warn(
                f"expected to compile the model for {device}, got: {memory.failed}; it goes on without, more slowly; "
                "`apt-get install gcc` cures a missing C compiler",
                RuntimeWarning,
                stacklevel=2,
            )
            written = write(_OPTIONS[Pace.PLAIN])
    else:
        written = write(_OPTIONS[chosen])
    memory.batches += 1
    return written


_OPTIONS: dict[Pace, dict[str, Any]] = {
    Pace.PLAIN: {},
    Pace.STATIC: {"cache_implementation": "static", "disable_compile": True},
    Pace.COMPILED: {"cache_implementation": "static"},
}


def _chosen(pace: Pace, device: str, memory: PaceMemory) -> Pace:
    if pace is not Pace.AUTO:
        return pace
    worth = device.startswith("cuda") and memory.batches >= _PLAIN_BATCHES and not memory.failed
    return Pace.COMPILED if worth else Pace.PLAIN

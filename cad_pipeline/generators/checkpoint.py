"""Finds a Qwen3-VL checkpoint on this machine and loads it onto the best device; says the cure for what is missing."""

from __future__ import annotations

import json
import os
import threading
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from cad_pipeline.errors import InputError, MissingPieceError
from cad_pipeline.generators.pace import PaceMemory

__all__ = [
    "DEFAULT_CHECKPOINT",
    "LoadedCheckpoint",
    "ModelChoice",
    "find_checkpoint",
    "load_checkpoint",
    "missing_packages",
    "open_checkpoint",
    "require_packages",
    "usable_device",
]

DEFAULT_CHECKPOINT = "ADSKAILab/Zero-To-CAD-Qwen3-VL-2B"
_TYPES = ("qwen3_vl", "qwen3_vl_moe")
_PACKAGES = ("torch", "transformers")
_DTYPES = ("auto", "bfloat16", "float16", "float32")
_DEVICES = ("auto", "cuda", "mps", "cpu")
_ATTENTIONS = ("sdpa", "eager", "flash_attention_2")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelChoice:
    """Which checkpoint, by hub id or folder, and how it runs: device, number format and attention kind.

    `auto` takes CUDA, then MPS, then the CPU; bfloat16 on CUDA where the chip has it, float16 on other GPUs, float32 on
    the CPU. Raises `InputError` on a word that is none of these.
    """

    checkpoint: str = DEFAULT_CHECKPOINT
    device: str = "auto"
    dtype: str = "auto"
    attention: str = "sdpa"

    def __post_init__(self) -> None:
        """Refuse words that can't be meant."""
        kind = self.device.split(":")[0]
        for what, value, known in (
            ("a device", kind, _DEVICES),
            ("a number format", self.dtype, _DTYPES),
            ("an attention kind", self.attention, _ATTENTIONS),
        ):
            if value not in known:
                raise InputError(f"expected {what} of {', '.join(known)}, got {value!r}")


@dataclass(frozen=True, slots=True)
class LoadedCheckpoint:
    """A model in memory and its encoder. The model keeps positions between calls, so `lock` it for each."""

    model: Any
    encoder: Any
    device: str
    dtype: str
    name: str
    lock: threading.Lock = field(default_factory=threading.Lock)
    pace: PaceMemory = field(default_factory=PaceMemory, compare=False)


def missing_packages() -> tuple[str, ...]:
    """Name the packages of the extra `qwen` that are not installed, without loading any."""
    return tuple(package for package in _PACKAGES if find_spec(package) is None)


def require_packages() -> None:
    """Raise `MissingPieceError` if the packages for a local model are not installed."""
    if missing := missing_packages():
        raise MissingPieceError(
            f"expected {' and '.join(_PACKAGES)} for a local model, found no {' and no '.join(missing)}; "
            "pip install 'cad-pipeline[qwen]'"
        )


def find_checkpoint(checkpoint: str = DEFAULT_CHECKPOINT) -> Path:
    """Return the folder of a checkpoint: the folder itself, or the hub's cache on this machine. Nothing is downloaded.

    Raises `MissingPieceError` if packages or weights are not here, `InputError` if it is no Qwen3-VL.
    """
    require_packages()
    folder = Path(checkpoint).expanduser()
    if not folder.is_dir():
        if folder.is_absolute() or checkpoint.startswith((".", "~")) or checkpoint.count("/") != 1:
            raise InputError(f"expected a checkpoint's folder or hub id (owner/name), found no folder {checkpoint}")
        folder = _cached(checkpoint)
    _check(folder, checkpoint)
    return folder


def load_checkpoint(choice: ModelChoice) -> LoadedCheckpoint:
    """Load a checkpoint once for this process; asked for again it is the same object.

    Raises `MissingPieceError` for packages, weights, a device or memory that this machine lacks.
    """
    with _LOADING:
        return _kept(os.getpid(), choice)


_LOADING = threading.Lock()


@cache
def _kept(pid: int, choice: ModelChoice) -> LoadedCheckpoint:
    return open_checkpoint(choice)


def open_checkpoint(choice: ModelChoice) -> LoadedCheckpoint:
    """Load a checkpoint that nobody else holds, for those who change it. Raises as `load_checkpoint` does."""
    folder = find_checkpoint(choice.checkpoint)
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModelForImageTextToText
    from transformers.utils import logging

    from cad_pipeline.generators.encoding import Encoder

    device, dtype = _device(choice.device), choice.dtype
    if dtype == "auto":
        dtype = _fitting_dtype(device)
    logging.disable_progress_bar()
    try:
        encoder = Encoder.load(folder)
        model = AutoModelForImageTextToText.from_pretrained(
            str(folder), dtype=getattr(torch, dtype), attn_implementation=choice.attention, local_files_only=True
        )
        model = model.to(device).eval()
    except ImportError as error:
        raise MissingPieceError(
            f"expected what attention {choice.attention!r} needs, got: {_first_line(error)}; use attention sdpa"
        ) from error
    except torch.OutOfMemoryError as error:
        raise MissingPieceError(
            f"expected memory on {device} for {choice.checkpoint}, got: {_first_line(error)}; use --device cpu"
        ) from error
    except (OSError, KeyError, ValueError, SafetensorError) as error:
        raise MissingPieceError(
            f"expected a whole checkpoint in {folder}, got: {_first_line(error)}; fetch it again: "
            f"{_fetch(choice.checkpoint)}"
        ) from error
    return LoadedCheckpoint(model=model, encoder=encoder, device=device, dtype=dtype, name=choice.checkpoint)


def usable_device(choice: ModelChoice) -> str:
    """Say which device a choice comes to here, without loading weights. Raises `MissingPieceError` if it has none."""
    require_packages()
    return _device(choice.device)


def _cached(checkpoint: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(checkpoint, local_files_only=True))
    except HFValidationError:
        raise InputError(f"expected a checkpoint's folder or hub id (owner/name), got {checkpoint!r}") from None
    except LocalEntryNotFoundError:
        raise MissingPieceError(
            f"expected the weights of {checkpoint} on this machine, found none; {_fetch(checkpoint)}, or name a "
            "checkpoint's folder with --checkpoint"
        ) from None


def _check(folder: Path, checkpoint: str) -> None:
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise MissingPieceError(
            f"expected config.json in {folder}, found none that can be read; {_fetch(checkpoint)}"
        ) from None
    if config.get("model_type") not in _TYPES:
        raise InputError(f"expected a Qwen3-VL checkpoint in {folder}, got model type {config.get('model_type')!r}")
    if not any(folder.glob("*.safetensors")) and not any(folder.glob("pytorch_model*.bin")):
        raise MissingPieceError(f"expected weights (*.safetensors) in {folder}, found none; {_fetch(checkpoint)}")


def _fetch(checkpoint: str) -> str:
    name = DEFAULT_CHECKPOINT if Path(checkpoint).expanduser().is_dir() else checkpoint
    return f"hf download {name}"


def _device(wanted: str) -> str:
    import torch

    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    kind = wanted.split(":")[0]
    here = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if not here[kind]:
        raise MissingPieceError(f"expected a {kind} device that torch can use, found none; use --device auto")
    return wanted


def _fitting_dtype(device: str) -> str:
    import torch

    if device.startswith("cuda"):
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float16"
    return "float16" if device.startswith("mps") else "float32"


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]

"""Supervised fine-tuning of a Qwen3-VL checkpoint on rows of views and programs, by the transformers Trainer."""

from __future__ import annotations

import enum
import io
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from cad_pipeline.errors import InputError, MissingPieceError
from cad_pipeline.generators.checkpoint import ModelChoice, open_checkpoint
from cad_pipeline.generators.encoding import Encoder
from cad_pipeline.generators.prompt import ZERO_TO_CAD
from cad_pipeline.training.rows import Example, RowFiles

__all__ = ["Method", "Training", "TrainingReport", "train"]

_IGNORED = -100


class Method(enum.StrEnum):
    """Whether all weights learn, or small matrices beside those of the language model."""

    FULL = "full"
    LORA = "lora"


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """How to train. The defaults are those the published checkpoint names: full, 1e-4, batch 16, three epochs.

    Examples longer than `max_tokens` are left out. `max_seconds` ends the training early, whatever it has reached.
    `cache_mb` bounds how much of the encoded pictures is kept in memory.
    """

    method: Method = Method.FULL
    epochs: float = 3.0
    max_steps: int = 0
    batch: int = 16
    accumulate: int = 1
    learning_rate: float = 1e-4
    warmup_share: float = 0.03
    max_tokens: int = 4096
    max_seconds: float = float("inf")
    lora_rank: int = 16
    cache_mb: int = 512
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse numbers that can't be meant."""
        if self.batch < 1 or self.accumulate < 1 or self.epochs <= 0 or self.learning_rate <= 0:
            raise InputError("expected batch, accumulation, epochs and learning rate above 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingReport:
    """What a training came to: losses are means over the logged steps at its start and end."""

    examples: int
    left_out: int
    steps: int
    seconds: float
    first_loss: float
    last_loss: float
    parameters: int
    trained_parameters: int


def train(
    choice: ModelChoice,
    rows: Sequence[Path],
    out: Path,
    training: Training | None = None,
    *,
    heard: Callable[[int, float], None] | None = None,
) -> TrainingReport:
    """Train a checkpoint on Parquet rows and write the result to `out`, a folder that loads like any checkpoint.

    `heard` hears each logged step and its loss. Raises `MissingPieceError` for packages, weights or a device that are
    not here, `InputError` for rows that can't be used.
    """
    training = training or Training()
    if missing := [
        name for name in ("accelerate", *(["peft"] if training.method is Method.LORA else [])) if not _here(name)
    ]:
        raise MissingPieceError(
            f"expected {' and '.join(missing)} for training, found none; pip install 'cad-pipeline[qwen]'"
        )
    checkpoint = open_checkpoint(choice)
    from transformers import PrinterCallback, Trainer, TrainingArguments, set_seed

    set_seed(training.seed)
    files = RowFiles(rows)
    examples = _Examples(files, checkpoint.encoder, training)
    if not len(examples):
        raise InputError(f"expected rows of at most {training.max_tokens} tokens, found none among {len(files)}")
    model = checkpoint.model.train()
    whole = sum(parameter.numel() for parameter in model.parameters())
    if training.method is Method.LORA:
        model = _with_adapters(model, training)
    out.mkdir(parents=True, exist_ok=True)
    arguments = TrainingArguments(
        output_dir=str(out),
        num_train_epochs=training.epochs,
        max_steps=training.max_steps or -1,
        per_device_train_batch_size=training.batch,
        gradient_accumulation_steps=training.accumulate,
        learning_rate=training.learning_rate,
        lr_scheduler_type="cosine",
        warmup_steps=training.warmup_share,
        weight_decay=0.0,
        max_grad_norm=1.0,
        logging_steps=10,
        logging_first_step=True,
        save_strategy="no",
        report_to=[],
        use_cpu=checkpoint.device == "cpu",
        bf16=checkpoint.dtype == "bfloat16",
        remove_unused_columns=False,
        dataloader_pin_memory=checkpoint.device != "cpu",
        disable_tqdm=True,
        seed=training.seed,
    )
    listener = _listener(heard, time.monotonic() + training.max_seconds)
    trainer = Trainer(
        model=model, args=arguments, train_dataset=examples, data_collator=examples.collate, callbacks=[listener]
    )
    trainer.remove_callback(PrinterCallback)
    started = time.monotonic()
    trainer.train()
    seconds = time.monotonic() - started
    trained = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    if training.method is Method.LORA:
        model = model.merge_and_unload()
    model.eval().save_pretrained(str(out))
    checkpoint.encoder.save(out)
    losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
    return TrainingReport(
        examples=len(examples),
        left_out=len(files) - len(examples),
        steps=int(trainer.state.global_step),
        seconds=seconds,
        first_loss=float(losses[0]),
        last_loss=float(np.mean(losses[-3:])),
        parameters=whole,
        trained_parameters=trained,
    )


class _Examples:
    """Rows as a torch data set: each item encoded once, and kept while the cache has room."""

    def __init__(self, files: RowFiles, encoder: Encoder, training: Training) -> None:
        self._files, self._encoder = files, encoder
        self._room = training.cache_mb * 1024 * 1024
        self._kept: dict[int, dict[str, Any]] = {}
        per_view = 8 * 64
        self._numbers = [
            number
            for number, example in enumerate(files)
            if len(encoder.tokenizer(example.program)["input_ids"]) + per_view + 64 <= training.max_tokens
        ]

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, number: int) -> dict[str, Any]:
        number = self._numbers[number]
        if number in self._kept:
            return self._kept[number]
        item = self._encoded(self._files[number])
        size = item["pixel_values"].nbytes
        if self._room >= size:
            self._room -= size
            self._kept[number] = item
        return item

    def collate(self, items: list[dict[str, Any]]) -> dict[str, Any]:
        """Pad on the right, where the answers end; the loss counts answers only."""
        import torch
        from torch.nn.utils.rnn import pad_sequence

        pad = self._encoder.tokenizer.pad_token_id

        def padded(key: str, value: int) -> Any:
            return pad_sequence([item[key] for item in items], batch_first=True, padding_value=value)

        return {
            "input_ids": padded("input_ids", pad),
            "attention_mask": padded("attention_mask", 0),
            "mm_token_type_ids": padded("mm_token_type_ids", 0),
            "labels": padded("labels", _IGNORED),
            "pixel_values": torch.cat([item["pixel_values"] for item in items]),
            "image_grid_thw": torch.cat([item["image_grid_thw"] for item in items]),
        }

    def _encoded(self, example: Example) -> dict[str, Any]:
        from PIL import Image

        views = [np.asarray(Image.open(io.BytesIO(png)).convert("RGB")) for png in example.views]
        encoder, count = self._encoder, len(views)
        question = encoder.encode([encoder.text(ZERO_TO_CAD, count)], [views])
        answer = encoder.tokenizer(f"{example.program}{encoder.tokenizer.eos_token}", return_tensors="pt")["input_ids"]
        import torch

        asked = question["input_ids"].shape[1]
        ids = torch.cat([question["input_ids"], answer], dim=1)[0]
        labels = ids.clone()
        labels[:asked] = _IGNORED
        types = torch.zeros_like(ids)
        types[:asked] = question["mm_token_type_ids"][0]
        return {
            "input_ids": ids,
            "attention_mask": torch.ones_like(ids),
            "mm_token_type_ids": types,
            "labels": labels,
            "pixel_values": question["pixel_values"],
            "image_grid_thw": question["image_grid_thw"],
        }


def _with_adapters(model: Any, training: Training) -> Any:
    from peft import LoraConfig, get_peft_model

    # the attention and feed-forward matrices of the language model; the vision tower stays as it is
    names = "(q|k|v|o|gate|up|down)_proj"
    config = LoraConfig(
        r=training.lora_rank, lora_alpha=2 * training.lora_rank, target_modules=rf".*language_model.*\.{names}"
    )
    return get_peft_model(model, config)


def _listener(heard: Callable[[int, float], None] | None, deadline: float) -> Any:
    from transformers import TrainerCallback

    class Listener(TrainerCallback):  # type: ignore[misc]
        """Passes losses on, and ends the training at the deadline."""

        def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
            """Tell a loss."""
            if heard is not None and logs and "loss" in logs:
                heard(int(state.global_step), float(logs["loss"]))

        def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
            """Look at the clock."""
            if time.monotonic() > deadline:
                control.should_training_stop = True

    return Listener()


def _here(package: str) -> bool:
    return find_spec(package) is not None

"""Turns prompts and pictures into what a Qwen3-VL model takes, without torchvision.

The library's own processor for this model builds a video processor, and that needs a torchvision that matches the torch
build. Pictures alone need none: this one is the tokenizer, the Pillow image processor and the token counting between.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cad_pipeline.generators.prompt import Prompt

__all__ = ["Encoder"]

IMAGE_PAD = "<|image_pad|>"
_NOT_VALUES = frozenset({"image_processor_type", "processor_class", "_processor_class", "feature_extractor_type"})


@dataclass(frozen=True, slots=True)
class Encoder:
    """A tokenizer, an image processor and a chat template that belong together."""

    tokenizer: Any
    image_processor: Any
    chat_template: str

    @classmethod
    def load(cls, folder: Path) -> Encoder:
        """Read them from a checkpoint's folder, saved by whichever processor. Raises `OSError` if a file is missing."""
        from transformers import AutoTokenizer
        from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

        tokenizer = AutoTokenizer.from_pretrained(str(folder), local_files_only=True)
        return cls(tokenizer, Qwen2VLImageProcessorPil(**_image_values(folder)), _template(folder, tokenizer))

    def text(self, prompt: Prompt, views: int, answer: str | None = None) -> str:
        """Write the conversation out, each picture as one mark; with the `answer` and its end if there is one."""
        messages = prompt.messages(views)
        text: str = self.tokenizer.apply_chat_template(
            messages, chat_template=self.chat_template, tokenize=False, add_generation_prompt=True
        )
        return text if answer is None else f"{text}{answer}{self.tokenizer.eos_token}"

    def encode(self, texts: Sequence[str], views: Sequence[Sequence[NDArray[np.uint8]]]) -> dict[str, Any]:
        """Encode a batch, padded on the left: `texts` with a mark for each picture of `views` (h, w, 3) uint8.

        Gives input_ids, attention_mask and mm_token_type_ids (b, L), pixel_values (patches, values) and image_grid_thw
        (pictures, 3). The model must get all five: without the token types its positions are silently wrong.
        """
        import torch

        marks = [text.count(IMAGE_PAD) for text in texts]
        if marks != [len(each) for each in views]:
            raise ValueError(f"expected a mark for each picture, got {marks} marks for {[len(v) for v in views]}")
        pictures = self.image_processor(images=[image for each in views for image in each], return_tensors="pt")
        counts = iter((pictures["image_grid_thw"].prod(dim=1) // self.image_processor.merge_size**2).tolist())
        full = [_expanded(text, counts) for text in texts]
        words = self.tokenizer(full, padding=True, padding_side="left", return_tensors="pt")
        image_id = self.tokenizer.convert_tokens_to_ids(IMAGE_PAD)
        types = (words["input_ids"] == image_id).to(torch.int64)
        return {
            "input_ids": words["input_ids"],
            "attention_mask": words["attention_mask"],
            "mm_token_type_ids": types,
            "pixel_values": pictures["pixel_values"],
            "image_grid_thw": pictures["image_grid_thw"],
        }

    def save(self, folder: Path) -> None:
        """Write the files that `load`, and the library's own processor, read."""
        self.tokenizer.save_pretrained(str(folder))
        self.image_processor.save_pretrained(str(folder))
        (folder / "chat_template.jinja").write_text(self.chat_template, encoding="utf-8")


def _expanded(text: str, counts: Any) -> str:
    head, *rest = text.split(IMAGE_PAD)
    return head + "".join(IMAGE_PAD * next(counts) + piece for piece in rest)


def _image_values(folder: Path) -> dict[str, Any]:
    """Read the image processor's settings; a full processor keeps them inside its own file."""
    alone, inside = folder / "preprocessor_config.json", folder / "processor_config.json"
    if alone.is_file():
        values = json.loads(alone.read_text(encoding="utf-8"))
    elif inside.is_file():
        values = json.loads(inside.read_text(encoding="utf-8")).get("image_processor", {})
    else:
        raise FileNotFoundError(f"expected preprocessor_config.json or processor_config.json in {folder}")
    return {key: value for key, value in values.items() if key not in _NOT_VALUES}


def _template(folder: Path, tokenizer: Any) -> str:
    jinja, old = folder / "chat_template.jinja", folder / "chat_template.json"
    if jinja.is_file():
        return jinja.read_text(encoding="utf-8")
    if old.is_file():
        return str(json.loads(old.read_text(encoding="utf-8"))["chat_template"])
    if tokenizer.chat_template:
        return str(tokenizer.chat_template)
    raise FileNotFoundError(f"expected chat_template.jinja in {folder}")

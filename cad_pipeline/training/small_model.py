"""A Qwen3-VL of a few hundred thousand parameters with a tokenizer of its own: the real architecture, built in seconds.

It loads through the same doors as a published checkpoint, so that everything around the model is tested for real, and
it can be trained on a CPU.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cad_pipeline.generators.encoding import Encoder
from cad_pipeline.generators.prompt import ZERO_TO_CAD

__all__ = ["SmallShape", "build_small_checkpoint"]

SPECIALS = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|object_ref_start|>",
    "<|object_ref_end|>",
    "<|box_start|>",
    "<|box_end|>",
    "<|quad_start|>",
    "<|quad_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
# the turns of a conversation as Qwen3-VL marks them; pictures and words are all this needs
CHAT_TEMPLATE = (
    "{%- for message in messages -%}{{- '<|im_start|>' + message.role + '\n' -}}"
    "{%- if message.content is string -%}{{- message.content -}}{%- else -%}{%- for part in message.content -%}"
    "{%- if part.type == 'image' -%}{{- '<|vision_start|><|image_pad|><|vision_end|>' -}}"
    "{%- else -%}{{- part.text -}}{%- endif -%}{%- endfor -%}{%- endif -%}{{- '<|im_end|>\n' -}}{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- '<|im_start|>assistant\n' -}}{%- endif -%}"
)
_PATCH = 16
# the prompt stands before every program: its words are worth tokens of their own
_PROMPT_WEIGHT = 200
_MERGE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class SmallShape:
    """How large the model is; `view_px` is what each view is scaled to, a multiple of 32.

    `padded_vocabulary` gives the model more words than the tokenizer knows, to have the size of a published one;
    `key_heads` and `widening` are those of attention and of the layers between, by default small.
    """

    hidden: int = 64
    layers: int = 2
    heads: int = 4
    vision_hidden: int = 64
    vision_depth: int = 3
    vision_heads: int = 4
    vocabulary: int = 512
    view_px: int = 256
    seed: int = 0
    padded_vocabulary: int = 0
    key_heads: int = 0
    widening: int = 3
    vision_widening: int = 3


def build_small_checkpoint(folder: Path, corpus: Iterable[str], shape: SmallShape | None = None) -> int:
    """Write an untrained checkpoint whose tokenizer knows the words of `corpus`; return its number of parameters."""
    import torch
    from transformers import Qwen3VLConfig, Qwen3VLForConditionalGeneration
    from transformers.utils import logging

    logging.disable_progress_bar()
    shape = shape or SmallShape()
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = _tokenizer([*corpus, *[ZERO_TO_CAD.system, ZERO_TO_CAD.user] * _PROMPT_WEIGHT], shape.vocabulary)
    Encoder(tokenizer, _image_processor(shape), CHAT_TEMPLATE).save(folder)
    config = Qwen3VLConfig(**_config(tokenizer, shape))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(shape.seed)
        model = Qwen3VLForConditionalGeneration(config)
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    model.save_pretrained(str(folder))
    return sum(parameter.numel() for parameter in model.parameters())


def _tokenizer(corpus: list[str], vocabulary: int) -> Any:
    from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
    from transformers import Qwen2TokenizerFast

    learned = Tokenizer(models.BPE())
    learned.normalizer = normalizers.NFC()
    # digits stay apart, as in Qwen's own vocabulary: numbers are then read and written place by place
    learned.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"\p{N}"), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    learned.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary - len(SPECIALS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=[],
        show_progress=False,
    )
    learned.train_from_iterator(corpus, trainer)
    model = json.loads(learned.to_str())["model"]
    merges = [tuple(each) if isinstance(each, list) else tuple(each.split(" ", 1)) for each in model["merges"]]
    return Qwen2TokenizerFast(
        vocab=model["vocab"],
        merges=merges,
        unk_token=None,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        additional_special_tokens=list(SPECIALS),
        model_max_length=8192,
    )


def _image_processor(shape: SmallShape) -> Any:
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    pixels = shape.view_px**2
    return Qwen2VLImageProcessorPil(
        patch_size=_PATCH,
        temporal_patch_size=2,
        merge_size=_MERGE,
        # Qwen's own keeps 256 px views as they are; a smaller one scales them down to what it was built for
        size={"shortest_edge": pixels, "longest_edge": 16777216 if shape.view_px == 256 else pixels},
        image_mean=[0.5, 0.5, 0.5],
        image_std=[0.5, 0.5, 0.5],
    )


def _config(tokenizer: Any, shape: SmallShape) -> dict[str, Any]:
    number = tokenizer.convert_tokens_to_ids
    head = shape.hidden // shape.heads
    third = head // 2 // 4
    return {
        "text_config": {
            "vocab_size": max(len(tokenizer), shape.padded_vocabulary),
            "hidden_size": shape.hidden,
            "intermediate_size": shape.widening * shape.hidden,
            "num_hidden_layers": shape.layers,
            "num_attention_heads": shape.heads,
            "num_key_value_heads": shape.key_heads or max(1, shape.heads // 2),
            "head_dim": head,
            "max_position_embeddings": 8192,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 5_000_000.0,
                # time, height and width share half of a head
                "mrope_section": [head // 2 - 2 * third, third, third],
                "mrope_interleaved": True,
            },
            "pad_token_id": tokenizer.pad_token_id,
            "eos_token_id": tokenizer.eos_token_id,
            "tie_word_embeddings": True,
        },
        "vision_config": {
            "depth": shape.vision_depth,
            "hidden_size": shape.vision_hidden,
            "intermediate_size": shape.vision_widening * shape.vision_hidden,
            "num_heads": shape.vision_heads,
            "patch_size": _PATCH,
            "temporal_patch_size": 2,
            "spatial_merge_size": _MERGE,
            "out_hidden_size": shape.hidden,
            "num_position_embeddings": 256,
            "deepstack_visual_indexes": list(range(min(2, shape.vision_depth, shape.layers))),
        },
        "image_token_id": number("<|image_pad|>"),
        "video_token_id": number("<|video_pad|>"),
        "vision_start_token_id": number("<|vision_start|>"),
        "vision_end_token_id": number("<|vision_end|>"),
        "tie_word_embeddings": True,
    }

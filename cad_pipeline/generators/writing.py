"""Lets a loaded Qwen3-VL write answers for the views of several parts: one batch, each picture encoded once."""

from __future__ import annotations

import enum
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cad_pipeline.errors import MissingPieceError
from cad_pipeline.generators.checkpoint import LoadedCheckpoint
from cad_pipeline.generators.pace import Pace, paced
from cad_pipeline.generators.program_text import ends_with_program
from cad_pipeline.generators.prompt import ZERO_TO_CAD, Prompt

__all__ = ["Answer", "Decoding", "Ending", "First", "write_answers"]

# decoding the tails costs little, but not nothing
_LOOK_EVERY = 16
# this many last tokens that repeat with a short period are a loop that the model can't leave
_LOOP_TOKENS = 256
_LOOP_PERIOD = 64


class Ending(enum.StrEnum):
    """Why an answer ended: by the model's own word, or cut off."""

    FINISHED = "finished"
    TOKENS = "cut off by the token limit"
    TIME = "cut off by the time limit"
    LOOP = "cut off in a loop"


class First(enum.Enum):
    """Whether the first answer for each part is the likeliest one, or drawn like the others."""

    GREEDY = "greedy"
    SAMPLED = "sampled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoding:
    """How answers are drawn and when they are cut off; `rows` bounds the batch, and with it the memory.

    `pace` is how the steps are run; the answers don't depend on it but by rounding.
    """

    temperature: float = 0.6
    top_p: float = 0.95
    max_new_tokens: int = 3072
    max_seconds: float = 900.0
    rows: int = 32
    pace: Pace = Pace.AUTO


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the model wrote, in how many tokens, and why it ended."""

    text: str
    tokens: int
    ending: Ending


Views = Sequence[NDArray[np.uint8]]
Progress = Callable[[int, int], None]


def write_answers(
    checkpoint: LoadedCheckpoint,
    parts: Sequence[Views],
    *,
    each: int = 1,
    first: First = First.GREEDY,
    decoding: Decoding | None = None,
    seed: int = 0,
    prompt: Prompt = ZERO_TO_CAD,
    progress: Progress | None = None,
) -> list[list[Answer]]:
    """Write `each` answers for the views (h, w, 3) uint8 of every part; of each part's, the first may be greedy.

    The same seed, parts and count give the same answers on the same machine. `progress` hears the tokens written a row
    and the rows still being written. Raises `MissingPieceError` if one row alone does not fit in memory.
    """
    decoding = decoding or Decoding()
    deadline = time.monotonic() + decoding.max_seconds
    answers: list[list[Answer]] = [[] for _ in parts]
    at_once = max(1, decoding.rows // each)
    for start in range(0, len(parts), at_once):
        batch = parts[start : start + at_once]
        done = 0
        while done < each:
            rows = min(each - done, decoding.rows)
            lead = first if done == 0 else First.SAMPLED
            job = _Job(decoding, lead, _mixed(seed, start, done), deadline, prompt, progress)
            for number, written in enumerate(_fitting(checkpoint, batch, rows, job)):
                answers[start + number] += written
            done += rows
    return answers


@dataclass(frozen=True, slots=True)
class _Job:
    decoding: Decoding
    first: First
    seed: int
    deadline: float
    prompt: Prompt
    progress: Progress | None


def _mixed(*numbers: int) -> int:
    return int(np.random.SeedSequence([abs(number) for number in numbers]).generate_state(1)[0])


def _fitting(checkpoint: LoadedCheckpoint, parts: Sequence[Views], each: int, job: _Job) -> list[list[Answer]]:
    """Write a batch; one that does not fit in memory is halved, by parts and then by answers."""
    import torch

    try:
        return _written(checkpoint, parts, each, job)
    except torch.OutOfMemoryError as error:
        if checkpoint.device.startswith("cuda"):
            torch.cuda.empty_cache()
        if len(parts) == each == 1:
            raise MissingPieceError(
                f"expected memory on {checkpoint.device} for one answer, got too little; use --device cpu"
            ) from error
    if len(parts) > 1:
        half = len(parts) // 2
        return _fitting(checkpoint, parts[:half], each, job) + _fitting(checkpoint, parts[half:], each, job)
    later = _Job(job.decoding, First.SAMPLED, _mixed(job.seed, 1), job.deadline, job.prompt, job.progress)
    halves = (_fitting(checkpoint, parts, each - each // 2, job), _fitting(checkpoint, parts, each // 2, later))
    return [[*one, *two] for one, two in zip(*halves, strict=True)]


def _written(checkpoint: LoadedCheckpoint, parts: Sequence[Views], each: int, job: _Job) -> list[list[Answer]]:
    import torch
    from transformers import LogitsProcessorList, StoppingCriteriaList

    tokenizer, decoding = checkpoint.encoder.tokenizer, job.decoding
    texts = [checkpoint.encoder.text(job.prompt, len(views)) for views in parts]
    inputs = {key: value.to(checkpoint.device) for key, value in checkpoint.encoder.encode(texts, parts).items()}
    length = inputs["input_ids"].shape[1]
    greedy = each == 1 and job.first is First.GREEDY
    stops: list[_Stop] = []
    processors = [_LeadRow(each)] if job.first is First.GREEDY and not greedy else []
    how: dict[str, Any] = {"do_sample": not greedy, "num_return_sequences": each, "repetition_penalty": 1.0}
    if not greedy:
        # said in full, so that what the checkpoint's own settings hold has no say
        how |= {"temperature": decoding.temperature, "top_p": decoding.top_p, "top_k": 0}
    devices = [checkpoint.model.device] if checkpoint.device.startswith("cuda") else []

    def write(options: dict[str, Any]) -> Any:
        # afresh for each try: a first one that failed must leave no trace in the draws or the endings
        torch.manual_seed(job.seed)
        stops[:] = [_Stop(tokenizer, length, job.deadline, job.progress)]
        return checkpoint.model.generate(
            **inputs,
            **how,
            **options,
            max_new_tokens=decoding.max_new_tokens,
            pad_token_id=tokenizer.pad_token_id,
            stopping_criteria=StoppingCriteriaList(stops),
            logits_processor=LogitsProcessorList(processors),
        )

    with checkpoint.lock, torch.inference_mode(), torch.random.fork_rng(devices=devices):
        rows = paced(decoding.pace, checkpoint.device, checkpoint.pace, write)
    (stop,) = stops
    written = rows[:, length:].tolist()
    ends = _end_tokens(checkpoint)
    answers = [_answer(row, number, stop, ends, tokenizer) for number, row in enumerate(written)]
    return [answers[start : start + each] for start in range(0, len(answers), each)]


def _end_tokens(checkpoint: LoadedCheckpoint) -> frozenset[int]:
    ends = checkpoint.model.generation_config.eos_token_id
    listed = [] if ends is None else ends if isinstance(ends, list) else [ends]
    return frozenset([*listed, checkpoint.encoder.tokenizer.pad_token_id])


def _answer(row: list[int], number: int, stop: _Stop, ends: frozenset[int], tokenizer: Any) -> Answer:
    length = next((k for k, token in enumerate(row) if token in ends), None)
    tokens = row if length is None else row[:length]
    ending = stop.endings.get(number) or (Ending.TOKENS if length is None else Ending.FINISHED)
    return Answer(text=tokenizer.decode(tokens, skip_special_tokens=True), tokens=len(tokens), ending=ending)


@dataclass
class _LeadRow:
    """Leaves only the likeliest token to the first of each part's rows: greedy, in the same batch as the drawn ones."""

    each: int

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        import torch

        lead = scores[:: self.each]
        kept = torch.full_like(lead, float("-inf"))
        best = lead.argmax(dim=-1, keepdim=True)
        kept.scatter_(1, best, lead.gather(1, best))
        scores = scores.clone()
        scores[:: self.each] = kept
        return scores


@dataclass
class _Stop:
    """Ends a row at its program's end or in a loop, and all rows at the deadline."""

    tokenizer: Any
    prompt_tokens: int
    deadline: float
    progress: Progress | None
    endings: dict[int, Ending] = field(default_factory=dict)

    def __call__(self, input_ids: Any, scores: Any, **_: Any) -> Any:
        import torch

        done = torch.zeros(len(input_ids), dtype=torch.bool, device=input_ids.device)
        tokens = input_ids.shape[1] - self.prompt_tokens
        last = input_ids[:, -1]
        ended = (last == self.tokenizer.pad_token_id) | (last == self.tokenizer.eos_token_id)
        if self.progress is not None:
            self.progress(tokens, int((~ended).sum()))
        if time.monotonic() > self.deadline:
            for number in torch.nonzero(~ended).flatten().tolist():
                self.endings.setdefault(number, Ending.TIME)
            return ~done
        if tokens % _LOOK_EVERY == 0:
            for number in torch.nonzero(~ended).flatten().tolist():
                row = input_ids[number, self.prompt_tokens :]
                if _loops(row):
                    self.endings.setdefault(number, Ending.LOOP)
                elif ends_with_program(self.tokenizer.decode(row, skip_special_tokens=True)):
                    self.endings.setdefault(number, Ending.FINISHED)
        for number in self.endings:
            done[number] = True
        return done


def _loops(row: Any) -> bool:
    if len(row) < _LOOP_TOKENS:
        return False
    tail = row[-_LOOP_TOKENS:].tolist()
    return any(tail[period:] == tail[:-period] for period in range(1, _LOOP_PERIOD + 1))

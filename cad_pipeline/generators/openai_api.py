"""The generator that asks a server: eight views go out as pictures, programs come back, whoever serves the model."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cad_pipeline.generators.chat_server import ChatServer, ServerTrouble
from cad_pipeline.generators.program_text import as_program
from cad_pipeline.generators.prompt import ZERO_TO_CAD, Prompt
from cad_pipeline.parameters import read_parameters
from cad_pipeline.values import Attempt, Origin, Program, Target

__all__ = ["ServerGenerator", "data_url"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerGenerator:
    """Propose what a served model writes: in the first round one likeliest answer, then draws.

    A server that ignores `n` is asked again until all answers are there. What arrived before a server gave up is
    proposed; if nothing did, its trouble is, as a comment that builds nothing: so the report tells it, and what other
    generators found is not lost. A server that is not there, or lets nobody in, raises `MissingPieceError`.
    """

    server: ChatServer
    model: str
    prompt: Prompt = ZERO_TO_CAD
    temperature: float = 0.6
    top_p: float = 0.95
    max_tokens: int = 3072
    seed: int = 0
    name: str = "server"

    def propose(self, target: Target, history: Sequence[Attempt], /, *, samples: int = 1) -> Sequence[Program]:
        """Ask for up to `samples` programs for one part; one that was proposed before is left out."""
        rounds = [a.program.origin.round for a in history if a.program.origin.generator == self.name]
        round_ = max(rounds, default=-1) + 1
        pictures: list[dict[str, Any]] = [
            {"type": "image_url", "image_url": {"url": data_url(image)}} for image in target.views.images
        ]
        messages: list[dict[str, Any]] = [
            {"role": "system", "content": self.prompt.system},
            {"role": "user", "content": [*pictures, {"type": "text", "text": self.prompt.user}]},
        ]
        known = {attempt.program.source for attempt in history}
        programs: list[Program] = []
        for number, (text, note) in enumerate(self._answers(messages, samples, round_)):
            source = as_program(text)
            if source not in known:
                known.add(source)
                origin = Origin(generator=self.name, round=round_, sample=number, seed=self.seed, note=note)
                programs.append(Program(source=source, origin=origin, parameters=read_parameters(source)))
        return programs

    def _answers(self, messages: list[dict[str, Any]], wanted: int, round_: int) -> list[tuple[str, str]]:
        answers: list[tuple[str, str]] = []
        try:
            if round_ == 0:
                answers += self.ask(messages, 1, temperature=0.0, seed=self.seed)
            # a server may give fewer than it was asked for, or none: each request must bring something
            while (missing := wanted - len(answers)) > 0:
                seed = self.seed + 1000 * round_ + len(answers)
                found = self.ask(messages, missing, temperature=self.temperature, seed=seed)
                if not found:
                    break
                answers += found[:missing]
        except ServerTrouble as trouble:
            if not answers:
                return [(f"No answer: {trouble}", "no answer")]
        return answers

    def ask(self, messages: list[dict[str, Any]], n: int, *, temperature: float, seed: int) -> list[tuple[str, str]]:
        """Send one request for `n` answers; gives the texts that came, each with a note on how it was drawn."""
        request = {
            "model": self.model,
            "messages": messages,
            "n": n,
            "temperature": temperature,
            "max_tokens": self.max_tokens,
            "seed": seed,
        }
        if temperature > 0.0:
            request["top_p"] = self.top_p
        choices = self.server.chat(request)["choices"]
        how = "greedy" if temperature == 0.0 else f"t={temperature:g}"
        return [(text, _note(how, choice)) for choice in choices if (text := _text(choice)) is not None]


def data_url(image: NDArray[np.uint8]) -> str:
    """Write a picture (h, w, 3) as a PNG inside a data URL."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def _text(choice: Any) -> str | None:
    """Read a choice's text, whole or in parts; a choice without any is no answer."""
    message = choice.get("message") if isinstance(choice, dict) else None
    content = message.get("content") if isinstance(message, dict) else None
    if isinstance(content, list):
        content = "".join(str(part.get("text", "")) for part in content if isinstance(part, dict))
    return content if isinstance(content, str) and content.strip() else None


def _note(how: str, choice: Any) -> str:
    return f"{how}, cut off by the token limit" if choice.get("finish_reason") == "length" else how

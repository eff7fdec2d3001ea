"""What a vision-language model is asked: the words that Zero-To-CAD was trained with, word for word."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ZERO_TO_CAD", "Prompt"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """The system's words, and the user's words that follow the views."""

    system: str
    user: str

    def messages(self, views: int) -> list[dict[str, object]]:
        """Lay out the conversation for a chat template: the system's words, `views` pictures, the user's words."""
        content: list[dict[str, str]] = [
            *({"type": "image"} for _ in range(views)),
            {"type": "text", "text": self.user},
        ]
        # as a list of parts, which every Qwen3-VL template takes; some fail on a mixture of strings and lists
        return [
            {"role": "system", "content": [{"type": "text", "text": self.system}]},
            {"role": "user", "content": content},
        ]


ZERO_TO_CAD = Prompt(
    system=(
        "You are a CAD code assistant. Given multiple rendered views of a 3D shape, generate clean, well-structured "
        "CadQuery Python code that accurately reproduces the geometry."
    ),
    user="Generate CadQuery code for this shape.",
)

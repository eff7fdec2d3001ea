"""Tells a served model what its best program got wrong, and takes the next: errors, measured and drawn differences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cad_pipeline.generators.chat_server import ServerTrouble
from cad_pipeline.generators.openai_api import ServerGenerator, data_url
from cad_pipeline.generators.program_text import extract_program
from cad_pipeline.parameters import read_parameters
from cad_pipeline.values import Attempt, Origin, Program, ProgramKind, Target

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["FeedbackGenerator", "told_about"]

_MOST_REGIONS = 6
_ASK = (
    "Write the whole corrected CadQuery program. Keep what is right, keep named dimensions in millimetres at the top, "
    "and leave the part in `result`. Answer with the program only."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedbackGenerator:
    """Ask a model that follows instructions to correct the best feature program so far; nothing if there is none.

    The published Zero-To-CAD checkpoint was never trained to do so: give it repair and refinement instead.
    """

    writer: ServerGenerator
    name: str = "feedback"

    def propose(self, target: Target, history: Sequence[Attempt], /, *, samples: int = 1) -> Sequence[Program]:
        """Show the model its program and what came of it, and take up to `samples` corrected ones."""
        written = [attempt for attempt in history if attempt.program.kind is ProgramKind.FEATURES]
        if not written:
            return []
        best = max(written, key=lambda attempt: (attempt.execution.built, attempt.verdict.iou or 0.0))
        rounds = [a.program.origin.round for a in history if a.program.origin.generator == self.name]
        round_ = max(rounds, default=-1) + 1
        # the same question again would bring the same answer: later rounds draw
        temperature = 0.0 if round_ == 0 else self.writer.temperature
        try:
            answers = self.writer.ask(self._messages(target, best), samples, temperature=temperature, seed=round_)
        except ServerTrouble:
            # what was found so far stands without a correction
            return []
        known = {attempt.program.source for attempt in history}
        programs: list[Program] = []
        for text, note in answers[:samples]:
            source = extract_program(text)
            if source is not None and source not in known:
                known.add(source)
                note = f"of {best.program.origin}: corrected, {note}"
                origin = Origin(generator=self.name, round=round_, sample=len(programs), note=note)
                programs.append(Program(source=source, origin=origin, parameters=read_parameters(source)))
        return programs

    def _messages(self, target: Target, best: Attempt) -> list[dict[str, Any]]:
        def pictures(images: Sequence[NDArray[np.uint8]]) -> list[dict[str, Any]]:
            return [{"type": "image_url", "image_url": {"url": data_url(image)}} for image in images]

        prompt = self.writer.prompt
        first = [*pictures(target.views.images), {"type": "text", "text": prompt.user}]
        wrong: list[dict[str, Any]] = []
        if (seen := _differences(target, best)) is not None:
            wrong += [*pictures([seen]), {"type": "text", "text": "Missing material is red, extra material is blue."}]
        wrong.append({"type": "text", "text": f"{told_about(best)}\n\n{_ASK}"})
        return [
            {"role": "system", "content": prompt.system},
            {"role": "user", "content": first},
            {"role": "assistant", "content": f"```python\n{best.program.source}```"},
            {"role": "user", "content": wrong},
        ]


def told_about(attempt: Attempt) -> str:
    """Say in plain words what became of a program: its error with the line, or how it differs from the target."""
    execution, verdict = attempt.execution, attempt.verdict
    if not execution.built:
        lines = attempt.program.source.splitlines()
        words = f"The program failed ({execution.outcome}): {execution.message}"
        if execution.line is not None and 0 < execution.line <= len(lines):
            words += f"\nIn line {execution.line}: {lines[execution.line - 1].strip()}"
        return words
    words = f"The program builds a part that differs from the target: {verdict.reason}."
    if verdict.iou is not None:
        words += f"\nShare of common volume (IoU): {verdict.iou:.3f}."
    if verdict.volume_error is not None:
        words += f"\nVolume error: {verdict.volume_error:+.1%}."
    regions = "".join(f"\n- {region.words}" for region in verdict.regions[:_MOST_REGIONS])
    return words + (f"\nThe largest differences:{regions}" if regions else "")


def _differences(target: Target, best: Attempt) -> NDArray[np.uint8] | None:
    """Draw where the part and the target differ, as one sheet; None if nothing was built."""
    if not best.execution.built or best.execution.mesh is None:
        return None
    from cad_pipeline.verify import NotMeasurable, load_result
    from cad_renderers import difference_views

    try:
        return difference_views(target.mesh, load_result(best.execution.mesh)).contact_sheet()
    except NotMeasurable:
        return None

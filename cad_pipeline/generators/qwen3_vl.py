"""The generator that looks: a Qwen3-VL checkpoint on this machine writes programs from the eight views of a part."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from cad_pipeline.generators.checkpoint import ModelChoice, load_checkpoint
from cad_pipeline.generators.program_text import as_program
from cad_pipeline.generators.prompt import ZERO_TO_CAD, Prompt
from cad_pipeline.generators.writing import Answer, Decoding, Ending, First, Progress, write_answers
from cad_pipeline.parameters import read_parameters
from cad_pipeline.values import Attempt, Origin, Program, Target

__all__ = ["Qwen3VLGenerator"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Qwen3VLGenerator:
    """Propose what the model writes: in the first round the likeliest answer and draws beside it, then only draws.

    The checkpoint is loaded when the first part comes, once for the process. A program that was proposed before is not
    proposed again. Raises `MissingPieceError` if packages, weights or a device are missing.
    """

    choice: ModelChoice = field(default_factory=ModelChoice)
    decoding: Decoding = field(default_factory=Decoding)
    prompt: Prompt = ZERO_TO_CAD
    seed: int = 0
    progress: Progress | None = None
    name: str = "qwen"

    def propose(self, target: Target, history: Sequence[Attempt], /, *, samples: int = 1) -> Sequence[Program]:
        """Write up to `samples` programs for one part."""
        return self.propose_for([target], [history], samples=samples)[0]

    def propose_for(
        self, targets: Sequence[Target], histories: Sequence[Sequence[Attempt]], /, *, samples: int = 1
    ) -> list[list[Program]]:
        """Write up to `samples` programs for each of several parts in one batch, all in the round of the first."""
        checkpoint = load_checkpoint(self.choice)
        round_ = self._round(histories[0])
        seed = self._seed(targets, round_)
        answers = write_answers(
            checkpoint,
            [target.views.images for target in targets],
            each=samples,
            first=First.GREEDY if round_ == 0 else First.SAMPLED,
            decoding=self.decoding,
            seed=seed,
            prompt=self.prompt,
            progress=self.progress,
        )
        return [
            self._programs(written, {attempt.program.source for attempt in history}, round_, seed)
            for written, history in zip(answers, histories, strict=True)
        ]

    def _round(self, history: Sequence[Attempt]) -> int:
        rounds = [a.program.origin.round for a in history if a.program.origin.generator == self.name]
        return max(rounds, default=-1) + 1

    def _seed(self, targets: Sequence[Target], round_: int) -> int:
        """Draw differently for each part and round, and alike when asked again."""
        words = " ".join([str(self.seed), str(round_), *(target.mesh.digest for target in targets)])
        return int.from_bytes(hashlib.sha256(words.encode()).digest()[:4], "big")

    def _programs(self, answers: Sequence[Answer], known: set[str], round_: int, seed: int) -> list[Program]:
        programs: list[Program] = []
        for number, answer in enumerate(answers):
            source = as_program(answer.text)
            if source in known:
                continue
            known.add(source)
            how = "greedy" if number == round_ == 0 else f"t={self.decoding.temperature:g}"
            note = how if answer.ending is Ending.FINISHED else f"{how}, {answer.ending}"
            origin = Origin(generator=self.name, round=round_, sample=number, seed=seed, note=note)
            programs.append(Program(source=source, origin=origin, parameters=read_parameters(source)))
        return programs

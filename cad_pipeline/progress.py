"""Tells a person what happens: a moving line where there is a terminal, plain lines where there is none."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Self, TextIO

from cad_pipeline.values import Attempt, Grade, Reconstruction, Target

if TYPE_CHECKING:
    from rich.status import Status

__all__ = ["ConsoleReporter", "summary"]

_MARKS = {Grade.PARAMETRIC: "✓", Grade.APPROXIMATE: "≈", Grade.FACETED: "△", Grade.FAILED: "✗"}


class ConsoleReporter:
    """A `Reporter` that writes to a stream, by default with one line an attempt.

    Use it as a context manager, so that the moving line is taken down however the work ends.
    """

    def __init__(self, stream: TextIO, *, parts: int = 1) -> None:
        """Write to `stream`; `parts` is how many there will be, for the count in front."""
        self._stream = stream
        self._parts = parts
        self._number = 0
        self._status: Status | None = None
        self._moving = stream.isatty()

    def __enter__(self) -> Self:
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the moving line down."""
        self._stop()

    def reading(self, name: str) -> None:
        """Say which file is being read."""
        self._number += 1
        self._say(f"{name}: reading")

    def started(self, target: Target, /) -> None:
        """Say what was read, with every repair that was needed."""
        mesh = target.mesh
        size = " x ".join(f"{x:.4g}" for x in mesh.bounds[1] - mesh.bounds[0])
        self.line(f"{mesh.name}: {len(mesh.faces)} triangles, {size} mm")
        for note in mesh.notes:
            self.line(f"  note: {note}")

    def proposing(self, target: Target, generator: str, round_: int, /) -> None:
        """Say who is thinking."""
        again = f", round {round_ + 1}" if round_ else ""
        self._say(f"{target.mesh.name}: {generator} is writing{again}")

    def tried(self, target: Target, attempt: Attempt, /) -> None:
        """Say what became of one program."""
        iou = attempt.verdict.iou
        figure = f"IoU {iou:.4f}" if attempt.execution.built and iou is not None else str(attempt.execution.outcome)
        self.line(f"  {attempt.program.origin}: {figure}, {sum(attempt.seconds.values()):.1f} s")

    def line(self, text: str) -> None:
        """Write one line that stays."""
        if self._status is not None:
            self._status.console.print(text, markup=False, highlight=False, soft_wrap=True)
        else:
            print(text, file=self._stream, flush=True)

    def _say(self, text: str) -> None:
        """Show what is going on at this moment; it stays only where lines can't move."""
        text = f"[{self._number}/{self._parts}] {text}" if self._parts > 1 else text
        if not self._moving:
            print(text, file=self._stream, flush=True)
            return
        from rich.markup import escape

        if self._status is None:
            from rich.console import Console

            self._status = Console(file=self._stream).status(escape(text))
            self._status.start()
        else:
            self._status.update(escape(text))

    def _stop(self) -> None:
        if self._status is not None:
            self._status.stop()
            self._status = None


def summary(reconstruction: Reconstruction, *, name: str, seconds: float) -> str:
    """Say in one line what came out for a part."""
    grade, best = reconstruction.grade, reconstruction.best
    if best is None:
        return f"{_MARKS[grade]} {name}: nothing built ({len(reconstruction.attempts)} programs tried), {seconds:.1f} s"
    verdict = best.verdict
    words = [str(grade)]
    if verdict.iou is not None:
        words.append(f"IoU {verdict.iou:.4f}")
    if verdict.deviation is not None:
        words.append(f"largest deviation {verdict.deviation.max:.3g} mm")
    solid = reconstruction.delivered
    if solid is not None and solid is not best and solid.verdict.iou is not None:
        words.append(f"its STEP is faceted, IoU {solid.verdict.iou:.4f}")
    return f"{_MARKS[grade]} {name}: {', '.join(words)}, {seconds:.1f} s"

"""Turns what went wrong into one line and an exit code, at the outermost edge of the program."""

from __future__ import annotations

import enum
import signal
import sys
import threading
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import typer

from cad_pipeline.errors import CadPipelineError
from cad_sandbox.execution import SandboxUnavailable

__all__ = ["Exit", "boundary", "exit_of", "interruptible", "one_line", "say", "tell"]


class Exit(enum.IntEnum):
    """The exit codes; of several parts the highest counts."""

    ACCEPTED = 0
    BELOW_THRESHOLD = 1
    WRONG_INPUT = 2
    MISSING_PIECE = 3
    INTERRUPTED = 130


def say(text: str) -> None:
    """Write one line for a person."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def one_line(error: BaseException) -> str:
    """Give an error's text without line breaks; an unexpected one is named, and told as a fault of this program."""
    if isinstance(error, CadPipelineError) or exit_of(error) is Exit.MISSING_PIECE:
        text = str(error) or type(error).__name__
    else:
        text = f"internal error, {type(error).__name__}: {error}; --debug shows where"
    return " ".join(text.split())


def exit_of(error: BaseException) -> Exit:
    """Say which exit code an error stands for."""
    if isinstance(error, CadPipelineError):
        return Exit(error.exit_code)
    if isinstance(error, (SandboxUnavailable, ImportError, *_renderer_errors())):
        return Exit.MISSING_PIECE
    return Exit.BELOW_THRESHOLD


def tell(error: BaseException, *, about: str = "", debug: bool = False) -> None:
    """Write the one line about an error, after its traceback if that was asked for."""
    if debug:
        traceback.print_exception(error, file=sys.stderr)
    words = one_line(error)
    # a message that names the file already needs no name in front
    say(f"error: {words}" if Path(about).name in words else f"error: {about}: {words}")


@contextmanager
def boundary(*, debug: bool) -> Iterator[None]:
    """Let no traceback out unless asked for: end the process with a line on stderr and an exit code instead."""
    try:
        yield
    except typer.Exit:
        raise
    except KeyboardInterrupt:
        say("interrupted; what was finished is in place, and nothing half-written is left")
        raise typer.Exit(Exit.INTERRUPTED) from None
    # the outermost edge: an unexpected error has nowhere else to be told
    except Exception as error:
        tell(error, debug=debug)
        raise typer.Exit(exit_of(error)) from None


@contextmanager
def interruptible() -> Iterator[None]:
    """Make SIGINT and SIGTERM end running programs at once, so that the way back to the edge waits for none."""

    def stop(number: int, frame: FrameType | None) -> None:
        from cad_pipeline.warm import close_sandboxes

        for each in earlier:
            signal.signal(each, signal.SIG_IGN)
        # a thread of its own: the interrupted code may hold the locks that closing needs
        threading.Thread(target=close_sandboxes, name="close sandboxes", daemon=True).start()
        raise KeyboardInterrupt

    earlier = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    for each in earlier:
        signal.signal(each, stop)
    try:
        yield
    finally:
        for each, handler in earlier.items():
            signal.signal(each, handler)


def _renderer_errors() -> tuple[type[BaseException], ...]:
    module = sys.modules.get("cad_renderers")
    error = getattr(module, "RendererUnavailable", None) if module else None
    return (error,) if error else ()

"""What can go wrong with the user's input or the machine, and whose move it is.

    CadPipelineError            printed as one line, never as a traceback
    ├── InputError              the file or the usage is wrong            exit 2
    └── MissingPieceError       the machine lacks something, with a cure  exit 3

A program that does not run is not an error: it is an `Execution` with its outcome.
"""

__all__ = ["CadPipelineError", "InputError", "MissingPieceError"]


class CadPipelineError(Exception):
    """Carry one line for a person: what was expected, what was found, and the cure."""

    exit_code = 1


class InputError(CadPipelineError):
    """Say that the given file or option can't be used; the message says what would be."""

    exit_code = 2


class MissingPieceError(CadPipelineError):
    """Say that the machine lacks a library, a permission or weights; the message holds the line that cures it."""

    exit_code = 3

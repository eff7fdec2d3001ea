"""The named plans: which generators work on a part, in which order."""

from __future__ import annotations

from pathlib import Path

from cad_pipeline.errors import InputError
from cad_pipeline.pipeline import Stage, Turn
from cad_pipeline.roles import Generator, Sandbox
from cad_sandbox.limits import Limits

__all__ = ["PLANS", "plan_for", "read_program"]

# thousands of faces are sewn, checked and meshed; what it runs is our own text
_FACETS = Limits(wall_s=120.0, cpu_s=115.0)
PLANS = ("facets", "geometric")


def plan_for(generator: str | Generator, sandbox: Sandbox | None = None) -> tuple[Stage, ...]:
    """Lay out the stages for a plan's name, a program file to judge, or a generator of your own.

    The faceted net stands under every plan that writes features: it proposes only when nothing before it was accepted,
    so something useful comes out of every mesh that encloses a volume. With a `sandbox` the named dimensions of an
    accepted program are tried out, and those that can't be edited are written out. Raises `InputError` on an unknown
    name.
    """
    if not isinstance(generator, str):
        return (Stage(generator), _tolerance(), _facets())
    if generator == "geometric":
        from cad_pipeline.generators.geometric import GeometricGenerator

        return (Stage(GeometricGenerator(), rounds=3), _tolerance(), _facets(), *_guard(sandbox))
    if generator == "facets":
        return (_facets(),)
    if generator.endswith(".py"):
        return (Stage(_scripted(Path(generator))),)
    raise InputError(f"expected --generator {', '.join(PLANS)} or a program file ending in .py, got {generator!r}")


def _guard(sandbox: Sandbox | None) -> tuple[Stage, ...]:
    from cad_pipeline.generators.edit_guard import EditGuard

    return () if sandbox is None else (Stage(EditGuard(sandbox), turn=Turn.POLISH),)


def _tolerance() -> Stage:
    from cad_pipeline.generators.boolean_tolerance import BooleanTolerance

    return Stage(BooleanTolerance())


def _facets() -> Stage:
    from cad_pipeline.generators.facets import FacetGenerator

    return Stage(FacetGenerator(), rounds=2, limits=_FACETS)


def _scripted(path: Path) -> Generator:
    from cad_pipeline.generators.scripted import ScriptedGenerator

    return ScriptedGenerator((read_program(path),), name=path.name)


def read_program(path: Path) -> str:
    """Read a program's text as UTF-8; raises `InputError` with one line if that can't be done."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(f"expected a CadQuery program, found no file {path}; check the path") from None
    except UnicodeDecodeError:
        raise InputError(f"expected UTF-8 text, got something else in {path}; is it a Python program?") from None
    except OSError as error:
        raise InputError(f"expected a readable program, got {error.strerror or error} for {path}") from None

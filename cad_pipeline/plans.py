"""The named plans: which generators work on a part, in which order."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from cad_pipeline.errors import InputError, MissingPieceError
from cad_pipeline.options import ModelOptions
from cad_pipeline.pipeline import Stage, Turn
from cad_pipeline.roles import Generator, Sandbox
from cad_sandbox.limits import Limits

if TYPE_CHECKING:
    from cad_pipeline.generators.openai_api import ServerGenerator

__all__ = ["PLANS", "auto_choice", "plan_after", "plan_for", "read_program"]

# thousands of faces are sewn, checked and meshed; what it runs is our own text
_FACETS = Limits(wall_s=120.0, cpu_s=115.0)
PLANS = ("auto", "facets", "geometric", "qwen", "server")


def plan_for(
    generator: str | Generator, sandbox: Sandbox | None = None, model: ModelOptions | None = None
) -> tuple[Stage, ...]:
    """Lay out the stages for a plan's name, a program file to judge, or a generator of your own.

    The faceted net stands under every plan that writes features: it proposes only when nothing before it was accepted,
    so something useful comes out of every mesh that encloses a volume. With a `sandbox` the named dimensions of an
    accepted program are tried out, and those that can't be edited are written out. Raises `InputError` on an unknown
    name, and `MissingPieceError` at once if the plan needs packages, weights or a server that are not there.
    """
    model = model or ModelOptions()
    if not isinstance(generator, str):
        return (Stage(generator), *_booleans(sandbox), _facets())
    if generator == "geometric":
        return (*_search(generator, sandbox, model), _facets(), *_guard(sandbox))
    if generator == "auto":
        plans, _ = auto_choice(model)
        stages = [stage for plan in plans for stage in _search(plan, sandbox, model)]
        return (*stages, _facets(), *_guard(sandbox))
    if generator in ("qwen", "server"):
        return (*_search(generator, sandbox, model), _facets(), *_guard(sandbox))
    if generator == "facets":
        return (_facets(),)
    if generator.endswith(".py"):
        return (Stage(_scripted(Path(generator))),)
    raise InputError(f"expected --generator {', '.join(PLANS)} or a program file ending in .py, got {generator!r}")


def plan_after(writer: Generator, sandbox: Sandbox, model: ModelOptions, *, first: str) -> tuple[Stage, ...]:
    """Lay out the stages around programs that a model wrote elsewhere; under the plan `auto` geometry goes first."""
    before = _search("geometric", sandbox, model) if first == "auto" else ()
    return (*before, Stage(writer, samples=model.samples), *_mending(sandbox, model), _facets(), *_guard(sandbox))


def auto_choice(model: ModelOptions) -> tuple[tuple[str, ...], str]:
    """Choose the plans that this machine can carry out, quickest first, and say in words what and why."""
    if model.server:
        return ("geometric", "server"), f"geometry first, then {model.model or 'the model'} on {model.server}"
    from cad_pipeline.generators.checkpoint import ModelChoice, find_checkpoint, usable_device

    try:
        find_checkpoint(model.checkpoint)
        device = usable_device(ModelChoice(checkpoint=model.checkpoint, device=model.device))
    except MissingPieceError as missing:
        return ("geometric",), f"geometry alone; for a model as well: {missing}"
    if device == "cpu" and model.device != "cpu":
        return ("geometric",), "geometry alone, for lack of a GPU; --device cpu lets the model run all the same"
    return ("geometric", "qwen"), f"geometry first, then {model.checkpoint} on {device}"


def _search(plan: str, sandbox: Sandbox | None, model: ModelOptions) -> tuple[Stage, ...]:
    """Lay out the stages that look for a program, up to the net below them."""
    if plan == "geometric":
        from cad_pipeline.generators.geometric import GeometricGenerator

        best, next_best = Stage(GeometricGenerator()), Stage(GeometricGenerator(), rounds=2)
        # where the best is spoilt by a boolean, mending that is better than a lesser program
        return (best, *_booleans(sandbox, rounds=2), next_best, _crumbs(), *_booleans(sandbox))
    if plan == "qwen":
        from cad_pipeline.generators.checkpoint import ModelChoice, find_checkpoint
        from cad_pipeline.generators.qwen3_vl import Qwen3VLGenerator

        find_checkpoint(model.checkpoint)
        choice = ModelChoice(checkpoint=model.checkpoint, device=model.device)
        writer: Generator = Qwen3VLGenerator(choice=choice, seed=model.seed)
        return (Stage(writer, rounds=2, samples=model.samples), *_mending(sandbox, model))
    from cad_pipeline.generators.feedback import FeedbackGenerator

    served = _served(model)
    corrected = Stage(FeedbackGenerator(writer=served), rounds=3)
    return (Stage(served, rounds=2, samples=model.samples), corrected, *_mending(sandbox, model))


def _mending(sandbox: Sandbox | None, model: ModelOptions) -> tuple[Stage, ...]:
    """Lay out what makes more of written programs: repaired, laid on the mesh, their numbers fitted to it."""
    from cad_pipeline.generators.refine import RefineGenerator
    from cad_pipeline.generators.registration import RegisterGenerator
    from cad_pipeline.generators.repair import RepairGenerator

    stages = (
        Stage(RepairGenerator(), rounds=6, samples=max(4, model.samples)),
        Stage(RegisterGenerator(), samples=3),
    )
    fitted = () if sandbox is None else (Stage(RefineGenerator(sandbox=sandbox), rounds=2, samples=2),)
    return (*stages, *fitted, _crumbs(), *_booleans(sandbox))


def _served(model: ModelOptions) -> ServerGenerator:
    from cad_pipeline.generators.chat_server import ChatServer
    from cad_pipeline.generators.openai_api import ServerGenerator

    if not model.server:
        raise InputError("expected a server's address, got none; give --server http://localhost:8000/v1")
    server = ChatServer(base_url=model.server)
    name = model.model or next(iter(server.models()), "")
    if not name:
        raise MissingPieceError(
            f"expected a server at {model.server} that says which models it has, got no list; start it, or give --model"
        )
    return ServerGenerator(server=server, model=name, seed=model.seed)


def _guard(sandbox: Sandbox | None) -> tuple[Stage, ...]:
    from cad_pipeline.generators.edit_guard import EditGuard

    return () if sandbox is None else (Stage(EditGuard(sandbox), turn=Turn.POLISH),)


def _crumbs() -> Stage:
    from cad_pipeline.generators.crumbs import Crumbs

    return Stage(Crumbs(), samples=2)


def _booleans(sandbox: Sandbox | None, *, rounds: int = 1) -> tuple[Stage, ...]:
    from cad_pipeline.generators.sound_booleans import SoundBooleans

    return () if sandbox is None else (Stage(SoundBooleans(sandbox), rounds=rounds),)


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

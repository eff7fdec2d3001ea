"""Turns a triangle mesh of a mechanical part into an editable CadQuery program, a STEP file and a certificate.

    from cad_pipeline import reconstruct

    part = reconstruct("bracket.stl", out="out")
    part.grade, part.best.verdict.iou, part.best.execution.step

What is covered: closed or nearly closed meshes of mechanical parts (STL, OBJ, PLY, OFF, 3MF, GLB, STEP).
What is not covered: organic shapes come out as facets, and assemblies lose their mates.

Importing the package loads nothing heavy; each name arrives with its module when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from cad_pipeline.version import VERSION as __version__

if TYPE_CHECKING:
    from cad_pipeline.errors import CadPipelineError, InputError, MissingPieceError
    from cad_pipeline.facade import default_pipeline, reconstruct, reconstruct_views
    from cad_pipeline.mesh import read_mesh
    from cad_pipeline.options import Options
    from cad_pipeline.pipeline import Pipeline, Stage
    from cad_pipeline.values import Attempt, Grade, Mesh, Program, Reconstruction, Target, Verdict
    from cad_sandbox.limits import Isolation

__all__ = [
    "Attempt",
    "CadPipelineError",
    "Grade",
    "InputError",
    "Isolation",
    "Mesh",
    "MissingPieceError",
    "Options",
    "Pipeline",
    "Program",
    "Reconstruction",
    "Stage",
    "Target",
    "Verdict",
    "__version__",
    "default_pipeline",
    "read_mesh",
    "reconstruct",
    "reconstruct_views",
]

_HOMES = {
    "cad_pipeline.errors": ("CadPipelineError", "InputError", "MissingPieceError"),
    "cad_pipeline.facade": ("default_pipeline", "reconstruct", "reconstruct_views"),
    "cad_pipeline.mesh": ("read_mesh",),
    "cad_pipeline.options": ("Options",),
    "cad_pipeline.pipeline": ("Pipeline", "Stage"),
    "cad_pipeline.values": ("Attempt", "Grade", "Mesh", "Program", "Reconstruction", "Target", "Verdict"),
    "cad_sandbox.limits": ("Isolation",),
}


def __getattr__(name: str) -> object:
    """Load the module that holds `name`, when it is first asked for."""
    for module, names in _HOMES.items():
        if name in names:
            value: object = getattr(import_module(module), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    """List the public names, loaded or not."""
    return sorted({*globals(), *__all__})

"""The geometric generator: a mesh in, feature programs out, without weights and without a CAD kernel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cad_pipeline.values import Attempt, Mesh, Origin, Program, Target

__all__ = ["GeometricGenerator"]


@dataclass(frozen=True, slots=True)
class GeometricGenerator:
    """Propose the best programs of the search, `samples` a round; the next round proposes the next best.

    Deterministic: the same mesh gives the same texts.
    """

    name: str = "geometric"

    def propose(self, target: Target, history: Sequence[Attempt], /, *, samples: int = 1) -> Sequence[Program]:
        """Propose the search's next candidates for the target's mesh."""
        from cad_pipeline.generators.geometric.emit import emit
        from cad_pipeline.generators.geometric.features import FeatureProgram
        from cad_pipeline.generators.geometric.holes import drilled
        from cad_pipeline.generators.geometric.search import search

        mesh = target.mesh
        part = _part(mesh)
        if part is None:
            return []
        done = sum(attempt.program.origin.generator == self.name for attempt in history)
        round_ = len({a.program.origin.round for a in history if a.program.origin.generator == self.name})
        programs = []
        candidates = search(part)[done : done + samples]
        for sample, candidate in enumerate(candidates):
            title = f"{mesh.name}: {_size(mesh)} mm; about {candidate.iou:.3f} IoU with its mesh."
            features = drilled(candidate.program.features, part.solid, part.scale)
            text = emit(FeatureProgram(tuple(features)), title, part.scale.noise)
            origin = Origin(generator=self.name, round=round_, sample=sample, note=candidate.program.route)
            programs.append(Program(source=text.source, parameters=text.parameters, origin=origin))
        return programs


def _part(mesh: Mesh):  # type: ignore[no-untyped-def]
    from cad_pipeline.generators.geometric.scale import Scale
    from cad_pipeline.generators.geometric.search import Part
    from cad_pipeline.generators.geometric.solids import mesh_solid

    solid = mesh_solid(mesh.vertices, mesh.faces)
    if solid is None or solid.volume() <= 0:
        return None
    return Part(mesh.vertices, mesh.faces, solid, Scale.of(mesh.vertices))


def _size(mesh: Mesh) -> str:
    low, high = mesh.bounds
    return " × ".join(f"{v:.4g}" for v in high - low)

"""The geometric generator: a mesh in, feature programs out, without weights and without a CAD kernel."""

from __future__ import annotations

import ast
import itertools
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from threading import Lock
from typing import TYPE_CHECKING

from cad_pipeline.syntax import parse
from cad_pipeline.values import Attempt, Mesh, Origin, Program, ProgramKind, Target

if TYPE_CHECKING:
    from cad_pipeline.generators.geometric.candidate import Candidate
    from cad_pipeline.generators.geometric.emit import Text
    from cad_pipeline.generators.geometric.features import FeatureProgram
    from cad_pipeline.generators.geometric.part import Part

__all__ = ["GeometricGenerator"]


@dataclass(frozen=True, slots=True)
class GeometricGenerator:
    """Propose the best programs of the search, `samples` a round; a later round proposes the next best.

    A later round is silent where its candidates promise no more than what was already built. Deterministic: the same
    mesh gives the same texts.
    """

    name: str = "geometric"

    def propose(self, target: Target, history: Sequence[Attempt], /, *, samples: int = 1) -> Sequence[Program]:
        """Propose the search's next candidates for the target's mesh."""
        mine = [attempt for attempt in history if attempt.program.origin.generator == self.name]
        features = [a for a in history if a.program.kind is ProgramKind.FEATURES]
        reached = max((a.verdict.iou or 0.0 for a in features if a.execution.sound), default=0.0)
        round_ = len({a.program.origin.round for a in mine})
        programs: list[Program] = []
        for program in _texts(target.mesh).some(len(mine), samples):
            if (program.promised_iou or 0.0) > reached + WORTH_A_RUN:
                origin = Origin(generator=self.name, round=round_, sample=len(programs), note=program.origin.note)
                programs.append(replace(program, origin=origin))
        return programs


# what a further candidate must promise to be run, in IoU
WORTH_A_RUN = 0.002
# every boolean of the search meets all triangles: finer meshes are thinned for it, and judged as they are
MOST_TRIANGLES = 100_000
# candidates whose scores are so near the best are written together: what is written more shortly may come first
NEAR_THE_BEST = 0.01
_MOST_TEXTS = 4
_MOST_CANDIDATES = 6
_TRIES_AT_LENGTH = 4
_REMEMBERED = 2
_LOCK = Lock()
_CACHE: OrderedDict[str, _Texts] = OrderedDict()


def _texts(mesh: Mesh) -> _Texts:
    """Search once for a mesh and keep the texts for later rounds; the last few meshes are remembered."""
    key = f"{mesh.name} {mesh.digest}"
    with _LOCK:
        texts = _CACHE.setdefault(key, _Texts(mesh))
        _CACHE.move_to_end(key)
        while len(_CACHE) > _REMEMBERED:
            _CACHE.popitem(last=False)
    return texts


class _Texts:
    """The programs for a mesh, best first, each written when it is first asked for."""

    def __init__(self, mesh: Mesh) -> None:
        self._mesh = mesh
        self._left = _write(mesh)
        self._done: list[Program] = []
        self._lock = Lock()

    def some(self, first: int, count: int) -> list[Program]:
        """Up to `count` programs from number `first` on."""
        with self._lock:
            try:
                self._done += itertools.islice(self._left, max(0, first + count - len(self._done)))
            except BaseException:
                # who asks again is told again
                self._left, self._done = _write(self._mesh), []
                raise
            return self._done[first : first + count]


def _write(mesh: Mesh) -> Iterator[Program]:
    from cad_pipeline.generators.geometric.mending import Effort
    from cad_pipeline.generators.geometric.part import Part
    from cad_pipeline.generators.geometric.scale import Scale
    from cad_pipeline.generators.geometric.search import search
    from cad_pipeline.generators.geometric.solids import mesh_solid
    from cad_pipeline.generators.thinning import thinned

    vertices, faces = thinned(mesh.vertices, mesh.faces, most=MOST_TRIANGLES)
    solid = mesh_solid(vertices, faces)
    if solid is None or solid.volume() <= 0:
        return
    part = Part(vertices, faces, solid, Scale.of(vertices), effort=Effort.of(len(faces)))
    candidates = search(part)[:_MOST_CANDIDATES]
    title = f"{mesh.name}: {_size(mesh)} mm"
    near = [c for c in candidates if c.score > candidates[0].score - NEAR_THE_BEST]
    first = [program for c in near if (program := _program(c, part, title))]
    rest = (program for c in candidates[len(near) :] if (program := _program(c, part, title)))
    first.sort(key=lambda p: -(p.promised_iou or 0.0) + part.price * _length(p.source))
    known: set[str] = set()
    for program in itertools.chain(first, rest):
        text = program.source.split("\n", 1)[1]
        if text not in known and len(known) < _MOST_TEXTS:
            known.add(text)
            yield program


def _program(candidate: Candidate, part: Part, title: str) -> Program | None:
    written = _written(candidate.program, part, title)
    if written is None:
        return None
    text, promised = written
    origin = Origin(generator="geometric", note=candidate.program.route)
    return Program(source=text.source, parameters=text.parameters, origin=origin, promised_iou=promised)


def _written(program: FeatureProgram, part: Part, title: str) -> tuple[Text, float] | None:
    """Write a program without what is not worth reading, and say its IoU; None where it stays too long."""
    from cad_pipeline.generators.geometric.agreement import agreed
    from cad_pipeline.generators.geometric.coaxial import turned_together
    from cad_pipeline.generators.geometric.emit import emit
    from cad_pipeline.generators.geometric.features import FeatureProgram, about_blends
    from cad_pipeline.generators.geometric.holes import drilled
    from cad_pipeline.generators.geometric.pruning import lightened, pruned
    from cad_pipeline.generators.geometric.solids import build, iou, without_crumbs

    settled = agreed(program.features, part.solid, part.scale, part.price)
    features = about_blends(
        pruned(settled, part.solid, part.price),
        lambda some: turned_together(drilled(some, part.solid, part.scale), part.scale),
    )
    for _ in range(_TRIES_AT_LENGTH):
        solid = build(features)
        reached = iou(without_crumbs(solid) if part.bodies == 1 else solid, part.solid)
        text = emit(
            FeatureProgram(tuple(features)), f"{title}; about {reached:.3f} IoU with its mesh.", part.scale.noise
        )
        excess = _count_numbers(text.source) - MOST_NUMBERS_WRITTEN
        if excess <= 0:
            return text, reached
        features = lightened(features, excess)
    return None


# beyond this a text is data and no program
MOST_NUMBERS_WRITTEN = 400


def _count_numbers(source: str) -> int:
    numbers = (n for n in ast.walk(parse(source)) if isinstance(n, ast.Constant))
    return sum(isinstance(n.value, int | float) and not isinstance(n.value, bool) for n in numbers)


def _length(source: str) -> int:
    """How much there is to read in a text, in numbers: each statement that makes something counts besides."""
    from cad_pipeline.generators.geometric.features import weight_of

    made = (n.value for n in parse(source).body if isinstance(n, ast.Assign) and isinstance(n.value, ast.Call))
    return _count_numbers(source) + weight_of(sum(ast.unparse(call.func) != "cq.Workplane" for call in made))


def _size(mesh: Mesh) -> str:
    low, high = mesh.bounds
    return " × ".join(f"{v:.4g}" for v in high - low)

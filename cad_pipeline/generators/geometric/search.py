"""Propose whole programs for a solid and score them in manifold arithmetic: IoU less the price of what must be read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cad_pipeline.generators.geometric.directions import candidate_frames
from cad_pipeline.generators.geometric.facets import facets_of
from cad_pipeline.generators.geometric.features import Feature, FeatureProgram
from cad_pipeline.generators.geometric.frame import Frame
from cad_pipeline.generators.geometric.mending import Budget, mend
from cad_pipeline.generators.geometric.prisms import explain_slabs
from cad_pipeline.generators.geometric.scale import Scale
from cad_pipeline.generators.geometric.sections import levels, slabs
from cad_pipeline.generators.geometric.solids import Manifold, build, iou, to_frame
from cad_pipeline.generators.geometric.turned import axis_frame, explain_turned, turned_share

__all__ = ["Candidate", "Part", "search"]

PRICE_PER_NUMBER = 2e-5
MOST_NUMBERS = 360


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """What the search works on: the mesh as arrays and as a solid, and its lengths."""

    vertices: NDArray[np.float64]
    faces: NDArray[np.int64]
    solid: Manifold
    scale: Scale


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A feature program with its IoU in manifold arithmetic."""

    program: FeatureProgram
    iou: float

    @property
    def score(self) -> float:
        """IoU less the price of reading; programs over the limit of numbers pay ten times for what is over."""
        numbers = self.program.numbers
        over = max(0, numbers - MOST_NUMBERS)
        return self.iou - PRICE_PER_NUMBER * numbers - 10 * PRICE_PER_NUMBER * over


def search(part: Part) -> list[Candidate]:
    """Return candidate programs, best score first, at most one a route."""
    found: list[Candidate] = []
    for route, features in _proposals(part):
        if features:
            program = FeatureProgram(tuple(features), route)
            found.append(Candidate(program, iou(build(features), part.solid)))
    found.sort(key=lambda c: -c.score)
    frames = candidate_frames(part.vertices, part.faces, most=6)
    mended = []
    for candidate in found[:2]:
        features = mend(candidate.program.features, part.solid, frames, part.scale, Budget(numbers=MOST_NUMBERS))
        if len(features) > len(candidate.program.features):
            program = FeatureProgram(tuple(features), candidate.program.route + " mended")
            mended.append(Candidate(program, iou(build(features), part.solid)))
    return sorted(found + mended, key=lambda c: -c.score)


def _proposals(part: Part) -> Iterator[tuple[str, list[Feature]]]:
    frames = candidate_frames(part.vertices, part.faces)
    for number, frame in enumerate(frames):
        yield from _along(part, frame, number)
    facets = facets_of(part.vertices, part.faces, part.scale.size, part.scale.noise)
    for number, frame in enumerate(frames):
        axis = axis_frame(frame, facets, part.scale)
        if axis is not None and turned_share(axis, facets, part.scale) > 0.6:
            for k, features in enumerate(explain_turned(part.solid, axis, part.vertices, part.scale)):
                yield f"turned {number}.{k}", features


def _along(part: Part, frame: Frame, number: int) -> Iterator[tuple[str, list[Feature]]]:
    local = frame.to_local(part.vertices)
    solid = to_frame(part.solid, frame)
    heights = levels(local, part.faces, part.scale.size)
    stack = slabs(solid, heights, part.scale.size)
    coarse = 1.0
    while coarse < 1000:
        features = explain_slabs(stack, frame, part.scale, coarse)
        yield f"slabs {number} coarse {coarse:g}", features
        if sum(f.numbers for f in features) < MOST_NUMBERS:
            return
        coarse *= 4.0

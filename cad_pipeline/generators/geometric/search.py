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
from cad_pipeline.generators.geometric.scale import Scale
from cad_pipeline.generators.geometric.sections import levels, slabs
from cad_pipeline.generators.geometric.slabwork import SlabWork
from cad_pipeline.generators.geometric.solids import Manifold, as_solid, build, iou, to_frame
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
        """IoU less the price of reading; a program over the limit of numbers comes last."""
        numbers = self.program.numbers
        over = max(0, numbers - MOST_NUMBERS)
        return self.iou - PRICE_PER_NUMBER * numbers - (0.5 if over else 0.0)


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
    for candidate in _varied(found, 3):
        features = mend(candidate.program.features, part.solid, frames, part.scale, Budget(numbers=MOST_NUMBERS))
        if len(features) > len(candidate.program.features):
            program = FeatureProgram(tuple(features), candidate.program.route + " mended")
            mended.append(Candidate(program, iou(build(features), part.solid)))
    return sorted(found + mended, key=lambda c: -c.score)


def _varied(found: list[Candidate], most: int) -> list[Candidate]:
    """The best candidates, no two of one kind of route and direction unless there is nothing else."""
    chosen: list[Candidate] = []
    for candidate in found:
        kind = candidate.program.route.split()[0]
        if sum(c.program.route.split()[0] == kind for c in chosen) < 1 + (len(chosen) >= 2):
            chosen.append(candidate)
    return [c for c in chosen if c.iou > 0.5][:most]


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
    """Explain the part along one direction: with plain slabs, and with slabs cut finer where walls are not vertical."""
    local = frame.to_local(part.vertices)
    solid = to_frame(part.solid, frame)
    heights = levels(local, part.faces, part.scale.size)
    plain = slabs(solid, heights, part.scale.size)
    yield f"slabs {number}", _editable(SlabWork(plain, frame, part.scale))
    if not all(slab.straight for slab in plain):
        fine = slabs(solid, heights, part.scale.size, np.unique(local[:, 2]))
        if len(fine) > len(plain):
            yield f"fine slabs {number}", _editable(SlabWork(fine, frame, part.scale))


def _editable(work: SlabWork) -> list[Feature]:
    """Write slab work with as exact outlines as the limit of numbers allows, then drop what matters least."""
    features: list[Feature] = []
    for coarse in (1.0, 4.0, 16.0, 64.0):
        features = work.features(coarse)
        if sum(f.numbers for f in features) <= MOST_NUMBERS:
            return features
    worth = [abs(as_solid(f).volume()) / f.numbers for f in features]
    total, kept = 0, set()
    for k in sorted(range(len(features)), key=lambda k: -worth[k]):
        if total + features[k].numbers <= MOST_NUMBERS:
            total += features[k].numbers
            kept.add(k)
    return [f for k, f in enumerate(features) if k in kept]

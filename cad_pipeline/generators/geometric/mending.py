"""Improve a program where it is wrong: take the largest pieces of missing or extra material and explain each by itself.

A piece is explained along whichever of the part's directions does it best with few features, so a pocket from the side
or a bore across the slabs becomes its own feature. Greedy: stops when nothing pays for its numbers.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from cad_pipeline.generators.geometric.features import Extrusion, Feature, Mode
from cad_pipeline.generators.geometric.frame import Frame
from cad_pipeline.generators.geometric.prisms import explain_slabs
from cad_pipeline.generators.geometric.scale import Scale
from cad_pipeline.generators.geometric.sections import levels, slabs
from cad_pipeline.generators.geometric.solids import Manifold, as_solid, build, iou, to_frame

__all__ = ["Budget", "mend"]


@dataclass(frozen=True, slots=True)
class Budget:
    """What mending may spend: seconds, numbers in all, and the IoU that one more number must bring."""

    seconds: float = 6.0
    numbers: int = 360
    price: float = 2e-5
    steps: int = 16


def mend(features: Sequence[Feature], target: Manifold, frames: Sequence[Frame], scale: Scale, budget: Budget) -> list[Feature]:
    """Append features that explain the largest differences between `features` and `target`."""
    done = list(features)
    part = build(done)
    best = iou(part, target)
    numbers = sum(f.numbers for f in done)
    refused: set[tuple[int, ...]] = set()
    deadline = time.perf_counter() + budget.seconds
    for _ in range(budget.steps):
        pieces = _pieces(part, target, refused, scale)
        gained = False
        for key, piece, mode in pieces[:4]:
            if time.perf_counter() > deadline or best > 0.99995:
                return done
            found = _explain(piece, mode, part, target, frames, scale, best, budget)
            if found is None or numbers + sum(f.numbers for f in found) > budget.numbers:
                refused.add(key)
                continue
            for feature in found:
                part = part + as_solid(feature) if feature.mode is Mode.ADD else part - as_solid(feature)
            done += found
            best = iou(part, target)
            numbers += sum(f.numbers for f in found)
            gained = True
            break
        if not gained:
            return done
    return done


def _pieces(part: Manifold, target: Manifold, refused: set[tuple[int, ...]], scale: Scale) -> list[tuple[tuple[int, ...], Manifold, Mode]]:
    """Connected pieces of the difference, largest first, without slivers and what was refused before."""
    smallest = 1e-4 * target.volume()
    found = []
    for difference, mode in ((part - target, Mode.CUT), (target - part, Mode.ADD)):
        for piece in difference.decompose():
            volume = piece.volume()
            if volume < smallest:
                continue
            box = np.array(piece.bounding_box())
            key = tuple(np.round(box / (1e-3 * scale.size)).astype(int)) + (int(mode is Mode.ADD),)
            if key not in refused:
                found.append((volume, key, piece, mode))
    found.sort(key=lambda f: -f[0])
    return [f[1:] for f in found]


def _explain(
    piece: Manifold,
    mode: Mode,
    part: Manifold,
    target: Manifold,
    frames: Sequence[Frame],
    scale: Scale,
    best: float,
    budget: Budget,
) -> list[Feature] | None:
    mesh = piece.to_mesh64()
    vertices, faces = np.asarray(mesh.vert_properties)[:, :3], np.asarray(mesh.tri_verts, dtype=np.int64)
    choice: tuple[float, list[Feature]] | None = None
    for frame in frames:
        local = frame.to_local(vertices)
        solid = to_frame(piece, frame)
        heights = levels(local, faces, scale.size)
        whole = [heights[0], heights[-1]]
        for candidate_heights in (whole, heights) if 2 < len(heights) <= 6 else (whole,):
            stack = slabs(solid, candidate_heights, scale.size)
            for coarse in (1.0, 30.0):
                features = _flipped(explain_slabs(stack, frame, scale, coarse), mode)
                if not features or len(features) > 4:
                    continue
                changed = part
                for feature in features:
                    made = as_solid(feature)
                    changed = changed + made if feature.mode is Mode.ADD else changed - made
                gain = iou(changed, target) - best - budget.price * (sum(f.numbers for f in features) + 4)
                if gain > 0 and (choice is None or gain > choice[0]):
                    choice = (gain, features)
                if sum(f.numbers for f in features) < 20:
                    break
    return choice[1] if choice else None


def _flipped(features: list[Feature], mode: Mode) -> list[Feature]:
    """Turn an explanation of a piece into a change of the part; inner loops are left alone, the boolean sees to them."""
    return [replace(f, mode=mode) for f in features if isinstance(f, Extrusion) and f.mode is Mode.ADD]

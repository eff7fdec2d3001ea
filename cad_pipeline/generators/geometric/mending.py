"""Improve a program where it is wrong: take the largest pieces of missing or extra material and explain each by itself.

A piece is explained along whichever of the part's directions does it best with few features, so a pocket from the side
or a bore across the slabs becomes its own feature. Greedy: stops when nothing pays for its numbers.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from cad_pipeline.generators.geometric.features import Feature, Mode
from cad_pipeline.generators.geometric.frame import Frame
from cad_pipeline.generators.geometric.scale import Scale
from cad_pipeline.generators.geometric.sections import levels, slabs
from cad_pipeline.generators.geometric.slabwork import SlabWork
from cad_pipeline.generators.geometric.solids import Manifold, build, to_frame

__all__ = ["Budget", "mend"]


@dataclass(frozen=True, slots=True)
class Budget:
    """What mending may spend: features, numbers in all, and the IoU that one more number must bring.

    `seconds` only guards against parts that no one waits for: what it cuts off depends on the machine.
    """

    numbers: int = 360
    price: float = 2e-5
    steps: int = 12
    pieces: int = 3
    seconds: float = 60.0


def mend(features: Sequence[Feature], target: Manifold, frames: Sequence[Frame], scale: Scale, budget: Budget) -> list[Feature]:
    """Append features that explain the largest differences between `features` and `target`."""
    done = list(features)
    state = _State(build(done), target)
    numbers = sum(f.numbers for f in done)
    refused: set[tuple[int, ...]] = set()
    deadline = time.perf_counter() + budget.seconds
    for _ in range(budget.steps):
        gained = False
        for key, piece, mode in _pieces(state.part, target, refused, scale)[: budget.pieces]:
            if time.perf_counter() > deadline or state.iou > 0.99995:
                return done
            found = _explain(piece, mode, state, frames, scale, budget)
            if found is None or numbers + sum(f.numbers for f in found) > budget.numbers:
                refused.add(key)
                continue
            state = _State(build(found, state.part), target)
            done += found
            numbers += sum(f.numbers for f in found)
            gained = True
            break
        if not gained:
            return done
    return done


class _State:
    """A part with its volumes against the target, so that a small change is scored by small booleans."""

    def __init__(self, part: Manifold, target: Manifold) -> None:
        self.part = part
        self.target = target
        self.common = part ^ target
        self.shared = self.common.volume()
        self.part_volume = part.volume()
        self.target_volume = target.volume()

    @property
    def iou(self) -> float:
        """Intersection over union of part and target."""
        return self.shared / (self.part_volume + self.target_volume - self.shared)

    def gain(self, features: Sequence[Feature]) -> float:
        """How much the IoU rises when `features`, all of one mode, are applied."""
        tool = build([replace(f, mode=Mode.ADD) for f in features])
        in_part, in_common = (tool ^ self.part).volume(), (tool ^ self.common).volume()
        if features[0].mode is Mode.CUT:
            part, shared = self.part_volume - in_part, self.shared - in_common
        else:
            part = self.part_volume + tool.volume() - in_part
            shared = self.shared + (tool ^ self.target).volume() - in_common
        return float(shared / (part + self.target_volume - shared) - self.iou)


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
    piece: Manifold, mode: Mode, state: _State, frames: Sequence[Frame], scale: Scale, budget: Budget
) -> list[Feature] | None:
    mesh = piece.to_mesh64()
    vertices, faces = np.asarray(mesh.vert_properties)[:, :3], np.asarray(mesh.tri_verts, dtype=np.int64)
    choice: tuple[float, list[Feature]] | None = None
    for frame in frames:
        local = frame.to_local(vertices)
        solid = to_frame(piece, frame)
        heights = levels(local, faces, scale.size)
        whole = [heights[0], heights[-1]]
        for cuts in (whole, heights) if 2 < len(heights) <= 6 else (whole,):
            work = SlabWork(slabs(solid, cuts, scale.size), frame, scale)
            for coarse in (1.0, 30.0):
                features = _flipped(work.features(coarse), mode)
                if not features or len(features) > 4:
                    continue
                numbers = sum(f.numbers for f in features) + 4
                gain = state.gain(features) - budget.price * numbers
                if gain > 0 and (choice is None or gain > choice[0]):
                    choice = (gain, features)
                if numbers < 24:
                    break
    return choice[1] if choice else None


def _flipped(features: list[Feature], mode: Mode) -> list[Feature]:
    """Turn an explanation of a piece into a change of the part; inner loops are left alone, the boolean sees to them."""
    return [replace(f, mode=mode) for f in features if f.mode is Mode.ADD]

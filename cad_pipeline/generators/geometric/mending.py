"""Improve a program where it is wrong: take the largest pieces of missing or extra material and explain each by itself.

A piece is explained along whichever of the part's directions does it best with few features, so a pocket from the side
or a bore across the slabs becomes its own feature. Greedy: stops when nothing pays for its numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import manifold3d as m3
import numpy as np
from numpy.typing import NDArray

from cad_pipeline.generators.geometric.chords import chords_of
from cad_pipeline.generators.geometric.copies import MirrorPlane, mirror_planes, moved_copies, with_images
from cad_pipeline.generators.geometric.cycles import Cycle, turned_copies
from cad_pipeline.generators.geometric.difference import Difference
from cad_pipeline.generators.geometric.directions import candidate_frames
from cad_pipeline.generators.geometric.features import Feature, Mode, count_numbers
from cad_pipeline.generators.geometric.frame import Frame
from cad_pipeline.generators.geometric.room import Room
from cad_pipeline.generators.geometric.scale import Scale
from cad_pipeline.generators.geometric.sections import levels, slabs, stack_of
from cad_pipeline.generators.geometric.slabwork import SlabWork
from cad_pipeline.generators.geometric.solids import Manifold, mesh_of, to_frame

__all__ = ["Budget", "Choice", "Effort", "explain", "largest_prism", "mend", "rooms_of"]


# a piece that needs more features than this is no feature
MOST_FEATURES = 4
# a plain prism that covers so much of a piece is taken without asking for the piece's own outline
ENOUGH_OF_A_PIECE = 0.6
PLAIN = 10
_EFFORT = 9.0


@dataclass(slots=True)
class Effort:
    """How many pieces may still be explained, counted and not timed, so that a mesh always gives the same program."""

    left: int

    @classmethod
    def of(cls, triangles: int) -> Effort:
        """Allow as much as takes some seconds on one core: the more triangles, the dearer a boolean."""
        return cls(max(4, int(_EFFORT / (0.05 + 2e-5 * triangles))))

    def share(self, share: float) -> Effort:
        """An effort of its own for a part of the work, taken off this one."""
        own = Effort(int(min(max(share, 0.05), 0.6) * max(self.left, 0)))
        self.left -= own.left
        return own

    def spend(self) -> bool:
        """Take one; False where none is left."""
        self.left -= 1
        return self.left >= 0


@dataclass(frozen=True, slots=True)
class Budget:
    """What mending may spend: numbers in all, the IoU that one more number must bring, and steps.

    `taste` is the IoU for which one of two explanations may be longer by a number: a short one that leaves something
    to a later step is better than a long one.
    """

    numbers: int = 360
    price: float = 2e-5
    taste: float = 1e-4
    steps: int = 20
    pieces: int = 3
    effort: Effort = field(default_factory=lambda: Effort(100))


def mend(
    features: Sequence[Feature],
    part: Manifold,
    target: Manifold,
    frames: Sequence[Frame],
    scale: Scale,
    budget: Budget,
    rooms: Sequence[Room] | None = None,
    images: Sequence[MirrorPlane | Cycle] | None = None,
) -> list[Feature]:
    """Append features that explain the largest differences between `part`, built from `features`, and `target`.

    What is found once is tried at its `images`, where the target is symmetric: its mirror planes, if None.
    """
    done = list(features)
    rooms = rooms_of(target, frames, scale) if rooms is None else rooms
    images = mirror_planes(target, frames, scale) if images is None else images
    state = Difference(part, target, 10 * budget.price * target.volume())
    refused: set[tuple[int, ...]] = set()
    for _ in range(budget.steps):
        gained = False
        for key, piece, mode in _largest(state, refused, scale, budget.pieces):
            if state.iou > 0.99995 or not budget.effort.spend():
                return done
            choice = explain(piece, mode, state, frames, rooms, scale, budget)
            found = choice.features
            if found is not None:
                found = _with_images(found, choice.gain, images, state.like(piece, mode), state, scale, budget)
            if found is None or count_numbers([*done, *found]) > budget.numbers:
                refused.add(key)
                continue
            state.apply(found)
            done += found
            gained = True
            break
        if not gained:
            return done
    return done


def _largest(
    state: Difference, refused: set[tuple[int, ...]], scale: Scale, count: int
) -> list[tuple[tuple[int, ...], Manifold, Mode]]:
    """The largest pieces of the difference, without those that are only how curved walls were meshed."""
    found = []
    for key, piece, mode in state.largest(refused, scale):
        if chords_of(state.target).is_skin(piece):
            refused.add(key)
            continue
        found.append((key, piece, mode))
        if len(found) == count:
            break
    return found


def rooms_of(target: Manifold, frames: Sequence[Frame], scale: Scale) -> list[Room]:
    """Look at the target along each direction; directions with too many levels are left out."""
    rooms = [Room(stack_of(target, frame, scale), frame, scale) for frame in frames]
    return [room for room in rooms if room.usable]


def largest_prism(target: Manifold, rooms: Sequence[Room], budget: Budget) -> list[Feature]:
    """The prism inside the target that is most of it for its numbers; none where no direction has room."""
    best = Choice(Difference(m3.Manifold(), target, 0.0), budget)
    for room in rooms:
        for features in room.features(target, Mode.ADD):
            best.consider(features)
    return best.features or []


def explain(
    piece: Manifold,
    mode: Mode,
    state: Difference,
    frames: Sequence[Frame],
    rooms: Sequence[Room],
    scale: Scale,
    budget: Budget,
) -> Choice:
    """Explain a piece that is too much or missing by the few features that gain most for their numbers, if any."""
    vertices, faces = mesh_of(piece)
    best = Choice(state, budget)
    state.look_at(piece)
    for room in rooms:
        for features in room.features(piece, mode):
            best.consider(features)
    if best.gain > ENOUGH_OF_A_PIECE * piece.volume() / state.target_volume and best.numbers <= PLAIN:
        return best
    for frame in frames:
        _consider_outlines(piece, vertices, faces, mode, frame, scale, best)
    if best.features is None or best.numbers > PLAIN:
        for frame in candidate_frames(vertices, faces, most=3):
            if all(_another(frame, known) for known in frames):
                _consider_outlines(piece, vertices, faces, mode, frame, scale, best)
    return best


def _with_images(
    features: list[Feature],
    one: float,
    images: Sequence[MirrorPlane | Cycle],
    steps: list[NDArray[np.float64]],
    state: Difference,
    scale: Scale,
    budget: Budget,
) -> list[Feature]:
    """The features with their images across symmetries, or moved to like pieces, where that pays as well as they do.

    The features alone gain `one`.
    """
    options = [(0.75 * (len(steps) + 1), moved_copies(features, steps, scale.level))] if steps else []
    for image in sorted(images, key=lambda i: -i.count if isinstance(i, Cycle) else 0):
        if isinstance(image, Cycle):
            options.append((0.75 * image.count, turned_copies(features, image)))
        else:
            options.append((1.5, with_images(features, image)))
    best, gain, numbers = features, one, count_numbers(features)
    for least, option in options:
        if option is not None:
            # what comes later must win by its own: a shorter one that gains as much is not asked
            wanted = max(least * one, gain + budget.price * (count_numbers(option) - numbers))
            more = state.gain(option, wanted)
            if more > wanted:
                best, gain, numbers = option, more, count_numbers(option)
    return best


class Choice:
    """The best explanation of a piece so far: the most gain for its numbers."""

    def __init__(self, state: Difference, budget: Budget) -> None:
        self._state, self._budget = state, budget
        self._worth = -np.inf
        self.gain, self.numbers = 0.0, 0
        self.features: list[Feature] | None = None

    def consider(self, features: list[Feature]) -> None:
        """Keep `features` if they pay for their numbers and are better than what was kept."""
        numbers = sum(f.numbers for f in features)
        least = max(self._budget.price, self._budget.taste + self._worth / max(numbers, 1)) * numbers
        gain = self._state.gain(features, least)
        worth = gain - self._budget.taste * numbers
        if gain > self._budget.price * numbers and worth > self._worth:
            self._worth, self.gain, self.numbers, self.features = worth, gain, numbers, features


def _consider_outlines(
    piece: Manifold,
    vertices: NDArray[np.float64],
    faces: NDArray[np.int64],
    mode: Mode,
    frame: Frame,
    scale: Scale,
    best: Choice,
) -> None:
    """Consider the piece's own outlines along a direction, as one prism or as one between each two of its levels."""
    heights = levels(frame.to_local(vertices), faces, scale)
    solid = to_frame(piece, frame)
    whole = [heights[0], heights[-1]]
    for cuts in (whole, heights) if 2 < len(heights) <= 6 else (whole,):
        work = SlabWork(slabs(solid, cuts, scale), frame, scale)
        if sum(chain[0].sign > 0 for chain in work.chains) > MOST_FEATURES:
            continue
        for coarse in (1.0, 30.0) if work.points(1.0) < 150 else (30.0,):
            if coarse > 1.0 and work.points(coarse) > 150:
                continue
            features = _flipped(work.features(coarse), mode)
            if not features or len(features) > MOST_FEATURES:
                continue
            best.consider(features)
            if sum(f.numbers for f in features) < 20:
                break


def _another(a: Frame, b: Frame) -> bool:
    return abs(float(a.axes[2] @ b.axes[2])) < 1 - 1e-7


def _flipped(features: list[Feature], mode: Mode) -> list[Feature]:
    """Turn an explanation of a piece into a change of the part; the boolean sees to its inner loops."""
    return [replace(f, mode=mode) for f in features if f.mode is Mode.ADD]

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

from cad_pipeline.generators.geometric.copies import MirrorPlane, mirror_planes, with_images
from cad_pipeline.generators.geometric.cycles import Cycle, turned_copies
from cad_pipeline.generators.geometric.directions import candidate_frames
from cad_pipeline.generators.geometric.features import Feature, Mode, count_numbers
from cad_pipeline.generators.geometric.frame import Frame
from cad_pipeline.generators.geometric.room import Room
from cad_pipeline.generators.geometric.scale import Scale
from cad_pipeline.generators.geometric.sections import levels, slabs, stack_of
from cad_pipeline.generators.geometric.slabwork import SlabWork
from cad_pipeline.generators.geometric.solids import Manifold, build, to_frame

__all__ = ["Budget", "Effort", "mend", "rooms_of"]


# a piece that needs more features than this is no feature
MOST_FEATURES = 4
# a plain prism that covers so much of a piece is taken without asking for the piece's own outline
ENOUGH_OF_A_PIECE = 0.6
PLAIN = 10
# how much of the part about a piece, by the piece's size, is looked at by itself
NEARBY = 0.3
_EFFORT = 9.0


@dataclass(slots=True)
class Effort:
    """How many pieces may still be explained, counted and not timed, so that a mesh always gives the same program."""

    left: int

    @classmethod
    def of(cls, triangles: int) -> Effort:
        """Allow as much as takes some seconds on one core: the more triangles, the dearer a boolean."""
        return cls(max(4, int(_EFFORT / (0.05 + 2e-5 * triangles))))

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
    state = _State(part, target, 10 * budget.price * target.volume())
    refused: set[tuple[int, ...]] = set()
    for _ in range(budget.steps):
        gained = False
        for key, piece, mode in state.largest(refused, scale)[: budget.pieces]:
            if state.iou > 0.99995 or not budget.effort.spend():
                return done
            found = _explain(piece, mode, state, frames, rooms, scale, budget)
            if found is not None:
                found = _with_images(found, images, state, budget)
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


def rooms_of(target: Manifold, frames: Sequence[Frame], scale: Scale) -> list[Room]:
    """Look at the target along each direction; directions with too many levels are left out."""
    rooms = [Room(stack_of(target, frame, scale), frame, scale) for frame in frames]
    return [room for room in rooms if room.usable]


class _State:
    """A part against its target: what both have, and the pieces that are extra and missing."""

    def __init__(self, part: Manifold, target: Manifold, smallest: float) -> None:
        self.smallest = smallest
        self.target = target
        self.target_volume = target.volume()
        self.part = part
        self.part_volume = part.volume()
        self.common, missing = self.target.split(part)
        self.shared = self.common.volume()
        self.missing = self._kept(missing)
        self.extra = self._kept(part - self.target)
        self._nearby: tuple[tuple[float, ...], Manifold] | None = None

    def _kept(self, solid: Manifold) -> list[Manifold]:
        if solid.volume() < self.smallest:
            return []
        return [piece for piece in solid.decompose() if piece.volume() >= self.smallest]

    @property
    def iou(self) -> float:
        """Intersection over union of part and target."""
        return float(self.shared / (self.part_volume + self.target_volume - self.shared))

    def largest(self, refused: set[tuple[int, ...]], scale: Scale) -> list[tuple[tuple[int, ...], Manifold, Mode]]:
        """Connected pieces of the difference, largest first, without what was refused before."""
        found = []
        for pieces, mode in ((self.extra, Mode.CUT), (self.missing, Mode.ADD)):
            for piece in pieces:
                box = np.array(piece.bounding_box())
                key = (*np.round(box / (1e-3 * scale.size)).astype(int).tolist(), int(mode is Mode.ADD))
                if key not in refused:
                    found.append((piece.volume(), key, piece, mode))
        found.sort(key=lambda f: -f[0])
        return [f[1:] for f in found]

    def look_at(self, piece: Manifold) -> None:
        """Take the part about a piece out of it: most features that explain the piece meet no more than that."""
        low, high = (np.array(piece.bounding_box()[k : k + 3]) for k in (0, 3))
        low, high = low - NEARBY * (high - low), high + NEARBY * (high - low)
        block = m3.Manifold.cube(high - low).translate(low)
        self._nearby = ((*low, *high), self.part ^ block)

    def gain(self, features: Sequence[Feature], least: float = -np.inf) -> float:
        """How much the IoU rises when `features`, all of one mode, are applied; no more than `least` if less."""
        tool, mode = _tool(features), features[0].mode
        wanted = self.missing if mode is Mode.ADD else self.extra
        right = sum((tool ^ piece).volume() for piece in wanted if _near(piece, tool))
        at_best = self._gained(mode, right, 0.0)
        if at_best <= least:
            return at_best
        met = self._met(tool)
        return self._gained(mode, right, met - right if mode is Mode.CUT else tool.volume() - met - right)

    def _met(self, tool: Manifold) -> float:
        """How much of the part lies in `tool`."""
        if self._nearby is not None:
            box, nearby = self._nearby
            own = tool.bounding_box()
            if all(box[k] <= own[k] and own[k + 3] <= box[k + 3] for k in range(3)):
                return float((tool ^ nearby).volume())
        return float((tool ^ self.part).volume())

    def _gained(self, mode: Mode, right: float, wrong: float) -> float:
        """How much the IoU rises when so much of what is wanted and so much else is added or cut."""
        if mode is Mode.CUT:
            part, shared = self.part_volume - right - wrong, self.shared - wrong
        else:
            part, shared = self.part_volume + right + wrong, self.shared + right
        return float(shared / (part + self.target_volume - shared) - self.iou)

    def apply(self, features: Sequence[Feature]) -> None:
        """Apply `features`, all of one mode; what lies beside them is not looked at again."""
        tool = _tool(features)
        self._nearby = None
        if features[0].mode is Mode.ADD:
            fresh = tool - self.part
            right = fresh ^ self.target
            self.part, self.common = self.part + tool, self.common + right
            self.part_volume += fresh.volume()
            self.shared += right.volume()
            self.missing = self._without(self.missing, tool)
            self.extra += self._kept(fresh - self.target)
        else:
            gone = tool ^ self.part
            wrong = gone ^ self.target
            self.part, self.common = self.part - tool, self.common - tool
            self.part_volume -= gone.volume()
            self.shared -= wrong.volume()
            self.extra = self._without(self.extra, tool)
            self.missing += self._kept(wrong)

    def _without(self, pieces: list[Manifold], tool: Manifold) -> list[Manifold]:
        left: list[Manifold] = []
        for piece in pieces:
            left += self._kept(piece - tool) if _near(piece, tool) else [piece]
        return left


def _near(a: Manifold, b: Manifold) -> bool:
    """Whether the boxes of two solids meet."""
    p, q = a.bounding_box(), b.bounding_box()
    return all(p[k] <= q[k + 3] and q[k] <= p[k + 3] for k in range(3))


def _tool(features: Sequence[Feature]) -> Manifold:
    return build([replace(f, mode=Mode.ADD) for f in features])


def _explain(
    piece: Manifold,
    mode: Mode,
    state: _State,
    frames: Sequence[Frame],
    rooms: Sequence[Room],
    scale: Scale,
    budget: Budget,
) -> list[Feature] | None:
    mesh = piece.to_mesh64()
    vertices, faces = np.asarray(mesh.vert_properties)[:, :3], np.asarray(mesh.tri_verts, dtype=np.int64)
    best = _Choice(state, budget)
    state.look_at(piece)
    for room in rooms:
        for features in room.features(piece, mode):
            best.consider(features)
    if best.gain > ENOUGH_OF_A_PIECE * piece.volume() / state.target_volume and best.numbers <= PLAIN:
        return best.features
    for frame in frames:
        _consider_outlines(piece, vertices, faces, mode, frame, scale, best)
    if best.features is None or best.numbers > PLAIN:
        for frame in candidate_frames(vertices, faces, most=3):
            if all(_another(frame, known) for known in frames):
                _consider_outlines(piece, vertices, faces, mode, frame, scale, best)
    return best.features


def _with_images(
    features: list[Feature], images: Sequence[MirrorPlane | Cycle], state: _State, budget: Budget
) -> list[Feature]:
    """The features, with their images across those symmetries where that pays as well as they do."""
    gain = state.gain(features)
    for image in sorted(images, key=lambda i: -i.count if isinstance(i, Cycle) else 0):
        both = turned_copies(features, image) if isinstance(image, Cycle) else with_images(features, image)
        if both is not None:
            more = state.gain(both)
            least = 0.75 * image.count if isinstance(image, Cycle) else 1.5
            if more > least * gain and more - gain > budget.price * (count_numbers(both) - count_numbers(features)):
                features, gain = both, more
    return features


class _Choice:
    """The best explanation of a piece so far: the most gain for its numbers."""

    def __init__(self, state: _State, budget: Budget) -> None:
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
    best: _Choice,
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
            if work.points(coarse) > 150:
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

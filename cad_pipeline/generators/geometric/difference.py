"""What a part has too much and too little against its target, kept up to date while features are applied to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import manifold3d as m3
import numpy as np
from numpy.typing import NDArray

from cad_pipeline.generators.geometric.features import Feature, Mode
from cad_pipeline.generators.geometric.scale import Scale
from cad_pipeline.generators.geometric.shells import shells_of
from cad_pipeline.generators.geometric.solids import Manifold, build, moments

__all__ = ["Difference"]

# how much of the part about a piece, by the piece's size, is looked at by itself
NEARBY = 0.3
# pieces are alike when their volumes and moments differ by no more than this share
_ALIKE = 0.02
# volumes are exact to this in IoU
_ROUNDING = 1e-10


@dataclass(frozen=True, slots=True, eq=False)
class _Piece:
    """A connected piece of the difference; its volume and its box are asked for at every trial."""

    solid: Manifold
    volume: float
    box: tuple[float, ...]


class Difference:
    """A part against its target: what both have, and the pieces that are extra and missing."""

    def __init__(self, part: Manifold, target: Manifold, smallest: float) -> None:
        self.smallest = smallest
        self.target = target
        self.target_volume = target.volume()
        self.part = part
        self.part_volume = part.volume()
        extra = part - self.target
        self.shared = self.part_volume - extra.volume()
        self.missing = self._kept(self.target - part)
        self.extra = self._kept(extra)
        self._nearby: tuple[tuple[float, ...], Manifold] | None = None

    def _kept(self, solid: Manifold) -> list[_Piece]:
        if solid.volume() < self.smallest:
            return []
        shells = shells_of(solid)
        pieces = shells.solids(self.smallest)
        if (shells.volume < -self.smallest).any():
            # a skin around a void is not what fills it
            hollow = [piece ^ solid for piece, _ in pieces]
            pieces = [(piece, volume) for piece in hollow if (volume := piece.volume()) >= self.smallest]
        return [_Piece(piece, volume, piece.bounding_box()) for piece, volume in pieces]

    @property
    def iou(self) -> float:
        """Intersection over union of part and target."""
        return float(self.shared / (self.part_volume + self.target_volume - self.shared))

    def largest(self, refused: set[tuple[int, ...]], scale: Scale) -> list[tuple[tuple[int, ...], Manifold, Mode]]:
        """Connected pieces of the difference, largest first, without what was refused before."""
        found = []
        for pieces, mode in ((self.extra, Mode.CUT), (self.missing, Mode.ADD)):
            for piece in pieces:
                box = np.array(piece.box)
                key = (*np.round(box / (1e-3 * scale.size)).astype(int).tolist(), int(mode is Mode.ADD))
                if key not in refused:
                    found.append((piece.volume, key, piece.solid, mode))
        found.sort(key=lambda f: -f[0])
        return [f[1:] for f in found]

    def like(self, piece: Manifold, mode: Mode) -> list[NDArray[np.float64]]:
        """Steps (3,) from a piece to those others that must be added or cut like it, by their moments."""
        steps: list[NDArray[np.float64]] = []
        volume, (middle, spread) = piece.volume(), moments(piece)
        for other in self.missing if mode is Mode.ADD else self.extra:
            if other.solid is not piece and abs(other.volume - volume) < _ALIKE * volume:
                # skins of no volume that hang on a piece widen its box, but not its moments
                there, across = moments(other.solid)
                if np.abs(across - spread).max() < 2 * _ALIKE * np.trace(spread):
                    steps.append(there - middle)
        return steps

    def look_at(self, piece: Manifold) -> None:
        """Take the part about a piece out of it: most features that explain the piece meet no more than that."""
        low, high = (np.array(piece.bounding_box()[k : k + 3]) for k in (0, 3))
        low, high = low - NEARBY * (high - low), high + NEARBY * (high - low)
        block = m3.Manifold.cube(high - low).translate(low)
        self._nearby = ((*low, *high), self.part ^ block)

    def gain(self, features: Sequence[Feature], least: float = -np.inf) -> float:
        """How much the IoU rises when `features`, all of one mode, are applied; no more than `least` if less."""
        tool, mode = _tool(features), features[0].mode
        box, volume = tool.bounding_box(), tool.volume()
        near = [piece for piece in (self.missing if mode is Mode.ADD else self.extra) if _meet(piece.box, box)]
        at_best = self._gained(mode, min(sum(piece.volume for piece in near), volume), 0.0)
        if at_best + _ROUNDING <= least:
            return at_best
        right = sum((tool ^ piece.solid).volume() for piece in near)
        at_best = self._gained(mode, right, 0.0)
        if at_best <= least:
            return at_best
        met = self._met(tool)
        return self._gained(mode, right, met - right if mode is Mode.CUT else volume - met - right)

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
            self.part = self.part + tool
            self.part_volume += fresh.volume()
            self.shared += right.volume()
            self.missing = self._without(self.missing, tool)
            self.extra += self._kept(fresh - self.target)
        else:
            gone = tool ^ self.part
            wrong = gone ^ self.target
            self.part = self.part - tool
            self.part_volume -= gone.volume()
            self.shared -= wrong.volume()
            self.extra = self._without(self.extra, tool)
            self.missing += self._kept(wrong)

    def _without(self, pieces: list[_Piece], tool: Manifold) -> list[_Piece]:
        left: list[_Piece] = []
        box = tool.bounding_box()
        for piece in pieces:
            left += self._kept(piece.solid - tool) if _meet(piece.box, box) else [piece]
        return left


def _meet(p: Sequence[float], q: Sequence[float]) -> bool:
    """Whether two boxes (lows, then highs) meet."""
    return all(p[k] <= q[k + 3] and q[k] <= p[k + 3] for k in range(3))


def _tool(features: Sequence[Feature]) -> Manifold:
    """What `features` add or cut; built on its own, since most are asked for once."""
    return build([replace(f, mode=Mode.ADD) for f in features], m3.Manifold())

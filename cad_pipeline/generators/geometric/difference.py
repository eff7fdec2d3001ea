"""What a part has too much and too little against its target, kept up to date while features are applied to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import manifold3d as m3
import numpy as np
from numpy.typing import NDArray

from cad_pipeline.generators.geometric.features import Feature, Mode
from cad_pipeline.generators.geometric.scale import Scale
from cad_pipeline.generators.geometric.solids import Manifold, build, moments

__all__ = ["Difference"]

# how much of the part about a piece, by the piece's size, is looked at by itself
NEARBY = 0.3
# pieces are alike when their volumes and moments differ by no more than this share
_ALIKE = 0.02


class Difference:
    """A part against its target: what both have, and the pieces that are extra and missing."""

    def __init__(self, part: Manifold, target: Manifold, smallest: float) -> None:
        self.smallest = smallest
        self.target = target
        self.target_volume = target.volume()
        self.part = part
        self.part_volume = part.volume()
        common, missing = self.target.split(part)
        self.shared = common.volume()
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

    def like(self, piece: Manifold, mode: Mode) -> list[NDArray[np.float64]]:
        """Steps (3,) from a piece to those others that must be added or cut like it, by their moments."""
        steps: list[NDArray[np.float64]] = []
        volume, (middle, spread) = piece.volume(), moments(piece)
        for other in self.missing if mode is Mode.ADD else self.extra:
            if other is not piece and abs(other.volume() - volume) < _ALIKE * volume:
                # skins of no volume that hang on a piece widen its box, but not its moments
                there, across = moments(other)
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
    """What `features` add or cut; built on its own, since most are asked for once."""
    return build([replace(f, mode=Mode.ADD) for f in features], m3.Manifold())

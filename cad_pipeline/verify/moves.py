"""Features that are there but not where they belong: a missing and an extra piece that are one thing, moved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cad_pipeline.values import Region
from cad_pipeline.verify.words import mm, place_words

__all__ = ["Move", "find_moves"]

_WHOLE = {("hole", "extra hole"), ("boss", "extra boss")}
_LUNES = ("skin", "piece", "pocket")
# two full blocks may be a wide feature moved a little or a narrow one moved far
_FULL = 0.85
_ALIKE = 0.2
_BESIDE = 1.25
_ALONG = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One feature, moved by about `distance_mm` (None if that can't be told from the pieces), in words."""

    distance_mm: float | None
    words: str


def find_moves(regions: Sequence[Region]) -> tuple[list[Move], list[Region]]:
    """Pair missing pieces with the extra ones they moved to, nearest first; give the moves and the pieces left over.

    A hole that is missing here and too much there has moved if the diameters agree. A feature that moved by less than
    its width leaves two lunes instead, of equal volume and box, side by side: each is as large as what the feature
    sweeps, its width and height times the way it went, and so the way is the volume over those two.
    """
    pairs = sorted(
        (float(np.linalg.norm(np.subtract(a.centre, b.centre))), i, j)
        for i, a in enumerate(regions)
        for j, b in enumerate(regions)
        if i != j and _could_be_one(a, b)
    )
    moves: list[Move] = []
    used: set[int] = set()
    for _, i, j in pairs:
        if i in used or j in used:
            continue
        used |= {i, j}
        moves.append(_move(regions[i], regions[j]))
    return moves, [region for number, region in enumerate(regions) if number not in used]


def _could_be_one(missing: Region, extra: Region) -> bool:
    """Whether `extra` may be what `missing` moved to; each pair is asked for once, missing first."""
    sizes = np.array([missing.size, extra.size])
    if np.abs(sizes[0] - sizes[1]).max() > _ALIKE * sizes.max():
        return False
    if (missing.kind, extra.kind) in _WHOLE:
        return _diameter(missing) == _diameter(extra)
    if missing.kind not in _LUNES or extra.kind not in _LUNES:
        return False
    if " missing" not in missing.words or " too much" not in extra.words:
        return False
    # of a pocket it is the pocket that is missing, of a piece the material
    if (missing.kind == "pocket") != (extra.kind == "pocket"):
        return False
    if missing.volume_mm3 > _FULL * float(np.prod(missing.size)):
        return False
    volumes = (missing.volume_mm3, extra.volume_mm3)
    away = float(np.linalg.norm(np.subtract(missing.centre, extra.centre)))
    return max(volumes) <= (1.0 + _ALIKE) * min(volumes) and away <= _BESIDE * sizes.max()


def _diameter(region: Region) -> str:
    return region.words.partition("⌀")[2].partition(" ")[0]


def _move(missing: Region, extra: Region) -> Move:
    there, here = np.array(missing.centre), np.array(extra.centre)
    if missing.kind not in _LUNES:
        distance = float(np.linalg.norm(here - there))
        what = f"{missing.kind} ⌀{_diameter(missing)}"
        words = f"{what} is {mm(distance)} mm off: at {place_words(here)} instead of {place_words(there)}"
        return Move(distance_mm=distance, words=words)
    way = np.abs(here - there) / np.linalg.norm(here - there)
    axis = int(np.argmax(way))
    middle = place_words((here + there) / 2.0)
    width, height = np.delete((np.array(missing.size) + extra.size) / 2.0, axis)
    if way[axis] < _ALONG:
        return Move(distance_mm=None, words=f"a feature is moved sideways near {middle}")
    went = float((missing.volume_mm3 + extra.volume_mm3) / (2.0 * width * height))
    words = (
        f"a feature about {mm(width)} × {mm(height)} is off by about {mm(went)} mm along {'xyz'[axis]} near {middle}"
    )
    return Move(distance_mm=went, words=words)

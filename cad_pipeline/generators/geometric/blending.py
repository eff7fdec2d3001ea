"""Undo the blended edges of a part, so that the sharp part is explained and the blends are written last.

The smallest blends are undone first, as they were made last: where a rounded rim runs over rounded corners, these are
walls that support it. Each group of one size is looked for in what the one before left.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from cad_pipeline.generators.geometric.edge_blends import FILLS, Strip, blend_strips
from cad_pipeline.generators.geometric.edge_selection import selection
from cad_pipeline.generators.geometric.features import BlendedEdges, BlendKind, Mode
from cad_pipeline.generators.geometric.numbers import nice
from cad_pipeline.generators.geometric.part import Part
from cad_pipeline.generators.geometric.sharpening import Sharp, sharpened

__all__ = ["Unblended", "unblended"]

# strips whose sizes differ by less than this share are of one blend
ONE_SIZE = 0.02
# a blend of a smaller share of the part is not worth its statement
LEAST = 2e-4
MOST_BLENDS = 4
MOST_PARTS = 3
MOST_GROUPS = 8

_Key = tuple[BlendKind, bool, str, int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Unblended:
    """A part with sharp edges, and the blends in the order in which they are made."""

    part: Part
    blends: tuple[BlendedEdges, ...]

    @property
    def volume(self) -> float:
        """What the blends take off and fill in, in mm³."""
        return float(sum(blend.volume.volume() for blend in self.blends))


def unblended(part: Part) -> Unblended | None:
    """Undo what blends can be undone and said again; None if there are none."""
    blends: list[BlendedEdges] = []
    refused: set[_Key] = set()
    for _ in range(MOST_BLENDS):
        undone = _undone(part, refused)
        if undone is None:
            break
        part, blend = undone
        blends.insert(0, blend)
    return Unblended(part, tuple(blends)) if blends else None


def _undone(part: Part, refused: set[_Key]) -> tuple[Part, BlendedEdges] | None:
    """Undo the smallest blend of which the edges can be selected; what can't be is put with the `refused`."""
    least = LEAST * part.solid.volume()
    strips = blend_strips(part.vertices, part.faces, part.facets, part.scale, least)
    for group in _groups(strips, part, least):
        first = group[0]
        key = (first.kind, first.convex, f"{first.size:.2g}", len(group), sum(len(s.supports) for s in group))
        if key in refused:
            continue
        refused.add(key)
        sharp = sharpened(part.vertices, part.faces, part.facets, group, part.scale)
        if sharp is None or sharp.gained(part.solid) < least or _of_a_sketch(sharp):
            continue
        other = part.other(sharp.vertices, sharp.faces, sharp.solid, limit=part.limit)
        edges = selection(other.vertices, other.faces, other.facets, sharp.edges, part.scale)
        blend = None if edges is None else sharp.blend(part.solid)
        if edges is not None and blend is not None:
            size = nice(float(np.median([s.size for s in sharp.strips])), 0.006 * first.size)
            return other, BlendedEdges(first.kind, size, edges, blend, Mode.CUT if first.convex else Mode.ADD)
    return None


def _groups(strips: Sequence[Strip], part: Part, least: float) -> Iterator[list[Strip]]:
    """Strips of one size that fill `least` mm³, the smallest first; then the largest strips by themselves."""
    groups: list[list[Strip]] = []
    for strip in sorted(strips, key=lambda s: s.size):
        for group in groups:
            first = group[0]
            if (first.kind, first.convex) == (strip.kind, strip.convex) and strip.size < first.size * (1 + ONE_SIZE):
                group.append(strip)
                break
        else:
            groups.append([strip])
    worth = [g for g in groups if sum(_volume(s, part) for s in g) > least][:MOST_GROUPS]
    yield from worth
    for group in worth:
        if len(group) > 1:
            largest = sorted(group, key=lambda s: -_volume(s, part))[:MOST_PARTS]
            yield from ([s] for s in largest if _volume(s, part) > least)


def _volume(strip: Strip, part: Part) -> float:
    return FILLS[strip.kind] * strip.size * float(part.facets.area[list(strip.supports)].sum())


def _of_a_sketch(sharp: Sharp) -> bool:
    """Whether all edges run in one direction: seen along it, they are corners of a sketch."""
    along = sharp.edges[:, 1] - sharp.edges[:, 0]
    length = np.linalg.norm(along, axis=1)
    unit = along[length > 0] / length[length > 0, None]
    return bool((np.abs(unit @ unit[np.argmax(length[length > 0])]) > 1 - 1e-6).all())

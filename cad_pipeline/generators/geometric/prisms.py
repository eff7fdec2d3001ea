"""Follow the loops of a part's sections from slab to slab: a loop that keeps its shape is one prism.

Outer loops add, inner loops cut. In a slab the loops nest, so adding and cutting by depth of nesting rebuilds every
section exactly, whatever the other slabs do.
"""

from __future__ import annotations

from dataclasses import dataclass

from shapely.geometry import Polygon
from shapely.geometry.base import BaseGeometry

from cad_pipeline.generators.geometric.scale import Scale
from cad_pipeline.generators.geometric.sections import Slab, loops_differ, rings_of

__all__ = ["Prism", "chains", "track"]


@dataclass(slots=True)
class Prism:
    """A loop from `low` to `high`: its section in the middle, and at both ends where the walls are not vertical."""

    ring: Polygon
    low: float
    high: float
    sign: int
    depth: int
    straight: bool
    floor: Polygon
    ceiling: Polygon


def track(stack: list[Slab], scale: Scale) -> list[Prism]:
    """Follow loops through the slabs, upwards; a loop that reappears unchanged goes on."""
    finished: list[Prism] = []
    growing: list[Prism] = []
    size = scale.size
    smallest = 1e-6 * size * size
    for slab in stack:
        floors, ceilings = (rings_of(s, smallest) for s in (slab.floor, slab.ceiling))
        still: list[Prism] = []
        for ring, sign, depth in _with_depth(rings_of(slab.middle, smallest)):
            floor, ceiling = (ring, ring) if slab.straight else (_partner(ring, sign, s) for s in (floors, ceilings))
            straight = not (loops_differ(floor, ring, scale.wall) or loops_differ(ceiling, ring, scale.wall))
            match = next(
                (
                    p
                    for p in growing
                    if straight
                    and p.straight
                    and p.sign == sign
                    and p.depth == depth
                    and abs(p.high - slab.low) < 1e-9 * size
                    and not loops_differ(p.ring, ring, 0.75 * scale.wall)
                ),
                None,
            )
            if match is not None:
                growing.remove(match)
                match.high = slab.high
                still.append(match)
            else:
                still.append(Prism(ring, slab.low, slab.high, sign, depth, straight, floor, ceiling))
        finished += growing
        growing = still
    return finished + growing


def _partner(ring: Polygon, sign: int, others: list[tuple[Polygon, int]]) -> Polygon:
    """The loop of another section that this one becomes; itself where there is none."""
    best, overlap = ring, 0.3
    for other, other_sign in others:
        if other_sign == sign and other.intersects(ring):
            common = other.intersection(ring).area
            share = common / (other.area + ring.area - common)
            if share > overlap:
                best, overlap = other, share
    return best


def _with_depth(loops: list[tuple[Polygon, int]]) -> list[tuple[Polygon, int, int]]:
    """Number each loop by how many loops lie around it."""
    points = [ring.representative_point() for ring, _ in loops]
    result = []
    for k, (ring, sign) in enumerate(loops):
        around = sum(
            1 for m, (other, _) in enumerate(loops) if m != k and other.area > ring.area and other.contains(points[k])
        )
        result.append((ring, sign, around + (around % 2 != (sign < 0))))
    return result


def chains(prisms: list[Prism], size: float) -> list[list[Prism]]:
    """Link prisms that continue each other upwards with a changing section; each prism stands in exactly one chain."""
    order = sorted(prisms, key=lambda p: (p.low, -p.ring.area))
    made: list[list[Prism]] = []
    for prism in order:
        home = None
        for chain in made:
            last = chain[-1]
            if (
                last.sign == prism.sign
                and last.depth == prism.depth
                and abs(last.high - prism.low) < 1e-9 * size
                and not (last.straight and prism.straight)
                and _touch(last.ceiling, prism.floor, size)
            ):
                home = chain
                break
        if home is None:
            made.append([prism])
        else:
            home.append(prism)
    return made


def _touch(a: BaseGeometry, b: BaseGeometry, size: float) -> bool:
    """Whether one section runs on into the other without a step, up to what lies between the probing heights."""
    return not loops_differ(a, b, 2e-3 * size)

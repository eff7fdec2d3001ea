"""A free form as a core and limbs: what is thin against the core (a wing, a fin, a lug) is lofted along its own way.

One loft through a body with wings has to jump from the body's outline to that of both and back. Opened by a share of
the core's thickness (in the sense of mathematical morphology), the outlines run on as if the wings were not there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import shapely
from shapely.geometry.base import BaseGeometry

from cad_pipeline.generators.geometric.direction import BASE_NUMBERS, Direction
from cad_pipeline.generators.geometric.features import Feature, count_numbers
from cad_pipeline.generators.geometric.frame import Frame
from cad_pipeline.generators.geometric.part import Part
from cad_pipeline.generators.geometric.sections import Slab, rings_of
from cad_pipeline.generators.geometric.shells import mesh_of, shells_of
from cad_pipeline.generators.geometric.solids import build, iou

__all__ = ["core_and_limbs"]

# sections are opened by these shares of the core's largest inscribed radius
_OPENED = (0.25, 0.45)
_MOST_LIMBS = 3
# a limb is no less than this share of the part
_LEAST_LIMB = 0.02
# what the core may have of the numbers
_CORE = 0.55
_CONTOURS = 16
_LIMB_CONTOURS = (4, 8, 16)
# what is thinner than this share of a limb's own thickness is skin
_SKIN = 0.5


def core_and_limbs(part: Part, way: Direction, frames: Sequence[Frame]) -> Iterator[list[Feature]]:
    """Explain a part by a lofted core along one way, and lofted limbs along any; nothing where it has no limbs."""
    stack = way.evenly_cut(_CONTOURS)
    if any(len(rings_of(slab.middle, 0.0)) > 1 for slab in stack):
        return
    radius = max((_inscribed(slab.middle) for slab in stack), default=0.0)
    whole = sum(slab.middle.area * slab.height for slab in stack)
    for share in _OPENED:
        opened = [_opened(slab, share * radius) for slab in stack]
        if sum(slab.middle.area * slab.height for slab in opened) > (1.0 - _LEAST_LIMB) * whole:
            return
        core = way.lofted(opened, max(int(_CORE * part.limit), BASE_NUMBERS))
        limbs = _limbs(part, frames, core) if core else []
        if limbs:
            yield [*core, *limbs]


def _limbs(part: Part, frames: Sequence[Frame], core: list[Feature]) -> list[Feature]:
    """What the core leaves of the part, the largest first, each along the direction that serves the part best."""
    done = list(core)
    pieces = sorted(shells_of(part.solid - build(core)).solids(_LEAST_LIMB * part.solid.volume()), key=lambda p: -p[1])
    for piece, _ in pieces[:_MOST_LIMBS]:
        vertices, faces = mesh_of(piece)
        alone = part.other(vertices, faces, piece, limit=max(part.limit - count_numbers(done), 0))
        ways = [Direction(alone, frame, number) for number, frame in enumerate(frames)]
        options = [_lofted(way, count) for way in ways for count in _LIMB_CONTOURS]
        done = max([done, *([*done, *option] for option in options)], key=lambda o: _worth(part, o))
    return done[len(core) :]


def _worth(part: Part, features: list[Feature]) -> float:
    return iou(build(features), part.solid) - part.price * count_numbers(features)


def _lofted(way: Direction, count: int) -> list[Feature]:
    """Loft a limb without the skin that the core has left about itself."""
    stack = way.evenly_cut(count)
    thickness = sorted(_inscribed(slab.middle) for slab in stack)[len(stack) // 2]
    return way.lofted([_opened(slab, _SKIN * thickness) for slab in stack])


def _inscribed(section: BaseGeometry) -> float:
    """The radius of the largest circle within a section."""
    return 0.0 if section.is_empty else float(shapely.maximum_inscribed_circle(section).length)


def _opened(slab: Slab, radius: float) -> Slab:
    """A slab without what of its sections is thinner than twice `radius`."""
    floor, middle, ceiling = (s.buffer(-radius).buffer(radius) for s in (slab.floor, slab.middle, slab.ceiling))
    return replace(slab, floor=floor, middle=middle, ceiling=ceiling)

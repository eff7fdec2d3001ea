"""Complete a close program until it has the target's holes and bodies: small features that no IoU pays for.

A slot of a thousandth of a part's volume is nothing to the IoU and everything to the screw that goes through it.
"""

from __future__ import annotations

from collections.abc import Sequence

from cad_pipeline.generators.geometric.difference import Difference
from cad_pipeline.generators.geometric.features import Feature, Mode, count_numbers
from cad_pipeline.generators.geometric.frame import Frame
from cad_pipeline.generators.geometric.mending import Budget, explain, rooms_of
from cad_pipeline.generators.geometric.part import Part
from cad_pipeline.generators.geometric.solids import Manifold, build, count_bodies, count_tunnels

__all__ = ["completed"]

# pieces of less than this share of the target's volume are dust
_SMALLEST = 1e-6
_MOST_TRIES = 6
_MOST_LOOKED_AT = 20


def completed(features: Sequence[Feature], part: Part, frames: Sequence[Frame]) -> list[Feature]:
    """The features and those few more that bring the numbers of bodies and holes nearer to the target's."""
    done = list(features)
    solid = build(done)
    off = _off(solid, part)
    if not off:
        return done
    state = Difference(solid, part.solid, _SMALLEST * part.solid.volume())
    rooms = rooms_of(part.solid, frames, part.scale)
    budget = Budget(numbers=part.limit, price=0.0, taste=1e-9)
    refused: set[tuple[int, ...]] = set()
    for _ in range(_MOST_TRIES):
        option = _telling(state, off, refused, part)
        if option is None or not part.effort.spend():
            break
        key, piece, mode = option
        refused.add(key)
        found = explain(piece, mode, state, frames, rooms, part.scale, budget).features
        if found is None or count_numbers([*done, *found]) > part.limit:
            continue
        after = _off(build(found, start=state.part), part)
        if after < off:
            state.apply(found)
            done, off = [*done, *found], after
            if not off:
                break
    return done


def _telling(
    state: Difference, off: int, refused: set[tuple[int, ...]], part: Part
) -> tuple[tuple[int, ...], Manifold, Mode] | None:
    """The largest piece, too much or missing, that opens or closes what it should when it is taken as it is."""
    for key, piece, mode in state.largest(refused, part.scale)[:_MOST_LOOKED_AT]:
        after = _off(state.part + piece if mode is Mode.ADD else state.part - piece, part)
        if after < off:
            return key, piece, mode
        refused.add(key)
    return None


def _off(solid: Manifold, part: Part) -> int:
    """By how many bodies and holes together a solid differs from its target."""
    return abs(count_bodies(solid) - part.bodies) + abs(count_tunnels(solid) - part.tunnels)

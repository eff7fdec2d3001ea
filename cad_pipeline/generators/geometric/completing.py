"""Complete a close program until it has the target's holes and bodies: small features that no IoU pays for.

A slot of a thousandth of a part's volume is nothing to the IoU and everything to the screw that goes through it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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


@dataclass(frozen=True, slots=True)
class _Off:
    """By how many bodies and holes a part differs from its target."""

    bodies: int
    tunnels: int

    @classmethod
    def of(cls, solid: Manifold, part: Part) -> _Off:
        return cls(abs(count_bodies(solid) - part.bodies), abs(count_tunnels(solid) - part.tunnels))

    @property
    def total(self) -> int:
        return self.bodies + self.tunnels


def completed(features: Sequence[Feature], part: Part, frames: Sequence[Frame]) -> list[Feature]:
    """The features and those few more that bring the numbers of bodies and holes nearer to the target's."""
    done = list(features)
    solid = build(done)
    off = _Off.of(solid, part)
    if not off.total:
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
        found = explain(piece, mode, state, frames, rooms, part.scale, budget)
        if found is None or count_numbers([*done, *found]) > part.limit:
            continue
        after = _Off.of(build(found, start=state.part), part)
        if after.total < off.total:
            state.apply(found)
            done, off = [*done, *found], after
            if not off.total:
                break
    return done


def _telling(
    state: Difference, off: _Off, refused: set[tuple[int, ...]], part: Part
) -> tuple[tuple[int, ...], Manifold, Mode] | None:
    """The largest piece, too much or missing, that opens or closes what it should when it is taken as it is."""
    for key, piece, mode in state.largest(refused, part.scale)[:_MOST_LOOKED_AT]:
        after = _Off.of(state.part + piece if mode is Mode.ADD else state.part - piece, part)
        if after.total < off.total:
            return key, piece, mode
        refused.add(key)
    return None

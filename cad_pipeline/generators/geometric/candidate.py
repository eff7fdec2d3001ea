"""A whole program for a solid, scored in manifold arithmetic: IoU less the price of what must be read."""

from __future__ import annotations

from dataclasses import dataclass

from cad_pipeline.generators.geometric.features import Feature, FeatureProgram
from cad_pipeline.generators.geometric.part import PRICE_PER_NUMBER, Part
from cad_pipeline.generators.geometric.solids import (
    Manifold,
    before_blends,
    build,
    count_bodies,
    count_tunnels,
    iou,
    without_crumbs,
)

__all__ = ["Candidate", "scored"]

PRICE_PER_BODY = 5e-3
PRICE_PER_TUNNEL = 1.5e-3


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A feature program with what it builds and its IoU, in manifold arithmetic."""

    program: FeatureProgram
    solid: Manifold
    iou: float
    stray_bodies: int = 0
    tunnels_off: int = 0
    too_long: bool = False
    price: float = PRICE_PER_NUMBER

    @property
    def score(self) -> float:
        """IoU less the price of reading, of stray bodies and of holes too many or too few; a long text comes last."""
        fine = self.price * self.program.length + PRICE_PER_BODY * min(self.stray_bodies, 10)
        fine += PRICE_PER_TUNNEL * min(self.tunnels_off, 10)
        return self.iou - fine - (0.5 if self.too_long else 0.0)


def scored(part: Part, route: str, features: list[Feature]) -> Candidate | None:
    """Build `features` and compare them with the part; None where there are none."""
    if not features:
        return None
    solid = without_crumbs(build(features)) if part.bodies == 1 else build(features)
    whole = before_blends(features, solid)
    stray = abs(count_bodies(without_crumbs(whole) if part.bodies == 1 else whole) - part.bodies)
    program = FeatureProgram(tuple(features), route)
    off = abs(count_tunnels(whole) - part.tunnels)
    return Candidate(program, solid, iou(solid, part.solid), stray, off, program.numbers > part.limit, part.price)

"""Features that nearly agree: prisms are joined and corners moved together, where the part is met as well as before."""

from __future__ import annotations

import numpy as np
import pytest

from cad_pipeline.generators.geometric.agreement import agreed
from cad_pipeline.generators.geometric.features import Body, Extrusion, Feature, Mode, count_numbers
from cad_pipeline.generators.geometric.frame import Frame
from cad_pipeline.generators.geometric.scale import Scale
from cad_pipeline.generators.geometric.shapes2d import Outline, Rectangle, Segment
from cad_pipeline.generators.geometric.solids import build, iou

WORLD = Frame(np.zeros(3), np.eye(3))
SCALE = Scale(60.0, 1e-5)
PRICE = 2e-5


def plate(*corners: tuple[float, float], low: float = 0.0, high: float = 5.0, mode: Mode = Mode.ADD) -> Extrusion:
    return Extrusion(WORLD, Outline(tuple(Segment(c) for c in corners)), low, high, mode)


LOWER = plate((40.0, 0.0), (40.0, 30.0), (20.0, 36.0), (0.0, 30.0), (0.0, 0.0))
# what a fit of another section of the same wall gives
UPPER = plate((40.0, 0.0), (40.001, 30.0), (20.0, 36.002), (0.0, 30.001), (0.0, 0.0), low=5.0, high=9.0)
WIDER = plate((40.0, 0.0), (46.0, 30.0), (20.0, 42.0), (0.0, 30.0), (0.0, 0.0), low=5.0, high=9.0)


@pytest.mark.parametrize("inside_a_body", [False, True])
def test_prisms_that_nearly_continue_each_other_become_one(inside_a_body: bool) -> None:
    features: list[Feature] = [LOWER, UPPER]
    if inside_a_body:
        features = [Extrusion(WORLD, Rectangle((20.0, 20.0), (80.0, 80.0)), 0.0, 12.0), Body(tuple(features), Mode.CUT)]
    target = build(features)
    made = agreed(features, target, SCALE, PRICE)
    inner = made[1].features if isinstance(made[-1], Body) else tuple(made)
    assert len(inner) == 1 and (inner[0].low, inner[0].high) == (0.0, 9.0)
    assert count_numbers(made) < count_numbers(features)
    assert iou(build(made), target) > 0.999


def test_prisms_that_differ_stay_two() -> None:
    assert agreed([LOWER, WIDER], build([LOWER, WIDER]), SCALE, PRICE) == [LOWER, WIDER]


def test_corners_that_nearly_coincide_become_one() -> None:
    rib = plate((30.0, 0.001), (40.002, 0.001), (40.002, 30.001), (30.0, 30.001), low=5.0, high=20.0)
    target = build([LOWER, rib])
    base, moved = agreed([LOWER, rib], target, SCALE, PRICE)
    assert base is LOWER
    assert isinstance(moved, Extrusion) and isinstance(moved.shape, Outline)
    assert (40.0, 30.0) in [s.end for s in moved.shape.segments]
    assert iou(build([base, moved]), target) > 0.999


def test_an_arc_between_moved_ends_becomes_the_known_arc() -> None:
    arc = (Segment((10.0, 0.0)), Segment((0.0, 10.0), mid=(7.0710678, 7.0710678)), Segment((0.0, 0.0)))
    near = (Segment((10.002, 0.0)), Segment((0.0, 10.003), mid=(7.074, 7.072)), Segment((0.0, 0.0)))
    features = [Extrusion(WORLD, Outline(arc), 0.0, 5.0), Extrusion(WORLD, Outline(near), 5.0, 8.0, Mode.ADD)]
    apart = [features[0], Extrusion(WORLD, Outline(near), 6.0, 8.0, Mode.ADD)]
    made = agreed(apart, build(apart), SCALE, PRICE)
    assert isinstance(made[1], Extrusion) and made[1].shape == Outline(arc)
    assert len(agreed(features, build(features), SCALE, PRICE)) == 1

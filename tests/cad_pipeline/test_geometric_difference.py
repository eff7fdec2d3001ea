"""What features gain: the bounds that save booleans say no more than the booleans."""

from __future__ import annotations

import numpy as np
import pytest
from shapely.geometry import Polygon, box

from cad_pipeline.generators.geometric.difference import Difference
from cad_pipeline.generators.geometric.features import Extrusion, Mode
from cad_pipeline.generators.geometric.frame import Frame
from cad_pipeline.generators.geometric.room import _shared
from cad_pipeline.generators.geometric.shapes2d import Rectangle
from cad_pipeline.generators.geometric.solids import build, iou

WORLD = Frame(np.zeros(3), np.eye(3))


def block(x: float, y: float, wide: float, low: float, high: float, mode: Mode = Mode.ADD) -> Extrusion:
    return Extrusion(WORLD, Rectangle((x, y), (wide, wide)), low, high, mode)


def difference() -> Difference:
    part = build([block(0, 0, 40, 0, 10), block(10, 10, 6, 10, 14)])
    target = build([block(0, 0, 40, 0, 10), block(-10, -10, 8, 10, 16), block(5, -12, 4, 2, 10, Mode.CUT)])
    return Difference(part, target, 1e-6)


TOOLS = [
    block(-10, -10, 8, 10, 16),
    block(-10, -10, 12, 10, 13),
    block(-9, -11, 2, 10, 30),
    block(30, 30, 4, 0, 10),
    block(10, 10, 6, 10, 14, Mode.CUT),
    block(5, -12, 6, 2, 10, Mode.CUT),
    block(0, 0, 30, 5, 20, Mode.CUT),
]


@pytest.mark.parametrize("tool", TOOLS)
def test_a_gain_is_what_applying_the_feature_brings(tool: Extrusion) -> None:
    state = difference()
    assert state.iou == pytest.approx(iou(state.part, state.target), abs=1e-12)
    before, gain = state.iou, state.gain([tool])
    state.apply([tool])
    assert state.iou - before == pytest.approx(gain, abs=1e-12)
    assert state.iou == pytest.approx(iou(state.part, state.target), abs=1e-12)


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("least", [-0.5, -1e-3, 0.0, 1e-3, 1e-2, 2e-2, 0.1])
def test_what_is_asked_with_a_least_gain_is_right_where_it_is_more(tool: Extrusion, least: float) -> None:
    whole = difference().gain([tool])
    bounded = difference().gain([tool], least)
    assert bounded == whole if whole > least else bounded <= least


def test_a_shared_volume_is_right_where_it_is_more_than_the_least() -> None:
    part = Polygon([(0, 0), (6, 0), (0, 6)])
    sections = [(box(0, 0, 2, 2), 1.0), (box(1, 1, 9, 9), 2.0), (box(7, 7, 9, 9), 5.0), (part, 0.5)]
    whole = sum(part.intersection(section).area * height for section, height in sections)
    for least in np.linspace(0.0, 40.0, 81):
        shared = _shared(part, sections, float(least))
        assert shared == whole if whole > least else shared <= least


def test_a_skin_all_round_is_no_more_than_the_skin() -> None:
    grown = Extrusion(WORLD, Rectangle((0.0, 0.0), (10.2, 10.2)), -0.1, 10.1)
    target = build([Extrusion(WORLD, Rectangle((0.0, 0.0), (10.0, 10.0)), 0.0, 10.0)])
    state = Difference(build([grown]), target, 1.0)
    assert sum(piece.volume for piece in state.extra) == pytest.approx(state.part_volume - 1000.0)
    slab = Extrusion(WORLD, Rectangle((0.0, 0.0), (20.0, 20.0)), 10.0, 11.0, Mode.CUT)
    after = build([grown, slab])
    assert state.gain([slab]) == pytest.approx(iou(after, target) - state.iou)

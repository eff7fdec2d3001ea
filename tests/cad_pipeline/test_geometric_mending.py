"""Mending finds what a first explanation missed, adds it as features of its own, and spends no more than it may."""

import manifold3d as m3
import numpy as np
import pytest

from cad_pipeline.generators.geometric.features import Extrusion, Mode, count_numbers
from cad_pipeline.generators.geometric.frame import frame_along
from cad_pipeline.generators.geometric.mending import Budget, mend
from cad_pipeline.generators.geometric.scale import Scale
from cad_pipeline.generators.geometric.shapes2d import Circle, Rectangle
from cad_pipeline.generators.geometric.solids import build, iou

FRAMES = [frame_along(np.eye(3)[k], np.zeros(3)) for k in (2, 0, 1)]
SCALE = Scale(75.0, 3e-5)
PLATE = Extrusion(FRAMES[0], Rectangle((0.0, 0.0), (60.0, 40.0)), 0.0, 20.0)


def bar(axis, radius, at, low, high):
    angles = {"x": (0, 90, 0), "y": (-90, 0, 0), "z": (0, 0, 0)}[axis]
    return m3.Manifold.cylinder(high - low, radius, radius, 48).translate((0, 0, low)).rotate(angles).translate(at)


def box(low, high):
    return m3.Manifold.cube(tuple(np.subtract(high, low))).translate(tuple(low))


def mended(target, budget=None):
    features = mend([PLATE], build([PLATE]), target, FRAMES, SCALE, budget or Budget())
    assert features[0] is PLATE
    return features


def test_what_is_right_is_left_alone():
    assert mended(build([PLATE])) == [PLATE]


def test_a_side_bore_becomes_a_cut_along_its_own_axis():
    target = build([PLATE]) - bar("x", 4, (0, 5, 10), -40, 40)
    features = mended(target)
    assert len(features) == 2
    cut = features[1]
    assert cut.mode is Mode.CUT
    assert isinstance(cut.shape, Circle)
    assert cut.shape.radius == pytest.approx(4, abs=1e-3)
    assert abs(cut.frame.axes[2]) == pytest.approx([1, 0, 0])
    assert iou(build(features), target) > 0.999


def test_pockets_and_bosses_on_several_sides_are_found():
    target = (
        build([PLATE])
        - box((-25, -21, 5), (-5, -12, 15))
        + bar("z", 8, (15, 5, 0), 20, 30)
        + box((30, -5, 4), (38, 5, 12))
    )
    features = mended(target)
    assert len(features) == 4
    assert sorted(f.mode.value for f in features[1:]) == ["add", "add", "cut"]
    assert iou(build(features), target) > 0.9995


def test_every_step_improves():
    target = (
        build([PLATE])
        - box((-25, -21, 5), (-5, -12, 15))
        - bar("y", 3, (10, 0, 8), -30, 30)
        + box((30, -5, 4), (38, 5, 12))
    )
    features = mended(target)
    scores = [iou(build(features[:k]), target) for k in range(1, len(features) + 1)]
    assert len(scores) > 2
    assert scores == sorted(scores)


def test_the_budget_of_numbers_is_kept():
    target = build([PLATE])
    for k in range(6):
        target -= box((-28 + 9 * k, -21, 4), (-23 + 9 * k, -10 - k, 16))
    assert count_numbers(mended(target)) > 30
    few = mended(target, Budget(numbers=20))
    assert len(few) > 1
    assert count_numbers(few) <= 20


def test_a_number_that_brings_too_little_is_not_written():
    target = build([PLATE]) - box((29, 19, 0), (31, 21, 20))
    assert len(mended(target)) == 2
    assert mended(target, Budget(price=1e-3)) == [PLATE]


def test_a_skew_pocket_gets_a_direction_of_its_own():
    target = build([PLATE]) - box((-4, -30, -6), (4, 30, 6)).rotate((0, 30, 0)).translate((0, 0, 20))
    features = mended(target)
    assert iou(build(features), target) > 0.995

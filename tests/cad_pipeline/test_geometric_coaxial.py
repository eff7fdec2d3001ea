"""Round features on one axis become one turned profile where no drill makes them; others stay what they are."""

from __future__ import annotations

import numpy as np
import pytest

from cad_pipeline.generators.geometric.coaxial import turned_together
from cad_pipeline.generators.geometric.features import (
    BlendedEdges,
    BlendKind,
    Extrusion,
    Mode,
    Revolution,
    Selection,
    about_blends,
)
from cad_pipeline.generators.geometric.frame import frame_along
from cad_pipeline.generators.geometric.scale import Scale
from cad_pipeline.generators.geometric.shapes2d import Circle, Outline, Rectangle, Segment
from cad_pipeline.generators.geometric.solids import as_solid, build, iou

SCALE = Scale(75.0, 3e-5)
UP = frame_along(np.array([0.0, 0.0, 1.0]), np.zeros(3))
DOWN = frame_along(np.array([0.0, 0.0, -1.0]), np.zeros(3))
PLATE = Extrusion(UP, Rectangle((0.0, 0.0), (60.0, 40.0)), 0.0, 20.0)


def bore(x, y, diameter, low, high, mode=Mode.CUT):
    return Extrusion(UP, Circle((x, y), diameter / 2), low, high, mode)


def cone(x, y, bottom, low, top, high, frame=UP, mode=Mode.CUT):
    points = [(0.0, low), (bottom / 2, low), (top / 2, high), (0.0, high)]
    return Revolution(frame.moved(np.array([x, y, 0.0])), Outline(tuple(Segment(p) for p in points)), mode)


def together(*cuts):
    features = [PLATE, *cuts]
    found = turned_together(features, SCALE)
    assert iou(build(found), build(features)) > 0.9999
    return found


def test_a_bore_with_steps_and_a_cone_is_one_profile():
    plate, whole = together(bore(5, 4, 6, 0, 2), bore(5, 4, 8.1, 2, 18.5), cone(5, 4, 8.1, 18, 10, 20))
    assert plate is PLATE and isinstance(whole, Revolution)
    # the cone begins where the bore is as wide as it
    assert len(whole.profile.segments) == 7
    assert whole.frame.origin == pytest.approx([5.0, 4.0, 0.0])


def test_a_cone_seen_from_the_other_side_lies_on_the_same_axis():
    # seen from below, x and y change places
    found = together(bore(5, 4, 6, 0, 20), cone(4, 5, 6, -2, 10, 0, frame=DOWN), cone(5, 4, 6, 18, 10, 20))
    assert len(found) == 2


@pytest.mark.parametrize(
    "cuts",
    [
        [bore(5, 4, 6, 0, 5), bore(5, 4, 9, 5, 20)],
        [bore(5, 4, 6, 0, 5), bore(5, 4, 9, 6, 10), bore(5, 4, 12, 11, 20)],
        [bore(5, 4, 6, 0, 5), bore(5.1, 4, 9, 5, 10), bore(5, 4.1, 12, 10, 20)],
    ],
    ids=["a step", "apart", "other axes"],
)
def test_what_is_no_stack_stays(cuts):
    assert together(*cuts) == [PLATE, *cuts]


@pytest.mark.parametrize("aside", [False, True])
def test_what_is_added_between_parts_two_cuts_unless_it_stands_aside(aside):
    boss = Extrusion(UP, Rectangle((-20.0 if aside else 5.0, 4.0), (10.0, 10.0)), 0.0, 24.0)
    cuts = [bore(5, 4, 6, 0, 5), boss, cone(5, 4, 6, 5, 10, 20)]
    found = together(*cuts)
    assert len(found) == 3 if aside else found == [PLATE, *cuts]


def test_what_stands_before_a_blend_is_not_told_with_what_comes_after_it():
    taken = as_solid(cone(-20, 10, 2, 18, 3, 20))
    blend = BlendedEdges(BlendKind.CHAMFER, 0.5, Selection(".edges()", 4), taken, Mode.CUT)
    features = [PLATE, bore(5, 4, 6, 0, 18), blend, cone(5, 4, 6, 18, 10, 20)]
    assert about_blends(features, lambda some: turned_together(some, SCALE)) == features
    before, after = bore(5, 4, 8, 18, 20), [bore(-9, 4, 6, 0, 18), cone(-9, 4, 6, 18, 10, 20)]
    found = about_blends([PLATE, before, blend, *after], lambda some: turned_together(some, SCALE))
    assert found[:3] == [PLATE, before, blend] and len(found) == 4

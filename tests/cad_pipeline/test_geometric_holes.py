"""Round cuts become drilled holes of the right kind, as the target shows; cuts that no drill makes stay cuts."""

from dataclasses import dataclass

import manifold3d as m3
import numpy as np
import pytest

from cad_pipeline.generators.geometric.features import Extrusion, Hole, Mode, Moves, Repeated, Revolution, Turns
from cad_pipeline.generators.geometric.frame import frame_along
from cad_pipeline.generators.geometric.holes import drilled
from cad_pipeline.generators.geometric.scale import Scale
from cad_pipeline.generators.geometric.shapes2d import Circle, Outline, Rectangle, Segment
from cad_pipeline.generators.geometric.solids import as_solid, build, iou

SCALE = Scale(75.0, 3e-5)
UP = frame_along(np.array([0.0, 0.0, 1.0]), np.zeros(3))
SIDE = frame_along(np.array([1.0, 0.0, 0.0]), np.zeros(3))
PLATE = Extrusion(UP, Rectangle((0.0, 0.0), (60.0, 40.0)), 0.0, 20.0)


def bore(x, y, diameter, low, high, frame=UP):
    return Extrusion(frame, Circle((x, y), diameter / 2), low, high, Mode.CUT)


def funnel(x, y, diameter, mouth, low, high):
    """A bore that widens as a cone of 90° to `mouth` at its upper end."""
    neck = high - (mouth - diameter) / 2
    points = [(diameter / 2, low), (diameter / 2, neck), (mouth / 2, high), (0.0, high), (0.0, low)]
    return Revolution(UP.moved(np.array([x, y, 0.0])), Outline(tuple(Segment(p) for p in points)), Mode.CUT)


@dataclass
class Drilling:
    """Features in, features out, and the solid they are of."""

    features: list
    target: object

    @property
    def holes(self):
        return [f for f in self.features if isinstance(f, Hole)]


def drill(*cuts, base=(PLATE,)):
    features = [*base, *cuts]
    target = build(features)
    found = Drilling(drilled(features, target, SCALE), target)
    assert iou(build(found.features), target) > 0.9999, "drilling changes how a part is written, not the part"
    return found


def ends(hole):
    """World points of the mouth and of the floor of a hole's first bore."""
    x, y = hole.points[0]
    return hole.frame.to_world(np.array([[x, y, 0.0], [x, y, -hole.length]]))


def test_a_bore_through_everything_is_a_through_hole():
    (hole,) = drill(bore(10, 5, 8, 0, 20)).holes
    assert (hole.diameter, hole.depth) == (8, None)
    assert ends(hole)[0] == pytest.approx([10, 5, 20])


def test_a_bore_with_a_floor_has_its_depth():
    (hole,) = drill(bore(10, 5, 8, 12, 20)).holes
    assert (hole.diameter, hole.depth) == (8, 8)
    assert ends(hole) == pytest.approx(np.array([[10, 5, 20], [10, 5, 12]]))


def test_a_bore_from_below_is_drilled_from_below():
    (hole,) = drill(bore(10, 5, 8, 0, 6)).holes
    assert (hole.diameter, hole.depth) == (8, 6)
    assert hole.frame.axes[2] == pytest.approx([0, 0, -1])
    assert ends(hole) == pytest.approx(np.array([[10, 5, 0], [10, 5, 6]]))


@pytest.mark.parametrize("low", [0, 4])
def test_a_wide_mouth_is_a_counterbore(low):
    (hole,) = drill(bore(0, 0, 6, low, 14), bore(0, 0, 11, 14, 20)).holes
    assert (hole.diameter, hole.counterbore, hole.countersink) == (6, (11, 6), None)
    assert hole.depth == (None if low == 0 else 16)


def test_a_counterbore_from_below_is_drilled_from_below():
    (hole,) = drill(bore(3, 4, 11, 0, 6), bore(3, 4, 6, 6, 20)).holes
    assert (hole.diameter, hole.counterbore, hole.depth) == (6, (11, 6), None)
    assert ends(hole)[0] == pytest.approx([3, 4, 0])


def test_a_conical_mouth_is_a_countersink():
    (hole,) = drill(funnel(-12, 7, 5, 10, 0, 20)).holes
    assert (hole.diameter, hole.counterbore, hole.depth) == (5, None, None)
    assert hole.countersink == pytest.approx((10, 90))
    assert ends(hole)[0] == pytest.approx([-12, 7, 20])


def test_equal_holes_are_one_feature():
    found = drill(*(bore(x, y, 5, 0, 20) for x in (-20, 20) for y in (-10, 10)), bore(0, 0, 9, 0, 20))
    assert sorted((h.diameter, len(h.points)) for h in found.holes) == [(5, 4), (9, 1)]
    assert len(found.features) == 3


def test_holes_of_different_depth_stay_apart():
    found = drill(bore(-20, 0, 5, 10, 20), bore(20, 0, 5, 5, 20))
    assert sorted(h.depth for h in found.holes) == [10, 15]


def test_holes_through_all_from_different_heights_are_one_drilling():
    step = Extrusion(UP, Rectangle((-20.0, 0.0), (20.0, 20.0)), 20.0, 28.0)
    cuts = [bore(10, 5, 4, 0, 20), bore(-20, 0, 4, 0, 28), bore(25, -5, 4, 0, 20)]
    (hole,) = drill(*cuts, base=(PLATE, step)).holes
    assert len(hole.points) == 3 and hole.depth is None and hole.frame.origin[2] == pytest.approx(28)
    # a hole through two ears is one
    ears = [Extrusion(UP, Rectangle((0.0, 0.0), (20.0, 20.0)), low, low + 4.0) for low in (30.0, 50.0)]
    pillar = Extrusion(UP, Rectangle((12.0, 0.0), (6.0, 20.0)), 20.0, 54.0)
    cuts = [bore(-2, 0, 4, 0, 20), *(bore(-2, 0, 4, low, low + 4) for low in (30.0, 50.0))]
    (hole,) = drill(*cuts, base=(PLATE, pillar, *ears)).holes
    assert hole.points == ((-2.0, 0.0),) and hole.frame.origin[2] == pytest.approx(54)


def test_a_hole_may_come_from_the_side():
    # along x the plate's frame has y to the right and z upwards
    (hole,) = drill(bore(5, 10, 6, 12, 30, SIDE)).holes
    assert abs(hole.frame.axes[2]) == pytest.approx([1, 0, 0])
    assert hole.depth == 18
    assert ends(hole) == pytest.approx(np.array([[30, 5, 10], [12, 5, 10]]))


def test_a_void_inside_is_no_hole():
    found = drill(bore(0, 0, 8, 5, 15))
    assert found.holes == []
    assert len(found.features) == 2


def test_a_square_pocket_stays_a_cut():
    pocket = Extrusion(UP, Rectangle((0.0, 0.0), (10.0, 10.0)), 5.0, 20.0, Mode.CUT)
    assert drill(pocket).features == [PLATE, pocket]


def test_a_blind_hole_under_a_boss_keeps_its_boss():
    # drilled from above, the hole would go through the bridge
    bridge = Extrusion(UP, Rectangle((0.0, 0.0), (10.0, 40.0)), 16.0, 20.0)
    low_plate = Extrusion(UP, Rectangle((0.0, 0.0), (60.0, 40.0)), 0.0, 10.0)
    left = Extrusion(UP, Rectangle((0.0, 17.0), (10.0, 6.0)), 10.0, 16.0)
    drill(bore(0, 0, 6, 0, 10), base=(low_plate, left, bridge))


def test_a_hole_through_a_round_wall_starts_outside():
    post = Extrusion(SIDE, Circle((0.0, 10.0), 15.0), -20.0, 20.0)
    across = bore(0, 0, 6, -5.0, 25.0)
    (hole,) = drill(across, base=(post,)).holes
    assert hole.depth is None
    assert ends(hole)[0][2] >= 25 - 1e-6


def test_a_hole_is_what_its_cuts_were():
    hole = Hole(UP.moved(np.array([0.0, 0.0, 20.0])), ((0.0, 0.0), (15.0, 5.0)), 6.0, 12.0, 12.0, (10.0, 4.0))
    cuts = [as_solid(bore(x, y, *rest)) for x, y in hole.points for rest in ((6, 8, 20), (10, 16, 20))]
    assert iou(as_solid(hole), m3.Manifold.batch_boolean(cuts, m3.OpType.Add)) > 0.9999


def test_a_cone_about_the_mouth_of_a_bore_is_its_countersink():
    cone = [(2.5, 17.5), (5.0, 20.0), (0.0, 20.0), (0.0, 17.5)]
    sunk = Revolution(UP.moved(np.array([-12.0, 7.0, 0.0])), Outline(tuple(Segment(p) for p in cone)), Mode.CUT)
    (hole,) = drill(sunk, bore(-12, 7, 5, 0, 20)).holes
    assert (hole.diameter, hole.depth) == (5, None)
    assert hole.countersink == pytest.approx((10, 90))


CORNERS = ((0.0, 0.0), (30.0, 0.0), (30.0, 16.0), (0.0, 16.0))


@pytest.mark.parametrize(
    ("cut", "places", "centres"),
    [
        (funnel(-15, -8, 6, 10, -1, 20), Moves(CORNERS, even=True), [(x - 15, y - 8) for x, y in CORNERS]),
        (bore(10, 0, 6, -1, 21), Turns((0.0, 0.0), 4, 90.0), [(0, 10), (-10, 0), (0, -10), (10, 0)]),
        (bore(12, 3, 6, -1, 21), Turns((2.0, 3.0), 2), [(12, 3), (-8, 3)]),
    ],
    ids=["moved", "turned", "turned aside"],
)
def test_a_bore_told_once_with_its_places_is_drilled_at_each(cut, places, centres):
    (hole,) = drill(Repeated(cut, UP, places, Mode.CUT)).holes
    at = hole.frame.to_world(np.array([[*p, 0.0] for p in hole.points]))[:, :2]
    assert sorted(np.round(at, 6).tolist()) == sorted([float(x), float(y)] for x, y in centres)
    assert (hole.countersink is not None) is isinstance(cut, Revolution)


def test_a_cone_that_no_drill_makes_stays_told_once():
    inside = Extrusion(UP, Rectangle((0.0, 0.0), (60.0, 40.0)), 20.0, 25.0)
    points = [(3.0, 5.0), (3.0, 9.0), (5.0, 12.0), (0.0, 12.0), (0.0, 5.0)]
    hollow = Revolution(UP, Outline(tuple(Segment(p) for p in points)), Mode.CUT)
    made = drill(Repeated(hollow, UP, Moves(((0.0, 0.0), (12.0, 0.0))), Mode.CUT), base=(PLATE, inside))
    assert not made.holes and isinstance(made.features[-1], Repeated)


def test_a_hole_in_what_another_has_drilled_is_not_drilled_again():
    sunk, stray = bore(10, 5, 9, 14, 20), bore(10, 5, 5, 0, 14)
    (hole,) = drill(sunk, stray, bore(10, 5, 5, -1, 21)).holes
    assert (hole.diameter, hole.counterbore) == (5, (9, 6))


def test_of_equal_holes_only_those_that_are_drilled_already_go():
    (first, second) = drill(
        bore(10, 5, 9, 14, 20), bore(10, 5, 5, 0, 14), bore(10, 5, 5, -1, 21), bore(-10, 5, 5, -1, 21)
    ).holes
    found = {hole.counterbore: len(hole.points) for hole in (first, second)}
    assert found == {(9, 6): 1, None: 1}

"""Prisms fill only the room that the target leaves, silhouettes and pruning keep to what pays."""

from dataclasses import replace

import manifold3d as m3
import numpy as np
import pytest

from cad_pipeline.generators.geometric.features import Body, Extrusion, Mode, Repeated, Turns, count_numbers
from cad_pipeline.generators.geometric.frame import frame_along
from cad_pipeline.generators.geometric.mending import Budget, Effort, largest_prism, mend, rooms_of
from cad_pipeline.generators.geometric.pruning import lightened, pruned
from cad_pipeline.generators.geometric.room import silhouette_features
from cad_pipeline.generators.geometric.scale import Scale
from cad_pipeline.generators.geometric.shapes2d import Circle, Rectangle
from cad_pipeline.generators.geometric.solids import build, iou

FRAMES = [frame_along(np.eye(3)[k], np.zeros(3)) for k in (2, 0, 1)]
SCALE = Scale(75.0, 3e-5)


def box(low, high):
    return m3.Manifold.cube(tuple(np.subtract(high, low))).translate(tuple(low))


def rectangle(frame, size, low, high, mode=Mode.ADD, centre=(0.0, 0.0)):
    return Extrusion(frame, Rectangle(centre, size), low, high, mode)


PLATE = rectangle(FRAMES[0], (60.0, 40.0), 0.0, 20.0)


@pytest.fixture(scope="module")
def angle():
    # an angle bracket: a foot and a wall that stands on it
    return box((-30, -20, 0), (30, 20, 4)) + box((-30, -20, 0), (-26, 20, 30))


def test_a_prism_that_adds_stays_inside_and_covers_the_piece(angle):
    wall = box((-30, -20, 4), (-26, 20, 30))
    best = max(
        (build([f]) for room in rooms_of(angle, FRAMES, SCALE) for (f,) in room.features(wall, Mode.ADD)),
        key=lambda s: (s ^ wall).volume(),
    )
    assert (best - angle).volume() < 1e-3 * angle.volume()
    assert (best ^ wall).volume() == pytest.approx(wall.volume(), rel=1e-3)


def test_a_prism_that_cuts_stays_outside_and_goes_beyond_the_part(angle):
    block = box((-30, -20, 0), (30, 20, 30))
    extra = block - angle
    cuts = [
        build([f.__class__(f.frame, f.shape, f.low, f.high)])
        for room in rooms_of(angle, FRAMES, SCALE)
        for (f,) in room.features(extra, Mode.CUT)
    ]
    best = max(cuts, key=lambda s: (s ^ extra).volume())
    assert (best ^ angle).volume() < 1e-3 * angle.volume()
    assert (best ^ extra).volume() == pytest.approx(extra.volume(), rel=1e-3)
    assert best.volume() > extra.volume() * 1.01


def test_corners_that_a_hair_joins_are_two_prisms():
    outline = [(-30, 0), (30, 0), (30, 10), (22, 20), (-22, 20), (-30, 10)]
    roof = m3.CrossSection([outline]).extrude(40).rotate((90, 0, 0)).translate((0, 20, 0))
    target = roof + box((30, -20, 0), (34, 20, 40))
    # too high by a hair, so that what is too much at one corner hangs together with what is at the other
    extra = box((-30, -20, 0), (30, 20, 20.03)) - target
    assert len(extra.decompose()) == 1
    found = [f for room in rooms_of(target, FRAMES, SCALE) for (f,) in room.features(extra, Mode.CUT)]
    sides = {np.sign(np.mean(np.array(build([replace(f, mode=Mode.ADD)]).bounding_box())[[0, 3]])) for f in found}
    assert {-1.0, 1.0} <= sides


def test_the_largest_prism_is_as_much_of_the_part_as_one_sketch_says(angle):
    gusset = box((-26, 12, 4), (0, 16, 20))
    target = angle + gusset
    (prism,) = largest_prism(target, rooms_of(target, FRAMES, SCALE), Budget())
    assert iou(build([prism]), angle) > 0.9999
    assert largest_prism(target, [], Budget()) == []


def test_silhouettes_give_a_part_of_crossing_extrusions(angle):
    window = box((-31, -8, 12), (-20, 8, 24))
    target = angle - window
    features = silhouette_features(rooms_of(target, FRAMES, SCALE), target)
    assert iou(build(features), target) > 0.999


def test_mending_stops_when_its_effort_is_spent(angle):
    start = [rectangle(FRAMES[0], (60.0, 40.0), 0.0, 4.0)]
    nothing = mend(start, build(start), angle, FRAMES, SCALE, Budget(effort=Effort(0)))
    assert nothing == start
    mended = mend(start, build(start), angle, FRAMES, SCALE, Budget(effort=Effort(10)))
    assert iou(build(mended), angle) > 0.999


def test_the_more_triangles_the_fewer_pieces_are_tried():
    assert Effort.of(1_000).left > Effort.of(10_000).left > Effort.of(1_000_000).left > 0


def test_pruning_drops_what_is_not_worth_its_numbers_but_no_hole():
    speck = rectangle(FRAMES[0], (0.2, 0.2), 20.0, 20.2)
    hole = Extrusion(FRAMES[0], Circle((0.0, 0.0), 0.1), 0.0, 20.0, Mode.CUT)
    boss = rectangle(FRAMES[0], (20.0, 20.0), 20.0, 25.0)
    target = build([PLATE, speck, hole, boss])
    assert pruned([PLATE, speck, hole, boss], target, 2e-5) == [PLATE, hole, boss]
    dimples = Repeated(replace(hole, low=24.0, high=25.0), hole.frame, Turns((0.0, 0.0), 3), Mode.CUT)
    assert pruned([PLATE, dimples, boss], build([PLATE, boss]), 2e-5) == [PLATE, dimples, boss]


def test_pruning_reaches_into_bodies():
    cavity = rectangle(FRAMES[0], (50.0, 30.0), 5.0, 20.0)
    speck = rectangle(FRAMES[0], (0.2, 0.2), 5.0, 5.2, Mode.CUT)
    body = Body((cavity, speck), Mode.CUT)
    (_, kept) = pruned([PLATE, body], build([PLATE, body]), 2e-5)
    assert isinstance(kept, Body) and kept.features == (cavity,)


def test_lightening_keeps_the_heaviest_features():
    bosses = [rectangle(FRAMES[0], (w, w), 20.0, 25.0, centre=(w, 0.0)) for w in (1.0, 9.0, 4.0)]
    features = [PLATE, *bosses]
    kept = lightened(features, 1)
    assert kept == [PLATE, bosses[1], bosses[2]]
    assert count_numbers(kept) < count_numbers(features)


def test_a_body_is_cut_as_one_so_that_its_own_cuts_may_go_beyond_it():
    cavity = rectangle(FRAMES[0], (50.0, 30.0), 5.0, 20.0)
    rib = rectangle(FRAMES[0], (2.0, 300.0), 0.0, 200.0, Mode.CUT)
    solid = build([PLATE, Body((cavity, rib), Mode.CUT)])
    assert solid.volume() == pytest.approx(60 * 40 * 20 - 50 * 30 * 15 + 2 * 30 * 15)

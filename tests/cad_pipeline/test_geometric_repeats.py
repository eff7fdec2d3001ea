"""What a part has many times is written once, with its places: repeated features, gears, and copies all round."""

from __future__ import annotations

import math
from dataclasses import replace

import cadquery as cq
import manifold3d as m3
import numpy as np
import pytest

from cad_pipeline.generators.geometric.cycles import Cycle, cycles_of, turned_copies
from cad_pipeline.generators.geometric.emit import emit
from cad_pipeline.generators.geometric.features import (
    Extrusion,
    Feature,
    FeatureProgram,
    Loft,
    Mode,
    Moves,
    Repeated,
    Revolution,
    Turns,
    count_numbers,
)
from cad_pipeline.generators.geometric.frame import Frame, frame_along
from cad_pipeline.generators.geometric.gaps import cut_all_round
from cad_pipeline.generators.geometric.mending import Budget, mend
from cad_pipeline.generators.geometric.openings import tapered
from cad_pipeline.generators.geometric.repeats import repeats
from cad_pipeline.generators.geometric.scale import Scale
from cad_pipeline.generators.geometric.shapes2d import Circle, Outline, Rectangle, Segment
from cad_pipeline.generators.geometric.solids import Manifold, build, iou, moments

WORLD = Frame(np.zeros(3), np.eye(3))
SKEW = frame_along(np.array([0.3, 0.4, np.sqrt(0.75)]), np.array([5.0, -3.0, 2.0]))
FRAMES = pytest.mark.parametrize("frame", [WORLD, SKEW], ids=["straight", "skew"])
SCALE = Scale(60.0, 1e-5)
BLADE = ((12.0, -1.0), (24.0, -3.0), (23.0, 2.0), (12.0, 1.5))


def outline(points: object, turn_deg: float = 0.0, move: tuple[float, float] = (0.0, 0.0)) -> Outline:
    c, s = math.cos(math.radians(turn_deg)), math.sin(math.radians(turn_deg))
    turned = np.asarray(points) @ np.array([[c, s], [-s, c]]) + move
    return Outline(tuple(Segment((float(x), float(y))) for x, y in turned))


def disc(frame: Frame, radius: float = 15.0, height: float = 6.0) -> Extrusion:
    return Extrusion(frame, Circle((0.0, 0.0), radius), 0.0, height)


def rib(frame: Frame, x: float, wide: float = 4.0) -> Loft:
    return Loft(frame, ((6.0, Rectangle((x, 0.0), (wide, 9.0))), (9.0, Rectangle((x, 0.0), (2.0, 8.0)))))


def run(features: list[Feature]) -> tuple[str, Manifold]:
    text = emit(FeatureProgram(tuple(features)), "part", 1e-5).source
    names: dict[str, object] = {}
    exec(text, names)
    result = names["result"]
    assert isinstance(result, cq.Workplane)
    assert result.val().isValid()  # type: ignore[union-attr]
    return text, result


@FRAMES
@pytest.mark.parametrize(
    "places",
    [
        Turns((0.0, 0.0), 7),
        Turns((0.0, 0.0), 5, 11.0),
        Moves(((0.0, 0.0), (0.0, 30.0)), even=True),
        Moves(((0.0, 0.0), (3.0, 30.0), (-41.0, 2.0))),
    ],
    ids=["round", "started", "row", "scattered"],
)
def test_the_text_builds_what_the_search_scored(frame: Frame, places: Turns | Moves) -> None:
    blade = Extrusion(frame, outline(BLADE), 1.0, 4.0)
    features: list[Feature] = [disc(frame, 40.0, 1.0), disc(frame, 13.0), Repeated(blade, frame, places)]
    text, result = run(features)
    built = build(features)
    assert sum(s.Volume() for s in result.solids().vals()) == pytest.approx(built.volume(), rel=1e-4)  # type: ignore[attr-defined]
    centre = cq.Shape.centerOfMass(cq.Compound.makeCompound(result.solids().vals()))  # type: ignore[attr-defined]
    assert np.allclose(centre.toTuple(), moments(built)[0], atol=5e-3)
    assert text.count("eachpoint") == 1
    assert ("polarArray" in text) is isinstance(places, Turns)


@FRAMES
def test_ribs_that_differ_by_rounding_become_one_row(frame: Frame) -> None:
    jitter = (0.0, 3e-4, -2e-4, 1e-4, -4e-4)
    ribs = [rib(frame, -20.0 + 10.0 * k + j, 4.0 + j) for k, j in enumerate(jitter)]
    features: list[Feature] = [Extrusion(frame, Rectangle((0.0, 0.0), (60.0, 12.0)), 0.0, 6.0), *ribs]
    best = min(repeats(features, 5e-3), key=count_numbers)
    assert len(best) == 2 and isinstance(best[1], Repeated) and isinstance(best[1].places, Moves)
    assert best[1].places.even
    assert iou(build(best), build(features)) > 0.9999
    text, _ = run(best)
    assert "_pitch_x" in text and ".rarray(" in text


@FRAMES
def test_blades_all_round_become_one(frame: Frame) -> None:
    blades = [Extrusion(frame, outline(BLADE, 60.0 * k + 13.0), 0.0, 6.0) for k in (0, 3, 1, 2, 5, 4)]
    features: list[Feature] = [disc(frame), *blades]
    best = min(repeats(features, 1e-3), key=count_numbers)
    assert len(best) == 2 and isinstance(best[1], Repeated)
    places = best[1].places
    assert isinstance(places, Turns) and places.count == 6
    assert iou(build(best), build(features)) > 1 - 1e-6


def test_what_is_not_alike_stays_apart() -> None:
    cut = Extrusion(WORLD, outline(BLADE, 120.0), 0.0, 6.0, Mode.CUT)
    features: list[Feature] = [
        disc(WORLD),
        Extrusion(WORLD, outline(BLADE), 0.0, 6.0),
        cut,  # a cut between them: their order matters
        Extrusion(WORLD, outline(BLADE, 240.0), 0.0, 6.0),
        Extrusion(WORLD, outline(np.multiply(BLADE, 1.1), move=(0.0, 30.0)), 0.0, 6.0),
    ]
    assert list(repeats(features, 1e-3)) == []


def test_turned_bodies_are_moved_too() -> None:
    profile = Outline(tuple(Segment(p) for p in ((0.0, 0.0), (3.0, 0.0), (3.0, 2.0), (1.5, 5.0), (0.0, 5.0))))
    pegs = [Revolution(WORLD.moved(np.array([x, 4.0, 6.0])), profile) for x in (-10.0, 0.0, 10.0)]
    features: list[Feature] = [disc(WORLD, 30.0), *pegs]
    best = min(repeats(features, 1e-3), key=count_numbers)
    assert len(best) == 2
    _, result = run(best)
    assert result.val().Volume() == pytest.approx(build(features).volume(), rel=1e-3)  # type: ignore[union-attr]


# -- parts that come round -----------------------------------------------------------------------------------------


def gear(frame: Frame, teeth: int, *, slant: float = 0.0) -> Manifold:
    """A disc with `teeth` symmetric gaps; slanted ones narrow on the way up."""
    gap = ((26.0, -1.6), (26.0, 1.6), (19.0, 0.7), (19.0, -0.7))
    narrow = np.multiply(gap, 1.0 - slant)
    loft = Loft(frame, ((-1.0, outline(gap)), (7.0, outline(narrow))), Mode.CUT)
    start = Extrusion(frame, Circle((0.0, 0.0), 24.0), 0.0, 6.0)
    bore = Extrusion(frame, Rectangle((0.0, 0.0), (8.0, 5.0)), -1.0, 7.0, Mode.CUT)
    return build([start, Repeated(loft, frame, Turns((0.0, 0.0), teeth, 4.0), Mode.CUT), bore])


def corners(solid: Manifold) -> np.ndarray:
    return np.asarray(solid.to_mesh64().vert_properties)[:, :3]


@FRAMES
@pytest.mark.parametrize("teeth", [5, 24])
def test_a_gear_is_a_hull_and_one_gap(frame: Frame, teeth: int) -> None:
    target = gear(frame, teeth)
    cycles = cycles_of(target, [frame], [None], SCALE)
    assert teeth in [c.count for c in cycles]
    cycle = next(c for c in cycles if c.count == teeth)
    assert np.linalg.norm(np.cross(frame.axes[2], cycle.frame.origin - frame.origin)) < 2e-2
    bore = Extrusion(frame, Rectangle((0.0, 0.0), (8.0, 5.0)), -1.0, 7.0, Mode.CUT)
    options = cut_all_round(target, cycle, corners(target), SCALE, 2e-5)
    features = max(options, key=lambda o: iou(build([*o, bore]), target))
    assert iou(build([*features, bore]), target) > 0.996
    assert count_numbers(features) < 45
    _, result = run(features)
    assert result.val().Volume() == pytest.approx(build(features).volume(), rel=2e-3)  # type: ignore[union-attr]


def test_teeth_down_a_cone_are_one_loft() -> None:
    blank = Outline(tuple(Segment(p) for p in ((0.0, 0.0), (20.0, 0.0), (22.0, 2.0), (12.0, 12.0), (0.0, 12.0))))
    up = np.array([-10.0, 0.0, 10.0]) / math.sqrt(200.0)
    cone = Frame(np.zeros(3), np.array([[up[2], 0.0, -up[0]], [0.0, 1.0, 0.0], up]))
    surface = 12.0 * math.sqrt(2.0)
    gap = np.array([[19.0, -2.0], [19.0, 2.0], [12.0, 0.6], [12.0, -0.6]])
    narrow = [surface, 0.0] + (gap - [surface, 0.0]) * (surface - 2.0) / (surface + 16.0)
    loft = Loft(cone, ((-16.0, outline(gap)), (2.0, outline(narrow))), Mode.CUT)
    target = build([Revolution(WORLD, blank), Repeated(loft, WORLD, Turns((0.0, 0.0), 20), Mode.CUT)])
    (cycle,) = (c for c in cycles_of(target, [WORLD], [None], SCALE) if c.count == 20)
    (features,) = cut_all_round(target, cycle, corners(target), SCALE, 2e-5)
    assert iou(build(features), target) > 0.98
    assert any(isinstance(f, Repeated) and isinstance(f.feature, Loft) for f in features)


def test_a_turned_body_comes_round_at_no_angle_in_particular() -> None:
    assert cycles_of(build([disc(WORLD, 20.0)]), [WORLD], [None], SCALE) == []


def test_mending_cuts_windows_all_round_at_once() -> None:
    base = disc(WORLD, 28.0)
    window = Extrusion(WORLD, outline(BLADE, 20.0), -1.0, 7.0, Mode.CUT)
    target = build([base, Repeated(window, WORLD, Turns((0.0, 0.0), 5), Mode.CUT)])
    cycles = cycles_of(target, [WORLD], [None], SCALE)
    done = mend([base], build([base]), target, [WORLD], SCALE, Budget(), images=cycles)
    assert len(done) == 2 and isinstance(done[1], Repeated)
    assert iou(build(done), target) > 0.999


def test_round_cuts_are_placed_on_their_circle() -> None:
    hole = Extrusion(WORLD, Circle((9.0, 1.0), 1.5), -1.0, 7.0, Mode.CUT)
    made = turned_copies([hole], Cycle(WORLD, 6, 0.0))
    assert made is not None and len(made) == 6 and all(isinstance(f, Extrusion) for f in made)
    text, _ = run([disc(WORLD), *made])
    assert ".polarArray(" in text and "eachpoint" not in text


def test_ribs_that_widen_upwards_are_not_those_that_narrow() -> None:
    wide, narrow = Rectangle((15.0, 0.0), (4.0, 9.0)), Rectangle((15.0, 0.0), (2.0, 8.0))
    up = Loft(WORLD, ((6.0, narrow), (9.0, wide)))
    assert (
        list(repeats([Extrusion(WORLD, Rectangle((0.0, 0.0), (60.0, 12.0)), 0.0, 6.0), rib(WORLD, 5.0), up], 5e-3))
        == []
    )


def test_a_gap_that_leads_straight_outwards_opens_upwards() -> None:
    gap = m3.Manifold.cube((10.0, 2.0, 3.0), True).translate((15.0, 0.0, 0.0))
    made = tapered(gap, Cycle(WORLD, 5, 0.0), Turns((0.0, 0.0), 5))
    assert made
    for feature in made:
        assert isinstance(feature, Repeated)
        one = build([replace(feature.feature, mode=Mode.ADD)])
        assert (gap - one).volume() < 1e-6 and one.bounding_box()[5] > 1.6 and one.bounding_box()[2] > -1.6

"""Rows are written once, whichever way each was found: slots cut from two sides, ribs one behind another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cadquery as cq
import numpy as np
import pytest

from cad_pipeline.generators.geometric.agreement import agreed
from cad_pipeline.generators.geometric.boxes import lined_up
from cad_pipeline.generators.geometric.candidate import scored
from cad_pipeline.generators.geometric.emit import emit
from cad_pipeline.generators.geometric.features import (
    Body,
    Extrusion,
    Feature,
    FeatureProgram,
    Hole,
    Loft,
    Mode,
    Moves,
    Repeated,
    Revolution,
    count_numbers,
    count_statements,
)
from cad_pipeline.generators.geometric.frame import Frame, frame_along
from cad_pipeline.generators.geometric.part import Part
from cad_pipeline.generators.geometric.pruning import pruned
from cad_pipeline.generators.geometric.scale import Scale
from cad_pipeline.generators.geometric.search import _carried_on
from cad_pipeline.generators.geometric.shapes2d import Circle, Outline, Rectangle, Segment
from cad_pipeline.generators.geometric.solids import build, iou, mesh_of

WORLD = Frame(np.zeros(3), np.eye(3))
SKEW = frame_along(np.array([0.3, 0.4, np.sqrt(0.75)]), np.array([5.0, -3.0, 2.0]))
FRAMES = pytest.mark.parametrize("frame", [WORLD, SKEW], ids=["straight", "skew"])
SCALE = Scale(90.0, 1e-5)
PRICE = 2e-5


def side(frame: Frame, axis: int) -> Frame:
    """The frame's plane across its x or y."""
    order = [1, 2, 0] if axis == 0 else [2, 0, 1]
    return Frame(frame.origin, frame.axes[order])


def plate(frame: Frame) -> Extrusion:
    return Extrusion(frame, Rectangle((0.0, 0.0), (80.0, 40.0)), 0.0, 6.0)


def slots(frame: Frame, error: float = 0.0) -> list[Feature]:
    """Eight slots 3 x 20 x 4 deep in a row, every other one cut from the side."""
    across = side(frame, 0)
    from_top = Rectangle((0.0, 0.0), (3.0 + error, 20.0))
    from_side = Rectangle((0.0, 4.0), (20.0, 4.0))
    made: list[Feature] = []
    for k, x in enumerate(np.linspace(-35.0, 35.0, 8).tolist()):
        if k % 2:
            made.append(Extrusion(frame, replace(from_top, centre=(x, 0.0)), 2.0, 6.0, Mode.CUT))
        else:
            made.append(Extrusion(across, from_side, x - 1.5, x + 1.5, Mode.CUT))
    return made


def run(features: Sequence[Feature]) -> tuple[str, cq.Workplane]:
    text = emit(FeatureProgram(tuple(features)), "part", 1e-5).source
    names: dict[str, object] = {}
    exec(text, names)
    result = names["result"]
    assert isinstance(result, cq.Workplane)
    assert result.val().isValid()  # type: ignore[union-attr]
    return text, result


@FRAMES
@pytest.mark.parametrize("error", [0.0, 0.004], ids=["exact", "off"])
def test_boxes_cut_from_two_sides_are_one_row(frame: Frame, error: float) -> None:
    features: list[Feature] = [plate(frame), *slots(frame, error)]
    settled = agreed(features, build(features), SCALE, PRICE)
    assert count_statements(settled) == 2
    text, result = run(settled)
    assert text.count(".extrude(") == 2 and "rarray(pocket_pitch_x, 1.0, 8, 1)" in text
    assert result.val().Volume() == pytest.approx(80 * 40 * 6 - 8 * 240, rel=1e-3)  # type: ignore[union-attr]


def test_rows_within_a_body_are_written_once_too() -> None:
    cavity = Extrusion(WORLD, Rectangle((0.0, 0.0), (76.0, 36.0)), 1.0, 6.0)
    across = side(WORLD, 0)
    posts: list[Feature] = [
        Extrusion(WORLD, Rectangle((-10.0, 0.0), (4.0, 6.0)), 1.0, 4.0, Mode.CUT),
        Extrusion(across, Rectangle((0.0, 2.5), (6.0, 3.0)), 8.0, 12.0, Mode.CUT),
        Extrusion(across, Rectangle((0.0, 2.5), (6.0, 3.0)), 28.0, 32.0, Mode.CUT),
    ]
    features: list[Feature] = [plate(WORLD), Body((cavity, *posts), Mode.CUT)]
    settled = agreed(features, build(features), SCALE, PRICE)
    assert count_statements(features) == 5 and count_statements(settled) == 3
    assert iou(build(settled), build(features)) == pytest.approx(1.0)
    assert run(settled)[1].val().Volume() == pytest.approx(build(features).volume())  # type: ignore[union-attr]


def test_boxes_that_are_not_alike_stay_where_they_were_drawn() -> None:
    across = side(WORLD, 0)
    cut = Extrusion(WORLD, Rectangle((0.0, 0.0), (3.0, 20.0)), 2.0, 6.0, Mode.CUT)
    others: list[Feature] = [
        Extrusion(across, Rectangle((0.0, 4.0), (20.0, 4.0)), 9.0, 12.5, Mode.CUT),
        Extrusion(across, Rectangle((0.0, 4.0), (20.0, 4.0)), 20.0, 23.0, Mode.ADD),
        Extrusion(across, Rectangle((0.0, 4.0), (20.0, 4.0), 30.0), 9.0, 12.0, Mode.CUT),
        Extrusion(across, Rectangle((0.0, 4.0), (20.0, 4.0), 0.0, 0.5), 9.0, 12.0, Mode.CUT),
    ]
    for other in others:
        features = [plate(WORLD), cut, other]
        assert lined_up(features, 1e-3) == features


def test_a_lattice_of_boxes_is_drawn_where_it_makes_fewest_statements() -> None:
    # three rows one above the other: seen from the side all lie in one plane
    boxes: list[Feature] = [
        Extrusion(WORLD, Rectangle((x, 20.0), (4.0, 2.0)), z, z + 3.0)
        for z in (6.0, 12.0, 18.0)
        for x in (-9.0, 0.0, 9.0)
    ]
    made = lined_up([plate(WORLD), *boxes], 1e-3)
    assert count_statements([plate(WORLD), *boxes]) == 4 and count_statements(made) == 2
    assert iou(build(made), build([plate(WORLD), *boxes])) == pytest.approx(1.0)


RIB = Outline(tuple(Segment(p) for p in ((0.0, 6.0), (12.0, 6.0), (0.0, 15.0))))
KNOB = Outline(tuple(Segment(p) for p in ((0.0, 6.0), (4.0, 6.0), (2.0, 12.0), (0.0, 12.0))))


@FRAMES
def test_ribs_one_behind_another_are_one_statement(frame: Frame) -> None:
    across = side(frame, 1)
    upright = Outline(tuple(Segment((s.end[1], s.end[0])) for s in reversed(RIB.segments)))
    ribs: list[Feature] = [Extrusion(across, upright, y, y + 2.0) for y in (-18.0, -9.0, 0.0, 9.0)]
    features = [plate(frame), *ribs]
    settled = agreed(features, build(features), SCALE, PRICE)
    assert len(settled) == 2 and isinstance(settled[1], Repeated)
    text, result = run(settled)
    assert text.count(".extrude(") == 2 and "rarray(" in text
    assert result.val().Volume() == pytest.approx(80 * 40 * 6 + 4 * 108, rel=1e-9)  # type: ignore[union-attr]
    assert iou(build(settled), build(features)) == pytest.approx(1.0, abs=1e-9)


@FRAMES
def test_turned_and_lofted_ones_may_stand_at_different_heights(frame: Frame) -> None:
    def high(z: float, x: float) -> Loft:
        return Loft(frame, ((6.0 + z, Rectangle((x, 9.0), (8.0, 6.0))), (12.0 + z, Rectangle((x, 9.0), (5.0, 3.0)))))

    steps = [Extrusion(frame, Rectangle((x, 9.0), (9.0, 9.0)), 6.0, 6.0 + z) for x, z in ((0.0, 3.0), (20.0, 5.0))]
    knobs = [Revolution(frame.moved(np.array([x, -9.0, z])), KNOB) for x, z in ((0.0, 0.0), (-20.0, -2.0))]
    features: list[Feature] = [plate(frame), *steps, high(3.0, 0.0), high(5.0, 20.0), *knobs]
    settled = agreed(features, build(features), SCALE, PRICE)
    assert sum(isinstance(f, Repeated) for f in settled) == 2
    assert iou(build(settled), build(features)) == pytest.approx(1.0, abs=1e-6)
    _, result = run(settled)
    assert result.val().Volume() == pytest.approx(build(features).volume(), rel=2e-3)  # type: ignore[union-attr]


@FRAMES
def test_axes_that_nearly_coincide_are_one(frame: Frame) -> None:
    def cone(x: float, y: float, low: float) -> Revolution:
        points = ((0.0, low), (3.0, low), (2.0, low + 2.0), (0.0, low + 2.0))
        return Revolution(frame.moved(np.array([x, y, 0.0])), Outline(tuple(Segment(p) for p in points)), Mode.CUT)

    features: list[Feature] = [
        plate(frame),
        cone(10.0, 5.0, 0.0),
        Repeated(cone(10.0003, 5.0002, 2.0), frame, Moves(((0.0, 0.0), (-30.0002, 4.0))), Mode.CUT),
        Hole(frame.moved(np.array([0.0, 0.0, 6.0])), ((9.9998, 5.0), (-20.0, 9.0001)), 2.0, None, 6.0),
    ]
    _, first, both, hole = agreed(features, build(features), SCALE, PRICE)
    assert isinstance(first, Revolution) and isinstance(both, Repeated) and isinstance(hole, Hole)
    assert both.feature.frame.to_local(first.frame.origin[None])[0] == pytest.approx([0.0, 0.0, 0.0], abs=1e-9)
    places = [hole.frame.to_world(np.array([[*p, 0.0]]))[0] for p in hole.points]
    others = [both.feature.frame.to_world(np.array([[*s, 0.0]]))[0] for s in both.places.steps]  # type: ignore[union-attr]
    assert np.abs((np.array(places) - np.array(others)) @ frame.axes[:2].T).max() < 1e-9


def test_a_long_program_is_held_to_what_each_statement_brings() -> None:
    # a dimple is some 4e-4 of the plate: worth reading among few, not among many
    dimples = [Extrusion(WORLD, Circle((8.0 * k - 36.0, 12.0), 2.0), 6.0, 6.4 + 0.05 * k) for k in range(10)]
    few, many = [plate(WORLD), *dimples[:3]], [plate(WORLD), *dimples, *blocks(8)]
    assert len(pruned(few, build(few), PRICE)) == len(few)
    assert count_statements(pruned(many, build(many), PRICE)) == 15


def blocks(count: int) -> list[Feature]:
    return [Extrusion(WORLD, Rectangle((9.0 * k - 36.0, -8.0), (6.0, 20.0)), 6.0, 10.0 + k) for k in range(count)]


def test_the_best_program_is_mended_with_the_numbers_that_rows_save() -> None:
    whole: list[Feature] = [plate(WORLD), *slots(WORLD), *blocks(3)]
    vertices, faces = mesh_of(build(whole))
    part = Part(vertices, faces, build(whole), SCALE)
    short = scored(part, "slabs 0", [plate(WORLD), *slots(WORLD)])
    assert short is not None and short.iou < 0.99
    (again,) = _carried_on(part, [short])
    assert again.iou > 0.9999 and again.program.route == "slabs 0 again"
    assert again.program.numbers < count_numbers(whole)
    # what is close is left alone, and so is what has no room for more
    assert _carried_on(part, [again]) == []
    assert _carried_on(replace(part, limit=10), [short]) == []

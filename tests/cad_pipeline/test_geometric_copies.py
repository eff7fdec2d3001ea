"""What a part has twice is written once: prisms with their images, and the images that mending finds for itself."""

from __future__ import annotations

from dataclasses import replace

import cadquery as cq
import numpy as np
import pytest

from cad_pipeline.generators.geometric.copies import (
    mirror_planes,
    mirrored_outline,
    paired,
    pairings,
    same_outline,
    with_images,
)
from cad_pipeline.generators.geometric.emit import emit
from cad_pipeline.generators.geometric.features import (
    Extrusion,
    Feature,
    FeatureProgram,
    Loft,
    Mode,
    Twice,
    count_numbers,
)
from cad_pipeline.generators.geometric.frame import Frame, frame_along
from cad_pipeline.generators.geometric.mending import Budget, mend
from cad_pipeline.generators.geometric.scale import Scale
from cad_pipeline.generators.geometric.shapes2d import Circle, Outline, Rectangle, Segment
from cad_pipeline.generators.geometric.solids import build, iou

WORLD = Frame(np.zeros(3), np.eye(3))
SKEW = frame_along(np.array([0.3, 0.4, np.sqrt(0.75)]), np.array([5.0, -3.0, 2.0]))
SCALE = Scale(80.0, 1e-5)
HOOK = ((8.0, 1.0), (20.0, 1.0), (20.0, 14.0), (16.0, 14.0), (14.5, 6.0), (8.0, 5.0))


def hook(frame: Frame = WORLD, *, mirrored: int | None = None, low: float = 0.0, high: float = 6.0) -> Extrusion:
    shape = Outline((*(Segment(c) for c in HOOK[:-1]), Segment(HOOK[-1], (14.0, 5.4))))
    return Extrusion(frame, shape if mirrored is None else mirrored_outline(shape, mirrored, 2.5), low, high)


def written(features: list[Feature]) -> float:
    names: dict[str, object] = {}
    exec(emit(FeatureProgram(tuple(features)), "part", 1e-5).source, names)
    result = names["result"]
    assert isinstance(result, cq.Workplane)
    return sum(s.Volume() for s in result.solids().vals())


@pytest.mark.parametrize("frame", [WORLD, SKEW], ids=["straight", "skew"])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_prism_and_its_image_become_one(frame: Frame, axis: int) -> None:
    one = hook(frame)
    other = hook(frame, low=20.0, high=26.0) if axis == 2 else hook(frame, mirrored=axis)
    (both,) = paired([one, other], 1e-3)
    assert isinstance(both, Twice) and both.axis == axis
    assert both.at == pytest.approx(13.0 if axis == 2 else 2.5)
    assert iou(build([both]), build([one, other])) > 1 - 1e-9
    assert count_numbers([both]) < count_numbers([one, other])
    assert written([both]) == pytest.approx(build([one, other]).volume(), rel=1e-3)


def test_of_a_program_two_of_one_run_pair_up_where_they_nearly_mirror_each_other() -> None:
    block = Extrusion(WORLD, Rectangle((0.0, 0.0), (60.0, 60.0)), 0.0, 6.0)
    one, other = (replace(hook(mirrored=m), mode=Mode.CUT) for m in (None, 0))
    assert isinstance(other.shape, Outline)
    off = Outline(tuple(replace(s, end=(s.end[0] + 0.01, s.end[1])) for s in other.shape.segments))
    features = [block, one, replace(other, shape=off)]
    assert list(pairings(features, 1e-3)) == []
    ((kept, both),) = pairings(features, 0.05)
    assert kept is block and isinstance(both, Twice) and both.mode is Mode.CUT
    assert both.at == pytest.approx(2.505, abs=1e-6)
    # what is added between them is not cut by the second
    assert list(pairings([block, one, replace(block, high=7.0), other], 0.05)) == []


def test_what_is_no_image_stays_apart() -> None:
    moved = Extrusion(WORLD, Outline(tuple(Segment((x + 30.0, 1.2 * y)) for x, y in HOOK)), 0.0, 6.0)
    features = [hook(), moved, hook(mirrored=0, high=7.0)]
    assert paired(features, 1e-3) == features


def test_an_image_of_an_image_is_the_outline_itself() -> None:
    shape = hook().shape
    assert isinstance(shape, Outline)
    for axis in (0, 1):
        assert same_outline(mirrored_outline(mirrored_outline(shape, axis, 1.5), axis, 1.5), shape, 1e-9)
        assert not same_outline(mirrored_outline(shape, axis, 1.5), shape, 1e-2)


def test_planes_of_symmetry_are_found_in_any_pose() -> None:
    block = build([Extrusion(SKEW, Rectangle((3.0, 4.0), (40.0, 20.0)), 0.0, 5.0)])
    planes = mirror_planes(block, [SKEW], SCALE)
    assert len(planes) == 2
    for plane in planes:
        turns = np.abs(SKEW.axes @ plane.normal)
        axis = int(np.argmax(turns))
        assert turns[axis] == pytest.approx(1.0)
        middle = SKEW.to_world(np.array([[3.0, 4.0, 2.5]]))[0]
        assert plane.distance == pytest.approx(float(plane.normal @ middle), abs=1e-4)
    lopsided = build([Extrusion(WORLD, Outline(tuple(Segment(c) for c in ((0, 0), (40.0, 0), (0, 9.0)))), 0.0, 5.0)])
    assert all(abs(plane.normal[2]) > 0.9 for plane in mirror_planes(lopsided, [WORLD], SCALE))


def test_mending_writes_a_feature_once_for_both_sides() -> None:
    base = Extrusion(WORLD, Rectangle((2.5, 0.0), (60.0, 40.0)), -5.0, 0.0)
    target = build([base, hook(), hook(mirrored=0)])
    done = mend([base], build([base]), target, [WORLD], SCALE, Budget())
    assert iou(build(done), target) > 0.999
    assert sum(isinstance(f, Twice) for f in done) == 1 and len(done) == 2


@pytest.mark.parametrize("shape", [Circle((10.0, 4.0), 3.0), Rectangle((10.0, 4.0), (6.0, 3.0), 20.0)])
def test_simple_prisms_are_placed_twice(shape: Circle | Rectangle) -> None:
    plane = mirror_planes(build([Extrusion(WORLD, Rectangle((1.0, 0.0), (40.0, 20.0)), 0.0, 5.0)]), [WORLD], SCALE)
    across_x = next(p for p in plane if abs(p.normal[0]) > 0.9)
    one = Extrusion(WORLD, shape, 0.0, 5.0, Mode.CUT)
    made = with_images([one], across_x)
    assert made is not None and len(made) == 2 and not any(isinstance(f, Twice) for f in made)
    assert (
        iou(build([Twice(one, 0, 1.0)]), build([Extrusion(f.frame, f.shape, f.low, f.high) for f in made])) > 1 - 1e-9
    )  # type: ignore[union-attr]


def test_a_loft_has_an_image_as_well() -> None:
    loft = Loft(WORLD, ((0.0, Rectangle((10.0, 0.0), (6.0, 6.0))), (5.0, Rectangle((10.0, 0.0), (3.0, 3.0)))))
    both = Twice(loft, 0, 0.0)
    assert build([both]).volume() == pytest.approx(2 * build([loft]).volume())
    assert written([both]) == pytest.approx(2 * build([loft]).volume(), rel=1e-6)

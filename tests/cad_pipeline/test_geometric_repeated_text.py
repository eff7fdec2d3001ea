"""The text of what stands at several places builds what the search scored, however the places lie and it is turned."""

from __future__ import annotations

import math
from collections.abc import Callable

import cadquery as cq
import numpy as np
import pytest

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
    Twice,
)
from cad_pipeline.generators.geometric.frame import Frame, frame_along
from cad_pipeline.generators.geometric.shapes2d import Circle, Outline, Rectangle, RegularPolygon, Segment, Slot
from cad_pipeline.generators.geometric.solids import Manifold, build, iou, mesh_solid

WORLD = Frame(np.zeros(3), np.eye(3))
SKEW = frame_along(np.array([0.3, 0.4, np.sqrt(0.75)]), np.array([5.0, -3.0, 2.0]))
FRAMES = pytest.mark.parametrize("frame", [WORLD, SKEW], ids=["straight", "skew"])
# evenly on a circle, but moved there and not turned
DIAMOND = ((0.0, 0.0), (10.0, 10.0), (20.0, 0.0), (10.0, -10.0))
PLACES = {
    "turned": Turns((2.0, -3.0), 3, 7.0),
    "rows": Moves(((0.0, 0.0), (0.0, 9.0), (10.0, 9.0), (10.0, 0.0)), even=True),
    "diamond": Moves(DIAMOND),
    "scattered": Moves(((0.0, 0.0), (3.0, 30.0), (-41.0, 2.0))),
}
BLADE = Outline(tuple(Segment(p) for p in ((12.0, -1.0), (24.0, -3.0), (23.0, 2.0), (12.0, 1.5))))
PEG = Outline(tuple(Segment(p) for p in ((0.0, 5.0), (3.0, 5.0), (3.0, 7.0), (1.5, 9.0), (0.0, 9.0))))


def leaning(frame: Frame) -> Frame:
    up = np.array([-1.0, 0.0, 1.0]) / math.sqrt(2.0)
    return Frame(frame.origin, np.array([[up[2], 0.0, -up[0]], [0.0, 1.0, 0.0], up]) @ frame.axes)


def drawn(frame: Frame) -> dict[str, Extrusion | Loft | Revolution]:
    aside = frame.moved(np.array([18.0, 1.0, 0.0]))
    return {
        "prism": Extrusion(frame, BLADE, 5.0, 9.0),
        "twisted": Extrusion(aside, Rectangle((1.0, 0.0), (5.0, 3.0)), 5.0, 9.0, twist_deg=15.0),
        "loft": Loft(frame, ((5.0, Rectangle((18.0, 0.0), (8.0, 4.0))), (9.0, Rectangle((17.0, 0.0), (5.0, 2.0))))),
        "turned": Revolution(aside, PEG),
        "leaning": Extrusion(leaning(frame), Slot((18.0, 1.0), 9.0, 4.0, 30.0), -12.0, 3.0),
    }


def run(features: list[Feature]) -> tuple[str, cq.Workplane]:
    text = emit(FeatureProgram(tuple(features)), "part", 1e-5).source
    names: dict[str, cq.Workplane] = {}
    exec(text, names)
    return text, names["result"]


def meshed(part: cq.Workplane) -> Manifold:
    solids = []
    for shape in part.solids().vals():
        points, triangles = shape.tessellate(2e-3, 0.05)  # type: ignore[union-attr]
        solids.append(mesh_solid(np.array([p.toTuple() for p in points]), np.array(triangles, dtype=np.int64)))
    whole = solids[0]
    for solid in solids[1:]:
        whole = whole + solid
    return whole


@pytest.mark.parametrize(("frame", "mode"), [(WORLD, Mode.ADD), (SKEW, Mode.CUT)], ids=["straight", "skew cut"])
@pytest.mark.parametrize("places", PLACES)
@pytest.mark.parametrize("kind", drawn(WORLD))
def test_the_text_builds_what_the_search_scored(frame: Frame, mode: Mode, places: str, kind: str) -> None:
    plate = Extrusion(frame, Rectangle((3.0, -2.0), (110.0, 90.0)), 0.0, 6.0)
    features: list[Feature] = [plate, Repeated(drawn(frame)[kind], frame, PLACES[places], mode)]
    _, part = run(features)
    assert all(solid.isValid() for solid in part.solids().vals())  # type: ignore[union-attr]
    made, scored, before = meshed(part), build(features), build([plate])
    # the plate itself would hide what is small; a twisted wall is coarse in the search
    changes = (made - before, scored - before) if mode is Mode.ADD else (before - made, before - scored)
    assert iou(*changes) > (0.97 if kind == "twisted" else 0.99)


@FRAMES
@pytest.mark.parametrize(
    "shape", [Rectangle((0.0, 0.0), (6.0, 2.0)), Slot((0.0, 0.0), 6.0, 2.0), RegularPolygon((0.0, 0.0), 3, 5.0)]
)
def test_prisms_evenly_on_a_circle_stay_as_they_stand(frame: Frame, shape: Rectangle | Slot | RegularPolygon) -> None:
    prisms = [Extrusion(frame, type(shape)(place, *_sizes(shape)), 0.0, 8.0) for place in DIAMOND]
    text, part = run([Extrusion(frame, Circle((10.0, 0.0), 18.0), 0.0, 1.0), *prisms])
    assert iou(meshed(part), build([Extrusion(frame, Circle((10.0, 0.0), 18.0), 0.0, 1.0), *prisms])) > 0.995
    assert ".polarArray(" in text


def _sizes(shape: Rectangle | Slot | RegularPolygon) -> tuple[object, ...]:
    if isinstance(shape, Rectangle):
        return (shape.size,)
    return (shape.length, shape.width) if isinstance(shape, Slot) else (shape.sides, shape.diameter)


@FRAMES
def test_places_have_no_dust(frame: Frame) -> None:
    text, _ = run([Repeated(drawn(frame)["prism"], frame, PLACES["scattered"])])
    assert "e-" not in text.split("import")[1]


@FRAMES
def test_what_begins_with_a_repeated_feature_is_one_part(frame: Frame) -> None:
    overlapping = Moves(((0.0, 0.0), (3.0, 0.0), (6.0, 0.0)), even=True)
    features: list[Feature] = [Repeated(drawn(frame)["prism"], frame, overlapping)]
    for more in ([], [Extrusion(frame, Circle((0.0, 0.0), 5.0), 5.0, 9.0, Mode.ADD)]):
        _, part = run([*features, *more])
        assert part.val().Volume() == pytest.approx(build([*features, *more]).volume(), rel=2e-3)  # type: ignore[union-attr]
        assert len(part.solids().vals()) == 1 + len(more)


@pytest.mark.parametrize(
    "wrap", [lambda f: Repeated(f, WORLD, Turns((0.0, 0.0), 3), Mode.CUT), lambda f: Twice(f, 0, 2.0, Mode.CUT)]
)
def test_a_cut_is_called_one_whatever_it_was_as_a_solid(wrap: Callable[[Extrusion], Feature]) -> None:
    solid = Extrusion(WORLD, BLADE, 1.0, 9.0, Mode.ADD)
    text, _ = run([Extrusion(WORLD, Circle((0.0, 0.0), 30.0), 0.0, 6.0), wrap(solid)])
    assert "step" not in text and "pocket" in text

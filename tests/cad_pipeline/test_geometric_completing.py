"""What no IoU pays for and every reader misses: the last small holes, and copies where like pieces are."""

from __future__ import annotations

import numpy as np
import pytest
import shapely

from cad_pipeline.generators.geometric.completing import completed
from cad_pipeline.generators.geometric.copies import moved_copies
from cad_pipeline.generators.geometric.cycles import Cycle, turned_copies
from cad_pipeline.generators.geometric.emit import emit
from cad_pipeline.generators.geometric.features import Extrusion, Feature, FeatureProgram, Loft, Mode, Moves, Repeated
from cad_pipeline.generators.geometric.frame import Frame, frame_along
from cad_pipeline.generators.geometric.mending import Budget, mend
from cad_pipeline.generators.geometric.part import Part
from cad_pipeline.generators.geometric.rays import along_rays
from cad_pipeline.generators.geometric.scale import Scale
from cad_pipeline.generators.geometric.shapes2d import Circle, Outline, Rectangle, Segment
from cad_pipeline.generators.geometric.solids import build, count_tunnels, iou

WORLD = Frame(np.zeros(3), np.eye(3))
SKEW = frame_along(np.array([0.3, 0.4, np.sqrt(0.75)]), np.array([5.0, -3.0, 2.0]))
SCALE = Scale(200.0, 1e-5)


def part_of(features: list[Feature]) -> Part:
    solid = build(features)
    mesh = solid.to_mesh64()
    return Part(np.asarray(mesh.vert_properties)[:, :3], np.asarray(mesh.tri_verts, np.int64), solid, SCALE)


def slot(x: float, *, high: float = 21.0) -> Extrusion:
    return Extrusion(WORLD, Rectangle((x, 10.0), (2.0, 1.0)), -1.0, high, Mode.CUT)


def test_slots_that_are_nothing_to_the_iou_are_cut() -> None:
    plate = Extrusion(WORLD, Rectangle((0.0, 0.0), (150.0, 130.0)), 0.0, 20.0)
    part = part_of([plate, slot(-30.0), slot(30.0)])
    assert iou(build([plate]), part.solid) > 0.9997
    done = completed([plate], part, [WORLD])
    assert len(done) > 1 and count_tunnels(build(done)) == 2
    assert iou(build(done), part.solid) > 0.99999


def test_what_opens_nothing_is_left_out() -> None:
    plate = Extrusion(WORLD, Rectangle((0.0, 0.0), (150.0, 130.0)), 0.0, 20.0)
    part = part_of([plate, Extrusion(WORLD, Rectangle((30.0, 10.0), (2.0, 1.0)), 15.0, 21.0, Mode.CUT)])
    assert completed([plate], part, [WORLD]) == [plate]


@pytest.mark.parametrize(("frame", "most"), [(WORLD, 2), (SKEW, 4)], ids=["straight", "skew"])
def test_pockets_alike_are_found_at_once(frame: Frame, most: int) -> None:
    corners = ((0.0, 0.0), (9.0, 0.0), (9.0, 4.0), (4.0, 7.0), (0.0, 7.0))
    plate = Extrusion(frame, Rectangle((0.0, 0.0), (150.0, 60.0)), 0.0, 10.0)
    steps = ((0.0, 0.0), (25.0, 0.0), (50.0, 0.0), (-40.0, 11.0))
    pocket = Extrusion(frame, Outline(tuple(Segment(c) for c in corners)), 4.0, 11.0, Mode.CUT)
    target = build([plate, Repeated(pocket, frame, Moves(steps), Mode.CUT)])
    done = mend([plate], build([plate]), target, [frame], SCALE, Budget())
    # in a skew pose skins of no thickness may hold two pockets together
    assert len(done) <= most and any(isinstance(f, Repeated) for f in done)
    assert iou(build(done), target) > 0.9999


def test_copies_are_placed_by_centres_where_they_are_simple() -> None:
    block = Extrusion(WORLD, Rectangle((1.0, 2.0), (4.0, 3.0)), 0.0, 5.0)
    rib = Loft(WORLD, ((0.0, Rectangle((1.0, 2.0), (4.0, 3.0))), (5.0, Rectangle((1.0, 2.0), (2.0, 1.0)))))
    steps = [np.array([20.0, 0.0, 0.0]), np.array([40.0, 0.0, 0.0])]
    blocks, ribs = moved_copies([block], steps, 1e-3), moved_copies([rib], steps, 1e-3)
    assert blocks is not None and [f.shape.centre[0] for f in blocks] == [1.0, 21.0, 41.0]  # type: ignore[union-attr]
    assert ribs is not None and isinstance(ribs[0], Repeated)
    assert isinstance(ribs[0].places, Moves) and ribs[0].places.even
    (raised,) = moved_copies([block], [np.array([20.0, 0.0, 3.0])], 1e-3) or ()
    assert isinstance(raised, Repeated) and abs(raised.frame.axes[2, 1]) == 1.0
    assert moved_copies([block], [np.array([20.0, 0.0, 3.0]), np.array([0.0, 9.0, 3.0])], 1e-3) is None


def test_rays_run_as_far_as_geometry_says() -> None:
    rng = np.random.default_rng(3)
    angles = np.linspace(0.0, 2 * np.pi, 90, endpoint=False) + 0.011
    for _ in range(8):
        blobs = [shapely.Point(*rng.uniform(-10, 10, 2)).buffer(rng.uniform(1, 6)) for _ in range(5)]
        section = shapely.union_all(blobs).difference(shapely.Point(*rng.uniform(-5, 5, 2)).buffer(2.0))
        x, y = rng.uniform(-12, 12, 2)
        rays = [shapely.LineString([(x, y), (x + 60 * np.cos(a), y + 60 * np.sin(a))]) for a in angles]
        met = shapely.intersection(rays, section)
        inside, last = along_rays(section, (x, y), angles)
        assert np.allclose(inside, shapely.length(met), atol=1e-9)
        far = [max((np.hypot(*(np.array(p) - (x, y))) for p in shapely.get_coordinates(m)), default=0.0) for m in met]
        assert np.allclose(last, far, atol=1e-9)


def test_measured_steps_become_whole_pitches() -> None:
    rib = Loft(WORLD, ((0.0, Rectangle((1.0, 2.0), (4.0, 3.0))), (5.0, Rectangle((1.0, 2.0), (2.0, 1.0)))))
    block = Extrusion(WORLD, Rectangle((1.0, 2.0), (4.0, 3.0)), 0.0, 5.0)
    steps = [np.array([7.1234 * k + off, off, 0.0]) for k, off in ((1, 1e-3), (2, -1e-3), (3, 5e-4), (4, 2e-4))]
    (ribs,), blocks = moved_copies([rib], steps, 1e-2) or [], moved_copies([block], steps, 1e-2) or []
    assert isinstance(ribs, Repeated) and isinstance(ribs.places, Moves)
    for made in ([ribs], blocks):
        text = emit(FeatureProgram((Extrusion(WORLD, Circle((0.0, 0.0), 60.0), -1.0, 0.0), *made)), "", 1e-5).source
        assert ".rarray(" in text and "_pitch_x" in text


def test_twisted_prisms_are_moved_with_their_axis() -> None:
    step = np.array([10.0, 0.0, 0.0])
    for shape in (Rectangle((0.0, 0.0), (4.0, 4.0)), Circle((2.0, 0.0), 3.0)):
        twisted = Extrusion(WORLD, shape, 0.0, 5.0, twist_deg=40.0)
        image = Extrusion(WORLD.moved(step), shape, 0.0, 5.0, twist_deg=40.0)
        assert iou(build(moved_copies([twisted], [step], 1e-3) or []), build([twisted, image])) > 1 - 1e-9
    turned = turned_copies([twisted], Cycle(WORLD.moved(step), 2, 0.0)) or []
    opposite = Frame(2 * step, np.diag([-1.0, -1.0, 1.0]))
    image = Extrusion(opposite, shape, 0.0, 5.0, twist_deg=40.0)
    assert iou(build(turned), build([twisted, image])) > 1 - 1e-9

"""Bent wires, tubes, rings and coils are told by their way, with the dimensions that they were made with."""

from __future__ import annotations

import math

import cadquery as cq
import numpy as np
import pytest

from cad_pipeline.generators.geometric.emit import emit
from cad_pipeline.generators.geometric.features import FeatureProgram, Revolution, Sweep
from cad_pipeline.generators.geometric.frame import WORLD, frame_along
from cad_pipeline.generators.geometric.mending import Effort
from cad_pipeline.generators.geometric.part import Part
from cad_pipeline.generators.geometric.routes import Helix, Leg, Route, circle_in_space
from cad_pipeline.generators.geometric.scale import Scale
from cad_pipeline.generators.geometric.search import search
from cad_pipeline.generators.geometric.solids import as_solid, build, iou, mesh_solid
from cad_pipeline.generators.geometric.sweeps import sweeps
from cad_pipeline.mesh import read_mesh

SLANT = 10.0 * (1.0 - math.sqrt(0.5))
# a line, a quarter of radius 10, and a line
BENT = Route(
    (0.0, 0.0, 0.0), (Leg((0.0, 30.0, 0.0)), Leg((10.0, 40.0, 0.0), (SLANT, 40.0 - SLANT, 0.0)), Leg((50.0, 40.0, 0.0)))
)
UP = frame_along(np.array([0.0, -1.0, 0.0]), np.zeros(3))


def meshed(solid, path):
    cq.exporters.export(cq.Workplane(obj=solid), str(path), tolerance=0.02, angularTolerance=0.15)
    mesh = read_mesh(path)
    return mesh.vertices, mesh.faces, mesh_solid(mesh.vertices, mesh.faces)


def listed(shape, path):
    vertices, faces, solid = meshed(shape, path)
    found = sweeps(vertices, faces, solid, Scale.of(vertices))
    return found, iou(build(found), solid) if found else 0.0


def built(feature):
    names: dict[str, object] = {}
    exec(emit(FeatureProgram((feature,), ""), "", 1e-5).source, names)
    return names["result"].val()


@pytest.mark.parametrize(
    "feature",
    [
        Sweep(UP, BENT, 3.0),
        Sweep(UP, BENT, 6.0, 4.0),
        Sweep(frame_along(np.array([1.0, 2.0, 2.0]), np.array([5.0, 1.0, 0.0])), BENT, 3.0),
        Sweep(
            WORLD,
            Route((0.0, 0.0, 0.0), (Leg((0.0, 0.0, 20.0)), Leg((0.0, 10.0, 30.0), (0.0, SLANT, 30.0 - SLANT)))),
            2.0,
        ),
        Sweep(WORLD, Helix(10.0, 6.0, 18.0), 1.2),
        Sweep(
            frame_along(np.array([1.0, 0.0, 0.0]), np.array([5.0, 0.0, 0.0])), Helix(10.0, 6.0, 18.0, left=True), 1.5
        ),
    ],
)
def test_the_text_builds_what_the_search_saw(feature):
    solid, shape = as_solid(feature), built(feature)
    assert shape.isValid()
    assert solid.volume() == pytest.approx(shape.Volume(), rel=3e-3)
    box = shape.BoundingBox()
    # a shape's box goes round its curves with a little room
    assert (
        np.abs(np.array(solid.bounding_box()) - (box.xmin, box.ymin, box.zmin, box.xmax, box.ymax, box.zmax)).max()
        < 0.3
    )


@pytest.mark.parametrize(("radius", "bore"), [(3.0, 0.0), (6.0, 4.0)])
def test_a_bent_tube_is_told_by_its_lines_and_arcs(tmp_path, radius, bore):
    found, reached = listed(built(Sweep(UP, BENT, radius, bore)), tmp_path / "tube.stl")
    (tube,) = found
    assert isinstance(tube, Sweep) and isinstance(tube.path, Route)
    assert tube.radius == pytest.approx(radius, abs=2e-3) and tube.bore == pytest.approx(bore, abs=2e-3)
    assert [leg.mid is None for leg in tube.path.legs] == [True, False, True]
    joints = tube.frame.to_world(np.array([tube.path.start, *(leg.end for leg in tube.path.legs)]))
    ways = [[[0, 0, 0], [0, 0, 30], [10, 0, 40], [50, 0, 40]], [[50, 0, 40], [10, 0, 40], [0, 0, 30], [0, 0, 0]]]
    assert min(np.abs(joints - np.array(way)).max() for way in ways) < 5e-3
    assert reached > 0.99


def test_a_ring_is_turned(tmp_path):
    ring = cq.Workplane("XZ").center(20.0, 0.0).circle(4.0).revolve(360.0, (-20.0, 0.0), (-20.0, 1.0)).val()
    found, reached = listed(ring, tmp_path / "ring.stl")
    assert len(found) == 1 and isinstance(found[0], Revolution)
    assert reached > 0.99


@pytest.mark.parametrize("left", [False, True])
def test_a_spring_is_a_coil(tmp_path, left):
    found, reached = listed(built(Sweep(WORLD, Helix(10.0, 6.0, 18.0, left), 1.2)), tmp_path / "spring.stl")
    (spring,) = found
    assert isinstance(spring, Sweep) and isinstance(spring.path, Helix)
    helix = spring.path
    assert (helix.radius, helix.pitch, helix.left) == (
        pytest.approx(10.0, abs=0.01),
        pytest.approx(6.0, abs=0.01),
        left,
    )
    assert helix.height == pytest.approx(18.0, abs=0.1) and spring.radius == pytest.approx(1.2, abs=0.02)
    assert reached > 0.97


def test_what_is_straight_or_flat_is_no_sweep(tmp_path):
    for name, shape in (
        ("pin", cq.Workplane("XY").circle(4.0).extrude(40.0)),
        ("plate", cq.Workplane("XY").box(40.0, 30.0, 6.0).edges("|Z").fillet(3.0)),
        ("bored", cq.Workplane("XY").box(40.0, 30.0, 20.0).faces(">Z").workplane().hole(8.0)),
    ):
        assert listed(shape.val(), tmp_path / f"{name}.stl")[0] == []


def test_points_in_line_have_no_circle():
    assert circle_in_space(*np.array([[0.0, 0, 0], [1.0, 1, 0], [3.0, 3, 0]])) is None
    centre, radius, normal = circle_in_space(*np.array([[5.0, 2, 7], [2.0, 5, 7], [-1.0, 2, 7]]))
    assert centre == pytest.approx([2.0, 2.0, 7.0]) and radius == pytest.approx(3.0)
    assert np.abs(normal) == pytest.approx([0.0, 0.0, 1.0])


def test_a_route_sets_out_along_its_first_leg():
    assert BENT.heading == pytest.approx([0.0, 1.0, 0.0])
    bend = Route((10.0, 0.0, 0.0), (Leg((-10.0, 0.0, 0.0), (0.0, 10.0, 0.0)), Leg((10.0, 0.0, 0.0), (0.0, -10.0, 0.0))))
    assert bend.heading == pytest.approx([0.0, 1.0, 0.0]) and bend.closed and bend.flat and not BENT.closed
    assert np.linalg.norm(bend.points(), axis=1) == pytest.approx(10.0)


def searched(shape, path):
    vertices, faces, solid = meshed(shape, path)
    part = Part(vertices, faces, solid, Scale.of(vertices), effort=Effort.of(len(faces)))
    return search(part)[0]


def test_a_pipe_between_flanges_is_told_apart_from_them(tmp_path):
    pipe = built(Sweep(UP, BENT, 6.0, 4.0))
    holed = cq.Workplane("XY").circle(16.0).extrude(5.0).faces(">Z").workplane().polarArray(11.0, 0, 360, 4).hole(3.0)
    flanges = holed.union(cq.Workplane("YZ", origin=(45.0, 0.0, 40.0)).circle(16.0).extrude(5.0))
    bored = flanges.cut(cq.Workplane(obj=built(Sweep(UP, BENT, 5.0)))).union(cq.Workplane(obj=pipe))
    best = searched(bored.val(), tmp_path / "pipe.stl")
    (tube,) = (f for f in best.program.features if isinstance(f, Sweep))
    assert (tube.radius, tube.bore) == (pytest.approx(6.0, abs=5e-3), pytest.approx(4.0, abs=5e-3))
    assert best.iou > 0.99 and best.program.numbers < 60
    assert best.stray_bodies == 0


def test_a_handle_is_a_wire_on_blocks(tmp_path):
    bend = Leg((10.0, 30.0, 0.0), (SLANT, 30.0 - SLANT, 0.0))
    way = Route((0.0, 0.0, 0.0), (Leg((0.0, 20.0, 0.0)), bend, Leg((40.0, 30.0, 0.0))))
    foot = cq.Workplane("XY").box(20.0, 20.0, 5.0)
    feet = foot.union(cq.Workplane("XY").box(5.0, 20.0, 20.0).translate((42.0, 0.0, 30.0)))
    best = searched(feet.union(cq.Workplane(obj=built(Sweep(UP, way, 4.0)))).val(), tmp_path / "handle.stl")
    assert sum(isinstance(f, Sweep) for f in best.program.features) == 1
    assert best.iou > 0.99 and best.program.numbers < 40

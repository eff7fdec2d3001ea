"""A loft between a circle and a polygon is told by both, and its text builds what the search saw."""

from __future__ import annotations

import cadquery as cq
import numpy as np
import pytest

from cad_pipeline.generators.geometric.direction import Direction
from cad_pipeline.generators.geometric.emit import emit
from cad_pipeline.generators.geometric.features import FeatureProgram, Loft
from cad_pipeline.generators.geometric.frame import WORLD
from cad_pipeline.generators.geometric.lofting import rounded_off
from cad_pipeline.generators.geometric.part import Part
from cad_pipeline.generators.geometric.scale import Scale
from cad_pipeline.generators.geometric.shapes2d import Circle, Rectangle, RegularPolygon, signed_area
from cad_pipeline.generators.geometric.solids import as_solid, build, iou, mesh_solid
from cad_pipeline.mesh import read_mesh


@pytest.mark.parametrize(
    ("bottom", "top"),
    [
        (Rectangle((0.0, 0.0), (30.0, 30.0)), Circle((0.0, 0.0), 10.0)),
        (Circle((0.0, 0.0), 15.0), Rectangle((1.0, 0.0), (8.0, 5.0))),
        (RegularPolygon((0.0, 0.0), 6, 30.0), Circle((1.0, 0.0), 8.0)),
    ],
)
def test_the_text_builds_what_the_search_saw(bottom, top):
    feature = Loft(WORLD, ((0.0, bottom), (25.0, top)))
    names: dict[str, object] = {}
    exec(emit(FeatureProgram((feature,), ""), "", 1e-5).source, names)
    shape = names["result"].val()
    assert shape.isValid()
    assert as_solid(feature).volume() == pytest.approx(shape.Volume(), rel=1e-3)


def test_each_side_faces_its_arc():
    square = Rectangle((0.0, 0.0), (2.0, 2.0)).polygon()
    drawn, arcs = rounded_off(square, Circle((0.0, 0.0), 5.0))
    assert len(drawn) == len(arcs) and signed_area(arcs) == pytest.approx(25.0 * np.pi)
    across = drawn[:, 0] * arcs[:, 1] - drawn[:, 1] * arcs[:, 0]
    corners = np.abs(np.abs(drawn) - 1.0).max(axis=1) < 1e-9
    assert corners.sum() == 4 and np.abs(across[corners]).max() < 1e-9


@pytest.mark.parametrize("upwards", [True, False])
def test_a_transition_from_a_square_to_a_circle_is_one_loft(tmp_path, upwards):
    if upwards:
        duct = cq.Workplane("XY").rect(30.0, 20.0).workplane(offset=25.0).circle(8.0).loft()
    else:
        duct = cq.Workplane("XY").circle(12.0).workplane(offset=25.0).rect(12.0, 9.0).loft()
    cq.exporters.export(duct, str(tmp_path / "duct.stl"), tolerance=0.01, angularTolerance=0.1)
    mesh = read_mesh(tmp_path / "duct.stl")
    solid = mesh_solid(mesh.vertices, mesh.faces)
    (loft,) = Direction(Part(mesh.vertices, mesh.faces, solid, Scale.of(mesh.vertices)), WORLD, 0).plain()
    assert isinstance(loft, Loft)
    shapes = [shape for _, shape in loft.sections]
    circle, rectangle = shapes[::-1] if upwards else shapes
    assert isinstance(circle, Circle) and isinstance(rectangle, Rectangle)
    assert circle.radius == pytest.approx(8.0 if upwards else 12.0, abs=0.02)
    assert rectangle.size == pytest.approx((30.0, 20.0) if upwards else (12.0, 9.0), abs=0.05)
    assert iou(build([loft]), solid) > 0.99

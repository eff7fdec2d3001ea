"""A section that turns evenly with the height becomes one twisted extrusion, and nothing else does."""

import cadquery as cq
import manifold3d as m3
import numpy as np
import pytest

from cad_pipeline.generators.geometric.emit import emit
from cad_pipeline.generators.geometric.features import Extrusion, FeatureProgram
from cad_pipeline.generators.geometric.frame import frame_along
from cad_pipeline.generators.geometric.scale import Scale
from cad_pipeline.generators.geometric.sections import stack_of
from cad_pipeline.generators.geometric.solids import build, iou, mesh_solid, to_frame
from cad_pipeline.generators.geometric.twisted import twisted_features
from cad_pipeline.mesh import read_mesh

UP = frame_along(np.array([0.0, 0.0, 1.0]), np.zeros(3))


def star(teeth, inner, outer, middle=(0.0, 0.0)):
    angle = np.arange(2 * teeth) * np.pi / teeth
    radius = np.where(np.arange(2 * teeth) % 2, inner, outer)
    points = np.column_stack([radius * np.cos(angle), radius * np.sin(angle)]) + middle
    return m3.CrossSection([points], m3.FillRule.NonZero)


def explained(solid):
    scale = Scale.of(np.asarray(solid.to_mesh64().vert_properties)[:, :3])
    return twisted_features(to_frame(solid, UP), stack_of(solid, UP, scale), UP, scale)


@pytest.mark.parametrize(("teeth", "turn"), [(2, -400.0), (5, 12.0), (18, -25.0), (18, 800.0)])
def test_a_twisted_star_is_one_feature_of_the_right_turn(teeth, turn):
    solid = star(teeth, 8.0, 10.0).extrude(30.0, 200, turn)
    (feature,) = explained(solid)
    assert isinstance(feature, Extrusion)
    assert feature.twist_deg == pytest.approx(turn, rel=0.01)
    assert iou(build([feature]), solid) > 0.98


def test_the_axis_may_lie_anywhere_in_the_section_s_plane():
    solid = star(7, 8.0, 10.0).extrude(20.0, 100, 60.0).translate((40.0, -15.0, 3.0))
    (feature,) = explained(solid)
    assert feature.frame.origin[:2] == pytest.approx([40.0, -15.0], abs=0.01)
    assert iou(build([feature]), solid) > 0.98


def test_a_shaft_beside_the_twist_stays_a_prism():
    shaft = m3.Manifold.cylinder(50.0, 4.0, 4.0, 64).translate((0.0, 0.0, -15.0))
    solid = star(6, 8.0, 10.0).extrude(20.0, 100, 45.0) + shaft
    features = explained(solid)
    assert sorted(bool(f.twist_deg) for f in features) == [False, False, True]
    assert iou(build(features), solid) > 0.98


@pytest.mark.parametrize(
    "solid",
    [
        star(6, 8.0, 10.0).extrude(20.0),
        m3.Manifold.cylinder(20.0, 10.0, 4.0, 64),
        m3.Manifold.sphere(10.0, 64),
        star(6, 8.0, 10.0).extrude(20.0, 50, 0.0, (0.5, 0.5)),
    ],
    ids=["prism", "cone", "ball", "taper"],
)
def test_what_does_not_turn_is_not_explained(solid):
    assert explained(solid) == []


def test_a_twist_is_written_about_its_axis():
    solid = star(3, 8.0, 10.0).extrude(20.0, 100, 60.0).translate((40.0, -15.0, 0.0))
    source = emit(FeatureProgram(tuple(explained(solid))), "star", 1e-4).source
    assert ".twistExtrude(base_height, base_twist)" in source
    assert "base_twist  = 60.0  # deg" in source


def test_a_coarse_mesh_turns_by_leaps(tmp_path):
    vase = cq.Workplane("XY").polygon(6, 30.0).twistExtrude(50.0, 60.0)
    cq.exporters.export(vase, str(tmp_path / "vase.stl"), tolerance=0.025, angularTolerance=0.15)
    mesh = read_mesh(tmp_path / "vase.stl")
    (twisted,) = explained(mesh_solid(mesh.vertices, mesh.faces))
    assert twisted.twist_deg == pytest.approx(60.0, abs=0.2)

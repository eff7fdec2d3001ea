"""Hand-made solids cut into slabs: the right levels, the right loops, each loop one prism while it keeps its shape."""

import itertools

import manifold3d as m3
import numpy as np
import pytest

from cad_pipeline.generators.geometric.features import BlendKind, Extrusion, Loft, Mode, Revolution
from cad_pipeline.generators.geometric.frame import frame_along
from cad_pipeline.generators.geometric.prisms import chains, track
from cad_pipeline.generators.geometric.scale import Scale
from cad_pipeline.generators.geometric.sections import levels, loops_differ, region, rings_of, slabs
from cad_pipeline.generators.geometric.shapes2d import Circle, Rectangle
from cad_pipeline.generators.geometric.slabwork import SlabWork
from cad_pipeline.generators.geometric.solids import build, iou

UP = frame_along(np.array([0.0, 0.0, 1.0]), np.zeros(3))


def block(length, width, low, high):
    return m3.Manifold.cube((length, width, high - low), False).translate((-length / 2, -width / 2, low))


def post(radius, low, high, x=0.0, y=0.0, top=None):
    return m3.Manifold.cylinder(high - low, radius, radius if top is None else top, 48).translate((x, y, low))


def arrays(solid):
    mesh = solid.to_mesh64()
    return np.asarray(mesh.vert_properties)[:, :3], np.asarray(mesh.tri_verts, dtype=np.int64)


def cut(solid, knots=False):
    vertices, faces = arrays(solid)
    scale = Scale.of(vertices)
    heights = levels(vertices, faces, scale)
    return slabs(solid, heights, scale, np.unique(vertices[:, 2]) if knots else None), scale


def worked(solid, knots=False):
    stack, scale = cut(solid, knots)
    return SlabWork(stack, UP, scale).features()


def stepped():
    return block(60, 40, 0, 10) + post(12, 10, 25) - post(5, -1, 26) - post(3, 4, 11, 22, 12)


def test_levels_are_the_heights_of_flat_faces():
    vertices, faces = arrays(stepped())
    assert levels(vertices, faces, Scale.of(vertices)) == pytest.approx([0, 4, 10, 25])


def test_slanted_faces_are_no_levels():
    roof = m3.Manifold.hull_points(
        np.array([[x, y, 0] for x in (-9, 9) for y in (-5, 5)] + [[-9, 0, 6], [9, 0, 6]], float)
    )
    vertices, faces = arrays(roof)
    assert levels(vertices, faces, Scale.of(vertices)) == pytest.approx([0, 6])


def test_levels_of_noisy_faces_are_one():
    vertices, faces = arrays(stepped())
    scale = Scale.of(vertices)
    noisy = vertices + np.random.default_rng(1).uniform(-1, 1, vertices.shape) * scale.noise
    assert levels(noisy, faces, scale) == pytest.approx([0, 4, 10, 25], abs=4 * scale.noise)


def test_light_levels_can_be_left_out():
    # the floor of the small blind hole is 28 of more than 5000 mm² of flat faces
    vertices, faces = arrays(stepped())
    assert levels(vertices, faces, Scale.of(vertices), 0.02) == pytest.approx([0, 10, 25])


def test_sections_have_their_areas_and_holes():
    low, middle, high = (region(stepped(), z) for z in (2, 7, 20))
    polygon = 48 / 2 * np.sin(2 * np.pi / 48)
    assert low.area == pytest.approx(2400 - polygon * 25)
    assert middle.area == pytest.approx(2400 - polygon * (25 + 9))
    assert high.area == pytest.approx(polygon * (144 - 25))
    assert [sign for _, sign in rings_of(middle, 1e-3)] == [1, -1, -1]
    assert len(rings_of(middle, 30.0)) == 2, "specks are left out"


def test_sections_compare_by_mean_distance():
    small, large = region(block(20, 20, 0, 5), 2), region(block(20.2, 20.2, 0, 5), 2)
    assert loops_differ(small, large, 0.05)
    assert not loops_differ(small, large, 0.2)
    assert loops_differ(small, region(block(20, 20, 0, 5).translate((1, 0, 0)), 2), 0.05), (
        "equal areas elsewhere differ"
    )


def test_slabs_with_vertical_walls_are_straight():
    stack, _ = cut(stepped())
    assert [(s.low, s.high) for s in stack] == [pytest.approx(p) for p in ((0, 4), (4, 10), (10, 25))]
    assert all(s.straight for s in stack)


def test_a_cone_is_not_straight_and_a_prism_beside_it_is():
    stack, _ = cut(block(40, 40, 0, 6) + post(15, 6, 20, top=4))
    assert [s.straight for s in stack] == [True, False]


def test_a_loop_that_keeps_its_shape_is_one_prism():
    stack, scale = cut(stepped())
    prisms = track(stack, scale)
    found = sorted((p.sign, round(p.low, 6), round(p.high, 6), p.depth) for p in prisms)
    # the plate runs through the first two slabs and the bore through all; the boss and the blind hole stand alone
    assert found == [(-1, 0, 25, 1), (-1, 4, 10, 1), (1, 0, 10, 0), (1, 10, 25, 0)]


def test_an_island_in_a_pocket_is_nested():
    dish = block(60, 40, 0, 10) - block(50, 30, 4, 11) + post(6, 4, 10) - post(2, 4, 11)
    stack, scale = cut(dish)
    assert sorted(p.depth for p in track(stack, scale)) == [0, 1, 2, 3]
    features = worked(dish)
    assert [f.mode for f in features] == [Mode.ADD, Mode.CUT, Mode.ADD, Mode.CUT]
    assert iou(build(features), dish) > 0.999


def test_changing_sections_that_touch_are_one_chain():
    pin = post(10, 0, 20) + post(10, 20, 25, top=5) + post(5, 25, 40)
    stack, scale = cut(pin, knots=True)
    assert [len(c) for c in chains(track(stack, scale), scale.size)] == [3]


def test_a_step_parts_chains():
    stack, scale = cut(post(10, 0, 20) + post(5, 20, 40))
    assert [len(c) for c in chains(track(stack, scale), scale.size)] == [1, 1]


def test_prisms_become_extrusions_with_the_designed_numbers():
    features = worked(stepped())
    assert all(isinstance(f, Extrusion) for f in features)
    found = {(f.mode, f.shape, f.low, f.high) for f in features}
    assert found == {
        (Mode.ADD, Rectangle((0.0, 0.0), (60.0, 40.0)), 0.0, 10.0),
        (Mode.ADD, Circle((0.0, 0.0), 12.0), 10.0, 25.0),
        (Mode.CUT, Circle((0.0, 0.0), 5.0), 0.0, 25.0),
        (Mode.CUT, Circle((22.0, 12.0), 3.0), 4.0, 10.0),
    }
    assert features[0].mode is Mode.ADD


def test_a_tapered_pin_is_one_revolution():
    pin = post(10, 0, 20) + post(10, 20, 25, top=5) + post(5, 25, 40)
    (feature,) = worked(pin, knots=True)
    assert isinstance(feature, Revolution)
    ends = sorted((round(r, 3), round(z, 3)) for r, z in (s.end for s in feature.profile.segments))
    assert ends == [(0, 0), (0, 40), (5, 25), (5, 40), (10, 0), (10, 20)]


def test_a_countersunk_hole_is_one_revolution():
    plate = block(40, 40, 0, 10) - post(3, -1, 7) - m3.Manifold.cylinder(5, 3, 8, 64).translate((0, 0, 6))
    base, hole = worked(plate, knots=True)
    assert (base.mode, hole.mode) == (Mode.ADD, Mode.CUT)
    assert isinstance(hole, Revolution)
    assert max(r for r, _ in (s.end for s in hole.profile.segments)) == pytest.approx(7, abs=0.01)


def test_a_pyramid_without_its_top_is_a_loft():
    corners = [[sx * 15, sy * 10, 0] for sx in (-1, 1) for sy in (-1, 1)]
    frustum = m3.Manifold.hull_points(np.array(corners + [[x / 2, y / 2, 12] for x, y, _ in corners], float))
    (feature,) = worked(frustum)
    assert isinstance(feature, Loft)
    (low, bottom), (high, top) = feature.sections
    assert (low, high) == (0, 12)
    for shape, size in ((bottom, (30, 20)), (top, (15, 10))):
        assert isinstance(shape, Rectangle)
        assert shape.size == pytest.approx(size, rel=0.01)
    assert iou(build([feature]), frustum) > 0.99


def offset_block(insets, length=40.0, width=30.0):
    """A block whose section, at each (height, inset), is drawn in by the inset."""
    part = m3.Manifold()
    for (low, outer), (high, inner) in itertools.pairwise(insets):
        corners = [
            [sx * (length / 2 - inset), sy * (width / 2 - inset), z]
            for z, inset in ((low, outer), (high, inner))
            for sx in (-1, 1)
            for sy in (-1, 1)
        ]
        part += m3.Manifold.hull_points(np.array(corners))
    return part


def test_a_chamfered_rim_is_a_chamfer():
    features = worked(offset_block([(0, 0), (18, 0), (20, 2)]), knots=True)
    (feature,) = features
    assert isinstance(feature, Extrusion)
    assert (feature.low, feature.high, feature.bottom) == (0, 20, None)
    assert feature.top.kind is BlendKind.CHAMFER
    assert (feature.top.size, feature.top.depth) == pytest.approx((2, 2), rel=0.02)


def test_a_rounded_rim_is_a_fillet():
    radius = 4.0
    angles = np.radians(np.linspace(0, 90, 9))
    rim = [(16 + radius * np.sin(a), radius - radius * np.cos(a)) for a in angles]
    features = worked(offset_block([(0, 0), *rim]), knots=True)
    (feature,) = features
    assert isinstance(feature, Extrusion)
    assert feature.top.kind is BlendKind.FILLET
    assert feature.top.size == pytest.approx(radius, rel=0.02)

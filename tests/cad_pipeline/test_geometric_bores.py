"""Bores on any axis are found with their dimensions, and the mesh without them encloses what it did before drilling."""

import manifold3d as m3
import numpy as np
import pytest

from cad_pipeline.generators.geometric.bores import fill_bores
from cad_pipeline.generators.geometric.facets import facets_of
from cad_pipeline.generators.geometric.features import Mode
from cad_pipeline.generators.geometric.scale import Scale

AXES = {"x": np.array([1.0, 0, 0]), "y": np.array([0, 1.0, 0]), "z": np.array([0, 0, 1.0])}


def block(length, width, height):
    return m3.Manifold.cube((length, width, height), True)


def turn(axis):
    """A rotation (3, 4) that takes z to `axis`."""
    z = np.asarray(axis, float) / np.linalg.norm(axis)
    x = np.cross([0.3, 1.0, 0.2], z)
    x /= np.linalg.norm(x)
    return np.column_stack([x, np.cross(z, x), z, np.zeros(3)])


def drill(axis, radius, at, start, end, segments=48):
    """A round bar about the line through `at` along `axis`, from `start` to `end`."""
    bar = m3.Manifold.cylinder(end - start, radius, radius, segments).translate((0, 0, start))
    return bar.transform(turn(axis)).translate(tuple(at))


def filled(solid):
    mesh = solid.to_mesh64()
    vertices = np.asarray(mesh.vert_properties)[:, :3].astype(np.float32).astype(np.float64)
    faces = np.asarray(mesh.tri_verts, dtype=np.int64)
    scale = Scale.of(vertices)
    return fill_bores(vertices, faces, facets_of(vertices, faces, scale.size, scale.noise), scale)


def described(bore):
    """Axis name, diameter, centre across the axis and length of a bore, in the world."""
    axis = bore.frame.axes[2]
    name = max(AXES, key=lambda k: abs(float(AXES[k] @ axis)))
    x, y = bore.shape.centre
    low, high = bore.frame.to_world(np.array([[x, y, bore.low], [x, y, bore.high]]))
    k = "xyz".index(name)
    ends = tuple(sorted(np.round([low[k], high[k]], 3).tolist()))
    return name, round(2 * bore.shape.radius, 3), tuple(np.round(np.delete(low, k), 3) + 0.0), ends


def test_a_part_without_bores_has_nothing_to_fill():
    assert filled(block(40, 30, 20)) is None
    assert filled(m3.Manifold.cylinder(20, 10, 10, 48)) is None, "a post is no bore"
    assert filled(block(40, 30, 20) - block(20, 10, 8).translate((0, 0, 8))) is None, "a pocket is no bore"


def test_bores_on_three_axes_are_filled_and_measured():
    part = block(60, 40, 30)
    part -= drill(AXES["z"], 5, (-15, 5, 0), -20, 20)
    part -= drill(AXES["x"], 3, (0, -12, 8), 10, 40)
    part -= drill(AXES["y"], 2, (20, 0, -6), -30, 0)
    found = filled(part)
    assert found.solid.volume() == pytest.approx(60 * 40 * 30, rel=1e-5)
    assert {described(b) for b in found.bores} == {
        ("z", 10, (-15, 5), (-15, 15)),
        ("x", 6, (-12, 8), (10, 30)),
        ("y", 4, (20, -6), (-20, 0)),
    }
    assert all(b.mode is Mode.CUT for b in found.bores)


@pytest.mark.parametrize("segments", [16, 32, 64])
def test_a_blind_bore_ends_at_its_floor(segments):
    found = filled(block(40, 40, 20) - drill(AXES["z"], 6, (3, 2, 0), -4, 11, segments))
    assert found.solid.volume() == pytest.approx(40 * 40 * 20, rel=1e-5)
    assert [described(b) for b in found.bores] == [("z", 12, (3, 2), (-4, 10))]


def test_a_counterbore_is_two_bores_on_one_axis():
    part = block(40, 40, 20) - drill(AXES["z"], 3, (5, 5, 0), -11, 11) - drill(AXES["z"], 6, (5, 5, 0), 4, 11)
    found = filled(part)
    assert found.solid.volume() == pytest.approx(40 * 40 * 20, rel=1e-5)
    assert {described(b) for b in found.bores} == {("z", 6, (5, 5), (-10, 4)), ("z", 12, (5, 5), (4, 10))}


@pytest.mark.parametrize("segments", [24, 32, 48, 64])
def test_crossing_bores_are_both_filled(segments):
    part = block(60, 40, 30)
    part -= drill(AXES["z"], 8, (0, 0, 0), -16, 16, segments)
    part -= drill(AXES["x"], 4, (0, 0, 0), -31, 31, segments)
    found = filled(part)
    assert found.solid.volume() == pytest.approx(60 * 40 * 30, rel=1e-4)
    assert ("z", 16, (0, 0), (-15, 15)) in {described(b) for b in found.bores}
    side = [described(b) for b in found.bores if described(b)[0] == "x"]
    assert {d[1] for d in side} == {8}
    assert min(d[3][0] for d in side) == -30
    assert max(d[3][1] for d in side) == 30


def test_a_skew_bore_has_its_own_axis():
    axis = np.array([0.0, np.sin(np.radians(30)), np.cos(np.radians(30))])
    part = block(60, 40, 20) - drill(axis, 5, (0, 0, 0), -40, 40)
    found = filled(part)
    (bore,) = found.bores
    assert abs(float(bore.frame.axes[2] @ axis)) > 1 - 1e-8
    assert 2 * bore.shape.radius == pytest.approx(10, abs=2e-3)
    assert found.solid.volume() == pytest.approx(60 * 40 * 20, rel=1e-4)


def test_what_is_filled_is_what_the_bores_cut():
    part = block(50, 50, 20)
    for x in (-15, 0, 15):
        part -= drill(AXES["z"], 3 + x / 15, (x, 10, 0), -11, 11)
    found = filled(part)
    assert len(found.bores) == 3
    cut = sum(np.pi * b.shape.radius**2 * (b.high - b.low) for b in found.bores)
    # the mesh's bores are polygons of 48 sides, the features round
    polygon = 48 / (2 * np.pi) * np.sin(2 * np.pi / 48)
    assert found.solid.volume() - part.volume() == pytest.approx(cut * polygon, rel=1e-4)


@pytest.mark.parametrize("diameter", [9.779, 5.08, 13.081])
def test_a_drill_keeps_its_size_in_a_large_part(diameter):
    part = block(1100, 300, 20) - drill(AXES["z"], diameter / 2, (100, 20, 0), -20, 20)
    (bore,) = filled(part).bores
    assert 2 * bore.shape.radius == pytest.approx(diameter, abs=max(0.01, 1e-3 * diameter))


def revolved(profile, segments=48):
    """The body that a profile of (radius, height) points makes about z."""
    return m3.CrossSection([np.asarray(profile, float)]).revolve(segments)


def arc(centre, radius, start_deg, end_deg, count=6):
    """Points of an arc, both ends included."""
    angle = np.radians(np.linspace(start_deg, end_deg, count + 1))
    return [(centre[0] + radius * np.cos(a), centre[1] + radius * np.sin(a)) for a in angle]


def round_floored(radius, fillet, depth, above):
    """What a ball-nosed drill takes: a round bore with a fillet all round its floor, `depth` deep from z = 0."""
    floor = arc((radius - fillet, fillet - depth), fillet, -90, 0)
    return revolved([(0, -depth), *floor, (radius, above), (0, above)])


def along_axis(bore, axis):
    return abs(float(bore.frame.axes[2] @ np.asarray(axis) / np.linalg.norm(axis)))


@pytest.mark.parametrize("size", [80, 800])
def test_where_vertices_scatter_the_diameter_is_the_nominal_one(size):
    angle = np.linspace(0, 2 * np.pi, 66, endpoint=False)
    radius = 5.5 * (1 + 0.007 * np.cos(2 * angle) + 0.003 * np.cos(4 * angle + 0.5))
    wobbly = m3.CrossSection([np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])]).extrude(30)
    (bore,) = filled(block(size, 40, 10) - wobbly.translate((7, 3, -15))).bores
    assert 2 * bore.shape.radius == 11
    assert bore.shape.centre == pytest.approx((7, 3), abs=0.05)


@pytest.mark.parametrize("axis", [(0, 0, 1), (0.6, 0, 0.8), (0.3, -0.5, 0.81)])
def test_a_bore_that_runs_on_into_a_fillet_is_found(axis):
    tool = round_floored(4, 1.5, 14, 30).transform(turn(axis)).translate((2, 1, 10))
    found = filled(block(60, 50, 40) - tool)
    (bore,) = found.bores
    assert along_axis(bore, axis) > 1 - 1e-6
    assert 2 * bore.shape.radius == pytest.approx(8, abs=2e-3)


@pytest.mark.parametrize("mouth", [[*arc((5, -1), 1, 180, 90)], [(4, -1.2), (5.2, 0)]], ids=["rounded", "chamfered"])
def test_a_bore_goes_on_through_its_broken_mouths(mouth):
    half = [(r, z + 8) for r, z in mouth]
    wide = max(r for r, _ in half)
    tool = revolved([(0, -9), (wide, -9), *[(r, -z) for r, z in reversed(half)], *half, (wide, 9), (0, 9)])
    (bore,) = filled(block(40, 40, 16) - tool.translate((3, -2, 0))).bores
    assert described(bore) == ("z", 8, (3, -2), (-8, 8))


def test_a_wall_whose_rims_have_different_vertices_is_found_along_its_axis():
    # no edge of the wall runs along the axis, and the cone at its floor is joined to it by a shallow angle
    axis = np.array([0.95, 0, -0.31]) / np.hypot(0.95, 0.31)
    rims = [(z, r, 2 * np.pi * (np.arange(n) + 0.3) / n) for z, r, n in ((-40, 2, 40), (0, 2, 24), (0.8, 1.4, 24))]
    points = np.array([(r * np.cos(a), r * np.sin(a), z) for z, r, angles in rims for a in angles])
    found = filled(block(40, 30, 30) - m3.Manifold.hull_points(points).transform(turn(axis)))
    (bore,) = found.bores
    assert along_axis(bore, axis) > 1 - 1e-5
    assert 2 * bore.shape.radius == pytest.approx(4, abs=0.01)


def test_a_small_cross_hole_off_the_middle_of_a_round_bar_is_found():
    # it leaves the bar at so shallow an angle that its wall and the bar's are one patch
    bar = m3.Manifold.cylinder(60, 10, 10, 96)
    found = filled(bar - drill(AXES["x"], 1, (0, 8.7, 30), -20, 20, 32))
    (bore,) = found.bores
    assert described(bore)[:3] == ("x", 2, (8.7, 30))


def test_the_cone_between_a_counterbore_and_its_hole_is_theirs():
    axis = (0.5, 0, 0.866)
    tool = revolved([(0, -60), (2.5, -60), (2.5, -2), (5.5, 0), (5.5, 40), (0, 40)]).transform(turn(axis))
    found = filled(block(90, 70, 40) - tool)
    assert [shell.volume() > 0 for shell in found.solid.decompose()] == [True]
    narrow, wide = sorted(found.bores, key=lambda b: b.shape.radius)
    assert [round(2 * b.shape.radius, 2) for b in (narrow, wide)] == [5, 11]
    assert narrow.high == wide.low or narrow.low == wide.high


def test_the_tip_of_a_drill_is_no_void_of_its_own():
    tool = revolved([(0, -1.2), (2, 0), (2, 30), (0, 30)])
    found = filled(block(60, 50, 40) - tool)
    assert found.solid.volume() == pytest.approx(60 * 50 * 40, rel=1e-6)
    assert len(found.solid.decompose()) == 1


def test_a_groove_round_a_core_is_no_bore():
    groove = m3.Manifold.cylinder(10, 8, 8, 48) - m3.Manifold.cylinder(10, 6, 6, 48)
    assert filled(block(40, 40, 20) - groove.translate((0, 0, 5))) is None

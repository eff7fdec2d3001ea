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

"""Rods in any direction are found by their walls, also where most of a rod lies inside others."""

from __future__ import annotations

import manifold3d as m3
import numpy as np
import pytest

from cad_pipeline.generators.geometric.balls import ball, ball_of
from cad_pipeline.generators.geometric.features import Extrusion, Revolution
from cad_pipeline.generators.geometric.frame import WORLD
from cad_pipeline.generators.geometric.rods import is_lattice, rods
from cad_pipeline.generators.geometric.scale import Scale
from cad_pipeline.generators.geometric.shapes2d import Circle, Outline, Segment
from cad_pipeline.generators.geometric.solids import build, iou


def tube(start, end, radius):
    start, end = np.array(start, float), np.array(end, float)
    along = end - start
    length = float(np.linalg.norm(along))
    z = along / length
    x = np.cross(z, [0.3, 0.5, 0.8])
    x /= np.linalg.norm(x)
    turn = np.column_stack([x, np.cross(z, x), z, start])
    return m3.Manifold.cylinder(length, radius, radius, 48).transform(turn)


def arrays(solid):
    mesh = solid.to_mesh64()
    return np.array(mesh.vert_properties)[:, :3], np.array(mesh.tri_verts, dtype=np.int64)


def found_in(solid):
    vertices, faces = arrays(solid)
    return rods(vertices, faces, solid, Scale.of(vertices))


TETRAHEDRON = ((1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1))


def test_a_frame_of_tubes_comes_apart_into_tubes():
    corners = 30 * np.array(TETRAHEDRON, float)
    solid = m3.Manifold()
    for k in range(4):
        for m in range(k):
            solid += tube(corners[k], corners[m], 4.0)
    listed = found_in(solid)
    assert len(listed) == 6
    assert all(isinstance(f, Extrusion) and isinstance(f.shape, Circle) for f in listed)
    assert [f.shape.radius for f in listed] == pytest.approx([4.0] * 6, abs=0.01)
    assert iou(build(listed), solid) > 0.98


def test_a_bore_is_no_rod():
    block = m3.Manifold.cube((40, 40, 20), True) - tube((0, 0, -20), (0, 0, 20), 6.0)
    assert found_in(block) == []


def test_a_flat_part_has_no_rods():
    assert found_in(m3.Manifold.cube((40, 30, 20), True)) == []


def test_a_handle_on_a_block_is_listed_alone():
    solid = (
        m3.Manifold.cube((60, 20, 20), True) + tube((-20, 0, 0), (-20, 0, 40), 3.0) + tube((20, 0, 0), (20, 0, 40), 3.0)
    )
    listed = found_in(solid)
    assert len(listed) == 2
    assert all(abs(f.frame.axes[2][2]) == pytest.approx(1.0) for f in listed)


def octahedron(radius):
    """Rods between the middles of a cube's faces, four at each joint, rounded there by balls of `radius`."""
    joints = 30.0 * np.vstack([np.eye(3), -np.eye(3)])
    solid = m3.Manifold()
    for k, start in enumerate(joints):
        solid += m3.Manifold.sphere(radius, 48).translate(start)
        for end in joints[:k]:
            if abs(start @ end) < 1.0:
                solid += tube(start, end, 3.0)
    return solid


@pytest.mark.parametrize("radius", [3.0, 5.0])
def test_rods_that_end_in_balls_meet_in_their_middles(radius):
    solid = octahedron(radius)
    listed = found_in(solid)
    balls = [known for f in listed if (known := ball_of(f))]
    assert len(listed) == 12 + 6 and len(balls) == 6
    assert [r for _, r in balls] == pytest.approx([radius] * 6, rel=0.01)
    assert sorted(np.round(middle).tolist() for middle, _ in balls) == sorted(
        np.round(30.0 * np.vstack([np.eye(3), -np.eye(3)])).tolist()
    )
    for rod in listed[:12]:
        ends = rod.frame.to_world(np.array([[*rod.shape.centre, z] for z in (rod.low, rod.high)]))
        assert np.sort(np.abs(ends).max(axis=1)) == pytest.approx([30.0, 30.0], abs=0.05)
    assert iou(build(listed), solid) > 0.99


def test_only_rods_in_several_directions_make_a_lattice():
    for solid, wanted in (
        (octahedron(3.0), True),
        (tube((0, 0, 0), (0, 0, 60), 3.0), False),
        (m3.Manifold.cube((60, 20, 20), True) + tube((-20, 0, 0), (-20, 0, 40), 3.0), False),
    ):
        vertices, faces = arrays(solid)
        assert is_lattice(vertices, faces, Scale.of(vertices)) is wanted


def test_a_ball_knows_its_middle():
    middle, radius = ball_of(ball(np.array([1.0, 2.0, 3.0]), 4.0))
    assert middle.tolist() == [1.0, 2.0, 3.0] and radius == 4.0
    capped = Outline((Segment((0.0, 4.0), mid=(3.0, 0.5)), Segment((0.0, -4.0))))
    assert ball_of(Revolution(WORLD, capped)) is None
    assert ball_of(Revolution(WORLD, Outline((Segment((4.0, 0.0)), Segment((0.0, 4.0)), Segment((0.0, 0.0)))))) is None


def test_rounded_edges_in_all_directions_are_no_rods():
    solid = m3.Manifold()
    box = np.array([20.0, 15.0, 10.0])
    corners = [box * (x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]
    for corner in corners:
        solid += m3.Manifold.sphere(3.0, 48).translate(corner)
    rounded = m3.Manifold.hull(solid)
    vertices, faces = arrays(rounded)
    assert not is_lattice(vertices, faces, Scale.of(vertices))

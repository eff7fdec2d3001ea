"""Rods in any direction are found by their walls, also where most of a rod lies inside others."""

from __future__ import annotations

import manifold3d as m3
import numpy as np
import pytest

from cad_pipeline.generators.geometric.features import Extrusion
from cad_pipeline.generators.geometric.rods import rods
from cad_pipeline.generators.geometric.scale import Scale
from cad_pipeline.generators.geometric.shapes2d import Circle
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


def found_in(solid):
    mesh = solid.to_mesh64()
    vertices, faces = np.array(mesh.vert_properties)[:, :3], np.array(mesh.tri_verts, dtype=np.int64)
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

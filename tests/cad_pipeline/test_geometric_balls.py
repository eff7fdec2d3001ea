"""Bodies that are balls are told as such, and what is left is explained without them."""

from __future__ import annotations

import manifold3d as m3
import numpy as np
import pytest

from cad_pipeline.generators.geometric.balls import ball_of, loose_balls
from cad_pipeline.generators.geometric.mending import Effort
from cad_pipeline.generators.geometric.part import Part
from cad_pipeline.generators.geometric.scale import Scale
from cad_pipeline.generators.geometric.search import search


def arrays(solid):
    mesh = solid.to_mesh64()
    return np.array(mesh.vert_properties)[:, :3], np.array(mesh.tri_verts, dtype=np.int64)


def bearing(count=8):
    def ring(outer, inner):
        return m3.Manifold.cylinder(9.0, outer, outer, 96, True) - m3.Manifold.cylinder(20.0, inner, inner, 96, True)

    angles = 2 * np.pi * np.arange(count) / count
    balls = [m3.Manifold.sphere(2.0, 48).translate((10 * np.cos(a), 10 * np.sin(a), 0)) for a in angles]
    return m3.Manifold.compose([ring(16.0, 12.5), ring(7.5, 5.0), *balls])


def test_balls_of_a_bearing_are_found():
    solid = bearing()
    found = [ball_of(f) for f in loose_balls(solid, Scale.of(arrays(solid)[0]))]
    assert len(found) == 8
    assert [radius for _, radius in found] == pytest.approx([2.0] * 8, abs=0.01)
    assert np.linalg.norm([middle for middle, _ in found], axis=1) == pytest.approx(10.0, abs=0.01)


@pytest.mark.parametrize("other", [m3.Manifold.cube((4.0, 4.0, 4.0), True), m3.Manifold.cylinder(4.0, 2.0, 2.0, 64)])
def test_a_cube_and_a_pin_are_no_balls(other):
    solid = m3.Manifold.compose([other, m3.Manifold.sphere(2.0, 48).translate((10.0, 0.0, 0.0))])
    assert len(loose_balls(solid, Scale.of(arrays(solid)[0]))) == 1


def test_half_a_ball_is_none():
    half = m3.Manifold.sphere(4.0, 64).trim_by_plane((0.0, 0.0, 1.0), 0.0)
    assert loose_balls(half, Scale.of(arrays(half)[0])) == []


def test_a_bearing_is_rings_and_balls():
    solid = bearing()
    vertices, faces = arrays(solid)
    best = search(Part(vertices, faces, solid, Scale.of(vertices), effort=Effort.of(len(faces))))[0]
    assert sum(ball_of(f) is not None for f in best.program.features) == 8
    assert best.iou > 0.99 and best.stray_bodies == 0

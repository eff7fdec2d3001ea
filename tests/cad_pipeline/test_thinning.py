"""Fewer triangles for the search: as many as are asked for, the same solid within the tolerance."""

from __future__ import annotations

import manifold3d as m3
import numpy as np

from cad_pipeline.generators.geometric.solids import iou, mesh_solid
from cad_pipeline.generators.thinning import thinned


def arrays(solid: m3.Manifold) -> tuple[np.ndarray, np.ndarray]:
    mesh = solid.to_mesh64()
    return np.array(mesh.vert_properties)[:, :3], np.array(mesh.tri_verts, dtype=np.int64)


def test_a_fine_mesh_is_thinned_within_the_tolerance() -> None:
    fine = m3.Manifold.cube((40, 30, 20), True).refine(40) - m3.Manifold.cylinder(30, 8, 8, 400, True)
    vertices, faces = arrays(fine)
    assert len(faces) > 15_000
    light_vertices, light_faces = thinned(vertices, faces, most=4_000)
    assert len(light_faces) <= 4_000
    light = mesh_solid(light_vertices, light_faces)
    assert light is not None and iou(light, fine) > 0.9999


def test_a_free_form_is_thinned_as_far_as_the_tolerance_goes() -> None:
    ball = m3.Manifold.sphere(10.0, 600)
    vertices, faces = arrays(ball)
    light_vertices, light_faces = thinned(vertices, faces, most=100)
    assert 100 < len(light_faces) < len(faces) / 4
    light = mesh_solid(light_vertices, light_faces)
    assert light is not None and iou(light, ball) > 0.998


def test_what_has_no_more_than_asked_for_or_does_not_close_stays_as_it_is() -> None:
    vertices, faces = arrays(m3.Manifold.sphere(10.0, 60))
    assert thinned(vertices, faces, most=len(faces)) == (vertices, faces)
    open_ = faces[1:]
    assert thinned(vertices, open_, most=10)[1] is open_

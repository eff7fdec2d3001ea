"""Bodies, handles, voids and how edges are shared."""

import numpy as np
import pytest
import trimesh

from cad_pipeline.values import Betti
from cad_pipeline.verify import NotMeasurable, betti, count_edges


def arrays(mesh):
    return np.array(mesh.vertices), np.array(mesh.faces)


def ball(radius, centre=(0, 0, 0), inward=False):
    mesh = trimesh.creation.icosphere(2, radius)
    mesh.apply_translation(centre)
    if inward:
        mesh.invert()
    return mesh


CASES = {
    "ball": ([ball(3)], Betti(b0=1, b1=0, b2=0)),
    "torus": ([trimesh.creation.torus(5, 1)], Betti(b0=1, b1=1, b2=0)),
    "tube": ([trimesh.creation.annulus(2, 4, 6)], Betti(b0=1, b1=1, b2=0)),
    "hollow ball": ([ball(3), ball(2, inward=True)], Betti(b0=1, b1=0, b2=1)),
    "two voids": ([ball(6), ball(1, (2, 0, 0), True), ball(1, (-2, 0, 0), True)], Betti(b0=1, b1=0, b2=2)),
    "two bodies": ([ball(3), ball(2, (9, 0, 0))], Betti(b0=2, b1=0, b2=0)),
    "overlapping bodies": ([ball(3), ball(3, (2, 0.1, 0.2))], Betti(b0=1, b1=0, b2=0)),
    "ring in a hollow ball": (
        [ball(9), ball(8, inward=True), trimesh.creation.torus(4, 1)],
        Betti(b0=2, b1=1, b2=1),
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_solids_have_their_numbers(name):
    meshes, wanted = CASES[name]
    both = trimesh.util.concatenate(meshes)
    assert betti(arrays(both)) == wanted


def test_a_hollow_ring_has_two_handles():
    # A toroidal void: the solid between two tori has the loop around and the loop across.
    outer, inner = trimesh.creation.torus(8, 3), trimesh.creation.torus(8, 1)
    inner.invert()
    assert betti(arrays(trimesh.util.concatenate([outer, inner]))) == Betti(b0=1, b1=2, b2=1)


def test_holes_through_a_plate_are_counted():
    import manifold3d

    plate = manifold3d.Manifold.cube((60, 40, 5))
    for x in (10, 30, 50):
        plate -= manifold3d.Manifold.cylinder(10, 3, 3, 24).translate((x, 20, -2))
    mesh = plate.to_mesh()
    found = betti((np.array(mesh.vert_properties, np.float64), np.array(mesh.tri_verts, np.int64)))
    assert found == Betti(b0=1, b1=3, b2=0)


def test_an_open_mesh_has_no_numbers_but_a_reason():
    mesh = ball(3)
    with pytest.raises(NotMeasurable, match="3 open edges"):
        betti((np.array(mesh.vertices), np.array(mesh.faces)[1:]))


def test_edges_are_counted_by_how_they_are_shared():
    faces = np.array(trimesh.creation.box((1, 1, 1)).faces)
    assert count_edges(faces).closed
    assert count_edges(faces).paired == 18
    assert count_edges(faces[1:]).open == 3
    turned = faces.copy()
    turned[0] = turned[0, ::-1]
    assert count_edges(turned).turned == 3
    assert not count_edges(turned).closed
    assert count_edges(np.concatenate([faces, faces[:1]])).crowded == 3
    assert not count_edges(np.zeros((0, 3), np.int64)).closed

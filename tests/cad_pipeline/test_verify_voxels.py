"""Voxels: right where centres are clearly inside, robust where meshes are open, honest about thin walls."""

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st

from cad_pipeline.verify import NotMeasurable, exact_iou, voxel_iou, voxelise


def arrays(mesh):
    return np.array(mesh.vertices), np.array(mesh.faces)


def centres(voxels):
    grid = np.stack(np.meshgrid(*(np.arange(n) + 0.5 for n in voxels.occupied.shape), indexing="ij"), axis=-1)
    return voxels.low_mm + grid * voxels.cell_mm


def test_a_box_on_the_grid_is_exact():
    voxels = voxelise(arrays(trimesh.creation.box((8, 4, 2))), 16)
    assert voxels.occupied.shape == (16, 8, 4)
    assert voxels.occupied.all()
    assert voxels.volume_mm3 == pytest.approx(64.0)


def test_a_sphere_has_the_cells_whose_centres_are_inside():
    voxels = voxelise(arrays(trimesh.creation.icosphere(5, 10.0)), 48)
    distance = np.linalg.norm(centres(voxels), axis=-1)
    clear = np.abs(distance - 10.0) > 0.01
    assert np.array_equal(voxels.occupied[clear], (distance < 10.0)[clear])


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**31))
def test_slanted_boxes_are_right_at_every_centre(seed):
    rng = np.random.default_rng(seed)
    size = rng.uniform(1.0, 6.0, 3)
    turn = trimesh.transformations.random_rotation_matrix(rng.random(3))
    mesh = trimesh.creation.box(size, transform=turn)
    voxels = voxelise(arrays(mesh), 24)
    local = np.abs(centres(voxels) @ turn[:3, :3]) - size / 2
    clear = np.abs(local.max(axis=-1)) > 1e-6
    assert np.array_equal(voxels.occupied[clear], (local.max(axis=-1) < 0)[clear])


def test_edges_and_vertices_on_the_rays_do_no_harm():
    # Every vertex and edge of this box lies on a ray of the grid.
    mesh = trimesh.creation.box((6, 6, 6)).subdivide().subdivide()
    voxels = voxelise(arrays(mesh), 8, bounds=[[-4, -4, -4], [4, 4, 4]])
    shifted = mesh.copy()
    shifted.apply_translation((0.5, 0.5, 0.5))
    assert voxels.volume_mm3 == pytest.approx(216.0)
    on_centres = voxelise(arrays(shifted), 8, bounds=[[-4, -4, -4], [4, 4, 4]])
    # Faces through the centres may fall to either side, but whole faces at a time and without a lost ray.
    sides = [np.count_nonzero(on_centres.occupied.any(axis=axes)) for axes in ((1, 2), (0, 2), (0, 1))]
    assert all(5 <= side <= 7 for side in sides)
    assert np.count_nonzero(on_centres.occupied) == np.prod(sides)
    assert voxels.broken_share == on_centres.broken_share == 0.0


def test_bounds_cut_the_part():
    voxels = voxelise(arrays(trimesh.creation.box((10, 10, 10))), 10, bounds=[[0, 0, 0], [10, 10, 10]])
    assert voxels.occupied[:5, :5, :5].all()
    assert voxels.volume_mm3 == pytest.approx(125.0)


def test_an_open_mesh_is_mended_by_the_vote():
    ball = trimesh.creation.icosphere(4, 10.0)
    whole = voxelise(arrays(ball), 48)
    lost = np.random.default_rng(0).choice(len(ball.faces), 40, replace=False)
    broken = voxelise((np.array(ball.vertices), np.delete(np.array(ball.faces), lost, axis=0)), 48, ball.bounds)
    assert broken.broken_share > 0.005
    wrong = np.count_nonzero(whole.occupied != broken.occupied) / np.count_nonzero(whole.occupied)
    assert wrong < 0.005


def test_mixed_orientation_falls_back_to_parity():
    mesh = trimesh.creation.torus(6.0, 2.0)
    faces = np.array(mesh.faces)
    mixed = faces.copy()
    mixed[::3] = mixed[::3, ::-1]
    whole, turned = (voxelise((np.array(mesh.vertices), f), 40) for f in (faces, mixed))
    assert np.count_nonzero(whole.occupied != turned.occupied) <= 0.002 * np.count_nonzero(whole.occupied)


def test_thin_walls_are_told():
    thin = trimesh.creation.box((100, 100, 1))
    assert voxelise(arrays(thin), 64).thin_share == pytest.approx(1.0)
    assert voxelise(arrays(trimesh.creation.box((100, 100, 10))), 64).thin_share == 0.0
    found = voxel_iou(arrays(trimesh.creation.box((100, 100, 1.0))), arrays(trimesh.creation.box((100, 100, 20))), 64)
    assert "thinner" in found.method
    assert abs(found.value - 1 / 20) <= found.error


def test_a_wall_that_no_centre_hits_is_refused_not_zero():
    skin, inner = trimesh.creation.box((100, 90, 80)), trimesh.creation.box((99.8, 89.8, 79.8))
    inner.invert()
    sheet = trimesh.util.concatenate([skin, inner])
    with pytest.raises(NotMeasurable, match="too thin"):
        voxel_iou(arrays(sheet), arrays(sheet), 64)


shape = st.one_of(
    st.builds(lambda a, b, c: trimesh.creation.box((a, b, c)), *[st.floats(2.0, 6.0)] * 3),
    st.builds(lambda r, h: trimesh.creation.cylinder(radius=r, height=h, sections=32), *[st.floats(2.0, 6.0)] * 2),
)


@settings(deadline=None, max_examples=25)
@given(shape, shape, st.tuples(*[st.floats(-2.0, 2.0)] * 3))
def test_the_stated_error_holds(a, b, place):
    b.apply_translation(place)
    cells, exact = voxel_iou(arrays(a), arrays(b), 48), exact_iou(arrays(a), arrays(b))
    assert abs(cells.value - exact.value) <= cells.error
    assert abs(cells.value - exact.value) <= 0.08

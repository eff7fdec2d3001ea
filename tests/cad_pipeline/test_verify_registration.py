"""Registration: known motions are found again, symmetric parts stay as they are."""

import manifold3d
import numpy as np
import pytest
import trimesh

from cad_pipeline.verify import RotationSet, best_rotation_iou, exact_iou, register
from cad_pipeline.verify.rotations import rotations


def bracket():
    """A part without any symmetry: an L with a hole and a boss."""
    solid = manifold3d.Manifold.cube((60, 40, 6)) + manifold3d.Manifold.cube((6, 40, 30))
    solid -= manifold3d.Manifold.cylinder(20, 5, 5, 32).translate((40, 12, -5))
    solid += manifold3d.Manifold.cylinder(6, 4, 4, 32).translate((25, 30, 5))
    mesh = solid.to_mesh64()
    return np.array(mesh.vert_properties[:, :3], np.float64), np.array(mesh.tri_verts, np.int64)


def test_the_sets_have_their_sizes_and_hold_proper_rotations():
    for which, count in zip(RotationSet, (1, 8, 24, 208), strict=True):
        matrices = rotations(which)
        assert len(matrices) == count
        assert np.array_equal(matrices[0], np.eye(3))
        assert np.linalg.det(matrices) == pytest.approx(np.ones(count))
        assert matrices @ matrices.transpose(0, 2, 1) == pytest.approx(np.tile(np.eye(3), (count, 1, 1)))
        assert len(np.unique(np.round(matrices, 6), axis=0)) == count


def test_the_large_set_holds_the_small_ones():
    every = {tuple(np.round(m, 6).ravel() + 0.0) for m in rotations(RotationSet.ALL208)}
    for which in (RotationSet.AXIS8, RotationSet.CUBE24):
        assert {tuple(np.round(m, 6).ravel() + 0.0) for m in rotations(which)} <= every


@pytest.mark.parametrize("number", [0, 17, 120, 207])
def test_a_known_motion_is_found(number):
    vertices, faces = bracket()
    rotation, scale, shift = rotations(RotationSet.ALL208)[number], 0.02 * (number + 1), np.array([100.0, -3, 55])
    target = scale * vertices @ rotation.T + shift
    found = register((vertices, faces), (target, faces))
    assert found.scale == pytest.approx(scale, rel=1e-6)
    assert found.rotation == pytest.approx(rotation, abs=1e-6)
    assert found.apply(vertices) == pytest.approx(target, abs=1e-5 * scale * 60)
    assert found.iou == pytest.approx(1.0, abs=1e-6)


def test_a_small_extra_turn_is_refined():
    vertices, faces = bracket()
    turn = trimesh.transformations.rotation_matrix(0.1, [1, 2, 3])[:3, :3]
    found = register((vertices, faces), (vertices @ turn.T, faces), RotationSet.CUBE24)
    assert found.rotation == pytest.approx(turn, abs=1e-3)
    assert found.iou > 0.995


def test_a_part_that_lacks_a_feature_still_lies_right():
    vertices, faces = bracket()
    plain = manifold3d.Manifold.cube((60, 40, 6)) + manifold3d.Manifold.cube((6, 40, 30))
    mesh = plain.to_mesh64()
    rough = np.array(mesh.vert_properties[:, :3], np.float64) * 0.01, np.array(mesh.tri_verts, np.int64)
    found = register(rough, (vertices, faces))
    assert found.scale == pytest.approx(100.0, rel=2e-3)
    assert found.translation_mm == pytest.approx(np.zeros(3), abs=0.15)
    placed = exact_iou((found.apply(rough[0]), rough[1]), (vertices, faces)).value
    unplaced = exact_iou((rough[0] * 100, rough[1]), (vertices, faces)).value
    assert placed == pytest.approx(unplaced, abs=0.005)


@pytest.mark.parametrize(
    "shape",
    [
        trimesh.creation.box((30, 30, 30)),
        trimesh.creation.cylinder(radius=5, height=20, sections=64),
        trimesh.creation.icosphere(3, 5.0),
    ],
)
def test_symmetric_parts_are_not_turned_and_answers_repeat(shape):
    part = np.array(shape.vertices), np.array(shape.faces)
    placements = [register((part[0] * 0.1, part[1]), part, RotationSet.CUBE24) for _ in range(2)]
    for found in placements:
        assert np.array_equal(found.rotation, np.eye(3))
        assert found.scale == pytest.approx(10.0, rel=1e-6)
    assert np.array_equal(placements[0].translation_mm, placements[1].translation_mm)


def test_the_lenient_measure_forgives_turn_size_and_place():
    vertices, faces = bracket()
    turned = 7.0 * vertices @ rotations(RotationSet.CUBE24)[13].T + 1000.0
    assert best_rotation_iou((vertices, faces), (turned, faces), RotationSet.CUBE24).value == 1.0
    assert best_rotation_iou((vertices, faces), (turned, faces), RotationSet.NONE).value < 0.6
    sizes = [best_rotation_iou((vertices, faces), (turned, faces), which, 24).value for which in RotationSet]
    assert sizes[3] >= max(sizes[:3])


def test_a_box_turned_by_45_degrees_stays_on_the_grid():
    box = trimesh.creation.box((10, 10, 4))
    turn = trimesh.transformations.rotation_matrix(np.pi / 4, [0, 0, 1])
    turned = box.copy().apply_transform(turn)
    found = best_rotation_iou(
        (np.array(box.vertices), np.array(box.faces)),
        (np.array(turned.vertices), np.array(turned.faces)),
        RotationSet.AXIS8,
    )
    assert found.value == pytest.approx(1.0, abs=0.01)

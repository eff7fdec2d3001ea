"""Laws and closed forms of the intersection over union."""

from itertools import pairwise

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st

from cad_pipeline.values import Mesh
from cad_pipeline.verify import NotMeasurable, exact_iou, ray_iou

coordinate = st.floats(-3.0, 3.0)
length = st.floats(0.2, 4.0)
ROUND_OFF = 1e-9


def arrays(mesh):
    return np.array(mesh.vertices), np.array(mesh.faces)


def box(size, centre=(0.0, 0.0, 0.0)):
    mesh = trimesh.creation.box(size)
    mesh.apply_translation(centre)
    return mesh


def without(mesh, *faces):
    keep = np.ones(len(mesh.faces), bool)
    keep[list(faces)] = False
    return np.array(mesh.vertices), np.array(mesh.faces)[keep]


shapes = st.one_of(
    st.builds(lambda a, b, c: box((a, b, c)), length, length, length),
    st.builds(lambda r, h: trimesh.creation.cylinder(radius=r, height=h, sections=24), length, length),
    st.builds(lambda r: trimesh.creation.icosphere(2, r), length),
    st.builds(lambda r, t: trimesh.creation.annulus(r, r + t, 1.0, sections=16), length, length),
)


def moved(mesh, place):
    mesh = mesh.copy()
    mesh.apply_translation(place)
    return mesh


@settings(deadline=None, max_examples=40)
@given(shapes)
def test_a_mesh_with_itself_is_one(mesh):
    assert exact_iou(arrays(mesh), arrays(mesh)).value == pytest.approx(1.0, abs=ROUND_OFF)


@settings(deadline=None, max_examples=40)
@given(shapes, shapes, st.tuples(coordinate, coordinate, coordinate))
def test_symmetric_and_within_zero_and_one(a, b, place):
    b = moved(b, place)
    there, back = exact_iou(arrays(a), arrays(b)).value, exact_iou(arrays(b), arrays(a)).value
    assert 0.0 <= there <= 1.0
    assert there == pytest.approx(back, abs=1e-6)


@settings(deadline=None, max_examples=25)
@given(shapes, shapes)
def test_disjoint_is_zero(a, b):
    assert exact_iou(arrays(a), arrays(moved(b, (30.0, 0.0, 0.0)))).value == 0.0


@settings(deadline=None, max_examples=25)
@given(
    shapes,
    shapes,
    st.tuples(coordinate, coordinate, coordinate),
    st.floats(1e-6, 1e6),
    st.integers(0, 2**31),
)
def test_common_motion_and_scale_change_nothing(a, b, place, scale, seed):
    b = moved(b, place)
    motion = trimesh.transformations.random_rotation_matrix(np.random.default_rng(seed).random(3))
    motion[:3, :3] *= scale
    motion[:3, 3] = np.array([7.0, -5.0, 3.0]) * scale
    before = exact_iou(arrays(a), arrays(b)).value
    a, b = a.copy().apply_transform(motion), b.apply_transform(motion)
    assert exact_iou(arrays(a), arrays(b)).value == pytest.approx(before, abs=1e-6)


@settings(deadline=None, max_examples=20)
@given(shapes, shapes, st.tuples(coordinate, coordinate, coordinate))
def test_retessellation_changes_nothing(a, b, place):
    b = moved(b, place)
    before = exact_iou(arrays(a), arrays(b)).value
    assert exact_iou(arrays(a.subdivide()), arrays(b)).value == pytest.approx(before, abs=1e-6)


@settings(deadline=None, max_examples=20)
@given(shapes, st.lists(st.floats(0.0, 3.0), min_size=3, max_size=5))
def test_moving_a_convex_shape_away_never_helps(mesh, steps):
    convex = mesh.convex_hull
    values = [exact_iou(arrays(convex), arrays(moved(convex, (s, 0.3 * s, 0.0)))).value for s in sorted(steps)]
    assert all(near >= far - ROUND_OFF for near, far in pairwise(values))


@given(length, length, length, st.floats(0.0, 1.0))
@settings(deadline=None, max_examples=30)
def test_shifted_boxes_follow_the_closed_form(a, b, c, share):
    result = moved(box((a, b, c)), (share * a, 0.0, 0.0))
    assert exact_iou(arrays(box((a, b, c))), arrays(result)).value == pytest.approx((1 - share) / (1 + share), abs=1e-6)


def test_concentric_spheres_follow_the_closed_form():
    fine = trimesh.creation.icosphere(4, 1.0)
    small = trimesh.creation.icosphere(4, 0.8)
    assert exact_iou(arrays(fine), arrays(small)).value == pytest.approx(0.8**3, abs=1e-9)


def test_shifted_spheres_follow_the_closed_form():
    ball = trimesh.creation.icosphere(5, 1.0)
    d = 0.6
    lens = np.pi * (4 + d) * (2 - d) ** 2 / 12
    wanted = lens / (2 * 4 * np.pi / 3 - lens)
    assert exact_iou(arrays(ball), arrays(moved(ball, (d, 0, 0)))).value == pytest.approx(wanted, abs=2e-3)


def test_crossed_cylinders_are_a_steinmetz_solid():
    one = trimesh.creation.cylinder(radius=1.0, height=4.0, sections=256)
    other = one.copy().apply_transform(trimesh.transformations.rotation_matrix(np.pi / 2, [1, 0, 0]))
    both, each = 16 / 3, 4 * np.pi
    assert exact_iou(arrays(one), arrays(other)).value == pytest.approx(both / (2 * each - both), abs=1e-3)


@settings(deadline=None, max_examples=25)
@given(shapes, shapes, st.tuples(coordinate, coordinate, coordinate))
def test_rays_agree_with_the_exact_answer(a, b, place):
    b = moved(b, place)
    assert ray_iou(arrays(a), arrays(b), rays=256).value == pytest.approx(
        exact_iou(arrays(a), arrays(b)).value, abs=0.005
    )


def test_rays_measure_a_sheet_thinner_than_their_grid():
    sheet = box((100.0, 80.0, 0.05))
    # Slanted, so that no axis sees it square on.
    turn = trimesh.transformations.rotation_matrix(0.4, [1, 2, 0.5])
    shifted = moved(sheet, (0.0, 0.0, 0.02)).apply_transform(turn)
    assert ray_iou(arrays(sheet.apply_transform(turn)), arrays(shifted)).value == pytest.approx(3 / 7, abs=0.01)


def test_a_mesh_with_a_hole_is_measured_by_rays_and_says_so():
    ball = trimesh.creation.icosphere(4, 10.0)
    found = exact_iou(without(ball, 5, 300, 301, 302), arrays(ball))
    assert found.value == pytest.approx(1.0, abs=0.01)
    assert "rays" in found.method
    assert "open edges" in found.method


def test_inverted_meshes_are_turned():
    mesh = trimesh.creation.annulus(2.0, 5.0, 3.0)
    inside_out = (np.array(mesh.vertices), np.array(mesh.faces)[:, ::-1])
    assert exact_iou(arrays(mesh), inside_out).value == pytest.approx(1.0, abs=ROUND_OFF)
    assert exact_iou(inside_out, arrays(mesh)).value == pytest.approx(1.0, abs=ROUND_OFF)


def test_one_body_of_two_may_face_inwards():
    left, right = box((2, 2, 2)), box((1, 1, 1), (5, 0, 0))
    both = trimesh.util.concatenate([left, right])
    right.invert()
    mixed = trimesh.util.concatenate([left, right])
    found = exact_iou(arrays(both), arrays(mixed))
    assert found.value == pytest.approx(1.0, abs=ROUND_OFF)
    assert "turned" in found.method


def test_overlapping_bodies_count_once():
    left, right = box((2, 2, 2)), box((2, 2, 2), (1, 0, 0))
    union = box((3, 2, 2), (0.5, 0, 0))
    both = trimesh.util.concatenate([left, right])
    found = exact_iou(arrays(both), arrays(union))
    assert found.value == pytest.approx(1.0, abs=ROUND_OFF)
    assert found.method == "exact, overlapping bodies united"
    assert ray_iou(arrays(both), arrays(union)).value == pytest.approx(1.0, abs=1e-6)


def test_a_void_and_an_island_in_it_are_kept():
    outer, hole, island = box((6, 6, 6)), box((4, 4, 4)), box((2, 2, 2))
    hole.invert()
    nested = trimesh.util.concatenate([outer, hole, island])
    wanted = (216 - 64 + 8) / 216
    assert exact_iou(arrays(box((6, 6, 6))), arrays(nested)).value == pytest.approx(wanted, abs=1e-9)
    assert ray_iou(arrays(box((6, 6, 6))), arrays(nested)).value == pytest.approx(wanted, abs=2e-3)


def test_triangle_soup_is_welded():
    mesh = trimesh.creation.torus(5.0, 1.5)
    soup = (np.array(mesh.triangles).reshape(-1, 3), np.arange(3 * len(mesh.faces)).reshape(-1, 3))
    found = exact_iou(arrays(mesh), soup)
    assert found.value == pytest.approx(1.0, abs=ROUND_OFF)
    assert found.method.startswith("exact")


def test_soup_with_float32_noise_is_still_exact():
    mesh = trimesh.creation.torus(5.0, 1.5)
    noise = np.random.default_rng(3).normal(size=(3 * len(mesh.faces), 3)) * 2e-7
    soup = (np.array(mesh.triangles).reshape(-1, 3) + noise, np.arange(3 * len(mesh.faces)).reshape(-1, 3))
    found = exact_iou(arrays(mesh), soup)
    assert found.value == pytest.approx(1.0, abs=1e-5)
    assert found.method.startswith("exact")


def test_a_crack_between_unequal_edges_is_closed():
    # One face is split along an edge where its neighbour is not: the tessellation of a B-rep that does not close.
    mesh = box((10, 8, 6))
    vertices, faces = arrays(mesh)
    a, b, c = faces[0]
    middle = (vertices[a] + vertices[b]) / 2 + [0, 0, 1e-4]
    cracked = np.vstack([vertices, middle]), np.vstack([faces[1:], [[a, 8, c], [8, b, c]]])
    found = exact_iou((vertices, faces), cracked)
    assert found.method.startswith("exact")
    assert "cracks closed" in found.method
    assert found.value == pytest.approx(1.0, abs=1e-4)


@pytest.mark.parametrize("far", [(1e5, -2e5, 3e5), (0.0, 0.0, 1e7)])
def test_far_from_the_origin(far):
    mesh = trimesh.creation.cylinder(radius=5, height=20)
    a, b = moved(mesh, far), moved(moved(mesh, (0, 0, 1.0)), far)
    assert exact_iou(arrays(a), arrays(b)).value == pytest.approx(19 / 21, abs=1e-6)


def test_nothing_is_changed_in_the_given_arrays():
    mesh = trimesh.creation.icosphere(2)
    vertices, faces = arrays(mesh)
    before = vertices.copy(), faces.copy()
    exact_iou((vertices, faces), (vertices, faces[:, ::-1]))
    assert np.array_equal(vertices, before[0])
    assert np.array_equal(faces, before[1])


@pytest.mark.parametrize(
    ("vertices", "faces", "words"),
    [
        (np.zeros((0, 3)), np.zeros((0, 3), int), "expected triangles"),
        (np.array([[0, 0, 0], [1, 0, 0], [0, np.nan, 0]]), np.array([[0, 1, 2]]), "finite"),
        (np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0.0]]), np.array([[0, 1, 3]]), "does not exist"),
        (np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0.0]]), np.array([[0, 1, 2], [0, 2, 3]]), "no volume"),
        (np.ones((3, 3)), np.array([[0, 1, 2]]), "coincide"),
    ],
)
def test_what_encloses_nothing_is_refused_with_the_reason(vertices, faces, words):
    with pytest.raises(NotMeasurable, match=words):
        exact_iou(Mesh(name="broken", vertices=vertices, faces=faces), (vertices, faces))


def test_a_flat_result_scores_zero():
    sheet = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0.0]]), np.array([[0, 1, 2], [0, 2, 3]])
    assert exact_iou(arrays(box((1, 1, 1))), sheet).value == 0.0

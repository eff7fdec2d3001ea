"""Distances between surfaces, what facets explain, and the F1 of surfaces."""

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st

from cad_pipeline.verify import Subject, as_subject, deviation, surface_f1
from cad_pipeline.verify.distance import TriangleTree


def arrays(mesh):
    return np.array(mesh.vertices), np.array(mesh.faces)


def facets_mm(mesh):
    subject: Subject = as_subject(arrays(mesh))
    unit = subject.frame.mm_per_unit
    return subject.facets.sagitta * unit, subject.facets.volume * unit**3


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**31), st.integers(1, 60))
def test_the_tree_finds_what_brute_force_finds(seed, count):
    rng = np.random.default_rng(seed)
    corners = rng.normal(size=(count, 1, 3)) * 4 + rng.normal(size=(count, 3, 3))
    points = rng.normal(size=(50, 3)) * 6
    closest = trimesh.triangles.closest_point(np.tile(corners, (50, 1, 1)), np.repeat(points, count, axis=0))
    wanted = np.linalg.norm(closest.reshape(50, count, 3) - points[:, None], axis=2)
    distance, nearest = TriangleTree.over(corners).distances(points)
    assert distance == pytest.approx(wanted.min(axis=1), abs=1e-9)
    assert wanted[np.arange(50), nearest] == pytest.approx(wanted.min(axis=1), abs=1e-9)


@pytest.mark.parametrize("order", [(0, 1, 1), (1, 0, 1), (1, 1, 0), (0, 1, 2), (2, 0, 1), (1, 2, 0)])
def test_a_triangle_without_area_is_a_segment(order):
    ends = np.array([[0.0, 0, 0], [4, 0, 0], [1, 0, 0]])
    points = np.array([[2.0, 3, 0], [-3, 4, 0], [7, 0, 4]])
    distance, _ = TriangleTree.over(ends[list(order)][None]).distances(points)
    assert distance == pytest.approx([3.0, 5.0, 5.0])


def test_the_tree_stands_triangles_at_every_scale():
    corners = np.array([np.eye(3) * 0.5**k + 0.5**k for k in range(900)])
    distance, _ = TriangleTree.over(corners).distances(np.zeros((1, 3)))
    assert distance[0] == pytest.approx(0.0, abs=1e-12)


def test_parallel_boxes_lie_as_far_apart_as_their_faces():
    small, large = trimesh.creation.box((10, 10, 10)), trimesh.creation.box((11, 10, 10))
    found = deviation(arrays(small), arrays(large))
    assert found.max == pytest.approx(0.5)
    assert found.p95 == pytest.approx(0.5)
    # Two of six faces moved by half a millimetre; the other four partly.
    assert 0.1 < found.mean < 0.2
    assert found.sagitta == 0.0


def test_a_missing_spike_is_seen_from_either_side():
    plain = trimesh.creation.box((10, 10, 10))
    on_top = trimesh.transformations.translation_matrix((0, 0, 5))
    spiked = trimesh.util.concatenate([plain, trimesh.creation.cone(1.0, 3.0, transform=on_top)])
    there, back = deviation(arrays(plain), arrays(spiked)), deviation(arrays(spiked), arrays(plain))
    assert there.max == pytest.approx(3.0, abs=1e-6)
    assert back.max == pytest.approx(3.0, abs=1e-6)


def test_walls_inside_overlapping_bodies_are_no_surface():
    left, right = trimesh.creation.box((20, 10, 10)), trimesh.creation.box((20, 10, 10))
    right.apply_translation((13, 0, 0))
    union = trimesh.creation.box(bounds=[[-10, -5, -5], [23, 5, 5]])
    both = trimesh.util.concatenate([left, right])
    assert deviation(arrays(both), arrays(union)).max == pytest.approx(0.0, abs=1e-9)
    assert surface_f1(arrays(both), arrays(union)) == 1.0


@pytest.mark.parametrize("sections", [12, 16, 24, 48, 96])
def test_the_sagitta_of_a_cylinder_is_known(sections):
    radius = 5.0
    coarse = trimesh.creation.cylinder(radius=radius, height=20, sections=sections)
    fine = trimesh.creation.cylinder(radius=radius, height=20, sections=sections * 32)
    found = deviation(arrays(coarse), arrays(fine))
    truth = radius * (1 - np.cos(np.pi / sections))
    assert found.sagitta == pytest.approx(truth, rel=0.02)
    assert found.max == pytest.approx(truth, rel=0.02)
    assert facets_mm(coarse)[1] == pytest.approx(fine.volume - coarse.volume, rel=0.03)


@pytest.mark.parametrize("mesh", [trimesh.creation.icosphere(3, 5.0), trimesh.creation.uv_sphere(5.0, count=[16, 32])])
def test_the_sagitta_of_a_sphere_is_not_overstated(mesh):
    truth = deviation(arrays(mesh), arrays(trimesh.creation.icosphere(6, 5.0))).max
    assert 0.4 * truth < facets_mm(mesh)[0] < 1.2 * truth


@pytest.mark.parametrize(
    "mesh",
    [
        trimesh.creation.box((10, 20, 30)),
        trimesh.creation.cylinder(radius=5, height=20, sections=6),
        trimesh.creation.cylinder(radius=5, height=20, sections=8),
        # A roof of 10 degrees: one shallow edge between two large planes.
        trimesh.convex.convex_hull(
            [(x, y, z) for y in (0, 40) for x, z in ((0, 0), (99, 0), (0, 20), (99, 20), (50, 29))]
        ),
    ],
)
def test_meant_edges_explain_nothing(mesh):
    assert facets_mm(mesh) == (0.0, 0.0)


def test_f1_of_a_mesh_with_itself_is_one_whatever_its_triangles():
    mesh = trimesh.creation.annulus(4, 9, 5)
    assert surface_f1(arrays(mesh), arrays(mesh)) == 1.0
    assert surface_f1(arrays(mesh), arrays(mesh.subdivide())) == 1.0
    assert surface_f1(arrays(mesh), (np.array(mesh.vertices), np.array(mesh.faces)[:, ::-1])) == 1.0


def test_f1_counts_the_faces_that_moved():
    a, b = trimesh.creation.box((10, 10, 10)), trimesh.creation.box((10, 10, 10))
    b.apply_translation((0, 0, 1.0))
    # Top and bottom miss; the sides keep nine tenths and a strip within the radius.
    share = (4 * (90 + 10 * 0.005 * np.sqrt(300))) / 600
    assert surface_f1(arrays(a), arrays(b)) == pytest.approx(share, abs=0.01)


def test_f1_asks_for_the_same_normal():
    # A corrugated sheet lies close to the flat one everywhere and is still another surface.
    x = np.linspace(0, 100, 401)
    z = np.where(np.arange(401) % 2, 0.25, 0.0)
    outline = [*zip(x, z, strict=True), (100, -5), (0, -5)]
    import shapely

    wavy = trimesh.creation.extrude_polygon(shapely.Polygon(outline), 50)
    flat = trimesh.creation.extrude_polygon(shapely.box(0, -5, 100, 0.125), 50)
    f1 = surface_f1(arrays(flat), arrays(wavy))
    assert 0.4 < f1 < 0.75
    assert deviation(arrays(flat), arrays(wavy)).max < 0.3


def test_figures_do_not_depend_on_the_unit():
    a, b = trimesh.creation.cylinder(radius=5, height=20), trimesh.creation.cylinder(radius=5.2, height=20)
    mm = deviation(arrays(a), arrays(b))
    for scale in (1e-6, 1e6):
        large = deviation((a.vertices * scale, a.faces), (b.vertices * scale, b.faces))
        assert large.max / scale == pytest.approx(mm.max, rel=1e-6)
        assert large.mean / scale == pytest.approx(mm.mean, rel=1e-6)
        assert large.sagitta / scale == pytest.approx(mm.sagitta, rel=1e-6)

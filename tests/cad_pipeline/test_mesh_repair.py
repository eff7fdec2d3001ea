"""Repairs: what comes in broken goes out closed, facing outwards, with its volume, and with a note."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from manifold3d import Manifold

from cad_pipeline.errors import InputError
from cad_pipeline.mesh import bodies, mesh_from_arrays, read_mesh, write_stl

QUICK = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)


def arrays(solid: Manifold) -> tuple[np.ndarray, np.ndarray]:
    mesh = solid.to_mesh64()
    return np.array(mesh.vert_properties)[:, :3], np.array(mesh.tri_verts).astype(np.int64)


def soup(vertices: np.ndarray, faces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return vertices[faces].reshape(-1, 3), np.arange(3 * len(faces)).reshape(-1, 3)


def join(*parts: tuple[np.ndarray, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    offsets = np.cumsum([0] + [len(v) for v, _ in parts])
    return np.concatenate([v for v, _ in parts]), np.concatenate(
        [f + o for (_, f), o in zip(parts, offsets[:-1], strict=True)]
    )


def bored_block() -> Manifold:
    block = Manifold.cube((60, 40, 20), True)
    holes = [Manifold.cylinder(30, 5, 5, 40, True).translate((x, y, 0)) for x in (-20, 20) for y in (-10, 10)]
    return block - holes[0] - holes[1] - holes[2] - holes[3]


PARTS = {
    "cube": Manifold.cube((20, 20, 20), True),
    "bored block": bored_block(),
    "ball": Manifold.sphere(12, 32),
    "shaft": Manifold.cylinder(40, 8, 8, 48) + Manifold.cylinder(15, 14, 14, 48),
}


@pytest.fixture(params=list(PARTS), name="part")
def each_part(request: pytest.FixtureRequest) -> Manifold:
    return PARTS[request.param]


def words(notes: tuple[str, ...]) -> str:
    return " | ".join(notes)


def test_a_clean_mesh_is_left_alone(part: Manifold) -> None:
    vertices, faces = arrays(part)
    mesh = mesh_from_arrays(vertices, faces, "part")
    assert mesh.closed
    assert mesh.notes == ()
    assert np.array_equal(mesh.vertices, vertices)
    assert np.array_equal(mesh.faces, faces)


def test_decimal_numbers_near_the_origin_keep_every_digit() -> None:
    vertices, faces = arrays(Manifold.cube((0.1, 0.7, 0.3)).translate((0.1, 0.1, 0.1)))
    mesh = mesh_from_arrays(*soup(vertices, faces), "part")
    assert {tuple(p) for p in mesh.vertices} == {tuple(p) for p in vertices}


def test_missing_triangles_are_put_back(part: Manifold) -> None:
    vertices, faces = arrays(part)
    rng = np.random.default_rng(1)
    lost = rng.choice(len(faces), size=max(2, len(faces) // 20), replace=False)
    mesh = mesh_from_arrays(vertices, np.delete(faces, lost, axis=0), "part")
    assert mesh.closed
    assert mesh.volume == pytest.approx(part.volume(), rel=0.01)
    assert "closed" in words(mesh.notes)


def test_a_hole_over_a_sharp_edge_gets_its_edge_back() -> None:
    vertices, faces = arrays(Manifold.cube((10, 10, 10)))
    edge = {0, 1} if any({0, 1} <= set(f) for f in faces.tolist()) else set(faces[0][:2].tolist())
    kept = np.array([f for f in faces.tolist() if not edge <= set(f)])
    assert len(kept) == 10
    mesh = mesh_from_arrays(vertices, kept, "cube")
    assert mesh.closed
    assert mesh.volume == pytest.approx(1000)


def test_a_missing_flat_lid_of_many_corners_is_closed() -> None:
    vertices, faces = arrays(Manifold.cylinder(30, 10, 10, 128))
    lid = (vertices[faces][:, :, 2] == 30).all(axis=1)
    mesh = mesh_from_arrays(vertices, faces[~lid], "can")
    assert mesh.closed
    assert mesh.volume == pytest.approx(Manifold.cylinder(30, 10, 10, 128).volume())


def test_wholly_inverted_normals_are_turned(part: Manifold) -> None:
    vertices, faces = arrays(part)
    mesh = mesh_from_arrays(vertices, faces[:, ::-1], "part")
    assert mesh.volume == pytest.approx(part.volume())
    assert "turned 1 shell" in words(mesh.notes)


def test_mixed_winding_is_made_one(part: Manifold) -> None:
    vertices, faces = arrays(part)
    wrong = np.random.default_rng(2).random(len(faces)) < 0.4
    wrong[0] = True
    mixed = np.where(wrong[:, None], faces[:, ::-1], faces)
    mesh = mesh_from_arrays(*soup(vertices, mixed), "part")
    assert mesh.closed
    assert mesh.volume == pytest.approx(part.volume())
    assert "agree with their neighbours" in words(mesh.notes)


def test_overlapping_bodies_are_fused() -> None:
    box = Manifold.cube((20, 20, 20), True)
    rod = Manifold.cylinder(50, 8, 8, 64, True)
    mesh = mesh_from_arrays(*join(arrays(box), arrays(rod)), "part")
    assert mesh.closed
    assert len(bodies(mesh)) == 1
    assert mesh.volume == pytest.approx((box + rod).volume())
    assert "fused 2 overlapping bodies into 1" in words(mesh.notes)


def test_a_body_swallowed_by_another_is_no_cavity() -> None:
    box, ball = Manifold.cube((20, 20, 20), True), Manifold.sphere(5, 32)
    mesh = mesh_from_arrays(*join(arrays(box), arrays(ball)), "part")
    assert mesh.volume == pytest.approx(8000)
    assert len(bodies(mesh)) == 1


def test_separate_bodies_stay_separate_and_touching_ones_too() -> None:
    one, two, three = (Manifold.cube((10, 10, 10)).translate((x, 0, 0)) for x in (0, 10, 30))
    mesh = mesh_from_arrays(*join(arrays(one), arrays(two), arrays(three)), "part")
    assert mesh.closed
    assert mesh.volume == pytest.approx(3000)
    parts = bodies(mesh)
    assert [p.volume for p in parts] == pytest.approx([1000, 1000, 1000])
    assert all(p.closed for p in parts)


def test_a_cavity_stays_with_its_body() -> None:
    hollow = Manifold.cube((30, 30, 30), True) - Manifold.sphere(10, 48)
    other = Manifold.cube((5, 5, 5)).translate((40, 0, 0))
    mesh = mesh_from_arrays(*join(arrays(hollow), arrays(other)), "part")
    assert mesh.notes == ("2 separate bodies",)
    assert sorted(p.volume for p in bodies(mesh)) == pytest.approx([125, hollow.volume()])


def test_an_inverted_hollow_body_keeps_its_cavity() -> None:
    hollow = Manifold.cube((30, 30, 30), True) - Manifold.sphere(10, 48)
    vertices, faces = arrays(hollow)
    mesh = mesh_from_arrays(vertices, faces[:, ::-1], "part")
    assert mesh.volume == pytest.approx(hollow.volume())


def test_a_body_inside_a_cavity_is_a_body() -> None:
    hollow = Manifold.cube((30, 30, 30), True) - Manifold.sphere(10, 48)
    core = Manifold.sphere(4, 24)
    mesh = mesh_from_arrays(*join(arrays(hollow), arrays(core)), "part")
    assert mesh.volume == pytest.approx(hollow.volume() + core.volume())
    assert len(bodies(mesh)) == 2


def test_bodies_that_share_an_edge_are_taken_apart() -> None:
    left, right = Manifold.cube((10, 10, 10)), Manifold.cube((10, 10, 10)).translate((10, 10, 0))
    mesh = mesh_from_arrays(*join(arrays(left), arrays(right)), "part")
    assert mesh.closed
    assert mesh.volume == pytest.approx(2000)
    assert len(bodies(mesh)) == 2


def test_doubled_and_degenerate_triangles_go(part: Manifold) -> None:
    vertices, faces = arrays(part)
    degenerate = np.array([[faces[0, 0], faces[0, 0], faces[0, 1]]])
    mesh = mesh_from_arrays(vertices, np.concatenate([faces, faces[:3], degenerate]), "part")
    assert len(mesh.faces) == len(faces)
    assert "doubled" in words(mesh.notes)
    assert "degenerate" in words(mesh.notes)


def test_a_t_junction_is_split() -> None:
    vertices, faces = arrays(Manifold.cube((10, 10, 10)))
    a, b, c = faces[0]
    middle = len(vertices)
    vertices = np.vstack([vertices, (vertices[a] + vertices[b]) / 2])
    faces = np.vstack([faces[1:], [[a, middle, c], [middle, b, c]]])  # the neighbour across a-b keeps its whole edge
    mesh = mesh_from_arrays(vertices, faces, "cube")
    assert mesh.closed
    assert mesh.volume == pytest.approx(1000)
    assert "T-junction" in words(mesh.notes)


def test_float32_noise_far_from_the_origin_is_welded() -> None:
    part = PARTS["bored block"]
    vertices, faces = soup(*arrays(part))
    offset = np.array([1e5, -2e5, 3e5])
    noisy = vertices + offset + np.random.default_rng(3).uniform(-0.01, 0.01, vertices.shape)
    mesh = mesh_from_arrays(noisy.astype(np.float32), faces, "far")
    assert mesh.closed
    assert mesh.volume == pytest.approx(part.volume(), rel=0.01)
    assert np.allclose(mesh.bounds.mean(axis=0), offset, atol=0.1)


def test_loose_scraps_are_left_out() -> None:
    vertices, faces = arrays(Manifold.cube((10, 10, 10)))
    scrap = (np.array([[50.0, 0, 0], [51, 0, 0], [50, 1, 0]]), np.array([[0, 1, 2]]))
    mesh = mesh_from_arrays(*join((vertices, faces), scrap), "part")
    assert mesh.closed
    assert mesh.volume == pytest.approx(1000)
    assert "loose" in words(mesh.notes)


@pytest.mark.parametrize("mirrored", [False, True])
def test_bodies_that_share_a_whole_face_stay_two(mirrored: bool) -> None:
    vertices, faces = arrays(Manifold.cube((10, 10, 10)))
    other = vertices * [-1, 1, 1] if mirrored else vertices - [10, 0, 0]  # mirrored: the same triangles on both sides
    mesh = mesh_from_arrays(*join((vertices, faces), (other, faces[:, ::-1] if mirrored else faces)), "part")
    assert mesh.closed
    assert [p.volume for p in bodies(mesh)] == pytest.approx([1000, 1000])


def test_a_flap_on_a_solid_goes() -> None:
    vertices, faces = arrays(Manifold.cube((10, 10, 10)))
    a, b = faces[0, 0], faces[0, 1]
    tip = len(vertices)
    flap = np.array([[a, b, tip], [b, a, tip]])
    mesh = mesh_from_arrays(np.vstack([vertices, [[30.0, 31, 32]]]), np.concatenate([faces, flap]), "part")
    assert mesh.closed
    assert mesh.volume == pytest.approx(1000)
    assert len(bodies(mesh)) == 1


@pytest.mark.parametrize("numbers", [np.nan, np.inf, -np.inf, 1e300])
def test_bad_numbers_are_dropped_with_their_triangles(numbers: float) -> None:
    vertices, faces = soup(*arrays(Manifold.cube((10, 10, 10))))
    vertices[0, 0] = numbers
    mesh = mesh_from_arrays(vertices, faces, "part")
    assert np.isfinite(mesh.vertices).all()
    assert mesh.closed
    assert mesh.volume == pytest.approx(1000)


def sheet(bend: float) -> tuple[np.ndarray, np.ndarray]:
    x, y = (g.ravel() for g in np.meshgrid(np.linspace(0, 60, 9), np.linspace(0, 30, 9), indexing="ij"))
    vertices = np.stack([x, y, bend * np.sin(x / 60 * math.pi)], axis=1)
    k = np.array([9 * i + j for i in range(8) for j in range(8)])
    return vertices, np.concatenate([np.stack([k, k + 9, k + 10], 1), np.stack([k, k + 10, k + 1], 1)])


@pytest.mark.parametrize(
    ("vertices", "faces", "says"),
    [
        (*sheet(0.0), "flat sheet"),
        (*sheet(3.0), "open surface"),
        (np.zeros((3, 3)), np.array([[0, 1, 2]]), "expected a part with a size"),
        (np.eye(3), np.empty((0, 3), int), "got none"),
        (np.eye(3), np.array([[0, 1, 7]]), "corner numbers"),
        (np.eye(3), np.array([[0, 1, -1]]), "corner numbers"),
        (np.eye(3)[:, :2], np.array([[0, 1, 2]]), "shape"),
        (np.eye(3), np.array([[0.0, 1.0, 2.0]]), "whole corner numbers"),
        (np.full((3, 3), np.nan), np.array([[0, 1, 2]]), "NaN"),
    ],
)
def test_what_encloses_nothing_is_refused_in_one_line(vertices: np.ndarray, faces: np.ndarray, says: str) -> None:
    with pytest.raises(InputError, match=says) as caught:
        mesh_from_arrays(vertices, faces, "thing")
    assert "\n" not in str(caught.value)


@QUICK
@given(seed=st.integers(0, 2**32 - 1), name=st.sampled_from(list(PARTS)))
def test_order_rotation_and_splitting_of_triangles_do_not_matter(seed: int, name: str) -> None:
    rng = np.random.default_rng(seed)
    vertices, faces = soup(*arrays(PARTS[name]))
    faces = faces[rng.permutation(len(faces))]
    turn = rng.integers(0, 3, len(faces))
    faces = faces[np.arange(len(faces))[:, None], (turn[:, None] + np.arange(3)) % 3]
    mesh = mesh_from_arrays(vertices, faces, name)
    assert mesh.closed
    assert mesh.notes == ()
    assert mesh.volume == pytest.approx(PARTS[name].volume())


@QUICK
@given(seed=st.integers(0, 2**32 - 1), count=st.integers(1, 30))
def test_any_few_missing_triangles_come_back(seed: int, count: int) -> None:
    vertices, faces = arrays(PARTS["bored block"].refine(2))
    lost = np.random.default_rng(seed).choice(len(faces), count, replace=False)
    mesh = mesh_from_arrays(vertices, np.delete(faces, lost, axis=0), "part")
    assert mesh.closed
    assert mesh.volume == pytest.approx(PARTS["bored block"].volume(), rel=0.02)


@QUICK
@given(
    scale=st.floats(1e-6, 1e6),
    shift=st.tuples(*[st.floats(-1e6, 1e6)] * 3),
)
def test_scale_and_place_do_not_matter(scale: float, shift: tuple[float, float, float]) -> None:
    vertices, faces = soup(*arrays(PARTS["shaft"]))
    mesh = mesh_from_arrays(vertices * scale + np.array(shift) * scale, faces, "part")
    assert mesh.closed
    assert mesh.volume == pytest.approx(PARTS["shaft"].volume() * scale**3, rel=1e-5)


def test_random_soups_never_raise_anything_but_an_input_error() -> None:
    rng = np.random.default_rng(7)
    for _ in range(60):
        n, m = int(rng.integers(3, 30)), int(rng.integers(1, 80))
        vertices = np.round(rng.uniform(-5, 5, (n, 3)), int(rng.integers(0, 4)))
        try:
            mesh = mesh_from_arrays(vertices, rng.integers(0, n, (m, 3)), "soup")
        except InputError as error:
            assert "expected" in str(error)
        else:
            assert mesh.volume > 0 or not mesh.closed


@pytest.mark.slow
def test_two_million_triangles_are_read_in_seconds(tmp_path) -> None:  # type: ignore[no-untyped-def]
    ball = Manifold.sphere(50, 2000)
    while ball.num_tri() < 1_500_000:
        ball = ball.refine(2)
    vertices, faces = arrays(ball)
    write_stl(mesh_from_arrays(vertices, faces, "ball"), tmp_path / "ball.stl")
    import time

    start = time.process_time()
    mesh = read_mesh(tmp_path / "ball.stl")
    assert mesh.closed
    assert time.process_time() - start < 60

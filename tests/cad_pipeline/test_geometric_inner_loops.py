"""A mesh is taken apart at the inner loops of its flat faces, and base and pieces make the same solid again."""

import manifold3d as m3
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cad_pipeline.generators.geometric.facets import facets_of
from cad_pipeline.generators.geometric.features import Mode
from cad_pipeline.generators.geometric.inner_loops import take_apart
from cad_pipeline.generators.geometric.scale import Scale


def box(low, high):
    return m3.Manifold.cube(tuple(np.subtract(high, low))).translate(tuple(low))


PLATE = box((-30, -20, 0), (30, 20, 10))


def apart(solid):
    mesh = solid.to_mesh64()
    vertices, faces = np.asarray(mesh.vert_properties)[:, :3], np.asarray(mesh.tri_verts, dtype=np.int64)
    scale = Scale.of(vertices)
    return take_apart(vertices, faces, facets_of(vertices, faces, scale.size, scale.noise), solid, scale)


def test_a_plain_block_stays_whole():
    assert apart(PLATE) is None


def test_a_step_at_the_rim_is_no_inner_loop():
    assert apart(PLATE + box((-30, -20, 10), (0, 20, 15))) is None


def test_a_pocket_becomes_a_cut_and_the_base_loses_it():
    found = apart(PLATE - box((-10, -5, 6), (10, 5, 12)))
    (piece,) = found.pieces
    assert piece.mode is Mode.CUT and piece.rims == 1
    assert piece.solid.volume() == pytest.approx(20 * 10 * 4)
    assert piece.normal == pytest.approx([0, 0, 1])
    assert found.solid.volume() == pytest.approx(PLATE.volume())


def test_a_boss_becomes_an_addition():
    found = apart(PLATE + box((-10, -5, 10), (10, 5, 17)))
    (piece,) = found.pieces
    assert piece.mode is Mode.ADD
    assert piece.solid.volume() == pytest.approx(20 * 10 * 7)
    assert found.solid.volume() == pytest.approx(PLATE.volume())


def test_a_window_hangs_on_two_loops():
    (piece,) = apart(PLATE - box((-10, -5, -1), (10, 5, 12))).pieces
    assert piece.mode is Mode.CUT and piece.rims == 2
    assert piece.solid.volume() == pytest.approx(20 * 10 * 10)


def test_features_on_several_sides_come_off_one_by_one():
    side = box((-5, 15, 3), (5, 25, 7))
    found = apart(PLATE - box((-20, -5, 6), (-10, 5, 12)) - side + box((10, -5, 10), (20, 5, 14)))
    assert sorted((p.mode.value, round(p.solid.volume())) for p in found.pieces) == [
        ("add", 400),
        ("cut", 200),
        ("cut", 400),
    ]
    assert found.solid.volume() == pytest.approx(PLATE.volume())


def test_a_boss_in_a_pocket_comes_off_with_the_pocket():
    island = box((-3, -3, 6), (3, 3, 9))
    (piece,) = apart(PLATE - box((-10, -10, 6), (10, 10, 12)) + island).pieces
    assert piece.mode is Mode.CUT
    assert piece.solid.volume() == pytest.approx(20 * 20 * 4 - 6 * 6 * 3)


def test_a_pocket_with_windows_in_its_walls_is_one_piece():
    box_ = PLATE - box((-28, -18, 2), (28, 18, 12))
    (piece,) = apart(box_ - box((-5, -25, 4), (5, -15, 8))).pieces
    assert piece.mode is Mode.CUT and piece.rims == 2
    assert piece.solid.volume() == pytest.approx(56 * 36 * 8 + 10 * 2 * 4)


def test_a_second_body_is_left_with_the_base():
    other = box((50, 0, 0), (60, 10, 10))
    found = apart((PLATE - box((-10, -5, 6), (10, 5, 12))) + other)
    assert len(found.pieces) == 1
    assert found.solid.volume() == pytest.approx(PLATE.volume() + 1000)


@settings(max_examples=30, deadline=None)
@given(
    angles=st.tuples(*[st.floats(-180, 180)] * 3),
    at=st.tuples(st.floats(-18, 18), st.floats(-10, 10)),
    size=st.tuples(st.floats(2, 8), st.floats(2, 8), st.floats(1, 9)),
)
def test_any_pose_gives_the_same_pieces(angles, at, size):
    (x, y), (a, b, c) = at, size
    pocket = box((x - a / 2, y - b / 2, 10 - c), (x + a / 2, y + b / 2, 12))
    (piece,) = apart((PLATE - pocket).rotate(angles)).pieces
    assert piece.solid.volume() == pytest.approx(a * b * c, rel=1e-6)

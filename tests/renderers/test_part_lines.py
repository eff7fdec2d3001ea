"""What is drawn of a mesh: its lines, its smooth normals, and what slivers and seams must not change."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cad_renderers.part import EdgeKind, Part, prepare
from cad_renderers.shapes import Solid, ball, box, letter_f


def cylinder(segments: int, *, radius: float = 1.0, height: float = 2.0) -> Solid:
    """A closed prism with its caps as fans about a middle point."""
    turn = 2.0 * np.pi * np.arange(segments) / segments
    rim = np.column_stack([radius * np.cos(turn), radius * np.sin(turn)])
    low, high = (np.column_stack([rim, np.full(segments, z)]) for z in (0.0, height))
    vertices = np.vstack([low, high, [(0, 0, 0), (0, 0, height)]])
    faces = []
    for i in range(segments):
        j = (i + 1) % segments
        faces += [(i, j, segments + j), (i, segments + j, segments + i)]
        faces += [(2 * segments, j, i), (2 * segments + 1, segments + i, segments + j)]
    return Solid(vertices=vertices, faces=np.array(faces))


def _lines(part: Part) -> int:
    return int((part.edge_kind == EdgeKind.FEATURE).sum())


def test_a_box_has_twelve_lines_and_flat_faces() -> None:
    part = prepare(box((1, 2, 3), (4, 6, 8)), crease_deg=25)
    assert _lines(part) == 12
    assert part.flat.all() and part.outward
    assert part.diagonal == pytest.approx(math.sqrt(9 + 16 + 25))
    assert np.allclose(part.centre, (2.5, 4, 5.5))


def test_a_ball_has_no_lines_and_round_normals() -> None:
    part = prepare(ball(5.0, rings=24), crease_deg=25)
    assert not part.edge_kind.any()
    points = part.vertices[part.faces.ravel()]
    normals = part.normals[part.corner_normals.ravel()]
    cosine = (points * normals).sum(axis=1) / np.linalg.norm(points, axis=1)
    assert cosine.min() > math.cos(math.radians(2.0))


@settings(max_examples=20, deadline=None)
@given(segments=st.integers(3, 90))
def test_a_cylinder_is_drawn_by_its_rims_if_it_turns_gently(segments: int) -> None:
    part = prepare(cylinder(segments), crease_deg=25)
    sides = segments if 360.0 / segments > 25.0 else 0
    assert _lines(part) == 2 * segments + sides
    if not sides:
        radial = part.normals[part.corner_normals.ravel()]
        wall = np.abs(radial[:, 2]) < 0.5
        points = part.vertices[part.faces.ravel()][wall]
        direction = points[:, :2] / np.linalg.norm(points[:, :2], axis=1, keepdims=True)
        assert ((direction * radial[wall][:, :2]).sum(axis=1) > 0.999).all()


def test_a_plane_stays_plane_beside_a_rounding() -> None:
    """A quarter round of nine-degree facets runs into a wide plane: the plane's normals must not lean."""
    steps = np.radians(np.arange(0.0, 90.1, 9.0))
    profile = np.vstack([[(-30.0, 1.0)], np.column_stack([np.sin(steps), np.cos(steps)])])
    n = len(profile)
    vertices = np.vstack([np.column_stack([profile[:, 0], np.full(n, y), profile[:, 1]]) for y in (0.0, 20.0)])
    faces = np.array([f for i in range(n - 1) for f in ((i, i + 1, n + i + 1), (i, n + i + 1, n + i))])
    part = prepare(Solid(vertices=vertices, faces=faces), crease_deg=25)
    plane = part.normals[part.corner_normals[:2]].reshape(-1, 3)
    assert plane[:, 2].min() > math.cos(math.radians(0.5))
    assert int((part.edge_kind == EdgeKind.TANGENT).sum()) == 1  # where the plane ends, and not between the facets


def test_soup_is_welded() -> None:
    solid = letter_f()
    soup = Solid(
        vertices=solid.vertices[solid.faces].reshape(-1, 3), faces=np.arange(3 * len(solid.faces)).reshape(-1, 3)
    )
    one, other = prepare(solid, crease_deg=25), prepare(soup, crease_deg=25)
    assert len(other.vertices) == len(one.vertices) and other.outward
    assert _lines(one) == _lines(other)


def test_slivers_do_not_draw_lines() -> None:
    """A T-junction closed by a needle: its own normal is noise, and it lies in a plane that has no line there."""
    vertices = np.array([(0, 0, 0), (2, 0, 0), (2, 2, 0), (0, 2, 0), (1, 1 + 1e-7, 3e-7)], dtype=float)
    faces = np.array([(0, 1, 2), (0, 2, 4), (0, 4, 3), (4, 2, 3)])
    part = prepare(Solid(vertices=vertices, faces=faces), crease_deg=25)
    assert _lines(part) == 4  # the square's border only
    assert not part.outward


def test_inconsistent_triangles_draw_no_line_between_them() -> None:
    vertices = np.array([(0, 0, 0), (1, 0, 0), (1, 1, 0), (0, 1, 0)], dtype=float)
    part = prepare(Solid(vertices=vertices, faces=np.array([(0, 1, 2), (0, 3, 2)])), crease_deg=25)
    assert _lines(part) == 4 and not part.outward


def test_inside_out_and_open_parts_are_not_outward() -> None:
    solid = box((0, 0, 0), (1, 1, 1))
    assert not prepare(Solid(vertices=solid.vertices, faces=solid.faces[:, ::-1]), crease_deg=25).outward
    assert not prepare(Solid(vertices=solid.vertices, faces=solid.faces[:-1]), crease_deg=25).outward


def test_specks_are_no_lines() -> None:
    """A dent far smaller than a pixel leaves no dots; one of visible size is drawn."""
    for size, drawn in ((1e-4, 0), (0.05, 8)):
        square = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], dtype=float)
        inner = (square - 0.5) * size + 0.5
        vertices = np.vstack(
            [np.column_stack([square, np.zeros(4)]), np.column_stack([inner, np.zeros(4)]), [(0.5, 0.5, -size)]]
        )
        ring = [f for i in range(4) for j in [(i + 1) % 4] for f in ((i, j, 4 + j), (i, 4 + j, 4 + i))]
        pit = [(4 + i, 4 + (i + 1) % 4, 8) for i in range(4)]
        part = prepare(Solid(vertices=vertices, faces=np.array(ring + pit)), crease_deg=25)
        assert _lines(part) == 4 + drawn


def test_an_outlying_unused_point_does_not_shrink_the_part() -> None:
    solid = box((0, 0, 0), (1, 1, 1))
    far = Solid(vertices=np.vstack([solid.vertices, [(1e6, 0, 0)]]), faces=solid.faces)
    assert prepare(far, crease_deg=25).diagonal == pytest.approx(math.sqrt(3))

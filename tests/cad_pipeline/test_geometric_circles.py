"""The circle of a wall's vertices: exact where they lie on one, whatever lies on its chords; else the nearest."""

import numpy as np
import pytest

from cad_pipeline.generators.geometric.circles import wall_circle

TOLERANCES = (1e-4, 1e-3)


def ring(radius, count, start=0.0):
    angle = start + 2 * np.pi * np.arange(count) / count
    return np.column_stack([3 + radius * np.cos(angle), -2 + radius * np.sin(angle)])


def test_vertices_on_a_circle_have_that_circle():
    circle = wall_circle(ring(5, 24), TOLERANCES)
    assert (circle.x, circle.y, circle.radius, circle.scatter) == pytest.approx((3, -2, 5, 0))


def test_points_on_chords_do_not_count():
    corners = ring(5, 24)
    middles = (corners + np.roll(corners, -1, axis=0)) / 2
    circle = wall_circle(np.vstack([corners, middles[::3]]), TOLERANCES)
    assert (circle.x, circle.y, circle.radius, circle.scatter) == pytest.approx((3, -2, 5, 0))


def test_where_the_outer_points_do_not_go_round_the_circle_is_in_the_middle():
    angle = 2 * np.pi * np.arange(64) / 64
    radius = 5 * (1 + 0.009 * np.cos(2 * angle))
    points = np.column_stack([3 + radius * np.cos(angle), -2 + radius * np.sin(angle)])
    circle = wall_circle(points, (1e-4, 0.02))
    assert circle.radius == pytest.approx(5, abs=5e-3)
    assert circle.scatter == pytest.approx(5 * 0.009 / np.sqrt(2), rel=0.05)


def test_what_is_far_from_round_has_no_circle():
    assert wall_circle(ring(5, 24) * [1.0, 1.2], TOLERANCES) is None

"""The compiled loops of curve fitting say what the plain ones say."""

from __future__ import annotations

import math

import numpy as np
import pytest

from cad_pipeline.generators.geometric.circles import circle_fit
from cad_pipeline.generators.geometric.corners import _circle_fit, arc_end, kept_corners


@pytest.mark.parametrize("sweep_deg", [5.0, 40.0, 180.0, 350.0])
@pytest.mark.parametrize("count", [4, 9, 60])
def test_the_circle_is_that_of_least_squares(sweep_deg: float, count: int) -> None:
    angle = np.radians(np.linspace(17.0, 17.0 + sweep_deg, count))
    noise = np.random.default_rng(count).normal(scale=1e-4, size=(count, 2))
    points = np.column_stack([200.0 + 30.0 * np.cos(angle), -50.0 + 30.0 * np.sin(angle)]) + noise
    x, y, radius, error = _circle_fit(points, 0, count - 1)
    assert (x, y, radius) == pytest.approx(circle_fit(points)[:3], rel=1e-7)
    assert error == pytest.approx(circle_fit(points)[3], abs=1e-8)


def test_points_in_line_have_no_circle() -> None:
    points = np.column_stack([np.arange(6.0), np.zeros(6)])
    assert math.isinf(_circle_fit(points, 0, 5)[3])


def test_points_on_the_line_between_their_neighbours_go_and_corners_stay() -> None:
    ring = np.array([[0.0, 0.0], [1.0, 0.0], [2.0, 1e-9], [2.0, 1.0], [2.0, 1.0], [0.0, 1.0]])
    assert kept_corners(ring, 1e-6).tolist() == [True, False, True, False, True, True]


def test_an_arc_ends_where_its_tangent_begins() -> None:
    angle = np.radians(np.arange(0.0, 91.0, 10.0))
    arc = np.column_stack([np.cos(angle), np.sin(angle)])
    ring = np.vstack([arc, [[-3.0, 1.0], [-3.0, -2.0], [1.0, -2.0], [1.0, 0.0]]])
    edge = np.diff(ring, axis=0)
    heading = np.arctan2(edge[:, 1], edge[:, 0])
    turn = (np.diff(np.r_[heading[-1], heading]) + np.pi) % (2 * np.pi) - np.pi
    assert arc_end(ring, np.hypot(*edge.T), turn, 0, len(edge), 1e-6) == len(arc) - 1

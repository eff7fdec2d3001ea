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


def ring_of(points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """A ring's points with the first repeated, the lengths and turns of its edges, and how many they are."""
    ring = np.vstack([points, points[:1]])
    edge = np.diff(ring, axis=0)
    heading = np.arctan2(edge[:, 1], edge[:, 0])
    turn = (np.diff(np.r_[heading[-1], heading]) + np.pi) % (2 * np.pi) - np.pi
    return ring, np.hypot(*edge.T), turn, len(edge)


def rounded(*angles: float) -> np.ndarray:
    """A square with its upper right corner rounded by 4 mm, with points at so many degrees; the arc starts at 2."""
    at = np.radians(angles)
    arc = np.column_stack([16.0 + 4.0 * np.cos(at), 16.0 + 4.0 * np.sin(at)])
    return np.vstack([[[0.0, 0.0], [20.0, 0.0]], arc, [[0.0, 20.0]]])


@pytest.mark.parametrize(
    "angles",
    [(0, 18, 36, 54, 72, 90), (0, 20, 40, 60, 75, 90), (0, 15, 45, 60, 75, 90), (0, 36, 62, 90)],
    ids=["even", "thinned", "one left out", "of few"],
)
def test_an_arc_that_was_thinned_is_an_arc_all_the_same(angles: tuple[float, ...]) -> None:
    ring, length, turn, n = ring_of(
        rounded(*angles) + np.random.default_rng(1).normal(scale=1e-4, size=(len(angles) + 3, 2))
    )
    assert arc_end(ring, length, turn, 2, n, 1e-3) == 2 + len(angles) - 1


def test_a_line_that_leads_into_an_even_arc_is_no_part_of_it() -> None:
    arc = rounded(*range(0, 91, 18))
    ring, length, turn, n = ring_of(np.vstack([arc[:2], [[20.0, 14.6]], arc[2:]]))
    assert arc_end(ring, length, turn, 2, n, 0.02) == 3
    assert arc_end(ring, length, turn, 3, n, 0.02) == 8
    # nor is a point on the chord of the first, though a circle through all is near them too
    ring, length, turn, n = ring_of(np.vstack([arc[:2], [(arc[2] + arc[3]) / 2], arc[3:]]))
    assert arc_end(ring, length, turn, 2, n, 0.05) == 3


def test_corners_of_a_trapezoid_on_a_circle_are_no_arc() -> None:
    at = np.radians([20.0, 50.0, 85.0, 100.0])
    ring, length, turn, n = ring_of(np.vstack([10 * np.column_stack([np.cos(at), np.sin(at)]), [[-9.0, -9.0]]]))
    assert [arc_end(ring, length, turn, k, n, 1e-6) for k in range(n)] == [k + 1 for k in range(n)]

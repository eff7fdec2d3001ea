"""The descent on functions whose answer is known, and the search for a start, without a sandbox."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from cad_pipeline.generators.least_squares import Descent, Scales, huber
from cad_pipeline.generators.numbers_in_text import numbers_of
from cad_pipeline.generators.starting_point import found_start, neighbours

Vector = NDArray[np.float64]
TRUE = np.array([60.0, 40.0, 8.0, -12.0])
START = TRUE * np.array([1.01, 0.99, 1.01, 0.99])


class Counted:
    """Residuals of a known function, None where it has none; counts what is asked, and remembers the points."""

    def __init__(self, function: Callable[[Vector], Vector], builds: Callable[[Vector], bool] = lambda _: True) -> None:
        self.function, self.builds, self.asked = function, builds, 0
        self.points: list[Vector] = []

    def __call__(self, points: Sequence[Vector]) -> list[Vector | None]:
        self.asked += len(points)
        self.points += points
        return [self.function(point) if self.builds(point) else None for point in points]


def descent(residuals: Counted, start: Vector = START, most: int = 100) -> Descent:
    scales = Scales(
        near=0.05, enough=1e-9, reach=0.005 * np.abs(start), bound=np.maximum(0.2 * np.abs(start), 0.02 * 60.0)
    )
    return Descent(residuals=residuals, values=start, at=residuals.function(start), scales=scales, most=most)


def apart(values: Vector) -> Vector:
    """Ten residuals for each value, which no other moves."""
    return np.repeat(values - TRUE, 10)


def coupled(values: Vector) -> Vector:
    """Residuals that mix all values, and bend."""
    mix = np.sin(np.arange(160.0) ** 2).reshape(40, 4)
    moved = mix @ (values - TRUE)
    return np.asarray(moved + 0.05 * moved**2)


@pytest.mark.parametrize("function", [apart, coupled])
def test_disturbed_values_come_back(function: Callable[[Vector], Vector]) -> None:
    walk = descent(Counted(function))
    walk.fit(range(4))
    assert walk.values == pytest.approx(TRUE, abs=1e-3)
    assert walk.runs < 40


def test_values_of_a_later_block_are_fitted_together_with_the_first() -> None:
    walk = descent(Counted(coupled))
    walk.fit([0, 1])
    assert np.array_equal(walk.values[2:], START[2:])
    walk.fit([2, 3])
    assert walk.values == pytest.approx(TRUE, abs=1e-3)


def test_a_value_that_breaks_the_part_one_way_is_moved_the_other_way() -> None:
    # larger than at the start nothing builds, so that a forward difference has no answer
    residuals = Counted(apart, builds=lambda v: bool(v[0] <= START[0] + 1e-9))
    walk = descent(residuals)
    walk.fit(range(4))
    assert walk.values[0] == pytest.approx(60.0, abs=1e-3)


def test_a_value_that_breaks_the_part_both_ways_stays_and_the_others_are_fitted() -> None:
    residuals = Counted(apart, builds=lambda v: bool(v[2] == START[2]))
    walk = descent(residuals)
    walk.fit(range(4))
    assert walk.values[2] == START[2] and not walk.known[2]
    assert walk.values[[0, 1, 3]] == pytest.approx(TRUE[[0, 1, 3]], abs=1e-2)


def test_a_step_too_long_is_damped_and_tried_again() -> None:
    # steep at the start and flat beyond: the undamped step overshoots to where the cost is higher
    bent = Counted(lambda v: np.repeat(np.arctan(4.0 * (v - TRUE)), 10))
    start = TRUE + np.array([0.4, -0.4, 0.4, -0.4])
    walk = descent(bent, start)
    undamped = start - np.arctan(4.0 * (start - TRUE)) * (1.0 + 16.0 * (start - TRUE) ** 2) / 4.0
    assert huber(bent.function(undamped), 0.05) > walk.cost
    walk.fit(range(4))
    assert walk.values == pytest.approx(TRUE, abs=1e-2)


def test_a_few_wild_residuals_do_not_draw_the_values() -> None:
    def spoilt(values: Vector) -> Vector:
        return np.concatenate([np.repeat(values - TRUE, 30), values[:1] - 80.0, values[1:2] - 10.0])

    walk = descent(Counted(spoilt))
    walk.fit(range(4))
    assert walk.values == pytest.approx(TRUE, abs=0.01)


def test_the_secant_of_a_step_corrects_only_what_a_value_touches() -> None:
    walk = descent(Counted(lambda v: apart(v) + 0.1 * apart(v) ** 2))
    walk.learn(range(4))
    assert walk.slopes != pytest.approx(np.repeat(np.eye(4), 10, axis=0), abs=0.01)
    walk.fit(range(4))
    # at the bottom each value moves its own ten residuals one to one, and no others
    assert walk.slopes == pytest.approx(np.repeat(np.eye(4), 10, axis=0), abs=0.05)
    assert np.array_equal(walk.slopes != 0.0, np.repeat(np.eye(4), 10, axis=0) != 0.0)


def test_the_move_of_a_value_that_does_nothing_does_not_grow() -> None:
    walk = descent(Counted(lambda v: apart(v) * np.repeat([1.0, 1.0, 1.0, 1e-12], 10)))
    for _ in range(4):
        walk.learn(range(4))
    assert np.all(walk.reach <= 2.0 * walk.scales.reach) and np.all(walk.reach >= 0.2 * walk.scales.reach)


@given(st.integers(0, 30))
def test_no_more_runs_are_asked_for_than_are_allowed_and_the_cost_never_rises(most: int) -> None:
    residuals = Counted(coupled, builds=lambda v: bool(v[1] <= START[1] + 1e-9))
    walk = descent(residuals, most=most)
    before = walk.cost
    walk.fit(range(4))
    assert walk.runs == residuals.asked <= most
    assert walk.cost <= before


def test_the_same_input_asks_for_the_same_points() -> None:
    first, second = Counted(coupled), Counted(coupled)
    for each in (first, second):
        descent(each).fit(range(4))
    assert np.array_equal(first.points, second.points)


SOURCE = (
    "import cadquery as cq\n\nwide = 30.3\ndeep = 29.7\n"
    "a = cq.Workplane().rect(wide, deep).extrude(9.9)\n"
    "b = cq.Workplane().moveTo(5.0, 0.0).radiusArc((7.1, 0.0), 1.0).close().extrude(4.0)\n"
    "result = a.union(b)\n"
)
NUMBERS = numbers_of(SOURCE)


def index(role: str) -> list[int]:
    return [k for k, number in enumerate(NUMBERS) if number.role == role]


def start_for(builds: Callable[[Vector], bool], **options: int) -> Vector | None:
    found = found_start(NUMBERS, Counted(lambda v: v, builds), **options)
    return None if found is None else found[0]


def test_numbers_that_no_longer_meet_are_rounded_or_made_equal() -> None:
    wide, deep = index("wide")[0], index("deep")[0]
    values = start_for(lambda v: bool(v[wide] == v[deep]))
    assert values is not None and values[wide] == values[deep] == 30.0


def test_radii_of_arcs_in_the_failing_line_grow_until_the_ends_are_reached() -> None:
    radius = index("radiusArc.1")
    assert [NUMBERS[k].value for k in radius] == [1.0]
    values = start_for(lambda v: bool(v[radius[0]] >= 1.05), line=6, most=40)
    assert values is not None and values[radius[0]] == pytest.approx(1.1)


def test_a_start_is_sought_within_its_runs_only() -> None:
    residuals = Counted(lambda v: v, lambda _: False)
    assert found_start(NUMBERS, residuals, most=10) is None
    assert residuals.asked == 10


def test_neighbours_are_the_same_every_time_and_keep_their_signs() -> None:
    given = np.array([number.value for number in NUMBERS])
    once, again = list(neighbours(NUMBERS, 6)), list(neighbours(NUMBERS, 6))
    assert np.array_equal(once, again)
    assert len({each.tobytes() for each in once}) == len(once) > 30
    assert all(np.all(each * given > 0.0) and not np.array_equal(each, given) for each in once)

"""Equal features on a circle or a grid are recognised with their dimensions; all others are left as points."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cad_pipeline.generators.geometric.patterns import Block, Grid, Polar, Scattered, blocks, recognise
from cad_pipeline.generators.geometric.placing import point_list

TOLERANCE = 1e-3
centres = st.tuples(st.integers(-200, 200), st.integers(-200, 200)).map(lambda c: (c[0] / 4, c[1] / 4))
seeds = st.integers(0, 10_000)


def disturbed(points, seed, noise=2e-4):
    generator = random.Random(seed)
    moved = [(x + generator.uniform(-noise, noise), y + generator.uniform(-noise, noise)) for x, y in points]
    generator.shuffle(moved)
    return moved


def laid_out(pattern):
    if isinstance(pattern, Scattered):
        return sorted(pattern.points)
    cx, cy = pattern.centre
    if isinstance(pattern, Polar):
        angles = [math.radians(pattern.start + 360 * k / pattern.count) for k in range(pattern.count)]
        return [(cx + pattern.diameter / 2 * math.cos(a), cy + pattern.diameter / 2 * math.sin(a)) for a in angles]
    (nx, ny), (px, py) = pattern.counts, pattern.pitch
    return [(cx + (i - (nx - 1) / 2) * px, cy + (j - (ny - 1) / 2) * py) for i in range(nx) for j in range(ny)]


def assert_meets(pattern, points, within):
    made = laid_out(pattern)
    assert len(made) == len(points)
    for point in points:
        assert min(math.dist(point, m) for m in made) < within


@given(centres, st.integers(20, 800), st.sampled_from([3, 5, 6, 7, 8, 12]), st.integers(0, 119), seeds)
def test_points_on_a_circle_are_a_polar_pattern(centre, diameter_tenths, count, start, seed):
    diameter = diameter_tenths / 2
    true = laid_out(Polar(centre, diameter, count, float(start)))
    found = recognise(disturbed(true, seed), TOLERANCE)
    assert isinstance(found, Polar)
    assert found.count == count
    assert found.diameter == pytest.approx(diameter, abs=4 * TOLERANCE)
    assert found.centre == pytest.approx(centre, abs=2 * TOLERANCE)
    assert_meets(found, true, 8 * TOLERANCE)


@given(
    centres,
    st.tuples(st.integers(4, 200), st.integers(4, 200)),
    st.tuples(st.integers(1, 6), st.integers(1, 6)).filter(lambda c: c[0] * c[1] > 1),
    seeds,
)
def test_points_in_rows_and_columns_are_a_grid(centre, quarters, counts, seed):
    pitch = (quarters[0] / 4, quarters[1] / 4)
    true = laid_out(Grid(centre, pitch, counts))
    found = recognise(disturbed(true, seed), TOLERANCE)
    assert isinstance(found, Grid)
    assert found.counts == counts
    for k in (0, 1):
        if counts[k] > 1:
            assert found.pitch[k] == pytest.approx(pitch[k], abs=2 * TOLERANCE)
    assert_meets(found, true, 8 * TOLERANCE)


@given(st.lists(st.tuples(st.integers(0, 500), st.integers(0, 500)), min_size=1, max_size=12, unique=True))
def test_whatever_is_recognised_stands_where_the_points_were(points):
    points = [(x / 7, y / 7) for x, y in points]
    assert_meets(recognise(points, TOLERANCE), points, 8 * TOLERANCE)


def test_points_without_a_rule_are_listed_in_a_fixed_order():
    points = [(0.0, 0.0), (13.0, 2.0), (5.0, 9.0), (-4.0, 7.5)]
    found = recognise(points, TOLERANCE)
    assert found == recognise(points[::-1], TOLERANCE)
    assert isinstance(found, Scattered)


def test_a_circle_with_one_point_missing_is_no_pattern():
    ring = laid_out(Polar((0.0, 0.0), 50.0, 6, 0.0))
    assert isinstance(recognise(ring[:-1], TOLERANCE), Scattered)


def test_a_grid_with_one_point_missing_is_no_grid():
    assert not isinstance(recognise(laid_out(Grid((0.0, 0.0), (10.0, 8.0), (3, 3)))[:-1], TOLERANCE), Grid)


def test_uneven_grids_are_told_by_their_columns_and_rows():
    xs, ys = (-37.0, 5.0, 11.0, 40.0), (2.0, 9.0, 30.0)
    points = [(x, y) for x in xs for y in ys] + [(100.0, 7.0)]
    found, rest = blocks(points[::-1], 1e-3)
    assert found == [Block(xs, ys)] and rest == [(100.0, 7.0)]
    assert found[0].saved == 24 - 7


def test_rows_that_share_their_columns_make_blocks():
    rows = {79.0: (-254.0, 50.8, 203.2), 631.0: (-254.0, 50.8, 203.2), 203.0: (-374.6, 50.8), 355.0: (-374.6, 50.8)}
    points = [(x + 4e-4 * (k % 2), y) for k, (y, xs) in enumerate(rows.items()) for x in xs]
    found, rest = blocks(points, 1e-3)
    assert rest == []
    assert {(b.xs, b.ys) for b in found} == {
        ((-254.0, 50.8, 203.2), (79.0, 631.0)),
        ((-374.6, 50.8), (203.0, 355.0)),
    }


def test_what_shares_nothing_is_listed():
    points = [(0.0, 1.0), (2.0, 3.0), (5.0, 8.0)]
    assert blocks(points, 1e-3) == ([], points)
    written = point_list([(x, y) for x in (1.0, 4.0) for y in (2.0, 9.0)] + [(7.0, 7.0)], 1e-3)
    assert eval(written) == [(1.0, 2.0), (1.0, 9.0), (4.0, 2.0), (4.0, 9.0), (7.0, 7.0)]

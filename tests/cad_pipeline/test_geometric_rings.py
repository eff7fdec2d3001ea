"""Closed polygons sampled from known curves are recognised as those curves, with their dimensions.

Rings are sampled at random density, turned, moved, started anywhere, run either way round and rounded to float32, as
the sections of meshes from STL files are.
"""

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from shapely.geometry import Polygon

from cad_pipeline.generators.geometric.rings import fit_ring
from cad_pipeline.generators.geometric.scale import Scale
from cad_pipeline.generators.geometric.shapes2d import (
    Circle,
    Outline,
    Rectangle,
    RegularPolygon,
    Slot,
    circle_through,
)
from cad_pipeline.generators.geometric.slabwork import fitting

# derandomised: a run of the whole suite finds the same every time
few = settings(max_examples=40, deadline=None, derandomize=True)
tenths = st.integers(20, 800).map(lambda n: n / 10)
places = st.tuples(st.integers(-400, 400), st.integers(-400, 400)).map(lambda p: (p[0] / 8, p[1] / 8))
seeds = st.integers(0, 100_000)
angles = st.one_of(st.sampled_from([0.0, 90.0]), st.integers(1, 1799).map(lambda n: n / 10))


def turned(points, degrees):
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.asarray(points) @ np.array([[c, s], [-s, c]])


def arc(centre, radius, first, last, steps):
    angle = np.radians(np.linspace(first, last, steps + 1))
    return np.column_stack([centre[0] + radius * np.cos(angle), centre[1] + radius * np.sin(angle)])


def meshed(points, place, seed, degrees=0.0):
    """A ring as a section of a mesh gives it, and the scale of a part of its size."""
    points = turned(points, degrees) + place
    generator = np.random.default_rng(seed)
    points = np.roll(points, int(generator.integers(len(points))), axis=0)
    if generator.random() < 0.5:
        points = points[::-1]
    points = points.astype(np.float32).astype(np.float64)
    return points, Scale.of(np.column_stack([points, np.zeros(len(points))]))


def fitted(points, scale):
    return fit_ring(points, fitting([Polygon(points)], scale))


def arcs_of(outline):
    """Radii of an outline's arcs."""
    starts = [outline.segments[-1].end, *(s.end for s in outline.segments[:-1])]
    found = [(start, s) for start, s in zip(starts, outline.segments, strict=True) if s.mid is not None]
    return sorted(circle_through(start, s.mid, s.end)[2] for start, s in found)


def chord(radius, sweep_deg, steps):
    return 2 * radius * math.sin(math.radians(sweep_deg / steps / 2))


def assert_same_region(shape, points, scale):
    """The curve and the ring enclose the same region, up to the steps in which curves are written as polygons."""
    curve, ring = Polygon(shape.polygon()), Polygon(points)
    assert curve.is_valid
    assert curve.symmetric_difference(ring).area < 5e-4 * ring.area + 1e-4 * scale.size * ring.length


@few
@given(tenths, places, st.integers(8, 160), st.floats(0, 45), seeds)
def test_an_even_ring_is_a_circle(radius, place, steps, phase, seed):
    points, scale = meshed(arc((0, 0), radius, phase, phase + 360, steps)[:-1], place, seed)
    found = fitted(points, scale)
    assert isinstance(found, Circle)
    assert 2 * found.radius == pytest.approx(2 * radius, abs=3 * scale.noise)
    assert found.centre == pytest.approx(place, abs=6e-5 * scale.size)


@few
@given(tenths, places, seeds, st.floats(3, 15), st.floats(16, 40))
def test_an_uneven_ring_is_a_circle(radius, place, seed, least, most):
    steps = np.random.default_rng(seed).uniform(least, most, 400)
    angle = np.cumsum(steps)
    angle = angle[angle < 358]
    assume(len(angle) >= 9 and 360 - angle[-1] + angle[0] < 45)
    points, scale = meshed(
        np.column_stack([np.cos(np.radians(angle)), np.sin(np.radians(angle))]) * radius, place, seed
    )
    found = fitted(points, scale)
    assert isinstance(found, Circle)
    assert 2 * found.radius == pytest.approx(2 * radius, abs=6 * scale.noise)
    assert found.centre == pytest.approx(place, abs=6e-5 * scale.size)


def with_points_on_edges(corners, seed):
    generator = np.random.default_rng(seed)
    points = []
    for here, there in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        points.append(here)
        for t in np.sort(generator.uniform(0.02, 0.98, generator.integers(0, 4))):
            points.append(here + t * (there - here))
    return np.array(points)


@few
@given(tenths, tenths, places, angles, seeds)
def test_a_rectangle_is_a_rectangle(length, width, place, angle, seed):
    assume(length > 1.02 * width)
    corners = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]]) * [length / 2, width / 2]
    points, scale = meshed(with_points_on_edges(corners, seed), place, seed, angle)
    found = fitted(points, scale)
    assert isinstance(found, Rectangle)
    assert found.corner == 0
    assert sorted(found.size) == pytest.approx([width, length], abs=1e-4 * scale.size)
    assert found.centre == pytest.approx(place, abs=1e-4 * scale.size)
    assert_same_region(found, points, scale)


def test_a_straight_rectangle_has_no_angle():
    points, scale = meshed(np.array([[10, 4], [-10, 4], [-10, -4], [10, -4]]), (3, 2), 0)
    assert fitted(points, scale) == Rectangle((3.0, 2.0), (20.0, 8.0))


@few
@given(tenths, tenths, st.floats(0.06, 0.42), places, angles, st.integers(2, 16), seeds)
def test_a_rounded_rectangle_has_its_corner_radius(length, width, share, place, angle, steps, seed):
    assume(length > 1.02 * width)
    corner = max(round(share * width, 1), 0.1)
    # a straight side as short as the chords beside it can't be told from them
    assume(width - 2 * corner > 3 * chord(corner, 90, steps))
    parts = [
        arc((sx * (length / 2 - corner), sy * (width / 2 - corner)), corner, 90 * k, 90 * k + 90, steps)
        for k, (sx, sy) in enumerate(((1, 1), (-1, 1), (-1, -1), (1, -1)))
    ]
    points, scale = meshed(np.vstack(parts), place, seed, angle)
    found = fitted(points, scale)
    assert isinstance(found, Rectangle)
    assert found.corner == pytest.approx(corner, abs=1e-4 * scale.size)
    assert sorted(found.size) == pytest.approx([width, length], abs=1e-4 * scale.size)
    assert found.centre == pytest.approx(place, abs=1e-4 * scale.size)


@few
@given(tenths, st.floats(1.2, 8), places, angles, st.integers(6, 40), seeds)
def test_a_slot_is_a_slot(width, share, place, angle, steps, seed):
    straight = round(width * (share - 1), 1)
    assume(straight > 3 * chord(width / 2, 180, steps))
    ends = [arc((straight / 2, 0), width / 2, -90, 90, steps), arc((-straight / 2, 0), width / 2, 90, 270, steps)]
    points, scale = meshed(np.vstack(ends), place, seed, angle)
    found = fitted(points, scale)
    assert isinstance(found, Slot)
    assert found.width == pytest.approx(width, abs=1e-4 * scale.size)
    assert found.length == pytest.approx(straight + width, abs=1e-4 * scale.size)
    assert found.centre == pytest.approx(place, abs=1e-4 * scale.size)
    assert (found.angle - angle + 90) % 180 - 90 == pytest.approx(0, abs=0.05)


@few
@given(st.sampled_from([3, 5, 6, 7]), tenths, places, st.floats(0, 120), seeds)
def test_a_regular_polygon_has_its_sides_and_its_width(sides, flats, place, angle, seed):
    diameter = flats / math.cos(math.pi / sides)
    corners = arc((0, 0), diameter / 2, 0, 360, sides)[:-1]
    points, scale = meshed(with_points_on_edges(corners, seed), place, seed, angle)
    found = fitted(points, scale)
    assert isinstance(found, RegularPolygon)
    assert found.sides == sides
    assert found.diameter * math.cos(math.pi / sides) == pytest.approx(flats, abs=4 * scale.noise)
    assert found.centre == pytest.approx(place, abs=1e-4 * scale.size)
    assert_same_region(found, points, scale)


@few
@given(tenths, st.integers(6, 48), places, angles, seeds)
def test_half_a_disc_is_a_line_and_an_arc(radius, steps, place, angle, seed):
    points, scale = meshed(arc((0, 0), radius, -90, 90, steps), place, seed, angle)
    found = fitted(points, scale)
    assert isinstance(found, Outline)
    assert [s.mid is None for s in found.segments].count(True) == 1
    assert arcs_of(found) == pytest.approx([radius], abs=1e-4 * scale.size)


@few
@given(tenths, st.floats(0.1, 0.6), st.integers(4, 24), places, angles, seeds)
def test_an_angle_with_a_round_inner_corner_keeps_its_radius(size, share, steps, place, angle, seed):
    radius = round(share * size, 1) or 0.1
    wall = round(0.3 * size, 1) or 0.1
    leg = wall + radius + size
    inner = arc((wall + radius, wall + radius), radius, 270, 180, steps)
    points = np.vstack([[[0, 0], [leg, 0], [leg, wall]], inner, [[wall, leg], [0, leg]]])
    points, scale = meshed(points, place, seed, angle)
    found = fitted(points, scale)
    assert isinstance(found, Outline)
    assert arcs_of(found) == pytest.approx([radius], abs=1e-4 * scale.size)
    assert len(found.segments) == 7
    chords = Polygon(points)
    assert Polygon(found.polygon()).area == pytest.approx(
        chords.area - radius**2 / 2 * (math.pi / 2 - steps * math.sin(math.pi / 2 / steps)), rel=1e-3
    )


@few
@given(tenths, tenths, tenths, places, angles, seeds)
def test_a_trapezoid_has_no_arcs(bottom, top, height, place, angle, seed):
    # its four corners lie on a circle
    assume(abs(bottom - top) > 0.05 * max(bottom, top))
    # where legs and base are alike and bend gently, they are three chords of an arc as well as they are a trapezoid
    bend = math.degrees(math.atan2(height, abs(bottom - top) / 2))
    leg, base = math.hypot(height, (bottom - top) / 2), min(bottom, top)
    assume(bend > 40 or not 0.8 < leg / base < 1.25)
    points = np.array([[-bottom / 2, 0], [bottom / 2, 0], [top / 2, height], [-top / 2, height]])
    points, scale = meshed(points, place, seed, angle)
    found = fitted(points, scale)
    assert isinstance(found, Outline)
    assert len(found.segments) == 4
    assert not arcs_of(found)
    assert_same_region(found, points, scale)


@few
@given(tenths, st.floats(0.03, 0.2), places, angles, seeds)
def test_a_square_with_broken_corners_has_no_arcs(size, share, place, angle, seed):
    # its eight corners lie on a circle
    c = share * size
    quarter = np.array([[size / 2, size / 2 - c], [size / 2 - c, size / 2]])
    points, scale = meshed(np.vstack([turned(quarter, 90 * k) for k in range(4)]), place, seed, angle)
    found = fitted(points, scale)
    assert isinstance(found, Outline)
    assert len(found.segments) == 8
    assert not arcs_of(found)
    assert_same_region(found, points, scale)


def test_a_gear_like_outline_keeps_every_tooth():
    teeth = []
    for k in range(9):
        teeth += [*arc((0, 0), 20, 40 * k, 40 * k + 18, 4), *arc((0, 0), 16, 40 * k + 20, 40 * k + 38, 4)]
    points, scale = meshed(np.array(teeth), (0, 0), 3)
    found = fitted(points, scale)
    assert isinstance(found, Outline)
    assert arcs_of(found) == pytest.approx([16] * 9 + [20] * 9, abs=1e-3)
    assert_same_region(found, points, scale)


@pytest.mark.parametrize("points", [[[0, 0], [1, 0]], [[0, 0], [5, 0], [10, 0], [5, 0]], [[2, 2], [2, 2], [2, 2]]])
def test_a_ring_without_area_is_nothing(points):
    points = np.array(points, dtype=float)
    scale = Scale(10.0, 1e-5)
    square = Polygon([(0, 0), (10, 0), (10, 10), (0, 10)])
    assert fit_ring(points, fitting([square], scale)) is None


@few
@given(tenths, tenths, st.floats(0.1, 0.4), angles)
def test_every_shape_is_its_own_fit(length, width, share, angle):
    # a curve's polygon, fitted again, is that curve
    assume(length > 1.05 * width)
    shapes = [
        Circle((1.0, 2.0), width),
        Rectangle((1.0, 2.0), (length, width), angle if angle != 90 else 0.0),
        Rectangle((1.0, 2.0), (length, width), 0.0, round(share * width, 2)),
        Slot((1.0, 2.0), length + width, width),
    ]
    for shape in shapes:
        points = shape.polygon()
        scale = Scale.of(np.column_stack([points, np.zeros(len(points))]))
        found = fitted(points, scale)
        assert type(found) is type(shape)
        again, first = Polygon(found.polygon()), Polygon(shape.polygon())
        assert again.symmetric_difference(first).area < 2e-3 * first.area


short_sides = pytest.mark.xfail(
    strict=True, reason="a straight side hardly longer than the chords beside it is taken into the arc, or parts it"
)


@pytest.mark.parametrize(
    ("straight", "steps"),
    [pytest.param(0.5, 6, marks=short_sides), (1.0, 6), (1.0, 7), (0.5, 16)],
)
def test_a_slot_may_be_hardly_longer_than_wide(straight, steps):
    ends = [arc((straight / 2, 0), 1, -90, 90, steps), arc((-straight / 2, 0), 1, 90, 270, steps)]
    points, scale = meshed(np.vstack(ends), (0, 0), 0)
    found = fitted(points, scale)
    assert isinstance(found, Slot)
    assert (found.length, found.width) == pytest.approx((2 + straight, 2), abs=1e-3)


@pytest.mark.parametrize(
    ("corner", "steps"),
    [(0.7, 2), (0.7, 3), (0.9, 5), (0.9, 8), (0.9, 12)],
)
def test_a_rectangle_may_be_mostly_round(corner, steps):
    centres = ((1.05, 1), (-1.05, 1), (-1.05, -1), (1.05, -1))
    parts = [
        arc((x - math.copysign(corner, x), y - math.copysign(corner, y)), corner, 90 * k, 90 * k + 90, steps)
        for k, (x, y) in enumerate(centres)
    ]
    points, scale = meshed(np.vstack(parts), (0, 0), 0)
    found = fitted(points, scale)
    assert isinstance(found, Rectangle)
    assert found.corner == pytest.approx(corner, abs=1e-3)


@pytest.mark.parametrize(
    "share",
    [
        0.001,
        0.004,
        0.05,
        0.5,
    ],
)
def test_a_circle_with_a_second_point_after_each_corner_is_a_circle(share):
    # a section through a cone just below its rim crosses the diagonals of its facets
    corners = arc((0, 0), 7, 0, 360, 64)[:-1]
    second = corners + share * (np.roll(corners, -1, axis=0) - corners)
    ring = np.stack([corners, second], axis=1).reshape(-1, 2)
    fit = fitting([Polygon(ring)], Scale(57.0, 2.4e-5))
    found = fit_ring(ring, fit)
    assert isinstance(found, Circle)
    assert found.centre == (0.0, 0.0)
    assert found.radius == pytest.approx(7.0, abs=2 * 2.4e-5)

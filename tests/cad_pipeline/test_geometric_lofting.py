"""Lofts through matched sections: correspondence, area, thinning, and how much nearer they come than steps."""

from __future__ import annotations

import itertools
import math

import manifold3d as m3
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import Polygon

from cad_pipeline.generators.geometric.features import Loft
from cad_pipeline.generators.geometric.frame import frame_along
from cad_pipeline.generators.geometric.lofting import LoftSize, lies_nearer_than_steps, matched, thinned_sections
from cad_pipeline.generators.geometric.scale import Scale
from cad_pipeline.generators.geometric.sections import slabs
from cad_pipeline.generators.geometric.slabwork import SlabWork
from cad_pipeline.generators.geometric.solids import build, iou

UP = frame_along(np.array([0.0, 0.0, 1.0]), np.zeros(3))


def ellipse(a: float, b: float, turn: float = 0.0, centre: tuple[float, float] = (0.0, 0.0), start: int = 0) -> Polygon:
    angle = np.roll(np.arange(90) * (2 * math.pi / 90), start)
    x, y = a * np.cos(angle), b * np.sin(angle)
    c, s = math.cos(turn), math.sin(turn)
    return Polygon(np.column_stack([c * x - s * y + centre[0], s * x + c * y + centre[1]]))


@settings(max_examples=40, deadline=None)
@given(
    a=st.floats(5, 20),
    b=st.floats(3, 20),
    turn=st.floats(-0.3, 0.3),
    scale=st.floats(0.3, 2.0),
    start=st.integers(0, 89),
    corners=st.integers(4, 32),
)
def test_matched_outlines_keep_area_and_correspond(a, b, turn, scale, start, corners) -> None:
    lower, upper = ellipse(a, b), ellipse(scale * a, scale * b, turn, (3.0, -2.0), start)
    drawn = matched([lower, upper], corners)
    assert drawn is not None
    bottom, top = drawn
    assert len(bottom) == len(top) == max(corners, 4)
    for ring, points in ((lower, bottom), (upper, top)):
        assert Polygon(points).area == pytest.approx(ring.area, rel=1e-6)
    # corresponding corners lie in corresponding directions: the loft is not twisted
    p, q = bottom - bottom.mean(axis=0), top - top.mean(axis=0)
    if max(a, b) > 1.3 * min(a, b):
        cosine = (p * q).sum(axis=1) / (np.linalg.norm(p, axis=1) * np.linalg.norm(q, axis=1))
        assert cosine.min() > 0.5


def test_corners_of_a_square_are_kept() -> None:
    squares = [Polygon(size * np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)])) for size in (10.0, 6.0)]
    drawn = matched(squares, 4)
    assert drawn is not None
    assert {tuple(np.round(np.abs(p), 6)) for p in drawn[0]} == {(10.0, 10.0)}
    assert {tuple(np.round(np.abs(p), 6)) for p in drawn[1]} == {(6.0, 6.0)}


def test_thinning_keeps_the_ends_and_the_kinks() -> None:
    heights = list(range(11))
    rings = [ellipse(r, r) for r in (10, 10, 10, 10, 10, 10, 8, 6, 4, 2, 1)]
    kept = thinned_sections(heights, rings, 4)
    assert kept[0] == 0 and kept[-1] == 10
    assert 5 in kept
    assert thinned_sections(heights, [ellipse(5, 3)] * 11, 6) == [0, 10]


def test_half_way_up_tells_a_loft_from_a_step() -> None:
    low, middle, high = ellipse(10, 10), ellipse(8, 8), ellipse(6, 6)
    drawn = matched([low, high], 24)
    assert drawn is not None
    assert lies_nearer_than_steps(*drawn, low, middle, high)
    assert not lies_nearer_than_steps(*drawn, low, ellipse(10, 10), ellipse(6, 6))


def test_a_drawn_out_body_is_one_loft_and_much_nearer_than_steps() -> None:
    layers = [
        (z, ellipse(20 - 0.2 * z - 0.006 * z * z, 8 + 0.05 * z, 0.01 * z, (0.1 * z, 0.0)))
        for z in np.linspace(0, 40, 21)
    ]
    body = m3.Manifold()
    for pair in itertools.pairwise(layers):
        corners = [np.column_stack([np.asarray(ring.exterior.coords)[:-1], np.full(90, z)]) for z, ring in pair]
        body += m3.Manifold.hull_points(np.vstack(corners))
    scale = Scale.of(np.asarray(body.to_mesh64().vert_properties)[:, :3])
    work = SlabWork(slabs(body, list(np.linspace(0, 40, 9)), scale), UP, scale)
    lofted, stepped = work.features(64.0, LoftSize(16, 6)), work.features(64.0)
    assert len(lofted) == 1 and isinstance(lofted[0], Loft)
    assert len(lofted[0].sections) <= 6
    lost, lost_by_steps = (1 - iou(build(features), body) for features in (lofted, stepped))
    assert lost < 0.025
    assert lost < lost_by_steps / 2

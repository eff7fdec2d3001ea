"""Symmetric outlines: one side is found, written and mirrored, and builds what the whole outline does."""

from __future__ import annotations

import math

import cadquery as cq
import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from cad_pipeline.generators.geometric.parameters import ParameterBook
from cad_pipeline.generators.geometric.shapes2d import Outline, Segment
from cad_pipeline.generators.geometric.sketch_text import sketch_calls
from cad_pipeline.generators.geometric.symmetry import half_of, symmetrised

TEE = ((10.0, 0.0), (10.0, 4.0), (3.0, 4.0), (3.0, 12.0), (-3.0, 12.0), (-3.0, 4.0), (-10.0, 4.0), (-10.0, 0.0))
Q = 4 * math.sqrt(0.5)


def outline(*corners) -> Outline:
    return Outline(tuple(Segment(c) for c in corners))


OUTLINES = {
    "tee": outline(*TEE),
    "tee beside the origin": outline(*((x + 5.25, y - 2.0) for x, y in TEE)),
    "tee on its side": outline(*((-y, x + 2.0) for x, y in TEE)),
    "corners on the axis": outline((10, 0), (10, 5), (0, 9), (-10, 5), (-10, 0), (0, -3)),
    "arcs across the axis": Outline(
        (
            Segment((10.0, 0.0)),
            Segment((10.0, 5.0)),
            Segment((-10.0, 5.0), (0.0, 15.0)),
            Segment((-10.0, 0.0)),
            Segment((-4.0, 0.0)),
            Segment((4.0, 0.0), (0.0, -4.0)),
        )
    ),
    "rounded corners": Outline(
        (
            Segment((10.0, 0.0)),
            Segment((10.0, 5.0)),
            Segment((6.0, 9.0), (6 + Q, 5 + Q)),
            Segment((-6.0, 9.0)),
            Segment((-10.0, 5.0), (-6 - Q, 5 + Q)),
            Segment((-10.0, 0.0)),
        )
    ),
}


def turned(shape: Outline, by: int) -> Outline:
    return Outline(shape.segments[by:] + shape.segments[:by])


def volume_of(calls: str) -> float:
    return float(eval(f'cq.Workplane("XY"){calls}.extrude(1.0)', {"cq": cq}).val().Volume())


@pytest.mark.parametrize("name", OUTLINES)
@pytest.mark.parametrize("by", [0, 1, 3, 5])
def test_a_mirrored_side_builds_the_whole_outline(name: str, by: int) -> None:
    shape = turned(OUTLINES[name], by)
    calls = sketch_calls(shape, "base", ParameterBook())
    assert ".mirror" in calls and ".close" not in calls
    assert volume_of(calls) == pytest.approx(shapely.Polygon(shape.polygon()).area, rel=1e-3)
    whole = sketch_calls(shape, "base", ParameterBook(), whole=True)
    assert ".mirror" not in whole
    assert volume_of(whole) == pytest.approx(volume_of(calls), rel=1e-6)


@pytest.mark.parametrize("name", OUTLINES)
def test_the_numbers_are_those_of_the_text(name: str) -> None:
    import re

    shape = OUTLINES[name]
    calls = sketch_calls(shape, "base", ParameterBook())
    assert shape.numbers == len(re.findall(r"-?\d+\.\d+", calls))


@given(st.lists(st.floats(-2e-4, 2e-4), min_size=16, max_size=16), st.integers(0, 7))
def test_what_is_nearly_symmetric_is_made_so(noise: list[float], by: int) -> None:
    off = np.array(noise).reshape(8, 2)
    noisy = turned(outline(*((x + a, y + b) for (x, y), (a, b) in zip(TEE, off.tolist(), strict=True))), by)
    evened = symmetrised(noisy, 1e-3, 1e-5)
    assert half_of(evened) is not None
    assert np.abs(evened.polygon() - noisy.polygon()).max() < 1e-3


def test_what_is_not_symmetric_stays_as_it_is() -> None:
    lopsided = outline(*TEE[:-1], (-11.0, 0.0))
    assert half_of(lopsided) is None
    assert symmetrised(lopsided, 1e-3, 1e-5) is lopsided


def test_lines_along_an_axis_say_one_coordinate() -> None:
    stairs = outline((0.0, 0.0), (9.0, 0.0), (9.0, 2.0), (6.0, 2.0), (6.0, 5.0), (1.0, 7.0), (0.0, 7.0))
    calls = sketch_calls(stairs, "base", ParameterBook())
    assert (
        calls
        == ".moveTo(0.0, 7.0).vLineTo(0.0).hLineTo(9.0).vLineTo(2.0).hLineTo(6.0).vLineTo(5.0).lineTo(1.0, 7.0).close()"
    )
    assert volume_of(calls) == pytest.approx(shapely.Polygon(stairs.polygon()).area)

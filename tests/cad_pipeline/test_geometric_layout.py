"""How a program is laid out: bodies of their own, sums where they are used once, lines that end inside brackets."""

import ast

import numpy as np

from cad_pipeline.generators.geometric.emit import emit
from cad_pipeline.generators.geometric.features import Body, Extrusion, FeatureProgram, Mode
from cad_pipeline.generators.geometric.frame import frame_along
from cad_pipeline.generators.geometric.layout import wrapped
from cad_pipeline.generators.geometric.shapes2d import Outline, Rectangle, Segment

UP = frame_along(np.array([0.0, 0.0, 1.0]), np.zeros(3))


def test_a_body_is_made_by_itself_and_cut_as_one():
    base = Extrusion(UP, Rectangle((0.0, 0.0), (60.0, 40.0)), 0.0, 20.0)
    room = Extrusion(UP, Rectangle((0.0, 0.0), (50.0, 30.0)), 5.0, 20.0)
    rib = Extrusion(UP, Rectangle((0.0, 0.0), (2.0, 30.0)), 5.0, 15.0, Mode.CUT)
    source = emit(FeatureProgram((base, Body((room, rib), Mode.CUT))), "box", 1e-5).source
    lines = source.splitlines()
    assert any(line.startswith("cavity = xy") for line in lines)
    assert any(line.startswith("cavity = cavity.cut(") for line in lines)
    assert "part = part.cut(cavity)" in lines


def test_a_sum_that_is_used_once_stands_where_it_is_used():
    steps = [
        Extrusion(UP, Rectangle((0.0, 0.0), (w, w)), z, z + 3.0) for w, z in ((60.0, 0.0), (40.0, 3.0), (20.0, 6.0))
    ]
    source = emit(FeatureProgram(tuple(steps)), "steps", 1e-5).source
    assert "workplane(offset=base_height + step_height)" in source
    assert "step_top" not in source


def test_a_long_statement_needs_no_lines_for_its_brackets():
    points = tuple(Segment((float(x), float(x % 7))) for x in range(40))
    source = emit(FeatureProgram((Extrusion(UP, Outline(points), 0.0, 5.0),)), "long", 1e-5).source
    ast.parse(source)
    assert ")" not in source.splitlines() and max(map(len, source.splitlines())) <= 120


def test_a_first_call_longer_than_a_line_stays_beside_its_name():
    points = ", ".join(f"({x}.0, {x % 7}.0)" for x in range(40))
    lines = wrapped(f"part = xy.polyline([{points}]).close().extrude(5.0)")
    ast.parse("\n".join(lines))
    assert lines[0].startswith("part = (xy.polyline")

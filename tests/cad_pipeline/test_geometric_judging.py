"""Judging programs: the IoU of a change, asked where the change is, is the IoU of the whole."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cad_pipeline.generators.geometric.features import Body, Extrusion, Feature, Mode
from cad_pipeline.generators.geometric.frame import Frame
from cad_pipeline.generators.geometric.judging import Judge
from cad_pipeline.generators.geometric.shapes2d import Circle, Rectangle
from cad_pipeline.generators.geometric.solids import build, iou

WORLD = Frame(np.zeros(3), np.eye(3))
PLATE = Extrusion(WORLD, Rectangle((0.0, 0.0), (100.0, 60.0)), 0.0, 8.0)
HOLES = [Extrusion(WORLD, Circle((x, y), 2.0), -1.0, 9.0, Mode.CUT) for x in range(-40, 41, 8) for y in (-20, 0, 20)]
BOSS = Extrusion(WORLD, Circle((30.0, 10.0), 5.0), 8.0, 14.0)


def changes() -> dict[str, list[Feature]]:
    """Programs that differ from the plate with its holes and its boss in one place, or in two far apart."""
    program: list[Feature] = [PLATE, *HOLES, BOSS]
    return {
        "one hole less": program[:1] + program[2:],
        "boss wider": [*program[:-1], replace(BOSS, shape=Circle((30.0, 10.0), 6.0))],
        "two holes moved": [
            program[0],
            replace(HOLES[0], shape=Circle((-39.0, -20.0), 2.0)),
            *program[2:-2],
            replace(HOLES[-1], shape=Circle((40.0, 19.0), 2.5)),
            BOSS,
        ],
        "one more": [*program, replace(BOSS, shape=Circle((-30.0, 10.0), 4.0))],
        "another order": [program[0], BOSS, *HOLES],
        "everything": [replace(PLATE, high=9.0), *program[1:]],
    }


@pytest.mark.parametrize("name", list(changes()))
def test_a_change_is_judged_as_the_whole(name: str) -> None:
    program: list[Feature] = [PLATE, *HOLES, BOSS]
    target = build([replace(PLATE, high=8.5), *HOLES[1:], BOSS])
    trial = changes()[name]
    found = Judge(target).changed(trial, program, iou(build(program), target))
    assert found == pytest.approx(iou(build(trial), target), abs=1e-10)


def test_a_change_within_a_body_is_judged_as_the_whole() -> None:
    inner: list[Feature] = [replace(BOSS, low=2.0), *(replace(h, mode=Mode.ADD) for h in HOLES[:9])]
    program: list[Feature] = [PLATE, Body(tuple(inner), Mode.CUT)]
    trial: list[Feature] = [PLATE, Body(tuple(inner[:-1]), Mode.CUT)]
    target = build([PLATE, *HOLES])
    found = Judge(target).changed(trial, program, iou(build(program), target))
    assert found == pytest.approx(iou(build(trial), target), abs=1e-10)


def test_holes_may_go_that_the_target_does_not_have_and_no_others() -> None:
    judge = Judge(build([PLATE, *HOLES[:3]]))
    assert judge.no_farther(3, 5) and judge.no_farther(4, 5) and judge.no_farther(3, 3)
    assert not judge.no_farther(6, 5) and not judge.no_farther(2, 3) and not judge.no_farther(0, 5)

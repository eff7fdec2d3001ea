"""What lies between a curved wall and its facets is a skin; what is as thin elsewhere, or thicker there, is none."""

from __future__ import annotations

import math

import manifold3d as m3
import numpy as np
import pytest

from cad_pipeline.generators.geometric.chords import chords_of
from cad_pipeline.generators.geometric.features import Extrusion, Mode
from cad_pipeline.generators.geometric.frame import WORLD, frame_along
from cad_pipeline.generators.geometric.mending import Budget, mend
from cad_pipeline.generators.geometric.scale import Scale
from cad_pipeline.generators.geometric.shapes2d import Circle
from cad_pipeline.generators.geometric.solids import build

RADIUS, FACETS = 13.5, 32
SAGITTA = RADIUS * (1 - math.cos(math.pi / FACETS))
DRUM = m3.Manifold.cylinder(16.0, RADIUS, RADIUS, FACETS)
ROUND = Extrusion(WORLD, Circle((0.0, 0.0), RADIUS), 0.0, 16.0)


def test_the_arc_over_a_chord_is_as_high_as_geometry_says() -> None:
    assert np.median(chords_of(DRUM).error) == pytest.approx(SAGITTA, rel=0.02)


def test_all_that_a_round_drum_has_more_than_its_mesh_is_skin() -> None:
    skins = [p for p in (build([ROUND]) - DRUM).decompose() if p.volume() > 1e-6]
    assert skins and all(chords_of(DRUM).is_skin(p) for p in skins)


@pytest.mark.parametrize("deep", [0.5 * SAGITTA, 3 * SAGITTA])
def test_a_shallow_pocket_in_a_flat_end_is_none(deep: float) -> None:
    pocket = m3.Manifold.cube((6.0, 6.0, deep)).translate((-3.0, -3.0, 16.0 - deep))
    assert not chords_of(DRUM - pocket).is_skin(pocket)


def test_a_groove_in_the_curved_wall_is_none() -> None:
    groove = (DRUM - m3.Manifold.cylinder(16.0, RADIUS - 0.2, RADIUS - 0.2, FACETS)) ^ m3.Manifold.cube(
        (60.0, 60.0, 2.0)
    ).translate((-30.0, -30.0, 7.0))
    assert not chords_of(DRUM - groove).is_skin(groove)


def test_a_mesh_without_curves_has_no_skins() -> None:
    cube = m3.Manifold.cube((10.0, 10.0, 10.0))
    assert not chords_of(cube).is_skin(m3.Manifold.cube((10.0, 10.0, 0.001)))


def test_mending_says_nothing_of_facets() -> None:
    frames = [frame_along(axis, np.zeros(3)) for axis in np.eye(3)]
    notch = m3.Manifold.cube((8.0, 4.0, 4.0)).translate((-4.0, -2.0, 12.0))
    features = mend([ROUND], build([ROUND]), DRUM - notch, frames, Scale(41.0, 2e-5), Budget())
    assert len(features) == 2 and features[1].mode is Mode.CUT

"""Shells of a solid: bodies, crumbs and voids told apart, whether they are few or thousands."""

from __future__ import annotations

import manifold3d as m3
import numpy as np
import pytest

from cad_pipeline.generators.geometric.shells import shells_of
from cad_pipeline.generators.geometric.solids import count_bodies, count_tunnels, without_crumbs


def cube(size: float, x: float, y: float = 0.0) -> m3.Manifold:
    return m3.Manifold.cube((size, size, size)).translate((x, y, 0.0))


@pytest.mark.parametrize("crumbs", [3, 400])
def test_shells_are_those_that_the_kernel_finds(crumbs: int) -> None:
    hollow = cube(10.0, 0.0) - cube(4.0, 3.0, 3.0).translate((0.0, 0.0, 3.0))
    solid = hollow + cube(6.0, 20.0) + m3.Manifold.compose([cube(0.1, 40.0 + k, 0.5 * k) for k in range(crumbs)])
    shells = shells_of(solid)
    assert sorted(shells.volume) == pytest.approx(sorted(s.volume() for s in solid.decompose()))
    found = shells.solids(1.0)
    assert [volume for _, volume in found] == pytest.approx([1000.0, 216.0])
    assert all(shell.volume() == pytest.approx(volume) and shell.genus() == 0 for shell, volume in found)
    boxes = np.array([shell.bounding_box() for shell, _ in found])
    assert boxes == pytest.approx(np.array([[0.0, 0, 0, 10, 10, 10], [20.0, 0, 0, 26, 6, 6]]))
    assert shells.solids(2000.0) == []


@pytest.mark.parametrize("crumbs", [3, 400])
def test_crumbs_go_and_bodies_are_counted(crumbs: int) -> None:
    drilled = cube(10.0, 0.0) - m3.Manifold.cylinder(30.0, 2.0).translate((5.0, 5.0, -5.0))
    solid = drilled + m3.Manifold.compose([cube(0.2, 40.0 + k) for k in range(crumbs)])
    assert count_bodies(solid) == 1 + crumbs and count_tunnels(solid) == 1
    alone = without_crumbs(solid)
    assert count_bodies(alone) == 1 and alone.volume() == pytest.approx(drilled.volume())
    both = drilled + cube(6.0, 20.0)
    assert without_crumbs(both) is both


def test_nothing_has_no_shells() -> None:
    assert shells_of(m3.Manifold()).solids(0.0) == []

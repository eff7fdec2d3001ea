"""The residuals that numbers are fitted to, on blocks whose distances are known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cad_pipeline.doubles import block
from cad_pipeline.generators.surface_gap import SurfaceGap
from cad_pipeline.values import Mesh


def stretched(mesh: Mesh, *factors: float) -> Mesh:
    return replace(mesh, vertices=mesh.vertices * np.array(factors))


def moved(mesh: Mesh, *shift: float) -> Mesh:
    return replace(mesh, vertices=mesh.vertices + np.array(shift))


def test_a_part_on_its_target_has_no_residuals() -> None:
    gap = SurfaceGap.of(block(), 300)
    assert gap.residuals(block()) == pytest.approx(np.zeros(600), abs=1e-9)
    # 6000 mm³ behind 2200 mm²
    assert gap.thickness_mm == pytest.approx(6000 / 2200)


def test_points_outside_the_part_are_positive_and_only_the_moved_face_is_seen() -> None:
    gap = SurfaceGap.of(block(), 3000)
    before = gap.residuals(stretched(block(), 29 / 30, 1, 1))[:3000]
    # two faces of 20 × 10 of 2200 mm²; the one at the origin stays
    assert np.count_nonzero(np.isclose(before, 1.0)) == pytest.approx(3000 * 200 / 2200, abs=3)
    assert np.count_nonzero(np.abs(before) > 1e-9) == np.count_nonzero(np.isclose(before, 1.0))
    longer = gap.residuals(stretched(block(), 31 / 30, 1, 1))[:3000]
    assert longer.min() == pytest.approx(-1.0) and longer.max() == pytest.approx(0.0, abs=1e-9)


def test_the_surface_that_lacks_beside_a_face_is_told_without_sign() -> None:
    gap = SurfaceGap.of(block(), 3000)
    beside = gap.residuals(stretched(block(), 29 / 30, 1, 1))[3000:]
    assert beside.min() >= 0.0 and 0.4 < beside.max() <= 0.5


def test_the_far_side_of_a_thin_wall_is_not_taken_for_the_near_one() -> None:
    # a wall of 1 mm that lies 0.8 mm too high: the nearest surface of most points is the wrong face
    wall = stretched(block(), 1, 1, 0.1)
    before = SurfaceGap.of(wall, 1000).residuals(moved(wall, 0, 0, 0.8))[:1000]
    faces = 1200 / (1200 + 2 * (30 + 20))
    assert np.mean(np.isclose(np.abs(before), 0.8)) == pytest.approx(faces, abs=0.01)
    assert before.max() == pytest.approx(0.8) and before.min() == pytest.approx(-0.8)


def test_meshes_that_face_inwards_are_turned() -> None:
    inside_out = replace(block(), faces=block().faces[:, ::-1])
    part = stretched(block(), 1, 1, 1.1)
    right = SurfaceGap.of(block(), 500).residuals(part)
    assert SurfaceGap.of(inside_out, 500).residuals(part) == pytest.approx(right)
    assert SurfaceGap.of(block(), 500).residuals(replace(part, faces=part.faces[:, ::-1])) == pytest.approx(right)


def test_residuals_scale_with_the_part() -> None:
    part = stretched(block(), 1, 1.05, 1)
    small = SurfaceGap.of(block(scale=1e-4), 200).residuals(stretched(block(scale=1e-4), 1, 1.05, 1))
    assert small * 1e4 == pytest.approx(SurfaceGap.of(block(), 200).residuals(part))

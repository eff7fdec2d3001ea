"""Features out of place: told as one move, and refused although the IoU is high."""

import manifold3d
import numpy as np
import pytest

from cad_pipeline.values import Mesh
from cad_pipeline.verify import MeshVerifier, Tolerance
from cad_pipeline.verify.words import place_words


def plate(hole=(80.0, 40.0), boss=(25.0, 30.0), extra_holes=()):
    solid = manifold3d.Manifold.cube((100, 60, 10))
    solid += manifold3d.Manifold.cylinder(25, 12, 12, 96).translate((*boss, 0))
    for place in (hole, *extra_holes):
        solid -= manifold3d.Manifold.cylinder(40, 3.3, 3.3, 96).translate((*place, -5))
    out = solid.to_mesh64()
    return Mesh(name="plate", vertices=np.array(out.vert_properties[:, :3]), faces=np.array(out.tri_verts, np.int64))


def judged(result, **tolerance):
    return MeshVerifier(tolerance=Tolerance(**tolerance)).judge_mesh(plate(), result)


def test_a_hole_that_is_elsewhere_is_one_move_and_refuses():
    verdict = judged(plate(hole=(70.0, 40.0)))
    assert verdict.iou > 0.98 and verdict.betti_target == verdict.betti_result
    assert not verdict.accepted
    assert verdict.reason == "hole ⌀6.6 is 10.0 mm off: at (70, 40, 5) instead of (80, 40, 5)"
    assert judged(plate(hole=(70.0, 40.0)), max_moved_rel=0.2).accepted


@pytest.mark.parametrize("shift", [2.0, 3.0, 4.0])
def test_a_hole_that_overlaps_its_place_is_a_move_along_an_axis(shift):
    verdict = judged(plate(hole=(80.0, 40.0 + shift)))
    assert verdict.iou > 0.98 and not verdict.accepted
    words = verdict.reason
    assert "along y near (80, " in words and "missing" not in words
    assert float(words.split("off by about ")[1].split(" ")[0]) == pytest.approx(shift, rel=0.12)


def test_a_boss_that_overlaps_its_place_is_a_move_too():
    verdict = judged(plate(boss=(29.0, 30.0)))
    assert "about 24.0 × 15.0 is off by about" in verdict.reason and "along x" in verdict.reason


def test_a_slanted_move_is_told_without_a_distance():
    verdict = judged(plate(boss=(28.0, 33.0)))
    assert "a feature is moved sideways near (26.5, 31.5" in verdict.reason


def test_a_hair_is_told_but_does_not_refuse():
    verdict = judged(plate(hole=(80.3, 40.0)))
    assert verdict.accepted and "off by about 0." in verdict.reason


def test_a_hole_of_another_size_elsewhere_is_no_move():
    solid = plate(hole=(80.0, 40.0), extra_holes=[(60.0, 15.0)])
    verdict = judged(solid)
    assert "hole ⌀6.6 too much" in verdict.reason and "instead of (" not in verdict.reason


def test_noise_in_a_place_is_written_as_nothing():
    assert place_words(np.array([-7.6e-05, 7.4e-05, 17.54])) == "(0, 0, 17.5)"
    assert place_words(np.zeros(3)) == "(0, 0, 0)"
    # a part of a thousandth of a millimetre keeps its digits
    assert place_words(np.array([1e-4, -2e-4, 3e-4])) == "(0.0001, -0.0002, 0.0003)"

"""The evaluator's protocols against closed forms, each forgiving what its words say and no more."""

from __future__ import annotations

import manifold3d
import numpy as np
import pytest
import trimesh

from cad_pipeline.errors import InputError
from cad_pipeline.evaluation import (
    PROTOCOLS,
    Part,
    RunOptions,
    Variant,
    protocol,
)
from cad_pipeline.mesh import SolidFacts
from cad_pipeline.values import Mesh
from cad_pipeline.verify import NotMeasurable


def solid(manifold, name="part"):
    out = manifold.to_mesh64()
    return Mesh(name=name, vertices=np.array(out.vert_properties[:, :3]), faces=np.array(out.tri_verts, np.int64))


def mesh(shape, name="part"):
    return Mesh(name=name, vertices=np.array(shape.vertices), faces=np.array(shape.faces))


def bracket():
    """Build an L with a hole, which no rotation maps onto itself."""
    cube = manifold3d.Manifold.cube
    hole = manifold3d.Manifold.cylinder(20, 3, 3, 48)
    return cube((60, 30, 8)) + cube((10, 30, 40)) - hole.translate((45, 12, -5))


def moved(part, *, turn_deg=0.0, axis=(0, 0, 1), scale=1.0, shift=(0.0, 0.0, 0.0)):
    turn = trimesh.transformations.rotation_matrix(np.radians(turn_deg), axis)[:3, :3]
    return Mesh(name="moved", vertices=scale * part.vertices @ turn.T + shift, faces=part.faces)


def measured(name, target, result, variant=Variant.CORRECTED):
    return protocol(name, variant).measure(Part(mesh=target), Part(mesh=result))


@pytest.mark.parametrize("name", PROTOCOLS)
def test_every_protocol_gives_a_thing_with_itself_one(name):
    part = solid(bracket())
    assert measured(name, part, part).iou == pytest.approx(1.0, abs=1e-6)


def test_each_protocol_forgives_what_its_words_say_and_no_more():
    part = solid(bracket())
    larger = moved(part, scale=2.0, shift=(5.0, -3.0, 40.0))
    turned = moved(part, turn_deg=90.0, axis=(0, 1, 0))
    skewed = moved(part, turn_deg=33.0, axis=(1, 2, 0.5), scale=0.3, shift=(9.0, 9.0, 9.0))
    iou = {
        (name, what): measured(name, part, result).iou
        for name in PROTOCOLS
        for what, result in (("larger", larger), ("turned", turned), ("skewed", skewed))
    }
    assert iou["own-frame", "larger"] < 0.2 and iou["own-frame", "turned"] < 0.5
    assert iou["cadrille", "larger"] == pytest.approx(1.0, abs=1e-6) and iou["cadrille", "turned"] < 0.5
    assert iou["zero-to-cad", "larger"] > 0.999 and iou["zero-to-cad", "turned"] > 0.999
    assert iou["zero-to-cad", "skewed"] < 0.8
    for what in ("larger", "turned", "skewed"):
        assert iou["cadbench", what] == pytest.approx(1.0, abs=1e-6), what


def test_the_mirror_image_is_not_the_part():
    part = solid(bracket())
    mirrored = Mesh(name="mirrored", vertices=part.vertices * [1.0, -1.0, 1.0], faces=part.faces[:, ::-1])
    for name in ("zero-to-cad", "cadbench"):
        assert measured(name, part, mirrored).iou < 0.99, name


def test_unit_boxes_follow_the_closed_form():
    # 2 × 1 × 1 against a cube: in unit boxes 1 × ½ × ½ lies wholly inside 1 × 1 × 1
    assert measured("cadrille", mesh(trimesh.creation.box((2, 1, 1))), mesh(trimesh.creation.box((5, 5, 5)))).iou == (
        pytest.approx(0.25, abs=1e-9)
    )


def test_the_published_sum_counts_overlapping_bodies_twice_and_only_when_asked():
    once = trimesh.creation.box((1, 1, 1))
    # a body inside a body adds nothing to the solid, and an eighth to each of the published sums
    nested = trimesh.util.concatenate([once, trimesh.creation.box((0.5, 0.5, 0.5))])
    assert measured("cadrille", mesh(once), mesh(nested)).iou == pytest.approx(1.0, abs=1e-6)
    as_published = measured("cadrille", mesh(once), mesh(nested), Variant.AS_PUBLISHED)
    assert as_published.iou == pytest.approx(1.125 / (1.0 + 1.125 - 1.125), rel=1e-6)
    ball = trimesh.creation.icosphere(3)
    bowl = Mesh(name="bowl", vertices=ball.vertices, faces=ball.faces[ball.triangles_center[:, 2] < 0.5])
    with pytest.raises(NotMeasurable, match="no component is closed"):
        measured("cadrille", mesh(once), bowl, Variant.AS_PUBLISHED)


def test_the_chamfer_distance_follows_the_closed_form():
    inner, outer = trimesh.creation.icosphere(5, 0.4), trimesh.creation.icosphere(5, 0.5)
    from cad_pipeline.evaluation.cadrille import squared_chamfer

    # every point has the other sphere 0.1 away; sampling adds the spacing of the points, squared
    assert squared_chamfer(mesh(inner), mesh(outer)) == pytest.approx(2 * 0.1**2, rel=0.03)


def test_moments_follow_the_closed_form():
    from cad_pipeline.evaluation.cadbench import moments

    found = moments(mesh(trimesh.creation.box((2, 4, 6)).apply_translation((1, 2, 3))))
    assert found.centroid == pytest.approx([1, 2, 3])
    assert found.gyration_mm == pytest.approx(np.sqrt((2**2 + 4**2 + 6**2) / 12))
    # the smallest moment is about the longest side
    assert found.principal == pytest.approx(np.array([2**2 + 4**2, 2**2 + 6**2, 4**2 + 6**2]) / 12)
    assert np.abs(found.axes) == pytest.approx(np.eye(3)[::-1], abs=1e-9)
    assert not found.ambiguous
    assert moments(mesh(trimesh.creation.cylinder(radius=2, height=9))).ambiguous


def test_a_square_plate_turned_by_the_solver_is_found_as_it_lies():
    plate = manifold3d.Manifold.cube((40, 40, 6), True) - manifold3d.Manifold.cylinder(20, 4, 4, 48, True)
    other = solid(plate + manifold3d.Manifold.cylinder(3.5, 10, 10, 96))
    found = measured("cadbench", solid(plate), other)
    assert found.figures["axes_ambiguous"] == 1.0
    still = measured("cadrille", solid(plate), other)
    assert found.iou > 0.8 * still.iou


def test_an_invalid_solid_is_measured_but_never_accepted():
    part = solid(bracket())
    facts = SolidFacts(solids=1, valid=False, volume_mm3=part.volume)
    found = protocol("own-frame").measure(Part(mesh=part), Part(mesh=part, facts=facts))
    assert (found.iou, found.figures["valid"], found.figures["accepted"]) == (pytest.approx(1.0), 0.0, 0.0)
    assert "checker finds faults" in found.words


def test_protocols_that_there_are_not_are_refused_with_those_that_there_are():
    with pytest.raises(InputError, match="own-frame, zero-to-cad, cadrille, cadbench"):
        RunOptions(protocol="voxels")
    with pytest.raises(InputError, match="--protocol cadrille"):
        RunOptions(protocol="cadbench", variant=Variant.AS_PUBLISHED)

"""A body with thin wings is lofted along the body, and its wings by themselves."""

from __future__ import annotations

import manifold3d as m3
import numpy as np

from cad_pipeline.generators.geometric.direction import Direction
from cad_pipeline.generators.geometric.features import Mode, count_numbers
from cad_pipeline.generators.geometric.frame import frame_along
from cad_pipeline.generators.geometric.limbs import core_and_limbs
from cad_pipeline.generators.geometric.part import Part
from cad_pipeline.generators.geometric.scale import Scale
from cad_pipeline.generators.geometric.solids import build, iou

FRAMES = [frame_along(axis, np.zeros(3)) for axis in np.eye(3)]


def part_of(solid):
    mesh = solid.to_mesh64()
    vertices, faces = np.array(mesh.vert_properties)[:, :3], np.array(mesh.tri_verts, dtype=np.int64)
    return Part(vertices, faces, solid, Scale.of(vertices))


def fuselage():
    return m3.Manifold.sphere(1.0, 64).scale((40.0, 6.0, 6.0))


def glider():
    wing = m3.Manifold.sphere(1.0, 64).scale((6.0, 30.0, 1.0)).translate((-5.0, 0.0, 3.0))
    return fuselage() + wing


def test_wings_are_told_apart_from_the_body():
    part = part_of(glider())
    along = Direction(part, FRAMES[0], 0)
    plain = iou(build(along.lofts(16)), part.solid)
    told = list(core_and_limbs(part, along, FRAMES))
    assert told
    best = max(told, key=lambda features: iou(build(features), part.solid))
    assert iou(build(best), part.solid) > max(plain + 0.03, 0.9)
    assert count_numbers(best) <= part.limit
    assert all(feature.mode is Mode.ADD for feature in best[:1])


def test_a_body_without_limbs_has_none():
    part = part_of(fuselage())
    assert list(core_and_limbs(part, Direction(part, FRAMES[0], 0), FRAMES)) == []


def test_what_is_no_single_body_is_left_to_others():
    part = part_of(glider() - m3.Manifold.cylinder(30.0, 3.0, 3.0, 48, True))
    assert list(core_and_limbs(part, Direction(part, FRAMES[0], 0), FRAMES)) == []

"""Edges that are rounded or cut are made sharp, the sharp part is explained, and the blends are written last."""

import cadquery as cq
import numpy as np
import pytest

from cad_pipeline.generators.geometric import GeometricGenerator
from cad_pipeline.generators.geometric.blending import unblended
from cad_pipeline.generators.geometric.features import Mode
from cad_pipeline.generators.geometric.part import Part
from cad_pipeline.generators.geometric.scale import Scale
from cad_pipeline.generators.geometric.solids import build, count_tunnels, iou, mesh_of, mesh_solid
from cad_pipeline.values import Mesh, Target


def holes(plate):
    return plate.faces("<Z").workplane().rect(60, 30, forConstruction=True).vertices().hole(5.5)


def plate():
    return cq.Workplane().box(80, 50, 10)


def bossed(blended):
    return holes(blended.faces(">Z").workplane().circle(10).extrude(8))


def knob():
    return cq.Workplane().box(60, 40, 8).edges("|Z or >Z").fillet(3).faces(">Z").workplane().hole(10)


def foot():
    post = cq.Workplane().box(60, 40, 8).faces(">Z").workplane().circle(10).extrude(12)
    return post.edges(cq.selectors.BoxSelector((-11, -11, 3.9), (11, 11, 4.1))).fillet(3)


def tray():
    pocket = cq.Workplane().box(70, 50, 20).faces(">Z").workplane().rect(60, 40).cutBlind(-15)
    floor = cq.selectors.BoxSelector((-30.1, -20.1, -5.1), (30.1, 20.1, -4.9))
    return pocket.edges(floor).fillet(3).edges("<Z").chamfer(1)


def rib():
    ribbed = cq.Workplane().box(60, 40, 6).union(cq.Workplane().box(4, 30, 20).translate((0, 0, 13)))
    return ribbed.edges(cq.selectors.BoxSelector((-2.1, -16, 2.9), (2.1, 16, 3.1))).fillet(3)


def lid():
    cup = cq.Workplane().rect(80, 60).extrude(12).edges("|Z").fillet(8).faces(">Z").edges().fillet(3)
    return cup.faces("<Z").shell(-2)


# the part, its blends (kind, size, whether convex, edges picked), statements that make it, and how close it comes
PARTS = {
    "rounded plate": (lambda: bossed(plate().faces(">Z").edges().fillet(2)), [("fillet", 2.0, True, 4)], 4, 0.999),
    "cut plate": (lambda: bossed(plate().faces(">Z").edges().chamfer(2)), [("chamfer", 2.0, True, 4)], 4, 0.999),
    "box, all round": (lambda: cq.Workplane().box(40, 30, 20).edges().fillet(4), [("fillet", 4.0, True, 12)], 2, 0.999),
    "box, all cut": (lambda: cq.Workplane().box(40, 30, 20).edges().chamfer(2), [("chamfer", 2.0, True, 12)], 2, 0.999),
    "knob": (knob, [("fillet", 3.0, True, 8)], 3, 0.999),
    "foot of a boss": (foot, [("fillet", 3.0, False, 1)], 3, 0.999),
    "floor of a pocket": (tray, [("fillet", 3.0, False, 4), ("chamfer", 1.0, True, 4)], 4, 0.999),
    "foot of a rib": (rib, [("fillet", 3.0, False, 4)], 3, 0.999),
    "shelled lid": (lid, [("fillet", 3.0, True, 8), ("fillet", 1.0, False, 1)], 4, 0.998),
}


def meshed(part):
    vertices, faces = part.val().tessellate(0.05, 0.1)
    return mesh_of(mesh_solid(np.array([v.toTuple() for v in vertices]), np.array(faces)))


def part_of(made):
    vertices, faces = meshed(made)
    solid = mesh_solid(vertices, faces)
    return Part(vertices, faces, solid, Scale.of(vertices))


@pytest.mark.parametrize("name", PARTS)
def test_blends_are_undone_and_written_last(name):
    make, blends, statements, close = PARTS[name]
    made = make()
    vertices, faces = meshed(made)
    target = Target(mesh=Mesh(name="part", vertices=vertices.astype(np.float32), faces=faces))
    (program, *_) = GeometricGenerator().propose(target, ())
    assert program.promised_iou > close
    # what is made of the sharp mesh's bores comes after the blends
    lines = [line for line in program.source.splitlines() if line.startswith("part = ")]
    assert len(lines) == statements
    calls = program.source.count(".fillet(edge_fillet_r") + program.source.count(".chamfer(edge_chamfer")
    assert calls == len(blends)
    names: dict = {}
    exec(compile(program.source, name, "exec"), names)
    built = names["result"].val()
    assert built.isValid()
    assert iou(mesh_solid(*meshed(names["result"])), mesh_solid(vertices, faces)) > close
    assert built.Volume() == pytest.approx(made.val().Volume(), rel=2e-3)


@pytest.mark.parametrize("name", [n for n in PARTS if n not in ("rounded plate", "cut plate", "knob")])
def test_what_is_undone_is_what_was_done(name):
    make, blends, _, _ = PARTS[name]
    part = part_of(make())
    undone = unblended(part)
    found = [(b.kind.value, b.size, b.mode is Mode.CUT, b.edges.count) for b in undone.blends]
    assert found == [(kind, pytest.approx(size), convex, count) for kind, size, convex, count in blends]
    again = build(undone.blends, undone.part.solid)
    assert iou(again, part.solid) > 0.9999
    assert count_tunnels(again) == part.tunnels


@pytest.mark.parametrize(
    "make",
    [
        plate,
        lambda: holes(plate()),
        lambda: plate().edges("|Z").fillet(6),
        lambda: cq.Workplane().circle(20).extrude(9),
    ],
    ids=["box", "holes", "round corners", "disc"],
)
def test_sharp_parts_and_corners_of_sketches_have_nothing_to_undo(make):
    assert unblended(part_of(make())) is None


def test_a_prism_of_many_sides_has_no_chamfers():
    for sides in (6, 8):
        assert unblended(part_of(cq.Workplane().polygon(sides, 40).extrude(10))) is None


def test_where_a_blend_is_told_costs_nothing_but_itself():
    """What is programmed without the blend stays behind it."""
    vertices, faces = meshed(cq.Workplane().box(40, 30, 20).edges().fillet(4))
    target = Target(mesh=Mesh(name="part", vertices=vertices.astype(np.float32), faces=faces))
    programs = GeometricGenerator().propose(target, (), samples=4)
    assert any(".edges().fillet(" in p.source for p in programs)
    assert any(".edges().fillet(" not in p.source for p in programs)

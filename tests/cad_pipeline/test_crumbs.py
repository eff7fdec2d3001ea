"""Solids that cuts leave beside a part of one body are dropped, and nothing else is touched."""

from dataclasses import replace
from pathlib import Path

import manifold3d as m3
import numpy as np
import pytest

from cad_pipeline.generators.crumbs import Crumbs, without_crumbs
from cad_pipeline.generators.geometric.solids import count_bodies, count_tunnels
from cad_pipeline.generators.geometric.solids import without_crumbs as largest_of
from cad_pipeline.generators.scripted import ScriptedGenerator
from cad_pipeline.pipeline import Pipeline, Stage
from cad_pipeline.values import Betti, Mesh, Target
from cad_pipeline.verify import MeshVerifier
from cad_pipeline.warm import warm_sandbox

CRUMBLY = """import cadquery as cq

part = cq.Workplane("XY").box(20.0, 20.0, 10.0)
part = part.union(cq.Workplane("XY").box(0.5, 0.5, 0.5).translate((15.0, 0.0, 0.0)))

result = part
"""


def target() -> Target:
    mesh = m3.Manifold.cube((20.0, 20.0, 10.0), True).to_mesh64()
    vertices, faces = np.asarray(mesh.vert_properties)[:, :3], np.asarray(mesh.tri_verts, dtype=np.int64)
    return Target(mesh=Mesh(name="block", vertices=vertices, faces=faces))


def test_a_program_with_a_crumb_comes_out_as_the_part_alone(tmp_path: Path) -> None:
    plan = (Stage(ScriptedGenerator((CRUMBLY,))), Stage(Crumbs(), samples=2))
    done = Pipeline(plan=plan, sandbox=warm_sandbox(), verifier=MeshVerifier()).reconstruct(target(), tmp_path)
    first, second = done.attempts
    assert first.execution.solids == 2 and not first.verdict.accepted
    assert second.execution.solids == 1 and second.verdict.accepted
    assert second.program.origin.generator == "crumbs" and done.best is second


def test_a_part_of_several_bodies_keeps_them(tmp_path: Path) -> None:
    plan = (Stage(ScriptedGenerator((CRUMBLY,))),)
    done = Pipeline(plan=plan, sandbox=warm_sandbox(), verifier=MeshVerifier()).reconstruct(target(), tmp_path)
    (attempt,) = done.attempts
    two = replace(attempt, verdict=replace(attempt.verdict, betti_target=Betti(b0=2, b1=0, b2=0)))
    assert Crumbs().propose(target(), (two,)) == []
    assert len(Crumbs().propose(target(), (attempt,))) == 1


@pytest.mark.parametrize("source", ["not python (", "import cadquery as cq\nr = cq.Workplane().box(1, 1, 1)\n", ""])
def test_a_text_that_leaves_no_result_at_its_end_is_left_alone(source: str) -> None:
    assert without_crumbs(source) == source


def test_only_crumbs_are_left_out_of_a_score() -> None:
    block, crumb = m3.Manifold.cube((10.0, 10.0, 10.0)), m3.Manifold.cube((1.0, 1.0, 1.0)).translate((20.0, 0.0, 0.0))
    assert largest_of(block + crumb).volume() == pytest.approx(1000.0)
    assert largest_of(block + block.translate((30.0, 0.0, 0.0))).volume() == pytest.approx(2000.0)
    assert largest_of(block).volume() == pytest.approx(1000.0)


def test_a_void_is_no_crumb_and_no_tunnel() -> None:
    room = m3.Manifold.cube((9.0, 9.0, 9.0)).translate((0.5, 0.5, 0.5))
    hollow = m3.Manifold.cube((10.0, 10.0, 10.0)) - room
    crumb = m3.Manifold.cube((1.0, 1.0, 1.0)).translate((20.0, 0.0, 0.0))
    assert largest_of(hollow).volume() == pytest.approx(271.0)
    assert largest_of(hollow + crumb).volume() == pytest.approx(271.0)
    assert (count_bodies(hollow), count_tunnels(hollow)) == (1, 0)
    drilled = m3.Manifold.cube((10.0, 10.0, 10.0)) - m3.Manifold.cylinder(30.0, 2.0).translate((5.0, 5.0, -5.0))
    assert (count_bodies(drilled), count_tunnels(drilled)) == (1, 1)
    assert (count_bodies(drilled + crumb), count_tunnels(drilled + crumb)) == (2, 1)

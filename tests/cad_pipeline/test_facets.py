"""The net under the ladder: every closed mesh, however many bodies and voids, is a valid solid of the same volume."""

import cadquery as cq
import manifold3d as m3
import numpy as np
import pytest
import trimesh

from cad_pipeline.generators.facets import FacetGenerator
from cad_pipeline.generators.slivers import without_slivers
from cad_pipeline.values import Attempt, Mesh, Origin, Program, ProgramKind, Target, Verdict
from cad_sandbox import Execution, Export, ForkServerSandbox, Isolation, Limits, Outcome


def block(length, width, height):
    return m3.Manifold.cube((length, width, height), True)


def ball(radius, segments=16):
    return m3.Manifold.sphere(radius, segments)


def skew(solid):
    return solid.rotate((31, 17, 53)).translate((13.3, -8.1, 21.7))


def drilled():
    return (
        block(60, 40, 20)
        - m3.Manifold.cylinder(30, 6, 6, 32).translate((10, 3, -15))
        - block(20, 20, 10).translate((-15, 0, 8))
        + m3.Manifold.cylinder(20, 8, 4, 24).translate((18, -8, 5))
    )


PARTS = {
    "block": lambda: block(30, 20, 10),
    "drilled": drilled,
    "drilled and skew": lambda: skew(drilled()),
    "ball": lambda: ball(10),
    "inner void": lambda: block(30, 30, 30) - ball(9),
    "two voids": lambda: block(40, 20, 20) - ball(6).translate((-10, 0, 0)) - ball(5).translate((10, 0, 0)),
    "three bodies": lambda: block(10, 10, 10) + ball(6).translate((20, 3, 4)) + block(5, 5, 5).translate((-30, 0, 0)),
    "body in a void": lambda: block(30, 30, 30) - block(20, 20, 20) + ball(6),
    "tiny": lambda: skew(drilled()).scale((1e-3,) * 3),
    "huge": lambda: skew(drilled()).scale((1e3,) * 3),
}
BODIES = {"three bodies": 3, "body in a void": 2}


def mesh_of(solid, name="part"):
    mesh = solid.to_mesh64()
    vertices = np.asarray(mesh.vert_properties)[:, :3].astype(np.float32)
    return Mesh(name=name, vertices=vertices, faces=np.asarray(mesh.tri_verts, dtype=np.int64))


def propose(mesh, history=()):
    return FacetGenerator().propose(Target(mesh=mesh), history)


def tried(program, accepted=False):
    execution = Execution(outcome=Outcome.BUILT if accepted else Outcome.INVALID)
    return Attempt(program=program, execution=execution, verdict=Verdict(accepted=accepted, reason="for this test"))


@pytest.fixture(scope="module")
def sandbox():
    limits = Limits(exports=frozenset({Export.STEP}))
    with ForkServerSandbox(limits, Isolation.PROCESS) as made:
        yield made


@pytest.mark.parametrize("name", list(PARTS))
def test_a_closed_mesh_is_a_valid_solid_of_its_volume(name, sandbox, tmp_path):
    mesh = mesh_of(PARTS[name](), name)
    (program,) = propose(mesh)
    assert program.kind is ProgramKind.FACETS
    execution = sandbox.run(program.source, tmp_path)
    assert execution.outcome is Outcome.BUILT, execution.message
    assert execution.solids == BODIES.get(name, 1)
    assert execution.volume_mm3 == pytest.approx(mesh.volume, rel=2e-5)
    assert execution.area_mm2 == pytest.approx(mesh.area, rel=2e-5)
    assert execution.box.low == pytest.approx(mesh.bounds[0], abs=1e-5 * mesh.diagonal)
    assert execution.box.high == pytest.approx(mesh.bounds[1], abs=1e-5 * mesh.diagonal)


def test_the_second_idea_builds_too(sandbox, tmp_path):
    mesh = mesh_of(PARTS["drilled"]())
    (first,) = propose(mesh)
    (second,) = propose(mesh, [tried(first)])
    execution = sandbox.run(second.source, tmp_path)
    assert execution.outcome is Outcome.BUILT, execution.message
    assert execution.volume_mm3 == pytest.approx(mesh.volume, rel=2e-5)
    assert sum(execution.face_kinds.values()) == len(mesh.faces)


def test_coplanar_triangles_are_one_face(sandbox, tmp_path):
    (program,) = propose(mesh_of(PARTS["block"]()))
    execution = sandbox.run(program.source, tmp_path)
    assert dict(execution.face_kinds) == {"PLANE": 6}


def test_a_face_may_have_holes(sandbox, tmp_path):
    pierced = block(60, 40, 10)
    for x in (-20, 0, 20):
        pierced -= m3.Manifold.cylinder(20, 5, 5, 16).translate((x, 0, -10))
    (program,) = propose(mesh_of(pierced))
    execution = sandbox.run(program.source, tmp_path)
    assert sum(execution.face_kinds.values()) == 6 + 3 * 16
    assert execution.volume_mm3 == pytest.approx(pierced.volume(), rel=2e-5)


def test_ideas_run_out():
    mesh = mesh_of(PARTS["block"]())
    history = []
    for _ in range(10):
        programs = propose(mesh, history)
        if not programs:
            break
        assert programs[0].source not in {a.program.source for a in history}
        assert programs[0].origin.round == len(history)
        history.append(tried(programs[0]))
    assert 1 <= len(history) < 10


def test_nothing_is_proposed_once_something_was_accepted():
    other = Program(source="result = 1", origin=Origin(generator="other"))
    assert propose(mesh_of(PARTS["block"]()), [tried(other, accepted=True)]) == []
    assert len(propose(mesh_of(PARTS["block"]()), [tried(other)])) == 1


def test_the_same_mesh_gives_the_same_text():
    one, two = (propose(mesh_of(PARTS["drilled"]()))[0].source for _ in range(2))
    assert one == two


def test_the_text_says_that_it_holds_no_features():
    (program,) = propose(mesh_of(PARTS["block"](), "bracket"))
    assert "bracket" in program.source.splitlines()[0]
    assert "faceted" in program.source.splitlines()[0]
    assert program.parameters == ()


def test_a_triangle_without_area_goes_into_its_neighbours_edge() -> None:
    """A vertex on another triangle's edge, closed with a sliver: what mesh repair leaves at T-junctions."""
    box = trimesh.creation.box((4.0, 3.0, 2.0))
    vertices, faces = np.asarray(box.vertices, float), np.asarray(box.faces).tolist()
    a, b, c = faces.pop(0)
    m = len(vertices)
    vertices = np.vstack([vertices, (vertices[a] + vertices[b]) / 2])
    faces += [[a, m, c], [m, b, c], [a, b, m]]
    made = without_slivers(vertices, np.array(faces), 1e-6)
    solid = trimesh.Trimesh(vertices, made, process=False)
    assert solid.is_watertight and solid.volume == pytest.approx(24.0)
    assert len(made) == len(faces) and solid.area_faces.min() > 0.1
    untouched = np.asarray(box.faces, dtype=np.int64)
    assert without_slivers(np.asarray(box.vertices), untouched, 1e-6) is untouched
    mesh = Mesh(name="box", vertices=vertices, faces=np.array(faces, dtype=np.int64))
    (program,) = FacetGenerator().propose(Target(mesh=mesh), ())
    names: dict[str, object] = {}
    exec(program.source, names)
    result = names["result"]
    assert isinstance(result, cq.Workplane)
    assert [s.isValid() for s in result.solids().vals()] == [True]

"""The pose of a part does not change what is read off it: frames, likely directions, dimensions of whole programs."""

import functools
import math

import manifold3d as m3
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cad_pipeline.generators.geometric import GeometricGenerator
from cad_pipeline.generators.geometric.directions import candidate_frames, prismatic_share
from cad_pipeline.generators.geometric.frame import Frame, frame_along, straightened
from cad_pipeline.values import Mesh, Target

coordinate = st.floats(-50, 50, allow_nan=False)
vectors = st.tuples(coordinate, coordinate, coordinate).map(np.array)
directions = vectors.filter(lambda v: np.linalg.norm(v) > 1e-3)


def skew(seed):
    """A random rotation with a shift of whole millimetres, (3, 4)."""
    generator = np.random.default_rng(seed)
    q, _ = np.linalg.qr(generator.normal(size=(3, 3)))
    q *= np.sign(np.linalg.det(q))
    return np.column_stack([q, generator.integers(-30, 30, 3)])


def mesh_of(solid, name="part"):
    mesh = solid.to_mesh64()
    vertices = np.asarray(mesh.vert_properties)[:, :3].astype(np.float32)
    return Mesh(name=name, vertices=vertices, faces=np.asarray(mesh.tri_verts, dtype=np.int64))


def block(length, width, height):
    return m3.Manifold.cube((length, width, height), True)


def post(radius, low, high, x=0.0, y=0.0):
    return m3.Manifold.cylinder(high - low, radius, radius, 48).translate((x, y, low))


@given(directions, vectors, st.lists(vectors, min_size=1, max_size=5).map(np.array))
def test_a_frame_is_right_handed_and_its_way_back_is_exact(normal, origin, points):
    frame = frame_along(normal, origin)
    assert frame.axes @ frame.axes.T == pytest.approx(np.eye(3), abs=1e-9)
    assert np.linalg.det(frame.axes) == pytest.approx(1)
    assert frame.axes[2] == pytest.approx(normal / np.linalg.norm(normal))
    assert frame.to_world(frame.to_local(points)) == pytest.approx(points, abs=1e-9)
    assert frame.to_local(origin[None])[0] == pytest.approx([0, 0, 0], abs=1e-9)


@given(directions, vectors, vectors)
def test_a_moved_frame_has_its_origin_where_it_was_sent(normal, origin, step):
    frame = frame_along(normal, origin)
    moved = frame.moved(step)
    assert moved.origin == pytest.approx(frame.to_world(step[None])[0], abs=1e-9)
    assert moved.axes is frame.axes


@pytest.mark.parametrize("axis", np.vstack([np.eye(3), -np.eye(3)]).tolist())
def test_world_directions_have_named_planes_that_cadquery_knows(axis):
    frame = frame_along(np.array(axis), np.zeros(3))
    # CadQuery's own table: name, x direction, normal
    table = {"XY": "+x+z", "YZ": "+y+x", "XZ": "+x-y", "ZX": "+z+y", "YX": "+y-z", "ZY": "+z-x"}
    sign = {"+": 1.0, "-": -1.0}
    name = frame.plane_name
    assert name is not None
    for row, word in ((0, table[name][:2]), (2, table[name][2:])):
        assert frame.axes[row] == pytest.approx(sign[word[0]] * np.eye(3)["xyz".index(word[1])])


def test_a_skew_plane_has_no_name():
    assert frame_along(np.array([1.0, 2.0, 3.0]), np.zeros(3)).plane_name is None
    turned = Frame(np.zeros(3), np.array([[0.6, 0.8, 0], [-0.8, 0.6, 0], [0, 0, 1.0]]))
    assert turned.plane_name is None


def test_a_plate_is_extruded_across_its_largest_faces_or_along_its_edges():
    mesh = mesh_of(block(60, 40, 5))
    frames = candidate_frames(mesh.vertices, mesh.faces)
    assert sorted(int(np.argmax(np.abs(f.axes[2]))) for f in frames) == [0, 1, 2]
    assert all(f.plane_name for f in frames)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000))
def test_the_direction_of_extrusion_turns_with_the_part(seed):
    pose = skew(seed)
    profile = block(60, 40, 10) - post(8, -6, 6, 12, 4) + post(6, 5, 20, -15, 0)
    mesh = mesh_of(profile.transform(pose))
    best = candidate_frames(mesh.vertices, mesh.faces)[0].axes[2]
    assert abs(float(best @ pose[:, 2])) > 1 - 1e-7


def test_the_share_of_a_prism_is_whole_along_its_axis_only():
    mesh = mesh_of(post(10, 0, 30))
    a, b, c = (mesh.vertices[mesh.faces[:, k]] for k in range(3))
    cross = np.cross(b - a, c - a)
    area = np.linalg.norm(cross, axis=1)
    normals = cross / area[:, None]
    assert prismatic_share(normals, area, np.array([0, 0, 1.0])) == pytest.approx(1)
    assert prismatic_share(normals, area, np.array([1.0, 0, 0])) < 0.6


PARTS = {
    "plate with holes": lambda: (
        block(60, 40, 10) - post(4, -6, 6, 20, 10) - post(4, -6, 6, -20, 10) - post(7, -6, 6, 0, -8)
    ),
    "stepped shaft": lambda: post(15, 0, 20) + post(10, 20, 45) + post(6, 45, 60),
    "flange": lambda: m3.Manifold.batch_boolean(
        [post(40, 0, 8) + post(18, 8, 30), post(10, -1, 31)]
        + [post(3.5, -1, 9, 30 * math.cos(a), 30 * math.sin(a)) for a in np.radians([0, 60, 120, 180, 240, 300])],
        m3.OpType.Subtract,
    ),
}


LAYOUT = ("_circle_d", "_count", "_pitch_x", "_pitch_y")


POSES = {
    "straight": lambda part: part,
    "shifted": lambda part: part.translate((100.5, -40.25, 7)),
    "skew": lambda part: part.transform(skew(1)),
    "tiny": lambda part: part.scale((0.01,) * 3),
    "huge": lambda part: part.scale((1000.0,) * 3),
}


@functools.cache
def parameters(name, pose="straight"):
    mesh = mesh_of(POSES[pose](PARTS[name]()))
    (program,) = GeometricGenerator().propose(Target(mesh=mesh), [])
    # what hangs on the choice of the datum is no dimension of the part
    return [p for p in program.parameters if not p.name.endswith("_z")]


def dimensions(name, pose="straight"):
    """Sizes of features, without how they are laid out."""
    return sorted(p.value for p in parameters(name, pose) if not p.name.endswith(LAYOUT))


def layout(name, pose="straight"):
    return sorted(p.value for p in parameters(name, pose) if p.name.endswith(LAYOUT))


@pytest.mark.parametrize("name", PARTS)
def test_a_part_has_the_same_dimensions_in_a_skew_pose(name):
    assert dimensions(name, "skew") == pytest.approx(dimensions(name), abs=5e-3)


@pytest.mark.parametrize("name", ["plate with holes", "flange"])
def test_holes_are_laid_out_alike_in_a_skew_pose(name):
    assert layout(name)
    assert layout(name, "skew") == pytest.approx(layout(name), abs=5e-3)


def test_a_shifted_part_has_the_same_dimensions():
    name = "plate with holes"
    assert dimensions(name, "shifted") == pytest.approx(dimensions(name), abs=1e-3)
    assert layout(name, "shifted") == pytest.approx(layout(name), abs=1e-3)


@pytest.mark.parametrize(("pose", "factor"), [("tiny", 0.01), ("huge", 1000.0)])
def test_a_part_may_be_tiny_or_huge(pose, factor):
    name = "plate with holes"
    assert dimensions(name, pose) == pytest.approx([d * factor for d in dimensions(name)], rel=1e-4)


@pytest.mark.parametrize(
    ("direction", "wanted"),
    [
        ((1e-6, -2e-6, 1.0), (0.0, 0.0, 1.0)),
        ((0.7071064, -0.7071071, -3e-7), (math.sqrt(0.5), -math.sqrt(0.5), 0.0)),
        ((math.sin(math.radians(17.5)) + 2e-6, 0.0, math.cos(math.radians(17.5))), None),
        ((0.3, 0.4, math.sqrt(0.75)), (0.3, 0.4, math.sqrt(0.75))),
        ((0.29, 0.0, math.sqrt(1 - 0.29**2)), (0.29, 0.0, math.sqrt(1 - 0.29**2))),
    ],
)
def test_directions_lose_what_is_rounding(direction, wanted):
    if wanted is None:
        wanted = (math.sin(math.radians(17.5)), 0.0, math.cos(math.radians(17.5)))
    assert np.allclose(straightened(np.array(direction), 2e-5), wanted, atol=1e-15)

"""Turned bodies: the axis, and a half-profile with exactly the corners, chamfers and fillets of the drawing."""

import manifold3d as m3
import numpy as np
import pytest

from cad_pipeline.generators.geometric.directions import candidate_frames
from cad_pipeline.generators.geometric.facets import facets_of
from cad_pipeline.generators.geometric.features import Mode, Revolution
from cad_pipeline.generators.geometric.frame import frame_along
from cad_pipeline.generators.geometric.scale import Scale
from cad_pipeline.generators.geometric.shapes2d import circle_through
from cad_pipeline.generators.geometric.solids import build, iou, mesh_solid
from cad_pipeline.generators.geometric.turned import axis_frame, explain_turned, turned_share

# radius, height; a chamfer of 1 at the foot and a fillet of radius 3 from the shoulder at 20 to the neck
FOOT = [(0, 0), (14, 0), (15, 1), (15, 20)]
FILLET = [(11 - 3 * np.sin(a), 23 - 3 * np.cos(a)) for a in np.radians(np.linspace(0, 90, 13))]
NECK = [(8, 45), (5, 45), (5, 60), (0, 60)]
SHAFT = [*FOOT, *FILLET, *NECK]
CORNERS = {(0, 0), (14, 0), (15, 1), (15, 20), (11, 20), (8, 23), (8, 45), (5, 45), (5, 60), (0, 60)}


def revolved(points, segments=48):
    return m3.CrossSection([np.array(points, float)]).revolve(segments)


def along(axis, at=(0, 0, 0)):
    z = np.asarray(axis, float) / np.linalg.norm(axis)
    x = np.cross([0.3, 1.0, 0.2], z)
    x /= np.linalg.norm(x)
    return np.column_stack([x, np.cross(z, x), z, at])


def read(solid):
    mesh = solid.to_mesh64()
    vertices = np.asarray(mesh.vert_properties)[:, :3].astype(np.float32).astype(np.float64)
    return vertices, np.asarray(mesh.tri_verts, dtype=np.int64)


def explained(solid, direction):
    vertices, faces = read(solid)
    scale = Scale.of(vertices)
    facets = facets_of(vertices, faces, scale.size, scale.noise)
    axis = axis_frame(frame_along(np.asarray(direction, float), np.zeros(3)), facets, scale)
    assert axis is not None
    assert turned_share(axis, facets, scale) > 0.9
    return explain_turned(mesh_solid(vertices, faces), axis, vertices, scale), axis


def corners_of(feature):
    return {(round(x, 3) + 0.0, round(y, 3) + 0.0) for x, y in (s.end for s in feature.profile.segments)}


def radii_of(feature):
    ends = [s.end for s in feature.profile.segments]
    pairs = zip(ends[-1:] + ends[:-1], feature.profile.segments, strict=True)
    return [round(circle_through(start, s.mid, s.end)[2], 3) for start, s in pairs if s.mid is not None]


@pytest.mark.parametrize("segments", [32, 48, 64])
def test_a_stepped_shaft_has_the_corners_of_its_drawing(segments):
    solid = revolved(SHAFT, segments)
    proposals, _ = explained(solid, (0, 0, 1))
    assert proposals
    for features in proposals:
        (feature,) = features
        assert isinstance(feature, Revolution)
        assert corners_of(feature) == CORNERS
        assert radii_of(feature) == [3]
        # the mesh's circles are polygons, the feature's are round
        polygon = segments / (2 * np.pi) * np.sin(2 * np.pi / segments)
        assert build(features).volume() * polygon == pytest.approx(solid.volume(), rel=1e-3)


@pytest.mark.parametrize("place", [(0, 0), (12.5, -30), (-7.25, 3.75)])
def test_the_axis_is_found_where_it_is(place):
    _, axis = explained(revolved(SHAFT).translate((*place, 11)), (0, 0, 1))
    assert axis.origin[:2] == pytest.approx(place, abs=1e-3)


@pytest.mark.parametrize(
    "direction",
    [(1, 0, 0), (0, 1, 0), (2, -1, 0.5)],
)
def test_the_direction_does_not_matter(direction):
    at = (4.0, -3.0, 9.0)
    proposals, axis = explained(revolved(SHAFT).transform(along(direction, at)), direction)
    offset = np.cross(np.array(at) - axis.origin, axis.axes[2])
    assert np.linalg.norm(offset) < 2e-3
    for (feature,) in proposals:
        radii = sorted({r for r, _ in corners_of(feature)})
        assert radii == pytest.approx([0, 5, 8, 11, 14, 15], abs=2e-3)
        heights = sorted({z for _, z in corners_of(feature)})
        assert np.diff(heights) == pytest.approx(np.diff([0, 1, 20, 23, 45, 60]), abs=2e-3)


def test_a_tube_is_one_profile_off_the_axis():
    tube = revolved([(6, 0), (10, 0), (10, 25), (6, 25)])
    proposals, _ = explained(tube, (0, 0, 1))
    for features in proposals:
        assert all(isinstance(f, Revolution) and f.mode is Mode.ADD for f in features)
        assert corners_of(features[0]) == {(6, 0), (10, 0), (10, 25), (6, 25)}


def test_a_ring_of_round_wire_is_two_arcs():
    wire = [(20 + 4 * np.cos(a), 4 * np.sin(a)) for a in np.radians(np.arange(0, 360, 7.5))]
    proposals, _ = explained(revolved(wire), (0, 0, 1))
    (feature,) = proposals[0]
    assert len(feature.profile.segments) == 2
    assert radii_of(feature) == pytest.approx([4, 4], abs=5e-3)
    assert build([feature]).volume() == pytest.approx(2 * np.pi**2 * 20 * 16, rel=5e-3)


def test_a_void_inside_is_cut():
    hollow = revolved(SHAFT) - revolved([(0, 5), (6, 5), (6, 15), (0, 15)])
    proposals, _ = explained(hollow, (0, 0, 1))
    for features in proposals:
        assert iou(build(features), hollow) > 0.995


def test_flats_are_left_for_mending_by_the_fullest_profile():
    flats = m3.Manifold.cube((40, 40, 20)).translate((10, -20, 40)) + m3.Manifold.cube((40, 40, 20)).translate(
        (-43, -20, 40)
    )
    milled = revolved([(0, 0), (9, 0), (9, 50), (0, 50)]) - flats
    proposals, _ = explained(milled, (0, 0, 1))
    widest = max((r for features in proposals for r, _ in corners_of(features[0])), default=0)
    assert widest == 9


def test_a_box_is_not_turned():
    vertices, faces = read(m3.Manifold.cube((30, 20, 10), True))
    scale = Scale.of(vertices)
    facets = facets_of(vertices, faces, scale.size, scale.noise)
    for frame in candidate_frames(vertices, faces):
        axis = axis_frame(frame, facets, scale)
        assert axis is None or turned_share(axis, facets, scale) == 0


def test_a_hexagonal_bar_is_not_turned():
    corners = [(10 * np.cos(a), 10 * np.sin(a)) for a in np.radians(np.arange(0, 360, 60))]
    vertices, faces = read(m3.CrossSection([np.array(corners)]).extrude(40))
    scale = Scale.of(vertices)
    facets = facets_of(vertices, faces, scale.size, scale.noise)
    axis = axis_frame(frame_along(np.array([0, 0, 1.0]), np.zeros(3)), facets, scale)
    assert axis is None or turned_share(axis, facets, scale) == 0

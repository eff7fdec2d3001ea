"""Solids from silhouettes: outlines to a fraction of a pixel, boxes to a hundredth, refusals in words."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from cad_renderers import CAD_GREY, CORNER_ISO, Channel, Fit, Material, SoftwareRenderer
from cad_renderers.face_cuts import cut_by_faces
from cad_renderers.framing import fit
from cad_renderers.hull import HullError, likeness, visual_hull
from cad_renderers.plane_faces import Face, FaceReader, face_color
from cad_renderers.shapes import Solid, box, letter_f
from cad_renderers.silhouettes import depth_inside, edge_agreement, outline, silhouette

DRAW = SoftwareRenderer().render


def volume(solid) -> float:
    a, b, c = (solid.vertices[solid.faces[:, k]] for k in range(3))
    return float(np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6.0)


def test_an_outline_runs_where_the_shape_ends() -> None:
    y, x = np.mgrid[:100, :100] + 0.5
    ring = (np.hypot(x - 50, y - 50) < 40) & (np.hypot(x - 50, y - 50) > 15)
    (polygon,) = outline(depth_inside(ring), level_px=0.0)
    assert len(polygon.interiors) == 1
    assert polygon.area == pytest.approx(math.pi * (40**2 - 15**2), rel=0.01)
    assert (polygon.centroid.x, polygon.centroid.y) == pytest.approx((50.0, 50.0), abs=0.1)


def test_silhouettes_are_the_masks_but_for_half_a_line() -> None:
    for view in DRAW(letter_f(), size_px=256):
        found = silhouette(view.image)
        assert (found | ~view.mask).all()
        assert (found & ~view.mask).sum() < 1.2 * 4 * 256


def test_a_box_is_carved_to_its_size_from_corners_alone() -> None:
    hull = visual_hull(DRAW(box((0, 0, 0), (40, 25, 10))).images, CORNER_ISO)
    assert np.ptp(hull.vertices, axis=0) == pytest.approx([1.0, 0.625, 0.25], abs=0.015)
    assert volume(hull) == pytest.approx(0.625 * 0.25, rel=0.06)
    edges = np.sort(np.vstack([hull.faces[:, [0, 1]], hull.faces[:, [1, 2]], hull.faces[:, [2, 0]]]), axis=1)
    assert (np.unique(edges, axis=0, return_counts=True)[1] == 2).all()


def shape(*sections: tuple[float, float, float]) -> Solid:
    """Stack discs and tubes with the axis Z: of each its inner and outer radius and its height."""
    from manifold3d import Manifold

    stack, z = Manifold(), 0.0
    for inner, outer, height in sections:
        ring = Manifold.cylinder(height, outer, outer, 96)
        if inner > 0.0:
            ring = ring - Manifold.cylinder(height, inner, inner, 96)
        stack, z = stack + ring.translate((0.0, 0.0, z)), z + height
    return solid_of(stack)


def solid_of(manifold) -> Solid:
    mesh = manifold.to_mesh()
    return Solid(vertices=mesh.vert_properties[:, :3].astype(float), faces=mesh.tri_verts.astype(np.int64))


@pytest.mark.slow
def test_a_stepped_tube_comes_out_round_and_hollow() -> None:
    part = shape((6.0, 20.0, 8.0), (6.0, 11.0, 12.0))
    hull = visual_hull(DRAW(part).images, CORNER_ISO)
    assert np.ptp(hull.vertices, axis=0) == pytest.approx([1.0, 1.0, 0.5], abs=0.02)
    assert volume(hull) == pytest.approx(volume(part) / 40.0**3, rel=0.06)
    radii = np.hypot(*hull.vertices[:, :2].T) * 40.0
    for radius in (6.0, 11.0, 20.0):
        assert (np.abs(radii - radius) < 0.4).sum() > 40
    # an octagon, all that silhouettes from corners tell, would reach out to 1/cos(22.5°)
    assert radii.max() < 20.0 * 1.03


@pytest.mark.slow
def test_a_pocket_that_no_silhouette_shows_is_sunk() -> None:
    from manifold3d import Manifold

    block = Manifold.cube((40.0, 30.0, 20.0)) - Manifold.cube((30.0, 20.0, 12.0)).translate((5.0, 5.0, 8.0))
    hull = visual_hull(DRAW(solid_of(block)).images, CORNER_ISO)
    assert volume(hull) == pytest.approx(block.volume() / 40.0**3, rel=0.06)


def test_a_plane_face_is_read_by_its_colour() -> None:
    part = shape((6.0, 20.0, 16.0))
    half = np.array([1.0, 1.0, 0.4])
    reader = FaceReader(DRAW(part).images, CORNER_ISO, CAD_GREY, ink_px=CAD_GREY.ink.silhouette_width_px)
    (top, _), (bottom, _) = reader.outer(2, 1, half), reader.outer(2, -1, half)
    for face in (top, bottom):
        assert face.area == pytest.approx(math.pi * (1.0 - 0.3**2), rel=0.03)
        radii = sorted(float(np.hypot(*loop.T).mean()) for loop in face.loops)
        assert radii == pytest.approx([0.3, 1.0], abs=0.015)
    assert (top.side, top.offset, bottom.side, bottom.offset) == (1, 0.4, -1, -0.4)
    # pictures in other colours hold no face
    gold = replace(CAD_GREY, material=Material(color=(0.83, 0.66, 0.22)))
    assert not FaceReader(DRAW(part, style=gold).images, CORNER_ISO, CAD_GREY, ink_px=1.1).outer(2, 1, half)


def test_colours_of_faces_are_those_that_are_drawn() -> None:
    block = box((0, 0, 0), (3, 2, 1))
    views = DRAW(block, channels=(Channel.NORMALS,))
    for view, frame in zip(views, fit(CORNER_ISO, np.array([1.5, 1.0, 0.5]), block.vertices), strict=True):
        for normal in (*np.eye(3), *-np.eye(3)):
            inside = view.mask & ((view.normals @ normal) > 0.999)
            if normal @ frame.axes[2] > 0.3:
                drawn = np.median(view.image[inside], axis=0)
                assert drawn == pytest.approx(face_color(normal, frame, CAD_GREY), abs=0.6)


def test_a_cut_out_of_sight_needs_more_than_a_small_gain() -> None:
    from manifold3d import Manifold

    face = Face(
        axis=2, side=1, offset=0.0, loops=(np.array([(-1.0, -1), (1, -1), (1, 1), (-1, 1)]),), area=4.0, hidden=1
    )

    class Reader:
        def outer(self, axis, side, half):
            return []

        def inner(self, axis, side, half):
            return [face] if (axis, side) == (2, 1) else []

    block = Manifold.cube((2.0, 2.0, 2.0), True)
    for rise, left in ((0.05, 8.0), (0.5, 4.0)):
        score = lambda solid, rise=rise: rise if solid.volume() < 7.9 else 0.0  # noqa: E731
        cut = cut_by_faces(block, Reader(), np.ones(3), score)
        assert cut.volume() == pytest.approx(left)


def test_pictures_at_odds_are_refused() -> None:
    images = DRAW(box((0, 0, 0), (4, 2, 1)), size_px=64).images
    with pytest.raises(HullError, match="expected 8 pictures"):
        visual_hull(images[:7], CORNER_ISO)
    with pytest.raises(HullError, match="picture 2"):
        visual_hull([*images[:2], np.full_like(images[0], 255), *images[3:]], CORNER_ISO)
    with pytest.raises(HullError, match="tight"):
        visual_hull(images, replace(CORNER_ISO, fit=Fit.TIGHT))


def test_likeness_sees_what_silhouettes_do_not() -> None:
    from cad_renderers.shapes import boxes

    cells = {(x, y, z) for x in range(3) for y in range(3) for z in range(2)}
    whole, pocket = DRAW(boxes(cells)).images, DRAW(boxes(cells - {(1, 1, 1)})).images
    outlines, lines = likeness(whole, pocket)
    assert outlines.min() > 0.99
    assert lines.min() < 0.93 and lines.max() > 0.99
    assert edge_agreement(whole[0], whole[0]) == 1.0

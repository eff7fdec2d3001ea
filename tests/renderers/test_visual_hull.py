"""Solids from silhouettes: outlines to a fraction of a pixel, boxes to a hundredth, refusals in words."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from cad_renderers import CORNER_ISO, Fit, SoftwareRenderer
from cad_renderers.hull import HullError, likeness, visual_hull
from cad_renderers.shapes import box, letter_f
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

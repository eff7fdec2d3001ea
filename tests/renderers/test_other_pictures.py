"""Depth and normals as images, and bodies drawn apart."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from cad_renderers import (
    Camera,
    Channel,
    Rig,
    SoftwareRenderer,
    depth_image,
    exploded_bodies,
    exploded_image,
    normal_image,
)
from cad_renderers.shapes import Solid, box

TOP = Rig(name="top", cameras=(Camera(name="top", eye=(0, 0, 1)),), margin=0.2)


def together(*solids: Solid) -> Solid:
    starts = np.cumsum([0, *(len(each.vertices) for each in solids)])
    faces = [each.faces + start for each, start in zip(solids, starts, strict=False)]
    return Solid(vertices=np.vstack([each.vertices for each in solids]), faces=np.vstack(faces))


def test_depth_and_normals_become_pictures() -> None:
    stairs = together(box((0, 0, 0), (1, 2, 1)), box((1, 0, 0), (2, 2, 2)))
    view = SoftwareRenderer().render(stairs, rig=TOP, size_px=64, channels=tuple(Channel))[0]
    depth, normals = depth_image(view), normal_image(view)
    assert depth[32, 48].tolist() == [255] * 3 and depth[32, 16].tolist() == [48] * 3 and not depth[0].any()
    assert normals[32, 48].tolist() == [128, 128, 255] and not normals[0].any()
    bare = replace(view, depth=None, normals=None)
    for draw in (depth_image, normal_image):
        with pytest.raises(ValueError, match="channels"):
            draw(bare)


def test_bodies_are_drawn_apart_and_one_stays() -> None:
    one = box((0, 0, 0), (1, 1, 1))
    assert (exploded_bodies(one).vertices == one.vertices).all()
    pair = together(one, box((1, 0, 0), (2, 1, 1)))
    apart = exploded_bodies(pair)
    assert apart.vertices[8:, 0].min() - apart.vertices[:8, 0].max() == pytest.approx(0.9)
    nested = exploded_bodies(together(one, box((0.2, 0.2, 0.2), (0.8, 0.8, 0.8))))
    assert nested.vertices[8:, 2].min() > nested.vertices[:8, 2].max()
    assert exploded_image(pair, size_px=48).shape == (48, 48, 3)
    assert (exploded_image(pair, size_px=48) != exploded_image(one, size_px=48)).any()

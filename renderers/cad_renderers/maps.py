"""Depth and normals as pictures, for models and people that look at images only."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cad_renderers.views import View

__all__ = ["depth_image", "normal_image"]


def depth_image(view: View) -> NDArray[np.uint8]:
    """Draw a view's depth (h, w, 3): the nearest point white, the farthest dark grey, black beside the part.

    Raises `ValueError` for a view that was rendered without depth.
    """
    if view.depth is None:
        raise ValueError("expected a view with depth, got one without; render with channels=[Channel.DEPTH]")
    inside = np.isfinite(view.depth)
    grey = np.zeros(view.depth.shape, dtype=np.uint8)
    if inside.any():
        near, far = float(view.depth[inside].min()), float(view.depth[inside].max())
        share = (far - view.depth[inside]) / max(far - near, 1e-30)
        grey[inside] = np.rint(48.0 + 207.0 * share).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)


def normal_image(view: View) -> NDArray[np.uint8]:
    """Draw a view's normals (h, w, 3) in the camera's axes as is usual: red right, green up, blue to the viewer.

    Raises `ValueError` for a view that was rendered without normals.
    """
    if view.normals is None:
        raise ValueError("expected a view with normals, got one without; render with channels=[Channel.NORMALS]")
    seen = np.abs(view.normals).max(axis=2) > 0.0
    turned = view.normals.astype(np.float64) @ view.camera.axes.T
    return np.asarray(np.where(seen[..., None], np.rint(127.5 + 127.5 * turned), 0.0).astype(np.uint8))

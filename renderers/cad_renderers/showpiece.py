"""Pictures for people: a turntable, and one large picture of a part on the ground."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cad_renderers.camera import Camera, Fit, Rig
from cad_renderers.roles import Channel, Renderer, Triangles
from cad_renderers.style import CAD_GREY, Style
from cad_renderers.views import View, Views

__all__ = ["hero_image", "save_gif", "turntable"]

_HERO_CAMERA = Camera.at("hero", azimuth_deg=-52.0, elevation_deg=28.0)
_HERO_MARGIN = 0.12
_PLAN_MARGIN = 0.5
_PLAN_PX = 256
_SHADOW = 0.34
_CONTACT = 0.30
_CAVITY = 0.26


def _reference() -> Renderer:
    from cad_renderers.software import SoftwareRenderer

    return SoftwareRenderer()


def turntable(
    mesh: Triangles,
    /,
    *,
    frames: int = 36,
    elevation_deg: float = 28.0,
    renderer: Renderer | None = None,
    style: Style = CAD_GREY,
    size_px: int = 320,
) -> Views:
    """Draw a full turn about Z in `frames` views of one scale, starting at the front right."""
    if frames < 1:
        raise ValueError(f"expected at least one frame, got {frames}")
    cameras = tuple(
        Camera.at(f"turn{i:03d}", azimuth_deg=-45.0 + 360.0 * i / frames, elevation_deg=elevation_deg)
        for i in range(frames)
    )
    rig = Rig(name="turntable", cameras=cameras, fit=Fit.SHARED, margin=0.04)
    return (renderer or _reference()).render(mesh, rig=rig, style=style, size_px=size_px)


def save_gif(images: Sequence[NDArray[np.uint8]], path: str | Path, *, frame_ms: int = 80) -> Path:
    """Write images (h, w, 3) as an endless GIF and return its path."""
    from PIL import Image

    if not images:
        raise ValueError("expected at least one image, got none")
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    pictures = [Image.fromarray(image).quantize(colors=64, method=Image.Quantize.MEDIANCUT) for image in images]
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=frame_ms, loop=0, optimize=True)
    return path


def hero_image(
    mesh: Triangles,
    /,
    *,
    camera: Camera = _HERO_CAMERA,
    renderer: Renderer | None = None,
    style: Style = CAD_GREY,
    size_px: int = 1024,
) -> NDArray[np.uint8]:
    """Draw one large picture, (h, w, 3) uint8: the part on white ground, with a soft shadow and darker hollows.

    The hollows are found by depth darkening (an unsharp mask of the depth map: Luft, Colditz, Deussen 2006); the shadow
    is the part's footprint seen from below, blurred, the more the higher the part stands over the ground.
    """
    renderer = renderer or _reference()
    rig = Rig(name="hero", cameras=(camera,), fit=Fit.SHARED, margin=_HERO_MARGIN)
    fine = replace(style, samples_per_axis=max(3, style.samples_per_axis))
    view = renderer.render(mesh, rig=rig, style=fine, size_px=size_px, channels=tuple(Channel))[0]
    points = _points(mesh)
    extent = _extent(points, view)
    hollow = _hollows(view, extent / size_px, points.diagonal)
    inside = np.isfinite(hollow)
    light = 1.0 - np.where(inside, hollow, _shadow(mesh, points, view, renderer, extent))
    return np.rint(view.image * light[..., None]).astype(np.uint8)


@dataclass(frozen=True, slots=True, eq=False)
class _Points:
    """The points in use, about the middle of their box, with half the box's size and its diagonal; the mesh's unit."""

    centred: NDArray[np.float64]
    half: NDArray[np.float64]
    diagonal: float


def _points(mesh: Triangles) -> _Points:
    used = np.asarray(mesh.vertices, dtype=np.float64)[np.unique(np.asarray(mesh.faces))]
    low, high = used.min(axis=0), used.max(axis=0)
    return _Points(used - (low + high) / 2.0, (high - low) / 2.0, float(np.linalg.norm(high - low)))


def _extent(points: _Points, view: View) -> float:
    """Compute the width of the large picture's window, in the mesh's unit."""
    return 2.0 * float(np.abs(points.centred @ view.camera.axes[:2].T).max()) / (1.0 - _HERO_MARGIN)


def _hollows(view: View, pixel: float, diagonal: float) -> NDArray[np.float64]:
    """Compute how dark each pixel is for lying behind its surroundings, (h, w) in [0, 1], NaN beside the part.

    Each pixel is compared with its own tangent plane in the middle of what is seen around it, so that a plane stays
    even up to its border.
    """
    from scipy.ndimage import gaussian_filter

    assert view.depth is not None and view.normals is not None
    inside = np.isfinite(view.depth)
    weight = inside.astype(np.float64)
    depth = np.where(inside, view.depth, 0.0).astype(np.float64)
    right, up, toward = np.moveaxis(view.normals.astype(np.float64) @ view.camera.axes.T, 2, 0)
    rows, columns = np.indices(depth.shape).astype(np.float64)
    behind = np.zeros_like(depth)
    for radius in (0.008, 0.03):
        sigma = radius * len(depth)
        share = np.maximum(gaussian_filter(weight, sigma), 1e-6)
        mean, u, v = (gaussian_filter(x * weight, sigma) / share for x in (depth, columns, rows))
        plane = depth + (right * (u - columns) - up * (v - rows)) * pixel / np.maximum(toward, 0.2)
        behind += np.clip((plane - mean) / (0.06 * diagonal), 0.0, 1.0)
    return np.where(inside, _CAVITY * np.clip(behind / 1.2, 0.0, 1.0), np.nan)


def _shadow(mesh: Triangles, points: _Points, view: View, renderer: Renderer, extent: float) -> NDArray[np.float64]:
    """Compute how dark the ground under the part is at each pixel of `view`, (h, w) in [0, 1]."""
    from scipy.ndimage import gaussian_filter, map_coordinates

    axes = view.camera.axes
    if axes[2][2] < 0.05:  # from beside or below no ground is seen
        return np.zeros(view.mask.shape)
    below = Camera(name="below", eye=(0.0, 0.0, -1.0), up=(0.0, 1.0, 0.0))
    rig = Rig(name="below", cameras=(below,), fit=Fit.SHARED, margin=_PLAN_MARGIN)
    plan = renderer.render(mesh, rig=rig, size_px=_PLAN_PX, channels=(Channel.DEPTH,))[0]
    assert plan.depth is not None
    height = (plan.depth.astype(np.float64) + points.half[2]) / points.diagonal
    cell = 2.0 * float(points.half[:2].max()) / (1.0 - _PLAN_MARGIN) / _PLAN_PX
    broad = gaussian_filter(np.exp(-np.maximum(height, 0.0) / 0.25), 0.05 * points.diagonal / cell)
    close = gaussian_filter((height < 0.02).astype(np.float64), 0.012 * points.diagonal / cell)
    dark = np.clip(_SHADOW * broad + _CONTACT * close, 0.0, 0.75)
    # The pixel's ray meets the ground z = -half[2], about the box's middle.
    ticks = ((np.arange(len(view.mask)) + 0.5) / len(view.mask) - 0.5) * extent
    u, v = np.meshgrid(ticks, -ticks)
    plane = u[..., None] * axes[0] + v[..., None] * axes[1]
    along = (-points.half[2] - plane[..., 2]) / axes[2][2]
    ground = plane + along[..., None] * axes[2]
    # Seen from below with Y up, X runs to the left.
    column, row = (-ground[..., k] / cell + _PLAN_PX / 2.0 - 0.5 for k in (0, 1))
    return np.asarray(map_coordinates(dark, [row, column], order=1, mode="constant", cval=0.0))

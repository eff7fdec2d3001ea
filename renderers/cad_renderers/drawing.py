"""The one way a picture is made: a renderer says which triangle is seen where; light and ink are the same for all.

That is why the pictures of two renderers can only differ in samples where triangles (nearly) tie.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray

from cad_renderers import ink_kernels, light_kernels
from cad_renderers.camera import CORNER_ISO, Rig
from cad_renderers.framing import Frame, frames, project
from cad_renderers.part import Part, prepare
from cad_renderers.roles import Channel, Triangles
from cad_renderers.style import CAD_GREY, EdgeSet, LightFrame, Style
from cad_renderers.views import View, Views

__all__ = ["MAX_SIZE_PX", "Canvas", "Drawing", "Seeing", "canvas_of", "draw_mesh", "finished", "ink_of", "lights_of"]

Seeing: TypeAlias = Callable[[Part, tuple[Frame, ...], int], Iterable[NDArray[np.int32]]]
"""Given a part, its frames and the samples along a side: for each frame, the nearest triangle at each sample, -1 for
none.
"""

Canvas: TypeAlias = tuple[NDArray[np.float64], NDArray[np.uint8]]

MAX_SIZE_PX = 8192
_REFERENCE_PX = 256.0
_SLACK = 1e-4


def lights_of(style: Style, frame: Frame) -> NDArray[np.float64]:
    """Turn the lights into the part's axes: rows of direction, direction halfway to the viewer, intensity; (l, 7)."""
    rows = np.zeros((len(style.lights), 7))
    toward_viewer = frame.axes[2]
    for row, light in zip(rows, style.lights, strict=True):
        direction = np.array(light.toward)
        if light.frame is LightFrame.CAMERA:
            direction = frame.axes.T @ direction
        direction /= np.linalg.norm(direction)
        half = direction + toward_viewer
        length = np.linalg.norm(half)
        row[:3], row[6] = direction, light.intensity
        row[3:6] = half / length if length > 0.0 else 0.0
    return rows


def canvas_of(part: Part, frame: Frame, ids: NDArray[np.int32], screen: NDArray[np.float64], style: Style) -> Canvas:
    """Light the surface that is seen: the canvas (p, p, 3) in [0, 1] and the covered samples of each pixel (p, p)."""
    surface = style.material
    canvas, cover = light_kernels.shade(
        ids,
        style.samples_per_axis,
        screen,
        part.faces,
        part.normals,
        part.corner_normals,
        part.flat,
        lights_of(style, frame),
        np.array([*surface.color, surface.ambient, surface.diffuse, surface.specular]),
        surface.shininess,
        np.array(style.background),
    )
    return canvas, cover


def ink_of(part: Part, ids: NDArray[np.int32], screen: NDArray[np.float64], style: Style) -> NDArray[np.float64]:
    """Draw the style's lines where they are seen: how much ink lies on each pixel (p, p), in [0, 1]."""
    ink = style.ink
    pixels = len(ids) // style.samples_per_axis
    growth = max(1.0, (pixels / _REFERENCE_PX) ** 0.5)
    widths = {
        EdgeSet.NONE: (0.0, 0.0, 0.0),
        EdgeSet.SILHOUETTES: (0.0, ink.silhouette_width_px, 0.0),
        EdgeSet.FEATURES: (ink.width_px, ink.silhouette_width_px, 0.0),
        EdgeSet.TANGENTS: (ink.width_px, ink.silhouette_width_px, ink.width_px),
    }[ink.edges]
    if not any(widths):
        return np.zeros((pixels, pixels))
    cover = ink_kernels.draw_edges(
        ids,
        style.samples_per_axis,
        screen,
        part.faces,
        part.edge_vertices,
        part.edge_faces,
        part.edge_kind,
        part.edge_turned,
        part.outward,
        np.array(widths) * growth,
        _SLACK,
    )
    return cover * ink.opacity


def finished(canvas: NDArray[np.float64], ink: NDArray[np.float64], style: Style) -> NDArray[np.uint8]:
    """Lay ink over a canvas and round it to an image (p, p, 3)."""
    return light_kernels.finished(canvas, ink, np.array(style.ink.color))


def _view(part: Part, frame: Frame, ids: NDArray[np.int32], style: Style, channels: Collection[Channel]) -> View:
    samples = style.samples_per_axis
    screen = project(part.vertices, frame.pixel_matrix(len(ids)))
    canvas, cover = canvas_of(part, frame, ids, screen, style)
    depth, normals = None, None
    if channels:
        depth, normals = light_kernels.maps(ids, samples, screen, part.faces, part.normals, part.corner_normals)
        depth *= np.float32(part.diagonal)
    return View(
        name=frame.camera.name,
        camera=frame.camera,
        image=finished(canvas, ink_of(part, ids, screen, style), style),
        mask=2 * cover.astype(np.int32) >= samples * samples,
        depth=depth if Channel.DEPTH in channels else None,
        normals=normals if Channel.NORMALS in channels else None,
    )


def draw_mesh(
    mesh: Triangles,
    *,
    seeing: Seeing,
    renderer: str,
    rig: Rig,
    style: Style,
    size_px: int,
    channels: Collection[Channel] = (),
) -> Views:
    """Draw `mesh` from every camera of `rig` with the eyes of a renderer."""
    if not 8 <= size_px <= MAX_SIZE_PX:
        raise ValueError(f"expected size_px from 8 to {MAX_SIZE_PX}, got {size_px}")
    wanted = frozenset(Channel(channel) for channel in channels)
    part = prepare(mesh, crease_deg=style.ink.crease_deg)
    windows = frames(part, rig)
    seen = seeing(part, windows, size_px * style.samples_per_axis)
    each = tuple(_view(part, frame, ids, style, wanted) for frame, ids in zip(windows, seen, strict=True))
    return Views(each=each, rig=rig, style=style, renderer=renderer)


class Drawing:
    """The part that renderers share: each brings its name and its eyes."""

    name: ClassVar[str]

    @staticmethod
    def seeing(part: Part, windows: tuple[Frame, ...], samples_px: int, /) -> Iterable[NDArray[np.int32]]:
        """See for each window the nearest triangle at each sample, as `Seeing` says."""
        raise NotImplementedError("a renderer brings its own eyes")

    def render(
        self,
        mesh: Triangles,
        /,
        *,
        rig: Rig = CORNER_ISO,
        style: Style = CAD_GREY,
        size_px: int = 256,
        channels: Collection[Channel] = (),
    ) -> Views:
        """Draw `mesh` into square images of `size_px`, one for each camera of `rig`."""
        return draw_mesh(
            mesh, seeing=self.seeing, renderer=self.name, rig=rig, style=style, size_px=size_px, channels=channels
        )

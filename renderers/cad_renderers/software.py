"""The reference renderer: no graphics library, no display, the same bytes on every run."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import numpy as np
from numpy.typing import NDArray

from cad_renderers.camera import CORNER_ISO, Rig
from cad_renderers.drawing import draw_mesh
from cad_renderers.framing import Frame, project
from cad_renderers.part import Part
from cad_renderers.raster_kernels import nearest_triangles
from cad_renderers.roles import Channel, Triangles
from cad_renderers.style import CAD_GREY, Style
from cad_renderers.views import Views

__all__ = ["SoftwareRenderer"]


def _seeing(part: Part, windows: tuple[Frame, ...], samples_px: int) -> Iterator[NDArray[np.int32]]:
    for frame in windows:
        screen = project(part.vertices, frame.pixel_matrix(samples_px))
        yield nearest_triangles(screen, part.faces, samples_px, part.outward)


class SoftwareRenderer:
    """Draw with a compiled z-buffer on one core; it has no state, and threads may share it."""

    name = "software"

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
            mesh, seeing=_seeing, renderer=self.name, rig=rig, style=style, size_px=size_px, channels=channels
        )

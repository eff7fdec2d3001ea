"""The reference renderer: no graphics library, no display, the same bytes on every run."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from cad_renderers.drawing import Drawing
from cad_renderers.framing import Frame, project
from cad_renderers.part import Part
from cad_renderers.raster_kernels import nearest_triangles

__all__ = ["SoftwareRenderer"]


class SoftwareRenderer(Drawing):
    """Draw with a compiled z-buffer on one core; it has no state, and threads may share it."""

    name = "software"

    @staticmethod
    def seeing(part: Part, windows: tuple[Frame, ...], samples_px: int, /) -> Iterator[NDArray[np.int32]]:
        """Number the nearest triangle at each sample of each window."""
        for frame in windows:
            screen = project(part.vertices, frame.pixel_matrix(samples_px))
            yield nearest_triangles(screen, part.faces, samples_px, part.outward)

"""Where a part's points fall in a picture: projection, fit and scale."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cad_renderers.camera import Camera, Fit, Rig
from cad_renderers.compiled import compiled
from cad_renderers.part import Part

__all__ = ["Frame", "fit", "frames", "project"]

_CORNERS = np.array([(x, y, z) for x in (-1.0, 1.0) for y in (-1.0, 1.0) for z in (-1.0, 1.0)])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Frame:
    """A camera's square window onto a part's unit frame.

    `axes` (3, 3): rows right, up, towards the eye. `middle` (2,): what lies in the window's centre, along right and up.
    `extent`: the window's width, in diagonals.
    """

    camera: Camera
    axes: NDArray[np.float64]
    middle: tuple[float, float]
    extent: float

    def pixel_matrix(self, size_px: float) -> NDArray[np.float64]:
        """Return the (3, 4) matrix from unit coordinates to x (right, px), y (down, px) and depth (away, diagonals)."""
        k = size_px / self.extent
        matrix = np.zeros((3, 4))
        matrix[0, :3], matrix[0, 3] = self.axes[0] * k, size_px / 2.0 - self.middle[0] * k
        matrix[1, :3], matrix[1, 3] = -self.axes[1] * k, size_px / 2.0 + self.middle[1] * k
        matrix[2, :3] = -self.axes[2]
        return matrix


@compiled
def project(points: NDArray[np.float64], matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Apply a (3, 4) matrix to points (n, 3), in the same order of operations on every machine."""
    out = np.empty((len(points), 3))
    for i in range(len(points)):
        x, y, z = points[i, 0], points[i, 1], points[i, 2]
        for row in range(3):
            out[i, row] = (x * matrix[row, 0] + y * matrix[row, 1]) + (z * matrix[row, 2] + matrix[row, 3])
    return out


def frames(part: Part, rig: Rig) -> tuple[Frame, ...]:
    """Fit `part` into the window of each camera as the rig says."""
    return fit(rig, part.half_size, part.vertices)


def fit(rig: Rig, half_size: NDArray[np.float64], points: NDArray[np.float64]) -> tuple[Frame, ...]:
    """Fit points (n, 3) whose box lies about the origin with `half_size` (3,) into the window of each camera."""
    shown = _CORNERS * half_size if rig.fit is Fit.BOX else points
    spans = []
    for camera in rig:
        axes = camera.axes
        plane = shown @ axes[:2].T
        spans.append((camera, axes, plane.min(axis=0), plane.max(axis=0)))
    share = 1.0 - rig.margin
    if rig.fit is Fit.SHARED:
        extent = 2.0 * max(float(np.abs([low, high]).max()) for _, _, low, high in spans) / share
        return tuple(Frame(camera=c, axes=a, middle=(0.0, 0.0), extent=extent) for c, a, _, _ in spans)
    out = []
    for camera, axes, low, high in spans:
        u, v = (low + high) / 2.0
        extent = float((high - low).max()) / share
        if extent <= 0.0:  # a straight sliver seen end-on
            extent = 1.0 / share
        out.append(Frame(camera=camera, axes=axes, middle=(float(u), float(v)), extent=extent))
    return tuple(out)

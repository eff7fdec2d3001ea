"""Eyes through VTK, which comes with CadQuery: OpenGL on EGL without a display, else on the display's server.

OpenGL only numbers the triangles that are seen; light and ink are the package's own.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cad_renderers.drawing import Drawing
from cad_renderers.framing import Frame
from cad_renderers.part import Part
from cad_renderers.roles import RendererUnavailable
from cad_renderers.studio import Studio

__all__ = ["VtkRenderer"]

_CURE = (
    "install VTK 9.3 or newer and an OpenGL driver (Debian, Ubuntu: `apt-get install libegl1 libgl1-mesa-dri`), "
    "or use the software renderer, which needs none"
)


def _window() -> Any:
    """Make a window that needs no display: VTK's own choice would first knock at an X server and warn."""
    import vtkmodules.vtkRenderingOpenGL2 as opengl
    from vtkmodules.vtkRenderingCore import vtkRenderWindow

    if sys.platform.startswith("linux") and not os.environ.get("DISPLAY") and hasattr(opengl, "vtkEGLRenderWindow"):
        return opengl.vtkEGLRenderWindow()
    return vtkRenderWindow()


class _Eyes:
    """An offscreen VTK window; to be used on the studio's thread only."""

    def __init__(self) -> None:
        try:
            self._window = _window()
        except ImportError as error:
            raise RendererUnavailable(f"VTK can't be loaded: {error}; {_CURE}") from error
        self._window.SetOffScreenRendering(1)
        self._window.SetMultiSamples(0)
        self._window.SetSize(64, 64)
        if not self._window.SupportsOpenGL():
            raise RendererUnavailable(f"VTK found no OpenGL that it can use; {_CURE}")
        self._window.Render()
        report = self._window.ReportCapabilities() or ""
        lines = [line.split(":", 1)[1].strip() for line in report.splitlines() if "renderer string" in line]
        self.device = f"{lines[0] if lines else 'unknown'} ({self._window.GetClassName()})"

    def see(self, part: Part, windows: tuple[Frame, ...], samples_px: int) -> list[NDArray[np.int32]]:
        """Number the nearest triangle at each sample of each window."""
        from vtkmodules.util.numpy_support import vtk_to_numpy
        from vtkmodules.vtkCommonCore import vtkUnsignedCharArray
        from vtkmodules.vtkRenderingCore import vtkRenderer

        actor, keep = _actor(part)
        renderer = vtkRenderer()
        renderer.SetBackground(0.0, 0.0, 0.0)
        renderer.AddActor(actor)
        renderer.UseFXAAOff()
        self._window.AddRenderer(renderer)
        self._window.SetSize(samples_px, samples_px)
        out = []
        try:
            camera = renderer.GetActiveCamera()
            camera.SetParallelProjection(1)
            pixels = vtkUnsignedCharArray()
            for frame in windows:
                middle = frame.middle[0] * frame.axes[0] + frame.middle[1] * frame.axes[1]
                camera.SetFocalPoint(*middle)
                camera.SetPosition(*(middle + frame.axes[2]))
                camera.SetViewUp(*frame.axes[1])
                camera.SetParallelScale(frame.extent / 2.0)
                camera.SetClippingRange(0.25, 1.75)
                self._window.Render()
                self._window.GetRGBACharPixelData(0, 0, samples_px - 1, samples_px - 1, 0, pixels)
                color = vtk_to_numpy(pixels).reshape(samples_px, samples_px, 4)[::-1].astype(np.int32)
                numbers = color[..., 0] + (color[..., 1] << 8) + (color[..., 2] << 16) - 1
                numbers[numbers >= len(part.faces)] = -1
                out.append(np.ascontiguousarray(numbers))
        finally:
            renderer.ReleaseGraphicsResources(self._window)
            self._window.RemoveRenderer(renderer)
        del keep
        return out

    def close(self) -> None:
        """Free the window's context."""
        self._window.Finalize()


def _actor(part: Part) -> tuple[Any, list[Any]]:
    """Make an unlit actor whose triangles have their number plus one for a colour, and the arrays it stands on."""
    from vtkmodules.util.numpy_support import numpy_to_vtk
    from vtkmodules.vtkCommonCore import vtkPoints
    from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkPolyData
    from vtkmodules.vtkRenderingCore import vtkActor, vtkPolyDataMapper

    count = len(part.faces)
    numbers = np.arange(1, count + 1, dtype=np.uint32)
    colors = np.column_stack([numbers & 255, (numbers >> 8) & 255, (numbers >> 16) & 255]).astype(np.uint8)
    positions = part.vertices.astype(np.float32)
    offsets = np.arange(0, 3 * count + 1, 3, dtype=np.int64)
    corners = np.ascontiguousarray(part.faces.reshape(-1), dtype=np.int64)
    points = vtkPoints()
    points.SetData(numpy_to_vtk(positions))
    cells = vtkCellArray()
    cells.SetData(numpy_to_vtk(offsets), numpy_to_vtk(corners))
    data = vtkPolyData()
    data.SetPoints(points)
    data.SetPolys(cells)
    data.GetCellData().SetScalars(numpy_to_vtk(colors))
    mapper = vtkPolyDataMapper()
    mapper.SetInputData(data)
    mapper.SetScalarModeToUseCellData()
    mapper.SetColorModeToDirectScalars()
    actor = vtkActor()
    actor.SetMapper(mapper)
    surface = actor.GetProperty()
    surface.LightingOff()
    surface.SetInterpolationToFlat()
    return actor, [colors, positions, offsets, corners]


_STUDIO: Studio[_Eyes] = Studio("vtk", _Eyes, _Eyes.close)


class VtkRenderer(Drawing):
    """Draw through VTK. All instances share one window on one thread; raises `RendererUnavailable` without OpenGL.

    A broken driver may end the whole process; `auto_renderer` tries it in a child first.
    """

    name = "vtk"

    @property
    def device(self) -> str:
        """What OpenGL calls its device."""
        return _STUDIO.run(lambda eyes: eyes.device)

    @staticmethod
    def seeing(part: Part, windows: tuple[Frame, ...], samples_px: int, /) -> list[NDArray[np.int32]]:
        """Number the nearest triangle at each sample of each window."""
        return _STUDIO.run(lambda eyes: eyes.see(part, windows, samples_px))

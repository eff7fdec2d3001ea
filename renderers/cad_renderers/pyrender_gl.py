"""Eyes through pyrender: OpenGL on EGL, or on OSMesa where there is no EGL.

OpenGL only numbers the triangles that are seen; light and ink are the package's own.
"""

from __future__ import annotations

import contextlib
import ctypes.util
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cad_renderers.drawing import Drawing
from cad_renderers.framing import Frame
from cad_renderers.part import Part
from cad_renderers.roles import RendererUnavailable
from cad_renderers.studio import Studio

__all__ = ["PyrenderRenderer"]

_CURE = (
    "install an EGL driver (Debian, Ubuntu: `apt-get install libegl1 libgl1-mesa-dri`; with a GPU its vendor's own), "
    "or use the software renderer, which needs none"
)
_SHADERS = Path(__file__).parent / "shaders"


def _choose_platform() -> str:
    """Set PYOPENGL_PLATFORM, which PyOpenGL reads once, when it is imported; what the user has set stays."""
    if "PYOPENGL_PLATFORM" not in os.environ:
        has_egl = ctypes.util.find_library("EGL") is not None
        has_osmesa = ctypes.util.find_library("OSMesa") is not None
        os.environ["PYOPENGL_PLATFORM"] = "osmesa" if has_osmesa and not has_egl else "egl"
    return os.environ["PYOPENGL_PLATFORM"]


class _Eyes:
    """An offscreen OpenGL context whose segmentation shader is ours; to be used on the studio's thread only."""

    def __init__(self) -> None:
        platform = _choose_platform()
        try:
            import pyrender
            from OpenGL import GL
            from pyrender.shader_program import ShaderProgramCache

            self._pyrender = pyrender
            self._offscreen = pyrender.OffscreenRenderer(64, 64)
            self._offscreen._renderer._program_cache = ShaderProgramCache(shader_dir=str(_SHADERS))
            self._offscreen._platform.make_current()
            self.device = f"{GL.glGetString(GL.GL_RENDERER).decode(errors='replace')} ({platform})"
        except Exception as error:  # PyOpenGL, pyglet and the drivers each raise their own kinds
            what = str(error).strip() or type(error).__name__
            raise RendererUnavailable(
                f"pyrender found no OpenGL on the platform {platform!r}: {what}; {_CURE}"
            ) from error

    def see(self, part: Part, windows: tuple[Frame, ...], samples_px: int) -> list[NDArray[np.int32]]:
        """Number the nearest triangle at each sample of each window."""
        pyrender = self._pyrender
        scene = pyrender.Scene(bg_color=np.ones(4))
        # The segmentation pass always culls what faces away; an open part is given both sides.
        sides = part.faces if part.outward else np.vstack([part.faces, part.faces[:, ::-1]])
        primitive = pyrender.Primitive(positions=part.vertices.astype(np.float32), indices=sides, mode=4)
        node = scene.add(pyrender.Mesh(primitives=[primitive]))
        flags = pyrender.RenderFlags.SEG
        self._offscreen.viewport_width = self._offscreen.viewport_height = samples_px
        out = []
        for frame in windows:
            half = frame.extent / 2.0
            camera = pyrender.OrthographicCamera(xmag=half, ymag=half, znear=0.25, zfar=1.75)
            pose = np.eye(4)
            pose[:3, :3] = frame.axes.T
            pose[:3, 3] = frame.middle[0] * frame.axes[0] + frame.middle[1] * frame.axes[1] + frame.axes[2]
            eye = scene.add(camera, pose=pose)
            try:
                color = self._look(scene, flags, {node: (0, 0, 0)})
            finally:
                scene.remove_node(eye)
            out.append(_numbers(color, len(part.faces)))
        return out

    def close(self) -> None:
        """Free the context."""
        from OpenGL.error import GLError

        with contextlib.suppress(GLError):  # VTK ends the display that both share
            self._offscreen.delete()

    def _look(self, scene: Any, flags: int, colors: dict[Any, tuple[int, int, int]]) -> NDArray[np.uint8]:
        color, _ = self._offscreen.render(scene, flags=flags, seg_node_map=colors)
        return np.asarray(color)


def _numbers(color: NDArray[np.uint8], n_faces: int) -> NDArray[np.int32]:
    """Read triangle numbers from red, green and blue; 0 is the ground."""
    wide = color.astype(np.int32)
    numbers = wide[..., 0] + (wide[..., 1] << 8) + (wide[..., 2] << 16) - 1
    return np.where(numbers >= 0, numbers % n_faces, -1).astype(np.int32)


_STUDIO: Studio[_Eyes] = Studio("pyrender", _Eyes, _Eyes.close)


class PyrenderRenderer(Drawing):
    """Draw through pyrender; all instances share one context on one thread. Without OpenGL: `RendererUnavailable`.

    A broken driver may end the whole process; `auto_renderer` tries it in a child first.
    """

    name = "pyrender"

    @property
    def device(self) -> str:
        """What OpenGL calls its device."""
        return _STUDIO.run(lambda eyes: eyes.device)

    @staticmethod
    def seeing(part: Part, windows: tuple[Frame, ...], samples_px: int, /) -> list[NDArray[np.int32]]:
        """Number the nearest triangle at each sample of each window."""
        return _STUDIO.run(lambda eyes: eyes.see(part, windows, samples_px))

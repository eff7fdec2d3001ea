"""What a renderer takes, what it gives, and how it says that it can't."""

from __future__ import annotations

import enum
from collections.abc import Collection
from typing import TYPE_CHECKING, Any, Protocol

from numpy.typing import NDArray

from cad_renderers.camera import CORNER_ISO, Rig
from cad_renderers.style import CAD_GREY, Style

if TYPE_CHECKING:
    from cad_renderers.views import Views

__all__ = ["Channel", "Renderer", "RendererUnavailable", "Triangles"]


class RendererUnavailable(RuntimeError):
    """This machine can't run the renderer that was asked for; the message holds the cure."""


class Channel(enum.StrEnum):
    """What a view can carry besides its picture and its mask."""

    DEPTH = "depth"
    NORMALS = "normals"


class Triangles(Protocol):
    """Anything with vertices (n, 3) and faces (m, 3) that index them; `trimesh.Trimesh` is one."""

    @property
    def vertices(self) -> NDArray[Any]:
        """Points (n, 3), floats, in any unit."""
        ...

    @property
    def faces(self) -> NDArray[Any]:
        """Triangles (m, 3), integers, counter-clockwise seen from outside."""
        ...


class Renderer(Protocol):
    """Draws a mesh from every camera of a rig. Safe to call from several threads at once."""

    @property
    def name(self) -> str:
        """Short name used in options, reports and `Views.renderer`."""
        ...

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
        """Draw `mesh` into square images of `size_px`, one for each camera.

        Raises `ValueError` for a mesh that shows nothing and `RendererUnavailable` if the machine is at fault.
        """
        ...

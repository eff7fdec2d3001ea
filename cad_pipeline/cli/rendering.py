"""`cad-pipeline render`: pictures of a part from every camera of a rig."""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from cad_pipeline.cli.exits import Exit
from cad_pipeline.cli.output import print_out
from cad_pipeline.errors import InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Maps", "Picture", "render_part"]

T = TypeVar("T")


class Maps(enum.Enum):
    """Whether depth and normals are drawn as well."""

    NONE = "none"
    WRITTEN = "written"


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """How the pictures shall look, in the words of the command line."""

    rig: str | None
    style: str | None
    size_px: int
    renderer: str
    turntable_frames: int
    maps: Maps = Maps.NONE


def render_part(part: Path, *, out: Path, unit: str | None, picture: Picture) -> Exit:
    """Write `N_view.png` for each camera, `contact_sheet.png`, `views.json`, and a GIF if frames were asked for."""
    from cad_pipeline.mesh import read_mesh
    from cad_renderers import (
        Channel,
        chosen_rig,
        chosen_style,
        depth_image,
        normal_image,
        renderer_named,
        save_gif,
        turntable,
    )

    rig = _meant(lambda: chosen_rig(picture.rig))
    style = _meant(lambda: chosen_style(picture.style))
    mesh = read_mesh(part, unit=unit)
    renderer = _meant(lambda: renderer_named(picture.renderer))
    channels = tuple(Channel) if picture.maps is Maps.WRITTEN else ()
    views = _meant(lambda: renderer.render(mesh, rig=rig, style=style, size_px=picture.size_px, channels=channels))
    try:
        paths = list(views.save(out))
        paths.append(_save(views.contact_sheet(), out / "contact_sheet.png"))
        for k, view in enumerate(views if channels else ()):
            # in a folder of their own, so that the views' folder can be read as eight pictures
            paths.append(_save(depth_image(view), out / "maps" / f"{k}_{view.name}_depth.png"))
            paths.append(_save(normal_image(view), out / "maps" / f"{k}_{view.name}_normals.png"))
        if picture.turntable_frames:
            frames = turntable(
                mesh, renderer=renderer, frames=picture.turntable_frames, size_px=picture.size_px, style=style
            )
            paths.append(save_gif(frames.images, out / "turntable.gif"))
    except OSError as error:
        raise InputError(f"expected to write in {out}, got: {error.strerror or error}; choose another -o") from None
    print_out(f"{len(views)} views of {mesh.name} by {views.renderer} -> {out} ({paths[-1].relative_to(out)})")
    return Exit.ACCEPTED


def _save(image: NDArray[np.uint8], path: Path) -> Path:
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image).save(path, format="PNG")
    return path


def _meant(choose: Callable[[], T]) -> T:
    """Take a `ValueError` about a name, a file or a mesh for what it is here: the user's to put right."""
    try:
        return choose()
    except ValueError as error:
        raise InputError(str(error)) from None

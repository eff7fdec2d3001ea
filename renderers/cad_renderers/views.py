"""Pictures of one part, each with the camera that took it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cad_renderers.camera import Camera, Rig
from cad_renderers.style import Style

__all__ = ["View", "Views"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class View:
    """One picture of a part; arrays are read-only.

    `image` (h, w, 3) uint8 RGB. `mask` (h, w) bool: where at least half of the pixel is covered by the part.
    `depth` (h, w) float32: distance behind the plane through the middle of the part's box that faces the camera, in the
    mesh's unit, +inf beside the part. `normals` (h, w, 3) float32: unit normals in the part's axes that face the
    viewer, 0 beside the part. Depth and normals are there if their channel was asked for.
    """

    name: str
    camera: Camera
    image: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    depth: NDArray[np.float32] | None = None
    normals: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        for array in (self.image, self.mask, self.depth, self.normals):
            if array is not None:
                array.setflags(write=False)

    def save(self, path: Path) -> Path:
        """Write the picture as a PNG file and return its path."""
        from PIL import Image

        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(self.image).save(path, format="PNG")
        return path


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Views:
    """The pictures of one part in the order of the rig's cameras; iterable, and indexed by number or name."""

    each: tuple[View, ...]
    rig: Rig
    style: Style
    renderer: str

    def __iter__(self) -> Iterator[View]:
        return iter(self.each)

    def __len__(self) -> int:
        return len(self.each)

    def __getitem__(self, key: int | str) -> View:
        if isinstance(key, int):
            return self.each[key]
        for view in self.each:
            if view.name == key:
                return view
        raise KeyError(f"expected one of {', '.join(view.name for view in self.each)}; got {key!r}")

    @property
    def images(self) -> tuple[NDArray[np.uint8], ...]:
        """The pictures alone, in order."""
        return tuple(view.image for view in self.each)

    def save(self, folder: str | Path) -> tuple[Path, ...]:
        """Write `<number>_<name>.png` for each view and `views.json` with rig, style and renderer; return the pictures'
        paths.
        """
        folder = Path(folder)
        paths = tuple(view.save(folder / f"{i}_{view.name}.png") for i, view in enumerate(self.each))
        about = {"renderer": self.renderer, "rig": self.rig.to_json(), "style": self.style.to_json()}
        (folder / "views.json").write_text(json.dumps(about, indent=2) + "\n", encoding="utf-8")
        return paths

    def contact_sheet(self, *, columns: int | None = None, gap_px: int = 4) -> NDArray[np.uint8]:
        """Lay the pictures side by side on the style's ground, four in a row unless told otherwise; (H, W, 3) uint8."""
        columns = columns or min(4, len(self.each))
        rows = math.ceil(len(self.each) / columns)
        h, w = self.each[0].image.shape[:2]
        shape = (rows * (h + gap_px) - gap_px, columns * (w + gap_px) - gap_px, 3)
        sheet = np.empty(shape, dtype=np.uint8)
        sheet[:] = np.round(np.array(self.style.background) * 255.0).astype(np.uint8)
        for i, view in enumerate(self.each):
            top, left = (i // columns) * (h + gap_px), (i % columns) * (w + gap_px)
            sheet[top : top + h, left : left + w] = view.image
        return sheet

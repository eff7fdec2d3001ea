"""Where two parts differ, as pictures: what the second one lacks in one colour, what it has too much in another."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cad_renderers import light_kernels
from cad_renderers.camera import CORNER_ISO, Rig
from cad_renderers.compiled import compiled
from cad_renderers.drawing import canvas_of, finished, ink_of
from cad_renderers.framing import Frame, fit, project
from cad_renderers.part import Part, prepare
from cad_renderers.raster_kernels import nearest_triangles
from cad_renderers.roles import Triangles
from cad_renderers.style import CAD_GREY, Color, Style
from cad_renderers.views import View, Views

__all__ = ["DifferenceStyle", "difference_views"]

_SAME, _MISSING, _EXTRA = 1, 2, 3


@dataclass(frozen=True, slots=True, kw_only=True)
class DifferenceStyle:
    """Colours of what is missing and what is extra, and the distance (a share of the target's diagonal) that is no
    difference.
    """

    missing: Color = (0.93, 0.34, 0.27)
    extra: Color = (0.27, 0.52, 0.93)
    tolerance_share: float = 2e-3

    def __post_init__(self) -> None:
        if not self.tolerance_share > 0.0:
            raise ValueError(f"expected tolerance_share > 0, got {self.tolerance_share}")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Sight:
    """What is seen of one part in a window that both parts share; depths in diagonals of the target."""

    part: Part
    frame: Frame
    ids: NDArray[np.int32]
    screen: NDArray[np.float64]
    depth: NDArray[np.float32]
    slant: NDArray[np.float32]


@compiled
def _meets(
    row: int, column: int, depth: float, slant: float, other: NDArray[np.float32], tolerance: float, sample: float
) -> bool:
    """Tell whether the other surface passes within `tolerance` of a sample, or of one of its eight neighbours."""
    size = len(other)
    # Within one sample a slanted surface moves by its slope; that is the picture's own coarseness, not a difference.
    facing = max(slant, 0.1)
    slack = (tolerance + sample * np.sqrt(1.0 - min(1.0, facing * facing))) / facing
    for i in range(max(0, row - 1), min(size, row + 2)):
        for j in range(max(0, column - 1), min(size, column + 2)):
            if abs(other[i, j] - depth) <= slack:
                return True
    return False


@compiled
def _classes(
    target: NDArray[np.float32],
    target_slant: NDArray[np.float32],
    result: NDArray[np.float32],
    result_slant: NDArray[np.float32],
    tolerance: float,
    sample: float,
) -> NDArray[np.uint8]:
    """Tell for each sample whether both parts agree (1), the nearer surface is the target's (2) or the result's (3); 0:
    none.
    """
    size = len(target)
    out = np.zeros((size, size), dtype=np.uint8)
    for row in range(size):
        for column in range(size):
            a, b = target[row, column], result[row, column]
            if a <= b and a < np.inf:
                met = _meets(row, column, a, target_slant[row, column], result, tolerance, sample)
                out[row, column] = 1 if met else 2
            elif b < a:
                met = _meets(row, column, b, result_slant[row, column], target, tolerance, sample)
                out[row, column] = 3
                if met:
                    out[row, column] = 1 if a < np.inf else 0
    return out


def difference_views(
    target: Triangles,
    result: Triangles,
    /,
    *,
    rig: Rig = CORNER_ISO,
    style: Style = CAD_GREY,
    difference: DifferenceStyle | None = None,
    size_px: int = 256,
) -> Views:
    """Draw both parts in one frame: where they agree in the style's grey, what is missing and what is extra in colour.

    A sample is coloured where the surface in front lies off the other part's by more than the tolerance. Both meshes
    share one coordinate frame. `mask` marks the pixels that differ. Always drawn by the software renderer.
    """
    difference = difference or DifferenceStyle()
    parts = tuple(prepare(mesh, crease_deg=style.ink.crease_deg) for mesh in (target, result))
    lows, highs = zip(
        *((p.centre - p.half_size * p.diagonal, p.centre + p.half_size * p.diagonal) for p in parts), strict=True
    )
    low, high = np.min(lows, axis=0), np.max(highs, axis=0)
    centre, unit = (low + high) / 2.0, parts[0].diagonal
    points = np.vstack([(p.vertices * p.diagonal + (p.centre - centre)) / unit for p in parts])
    each = []
    for frame in fit(rig, (high - low) / (2.0 * unit), points):
        sights = tuple(_sight(part, frame, centre, unit, size_px * style.samples_per_axis) for part in parts)
        each.append(_view(sights[0], sights[1], style, difference, frame.extent / (size_px * style.samples_per_axis)))
    return Views(each=tuple(each), rig=rig, style=style, renderer="software")


def _sight(part: Part, shared: Frame, centre: NDArray[np.float64], unit: float, samples_px: int) -> _Sight:
    """Look at `part` through a window given in diagonals `unit` about `centre`."""
    offset = shared.axes @ (part.centre - centre) / unit
    ratio = part.diagonal / unit
    middle = ((shared.middle[0] - float(offset[0])) / ratio, (shared.middle[1] - float(offset[1])) / ratio)
    frame = Frame(camera=shared.camera, axes=shared.axes, middle=middle, extent=shared.extent / ratio)
    screen = project(part.vertices, frame.pixel_matrix(samples_px))
    ids = nearest_triangles(screen, part.faces, samples_px, part.outward)
    depth, normals = light_kernels.maps(ids, 1, screen, part.faces, part.normals, part.corner_normals)
    slant = np.ascontiguousarray(normals @ frame.axes[2].astype(np.float32))
    seen = depth * np.float32(ratio) - np.float32(offset[2])
    return _Sight(part=part, frame=frame, ids=ids, screen=screen, depth=seen, slant=slant)


def _view(target: _Sight, result: _Sight, style: Style, difference: DifferenceStyle, sample: float) -> View:
    from scipy.ndimage import maximum_filter

    classes = _classes(target.depth, target.slant, result.depth, result.slant, difference.tolerance_share, sample)
    # Shading is linear in the samples: three partial canvases add up, less the ground that each one brings.
    canvas = -2.0 * np.broadcast_to(np.array(style.background), (*_pixels(classes, style), 3))
    for sight, kind, color in (
        (target, _SAME, style.material.color),
        (target, _MISSING, difference.missing),
        (result, _EXTRA, difference.extra),
    ):
        ids = np.where(classes == kind, sight.ids, -1).astype(np.int32)
        tinted = replace(style, material=replace(style.material, color=color))
        canvas = canvas + canvas_of(sight.part, sight.frame, ids, sight.screen, tinted)[0]
    k = style.samples_per_axis
    shares = [
        (classes == kind).reshape(len(classes) // k, k, len(classes) // k, k).mean(axis=(1, 3))
        for kind in (_MISSING, _EXTRA)
    ]
    ink_target = ink_of(target.part, target.ids, target.screen, style)
    ink_result = ink_of(result.part, result.ids, result.screen, style)
    # An outline lies half beside the surface it belongs to.
    near = maximum_filter(shares[1], size=3)
    ink = np.maximum(ink_target * (1.0 - shares[1]), ink_result * near)
    return View(
        name=target.frame.camera.name,
        camera=target.frame.camera,
        image=finished(canvas, ink, style),
        mask=shares[0] + shares[1] >= 0.5,
    )


def _pixels(classes: NDArray[np.uint8], style: Style) -> tuple[int, int]:
    return len(classes) // style.samples_per_axis, len(classes) // style.samples_per_axis

"""Plane faces read out of pictures by their shade: under known lights a face square to an axis has one known colour.

Silhouettes never show what lies in a hollow, and from corners alone they make an octagon of every cylinder. But a plane
is seen as it is: where the colour of a direction, laid back onto a plane at some height, agrees in the views that look
at it, there is a face (a plane sweep, as in R. T. Collins, "A space-sweep approach to true multi-image matching", 1996,
with the colour known beforehand).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cad_renderers.camera import Rig
from cad_renderers.drawing import lights_of
from cad_renderers.framing import Frame, fit
from cad_renderers.silhouettes import depth_inside, outline
from cad_renderers.style import Style

__all__ = ["Face", "FaceReader", "face_color", "prism"]

_LEVELS = 4.0
_LEAST_COSINE = 0.25
_LEAST_AREA_PX = 30.0
_SPECK_PX = 8
_MARGIN_PX = 4
_ROUND_PX = 0.8
_LEAST_RADIUS_PX = 1.5
_CIRCLE_SIDES = 96
_WHOLE = 0.15
_SNAP_PX = 1.6
_BORDER_PX = 0.45
_PEAK_PX = 2.5

F64 = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Face:
    """A plane face: `axis` 0 to 2 and the `side` (1 or -1) it looks to, its `offset` along the axis, and its loops.

    `loops`: closed rings (k, 2) along the axes `axis + 1` and `axis + 2` (counted round), the outer ones and the holes,
    to be filled by the even-odd rule. `area` in the same unit, that of the half sizes. `hidden`: how many of the views
    that look to its side were not asked.
    """

    axis: int
    side: int
    offset: float
    loops: tuple[F64, ...]
    area: float
    hidden: int


def face_color(normal: F64, frame: Frame, style: Style) -> F64:
    """Compute the colour (3,), in levels of 255, in which a plane of that normal appears to a camera."""
    surface = style.material
    diffuse, mirrored = surface.ambient, 0.0
    for light in lights_of(style, frame):
        facing = float(normal @ light[:3])
        if facing > 0.0:
            diffuse += surface.diffuse * light[6] * facing
            mirrored += surface.specular * light[6] * max(0.0, float(normal @ light[3:6])) ** surface.shininess
    return np.asarray(np.minimum(1.0, np.array(surface.color) * diffuse + mirrored) * 255.0)


class FaceReader:
    """Finds plane faces square to the part's axes in the pictures (h, h, 3) of a rig, drawn in a known style."""

    def __init__(self, images: Sequence[NDArray[np.uint8]], rig: Rig, style: Style, *, ink_px: float) -> None:
        from scipy.ndimage import label

        self._rig = rig
        self._size_px = len(images[0])
        windows = fit(rig, np.ones(3), _corners(np.ones(3)))
        self._fields: dict[tuple[int, int], list[tuple[int, F64]]] = {}
        for axis, side in itertools.product(range(3), (1, -1)):
            normal = np.eye(3)[axis] * side
            seen = []
            for k, (image, frame) in enumerate(zip(images, windows, strict=True)):
                if normal @ frame.axes[2] < _LEAST_COSINE:
                    continue
                alike = np.abs(image - face_color(normal, frame, style)).max(axis=2) <= _LEVELS
                # curved walls pass through the colour in specks
                pieces, count = label(alike, np.ones((3, 3)))
                alike &= (np.bincount(pieces.ravel(), minlength=count + 1) >= _SPECK_PX)[pieces]
                # half of the line on its border hides the face, and a pixel shared with the line is none of its colour
                seen.append((k, depth_inside(alike) + ink_px / 2.0 + _BORDER_PX))
            self._fields[axis, side] = seen

    def outer(self, axis: int, side: int, half: F64) -> list[Face]:
        """Find what faces lie in a side of the box of half sizes `half`: as all views see it, and as all but one do.

        Nothing can hide such a face, but a rim of a pixel or two has gaps in one view or another.
        """
        faces = (self._face(axis, side, side * float(half[axis]), half, hidden=hidden) for hidden in (0, 1))
        return [face for face in faces if face is not None]

    def inner(self, axis: int, side: int, half: F64) -> list[Face]:
        """Find faces inside the box: planes at which the agreeing area peaks, though one view may not see them.

        What two views see of such a face, as that of a deep pocket, is given as another face.
        """
        windows = fit(self._rig, half, _corners(half))
        step = windows[0].extent / self._size_px
        offsets = np.arange(-half[axis] + 3.0 * step, half[axis] - 3.0 * step, step)
        areas = np.array(
            [(self._agreement(axis, side, c, half, windows, hidden=1, every_px=2) > 0.0).sum() * 4 for c in offsets],
            dtype=np.float64,
        )
        found = []
        for k in _peaks(areas, least=_LEAST_AREA_PX):
            faces = [self._face(axis, side, float(offsets[k]), half, hidden=hidden) for hidden in (1, 2)]
            found += [face for face in faces if face is not None]
        return found

    def _face(self, axis: int, side: int, offset: float, half: F64, *, hidden: int) -> Face | None:
        windows = fit(self._rig, half, _corners(half))
        step = windows[0].extent / self._size_px
        polygons = outline(self._agreement(axis, side, offset, half, windows, hidden=hidden), level_px=0.0)
        polygons = [each for each in polygons if each.area >= _LEAST_AREA_PX]
        if not polygons:
            return None
        sides = half[[(axis + 1) % 3, (axis + 2) % 3]]
        loops = []
        for polygon in polygons:
            for ring in (polygon.exterior, *polygon.interiors):
                points = np.asarray(ring.coords)[:-1]
                loops.append(_snapped(_rounded(points) * step - (sides + _MARGIN_PX * step), sides, _SNAP_PX * step))
        area = sum(each.area for each in polygons) * step * step
        return Face(axis=axis, side=side, offset=offset, loops=tuple(loops), area=area, hidden=hidden)

    def _agreement(
        self,
        axis: int,
        side: int,
        offset: float,
        half: F64,
        windows: tuple[Frame, ...],
        *,
        hidden: int,
        every_px: int = 1,
    ) -> F64:
        """Lay the views' fields onto the plane, a point a pixel, and take at each the least but `hidden` of them."""
        from scipy.ndimage import map_coordinates

        step = windows[0].extent / self._size_px
        one, two = (axis + 1) % 3, (axis + 2) % 3
        counts = [int(np.ceil(2.0 * half[k] / step)) + 2 * _MARGIN_PX for k in (one, two)]
        u, v = (
            (np.arange(0, n, every_px) + 0.5 - _MARGIN_PX) * step - half[k]
            for n, k in zip(counts, (one, two), strict=True)
        )
        layers = []
        for k, field in self._fields[axis, side]:
            frame = windows[k]
            scale = self._size_px / frame.extent
            x, y = (frame.axes[row] * scale for row in (0, 1))
            columns = (u[None, :] * x[one] + v[:, None] * x[two]) + offset * x[axis] - frame.middle[0] * scale
            rows = (u[None, :] * y[one] + v[:, None] * y[two]) + offset * y[axis] - frame.middle[1] * scale
            spots = np.stack([self._size_px / 2.0 - rows - 0.5, self._size_px / 2.0 + columns - 0.5])
            layers.append(map_coordinates(field, spots, order=1, mode="nearest"))
        if len(layers) <= hidden:
            return np.full((len(v), len(u)), -1.0)
        return np.asarray(np.sort(layers, axis=0)[hidden])


def prism(loops: Iterable[F64], axis: int, low: float, high: float) -> Any:
    """Make a manifold of loops in a plane square to `axis`, from `low` to `high` along it."""
    from manifold3d import CrossSection, FillRule, Manifold

    basis = np.eye(3)
    pose = np.column_stack([basis[(axis + 1) % 3], basis[(axis + 2) % 3], basis[axis], basis[axis] * low])
    return Manifold.extrude(CrossSection(list(loops), FillRule.EvenOdd), high - low).transform(pose)


def _corners(half: F64) -> F64:
    return np.array(list(itertools.product((-1.0, 1.0), repeat=3))) * half


def _peaks(areas: F64, *, least: float) -> list[int]:
    """Number the places that nothing within a few pixels exceeds and that stand out from what lies there."""
    reach = int(np.ceil(_PEAK_PX))
    out: list[int] = []
    for k, area in enumerate(areas):
        near = areas[max(0, k - reach) : k + reach + 1]
        if area >= least and area == near.max() and near.min() < 0.97 * area and not (out and k - out[-1] <= reach):
            out.append(k)
    return out


def _rounded(ring: F64) -> F64:
    """Take a ring (k, 2) that is a circle within a pixel for that circle (algebraic fit, I. Kåsa 1976)."""
    if len(ring) < 6:
        return ring
    system = np.column_stack([2.0 * ring, np.ones(len(ring))])
    solution, *_ = np.linalg.lstsq(system, (ring**2).sum(axis=1), rcond=None)
    middle = solution[:2]
    radius = float(np.sqrt(max(0.0, solution[2] + middle @ middle)))
    off = np.abs(np.linalg.norm(ring - middle, axis=1) - radius)
    x, y = ring.T
    area = abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2.0
    whole = abs(area / (np.pi * radius**2) - 1.0) < _WHOLE if radius >= _LEAST_RADIUS_PX else False
    if not whole or float(off.max()) > max(_ROUND_PX, 0.02 * radius):
        return ring
    turns = np.linspace(0.0, 2.0 * np.pi, _CIRCLE_SIDES, endpoint=False)
    return np.asarray(middle + radius * np.column_stack([np.cos(turns), np.sin(turns)]))


def _snapped(ring: F64, sides: F64, reach: float) -> F64:
    """Move what lies beside a side of the box onto it."""
    near = np.abs(np.abs(ring) - sides) <= reach
    return np.where(near, np.sign(ring) * sides, ring)

"""What a picture alone tells about a part: which pixels it covers, its outline, and where its lines are."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["depth_inside", "edge_agreement", "grey_of", "iou", "lines_of", "outline", "silhouette"]

_LEVELS = 10
_SMOOTHING_PX = 0.7
_LEAST_AREA_PX = 4.0
_LINE_STEP = 40.0


def silhouette(image: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Find the pixels (h, w) of an image (h, w, 3) that differ from its ground, which is the median of its border.

    Ground that is seen through a hole is ground. Lines on the outline belong to the part: with lines of the usual width
    a silhouette is half a pixel larger than the part all round.
    """
    border = np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])
    found = np.zeros(image.shape[:2], dtype=np.bool_)
    # channel by channel: numpy takes its time over an axis of three
    for channel, level in enumerate(np.median(border, axis=0)):
        found |= (image[..., channel] > level + _LEVELS) | (image[..., channel] < level - _LEVELS)
    return found


def iou(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    """Compute the intersection over union of two masks; two empty ones agree."""
    either = int((one | other).sum())
    return int((one & other).sum()) / either if either else 1.0


def grey_of(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Average the channels of an image (h, w, 3): grey levels (h, w)."""
    red, green, blue = (image[..., channel].astype(np.float64) for channel in range(3))
    return np.asarray((red + green + blue) / 3.0)


def lines_of(image: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Find the pixels (h, w) at which brightness jumps: lines, outlines and borders between shades."""
    down, right = np.gradient(grey_of(image))
    return np.asarray(np.hypot(down, right) > _LINE_STEP)


def edge_agreement(one: NDArray[np.uint8], other: NDArray[np.uint8], *, reach_px: float = 2.0) -> float:
    """Compute the F1 score of two images' lines: shares of each that have a line of the other within `reach_px`."""
    from scipy.ndimage import distance_transform_edt

    first, second = lines_of(one), lines_of(other)
    if not first.any() or not second.any():
        return 1.0 if first.any() == second.any() else 0.0
    found = float((distance_transform_edt(~first)[second] <= reach_px).mean())
    kept = float((distance_transform_edt(~second)[first] <= reach_px).mean())
    return 2.0 * found * kept / (found + kept) if found + kept else 0.0


def depth_inside(mask: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Compute how far inside the mask's border each pixel lies, in px, negative outside; lightly smoothed."""
    from scipy.ndimage import distance_transform_edt, gaussian_filter

    inside, outside = distance_transform_edt(mask), distance_transform_edt(~mask)
    signed = np.where(mask, inside - 0.5, 0.5 - outside)
    return np.asarray(gaussian_filter(signed, _SMOOTHING_PX))


def outline(depth: NDArray[np.float64], *, level_px: float = 0.5, tolerance_px: float = 0.4) -> list[Any]:
    """Trace where `depth` (h, w; see `depth_inside`) is `level_px`: shapely polygons with holes, in pixels.

    x runs right and y down from the image's upper left corner. Marching squares with linear interpolation, then
    Douglas-Peucker to `tolerance_px`.
    """
    import shapely

    padded = np.pad(depth - level_px, 1, constant_values=-1.0)
    padded[padded == 0.0] = 1e-9
    polygons = shapely.get_parts(shapely.polygonize(shapely.linestrings(_crossings(padded))))
    out = []
    for polygon in polygons:
        spot = polygon.representative_point()
        row, column = (
            int(np.clip(np.rint(at), 0, n - 1)) for at, n in zip((spot.y, spot.x), padded.shape, strict=True)
        )
        if polygon.area >= _LEAST_AREA_PX and _at(padded, spot.y, spot.x, row, column) > 0.0:
            simple = polygon.simplify(tolerance_px)
            # the middle of pixel (0, 0) is the padded point (1, 1)
            out.append(shapely.transform(simple, lambda points: points - 0.5))
    return out


def _at(field: NDArray[np.float64], y: float, x: float, row: int, column: int) -> float:
    """Interpolate a field between its points; at its border take the nearest."""
    top, left = int(y), int(x)
    if top + 1 >= field.shape[0] or left + 1 >= field.shape[1]:
        return float(field[row, column])
    v, u = y - top, x - left
    square = field[top : top + 2, left : left + 2]
    return float(np.array([1 - v, v]) @ square @ np.array([1 - u, u]))


# sides of a cell: 0 above, 1 right, 2 below, 3 left; cases by the signs of its corners from upper left, clockwise
_SIDES = {
    1: ((3, 0),), 2: ((0, 1),), 3: ((3, 1),), 4: ((1, 2),), 5: ((3, 0), (1, 2)), 6: ((0, 2),), 7: ((3, 2),),
    8: ((2, 3),), 9: ((2, 0),), 10: ((0, 1), (2, 3)), 11: ((2, 1),), 12: ((1, 3),), 13: ((1, 0),), 14: ((0, 3),),
}  # fmt: skip


def _crossings(field: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cut each cell of four points where the field is zero: segments (n, 2, 2) of x, y that meet end to end."""
    h, w = field.shape
    ticks: list[NDArray[np.float64]] = [each.astype(np.float64) for each in np.indices((h, w))]
    rows, columns = ticks
    along: NDArray[np.float64]
    down: NDArray[np.float64]
    with np.errstate(divide="ignore", invalid="ignore"):
        along = columns[:, :-1] + field[:, :-1] / (field[:, :-1] - field[:, 1:])
        down = rows[:-1] + field[:-1] / (field[:-1] - field[1:])
    across = np.stack([along, rows[:, :-1]], axis=2)
    upright = np.stack([columns[:-1], down], axis=2)
    sides = (across[: h - 1], upright[:, 1:], across[1:], upright[:, : w - 1])
    positive = field > 0.0
    case = positive[:-1, :-1] + 2 * positive[:-1, 1:] + 4 * positive[1:, 1:] + 8 * positive[1:, :-1]
    parts = []
    for number, pairs in _SIDES.items():
        here = case == number
        parts += [np.stack([sides[a][here], sides[b][here]], axis=1) for a, b in pairs]
    return np.concatenate(parts)

"""From pictures to a solid: the visual hull, cut by the box and the faces with which it looks most like the pictures.

The hull is exact for the outlines (an intersection of prisms), not of voxels: plane faces stay plane.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cad_renderers.camera import Fit, Rig
from cad_renderers.face_cuts import cut_by_faces
from cad_renderers.framing import fit
from cad_renderers.plane_faces import FaceReader
from cad_renderers.shapes import Solid
from cad_renderers.silhouettes import depth_inside, edge_agreement, grey_of, iou, outline, silhouette
from cad_renderers.software import SoftwareRenderer
from cad_renderers.style import CAD_GREY, Style

__all__ = ["HullError", "likeness", "visual_hull"]

_COARSE_PX = 96
_FINE_PX = 192
_COARSE = (1.0, 0.55, 0.3, 0.16)
_STEPS = ((1.3, _COARSE_PX), (1.12, _COARSE_PX), (1.04, _FINE_PX), (1.012, _FINE_PX))
_SIMPLER_PX = 0.5
_EVEN = 0.02
_OUTLINES = 8.0
_SHADES = 3.0
_SHADE_STEP = 60.0
_ROUNDS = 2
_STRETCHES = (1.05, 1.015)
_STEADY = 0.004

Images = Sequence[NDArray[np.uint8]]


class HullError(ValueError):
    """No solid casts these silhouettes from these cameras; the message says which picture is at odds."""


def likeness(one: Images, other: Images) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Compute, picture by picture, the IoU of the silhouettes and the agreement of the lines (F1), each (n,)."""
    pairs = list(zip(one, other, strict=True))
    outlines = np.array([iou(silhouette(a), silhouette(b)) for a, b in pairs])
    return outlines, np.array([edge_agreement(a, b) for a, b in pairs])


def shade_difference(one: Images, other: Images) -> NDArray[np.float64]:
    """Compute, picture by picture, how far the grey levels of two parts are apart (n,): 0 alike, 1 all of it off."""
    out = []
    for a, b in zip(one, other, strict=True):
        either = silhouette(a) | silhouette(b)
        apart = np.abs(grey_of(a) - grey_of(b))[either]
        out.append(float((np.minimum(apart, _SHADE_STEP) / _SHADE_STEP).mean()) if len(apart) else 0.0)
    return np.array(out)


class _Judge:
    """Says how well a solid explains the pictures: outlines are what a hull must keep, the rest tells solids apart."""

    def __init__(self, images: Images, rig: Rig, style: Style) -> None:
        self._images, self._rig, self._style = images, rig, style

    def __call__(self, solid: Solid | None) -> float:
        """Draw a solid as the pictures were and score it; what shows nothing scores least."""
        if solid is None:
            return -np.inf
        try:
            drawn = (
                SoftwareRenderer().render(solid, rig=self._rig, style=self._style, size_px=len(self._images[0])).images
            )
        except ValueError:  # nothing that shows
            return -np.inf
        outlines, lines = (float(each.mean()) for each in likeness(self._images, drawn))
        return _OUTLINES * outlines + lines - _SHADES * float(shade_difference(self._images, drawn).mean())

    def of_manifold(self, solid: Any) -> float:
        """Score a manifold."""
        return self(_solid(solid))


def visual_hull(images: Images, rig: Rig, *, style: Style = CAD_GREY) -> Solid:
    """Carve the solid that the pictures (h, h, 3) of a rig's cameras leave, in the part's axes; its longest side is 1.

    Seen from corners alone, a hull stands far out over the middle of each face (that of a cube has twice its volume),
    and pictures that a rig fits to the part's box do not say how long the box's sides are. Both are settled by trying
    boxes: the one is kept with which the hull, drawn in `style` from the same cameras, has the silhouettes, lines and
    shades most like the pictures'. What no silhouette tells, hollows and round outlines, comes from plane faces square
    to an axis, known by their shade in `style`: each cut that they suggest is tried and judged in the same way.
    Pictures in another style give the mere hull. Raises `HullError` for pictures that contradict each other or show
    nothing.
    """
    from manifold3d import Manifold

    if len(images) != len(rig):
        raise HullError(f"expected {len(rig)} pictures for the rig {rig.name}, got {len(images)}")
    if rig.fit is Fit.TIGHT:
        raise HullError(
            "expected a rig whose fit is box or shared, got tight: each picture then has a scale of its own"
        )
    masks = [silhouette(image) for image in images]
    for k, mask in enumerate(masks):
        if mask.shape[0] != mask.shape[1] or not mask.any() or mask.all():
            raise HullError(f"expected a part on its ground in square picture {k}, got {mask.sum()} of {mask.size} px")
    ink_px = style.ink.silhouette_width_px * max(1.0, (len(masks[0]) / 256.0) ** 0.5)
    fields = _averaged([depth_inside(mask) for mask in masks], rig)
    outlines = [(k, outline(field, level_px=ink_px / 2.0), len(field)) for k, field in fields]
    judge = {px: _Judge([_shrunk(image, px) for image in images], rig, style) for px in (_COARSE_PX, _FINE_PX)}
    half = _likeliest(outlines, rig, judge)
    reader = FaceReader(images, rig, style, ink_px=ink_px)
    fine = judge[_FINE_PX].of_manifold
    solid, pixel, reached = Manifold(), 0.0, -np.inf
    for _ in range(_ROUNDS):
        carved, width = _carve(outlines, rig, half)
        cut = cut_by_faces(carved, reader, half, fine)
        if fine(cut) <= reached:
            break
        solid, pixel, reached = cut, width, fine(cut)
        # cut to its faces a solid tells its proportions better than the mere hull did
        stretch = _stretched(cut, fine)
        if np.abs(stretch - 1.0).max() < _STEADY:
            break
        half = half * stretch / (half * stretch).max()
    hull = _solid(solid.simplify(_SIMPLER_PX * pixel))
    if hull is None:
        raise HullError("expected silhouettes of one part, got some that exclude each other; is it the right rig?")
    size = np.ptp(hull.vertices, axis=0).max()
    middle = (hull.vertices.min(axis=0) + hull.vertices.max(axis=0)) / 2.0
    return Solid(vertices=(hull.vertices - middle) / size, faces=hull.faces)


def _likeliest(outlines: list[tuple[int, list[Any], int]], rig: Rig, judge: dict[int, _Judge]) -> NDArray[np.float64]:
    """Find the box's half sizes, the longest 1: first over a grid, then by ever smaller steps from the best."""

    @cache
    def score(half: tuple[float, float, float], px: int = _COARSE_PX) -> float:
        # where all leaves it open, even sides are the safer guess
        return judge[px](_solid(_carve(outlines, rig, np.array(half))[0])) - _EVEN * float(np.std(np.log(half)))

    def scaled(half: tuple[float, float, float], axis: int, by: float) -> tuple[float, float, float]:
        sides = np.array(half)
        sides[axis] *= by
        x, y, z = np.round(sides / sides.max(), 6).tolist()
        return x, y, z

    grid = [(x, y, z) for x, y, z in itertools.product(_COARSE, repeat=3) if max(x, y, z) == 1.0]
    # where boxes tie, the smallest
    best = max(grid, key=lambda sides: (round(score(sides), 4), -float(np.prod(sides))))
    for step, px in _STEPS:
        for _ in range(6):
            near = [scaled(best, axis, by) for axis in range(3) for by in (step, 1.0 / step)]
            better = near[int(np.argmax([score(sides, px) for sides in near]))]
            if score(better, px) <= score(best, px):
                break
            best = better
    return np.array(best)


def _stretched(solid: Any, score: Callable[[Any], float]) -> NDArray[np.float64]:
    """Find by which factors along the axes (3,) a manifold looks still more like the pictures."""
    best, reached = np.ones(3), score(solid)
    for step in _STRETCHES:
        for axis, by in itertools.product(range(3), (step, 1.0 / step)):
            while True:
                tried = best.copy()
                tried[axis] *= by
                found = score(solid.scale(tuple(tried)))
                if found <= reached:
                    break
                best, reached = tried, found
    return np.asarray(best / best.max())


def _shrunk(image: NDArray[np.uint8], size_px: int) -> NDArray[np.uint8]:
    from PIL import Image

    return np.asarray(Image.fromarray(image).resize((size_px, size_px), Image.Resampling.BOX))


def _averaged(fields: list[NDArray[np.float64]], rig: Rig) -> list[tuple[int, NDArray[np.float64]]]:
    """Take cameras that face each other for one: they see the same outline mirrored, and its noise halves."""
    out: list[tuple[int, NDArray[np.float64]]] = []
    spent: set[int] = set()
    for i, camera in enumerate(rig.cameras):
        if i in spent:
            continue
        field = fields[i]
        for j in range(i + 1, len(rig)):
            axes, other = camera.axes, rig.cameras[j].axes
            same = np.allclose(axes[2], -other[2], atol=1e-6) and np.allclose(axes[1], other[1], atol=1e-6)
            if same and fields[j].shape == field.shape:
                field = (field + fields[j][:, ::-1]) / 2.0
                spent.add(j)
                break
        out.append((i, field))
    return out


def _carve(outlines: list[tuple[int, list[Any], int]], rig: Rig, half: NDArray[np.float64]) -> tuple[Any, float]:
    """Intersect a box of half sizes `half` with the prisms over all outlines; also return the width of a pixel."""
    from manifold3d import CrossSection, FillRule, Manifold

    corners = np.array(list(itertools.product((-1.0, 1.0), repeat=3))) * half
    windows = fit(rig, half, corners)
    solid = Manifold.cube(tuple(2.0 * half), True)
    pixel = 0.0
    for k, polygons, size_px in outlines:
        frame = windows[k]
        pixel = frame.extent / size_px
        loops = []
        for polygon in polygons:
            for ring in (polygon.exterior, *polygon.interiors):
                x, y = np.asarray(ring.coords)[:-1].T
                u = (x / size_px - 0.5) * frame.extent + frame.middle[0]
                v = (0.5 - y / size_px) * frame.extent + frame.middle[1]
                loops.append(np.column_stack([u, v]))
        length = 4.0 * frame.extent
        pose = np.column_stack([*frame.axes, -frame.axes[2] * length / 2.0])
        prism = Manifold.extrude(CrossSection(loops, FillRule.EvenOdd), length).transform(pose)
        solid = solid ^ prism
    return solid, pixel


def _solid(manifold: Any) -> Solid | None:
    made = manifold.to_mesh()
    if not len(made.tri_verts):
        return None
    vertices = np.asarray(made.vert_properties, dtype=np.float64)[:, :3]
    return Solid(vertices=vertices, faces=np.asarray(made.tri_verts, dtype=np.int64))

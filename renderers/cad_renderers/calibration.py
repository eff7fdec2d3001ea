"""Finding the cameras behind given pictures: rows of pictures and mesh in, rigs and styles by how well they fit, out.

A rig's score is taken under the order of its cameras that suits the pictures best (an assignment problem), so that
every permutation is covered. Silhouettes choose the cameras; full pictures then choose order, margin and style.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cad_renderers.camera import CORNER_ISO, RING_35, Camera, Fit, Rig
from cad_renderers.framing import frames, project
from cad_renderers.part import Part, prepare
from cad_renderers.raster_kernels import nearest_triangles
from cad_renderers.roles import Triangles
from cad_renderers.silhouettes import silhouette
from cad_renderers.software import SoftwareRenderer
from cad_renderers.style import CAD_GREY, EdgeSet, Material, Style

__all__ = ["STYLES", "Row", "Score", "calibrate"]

_ISO_DEG = float(np.degrees(np.arctan(np.sqrt(0.5))))
_COARSE_PX = 64
_FINE_PX = 128
_REFINED = 3
_STEPS_DEG = (4.0, 2.0, 1.0, 0.5)
_POLISHED_ROWS = 2

STYLES: tuple[Style, ...] = (
    CAD_GREY,
    replace(CAD_GREY, name="cad-grey-tangents", ink=replace(CAD_GREY.ink, edges=EdgeSet.TANGENTS)),
    replace(CAD_GREY, name="cad-grey-no-lines", ink=replace(CAD_GREY.ink, edges=EdgeSet.NONE)),
    replace(CAD_GREY, name="mid-grey", material=Material(color=(0.62, 0.62, 0.63))),
    replace(CAD_GREY, name="gold", material=Material(color=(0.83, 0.66, 0.22))),
)
"""The looks that are tried."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Row:
    """One part as the pictures' maker saw it: images (h, h, 3) in their order, and the mesh."""

    name: str
    images: tuple[NDArray[np.uint8], ...]
    mesh: Triangles

    def __post_init__(self) -> None:
        shapes = {image.shape for image in self.images}
        if len(shapes) != 1 or next(iter(shapes))[0] != next(iter(shapes))[1]:
            raise ValueError(f"{self.name}: expected square images of one size, got {sorted(shapes)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How well a rig in a style explains the rows; the rig's cameras stand in the order of the pictures.

    `silhouette_iou` in [0, 1]; `pixel_difference` is the mean absolute difference of grey levels over 255; `order` says
    which of the candidate's cameras took each picture.
    """

    rig: Rig
    style: Style
    order: tuple[int, ...]
    silhouette_iou: float
    pixel_difference: float

    @property
    def total(self) -> float:
        """The figure that ranks: the IoU less the difference."""
        return self.silhouette_iou - self.pixel_difference


@dataclass(frozen=True, slots=True, kw_only=True)
class _Guess:
    """A family of eight cameras by its angles: `corners` above and below at four azimuths, `ring` at eight."""

    family: str
    elevation_deg: float
    azimuth_deg: float = 0.0
    roll_deg: float = 0.0
    up: str = "z"
    fit: Fit = Fit.BOX
    margin: float = 0.01

    def rig(self) -> Rig:
        """Lay the cameras out."""
        if self.family == "ring":
            spots = [(az, self.elevation_deg) for az in range(-135, 181, 45)]
        else:
            spots = [(az, s * self.elevation_deg) for az in (-45, -135, 45, 135) for s in (1, -1)]
        cameras = []
        for az, el in spots:
            name = f"azimuth{az + self.azimuth_deg:+.5g}-elevation{el:+.5g}"
            upright = Camera.at(name, azimuth_deg=az + self.azimuth_deg, elevation_deg=el)
            right, up, toward = upright.axes
            turn = np.radians(self.roll_deg)
            rolled = np.cos(turn) * up + np.sin(turn) * right
            shift = {"z": 0, "x": 1, "y": 2}[self.up]  # x -> y -> z -> x, so that Z becomes the named axis
            eye, top = np.roll(toward, shift), np.roll(rolled, shift)
            cameras.append(Camera(name=name, eye=_triple(eye), up=_triple(top)))
        words = [self.family, f"{self.elevation_deg:.4g}"]
        words += [f"azimuth{self.azimuth_deg:+.4g}"] if self.azimuth_deg else []
        words += [f"roll{self.roll_deg:+.4g}"] if self.roll_deg else []
        words += [f"up-{self.up}"] if self.up != "z" else []
        words += [self.fit.value] if self.fit is not Fit.BOX else []
        return Rig(name="-".join(words), cameras=tuple(cameras), fit=self.fit, margin=self.margin)


def _triple(vector: NDArray[np.float64]) -> tuple[float, float, float]:
    x, y, z = (round(float(c), 12) for c in vector)
    return x, y, z


@dataclass(frozen=True, slots=True, eq=False)
class _Known:
    """What is kept of a row: its prepared part, and its silhouettes at two sizes."""

    row: Row
    part: Part
    masks: dict[int, NDArray[np.float32]] = field(default_factory=dict)


def calibrate(
    rows: Sequence[Row],
    /,
    *,
    styles: Sequence[Style] = STYLES,
    extra: Sequence[Rig] = (),
    progress: Callable[[str], None] = lambda words: None,
) -> tuple[Score, ...]:
    """Score rigs, permutations and styles against rows of eight pictures and a mesh; the best first.

    Tried are the presets, `extra`, and two families (corners above and below; a ring) over elevation, azimuth, roll, up
    axis and fit; the likeliest are refined to half a degree, then their margins. Raises `ValueError` for rows without
    pictures or of different counts.
    """
    counts = {len(row.images) for row in rows}
    if counts != {8}:
        raise ValueError(f"expected rows of eight pictures, got {sorted(counts) or 'no rows'}")
    known = [_known(row) for row in rows]
    coarse = _Coarse(known)
    progress(f"trying {len(_GUESSES)} arrangements of cameras on {len(rows)} rows")
    ranked = sorted(_GUESSES, key=lambda guess: -coarse.score(guess, _COARSE_PX))
    refined: list[_Guess] = []
    for guess in ranked[: 4 * _REFINED]:
        if len(refined) < _REFINED and not any(_alike(guess, other) for other in refined):
            progress(f"refining {guess.rig().name}")
            refined.append(_refine(guess, coarse))
    # another margin looks like another fit as long as the margin is not known: the fits are to be told apart after it
    likeliest = max(refined, key=lambda guess: coarse.score(guess, _FINE_PX))
    refined += [_refine(replace(likeliest, fit=fit), coarse) for fit in Fit if fit is not likeliest.fit]
    scores = [_score(known, rig, CAD_GREY) for rig in (CORNER_ISO, RING_35, *extra)]
    guessed = {_score(known, guess.rig(), CAD_GREY): guess for guess in refined}
    scores += guessed
    best = max(scores, key=_total)
    # lines on outlines widen silhouettes as a smaller margin would: the two are to be told apart by trying both
    progress(f"trying styles and margins for {best.rig.name}")
    plain = _unordered(best)
    scores += [_score(known, replace(plain, margin=m), style) for style in styles for m in _near(plain.margin)]
    winner = max(scores, key=_total)
    if best in guessed:
        guess = replace(guessed[best], margin=winner.rig.margin)
        scores += _polished(known[:_POLISHED_ROWS], known, guess, winner)
    return tuple(_distinct(sorted(scores, key=_total, reverse=True)))


def _unordered(score: Score) -> Rig:
    """Put a rig's cameras back into the order that the candidate had."""
    placed = sorted(zip(score.order, score.rig.cameras, strict=True), key=lambda pair: pair[0])
    return replace(score.rig, cameras=tuple(camera for _, camera in placed))


def _total(score: Score) -> float:
    return score.total


def _near(margin: float) -> list[float]:
    """List a margin, those a little beside it, and the usual ones."""
    beside = {round(margin + step, 5) for step in (-0.005, 0.0, 0.005, 0.01, 0.015)}
    return sorted(m for m in beside if m >= 0.0)


def _polished(few: list[_Known], known: list[_Known], guess: _Guess, winner: Score) -> list[Score]:
    """Climb once more, by full pictures in the style that won, and score where that ends."""
    best, reached = guess, _score(few, guess.rig(), winner.style).total
    for step in (0.5, 0.25):
        for _ in range(6):
            near = list(_neighbours(best, step))
            totals = [_score(few, each.rig(), winner.style).total for each in near]
            if max(totals) <= reached:
                break
            reached, best = max(totals), near[int(np.argmax(totals))]
    return [_score(known, best.rig(), winner.style)]


def _distinct(scores: list[Score]) -> Iterable[Score]:
    """Drop what was scored twice."""
    seen = set()
    for score in scores:
        key = (score.rig.name, score.rig.margin, score.style.name)
        if key not in seen:
            seen.add(key)
            yield score


_GUESSES = tuple(
    _Guess(family=family, elevation_deg=elevation, azimuth_deg=azimuth, roll_deg=roll, up=up, fit=fit)
    for family, elevations, azimuths in (
        ("corners", (20.0, 30.0, _ISO_DEG, 45.0), (0.0, 22.5, 45.0)),
        ("ring", (0.0, 15.0, 25.0, _ISO_DEG, 45.0, 60.0, -_ISO_DEG), (0.0, 22.5)),
    )
    for elevation, azimuth, up, fit, roll in itertools.product(elevations, azimuths, "zyx", Fit, (0, 90, 180, 270))
)


class _Coarse:
    """Scores guesses by their silhouettes alone, with what was seen kept: a quarter roll only turns a mask."""

    def __init__(self, known: list[_Known]) -> None:
        self._known = known
        self._seen = lru_cache(maxsize=2048)(self._look)

    def score(self, guess: _Guess, px: int) -> float:
        """Compute the mean silhouette IoU under the best order of the cameras, one order for all rows."""
        turns, rest = divmod(guess.roll_deg, 90.0)
        seen = self._seen(replace(guess, roll_deg=rest), px)
        total = np.zeros((8, 8))
        for known, masks in zip(self._known, seen, strict=True):
            # a camera rolled to the right sees the part turned to the left
            turned = np.rot90(masks, int(turns), axes=(1, 2)).reshape(8, -1)
            total += _ious(known.masks[px], np.ascontiguousarray(turned))
        return _assigned(total)[1] / len(self._known) / 8.0

    def _look(self, guess: _Guess, px: int) -> list[NDArray[np.float32]]:
        rig = guess.rig()
        return [_masks(known.part, rig, px) for known in self._known]


def _known(row: Row) -> _Known:
    from PIL import Image

    part = prepare(row.mesh, crease_deg=CAD_GREY.ink.crease_deg)
    known = _Known(row, part)
    for px in (_COARSE_PX, _FINE_PX):
        masks = []
        for image in row.images:
            cover = Image.fromarray(silhouette(image).astype(np.uint8) * 255).resize((px, px), Image.Resampling.BOX)
            masks.append((np.asarray(cover) >= 128).astype(np.float32).ravel())
        known.masks[px] = np.array(masks)
    return known


def _masks(part: Part, rig: Rig, px: int) -> NDArray[np.float32]:
    out = np.empty((len(rig), px, px), dtype=np.float32)
    for k, frame in enumerate(frames(part, rig)):
        out[k] = nearest_triangles(project(part.vertices, frame.pixel_matrix(px)), part.faces, px, part.outward) >= 0
    return out


def _ious(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float64]:
    """Compute the IoU of each mask (n, p) with each other (m, p); (n, m)."""
    both = (one @ other.T).astype(np.float64)
    either = one.sum(axis=1)[:, None] + other.sum(axis=1)[None, :] - both
    return np.asarray(both / np.maximum(either, 1.0))


def _assigned(worth: NDArray[np.float64]) -> tuple[tuple[int, ...], float]:
    """Give each picture (row) a camera (column) of its own so that the sum is largest."""
    from scipy.optimize import linear_sum_assignment

    rows, columns = linear_sum_assignment(-worth)
    return tuple(int(c) for c in columns), float(worth[rows, columns].sum())


def _refine(guess: _Guess, coarse: _Coarse) -> _Guess:
    """Climb in elevation, azimuth, roll and margin by ever smaller steps."""
    best, reached = guess, coarse.score(guess, _FINE_PX)
    for step in _STEPS_DEG:
        for _ in range(4):
            near = list(_neighbours(best, step))
            scores = [coarse.score(each, _FINE_PX) for each in near]
            if max(scores) <= reached + 1e-9:
                break
            reached, best = max(scores), near[int(np.argmax(scores))]
    return best


def _neighbours(guess: _Guess, step: float) -> Iterable[_Guess]:
    for key in ("elevation_deg", "azimuth_deg", "roll_deg"):
        for sign in (-step, step):
            value = getattr(guess, key) + sign
            if key != "elevation_deg" or abs(value) < 89.0:
                yield replace(guess, **{key: value})
    for sign in (-0.005 * step, 0.005 * step):
        if 0.0 <= guess.margin + sign < 0.4:
            yield replace(guess, margin=round(guess.margin + sign, 5))


def _alike(guess: _Guess, other: _Guess) -> bool:
    """Say whether two guesses differ by less than a refinement's first step, but for the fit."""
    same = (guess.family, guess.up, guess.fit) == (other.family, other.up, other.fit)
    apart = [abs(getattr(guess, key) - getattr(other, key)) for key in ("elevation_deg", "azimuth_deg", "roll_deg")]
    return same and max(apart) < 2 * _STEPS_DEG[0]


def _score(known: list[_Known], rig: Rig, style: Style) -> Score:
    """Draw all rows in full and find the order of the cameras in which the pictures are most alike."""
    outlines, pixels = np.zeros((8, 8)), np.zeros((8, 8))
    for each in known:
        drawn = SoftwareRenderer().render(each.row.mesh, rig=rig, style=style, size_px=len(each.row.images[0])).images
        given = each.row.images
        outlines += _ious(_flat(given), _flat(drawn))
        for i, j in itertools.product(range(8), range(8)):
            pixels[i, j] += _apart(given[i], drawn[j])
    outlines, pixels = outlines / len(known), pixels / len(known)
    order, _ = _assigned(outlines - pixels)
    here = (np.arange(8), np.array(order))
    ordered = replace(rig, cameras=tuple(rig.cameras[k] for k in order))
    return Score(
        rig=ordered,
        style=style,
        order=order,
        silhouette_iou=float(outlines[here].mean()),
        pixel_difference=float(pixels[here].mean()),
    )


def _flat(images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
    return np.array([silhouette(image).ravel() for image in images], dtype=np.float32)


def _apart(one: NDArray[Any], other: NDArray[Any]) -> float:
    """Compute the mean absolute difference of two images, as a share of the whole range."""
    return float(np.abs(one.astype(np.int16) - other.astype(np.int16)).mean() / 255.0)

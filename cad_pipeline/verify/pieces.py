"""What a piece of missing or extra material is: a hole, a boss, a pocket, an edge, a layer."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cad_pipeline.values import Region
from cad_pipeline.verify.words import at, mm

if TYPE_CHECKING:
    from cad_pipeline.verify.subject import Frame

__all__ = ["Excess", "Piece", "Round", "describe", "find_round"]


class Excess(enum.Enum):
    """Whether a piece is in the target only, or in the result only."""

    MISSING = "missing"
    EXTRA = "too much"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Piece:
    """A connected, closed piece in local units: triangles (m, 3, 3), unit normals (m, 3) and areas (m,)."""

    corners: NDArray[np.float64]
    normals: NDArray[np.float64]
    areas: NDArray[np.float64]
    volume: float

    @classmethod
    def of(cls, points: NDArray[np.float64], faces: NDArray[np.int64]) -> Piece:
        """Measure the piece bounded by some faces of a larger mesh."""
        corners = points[faces]
        cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
        doubled = np.linalg.norm(cross, axis=1)
        return cls(
            corners=corners,
            normals=np.divide(cross, doubled[:, None], out=np.zeros_like(cross), where=doubled[:, None] > 0.0),
            areas=doubled / 2.0,
            volume=float(np.einsum("ij,ij->i", corners[:, 0], cross).sum() / 6.0),
        )

    @property
    def box(self) -> NDArray[np.float64]:
        """Lowest and highest corner, (2, 3)."""
        flat = self.corners.reshape(-1, 3)
        return np.array([flat.min(axis=0), flat.max(axis=0)])

    @property
    def axes(self) -> NDArray[np.float64]:
        """Three directions (3, 3), one a row, along and across which the faces lie."""
        spread = np.einsum("f,fi,fj->ij", self.areas, self.normals, self.normals)
        # The part's own axes win where the faces leave a choice, as they do around a cylinder.
        _, vectors = np.linalg.eigh(spread + np.diag([3e-3, 2e-3, 1e-3]) * self.areas.sum())
        return np.asarray(vectors.T, np.float64)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Round:
    """A cylinder or tube: axis, centre, outer radius, inner radius (0 for a cylinder) and length, in local units."""

    axis: NDArray[np.float64]
    centre: NDArray[np.float64]
    outer: float
    inner: float
    length: float
    side: NDArray[np.bool_]


def describe(piece: Piece, excess: Excess, *, surroundings: Any, film: float, frame: Frame) -> Region:
    """Name a piece by its shape and by what surrounds it, in mm and in the part's frame.

    `surroundings` is the solid that lacks the piece: where it lies around the piece's sides, the piece fills a hole
    or pocket of it (or is one, if the target lacks it); where it does not, the piece sticks out.
    """
    unit = frame.mm_per_unit
    low, high = frame.out(piece.box)
    centre = (low + high) / 2.0
    found = find_round(piece)
    if found is not None:
        kind, what = _round_words(piece, found, excess, surroundings, film, unit)
        centre = frame.out(found.centre)
    else:
        kind, what = _other_words(piece, excess, surroundings, film, unit)
    return Region(
        kind=kind,
        centre=_triple(centre),
        size=_triple(high - low),
        volume_mm3=piece.volume * unit**3,
        words=at(what, centre),
    )


def find_round(piece: Piece) -> Round | None:
    """Fit a cylinder or tube to a piece: faces along an axis whose corners lie on one or two circles.

    The ends may have any shape (a plug of a hole through a tube is round too). None if the faces leave a gap of more
    than 75° around the axis, or the corners miss the circle by 4 % of the radius.
    """
    for axis in (*piece.axes, *np.eye(3)):
        slope = np.abs(piece.normals @ axis)
        side = (slope < 0.1) & (piece.areas > 0.0)
        if piece.areas[side].sum() < 0.25 * piece.areas.sum():
            continue
        first, second = _across(axis)
        normals = np.column_stack([piece.normals @ first, piece.normals @ second])
        angle = np.sort(np.arctan2(normals[side, 1], normals[side, 0]))
        if np.diff(np.r_[angle, angle[0] + 2.0 * np.pi]).max() > np.radians(75.0):
            continue
        flat = np.stack([piece.corners @ first, piece.corners @ second], axis=-1)
        middle = (flat[side].reshape(-1, 2).min(axis=0) + flat[side].reshape(-1, 2).max(axis=0)) / 2.0
        facing = np.einsum("fi,fi->f", flat.mean(axis=1) - middle, normals)
        outside, inside = side & (facing > 0.0), side & (facing < 0.0)
        outer = _circle(flat[outside].reshape(-1, 2)) if outside.any() else None
        if outer is None:
            continue
        inner = _circle(flat[inside].reshape(-1, 2)) if inside.any() else None
        if inside.any() and (inner is None or np.linalg.norm(inner[0] - outer[0]) > 0.05 * outer[1]):
            continue
        along = piece.corners.reshape(-1, 3) @ axis
        place = first * outer[0][0] + second * outer[0][1] + axis * (along.min() + along.max()) / 2.0
        return Round(
            axis=axis,
            centre=place,
            outer=outer[1],
            inner=inner[1] if inner else 0.0,
            length=float(np.ptp(along)),
            side=outside,
        )
    return None


def _circle(points: NDArray[np.float64]) -> tuple[NDArray[np.float64], float] | None:
    """Fit a circle to points (n, 2) by least squares (Kåsa 1976); None if they miss it by 4 %."""
    if len(points) < 5:
        return None
    origin = points.mean(axis=0)
    moved = points - origin
    system = np.column_stack([2.0 * moved, np.ones(len(moved))])
    solution, *_ = np.linalg.lstsq(system, (moved**2).sum(axis=1), rcond=None)
    square = float(solution[2] + solution[0] ** 2 + solution[1] ** 2)
    if square <= 0.0:
        return None
    radius = float(np.sqrt(square))
    miss = np.abs(np.linalg.norm(moved - solution[:2], axis=1) - radius)
    return (origin + solution[:2], radius) if miss.max() <= 0.04 * radius else None


def _across(axis: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    first = np.cross(axis, np.eye(3)[int(np.argmin(np.abs(axis)))])
    first /= np.linalg.norm(first)
    return first, np.cross(axis, first)


def _round_words(
    piece: Piece, found: Round, excess: Excess, surroundings: Any, film: float, unit: float
) -> tuple[str, str]:
    buried = _surrounded(piece, found.side, surroundings, film) > 0.5
    # A side that faces the surroundings was moved inwards by the film; put it back.
    wide = 2.0 * (found.outer + (film if buried else 0.0)) * unit
    narrow = 2.0 * max(found.inner - (0.0 if buried else film), 0.0) * unit
    small, large = f"⌀{mm(narrow)}", f"⌀{mm(wide)}"
    if found.inner > 0.0 and small == large:
        return "skin", f"skin around {large} {excess.value}"
    if found.inner > 0.0:
        lacks, by = excess is Excess.EXTRA, f"{mm(wide - narrow)} mm"
        if buried:
            tight, loose = f"hole {large} is only {small}, {by} too narrow", f"hole {small} is {large}, {by} too wide"
            return "hole size", tight if lacks else loose
        thick, thin = f"round {small} is {large}, {by} too thick", f"round {large} is only {small}, {by} too thin"
        return "boss size", thick if lacks else thin
    if buried:
        return ("hole", f"hole {large} missing") if excess is Excess.EXTRA else ("extra hole", f"hole {large} too much")
    return ("extra boss", f"boss {large} too much") if excess is Excess.EXTRA else ("boss", f"boss {large} missing")


def _other_words(piece: Piece, excess: Excess, surroundings: Any, film: float, unit: float) -> tuple[str, str]:
    axes = piece.axes
    extents = np.ptp(piece.corners.reshape(-1, 3) @ axes.T, axis=0)
    order = np.argsort(extents)
    thin, mid, long = (float(extents[k]) for k in order)
    fill = piece.volume / max(thin * mid * long, 1e-300)
    thickness = 2.0 * piece.volume / float(piece.areas.sum())
    buried = _surrounded(piece, np.ones(len(piece.areas), bool), surroundings, film)
    size = " × ".join(mm(x * unit) for x in (thin, mid, long))
    word = excess.value
    if fill > 0.85 and thin < 0.15 * mid:
        return "layer", f"layer {mm((thin + film) * unit)} thick {word}"
    if fill > 0.85:
        if buried > 0.5:
            return "pocket", f"pocket {size} {'missing' if excess is Excess.EXTRA else 'too much'}"
        return "block", f"block {size} {word}"
    if long > 3.0 * mid and thin > 0.4 * mid:
        if 0.12 < fill < 0.34:
            radius = float(np.sqrt(piece.volume / long / (1.0 - np.pi / 4.0)))
            return "edge", _edge_words("round", excess, buried, radius * unit)
        if 0.4 < fill < 0.6:
            return "edge", _edge_words("chamfer", excess, buried, float(np.sqrt(2.0 * piece.volume / long)) * unit)
    if thickness < 0.1 * mid:
        return "skin", f"skin about {mm(thickness * unit)} thick {word}"
    if buried > 0.5:
        return "pocket", f"pocket of about {size} {'missing' if excess is Excess.EXTRA else 'too much'}"
    return "piece", f"piece of about {size} {word}"


def _edge_words(shape: str, excess: Excess, buried: float, size: float) -> str:
    if excess is Excess.EXTRA:
        return f"edge {shape} of about {mm(size)} missing" if buried < 0.5 else f"corner filled by about {mm(size)}"
    return f"corner fillet of about {mm(size)} missing" if buried > 0.5 else f"edge broken by about {mm(size)}"


def _surrounded(piece: Piece, side: NDArray[np.bool_], surroundings: Any, film: float, probes: int = 8) -> float:
    """Share of the side faces, by area, that have the surroundings' material outside them."""
    chosen = np.flatnonzero(side)
    running = np.cumsum(piece.areas[chosen])
    picks = chosen[np.searchsorted(running, (np.arange(probes) + 0.5) * (running[-1] / probes))]
    points = piece.corners[picks].mean(axis=1) + piece.normals[picks] * (2.5 * film)
    return sum(_inside(surroundings, point) for point in points) / probes


def _inside(manifold: Any, point: NDArray[np.float64]) -> bool:
    """Whether a point lies in a manifold: an odd number of faces on the way out, along a slanted ray."""
    away = point + np.array([311.7, 173.3, 251.1]) * 4.0
    hits = manifold.ray_cast(tuple(point), tuple(away))
    return len(hits) % 2 == 1


def _triple(values: NDArray[np.float64]) -> tuple[float, float, float]:
    x, y, z = (float(v) for v in values)
    return x, y, z

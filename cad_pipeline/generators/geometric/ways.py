"""Lines and arcs along the points of a spine: each as far as it serves, and arcs that touch the lines beside them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cad_pipeline.generators.geometric.frame import straightened
from cad_pipeline.generators.geometric.numbers import nice
from cad_pipeline.generators.geometric.routes import circle_in_space
from cad_pipeline.generators.geometric.spines import STRETCH, Spine

__all__ = ["OFF", "ROUGHLY", "STRAIGHT", "Bent", "legs_of", "straight"]

Floats = NDArray[np.float64]
# the end (3,) of a leg, and its middle if it is bent
Bent = tuple[Floats, Floats | None]
# how far the spine's points may lie from its lines and arcs, in radii of the wire: the closest that serves
_NEAR = (2e-3, 1e-2, 4e-2)
OFF = _NEAR[-1]
_MOST_LEGS = 24
_MOST_STEP_RAD = 0.9
# a bend is cut into even steps, or nearly
_UNEVEN = 2.5
_MOST_SWEEP_RAD = 5.8
# lengths of a rough spine are exact to this share of the wire's radius, its lines straight to this angle in rad
ROUGHLY = 0.01
STRAIGHT = 2e-3
# half the angle in degrees between lines that an arc joins
_SHARPEST, _BLUNTEST = 5.0, 87.0


def legs_of(spine: Spine) -> list[Bent] | None:
    """The lines and arcs of a spine: the end of each, and its middle if it is bent; None where they would be many."""
    nears = _NEAR[-1:] if spine.rough else _NEAR
    legs = next((made for near in nears if (made := _legs(spine.middles, near * spine.radius))), None)
    if legs is None or not spine.rough:
        return legs
    return _tangent(spine.middles[0], _without_short(spine.middles[0], legs, spine.radius))


def straight(direction: Floats) -> Floats:
    """A direction along an axis of the world, where it nearly is, whichever way it points."""
    along = straightened(direction, STRAIGHT)
    return along if float(along @ direction) > 0 else -along


def _legs(points: Floats, off: float) -> list[Bent] | None:
    """Lines and arcs along points (n, 3), each as far as it serves: its end, and its middle if it is bent."""
    legs: list[Bent] = []
    here, last = 0, len(points) - 1
    while here < last:
        line = _line(points, here, off)
        arc, mid = _bend(points, here, off)
        end, middle = (line, None) if line >= arc else (arc, mid)
        legs.append((points[end], middle))
        here = end
        if len(legs) > _MOST_LEGS:
            return None
    return legs


def _without_short(start: Floats, legs: list[Bent], radius: float) -> list[Bent]:
    """Leave out lines at the ends, and of two lines one after the other, that are no longer than a stretch."""
    kept: list[Bent] = []
    for k, (end, mid) in enumerate(legs):
        before = kept[-1][0] if kept else start
        short = mid is None and float(np.linalg.norm(end - before)) < 2 * STRETCH * radius
        if short and k == len(legs) - 1 and kept:
            continue
        if kept and mid is None and kept[-1][1] is None:
            was = kept[-2][0] if len(kept) > 1 else start
            if short or float(np.linalg.norm(before - was)) < 2 * STRETCH * radius:
                kept[-1] = (end, None)
                continue
        kept.append((end, mid))
    return kept


def _tangent(start: Floats, legs: list[Bent]) -> list[Bent]:
    """Let each arc between two lines touch both: where lines are known well, what lies between them follows."""
    made = list(legs)
    for k in range(1, len(legs) - 1):
        (first, bend), (mid, (last, after)) = made[k - 1], (made[k][1], made[k + 1])
        if mid is None or bend is not None or after is not None:
            continue
        origin = made[k - 2][0] if k > 1 else start
        u, v = (w / np.linalg.norm(w) for w in (first - origin, last - made[k][0]))
        u, v = straight(u), straight(v)
        half = float(np.arccos(np.clip(-u @ v, -1.0, 1.0))) / 2
        if not _SHARPEST < np.degrees(half) < _BLUNTEST:
            continue
        # where the lines come nearest to each other
        way = last - origin
        cosine = float(u @ v)
        along = (float(way @ u) - cosine * float(way @ v)) / (1 - cosine**2)
        back = (cosine * float(way @ u) - float(way @ v)) / (1 - cosine**2)
        corner = (origin + along * u + last + back * v) / 2
        inwards = (v - u) / np.linalg.norm(v - u)
        round_ = float(np.linalg.norm(mid - corner)) / (1 / np.sin(half) - 1)
        round_ = nice(round_, ROUGHLY * round_)
        made[k - 1] = (corner - round_ / np.tan(half) * u, None)
        made[k] = (corner + round_ / np.tan(half) * v, corner + round_ * (1 / np.sin(half) - 1) * inwards)
    return made


def _line(points: Floats, here: int, off: float) -> int:
    """Up to which point a line from `here` goes."""
    end = here + 1
    while end + 1 < len(points):
        chord = points[end + 1] - points[here]
        between = points[here + 1 : end + 1] - points[here]
        along = np.clip(between @ chord / float(chord @ chord), 0.0, 1.0)
        if np.linalg.norm(between - along[:, None] * chord, axis=1).max() > 0.5 * off:
            break
        end += 1
    return end


def _bend(points: Floats, here: int, off: float) -> tuple[int, Floats | None]:
    """Up to which point an arc from `here` goes, and its middle; no farther than `here` if there is none."""
    found: tuple[int, Floats | None] = (here, None)
    for end in range(here + 2, len(points)):
        circle = circle_in_space(points[here], points[(here + end) // 2], points[end])
        if circle is None:
            break
        centre, radius, normal = circle
        away = points[here : end + 1] - centre
        flat = away - np.outer(away @ normal, normal)
        apart = np.hypot(np.linalg.norm(flat, axis=1) - radius, away @ normal)
        x = away[0] / radius
        angle = np.unwrap(np.arctan2(flat @ np.cross(normal, x), flat @ x))
        steps = np.diff(angle)
        uneven = steps.max() > _MOST_STEP_RAD or steps.max() > _UNEVEN * steps.min()
        if apart.max() > off or uneven or angle[-1] > _MOST_SWEEP_RAD:
            break
        half = angle[-1] / 2
        found = end, centre + radius * (np.cos(half) * x + np.sin(half) * np.cross(normal, x))
    return found

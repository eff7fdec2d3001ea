"""Write the half-profile of a turned body with its diameters and shoulder heights as named dimensions.

Corners that no cylinder or shoulder fixes (chamfers, fillets) are written relative to the neighbour that one does, so
that a changed diameter carries its chamfer along.
"""

from __future__ import annotations

import itertools

from cad_pipeline.generators.geometric.numbers import nice, text
from cad_pipeline.generators.geometric.parameters import Levels, ParameterBook, is_zero, total
from cad_pipeline.generators.geometric.shapes2d import Outline
from cad_pipeline.generators.geometric.sketch_text import arc_call, half

__all__ = ["profile_calls"]

Pair = tuple[float, float]


def profile_calls(profile: Outline, book: ParameterBook, levels: Levels) -> str:
    """Write the calls that draw `profile`, (radius, height) points relative to the datum, as a closed wire."""
    points = [s.end for s in profile.segments]
    bulged = [s.mid is not None for s in profile.segments]  # segment k runs from point k-1 to point k
    safe = all(
        ".radiusArc" in arc_call(points[k - 1], s.mid, s.end)
        for k, s in enumerate(profile.segments)
        if s.mid is not None
    )
    radii, heights = _fixed(points, bulged)
    if safe:
        r_text = _expressions([p[0] for p in points], radii, _diameters(radii, book))
        z_text = _expressions([p[1] for p in points], heights, _heights(heights, levels))
    else:
        r_text, z_text = ([text(p[k]) for p in points] for k in (0, 1))
    corners = [f"({r}, {z})" for r, z in zip(r_text, z_text, strict=True)]
    if not any(bulged):
        return f".polyline([{', '.join([corners[-1], *corners[:-1]])}]).close()"
    calls = [f".moveTo{corners[-1]}"]
    for k, segment in enumerate(profile.segments):
        last = k == len(points) - 1
        if segment.mid is not None:
            calls.append(arc_call(points[k - 1], segment.mid, segment.end, corners[k]) + (".close()" if last else ""))
        else:
            calls.append(".close()" if last else f".lineTo{corners[k]}")
    return "".join(calls)


def _fixed(points: list[Pair], bulged: list[bool]) -> tuple[list[float | None], list[float | None]]:
    """Radii that a cylinder fixes and heights that a shoulder fixes, per point; None elsewhere."""
    radii: list[float | None] = [None] * len(points)
    heights: list[float | None] = [None] * len(points)
    for k, here in enumerate(points):
        before = points[k - 1]
        if bulged[k]:
            continue
        if is_zero(here[0] - before[0]):
            radii[k] = radii[k - 1] = here[0]
        if is_zero(here[1] - before[1]):
            heights[k] = heights[k - 1] = here[1]
    return radii, heights


def _diameters(radii: list[float | None], book: ParameterBook) -> dict[float, str]:
    """Name diameters, the largest first; one a little smaller than a named one (a groove) is written relative to it."""
    known: dict[float, str] = {}
    for radius in sorted({r for r in radii if r is not None}, reverse=True):
        larger = min((r for r in known if r > radius), default=None)
        if is_zero(radius):
            known[radius] = "0.0"
        elif larger is not None and radius > 0.88 * larger and " / 2" in known[larger]:
            known[radius] = total(known[larger], text(nice(radius - larger, 1e-7)))
        else:
            known[radius] = half(book.name("turned", "d", 2 * radius))
    return known


def _heights(heights: list[float | None], levels: Levels) -> dict[float, str]:
    """Name shoulder heights upwards, each by its distance from the one below, so that their order survives edits."""
    known: dict[float, str] = {}
    values = sorted({h for h in heights if h is not None})
    for low, high in itertools.pairwise(values):
        if levels.find(low) is None and not known:
            levels.learn(low, text(low))
        at_low, rise = levels.span("turned", low, high)
        known[low] = at_low
        known[high] = levels.find(high) or total(at_low, rise)
    for value in values:
        known.setdefault(value, levels.find(value) or text(value))
    return known


def _expressions(values: list[float], fixed: list[float | None], known: dict[float, str]) -> list[str]:
    result = []
    n = len(values)
    for k, value in enumerate(values):
        if fixed[k] is not None:
            result.append(known[fixed[k]])  # type: ignore[index]
            continue
        neighbour = next((fixed[j] for j in ((k + 1) % n, k - 1) if fixed[j] is not None), None)
        if neighbour is None or neighbour == 0 or known[neighbour] == text(neighbour):
            result.append(text(value))
            continue
        delta = nice(value - neighbour, 1e-7)
        result.append(total(known[neighbour], text(delta)))
    return result

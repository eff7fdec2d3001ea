"""Balls: as features, and where they are bodies by themselves, as in bearings and ball valves."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from cad_pipeline.generators.geometric.features import Feature, Revolution
from cad_pipeline.generators.geometric.frame import WORLD, Frame
from cad_pipeline.generators.geometric.numbers import nice
from cad_pipeline.generators.geometric.scale import Scale
from cad_pipeline.generators.geometric.shapes2d import Outline, Segment
from cad_pipeline.generators.geometric.shells import mesh_of, shells_of
from cad_pipeline.generators.geometric.solids import Manifold

__all__ = ["ball", "ball_of", "loose_balls"]

# a ball's corners lie on a sphere to this share of its radius, and its facets take off no more of its volume than that
_ROUND = 2e-3
_TAKEN_OFF = 0.06
_LEAST_CORNERS = 20
_CRUMB = 1e-6
# lengths are made rounder by no more than this share of the part's size
_REACH = 2e-5


def ball(middle: NDArray[np.float64], radius: float) -> Revolution:
    """A ball about a point (3,) of the world, in mm: half a disc, turned."""
    profile = Outline((Segment((0.0, radius), mid=(radius, 0.0)), Segment((0.0, -radius))))
    return Revolution(Frame(middle, WORLD.axes), profile)


def ball_of(feature: Feature) -> tuple[NDArray[np.float64], float] | None:
    """The middle (3,) in mm and the radius of what is a whole ball; None where it is none."""
    if not isinstance(feature, Revolution) or len(feature.profile.segments) != 2:
        return None
    arc, line = feature.profile.segments
    if arc.mid is None or line.mid is not None or arc.end[0] != 0.0 or line.end[0] != 0.0:
        return None
    radius, height = (arc.end[1] - line.end[1]) / 2, (arc.end[1] + line.end[1]) / 2
    if radius <= 0.0 or not math.isclose(arc.mid[0], radius) or not math.isclose(arc.mid[1], height, abs_tol=1e-9):
        return None
    return feature.frame.origin + height * feature.frame.axes[2], radius


def loose_balls(solid: Manifold, scale: Scale) -> list[Feature]:
    """List the bodies of a solid that are balls."""
    found: list[Feature] = []
    for body, volume in shells_of(solid).solids(_CRUMB * solid.volume()):
        points, _ = mesh_of(body)
        if len(points) < _LEAST_CORNERS:
            continue
        rows = np.column_stack([2 * points, np.ones(len(points))])
        (x, y, z, _), *_ = np.linalg.lstsq(rows, (points**2).sum(axis=1), rcond=None)
        middle = np.array([x, y, z])
        distance = np.linalg.norm(points - middle, axis=1)
        radius = float(distance.mean())
        whole = 4.0 / 3.0 * np.pi * radius**3
        if np.abs(distance - radius).max() < _ROUND * radius and (1 - _TAKEN_OFF) * whole < volume < whole * (
            1 + _ROUND
        ):
            reach = _REACH * scale.size
            found.append(ball(np.array([nice(float(v), reach) for v in middle]), nice(radius, reach)))
    return found

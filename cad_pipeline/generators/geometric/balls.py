"""Balls that are bodies by themselves, as in bearings and ball valves."""

from __future__ import annotations

import numpy as np

from cad_pipeline.generators.geometric.features import Feature, ball
from cad_pipeline.generators.geometric.numbers import nice
from cad_pipeline.generators.geometric.scale import Scale
from cad_pipeline.generators.geometric.shells import mesh_of, shells_of
from cad_pipeline.generators.geometric.solids import Manifold

__all__ = ["loose_balls"]

# a ball's corners lie on a sphere to this share of its radius, and its facets take off no more of its volume than that
_ROUND = 2e-3
_TAKEN_OFF = 0.06
_LEAST_CORNERS = 20
_CRUMB = 1e-6
# lengths are made rounder by no more than this share of the part's size
_REACH = 2e-5


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

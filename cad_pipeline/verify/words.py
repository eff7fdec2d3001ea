"""What differs, in words that a machinist would use."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from cad_pipeline.values import Region

__all__ = ["at", "box_words", "mm", "place_words", "region_words"]

_NEAR = " near "
_SHOWN = 3
_GROUPS = 4


def mm(length: float) -> str:
    """Write a length in mm as a drawing would: tenths from 1 mm on, two digits below."""
    return f"{length:.0f}" if abs(length) >= 100.0 else f"{length:.1f}" if abs(length) >= 1.0 else f"{length:.2g}"


def at(what: str, place: NDArray[np.float64]) -> str:
    """Say what is near which place (3,), in mm."""
    return f"{what}{_NEAR}{place_words(place)}"


def place_words(place: NDArray[np.float64]) -> str:
    """Write a place (3,) in mm to three digits; a coordinate below a thousandth of the largest one is noise, and 0."""
    least = 1e-3 * float(np.abs(place).max())
    return f"({', '.join(f'{x:.3g}' for x in np.where(np.abs(place) < least, 0.0, place) + 0.0)})"


def region_words(regions: Sequence[Region]) -> list[str]:
    """Put equal pieces together: `2 × hole ⌀4.0 missing near (10, 20, 5) and (30, 20, 5)`; the largest come first."""
    groups: dict[str, list[str]] = {}
    for region in regions:
        what, _, place = region.words.rpartition(_NEAR)
        groups.setdefault(what or place, []).append(place if what else "")
    said = []
    for what, places in list(groups.items())[:_GROUPS]:
        shown = [place for place in places if place][:_SHOWN]
        rest = len(places) - len(shown)
        where = " and ".join(shown) + (f" and {rest} more" if shown and rest > 0 else "")
        count = f"{len(places)} × " if len(places) > 1 else ""
        said.append(f"{count}{what}{_NEAR}{where}" if where else f"{count}{what}")
    beyond = sum(len(places) for places in list(groups.values())[_GROUPS:])
    return [*said, f"{beyond} smaller pieces"] if beyond else said


def box_words(target: NDArray[np.float64], result: NDArray[np.float64], visible: float) -> list[str]:
    """Say along which axis the result's box (2, 3) is too long, too short or shifted by more than `visible` mm."""
    said = []
    for axis, (low, high) in enumerate((result - target).T):
        name = "xyz"[axis]
        if abs(high - low) > visible:
            said.append(f"{mm(abs(high - low))} mm too {'long' if high > low else 'short'} along {name}")
        elif abs(high + low) / 2.0 > visible:
            said.append(f"shifted by {mm((high + low) / 2.0)} mm along {name}")
    return said

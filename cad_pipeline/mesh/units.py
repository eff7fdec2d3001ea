"""Names of length units and the millimetres in each."""

from __future__ import annotations

from cad_pipeline.errors import InputError

__all__ = ["MM_PER_UNIT", "UNIT_ALIASES", "canonical_unit", "size_doubt"]

MM_PER_UNIT: dict[str, float] = {
    "um": 1e-3,
    "mm": 1.0,
    "cm": 10.0,
    "dm": 100.0,
    "m": 1000.0,
    "km": 1e6,
    "mil": 0.0254,
    "inch": 25.4,
    "ft": 304.8,
    "yd": 914.4,
}

UNIT_ALIASES: dict[str, str] = {
    "µm": "um",
    "μm": "um",
    "micron": "um",
    "microns": "um",
    "micrometer": "um",
    "micrometre": "um",
    "micrometers": "um",
    "micrometres": "um",
    "millimeter": "mm",
    "millimetre": "mm",
    "millimeters": "mm",
    "millimetres": "mm",
    "centimeter": "cm",
    "centimetre": "cm",
    "centimeters": "cm",
    "centimetres": "cm",
    "decimeter": "dm",
    "decimetre": "dm",
    "meter": "m",
    "metre": "m",
    "meters": "m",
    "metres": "m",
    "kilometer": "km",
    "kilometre": "km",
    "thou": "mil",
    "mils": "mil",
    "in": "inch",
    "inches": "inch",
    '"': "inch",
    "foot": "ft",
    "feet": "ft",
    "'": "ft",
    "yard": "yd",
    "yards": "yd",
}

SMALLEST_PLAUSIBLE_MM = 0.1
LARGEST_PLAUSIBLE_MM = 100_000.0


def canonical_unit(name: str) -> str:
    """Give the short name of a unit, e.g. `Inches` → `inch`; raise `InputError` for an unknown one."""
    key = name.strip().lower()
    key = UNIT_ALIASES.get(key, key)
    if key not in MM_PER_UNIT:
        raise InputError(f"expected a length unit, got {name!r}; use one of {', '.join(MM_PER_UNIT)}")
    return key


def size_doubt(longest_side_mm: float) -> str | None:
    """Say in words that a part of this size (mm) is hardly what was meant, or None for a plausible one."""
    if SMALLEST_PLAUSIBLE_MM <= longest_side_mm <= LARGEST_PLAUSIBLE_MM:
        return None
    how = "tiny" if longest_side_mm < SMALLEST_PLAUSIBLE_MM else "huge"
    return (
        f"warning: the part is {how} (longest side {longest_side_mm:.4g} mm); "
        f"if its numbers are not millimetres, give the unit, e.g. --unit {'m' if how == 'tiny' else 'um'}"
    )

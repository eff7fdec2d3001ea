"""Names for drilled diameters that are a metric screw's own: clearance holes of ISO 273, tap drills of ISO 2306."""

from __future__ import annotations

__all__ = ["hole_name"]

# nominal thread: clearance fine, medium, coarse (ISO 273), and the tap drill of its coarse pitch (ISO 2306), in mm
_SCREWS = {
    "M2": (2.2, 2.4, 2.6, 1.6),
    "M2.5": (2.7, 2.9, 3.1, 2.05),
    "M3": (3.2, 3.4, 3.6, 2.5),
    "M4": (4.3, 4.5, 4.8, 3.3),
    "M5": (5.3, 5.5, 5.8, 4.2),
    "M6": (6.4, 6.6, 7.0, 5.0),
    "M8": (8.4, 9.0, 10.0, 6.8),
    "M10": (10.5, 11.0, 12.0, 8.5),
    "M12": (13.0, 13.5, 14.5, 10.2),
    "M16": (17.0, 17.5, 18.5, 14.0),
    "M20": (21.0, 22.0, 24.0, 17.5),
}
_FITS = ("fine", "medium", "coarse")
_SAME = 1e-4


def hole_name(diameter: float, *, blind: bool) -> str:
    """What a hole of `diameter` mm is standard for, or nothing.

    Whole millimetres are anybody's diameter: of those only medium clearance counts, and a blind tap drill.
    """
    whole = abs(diameter - round(diameter)) < _SAME
    taps = [
        f"tap drill of {screw}"
        for screw, (*_, tap) in _SCREWS.items()
        if abs(tap - diameter) < _SAME and (blind or not whole)
    ]
    clearances = [
        f"clearance of {screw}, {fit}"
        for screw, (*sizes, _) in _SCREWS.items()
        for fit, size in zip(_FITS, sizes, strict=True)
        if abs(size - diameter) < _SAME and (fit == "medium" or not whole)
    ]
    # a screw is put through what is open, and turned into what is not
    return next(iter([*taps, *clearances] if blind else [*clearances, *taps]), "")

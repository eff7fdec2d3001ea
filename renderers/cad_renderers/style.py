"""How a part looks: material, lights, ink and ground, all data.

Directions of lights point from the part towards the light. Colours are sRGB in [0, 1]; light is added in that space, as
CAD viewers do.
"""

from __future__ import annotations

import enum
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

__all__ = ["CAD_GREY", "EdgeSet", "Ink", "Light", "LightFrame", "Material", "Style"]

Color = tuple[float, float, float]
_T = TypeVar("_T")


class LightFrame(enum.StrEnum):
    """Whether a light moves with the camera (so that no view is dark) or stays with the part."""

    CAMERA = "camera"
    PART = "part"


class EdgeSet(enum.StrEnum):
    """Which lines are drawn: none, the silhouettes alone, features and borders too, or also where planes turn round.

    `TANGENTS` guesses from the triangles where a plane runs smoothly into a rounding, a line that CAD viewers draw
    because they know the faces. It finds such borders of planes, not those between two curved faces.
    """

    NONE = "none"
    SILHOUETTES = "silhouettes"
    FEATURES = "features"
    TANGENTS = "tangents"


def _checked_color(name: str, color: Any) -> Color:
    values = tuple(float(c) for c in color)
    if len(values) != 3 or not all(0.0 <= c <= 1.0 for c in values):
        raise ValueError(f"expected {name} as three numbers in [0, 1], got {color}")
    return values


def _from_json(kind: type[_T], data: Mapping[str, Any]) -> _T:
    known = {f.name for f in fields(kind)}  # type: ignore[arg-type]
    if unknown := set(data) - known:
        raise ValueError(f"{kind.__name__}: expected some of {sorted(known)}, got {sorted(unknown)}")
    return kind(**data)


@dataclass(frozen=True, slots=True, kw_only=True)
class Material:
    """The part's surface: its colour and how it answers ambient, diffuse and mirrored light (Blinn-Phong)."""

    color: Color = (0.80, 0.81, 0.83)
    ambient: float = 0.48
    diffuse: float = 0.70
    specular: float = 0.06
    shininess: int = 24

    def __post_init__(self) -> None:
        object.__setattr__(self, "color", _checked_color("color", self.color))
        if min(self.ambient, self.diffuse, self.specular) < 0.0 or self.shininess < 1:
            raise ValueError(f"expected shares of light ≥ 0 and shininess ≥ 1, got {self}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Light:
    """A light infinitely far away; in the camera's frame x is right, y is up and z comes towards the viewer."""

    toward: tuple[float, float, float]
    intensity: float = 1.0
    frame: LightFrame = LightFrame.CAMERA

    def __post_init__(self) -> None:
        toward = tuple(float(x) for x in self.toward)
        if len(toward) != 3 or not math.hypot(*toward) > 0.0:
            raise ValueError(f"expected a light's direction as three numbers, not all zero; got {self.toward}")
        object.__setattr__(self, "toward", toward)
        object.__setattr__(self, "frame", LightFrame(self.frame))


@dataclass(frozen=True, slots=True, kw_only=True)
class Ink:
    """The lines: widths hold for images up to 256 px and then grow with the square root of their size.

    `crease_deg` is the turn between two triangles above which their common edge is a feature; below it the surface is
    shaded as one smooth piece.
    """

    edges: EdgeSet = EdgeSet.FEATURES
    color: Color = (0.09, 0.09, 0.11)
    width_px: float = 1.1
    silhouette_width_px: float = 1.1
    opacity: float = 0.95
    crease_deg: float = 25.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "edges", EdgeSet(self.edges))
        object.__setattr__(self, "color", _checked_color("color", self.color))
        if not 0.0 < self.crease_deg < 180.0:
            raise ValueError(f"expected crease_deg between 0 and 180, got {self.crease_deg}")
        if min(self.width_px, self.silhouette_width_px) < 0.0 or not 0.0 <= self.opacity <= 1.0:
            raise ValueError(f"expected widths ≥ 0 and opacity in [0, 1], got {self}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Style:
    """Everything about the look of a picture; `samples_per_axis` is the supersampling of the shaded surface."""

    name: str = "cad-grey"
    material: Material = Material()
    lights: tuple[Light, ...] = (
        Light(toward=(-0.35, 0.55, 0.80), intensity=0.72),
        Light(toward=(0.45, -0.05, 0.90), intensity=0.28),
    )
    ink: Ink = Ink()
    background: Color = (1.0, 1.0, 1.0)
    samples_per_axis: int = 2

    def __post_init__(self) -> None:
        object.__setattr__(self, "background", _checked_color("background", self.background))
        if self.samples_per_axis not in range(1, 9):
            raise ValueError(f"expected samples_per_axis from 1 to 8, got {self.samples_per_axis}")

    def to_json(self) -> dict[str, Any]:
        """Return the style as plain data, which `from_json` reads back."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Style:
        """Read a style from plain data; what is left out keeps its default."""
        values = dict(data)
        for key, kind in (("material", Material), ("ink", Ink)):
            if key in values:
                values[key] = _from_json(kind, values[key])
        if "lights" in values:
            values["lights"] = tuple(_from_json(Light, light) for light in values["lights"])
        return _from_json(cls, values)

    @classmethod
    def load(cls, source: str | Path) -> Style:
        """Find a style by its preset name, or read it from a JSON file."""
        if str(source) in _PRESETS:
            return _PRESETS[str(source)]
        path = Path(source)
        if not path.is_file():
            raise ValueError(f"expected a style's name ({', '.join(_PRESETS)}) or a JSON file, got {str(source)!r}")
        try:
            return cls.from_json(json.loads(path.read_text(encoding="utf-8")))
        except (TypeError, AttributeError, ValueError) as error:
            raise ValueError(f"expected a style in {path}, got: {error}") from error


CAD_GREY = Style()
"""Light grey on white with dark feature lines, as a CAD viewer shows a part."""

_PRESETS = {style.name: style for style in (CAD_GREY,)}

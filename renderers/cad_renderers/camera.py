"""From where a part is looked at: cameras, rigs of cameras, and how a part is fitted into the frame.

The part's own axes, Z up. All cameras are orthographic.
"""

from __future__ import annotations

import enum
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["CORNER_ISO", "RING_35", "Camera", "Fit", "Rig"]

_ISO_ELEVATION_DEG = math.degrees(math.atan(math.sqrt(0.5)))
_PARALLEL = 0.9999


class Fit(enum.StrEnum):
    """How the part is fitted into the square frame.

    `BOX` fits the projected corners of the part's box in each view, as the "fit all" of CAD viewers does; from the
    eight corners of a cube all views then share one scale. `TIGHT` lets each view's own silhouette fill the frame.
    `SHARED` keeps the box's centre in the middle and takes one scale, the largest that fits every view (turntables).
    """

    BOX = "box"
    TIGHT = "tight"
    SHARED = "shared"


@dataclass(frozen=True, slots=True, kw_only=True)
class Camera:
    """An orthographic camera that looks at the part's middle.

    `eye` points from the part towards the camera and `up` is what shall be up in the picture; both in the part's axes,
    of any length. If they are (nearly) parallel, Y is up instead, as in a CAD viewer's top view.
    """

    name: str
    eye: tuple[float, float, float]
    up: tuple[float, float, float] = (0.0, 0.0, 1.0)

    def __post_init__(self) -> None:
        for key in ("eye", "up"):
            vector = tuple(float(x) for x in getattr(self, key))
            if len(vector) != 3 or not all(map(math.isfinite, vector)) or not any(vector):
                raise ValueError(
                    f"camera {self.name!r}: {key} must be three finite numbers, not all zero; got {vector}"
                )
            object.__setattr__(self, key, vector)

    @classmethod
    def at(cls, name: str, *, azimuth_deg: float, elevation_deg: float) -> Camera:
        """Place a camera by angles: azimuth from +X towards +Y, elevation above the XY plane. Front (-Y) is -90°."""
        az, el = math.radians(azimuth_deg), math.radians(elevation_deg)
        return cls(name=name, eye=(math.cos(el) * math.cos(az), math.cos(el) * math.sin(az), math.sin(el)))

    @property
    def axes(self) -> NDArray[np.float64]:
        """Unit vectors (3, 3) in the part's axes: rows are right, up, and towards the eye."""
        toward = np.array(self.eye) / math.hypot(*self.eye)
        up = np.array(self.up) / math.hypot(*self.up)
        if abs(float(up @ toward)) > _PARALLEL:
            up = np.array((0.0, 1.0, 0.0)) if abs(toward[1]) < _PARALLEL else np.array((0.0, 0.0, 1.0))
        right = np.cross(up, toward)
        right /= np.linalg.norm(right)
        return np.array([right, np.cross(toward, right), toward])

    def to_json(self) -> dict[str, Any]:
        """Return the camera as plain data."""
        return {"name": self.name, "eye": list(self.eye), "up": list(self.up)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Camera:
        """Read a camera from plain data: a name and either `azimuth_deg` with `elevation_deg`, or `eye` (and `up`)."""
        keys = set(data)
        if keys == {"name", "azimuth_deg", "elevation_deg"}:
            return cls.at(
                str(data["name"]),
                azimuth_deg=float(data["azimuth_deg"]),
                elevation_deg=float(data["elevation_deg"]),
            )
        if {"name", "eye"} <= keys <= {"name", "eye", "up"}:
            return cls(name=str(data["name"]), eye=tuple(data["eye"]), up=tuple(data.get("up", (0.0, 0.0, 1.0))))
        raise ValueError(
            f"expected a camera with name, azimuth_deg, elevation_deg or name, eye, up; got {sorted(keys)}"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rig:
    """A named row of cameras and how the part fits their frames; `margin` is the share of the frame left free."""

    name: str
    cameras: tuple[Camera, ...]
    fit: Fit = Fit.BOX
    margin: float = 0.01

    def __post_init__(self) -> None:
        if not self.cameras:
            raise ValueError(f"rig {self.name!r}: expected at least one camera, got none")
        names = [camera.name for camera in self.cameras]
        if len(set(names)) != len(names):
            raise ValueError(f"rig {self.name!r}: camera names must differ, got {names}")
        if not 0.0 <= self.margin < 0.9:
            raise ValueError(f"rig {self.name!r}: margin must lie in [0, 0.9), got {self.margin}")

    def __iter__(self) -> Iterator[Camera]:
        return iter(self.cameras)

    def __len__(self) -> int:
        return len(self.cameras)

    def to_json(self) -> dict[str, Any]:
        """Return the rig as plain data, which `from_json` reads back."""
        cameras = [camera.to_json() for camera in self.cameras]
        return {"name": self.name, "fit": self.fit.value, "margin": self.margin, "cameras": cameras}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Rig:
        """Read a rig from plain data."""
        unknown = set(data) - {"name", "fit", "margin", "cameras"}
        if unknown or "cameras" not in data:
            raise ValueError(f"expected a rig with cameras and at most name, fit, margin; got {sorted(data)}")
        return cls(
            name=str(data.get("name", "rig")),
            cameras=tuple(Camera.from_json(camera) for camera in data["cameras"]),
            fit=Fit(data.get("fit", Fit.BOX.value)),
            margin=float(data.get("margin", 0.01)),
        )

    @classmethod
    def load(cls, source: str | Path) -> Rig:
        """Find a rig by its preset name, or read it from a JSON file."""
        if str(source) in _PRESETS:
            return _PRESETS[str(source)]
        path = Path(source)
        if not path.is_file():
            raise ValueError(f"expected a rig's name ({', '.join(_PRESETS)}) or a JSON file, got {str(source)!r}")
        try:
            return cls.from_json(json.loads(path.read_text(encoding="utf-8")))
        except (TypeError, AttributeError, ValueError) as error:
            raise ValueError(f"expected a rig in {path}, got: {error}") from error


def _corner(x: int, y: int, z: int) -> Camera:
    depth, side, height = "front" if y < 0 else "rear", "right" if x > 0 else "left", "top" if z > 0 else "bottom"
    return Camera(name=f"{depth}-{side}-{height}", eye=(x, y, z))


CORNER_ISO = Rig(
    name="corner-iso",
    cameras=tuple(_corner(x, y, z) for y in (-1, 1) for z in (1, -1) for x in (1, -1)),
)
"""The eight corners of a cube: four in front (-Y), then four behind; image 0 is the (+X, -Y, +Z) isometric view."""

RING_35 = Rig(
    name="ring-35",
    cameras=tuple(
        Camera.at(f"azimuth{azimuth:+04d}", azimuth_deg=azimuth, elevation_deg=_ISO_ELEVATION_DEG)
        for azimuth in range(-135, 181, 45)
    ),
)
"""Eight azimuths 45° apart at 35.26° elevation, from the left front round to the left."""

_PRESETS = {rig.name: rig for rig in (CORNER_ISO, RING_35)}

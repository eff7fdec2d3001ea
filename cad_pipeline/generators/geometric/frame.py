"""A right-handed frame in which a feature is simple: its own z is the direction of extrusion."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["WORLD", "Frame", "frame_along", "straightened", "upright"]

Vector = NDArray[np.float64]
# angles in rad that are no more than rounding
_NEARLY = 1e-4


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """An origin (3,) in mm and three orthonormal axes, the rows of `axes` (3, 3)."""

    origin: Vector
    axes: Vector

    def to_local(self, points: Vector) -> Vector:
        """Express world points (n, 3) in this frame."""
        return np.asarray((points - self.origin) @ self.axes.T)

    def to_world(self, points: Vector) -> Vector:
        """Express local points (n, 3) in the world's frame."""
        return np.asarray(points @ self.axes + self.origin)

    def moved(self, local: Vector) -> Frame:
        """Shift the origin by a vector given in this frame."""
        return Frame(self.origin + np.asarray(local, dtype=np.float64) @ self.axes, self.axes)

    @property
    def plane_name(self) -> str | None:
        """CadQuery's name of the plane with these axes (`XY`, `XZ`, …), or None if it has none."""
        for name, x_dir, normal in _NAMED:
            if np.allclose(self.axes[0], x_dir, atol=1e-9) and np.allclose(self.axes[2], normal, atol=1e-9):
                return name
        return None


WORLD = Frame(np.zeros(3), np.eye(3))
_NAMED = (
    ("XY", (1, 0, 0), (0, 0, 1)),
    ("YZ", (0, 1, 0), (1, 0, 0)),
    ("XZ", (1, 0, 0), (0, -1, 0)),
    ("ZX", (0, 0, 1), (0, 1, 0)),
    ("YX", (0, 1, 0), (0, 0, -1)),
    ("ZY", (0, 0, 1), (-1, 0, 0)),
)


def frame_along(normal: Vector, origin: Vector, x_hint: Vector | None = None) -> Frame:
    """Make a frame whose z is `normal`; a named plane where it is one, else x along `x_hint`."""
    normal = normal / np.linalg.norm(normal)
    for name_x, name_n in ((x, n) for _, x, n in _NAMED):
        if x_hint is None and np.allclose(normal, name_n, rtol=0.0, atol=1e-12):
            x_dir = np.array(name_x, dtype=np.float64)
            return Frame(origin, np.array([x_dir, np.cross(normal, x_dir), normal]))
    if x_hint is None:
        x_hint = np.eye(3)[int(np.argmin(np.abs(normal)))]
    x_dir = x_hint - normal * float(x_hint @ normal)
    x_dir = x_dir / np.linalg.norm(x_dir)
    return Frame(origin, np.array([x_dir, np.cross(normal, x_dir), normal]))


def straightened(direction: Vector, within: float) -> Vector:
    """Take a unit vector that is `within` (rad) of an axis of the world for it.

    Else one that nearly lies in a plane of the world is put there, and at half a degree if it nearly is.
    """
    k = int(np.argmax(np.abs(direction)))
    if np.abs(np.delete(direction, k)).max() < within:
        return np.asarray(np.eye(3)[k])
    near = min(within, _NEARLY)
    plain = np.where(np.abs(direction) < near, 0.0, direction)
    left = np.nonzero(plain)[0]
    if len(left) == 2:
        angle = np.arctan2(direction[left[1]], direction[left[0]])
        round_ = np.radians(np.round(2 * np.degrees(angle)) / 2)
        if abs(angle - round_) < near:
            plain[left] = np.cos(round_), np.sin(round_)
    return np.asarray(plain / np.linalg.norm(plain))


def upright(direction: Vector) -> Vector:
    """Turn a direction so that its largest component is positive, since a line has no sense."""
    return direction if direction[int(np.argmax(np.abs(direction)))] > 0 else -direction

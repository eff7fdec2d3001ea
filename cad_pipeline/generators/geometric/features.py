"""The intermediate representation: what a program does, feature by feature, before it is text.

A `FeatureProgram` is a tuple of features applied in order to nothing; every feature adds or cuts one solid. Each knows
its frame, so a feature on any axis is written like any other. Lengths in mm.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from cad_pipeline.generators.geometric.frame import WORLD, Frame
from cad_pipeline.generators.geometric.routes import Helix, Route
from cad_pipeline.generators.geometric.shapes2d import Outline, Shape2D

Manifold = Any

__all__ = [
    "Blend",
    "BlendKind",
    "BlendedEdges",
    "Body",
    "Extrusion",
    "Feature",
    "FeatureProgram",
    "Hole",
    "Loft",
    "Mode",
    "Moves",
    "Repeated",
    "Revolution",
    "Selection",
    "Sweep",
    "Turns",
    "Twice",
    "about_blends",
    "count_numbers",
    "count_statements",
    "length",
    "runs",
    "weight_of",
]

# a statement is as much to read as so many numbers; where there are many, each further one is hard to survey
STATEMENT = 5
MANY = 15
STATEMENT_OF_MANY = 30


class Mode(enum.Enum):
    """Whether a feature's solid is joined to the part or taken from it."""

    ADD = "add"
    CUT = "cut"


class BlendKind(enum.Enum):
    """How the rim of a prism's end is broken."""

    FILLET = "fillet"
    CHAMFER = "chamfer"


@dataclass(frozen=True, slots=True)
class Blend:
    """A fillet of radius `size`, or a chamfer that takes `size` off the end face and `depth` off the wall."""

    kind: BlendKind
    size: float
    depth: float = 0.0

    @property
    def height(self) -> float:
        """How far along the wall the blend reaches."""
        return self.size if self.kind is BlendKind.FILLET else self.depth


@dataclass(frozen=True, slots=True)
class Selection:
    """Calls that pick `count` edges of a part in CadQuery, with so many numbers in them."""

    calls: str
    count: int
    numbers: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Extrusion:
    """A sketch swept along the frame's z from `low` to `high`; its end rims may be blended.

    `twist_deg` turns the sketch about the frame's z axis on the way, counter-clockwise.
    """

    frame: Frame
    shape: Shape2D
    low: float
    high: float
    mode: Mode = Mode.ADD
    bottom: Blend | None = None
    top: Blend | None = None
    twist_deg: float = 0.0

    @property
    def numbers(self) -> int:
        """How many numbers it takes to write it."""
        return (
            self.shape.numbers
            + 2
            + (self.twist_deg != 0.0)
            + 2 * (self.bottom is not None)
            + 2 * (self.top is not None)
        )


@dataclass(frozen=True, slots=True, eq=False)
class Revolution:
    """A profile of (radius, height) points turned about the frame's z axis."""

    frame: Frame
    profile: Outline
    mode: Mode = Mode.ADD

    @property
    def numbers(self) -> int:
        """How many numbers it takes to write it."""
        return self.profile.corner_numbers


@dataclass(frozen=True, slots=True, eq=False)
class Loft:
    """A ruled transition through two or more sketches, (height, sketch) upwards, with equally many corners each."""

    frame: Frame
    sections: tuple[tuple[float, Shape2D], ...]
    mode: Mode = Mode.ADD

    @property
    def numbers(self) -> int:
        """How many numbers it takes to write it."""
        return sum(shape.numbers + 1 for _, shape in self.sections)


@dataclass(frozen=True, slots=True, eq=False)
class Sweep:
    """A round wire of `radius` mm along a way in the frame; a tube where it has a `bore` (a radius in mm)."""

    frame: Frame
    path: Route | Helix
    radius: float
    bore: float = 0.0
    mode: Mode = Mode.ADD

    @property
    def numbers(self) -> int:
        """How many numbers it takes to write it."""
        return self.path.numbers + 1 + (self.bore > 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class Hole:
    """Equal drilled holes at `points` of the frame's plane z = 0, drilled towards −z; `depth` None means through all.

    A counterbore or a countersink widens the mouth; `countersink_angle` is the full cone angle in degrees.
    """

    frame: Frame
    points: tuple[tuple[float, float], ...]
    diameter: float
    depth: float | None
    length: float
    counterbore: tuple[float, float] | None = None
    countersink: tuple[float, float] | None = None
    mode: Mode = Mode.CUT

    @property
    def numbers(self) -> int:
        """How many numbers it takes to write it."""
        extra = 2 * (self.counterbore is not None) + 2 * (self.countersink is not None)
        return 2 * len(self.points) + 1 + (self.depth is not None) + extra


@dataclass(frozen=True, slots=True, eq=False)
class Body:
    """A solid of several features, made by itself and then joined or cut as one: a cavity with ribs in it, say."""

    features: tuple[Feature, ...]
    mode: Mode = Mode.ADD

    @property
    def frame(self) -> Frame:
        """The frame of its first feature."""
        return self.features[0].frame

    @property
    def numbers(self) -> int:
        """How many numbers it takes to write it."""
        return count_numbers(self.features)


@dataclass(frozen=True, slots=True, eq=False)
class Twice:
    """A feature and its image across the plane of its frame where the coordinate `axis` (0, 1, 2) is `at`."""

    feature: Feature
    axis: int
    at: float
    mode: Mode = Mode.ADD

    @property
    def frame(self) -> Frame:
        """The frame of the feature."""
        return self.feature.frame

    @property
    def numbers(self) -> int:
        """How many numbers it takes to write it."""
        return self.feature.numbers + 3


@dataclass(frozen=True, slots=True)
class Turns:
    """`count` places, turned evenly about the frame's z axis through `centre` (mm), the first by `start` degrees."""

    centre: tuple[float, float]
    count: int
    start: float = 0.0

    @property
    def numbers(self) -> int:
        """How many numbers it takes to write it."""
        return 3 + (self.start != 0.0) + 2 * (self.centre != (0.0, 0.0))


@dataclass(frozen=True, slots=True)
class Moves:
    """Places moved across the frame's plane by `steps` (mm), the first by nothing; `even` if they lie on a grid."""

    steps: tuple[tuple[float, float], ...]
    even: bool = False

    @property
    def numbers(self) -> int:
        """How many numbers it takes to write it."""
        return 4 if self.even else 2 * len(self.steps)


@dataclass(frozen=True, slots=True, eq=False)
class Repeated:
    """A feature at several places of a frame: the teeth of a gear, the ribs of a housing."""

    feature: Extrusion | Revolution | Loft
    frame: Frame
    places: Turns | Moves
    mode: Mode = Mode.ADD

    @property
    def numbers(self) -> int:
        """How many numbers it takes to write it."""
        return self.feature.numbers + self.places.numbers


@dataclass(frozen=True, slots=True, eq=False)
class BlendedEdges:
    """A fillet of radius `size` mm, or a chamfer with that set-back, at edges of what was made before.

    `volume` is what it takes off convex edges (`CUT`) or fills into concave ones (`ADD`), a solid in the world.
    """

    kind: BlendKind
    size: float
    edges: Selection
    volume: Manifold
    mode: Mode

    @property
    def frame(self) -> Frame:
        """The world's."""
        return WORLD

    @property
    def numbers(self) -> int:
        """How many numbers it takes to write it."""
        return 1 + self.edges.numbers


Feature = Extrusion | Revolution | Loft | Sweep | Hole | Body | Twice | Repeated | BlendedEdges


@dataclass(frozen=True, slots=True, eq=False)
class FeatureProgram:
    """Features in the order in which they are applied, and how the program came about, in a few words."""

    features: tuple[Feature, ...]
    route: str = ""

    @property
    def numbers(self) -> int:
        """About how many numbers it takes to write it."""
        return count_numbers(self.features)

    @property
    def length(self) -> int:
        """How much there is to read."""
        return length(self.features)


def runs(features: Sequence[Feature]) -> list[list[int]]:
    """Places of the features of each unbroken run of one mode; what a program begins with stands alone."""
    found: list[list[int]] = []
    for k, feature in enumerate(features[1:], start=1):
        if not found or features[found[-1][-1]].mode is not feature.mode:
            found.append([])
        found[-1].append(k)
    return found


def about_blends(features: Sequence[Feature], rewrite: Callable[[Sequence[Feature]], list[Feature]]) -> list[Feature]:
    """Rewrite what stands before the blends and what after them, each by itself: a blend picks edges of what was made.

    `rewrite` leaves the first feature that it is given in its place.
    """
    blends = [k for k, feature in enumerate(features) if isinstance(feature, BlendedEdges)]
    if not blends:
        return rewrite(features)
    first, last = blends[0], blends[-1] + 1
    return [*rewrite(features[:first]), *features[first:last], *rewrite([features[0], *features[last:]])[1:]]


def count_statements(features: Sequence[Feature]) -> int:
    """Estimate how many statements make solids: equal prisms at one height are one, a body is what it is made of."""
    total = 0
    seen: set[object] = set()
    for feature in features:
        if isinstance(feature, Body):
            total += count_statements(feature.features)
        elif not isinstance(feature, Extrusion):
            total += 1
        else:
            key = (id(feature.frame.axes), *_key(feature))
            total += key not in seen
            seen.add(key)
    return total


def length(features: Sequence[Feature]) -> int:
    """How much there is to read, in numbers: each statement counts besides."""
    return count_numbers(features) + weight_of(count_statements(features))


def weight_of(statements: int) -> int:
    """How much so many statements are to read, in numbers."""
    return STATEMENT * min(statements, MANY) + STATEMENT_OF_MANY * max(statements - MANY, 0)


def _key(prism: Extrusion) -> tuple[object, ...]:
    """What equal prisms have in common wherever they stand."""
    shape = prism.shape if isinstance(prism.shape, Outline) else replace(prism.shape, centre=(0.0, 0.0))
    return prism.mode, shape, round(prism.low, 6), round(prism.high, 6)


def count_numbers(features: Sequence[Feature]) -> int:
    """Estimate how many numbers a program of `features` holds: equal features cost a place, shared heights nothing."""
    total = 0
    seen: set[object] = set()
    for feature in features:
        if isinstance(feature, Twice | Repeated):
            total += feature.numbers - feature.feature.numbers
            feature = feature.feature
        if isinstance(feature, Extrusion):
            key = _key(feature)
            total += 2 if key in seen else feature.numbers - 2
            for height in (feature.low, feature.high):
                total += ("height", round(height, 6)) not in seen
                seen.add(("height", round(height, 6)))
            seen.add(key)
        else:
            total += feature.numbers
    return total

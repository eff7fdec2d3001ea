"""The values that flow through the pipeline, all frozen.

    Mesh ─┐
          Target ─ Program ─ Execution ─ Verdict ─→ Attempt ─→ Reconstruction

Lengths are millimetres in the input's own frame; arrays are read-only.
"""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cad_sandbox.execution import Execution

if TYPE_CHECKING:
    from cad_renderers import Renderer, Rig, Views

__all__ = [
    "Attempt",
    "Betti",
    "Deviation",
    "Grade",
    "Mesh",
    "Origin",
    "Parameter",
    "Program",
    "ProgramKind",
    "Reconstruction",
    "Region",
    "Target",
    "Verdict",
]


@dataclass(frozen=True, kw_only=True, eq=False)
class Mesh:
    """A triangle mesh of a part, in mm and in its file's own frame.

    `vertices` (n, 3) float64, `faces` (m, 3) int64, outward normals. `unit` is what the file's numbers were
    (`mm`, `inch`, …), `mm_per_unit` the factor that was applied. `notes` tells every repair in words.
    `closed` says whether the triangles enclose a volume (every edge shared by exactly two, oppositely oriented).
    """

    name: str
    vertices: NDArray[np.float64]
    faces: NDArray[np.int64]
    unit: str = "mm"
    mm_per_unit: float = 1.0
    notes: tuple[str, ...] = ()
    source: Path | None = None
    closed: bool = True

    def __post_init__(self) -> None:
        """Make the arrays contiguous, of the stated types, and read-only."""
        for key, dtype in (("vertices", np.float64), ("faces", np.int64)):
            array = np.array(getattr(self, key), dtype=dtype, order="C").reshape(-1, 3)
            array.setflags(write=False)
            object.__setattr__(self, key, array)

    @cached_property
    def bounds(self) -> NDArray[np.float64]:
        """Lowest and highest corner, (2, 3), in mm."""
        used = np.zeros(len(self.vertices), dtype=bool)
        used[self.faces] = True
        corners = self.vertices[used] if used.any() else self.vertices
        return np.array([corners.min(axis=0), corners.max(axis=0)])

    @cached_property
    def diagonal(self) -> float:
        """Length of the box's diagonal, in mm."""
        return float(np.linalg.norm(self.bounds[1] - self.bounds[0]))

    @cached_property
    def volume(self) -> float:
        """Signed enclosed volume in mm³ (divergence theorem)."""
        a, b, c = (self.vertices[self.faces[:, k]] - self.bounds.mean(axis=0) for k in range(3))
        return float(np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6.0)

    @cached_property
    def area(self) -> float:
        """Surface area in mm²."""
        a, b, c = (self.vertices[self.faces[:, k]] for k in range(3))
        return float(np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2.0)

    @cached_property
    def digest(self) -> str:
        """Hex digest of the geometry, the identity of a part in batches and caches."""
        return hashlib.sha256(self.vertices.tobytes() + self.faces.tobytes()).hexdigest()[:16]


@dataclass(frozen=True, kw_only=True, eq=False)
class Target:
    """What a generator may look at: a mesh, and its eight views, rendered when first asked for.

    `rig` are the cameras of the views; None means the calibrated ones, or the preset where nothing was calibrated.
    `pictures` are set where pictures are all that is known: they are the views, they are what counts, and `mesh` is no
    more than the hull that was carved from them.
    """

    mesh: Mesh
    renderer: Renderer | None = None
    rig: Rig | None = None
    pictures: Views | None = None

    @cached_property
    def views(self) -> Views:
        """The eight pictures that were given, or views of the mesh, rendered once."""
        if self.pictures is not None:
            return self.pictures
        from cad_renderers import auto_renderer, chosen_rig, chosen_style

        renderer = self.renderer or auto_renderer()
        return renderer.render(self.mesh, rig=self.rig or chosen_rig(), style=chosen_style())


class ProgramKind(enum.StrEnum):
    """Whether a program is made of features that can be edited, or of facets."""

    FEATURES = "features"
    FACETS = "facets"


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Who wrote a program, in which round, as which sample, and from what."""

    generator: str
    round: int = 0
    sample: int = 0
    seed: int | None = None
    note: str = ""

    def __str__(self) -> str:
        words = f"{self.generator}#{self.round}.{self.sample}"
        return f"{words} ({self.note})" if self.note else words


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A named dimension at the top of a program: its value, unit (`mm`, `deg`, `count`) and what it is."""

    name: str
    value: float
    unit: str = "mm"
    comment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A CadQuery program as text, where it came from, and its named dimensions.

    `revision` counts how often an accepted program was polished into this one; `promised_iou` is what its author
    expects of it, where he can tell.
    """

    source: str
    origin: Origin
    kind: ProgramKind = ProgramKind.FEATURES
    parameters: tuple[Parameter, ...] = ()
    revision: int = 0
    promised_iou: float | None = None

    @property
    def digest(self) -> str:
        """Hex digest of the text."""
        return hashlib.sha256(self.source.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deviation:
    """Distances between target and result, both ways, in mm; `sagitta` is what the target's own facets explain."""

    max: float
    p95: float
    mean: float
    sagitta: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Betti:
    """Betti numbers of a solid: connected components, through handles (tunnels), enclosed voids."""

    b0: int
    b1: int
    b2: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """A connected piece of missing or extra material: where, how large, and a word for its shape."""

    kind: str
    centre: tuple[float, float, float]
    size: tuple[float, float, float]
    volume_mm3: float
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How close an execution came to the target.

    A figure that could not be computed is None, with its reason in `unknown`.
    `iou` lies in [0, 1]; `iou_method` says how it was computed. `volume_error` is relative and signed.
    """

    accepted: bool
    reason: str
    iou: float | None = None
    iou_method: str = ""
    iou_voxel64: float | None = None
    deviation: Deviation | None = None
    surface_f1: float | None = None
    volume_error: float | None = None
    bbox_error_mm: float | None = None
    betti_target: Betti | None = None
    betti_result: Betti | None = None
    regions: tuple[Region, ...] = ()
    unknown: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One program, what it did and how close it came."""

    program: Program
    execution: Execution
    verdict: Verdict
    seconds: Mapping[str, float] = field(default_factory=dict)


class Grade(enum.StrEnum):
    """What the user gets: features inside the tolerance, features outside it, facets only, or nothing."""

    PARAMETRIC = "parametric"
    APPROXIMATE = "approximate"
    FACETED = "faceted"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class Reconstruction:
    """A target with everything that was tried on it; `best` is what is delivered."""

    target: Target
    attempts: tuple[Attempt, ...]
    seconds: Mapping[str, float] = field(default_factory=dict)
    min_useful_iou: float = 0.6

    @cached_property
    def best(self) -> Attempt | None:
        """The attempt to deliver, chosen by its verdict and never by its author.

        An accepted feature program wins; then a feature program that is useful (`min_useful_iou`), the sound before
        the flawed, since its STEP is not what is `delivered`; then facets; then whatever built. Among equals the higher
        IoU counts, in steps of 0.0005, then the later revision, then the shorter text.
        """

        def rank(attempt: Attempt) -> tuple[int, int, int, int]:
            iou = attempt.verdict.iou or 0.0
            features = attempt.program.kind is ProgramKind.FEATURES
            if features and attempt.verdict.accepted:
                tier = 5
            elif features and iou >= self.min_useful_iou:
                tier = 4 if attempt.execution.sound else 3
            elif not features:
                tier = 2 if attempt.execution.sound else 0
            else:
                tier = 1 if attempt.execution.sound else -1
            return tier, round(iou / 0.0005), attempt.program.revision, -len(attempt.program.source)

        built = [a for a in self.attempts if a.execution.built]
        return max(built, key=rank) if built else None

    @cached_property
    def delivered(self) -> Attempt | None:
        """The attempt whose solid goes into the STEP and STL files; the program is always that of `best`.

        Where the best program lies outside the tolerance or its solid has a flaw, sound facets that lie nearer are
        delivered: the program is then what can be edited, the STEP what can be trusted.
        """
        best = self.best
        if best is None or best.verdict.accepted or best.program.kind is ProgramKind.FACETS:
            return best

        def nearness(attempt: Attempt) -> float:
            return attempt.verdict.iou or 0.0

        facets = [
            a
            for a in self.attempts
            if a.program.kind is ProgramKind.FACETS and a.execution.built and a.execution.sound and a.execution.step
        ]
        nearest = max(facets, key=nearness, default=best)
        return nearest if not best.execution.sound or nearness(nearest) > nearness(best) else best

    @property
    def grade(self) -> Grade:
        """What `best` amounts to; never better than its verdict."""
        if self.best is None:
            return Grade.FAILED
        if self.best.program.kind is ProgramKind.FACETS:
            return Grade.FACETED
        return Grade.PARAMETRIC if self.best.verdict.accepted else Grade.APPROXIMATE

    @property
    def accepted(self) -> bool:
        """Whether an editable program within the tolerance came out."""
        return self.grade is Grade.PARAMETRIC

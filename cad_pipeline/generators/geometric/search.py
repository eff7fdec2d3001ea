"""Propose whole programs for a solid and score them in manifold arithmetic: IoU less the price of what must be read."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from cad_pipeline.generators.geometric.bores import fill_bores, flat_triangles
from cad_pipeline.generators.geometric.directions import candidate_frames
from cad_pipeline.generators.geometric.facets import Facets, facets_of
from cad_pipeline.generators.geometric.features import (
    Body,
    Feature,
    FeatureProgram,
    Loft,
    Mode,
    count_numbers,
)
from cad_pipeline.generators.geometric.frame import Frame, frame_along
from cad_pipeline.generators.geometric.inner_loops import Piece, TakenApart, take_apart
from cad_pipeline.generators.geometric.lofting import LoftSize
from cad_pipeline.generators.geometric.mending import Budget, Effort, mend, rooms_of
from cad_pipeline.generators.geometric.pruning import lightened
from cad_pipeline.generators.geometric.room import Room, silhouette_features
from cad_pipeline.generators.geometric.scale import Scale
from cad_pipeline.generators.geometric.sections import Slab, levels, slabs
from cad_pipeline.generators.geometric.slabwork import SlabWork
from cad_pipeline.generators.geometric.solids import Manifold, as_solid, build, iou, to_frame, without_crumbs
from cad_pipeline.generators.geometric.turned import axis_frame, explain_turned, turned_share

__all__ = ["Candidate", "Part", "search"]

PRICE_PER_NUMBER = 2e-5
PRICE_PER_BODY = 5e-3
PRICE_PER_TUNNEL = 1.5e-3
MOST_NUMBERS = 370
GOOD_ENOUGH = 0.9985
BASE_NUMBERS = 150
POOR = 0.95
SERVES = 0.995
MOST_STARTS = 5
DEEPEST = 2
WORTH_A_SEARCH = 1e-3
# what is written in so few numbers may stay though it is hardly worth them
SHORT = 14
WELL_MENDED = 0.994
LOFTED_COARSENESS = 64.0
LOFT_SIZES = tuple(LoftSize(*size) for size in ((24, 7), (16, 10), (16, 6), (12, 12), (12, 7), (8, 12), (8, 7), (8, 4)))
COARSENESS = (1.0, 4.0, 16.0, 64.0, 256.0, 1024.0)


@dataclass(frozen=True, eq=False)
class Part:
    """What the search works on: the mesh as arrays and as a solid, its lengths, and the limit of numbers.

    `stake` is its volume over that of the whole part: the hull of a thin-walled part must be met more exactly than
    the part.
    """

    vertices: NDArray[np.float64]
    faces: NDArray[np.int64]
    solid: Manifold
    scale: Scale
    limit: int = MOST_NUMBERS
    effort: Effort = field(default_factory=lambda: Effort(100))
    stake: float = 1.0

    def enough(self, iou: float) -> float:
        """The IoU that this solid must reach for the whole part to lose no more than `iou` would lose."""
        return 1.0 - (1.0 - iou) / max(self.stake, 1.0)

    @property
    def price(self) -> float:
        """The IoU of this solid that one more number must be worth."""
        return PRICE_PER_NUMBER / max(self.stake, 1.0)

    @cached_property
    def facets(self) -> Facets:
        """Planar facets of the mesh."""
        return facets_of(self.vertices, self.faces, self.scale.size, self.scale.noise)

    @cached_property
    def flat_faces(self) -> NDArray[np.int64]:
        """Triangles (k, 3) of truly flat facets, which alone make levels."""
        return self.faces[flat_triangles(self.facets)]

    @cached_property
    def bodies(self) -> int:
        """How many bodies the part has."""
        return _bodies(self.solid)

    @cached_property
    def tunnels(self) -> int:
        """How many holes go through the part: its first Betti number, where no body has a void."""
        return _tunnels(self.solid)


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A feature program with what it builds and its IoU, in manifold arithmetic."""

    program: FeatureProgram
    solid: Manifold
    iou: float
    stray_bodies: int = 0
    tunnels_off: int = 0
    too_long: bool = False
    price: float = PRICE_PER_NUMBER

    @property
    def score(self) -> float:
        """IoU less the price of reading, of stray bodies and of holes too many or too few; a long text comes last."""
        numbers = self.program.numbers
        fine = self.price * numbers + PRICE_PER_BODY * min(self.stray_bodies, 10)
        fine += PRICE_PER_TUNNEL * min(self.tunnels_off, 10)
        return self.iou - fine - (0.5 if self.too_long else 0.0)


def search(part: Part) -> list[Candidate]:
    """Return candidate programs, best score first: made of features, and, where that fails, of contours."""
    frames = candidate_frames(part.vertices, part.faces)
    found = _featured(part, frames)
    if all(c.iou < POOR for c in found):
        found += _free_form(part, frames)
    return sorted(found, key=lambda c: -c.score)


def _featured(part: Part, frames: list[Frame]) -> list[Candidate]:
    """Explain a part without its bores, which are drilled afterwards."""
    filled = fill_bores(part.vertices, part.faces, part.facets, part.scale, frames)
    if filled is None:
        return _without_bores(part, frames)
    limit = max(part.limit - count_numbers(filled.bores), BASE_NUMBERS)
    stake = part.stake * filled.solid.volume() / part.solid.volume()
    base = Part(filled.vertices, filled.faces, filled.solid, part.scale, limit, part.effort, stake)
    found: list[Candidate] = []
    for candidate in _without_bores(base, frames)[:3]:
        features = [*candidate.program.features, *filled.bores]
        found += [c for c in [_scored(part, f"{candidate.program.route} drilled", features)] if c]
    found.sort(key=lambda c: -c.score)
    return found or _without_bores(part, frames)


def _without_bores(part: Part, frames: list[Frame], depth: int = 0) -> list[Candidate]:
    """Explain a part piece by piece where inner loops let it be taken apart, as a whole where that comes out worse."""
    apart = take_apart(part.vertices, part.faces, part.facets, part.solid, part.scale)
    found = [] if apart is None else _assembled(part, apart, frames, depth)
    if not any(c.iou > part.enough(SERVES) and c.tunnels_off == 0 and c.stray_bodies == 0 for c in found):
        found += _explained(part, frames)
    return sorted(found, key=lambda c: -c.score)


def _assembled(part: Part, apart: TakenApart, frames: list[Frame], depth: int) -> list[Candidate]:
    """Explain the base and each piece by itself, and put the features together: additions first, then cuts."""
    added: list[Feature] = []
    taken: list[Feature] = []
    for piece in apart.pieces:
        features = _piece_features(part, piece, frames, depth)
        if piece.mode is Mode.ADD:
            added += features
        else:
            taken += _as_cut(features)
    limit = max(part.limit - count_numbers([*added, *taken]), BASE_NUMBERS)
    stake = part.stake * apart.solid.volume() / part.solid.volume()
    base = Part(apart.vertices, apart.faces, apart.solid, part.scale, limit, part.effort, stake)
    found: list[Candidate] = []
    for candidate in _explained(base, frames)[:2]:
        features = [*candidate.program.features, *added, *taken]
        features = lightened(features, count_numbers(features) - part.limit)
        found += [c for c in [_scored(part, f"{candidate.program.route} with pieces", features)] if c]
    return found


def _as_cut(features: list[Feature]) -> list[Feature]:
    """Cut what `features` build: each by itself if all of them add, else as a body, since a cut may go beyond it."""
    if all(f.mode is Mode.ADD for f in features):
        return [replace(f, mode=Mode.CUT) for f in features]
    return [Body(tuple(features), Mode.CUT)]


def _piece_features(part: Part, piece: Piece, frames: list[Frame], depth: int) -> list[Feature]:
    """Explain what hung on an inner loop as a solid by itself, along the normal of its face first."""
    scale = Scale(float(np.linalg.norm(np.ptp(piece.vertices, axis=0))), part.scale.noise)
    share = piece.solid.volume() / part.solid.volume()
    alone = Part(piece.vertices, piece.faces, piece.solid, scale, part.limit, part.effort, part.stake * share)
    normal = frame_along(piece.normal, np.zeros(3))
    own = candidate_frames(piece.vertices, piece.faces, most=2)
    directions: list[Frame] = []
    for frame in (normal, *own):
        known = next((f for f in (*frames, *directions) if abs(float(f.axes[2] @ frame.axes[2])) > 1 - 1e-6), frame)
        if known not in directions:
            directions.append(known)
    ways = [_Direction(alone, frame, number) for number, frame in enumerate(directions)]
    found = [c for way in ways if (c := _scored(alone, f"slabs {way.number}", way.plain()))]
    if not any(c.score > alone.enough(GOOD_ENOUGH) for c in found):
        found += _turned(alone, directions)
        found += [c for way in ways[:2] if (c := _scored(alone, f"fine {way.number}", way.fine()))]

    def worth(candidate: Candidate) -> float:
        # what is lost counts by the piece's share of the whole part, what must be read counts in full
        return float(share * candidate.iou) - part.price * candidate.program.numbers

    best = max(found, key=worth, default=None)
    if depth < DEEPEST and (best is None or share * (1.0 - best.iou) > WORTH_A_SEARCH):
        best = max([*found, *_without_bores(alone, directions, depth + 1)], key=worth, default=None)
    if best is None or (piece.rims == 1 and worth(best) < 0 and best.program.numbers > SHORT):
        return []
    return list(best.program.features)


def _explained(part: Part, frames: list[Frame]) -> list[Candidate]:
    """Explain a part by prisms, revolutions and mending.

    Every direction is tried with plain slabs, likely axes as turned bodies. Where that is not enough, the two best
    directions are cut finer, for walls that are not vertical; then short explanations (few slabs, silhouettes) are
    mended, since a short wrong program mended is shorter than a long one. Contours and lofts are for free forms.
    """
    plain = [_Direction(part, frame, number) for number, frame in enumerate(frames)]
    found = [c for d in plain if (c := _scored(part, f"slabs {d.number}", d.plain()))]
    if any(c.score > part.enough(GOOD_ENOUGH) for c in found):
        return sorted(found, key=lambda c: -c.score)
    found += _turned(part, frames)
    ranked = sorted(
        plain, key=lambda d: -max((c.score for c in found if c.program.route == f"slabs {d.number}"), default=0.0)
    )
    found += [c for d in ranked[:2] if (c := _scored(part, f"fine slabs {d.number}", d.fine()))]
    if any(c.score > part.enough(GOOD_ENOUGH) for c in found):
        return sorted(found, key=lambda c: -c.score)
    starts = list(found)
    starts += [c for d in ranked[:2] if (c := _scored(part, f"few slabs {d.number}", d.few()))]
    rooms = [Room(d.stack, d.frame, part.scale) for d in ranked[:3]]
    starts += [c for c in [_scored(part, "silhouettes", silhouette_features(rooms))] if c]
    found += _mended(part, starts, frames)
    return sorted(found, key=lambda c: -c.score)


def _free_form(part: Part, frames: list[Frame]) -> list[Candidate]:
    """Stack contours and loft through them: what can be said of a part that no features explain."""
    directions = [_Direction(part, frame, number) for number, frame in enumerate(frames)]
    found = [
        c
        for d in directions[:2]
        for count in (6, 12)
        if (c := _scored(part, f"contours {d.number}.{count}", d.contours(count)))
    ]
    return found + [c for d in directions if (c := _scored(part, f"lofts {d.number}", d.lofts(12)))]


def _mended(part: Part, starts: list[Candidate], frames: list[Frame]) -> list[Candidate]:
    """Mend the best start of each kind, until one comes out well."""
    rooms = rooms_of(part.solid, frames, part.scale)
    made: list[Candidate] = []
    starts.sort(key=lambda c: -c.score)
    for start in _varied(starts, MOST_STARTS):
        budget = Budget(part.limit, part.price, 5 * part.price, effort=part.effort)
        features = mend(start.program.features, start.solid, part.solid, frames, part.scale, budget, rooms)
        if len(features) > len(start.program.features):
            made += [c for c in [_scored(part, f"{start.program.route} mended", features)] if c]
            if made and made[-1].score > part.enough(WELL_MENDED):
                break
    return made


def _scored(part: Part, route: str, features: list[Feature]) -> Candidate | None:
    if not features:
        return None
    solid = without_crumbs(build(features)) if part.bodies == 1 else build(features)
    stray = abs(_bodies(solid) - part.bodies)
    program = FeatureProgram(tuple(features), route)
    off = abs(_tunnels(solid) - part.tunnels)
    return Candidate(program, solid, iou(solid, part.solid), stray, off, program.numbers > part.limit, part.price)


def _bodies(solid: Manifold) -> int:
    """Count bodies, without the crumbs that touching faces leave."""
    crumb = 1e-6 * abs(solid.volume())
    return sum(piece.volume() > crumb for piece in solid.decompose())


def _tunnels(solid: Manifold) -> int:
    return int(solid.genus()) + _bodies(solid) - 1


def _varied(found: list[Candidate], most: int) -> list[Candidate]:
    """The best candidates, one of each kind of route."""
    chosen: dict[str, Candidate] = {}
    for candidate in found:
        if candidate.iou > 0.4 and not candidate.too_long:
            chosen.setdefault(candidate.program.route.split()[0], candidate)
    return list(chosen.values())[:most]


def _turned(part: Part, frames: list[Frame]) -> list[Candidate]:
    facets = part.facets
    found: list[Candidate] = []
    for number, frame in enumerate(frames):
        axis = axis_frame(frame, facets, part.scale)
        if axis is not None and turned_share(axis, facets, part.scale) > 0.6:
            for k, features in enumerate(explain_turned(part.solid, axis, part.vertices, part.scale)):
                found += [c for c in [_scored(part, f"turned {number}.{k}", features)] if c]
    return found


class _Direction:
    """The part along one direction: with plain slabs, and with slabs cut finer where walls are not vertical."""

    def __init__(self, part: Part, frame: Frame, number: int) -> None:
        self.part, self.frame, self.number = part, frame, number
        self._z = frame.to_local(part.vertices)[:, 2]
        self._solid = to_frame(part.solid, frame)
        self._heights = levels(frame.to_local(part.vertices), part.flat_faces, part.scale)
        self._plain = slabs(self._solid, self._heights, part.scale)

    @property
    def stack(self) -> list[Slab]:
        """The slabs between the part's levels."""
        return self._plain

    def plain(self) -> list[Feature]:
        """Extrude the middle section of every slab."""
        return _editable(self.part, SlabWork(self._plain, self.frame, self.part.scale), self.part.limit)

    def few(self) -> list[Feature]:
        """Extrude between the weightiest levels only: a short base for mending; nothing if all levels are weighty."""
        heights = self._weighty(0.05)
        return [] if len(heights) == len(self._heights) else self._stacked(heights, min(BASE_NUMBERS, self.part.limit))

    def contours(self, count: int) -> list[Feature]:
        """Stack about `count` contours, evenly spaced: what can be said of a free-form part in few lines."""
        return self._stacked(self._evenly(count), self.part.limit)

    def lofts(self, count: int) -> list[Feature]:
        """Loft through about `count` contours, with as many corners and sections as serve best within the limit."""
        work = SlabWork(slabs(self._solid, self._evenly(count), self.part.scale), self.frame, self.part.scale)
        options = [work.features(LOFTED_COARSENESS, size) for size in LOFT_SIZES]
        options = [o if count_numbers(o) <= self.part.limit else _weightiest(o, self.part.limit) for o in options]
        options = [o for o in options if any(isinstance(f, Loft) for f in o)]
        return max(options, key=lambda o: iou(build(o), self.part.solid), default=[])

    def _evenly(self, count: int) -> list[float]:
        low, high = self._heights[0], self._heights[-1]
        strong = self._weighty(0.1)
        gap = (high - low) / count
        between = (float(z) for z in np.linspace(low, high, count + 1) if min(abs(z - s) for s in strong) > 0.4 * gap)
        return sorted({*strong, *between})

    def _weighty(self, least_share: float) -> list[float]:
        local = self.frame.to_local(self.part.vertices)
        return levels(local, self.part.flat_faces, self.part.scale, least_share)

    def _stacked(self, heights: list[float], limit: int) -> list[Feature]:
        stack = slabs(self._solid, heights, self.part.scale)
        return _editable(self.part, SlabWork(stack, self.frame, self.part.scale), limit)

    def fine(self) -> list[Feature]:
        """Cut slabs without vertical walls at the heights of their vertices; nothing if there are none."""
        if all(slab.straight for slab in self._plain):
            return []
        stack = slabs(self._solid, self._heights, self.part.scale, np.unique(self._z))
        if len(stack) == len(self._plain):
            return []
        return _editable(self.part, SlabWork(stack, self.frame, self.part.scale), self.part.limit)


def _editable(part: Part, work: SlabWork, limit: int) -> list[Feature]:
    """Write slab work within the limit of numbers: coarser, or without what matters least."""
    over: list[Feature] = []
    # an arc has many corners and few numbers: start well before the corners alone would fit
    steps = [c for c in COARSENESS if work.points(c) <= 5 * limit] or [COARSENESS[-1]]
    for coarse in COARSENESS[COARSENESS.index(steps[0]) :]:
        features = work.features(coarse)
        if count_numbers(features) <= limit:
            if not over:
                return features
            options = [features, _weightiest(over, limit)]
            return max(options, key=lambda f: iou(build(f), part.solid))
        over = features
    return _weightiest(over, limit)


def _weightiest(features: list[Feature], limit: int) -> list[Feature]:
    """Keep the features with the most volume a number, in their order, within the limit."""
    worth = [abs(as_solid(f).volume()) / f.numbers for f in features]
    kept: list[int] = []
    for k in sorted(range(len(features)), key=lambda k: -worth[k]):
        if count_numbers([features[i] for i in (*kept, k)]) <= limit:
            kept.append(k)
    return [features[k] for k in sorted(kept)]

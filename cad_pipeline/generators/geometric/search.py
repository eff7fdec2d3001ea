"""Propose whole programs for a solid and score them in manifold arithmetic: IoU less the price of what must be read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from cad_pipeline.generators.geometric.agreement import agreed
from cad_pipeline.generators.geometric.balls import loose_balls
from cad_pipeline.generators.geometric.blending import unblended
from cad_pipeline.generators.geometric.bores import Filled, fill_bores
from cad_pipeline.generators.geometric.candidate import Candidate, scored
from cad_pipeline.generators.geometric.completing import completed
from cad_pipeline.generators.geometric.copies import MirrorPlane, mirror_planes
from cad_pipeline.generators.geometric.cycles import Cycle, cycles_of
from cad_pipeline.generators.geometric.direction import BASE_NUMBERS, Direction
from cad_pipeline.generators.geometric.directions import candidate_frames
from cad_pipeline.generators.geometric.features import Body, Feature, Mode, count_numbers
from cad_pipeline.generators.geometric.frame import Frame, frame_along
from cad_pipeline.generators.geometric.gaps import cut_all_round
from cad_pipeline.generators.geometric.inner_loops import Piece, TakenApart, take_apart
from cad_pipeline.generators.geometric.limbs import core_and_limbs
from cad_pipeline.generators.geometric.mending import Budget, Effort, largest_prism, mend, rooms_of
from cad_pipeline.generators.geometric.part import Part
from cad_pipeline.generators.geometric.pruning import lightened
from cad_pipeline.generators.geometric.rods import is_lattice, rods
from cad_pipeline.generators.geometric.room import Room, silhouette_features
from cad_pipeline.generators.geometric.scale import Scale
from cad_pipeline.generators.geometric.shells import mesh_of
from cad_pipeline.generators.geometric.solids import build
from cad_pipeline.generators.geometric.sweeps import sweeps, without_sweeps
from cad_pipeline.generators.geometric.turned import axis_frame, explain_turned, turned_share

__all__ = ["search"]

GOOD_ENOUGH = 0.9985
POOR = 0.95
SERVES = 0.995
CLOSE = 0.997
# nothing else is as short as a wire along its way
WIRED = 0.98
# wires that are no more of a part than this are little to begin with
MUCH = 0.25
ROUGHNESS = (1.0, 32.0)
OUTLINE_TASTE = 3e-4
MOST_COMPLETED = 2
MOST_STARTS = 5
MOST_PRISMS = 40
DEEPEST = 2
WORTH_A_SEARCH = 1e-3
# what is written in so few numbers may stay though it is hardly worth them
SHORT = 14
# programs and pieces of more numbers than this may well be said more shortly
LONG = 90
LONG_PIECE = 50
# a program of fewer numbers than this share of the limit may have more
LEFT = 0.95
# blends that are less of what is missing than this are not looked at
LITTLE = 0.2
# a piece's share of the numbers, in shares of the triangles, and what it may have in any case
FAIR = 1.25
LEAST_NUMBERS = 120
LIKELY = 0.9
WELL_MENDED = 0.994
HALF = 0.5
# what comes round less often is no gear
FEWEST_GAPS = 3
# a text so short and so close is not worth another search for a closer one
SHORTLY_MENDED = 0.99
TURNS_WELL = 0.99


def search(part: Part) -> list[Candidate]:
    """Return candidate programs, best score first: made of features, and, where that fails, of contours."""
    bent = sweeps(part.vertices, part.faces, part.solid, part.scale)
    bent += loose_balls(part.solid, part.scale) if part.bodies > 1 else []
    found = _wires(part, bent)
    if found and found[0].iou > part.enough(WIRED):
        return found
    if bent:
        own = replace(part, effort=_half_an_effort(part))
        found += _mended(own, list(found), candidate_frames(part.vertices, part.faces)) if found else []
        found += _without_wires(part, bent)
    if not any(_serves(c, part) for c in found):
        found += _searched(part, blending=True)
    found.sort(key=lambda c: -c.score)
    return sorted([*found, *_carried_on(part, found)], key=lambda c: -c.score)


def _carried_on(part: Part, found: Sequence[Candidate]) -> list[Candidate]:
    """Mend the best program with the numbers that it saves once its features agree, where it is not close."""
    best = next(iter(found), None)
    if best is None or not HALF < best.iou < part.enough(SERVES):
        return []
    features = agreed(best.program.features, part.solid, part.scale, part.price)
    if count_numbers(features) > LEFT * part.limit:
        return []
    frames = candidate_frames(part.vertices, part.faces)
    budget = Budget(part.limit, part.price, 5 * part.price, steps=MOST_PRISMS, effort=_half_an_effort(part))
    more = mend(features, build(features), part.solid, frames, part.scale, budget)
    again = scored(part, f"{best.program.route} again", more) if len(more) > len(features) else None
    return [] if again is None else [again]


def _half_an_effort(part: Part) -> Effort:
    """Half of what a part is worth when it is searched for the first time."""
    return Effort(int(HALF * Effort.of(len(part.faces)).left))


def _searched(part: Part, *, blending: bool = False, mending: bool = True) -> list[Candidate]:
    frames = candidate_frames(part.vertices, part.faces)
    filled = fill_bores(part.vertices, part.faces, part.facets, part.scale, frames)
    base = part
    if filled is not None:
        limit = max(part.limit - count_numbers(filled.bores), BASE_NUMBERS)
        base = part.other(filled.vertices, filled.faces, filled.solid, limit=limit)
    found = _drilled(part, filled, _without_bores(base, frames, mending=mending)[:3])
    found = found or _without_bores(part, frames, mending=mending)
    if blending:
        found += _blended(part, base, filled, max([c.score for c in found], default=0.0))
    if mending and all(c.iou < POOR for c in found):
        found += _drilled(part, filled, _free_form(base, frames))
    found.sort(key=lambda c: -c.score)
    for candidate in found[:MOST_COMPLETED]:
        if candidate.iou > POOR and candidate.stray_bodies + candidate.tunnels_off:
            features = completed(candidate.program.features, part, frames)
            if len(features) > len(candidate.program.features):
                found += [c for c in [scored(part, candidate.program.route, features)] if c]
    return sorted(found, key=lambda c: -c.score)


def _drilled(part: Part, filled: Filled | None, found: list[Candidate]) -> list[Candidate]:
    """Drill the bores into what explains the part without them."""
    if filled is None:
        return found
    made = (scored(part, f"{c.program.route} drilled", [*c.program.features, *filled.bores]) for c in found)
    return [c for c in made if c]


def _blended(part: Part, base: Part, filled: Filled | None, reached: float) -> list[Candidate]:
    """Explain the part with sharp edges and blend what explains it: before its bores are drilled, if it can be then.

    Blends that are little of what is missing are left alone; the sharp part is mended where they are much of it, and
    nothing better is known.
    """
    if reached > part.enough(1.0 - SHORT * part.price):
        return []
    early = unblended(base) if filled is not None else None
    sharp = early or unblended(part)
    missing = (1.0 - reached) * part.solid.volume()
    if sharp is None or sharp.volume < LITTLE * missing:
        return []
    found: list[Candidate] = []
    # what is sharp takes less effort, and is plain more often than not
    for mending in (False, True):
        best = _searched(replace(sharp.part, effort=_half_an_effort(sharp.part)), mending=mending)[0:1]
        made = (scored(part, f"{c.program.route} blended", [*c.program.features, *sharp.blends]) for c in best)
        found += _drilled(part, filled if early else None, [c for c in made if c])
        well = any(c.score > reached for c in found)
        if well or sharp.volume < HALF * missing or reached > part.enough(SHORTLY_MENDED):
            break
    return found


def _without_bores(part: Part, frames: list[Frame], depth: int = 0, *, mending: bool = True) -> list[Candidate]:
    """Explain a part piece by piece where inner loops let it be taken apart, as a whole where that comes out worse."""
    apart = take_apart(part.vertices, part.faces, part.facets, part.solid, part.scale)
    found = [] if apart is None else _assembled(part, apart, frames, depth, mending=mending)
    serving = [c for c in found if _serves(c, part)]
    if not serving:
        # what is close but for a hole is not beaten by mending something else
        close = any(c.iou > part.enough(CLOSE) for c in found)
        found += _explained(part, frames, mending=mending and not close)
    else:
        if all(c.iou < part.enough(CLOSE) for c in serving):
            # taken apart it is fair; whole, it may be plain
            found += _explained(part, frames, mending=False)
        # what is turned is told best as one profile
        turned = [c for c in _turned(part, frames) if c.iou > LIKELY]
        found += turned + (_mended(part, turned, frames) if turned and mending else [])
    return sorted(found, key=lambda c: -c.score)


def _serves(candidate: Candidate, part: Part) -> bool:
    """Whether nothing closer need be looked for: it is close, whole, and has the right holes."""
    return candidate.tunnels_off == 0 and candidate.stray_bodies == 0 and candidate.iou > part.enough(SERVES)


def _assembled(part: Part, apart: TakenApart, frames: list[Frame], depth: int, *, mending: bool) -> list[Candidate]:
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
    base = part.other(apart.vertices, apart.faces, apart.solid, limit=limit)
    found: list[Candidate] = []
    for candidate in _explained(base, frames, mending=mending)[:3]:
        features = [*candidate.program.features, *added, *taken]
        features = lightened(features, count_numbers(features) - part.limit)
        found += [c for c in [scored(part, f"{candidate.program.route} with pieces", features)] if c]
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
    # of the numbers a piece may have about as many as of the triangles, so that some are left for the base
    limit = min(max(int(FAIR * part.limit * len(piece.faces) / len(part.faces)), LEAST_NUMBERS), part.limit)
    effort = part.effort.share(len(piece.faces) / len(part.faces))
    alone = replace(part.other(piece.vertices, piece.faces, piece.solid, limit=limit), scale=scale, effort=effort)
    normal = frame_along(piece.normal, np.zeros(3))
    own = candidate_frames(piece.vertices, piece.faces, most=2)
    directions: list[Frame] = []
    for frame in (normal, *own):
        known = next((f for f in (*frames, *directions) if abs(float(f.axes[2] @ frame.axes[2])) > 1 - 1e-6), frame)
        if known not in directions:
            directions.append(known)
    ways = [Direction(alone, frame, number) for number, frame in enumerate(directions)]
    found = [c for way in ways if (c := scored(alone, f"slabs {way.number}", way.plain()))]
    if not any(c.score > alone.enough(GOOD_ENOUGH) for c in found):
        found += _turned(alone, directions)
        found += [c for way in ways[:2] if (c := scored(alone, f"fine {way.number}", way.fine()))]

    def worth(candidate: Candidate) -> float:
        # what is lost counts by the piece's share of the whole part, what must be read counts in full
        return float(share * candidate.iou) - part.price * candidate.program.numbers

    best = max(found, key=worth, default=None)
    poor = best is None or share * (1.0 - best.iou) > WORTH_A_SEARCH or best.program.numbers > LONG_PIECE
    if depth < DEEPEST and poor:
        best = max([*found, *_without_bores(alone, directions, depth + 1)], key=worth, default=None)
    if best is None or (piece.rims == 1 and worth(best) < 0 and best.program.numbers > SHORT):
        return []
    return list(best.program.features)


def _explained(part: Part, frames: list[Frame], *, mending: bool = True) -> list[Candidate]:
    """Explain a part by prisms, revolutions and mending.

    Every direction is tried with plain slabs, likely axes as turned bodies. Where that is not enough, the two best
    directions are cut finer, for walls that are not vertical; then short explanations (few slabs, silhouettes) are
    mended, since a short wrong program mended is shorter than a long one. Contours and lofts are for free forms.
    """
    plain = [Direction(part, frame, number) for number, frame in enumerate(frames)]
    found = [c for d in plain if (c := scored(part, f"slabs {d.number}", d.plain()))]
    if any(c.score > part.enough(GOOD_ENOUGH) for c in found):
        return sorted(found, key=lambda c: -c.score)
    found += _turned(part, frames)
    cycles = cycles_of(part.solid, frames, [axis_frame(f, part.facets, part.scale) for f in frames], part.scale)
    found += _all_round(part, cycles)
    if any(c.score > part.enough(GOOD_ENOUGH) for c in found):
        return sorted(found, key=lambda c: -c.score)
    ranked = sorted(
        plain, key=lambda d: -max((c.score for c in found if c.program.route == f"slabs {d.number}"), default=0.0)
    )
    twisted = [c for d in ranked if (c := scored(part, f"twisted {d.number}", d.twisted()))]
    found += twisted
    if any(c.iou > part.enough(TURNS_WELL) for c in twisted):
        return sorted(found, key=lambda c: -c.score)
    found += [c for d in ranked[:2] if (c := scored(part, f"fine slabs {d.number}", d.fine()))]
    if any(c.score > part.enough(GOOD_ENOUGH) for c in found):
        return sorted(found, key=lambda c: -c.score)
    if not mending:
        return sorted(found, key=lambda c: -c.score)
    starts = list(found)
    starts += [c for d in ranked[:2] if (c := scored(part, f"few slabs {d.number}", d.few()))]
    rooms = [Room(d.stack, d.frame, part.scale) for d in ranked[:3]]
    outlined = [scored(part, "silhouettes", silhouette_features(rooms, part.solid, rough)) for rough in ROUGHNESS]
    # numbers spent on outlines are missing for what they do not show
    best = max((c for c in outlined if c), key=lambda c: c.iou - OUTLINE_TASTE * c.program.numbers, default=None)
    starts += [best] if best else []
    found += _mended(part, starts, frames, cycles, anew=True)
    return sorted(found, key=lambda c: -c.score)


def _all_round(part: Part, cycles: list[Cycle]) -> list[Candidate]:
    """What is turned, with gaps cut all round: gears and wheels."""
    found: list[Candidate] = []
    for number, cycle in enumerate(cycles):
        if cycle.count >= FEWEST_GAPS:
            for k, features in enumerate(cut_all_round(part.solid, cycle, part.vertices, part.scale, part.price)):
                found += [c for c in [scored(part, f"round {number}.{k}", features)] if c]
    return found


def _wires(part: Part, bent: list[Feature]) -> list[Candidate]:
    """What can be said of a part by bent wires and tubes, or by rods in several directions, if it is much of it."""
    route, features = "wires", bent
    if not bent and is_lattice(part.vertices, part.faces, part.scale):
        route, features = "rods", rods(part.vertices, part.faces, part.solid, part.scale)
    made = scored(part, route, features)
    return [made] if made is not None and made.iou > MUCH else []


def _without_wires(part: Part, bent: list[Feature]) -> list[Candidate]:
    """Explain what is left of a part without its bent wires, and put them to it."""
    rest = without_sweeps(part.solid, bent, part.scale)
    if rest is None:
        return []
    vertices, faces = mesh_of(rest)
    other = part.other(vertices, faces, rest, limit=max(part.limit - count_numbers(bent), BASE_NUMBERS))
    explained = _searched(replace(other, effort=_half_an_effort(part)))[:2]
    made = (scored(part, f"{c.program.route} wired", [*c.program.features, *bent]) for c in explained)
    return [c for c in made if c]


def _free_form(part: Part, frames: list[Frame]) -> list[Candidate]:
    """What can be said of a part that no features explain: rods, if it is made of them, else contours and lofts."""
    directions = [Direction(part, frame, number) for number, frame in enumerate(frames)]
    built = scored(part, "rods", rods(part.vertices, part.faces, part.solid, part.scale))
    if built is not None and built.iou > HALF:
        return [built, *_mended(part, [built], frames)]
    found = [
        c
        for d in directions[:2]
        for count in (6, 12)
        if (c := scored(part, f"contours {d.number}.{count}", d.contours(count)))
    ]
    lofted = {d: c for d in directions if (c := scored(part, f"lofts {d.number}", d.lofts(16)))}
    found += lofted.values()
    if lofted and all(c.iou < part.enough(POOR) for c in found):
        # thin limbs are no part of the body's outlines, whose direction is the one in which lofts serve best
        way = max(lofted, key=lambda d: lofted[d].score)
        limbed = core_and_limbs(part, way, frames[:3])
        found += [c for features in limbed if (c := scored(part, f"limbs {way.number}", features))]
    return found


def _mended(
    part: Part, starts: list[Candidate], frames: list[Frame], cycles: Sequence[Cycle] = (), *, anew: bool = False
) -> list[Candidate]:
    """Mend the best start of each kind, until one comes out well; `anew` starts from the largest prism before them."""
    rooms = rooms_of(part.solid, frames, part.scale)
    images: list[MirrorPlane | Cycle] = [*mirror_planes(part.solid, frames, part.scale), *cycles]
    made: list[Candidate] = []
    # bodies and holes too many or too few are what mending sees to
    starts.sort(key=lambda c: part.price * c.program.numbers - c.iou)
    budget = Budget(part.limit, part.price, 5 * part.price, effort=part.effort)
    chosen = [(start, budget) for start in _varied(starts, MOST_STARTS)]
    if anew and (first := scored(part, "prisms", largest_prism(part.solid, rooms, budget))):
        # an effort of its own: what is built from nothing takes many steps, and none of them from the others
        own = replace(budget, steps=MOST_PRISMS, effort=Effort(int(0.7 * part.effort.left)))
        chosen.insert(0, (first, own))
    settled = max([c.score for c in starts], default=0.0)
    well = 0
    for start, budget in chosen:
        features = mend(start.program.features, start.solid, part.solid, frames, part.scale, budget, rooms, images)
        if len(features) == len(start.program.features):
            continue
        for candidate in [c for c in [scored(part, f"{start.program.route} mended", features)] if c]:
            made.append(candidate)
            short = candidate.program.numbers <= LONG
            # what is better unmended may be better still, and another may be shorter than what is long
            if candidate.score > max(part.enough(SHORTLY_MENDED if short else WELL_MENDED), settled):
                well += 2 if short else 1
        if well > 1:
            break
    return made


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
                found += [c for c in [scored(part, f"turned {number}.{k}", features)] if c]
    return found

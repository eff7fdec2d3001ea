"""Recognise blended edges in a mesh: strips that a rolling ball would leave, and strips that cut an edge evenly.

A facet of a fillet has a normal curvature, from which follows where the centre of the ball lies that touches it. The
faces beyond the rim of the strip that lie at the ball's radius from this centre are the fillet's supports: two along an
edge, three or more where edges meet. A facet of a chamfer stands evenly between two faces across its long sides. After
the classification of blends by Zhu and Menon (2002), with the facets of a tessellation in the place of B-rep faces.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cad_pipeline.generators.geometric.facets import Facets, components
from cad_pipeline.generators.geometric.features import BlendKind
from cad_pipeline.generators.geometric.scale import Scale

__all__ = ["FILLS", "Rims", "Strip", "blend_strips", "one_of_each_face", "rims_of", "surrounded"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]
# neighbours in the same rounding turn by less than this
SHALLOW = math.cos(math.radians(46.0))
# a chamfer turns by as much at each of its sides, and the edge that it cuts by twice that
STEEP, STEEPEST = math.radians(25.0), math.radians(70.0)
NEXT = math.radians(15.0)
SHARP = math.cos(math.radians(50.0))
ALONG = math.cos(math.radians(20.0))
SAME_SIZE = 0.06
# radii are sought between these shares of the part's size
LEAST_SIZE, MOST_SIZE = 1e-3, 0.15
# facets of one rounding differ so much in the radius that is guessed from their neighbours
ALIKE = 0.18
MOST_SIZES = 6
# how far off a support may be from where the ball touches it, in radii, and how far from its rim
TOUCHING, ON_RIM = 0.15, 0.3
# how much the exact radii of a strip's vertices scatter
SCATTER, AGREEING = 0.03, 0.8
# supports that turn by less than this are one face
ONE_FACE = math.cos(math.radians(25.0))
MOST_ASKED = 200
# of so many nearest faces that a ball touches its supports are among the first
MOST_TOUCHED = 16
# what a corner is cut into, and the corner itself, in radii
LARGEST_SLIVER, CORNER = 1.0, 3.5
# a strip of area A and size s fills about so many A·s
FILLS = {BlendKind.FILLET: 0.14, BlendKind.CHAMFER: 0.35}
MOST_PAIRS = 40_000_000
EVEN = math.cos(math.radians(3.0))


@dataclass(frozen=True, slots=True, eq=False)
class Strip:
    """Connected facets that round or cut an edge by `size` mm, each with the facets that support it.

    `convex` tells a rounded edge from a filled corner.
    """

    kind: BlendKind
    size: float
    convex: bool
    supports: dict[int, tuple[int, ...]]


@dataclass(frozen=True, slots=True, eq=False)
class Rims:
    """Shared edges (e,) between facets: which facets, the turn in rad (positive where convex), start, end, length."""

    one: Ints
    two: Ints
    turn: Floats
    start: Floats
    end: Floats
    length: Floats


def blend_strips(vertices: Floats, faces: Ints, facets: Facets, scale: Scale, least: float) -> list[Strip]:
    """Every strip of facets that blends an edge by one radius or one set-back, if those of a size fill `least` mm³."""
    rims = rims_of(vertices, faces, facets)
    corners = _corners_of(faces, facets)
    fillets = _fillets(vertices, corners, facets, rims, scale, least)
    return [*fillets, *_chamfers(vertices, corners, facets, rims, scale)]


def rims_of(vertices: Floats, faces: Ints, facets: Facets) -> Rims:
    """The shared edges at which one facet ends and another begins."""
    one, two = (facets.of_triangle[facets.sides[:, k]] for k in (0, 1))
    use = one != two
    one, two, edges, sides = one[use], two[use], facets.edges[use], facets.sides[use]
    cosine = np.clip(np.einsum("ij,ij->i", facets.normal[one], facets.normal[two]), -1.0, 1.0)
    start, end = vertices[edges[:, 0]], vertices[edges[:, 1]]
    far = faces[sides[:, 1]].sum(axis=1) - edges.sum(axis=1)
    hollow = np.einsum("ij,ij->i", vertices[far] - start, facets.normal[one]) > 0
    turn = np.arccos(cosine)
    return Rims(one, two, np.where(hollow, -turn, turn), start, end, np.linalg.norm(end - start, axis=1))


# -- fillets --------------------------------------------------------------------------------------------------------


def _fillets(
    vertices: Floats, corners: list[Ints], facets: Facets, rims: Rims, scale: Scale, least: float
) -> Iterator[Strip]:
    bend = _bends(facets, rims)
    radius = np.divide(1.0, np.abs(bend), out=np.full(len(bend), np.inf), where=bend != 0)
    left = (radius > LEAST_SIZE * scale.size) & (radius < MOST_SIZE * scale.size)
    for _ in range(MOST_SIZES):
        guess = _commonest(radius, facets.area, left)
        if guess is None:
            return
        alike = left & (np.abs(radius / guess - 1.0) < ALIKE)
        left &= ~alike
        for convex in (True, False):
            mine = alike & ((bend > 0) == convex)
            if FILLS[BlendKind.FILLET] * guess * facets.area[mine].sum() > least:
                whole = surrounded(mine, facets, rims, guess)
                left &= ~whole
                yield from _rolled(vertices, corners, facets, rims, whole, guess, convex)


def _bends(facets: Facets, rims: Rims) -> Floats:
    """The largest normal curvature (k,) of each facet towards a neighbour, in 1/mm, positive where convex."""
    gap = facets.centroid[rims.two] - facets.centroid[rims.one]
    turned = np.einsum("ij,ij->i", facets.normal[rims.two] - facets.normal[rims.one], gap)
    squared = np.einsum("ij,ij->i", gap, gap)
    smooth = (np.abs(rims.turn) < math.acos(SHALLOW)) & (squared > 0)
    value = np.where(smooth, turned / np.maximum(squared, 1e-300), 0.0)
    most, least = np.zeros(len(facets.area)), np.zeros(len(facets.area))
    for side in (rims.one, rims.two):
        np.maximum.at(most, side, value)
        np.minimum.at(least, side, value)
    return np.where(most > -least, most, least)


def _commonest(radius: Floats, area: Floats, left: Mask) -> float | None:
    """The radius that most facets have, by the square root of their area."""
    if left.sum() < 2:
        return None
    logs, weight = np.log(radius[left]), np.sqrt(area[left])
    bins = np.round(logs / 0.05).astype(np.int64)
    bins -= bins.min()
    counts = np.convolve(np.bincount(bins, weights=weight), np.ones(3), mode="same")
    near = np.abs(bins - int(np.argmax(counts))) <= 1
    return float(math.exp(np.average(logs[near], weights=weight[near])))


def surrounded(mine: Mask, facets: Facets, rims: Rims, radius: float) -> Mask:
    """Take in small facets that facets `mine` (k,) surround: what a ball leaves in a corner is cut into slivers."""
    small = ~mine & (facets.area < (LARGEST_SLIVER * radius) ** 2)
    label = components(len(mine), np.column_stack([rims.one, rims.two])[small[rims.one] & small[rims.two]])
    opens = np.zeros(len(mine), dtype=bool)
    for here, there in ((rims.one, rims.two), (rims.two, rims.one)):
        opens[label[here[small[here] & ~small[there] & ~mine[there]]]] = True
    extent = np.zeros(len(mine))
    for k in range(3):
        low, high = np.full(len(mine), np.inf), np.full(len(mine), -np.inf)
        np.minimum.at(low, label, facets.centroid[:, k])
        np.maximum.at(high, label, facets.centroid[:, k])
        extent = np.maximum(extent, high - low)
    return mine | (small & ~opens[label] & (extent[label] < CORNER * radius))


def _rolled(
    vertices: Floats, corners: list[Ints], facets: Facets, rims: Rims, mine: Mask, guess: float, convex: bool
) -> Iterator[Strip]:
    """The strips among facets `mine` (k,) that a ball of about the radius `guess` leaves."""
    supports = _supports(facets, rims, mine, guess, 1.0 if convex else -1.0)
    for members in _connected(mine, rims, supports):
        touched = {k: supports[k] for k in members}
        radius = _exact_radius(vertices, corners, facets, touched, guess, convex)
        if radius is not None:
            yield Strip(BlendKind.FILLET, radius, convex, touched)


def _connected(mine: Mask, rims: Rims, wanted: Iterable[int]) -> list[list[int]]:
    """The facets `wanted`, parted by the components of facets `mine` (k,) that they lie in."""
    links = np.column_stack([rims.one, rims.two])[mine[rims.one] & mine[rims.two]]
    label = components(len(mine), links)
    parts: dict[int, list[int]] = {}
    for k in sorted(wanted):
        parts.setdefault(int(label[k]), []).append(k)
    return list(parts.values())


def _supports(facets: Facets, rims: Rims, mine: Mask, radius: float, sign: float) -> dict[int, tuple[int, ...]]:
    """For each of the facets `mine` (k,) the facets beyond their rim that the ball touches there."""
    members = np.nonzero(mine)[0]
    across = mine[rims.one] != mine[rims.two]
    beyond = np.where(mine[rims.one[across]], rims.two[across], rims.one[across])
    start, end = rims.start[across], rims.end[across]
    found: dict[int, tuple[int, ...]] = {}
    if len(members) * len(beyond) > MOST_PAIRS:
        return found
    centres = facets.centroid[members] - sign * radius * facets.normal[members]
    normal = facets.normal[beyond]
    offset = np.einsum("ij,ij->i", start, normal) - sign * radius
    for some in np.array_split(np.arange(len(members)), 1 + len(members) * len(beyond) // 1_000_000):
        row, column = np.nonzero(np.abs(centres[some] @ normal.T - offset) < TOUCHING * radius)
        touched = centres[some[row]] + sign * radius * normal[column]
        gap = _segment_distance(touched, start[column], end[column])
        close = np.nonzero(gap < ON_RIM * radius)[0]
        close = close[np.lexsort((gap[close], row[close]))]
        # a face is met by many sides of the strip
        close = close[np.sort(np.unique(row[close] * len(facets.area) + beyond[column[close]], return_index=True)[1])]
        for k, group in itertools.groupby(
            zip(row[close].tolist(), beyond[column[close]].tolist(), strict=True), _first
        ):
            these = one_of_each_face(facets, (support for _, support in itertools.islice(group, MOST_TOUCHED)))
            if len(these) > 1:
                found[int(members[some[k]])] = tuple(sorted(these))
    return found


def _first(pair: tuple[int, int]) -> int:
    return pair[0]


def one_of_each_face(facets: Facets, wanted: Iterable[int], known: Sequence[int] = ()) -> list[int]:
    """The first facet of each direction: of a round wall's facets that are all touched, the nearest."""
    kept = list(known)
    for facet in wanted:
        if all(float(facets.normal[facet] @ facets.normal[other]) < ONE_FACE for other in kept):
            kept.append(facet)
    return kept


def _segment_distance(points: Floats, start: Floats, end: Floats) -> Floats:
    """Distance of each point (n, 3) from its segment."""
    along = end - start
    share = np.einsum("ij,ij->i", points - start, along) / np.maximum(np.einsum("ij,ij->i", along, along), 1e-300)
    return np.asarray(np.linalg.norm(points - start - np.clip(share, 0.0, 1.0)[:, None] * along, axis=1))


def _exact_radius(
    vertices: Floats,
    corners: list[Ints],
    facets: Facets,
    supports: dict[int, tuple[int, ...]],
    guess: float,
    convex: bool,
) -> float | None:
    """The radius of the ball from the strip's vertices; None where they do not agree.

    The centre of a ball that touches the supports lies `radius` times a fixed vector from their common point: then its
    distance from a vertex is a quadratic equation.
    """
    radii: list[Floats] = []
    by_supports: dict[tuple[int, ...], list[int]] = {}
    for k, touched in supports.items():
        by_supports.setdefault(touched, []).append(k)
    for touched, members in itertools.islice(by_supports.items(), MOST_ASKED):
        normals = facets.normal[list(touched)]
        inverse = np.linalg.pinv(normals)
        towards = inverse @ np.full(len(normals), 1.0 if convex else -1.0)
        b = float(towards @ towards) - 1.0
        if b < 1e-4:
            continue
        points = vertices[np.unique(np.concatenate([corners[k] for k in members]))]
        offsets = np.einsum("ij,ij->i", normals, facets.centroid[list(touched)])
        off = (points @ normals.T - offsets) @ inverse.T
        half = off @ towards
        root = np.sqrt(np.maximum(half * half - b * np.einsum("ij,ij->i", off, off), 0.0))
        options = np.stack([root - half, -root - half]) / b
        radii.append(options[np.abs(options - guess).argmin(axis=0), np.arange(len(points))])
    if not radii:
        return None
    found = np.concatenate(radii)
    middle = float(np.median(found))
    return middle if np.mean(np.abs(found - middle) < SCATTER * middle) > AGREEING else None


def _corners_of(faces: Ints, facets: Facets) -> list[Ints]:
    """The vertices of each facet."""
    order = np.argsort(facets.of_triangle, kind="stable")
    starts = np.searchsorted(facets.of_triangle[order], np.arange(1, len(facets.area)))
    return [np.unique(faces[some]) for some in np.split(order, starts)]


# -- chamfers -------------------------------------------------------------------------------------------------------


def _chamfers(vertices: Floats, corners: list[Ints], facets: Facets, rims: Rims, scale: Scale) -> Iterator[Strip]:
    """Strips whose facets stand evenly between two faces, by set-back."""
    for convex in (True, False):
        turn = rims.turn if convex else -rims.turn
        even = _even_facets(vertices, corners, facets, rims, turn, scale)
        for size in _sizes([size for size, _ in even.values()]):
            mine = np.zeros(len(facets.area), dtype=bool)
            mine[[k for k, (own, _) in even.items() if abs(own - size) < SAME_SIZE * size]] = True
            for members in _connected(surrounded(mine, facets, rims, size), rims, np.nonzero(mine)[0].tolist()):
                median = float(np.median([even[k][0] for k in members]))
                yield Strip(BlendKind.CHAMFER, median, convex, {k: even[k][1] for k in members})


def _even_facets(
    vertices: Floats, corners: list[Ints], facets: Facets, rims: Rims, turn: Floats, scale: Scale
) -> dict[int, tuple[float, tuple[int, int]]]:
    """Facets that take equally much off two faces: the set-back and those faces.

    What stands between faces that stand between others in the same way, as on a prism of many sides, is none.
    """
    found: dict[int, tuple[float, tuple[int, int]]] = {}
    rows = _between(facets, rims, turn)
    sizes = _set_backs(vertices, corners, facets, rows)
    good = (sizes > LEAST_SIZE * scale.size) & (sizes < MOST_SIZE * scale.size)
    for (facet, one, two), size in zip(rows[good].tolist(), sizes[good].tolist(), strict=True):
        found.setdefault(facet, (size, (min(one, two), max(one, two))))
    return {
        facet: (size, supports)
        for facet, (size, supports) in found.items()
        if all(found[s][0] > size * (1 + SAME_SIZE) for s in supports if s in found)
    }


def _between(facets: Facets, rims: Rims, turn: Floats) -> Ints:
    """Each facet (n, 3) with two faces between which it stands evenly, one beside it and one beside it or the next.

    A conical strip may be cut into triangles, each with one of its faces beside it and the other beside the next.
    """
    here, there = np.r_[rims.one, rims.two], np.r_[rims.two, rims.one]
    along = np.vstack([rims.end - rims.start] * 2)
    steep = np.nonzero((np.r_[turn, turn] > STEEP) & (np.r_[turn, turn] < STEEPEST))[0]
    beside = steep[np.argsort(here[steep], kind="stable")]
    flat = np.nonzero(np.abs(np.r_[turn, turn]) < NEXT)[0]
    step, carried = _joined(there[flat], here[beside])
    owner = np.r_[here[beside], here[flat[step]]]
    other, rim = np.r_[there[beside], there[beside[carried]]], along[np.r_[beside, beside[carried]]]
    order = np.argsort(owner, kind="stable")
    owner, other, rim = owner[order], other[order], rim[order]
    first, second = _joined(here[beside], owner)
    facet, one, two = here[beside[first]], there[beside[first]], other[second]
    a, b, across = facets.normal[one], facets.normal[two], np.cross(facets.normal[one], facets.normal[two])
    between, sine = a + b, np.linalg.norm(across, axis=1)
    good = np.einsum("ij,ij->i", a, b) < SHARP
    good &= np.einsum("ij,ij->i", facets.normal[facet], between) > EVEN * np.linalg.norm(between, axis=1)
    for vector in (along[beside[first]], rim[second]):
        good &= np.abs(np.einsum("ij,ij->i", vector, across)) > ALONG * sine * np.linalg.norm(vector, axis=1)
    good &= facets.area[facet] < np.maximum(facets.area[one], facets.area[two])
    return np.unique(np.column_stack([facet, one, two])[good], axis=0)


def _joined(keys: Ints, ordered: Ints) -> tuple[Ints, Ints]:
    """Each place of `keys` with each place of the `ordered` keys that are equal to it."""
    low, high = np.searchsorted(ordered, keys, "left"), np.searchsorted(ordered, keys, "right")
    count = high - low
    place = np.repeat(np.arange(len(keys)), count)
    run = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    return place, low[place] + run


def _set_backs(vertices: Floats, corners: list[Ints], facets: Facets, rows: Ints) -> Floats:
    """How much each facet (n,) takes off both of two faces, `rows` (n, 3); 0 where it does not do so evenly."""
    if not len(rows):
        return np.zeros(0)
    counts = np.array([len(corners[k]) for k in rows[:, 0]])
    points = vertices[np.concatenate([corners[k] for k in rows[:, 0]])]
    sine = np.linalg.norm(np.cross(facets.normal[rows[:, 1]], facets.normal[rows[:, 2]]), axis=1)
    starts = np.cumsum(counts) - counts
    depth = []
    for face in (rows[:, 1], rows[:, 2]):
        gap = points - facets.centroid[face].repeat(counts, axis=0)
        off = np.einsum("ij,ij->i", gap, facets.normal[face].repeat(counts, axis=0))
        depth.append(np.maximum.reduceat(np.abs(off), starts) / sine)
    return np.where(np.abs(depth[0] - depth[1]) < SAME_SIZE * depth[0], (depth[0] + depth[1]) / 2, 0.0)


def _sizes(samples: list[float]) -> list[float]:
    """The values about which samples lie."""
    found: list[float] = []
    for size in sorted(samples):
        if not found or size > found[-1] * (1 + SAME_SIZE):
            found.append(size)
    return found

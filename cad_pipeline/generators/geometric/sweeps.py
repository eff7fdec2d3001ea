"""Wires and tubes swept along a way: hooks, pipes, springs, rings, handles, bent rods.

A round wire is the canal surface of its spine: one of its principal curvatures is the reciprocal of its radius
everywhere, and all normals of one section meet in the spine. So the radius comes from the curvatures of the triangles
(Rusinkiewicz, "Estimating Curvatures and Their Derivatives on Triangle Meshes", 2004), every vertex gives a point of
the spine, and the edges of the mesh say in which order the sections follow.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import dijkstra

from cad_pipeline.generators.geometric.facets import components
from cad_pipeline.generators.geometric.features import Feature, Revolution, Sweep
from cad_pipeline.generators.geometric.frame import WORLD, Frame, frame_along, straightened, upright
from cad_pipeline.generators.geometric.numbers import nice
from cad_pipeline.generators.geometric.routes import Helix, Leg, Route, Triple, circle_in_space
from cad_pipeline.generators.geometric.scale import Scale
from cad_pipeline.generators.geometric.shapes2d import Outline, Segment
from cad_pipeline.generators.geometric.solids import Manifold, as_solid, build
from cad_pipeline.verify.compiled import compiled

__all__ = ["sweeps"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
# the end (3,) of a leg, and its middle if it is bent
_Bent = tuple[Floats, Floats | None]
# walls meet smoothly where their normals differ by less than this angle's cosine
_SMOOTH = 0.75
# radii in shares of the part's size; those that differ by less than a share of themselves are one
_LEAST_RADIUS, _MOST_RADIUS = 1e-3, 0.25
_SAME_RADIUS = 0.06
_NEARLY = 0.3
_MOST_RADII = 3
# shares of the surface: what has one radius, and what is one wire
_LEAST_SHARE = 0.04
# along a section the spine's point stays where it is, by this share of the way on the surface
_ROUND = 0.2
_LEAST_CORNERS = 4
_LEAST_SECTIONS = 3
# how far a section's corners may lie off its plane and its circle, as shares of its size
_FLAT = 1e-3
# a wall is meshed section by section where this share of its corners lies on sections
_REGULAR = 0.9
# else its spine is reckoned in stretches of this length, in radii
_STRETCH = 0.5
_LEAST_STRETCHES = 8
# how far the spine's points may lie from its lines and arcs, in radii of the wire: the closest that serves
_NEAR = (2e-3, 1e-2, 4e-2)
_OFF = _NEAR[-1]
_MOST_LEGS = 24
_MOST_STEP_RAD = 0.9
# a bend is cut into even steps, or nearly
_UNEVEN = 2.5
_MOST_SWEEP_RAD = 5.8
# lengths of a rough spine are exact to this share of the wire's radius, its lines straight to this angle in rad
_ROUGHLY = 0.01
_STRAIGHT = 2e-3
# half the angle in degrees between lines that an arc joins
_SHARPEST, _BLUNTEST = 5.0, 87.0
# a coil ends at a whole multiple of this where it is as near as a share of the wire's radius
_ROUND_DEG = 5.0
_NEAR_END = 0.1
# a coil has at least so many turns
_LEAST_TURNS = 0.8
# shares of a wire's volume: what may stick out of the part, and what it must add
_OUTSIDE = 0.04
_NEW = 0.3
# lengths are made rounder by no more than this share of the part's size
_REACH = 2e-5
# the middle of an arc follows from its ends and the lines that it touches, and is hardly moved
_FINE = 1e-7


@dataclass(frozen=True, slots=True, eq=False)
class _Spine:
    """The middles (n, 3) of a wire's sections in their order, and its radius; the last is the first if `closed`.

    Those of a `rough` one are means along the way, with the wall's corners (k, 3) about its two `ends`.
    """

    middles: Floats
    radius: float
    closed: bool
    ends: tuple[Floats, Floats] | None = None

    @property
    def rough(self) -> bool:
        """Whether its middles are none of its sections, and its corners none of its joints."""
        return self.ends is not None


def sweeps(vertices: Floats, faces: Ints, target: Manifold, scale: Scale) -> list[Feature]:
    """List the bent wires and tubes of a part, the longest first; what is straight is no sweep.

    What sticks out of the target, or lies in what was listed before, is left out.
    """
    outer, inner = ([f for s in _spines(vertices, faces, scale, sign) for f in _swept(s, scale)] for sign in (1, -1))
    kept: list[Feature] = []
    whole = build(kept)
    for wire in outer:
        for option in (*_bored(wire, inner), wire):
            solid = as_solid(option)
            volume = solid.volume()
            outside, new = (solid - target).volume(), (solid - whole).volume()
            if outside < _OUTSIDE * volume and new > _NEW * volume:
                kept.append(option)
                whole += solid
                break
    return kept


def _bored(wire: Sweep | Revolution, inner: list[Sweep | Revolution]) -> Iterator[Sweep]:
    """A wire as a tube, with what runs along the same way within it as its bore."""
    if isinstance(wire, Sweep):
        ours = wire.frame.to_world(wire.path.points())
        for bore in inner:
            if isinstance(bore, Sweep) and bore.radius < wire.radius:
                theirs = bore.frame.to_world(bore.path.points())
                apart = np.linalg.norm(ours[:, None] - theirs[None], axis=2)
                if max(apart.min(axis=0).max(), apart.min(axis=1).max()) < wire.radius:
                    yield replace(wire, bore=bore.radius)


# -- spines ---------------------------------------------------------------------------------------------------------


def _spines(vertices: Floats, faces: Ints, scale: Scale, sign: int) -> list[_Spine]:
    """The spines of all round walls, convex ones where `sign` is 1 and hollow ones where it is −1, longest first."""
    corners = vertices[faces]
    cross = sign * np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    double = np.linalg.norm(cross, axis=1)
    good = double > 1e-12 * scale.size**2
    faces, corners, cross, double = faces[good], corners[good], cross[good], double[good]
    order = np.argsort(faces.ravel(), kind="stable")
    starts = np.searchsorted(faces.ravel()[order], np.arange(len(vertices) + 1))
    normals = _corner_normals(cross / double[:, None], _angles(corners), order, starts, _SMOOTH)
    bends = _bends(corners, normals)
    radius = 1.0 / np.maximum(bends, 1e-300)
    found: list[_Spine] = []
    total = double.sum()
    sized = (radius > _LEAST_RADIUS * scale.size) & (radius < _MOST_RADIUS * scale.size)
    for likely in _radii(radius[sized], double[sized], _LEAST_SHARE * total):
        chosen = np.nonzero(sized & (np.abs(radius / likely - 1.0) < _NEARLY))[0]
        home = components(len(vertices), np.vstack([faces[chosen][:, [0, 1]], faces[chosen][:, [1, 2]]]))
        of_face = home[faces[chosen, 0]]
        for one in np.unique(of_face):
            patch = chosen[of_face == one]
            if double[patch].sum() > _LEAST_SHARE * total:
                spine = _spine(vertices, faces[patch], normals[patch], likely)
                if spine is not None:
                    found.append(spine)
    return sorted(found, key=lambda s: -float(np.linalg.norm(np.diff(s.middles, axis=0), axis=1).sum()))


@compiled
def _corner_normals(normals: Floats, weights: Floats, order: Ints, starts: Ints, smooth: float) -> Floats:
    """Normals (m, 3, 3) of each triangle's corners: of the triangles about it that meet it smoothly, by their angles.

    By its angle a triangle counts there as much as a polygon of which it is a part, however that is cut up.
    """
    made = np.zeros((len(normals), 3, 3))
    for vertex in range(len(starts) - 1):
        for a in range(starts[vertex], starts[vertex + 1]):
            face, corner = order[a] // 3, order[a] % 3
            x, y, z = normals[face]
            for b in range(starts[vertex], starts[vertex + 1]):
                other, there = order[b] // 3, order[b] % 3
                p, q, r = normals[other]
                if x * p + y * q + z * r > smooth:
                    made[face, corner, 0] += weights[other, there] * p
                    made[face, corner, 1] += weights[other, there] * q
                    made[face, corner, 2] += weights[other, there] * r
            length = np.sqrt((made[face, corner] ** 2).sum())
            made[face, corner] /= max(length, 1e-300)
    return made


def _angles(corners: Floats) -> Floats:
    """The angle in rad at each corner of triangles (m, 3, 3)."""
    ahead = np.roll(corners, -1, axis=1) - corners
    back = np.roll(corners, 1, axis=1) - corners
    sine = np.linalg.norm(np.cross(ahead, back), axis=2)
    return np.asarray(np.arctan2(sine, np.einsum("nki,nki->nk", ahead, back)))


def _bends(corners: Floats, normals: Floats) -> Floats:
    """The larger principal curvature (m,) of triangles (m, 3, 3) with normals (m, 3, 3) at their corners."""
    first = corners[:, 1] - corners[:, 0]
    u = first / np.maximum(np.linalg.norm(first, axis=1), 1e-300)[:, None]
    n = np.cross(first, corners[:, 2] - corners[:, 0])
    n /= np.maximum(np.linalg.norm(n, axis=1), 1e-300)[:, None]
    v = np.cross(n, u)
    rows = np.zeros((len(corners), 6, 3))
    right = np.zeros((len(corners), 6))
    for k in range(3):
        edge, turn = corners[:, (k + 1) % 3] - corners[:, k], normals[:, (k + 1) % 3] - normals[:, k]
        x, y = np.einsum("ij,ij->i", edge, u), np.einsum("ij,ij->i", edge, v)
        rows[:, 2 * k, 0], rows[:, 2 * k, 1] = x, y
        rows[:, 2 * k + 1, 1], rows[:, 2 * k + 1, 2] = x, y
        right[:, 2 * k], right[:, 2 * k + 1] = np.einsum("ij,ij->i", turn, u), np.einsum("ij,ij->i", turn, v)
    square = np.einsum("nki,nkj->nij", rows, rows)
    square += 1e-12 * np.trace(square, axis1=1, axis2=2)[:, None, None] * np.eye(3)
    a, b, c = np.linalg.solve(square, np.einsum("nki,nk->ni", rows, right)[..., None])[..., 0].T
    return np.asarray((a + c) / 2 + np.sqrt(((a - c) / 2) ** 2 + b**2))


def _radii(radius: Floats, weight: Floats, least: float) -> list[float]:
    """The radii (n,) that most of the surface has, by the weights (n,) of its triangles; each with `least` or more."""
    order = np.argsort(radius)
    radius, weight = radius[order], weight[order]
    sums = np.concatenate([[0.0], np.cumsum(weight)])
    found: list[float] = []
    open_ = np.ones(len(radius), dtype=bool)
    for _ in range(_MOST_RADII):
        ends = np.searchsorted(radius, radius * (1 + _SAME_RADIUS), side="right")
        share = np.where(open_, sums[ends] - sums[:-1], 0.0)
        if not len(share) or share.max() < least:
            break
        k = int(np.argmax(share))
        inside = slice(k, ends[k])
        middle = float(np.average(radius[inside], weights=weight[inside]))
        found.append(middle)
        open_ &= np.abs(radius / middle - 1.0) > _NEARLY
    return found


def _spine(vertices: Floats, faces: Ints, normals: Floats, radius: float) -> _Spine | None:
    """The spine of a patch of round wall: points where the normals of a section meet, one section after the other."""
    used, place = np.unique(faces, return_inverse=True)
    place = place.reshape(-1, 3)
    points = vertices[used]
    middles = np.zeros_like(points)
    counts = np.zeros(len(used))
    for k in range(3):
        np.add.at(middles, place[:, k], vertices[faces[:, k]] - radius * normals[:, k])
        np.add.at(counts, place[:, k], 1.0)
    middles /= counts[:, None]
    ends = np.unique(np.sort(np.vstack([place[:, [0, 1]], place[:, [1, 2]], place[:, [2, 0]]]), axis=1), axis=0)
    moved = np.linalg.norm(middles[ends[:, 0]] - middles[ends[:, 1]], axis=1)
    long = np.linalg.norm(points[ends[:, 0]] - points[ends[:, 1]], axis=1)
    section = components(len(used), ends[moved < _ROUND * long])
    size = np.bincount(section)
    whole = size >= _LEAST_CORNERS
    if whole[section].mean() > _REGULAR:
        return _by_sections(points, middles, ends, section)
    return _by_the_way(points, middles, ends, radius)


def _by_sections(points: Floats, middles: Floats, ends: Ints, section: Ints) -> _Spine | None:
    """The spine of a wall that is meshed section by section: the middle of each."""
    size = np.bincount(section)
    middle = np.stack([np.bincount(section, weights=middles[:, k]) / size for k in range(3)], axis=1)
    whole = size >= _LEAST_CORNERS
    if whole.sum() < _LEAST_SECTIONS:
        return None
    # a section's corners lie on its circle to the last digit, where normals of coarse facets only nearly meet
    by_section = points[np.argsort(section, kind="stable")]
    radii = np.zeros(len(size))
    for k, ring in enumerate(np.split(by_section, np.cumsum(size)[:-1])):
        if whole[k]:
            middle[k], radii[k] = _circle_of(ring, middle[k])
    number = np.cumsum(whole) - 1
    links = section[ends]
    links = links[(links[:, 0] != links[:, 1]) & whole[links].all(axis=1)]
    path = _ordered(middle[whole], np.unique(np.sort(number[links], axis=1), axis=0))
    if path is None:
        return None
    order, closed = path
    return _Spine(middle[whole][order], float(np.median(radii[whole])), closed)


def _circle_of(ring: Floats, likely: Floats) -> tuple[Floats, float]:
    """Centre (3,) and radius of the circle on which points (n, 3) lie; the likely one where they lie on none."""
    about = ring.mean(axis=0)
    _, spread, axes = np.linalg.svd(ring - about, full_matrices=False)
    flat = (ring - about) @ axes[:2].T
    rows = np.column_stack([2 * flat, np.ones(len(flat))])
    (x, y, c), *_ = np.linalg.lstsq(rows, (flat**2).sum(axis=1), rcond=None)
    radius = float(np.sqrt(max(c + x * x + y * y, 0.0)))
    off = np.abs(np.hypot(flat[:, 0] - x, flat[:, 1] - y) - radius).max()
    if spread[-1] > _FLAT * spread[0] or off > _FLAT * radius:
        return likely, float(np.linalg.norm(ring - likely, axis=1).mean())
    return np.asarray(about + x * axes[0] + y * axes[1]), radius


def _by_the_way(points: Floats, middles: Floats, ends: Ints, radius: float) -> _Spine | None:
    """The spine of a wall that is meshed anyhow: means of what lies equally far from its end, along the spine."""
    length = np.linalg.norm(middles[ends[:, 0]] - middles[ends[:, 1]], axis=1)
    count = len(points)
    graph = coo_matrix((np.maximum(length, 1e-9 * radius), (ends[:, 0], ends[:, 1])), shape=(count, count)).tocsr()
    first = int(np.argmax(dijkstra(graph, directed=False, indices=0)))
    along = dijkstra(graph, directed=False, indices=first)
    if not np.isfinite(along).all():
        return None
    step = (along / (_STRETCH * radius)).astype(np.int64)
    size = np.bincount(step)
    # the first and the last stretch are cut off anywhere: a few corners of one side are no section
    fair = np.nonzero(size >= 0.5 * np.median(size[size > 0]))[0]
    step = np.clip(step, fair[0], fair[-1]) - fair[0]
    size = np.bincount(step)
    if len(size) < _LEAST_STRETCHES:
        return None
    full = size > 0
    spine = np.stack([np.bincount(step, weights=middles[:, k])[full] / size[full] for k in range(3)], axis=1)
    # the first and the last mean lie within the wire's ends
    for end, next_ in ((0, 1), (-1, -2)):
        way = spine[end] - spine[next_]
        way /= np.linalg.norm(way)
        here = step == (0 if end == 0 else len(size) - 1)
        spine[end] += way * max(float(((points[here] - spine[end]) @ way).max()), 0.0)
    near = points - spine[np.cumsum(full)[step] - 1]
    tangent = np.gradient(spine, axis=0)[np.cumsum(full)[step] - 1]
    tangent /= np.linalg.norm(tangent, axis=1)[:, None]
    away = np.linalg.norm(near - np.einsum("ij,ij->i", near, tangent)[:, None] * tangent, axis=1)
    about = points[step == 0], points[step == len(size) - 1]
    return _Spine(spine, float(np.median(away)), closed=False, ends=about)


def _ordered(points: Floats, links: Ints) -> tuple[list[int], bool] | None:
    """The points (n, 3) of a spine in their order, and whether it is closed; None where they do not hang together."""
    count = len(points)
    if len(links) < count - 1:
        return None
    length = np.linalg.norm(points[links[:, 0]] - points[links[:, 1]], axis=1)
    if np.bincount(links.ravel(), minlength=count).max() <= 2 and len(links) == count:
        # all of them have two neighbours: a loop
        neighbours: dict[int, list[int]] = {k: [] for k in range(count)}
        for a, b in links.tolist():
            neighbours[a].append(b)
            neighbours[b].append(a)
        order = [0, neighbours[0][0]]
        while (step := next(k for k in neighbours[order[-1]] if k != order[-2])) != 0:
            order.append(step)
        return ([*order, 0], True) if len(order) == count else None
    graph = coo_matrix((length, (links[:, 0], links[:, 1])), shape=(count, count)).tocsr()
    far = dijkstra(graph, directed=False, indices=0)
    if not np.isfinite(far).all():
        return None
    along = dijkstra(graph, directed=False, indices=int(np.argmax(far)))
    return [int(k) for k in np.argsort(along)], False


# -- ways -----------------------------------------------------------------------------------------------------------


def _swept(spine: _Spine, scale: Scale) -> Iterator[Sweep | Revolution]:
    """A spine as a ring, a coil, or lines and arcs; nothing where it is straight, or none of these."""
    reach = _REACH * scale.size
    radius = nice(spine.radius, reach)
    coil = None if spine.closed else _coil(spine, max(reach, _ROUGHLY * spine.radius) if spine.rough else reach)
    if coil is not None:
        yield Sweep(*coil, nice(radius, _ROUGHLY * radius) if spine.rough else radius)
        return
    ring = _ring(spine, radius, reach) if spine.closed else None
    if ring is not None:
        yield ring
        return
    nears = _NEAR[-1:] if spine.rough else _NEAR
    legs = next((made for near in nears if (made := _legs(spine.middles, near * spine.radius))), None)
    if legs is None or all(mid is None for _, mid in legs):
        return
    if spine.rough:
        legs = _tangent(spine.middles[0], _without_short(spine.middles[0], legs, spine.radius))
        reach = max(reach, _ROUGHLY * spine.radius)
        radius = nice(spine.radius, reach)
    frame, flat = _plane(spine, reach)

    rounded = [_rounded(frame.to_local(p[None])[0], reach, flat) for p in (spine.middles[0], *(end for end, _ in legs))]
    rounded = _agreed(np.array(rounded), 3 * reach)
    way: list[Leg] = []
    before = spine.middles[0]
    for (end, mid), first, last in zip(legs, rounded, rounded[1:], strict=False):
        bent = None if mid is None else _as_bent(frame.to_local(np.array([before, mid, end])), first, last)
        way.append(Leg(_triple(last), None if bent is None else _triple(_rounded(bent, _FINE * scale.size, flat))))
        before = end
    start = _triple(rounded[0])
    if spine.closed:
        way[-1] = replace(way[-1], end=start)
    yield Sweep(frame, Route(start, tuple(way)), radius)


def _rounded(point: Floats, reach: float, flat: bool) -> Floats:
    """A point (3,) with rounder coordinates; in the plane where it is `flat`."""
    x, y, z = (nice(float(c), reach) for c in point)
    return np.array([x, y, 0.0 if flat else z])


def _agreed(points: Floats, near: float) -> list[Floats]:
    """Points (n, 3) whose coordinates are one where they differ by less than `near`."""
    made = points.copy()
    for axis in range(3):
        order = np.argsort(points[:, axis])
        gaps = np.nonzero(np.diff(points[order, axis]) > near)[0] + 1
        for group in np.split(order, gaps):
            made[group, axis] = nice(float(points[group, axis].mean()), near)
    return list(made)


def _triple(point: Floats) -> Triple:
    x, y, z = point.tolist()
    return x, y, z


def _as_bent(arc: Floats, first: Floats, last: Floats) -> Floats:
    """The middle of an arc from `first` to `last` that turns as much as `arc`: its start, middle and end (3, 3)."""
    start, mid, end = arc
    chord = last - first
    rise = mid - (start + end) / 2
    rise -= chord * float(rise @ chord) / float(chord @ chord)
    scale = float(np.linalg.norm(chord) / np.linalg.norm(end - start))
    return np.asarray((first + last) / 2 + scale * rise)


def _plane(spine: _Spine, reach: float) -> tuple[Frame, bool]:
    """The plane in which a spine lies, and True; the world and False if it lies in none."""
    middle = spine.middles.mean(axis=0)
    _, spread, axes = np.linalg.svd(spine.middles - middle, full_matrices=False)
    normal = upright(straightened(axes[2], _STRAIGHT))
    if np.abs((spine.middles - middle) @ normal).max() > _OFF * spine.radius or spread[1] < 1e-6 * spread[0]:
        return WORLD, False
    return frame_along(normal, nice(float(middle @ normal), reach) * normal), True


def _ring(spine: _Spine, radius: float, reach: float) -> Revolution | None:
    """A ring: a circle turned about the axis of the circle on which the spine lies; None if it lies on none."""
    n = len(spine.middles) - 1
    circle = circle_in_space(spine.middles[0], spine.middles[n // 3], spine.middles[2 * n // 3])
    if circle is None:
        return None
    centre, big, normal = circle
    away = spine.middles - centre
    off = np.hypot(np.linalg.norm(away - np.outer(away @ normal, normal), axis=1) - big, away @ normal)
    if off.max() > _OFF * spine.radius or big <= radius:
        return None
    frame = frame_along(upright(straightened(normal, _STRAIGHT)), np.array([nice(float(c), reach) for c in centre]))
    big = nice(big, reach)
    profile = Outline(
        (Segment((big - radius, 0.0), mid=(big, radius)), Segment((big + radius, 0.0), mid=(big, -radius)))
    )
    return Revolution(frame, profile)


def _coil(spine: _Spine, reach: float) -> tuple[Frame, Helix] | None:
    """The frame and the helix of a spine that rises evenly about an axis; None where it does not."""
    points = spine.middles[1:-1] if spine.rough else spine.middles
    steps = np.diff(points, axis=0)
    tangents = steps / np.linalg.norm(steps, axis=1)[:, None]
    if len(points) < 8:
        return None
    axis = np.linalg.svd(tangents - tangents.mean(axis=0), full_matrices=False)[2][2]
    axis = _straight(axis if float(axis @ (points[-1] - points[0])) > 0 else -axis)
    flat = frame_along(axis, np.zeros(3)).to_local(points)
    rows = np.column_stack([2 * flat[:, :2], np.ones(len(flat))])
    (x, y, c), *_ = np.linalg.lstsq(rows, (flat[:, :2] ** 2).sum(axis=1), rcond=None)
    radius = float(np.sqrt(max(c + x * x + y * y, 0.0)))
    off = _OFF * spine.radius
    if np.abs(np.hypot(flat[:, 0] - x, flat[:, 1] - y) - radius).max() > 2 * off:
        return None
    angle = np.unwrap(np.arctan2(flat[:, 1] - y, flat[:, 0] - x))
    turns = float(angle[-1] - angle[0]) / (2 * np.pi)
    rise, floor = np.polyfit(angle - angle[0], flat[:, 2], 1)
    if abs(turns) < _LEAST_TURNS or np.abs(floor + rise * (angle - angle[0]) - flat[:, 2]).max() > 2 * off:
        return None
    if abs(rise) < 0.1 * off:
        return None
    base = frame_along(axis, np.zeros(3))
    first, last = (float(a) for a in angle[[0, -1]])
    if spine.ends is not None:
        sense = np.sign(turns)
        reached = [_turned_from(base.to_local(p), (x, y), a) for p, a in zip(spine.ends, (first, last), strict=True)]
        first, last = (
            first - sense * float((-sense * reached[0]).max()),
            last + sense * float((sense * reached[1]).max()),
        )
        whole = np.radians(_ROUND_DEG * np.round(np.degrees([first, last]) / _ROUND_DEG))
        near = np.abs(whole - [first, last]) * radius < _NEAR_END * spine.radius
        first, last = np.where(near, whole, [first, last]).tolist()
        turns = (last - first) / (2 * np.pi)
    start = _straight(np.cos(first) * base.axes[0] + np.sin(first) * base.axes[1])
    floor += rise * (first - angle[0])
    origin = base.to_world(np.array([[x, y, floor]]))[0]
    frame = frame_along(axis, np.array([nice(float(v), reach) for v in origin]), start)
    pitch = nice(abs(2 * np.pi * float(rise)), reach)
    return frame, Helix(nice(radius, reach), pitch, nice(pitch * abs(turns), 4 * reach), left=turns < 0)


def _turned_from(points: Floats, centre: tuple[float, float], angle: float) -> Floats:
    """By how much points (n, 3) lie beyond an angle about `centre`, in rad."""
    there = np.arctan2(points[:, 1] - centre[1], points[:, 0] - centre[0])
    return np.asarray((there - angle + np.pi) % (2 * np.pi) - np.pi)


def _legs(points: Floats, off: float) -> list[_Bent] | None:
    """Lines and arcs along points (n, 3), each as far as it serves: its end, and its middle if it is bent."""
    legs: list[_Bent] = []
    here, last = 0, len(points) - 1
    while here < last:
        line = _line(points, here, off)
        arc, mid = _bend(points, here, off)
        end, middle = (line, None) if line >= arc else (arc, mid)
        legs.append((points[end], middle))
        here = end
        if len(legs) > _MOST_LEGS:
            return None
    return legs


def _straight(direction: Floats) -> Floats:
    """A direction along an axis of the world, where it nearly is, whichever way it points."""
    straight = straightened(direction, _STRAIGHT)
    return straight if float(straight @ direction) > 0 else -straight


def _without_short(start: Floats, legs: list[_Bent], radius: float) -> list[_Bent]:
    """Leave out lines at the ends, and of two lines one after the other, that are no longer than a stretch."""
    kept: list[_Bent] = []
    for k, (end, mid) in enumerate(legs):
        before = kept[-1][0] if kept else start
        short = mid is None and float(np.linalg.norm(end - before)) < 2 * _STRETCH * radius
        if short and k == len(legs) - 1 and kept:
            continue
        if kept and mid is None and kept[-1][1] is None:
            was = kept[-2][0] if len(kept) > 1 else start
            if short or float(np.linalg.norm(before - was)) < 2 * _STRETCH * radius:
                kept[-1] = (end, None)
                continue
        kept.append((end, mid))
    return kept


def _tangent(start: Floats, legs: list[_Bent]) -> list[_Bent]:
    """Let each arc between two lines touch both: where lines are known well, what lies between them follows."""
    made = list(legs)
    for k in range(1, len(legs) - 1):
        (first, bend), (mid, (last, after)) = made[k - 1], (made[k][1], made[k + 1])
        if mid is None or bend is not None or after is not None:
            continue
        origin = made[k - 2][0] if k > 1 else start
        u, v = (w / np.linalg.norm(w) for w in (first - origin, last - made[k][0]))
        u, v = _straight(u), _straight(v)
        half = float(np.arccos(np.clip(-u @ v, -1.0, 1.0))) / 2
        if not _SHARPEST < np.degrees(half) < _BLUNTEST:
            continue
        # where the lines come nearest to each other
        way = last - origin
        cosine = float(u @ v)
        along = (float(way @ u) - cosine * float(way @ v)) / (1 - cosine**2)
        back = (cosine * float(way @ u) - float(way @ v)) / (1 - cosine**2)
        corner = (origin + along * u + last + back * v) / 2
        inwards = (v - u) / np.linalg.norm(v - u)
        round_ = float(np.linalg.norm(mid - corner)) / (1 / np.sin(half) - 1)
        round_ = nice(round_, _ROUGHLY * round_)
        made[k - 1] = (corner - round_ / np.tan(half) * u, None)
        made[k] = (corner + round_ / np.tan(half) * v, corner + round_ * (1 / np.sin(half) - 1) * inwards)
    return made


def _line(points: Floats, here: int, off: float) -> int:
    """Up to which point a line from `here` goes."""
    end = here + 1
    while end + 1 < len(points):
        chord = points[end + 1] - points[here]
        between = points[here + 1 : end + 1] - points[here]
        along = np.clip(between @ chord / float(chord @ chord), 0.0, 1.0)
        if np.linalg.norm(between - along[:, None] * chord, axis=1).max() > 0.5 * off:
            break
        end += 1
    return end


def _bend(points: Floats, here: int, off: float) -> tuple[int, Floats | None]:
    """Up to which point an arc from `here` goes, and its middle; no farther than `here` if there is none."""
    found: tuple[int, Floats | None] = (here, None)
    for end in range(here + 2, len(points)):
        circle = circle_in_space(points[here], points[(here + end) // 2], points[end])
        if circle is None:
            break
        centre, radius, normal = circle
        away = points[here : end + 1] - centre
        flat = away - np.outer(away @ normal, normal)
        apart = np.hypot(np.linalg.norm(flat, axis=1) - radius, away @ normal)
        x = away[0] / radius
        angle = np.unwrap(np.arctan2(flat @ np.cross(normal, x), flat @ x))
        steps = np.diff(angle)
        uneven = steps.max() > _MOST_STEP_RAD or steps.max() > _UNEVEN * steps.min()
        if apart.max() > off or uneven or angle[-1] > _MOST_SWEEP_RAD:
            break
        half = angle[-1] / 2
        found = end, centre + radius * (np.cos(half) * x + np.sin(half) * np.cross(normal, x))
    return found

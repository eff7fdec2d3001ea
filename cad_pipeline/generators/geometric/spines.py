"""The spines of round walls: the line along which the middles of a wire's, a tube's or a ring's sections lie.

A round wire is the canal surface of its spine: one of its principal curvatures is the reciprocal of its radius
everywhere, and all normals of one section meet in the spine. So the radius comes from the curvatures of the triangles
(Rusinkiewicz, "Estimating Curvatures and Their Derivatives on Triangle Meshes", 2004), every vertex gives a point of
the spine, and the edges of the mesh say in which order the sections follow.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import dijkstra

from cad_pipeline.generators.geometric.facets import components
from cad_pipeline.generators.geometric.scale import Scale
from cad_pipeline.verify.compiled import compiled

__all__ = ["STRETCH", "Spine", "spines"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
# a spine whose wall is not meshed section by section is reckoned in stretches of this length, in radii
STRETCH = 0.5
_LEAST_STRETCHES = 8
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
# a wall is meshed section by section where this share of its corners lies on sections
_REGULAR = 0.9


@dataclass(frozen=True, slots=True, eq=False)
class Spine:
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


def spines(vertices: Floats, faces: Ints, scale: Scale, sign: int) -> list[Spine]:
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
    found: list[Spine] = []
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


def _spine(vertices: Floats, faces: Ints, normals: Floats, radius: float) -> Spine | None:
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


def _by_sections(points: Floats, middles: Floats, ends: Ints, section: Ints) -> Spine | None:
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
    return Spine(middle[whole][order], float(np.median(radii[whole])), closed)


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


def _by_the_way(points: Floats, middles: Floats, ends: Ints, radius: float) -> Spine | None:
    """The spine of a wall that is meshed anyhow: means of what lies equally far from its end, along the spine."""
    length = np.linalg.norm(middles[ends[:, 0]] - middles[ends[:, 1]], axis=1)
    count = len(points)
    graph = coo_matrix((np.maximum(length, 1e-9 * radius), (ends[:, 0], ends[:, 1])), shape=(count, count)).tocsr()
    first = int(np.argmax(dijkstra(graph, directed=False, indices=0)))
    along = dijkstra(graph, directed=False, indices=first)
    if not np.isfinite(along).all():
        return None
    step = (along / (STRETCH * radius)).astype(np.int64)
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
    return Spine(spine, float(np.median(away)), closed=False, ends=about)


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

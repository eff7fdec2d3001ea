"""Say in CadQuery's selectors which edges are meant: the shortest text that picks these edges and no others.

What a selector will pick when the program runs is predicted from the mesh: its facets make faces, what lies between two
faces makes edges, and of these CadQuery's selectors ask for the centre, the length, the direction, and for lines.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cad_pipeline.generators.geometric.bores import flat_triangles
from cad_pipeline.generators.geometric.edge_blends import Rims, rims_of
from cad_pipeline.generators.geometric.facets import Facets, components
from cad_pipeline.generators.geometric.features import Selection
from cad_pipeline.generators.geometric.numbers import nice, text
from cad_pipeline.generators.geometric.scale import Scale
from cad_pipeline.verify.compiled import compiled

__all__ = ["selection"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]
_AXES = (("X", 0), ("Y", 1), ("Z", 2))
# facets of a curved face turn by less than this from each to the next
_SMOOTH = math.radians(31.0)
# strips of one round wall are about equally large
_ALIKE = 2.0
_TANGENT = math.cos(math.radians(12.0))
_STRAIGHT = 1.0 - 1e-6
_MOST_POINTS = 3


@dataclass(frozen=True, slots=True, eq=False)
class _Edges:
    """Edges (e,): their centres (e, 3), lengths, faces (e, 2), directions (e, 3) of those that are lines, else zero.

    `meant` marks those to be picked, `ends` (e, 2) has the vertices at which an edge that is not closed ends. Faces
    (f,) have centres (f, 3) and normals (f, 3), which are zero where they are not flat.
    """

    centre: Floats
    length: Floats
    faces: Ints
    direction: Floats
    meant: Mask
    tangents: tuple[dict[int, Floats], ...]
    face_centre: Floats
    face_normal: Floats


def selection(vertices: Floats, faces: Ints, facets: Facets, segments: Floats, scale: Scale) -> Selection | None:
    """The shortest selection of the edges of a mesh that run along `segments` (n, 2, 3); None if there is none."""
    edges = _edges(vertices, faces, facets, segments, scale)
    if edges is None or not edges.meant.any():
        return None
    count = int(edges.meant.sum())
    for calls, picked in itertools.chain(_plain(edges, scale), _by_face(edges, scale)):
        if (picked == edges.meant).all():
            return Selection(calls, count)
    return _by_wire(edges, scale) or _by_points(edges, scale) or _by_box(edges, scale)


# -- edges ----------------------------------------------------------------------------------------------------------


def _edges(vertices: Floats, faces: Ints, facets: Facets, segments: Floats, scale: Scale) -> _Edges | None:
    """Edges of a mesh; None where an edge runs only in part along the segments."""
    rims = rims_of(vertices, faces, facets)
    face, flat = _faces(faces, facets, rims)
    between = np.sort(np.column_stack([face[rims.one], face[rims.two]]), axis=1)
    outer = between[:, 0] != between[:, 1]
    rows = np.nonzero(outer)[0]
    if not len(rows):
        return None
    keys = np.round(np.vstack([rims.start[rows], rims.end[rows]]) / (8 * scale.noise))
    _, place = np.unique(keys, axis=0, return_inverse=True)
    _, pair = np.unique(between[rows], axis=0, return_inverse=True)
    ends = place.reshape(2, -1)
    # the same vertex is another place on another pair of faces
    spots, spot = np.unique(np.column_stack([ends.ravel(), np.tile(pair.ravel(), 2)]), axis=0, return_inverse=True)
    label = components(len(spots), np.column_stack(np.split(spot.ravel(), 2)))[spot.ravel()[: len(rows)]]
    _, label = np.unique(label, return_inverse=True)
    marked = _along(((rims.start + rims.end) / 2)[rows], segments, scale)
    order = np.argsort(label, kind="stable")
    runs = np.split(order, np.nonzero(np.diff(label[order]))[0] + 1)
    share = np.bincount(label, weights=rims.length[rows] * marked) / np.bincount(label, weights=rims.length[rows])
    if ((share > 0.02) & (share < 0.98)).any():
        return None
    made = [_edge(rims, rows[run], ends[:, run]) for run in runs]
    first = np.unique(label, return_index=True)[1]
    normal = np.zeros((int(face.max()) + 1, 3))
    normal[face[flat]] = facets.normal[flat]
    weight = np.maximum(np.bincount(face, weights=facets.area), 1e-300)
    middle = np.stack([np.bincount(face, weights=facets.area * c) / weight for c in facets.centroid.T], axis=1)
    seams = _seams(rims, between, middle)
    return _Edges(
        np.vstack([*(m[0] for m in made), *(s[0] for s in seams)]),
        np.array([m[1] for m in made] + [0.0] * len(seams)),
        np.vstack([between[rows][first], *(s[1] for s in seams)]),
        np.vstack([*(m[2] for m in made), *(s[2] for s in seams)]),
        np.r_[share > 0.5, np.zeros(len(seams), dtype=bool)],
        tuple(m[3] for m in made) + ({},) * len(seams),
        middle,
        normal,
    )


def _faces(faces: Ints, facets: Facets, rims: Rims) -> tuple[Ints, Mask]:
    """The face (k,) of each facet, and which facets are faces by themselves, being flat."""
    flat = np.zeros(len(facets.area), dtype=bool)
    flat[facets.of_triangle[flat_triangles(facets)]] = True
    area = facets.area
    alike = np.maximum(area[rims.one], area[rims.two]) < _ALIKE * np.minimum(area[rims.one], area[rims.two])
    smooth = (np.abs(rims.turn) < _SMOOTH) & (alike | ~(flat[rims.one] | flat[rims.two]))
    flat[np.r_[rims.one[smooth], rims.two[smooth]]] = False
    return components(len(flat), np.column_stack([rims.one, rims.two])[smooth]), flat


def _edge(rims: Rims, rows: Ints, ends: Ints) -> tuple[Floats, float, Floats, dict[int, Floats]]:
    """Centre, length, direction if it is a line, and at each of its two ends the direction in which it leaves."""
    length = rims.length[rows]
    centre = np.average((rims.start[rows] + rims.end[rows]) / 2, axis=0, weights=length)
    unit = (rims.end[rows] - rims.start[rows]) / np.maximum(length, 1e-300)[:, None]
    line = bool((np.abs(unit @ unit[0]) > _STRAIGHT).all())
    places, counts = np.unique(ends, return_counts=True)
    leaves: dict[int, Floats] = {}
    for end in places[counts == 1].tolist():
        at = int(np.nonzero((ends == end).any(axis=0))[0][0])
        leaves[end] = unit[at] if ends[0, at] == end else -unit[at]
    return centre, float(length.sum()), unit[0] if line else np.zeros(3), leaves


def _seams(rims: Rims, between: Ints, middle: Floats) -> list[tuple[Floats, Ints, Floats]]:
    """A line along each curved face, where a CAD kernel may have its seam: centre, faces, direction."""
    within = np.nonzero(between[:, 0] == between[:, 1])[0]
    found = []
    for face in np.unique(between[within, 0]).tolist():
        rows = within[between[within, 0] == face]
        longest = rows[np.argmax(rims.length[rows])]
        unit = (rims.end[longest] - rims.start[longest]) / rims.length[longest]
        found.append((middle[face], np.array([face, face]), unit))
    return found


def _along(points: Floats, segments: Floats, scale: Scale) -> Mask:
    """Which of the points (n, 3) lie on a segment."""
    return _lie_on(points, segments[:, 0].copy(), segments[:, 1] - segments[:, 0], scale.level)


@compiled
def _lie_on(points: Floats, start: Floats, along: Floats, reach: float) -> Mask:
    """Which of the points (n, 3) are nearer than `reach` to a segment from `start` (k, 3) `along` (k, 3)."""
    on = np.zeros(len(points), dtype=np.bool_)
    for i in range(len(points)):
        for k in range(len(start)):
            x, y, z = points[i, 0] - start[k, 0], points[i, 1] - start[k, 1], points[i, 2] - start[k, 2]
            u, v, w = along[k, 0], along[k, 1], along[k, 2]
            share = min(max((x * u + y * v + z * w) / max(u * u + v * v + w * w, 1e-300), 0.0), 1.0)
            x, y, z = x - share * u, y - share * v, z - share * w
            if x * x + y * y + z * z < reach * reach:
                on[i] = True
                break
    return on


# -- selectors ------------------------------------------------------------------------------------------------------


def _words(centre: Floats, direction: Floats, scale: Scale) -> Iterator[tuple[str, Mask]]:
    """Selectors of one word, for edges by their direction or for faces by their normal, with what each picks."""
    for name, k in _AXES:
        yield f"|{name}", np.abs(direction[:, k]) > _STRAIGHT
    for name, k in _AXES:
        at = centre[:, k]
        yield f">{name}", at > at.max() - scale.level
        yield f"<{name}", at < at.min() + scale.level


def _plain(edges: _Edges, scale: Scale) -> Iterator[tuple[str, Mask]]:
    """All edges; those that up to three words pick."""
    yield ".edges()", np.ones(len(edges.meant), dtype=bool)
    words = [(w, p) for w, p in _words(edges.centre, edges.direction, scale) if (p <= edges.meant).all()]
    for count in (1, 2, 3):
        for some in itertools.combinations(words, count):
            yield f'.edges("{" or ".join(w for w, _ in some)}")', np.any([p for _, p in some], axis=0)


def _face_words(edges: _Edges, scale: Scale) -> Iterator[tuple[str, Mask]]:
    words = list(_words(edges.face_centre, edges.face_normal, scale))
    yield from words
    for name, k in _AXES:
        yield f"+{name}", edges.face_normal[:, k] > _STRAIGHT
        yield f"-{name}", edges.face_normal[:, k] < -_STRAIGHT
    for (one, picked), (two, also) in itertools.combinations(words, 2):
        yield f"{one} or {two}", picked | also


def _by_face(edges: _Edges, scale: Scale) -> Iterator[tuple[str, Mask]]:
    """The edges of faces; the lines among them, the others."""
    line = np.abs(edges.direction).max(axis=1) > 0
    real = edges.length > 0
    for words, faces in _face_words(edges, scale):
        of = faces[edges.faces].any(axis=1) & real
        yield f'.faces("{words}").edges()', of
        yield f'.faces("{words}").edges("%LINE")', of & line
        yield f'.faces("{words}").edges("%CIRCLE")', of & ~line


def _by_wire(edges: _Edges, scale: Scale) -> Selection | None:
    """The longest or the shortest loop of a face."""
    for words, faces in _face_words(edges, scale):
        if faces.sum() != 1:
            continue
        of = np.nonzero(faces[edges.faces].any(axis=1) & (edges.length > 0))[0]
        places: dict[int, int] = {}
        links = [(k, places.setdefault(end, k)) for k in of.tolist() for end in edges.tangents[k]]
        loop = components(len(edges.meant), np.array(links, dtype=np.int64).reshape(-1, 2))
        lengths = {int(number): float(edges.length[of][loop[of] == number].sum()) for number in np.unique(loop[of])}
        order = sorted(lengths, key=lambda number: lengths[number])
        for place, number in ((-1, order[-1]), (0, order[0])):
            picked = np.zeros(len(edges.meant), dtype=bool)
            picked[of[loop[of] == number]] = True
            alone = sum(abs(length - lengths[number]) < 2 * scale.level for length in lengths.values()) == 1
            if alone and (picked == edges.meant).all():
                calls = f'.faces("{words}").wires(cq.selectors.LengthNthSelector({place}))'
                return Selection(calls, int(picked.sum()), 1)
    return None


def _by_points(edges: _Edges, scale: Scale) -> Selection | None:
    """Those nearest to a few points: of edges that run on into each other one, since a blend follows them."""
    chains = _chains(edges)
    if len(chains) > _MOST_POINTS:
        return None
    picks = []
    for chain in chains:
        best = max(chain, key=lambda k: edges.length[k])
        far = np.linalg.norm(edges.centre - edges.centre[best], axis=1)
        far[best] = np.inf
        if far.min() < 4 * scale.level:
            return None
        picks.append(f"cq.selectors.NearestToPointSelector({_point(edges.centre[best], far.min() / 8)})")
    return Selection(f".edges({' + '.join(picks)})", len(picks), 3 * len(picks))


def _chains(edges: _Edges) -> list[list[int]]:
    """Edges that are meant, those together that run on into each other."""
    meant = np.nonzero(edges.meant)[0].tolist()
    links = [
        (one, two)
        for one, two in itertools.combinations(meant, 2)
        for end in edges.tangents[one].keys() & edges.tangents[two].keys()
        if -float(edges.tangents[one][end] @ edges.tangents[two][end]) > _TANGENT
    ]
    label = components(len(edges.meant), np.array(links, dtype=np.int64).reshape(-1, 2))
    chains: dict[int, list[int]] = {}
    for k in meant:
        chains.setdefault(int(label[k]), []).append(k)
    return list(chains.values())


def _by_box(edges: _Edges, scale: Scale) -> Selection | None:
    """Those whose centres lie in a box."""
    inside, outside = edges.centre[edges.meant], edges.centre[~edges.meant]
    low, high = inside.min(axis=0), inside.max(axis=0)
    beyond = (
        np.maximum(low - outside, outside - high).max(axis=1, initial=-np.inf) if len(outside) else np.array([np.inf])
    )
    margin = min(float(beyond.min()), 0.1 * scale.size)
    if margin < 4 * scale.level:
        return None
    corners = (_point(low - margin / 2, margin / 4), _point(high + margin / 2, margin / 4))
    return Selection(f".edges(cq.selectors.BoxSelector({', '.join(corners)}))", len(inside), 6)


def _point(place: Sequence[float] | Floats, tolerance: float) -> str:
    return f"({', '.join(text(nice(float(c), tolerance)) for c in place)})"

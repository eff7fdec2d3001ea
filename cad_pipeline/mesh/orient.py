"""Winding: neighbours agree, and doubled triangles go."""

from __future__ import annotations

import numpy as np

from cad_pipeline.mesh.edges import Edges
from cad_pipeline.mesh.raw import Ints

__all__ = ["drop_doubles", "same_winding"]


def drop_doubles(faces: Ints) -> Ints:
    """Keep one of several triangles with the same three vertices and sense.

    Two that face each other stay where bodies touch, that is where all edges balance with them. Elsewhere they enclose
    nothing and go, unless their neighbours need one of them to close.
    """
    if not len(faces):
        return faces
    least, most = faces.min(axis=1), faces.max(axis=1)
    # Sums identify triangles with the same corners well enough to see at once that, as mostly, there are none.
    key = least * np.int64(faces.max() + 1) + most
    order = np.argsort(key)
    if not (key[order[1:]] == key[order[:-1]]).any():
        return faces
    corner = np.sort(faces, axis=1)
    order = np.lexsort(corner.T[::-1])
    same = (corner[order][1:] == corner[order][:-1]).all(axis=1)
    if not same.any():
        return faces
    group = np.concatenate([[0], np.cumsum(~same)])
    low = np.argmin(faces, axis=1)
    rolled = faces[np.arange(len(faces))[:, None], (low[:, None] + np.arange(3)) % 3]
    sense = (rolled[:, 1] < rolled[:, 2])[order]
    _, first = np.unique(2 * group + sense, return_index=True)
    distinct: Ints = faces[np.sort(order[first])]
    facing = np.bincount(group, weights=sense).astype(bool) & np.bincount(group, weights=~sense).astype(bool)
    if not facing.any() or Edges.of(distinct).balanced:
        return distinct
    _, first = np.unique(group, return_index=True)
    flap = np.zeros(len(faces), bool)
    flap[order[first]] = facing
    kept = np.sort(order[first])
    single, flap = faces[kept], flap[kept]
    edges = Edges.of(single)
    crowd = np.empty(len(single) * 3, np.int64)
    crowd[edges.order] = np.repeat(edges.counts, edges.counts)
    needed = ((crowd.reshape(-1, 3) - 1) % 2 == 1).any(axis=1)
    return np.asarray(single[~flap | needed], np.int64)


def same_winding(faces: Ints, edges: Edges) -> tuple[Ints, int, int, float]:
    """Flip triangles until neighbours agree; return faces, how many flipped, how many can't agree, and the mix.

    Every face is two nodes, as it is and flipped; a shared edge joins the nodes that agree. A group whose two copies
    come out as one component has one side only (a Möbius strip) and stays as it is. The smaller share is flipped;
    the mix is the largest such share of any group: above a few percent the file's winding tells nothing.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    m = len(faces)
    if edges.agreeing.all():
        return faces, 0, 0, 0.0
    left, right, agree = edges.pairs[:, 0] // 3, edges.pairs[:, 1] // 3, edges.agreeing
    rows = np.concatenate([left, left + m])
    cols = np.concatenate([np.where(agree, right, right + m), np.where(agree, right + m, right)])
    graph = coo_array((np.ones(len(rows), np.int8), (rows, cols)), shape=(2 * m, 2 * m))
    count, label = connected_components(graph, directed=False)
    plain, flipped = label[:m], label[m:]
    twisted = plain == flipped
    size = np.bincount(plain, minlength=count)
    flip = ~twisted & ((size[flipped] > size[plain]) | ((size[flipped] == size[plain]) & (flipped < plain)))
    out = faces.copy()
    out[flip] = out[flip][:, ::-1]
    group = np.minimum(plain, flipped)
    share = np.bincount(group, weights=flip) / np.maximum(np.bincount(group), 1)
    return out, int(flip.sum()), int(twisted.sum()), float(share.max(initial=0.0))

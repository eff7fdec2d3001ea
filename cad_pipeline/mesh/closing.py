"""Closing a surface that is open or badly joined, in several ways if need be."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cad_pipeline.errors import InputError
from cad_pipeline.mesh.bench import Bench, flat_shells
from cad_pipeline.mesh.crowded import split_crowded_edges
from cad_pipeline.mesh.edges import Edges
from cad_pipeline.mesh.holes import fill_holes
from cad_pipeline.mesh.orient import drop_doubles, same_winding
from cad_pipeline.mesh.shells import Shells, cross_products
from cad_pipeline.mesh.weld import drop_flat_indices, split_t_junctions, weld_near_open

__all__ = ["close"]

WELD_STEPS = (1e-7, 1e-6, 1e-5, 1e-4)
T_JUNCTION_REACH = 1e-5
MAX_OPEN_EDGES = 100_000
MAX_OPEN_SHARE = 0.2
MAX_MIX = 0.05
MAX_MENDS = 8
NARROW_MENDS = 3
MAX_MENDED_SHARE = 0.1
MAX_PATCH_SHARE = 0.4
MAX_LEFT_OUT_SHARE = 0.1


def close(bench: Bench) -> Bench:
    """Weld, split T-junctions, agree the winding, close holes, take apart crowded edges, drop scraps.

    Splitting at T-junctions is right for meshes of CSG programs and wrong where thin gaps and missing triangles lie
    side by side; so it is tried with a wide reach, with a narrow one and not at all, and the first closed result, or
    else the least open one, is taken. Raises `InputError` when none encloses a volume.
    """
    _weld(bench)
    best: Bench | None = None
    least = np.inf
    trouble: InputError | None = None
    for reach in (max(4 * bench.noise, T_JUNCTION_REACH * bench.size), 4 * bench.noise, 0.0):
        attempt = replace(bench, notes=list(bench.notes))
        try:
            split = _attempt(attempt, reach)
        except InputError as error:
            trouble, split = trouble or error, -1
        else:
            if attempt.edges.closed:
                return attempt
            defects = len(attempt.edges.open) + len(attempt.edges.crowded)
            if defects < least:
                best, least = attempt, defects
        if split == 0:
            break
    if best is None:
        raise trouble or AssertionError("an attempt either succeeds or raises")
    return best


def _weld(bench: Bench) -> None:
    if not len(bench.edges.open):
        return
    steps = sorted({4 * bench.noise, *(step * bench.size for step in WELD_STEPS)})
    bench.faces, gone = weld_near_open(bench.vertices, bench.faces, bench.edges, tuple(steps))
    bench.say(gone, "joined {n} vertex pair{s} that were apart by rounding only")
    open_edges = len(bench.edges.open)
    if open_edges > MAX_OPEN_EDGES and open_edges > MAX_OPEN_SHARE * bench.faces.size:
        raise InputError(
            f"{bench.name}: expected a closed surface, got {open_edges} open edges around {len(bench.faces)} "
            "triangles; close the mesh first"
        )


def _attempt(bench: Bench, reach: float) -> int:
    """Close `bench` with this reach for T-junctions, 0 for none; return how many triangles were split there."""
    split = 0
    if reach > 0 and len(bench.edges.open):
        bench.faces, split = split_t_junctions(bench.vertices, bench.faces, bench.edges, reach)
        bench.say(split, "split {n} triangle{s} at T-junctions")
    bench.faces = drop_doubles(drop_flat_indices(bench.faces))
    bench.faces, flipped, twisted, mix = same_winding(bench.faces, bench.edges)
    bench.winding_known = mix <= MAX_MIX
    bench.say(flipped, "turned {n} triangle{s} to agree with their neighbours")
    bench.say(twisted, "warning: {n} triangle{s} form a one-sided surface")
    count = len(bench.faces)
    bench.faces, holes, longest, left = fill_holes(bench.vertices, bench.faces, bench.edges)
    if holes:
        how = f"with {len(bench.faces) - count} triangles (longest rim {longest:.4g})"
        bench.say(holes, f"warning: closed {{n}} hole{{s}} {how}")
    bench.say(left, "warning: {n} hole{s} could not be closed")
    bench.vertices, bench.faces, apart = split_crowded_edges(bench.vertices, bench.faces, bench.edges)
    bench.say(apart, "took apart {n} edge{s} shared by more than two triangles")
    if not bench.edges.closed:
        _mend(bench)
    _drop_scraps(bench, count)
    return split


def _mend(bench: Bench) -> None:
    """Cut out the triangles at edges that are still open or crowded, if few, and close the holes that leaves.

    The first cuts take the triangles with such an edge, later ones all that touch its ends. Cuttings go, too.
    """
    vertices, faces, cut = bench.vertices, bench.faces, 0
    for turn in range(MAX_MENDS):
        edges = Edges.of(faces)
        if edges.closed:
            bench.vertices, bench.faces = vertices, faces
            bench.say(cut, "warning: replaced {n} triangle{s} around edges that did not close")
            return
        bad = np.zeros(len(faces), bool)
        bad[edges.order[np.repeat(edges.counts != 2, edges.counts)] // 3] = True
        bad[edges.pairs[~edges.agreeing].ravel() // 3] = True
        if turn >= NARROW_MENDS:
            touched = np.zeros(len(vertices), bool)
            touched[faces[bad]] = True
            bad = np.any(touched[faces], axis=1)
        shells = Shells.of(vertices, faces, edges)
        bad |= flat_shells(shells, bench)[shells.label]
        if bad.mean() > MAX_MENDED_SHARE:
            return
        cut += int(bad.sum())
        faces = faces[~bad]
        faces, *_ = same_winding(faces, Edges.of(faces))
        faces, *_ = fill_holes(vertices, faces, Edges.of(faces))
        faces = drop_doubles(drop_flat_indices(faces))
        vertices, faces, _ = split_crowded_edges(vertices, faces, Edges.of(faces))


def _drop_scraps(bench: Bench, real: int) -> None:
    """Leave out shells without volume, and open surfaces: those largely made of patches (faces from `real` on)."""
    shells = Shells.of(bench.vertices, bench.faces, bench.edges)
    area = np.linalg.norm(cross_products(bench.vertices, bench.faces), axis=1) / 2
    patched = np.bincount(shells.label[real:], weights=area[real:], minlength=shells.count)
    flat = flat_shells(shells, bench)
    sheet = ~flat & (patched > MAX_PATCH_SHARE * shells.area)
    out = flat | sheet
    share = float(shells.area[out].sum() / shells.area.sum())
    if out.all() or share > MAX_LEFT_OUT_SHARE:
        what = "a flat sheet" if flat[out].all() else "an open surface"
        raise InputError(
            f"{bench.name}: expected a solid, got {what} that encloses no volume; give the part a thickness or export "
            "it as a closed mesh"
        )
    bench.say(int(out.sum()), "warning: left out {n} loose surface{s} without volume")
    if out.any():
        bench.faces = bench.faces[~out[shells.label]]

"""From triangles as they came to triangles that enclose a volume, with a note for everything that was changed."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from cad_pipeline.errors import InputError
from cad_pipeline.mesh.bench import Bench, flat_shells
from cad_pipeline.mesh.bodies import body_of_faces
from cad_pipeline.mesh.closing import close
from cad_pipeline.mesh.edges import Edges
from cad_pipeline.mesh.facing import shells_to_flip
from cad_pipeline.mesh.fuse import fuse_overlaps
from cad_pipeline.mesh.orient import drop_doubles
from cad_pipeline.mesh.raw import Floats, Ints, RawMesh
from cad_pipeline.mesh.shells import Shells, parents
from cad_pipeline.mesh.weld import drop_flat_indices, drop_unused, weld_equal

__all__ = ["Repaired", "repair"]

MAX_LOST_SHARE = 0.25


@dataclass(frozen=True, kw_only=True, eq=False)
class Repaired:
    """Clean triangles in the file's numbers and frame, what was done to them, and whether they are closed."""

    vertices: Floats
    faces: Ints
    notes: tuple[str, ...]
    closed: bool


def repair(raw: RawMesh, name: str) -> Repaired:
    """Make a closed, outward-facing mesh of `raw`, or raise `InputError` when it encloses no volume.

    In this order: drop bad numbers, weld, drop degenerate and doubled triangles, close T-junctions, agree the winding,
    close holes, take apart crowded edges, drop scraps, turn shells, fuse bodies that overlap.
    """
    vertices, faces, notes = _finite(raw, name)
    low, high = _box(vertices, faces)
    size = float(np.linalg.norm(high - low))
    if not 0.0 < size < 1e100:
        raise InputError(f"{name}: expected a part with a size, got one of {size:g} units; check the file")
    # Near the origin numbers are left as they are, so that 0.1 stays 0.1; far from it, float32 numbers shift exactly.
    centre = (low + high) / 2 if np.abs(low + high).max() > 4 * size else np.zeros(3)
    bench = Bench(
        vertices=vertices - centre,
        faces=faces,
        size=size,
        noise=raw.spacing * float(np.abs(np.stack([low, high])).max()),
        name=name,
        notes=notes,
    )
    plain = len(faces)
    _weld(bench)
    if not len(bench.faces):
        raise InputError(f"{name}: expected a solid, got {plain} triangles without area; export the part again")
    if not bench.edges.closed:
        if raw.doubt:
            raise InputError(raw.doubt)
        bench = close(bench)
    closed = bench.edges.closed
    # From here on only whole shells are dropped, turned or fused: closed stays closed.
    _face_outwards(bench)
    vertices, faces = drop_unused(bench.vertices + centre, bench.faces)
    if not closed:
        edges = Edges.of(faces)
        closed = edges.closed
        left = f"{len(edges.open)} open and {len(edges.crowded)} crowded edges remain"
        bench.say(int(not closed), f"warning: the surface is not closed ({left})")
    return Repaired(vertices=vertices, faces=faces, notes=tuple(bench.notes), closed=closed)


def _box(vertices: Floats, faces: Ints) -> tuple[Floats, Floats]:
    used = np.zeros(len(vertices), bool)
    used[faces] = True
    points = vertices if used.all() else vertices[used]
    return points.min(axis=0), points.max(axis=0)


def _finite(raw: RawMesh, name: str) -> tuple[Floats, Ints, list[str]]:
    vertices, faces, notes = raw.vertices, raw.faces, list(raw.notes)
    if not len(faces):
        raise InputError(f"{name}: expected triangles, got none; export the part as a triangle mesh")
    if faces.min() < 0 or faces.max() >= len(vertices):
        raise InputError(
            f"{name}: expected corner numbers below {len(vertices)}, got {faces.min()} to {faces.max()}; the file is "
            "damaged, export it again"
        )
    # Comparisons with NaN are false; the bound keeps products of coordinates finite.
    fine = np.abs(vertices) < 1e100
    if not fine.all():
        good = np.all(fine, axis=1)
        whole = good[faces].all(axis=1)
        lost = int((~whole).sum())
        if lost > MAX_LOST_SHARE * len(faces):
            raise InputError(
                f"{name}: expected finite coordinates, got NaN or infinity in {lost} of {len(faces)} triangles; "
                "export the part again"
            )
        if lost:
            notes.append(f"dropped {lost} triangle{'s' * (lost > 1)} with NaN or infinite coordinates")
        vertices, faces = drop_unused(vertices, faces[whole])
    return vertices, faces, notes


def _weld(bench: Bench) -> None:
    bench.vertices, faces = weld_equal(bench.vertices, bench.faces)
    kept = drop_flat_indices(faces)
    bench.say(len(faces) - len(kept), "dropped {n} degenerate triangle{s}")
    bench.faces = drop_doubles(kept)
    bench.say(len(kept) - len(bench.faces), "dropped {n} doubled triangle{s}")


def _face_outwards(bench: Bench) -> None:
    shells = Shells.of(bench.vertices, bench.faces, bench.edges)
    flat = flat_shells(shells, bench)
    if flat.all():
        raise InputError(
            f"{bench.name}: expected a solid, got surfaces that enclose no volume; give the part a thickness or export "
            "it as a closed mesh"
        )
    if flat.any():
        bench.say(int(flat.sum()), "left out {n} shell{s} without volume")
        bench.faces = bench.faces[~flat[shells.label]]
        shells = Shells.of(bench.vertices, bench.faces)
    parent = parents(bench.vertices, bench.faces, shells)
    flip = shells_to_flip(shells, parent, winding_known=bench.winding_known)
    if flip.any():
        turn = flip[shells.label]
        bench.faces = np.where(turn[:, None], bench.faces[:, ::-1], bench.faces)
        bench.say(int(flip.sum()), "turned {n} shell{s} inside out (normals pointed the wrong way)")
        shells = replace(shells, volume=np.where(flip, -shells.volume, shells.volume))
    if shells.count > 1:
        _fuse(bench, body_of_faces(shells, parent))


def _fuse(bench: Bench, body: Ints) -> None:
    before = int(body.max()) + 1
    if before > 1:
        fused = fuse_overlaps(bench.vertices, bench.faces, body, noise=bench.noise)
        bench.vertices, bench.faces = fused.vertices, fused.faces
        bench.say(sum(fused.groups), f"fused {{n}} overlapping bodies into {len(fused.groups)}")
        bench.say(fused.refused, "warning: {n} of the bodies could not be tested for overlap")
        left = before - sum(fused.groups) + len(fused.groups)
        if left > 1:
            bench.notes.append(f"{left} separate bodies")

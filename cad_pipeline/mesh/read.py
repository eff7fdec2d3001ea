"""Reading a mesh file: what it is by its content, how large it may be, and in which unit its numbers are."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from cad_pipeline.errors import InputError
from cad_pipeline.mesh.formats import read_raw
from cad_pipeline.mesh.raw import MAX_TRIANGLES, RawMesh, SolidFacts
from cad_pipeline.mesh.repair import repair
from cad_pipeline.mesh.units import MM_PER_UNIT, canonical_unit, size_doubt
from cad_pipeline.values import Mesh

__all__ = ["MAX_FILE_BYTES", "mesh_from_arrays", "read_exact", "read_mesh"]

MAX_FILE_BYTES = 2 * 1024**3


def read_mesh(path: str | Path, *, unit: str | None = None) -> Mesh:
    """Read a mesh (STL, OBJ, PLY, OFF, 3MF, GLB, glTF) or an exact solid (STEP, BREP) and repair it.

    `unit` says what the file's numbers are, e.g. `inch`; None takes the format's own unit, or mm where it has none.
    The result is in mm, in the file's frame, closed where possible, with a note for every repair. Raises `InputError`
    with one line (expected, got, cure) for anything that is not a solid part.
    """
    return read_exact(path, unit=unit)[0]


def read_exact(path: str | Path, *, unit: str | None = None) -> tuple[Mesh, SolidFacts | None]:
    """Read a part as `read_mesh` does, with what the CAD kernel says of it where the file holds an exact solid.

    The facts are in the file's own mm (a BREP's numbers are taken for mm, whatever `unit` says); None for a mesh.
    """
    path = Path(path)
    given = None if unit is None else canonical_unit(unit)
    try:
        if not path.exists():
            raise InputError(f"{path}: expected a mesh file, got nothing at that path; check the name")
        if not path.is_file():
            raise InputError(f"{path}: expected a mesh file, got a folder or a device; name one file")
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise InputError(
                f"{path.name}: expected at most {MAX_FILE_BYTES / 1024**3:.0f} GiB, got {size / 1024**3:.1f} GiB; "
                "simplify the mesh first"
            )
        raw = read_raw(path)
    except MemoryError:
        raise InputError(f"{path.name}: expected a mesh that fits in memory, got a larger one; simplify it") from None
    except OSError as error:
        raise InputError(f"{path}: expected a readable file, got: {error.strerror or error}; check it") from error
    return _mesh(raw, path.stem, given, path), raw.facts


def mesh_from_arrays(vertices: ArrayLike, faces: ArrayLike, name: str, *, unit: str | None = None) -> Mesh:
    """Make a repaired mesh in mm from vertices (n, 3) and triangles (m, 3), e.g. those of a trimesh object.

    Raises `InputError` for arrays of other shapes and for anything that encloses no volume.
    """
    points, corners = np.asarray(vertices), np.asarray(faces)
    for what, array in (("vertices (n, 3)", points), ("triangles (m, 3)", corners)):
        if array.ndim != 2 or array.shape[1] != 3:
            raise InputError(f"{name}: expected {what}, got an array of shape {array.shape}; reshape it")
    if not np.issubdtype(corners.dtype, np.integer):
        raise InputError(f"{name}: expected whole corner numbers, got {corners.dtype}; convert the triangles")
    spacing = float(np.finfo(points.dtype).eps) if points.dtype.kind == "f" else 0.0
    raw = RawMesh(vertices=points.astype(np.float64), faces=corners.astype(np.int64), spacing=spacing)
    return _mesh(raw, name, None if unit is None else canonical_unit(unit), None)


def _mesh(raw: RawMesh, name: str, given: str | None, source: Path | None) -> Mesh:
    if len(raw.faces) > MAX_TRIANGLES:
        raise InputError(
            f"{name}: expected at most {MAX_TRIANGLES} triangles, got {len(raw.faces)}; simplify the mesh first"
        )
    unit, notes = given or "mm", []
    if raw.converted:
        unit = "mm"
        if given not in (None, "mm"):
            notes.append(f"the file carries its own unit and was converted to mm; {given} was not applied")
    elif raw.unit is not None:
        unit = given or raw.unit
        if given is None or given == raw.unit:
            notes.append(f"the file says its unit is {raw.unit}")
        else:
            notes.append(f"the file says its unit is {raw.unit}; taken as {given}, as asked")
    done = repair(raw, source.name if source else name)
    factor = MM_PER_UNIT[unit]
    vertices = done.vertices * factor
    doubt = size_doubt(float(np.ptp(vertices, axis=0).max()))
    return Mesh(
        name=name,
        vertices=vertices,
        faces=done.faces,
        unit=unit,
        mm_per_unit=factor,
        notes=(*notes, *done.notes, *([doubt] if doubt else [])),
        source=source,
        closed=done.closed,
    )

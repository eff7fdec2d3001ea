"""3MF: a zip with an XML model that knows its unit, its objects and where each stands."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from cad_pipeline.errors import InputError
from cad_pipeline.mesh.raw import MAX_TRIANGLES, Floats, Ints, RawMesh

__all__ = ["read_3mf"]

MAX_XML_BYTES = 1024**3
MAX_DEPTH = 32
ROOT_MODEL = "3D/3dmodel.model"
UNITS = {"micron": "um", "millimeter": "mm", "centimeter": "cm", "inch": "inch", "foot": "ft", "meter": "m"}
DAMAGE = (zipfile.BadZipFile, zlib.error, KeyError, ValueError, EOFError, RuntimeError, OverflowError)
"""What reading a broken, encrypted or oddly packed zip may raise."""
NOT_PARTS = ("support", "other")

Key = tuple[str, str]
"""A model file in the archive and an object's id in it."""


@dataclass(slots=True, kw_only=True, eq=False)
class Stored:
    """One object: its triangles, and the other objects it is put together from, each with its place."""

    vertices: Floats = field(default_factory=lambda: np.empty((0, 3)))
    faces: Ints = field(default_factory=lambda: np.empty((0, 3), np.int64))
    components: list[tuple[Key, Floats]] = field(default_factory=list)


def read_3mf(path: Path) -> RawMesh:
    """Read all built objects of a 3MF in their places, in the file's own unit."""
    from lxml import etree  # type: ignore[import-untyped]

    try:
        with zipfile.ZipFile(path) as archive:
            unit, objects, items = _models(archive, path.name)
    except (*DAMAGE, etree.XMLSyntaxError) as error:
        raise InputError(f"{path.name}: expected a whole 3MF, got a damaged one ({error}); export it again") from None
    vertices: list[Floats] = []
    faces: list[Ints] = []
    offset = total = 0
    for stored, place in _instances(objects, items, path.name):
        total += len(stored.faces)
        if total > MAX_TRIANGLES:
            raise InputError(f"{path.name}: expected at most {MAX_TRIANGLES} triangles, got more; simplify the mesh")
        vertices.append(stored.vertices @ place[:3] + place[3])
        turned = np.linalg.det(place[:3]) < 0
        faces.append((stored.faces[:, ::-1] if turned else stored.faces) + offset)
        offset += len(stored.vertices)
    if not total:
        raise InputError(f"{path.name}: expected a 3MF with triangles, got none; export the part again")
    return RawMesh(vertices=np.concatenate(vertices), faces=np.concatenate(faces), unit=unit)


def _models(archive: zipfile.ZipFile, name: str) -> tuple[str, dict[Key, Stored], list[tuple[Key, Floats]]]:
    models = [info for info in archive.infolist() if info.filename.lower().endswith(".model")]
    root = next((info.filename for info in models if info.filename.lower().strip("/") == ROOT_MODEL.lower()), None)
    if root is None and len(models) == 1:
        root = models[0].filename
    if root is None:
        raise InputError(f"{name}: expected a 3MF (a zip with {ROOT_MODEL}), got another zip; export the part as 3MF")
    if sum(info.file_size for info in models) > MAX_XML_BYTES:
        raise InputError(f"{name}: expected a model of at most {MAX_XML_BYTES // 1024**3} GiB, got a larger one")
    unit = "mm"
    objects: dict[Key, Stored] = {}
    items: list[tuple[Key, Floats]] = []
    for info in models:
        with archive.open(info) as file:
            said, built = _model(file, info.filename.strip("/"), objects)
        if info.filename == root:
            if said not in UNITS:
                raise InputError(f"{name}: expected a unit of the 3MF standard, got {said!r}; export the part again")
            unit, items = UNITS[said], built
    return unit, objects, items


def _model(file: Any, model: str, objects: dict[Key, Stored]) -> tuple[str, list[tuple[Key, Floats]]]:
    """Stream one model file: its unit and built items; objects are added to `objects`."""
    from lxml import etree

    unit, items = "millimeter", []
    tags = ("{*}model", "{*}object", "{*}item")
    options = {"resolve_entities": False, "no_network": True, "huge_tree": True}
    for event, node in etree.iterparse(file, events=("start", "end"), tag=tags, **options):
        kind = etree.QName(node).localname
        if kind == "model":
            unit = node.get("unit", unit)
        elif event == "start":
            continue
        elif kind == "item":
            items.append((_reference(node, model), _place(node.get("transform"))))
        else:
            if node.get("type", "model") not in NOT_PARTS:
                objects[model, node.attrib["id"]] = _stored(node, model)
            node.clear()
    return unit, items


def _reference(node: Any, model: str) -> Key:
    path = next((value for key, value in node.attrib.items() if key.endswith("}path")), model)
    return path.strip("/"), node.attrib["objectid"]


def _stored(node: Any, model: str) -> Stored:
    points = [(v.get("x"), v.get("y"), v.get("z")) for v in node.iterfind("{*}mesh/{*}vertices/{*}vertex")]
    corners = [(t.get("v1"), t.get("v2"), t.get("v3")) for t in node.iterfind("{*}mesh/{*}triangles/{*}triangle")]
    if any(None in row for row in points) or any(None in row for row in corners):
        raise ValueError("a vertex or triangle lacks a number")
    stored = Stored(
        vertices=np.array(points, dtype="U40").astype(np.float64).reshape(-1, 3),
        faces=np.array(corners, dtype="U20").astype(np.int64).reshape(-1, 3),
        components=[
            (_reference(c, model), _place(c.get("transform"))) for c in node.iterfind("{*}components/{*}component")
        ],
    )
    if len(stored.faces) and not 0 <= stored.faces.min() <= stored.faces.max() < len(stored.vertices):
        raise ValueError("a triangle names a vertex that is not there")
    return stored


def _place(text: str | None) -> Floats:
    """Give the placement (4, 3) of `transform`: points are rows, multiplied from the left."""
    if text is None:
        return np.concatenate([np.eye(3), np.zeros((1, 3))])
    numbers = np.array(text.split(), dtype="U40").astype(np.float64)
    if len(numbers) != 12:
        raise ValueError(f"a transform of {len(numbers)} numbers")
    return numbers.reshape(4, 3)


def _instances(
    objects: dict[Key, Stored], items: list[tuple[Key, Floats]], name: str
) -> Iterator[tuple[Stored, Floats]]:
    """Walk the built items and their components; each object with triangles comes with its place."""
    todo = [(key, place, 0) for key, place in reversed(items)]
    steps = 0
    while todo:
        key, place, depth = todo.pop()
        steps += 1
        if depth > MAX_DEPTH or steps > 1_000_000:
            raise InputError(f"{name}: expected parts put together plainly, got ones nested without end; export again")
        stored = objects.get(key)
        if stored is None:
            continue
        if len(stored.faces):
            yield stored, place
        for inner, where in reversed(stored.components):
            together = where @ place[:3]
            together[3] += place[3]
            todo.append((inner, together, depth + 1))

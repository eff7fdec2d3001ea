"""glTF and GLB: triangles of all nodes of the scene, placed, in metres by definition of the format."""

from __future__ import annotations

import base64
import binascii
import json
import urllib.parse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from cad_pipeline.errors import InputError
from cad_pipeline.mesh.raw import MAX_TRIANGLES, Floats, Ints, RawMesh

__all__ = ["read_glb", "read_gltf"]

COMPONENTS = {5120: "<i1", 5121: "<u1", 5122: "<i2", 5123: "<u2", 5125: "<u4", 5126: "<f4"}
WIDTHS = {"SCALAR": 1, "VEC3": 3}
JSON_CHUNK, BINARY_CHUNK = 0x4E4F534A, 0x004E4942
TRIANGLES, STRIP, FAN = 4, 5, 6
SUPPORTED = {"KHR_mesh_quantization", "KHR_materials_unlit", "KHR_texture_transform"}
GEOMETRY_EXTENSIONS = {"KHR_draco_mesh_compression", "EXT_meshopt_compression", "EXT_mesh_gpu_instancing"}
MAX_DEPTH = 100

Document = dict[str, Any]


def read_glb(path: Path) -> RawMesh:
    """Read a binary glTF; raise `InputError` when it is cut short or damaged."""
    data = path.read_bytes()
    stated = int.from_bytes(data[8:12], "little")
    if len(data) < 20 or stated > len(data):
        raise InputError(f"{path.name}: expected {stated} bytes as the GLB header says, got {len(data)}; copy it again")
    chunks: dict[int, bytes] = {}
    at = 12
    while at + 8 <= stated:
        length, kind = int.from_bytes(data[at : at + 4], "little"), int.from_bytes(data[at + 4 : at + 8], "little")
        chunks.setdefault(kind, data[at + 8 : at + 8 + length])
        at += 8 + length
    return _read(chunks.get(JSON_CHUNK, b""), chunks.get(BINARY_CHUNK), path)


def read_gltf(path: Path) -> RawMesh:
    """Read a text glTF with its buffers, inside the file or in files beside it."""
    return _read(path.read_bytes(), None, path)


def _read(text: bytes, binary: bytes | None, path: Path) -> RawMesh:
    try:
        document = json.loads(text)
        if not isinstance(document, dict):
            raise ValueError("the JSON is no object")
        needed = set(document.get("extensionsRequired", [])) & GEOMETRY_EXTENSIONS
        if needed:
            raise InputError(
                f"{path.name}: expected plain triangles, got compressed ones ({', '.join(sorted(needed))}); export the "
                "part without compression"
            )
        return _flatten(document, binary, path)
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError, binascii.Error) as error:
        what = f"{type(error).__name__}: {error}"
        raise InputError(f"{path.name}: expected a whole glTF, got a damaged one ({what}); export it again") from None


def _flatten(document: Document, binary: bytes | None, path: Path) -> RawMesh:
    buffers = _Buffers(document, binary, path)
    vertices: list[Floats] = []
    faces: list[Ints] = []
    offset = total = skipped = 0
    for mesh, place in _placed_meshes(document):
        for primitive in document["meshes"][mesh]["primitives"]:
            corners = _triangles(primitive, buffers.accessor)
            if corners is None:
                skipped += 1
                continue
            with np.errstate(invalid="ignore"):  # a NaN is dropped later, with its triangles
                points = buffers.accessor(primitive["attributes"]["POSITION"]).astype(np.float64).reshape(-1, 3)
            total += len(corners)
            if total > MAX_TRIANGLES:
                raise InputError(f"{path.name}: expected at most {MAX_TRIANGLES} triangles, got more; simplify it")
            turned = np.linalg.det(place[:3, :3]) < 0
            vertices.append(points @ place[:3, :3].T + place[:3, 3])
            faces.append((corners[:, ::-1] if turned else corners) + offset)
            offset += len(points)
    if not total:
        raise InputError(f"{path.name}: expected a glTF with triangles, got none; export the part again")
    notes = (f"ignored {skipped} primitives made of points or lines",) if skipped else ()
    return RawMesh(vertices=np.concatenate(vertices), faces=np.concatenate(faces), unit="m", notes=notes)


def _placed_meshes(document: Document) -> Iterator[tuple[int, Floats]]:
    nodes = document.get("nodes", [])
    scenes = document.get("scenes", [])
    if scenes:
        roots = scenes[document.get("scene", 0)].get("nodes", [])
    else:
        roots = sorted(set(range(len(nodes))) - {child for node in nodes for child in node.get("children", [])})
    todo = [(root, np.eye(4), 0) for root in reversed(roots)]
    seen: set[int] = set()
    while todo:
        number, above, depth = todo.pop()
        if number in seen or depth > MAX_DEPTH:  # the format demands a strict tree
            raise ValueError(f"node {number} is used twice or nested too deeply")
        seen.add(number)
        place = above @ _placement(nodes[number])
        if "mesh" in nodes[number]:
            yield nodes[number]["mesh"], place
        todo += [(child, place, depth + 1) for child in reversed(nodes[number].get("children", []))]


def _placement(node: Document) -> Floats:
    """Give a node's matrix (4, 4), acting on columns."""
    if "matrix" in node:
        return np.array(node["matrix"], np.float64).reshape(4, 4).T
    x, y, z, w = np.array(node.get("rotation", [0, 0, 0, 1]), np.float64)
    turn = np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ]
    )
    place = np.eye(4)
    place[:3, :3] = turn * np.array(node.get("scale", [1, 1, 1]), np.float64)
    place[:3, 3] = node.get("translation", [0, 0, 0])
    return place


def _triangles(primitive: Document, accessor: Callable[[int], Any]) -> Ints | None:
    """Give the triangles of a primitive (m, 3), None for points and lines."""
    mode = primitive.get("mode", TRIANGLES)
    if mode not in (TRIANGLES, STRIP, FAN):
        return None
    if "indices" in primitive:
        corners = accessor(primitive["indices"]).astype(np.int64).ravel()
    else:
        corners = np.arange(len(accessor(primitive["attributes"]["POSITION"])), dtype=np.int64)
    if mode == TRIANGLES:
        return np.asarray(corners[: len(corners) // 3 * 3].reshape(-1, 3))
    k = np.arange(max(len(corners) - 2, 0))
    if mode == FAN:
        return np.stack([np.broadcast_to(corners[:1], k.shape), corners[k + 1], corners[k + 2]], axis=1)
    odd = k % 2
    return np.stack([corners[k], corners[k + 1 + odd], corners[k + 2 - odd]], axis=1)


class _Buffers:
    """The numbers behind a glTF's accessors; every length is checked against the bytes that are there."""

    def __init__(self, document: Document, binary: bytes | None, path: Path) -> None:
        self.document, self.binary, self.path = document, binary, path
        self.loaded: dict[int, bytes] = {}

    def accessor(self, number: int) -> Any:
        """Give an accessor's values, (count,) or (count, 3), scaled if it says normalised."""
        accessor = self.document["accessors"][number]
        if "sparse" in accessor or "bufferView" not in accessor:
            raise ValueError("sparse accessors are not supported")
        view = self.document["bufferViews"][accessor["bufferView"]]
        kind, width = np.dtype(COMPONENTS[accessor["componentType"]]), WIDTHS[accessor["type"]]
        count = accessor["count"]
        start = view.get("byteOffset", 0) + accessor.get("byteOffset", 0)
        step = view.get("byteStride", kind.itemsize * width)
        data = self._buffer(view["buffer"])
        if count <= 0 or start < 0 or step <= 0 or start + step * (count - 1) + kind.itemsize * width > len(data):
            raise ValueError(f"accessor {number} wants {count} values, more than its buffer holds")
        values = np.ndarray((count, width), kind, data, start, (step, kind.itemsize))
        if accessor.get("normalized"):
            values = np.maximum(values / np.iinfo(kind).max, -1.0)
        return values

    def _buffer(self, number: int) -> bytes:
        if number not in self.loaded:
            uri = self.document["buffers"][number].get("uri")
            if uri is None:
                if self.binary is None:
                    raise ValueError("the binary part is missing")
                self.loaded[number] = self.binary
            elif uri.startswith("data:"):
                self.loaded[number] = base64.b64decode(uri.split(",", 1)[1])
            else:
                self.loaded[number] = self._beside(urllib.parse.unquote(uri))
        return self.loaded[number]

    def _beside(self, uri: str) -> bytes:
        """Read a buffer file, only from the folder of the glTF or below it."""
        folder = self.path.parent.resolve()
        file = (folder / uri).resolve()
        if not file.is_relative_to(folder):
            raise ValueError(f"the buffer {uri} lies outside the folder of the file")
        if not file.is_file():
            raise ValueError(f"the buffer file {uri} is missing")
        return file.read_bytes()

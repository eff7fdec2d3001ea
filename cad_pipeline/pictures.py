"""Pictures as input: a folder of eight views for a target, and rows of a data set with pictures and mesh."""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cad_pipeline.errors import InputError, MissingPieceError
from cad_pipeline.values import Mesh, Target

if TYPE_CHECKING:
    from cad_renderers import Rig, Style
    from cad_renderers.calibration import Row

__all__ = ["ASSUMED_SIZE_MM", "read_rows", "target_from_views", "views_digest"]

ASSUMED_SIZE_MM = 100.0
_NUMBERED = re.compile(r"(?:\D*[_-])?(\d+)(?:\D.*)?\.png", re.IGNORECASE)
_COLUMNS = tuple(f"image_{k}" for k in range(8))


def target_from_views(folder: Path, *, size_mm: float | None = None, rig: str | None = None) -> Target:
    """Take a folder of pictures for a target: its mesh is the visual hull, and the pictures are what counts.

    The cameras are `rig` (a preset's name or a file), else those of a `views.json` in the folder as `render` writes it,
    else the calibrated ones. `size_mm` is the length of the part's longest side. Raises `InputError` for pictures that
    do not show one part.
    """
    from cad_renderers import View, Views
    from cad_renderers.hull import HullError, visual_hull

    images = [_decoded(path.read_bytes(), path.name) for path in _numbered(folder)]
    cameras, style = _circumstances(folder, rig)
    try:
        hull = visual_hull(images, cameras, style=style)
    except HullError as error:
        raise InputError(f"{folder}: {error}") from None
    if size_mm is None:
        scale = (
            f"pictures carry no scale: the longest side was taken for {ASSUMED_SIZE_MM:g} mm, and every length in the "
            "result is relative to that; --size MM sets it"
        )
    else:
        scale = f"pictures carry no scale: it comes from the given longest side of {size_mm:g} mm"
    notes = (
        f"the input is {len(images)} pictures from the cameras {cameras.name}, and no mesh; the judgement is by "
        "silhouettes and lines, and what no picture shows is unknown",
        scale,
        "mesh figures are those of the visual hull carved from the pictures",
    )
    mesh = Mesh(
        name=folder.resolve().name,
        vertices=hull.vertices * (size_mm or ASSUMED_SIZE_MM),
        faces=hull.faces,
        notes=notes,
        source=folder,
    )
    each = tuple(
        View(name=camera.name, camera=camera, image=image, mask=_mask(image))
        for camera, image in zip(cameras, images, strict=True)
    )
    views = Views(each=each, rig=cameras, style=style, renderer="given")
    return Target(mesh=mesh, rig=cameras, pictures=views)


def views_digest(folder: Path, *, rig: str | None = None) -> str:
    """Name by 16 hexadecimal digits what `target_from_views` would read: the pictures' bytes, cameras and style.

    The size is not among it: it is one of the options. Raises `InputError` as `target_from_views` does.
    """
    cameras, style = _circumstances(folder, rig)
    digest = hashlib.sha256(json.dumps([cameras.to_json(), style.to_json()], sort_keys=True).encode())
    for path in _numbered(folder):
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()[:16]


def _circumstances(folder: Path, rig: str | None) -> tuple[Rig, Style]:
    """Find the cameras and the look of a folder's pictures: those told, the folder's own, or the calibrated ones."""
    from cad_renderers import Rig, Style, chosen_rig, chosen_style

    about = _about(folder)
    try:
        cameras = chosen_rig(rig) if rig or "rig" not in about else Rig.from_json(about["rig"])
        return cameras, Style.from_json(about["style"]) if "style" in about else chosen_style()
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(f"{folder}: {error}") from None


def read_rows(sources: list[Path], *, most: int) -> list[Row]:
    """Read up to `most` rows from Parquet files and from folders of eight PNGs with an STL file.

    Raises `InputError` for files that hold no such rows and `MissingPieceError` where Parquet can't be read.
    """
    rows: list[Row] = []
    for source in sources:
        if len(rows) >= most:
            break
        if source.is_dir():
            rows.append(_folder_row(source))
        elif source.is_file():
            rows += _parquet_rows(source, most - len(rows))
        else:
            raise InputError(f"expected a Parquet file or a folder of eight PNGs and an STL, found nothing at {source}")
    return rows


def _parquet_rows(path: Path, most: int) -> list[Row]:
    try:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile
    except ImportError:
        raise MissingPieceError("expected pyarrow for Parquet files, found none; pip install pyarrow") from None
    rows: list[Row] = []
    try:
        file = ParquetFile(path)
        absent = {*_COLUMNS, "stl_file"} - set(file.schema_arrow.names)
        if absent:
            raise InputError(f"{path}: expected the columns image_0 to image_7 and stl_file, {sorted(absent)} lack")
        named = ["uuid"] if "uuid" in file.schema_arrow.names else []
        for batch in file.iter_batches(batch_size=4, columns=[*named, *_COLUMNS, "stl_file"]):
            for record in batch.to_pylist():
                if len(rows) == most:
                    return rows
                name = str(record.get("uuid") or f"{path.name}, row {len(rows)}")
                images = [_decoded(_bytes(record[column]), name) for column in _COLUMNS]
                rows.append(_row(name, images, _stl(_bytes(record["stl_file"]), name)))
    except (ArrowException, OSError) as error:
        raise InputError(f"{path}: expected a Parquet file, got: {' '.join(str(error).split())}") from None
    return rows


def _folder_row(folder: Path) -> Row:
    from cad_pipeline.mesh import read_mesh

    meshes = sorted(each for each in folder.iterdir() if each.suffix.lower() == ".stl")
    if len(meshes) != 1:
        raise InputError(f"{folder}: expected one STL file beside the pictures, found {len(meshes)}")
    images = [_decoded(path.read_bytes(), path.name) for path in _numbered(folder)]
    return _row(folder.name, images, read_mesh(meshes[0]))


def _row(name: str, images: list[NDArray[np.uint8]], mesh: Mesh) -> Row:
    from cad_renderers.calibration import Row

    try:
        return Row(name=name, images=tuple(images), mesh=mesh)
    except ValueError as error:
        raise InputError(str(error)) from None


def _numbered(folder: Path) -> list[Path]:
    """Find the eight numbered pictures of a folder (`0_front.png`, `image_0.png`, …) in the order of their numbers."""
    if not folder.is_dir():
        raise InputError(f"expected a folder of eight pictures, found none at {folder}; check the path")
    found: dict[int, Path] = {}
    for path in sorted(folder.glob("*.[pP][nN][gG]")):
        if number := _NUMBERED.fullmatch(path.name):
            if int(number[1]) in found:
                raise InputError(
                    f"{folder}: expected one picture a number, got {found[int(number[1])].name}, {path.name}"
                )
            found[int(number[1])] = path
    if len(found) != 8:
        raise InputError(
            f"{folder}: expected eight pictures like 0.png or image_0.png to image_7.png, got {len(found)}"
        )
    return [found[number] for number in sorted(found)]


def _decoded(data: bytes, name: str) -> NDArray[np.uint8]:
    from io import BytesIO

    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(BytesIO(data)) as image:
            white = Image.new("RGBA", image.size, "white")
            pixels = np.array(Image.alpha_composite(white, image.convert("RGBA")).convert("RGB"))
    except (UnidentifiedImageError, OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise InputError(f"{name}: expected a PNG picture, got: {error}") from None
    if pixels.shape[0] != pixels.shape[1] or not 32 <= len(pixels) <= 4096:
        raise InputError(f"{name}: expected a square picture of 32 to 4096 px, got {pixels.shape[1]}x{pixels.shape[0]}")
    return pixels


def _bytes(value: Any) -> bytes:
    """Take a cell's bytes, bare or as data-set libraries wrap them."""
    if isinstance(value, Mapping):
        value = value.get("bytes")
    if not isinstance(value, bytes):
        raise InputError(f"expected bytes in each cell of image_0 to image_7 and stl_file, got {type(value).__name__}")
    return value


def _stl(data: bytes, name: str) -> Mesh:
    from cad_pipeline.mesh import read_mesh

    with tempfile.TemporaryDirectory(prefix="cad-pipeline-") as folder:
        path = Path(folder) / f"{re.sub('[^A-Za-z0-9_-]', '_', name)[:60] or 'row'}.stl"
        path.write_bytes(data)
        return read_mesh(path)


def _mask(image: NDArray[np.uint8]) -> NDArray[np.bool_]:
    from cad_renderers.silhouettes import silhouette

    return silhouette(image)


def _about(folder: Path) -> dict[str, Any]:
    path = folder / "views.json"
    if not path.is_file():
        return {}
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: expected JSON with rig and style, got: {error}") from None
    return about if isinstance(about, dict) else {}

"""Places that hold inputs and results: a folder of this machine, or of any file system that pyarrow or fsspec knows.

Home.of("out")                  a local folder, written with rename and fsync
Home.of("s3://bucket/parts")    an object store; `report.json` goes up last, so a part without it is not there
"""

from __future__ import annotations

import os
import re
import shutil
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from cad_pipeline.errors import InputError, MissingPieceError

__all__ = ["Home", "fetch", "is_address", "pyarrow_here", "refuse_keys"]

LAST = "report.json"
_COPY_BYTES = 4 << 20
# addresses are told in tables, logs and messages
_KEYS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://[^/@]*:[^/@]*@")


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """A folder on some file system. `local` is its path where it lies on this machine's own, else None."""

    address: str
    root: str
    system: Any = None
    local: Path | None = None

    @classmethod
    def of(cls, address: str | os.PathLike[str]) -> Home:
        """Open a path or an address such as `s3://bucket/folder`. Raises `InputError` if nothing can open it."""
        text = os.fspath(address)
        refuse_keys(text)
        if text.startswith("file:///"):
            text = unquote(text.removeprefix("file://"))
        if not is_address(text):
            place = Path(text).absolute()
            return cls(address=str(place), root=str(place), local=place)
        system, root = _open(text)
        return cls(address=text.rstrip("/"), root=root.rstrip("/"), system=system)

    def read(self, name: str) -> bytes | None:
        """Read a whole file; None if there is none."""
        if self.local is not None:
            try:
                return (self.local / name).read_bytes()
            except FileNotFoundError:
                return None
        try:
            with self.system.open_input_file(f"{self.root}/{name}") as stream:
                return bytes(stream.read())
        except FileNotFoundError:
            return None

    def has(self, name: str) -> bool:
        """Say whether there is such a file or folder."""
        if self.local is not None:
            return (self.local / name).exists()
        return bool(self.system.get_file_info(f"{self.root}/{name}").type.name != "NotFound")

    def write(self, name: str, data: bytes) -> None:
        """Write a whole file so that a reader finds all of it or none, and a crash of the machine loses neither."""
        if self.local is None:
            self.system.create_dir(f"{self.root}/{name}".rsplit("/", 1)[0], recursive=True)
            with self.system.open_output_stream(f"{self.root}/{name}") as stream:
                stream.write(data)
            return
        place = self.local / name
        place.parent.mkdir(parents=True, exist_ok=True)
        partial = place.with_name(f".{place.name}.{uuid.uuid4().hex}")
        with partial.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(place)
        _sync_folder(place.parent)

    def remove(self, name: str) -> None:
        """Remove a file or a folder with all in it; that it is not there is no error."""
        if self.local is not None:
            place = self.local / name
            if place.is_dir() and not place.is_symlink():
                shutil.rmtree(place, ignore_errors=True)
            else:
                place.unlink(missing_ok=True)
            return
        found = self.system.get_file_info(f"{self.root}/{name}").type.name
        if found == "Directory":
            self.system.delete_dir(f"{self.root}/{name}")
        elif found == "File":
            self.system.delete_file(f"{self.root}/{name}")

    def publish(self, folder: Path, name: str) -> None:
        """Put a finished local folder in place as `name`, in the stead of what is there.

        A local folder must lie on the same file system and is renamed. Elsewhere an old report is taken away first, the
        files go up one by one, and the new report last.
        """
        if self.local is not None:
            self._rename(folder, self.local / name)
            return
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        self.remove(name)
        for path in sorted(files, key=lambda each: each.name == LAST):
            self._upload(path, f"{name}/{path.relative_to(folder).as_posix()}")
        shutil.rmtree(folder)

    def fetch(self, name: str, folder: Path) -> Path:
        """Give a local path of a file or folder; what lies elsewhere is copied into `folder` first."""
        if self.local is not None:
            return self.local / name
        source = f"{self.root}/{name}"
        target = folder / name.rsplit("/", 1)[-1]
        if self.system.get_file_info(source).type.name != "Directory":
            self._download(source, target)
            return target
        target.mkdir(parents=True)
        for info in self._inside(source):
            self._download(info.path, target / info.path[len(source) + 1 :])
        return target

    def files(self) -> Iterator[str]:
        """Name every file below, relative to here, in order."""
        if self.local is not None:
            for path in sorted(self.local.rglob("*")):
                if path.is_file():
                    yield path.relative_to(self.local).as_posix()
            return
        for info in self._inside(self.root):
            yield info.path[len(self.root) + 1 :]

    def _inside(self, folder: str) -> list[Any]:
        from pyarrow.fs import FileSelector

        found = self.system.get_file_info(FileSelector(folder, recursive=True, allow_not_found=True))
        return sorted((info for info in found if info.type.name == "File"), key=lambda info: str(info.path))

    def _rename(self, folder: Path, place: Path) -> None:
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                _sync(path)
        # beside the new one, which lies in a room for work that is cleared also after a crash
        aside = folder.with_name(f".{folder.name}.replaced-{uuid.uuid4().hex}")
        if place.exists():
            place.rename(aside)
        folder.rename(place)
        _sync_folder(place.parent)
        shutil.rmtree(aside, ignore_errors=True)

    def _upload(self, path: Path, name: str) -> None:
        self.system.create_dir(f"{self.root}/{name}".rsplit("/", 1)[0], recursive=True)
        with path.open("rb") as file, self.system.open_output_stream(f"{self.root}/{name}") as stream:
            shutil.copyfileobj(file, stream, _COPY_BYTES)

    def _download(self, source: str, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        with self.system.open_input_stream(source) as stream, target.open("wb") as file:
            shutil.copyfileobj(stream, file, _COPY_BYTES)


def is_address(text: str) -> bool:
    """Say whether a text names a file system (`s3://…`) and not a path of this machine."""
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]+://", text) is not None


def refuse_keys(text: str) -> None:
    """Raise `InputError` on an address with a password in it, without repeating it."""
    if _KEYS.match(text):
        raise InputError("expected an address without a password, got one with; keys belong in the environment")


def fetch(path: str, folder: Path) -> Path:
    """Give a local path of an input, copied into `folder` if it lies elsewhere. Raises `InputError` if it can't be."""
    if not is_address(path):
        return Path(path)
    above, _, name = path.rstrip("/").rpartition("/")
    try:
        return Home.of(above).fetch(name, folder)
    except OSError as error:
        raise InputError(f"expected a readable input, got for {path}: {error}") from None


def pyarrow_here() -> Any:
    """Import pyarrow. Raises `MissingPieceError` with the cure."""
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise MissingPieceError("expected pyarrow for batches, found none; pip install 'cad-pipeline[ray]'") from None
    return pyarrow


def _open(address: str) -> tuple[Any, str]:
    pyarrow_here()
    from pyarrow import ArrowInvalid
    from pyarrow.fs import FileSystem, FSSpecHandler, PyFileSystem

    try:
        system, root = FileSystem.from_uri(address)
        return system, str(root)
    except ArrowInvalid:
        # pyarrow has no such file system of its own; fsspec may
        try:
            import fsspec

            found, root = fsspec.core.url_to_fs(address)
        except (ImportError, ValueError) as error:
            raise InputError(f"expected an address that pyarrow or fsspec can open, got {address}: {error}") from None
        return PyFileSystem(FSSpecHandler(found)), str(root)
    except OSError as error:
        raise InputError(f"expected a place that can be opened, got {address}: {error}") from None


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sync_folder(folder: Path) -> None:
    """Make a rename in a folder outlast the machine's crash."""
    _sync(folder)

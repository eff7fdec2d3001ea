"""Where results lie: `OUT/<name>/`, complete or not there at all.

A part is written in `OUT/.<name>.partial-<pid>` and renamed into place when it is done, so an interruption leaves the
earlier result or none. Names are what every file system and Python can live with.
"""

from __future__ import annotations

import enum
import json
import os
import re
import shutil
import sys
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cad_pipeline.errors import InputError
from cad_pipeline.portable import portable

__all__ = ["Draft", "Existing", "Keep", "Store", "distinct_names", "part_name"]

_MAX_NAME_BYTES = 120
_IMPORTED_BY_PROGRAMS = {"cadquery", "OCP", "numpy", "scipy", "vtk", "vtkmodules", "ezdxf", "casadi", "nlopt", "typish"}


class Existing(enum.StrEnum):
    """What to do where a result of that name is already there."""

    REFUSE = "refuse"
    OVERWRITE = "overwrite"
    RESUME = "resume"


class Keep(enum.StrEnum):
    """Which attempts stay on disk: the one that is delivered, or each with its program and files."""

    BEST = "best"
    ATTEMPTS = "attempts"


def part_name(stem: str) -> str:
    """Make a folder and module name of a file's stem: letters, digits, `.`, `_`, `-`, never a library's name.

    `<name>.py` lies beside what the user runs, and would hide a library of the same name from its own imports.
    """
    text = unicodedata.normalize("NFC", stem)
    text = re.sub(r"[^\w.-]+", "_", text).strip("._-")
    while len(text.encode()) > _MAX_NAME_BYTES:
        text = text[:-1]
    text = text.strip("._-") or "part"
    return f"{text}_part" if text in sys.stdlib_module_names | _IMPORTED_BY_PROGRAMS else text


def distinct_names(stems: Sequence[str]) -> list[str]:
    """Give every input a name of its own, in order: the second `plate` becomes `plate-2`, `Plate` too."""
    taken = {part_name(stem).casefold() for stem in stems}
    used: set[str] = set()
    names = []
    for stem in stems:
        name, number = part_name(stem), 1
        while name.casefold() in used or (number > 1 and name.casefold() in taken):
            number += 1
            name = f"{part_name(stem)}-{number}"
        used.add(name.casefold())
        names.append(name)
    return names


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A result in the making: `folder` becomes `place` when all is written; `attempts` is the pipeline's."""

    name: str
    folder: Path
    place: Path
    keep: Keep

    @property
    def attempts(self) -> Path:
        """Where attempts leave their files while the part is worked on."""
        return self.folder / "attempts"

    def write(self, report: Mapping[str, Any], *, source: str | None, files: Mapping[str, Path | None]) -> None:
        """Write the report, the program and copies of `files` (suffix → path) under the part's name."""
        if source is not None:
            (self.folder / f"{self.name}.py").write_text(portable(source), encoding="utf-8")
        for suffix, path in files.items():
            if path is not None:
                shutil.copyfile(path, self.folder / f"{self.name}{suffix}")
        text = json.dumps(report, indent=2, ensure_ascii=False, allow_nan=False)
        (self.folder / "report.json").write_text(text + "\n", encoding="utf-8")


@dataclass(frozen=True, slots=True, kw_only=True)
class Store:
    """A folder of results and the rule for those which are already there."""

    root: Path
    existing: Existing = Existing.REFUSE
    keep: Keep = Keep.BEST

    def place(self, name: str) -> Path:
        """Say where the result of that name lies, or would."""
        return self.root / name

    def check(self, name: str) -> None:
        """Refuse early, before any work, where a result may not be replaced. Raises `InputError`."""
        place = self.place(name)
        if self.root.exists() and not self.root.is_dir():
            raise InputError(f"expected a folder for results, got the file {self.root}; choose another -o")
        if not place.exists() and not place.is_symlink():
            return
        if self.existing is Existing.REFUSE:
            raise InputError(f"expected room for a new result, found {place}; use --overwrite, --resume or another -o")
        if not (place / "report.json").is_file() and (not place.is_dir() or any(place.iterdir())):
            raise InputError(
                f"expected an earlier result, found something else at {place}; remove it or use another -o"
            )

    def finished(self, name: str, like: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return the earlier report if `--resume` may stand on it: same input, options and versions as `like`.

        Raises `InputError` if the earlier result is of another input file, which must not be replaced silently.
        """
        report = self._report(name) if self.existing is Existing.RESUME else None
        if report is None:
            return None
        old, new = report.get("input") or {}, like["input"]
        if old.get("digest") == new["digest"]:
            same = all(report.get(key) == like[key] for key in ("schema_version", "options", "versions"))
            return report if same and report.get("grade") != "failed" else None
        if old.get("path") != new["path"]:
            raise InputError(
                f"expected the earlier result of {new['path']}, found that of {old.get('path')} at {self.place(name)};"
                " use --overwrite or another -o"
            )
        return None

    @contextmanager
    def draft(self, name: str) -> Iterator[Draft]:
        """Open room for a result; leaving it well puts the result in place, leaving it by an exception removes it all.

        Raises `InputError` if the folder can't be written.
        """
        self.check(name)
        folder = self.root / f".{name}.partial-{os.getpid()}"
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            self._sweep(name)
            folder.mkdir()
        except FileExistsError:
            raise InputError(f"expected to be alone with {name}, found another run writing it in {self.root}") from None
        except OSError as error:
            raise InputError(f"expected to write in {self.root}, got: {error.strerror}; choose another -o") from None
        draft = Draft(name=name, folder=folder, place=self.place(name), keep=self.keep)
        with _held(folder):
            try:
                yield draft
                if self.keep is Keep.BEST:
                    shutil.rmtree(draft.attempts, ignore_errors=True)
                self._put_in_place(draft)
            finally:
                shutil.rmtree(folder, ignore_errors=True)

    def _report(self, name: str) -> dict[str, Any] | None:
        try:
            report = json.loads((self.place(name) / "report.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return report if isinstance(report, dict) else None

    def _put_in_place(self, draft: Draft) -> None:
        aside = self.root / f".{draft.name}.replaced-{os.getpid()}"
        replaced = self.existing is not Existing.REFUSE and draft.place.exists()
        try:
            if replaced:
                draft.place.rename(aside)
            draft.folder.rename(draft.place)
        except OSError as error:
            raise InputError(
                f"expected room for a new result at {draft.place}, got: {error.strerror}; use --overwrite or another -o"
            ) from None
        finally:
            # whatever happened in between, one of the two results stands
            if replaced and aside.exists() and not draft.place.exists():
                aside.rename(draft.place)
        shutil.rmtree(aside, ignore_errors=True)

    def _sweep(self, name: str) -> None:
        """Clear what killed runs left behind: their drafts, and results they had put aside."""
        for left in self.root.glob(f".{_literal(name)}.*-*"):
            kind, _, pid = left.name[len(name) + 2 :].partition("-")
            if kind not in ("partial", "replaced") or not pid.isdigit():
                continue
            with _held(left) as free:
                if not free:
                    continue
                if kind == "replaced" and not self.place(name).exists():
                    left.rename(self.place(name))
                else:
                    shutil.rmtree(left, ignore_errors=True)


def _literal(name: str) -> str:
    return re.sub(r"([*?[])", r"[\1]", name)


@contextmanager
def _held(folder: Path) -> Iterator[bool]:
    """Hold a lock on a folder and say whether it was free. A lock ends with its process; a pid may be reused."""
    import fcntl

    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        free = True
    except OSError:
        free = False
    try:
        yield free
    finally:
        os.close(handle)

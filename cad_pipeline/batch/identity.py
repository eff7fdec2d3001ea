"""Which part this is: a digest of its bytes, of the options and of the versions, wherever the file lies."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cad_pipeline.certificate import identity
from cad_pipeline.options import Options

__all__ = ["Identity", "identify"]

_OF_THE_INPUT = "digest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """`key` is the digest that an earlier result must share; `like` are the same facts as a report holds them."""

    key: str
    like: Mapping[str, Any]

    @property
    def digest(self) -> str | None:
        """Digest of the input alone."""
        digest = self.like["input"][_OF_THE_INPUT]
        return None if digest is None else str(digest)

    def made(self, report: Mapping[str, Any]) -> bool:
        """Say whether a report is of this input, made in this way."""
        told = report.get("input") or {}
        if told.get(_OF_THE_INPUT) != self.digest:
            return False
        return all(report.get(each) == self.like[each] for each in ("schema_version", "options", "versions"))


def identify(path: Path, options: Options) -> Identity:
    """Identify an input file, or a folder of pictures by all of its files. Raises `OSError` if it can't be read."""
    if path.is_dir():
        digest = hashlib.sha256()
        for each in sorted(path.iterdir()):
            if each.is_file():
                digest.update(f"{each.name}\0".encode() + hashlib.sha256(each.read_bytes()).digest())
        like = identity(None, options)
        like = {**like, "input": {"path": str(path), _OF_THE_INPUT: digest.hexdigest()[:16]}}
    else:
        like = identity(path, options)
    facts = {**like, "input": like["input"][_OF_THE_INPUT]}
    text = json.dumps(facts, sort_keys=True, allow_nan=False)
    return Identity(key=hashlib.sha256(text.encode()).hexdigest(), like=like)

"""What was judged already: a line of JSON a pair, under a key that holds everything the score depends on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from threading import Lock
from typing import Any

from cad_pipeline.evaluation.pairs import Pair
from cad_pipeline.evaluation.score import Fate, Score

__all__ = ["Journal", "pair_key"]

# A busy machine's trouble may pass, so these are tried again.
_PASSING = (Fate.TIMED_OUT, Fate.CRASHED)


def pair_key(pair: Pair, choices: Mapping[str, Any]) -> str:
    """Make a hex digest of both files' bytes and of the choices that change a score; names and places don't count."""
    parts = [_digest(pair.result), _digest(pair.target), json.dumps(choices, sort_keys=True)]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


class Journal:
    """Keeps scores as they come, so that an interrupted run goes on where it was. Safe to share between threads.

    A half-written last line, which a power cut leaves, is passed over and closed off.
    """

    def __init__(self, path: Path) -> None:
        """Read what is there; `path` is made when the first score comes."""
        self._path = path
        self._lock = Lock()
        self._known: dict[str, Score] = {}
        text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
        self._torn = bool(text) and not text.endswith("\n")
        for line in text.splitlines():
            try:
                record = json.loads(line)
                self._known[record["key"]] = Score.of(record["score"])
            except (ValueError, KeyError, TypeError):
                # cut short while it was written; the pair is judged again
                continue

    def __len__(self) -> int:
        return len(self._known)

    def earlier(self, key: str, pair: Pair) -> Score | None:
        """Give the earlier score under the pair's present name and kind, if there is one that stands."""
        from dataclasses import replace

        score = self._known.get(key)
        if score is None or score.fate in _PASSING:
            return None
        return replace(score, name=pair.name, kind=pair.kind)

    def keep(self, key: str, score: Score) -> None:
        """Append a score and let it reach the disk."""
        line = json.dumps({"key": key, "score": score.as_dict()}, ensure_ascii=False, allow_nan=False)
        with self._lock:
            self._known[key] = score
            with self._path.open("a", encoding="utf-8") as file:
                file.write(("\n" if self._torn else "") + line + "\n")
            self._torn = False


def _digest(path: Path | None) -> str:
    if path is None or not path.is_file():
        return "absent"
    with path.open("rb") as file:
        # a program and a mesh of the same bytes are read differently
        return hashlib.file_digest(file, "sha256").hexdigest() + path.suffix.lower()

"""Judges many results at once, by the protocol of one's choice, with nothing left out of the averages.

    from cad_pipeline.evaluation import RunOptions, evaluate, pairs_of_folders, protocol, summarise

    scores = evaluate(pairs_of_folders(Path("out"), Path("meshes")), RunOptions(protocol="own-frame"))
    summarise(scores).as_zero.mean

A result that is missing, does not build, can't be read, hangs or crashes its judge is a failure with its reason, and
every statistic is given both over the successes and with failures as 0.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cad_pipeline.evaluation.page import write_page
    from cad_pipeline.evaluation.pairs import Pair, pairs_of_folders, pairs_of_manifest
    from cad_pipeline.evaluation.plots import iou_histogram, success_curve
    from cad_pipeline.evaluation.protocols import PROTOCOLS, EvaluationProtocol, Variant, protocol
    from cad_pipeline.evaluation.runner import RunOptions, evaluate
    from cad_pipeline.evaluation.score import Fate, Part, Score
    from cad_pipeline.evaluation.scoring import score_pair
    from cad_pipeline.evaluation.statistics import Interval, Spread, Summary, by_kind, summarise
    from cad_pipeline.evaluation.tables import write_csv, write_parquet

__all__ = [
    "PROTOCOLS",
    "EvaluationProtocol",
    "Fate",
    "Interval",
    "Pair",
    "Part",
    "RunOptions",
    "Score",
    "Spread",
    "Summary",
    "Variant",
    "by_kind",
    "evaluate",
    "iou_histogram",
    "pairs_of_folders",
    "pairs_of_manifest",
    "protocol",
    "score_pair",
    "success_curve",
    "summarise",
    "write_csv",
    "write_page",
    "write_parquet",
]

_HOMES = {
    "page": ("write_page",),
    "pairs": ("Pair", "pairs_of_folders", "pairs_of_manifest"),
    "plots": ("iou_histogram", "success_curve"),
    "protocols": ("PROTOCOLS", "EvaluationProtocol", "Variant", "protocol"),
    "runner": ("RunOptions", "evaluate"),
    "score": ("Fate", "Part", "Score"),
    "scoring": ("score_pair",),
    "statistics": ("Interval", "Spread", "Summary", "by_kind", "summarise"),
    "tables": ("write_csv", "write_parquet"),
}


def __getattr__(name: str) -> object:
    for module, names in _HOMES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

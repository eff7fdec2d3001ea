"""What many scores come to: over the successes, and with failures as 0, with confidence intervals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cad_pipeline.evaluation.score import Score

__all__ = ["Interval", "Spread", "Summary", "by_kind", "summarise"]

CONFIDENCE = 0.95
_RESAMPLES = 2000
_MOST_AT_ONCE = 4_000_000
_THRESHOLDS = (0.5, 0.9, 0.95, 0.98, 0.99)


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A 95 % confidence interval."""

    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """How IoUs are spread: `p10` is the value that nine of ten reach, `p90` the one that one of ten does.

    The intervals are None below two values. `at_least` is the share that reaches 0.5, 0.9, 0.95, 0.98, 0.99.
    """

    count: int
    mean: float
    median: float
    p10: float
    p90: float
    mean_interval: Interval | None
    median_interval: Interval | None
    at_least: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The scores of one protocol: `successes` averages over what could be measured, `as_zero` counts failures as 0.

    `bad_targets` pairs have a target that can't be read; they are nobody's failure, count in no figure, and must be
    told. `figures` are the means of the protocol's further numbers over the successes that have them, `medians` theirs.
    """

    pairs: int
    bad_targets: int
    success_rate: float
    success_interval: Interval
    fates: Mapping[str, int]
    successes: Spread | None
    as_zero: Spread
    figures: Mapping[str, float]
    medians: Mapping[str, float]

    def as_dict(self) -> dict[str, Any]:
        """Give the summary as plain values for JSON."""
        return asdict(self)


def summarise(scores: Sequence[Score], *, seed: int = 0) -> Summary | None:
    """Sum up scores; None if none counts.

    Intervals of means and medians are bootstrap percentiles (Efron 1979; 2000 resamples, seeded), that of the success
    rate is Wilson's, which keeps a width where all or none succeed.
    """
    from scipy.stats import binomtest

    counted = [score for score in scores if score.counts]
    if not counted:
        return None
    good = [score for score in counted if score.success]
    rate = binomtest(len(good), len(counted)).proportion_ci(confidence_level=CONFIDENCE, method="wilson")
    ious = np.array([score.iou or 0.0 for score in good], np.float64)
    zeroed = np.concatenate([ious, np.zeros(len(counted) - len(good))])
    names = dict.fromkeys(name for score in good for name in score.figures)
    columns = {name: [value for score in good if (value := score.figures.get(name)) is not None] for name in names}
    columns = {name: values for name, values in columns.items() if values}
    return Summary(
        pairs=len(counted),
        bad_targets=len(scores) - len(counted),
        success_rate=len(good) / len(counted),
        success_interval=Interval(low=float(rate.low), high=float(rate.high)),
        fates=dict(Counter(str(score.fate) for score in scores).most_common()),
        successes=_spread(ious, seed) if good else None,
        as_zero=_spread(zeroed, seed),
        figures={name: float(np.mean(values)) for name, values in columns.items()},
        medians={name: float(np.median(values)) for name, values in columns.items()},
    )


def by_kind(scores: Sequence[Score], *, seed: int = 0) -> dict[str, Summary]:
    """Sum up each kind of part by itself, in the order of their names; pairs without a kind come last, under "-"."""
    kinds = sorted({score.kind for score in scores if score.kind is not None})
    found = {kind: summarise([s for s in scores if s.kind == kind], seed=seed) for kind in kinds}
    if kinds:
        found["-"] = summarise([s for s in scores if s.kind is None], seed=seed)
    return {kind: summary for kind, summary in found.items() if summary is not None}


def _spread(values: NDArray[np.float64], seed: int) -> Spread:
    low, high = np.percentile(values, [10.0, 90.0])
    return Spread(
        count=len(values),
        mean=float(values.mean()),
        median=float(np.median(values)),
        p10=float(low),
        p90=float(high),
        mean_interval=_bootstrap(values, np.mean, seed),
        median_interval=_bootstrap(values, np.median, seed),
        at_least={f"{limit:g}": float((values >= limit).mean()) for limit in _THRESHOLDS},
    )


def _bootstrap(values: NDArray[np.float64], statistic: Any, seed: int) -> Interval | None:
    if len(values) < 2:
        return None
    if np.ptp(values) == 0.0:
        return Interval(low=float(values[0]), high=float(values[0]))
    chance = np.random.default_rng(seed)
    # a resample holds as many values as there are, so they come in batches that fit in memory
    batch = max(1, _MOST_AT_ONCE // len(values))
    found = [
        statistic(values[chance.integers(len(values), size=(min(batch, _RESAMPLES - done), len(values)))], axis=1)
        for done in range(0, _RESAMPLES, batch)
    ]
    low, high = np.percentile(np.concatenate(found), [50.0 * (1.0 - CONFIDENCE), 50.0 * (1.0 + CONFIDENCE)])
    return Interval(low=float(low), high=float(high))

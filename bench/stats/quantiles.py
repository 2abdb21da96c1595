"""Latency quantiles of many trials: exact, pooled over ops, with an interval that comes from the trials."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bench.records import SAMPLES_BEYOND, Estimate
from bench.stats.resampling import MIN_TRIALS, bounds, weights

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Latencies = NDArray[np.int64]
    """Nanoseconds, ascending."""

QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999}

_CONFIDENCE = 0.95
_CURVE_POINTS = 60
_S_PER_NS = 1e-9


def needed(quantile: float) -> int:
    """Return how many samples a quantile needs: 20 for the median, 100 for p90, 1000 for p99."""
    return int(np.ceil(round(SAMPLES_BEYOND / (1 - quantile), 6)))


def latency_estimates(trials: Sequence[Latencies]) -> dict[str, Estimate | None]:
    """Return the quantiles of `QUANTILES` in seconds, None where fewer than ten samples lie beyond one.

    A quantile is that of *all* successes of the cell's sound trials, by linear interpolation (type 7 of R. J. Hyndman and
    Y. Fan, The American Statistician 50, 1996: the default of numpy and of DuckDB's quantile_cont). Percentiles of trials
    are never averaged. All four are defined alike, so that they agree with the quantile curve, and a trial too short for
    a p99 of its own still counts.

    The interval is of a bootstrap over trials; below six trials there is none. In simulations with six to ten trials of
    300 ops it held the true value in 90 to 96 % of cases; of an event so rare that no trial met it, no interval can know.
    """
    filled = [trial for trial in trials if trial.size]
    total = sum(trial.size for trial in filled)
    known = {name: quantile for name, quantile in QUANTILES.items() if total >= needed(quantile)}
    estimates: dict[str, Estimate | None] = dict.fromkeys(QUANTILES)
    if known:
        estimates |= zip(known, _estimates(filled, np.array(list(known.values()))), strict=True)
    return estimates


def quantile_curve(trials: Sequence[Latencies]) -> tuple[tuple[float, float], ...]:
    """Return at most 60 (quantile, seconds) pairs of the pooled successes, evenly spaced in nines: 0, 0.9, 0.99, ...

    The curve ends where ten samples lie beyond it; with fewer than 20 samples there is none.
    """
    pool = np.concatenate([np.empty(0, np.int64), *trials])
    if pool.size < needed(0.5):
        return ()
    nines = np.linspace(0, np.log10(pool.size / SAMPLES_BEYOND), _CURVE_POINTS)
    levels = 1 - 10**-nines
    return tuple(zip(levels.tolist(), (np.quantile(pool, levels) * _S_PER_NS).tolist(), strict=True))


def quantile_s(latencies: Latencies, quantile: float) -> float:
    """Return one quantile of one trial in seconds."""
    return float(np.quantile(latencies, quantile)) * _S_PER_NS


def _estimates(trials: Sequence[Latencies], levels: NDArray[np.float64]) -> list[Estimate]:
    centers = np.quantile(np.concatenate(trials), levels)
    if len(trials) < MIN_TRIALS:
        return [_estimate(center, None, len(trials)) for center in centers]
    rows, times = weights(len(trials))
    drawn = resampled_quantiles(trials, rows, levels)
    return [
        _estimate(center, bounds(drawn[:, column], times, len(trials), _CONFIDENCE), len(trials))
        for column, center in enumerate(centers)
    ]


def _estimate(center_ns: float, interval_ns: tuple[float, float] | None, n: int) -> Estimate:
    low, high = (bound * _S_PER_NS for bound in interval_ns) if interval_ns else (None, None)
    return Estimate(center=float(center_ns) * _S_PER_NS, low=low, high=high, confidence=_CONFIDENCE, n=n)


def resampled_quantiles(trials: Sequence[Latencies], rows: NDArray[np.int64], levels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the quantiles (a column each) of each resample (a row each), exactly as if its trials had been concatenated."""
    last: NDArray[np.int64] = rows @ np.array([trial.size for trial in trials], np.int64) - 1
    position = last[:, None] * levels[None, :]
    below = np.floor(position).astype(np.int64)
    above = np.minimum(below + 1, last[:, None])
    values = _at_ranks(trials, rows, np.hstack([below, above])).astype(np.float64)
    lower, upper = np.hsplit(values, 2)
    return np.asarray(lower + (position - below) * (upper - lower), np.float64)


def _at_ranks(trials: Sequence[Latencies], rows: NDArray[np.int64], ranks: NDArray[np.int64]) -> Latencies:
    """Return the values at 0-based ranks of each resample.

    A bisection over the pooled values, by counting how many are not above the middle one: a resample is never built, so
    memory stays that of the pool and time grows with its logarithm.
    """
    pool = np.sort(np.concatenate(trials))
    low, high = np.zeros_like(ranks), np.full_like(ranks, pool.size - 1)
    while np.any(low < high):
        middle = (low + high) // 2
        not_above = np.zeros_like(ranks)
        for column, trial in enumerate(trials):
            not_above += rows[:, [column]] * np.searchsorted(trial, pool[middle], side="right")
        found = not_above > ranks
        low, high = np.where(found, low, middle + 1), np.where(found, middle, high)
    return pool[low]

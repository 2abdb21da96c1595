"""A centre and its interval from the values of a cell's sound trials. No distribution is assumed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import bdtr, betaincinv

from bench.records import Estimate
from bench.stats.resampling import MIN_TRIALS, bounds, weights

if TYPE_CHECKING:
    from collections.abc import Sequence

CONFIDENCE = 0.95


def median_estimate(values: Sequence[float]) -> Estimate | None:
    """Return the median with the order-statistic interval of it, None for no values.

    The interval runs from the k-th smallest to the k-th largest value, k as large as the binomial distribution with
    p = 1/2 allows at 0.95; `confidence` is the one really reached, 0.969 for six values (W. J. Conover, "Practical
    Nonparametric Statistics", 3rd ed., section 3.2). Below six values not even the extremes reach 0.95: bounds are None.
    """
    if not values:
        return None
    ordered = np.sort(np.asarray(values, np.float64))
    n = ordered.size
    center = float(np.median(ordered))
    if n < MIN_TRIALS:
        return Estimate(center=center, low=None, high=None, confidence=CONFIDENCE, n=n)
    k = max(k for k in range(1, n // 2 + 1) if _coverage(k, n) >= CONFIDENCE)
    return Estimate(center=center, low=float(ordered[k - 1]), high=float(ordered[n - k]), confidence=_coverage(k, n), n=n)


def failure_estimate(failed: Sequence[int], ops: Sequence[int]) -> Estimate | None:
    """Return the share of ops that failed, over all trials together; None when no op started.

    Not the median over trials: it would be 0 when two trials in six fail altogether. Failures come in clusters, so the
    interval is that of a bootstrap over trials, widened to the exact binomial one (Clopper and Pearson, Biometrika 26, 1934)
    where that is wider: trials that all show zero failures do not prove that there are none.
    """
    counts = np.array([(bad, all_) for bad, all_ in zip(failed, ops, strict=True) if all_], np.int64).reshape(-1, 2)
    n, (bad, total) = len(counts), counts.sum(axis=0).tolist()
    if not total:
        return None
    if n < MIN_TRIALS:
        return Estimate(center=bad / total, low=None, high=None, confidence=CONFIDENCE, n=n)
    rows, times = weights(n)
    drawn = rows @ counts
    between = bounds(drawn[:, 0] / drawn[:, 1], times, n, CONFIDENCE)
    within = _clopper_pearson(bad, total)
    low, high = min(between[0], within[0]), max(between[1], within[1])
    return Estimate(center=bad / total, low=low, high=high, confidence=CONFIDENCE, n=n)


def _coverage(k: int, n: int) -> float:
    """Return how probably the k-th smallest and the k-th largest of n values enclose the median."""
    return float(1 - 2 * bdtr(k - 1, n, 0.5))


def _clopper_pearson(bad: int, total: int) -> tuple[float, float]:
    tail = (1 - CONFIDENCE) / 2
    low = float(betaincinv(bad, total - bad + 1, tail)) if bad else 0.0
    high = float(betaincinv(bad + 1, total - bad, 1 - tail)) if bad < total else 1.0
    return low, high

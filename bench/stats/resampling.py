"""Bootstrap over trials: what else the trials could have said, had other ones of their kind been drawn."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr, stdtrit

if TYPE_CHECKING:
    from numpy.typing import NDArray

RESAMPLES = 2000
MIN_TRIALS = 6
"""Fewer values give no interval: six is the least of which the smallest and the largest enclose the median at 0.95."""

_SEED = 1618


@cache
def weights(trials: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the distinct resamples of `trials` trials, a row each (how often each trial is in it), and how often each was drawn.

    Trials are drawn, never ops: ops of one trial share its moment and are not independent, so resampling them gives
    intervals that are far too narrow. The seed is fixed: the same samples give the same summary.
    """
    draws = np.random.default_rng(_SEED).multinomial(trials, np.full(trials, 1 / trials), size=RESAMPLES)
    rows, times = np.unique(draws, axis=0, return_counts=True)
    return rows.astype(np.int64), times.astype(np.int64)


def bounds(values: NDArray[np.float64], times: NDArray[np.int64], trials: int, confidence: float) -> tuple[float, float]:
    """Return the expanded percentile interval of a statistic whose value in each distinct resample is `values`.

    With few trials the plain percentile interval is too narrow by sqrt((n-1)/n) and by using normal in place of t quantiles;
    the expanded one widens the tails to make up for both (T. Hesterberg, "What Teachers Should Know About the
    Bootstrap", The American Statistician 69, 2015, section 5.3).
    """
    t = stdtrit(trials - 1, (1 + confidence) / 2)
    tail = float(ndtr(-np.sqrt(trials / (trials - 1)) * t))
    low, high = np.quantile(np.repeat(values, times), [tail, 1 - tail])
    return float(low), float(high)

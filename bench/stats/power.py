"""How many further blocks would tell: an answer to "no difference shown"."""

from __future__ import annotations

import numpy as np
from scipy.special import nctdtr

from bench.stats.paired import Paired, t_limit

POWER = 0.8
MOST_BLOCKS = 200
"""Further blocks above which no number is given: nobody would measure so many."""


def more_blocks(seen: Paired, family: int) -> int | None:
    """Return how many further blocks give an interval without 1 with probability 0.8, None if more than 200.

    Assumes that the ratio and the spread seen so far are the true ones, so read it as an order of magnitude: it plans the
    next run and is no evidence by itself (J. M. Hoenig and D. M. Heisey, "The Abuse of Power", The American Statistician
    55, 2001).
    """
    have = len(seen.ratios)
    if seen.mean_log == 0 or power(seen, have + MOST_BLOCKS, family) < POWER:
        return None
    low, high = 1, MOST_BLOCKS
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if power(seen, have + middle, family) >= POWER else (middle + 1, high)
    return low


def power(seen: Paired, blocks: int, family: int) -> float:
    """Return how probably the t interval of `blocks` blocks would leave out 1, by the noncentral t distribution."""
    if seen.sd_log == 0:
        return float(seen.mean_log != 0)
    limit = t_limit(blocks, family)
    effect = abs(seen.mean_log) / seen.sd_log * np.sqrt(blocks)
    return float(1 - nctdtr(blocks - 1, effect, limit) + nctdtr(blocks - 1, effect, -limit))

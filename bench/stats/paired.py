"""Two cells measured side by side in blocks: the mean ratio, its interval, and a test that assumes no distribution.

Pairing is what makes small differences visible: what disturbs a whole block (neighbours on the host, throttling, a
full page cache) hits both cells alike and cancels in the ratio.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import stdtrit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

CONFIDENCE = 0.95
SIGNIFICANT = 0.05

_EXACT_UP_TO = 14
"""Blocks up to which all 2^n sign patterns are tried."""
_DRAWS = 10_000
_SEED = 2718
_ROUNDING = 1e-12


@dataclass(frozen=True, kw_only=True)
class Paired:
    """The block ratios of a pair of cells, summed up. `low` and `high` hold for all pairs of the table together at 0.95."""

    ratios: tuple[float, ...]
    mean_log: float
    sd_log: float
    low: float
    high: float
    p_sign_flip: float

    @property
    def ratio(self) -> float:
        """The geometric mean of the block ratios."""
        return float(np.exp(self.mean_log))

    @property
    def excludes_one(self) -> bool:
        """Whether the interval leaves out "no difference"."""
        return self.low > 1 or self.high < 1


def pair(ratios: Sequence[float], family: int) -> Paired:
    """Return the summary of two or more block ratios; `family` is how many comparisons stand in the same table.

    The interval is Student's t on the log ratios, made simultaneous by Bonferroni: each comparison has confidence
    1 - 0.05/family, so all of a table hold together at 0.95. Raises ArithmeticError for ratios that have no logarithm.
    """
    with np.errstate(all="raise"):
        logs = np.log(np.asarray(ratios, np.float64))
        mean, sd = float(np.mean(logs)), float(np.std(logs, ddof=1))
        reach = t_limit(logs.size, family) * sd / np.sqrt(logs.size)
        low, high = float(np.exp(mean - reach)), float(np.exp(mean + reach))
    if not np.all(np.isfinite([mean, sd, low, high])):
        raise ArithmeticError("a block ratio is not a finite number")
    return Paired(ratios=tuple(ratios), mean_log=mean, sd_log=sd, low=low, high=high, p_sign_flip=sign_flip_p(logs))


def t_limit(blocks: int, family: int) -> float:
    """Return the two-sided Student t limit for `blocks` log ratios in a table of `family` comparisons."""
    return float(stdtrit(blocks - 1, 1 - (1 - CONFIDENCE) / 2 / family))


def sign_flip_p(logs: NDArray[np.float64]) -> float:
    """Return the two-sided p of the sign-flip permutation test of the mean log ratio.

    Were both cells alike, each block's log ratio could as well have had the other sign: p is the share of sign patterns
    whose mean is at least as far from zero. Exact up to 14 blocks, else 10 000 seeded patterns and the observed one
    (R. A. Fisher, "The Design of Experiments", 1935, section 21). Five blocks can never give less than 0.0625: that is why
    six are asked for.
    """
    n = logs.size
    if n <= _EXACT_UP_TO:
        signs = 1 - 2 * ((np.arange(2**n)[:, None] >> np.arange(n)) & 1)
    else:
        draws = np.random.default_rng(_SEED).integers(0, 2, size=(_DRAWS, n))
        signs = np.vstack([np.ones((1, n), np.int64), 1 - 2 * draws])
    means = np.abs(signs @ logs)
    return float(np.mean(means >= means[0] * (1 - _ROUNDING)))

"""What the verdict is worth, by simulation with fixed seeds: how often it is wrong, and what it finds.

Each simulated campaign is one table: several cells against one reference, block by block, as in a run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.stats import ttest_1samp, ttest_ind

from bench.stats.comparison import compare
from bench.stats.paired import pair, sign_flip_p
from bench.stats.power import more_blocks, power
from tests.unit.stats_example import contest, table

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.records import Comparison

    Noise = Callable[[np.random.Generator, tuple[int, int]], np.ndarray]

CAMPAIGNS = 1000
CHANCE = 2 * (0.05 * 0.95 / CAMPAIGNS) ** 0.5
"""Two standard errors of a rate of 5 % seen in so many campaigns."""
CELLS = 5


def normal(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    return np.exp(rng.normal(0, 0.05, shape))


def lognormal(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Trials held up by a heavy-tailed delay: a rate skewed to the low side, also after taking logs."""
    return 1 / (1 + rng.lognormal(-2, 1, shape))


def stalls(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Quiet trials of which one in ten loses half of its throughput."""
    return np.exp(rng.normal(0, 0.03, shape)) * np.where(rng.random(shape) < 0.1, 0.5, 1.0)


def campaign(rng: np.random.Generator, noise: Noise, blocks: int, effect: float = 1.0) -> tuple[Comparison, ...]:
    """Return a table of five cells, each `effect` times as fast as the reference, under a block drift of 15 %."""
    drift = np.exp(rng.normal(0, 0.15, blocks))
    rates = noise(rng, (CELLS + 1, blocks)) * drift
    return compare(table(*(contest(effect * rates[cell], rates[0]) for cell in range(1, CELLS + 1))))


def wrong(comparisons: tuple[Comparison, ...]) -> bool:
    return any(comparison.verdict in {"faster", "slower"} for comparison in comparisons)


@pytest.mark.parametrize("blocks", [6, 8, 10])
@pytest.mark.parametrize("noise", [normal, lognormal, stalls])
def test_among_equal_cells_a_whole_table_is_wrong_in_at_most_one_campaign_in_twenty(noise: Noise, blocks: int) -> None:
    rng = np.random.default_rng(blocks)

    false_alarms = sum(wrong(campaign(rng, noise, blocks)) for _ in range(CAMPAIGNS))

    assert 0 < false_alarms / CAMPAIGNS <= 0.05 + CHANCE


def test_ten_percent_are_found_in_eight_blocks_in_spite_of_fifteen_percent_drift() -> None:
    rng = np.random.default_rng(11)

    def quiet(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
        return np.exp(rng.normal(0, 0.03, shape))

    found = [one.verdict == "faster" for _ in range(60) for one in campaign(rng, quiet, 8, effect=1.1)]

    assert np.mean(found) > 0.8


def test_pairing_finds_what_drift_hides_from_an_unpaired_test() -> None:
    rng = np.random.default_rng(12)
    paired, unpaired = 0, 0
    for _ in range(100):
        drift = np.exp(rng.normal(0, 0.15, 8))
        one, other = (np.exp(rng.normal(0, 0.03, 8)) * drift for drift in (drift, drift))
        paired += pair(list(1.1 * one / other), 1).excludes_one
        unpaired += ttest_ind(np.log(1.1 * one), np.log(other), equal_var=False).pvalue <= 0.05

    assert paired > 80
    assert unpaired < 40


def test_five_blocks_can_never_be_significant_and_six_can() -> None:
    assert sign_flip_p(np.full(5, 0.3)) == 2 / 2**5
    assert sign_flip_p(np.full(6, 0.3)) == 2 / 2**6


@pytest.mark.parametrize("blocks", [14, 15])
def test_drawn_sign_patterns_agree_with_all_of_them(blocks: int) -> None:
    logs = np.random.default_rng(13).normal(0.02, 0.05, blocks)
    patterns = 1 - 2 * ((np.arange(2**blocks)[:, None] >> np.arange(blocks)) & 1)
    exact = np.mean(np.abs(patterns @ logs) >= abs(logs.sum()) * (1 - 1e-12))

    assert sign_flip_p(logs) == pytest.approx(exact, abs=0.02)


def test_so_many_more_blocks_as_are_named_find_the_difference_four_times_in_five() -> None:
    seen = pair([1.02, 1.0, 1.05, 0.97, 1.03, 1.01], 1)
    further = more_blocks(seen, 1)
    assert further is not None
    rng = np.random.default_rng(14)

    drawn = rng.normal(seen.mean_log, seen.sd_log, (2000, 6 + further))
    found = np.mean(ttest_1samp(drawn, 0, axis=1).pvalue <= 0.05)

    assert found == pytest.approx(0.8, abs=0.03)
    assert power(seen, 6 + further, 1) >= 0.8 > power(seen, 5 + further, 1)


def test_a_wider_table_asks_for_more_blocks() -> None:
    seen = pair([1.02, 1.0, 1.05, 0.97, 1.03, 1.01], 1)

    assert (more_blocks(seen, 11) or 0) > (more_blocks(seen, 1) or 0)


def test_power_stays_between_zero_and_one_for_huge_and_tiny_effects() -> None:
    for ratios in ([2.0, 2.0000001] * 3, [1.0, 1.0000001] * 3, [1e6, 1e-6] * 3, [3.0] * 6):
        assert all(0 <= power(pair(ratios, 1), blocks, 1) <= 1 for blocks in (6, 50, 206))

"""Quantiles are exact, honest about how few samples stand behind them, and their intervals come from trials."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.stats.quantiles import QUANTILES, latency_estimates, needed, quantile_curve, quantile_s, resampled_quantiles

LEVELS = np.array([0.0, 0.5, 0.9, 0.99, 1.0])

trial_latencies = st.lists(st.integers(0, 10**12), min_size=1, max_size=40).map(
    lambda values: np.sort(np.array(values, np.int64))
)


def lognormal_trials(rng: np.random.Generator, trials: int, ops: int, spread: float = 0.05) -> list[np.ndarray]:
    return [np.sort((1e6 * np.exp(rng.normal(0, spread)) * rng.lognormal(0, 0.5, ops)).astype(np.int64)) for _ in range(trials)]


@given(st.lists(trial_latencies, min_size=1, max_size=7), st.data())
@settings(deadline=None)
def test_a_resamples_quantiles_equal_those_of_the_resample_built_in_full(trials: list[np.ndarray], data: st.DataObject) -> None:
    row = np.array(data.draw(st.lists(st.integers(0, 4), min_size=len(trials), max_size=len(trials)).filter(any)), np.int64)
    built = np.concatenate([np.repeat(trial, times) for trial, times in zip(trials, row, strict=True)])

    got = resampled_quantiles(trials, row[None, :], LEVELS)[0]

    assert got == pytest.approx(np.quantile(built, LEVELS), rel=1e-12)


@given(st.lists(trial_latencies, min_size=1, max_size=9).filter(lambda trials: sum(map(len, trials)) >= 20))
@settings(deadline=None)
def test_the_centre_is_the_quantile_of_all_samples_pooled(trials: list[np.ndarray]) -> None:
    estimate = latency_estimates(trials)["p50"]

    assert estimate is not None
    assert estimate.center == pytest.approx(np.quantile(np.concatenate(trials), 0.5) * 1e-9)


def test_percentiles_are_never_averaged() -> None:
    quick, slow = np.full(900, 1_000_000, np.int64), np.full(100, 9_000_000, np.int64)

    estimate = latency_estimates([quick, slow])["p50"]

    assert estimate is not None
    assert estimate.center == pytest.approx(0.001)


@pytest.mark.parametrize(("quantile", "samples"), [("p50", 20), ("p90", 100), ("p99", 1000), ("p99.9", 10_000)])
def test_a_quantile_needs_ten_samples_beyond_it(quantile: str, samples: int) -> None:
    assert needed(QUANTILES[quantile]) == samples

    enough = np.arange(samples, dtype=np.int64)

    assert latency_estimates([enough])[quantile] is not None
    assert latency_estimates([enough[1:]])[quantile] is None


def test_no_samples_give_no_quantile_and_no_curve() -> None:
    nothing = [np.empty(0, np.int64)] * 6

    assert set(latency_estimates(nothing).values()) == {None}
    assert quantile_curve(nothing) == ()
    assert quantile_curve([]) == ()


def test_five_trials_give_a_centre_without_bounds() -> None:
    estimate = latency_estimates(lognormal_trials(np.random.default_rng(1), 5, 300))["p50"]

    assert estimate is not None
    assert (estimate.low, estimate.high, estimate.n) == (None, None, 5)


def test_the_same_samples_give_the_same_interval() -> None:
    trials = lognormal_trials(np.random.default_rng(2), 6, 300)

    assert latency_estimates(trials) == latency_estimates(trials)


def test_the_interval_is_that_of_trials_and_not_of_ops() -> None:
    """1000 ops in each of six trials that differ by 30 %: an interval over ops would be 30 times too narrow."""
    estimate = latency_estimates(lognormal_trials(np.random.default_rng(3), 6, 1000, spread=0.3))["p50"]

    assert estimate is not None
    assert estimate.low is not None
    assert estimate.high is not None
    assert (estimate.high - estimate.low) / estimate.center > 0.2


def test_the_interval_covers_the_true_quantile_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(4)
    true = {name: np.quantile(np.concatenate(lognormal_trials(rng, 2000, 300)), q) * 1e-9 for name, q in QUANTILES.items()}
    held = dict.fromkeys(("p50", "p90", "p99"), 0)

    for _ in range(100):
        estimates = latency_estimates(lognormal_trials(rng, 6, 300))
        for name in held:
            estimate = estimates[name]
            assert estimate is not None
            held[name] += (estimate.low or 0) <= true[name] <= (estimate.high or 0)

    assert min(held.values()) >= 87


def test_the_curve_rises_ends_where_ten_samples_lie_beyond_and_agrees_with_the_table() -> None:
    trials = lognormal_trials(np.random.default_rng(5), 6, 500)

    curve = quantile_curve(trials)
    levels, seconds = zip(*curve, strict=True)

    assert len(curve) == 60
    assert levels[0] == 0
    assert levels[-1] == pytest.approx(1 - 10 / 3000)
    assert all(one <= other for one, other in pairwise(seconds))
    p90 = latency_estimates(trials)["p90"]
    assert p90 is not None
    assert np.interp(0.9, levels, seconds) == pytest.approx(p90.center, rel=0.02)


def test_one_trials_quantile_is_in_seconds() -> None:
    assert quantile_s(np.arange(101, dtype=np.int64) * 1_000_000, 0.9) == pytest.approx(0.09)

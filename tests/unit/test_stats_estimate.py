"""Centres and intervals over trials."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from bench.stats.estimate import failure_estimate, median_estimate
from bench.stats.resampling import RESAMPLES, weights


def test_no_value_gives_none_and_not_zero() -> None:
    assert median_estimate([]) is None
    assert failure_estimate([], []) is None
    assert failure_estimate([0, 0], [0, 0]) is None


def test_five_values_have_a_median_and_no_interval() -> None:
    estimate = median_estimate([5.0, 1.0, 3.0, 2.0, 4.0])

    assert estimate is not None
    assert (estimate.center, estimate.low, estimate.high, estimate.n) == (3.0, None, None, 5)


def test_six_values_reach_from_the_smallest_to_the_largest() -> None:
    estimate = median_estimate([6.0, 1.0, 5.0, 2.0, 4.0, 3.0])

    assert estimate is not None
    assert (estimate.center, estimate.low, estimate.high) == (3.5, 1.0, 6.0)
    assert estimate.confidence == 1 - 2 / 2**6


@pytest.mark.parametrize(("values", "rank"), [(8, 1), (9, 2), (10, 2), (12, 3), (20, 6), (50, 18)])
def test_the_ranks_are_those_of_the_tables(values: int, rank: int) -> None:
    """Ranks as in the usual tables of the sign test at 0.05 two-sided."""
    estimate = median_estimate([float(value) for value in range(1, values + 1)])

    assert estimate is not None
    assert (estimate.low, estimate.high) == (rank, values + 1 - rank)
    assert estimate.confidence >= 0.95


@given(st.lists(st.floats(0, 1e12), min_size=6, max_size=60))
def test_the_interval_encloses_the_centre(values: list[float]) -> None:
    estimate = median_estimate(values)

    assert estimate is not None
    assert estimate.low is not None
    assert estimate.high is not None
    assert estimate.low <= estimate.center <= estimate.high


def test_two_failing_trials_in_six_are_not_a_failure_ratio_of_zero() -> None:
    estimate = failure_estimate([100, 100, 0, 0, 0, 0], [100] * 6)

    assert estimate is not None
    assert estimate.center == pytest.approx(1 / 3)
    assert estimate.high is not None
    assert estimate.high > 0.6, "failures came in whole trials: an interval over independent ops would end at 0.37"


def test_no_failure_in_six_hundred_ops_does_not_prove_that_there_are_none() -> None:
    estimate = failure_estimate([0] * 6, [100] * 6)

    assert estimate is not None
    assert (estimate.center, estimate.low) == (0.0, 0.0)
    assert estimate.high == pytest.approx(binomtest(0, 600).proportion_ci(0.95).high)


def test_a_cell_where_all_fail_has_a_ratio_of_one() -> None:
    estimate = failure_estimate([50] * 6, [50] * 6)

    assert estimate is not None
    assert (estimate.center, estimate.high) == (1.0, 1.0)


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 500)), min_size=0, max_size=12))
def test_the_failure_interval_is_ordered_and_never_nan(trials: list[tuple[int, int]]) -> None:
    estimate = failure_estimate([bad for bad, _ in trials], [bad + good for bad, good in trials])

    if estimate is not None and estimate.low is not None and estimate.high is not None:
        assert 0 <= estimate.low <= estimate.center <= estimate.high <= 1
        assert not math.isnan(estimate.low + estimate.high)


def test_resamples_draw_as_many_trials_as_there_are() -> None:
    rows, times = weights(6)

    assert set(rows.sum(axis=1).tolist()) == {6}
    assert times.sum() == RESAMPLES
    assert np.average(rows, axis=0, weights=times) == pytest.approx(np.ones(6), abs=0.08)

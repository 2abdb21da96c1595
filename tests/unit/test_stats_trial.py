"""What is counted in a trial, by hand-computed examples."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.records import Sample, Trial
from bench.stats.trial import Ops, TrialValues, evaluate, marks, share_inside, window_s
from tests.unit.stats_example import MS, SECOND, result, sample

TRIAL = Trial(index=0, block=0, position=0, cell="c", workload="w", seed=0)


def values(*samples: Sample, window: tuple[int, int] = (0, SECOND)) -> TrialValues:
    columns = {
        name: np.array([getattr(one, name) for one in samples], np.int64) for name in ("due_ns", "start_ns", "end_ns", "bytes")
    }
    ops = Ops(**columns, succeeded=np.array([not one.error for one in samples], np.bool_))
    return evaluate(ops, *window)


def test_an_op_inside_the_window_counts_whole() -> None:
    got = values(sample(0, 100 * MS, 300 * MS, bytes=1000), window=(0, 2 * SECOND))

    assert (got.bytes_per_s, got.ops_per_s) == (500.0, 0.5)


def test_an_op_over_the_windows_start_counts_by_its_share_and_not_in_the_latencies() -> None:
    got = values(sample(0, -300 * MS, 100 * MS, bytes=1000))

    assert (got.bytes_per_s, got.ops_per_s) == pytest.approx((250.0, 0.25))
    assert (got.ops, got.latencies_ns.size) == (0, 0)


def test_an_op_over_the_windows_end_counts_by_its_share_and_with_its_whole_latency() -> None:
    got = values(sample(0, 900 * MS, 1400 * MS, bytes=1000))

    assert got.bytes_per_s == pytest.approx(200.0)
    assert got.latencies_ns.tolist() == [500 * MS]


def test_an_op_longer_than_the_window_counts_by_the_windows_share_of_it() -> None:
    got = values(sample(0, -2 * SECOND, 6 * SECOND, bytes=8000))

    assert (got.bytes_per_s, got.ops_per_s) == pytest.approx((1000.0, 0.125))
    assert got.ops == 0


def test_an_op_that_straddles_both_edges_of_a_long_stream_keeps_the_rate_unbiased() -> None:
    stream = [sample(0, start * 700 * MS, (start + 1) * 700 * MS, bytes=700) for start in range(-3, 4)]

    assert values(*stream).bytes_per_s == pytest.approx(1000.0)


def test_a_hang_that_times_out_after_the_window_is_a_failure_of_the_trial() -> None:
    got = values(sample(0, 0, 100 * MS), sample(0, 500 * MS, 11 * SECOND, error="timeout/read/", bytes=0))

    assert (got.ops, got.failed_ops) == (2, 1)
    assert got.latencies_ns.tolist() == [100 * MS]


def test_a_failed_op_adds_nothing_to_the_rates_even_when_it_moved_bytes() -> None:
    got = values(sample(0, 0, 500 * MS, error="network/reset/", bytes=4096))

    assert (got.bytes_per_s, got.ops_per_s, got.failed_ops) == (0.0, 0.0, 1)


def test_an_op_that_starts_at_the_windows_end_is_outside_and_one_at_its_start_inside() -> None:
    got = values(sample(0, SECOND, SECOND), sample(0, 0, 0))

    assert (got.ops, got.ops_per_s) == (1, 1.0)


def test_latency_runs_from_the_due_time() -> None:
    got = values(sample(0, 300 * MS, 400 * MS, due_ns=100 * MS))

    assert got.latencies_ns.tolist() == [300 * MS]


times = st.integers(min_value=-(10**12), max_value=10**12)


@given(st.lists(st.tuples(times, st.integers(0, 10**11)), min_size=1, max_size=50), times)
def test_shares_in_adjoining_windows_add_up_to_one(spans: list[tuple[int, int]], cut: int) -> None:
    start = np.array([begin for begin, _ in spans], np.int64)
    end = start + np.array([length for _, length in spans], np.int64)

    first = share_inside(start, end, -(10**13), cut)
    second = share_inside(start, end, cut, 10**13)

    assert first + second == pytest.approx(np.ones(len(spans)))
    assert np.all((first >= 0) & (first <= 1))


def test_a_trial_without_samples_is_unsound_and_not_a_rate_of_zero() -> None:
    assert marks(result(TRIAL, (), 0), has_samples=False, intact=True) == ("no_samples",)


def test_a_problem_and_every_stamp_make_a_trial_unsound() -> None:
    bad = result(TRIAL, (), 0, stamps=("client_bound",), problem="the server is gone")

    assert marks(bad, has_samples=False, intact=True) == ("client_bound", "problem")
    assert marks(result(TRIAL, ("part",), 5), has_samples=True, intact=True) == ()


def test_a_trial_whose_objects_came_back_wrong_is_unsound() -> None:
    assert marks(result(TRIAL, ("part",), 5), has_samples=True, intact=False) == ("integrity",)


def test_a_trial_that_never_reached_its_window_has_none() -> None:
    early = result(TRIAL, ("part",), 5, window_start_ns=5, window_end_ns=5)

    assert marks(early, has_samples=True, intact=True) == ("no_window",)
    assert window_s(early) == 0

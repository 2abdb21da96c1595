"""What must not be compared: dead, broken, selected and failing sides are refused, each with its reason and its cure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bench.records import Estimate
from bench.stats.contest import refusal
from tests.unit.stats_example import by_block, contest, side

if TYPE_CHECKING:
    from bench.stats.contest import Side

GOOD = [1.0] * 6


def stamped(trials: int, **stamps: int) -> Side:
    unsound = sum(stamps.values())
    values = by_block([1.0] * (trials - unsound))
    return side("btrfs-layer", values, trials=trials, unsound_trials=unsound, stamps=stamps)


def failing(share: float) -> Side:
    ratio = Estimate(center=share, low=0.0, high=0.1, confidence=0.95, n=6)
    return side("btrfs-layer", by_block(GOOD), failure_ratio=ratio, failures={"timeout/total/op": 9})


def test_two_sound_sides_are_compared() -> None:
    assert refusal(contest(stamped(6), GOOD), None) == ""


@pytest.mark.parametrize(
    ("stamp", "told"),
    [
        ("server_gone", "the server was gone in 1 of 40 trials of btrfs-layer"),
        ("problem", "1 of 40 trials of btrfs-layer could not be measured at all"),
        ("integrity", "objects of btrfs-layer were lost or came back wrong in 1 of 40 trials"),
    ],
)
@pytest.mark.parametrize("is_reference", [False, True])
def test_a_single_dead_or_broken_trial_refuses_whichever_side_it_is_on(stamp: str, told: str, is_reference: bool) -> None:  # noqa: FBT001 - a case
    bad = stamped(40, **{stamp: 1})

    assert refusal(contest([1.0] * 40, bad) if is_reference else contest(bad, [1.0] * 40), None).startswith(told)


@pytest.mark.parametrize("stamp", ["client_bound", "ran_out", "no_ops", "a_stamp_of_tomorrow"])
def test_a_selection_of_trials_is_refused_from_more_than_a_tenth_on(stamp: str) -> None:
    assert refusal(contest(stamped(20, **{stamp: 2}), [1.0] * 20), None) == ""
    assert refusal(contest(stamped(20, **{stamp: 3}), [1.0] * 20), None).startswith(
        f"3 of 20 trials of btrfs-layer were {stamp}, and those that are left are a selection: "
    )


@pytest.mark.parametrize(
    ("stamp", "cure"), [("client_bound", "lower the concurrency"), ("ran_out", "raise the workload's objects")]
)
def test_a_selection_is_refused_with_its_cure(stamp: str, cure: str) -> None:
    assert cure in refusal(contest(stamped(6, **{stamp: 1}), GOOD), None)


@pytest.mark.parametrize("stamp", ["held_up", "stolen"])
def test_noise_of_the_host_is_dropped_up_to_half_of_the_trials(stamp: str) -> None:
    assert refusal(contest(stamped(12, **{stamp: 6}), [1.0] * 12), None) == ""
    assert refusal(contest(stamped(14, **{stamp: 8}), [1.0] * 14), None) == (
        f"8 of 14 trials of btrfs-layer are unsound ({stamp} 8): see the findings for the cure"
    )


def test_a_server_that_fails_more_than_one_op_in_a_hundred_is_not_compared() -> None:
    assert refusal(contest(failing(0.01), GOOD), None) == ""
    assert refusal(contest(GOOD, failing(0.018)), None).startswith(
        "1.8 % of the ops of btrfs-layer failed, most often with timeout/total/op: the speed of a failing server"
    )


def test_a_server_that_fails_every_op_is_told_in_whole_percent() -> None:
    assert refusal(contest(failing(1.0), GOOD), None).startswith("100 % of the ops of btrfs-layer failed")


@pytest.mark.parametrize(("quantile", "most"), [(0.99, 0.001), (0.9, 0.01)])
def test_failures_cannot_improve_a_tail(quantile: float, most: float) -> None:
    assert refusal(contest(failing(0.95 * most), GOOD), quantile) == ""
    for given in (contest(failing(1.05 * most), GOOD), contest(GOOD, failing(1.05 * most))):
        assert refusal(given, quantile) != ""
    assert "failed ops are not in the latencies" in refusal(contest(failing(0.0093), GOOD), 0.99)
    assert refusal(contest(failing(0.0093), GOOD), None) == ""

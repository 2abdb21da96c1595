"""Verdicts: each follows from its interval and its permutation test, and each refusal says why and what to do."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from bench.records import Reference
from bench.stats import comparison as comparison_module
from bench.stats.comparison import compare
from bench.stats.pairs import pairs
from tests.unit.stats_example import by_block, contest, side, table, target

if TYPE_CHECKING:
    from bench.records import Comparison
    from bench.stats.contest import Contest

NOISE = (1.01, 0.99, 1.02, 0.98, 1.0, 1.005, 0.995, 1.01)
OTHER = (0.99, 1.0, 1.01, 1.0, 0.985, 1.01, 1.0, 0.99)


def one(given: Contest, *, quantile: float | None = None) -> Comparison:
    (made,) = compare(table(given, quantile=quantile))
    return made


def times(factor: float, blocks: int = 8) -> Contest:
    return contest([value * factor for value in NOISE[:blocks]], OTHER[:blocks])


def test_a_larger_rate_is_faster_and_a_smaller_one_slower() -> None:
    assert one(times(1.2)).verdict == "faster"
    assert one(times(0.8)).verdict == "slower"


def test_a_larger_latency_is_slower_and_a_smaller_one_faster() -> None:
    assert one(times(1.2), quantile=0.99).verdict == "slower"
    assert one(times(0.8), quantile=0.99).verdict == "faster"


def test_the_ratio_is_the_geometric_mean_over_blocks_with_an_interval_and_a_p() -> None:
    made = one(contest([2.0, 8.0] * 3, [1.0, 2.0] * 3))

    assert made.ratio is not None
    assert made.ratio.center == pytest.approx(math.sqrt(2 * 4))
    assert list(made.block_ratios) == [2, 4, 2, 4, 2, 4]
    assert made.p_sign_flip == 2 / 2**6
    assert (made.blocks, made.ratio.n, made.ratio.confidence) == (6, 6, 0.95)


def test_what_is_not_shown_is_said_with_what_is_ruled_out_and_how_many_blocks_would_tell() -> None:
    made = one(contest([1.0, 1.2, 0.9, 1.3, 1.0, 1.15], [1.0] * 6))

    assert made.verdict == "no difference shown"
    assert made.reason == "differences beyond -6.2 % .. +25 % are ruled out"
    assert made.more_blocks == 20


def test_two_cells_within_the_practical_band_need_no_more_blocks() -> None:
    made = one(contest([1.001, 0.999, 1.002, 0.998, 1.0, 1.0005], [1.0] * 6))

    assert (made.verdict, made.more_blocks) == ("no difference shown", None)
    assert made.reason == "differences beyond -0.1 % .. +0.2 % are ruled out: no practical difference"


def test_a_difference_too_small_to_find_in_two_hundred_blocks_is_said_not_to_matter() -> None:
    made = one(contest([1.1, 0.9, 1.12, 0.9, 1.0, 1.0], [1.0] * 6))

    assert (made.verdict, made.more_blocks) == ("no difference shown", None)
    assert made.reason.endswith("as small a one as seen (-0.0 %) would take a new run of over 200 blocks to show")


def test_a_shown_difference_below_three_percent_is_called_not_practical() -> None:
    made = one(contest([1.019, 1.021, 1.02, 1.022, 1.018, 1.02], [1.0] * 6))

    assert (made.verdict, made.reason) == ("faster", "smaller than 3 %: no practical difference")


def test_a_small_difference_that_may_be_larger_is_not_called_small_without_saying_so() -> None:
    made = one(contest([1.022, 1.01, 1.03, 1.041, 1.015, 1.03], [1.0] * 6))

    assert made.verdict == "faster"
    assert made.reason == "smaller than 3 %: no practical difference was shown, though +1.3 % .. +3.7 % is possible"


def test_identical_values_show_no_difference() -> None:
    made = one(contest([5.0] * 6, [5.0] * 6))

    assert (made.verdict, made.p_sign_flip, made.more_blocks) == ("no difference shown", 1.0, None)


def test_values_without_any_noise_are_still_judged() -> None:
    assert one(contest([6.0] * 6, [5.0] * 6)).verdict == "faster"


def test_a_table_of_many_comparisons_has_wider_intervals_than_one_alone() -> None:
    alone = one(times(1.05))
    among = compare(table(*[times(1.05)] * 10))[0]

    assert alone.ratio is not None
    assert among.ratio is not None
    assert among.ratio.center == alone.ratio.center
    assert (among.ratio.high or 0) > (alone.ratio.high or 0)


def test_a_refused_comparison_does_not_widen_the_others() -> None:
    refused = contest([1.0], [1.0])

    assert compare(table(times(1.05), refused, refused))[0] == one(times(1.05))


def test_five_blocks_are_refused_with_the_number_that_is_needed() -> None:
    made = one(times(1.5, blocks=5))

    assert (made.verdict, made.reason) == ("refused", "need >= 6 sound blocks, have 5: raise blocks")
    assert (made.ratio, made.p_sign_flip, made.block_ratios, made.blocks) == (None, None, (), 5)


def test_only_blocks_that_are_sound_on_both_sides_are_paired() -> None:
    cell = side("btrfs-layer", dict.fromkeys(range(9), 2.0))
    against = side("overlay2-layer", dict.fromkeys(range(3, 12), 1.0))

    assert one(contest(cell, against)).blocks == 6


def test_a_block_of_zero_throughput_is_refused_and_named() -> None:
    made = one(contest([1.0, 1.0, 0.0, 1.0, 1.0, 1.0], [1.0] * 6))

    assert made.verdict == "refused"
    assert made.reason == "btrfs-layer did nothing that succeeded in block 3: look at its failures and its server's log"


@pytest.mark.parametrize("value", [math.nan, math.inf, -1.0])
def test_a_value_that_is_no_rate_is_refused(value: float) -> None:
    assert one(contest([1.0] * 5 + [value], [1.0] * 6)).verdict == "refused"


def test_a_trial_too_short_for_the_quantile_is_refused_and_named() -> None:
    cell = side("btrfs-layer", {**by_block([1.0] * 6), 4: None})

    assert "btrfs-layer in block 5 has too few samples" in one(contest(cell, [1.0] * 6)).reason


def test_a_statistic_that_raises_is_refused_and_never_significant(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise FloatingPointError("underflow")

    monkeypatch.setattr(comparison_module, "pair", broken)
    made = one(times(2.0))

    assert (made.verdict, made.ratio) == ("refused", None)
    assert "underflow" in made.reason


def test_values_whose_ratio_overflows_are_refused() -> None:
    assert one(contest([1e300] * 6, [1e-300] * 6)).verdict == "refused"


def test_an_interval_without_one_does_not_suffice_when_chance_explains_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bench.stats.paired.sign_flip_p", lambda _: 0.0625)
    made = one(times(1.2))

    assert made.verdict == "no difference shown"
    assert "also arises by chance (p = 0.062)" in made.reason


def test_a_reference_that_does_not_stand_is_said_to_be_missing() -> None:
    made = one(contest([1.0] * 6, None, targets=(target("btrfs"), None)))

    assert (made.verdict, made.against) == ("refused", "")
    assert made.reason.startswith("no cell with driver overlay2 stands beside it: add one to the matrix")


def test_each_cell_meets_the_reference_of_its_own_placement_and_each_layer_its_volume() -> None:
    targets = [target(driver, placement) for driver in ("overlay2", "btrfs") for placement in ("writable_layer", "volume")]

    made = [
        (pair.kind, pair.cell.cell.name, pair.against.cell.name if pair.against else "")
        for pair in pairs(targets, Reference(axes={"driver": "overlay2"}))
    ]

    assert made == [
        ("reference", "btrfs-layer", "overlay2-layer"),
        ("reference", "btrfs-volume", "overlay2-volume"),
        ("control_arm", "overlay2-layer", "overlay2-volume"),
        ("control_arm", "btrfs-layer", "btrfs-volume"),
    ]


def test_a_matrix_with_one_placement_and_no_reference_asks_for_no_comparison() -> None:
    assert pairs([target("overlay2"), target("btrfs")], Reference(axes={})) == ()

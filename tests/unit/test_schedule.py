from __future__ import annotations

from itertools import groupby

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench import schedule
from bench.errors import InputError

names = st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=6, unique=True)
blocks = st.integers(1, 8)
seeds = st.integers()


@given(names, names, blocks, seeds)
def test_every_block_holds_every_cell_and_workload_once(cells: list[str], workloads: list[str], blocks: int, seed: int) -> None:
    trials = schedule.trials(cells, workloads, blocks, seed)

    for block in range(blocks):
        pairs = sorted((trial.cell, trial.workload) for trial in trials if trial.block == block)
        assert pairs == sorted((cell, workload) for cell in cells for workload in workloads)


@given(names, names, blocks, seeds)
def test_indexes_and_positions_count_the_order_of_measurement(
    cells: list[str], workloads: list[str], blocks: int, seed: int
) -> None:
    trials = schedule.trials(cells, workloads, blocks, seed)

    assert [trial.index for trial in trials] == list(range(len(trials)))
    assert [trial.position for trial in trials] == list(range(len(cells) * len(workloads))) * blocks
    assert [trial.block for trial in trials] == sorted(trial.block for trial in trials)


@given(names, names, blocks, seeds)
def test_all_cells_of_a_workload_are_measured_one_after_the_other(
    cells: list[str], workloads: list[str], blocks: int, seed: int
) -> None:
    trials = schedule.trials(cells, workloads, blocks, seed)

    for block in range(blocks):
        stretches = [name for name, _ in groupby(trial.workload for trial in trials if trial.block == block)]
        assert sorted(stretches) == sorted(workloads)


@given(names, names, blocks, seeds)
def test_a_trial_seed_is_shared_by_the_cells_of_a_block_and_workload_and_by_nothing_else(
    cells: list[str], workloads: list[str], blocks: int, seed: int
) -> None:
    trials = schedule.trials(cells, workloads, blocks, seed)

    shared = {(trial.block, trial.workload, trial.seed) for trial in trials}
    assert len(shared) == blocks * len(workloads)
    assert len({trial.seed for trial in trials}) == len(shared)
    assert all(0 <= trial.seed < 2**53 for trial in trials)


@given(names, names, blocks, seeds)
def test_the_order_of_the_arguments_does_not_matter(cells: list[str], workloads: list[str], blocks: int, seed: int) -> None:
    forward = schedule.trials(cells, workloads, blocks, seed)

    assert schedule.trials(cells[::-1], workloads[::-1], blocks, seed) == forward


@given(names, blocks, seeds)
def test_a_cell_that_joins_leaves_the_order_of_the_others_as_it_was(cells: list[str], blocks: int, seed: int) -> None:
    before = [trial.cell for trial in schedule.trials(cells, ["put"], blocks, seed)]
    after = [trial.cell for trial in schedule.trials([*cells, "a cell that joins"], ["put"], blocks, seed)]

    assert [cell for cell in after if cell != "a cell that joins"] == before


def test_the_schedule_of_a_seed_is_the_same_on_every_machine_and_python() -> None:
    trials = schedule.trials(["btrfs", "vfs", "overlay2"], ["put", "get"], 2, seed=1)

    assert [(trial.workload, trial.cell) for trial in trials] == PINNED
    assert [trial.seed for trial in trials[::3]] == PINNED_SEEDS


PINNED = [
    ("put", "overlay2"),
    ("put", "vfs"),
    ("put", "btrfs"),
    ("get", "btrfs"),
    ("get", "overlay2"),
    ("get", "vfs"),
    ("get", "vfs"),
    ("get", "overlay2"),
    ("get", "btrfs"),
    ("put", "btrfs"),
    ("put", "vfs"),
    ("put", "overlay2"),
]
PINNED_SEEDS = [198654590113849, 173823244627428, 93366368945808, 49140059231303]


def test_blocks_are_shuffled_differently_and_no_cell_keeps_a_place() -> None:
    trials = schedule.trials(["a", "b", "c", "d"], ["put"], 400, seed=3)

    first = [trial.cell for trial in trials if trial.position == 0]
    # 100 expected of each; five standard deviations of a fair draw are 43.
    assert all(57 <= first.count(cell) <= 143 for cell in "abcd")


@given(st.sets(st.integers(0, 11)))
def test_what_remains_is_the_schedule_without_what_is_done_in_the_same_order(done: set[int]) -> None:
    trials = schedule.trials(["a", "b", "c"], ["put", "get"], 2, seed=1)

    assert [trial.index for trial in schedule.remaining(trials, done)] == [index for index in range(12) if index not in done]


@pytest.mark.parametrize(
    ("cells", "workloads", "blocks", "where"),
    [
        ([], ["put"], 6, "cells"),
        (["a"], [], 6, "workloads"),
        (["a"], ["put"], 0, "blocks"),
        (["a", "a"], ["put"], 6, "cells"),
        (["a"], ["put", "put"], 6, "workloads"),
    ],
)
def test_nothing_to_measure_or_a_name_twice_is_bad_input(cells: list[str], workloads: list[str], blocks: int, where: str) -> None:
    with pytest.raises(InputError) as caught:
        schedule.trials(cells, workloads, blocks, seed=1)

    assert caught.value.where == where
    assert caught.value.next_step


@given(names, names, blocks, seeds)
def test_over_two_blocks_every_cell_has_the_same_place_on_average(
    cells: list[str], workloads: list[str], blocks: int, seed: int
) -> None:
    """What drifts steadily within a block, a disk that fills or a host that warms up, then hits all cells alike."""
    trials = schedule.trials(cells, workloads, 2 * blocks, seed)

    for workload in workloads:
        places: dict[str, int] = dict.fromkeys(cells, 0)
        for block in range(2 * blocks):
            order = [trial.cell for trial in trials if (trial.block, trial.workload) == (block, workload)]
            for place, cell in enumerate(order):
                places[cell] += place
        assert len(set(places.values())) == 1

"""The order of the trials: blocks of every cell under every workload, shuffled by a seed. Pure: one seed, one schedule.

A block holds each (cell, workload) once. Inside it, workloads are shuffled, and within each workload the cells: so all cells of
one workload are measured near in time, and whatever drifts more slowly than a block cancels when cells are paired by block.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from bench.errors import InputError
from bench.records import Trial

if TYPE_CHECKING:
    from collections.abc import Collection

_SEED_BITS = 48
"""Trial seeds fit into the 53 bits that every reader of JSON keeps exactly."""


def trials(cells: Collection[str], workloads: Collection[str], blocks: int, seed: int) -> tuple[Trial, ...]:
    """All trials in the order of their measurement; `cells` and `workloads` are names.

    The order does not depend on the order of the arguments. Raises InputError where nothing is to schedule or a name comes twice.
    """
    _insist_on_names("cell", cells)
    _insist_on_names("workload", workloads)
    if blocks < 1:
        raise InputError(
            f"{blocks} blocks: nothing would be measured", where="blocks", next_step="ask for 1 or more; 6 or more to compare"
        )
    return tuple(
        Trial(
            index=block * len(cells) * len(workloads) + position,
            block=block,
            position=position,
            cell=cell,
            workload=workload,
            seed=_trial_seed(seed, block, workload),
        )
        for block in range(blocks)
        for position, (workload, cell) in enumerate(_block(cells, workloads, block, seed))
    )


def remaining(schedule: tuple[Trial, ...], done: Collection[int]) -> tuple[Trial, ...]:
    """What of the schedule is not yet measured, in its order; `done` are indexes of trials."""
    return tuple(trial for trial in schedule if trial.index not in done)


def _block(cells: Collection[str], workloads: Collection[str], block: int, seed: int) -> list[tuple[str, str]]:
    return [
        (workload, cell)
        for workload in _shuffled(workloads, f"{seed}/{block}")
        for cell in _cells(cells, f"{seed}/{block // 2}/{workload}", mirrored=block % 2 == 1)
    ]


def _cells(names: Collection[str], key: str, *, mirrored: bool) -> list[str]:
    """Every second block takes the cells in the reverse order of the one before: whatever drifts within a block then cancels."""
    order = _shuffled(names, key)
    return order[::-1] if mirrored else order


def _shuffled(names: Collection[str], key: str) -> list[str]:
    # Each name draws its own number: Python keeps `random()` alike between versions, `shuffle()` it does not promise to. And a
    # cell that joins the matrix leaves the order of the others as it was.
    return sorted(names, key=lambda name: (_stream(f"{key}/{name}").random(), name))


def _trial_seed(seed: int, block: int, workload: str) -> int:
    return int(_stream(f"{seed}/{block}/{workload}/trial").random() * 2**_SEED_BITS)


def _stream(key: str) -> Random:
    return Random(key)  # noqa: S311 - an order to measure in, not a secret; it must be repeatable


def _insist_on_names(kind: str, names: Collection[str]) -> None:
    if not names:
        raise InputError(
            f"no {kind}: nothing would be measured", where=f"{kind}s", next_step=f"name at least one {kind} in the matrix"
        )
    if len(set(names)) != len(names):
        raise InputError(f"a {kind} is named twice", where=f"{kind}s", next_step=f"give every {kind} a name of its own")

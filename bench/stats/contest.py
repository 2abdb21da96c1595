"""Two cells about to be compared, and why they must not be: a refusal is an answer, a number that misleads is not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bench.stats.resampling import MIN_TRIALS
from bench.stats.trial import RECLAIMED
from bench.stats.unlike import unlike

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from bench.records import CellSummary
    from bench.stats.pairs import Pair

MOST_FAILURES = 0.01
"""Share of failed ops above which a cell is not compared: ops that fail fast or slowly are not the work that was asked for."""
FAILURES_OF_TAIL = 0.1
"""Of the ops beyond a quantile, the share that may have failed. Failed ops have no latency, so those that would have been the
slowest are missing, and the tail looks better than it was."""
MOST_DROPPED = 0.1
"""Share of trials that may be left out for a reason that hangs on how fast the cell was: more, and the rest is a selection."""

NOISE = frozenset({"held_up", "stolen", RECLAIMED})
"""Marks of trials in which a host was disturbed or taken away, whichever the cell: to leave them out favours none."""

_NEVER = {
    "server_gone": "the server was gone in {n} of {of} trials of {cell}: read its container's log, mend it, then measure again",
    "problem": "{n} of {of} trials of {cell} could not be measured at all: see the findings for the cause, then measure again",
    "integrity": "objects of {cell} were lost or came back wrong in {n} of {of} trials: that is no result, see the findings",
}
"""Marks of which a single trial refuses the comparison: what is left would be the speed of the lucky trials."""

_CURES = {
    "client_bound": "lower the concurrency",
    "ran_out": "raise the workload's objects, or shorten its trials",
    "unsettled": "see which host wrote for so long, and give it a faster disk",
    "worker_lost": "bring the lost load generator back, then measure again",
    "window_short": "mend the network between the load generators, or lengthen the trials; then measure again",
}
_OTHER_CURE = "see the findings"


@dataclass(frozen=True, kw_only=True)
class Side:
    """One cell of a comparison. `values` are by block, of sound trials only; None where a trial is too short for the metric."""

    cell: CellSummary
    values: Mapping[int, float | None]


@dataclass(frozen=True, kw_only=True)
class Contest:
    """One comparison to be made: two targets, and what was measured on each, None where nothing was."""

    pair: Pair
    cell: Side
    against: Side | None


def refusal(contest: Contest, quantile: float | None) -> str:
    """Return why this comparison is refused, with what to do about it; empty when it can be made.

    `quantile` is that of a latency, None for a rate.
    """
    if (reason := unlike(contest.pair)) or contest.against is None:
        return reason or "nothing was measured on the cell it is compared with: see the findings"
    return next(_reasons(contest.cell, contest.against, quantile), "")


def _reasons(cell: Side, against: Side, quantile: float | None) -> Iterator[str]:
    sides = (cell, against)
    for why in (_dead, _selected, _mostly_unsound, _failing):
        yield from filter(None, map(why, sides))
    if quantile is not None:
        yield from filter(None, (_without_its_tail(side, quantile) for side in sides))
    have = len(cell.values.keys() & against.values.keys())
    if have < MIN_TRIALS:
        yield f"need >= {MIN_TRIALS} sound blocks, have {have}: raise blocks"
    yield from filter(None, map(_no_value, sides))


def _dead(side: Side) -> str:
    cell = side.cell
    told = (
        text.format(n=cell.stamps[mark], of=cell.trials, cell=cell.cell) for mark, text in _NEVER.items() if mark in cell.stamps
    )
    return next(told, "")


def _selected(side: Side) -> str:
    """Say which mark took out too many trials of those that a slower, or a faster, cell would have kept."""
    cell = side.cell
    for mark, count in cell.stamps.items():
        if mark not in NOISE and count > MOST_DROPPED * cell.trials:
            told = f"{count} of {cell.trials} trials of {cell.cell} were {mark}, and those that are left are a selection"
            return f"{told}: {_CURES.get(mark, _OTHER_CURE)}"
    return ""


def _mostly_unsound(side: Side) -> str:
    cell = side.cell
    if 2 * cell.unsound_trials <= cell.trials:
        return ""
    stamps = ", ".join(f"{stamp} {count}" for stamp, count in cell.stamps.items())
    return f"{cell.unsound_trials} of {cell.trials} trials of {cell.cell} are unsound ({stamps}): see the findings for the cure"


def _failing(side: Side) -> str:
    ratio = side.cell.failure_ratio
    if ratio is None or ratio.center <= MOST_FAILURES:
        return ""
    return f"{_failed(side, ratio.center)}: the speed of a failing server is not comparable, mend the failures first"


def _without_its_tail(side: Side, quantile: float) -> str:
    ratio = side.cell.failure_ratio
    if ratio is None or ratio.center <= FAILURES_OF_TAIL * (1 - quantile):
        return ""
    return f"{_failed(side, ratio.center)}: failed ops are not in the latencies, so mend the failures before comparing tails"


def _failed(side: Side, share: float) -> str:
    worst = next(iter(side.cell.failures), "unknown")
    percent = f"{share * 100:.2g}" if share < MOST_FAILURES * 10 else f"{share * 100:.0f}"
    return f"{percent} % of the ops of {side.cell.cell} failed, most often with {worst}"


def _no_value(side: Side) -> str:
    short = [block for block, value in side.values.items() if value is None]
    if short:
        return f"the trial of {side.cell.cell} in block {short[0] + 1} has too few samples for this latency: lengthen the trials"
    idle = [block for block, value in side.values.items() if not value or not np.isfinite(value)]
    if idle:
        return f"{side.cell.cell} did nothing that succeeded in block {idle[0] + 1}: look at its failures and its server's log"
    return ""

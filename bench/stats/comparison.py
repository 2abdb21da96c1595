"""From two cells to a verdict, or to the reason why there is none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bench.records import Comparison, Estimate
from bench.stats.paired import CONFIDENCE, SIGNIFICANT, Paired, pair
from bench.stats.pairs import Pair, unlike
from bench.stats.power import MOST_BLOCKS, more_blocks
from bench.stats.resampling import MIN_TRIALS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bench.records import CellSummary, Verdict

PRACTICAL = 0.03
"""A difference below this share is called "no practical difference": stated in advance, for every metric."""
MOST_FAILURES = 0.01
"""Share of failed ops above which a cell is not compared: ops that fail fast or slowly are not the work that was asked for."""


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


@dataclass(frozen=True, kw_only=True)
class Table:
    """What the comparisons of one table share: their intervals hold together."""

    workload: str
    metric: str
    lower_is_better: bool
    contests: tuple[Contest, ...]


def compare(table: Table) -> tuple[Comparison, ...]:
    """Return one comparison for each contest, in order; those refused do not widen the intervals of the others.

    Faster or slower is said only when two tests agree: the simultaneous t interval of the mean log ratio leaves out 1, and the
    sign-flip permutation test, which needs no normal noise, gives p <= 0.05.
    """
    reasons = [refusal(contest) for contest in table.contests]
    family = max(1, reasons.count(""))
    return tuple(
        _comparison(table, contest, "refused", reason) if reason else _judge(table, contest, family)
        for contest, reason in zip(table.contests, reasons, strict=True)
    )


def refusal(contest: Contest) -> str:
    """Return why this comparison is refused, with what to do about it; empty when it can be made."""
    if (reason := unlike(contest.pair)) or contest.against is None:
        return reason or "nothing was measured on the cell it is compared with: see the findings"
    sides = (contest.cell, contest.against)
    return next(filter(None, (*map(_unsound, sides), *map(_failing, sides), _too_few_blocks(*sides), *map(_no_value, sides))), "")


def _unsound(side: Side) -> str:
    cell = side.cell
    if 2 * cell.unsound_trials <= cell.trials:
        return ""
    stamps = ", ".join(f"{stamp} {count}" for stamp, count in cell.stamps.items())
    return f"{cell.unsound_trials} of {cell.trials} trials of {cell.cell} are unsound ({stamps}): see the findings for the cure"


def _failing(side: Side) -> str:
    ratio = side.cell.failure_ratio
    if ratio is None or ratio.center <= MOST_FAILURES:
        return ""
    worst = next(iter(side.cell.failures), "unknown")
    told = f"{ratio.center * 100:.1f} % of the ops of {side.cell.cell} failed, most often with {worst}"
    return f"{told}: the speed of a failing server is not comparable, mend the failures first"


def _too_few_blocks(cell: Side, against: Side) -> str:
    have = len(cell.values.keys() & against.values.keys())
    return "" if have >= MIN_TRIALS else f"need >= {MIN_TRIALS} sound blocks, have {have}: raise blocks"


def _no_value(side: Side) -> str:
    short = [block for block, value in side.values.items() if value is None]
    if short:
        return f"the trial of {side.cell.cell} in block {short[0]} has too few samples for this quantile: lengthen the trials"
    idle = [block for block, value in side.values.items() if not value or not np.isfinite(value)]
    if idle:
        return f"{side.cell.cell} did nothing that succeeded in block {idle[0]}: look at its failures and its server's log"
    return ""


def _judge(table: Table, contest: Contest, family: int) -> Comparison:
    """Return a comparison with a verdict. A statistic that cannot be computed shows nothing: it is refused."""
    ratios = _ratios(contest)
    try:
        seen = pair(list(ratios.values()), family)
    except (ArithmeticError, ValueError) as error:
        return _comparison(table, contest, "refused", f"the ratio cannot be computed ({error}): look at the values of its trials")
    if seen.excludes_one and seen.p_sign_flip <= SIGNIFICANT:
        verdict: Verdict = "faster" if (seen.mean_log > 0) != table.lower_is_better else "slower"
        return _comparison(table, contest, verdict, _below_band(seen), seen=seen)
    further, reason = _undecided(seen, family)
    return _comparison(table, contest, "no difference shown", reason, seen=seen, further=further)


def _below_band(seen: Paired) -> str:
    small = abs(seen.mean_log) < np.log1p(PRACTICAL)
    return f"smaller than {PRACTICAL * 100:.0f} %: no practical difference" if small else ""


def _undecided(seen: Paired, family: int) -> tuple[int | None, str]:
    """Return how many blocks would tell, and what is ruled out already."""
    limits = f"{_percent(seen.low)} .. {_percent(seen.high)}"
    if seen.excludes_one:
        chance = f"p = {seen.p_sign_flip:.2g}"
        ruled_out = f"the interval {limits} leaves out 0, but as large a difference also arises by chance ({chance})"
    else:
        ruled_out = f"differences beyond {limits} are ruled out"
    if -np.log1p(PRACTICAL) < np.log(seen.low) and np.log(seen.high) < np.log1p(PRACTICAL):
        return None, f"{ruled_out}: no practical difference"
    further = more_blocks(seen, family)
    if further is None:
        # Not "too small to matter": a wide interval around nothing leaves room for a difference that does.
        return (
            None,
            f"{ruled_out}; as small a one as seen ({_percent(seen.ratio)}) would take over {MOST_BLOCKS} more blocks to show",
        )
    return further, ruled_out


def _percent(ratio: float) -> str:
    change = (ratio - 1) * 100
    return f"{change:+.0f} %" if abs(change) >= 10 else f"{change:+.1f} %"  # noqa: PLR2004 - two significant digits


def _ratios(contest: Contest) -> dict[int, float]:
    """Return cell / against by block, in order of blocks; only called where every value is above zero."""
    against = contest.against.values if contest.against else {}
    shared = sorted(contest.cell.values.keys() & against.keys())
    values = {block: (contest.cell.values[block], against[block]) for block in shared}
    return {block: one / other for block, (one, other) in values.items() if one and other}


def _comparison(
    table: Table, contest: Contest, verdict: Verdict, reason: str, *, seen: Paired | None = None, further: int | None = None
) -> Comparison:
    other = contest.pair.against
    return Comparison(
        kind=contest.pair.kind,
        workload=table.workload,
        metric=table.metric,
        cell=contest.pair.cell.cell.name,
        against=other.cell.name if other else "",
        blocks=len(contest.cell.values.keys() & contest.against.values.keys()) if contest.against else 0,
        ratio=_estimate(seen) if seen else None,
        block_ratios=seen.ratios if seen else (),
        p_sign_flip=seen.p_sign_flip if seen else None,
        verdict=verdict,
        more_blocks=further,
        reason=reason,
    )


def _estimate(seen: Paired) -> Estimate:
    return Estimate(center=seen.ratio, low=seen.low, high=seen.high, confidence=CONFIDENCE, n=len(seen.ratios))

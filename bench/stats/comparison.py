"""From two cells to a verdict, or to the reason why there is none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from bench.records import PRACTICAL, Comparison, Estimate
from bench.stats.contest import Contest, refusal
from bench.stats.paired import CONFIDENCE, SIGNIFICANT, Paired, pair
from bench.stats.power import MOST_BLOCKS, more_blocks

if TYPE_CHECKING:
    from bench.records import Verdict


@dataclass(frozen=True, kw_only=True)
class Table:
    """Comparisons whose intervals hold together. `quantile` is set for a latency, where lower is better."""

    workload: str
    metric: str
    quantile: float | None
    contests: tuple[Contest, ...]


def compare(table: Table) -> tuple[Comparison, ...]:
    """Return one comparison for each contest, in order; those refused do not widen the intervals of the others.

    Faster or slower is said only when two tests agree: the simultaneous t interval of the mean log ratio leaves out 1, and the
    sign-flip permutation test, which needs no normal noise, gives p <= 0.05.
    """
    reasons = [refusal(contest, table.quantile) for contest in table.contests]
    family = max(1, reasons.count(""))
    return tuple(
        _comparison(table, contest, "refused", reason) if reason else _judge(table, contest, family)
        for contest, reason in zip(table.contests, reasons, strict=True)
    )


def _judge(table: Table, contest: Contest, family: int) -> Comparison:
    """Return a comparison with a verdict. A statistic that cannot be computed shows nothing: it is refused."""
    ratios = _ratios(contest)
    try:
        seen = pair(list(ratios.values()), family)
    except (ArithmeticError, ValueError) as error:
        return _comparison(table, contest, "refused", f"the ratio cannot be computed ({error}): look at the values of its trials")
    if seen.excludes_one and seen.p_sign_flip <= SIGNIFICANT:
        verdict: Verdict = "faster" if (seen.mean_log > 0) != (table.quantile is not None) else "slower"
        return _comparison(table, contest, verdict, _below_band(seen), seen=seen)
    further, reason = _undecided(seen, family)
    return _comparison(table, contest, "no difference shown", reason, seen=seen, further=further)


def _below_band(seen: Paired) -> str:
    """Return what to say of a difference that was shown and hardly matters; as large a one as the interval allows may matter."""
    if abs(seen.mean_log) >= np.log1p(PRACTICAL):
        return ""
    within = max(abs(np.log(seen.low)), abs(np.log(seen.high))) < np.log1p(PRACTICAL)
    told = f"smaller than {PRACTICAL * 100:.0f} %: no practical difference"
    return told if within else f"{told} was shown, though {_percent(seen.low)} .. {_percent(seen.high)} is possible"


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
        needed = f"would take a new run of over {MOST_BLOCKS} blocks to show"
        return None, f"{ruled_out}; as small a one as seen ({_percent(seen.ratio)}) {needed}"
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
        emulated=contest.pair.emulated,
    )


def _estimate(seen: Paired) -> Estimate:
    return Estimate(center=seen.ratio, low=seen.low, high=seen.high, confidence=CONFIDENCE, n=len(seen.ratios))

"""Was the load steady while it was measured? Inside long trials by MSER-5 and the drift between halves, else over blocks."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

import numpy as np

from bench.check import Check, Evidence, successes
from bench.records import Finding

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from bench.records import TrialResult

_LONG_S = 10.0
_BIN_NS = 250_000_000
_BATCH = 5
"""MSER-5: batches of five bins (White, "An effective truncation heuristic", Simulation 69, 1997)."""
_DRIFT_INSIDE = 0.10
_DRIFT_OVER_BLOCKS = 0.20
"""Smaller changes are not worth a sentence: pairing by block removes what all cells share."""
_P_DRIFT = 0.001
"""Batches of 1.25 s still hang together (0.7 between bins was simulated), so the usual 0.05 would cry wolf."""
_P_RAMP = 0.01
_SHARE = 0.25
"""One trial in thirty of ten seconds drifts by chance; this share of a cell's trials does not."""
_BLOCKS = 6
_P_TREND = 0.01


def _look(evidence: Evidence) -> tuple[Finding, ...]:
    groups: dict[tuple[str, str], list[TrialResult]] = defaultdict(list)
    for result in evidence.results:
        if result.parts and result.window_end_ns > result.window_start_ns:
            groups[result.trial.cell, result.trial.workload].append(result)
    return tuple(
        finding for (cell, workload), group in sorted(groups.items()) for finding in _judge(evidence, cell, workload, group)
    )


def _judge(evidence: Evidence, cell: str, workload: str, group: list[TrialResult]) -> tuple[Finding, ...]:
    series = {result.trial.index: _series(evidence, result) for result in sorted(group, key=lambda each: each.trial.block)}
    return _inside(cell, workload, {index: rates for index, rates in series.items() if rates.size * _BIN_NS >= _LONG_S * 1e9}) + (
        _over_blocks(cell, workload, {index: float(rates.mean()) for index, rates in series.items() if rates.size})
    )


def _series(evidence: Evidence, result: TrialResult) -> NDArray[np.float64]:
    """Throughput in each bin of the trial's window: bytes where bytes were moved, else ops."""
    start, end, moved = successes(evidence, result).T
    if not moved.any():
        moved = np.ones(len(moved))
    edges = np.arange((result.window_end_ns - result.window_start_ns) // _BIN_NS + 1, dtype=np.float64) * _BIN_NS
    return np.diff(_moved_until(edges, start, np.maximum(end, start + 1), moved))


def _moved_until(
    times: NDArray[np.float64], start: NDArray[np.float64], end: NDArray[np.float64], moved: NDArray[np.float64]
) -> NDArray[np.float64]:
    """What was moved until each of `times`, each op evenly over its own time: a large object is no burst at its end."""
    rate = moved / (end - start)
    return _ramps(times, start, rate) - _ramps(times, end, rate)


def _ramps(times: NDArray[np.float64], begin: NDArray[np.float64], rate: NDArray[np.float64]) -> NDArray[np.float64]:
    order = np.argsort(begin)
    slope = np.concatenate(([0.0], np.cumsum(rate[order])))
    offset = np.concatenate(([0.0], np.cumsum((rate * begin)[order])))
    begun = np.searchsorted(begin[order], times)
    return slope[begun] * times - offset[begun]


def _inside(cell: str, workload: str, series: dict[int, NDArray[np.float64]]) -> tuple[Finding, ...]:
    drifts = {index: drift for index, rates in series.items() if (drift := _drift(rates))}
    if not drifts or len(drifts) < _SHARE * len(series):
        return ()
    worst = max(drifts.values(), key=abs)
    text = f"{len(drifts)} of {len(series)} trials of {workload} were not steady: throughput changed by up to {worst:+.0%}"
    fix = "lengthen warm_up_s; if it still drifts, look for a filling disk, compaction, or a cloud disk whose burst credits end"
    return (Finding(check="steady", level="warning", cell=cell, text=text, fix=fix, trials=tuple(drifts)),)


def _drift(rates: NDArray[np.float64]) -> float:
    """By how much the second half differs from the first, 0.0 where the difference is no more than noise.

    A window that is one long ramp (MSER-5 would cut off as much as it may) needs less proof.
    """
    from scipy import stats  # noqa: PLC0415 - slow to import, and the checks before the load need no statistics

    batches = _batches(rates)
    half = len(batches) // 2
    first, second = batches[:half], batches[-half:]
    error = np.sqrt((first.var(ddof=1) + second.var(ddof=1)) / half)
    change = second.mean() - first.mean()
    p = _P_RAMP if _mser_cut(batches) >= half else _P_DRIFT
    needed = stats.t.ppf(1 - p / 2, 2 * (half - 1))
    if first.mean() <= 0 or abs(change) <= max(needed * error, _DRIFT_INSIDE * first.mean()):
        return 0.0
    return float(change / first.mean())


def _batches(rates: NDArray[np.float64]) -> NDArray[np.float64]:
    whole = len(rates) // _BATCH * _BATCH
    means: NDArray[np.float64] = rates[:whole].reshape(-1, _BATCH).mean(axis=1)
    return means


def _mser_cut(batches: NDArray[np.float64]) -> int:
    """How many batches MSER-5 would cut off the start, half of them at most."""
    scores = [batches[cut:].var() / (len(batches) - cut) for cut in range(len(batches) // 2 + 1)]
    return int(np.argmin(scores))


def _over_blocks(cell: str, workload: str, rates: dict[int, float]) -> tuple[Finding, ...]:
    from scipy import stats  # noqa: PLC0415 - slow to import, and the checks before the load need no statistics

    if len(rates) < _BLOCKS or len(set(rates.values())) == 1:
        return ()
    values = np.array(list(rates.values()))
    half = len(values) // 2
    change = float(values[-half:].mean() / values[:half].mean() - 1) if values[:half].mean() > 0 else 0.0
    if abs(change) < _DRIFT_OVER_BLOCKS or stats.spearmanr(np.arange(len(values)), values).pvalue >= _P_TREND:
        return ()
    text = f"throughput of {workload} changed by {change:+.0%} from the first half of the blocks to the second"
    fix = "trust comparisons by block only; look for a filling disk, leftovers of earlier trials, or other load on the host"
    return (Finding(check="steady", level="warning", cell=cell, text=text, fix=fix, trials=tuple(rates)),)


CHECK = Check(name="steady", when="after", look=_look)

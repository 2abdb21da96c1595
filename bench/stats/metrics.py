"""By which numbers the cells of a workload are compared."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median_low
from typing import TYPE_CHECKING

from bench.stats.quantiles import QUANTILES, needed, quantile_s

if TYPE_CHECKING:
    from collections.abc import Sequence

    from bench.records import Workload
    from bench.stats.trial import TrialValues

OPS_WITHOUT_DATA = frozenset({"list", "delete"})
"""Ops that move no object's bytes: a byte rate would be zero, or the size of a list's XML."""


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One number of a trial. `quantile` is set for a latency, where lower is better."""

    name: str
    quantile: float | None = None


THROUGHPUT = Metric(name="throughput_bytes_per_s")
OPS = Metric(name="ops_per_s")
TAILS = tuple(Metric(name=f"latency_{name}_s", quantile=QUANTILES[name]) for name in ("p99", "p90"))


def moves_data(workload: Workload) -> bool:
    """Return whether the ops of a workload move objects, so that bytes per second mean something."""
    return not (set(workload.mix) or {workload.op}) <= OPS_WITHOUT_DATA


def metrics(workload: Workload, trials: Sequence[TrialValues]) -> tuple[Metric, ...]:
    """Return what to compare: throughput, or ops/s where no data moves, and the tail latency that the trials are long enough for.

    A comparison needs the tail of each single trial: p99 where the typical trial of the workload has 1000 successes, p90 from
    100, none below. It is chosen once for all cells, so that a table has one metric; a cell with a shorter trial is refused, not
    left out in silence. In a closed loop the median latency only repeats the rate upside down, so it is not compared.
    """
    rate = THROUGHPUT if moves_data(workload) else OPS
    typical = median_low([trial.latencies_ns.size for trial in trials]) if trials else 0
    tail = next((metric for metric in TAILS if typical >= needed(metric.quantile or 0)), None)
    return (rate, tail) if tail else (rate,)


def value(metric: Metric, trial: TrialValues) -> float | None:
    """Return one trial's value, None where fewer than ten of its samples lie beyond the quantile."""
    if metric.quantile is None:
        return trial.bytes_per_s if metric == THROUGHPUT else trial.ops_per_s
    return quantile_s(trial.latencies_ns, metric.quantile) if trial.latencies_ns.size >= needed(metric.quantile) else None

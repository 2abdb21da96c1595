"""What the metrics of a summary are called, in which unit they are printed, and which one judges a workload."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.report.numbers import PLAIN, Unit, rate_unit, time_unit

if TYPE_CHECKING:
    from bench.records import CellSummary, Estimate, Summary

THROUGHPUT = "throughput_bytes_per_s"
OPS = "ops_per_s"


@dataclass(frozen=True, kw_only=True)
class Metric:
    """A metric of a comparison. `words` stand in a sentence: "1.4 times the `words` of"."""

    name: str
    words: str


def metric(name: str) -> Metric:
    """Return the metric of that name; an unknown one is shown under its own name rather than dropped."""
    if name == THROUGHPUT:
        return Metric(name=name, words="throughput")
    if name == OPS:
        return Metric(name=name, words="ops/s")
    quantile = next((part for part in name.split("_") if part[:1] == "p" and part[1:].replace(".", "").isdigit()), "")
    if quantile or "latency" in name:
        return Metric(name=name, words=f"{quantile} latency".strip())
    return Metric(name=name, words=name.replace("_", " "))


def main_metric(summary: Summary, workload: str) -> Metric:
    """Return what a workload is judged by: throughput, or ops/s where no object bytes move (list, delete)."""
    compared = {comparison.metric for comparison in summary.comparisons if comparison.workload == workload}
    if compared & {THROUGHPUT, OPS}:
        return metric(THROUGHPUT if THROUGHPUT in compared else OPS)
    moves_bytes = any(
        cell.throughput_bytes_per_s.center > 0
        for cell in summary.cells
        if cell.workload == workload and cell.throughput_bytes_per_s is not None
    )
    return metric(THROUGHPUT if moves_bytes else OPS)


def main_estimate(cell: CellSummary, chosen: Metric) -> Estimate | None:
    """Return the cell's estimate of a workload's main metric."""
    return cell.throughput_bytes_per_s if chosen.name == THROUGHPUT else cell.ops_per_s


def trial_values(cell: CellSummary, chosen: Metric) -> tuple[float, ...]:
    """Return the main metric of each sound trial."""
    return cell.trial_throughput_bytes_per_s if chosen.name == THROUGHPUT else cell.trial_ops_per_s


def main_unit(cells: tuple[CellSummary, ...], chosen: Metric) -> Unit:
    """Return the one unit in which the main metric of all `cells` is printed."""
    if chosen.name != THROUGHPUT:
        return Unit(name="ops/s", size=PLAIN.size)
    return rate_unit(estimate.center for cell in cells if (estimate := cell.throughput_bytes_per_s))


def latency_unit(cells: tuple[CellSummary, ...]) -> Unit:
    """Return the one unit in which all latencies of `cells` are printed."""
    return time_unit(estimate.center for cell in cells if (estimate := cell.latency_s.get("p50")))

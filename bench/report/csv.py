"""The summary as tidy CSV for a spreadsheet or a notebook: one row per cell, workload and metric, in base units, unrounded."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from bench.host_words import image_name
from bench.records import AXES, Estimate
from bench.report import Report, cost

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.records import CellSummary, Comparison, Run, Summary

COLUMNS = (
    *("run_id", "workload", "cell"),
    *AXES,
    *("kernel", "engine_version", "emulated"),
    *("metric", "unit", "estimate", "low", "high", "confidence", "n", "against", "verdict"),
)


def render(run: Run, summary: Summary) -> str:
    """Return the table. A missing value is an empty field, never 0; `n` counts sound trials, or blocks of a ratio.

    `kernel` and `engine_version` are as read back. `emulated` is `true` for a number that is.
    """
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n", restval="")
    writer.writeheader()
    axes = {cell.name: {axis: image_name(getattr(cell, axis)) for axis in AXES} for cell in run.plan}
    found = {one.cell.name: {"kernel": one.host.kernel, "engine_version": one.host.engine_version} for one in run.targets}
    for row in (*_measured(summary), *_priced(run, summary), *map(_compared, summary.comparisons)):
        cell = str(row["cell"])
        writer.writerow({"run_id": run.run_id} | axes.get(cell, {}) | found.get(cell, {}) | row)
    return out.getvalue()


REPORT = Report(name="csv", file="summary.csv", render=render)


def _measured(summary: Summary) -> Iterator[dict[str, object]]:
    for cell in summary.cells:
        for name, unit, value in _metrics(cell):
            yield {"workload": cell.workload, "cell": cell.cell, "metric": name, "unit": unit} | _stamp(cell) | _fields(value)


def _priced(run: Run, summary: Summary) -> Iterator[dict[str, object]]:
    for cell, name, currency, value in cost.priced(run, summary):
        unit = f"{currency}/{'TB' if name == 'cost_per_tb' else '10^6 ops'}"
        yield {"workload": cell.workload, "cell": cell.cell, "metric": name, "unit": unit} | _stamp(cell) | _fields(value)


def _metrics(cell: CellSummary) -> Iterator[tuple[str, str, Estimate | int | None]]:
    yield "throughput", "B/s", cell.throughput_bytes_per_s
    yield "ops", "1/s", cell.ops_per_s
    for quantile, estimate in cell.latency_s.items():
        yield f"latency_{quantile}", "s", estimate
    yield "failure_ratio", "1", cell.failure_ratio
    yield "client_cpu_share", "1", cell.client_cpu_share
    yield "ops_total", "ops", cell.ops
    yield "failed_ops", "ops", cell.failed_ops
    for error, times in sorted(cell.failures.items()):
        yield f"failed_ops:{error}", "ops", times
    yield "trials", "trials", cell.trials
    yield "unsound_trials", "trials", cell.unsound_trials
    for stamp, times in sorted(cell.stamps.items()):
        yield f"unsound_trials:{stamp}", "trials", times


def _compared(one: Comparison) -> dict[str, object]:
    return (
        _stamp(one)
        | {
            "workload": one.workload,
            "cell": one.cell,
            "metric": f"ratio_to_{one.kind}:{one.metric}",
            "unit": "1",
            "against": one.against,
            "verdict": one.verdict,
        }
        | _fields(one.ratio)
    )


def _stamp(one: CellSummary | Comparison) -> dict[str, object]:
    return {"emulated": "true" if one.emulated else "false"}


def _fields(value: Estimate | int | None) -> dict[str, object]:
    """Return a count as it is, an estimate with its bounds, and nothing for a gap: `csv` writes None as an empty field."""
    if not isinstance(value, Estimate):
        return {"estimate": value}
    return {"estimate": value.center, "low": value.low, "high": value.high, "confidence": value.confidence, "n": value.n}

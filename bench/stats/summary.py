"""A run and its samples in, a `Summary` out: the pipeline of the statistics."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from bench.errors import InputError
from bench.lanes import load_hosts
from bench.records import PRACTICAL, SUMMARY_SCHEMA, CellSummary, Summary
from bench.stats.comparison import Table, compare
from bench.stats.contest import Contest, Side
from bench.stats.estimate import failure_estimate, median_estimate
from bench.stats.metrics import Metric, metrics, moves_data, value
from bench.stats.pairs import Pair, pairs
from bench.stats.quantiles import latency_estimates, quantile_curve
from bench.stats.resampling import MIN_TRIALS
from bench.stats.samples import Samples
from bench.stats.trial import RECLAIMED

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bench.records import Comparison, Run, Target, TrialResult, Workload
    from bench.stats.trial import MeasuredTrial, TrialValues

ASSUMPTION = (
    "The trial is the unit, never the op: ops of one trial share its moment. Blocks are taken as independent, and cells are"
    " compared within blocks. A cell's rate is the median over its sound trials with the exact order-statistic interval;"
    " latency quantiles are of all successes of those trials, with a bootstrap over trials; failures are of all ops, those of"
    " unsound trials too, but for trials that a spot VM was taken away in. Ratios are geometric means over blocks; the"
    " intervals of one table hold together at 95 % (Student t on log ratios, Bonferroni), and a difference is called only if a"
    f" sign-flip permutation test agrees. A difference smaller than {PRACTICAL * 100:.0f} % is told as no practical difference."
)
"""What the numbers rest on, in words for the report."""

Groups = dict[str, dict[str, list["MeasuredTrial"]]]
"""The trials of each workload and cell, in order of blocks."""


def summarise(run: Run, results: Sequence[TrialResult], samples: Path) -> Summary:
    """Return everything the reports show. `samples` is the folder with the Parquet parts that `results` name.

    An interrupted run gives a summary of what there is. Raises InputError where a part is missing or unreadable, or a
    result is of a cell or a workload that the run does not have.
    """
    with Samples(samples) as parts:
        measured = [parts.measure(result) for result in results]
    groups = _groups(run, measured)
    emulated = {target.cell.name for target in run.targets if _emulated(run, target)}
    cells = {
        workload.name: {
            cell: summarise_cell(workload, cell, trials, emulated=cell in emulated)
            for cell, trials in groups[workload.name].items()
        }
        for workload in run.load.workloads
    }
    comparisons = tuple(
        comparison
        for workload in run.load.workloads
        for comparison in _compare(run, workload, groups[workload.name], cells[workload.name])
    )
    return Summary(
        schema=SUMMARY_SCHEMA,
        run_id=run.run_id,
        assumption=ASSUMPTION,
        reference=run.reference,
        cells=tuple(cell for by_cell in cells.values() for cell in by_cell.values()),
        comparisons=comparisons,
        measured_s=sum(trial.window_s for trial in measured),
        sound=_sound(run, measured, comparisons),
    )


def _emulated(run: Run, target: Target) -> bool:
    return target.host.emulated or any(each.host.emulated for each in load_hosts(target, run.generators))


def _groups(run: Run, measured: Sequence[MeasuredTrial]) -> Groups:
    """Return what was scheduled or measured, in the order of the run's workloads and targets; a cell without results is empty."""
    seen = {(trial.workload, trial.cell) for trial in (*run.schedule, *(one.trial for one in measured))}
    names = [target.cell.name for target in run.targets]
    groups: Groups = {
        workload.name: {cell: [] for cell in names if (workload.name, cell) in seen} for workload in run.load.workloads
    }
    for one in sorted(measured, key=lambda one: one.trial.block):
        trials = groups.get(one.trial.workload, {}).get(one.trial.cell)
        if trials is None:
            raise InputError(
                f"trial {one.trial.index} is of cell {one.trial.cell} and workload {one.trial.workload}, unknown to this run",
                where=f"run {run.run_id}",
                next_step="its files are of different runs: bring the whole run folder back from where it was measured",
            )
        trials.append(one)
    return groups


def summarise_cell(workload: Workload, cell: str, trials: Sequence[MeasuredTrial], *, emulated: bool = False) -> CellSummary:
    """Return one cell under one workload.

    Estimates are over sound trials, but for the failures: ops are counted over all trials, since to leave out the trials in
    which a server failed would make it look whole. No server failed where a spot VM was taken away.
    """
    sound = _sound_trials(trials)
    values = list(sound.values())
    cpu_shares = [trial.client_cpu_share for trial in trials if not trial.marks and trial.client_cpu_share is not None]
    served = [trial for trial in trials if RECLAIMED not in trial.marks]
    every = [trial.values for trial in served if trial.values is not None]
    rates = tuple(one.bytes_per_s for one in values)
    latencies = [one.latencies_ns for one in values]
    return CellSummary(
        cell=cell,
        workload=workload.name,
        trials=len(trials),
        unsound_trials=len(trials) - len(sound),
        stamps=_count(Counter(mark for trial in trials for mark in trial.marks)),
        ops=sum(one.ops for one in every),
        failed_ops=sum(one.failed_ops for one in every),
        failures=_count(sum((Counter(trial.failures) for trial in served), Counter[str]())),
        throughput_bytes_per_s=median_estimate(rates) if moves_data(workload) else None,
        ops_per_s=median_estimate([one.ops_per_s for one in values]),
        failure_ratio=failure_estimate([one.failed_ops for one in every], [one.ops for one in every]),
        latency_s=latency_estimates(latencies),
        blocks=tuple(sound),
        trial_throughput_bytes_per_s=rates,
        trial_ops_per_s=tuple(one.ops_per_s for one in values),
        client_cpu_share=median_estimate(cpu_shares),
        emulated=emulated,
        quantile_curve=quantile_curve(latencies),
    )


def _sound_trials(trials: Sequence[MeasuredTrial]) -> dict[int, TrialValues]:
    """Return the values of the sound trials by block."""
    return {trial.trial.block: trial.values for trial in trials if trial.values is not None and not trial.marks}


def _count(counts: Counter[str]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _compare(
    run: Run, workload: Workload, trials: dict[str, list[MeasuredTrial]], cells: dict[str, CellSummary]
) -> list[Comparison]:
    """Return the comparisons of one workload: a table for each kind and metric."""
    sound = {cell: _sound_trials(measured) for cell, measured in trials.items()}
    compared = metrics(workload, [values for by_block in sound.values() for values in by_block.values()])
    rivals = pairs(run.targets, run.reference, run.generators)
    found: list[Comparison] = []
    for kind in ("reference", "control_arm"):
        for metric in compared:
            sides = {cell: _side(cells[cell], by_block, metric) for cell, by_block in sound.items()}
            found += compare(_table(workload, metric, [pair for pair in rivals if pair.kind == kind], sides))
    return found


def _side(cell: CellSummary, by_block: dict[int, TrialValues], metric: Metric) -> Side:
    return Side(cell=cell, values={block: value(metric, values) for block, values in by_block.items()})


def _table(workload: Workload, metric: Metric, rivals: Sequence[Pair], sides: dict[str, Side]) -> Table:
    contests = tuple(
        Contest(pair=pair, cell=sides[pair.cell.cell.name], against=sides.get(pair.against.cell.name) if pair.against else None)
        for pair in rivals
        if pair.cell.cell.name in sides
    )
    return Table(workload=workload.name, metric=metric.name, quantile=metric.quantile, contests=contests)


def _sound(run: Run, measured: Sequence[MeasuredTrial], comparisons: Sequence[Comparison]) -> bool:
    """Return False when every trial is unsound, or when comparisons were possible by design and all of them are refused."""
    if all(trial.marks for trial in measured):
        return False
    possible = run.load.blocks >= MIN_TRIALS and len(run.targets) > 1 and bool(comparisons)
    return not possible or any(comparison.verdict != "refused" for comparison in comparisons)

"""The tables of the report as values, so that HTML and Markdown show the same: what was measured, compared, failed, left out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.report import numbers, phrases
from bench.report.labels import places, shortened, workloads
from bench.report.metrics import OPS, THROUGHPUT, latency_unit, main_metric, main_unit, metric
from bench.report.table import Entry, Group, Head, Table, plain

if TYPE_CHECKING:
    from bench.records import CellSummary, Comparison, Estimate, Run, Summary
    from bench.report.labels import Place
    from bench.report.numbers import Unit

_WITH_INTERVALS = 3
"""So many workloads fit side by side in a terminal with an interval each."""

QUANTILES = ("p50", "p90", "p99", "p99.9")
MARKS = {"faster": "\u25b2", "slower": "\u25bc", "no difference shown": "\u2248", "refused": "\u2205"}
"""A sign beside each verdict, so that nothing hangs on colour alone."""


def at_a_glance(run: Run, summary: Summary) -> Table:
    """Every cell against the reference under every workload: one verdict per entry."""
    names = workloads(run, summary)
    mains = {name: main_metric(summary, name).name for name in names}
    found = {
        (one.cell, one.workload): one
        for one in summary.comparisons
        if one.kind == "reference" and one.metric == mains[one.workload]
    }
    where = places(run, summary)
    rows = {
        name: (_name(place), *(verdict_entry(where, name, found.get((name, workload))) for workload in names))
        for name, place in where.items()
    }
    few = len(names) <= _WITH_INTERVALS
    judged = (Head(text=name, unit=metric(mains[name]).words if few else "", numeric=False, brief=few) for name in names)
    heads = (_cell_head(), *judged)
    return Table(heads=heads, groups=_grouped(rows, where))


def measured(run: Run, summary: Summary, workload: str) -> Table:
    """Every cell under one workload: rates, latencies of successes, failures, trials, each with its interval over trials."""
    where = places(run, summary)
    cells = {cell.cell: cell for cell in summary.cells if cell.workload == workload}
    main = main_metric(summary, workload)
    rate, latency = main_unit(tuple(cells.values()), main), latency_unit(tuple(cells.values()))
    rows = {}
    for name, place in where.items():
        cell = cells.get(name)
        gap = phrases.missing_trials(cell)
        rates = [estimate_entry(cell.ops_per_s if cell else None, numbers.PLAIN, gap)]
        if main.name == THROUGHPUT:
            rates.insert(0, estimate_entry(cell.throughput_bytes_per_s if cell else None, rate, gap))
        latencies = [_latency(cell, quantile, latency, gap) for quantile in QUANTILES]
        rows[name] = (_name(place), *rates, *latencies, _failed(cell, gap), _trials(cell))
    heads = [_cell_head(), Head(text="throughput", unit=rate.name), Head(text="ops/s", brief=main.name == OPS)]
    if main.name == OPS:
        heads.pop(1)
    heads += [Head(text=quantile, unit=latency.name, brief=False) for quantile in QUANTILES]
    heads += [Head(text="failed ops", brief=False), Head(text="trials", brief=False)]
    return Table(heads=tuple(heads), groups=_grouped(rows, where))


def compared(run: Run, summary: Summary, workload: str, kind: str) -> Table | None:
    """The comparisons of one kind under one workload; None when there are none. One group per group of cells and metric."""
    where = places(run, summary)
    rank = {name: index for index, name in enumerate(where)}
    mine = [one for one in summary.comparisons if one.workload == workload and one.kind == kind]
    if not mine:
        return None
    main = main_metric(summary, workload).name
    mine.sort(key=lambda one: (one.metric != main, one.metric, rank[one.cell]))
    groups: dict[str, list[tuple[Entry, ...]]] = {}
    for one in mine:
        groups.setdefault(_comparison_group(one, where), []).append(_comparison_row(one, where))
    heads = (
        _cell_head(),
        Head(text="ratio"),
        Head(text="blocks"),
        Head(text="p"),
        Head(text="verdict", numeric=False),
        Head(text="remark", numeric=False, remark=True),
    )
    return Table(heads=heads, groups=tuple(Group(title=title, rows=tuple(rows)) for title, rows in groups.items()))


def failures(run: Run, summary: Summary, workload: str) -> Table | None:
    """What failed under one workload, by layer, class and code; None when nothing did. Failures of unsound trials count too."""
    where = places(run, summary)
    cells = {cell.cell: cell for cell in summary.cells if cell.workload == workload and cell.failures}
    if not cells:
        return None
    groups: dict[str, list[tuple[Entry, ...]]] = {}
    for name, place in where.items():
        for error, times in sorted(cells[name].failures.items(), key=lambda item: (-item[1], item[0])) if name in cells else ():
            layer, class_, code = (*error.split("/", 2), "", "")[:3]
            of_ops = Entry(text=numbers.share(times, cells[name].ops))
            row = (_name(place), *map(plain, (layer, class_, code)), Entry(text=numbers.count(times)), of_ops)
            groups.setdefault(place.group, []).append(row)
    heads = (
        _cell_head(),
        *(Head(text=text, numeric=False) for text in ("layer", "class", "code")),
        Head(text="ops"),
        Head(text="of all ops"),
    )
    return Table(heads=heads, groups=tuple(Group(title=title, rows=tuple(rows)) for title, rows in groups.items()))


def verdict_entry(where: dict[str, Place], cell: str, one: Comparison | None) -> Entry:
    """Return a cell's verdict with its ratio: `one` is its comparison, None where there is none."""
    if one is None and where[cell].is_reference:
        return Entry(text="1", tone="reference")
    if one is None:
        return Entry(
            text=numbers.MISSING, tone="refused", note="not compared: it has no trials, or there is no reference beside it"
        )
    if one.ratio is None or one.verdict == "refused":
        text = f"{MARKS['refused']} {phrases.VERDICT_WORDS['refused']}"
        return Entry(text=text, tone="refused", note=shortened(phrases.clean_reason(one.reason), where))
    center, interval = numbers.ratio(one.ratio)
    return Entry(text=f"{MARKS[one.verdict]} {center}", interval=interval, tone=_tone(one))


def estimate_entry(estimate: Estimate | None, unit: Unit, gap: str) -> Entry:
    """Return an estimate in `unit` with its interval; `gap` says why it is missing."""
    if estimate is None:
        return Entry(text=numbers.MISSING, note=gap)
    center, interval = numbers.center_and_interval(estimate, unit)
    return Entry(text=center, interval=interval, note="" if interval else f"too few sound trials for an interval: {estimate.n}")


def _cell_head() -> Head:
    return Head(text="cell", numeric=False)


def _name(place: Place) -> Entry:
    return Entry(text=place.label, interval="reference" if place.is_reference else "", tone="name")


def _grouped(rows: dict[str, tuple[Entry, ...]], where: dict[str, Place]) -> tuple[Group, ...]:
    titles = dict.fromkeys(where[name].group for name in rows)
    return tuple(
        Group(title=title, rows=tuple(row for name, row in rows.items() if where[name].group == title)) for title in titles
    )


def _latency(cell: CellSummary | None, quantile: str, unit: Unit, gap: str) -> Entry:
    estimate = cell.latency_s.get(quantile) if cell else None
    if estimate is None and cell is not None and cell.ops_per_s is not None and cell.ops > cell.failed_ops:
        gap = phrases.too_few(quantile)
    return estimate_entry(estimate, unit, gap)


def _failed(cell: CellSummary | None, gap: str) -> Entry:
    if cell is None or cell.trials == 0 or cell.ops == 0:
        return Entry(text=numbers.MISSING, note=gap if cell is None or cell.trials == 0 else "no op was started")
    if cell.failed_ops == 0:
        return Entry(text="0", interval=f"of {numbers.count(cell.ops)}")
    bounds = numbers.center_and_interval(cell.failure_ratio, numbers.PERCENT)[1] if cell.failure_ratio else ""
    ratio = numbers.share(cell.failed_ops, cell.ops)
    return Entry(text=f"{numbers.count(cell.failed_ops)} ({ratio})", interval=f"{bounds} %" if bounds else "", tone="failed")


def _trials(cell: CellSummary | None) -> Entry:
    if cell is None:
        return Entry(text="0")
    stamps = phrases.join([f"{times} {stamp}" for stamp, times in sorted(cell.stamps.items())])
    note = f"unsound trials, left out of the estimates: {stamps or cell.unsound_trials}" if cell.unsound_trials else ""
    return Entry(text=f"{cell.trials - cell.unsound_trials}/{cell.trials}", note=note)


def _comparison_group(one: Comparison, where: dict[str, Place]) -> str:
    return f"{where[one.cell].group or 'all cells'}: {metric(one.metric).words}"


def _comparison_row(one: Comparison, where: dict[str, Place]) -> tuple[Entry, ...]:
    center, interval = numbers.ratio(one.ratio) if one.ratio else (numbers.MISSING, "")
    remarks = [shortened(phrases.clean_reason(one.reason), where), phrases.more_blocks(one)]
    return (
        Entry(text=where[one.cell].label, tone="name"),
        Entry(text=center, interval=interval),
        Entry(text=numbers.count(one.blocks)),
        Entry(text=_probability(one.p_sign_flip)),
        Entry(text=f"{MARKS[one.verdict]} {phrases.VERDICT_WORDS[one.verdict]}", tone=_tone(one)),
        Entry(text="; ".join(filter(None, remarks))),
    )


def _tone(one: Comparison) -> str:
    return "open" if one.verdict == "no difference shown" or phrases.hardly_matters(one) else one.verdict


def _probability(p: float | None) -> str:
    if p is None:
        return numbers.MISSING
    return "<0.001" if p < 0.001 else f"{p:.3f}"  # noqa: PLR2004  (the last digit that is shown)

"""The kernel axis: each storage driver on each kernel that it was measured on, side by side, and what that does not tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.report import numbers, phrases
from bench.report.axes import PLACEMENT_WORDS, called, driver_label, naming_axes
from bench.report.characters import printable
from bench.report.labels import EMULATED, places
from bench.report.metrics import main_estimate, main_metric, main_unit
from bench.report.table import Entry, Group, Head, Table
from bench.report.tables import estimate_entry, verdict_entry

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bench.records import Cell, Run, Summary

_AXES = ("machine_image", "driver", "backing_filesystem")


@dataclass(frozen=True, kw_only=True)
class Spot:
    """Where a cell stands in a table of drivers by kernels."""

    group: str
    driver: str
    kernel: str


def spots(run: Run) -> dict[str, Spot]:
    """Return the spot of every cell of the plan; empty where all run on one machine image, so that there is no such axis."""
    if len({cell.machine_image for cell in run.plan}) == 1:
        return {}
    spot_of = _spotter(run)
    return {cell.name: spot_of(cell) for cell in run.plan}


def by_kernel(run: Run, summary: Summary, workload: str) -> Table | None:
    """Each driver on each kernel under one workload: its rate, then its ratio to the reference; None for one kernel."""
    at = spots(run)
    if not at:
        return None
    where = places(run, summary)
    cells = {cell.cell: cell for cell in summary.cells if cell.workload == workload}
    main = main_metric(summary, workload)
    unit = main_unit(tuple(cells.values()), main)
    found = {
        one.cell: one for one in summary.comparisons if (one.workload, one.kind, one.metric) == (workload, "reference", main.name)
    }
    estimates = {name: main_estimate(cells[name], main) if name in cells else None for name in at}
    rates = {name: estimate_entry(one, unit, phrases.missing_trials(cells.get(name))) for name, one in estimates.items()}
    ratios = {name: verdict_entry(where, name, found.get(name)) for name in at}
    brought = engines(run)
    heads = (Head(text="storage driver", numeric=False), *(Head(text=kernel, numeric=False) for kernel in brought))
    rate_title = main.words if main.words == unit.name else f"{main.words}, {unit.name}"
    engine = (
        Entry(text="engine of the image", tone="refused"),
        *(Entry(text=one or numbers.MISSING) for one in brought.values()),
    )
    groups = [Group(title="", rows=(engine,)), *_groups(run, rate_title, rates)]
    if found:
        groups += _groups(run, "ratio to the reference", ratios)
    return Table(heads=heads, groups=tuple(groups))


def meaning(run: Run) -> str:
    """Say what a comparison of cells on different machine images means; empty where all run on one."""
    if not spots(run):
        return ""
    if not {"machine_image", "cloud"} & set(run.reference.axes):
        return (
            "Cells are compared within a machine image. To compare kernels, name a machine_image in the reference of the matrix,"
            " then measure again."
        )
    pairs = phrases.join([f"{kernel} with engine {engine}" for kernel, engine in engines(run).items() if engine])
    hosts = [target.host for target in run.targets]
    if len({host.engine_version for host in hosts}) == 1:
        return (
            f"One engine ran on all kernels ({pairs}): a ratio between machine images is the effect of the kernel and of all else"
            " that the images bring."
        )
    if len({host.kernel for host in hosts}) == 1:
        return f"One kernel ran under several engines ({pairs}): a ratio between machine images is the effect of the engine."
    return (
        f"Kernel and engine change together ({pairs}): a ratio between machine images is the effect of the pair and of all else"
        " that the images bring, not of the kernel alone."
    )


def engines(run: Run) -> dict[str, str]:
    """Return each kernel as it is called and the engine that ran on it, in the order of the matrix; empty for none read back."""
    at = spots(run)
    found: dict[str, dict[str, None]] = {spot.kernel: {} for spot in at.values()}
    for target in run.targets:
        if target.cell.name in at:
            # Debian's own addition to a version (`20.10.5+dfsg1`) tells nothing here.
            found[at[target.cell.name].kernel][target.host.engine_version.partition("+")[0]] = None
    return {kernel: " or ".join(versions) for kernel, versions in found.items()}


def _spotter(run: Run) -> Callable[[Cell], Spot]:
    """Return what gives the spot of a cell, also of one that was left out."""
    words = called(run)
    images = {one.machine_image: words[one.name]["machine_image"] for one in run.plan}
    emulated = {(one.cell.cloud, one.cell.machine_image) for one in run.targets if one.host.emulated}
    others = [axis for axis in naming_axes(run.plan) if axis not in _AXES]

    def spot_of(cell: Cell) -> Spot:
        mark = [EMULATED] if (cell.cloud, cell.machine_image) in emulated else []
        values = [getattr(cell, axis) for axis in others]
        return Spot(
            group=printable(", ".join(mark + [PLACEMENT_WORDS.get(value, value) for value in values])),
            driver=printable(driver_label(cell, run.plan)),
            kernel=printable(images.get(cell.machine_image, cell.machine_image)),
        )

    return spot_of


def _groups(run: Run, title: str, entries: Mapping[str, Entry]) -> list[Group]:
    """Return a group of rows for each group of cells; an empty spot says why it is empty."""
    at, kernels, spot_of = spots(run), tuple(engines(run)), _spotter(run)
    reasons = {spot_of(one.cell): f"left out: {phrases.clean_reason(one.reason)}" for one in run.left_out}
    filled = {at[name]: entry for name, entry in entries.items()}
    made = []
    for group in dict.fromkeys(spot.group for spot in filled):
        rows = []
        for driver in dict.fromkeys(spot.driver for spot in filled if spot.group == group):
            cells = [Spot(group=group, driver=driver, kernel=kernel) for kernel in kernels]
            empty = [Entry(text=numbers.MISSING, note=reasons.get(spot, "not in the matrix"), tone="refused") for spot in cells]
            rows.append(
                (
                    Entry(text=driver, tone="name"),
                    *(filled.get(spot, nothing) for spot, nothing in zip(cells, empty, strict=True)),
                )
            )
        made.append(Group(title=": ".join(filter(None, (group, title))), rows=tuple(rows)))
    return made

"""Short names for cells: what differs between rows names the row, what a group of rows shares stands above it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.records import AXES
from bench.report.characters import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from bench.records import Cell, Run, Summary

AXIS_WORDS = {
    "cloud": "cloud",
    "region": "region",
    "instance_type": "instance type",
    "disk": "disk",
    "machine_image": "machine image",
    "engine": "engine",
    "driver": "storage driver",
    "backing_filesystem": "backing filesystem",
    "server": "server",
    "data_placement": "data placement",
}
PLACEMENT_WORDS = {"writable_layer": "writable layer", "volume": "volume"}
_PLACEMENT_RANK = {"writable_layer": 0, "volume": 1}


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a cell stands in tables and pictures. `group` and `label` are printable and together unique; `group` may be empty."""

    cell: str
    group: str
    label: str
    is_reference: bool

    @property
    def full(self) -> str:
        """Return the name that needs no heading above it."""
        return ", ".join(part for part in (self.label, self.group) if part)


def varying_axes(cells: Iterable[Cell]) -> tuple[str, ...]:
    """Return the axes on which `cells` differ, outermost first."""
    cells = tuple(cells)
    return tuple(axis for axis in AXES if len({getattr(cell, axis) for cell in cells}) > 1)


def shared_axes(cells: Sequence[Cell]) -> dict[str, str]:
    """Return the axes on which all `cells` agree, in words, with their value; empty values are left out."""
    varying = varying_axes(cells)
    return {AXIS_WORDS[axis]: _word(axis, cells[0]) for axis in AXES if cells and axis not in varying and getattr(cells[0], axis)}


def row_axes(run: Run) -> tuple[str, ...]:
    """Return the axes that name a row: those of the reference, so that the rows of a group are what is compared.

    A driver never stands without the filesystem below it. Without any such axis every difference but the placement names the row.
    """
    varying = varying_axes(run.plan)
    compared = {axis for axis in varying if axis in run.reference.axes}
    if "driver" in compared and "backing_filesystem" in varying:
        compared.add("backing_filesystem")
    compared = compared or {axis for axis in varying if axis != "data_placement"}
    return tuple(axis for axis in AXES if axis in compared) or ("driver", "backing_filesystem")


def places(run: Run, summary: Summary) -> dict[str, Place]:
    """Return the place of every cell in display order: group by group, the reference first, then as planned.

    A cell that the summary knows and the plan does not is kept under its full name: a result is never lost to a label.
    """
    rows = row_axes(run)
    groups = tuple(axis for axis in varying_axes(run.plan) if axis not in rows)
    ranks = {axis: _ranks(axis, run.plan) for axis in groups}
    labels = _unique_labels(run.plan, rows, groups)
    made = {
        cell.name: Place(
            cell=cell.name,
            group=printable(", ".join(_word(axis, cell) for axis in groups)),
            label=printable(labels[cell.name]),
            is_reference=bool(run.reference.axes)
            and all(getattr(cell, axis, None) == value for axis, value in run.reference.axes.items()),
        )
        for cell in run.plan
    }
    order = sorted(run.plan, key=lambda cell: ([ranks[a][getattr(cell, a)] for a in groups], not made[cell.name].is_reference))
    named = {cell.cell for cell in summary.cells}.union(*({one.cell, one.against} for one in summary.comparisons))
    strangers = named - set(made) - {""}
    return {cell.name: made[cell.name] for cell in order} | {
        name: Place(cell=name, group="not in the plan", label=printable(name), is_reference=False) for name in sorted(strangers)
    }


def workloads(run: Run, summary: Summary) -> tuple[str, ...]:
    """Return the names of all workloads, planned or only summarised, in the order of the matrix."""
    return tuple(dict.fromkeys([*(workload.name for workload in run.load.workloads), *(cell.workload for cell in summary.cells)]))


def shortened(text: str, where: Mapping[str, Place]) -> str:
    """Return `text` with the full names of cells replaced by what they are called in the tables."""
    for name in sorted(where, key=len, reverse=True):  # a name may begin another one
        text = text.replace(name, where[name].full)
    return text


def reference_label(where: Mapping[str, Place]) -> str:
    """Return what the reference is called; empty when no cell of the plan is one."""
    return ", ".join(dict.fromkeys(place.label for place in where.values() if place.is_reference))


def _ranks(axis: str, cells: Iterable[Cell]) -> dict[str, int]:
    if axis == "data_placement":  # what goes through the driver is the question, the control arm comes second
        return _PLACEMENT_RANK
    return {value: rank for rank, value in enumerate(dict.fromkeys(getattr(cell, axis) for cell in cells))}


def _unique_labels(cells: Sequence[Cell], rows: tuple[str, ...], groups: tuple[str, ...]) -> dict[str, str]:
    """Name each cell by `rows`; cells that agree on every axis (an A/A pair) also show their full name."""
    pairs = {(cell.driver, cell.backing_filesystem) for cell in cells}
    drivers = [driver for driver, _ in pairs]
    told_apart = {driver for driver in drivers if drivers.count(driver) > 1}
    keys = {cell.name: (_label(cell, rows, told_apart), *(getattr(cell, axis) for axis in groups)) for cell in cells}
    taken = list(keys.values())
    return {name: key[0] if taken.count(key) == 1 else f"{key[0]} ({name})" for name, key in keys.items()}


def _label(cell: Cell, axes: tuple[str, ...], told_apart: set[str]) -> str:
    """Name a cell by the values on `axes`; the filesystem is named for drivers that stand on several."""
    parts = [_word(axis, cell) for axis in axes if axis not in ("driver", "backing_filesystem")]
    if "driver" in axes:
        parts.append(f"{cell.driver} on {cell.backing_filesystem}" if cell.driver in told_apart else cell.driver)
    elif "backing_filesystem" in axes:
        parts.append(cell.backing_filesystem)
    return ", ".join(parts)


def _word(axis: str, cell: Cell) -> str:
    value: str = getattr(cell, axis)
    return PLACEMENT_WORDS.get(value, value) if axis == "data_placement" else value

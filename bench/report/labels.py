"""Short names for cells: what differs between rows names the row, what a group of rows shares stands above it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.host_words import without_paths
from bench.records import AXES
from bench.report.axes import called, driver_label, naming_axes
from bench.report.characters import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from bench.records import Cell, Run, Summary

_PLACEMENT_RANK = {"writable_layer": 0, "volume": 1}
EMULATED = "emulated"


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a cell stands in tables and pictures. `group` and `label` are printable and together unique; `group` may be empty.

    The group of an emulated cell says so: tables, panels of pictures and sentences carry their group, so no number is without it.
    """

    cell: str
    group: str
    label: str
    is_reference: bool
    emulated: bool = False

    @property
    def full(self) -> str:
        """Return the name that needs no heading above it."""
        return ", ".join(part for part in (self.label, self.group) if part)


def row_axes(run: Run) -> tuple[str, ...]:
    """Return the axes that name a row: those of the reference, so that the rows of a group are what is compared.

    A driver never stands without the filesystem below it. Without any such axis every difference but the placement names the row.
    """
    varying = naming_axes(run.plan)
    compared = {axis for axis in varying if axis in run.reference.axes}
    if "driver" in compared and "backing_filesystem" in varying:
        compared.add("backing_filesystem")
    compared = compared or {axis for axis in varying if axis != "data_placement"}
    return tuple(axis for axis in AXES if axis in compared) or ("driver", "backing_filesystem")


def places(run: Run, summary: Summary) -> dict[str, Place]:
    """Return the place of every cell in display order: group by group, the reference first, then as planned.

    Where machine images are compared, the cells of one driver stand together. A cell that the summary knows and the plan does
    not is kept under its full name: a result is never lost to a label.
    """
    rows = row_axes(run)
    groups = tuple(axis for axis in naming_axes(run.plan) if axis not in rows)
    words, emulated = called(run), emulated_cells(run)
    labels = _unique_labels(run.plan, rows, groups, words)
    made = {
        cell.name: Place(
            cell=cell.name,
            group=printable(
                ", ".join([EMULATED] * (cell.name in emulated) + [words[cell.name].get(a, getattr(cell, a)) for a in groups])
            ),
            label=printable(labels[cell.name]),
            is_reference=is_reference(run, cell),
            emulated=cell.name in emulated,
        )
        for cell in run.plan
    }
    named = {cell.cell for cell in summary.cells}.union(*({one.cell, one.against} for one in summary.comparisons))
    strangers = named - set(made) - {""}
    return {cell.name: made[cell.name] for cell in _in_order(run, rows, groups, made)} | {
        name: Place(cell=name, group="not in the plan", label=printable(name), is_reference=False) for name in sorted(strangers)
    }


def is_reference(run: Run, cell: Cell) -> bool:
    """Return whether others are compared with this cell."""
    axes = run.reference.axes
    return bool(axes) and all(getattr(cell, axis, None) == value for axis, value in axes.items())


def emulated_cells(run: Run) -> frozenset[str]:
    """Return the names of the cells whose hosts ran without hardware virtualisation."""
    return frozenset(target.cell.name for target in run.targets if target.host.emulated)


def workloads(run: Run, summary: Summary) -> tuple[str, ...]:
    """Return the names of all workloads, planned or only summarised, in the order of the matrix."""
    return tuple(dict.fromkeys([*(workload.name for workload in run.load.workloads), *(cell.workload for cell in summary.cells)]))


def shortened(text: str, where: Mapping[str, Place]) -> str:
    """Return `text` with the full names of cells, and of the user's own machine images, as they are in the tables."""
    for name in sorted(where, key=len, reverse=True):  # a name may begin another one
        text = text.replace(name, where[name].full)
    return without_paths(text)


def reference_label(where: Mapping[str, Place]) -> str:
    """Return what the reference is called; empty when no cell of the plan is one."""
    return ", ".join(dict.fromkeys(place.label for place in where.values() if place.is_reference))


def _ranks(axis: str, cells: Iterable[Cell]) -> dict[str, int]:
    if axis == "data_placement":  # what goes through the driver is the question, the control arm comes second
        return _PLACEMENT_RANK
    return {value: rank for rank, value in enumerate(dict.fromkeys(getattr(cell, axis) for cell in cells))}


def _in_order(run: Run, rows: tuple[str, ...], groups: tuple[str, ...], made: Mapping[str, Place]) -> list[Cell]:
    ranks = {axis: _ranks(axis, run.plan) for axis in groups}
    by_reference = sorted(run.plan, key=lambda cell: not made[cell.name].is_reference)
    families = {(cell.driver, cell.backing_filesystem): 0 for cell in by_reference}
    if "machine_image" in rows:
        families = {family: rank for rank, family in enumerate(families)}

    def key(cell: Cell) -> tuple[object, ...]:
        place = made[cell.name]
        grouped = [ranks[axis][getattr(cell, axis)] for axis in groups]
        return place.emulated, grouped, families[cell.driver, cell.backing_filesystem], not place.is_reference

    return sorted(run.plan, key=key)


def _unique_labels(
    cells: Sequence[Cell], rows: tuple[str, ...], groups: tuple[str, ...], words: Mapping[str, Mapping[str, str]]
) -> dict[str, str]:
    """Name each cell by `rows`; cells that would share a name (an A/A pair) also show their full one."""
    keys = {cell.name: (_label(cell, rows, cells, words[cell.name]), *(getattr(cell, axis) for axis in groups)) for cell in cells}
    taken = list(keys.values())
    return {name: key[0] if taken.count(key) == 1 else f"{key[0]} ({name})" for name, key in keys.items()}


def _label(cell: Cell, axes: tuple[str, ...], cells: Sequence[Cell], words: Mapping[str, str]) -> str:
    """Name a cell by its values on `axes`, the driver first; the filesystem is named for drivers that stand on several."""
    parts = [words.get(axis, getattr(cell, axis)) for axis in axes if axis not in ("driver", "backing_filesystem")]
    if "driver" in axes:
        parts.insert(0, driver_label(cell, cells))
    elif "backing_filesystem" in axes:
        parts.append(cell.backing_filesystem)
    return " \u00b7 ".join(parts)

"""The axes of cells in words: which of them tell cells apart, and what their values are called."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bench.host_words import image_name, series
from bench.records import AXES

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from bench.records import Cell, Run

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
_OF_A_PLACE = ("region", "instance_type", "disk")
"""Axes whose values are a cloud's own: where each cloud has one of them, the cloud's name tells it."""
_LONGEST_IMAGE = 24


def varying_axes(cells: Iterable[Cell]) -> tuple[str, ...]:
    """Return the axes on which `cells` differ, outermost first."""
    cells = tuple(cells)
    return tuple(axis for axis in AXES if len({getattr(cell, axis) for cell in cells}) > 1)


def shared_axes(cells: Sequence[Cell]) -> dict[str, str]:
    """Return the axes on which all `cells` agree, in words, with their value; empty values are left out."""
    varying = varying_axes(cells)
    return {AXIS_WORDS[axis]: _word(axis, cells[0]) for axis in AXES if cells and axis not in varying and getattr(cells[0], axis)}


def naming_axes(cells: Sequence[Cell]) -> tuple[str, ...]:
    """Return the axes on which `cells` differ, without those that follow from the cloud."""
    return tuple(
        axis
        for axis in varying_axes(cells)
        if axis not in _OF_A_PLACE or len({(cell.cloud, getattr(cell, axis)) for cell in cells}) > len({c.cloud for c in cells})
    )


def called(run: Run) -> dict[str, dict[str, str]]:
    """Return, by cell, the values of axes that are called otherwise than they are written: a machine image by its kernel."""
    images = image_labels(run.plan)
    kernels = {target.cell.name: series(target.host.kernel) for target in run.targets}
    return {
        cell.name: {
            "machine_image": kernel_label(kernels.get(cell.name, ""), images[cell.machine_image]),
            "data_placement": PLACEMENT_WORDS.get(cell.data_placement, cell.data_placement),
        }
        for cell in run.plan
    }


def kernel_label(kernel: str, image: str) -> str:
    """Name a machine image by the kernel that was really running, `5.10 (bullseye)`; by itself where none was read back."""
    return f"{kernel} ({image})" if kernel else image


def image_labels(cells: Iterable[Cell]) -> dict[str, str]:
    """Return a short name for each machine image of `cells`, without the words that all of them begin with.

    `debian-bullseye` and `debian-trixie` are told apart by their last words; a user's own image is called by its file's name.
    """
    images = list(dict.fromkeys(cell.machine_image for cell in cells))
    names = {image: re.sub(r"\.(?:qcow2|img|raw)$", "", image_name(image)) for image in images}
    split = [name.split("-") for name in names.values()]
    shared = 0
    while len(split) > 1 and all(len(words) > shared + 1 for words in split) and len({words[shared] for words in split}) == 1:
        shared += 1
    return {image: _cut("-".join(name.split("-")[shared:])) for image, name in names.items()}


def driver_label(cell: Cell, cells: Iterable[Cell]) -> str:
    """Name a cell's driver; its filesystem as well where the driver stands on several of them."""
    several = {other.backing_filesystem for other in cells if other.driver == cell.driver}
    return f"{cell.driver} on {cell.backing_filesystem}" if len(several) > 1 else cell.driver


def _cut(name: str) -> str:
    return name if len(name) <= _LONGEST_IMAGE else f"{name[: _LONGEST_IMAGE - 1]}\u2026"


def _word(axis: str, cell: Cell) -> str:
    value: str = getattr(cell, axis)
    return PLACEMENT_WORDS.get(value, value) if axis == "data_placement" else image_name(value)

"""Which cell is compared with which."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from bench.records import AXES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bench.records import Cell, Reference, Target

Kind = Literal["reference", "control_arm"]


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two targets to compare. `against` is None where the reference cell does not stand; `wanted` says what it would be."""

    kind: Kind
    cell: Target
    against: Target | None
    wanted: str


def pairs(targets: Sequence[Target], reference: Reference) -> tuple[Pair, ...]:
    """Return every cell against its reference cell, and every writable layer against the volume beside it.

    The reference cell of a cell has the reference's values on the reference's axes and the cell's own on all others, so
    a writable layer meets a writable layer. A volume goes around the storage driver: it is the control arm, and a driver
    without one (a matrix with one placement) simply has none.
    """
    by_axes = {_axes(target.cell, {}): target for target in targets}
    found = []
    for target in targets:
        against = by_axes.get(_axes(target.cell, reference.axes))
        if against is not target:
            found.append(Pair(kind="reference", cell=target, against=against, wanted=_words(reference)))
    for target in targets:
        volume = by_axes.get(_axes(target.cell, {"data_placement": "volume"}))
        if volume is not None and volume is not target:
            found.append(Pair(kind="control_arm", cell=target, against=volume, wanted=""))
    return tuple(found)


def _axes(cell: Cell, values: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(values.get(axis, getattr(cell, axis)) for axis in AXES)


def _words(reference: Reference) -> str:
    return ", ".join(f"{axis} {value}" for axis, value in reference.axes.items())

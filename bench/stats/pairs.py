"""Which cell is compared with which."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from bench.lanes import load_hosts
from bench.records import AXES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bench.records import Cell, GeneratorHost, Reference, Target

Kind = Literal["reference", "control_arm"]


@dataclass(frozen=True, kw_only=True)
class Pair:
    """Two targets to compare. `against` is None where the reference cell does not stand; `wanted` says what it would be.

    `cell_load` and `against_load` are the hosts that the load of each came from; none where it was the operator's machine.
    """

    kind: Kind
    cell: Target
    against: Target | None
    wanted: str
    cell_load: tuple[GeneratorHost, ...] = ()
    against_load: tuple[GeneratorHost, ...] = ()

    @property
    def emulated(self) -> bool:
        """Whether anything that made these numbers ran without hardware virtualisation, at either end of the load."""
        hosts = [self.cell.host, *([self.against.host] if self.against else [])]
        return any(host.emulated for host in (*hosts, *(each.host for each in (*self.cell_load, *self.against_load))))


def pairs(targets: Sequence[Target], reference: Reference, generators: Sequence[GeneratorHost] = ()) -> tuple[Pair, ...]:
    """Return every cell against its reference cell, and every writable layer against the volume beside it.

    The reference cell of a cell has the reference's values on the reference's axes and the cell's own on all others, so
    a writable layer meets a writable layer. A volume goes around the storage driver: it is the control arm, and a driver
    without one (a matrix with one placement) simply has none.
    """
    by_axes = {_axes(target.cell, {}): target for target in targets}

    def pair(kind: Kind, cell: Target, against: Target | None, wanted: str = "") -> Pair:
        loads = [load_hosts(each, generators) if each else () for each in (cell, against)]
        return Pair(kind=kind, cell=cell, against=against, wanted=wanted, cell_load=loads[0], against_load=loads[1])

    found = []
    for target in targets:
        against = by_axes.get(_axes(target.cell, reference.axes))
        if against is not target:
            found.append(pair("reference", target, against, _words(reference)))
    for target in targets:
        volume = by_axes.get(_axes(target.cell, {"data_placement": "volume"}))
        if volume is not None and volume is not target:
            found.append(pair("control_arm", target, volume))
    return tuple(found)


def _axes(cell: Cell, values: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(values.get(axis, getattr(cell, axis)) for axis in AXES)


def _words(reference: Reference) -> str:
    return ", ".join(f"{axis} {value}" for axis, value in reference.axes.items())

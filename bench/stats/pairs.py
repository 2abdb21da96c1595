"""Which cell is compared with which, and which pairs are too unlike to be compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from bench.records import AXES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bench.records import Cell, Reference, Target

Kind = Literal["reference", "control_arm"]

_DIGEST_SHOWN = 19


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


def unlike(pair: Pair) -> str:
    """Return why the two targets must not be compared, empty when they may.

    The client is the same for all cells of a run (`Load.client`), so within a run it cannot differ. Digests are compared only
    where both cells were to have the same server: where the server is the axis of interest, other images are the point.
    """
    one, other = pair.cell, pair.against
    if other is None:
        return f"no cell with {pair.wanted} stands beside it: add one to the matrix, or choose another reference"
    if one.host.emulated != other.host.emulated:
        emulated = one if one.host.emulated else other
        return f"{emulated.cell.name} ran emulated, the other on hardware: compare cells of one kind"
    if one.cell.server == other.cell.server and one.server.content_digest != other.server.content_digest:
        digests = " and ".join(target.server.content_digest[:_DIGEST_SHOWN] or "none" for target in (one, other))
        return f"their {one.cell.server} images differ ({digests}): deploy both from the same image"
    return ""


def _axes(cell: Cell, values: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(values.get(axis, getattr(cell, axis)) for axis in AXES)


def _words(reference: Reference) -> str:
    return ", ".join(f"{axis} {value}" for axis, value in reference.axes.items())

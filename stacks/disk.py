"""A disk as the axis of that name has it: its kind, its size, and where a cloud sells speed, how much of it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from stacks import quantity

_FLOOR_BYTES = 1 << 30
_CEILING_BYTES = 1 << 46
_MIB = 1 << 20

_KIND = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}")
_SPEED = re.compile(r"([0-9]{1,9})(iops|MiBps)")


@dataclass(frozen=True, kw_only=True)
class Disk:
    """What is asked of a cloud. `iops` and `bytes_per_s` are None where the kind's own are meant; the latter is in whole MiB."""

    kind: str
    size_bytes: int
    iops: int | None = None
    bytes_per_s: int | None = None


def read(written: str) -> Disk:
    """The disk of `KIND-SIZE[+Niops][+NMiBps]`, as in `gp3-100GiB+6000iops+250MiBps`. Raises ValueError, with the reason."""
    start, *speeds = written.split("+")
    kind, _, size = start.rpartition("-")
    if not _KIND.fullmatch(kind):
        raise ValueError("a disk is written as its kind, a dash and its size")
    size_bytes = quantity.size_bytes(size)
    size_text(size_bytes)
    found = _speeds(speeds)
    mib_per_s = found.get("MiBps")
    return Disk(
        kind=kind,
        size_bytes=size_bytes,
        iops=found.get("iops"),
        bytes_per_s=None if mib_per_s is None else mib_per_s * _MIB,
    )


def text(disk: Disk) -> str:
    """The one spelling of a disk: `read` gives it back. Raises ValueError for a size that no host could use."""
    iops = "" if disk.iops is None else f"+{disk.iops}iops"
    throughput = "" if disk.bytes_per_s is None else f"+{disk.bytes_per_s // _MIB}MiBps"
    return f"{disk.kind}-{size_text(disk.size_bytes)}{iops}{throughput}"


def size_text(size_bytes: int) -> str:
    """The spelling of a disk's size. Raises ValueError when no host could use it."""
    if not _FLOOR_BYTES <= size_bytes <= _CEILING_BYTES or size_bytes % _MIB:
        raise ValueError("a disk has a whole number of MiB, from 1GiB to 64TiB")
    return quantity.size_text(size_bytes)


def _speeds(written: list[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for each in written:
        match = _SPEED.fullmatch(each)
        if match is None or int(match[1]) == 0:
            raise ValueError(f"+{each} is no speed; write +6000iops or +250MiBps")
        if match[2] in found:
            raise ValueError(f"its {match[2]} are given twice")
        found[match[2]] = int(match[1])
    return found

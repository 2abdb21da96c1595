"""Sizes and durations as people write them: `256KiB`, `300ms`. Bytes and seconds inside."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_BINARY: Mapping[str, int] = {"B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
_DECIMAL: Mapping[str, int] = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_SIZE_UNITS: Mapping[str, int] = {"": 1, **_BINARY, **_DECIMAL}
_PER_SECOND: Mapping[str, int] = {"ns": 10**9, "us": 10**6, "ms": 10**3, "s": 1}
_SECONDS: Mapping[str, int] = {"m": 60, "h": 3600}

# At most 18 digits on either side: no number that a person means is longer.
_QUANTITY = re.compile(r"([0-9]{1,18})(?:\.([0-9]{1,18}))? ?([A-Za-z]*)")


def size_bytes(text: str) -> int:
    """Bytes of `4KiB` (1024), `4KB` (1000) or `4096`. Raises ValueError, with the reason, when it is no whole number of bytes."""
    whole, fraction, unit = _parts(text)
    if unit not in _SIZE_UNITS:
        near = next((known for known in _SIZE_UNITS if known.lower() == unit.lower()), None)
        raise ValueError(f"{unit!r} is no unit of size" + (f", {near!r} is" if near else ""))
    scale: int = 10 ** len(fraction)
    value, rest = divmod(int(whole + fraction) * _SIZE_UNITS[unit], scale)
    if rest:
        raise ValueError("this is no whole number of bytes")
    return value


def size_text(value_bytes: int) -> str:
    """The shortest exact spelling in binary units: 262144 → `256KiB`, 1000 → `1000B`."""
    unit = max((name for name, factor in _BINARY.items() if value_bytes % factor == 0), key=_BINARY.__getitem__)
    return f"{value_bytes // _BINARY[unit]}{unit}"


def duration_s(text: str) -> float:
    """Seconds of `300ms`, `1s`, `1.5m`, `2h`. Raises ValueError, with the reason, also for a bare number other than 0."""
    whole, fraction, unit = _parts(text)
    number = float(f"{whole}.{fraction or 0}")
    if unit in _PER_SECOND:
        # Divided, not multiplied by 0.001: 100ms is then exactly 0.1.
        return number / _PER_SECOND[unit]
    if unit in _SECONDS or (not unit and number == 0):
        return number * _SECONDS.get(unit, 1)
    raise ValueError(f"{unit!r} is no unit of time" if unit else "the unit is missing")


def duration_text(value_s: float) -> str:
    """The shortest exact spelling: 0.3 → `300ms`, 90 → `90s`, 1209600 → `336h`."""
    if value_s and value_s < 1:
        return f"{value_s * 1000:g}ms"
    unit = next((name for name, factor in (("h", 3600), ("m", 60)) if value_s and value_s % factor == 0), "")
    return f"{value_s / _SECONDS[unit]:.0f}{unit}" if unit else f"{value_s:g}s"


def _parts(text: str) -> tuple[str, str, str]:
    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise ValueError("this is no number with a unit")
    return match[1], match[2] or "", match[3]


def disk_bytes(disk: str) -> int:
    """Bytes of a disk as the axis has it: its kind, a dash, its size (`loop-8GiB`, `gp3-100GiB+6000iops`). Raises ValueError."""
    return size_bytes(disk.partition("+")[0].rpartition("-")[2])

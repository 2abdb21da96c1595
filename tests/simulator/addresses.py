"""Loopback addresses of simulated clouds: no two clouds share one, nor two simulators that run on this machine."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_FIRST, _LAST = 78, 253
_CLOUDS = 16
"""As many second numbers has one simulator, so many clouds at most: eleven simulators fit beside each other."""

_GIVEN = re.compile(rf"127\.{_FIRST}\.(\d+\.\d+)")


def shares() -> Iterator[tuple[int, str]]:
    """The shares of 127.0.0.0/8 for simulators: the first of its second numbers, and the address of its API in it."""
    for second in range(_FIRST, _LAST + 1 - _CLOUDS, _CLOUDS):
        yield second, f"127.{second}.255.254"


def take(directory: Path, second: int) -> None:
    """Note the share of a simulator. Whoever listens at its API's address has it: the kernel frees it with the process."""
    (directory / "share").write_text(str(second))


def of_cloud(directory: Path, number: int) -> int:
    """The second number of all public addresses of a simulator's cloud, of that number from 0."""
    note = directory / "share"
    return (int(note.read_text()) if note.exists() else _FIRST) + number


def apart(second: int, value: Any) -> Any:
    """The value with the public addresses in it moved to `second`. A member gives 127.78.x.y, unique within its cloud."""
    if isinstance(value, dict):
        return {name: apart(second, each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [apart(second, each) for each in value]
    if isinstance(value, str) and (given := _GIVEN.fullmatch(value)):
        return f"127.{second}.{given[1]}"
    return value

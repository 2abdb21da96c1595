"""What goes wrong on request: the next so many operations of a kind fail, hang, or are done and called failed."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from tests.simulator import table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

OPS = ("create", "update", "delete", "read", "invoke", "api")
HANG, HALF = "hang", "half"


@dataclass(frozen=True, kw_only=True)
class Fault:
    """The next `times` operations `op` of `kind` in `cloud` go wrong; each of the three may be empty for any.

    `kind` is a type token or its end (`Instance`). `having` narrows it to those with that value somewhere in their inputs (a
    zone, an instance type); `name=value` to those with it under that name. `failure` is one of `SimulatedCloud.failures`,
    `half` (done, and yet the answer is an error), or `hang`: the answer comes `seconds` late.
    """

    op: str
    failure: str
    cloud: str = ""
    kind: str = ""
    having: str = ""
    seconds: float = 0.0
    times: int = 1

    def __post_init__(self) -> None:
        if self.op not in {"", *OPS}:
            raise ValueError(f"nothing can go wrong with {self.op!r}: choose of {', '.join(OPS)}")


def add(directory: Path, fault: Fault) -> None:
    """Let this go wrong from now on, beside what was asked for before."""
    with table.transaction(directory) as database:
        database.execute("INSERT INTO faults (fault, times) VALUES (?, ?)", (json.dumps(asdict(fault)), fault.times))


def pending(directory: Path) -> tuple[Fault, ...]:
    """What is still to go wrong."""
    with table.reading(directory) as database:
        return tuple(fault for _, fault in _all(database.execute(_SELECT).fetchall()))


def clear(directory: Path) -> None:
    """Nothing goes wrong any more."""
    with table.transaction(directory) as database:
        database.execute("DELETE FROM faults")


def take(directory: Path, *, cloud: str, kind: str, op: str, inputs: Mapping[str, Any]) -> Fault | None:
    """The oldest fault that this operation meets, one time less of it then; or None."""
    if not pending(directory):
        return None
    with table.transaction(directory) as database:
        for number, fault in _all(database.execute(_SELECT).fetchall()):
            if _meets(fault, cloud, kind, op, inputs):
                database.execute("UPDATE faults SET times = times - 1 WHERE number = ?", (number,))
                return fault
    return None


_SELECT = "SELECT number, fault, times FROM faults WHERE times > 0 ORDER BY number"


def _all(found: list[tuple[int, str, int]]) -> Iterator[tuple[int, Fault]]:
    for number, text, times in found:
        yield number, replace(Fault(**json.loads(text)), times=times)


def _meets(fault: Fault, cloud: str, kind: str, op: str, inputs: Mapping[str, Any]) -> bool:
    return (
        fault.cloud in {"", cloud}
        and fault.op in {"", op}
        and (fault.kind in {"", kind} or kind.endswith(f":{fault.kind}"))
        and (not fault.having or any(fault.having in {value, f"{name}={value}"} for name, value in _scalars("", inputs)))
    )


def _scalars(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict):
        for key, each in value.items():
            yield from _scalars(key, each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _scalars(name, each)
    else:
        yield name, str(value)

"""How far the clocks of other hosts are from ours: S3 refuses requests from another time, and a clock that jumps spoils logs."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from bench import reach
from bench.records import ClockReading

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from bench.records import Run

_EXCHANGES: Final = 5
_AT_ONCE: Final = 8
_TIMEOUT_S: Final = 15.0


def read(run: Run) -> tuple[ClockReading, ...]:
    """The clocks of all the run's hosts that are not this machine, by name. A host that does not answer has no reading."""
    hosts = _others(run)
    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        found = pool.map(lambda name: _best(name, hosts[name]), sorted(hosts))
        return tuple(reading for reading in found if reading is not None)


def _others(run: Run) -> Mapping[str, Sequence[str]]:
    generators = {each.name: each.reach for each in run.generators}
    hosts = {target.cell.host: target.reach for target in run.targets} | generators
    return {name: each for name, each in hosts.items() if tuple(each) != reach.HERE}


def _best(name: str, host: Sequence[str]) -> ClockReading | None:
    """Of several exchanges the one with the shortest round trip says most."""
    try:
        offset_s, uncertainty_s = min((_exchange(host) for _ in range(_EXCHANGES)), key=lambda found: found[1])
    except (reach.Unreachable, reach.Refused, ValueError):
        return None
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    return ClockReading(host=name, offset_s=offset_s, uncertainty_s=uncertainty_s, read_at=now)


def _exchange(host: Sequence[str]) -> tuple[float, float]:
    """Offset and uncertainty in seconds: the host read its clock at some moment of the round trip."""
    began_s, began = time.time(), time.perf_counter()
    theirs_s = float(reach.call(host, "date +%s.%N", timeout_s=_TIMEOUT_S))
    half_s = (time.perf_counter() - began) / 2
    return theirs_s - (began_s + half_s), half_s

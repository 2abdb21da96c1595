"""How the generator itself fared while it measured: a slow generator looks like a slow server."""

from __future__ import annotations

from time import perf_counter_ns, process_time_ns
from typing import TYPE_CHECKING, Final

import gevent
import psutil

from bench.records import ClientHealth

if TYPE_CHECKING:
    from collections.abc import Mapping

TICK_S: Final = 0.002
"""Short against the lags that matter, and under 1 % of a core."""


class HealthWatch:
    """Watches from construction to `stop`. Belongs into the generator's process and must be made on its hub."""

    def __init__(self) -> None:
        self._began_ns = perf_counter_ns()
        self._cpu_ns = process_time_ns()
        self._host = _host_times()
        self._lags: list[int] = []
        self._ticker = gevent.spawn(self._tick)

    def mean_lag_ns(self) -> int:
        """How late the hub was on average: what an answer that arrives at any moment waits for its user."""
        return sum(self._lags) // max(1, len(self._lags))

    def stop(self) -> ClientHealth:
        """What was seen. CPU is that of all threads of the process; lag is how late the hub woke a greenlet that was due."""
        elapsed_ns = max(1, perf_counter_ns() - self._began_ns)
        cpu_ns = process_time_ns() - self._cpu_ns
        self._ticker.kill(block=False)
        busy, steal = _host_shares(self._host, _host_times())
        lags = sorted(self._lags) or [0]
        return ClientHealth(
            cpu_share=cpu_ns / elapsed_ns,
            hub_lag_p99_ns=lags[min(len(lags) - 1, len(lags) * 99 // 100)],
            hub_lag_max_ns=lags[-1],
            # In a closed loop an op is due when it starts.
            start_lag_p99_ns=0,
            host_cpu_share=busy,
            host_steal_share=steal,
        )

    def _tick(self) -> None:
        while True:
            asleep_ns = perf_counter_ns()
            gevent.sleep(TICK_S)
            self._lags.append(max(0, perf_counter_ns() - asleep_ns - round(TICK_S * 1e9)))


def _host_times() -> dict[str, float]:
    """Seconds by what the cores did. Linux counts guest time within user time too, so it is left out."""
    return {name: value for name, value in psutil.cpu_times()._asdict().items() if not name.startswith("guest")}


def _host_shares(before: Mapping[str, float], after: Mapping[str, float]) -> tuple[float, float]:
    """Busy and stolen shares of all the host's cores; 0 when no tick of the clock passed."""
    passed = {name: after[name] - before[name] for name in before}
    total = sum(passed.values())
    if total <= 0:
        return 0.0, 0.0
    idle = passed["idle"] + passed.get("iowait", 0.0)
    return (total - idle) / total, passed.get("steal", 0.0) / total


_CPU_BOUND: Final = 0.9
"""Share of a core from which on ops queue for the generator: one Python process has one core to run on."""

_LAG_FLOOR_NS: Final = 5_000_000
"""Lags below are the operating system's usual turns on a busy host: two runnable processes per core swap every 3 to 4 ms."""

_LAG_OF_OP: Final = 0.5


_STOLEN: Final = 0.05
"""Share of the host's time that went to other virtual machines: what is measured then is partly the neighbours."""


def client_bound(health: ClientHealth) -> bool:
    """Whether the generator's process had hardly any CPU time left: it, and not the server, set the pace.

    This depends on the outcome: the faster the server, the sooner the generator is the limit. So such a trial must never be
    dropped or repeated in silence.
    """
    return health.cpu_share >= _CPU_BOUND


def held_up(health: ClientHealth, mean_lag_ns: int, median_op_ns: int) -> bool:
    """Whether others kept the generator waiting for a CPU: an answer waited, on average, for more than half a typical op.

    Then most of what was measured was waiting for the generator. The mean and a half, because with the server on the same few
    cores every wake-up is late by a turn of the scheduler now and then, and a user always waits while another one computes:
    boto3 burns nearly 1 ms an op, so that two users at 3 ms an op see a mean of 0.4 to 0.8 ms.
    """
    return health.hub_lag_p99_ns > _LAG_FLOOR_NS and mean_lag_ns > _LAG_OF_OP * median_op_ns


def stolen(health: ClientHealth) -> bool:
    """Whether the hypervisor gave a good part of the host's time to others."""
    return health.host_steal_share > _STOLEN

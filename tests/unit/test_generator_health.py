"""When the generator was the limit, and when it was not."""

from __future__ import annotations

from dataclasses import replace

import gevent
import pytest

from bench.generator.health import HealthWatch, _host_shares, client_bound, held_up, stolen
from bench.records import ClientHealth

MS = 1_000_000


def health(cpu_share: float = 0.7, lag_p99_ms: float = 1.0) -> ClientHealth:
    return ClientHealth(
        cpu_share=cpu_share,
        hub_lag_p99_ns=round(lag_p99_ms * MS),
        hub_lag_max_ns=round(lag_p99_ms * MS),
        start_lag_p99_ns=0,
        host_cpu_share=1.0,
        host_steal_share=0.0,
    )


@pytest.mark.parametrize(
    ("seen", "mean_lag_ms", "op_ms", "late"),
    [
        pytest.param(health(cpu_share=0.8), 0.8, 2.5, False, id="two users at 256 KiB: busy, with room left"),
        pytest.param(health(cpu_share=0.95), 0.8, 2.5, False, id="no CPU left, but that is another fault"),
        pytest.param(health(lag_p99_ms=12.0), 1.5, 8.0, False, id="a shared host: late now and then"),
        pytest.param(health(lag_p99_ms=12.0), 5.0, 8.0, True, id="most of an op is waiting for the generator"),
        pytest.param(health(lag_p99_ms=30.0), 9.0, 300.0, False, id="long ops do not feel it"),
        pytest.param(health(lag_p99_ms=3.0), 0.6, 1.0, False, id="below what the scheduler does to anyone"),
    ],
)
def test_the_generator_is_held_up_only_when_ops_wait_for_it(
    seen: ClientHealth, mean_lag_ms: float, op_ms: float, *, late: bool
) -> None:
    assert held_up(seen, round(mean_lag_ms * MS), round(op_ms * MS)) == late


@pytest.mark.parametrize(("cpu_share", "bound"), [(0.5, False), (0.89, False), (0.9, True), (1.3, True)])
def test_the_generator_is_the_limit_when_its_core_is_used_up(cpu_share: float, *, bound: bool) -> None:
    assert client_bound(health(cpu_share=cpu_share)) == bound


@pytest.mark.parametrize(("steal", "gone"), [(0.0, False), (0.05, False), (0.06, True)])
def test_a_host_that_shares_its_cores_with_neighbours_is_told(steal: float, *, gone: bool) -> None:
    assert stolen(replace(health(), host_steal_share=steal)) == gone


def test_shares_of_the_host_come_from_what_passed() -> None:
    before = {"user": 1.0, "system": 1.0, "idle": 8.0, "iowait": 0.0, "steal": 0.0}
    after = {"user": 3.0, "system": 2.0, "idle": 12.0, "iowait": 2.0, "steal": 1.0}

    assert _host_shares(before, after) == (0.4, 0.1)
    assert _host_shares(before, before) == (0.0, 0.0)


def test_a_hub_that_is_held_up_shows_its_lag() -> None:
    watch = HealthWatch()
    gevent.sleep(0.01)
    spent = sum(number * number for number in range(400_000))
    gevent.sleep(0.01)
    seen = watch.stop()

    assert spent > 0
    assert seen.hub_lag_max_ns > 2 * MS
    assert seen.cpu_share > 0

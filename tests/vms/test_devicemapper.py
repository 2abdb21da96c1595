"""devicemapper, on the last kernel and engine that have it: its pool on loop files, and a pool on a disk that becomes full."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from bench import host_words
from tests.vms.conftest import standing
from tests.vms.standing import Stack

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.live.place import Place

pytestmark = [pytest.mark.vm, pytest.mark.timeout(1800)]

BULLSEYE = {"cloud": ["qemu"], "machine_image": ["debian-bullseye"], "server": ["versitygw"]}
LEFT_MIB = 48
"""What is left of the pool when the load begins: less than it puts."""


@pytest.fixture(scope="module")
def loop(place: Place) -> Iterator[Stack]:
    yield from standing(Stack(place=place, name="loop", axes={**BULLSEYE, "driver": ["devicemapper"]}))


@pytest.fixture
def direct(place: Place) -> Iterator[Stack]:
    yield from standing(Stack(place=place, name="direct", axes={**BULLSEYE, "driver": ["devicemapper-direct"]}))


def test_a_pool_on_loop_files_is_warned_of_and_runs_and_shows_its_files(loop: Stack) -> None:
    planned = loop.place.cowbench("plan", loop.matrix())
    measurement = loop.start_run(blocks=1)

    assert "the pool lies in sparse files on loop devices" in planned.said
    measurement.assert_told()
    assert measurement.errors() == {}
    facts = loop.targets[0].host
    assert facts.driver_status["Data loop file"].endswith("/devicemapper/devicemapper/data")
    assert host_words.pool(facts) == "loop-lvm"


def test_a_full_thin_pool_is_failures_with_a_cause_and_the_host_can_still_be_taken_away(direct: Stack) -> None:
    assert host_words.pool(direct.targets[0].host) == "direct-lvm"
    fill_the_pool(direct)

    measurement = direct.start_run(blocks=2, object_size="1MiB", concurrency=4, duration="10s")
    measurement.assert_told("failed", "the thin pool is full", "use a larger disk (disk_size)")

    layers = {error.split("/")[0] for error in measurement.errors()}
    assert layers
    assert layers <= {"timeout", "network", "s3", "http"}, "the server's failures, not the load generator's"
    began = time.monotonic()
    ended = direct.down()
    assert ended.code == 0, ended.said
    assert time.monotonic() - began < 120


def fill_the_pool(stack: Stack) -> None:
    """Write into the server's own filesystem until `LEFT_MIB` of the pool are left; the rest is for the load."""
    status = stack.shell("dmsetup status docker-thinpool && dmsetup table docker-thinpool").stdout.split()
    at, table = status.index("thin-pool"), len(status) - status[::-1].index("thin-pool")
    used, total = map(int, status[at + 3].split("/"))
    block_sectors = int(status[table + 2])
    ballast_mib = (total - used) * block_sectors // 2048 - LEFT_MIB
    where = "$(findmnt -rn -o TARGET | grep devicemapper/mnt | head -n 1)/rootfs/ballast"
    done = stack.shell(f"dd if=/dev/urandom of={where} bs=1M count={ballast_mib} conv=fsync", timeout_s=600)
    assert done.returncode == 0, done.stderr

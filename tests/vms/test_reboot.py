"""A host that boots again: what comes back by itself, what does not, and what a run makes of it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from bench.errors import DeployError
from stacks import connection, power, user_data, vm_process
from tests.live.place import happens

if TYPE_CHECKING:
    from tests.vms.standing import Stack

pytestmark = [pytest.mark.vm, pytest.mark.timeout(1800)]

OVERLAY = "/lib/modules/$(uname -r)/kernel/fs/overlayfs"


def test_a_reboot_under_load_costs_trials_and_neither_the_run_nor_what_was_stored(trixie: Stack) -> None:
    client = trixie.client("versitygw")
    assert client.make_bucket("kept").failure is None
    stored = {f"k{number}": bytes([number]) * 4096 for number in range(20)}
    for key, body in stored.items():
        assert client.put("kept", key, memoryview(body)).failure is None
    measurement = trixie.start_run(blocks=12)
    measurement.until_results(2)

    # Nobody waits for the answer: the connection goes with the host.
    trixie.shell("nohup systemctl reboot >/dev/null 2>&1 &", timeout_s=20)
    assert happens(lambda: not vm_process.running(trixie.root), within_s=120), "a reboot ends the VM's process"

    measurement.assert_told("failed")
    sound = [result for result in measurement.results if not result.problem and not result.stamps]
    spoiled = [result for result in measurement.results if result.problem or "server_gone" in result.stamps]
    assert sound, "what was measured before is kept"
    assert spoiled
    assert len(measurement.results) == len(measurement.run.schedule)

    vm_process.power_on_again(trixie.root)
    power.restore(trixie.name, trixie.host, trixie.targets)
    buffer = bytearray(4096)
    for key, body in stored.items():
        assert client.get("kept", key, buffer).failure is None
        assert bytes(buffer) == body
    assert client.delete_many("kept", list(stored)).failure is None
    assert client.remove_bucket("kept").failure is None


def test_after_a_power_loss_the_engine_is_back_by_itself_and_the_server_when_it_is_started(trixie: Stack) -> None:
    url = trixie.targets[0].engine_url
    boot = trixie.shell("cat /proc/sys/kernel/random/boot_id").stdout

    power.cut(trixie.name, trixie.host)
    assert not vm_process.running(trixie.root)
    assert trixie.shell("true", timeout_s=30).returncode == 255
    power.restore(trixie.name, trixie.host, ())

    assert trixie.shell("cat /proc/sys/kernel/random/boot_id").stdout not in {"", boot}
    with connection.engine(url, trixie.name) as engine:
        states = {container.name: container.status for container in engine.containers.list(all=True)}
    assert len(states) == 2
    assert "running" not in states.values(), "nobody told the engine to start them"
    power.restore(trixie.name, trixie.host, trixie.targets)
    assert trixie.client("seaweedfs").make_bucket("back").failure is None
    assert trixie.place.cowbench("check", "--stack", trixie.name).code == 0


def test_a_kernel_without_overlay_is_told_by_the_set_up_and_not_by_a_time_out(trixie: Stack) -> None:
    away = trixie.shell(f"mv {OVERLAY} /root/away && depmod && sync")
    assert away.returncode == 0, away.stderr
    try:
        power.cut(trixie.name, trixie.host)
        began = time.monotonic()
        with pytest.raises(DeployError, match="has no overlay, neither built in nor as a module") as caught:
            power.restore(trixie.name, trixie.host, trixie.targets)

        assert time.monotonic() - began < 300
        assert caught.value.next_step
        assert trixie.shell(f"cat {user_data.ROOT}/up.status").stdout == "10\n"
        told = trixie.place.cowbench("logs", trixie.host, "--stack", trixie.name, "--part", "console")
        assert "has no overlay" in told.said, "the console tells it too, for clouds where that is all there is"
    finally:
        back = trixie.shell(f"mv /root/away {OVERLAY} && depmod && sh /var/lib/cloud/scripts/per-boot/cowbench", timeout_s=300)
    assert back.returncode == 0, back.stderr
    power.restore(trixie.name, trixie.host, trixie.targets)

"""VMs behind simulated instances: where they are reached, and how disks and open ports follow the cloud's table."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bench.errors import DeployError
from stacks import vm, vm_process
from tests.simulator import addresses, machine_boot, monitor
from tests.simulator.member import Machine

if TYPE_CHECKING:
    from collections.abc import Iterator


def test_no_two_clouds_share_a_public_address() -> None:
    outputs = {"ip": "127.78.3.4", "nested": [{"natIp": "127.78.3.5"}], "private": "10.78.3.4", "text": "at 127.78.3.4"}

    assert addresses.apart(78, outputs) == outputs
    assert addresses.apart(80, outputs) == {**outputs, "ip": "127.80.3.4", "nested": [{"natIp": "127.80.3.5"}]}
    assert addresses.apart(80, addresses.apart(80, outputs)) == addresses.apart(80, outputs)


def test_no_two_simulators_share_a_public_address(tmp_path: Path) -> None:
    first, second = (second for second, _ in list(addresses.shares())[:2])
    of_first = {addresses.of_cloud(tmp_path, number) for number in range(16)}
    addresses.take(tmp_path, second)

    assert min(of_first) == first
    assert of_first.isdisjoint({addresses.of_cloud(tmp_path, number) for number in range(16)})


def machine(**changes: Any) -> Machine:
    plain = {
        "image": "debian-bookworm",
        "user_data": "#cloud-config\n",
        "cpus": 2,
        "memory_bytes": 8 << 30,
        "disks_bytes": (1 << 30,),
        "private_address": "10.1.1.7",
        "network": "net-1",
        "open_ports": (22, 8333),
        "public_address": "127.78.0.9",
    }
    return Machine(**{**plain, **changes})


def test_a_vm_starts_with_every_door_closed() -> None:
    made = vm.Vm(
        name="h",
        root=Path("/sim/vms/pocket-1"),
        image=Path("/cache/root.qcow2"),
        kernel=None,
        cpus=1,
        memory_bytes=1 << 30,
        data_bytes=0,
        pool_bytes=0,
        images={},
        address="127.78.0.9",
        listeners={},
        open_ports=False,
        group="230.78.1.1:17801",
        accelerated=False,
    )
    words = " ".join(machine_boot.command(made))

    assert "hostfwd" not in words
    assert "mcast=230.78.1.1:17801,localaddr=127.0.0.1" in words
    assert "data0" not in words


def test_ssh_is_forwarded_elsewhere_and_only_where_the_firewall_lets_it_in() -> None:
    assert machine_boot._doors(machine()) == [("127.78.0.9", 7722, 22), ("127.78.0.9", 8333, 8333)]
    assert machine_boot._doors(machine(open_ports=(8333,))) == [("127.78.0.9", 8333, 8333)]


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What QEMU's monitor is told; it is content with everything."""
    lines: list[str] = []

    def say(_path: Path, command_line: str) -> str:
        lines.append(command_line)
        return ""

    monkeypatch.setattr(monitor, "say", say)
    monkeypatch.setattr(vm_process, "create_blank_disk", lambda *_: None)
    return lines


def test_a_firewall_that_changes_opens_and_closes_just_what_changed(told: list[str], tmp_path: Path) -> None:
    machine_boot.open_ports(tmp_path, machine(open_ports=(22, 8333)))
    told.clear()

    machine_boot.open_ports(tmp_path, machine(open_ports=(22, 9000)))

    closed = [line for line in told if "remove" in line]
    assert sorted(closed) == ["hostfwd_remove n0 tcp:127.78.0.9:8333", "hostfwd_remove n0 tcp:127.78.0.9:9000"]
    assert [line for line in told if "add" in line] == ["hostfwd_add n0 tcp:127.78.0.9:9000-:9000"]
    told.clear()
    machine_boot.open_ports(tmp_path, machine(open_ports=(9000, 22)))
    assert told == []


def test_a_volume_that_comes_later_is_plugged_in_and_one_that_goes_is_pulled(told: list[str], tmp_path: Path) -> None:
    machine_boot.attach_disks(tmp_path, machine(disks_bytes=(1 << 30,)))
    told.clear()

    machine_boot.attach_disks(tmp_path, machine(disks_bytes=(1 << 30, 2 << 30)))
    machine_boot.attach_disks(tmp_path, machine(disks_bytes=(2 << 30,)))

    plugged = [line.rpartition(",id=")[2] for line in told if line.startswith("device_add")]
    assert plugged == ["disk1,serial=disk1"]
    assert told[-2:] == ["device_del disk0", "drive_del drive-disk0"]


def test_a_door_that_qemu_cannot_open_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(monitor, "say", lambda *_: "could not set up host forwarding rule")

    with pytest.raises(DeployError, match="could not set up"):
        machine_boot.open_ports(tmp_path, machine())


@contextmanager
def answering(path: Path, *answers: str) -> Iterator[list[str]]:
    """A monitor at a socket that gives these lines, the first one before it is asked."""
    asked: list[str] = []
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection, connection.makefile("rw") as stream:
                for number, answer in enumerate(answers):
                    if number:
                        asked.append(stream.readline())
                    stream.write(f"{answer}\n")
                    stream.flush()

        thread = threading.Thread(target=serve)
        thread.start()
        yield asked
        thread.join(10)


def test_a_monitor_is_greeted_asked_and_its_events_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "q"
    event = '{"event": "RESUME"}\n'
    with answering(path, '{"QMP": {}}', '{"return": {}}', event + '{"return": "OK\\r\\n"}') as asked:
        assert monitor.say(path, "info status") == "OK"

    assert json.loads(asked[1])["arguments"] == {"command-line": "info status"}


def test_a_monitor_that_nobody_answers_at_is_named(tmp_path: Path) -> None:
    with pytest.raises(DeployError, match="does not answer"):
        monitor.say(tmp_path / "q", "info status")

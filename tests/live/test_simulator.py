"""The cloud simulator on the real Pulumi engine: what it refuses, what it counts, what a kill leaves; a VM behind a server."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import urllib.request
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from bench.errors import CowbenchError
from stacks import clouds, ssh, user_data, vm, workspace
from tests.live.place import happens
from tests.simulator import faults, place, settings, table
from tests.simulator.cloud_side import open_cloud
from tests.simulator.faults import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.simulator.cloud_side import CloudSide
    from tests.simulator.member import Row

pytestmark = [pytest.mark.live, pytest.mark.timeout(600)]

SERVER, VOLUME = "hcloud:index/server:Server", "hcloud:index/volume:Volume"
LIMIT_S = 200
BOOT_LIMIT_S = 400
"""An emulated VM on a busy machine."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A simulator, and a stack that the example program makes in it."""

    simulator: place.Simulator
    work: Path

    def run(self, verb: str, **wanted: Any) -> subprocess.CompletedProcess[str]:
        process = self.start(verb, **wanted)
        said, _ = process.communicate(timeout=LIMIT_S)
        return subprocess.CompletedProcess(process.args, process.returncode, said)

    def start(self, verb: str, **wanted: Any) -> subprocess.Popen[str]:
        (self.work / "wanted.json").write_text(json.dumps(wanted))
        return subprocess.Popen(
            [sys.executable, "-m", "tests.simulator.example_program", verb, str(self.work)],
            cwd=workspace.CHECKOUT,
            env={**os.environ, "PULUMI_HOME": str(self.work / "home"), **self.simulator.environment()},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    @property
    def cloud(self) -> CloudSide:
        return open_cloud(self.simulator.directory, "hetzner")

    def rows(self, *kinds: str) -> tuple[Row, ...]:
        return self.cloud.table.rows(*kinds)


@pytest.fixture
def trial(tmp_path: Path) -> Iterator[Trial]:
    yield from started(tmp_path)


def started(directory: Path, **chosen: Any) -> Iterator[Trial]:
    try:
        workspace.command()
    except CowbenchError as error:
        pytest.skip(str(error))
    (directory / "work").mkdir()
    with place.simulator(directory / "sim", clouds=("hetzner",), **chosen) as simulator:
        yield Trial(simulator=simulator, work=directory / "work")
    assert not (directory / "sim").exists()
    assert [each for each in psutil.process_iter(["cmdline"]) if str(directory) in " ".join(each.info["cmdline"] or ())] == []


def test_a_preview_makes_nothing_and_a_stack_comes_changes_in_place_and_goes(trial: Trial) -> None:
    assert "7 to create" in (preview := trial.run("preview").stdout), preview
    assert trial.rows() == ()

    up = trial.run("up")
    assert up.returncode == 0, up.stdout
    assert len(trial.rows()) == 5
    (server,) = trial.rows(SERVER)

    again = trial.run("up", open_ports=["22", "8333"], server={**PLAIN_SERVER, "server_type": "cx33"})
    assert "2 updated" in again.stdout, again.stdout
    assert trial.rows(SERVER)[0].inputs["serverType"] == "cx33"
    assert trial.rows(SERVER)[0].id == server.id

    down = trial.run("destroy")
    assert down.returncode == 0, down.stdout
    assert trial.rows() == ()
    events = table.history(trial.simulator.directory)
    assert len(events) == 5
    assert {event.ended for event in events} == {"deleted"}


PLAIN_SERVER = {"server_type": "cx23", "image": "debian-12", "location": "nbg1", "user_data": "#cloud-config\n"}


@pytest.mark.parametrize(
    ("server", "words"),
    [
        ({**PLAIN_SERVER, "server_type": "imaginary"}, "server type imaginary not found"),
        ({**PLAIN_SERVER, "public_nets": [{"ipv4_enable": True}]}, "Invalid or unknown key"),
        ({**PLAIN_SERVER, "backups": 7}, "expected bool type, got whole number type. Examine values at 'server-0.backups'"),
    ],
)
def test_what_the_real_cloud_refuses_is_refused_in_its_words(trial: Trial, server: dict[str, Any], words: str) -> None:
    refused = trial.run("up", server=server)

    assert refused.returncode != 0
    assert words in refused.stdout
    assert trial.rows(SERVER) == ()
    assert trial.run("destroy").returncode == 0
    assert trial.rows() == ()


def test_an_ill_typed_argument_is_refused_in_the_preview_already(trial: Trial) -> None:
    refused = trial.run("preview", server={**PLAIN_SERVER, "backups": 7})

    assert refused.returncode != 0
    assert "expected bool type" in refused.stdout


def test_capacity_that_is_missing_is_told_and_the_next_attempt_has_it(trial: Trial) -> None:
    faults.add(trial.simulator.directory, Fault(op="create", failure="capacity", kind="Server", having="nbg1"))

    first, second = trial.run("up"), trial.run("up")

    assert "resource_unavailable" in first.stdout
    assert second.returncode == 0, second.stdout
    assert trial.run("destroy").returncode == 0
    assert trial.rows() == ()


def test_what_was_half_made_is_in_no_state_and_yet_counted(trial: Trial) -> None:
    faults.add(trial.simulator.directory, Fault(op="create", failure=faults.HALF, kind="Volume"))

    assert trial.run("up").returncode != 0
    assert trial.run("destroy").returncode == 0

    assert [row.kind for row in trial.rows()] == [VOLUME]


def test_what_is_not_found_yet_is_gone_for_a_refresh(trial: Trial) -> None:
    trial.run("up")
    settings.change(trial.simulator.directory, eventual_s=600)

    refreshed = trial.run("refresh")

    assert "5 deleted" in refreshed.stdout, refreshed.stdout


def test_a_killed_engine_takes_its_plugin_along_and_what_it_noted_is_destroyed(trial: Trial) -> None:
    settings.change(trial.simulator.directory, pace=5.0)
    up = trial.start("up")
    assert happens(lambda: trial.rows(SERVER), within_s=LIMIT_S), "the server is never made"

    for process in psutil.Process(up.pid).children(recursive=True):
        if process.name() == "pulumi":
            process.kill()
    up.communicate(timeout=LIMIT_S)

    assert happens(lambda: not plugins(trial), within_s=10), "a plugin outlives its engine"
    settings.change(trial.simulator.directory, pace=0.0)
    assert trial.run("cancel").returncode == 0
    # Nobody told the state that the server was there; everything else was noted.
    (left,) = trial.rows(SERVER)
    trial.cloud.table.remove(left.id)
    assert trial.run("destroy").returncode == 0
    assert trial.rows() == ()


def plugins(trial: Trial) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            words = process.cmdline()
            ours = process.environ().get(settings.DIRECTORY) == str(trial.simulator.directory)
            if ours and "tests.simulator.plugin" in words:
                found.append(process)
    return found


def test_a_second_simulator_on_this_machine_has_addresses_of_its_own(trial: Trial, tmp_path: Path) -> None:
    with place.simulator(tmp_path / "second", clouds=("hetzner",)) as second:
        apart = {simulator.environment()["HCLOUD_ENDPOINT"] for simulator in (trial.simulator, second)}

    assert len(apart) == 2


def test_a_simulator_whose_processes_were_killed_is_stopped_by_its_directory(tmp_path: Path) -> None:
    directory = tmp_path / "sim"
    by_hand = [sys.executable, "-m", "tests.simulator"]
    start = subprocess.run(
        [*by_hand, "start", str(directory), "--clouds", "hetzner"],
        cwd=workspace.CHECKOUT,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    assert f"export COWBENCH_SIMULATOR={directory}" in start.stdout, start.stderr
    psutil.Process(int((directory / "api.pid").read_text())).kill()

    subprocess.run([*by_hand, "stop", str(directory)], cwd=workspace.CHECKOUT, timeout=LIMIT_S, check=True)

    assert not directory.exists()


# A VM


@pytest.fixture
def trial_with_vm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trial]:
    if problems := clouds.load("qemu").problems():
        pytest.skip("; ".join(problems))
    yield from started(tmp_path_factory.mktemp("v"), machines=("hetzner",), most_memory_bytes=768 << 20)


@pytest.mark.vm
@pytest.mark.timeout(900)
def test_a_server_is_a_vm_with_the_programs_user_data_disk_and_firewall(
    trial_with_vm: Trial, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = trial_with_vm
    monkeypatch.setenv("COWBENCH_STATE", str(tmp_path / "s"))
    private_key, public_key = ssh.make_key("simulated")
    text = user_data.render(host="server-0", public_key=public_key, up_script="#!/bin/sh\ntrue\n")
    wanted = {"server": {**PLAIN_SERVER, "user_data": text}}

    up = trial.run("up", **wanted, open_ports=["8333"])
    assert up.returncode == 0, up.stdout
    (server,) = trial.rows(SERVER)
    address = server.outputs["ipv4Address"]
    assert not greets(address, vm.SSH_PORT), "22 is closed"
    assert greets(address, 8333), "8333 is open"

    opened = trial.run("up", **wanted, open_ports=["22"])
    assert opened.returncode == 0, opened.stdout
    assert not greets(address, 8333), "8333 is closed again"
    assert happens(lambda: ssh.answers(address, vm.SSH_PORT), within_s=BOOT_LIMIT_S), console(trial)

    key = tmp_path / "key"
    key.touch(mode=0o600)
    key.write_text(private_key)

    def shell(line: str) -> str:
        options = (
            "-F",
            "/dev/null",
            "-o",
            "StrictHostKeyChecking=no",
            "-o",
            "UserKnownHostsFile=/dev/null",
            "-o",
            "LogLevel=ERROR",
        )
        command = ["ssh", *options, "-i", str(key), "-p", str(vm.SSH_PORT), f"root@{address}", line]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False)
        return done.stdout.strip()

    assert happens(lambda: shell("hostname") == "server-0", within_s=BOOT_LIMIT_S), console(trial)
    assert server.outputs["networks"][0]["ip"] in shell("ip -4 -o address")
    assert happens(lambda: str(10 << 30) in shell("lsblk -bdno SIZE"), within_s=60), shell("lsblk")

    shell("systemctl --no-block poweroff")
    assert happens(lambda: trial.rows(SERVER)[0].outputs["status"] == "stopped", within_s=120)
    down = trial.run("destroy")
    assert down.returncode == 0, down.stdout
    assert trial.rows() == ()
    assert list((trial.simulator.directory / "vms").iterdir()) == []


def greets(address: str, port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((address, port), timeout=2):
        return True
    return False


def console(trial: Trial) -> str:
    return "\n".join(path.read_text(errors="replace")[-3000:] for path in trial.simulator.directory.glob("vms/*/console.log"))


def test_the_clouds_own_api_is_where_its_client_library_looks_for_it(trial: Trial) -> None:
    trial.run("up")
    environment = trial.simulator.environment()
    request = urllib.request.Request(
        f"{environment['HCLOUD_ENDPOINT']}/servers", headers={"Authorization": f"Bearer {environment['HCLOUD_TOKEN']}"}
    )

    with urllib.request.urlopen(request, timeout=10) as answer:
        shown = json.loads(answer.read())

    assert [str(each["id"]) for each in shown["servers"]] == [row.id for row in trial.rows(SERVER)]
    assert trial.run("destroy").returncode == 0

"""Facts of a standing host: read from what the engine and the kernel said, and given up in time when nobody answers."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import docker.errors
import pytest
import requests.exceptions

from bench.errors import DeployError
from stacks import connection, drivers, readback, state
from stacks.resources import engine_host
from tests.unit.small_run import generator_host, target

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bench.records import HostFacts, Target

INFO: dict[str, Any] = {
    "KernelVersion": "5.10.0-32-cloud-amd64",
    "OperatingSystem": "Debian GNU/Linux 11 (bullseye)",
    "NCPU": 2,
    "MemTotal": 1020000000,
    "ServerVersion": "20.10.5+dfsg1",
    "Driver": "devicemapper",
    "DriverStatus": [["Pool Name", "docker-254:0-131-pool"], ["Data loop file", "/r/m/docker/devicemapper/devicemapper/data"]],
    "CgroupVersion": "2",
}
VERSION = {"Components": [{"Name": "containerd", "Version": "1.4.13"}, {"Name": "runc", "Version": "1.0.0-rc93"}]}
KERNEL = {
    "filesystem": "xfs",
    "mount_options": "rw,noatime,noquota",
    "mkfs": "mkfs.xfs -q -f -m crc=0 -n ftype=0",
    "disk_bytes": "8589934592",
    "ftype": "0",
}


def test_engine_and_kernel_together_are_the_facts() -> None:
    facts = readback.facts_of(INFO, VERSION, KERNEL)

    assert (facts.storage_driver, facts.image_store, facts.cgroup_version) == ("devicemapper", "graphdriver", "2")
    assert facts.driver_status["Data loop file"] == "/r/m/docker/devicemapper/devicemapper/data"
    assert (facts.containerd_version, facts.runc_version) == ("1.4.13", "1.0.0-rc93")
    assert (facts.disk_bytes, facts.mkfs, facts.direct_io) == (8 << 30, KERNEL["mkfs"], False)
    assert facts.emulated is False


@pytest.mark.parametrize(
    ("kernel", "name"),
    [
        ({"filesystem": "xfs", "ftype": "0"}, "xfs-ftype0"),
        ({"filesystem": "xfs", "ftype": "1"}, "xfs"),
        ({"filesystem": "xfs"}, "xfs"),
        ({"filesystem": "zfs"}, "zfs"),
        ({"filesystem": "f2fs"}, "f2fs"),
    ],
)
def test_a_filesystem_is_called_as_the_matrix_calls_it(kernel: dict[str, str], name: str) -> None:
    known = {key: value for key, value in KERNEL.items() if key != "ftype"}

    assert readback.facts_of(INFO, VERSION, {**known, **kernel}).backing_filesystem == name


def test_the_containerd_store_is_told_by_its_snapshotter() -> None:
    info = {**INFO, "Driver": "overlayfs", "DriverStatus": [["driver-type", "io.containerd.snapshotter.v1"]]}

    assert readback.facts_of(info, VERSION, KERNEL).image_store == "containerd"


def test_loop_files_past_the_page_cache_are_told() -> None:
    assert readback.facts_of(INFO, VERSION, {**KERNEL, "direct_io": "1"}).direct_io is True


# --- asking


def says(tmp_path: Path, lines: str, status: int = 0) -> tuple[str, ...]:
    """A way to a host that answers every command so."""
    script = tmp_path / "way"
    script.write_text(f"cat >/dev/null\ncat <<'END'\n{lines}\nEND\nexit {status}\n")
    return ("sh", str(script), "vm1")


CONTAINER = SimpleNamespace(id="fedc", attrs={"Image": "sha256:1d", "State": {"StartedAt": "2026-01-02T03:04:05Z"}})


class Engine:
    """An engine that answers, or does not."""

    def __init__(self, problem: Exception | None = None, container: Any = None) -> None:
        self.problem, self.container = problem, container
        self.api = self.containers = self.images = self

    timeout = 0

    def get(self, name: str) -> Any:
        """The container by its name, or the image by the container's word for it."""
        if self.container is None:
            raise docker.errors.NotFound("no such container")
        return {"cowbench-a": self.container, "sha256:1d": SimpleNamespace(id="sha256:2e")}[name]

    def info(self) -> dict[str, Any]:
        if self.problem:
            raise self.problem
        return INFO

    def version(self) -> dict[str, Any]:
        return VERSION


def connected(engine: Engine) -> Any:
    @contextmanager
    def open_engine(_url: str, _stack: str) -> Iterator[Engine]:
        yield engine

    return open_engine


def test_a_host_is_asked_through_its_reach(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "engine", connected(Engine()))
    lines = "\n".join(f"{key}={value}" for key, value in KERNEL.items())

    facts = readback.host_facts(says(tmp_path, lines), "ssh://vm1/docker.sock", "demo", "/r")

    assert facts == readback.facts_of(INFO, VERSION, KERNEL)


def test_a_host_that_does_not_answer_is_given_up_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readback, "_SCRIPT_TIMEOUT_S", 0.2)

    with pytest.raises(DeployError, match="host does not answer") as raised:
        readback.host_facts(("sh", "-c", "exec sleep 30", "vm1"), "ssh://vm1/docker.sock", "demo", "/r")

    assert raised.value.where == "host vm1"
    assert raised.value.next_step


def test_a_disk_that_is_not_mounted_is_named(tmp_path: Path) -> None:
    with pytest.raises(DeployError, match="/m is not mounted"):
        readback.host_facts(("sh", "-c"), "unix:///nowhere", "demo", str(tmp_path))


def test_an_answer_that_is_cut_short_is_no_answer(tmp_path: Path) -> None:
    with pytest.raises(DeployError, match="said too little"):
        readback.host_facts(says(tmp_path, "filesystem=ext4"), "ssh://vm1/docker.sock", "demo", "/r")


def test_an_engine_that_does_not_answer_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "engine", connected(Engine(requests.exceptions.ReadTimeout("timed out"))))
    lines = "\n".join(f"{key}={value}" for key, value in KERNEL.items())

    with pytest.raises(DeployError, match="engine does not answer"):
        readback.host_facts(says(tmp_path, lines), "ssh://vm1/docker.sock", "demo", "/r")


# --- again, before a run


def test_a_host_that_is_not_on_this_machine_keeps_its_facts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COWBENCH_STATE", str(tmp_path))
    elsewhere = replace(target("a"), reach=("ssh", "-F", str(tmp_path / "vm1.config"), "vm1"))

    assert readback.refresh(target("a")) == target("a")
    assert readback.refresh(elsewhere) == elsewhere


def test_what_a_vm_runs_on_is_kept_and_the_rest_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[object, ...]] = []

    def host_facts(*question: object) -> HostFacts:
        asked.append(question)
        return readback.facts_of(INFO, VERSION, KERNEL)

    monkeypatch.setattr(readback, "host_facts", host_facts)
    config = tmp_path / "vm1.config"
    config.touch()
    deployed = target("a")
    known = replace(deployed.host, emulated=True, virtualization="QEMU 7.2.22, emulated", machine_image_digest="sha256:1")
    vm = replace(deployed, reach=("ssh", "-F", str(config), "vm1"), host=known)

    monkeypatch.setattr(connection, "engine", connected(Engine(container=CONTAINER)))

    now = readback.refresh(vm)
    host = now.host

    assert (now.server.container_id, now.server.started_at) == ("fedc", "2026-01-02T03:04:05Z")
    assert now.server.image_id == "sha256:2e"
    assert asked == [(vm.reach, vm.engine_url, vm.credential, "/var/lib/cowbench/host")]
    assert (host.emulated, host.virtualization, host.machine_image_digest) == (True, "QEMU 7.2.22, emulated", "sha256:1")
    assert host.storage_driver == "devicemapper"


def at_hand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: Engine) -> Target:
    """A target in a VM that answers, with this engine in it."""
    monkeypatch.setattr(readback, "host_facts", lambda *_: readback.facts_of(INFO, VERSION, KERNEL))
    monkeypatch.setattr(connection, "engine", connected(engine))
    config = tmp_path / "vm1.config"
    config.touch()
    return replace(target("a"), reach=("ssh", "-F", str(config), "vm1"))


def test_a_container_that_is_gone_has_no_id(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = readback.refresh(at_hand(tmp_path, monkeypatch, Engine())).server

    assert (server.container_id, server.started_at) == ("", "")
    assert server.content_digest == target("a").server.content_digest


def test_an_engine_that_goes_silent_between_two_questions_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    silent = Engine()
    monkeypatch.setattr(silent, "get", lambda _: _raise(requests.exceptions.ReadTimeout("timed out")))

    with pytest.raises(DeployError, match="engine does not answer"):
        readback.refresh(at_hand(tmp_path, monkeypatch, silent))


def _raise(error: Exception) -> None:
    raise error


def test_a_host_that_load_comes_from_is_asked_as_others_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[object, ...]] = []

    def host_facts(*question: object) -> HostFacts:
        asked.append(question)
        return readback.facts_of(INFO, VERSION, {**KERNEL, "boot_id": "2"})

    monkeypatch.setattr(readback, "host_facts", host_facts)
    config = tmp_path / "load.config"
    load = replace(generator_host("load"), reach=("ssh", "-F", str(config), "load"))
    emulated = replace(load, host=replace(load.host, emulated=True))

    assert readback.refresh_generator(emulated, "demo") == emulated
    config.touch()
    now = readback.refresh_generator(emulated, "demo").host

    assert asked == [(load.reach, load.engine_url, "demo", "/var/lib/cowbench/host")]
    assert (now.boot_id, now.emulated) == ("2", True)


def test_a_local_host_is_asked_in_its_own_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COWBENCH_STATE", str(tmp_path))
    here = target("a")
    root = state.host_dir(here.credential, here.cell.host)
    root.mkdir(parents=True)

    with pytest.raises(DeployError, match=f"{root}/m is not mounted"):
        readback.refresh(here)


# --- was it what was asked for?


@pytest.mark.parametrize(
    ("driver", "found", "store", "fine"),
    [
        ("devicemapper-direct", "devicemapper", "graphdriver", True),
        ("containerd-overlayfs", "overlayfs", "containerd", True),
        ("overlay2", "fuse-overlayfs", "graphdriver", False),
        ("btrfs", "btrfs", "containerd", False),
    ],
)
def test_another_driver_or_image_store_than_asked_for_is_refused(driver: str, found: str, store: str, *, fine: bool) -> None:
    facts = replace(readback.facts_of(INFO, VERSION, KERNEL), storage_driver=found, image_store=store)  # type: ignore[arg-type] # a column of the table

    if fine:
        engine_host.insist_on_driver(facts, drivers.load(driver), "vm1")
        return
    with pytest.raises(DeployError, match=f"and took {found}"):
        engine_host.insist_on_driver(facts, drivers.load(driver), "vm1")

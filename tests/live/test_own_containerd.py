"""Each host's engine has a containerd of its own, also where the system runs one, and either can be killed and started again."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from stacks import image, workspace
from stacks.resources.container import ContainerProvider
from stacks.resources.engine_host import EngineHostProvider
from tests.live.place import COWBENCH, happens

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.live.place import Ended, Place

pytestmark = [pytest.mark.live, pytest.mark.timeout(200)]

SYSTEMS = "/run/containerd/containerd.sock"
"""Where an engine looks for the system's containerd when it is not told of another."""

_CONFIG = """\
version = 2
root = "{root}"
state = "/run/containerd"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt"]
[grpc]
address = "{address}"
"""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """A mount namespace in which a containerd listens as the system's. Nobody outside of it sees that one."""

    systems: subprocess.Popen[bytes]
    place: Place

    def inside(self, *command: str) -> list[str]:
        """The command that runs a command in here."""
        return ["nsenter", f"--target={self.systems.pid}", "--mount", f"--wd={workspace.CHECKOUT}", *command]

    def cowbench(self, *arguments: str, **more: str) -> Ended:
        return self.place.launch(self.inside(COWBENCH, *arguments), **more).end()

    def namespaces(self, socket: str) -> list[str]:
        """Who uses a containerd: engines call their namespace moby."""
        command = self.inside("ctr", "--address", socket, "namespaces", "ls", "--quiet")
        return subprocess.check_output(command, text=True, timeout=20).split()

    def shims(self) -> list[tuple[str, str]]:
        """Of every container in here: the containerd that it belongs to, and the namespace."""
        lines = [process.cmdline() for process in self.processes() if process.name().startswith("containerd-shim")]
        return [(line[line.index("-address") + 1], line[line.index("-namespace") + 1]) for line in lines]

    def processes(self) -> list[psutil.Process]:
        found = []
        here = Path(f"/proc/{self.systems.pid}/ns/mnt").readlink()
        assert here != Path("/proc/self/ns/mnt").readlink()  # else these would be everybody's
        for process in psutil.process_iter():
            with contextlib.suppress(OSError, psutil.Error):
                if Path(f"/proc/{process.pid}/ns/mnt").readlink() == here:
                    found.append(process)
        return found

    def end(self) -> None:
        """With its last process the namespace is gone, and all that was mounted in it."""
        for process in self.processes():
            with contextlib.suppress(psutil.Error):
                process.kill()
        self.systems.wait(10)


@pytest.fixture
def machine(place: Place) -> Iterator[Machine]:
    Path("/run/containerd").mkdir(exist_ok=True)
    config = place.root / "system.toml"
    config.write_text(_CONFIG.format(root=place.root / "system", address=SYSTEMS))
    command = f"mount -t tmpfs cowbench-test /run/containerd && exec containerd --config {config}"
    with (place.root / "system.log").open("w") as log:
        systems = subprocess.Popen(["unshare", "--mount", "sh", "-c", command], stdout=log, stderr=subprocess.STDOUT)
    made = Machine(systems=systems, place=place)
    listens = made.inside("test", "-S", SYSTEMS)
    try:
        assert happens(lambda: subprocess.run(listens, check=False, timeout=10).returncode == 0, within_s=20)
        yield made
    finally:
        made.end()


@pytest.mark.parametrize("told", [True, False], ids=["as it is set up", "left to itself"])
def test_the_systems_containerd_is_not_touched(machine: Machine, place: Place, *, told: bool) -> None:
    """Left to itself the same engine does take it: that the system's is there to be taken is what makes the other half count."""
    own = str(place.host("own") / "x/containerd.sock")
    path = place.environment()["PATH"] if told else f"{_engine_that_is_not_told(place)}:{place.environment()['PATH']}"

    up = machine.cowbench("up", str(place.matrix()), "--stack", "own", PATH=path)

    assert up.code == 0, up.said
    assert machine.shims() == [(own if told else SYSTEMS, "moby")]
    assert [("moby" in machine.namespaces(socket)) for socket in (own, SYSTEMS)] == [told, not told]
    down = machine.cowbench("down", "--stack", "own")
    assert down.code == 0, down.said
    if told:
        assert machine.shims() == []
        place.assert_nothing_left()


def _engine_that_is_not_told(place: Place) -> Path:
    """A directory with a `dockerd` that takes the line out of its configuration just before it becomes the real one."""
    fake = place.root / "bin" / "dockerd"
    fake.parent.mkdir()
    without = """sed -i '/"containerd": /d' "$2\""""
    fake.write_text(f"""#!/bin/sh\n[ "$1" != --config-file ] || {without}\nexec {shutil.which("dockerd")} "$@"\n""")
    fake.chmod(0o755)
    return fake.parent


@pytest.fixture
def inputs(place: Place, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """What the container provider is given, on a host that its own provider made: quicker than a whole stack."""
    monkeypatch.setenv("COWBENCH_STATE", str(place.state))
    setup = {"stack": "one", "host": "overlay2-ext4", "engine": "distribution", "driver": "overlay2"}
    made = EngineHostProvider().create({**setup, "backing_filesystem": "ext4", "disk_bytes": 1 << 30})
    assert made.outs is not None
    yield {
        **{key: made.outs[key] for key in ("stack", "host", "engine_url", "incarnation")},
        "cell": "cell",
        "server": "versitygw",
        "image": image.ensure("versitygw").content_digest,
        "addresses": {},
        "data_placement": "volume",
        "access_key": "test",
        "secret_key": "test-secret",
    }
    EngineHostProvider().delete("one/overlay2-ext4", made.outs)


@pytest.mark.parametrize("dead", [("containerd",), ("dockerd",), ("containerd", "dockerd")], ids=" and ".join)
def test_what_of_an_engine_was_killed_is_started_again_and_runs_containers(
    place: Place, inputs: dict[str, Any], dead: tuple[str, ...]
) -> None:
    root = place.host("one")
    first = ContainerProvider().create(inputs)
    before = _pids(root)
    for name in dead:
        _kill(before[name])

    again = subprocess.run(["sh", root / "up.sh"], capture_output=True, text=True, timeout=100, check=False)

    assert (again.returncode, again.stderr) == (0, "")
    now = _pids(root)
    assert {name for name in now if now[name] != before[name]} == set(dead)
    second = ContainerProvider().create(inputs)  # which first removes the container that is there
    assert first.outs is not None
    assert second.outs is not None
    assert second.outs["facts"]["container_id"] != first.outs["facts"]["container_id"]
    assert len(place.processes("containerd-shim")) == 1


def _pids(root: Path) -> dict[str, int]:
    return {name: int((root / f"{name}.pid").read_text()) for name in ("containerd", "dockerd")}


def _kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    assert happens(lambda: not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE, within_s=10)

"""A simulator as a whole, in a directory: started, pointed at by an environment, ended with everything that it started."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import psutil

from stacks import vm
from tests.simulator import clouds, machines, settings, table
from tests.simulator.cloud_side import open_cloud
from tests.simulator.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CHECKOUT = Path(__file__).resolve().parents[2]
_START_LIMIT_S = 60
_END_LIMIT_S = 10
_POLL_S = 0.05
_OWN = ("settings.json", "settings.draft", "url", "url.draft", "share", "api.pid", "api.log", "bin", "vms")


@dataclass(frozen=True, kw_only=True)
class Simulator:
    """A simulator in `directory`, which is made; as a context manager it runs inside the `with` and nothing is left after it."""

    directory: Path
    settings: Settings

    def __enter__(self) -> Self:
        start(self.directory, self.settings)
        return self

    def __exit__(self, *_: object) -> None:
        stop(self.directory)

    def environment(self) -> dict[str, str]:
        """What makes cowbench, pulumi and client libraries use this simulator, beside the rest of `os.environ`."""
        return environment(self.directory)


def simulator(directory: Path, **chosen: object) -> Simulator:
    """A simulator that is not started yet; `chosen` are fields of `Settings`, by default all simulated clouds without VMs."""
    return Simulator(directory=directory.absolute(), settings=Settings(**{"clouds": clouds.CLOUDS, **chosen}))  # type: ignore[arg-type] # a caller's own keywords


def start(directory: Path, chosen: Settings) -> None:
    """Start a simulator. Raises RuntimeError when it does not come up, or one runs there already."""
    if _api_of(directory):
        raise RuntimeError(f"a simulator runs in {directory} already: stop it first, python -m tests.simulator stop {directory}")
    directory.mkdir(parents=True, exist_ok=True)
    settings.write(directory, chosen)
    table.create(directory)
    _write_plugins(directory, chosen)
    pid = _start_api(directory)
    deadline = time.monotonic() + _START_LIMIT_S
    while not (directory / "url").exists():
        if not psutil.pid_exists(pid) or time.monotonic() > deadline:
            said = (directory / "api.log").read_text()
            stop(directory)
            raise RuntimeError(f"the simulator's API did not start: correct what it says\n{said}")
        time.sleep(_POLL_S)


def _start_api(directory: Path) -> int:
    """Its process number. It outlives whoever starts it, and is nobody's child: `start` may be a command that ends."""
    script = 'setsid "$@" >"$0" 2>&1 </dev/null & echo $!'
    command = ["sh", "-c", script, str(directory / "api.log"), sys.executable, "-m", "tests.simulator.api", str(directory)]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, timeout=_START_LIMIT_S, check=True)
    (directory / "api.pid").write_text(done.stdout.strip())
    return int(done.stdout)


def environment(directory: Path) -> dict[str, str]:
    """As `Simulator.environment`, for one that was started by another process."""
    known, url = settings.read(directory), (directory / "url").read_text()
    own = {
        "PATH": f"{directory / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}",
        settings.DIRECTORY: str(directory),
        "COWBENCH_SSH_PORT": str(vm.SSH_PORT),
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
    }
    for cloud in known.clouds:
        own |= known.member(cloud).environment(f"{url}/{cloud}")
    return own


def reclaim(directory: Path, cloud: str, id_: str) -> None:
    """A spot VM is taken away, as its cloud would: without asking who still needs it."""
    open_cloud(directory, cloud).table.end(id_, "reclaimed", insist=True)


def stop(directory: Path) -> None:
    """End everything that was started for this directory, also what lost its parent; remove what the simulator wrote there.

    Fine where nothing runs, and where there is nothing.
    """
    for process in _processes(directory):
        with contextlib.suppress(psutil.NoSuchProcess, psutil.TimeoutExpired):
            process.kill()
            process.wait(_END_LIMIT_S)
    for folder in (directory / "vms").glob("*"):
        machines.end(folder)
    for name in (*_OWN, *(path.name for pattern in ("table.sqlite*", "*.lock") for path in directory.glob(pattern))):
        path = directory / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        directory.rmdir()


def _processes(directory: Path) -> Iterator[psutil.Process]:
    """The API, plugins and VMs of this directory, by what their command lines and environments say of it."""
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            words = process.cmdline()
            api = words[-2:] == ["tests.simulator.api", str(directory)]
            plugin = "tests.simulator.plugin" in words and process.environ().get(settings.DIRECTORY) == str(directory)
            if api or plugin or any(word.startswith(f"{directory}/vms/") for word in words):
                yield process


def _api_of(directory: Path) -> bool:
    return any("tests.simulator.api" in process.cmdline() for process in _processes(directory))


def _write_plugins(directory: Path, chosen: Settings) -> None:
    folder = directory / "bin"
    folder.mkdir(exist_ok=True)
    for cloud in chosen.clouds:
        path = folder / f"pulumi-resource-{chosen.member(cloud).plugin}"
        path.write_text(_plugin(directory, cloud))
        path.chmod(0o755)


def _plugin(directory: Path, cloud: str) -> str:
    setting: Mapping[str, str] = {settings.DIRECTORY: str(directory), "PYTHONPATH": f"{CHECKOUT}"}
    lines = [f"export {name}='{value}'" for name, value in setting.items()]
    return "\n".join(["#!/bin/sh", *lines, f"exec '{sys.executable}' -u -m tests.simulator.plugin {cloud} \"$@\"", ""])

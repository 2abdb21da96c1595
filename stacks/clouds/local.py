"""This machine as a cloud: every host is a Docker engine of its own on a disk image of its own. No account, no VM, no bill."""

from __future__ import annotations

import contextlib
import functools
import os
import platform
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from bench import knowledge
from stacks import engines, host_setup, quantity, reach, state
from stacks.cloud import Access, Cloud, Features, HostOutputs, HostRequest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bench.records import Cell

_MODULES = ("overlay", "aufs", "btrfs", "xfs", "ext4", "fuse", "dm_thin_pool", "zfs", "erofs")
_TOOLS = ("thin_check", "mkfs.ext4", "mkfs.xfs", "mkfs.btrfs", "zfs")
_NEEDED_FREE_BYTES = 4 << 30
"""Room for a handful of hosts with their images; measured load adds what the matrix asks for."""


def _facts(cell: Cell) -> Mapping[str, object]:
    del cell  # every host of this machine has the same kernel and engine
    return _machine_facts()


@functools.cache
def _machine_facts() -> Mapping[str, object]:
    """What can be read of this machine before a host is made. A fact that cannot be read is absent, never guessed."""
    facts: dict[str, object] = {
        **knowledge.of_kernel(platform.release()),
        "cgroup": "v2" if Path("/sys/fs/cgroup/cgroup.controllers").exists() else "v1",
        "arch": platform.machine(),
        "rootless": False,
        "fuse_overlayfs_installed": _which("fuse-overlayfs") is not None,
        **{f"tool_{name.replace('.', '_')}": _which(name) is not None for name in _TOOLS},
        **{f"module_{name}": _has_module(name) for name in _MODULES},
    }
    for key, binary in (("docker", "dockerd"), ("containerd", "containerd"), ("runc", "runc")):
        if version := _version_of(binary):
            facts[key] = version
    with contextlib.suppress(OSError):
        facts.update(knowledge.of_os_release(Path("/etc/os-release").read_text()))
    return facts


def _which(binary: str) -> str | None:
    return shutil.which(binary, path=f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin")


def _version_of(binary: str) -> str:
    path = _which(binary)
    if path is None:
        return ""
    said = subprocess.run([path, "--version"], capture_output=True, text=True, timeout=10, check=False).stdout
    found = re.search(r"\d+\.\d+\.\d+(?:-rc\.?\d+)?", said)
    return found.group() if found else ""


def _has_module(name: str) -> bool:
    """Built in, loaded, or loadable; `modprobe -n` looks without loading."""
    if Path("/sys/module", name).exists() or re.search(
        rf"^(?:nodev)?\t{name}$", Path("/proc/filesystems").read_text(), re.MULTILINE
    ):
        return True
    modprobe = _which("modprobe")
    return (
        modprobe is not None
        and subprocess.run([modprobe, "-n", "-q", name], capture_output=True, timeout=10, check=False).returncode == 0
    )


def _problems() -> tuple[str, ...]:
    if sys.platform != "linux":
        return ("the local cloud needs Linux: plan, report and the public clouds work here; run the bench on a Linux machine",)
    found = []
    if os.geteuid() != 0:
        found.append("the local cloud needs root (loop devices, mounts, Docker engines): run with sudo")
    if not Path("/dev/loop-control").exists():
        found.append("no loop devices (/dev/loop-control): load the module with modprobe loop, or run outside of the container")
    engine = engines.load("distribution")
    if missing := [binary for binary in engine.binaries if _which(binary) is None]:
        found.append(f"not on PATH: {', '.join(missing)}: run make setup, or install {', '.join(engine.packages)}")
    if (free := state.free_bytes()) < _NEEDED_FREE_BYTES:
        found.append(
            f"only {free >> 20} MiB free for disk images in {state.root()}: free some, or set COWBENCH_STATE to another disk"
        )
    return tuple(found)


def _host(request: HostRequest, _access: Access | None, _site: None) -> HostOutputs:
    import pulumi  # noqa: PLC0415 - only a deployment needs it: planning must not wait for it

    from stacks.resources.engine_host import EngineHost  # noqa: PLC0415 - imports pulumi

    props = {
        "stack": request.stack,
        "host": request.name,
        "engine": request.engine,
        "driver": request.driver,
        "backing_filesystem": request.backing_filesystem,
        "disk_bytes": quantity.disk_bytes(request.disk),
    }
    host = EngineHost(request.name, props)
    return HostOutputs(
        resource=host,
        engine_url=host.engine_url,
        addresses=pulumi.Output.from_input({}),
        reach=pulumi.Output.from_input(list(reach.HERE)),
        facts=host.facts,
        incarnation=host.incarnation,
    )


CLOUD = Cloud(
    name="local",
    features=Features(
        needs_account=False,
        needs_root=True,
        chooses_kernel=False,
        own_images=False,
        on_this_machine=True,
        whole_disks=False,
        reached_by_ssh=False,
        private_network=False,
    ),
    axes={
        "region": ("here",),
        "instance_type": ("this-host",),
        "disk": None,
        "machine_image": ("this-host",),
        "engine": engines.ENGINES,
        "backing_filesystem": tuple(host_setup.FILESYSTEMS),
    },
    default_disk="loop-8GiB",
    facts=_facts,
    problems=_problems,
    ready=lambda: "ready",
    prepare=lambda _requests, _progress: None,
    room=lambda _requests: "",
    host=_host,
)

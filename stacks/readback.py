"""Facts of a standing host, as the engine and the kernel tell them; never what was asked for."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import docker.errors
import requests.exceptions

from bench.errors import DeployError
from bench.records import HostFacts
from stacks import connection, state

if TYPE_CHECKING:
    from bench.records import Target


def host_facts(root: Path) -> HostFacts:
    """What stands in the host directory `root`. Raises DeployError when its engine does not answer or its disk is not mounted."""
    info, version = _ask(f"unix://{root}/docker.sock", root.name)
    filesystem, options, device = _mount_of(root / "m")
    components = {part["Name"]: part["Version"] for part in version.get("Components", ())}
    return HostFacts(
        kernel=str(info["KernelVersion"]),
        operating_system=str(info["OperatingSystem"]),
        cpus=int(info["NCPU"]),
        memory_bytes=int(info["MemTotal"]),
        engine_version=str(info["ServerVersion"]),
        containerd_version=str(components.get("containerd", "")),
        runc_version=str(components.get("runc", "")),
        storage_driver=str(info["Driver"]),
        # From Docker 29 on the same driver names may be a containerd snapshotter's.
        image_store="containerd" if "io.containerd.snapshotter.v1" in json.dumps(info.get("DriverStatus")) else "graphdriver",
        driver_status={str(key): str(value) for key, value in info.get("DriverStatus") or ()},
        backing_filesystem=filesystem,
        mount_options=options,
        mkfs=(root / "formatted").read_text().strip(),
        disk_bytes=_size_bytes(device),
        direct_io=_flag(Path("/sys/block", Path(device).name, "loop/dio")),
        cgroup_version=str(info.get("CgroupVersion", "1")),
        emulated=False,
    )


def refresh(target: Target) -> Target:
    """The target with its host's facts as they are now: an engine may have been restarted since it was deployed."""
    root = state.host_dir(target.credential, target.cell.host)
    # A host that is not on this machine keeps the facts of its deployment.
    return replace(target, host=host_facts(root)) if root.exists() else target


def _ask(url: str, host: str) -> tuple[dict[str, Any], dict[str, Any]]:
    try:
        with connection.engine(url) as engine:
            return engine.info(), engine.version()
    except (docker.errors.DockerException, requests.exceptions.RequestException) as error:
        raise DeployError(
            f"the engine does not answer ({error})", where=f"host {host}", next_step="cowbench down, then up again"
        ) from error


def _mount_of(point: Path) -> tuple[str, str, str]:
    """Filesystem, options and device of a mount point, from the kernel's table."""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        device, mounted_on, filesystem, options, *_ = line.split(" ")
        if mounted_on == str(point):
            return filesystem, options, device
    raise DeployError(f"{point} is not mounted", where=f"host {point.parent.name}", next_step="cowbench down, then up again")


def _size_bytes(device: str) -> int:
    """Size of a block device; the kernel counts in sectors of 512 bytes whatever the disk's own are."""
    return int(Path("/sys/block", Path(device).name, "size").read_text()) * 512


def _flag(path: Path) -> bool:
    return path.exists() and path.read_text().strip() == "1"

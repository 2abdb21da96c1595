"""Cell → the one script that readies a host, and its reverse. Pure: text in, text out; whoever runs it is not its business.

The local cloud runs the script on this host, in a directory of its own; a VM's cloud-init runs the very same text. All that
differs between hosts stands in the variables at the top. The body is plain POSIX sh, in the file beside this one.
"""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stacks.driver import Driver
    from stacks.engine import Engine

_SCRIPTS = Path(__file__).parent / "scripts"

_MKFS: Mapping[str, str] = {
    # Inode tables and journal are written now: the kernel would otherwise do it lazily, in the middle of the measurement.
    "ext4": "mkfs.ext4 -q -F -m 0 -E lazy_itable_init=0,lazy_journal_init=0",
    # ftype=1 is what overlay needs; said aloud because old xfsprogs default to 0.
    "xfs": "mkfs.xfs -q -f -n ftype=1",
    "btrfs": "mkfs.btrfs -q -f",
}

FILESYSTEMS = tuple(_MKFS)
"""Backing filesystems that a host can be given."""

_MOUNT_OPTIONS = "noatime"
"""Access times are off on every filesystem: a read that writes would be measured as a read."""


@dataclass(frozen=True, kw_only=True)
class HostSetup:
    """What a host needs to be told.

    `root` is the one directory that everything of this host lives in. `device` is the data disk, or empty for a loop file of
    `disk_bytes` in `root`. `owner` marks every process and cgroup of this host. `install` lets the script install missing
    packages (VMs), else it only names them.
    """

    root: str
    owner: str
    device: str
    disk_bytes: int
    filesystem: str
    driver: Driver
    engine: Engine
    install: bool


def mkfs(filesystem: str) -> str:
    """The command that makes the filesystem, without the device. Raises KeyError for one that is not known here."""
    return _MKFS[filesystem]


def daemon_json(setup: HostSetup) -> dict[str, object]:
    """The engine's configuration: everything below `root`, no bridge, no firewall rules, nothing shared with another engine."""
    return {
        "hosts": [f"unix://{setup.root}/docker.sock"],
        "data-root": f"{setup.root}/m/docker",
        "exec-root": f"{setup.root}/x",
        "pidfile": f"{setup.root}/dockerd.pid",
        "storage-driver": setup.driver.name,
        "storage-opts": list(setup.driver.storage_options),
        "bridge": "none",
        "iptables": False,
        "ip6tables": False,
        "userland-proxy": False,
        # The cgroup is how every process of a container is found again after the engine was killed.
        "cgroup-parent": cgroup_parent(setup.owner),
        "exec-opts": ["native.cgroupdriver=cgroupfs"],
        # Logs lie on the measured filesystem; two small files bound what they cost it.
        "log-driver": "json-file",
        "log-opts": {"max-size": "1m", "max-file": "2"},
        "shutdown-timeout": 5,
    }


def cgroup_parent(owner: str) -> str:
    """The cgroup below which the containers of this host run."""
    return f"/cowbench.{owner}"


def render_up(setup: HostSetup) -> str:
    """The script that readies the host. Running it twice changes nothing the second time.

    It exits with 0 when the engine answers; else with a code of `scripts/host_up.sh` and a last line on stderr that says why.
    """
    variables = {
        "ROOT": setup.root,
        "OWNER": setup.owner,
        "DEVICE": setup.device,
        "DISK_BYTES": str(setup.disk_bytes),
        "FILESYSTEM": setup.filesystem,
        "MKFS": mkfs(setup.filesystem),
        "MOUNT_OPTIONS": _MOUNT_OPTIONS,
        "MODULES": " ".join((*setup.driver.kernel_modules, setup.filesystem)),
        "BINARIES": " ".join((*setup.engine.binaries, *setup.driver.binaries, mkfs(setup.filesystem).split()[0])),
        "PACKAGES": " ".join((*setup.engine.packages, *setup.driver.packages, *_FILESYSTEM_PACKAGES[setup.filesystem])),
        "INSTALL": "yes" if setup.install else "no",
        "DAEMON_JSON": json.dumps(daemon_json(setup), indent=2, sort_keys=True),
    }
    return _fill("host_up.sh", variables)


def render_down(*, root: str, owner: str) -> str:
    """The reverse: whatever of this host is still there is gone afterwards, also when it was killed or never whole."""
    return _fill("host_down.sh", {"ROOT": root, "OWNER": owner})


_FILESYSTEM_PACKAGES: Mapping[str, tuple[str, ...]] = {"ext4": ("e2fsprogs",), "xfs": ("xfsprogs",), "btrfs": ("btrfs-progs",)}


def _fill(script: str, variables: Mapping[str, str]) -> str:
    head = "".join(f"{name}={shlex.quote(value)}\n" for name, value in variables.items())
    return (_SCRIPTS / script).read_text().replace("# @variables@\n", head)

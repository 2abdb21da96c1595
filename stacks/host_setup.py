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

from stacks import filesystem
from stacks.package_names import FAMILIES, translated

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stacks.driver import Driver
    from stacks.engine import Engine

_SCRIPTS = Path(__file__).parent / "scripts"

FILESYSTEMS = tuple(filesystem.FILESYSTEMS)
"""Backing filesystems that a host can be given."""

_MOUNT_OPTIONS = "noatime"
"""Access times are off on every filesystem: a read that writes would be measured as a read."""

BLANK = "blank"
"""As a device: the disk, large enough, that nothing is on. What a cloud calls it differs by cloud, type and kernel."""

_UNUSED_PLUGINS = frozenset(
    {
        # Kubernetes' way in, by the names of 1.x and of 2.x; it would look for networks and open a port.
        "io.containerd.grpc.v1.cri",
        "io.containerd.cri.v1.images",
        "io.containerd.cri.v1.runtime",
        "io.containerd.podsandbox.controller.v1.podsandbox",
        # These reach outside of the host directory: /var/run/nri, /opt/containerd.
        "io.containerd.nri.v1.nri",
        "io.containerd.internal.v1.opt",
        # The engine restarts its containers itself.
        "io.containerd.internal.v1.restart",
        "io.containerd.monitor.container.v1.restart",
        # Each tries the disk, or loads a kernel module, whether it is used or not.
        *(f"io.containerd.snapshotter.v1.{name}" for name in ("aufs", "blockfile", "btrfs", "devmapper", "erofs", "zfs")),
    }
)
"""containerd's plugins that no engine needs. One that a version does not know is no error there (checked with 1.4 to 2.2)."""


@dataclass(frozen=True, kw_only=True)
class HostSetup:
    """What a host needs to be told.

    `root` is the one directory that everything of this host lives in. `device` is the data disk, `BLANK` for the one that nothing
    is on, or empty for a loop file of `disk_bytes` in `root`; `pool_device` is the second disk of a driver that wants a whole
    one. `owner` marks every process, cgroup and pool of this host. `install` says that the host is ours alone (a VM): missing
    packages are installed, and the distribution's own engine is kept from starting; else the script only names what is missing.
    """

    root: str
    owner: str
    device: str
    disk_bytes: int
    filesystem: str
    driver: Driver
    engine: Engine
    install: bool
    pool_device: str = ""


def d_type(backing_filesystem: str) -> bool:
    """Whether its directories tell what each entry is. Raises KeyError for a filesystem that is not known here."""
    return filesystem.FILESYSTEMS[backing_filesystem].d_type


def facts(driver: Driver, backing_filesystem: str) -> dict[str, object]:
    """What is known of a host because this module makes it so; keys as in `bench.knowledge`."""
    made = filesystem.FILESYSTEMS[backing_filesystem]
    return {
        "driver": driver.storage_driver,
        "store": driver.image_store,
        "explicit": True,
        "fresh": True,
        "opts": driver.storage_options,
        "fs": made.mount_type,
        "d_type": made.d_type,
        **({} if made.xfs_crc is None else {"xfs_crc": made.xfs_crc}),
        # Without a disk of its own devicemapper makes its pool on loop files in the data root.
        "loop": not driver.wants_whole_disk,
        "feature_containerd_snapshotter": driver.features.get("containerd-snapshotter", False),
        "default_ulimits": "set",
    }


def daemon_json(setup: HostSetup) -> dict[str, object]:
    """The engine's configuration: everything below `root`, no bridge, no firewall rules, nothing shared with another engine.

    `{pool}` in it is for the script to fill: the kernel's name of a disk is known on the host alone.
    """
    return {
        "hosts": [f"unix://{setup.root}/docker.sock"],
        "data-root": f"{setup.root}/m/docker",
        "exec-root": f"{setup.root}/x",
        # Without it an engine that finds /run/containerd/containerd.sock takes the containerd that is the system's.
        "containerd": containerd_socket(setup.root),
        "pidfile": f"{setup.root}/dockerd.pid",
        "storage-driver": setup.driver.storage_driver,
        "storage-opts": list(setup.driver.storage_options),
        # An engine from before 18.09 refuses to start over a key that it does not know.
        **({"features": dict(setup.driver.features)} if setup.driver.features else {}),
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


def containerd_toml(setup: HostSetup) -> str:
    """The configuration of the engine's containerd, for containerd 1.4 to 2.x; below `root` like all else.

    Data lies where an engine puts that of a containerd it starts itself: in its data root, on the measured filesystem. No
    listener for debugging or metrics: only what is named here is opened.
    """
    skipped = sorted(_UNUSED_PLUGINS - {f"io.containerd.snapshotter.v1.{_snapshotter(setup.driver)}"})
    lines = (
        "version = 2",
        f"root = {_toml(f'{setup.root}/m/docker/containerd/daemon')}",
        f"state = {_toml(f'{setup.root}/x/containerd/daemon')}",
        # As an engine gives it: no better protected than the engine, and than what else runs on an operator's machine.
        "oom_score = 0",
        "disabled_plugins = [",
        *(f"  {_toml(name)}," for name in skipped),
        "]",
        "[grpc]",
        f"address = {_toml(containerd_socket(setup.root))}",
    )
    return "\n".join(lines)


def containerd_socket(root: str) -> str:
    """Where the containerd of the host with this directory listens."""
    return f"{root}/x/containerd.sock"


def releases(engine: Engine) -> str:
    """One line for each distribution: which one that is shows on the host alone, since images go by many names."""
    lines = (f"{distro}|{release.suite}|{' '.join(release.packages)}" for distro, release in engine.releases.items())
    return "\n".join(lines)


def _snapshotter(driver: Driver) -> str:
    return driver.storage_driver if driver.image_store == "containerd" else ""


def _toml(text: str) -> str:
    # What JSON escapes, TOML's basic strings escape alike.
    return json.dumps(text, ensure_ascii=False)


def cgroup_parent(owner: str) -> str:
    """The cgroup below which the containers of this host run."""
    return f"/cowbench.{owner}"


def render_up(setup: HostSetup) -> str:
    """The script that readies the host. Running it twice changes nothing the second time; at each boot it starts the engine anew.

    It exits with 0 when the engine answers; else with a code of `scripts/host_up.sh` and a last line on stderr that says why.
    Raises ValueError for a driver that wants a whole disk and is given none, or a blank disk on a host that is not ours alone.
    """
    if BLANK in {setup.device, setup.pool_device} and not setup.install:
        raise ValueError("a blank disk of somebody else's machine is not ours to take")
    if setup.driver.wants_whole_disk and not setup.pool_device:
        raise ValueError(f"{setup.driver.name} wants a disk of its own")
    made = filesystem.FILESYSTEMS[setup.filesystem]
    packages = (*setup.engine.packages, *setup.driver.packages, *made.packages)
    return _fill(
        "host_up.sh",
        {
            "ROOT": setup.root,
            "OWNER": setup.owner,
            "DEVICE": setup.device,
            "DISK_BYTES": str(setup.disk_bytes),
            "POOL_DEVICE": setup.pool_device,
            "MKFS": made.mkfs,
            "MOUNT_TYPE": made.mount_type,
            "MOUNT_OPTIONS": _MOUNT_OPTIONS,
            "MODULES": " ".join(dict.fromkeys((*setup.driver.kernel_modules, made.mount_type))),
            "BINARIES": " ".join(dict.fromkeys((*setup.engine.binaries, *setup.driver.binaries, made.mkfs.split()[0]))),
            **{f"PACKAGES_{family.upper()}": " ".join(translated(packages, family)) for family in FAMILIES},
            "ENGINE_ARCHIVE": setup.engine.archive,
            "ENGINE_RELEASES": releases(setup.engine),
            "SNAPSHOTTER": _snapshotter(setup.driver),
            "INSTALL": "yes" if setup.install else "no",
            "CONTAINERD_TOML": containerd_toml(setup),
            "DAEMON_JSON": json.dumps(daemon_json(setup), indent=2, sort_keys=True),
        },
    )


def render_down(*, root: str, owner: str) -> str:
    """The reverse: whatever of this host is still there is gone afterwards, also when it was killed or never whole.

    For a host that is a VM the same script, run on the machine that it runs on, ends the VM.
    """
    return _fill("host_down.sh", {"ROOT": root, "OWNER": owner})


def render_facts(*, root: str) -> str:
    """The script that prints, as lines of `key=value`, what the host's kernel says of the data root."""
    return _fill("host_facts.sh", {"ROOT": root})


def _fill(script: str, variables: Mapping[str, str]) -> str:
    head = "".join(f"{name}={shlex.quote(value)}\n" for name, value in variables.items())
    return (_SCRIPTS / script).read_text().replace("# @variables@\n", head)

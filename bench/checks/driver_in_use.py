"""Is the planned storage driver the one in use? From Docker 20.10 an engine may take another one without an error."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.check import Check, Evidence
from bench.host_words import pool
from bench.records import Finding

if TYPE_CHECKING:
    from bench.records import Target

_WHY = {
    "fuse-overlayfs": "from 20.10 an engine that cannot run overlay2 takes fuse-overlayfs, if it is installed, and says nothing",
    "overlayfs": "from 29.0 an engine with a fresh data root takes containerd's image store and its overlayfs snapshotter",
    "vfs": "an engine falls back to vfs when no other driver works on the filesystem of its data root",
}
"""Why an engine runs this one unasked: daemon/graphdriver/driver_linux.go and daemon/image_store_choice.go of moby."""


_CONTAINERD = "containerd-"
_POOLS = {"devicemapper": "loop-lvm", "devicemapper-direct": "direct-lvm"}
"""On what each is meant to keep its thin pool. An engine makes loop files unasked where it is given no disk."""


def _look(evidence: Evidence) -> tuple[Finding, ...]:
    return tuple(_differs(target) for target in evidence.targets if not _is_in_use(target))


def _is_in_use(target: Target) -> bool:
    """A planned driver is called as the engine calls it, a variant of it after a dash, `containerd-` before a snapshotter."""
    planned, found = target.cell.driver, target.host.storage_driver
    store = "containerd" if planned.startswith(_CONTAINERD) else "graphdriver"
    driver = planned.removeprefix(_CONTAINERD)
    named = driver == found or driver.startswith(f"{found}-")
    return named and target.host.image_store == store and _POOLS.get(driver, pool(target.host)) == pool(target.host)


def _differs(target: Target) -> Finding:
    host = target.host
    planned, found = target.cell.driver, host.storage_driver
    on = pool(host) or (f"{host.image_store} image store" if planned.removeprefix(_CONTAINERD) == found else "")
    found_on = f"{found} ({on})" if on else found
    why = _WHY.get(found, "its data root may hold the state of an earlier driver, or DOCKER_DRIVER was set where it started")
    return Finding(
        check="driver_in_use",
        level="error",
        cell=target.cell.name,
        text=f"planned storage driver {planned}, in use is {found_on} (engine {host.engine_version}): {why}",
        fix="read the engine's log; then down and up with a fresh data root, or plan the driver that this host can run",
    )


CHECK = Check(name="driver_in_use", when="before", look=_look)

"""Is the planned storage driver the one in use? From Docker 20.10 an engine may take another one without an error."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.check import Check, Evidence
from bench.records import Finding

if TYPE_CHECKING:
    from bench.records import Target

_WHY = {
    "fuse-overlayfs": "from 20.10 an engine that cannot run overlay2 takes fuse-overlayfs, if it is installed, and says nothing",
    "overlayfs": "from 29.0 an engine with a fresh data root takes containerd's image store and its overlayfs snapshotter",
    "vfs": "an engine falls back to vfs when no other driver works on the filesystem of its data root",
}
"""Why an engine runs this one unasked: daemon/graphdriver/driver_linux.go and daemon/image_store_choice.go of moby."""


def _look(evidence: Evidence) -> tuple[Finding, ...]:
    return tuple(_differs(target) for target in evidence.targets if target.cell.driver != target.host.storage_driver)


def _differs(target: Target) -> Finding:
    planned, found = target.cell.driver, target.host.storage_driver
    why = _WHY.get(found, "its data root may hold the state of an earlier driver, or DOCKER_DRIVER was set where it started")
    return Finding(
        check="driver_in_use",
        level="error",
        cell=target.cell.name,
        text=f"planned storage driver {planned}, in use is {found} (engine {target.host.engine_version}): {why}",
        fix="read the engine's log; then down and up with a fresh data root, or plan the driver that this host can run",
    )


CHECK = Check(name="driver_in_use", when="before", look=_look)

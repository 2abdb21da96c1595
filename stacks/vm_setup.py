"""A request for a VM → the script that its cloud-init runs: the same on every cloud, but for where its disks are. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from stacks import drivers, engines, host_setup, quantity, state, user_data

if TYPE_CHECKING:
    from stacks.cloud import HostRequest


def script(request: HostRequest, *, device: str, pool_device: str) -> str:
    """The script; `pool_device` is used where the driver wants a disk of its own."""
    driver = drivers.load(request.driver)
    return host_setup.render_up(
        host_setup.HostSetup(
            root=user_data.ROOT,
            owner=state.owner(request.stack, request.name),
            device=device,
            disk_bytes=quantity.disk_bytes(request.disk),
            filesystem=request.backing_filesystem,
            driver=driver,
            engine=engines.load(request.engine),
            install=True,
            pool_device=pool_device if driver.wants_whole_disk else "",
        )
    )

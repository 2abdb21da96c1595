"""What each axis of a cell may be, and what it is when a matrix leaves it out.

The registries are asked, so a new cloud, engine, driver or server is known at once.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, get_args

from bench.records import AXES, Placement
from stacks import clouds, drivers, engines, machine_source, servers
from stacks import disk as disks
from stacks.cloud import HostRequest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

OF_THE_CLOUD = ("region", "instance_type", "disk", "machine_image", "engine")
"""Axes whose values are the cloud's own; a name only tells them where they differ from what is usual there."""


def default_cloud() -> str:
    """The first cloud of the registry: it needs no account."""
    return clouds.CLOUDS[0]


def choices(axis: str, clouds_used: Iterable[str]) -> tuple[str, ...] | None:
    """Every value the axis may take on one of the clouds, or None where any text may stand (a disk is read by `disk`)."""
    registries: Mapping[str, tuple[str, ...]] = {
        "cloud": clouds.CLOUDS,
        "engine": engines.ENGINES,
        "driver": drivers.DRIVERS,
        "server": servers.SERVERS,
        "backing_filesystem": filesystems(),
        "data_placement": get_args(Placement),
    }
    if axis in registries:
        return registries[axis]
    offered = [clouds.load(cloud).axes.get(axis) for cloud in clouds_used]
    return None if None in offered else _unique(value for values in offered if values for value in values)


def own_images(clouds_used: Iterable[str]) -> bool:
    """Whether one of the clouds boots machine images of the user's own."""
    return any(clouds.load(cloud).features.own_images for cloud in clouds_used)


def filesystems() -> tuple[str, ...]:
    """Every backing filesystem that some driver runs on."""
    return _unique(filesystem for driver in drivers.DRIVERS for filesystem in drivers.load(driver).backing_filesystems)


def filled(chosen: Mapping[str, str], disk_size: str) -> dict[str, str]:
    """The chosen values, and for every other axis what its cloud or driver has first. `disk_size` is empty for the cloud's own.

    Raises LookupError with the axis' name when a cloud has no default for it.
    """
    usual_here = usual(chosen.get("cloud", default_cloud()), disk_size)
    driver = chosen.get("driver", drivers.DRIVERS[0])
    values = {
        **usual_here,
        "driver": driver,
        "backing_filesystem": drivers.load(driver).backing_filesystems[0],
        "server": servers.SERVERS[0],
        "data_placement": get_args(Placement)[0],
        **chosen,
    }
    missing = next((axis for axis in AXES if axis not in values), None)
    if missing is not None:
        raise LookupError(missing)
    return {axis: values[axis] for axis in AXES}


def usual(cloud: str, disk_size: str) -> dict[str, str]:
    """The cloud and the values its own axes have when nothing else is asked for; an axis without a default is absent."""
    member = clouds.load(cloud)
    first = {axis: values[0] for axis in OF_THE_CLOUD if (values := member.axes.get(axis))}
    own_disk = f"{_kind(member.default_disk)}-{disk_size}" if disk_size else member.default_disk
    return {"cloud": cloud, **first, **member.defaults, "disk": own_disk}


def disk(text: str, cloud: str) -> str:
    """A disk such as `loop-8GiB` in its one spelling (`stacks.disk`). Raises ValueError with the reason it cannot be had.

    Speed that it leaves out is that of the cloud's usual disk of the kind, where that one says any: what is paid for is said.
    """
    member, wanted = clouds.load(cloud), disks.read(text)
    offered = [disks.read(each) for each in (member.default_disk, *(member.axes.get("disk") or ()))]
    kinds = _unique(each.kind for each in offered)
    if wanted.kind not in kinds:
        raise ValueError(f"{cloud} has no such disk; its kinds are {', '.join(kinds)}")
    if not member.features.needs_account and (wanted.iops or wanted.bytes_per_s):
        raise ValueError(f"{cloud} sells no speed; write {wanted.kind}-{disks.size_text(wanted.size_bytes)}")
    like = next(each for each in offered if each.kind == wanted.kind)
    return disks.text(replace(wanted, iops=wanted.iops or like.iops, bytes_per_s=wanted.bytes_per_s or like.bytes_per_s))


def _kind(written: str) -> str:
    return written.partition("+")[0].rpartition("-")[0]


def impossible(values: Mapping[str, str]) -> tuple[str, str]:
    """Why the cloud cannot give what its own axes ask for, and what to do, which it may leave open; both empty when it can."""
    member = clouds.load(values["cloud"])
    for axis in OF_THE_CLOUD:
        offered = member.axes.get(axis)
        own = axis == "machine_image" and member.features.own_images and machine_source.is_own(values[axis])
        if offered is not None and axis != "disk" and not own and values[axis] not in offered:
            return f"{member.name} has no {axis} {values[axis]}; it has {', '.join(offered)}", ""
    try:
        disk(values["disk"], member.name)
    except ValueError as reason:
        return f"disk {values['disk']}: {reason}", ""
    # What an account has room for hangs on what it sells alone; what a machine has room for, on what else runs there.
    what, _, cure = member.room((_alone(values),)).partition(": ") if member.account is not None else ("", "", "")
    return what, cure


def of_host(request: HostRequest) -> dict[str, str]:
    """What `impossible` asks of a host that is wanted, but for its cloud."""
    return {axis: getattr(request, axis) for axis in (*OF_THE_CLOUD, "driver", "backing_filesystem")}


def _alone(values: Mapping[str, str]) -> HostRequest:
    """The host of a cell, as if there were no other."""
    return HostRequest(
        stack="",
        name="",
        region=values["region"],
        instance_type=values["instance_type"],
        disk=values["disk"],
        machine_image=values["machine_image"],
        engine=values["engine"],
        driver=values["driver"],
        backing_filesystem=values["backing_filesystem"],
        ports={},
        container_images=(),
        open_to="operator",
    )


def unfit(values: Mapping[str, str]) -> str:
    """Why driver, backing filesystem and cloud do not go together, or empty."""
    filesystem, driver = values["backing_filesystem"], drivers.load(values["driver"])
    if filesystem not in driver.backing_filesystems:
        return f"{driver.name} does not run on {filesystem}; it runs on {', '.join(driver.backing_filesystems)}"
    if driver.wants_whole_disk and not clouds.load(values["cloud"]).features.whole_disks:
        return f"{driver.name} wants a disk of its own, and hosts of {values['cloud']} have none to give"
    if engines.load(values["engine"]).archive and clouds.load(values["cloud"]).features.on_this_machine:
        return f"only rented VMs fetch {values['engine']}; hosts of {values['cloud']} have the engine of their machine image"
    offered = clouds.load(values["cloud"]).axes.get("backing_filesystem")
    if offered is not None and filesystem not in offered:
        return f"{values['cloud']} cannot make {filesystem}; it makes {', '.join(offered)}"
    return ""


def _unique(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))

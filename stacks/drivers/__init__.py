"""The storage drivers by name. Adding one: a file in this folder and a line here."""

from importlib import import_module

from stacks.driver import Driver

DRIVERS = (
    "overlay2",
    "overlay",
    "aufs",
    "devicemapper",
    "devicemapper-direct",
    "btrfs",
    "zfs",
    "vfs",
    "fuse-overlayfs",
    "containerd-overlayfs",
)


def load(name: str) -> Driver:
    """The driver of that name. Raises ModuleNotFoundError for a name that is not in `DRIVERS`."""
    driver: Driver = import_module(f"stacks.drivers.{name.replace('-', '_')}").DRIVER
    return driver

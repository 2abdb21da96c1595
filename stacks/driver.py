"""The interface of a storage driver. Members live in `stacks.drivers`, one value each: they differ in values, not in code."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, kw_only=True)
class Driver:
    """A storage driver as a value.

    `name` is ours; `storage_driver` is what the engine's configuration calls it, and what `docker info` says when it is in use.
    `backing_filesystems` lists what it runs on, the default first. `kernel_modules` must be loaded or loadable, `binaries` on
    the host's PATH.
    `packages` are Debian package names that bring the binaries. `storage_options` may contain `{pool}`, the device of a driver
    that `wants_whole_disk`. `features` are further switches of the engine's configuration.
    """

    name: str
    storage_driver: str
    image_store: Literal["graphdriver", "containerd"] = "graphdriver"
    wants_whole_disk: bool = False
    features: Mapping[str, bool] = field(default_factory=dict)
    backing_filesystems: tuple[str, ...]
    storage_options: tuple[str, ...] = ()
    kernel_modules: tuple[str, ...] = ()
    binaries: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    copies_whole_image: bool = False
    """True when each container is a full copy of its image (vfs): such a host needs a larger disk."""
    mechanism: str = ""
    """One line for the report: how a write reaches the disk through this driver."""

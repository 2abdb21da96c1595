"""Package names on distributions that are not Debian's, and how each family's package manager installs them. Pure.

Debian and Ubuntu are what the bench is run on. The other names are from the distributions' package lists and were not tried:
Rocky, AlmaLinux and RHEL 8 and newer have no engine of their own, so there the set-up says that it could not install one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

FAMILIES = ("debian", "el", "suse")
"""By package manager: apt-get, dnf or yum, zypper."""

_ELSEWHERE: Mapping[str, Mapping[str, str]] = {
    "docker.io": {"el": "docker", "suse": "docker"},
    "apparmor": {"el": "", "suse": "apparmor-parser"},
    "btrfs-progs": {"el": "btrfs-progs", "suse": "btrfsprogs"},
    "thin-provisioning-tools": {"el": "device-mapper-persistent-data", "suse": "thin-provisioning-tools"},
    "zfsutils-linux": {"el": "zfs", "suse": "zfs"},
}
"""Only names that differ. Empty: that family does not need it."""


def translated(packages: Iterable[str], family: str) -> tuple[str, ...]:
    """The Debian package names as the family calls them, each once."""
    names = (_ELSEWHERE.get(package, {}).get(family, package) for package in packages)
    return tuple(dict.fromkeys(name for name in names if name))

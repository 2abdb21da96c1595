"""The backing filesystems that a host can be given: how each is made, mounted and known again. Values, one table."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Filesystem:
    """A backing filesystem as a value.

    `mkfs` makes it on the device that is appended (for zfs after the mount point and the pool's name). `mount_type` is what the
    kernel's mount table calls it. `packages` are Debian package names that bring the tools. `d_type`: its directories tell
    what each entry is, which overlay needs.
    """

    name: str
    mkfs: str
    mount_type: str
    packages: tuple[str, ...]
    d_type: bool = True
    xfs_crc: int | None = None
    """XFS only: 1 for format V5, 0 for V4."""


_ALL = (
    Filesystem(
        name="ext4",
        # Inode tables and journal are written now: the kernel would otherwise do it lazily, in the middle of the measurement.
        mkfs="mkfs.ext4 -q -F -m 0 -E lazy_itable_init=0,lazy_journal_init=0",
        mount_type="ext4",
        packages=("e2fsprogs",),
    ),
    Filesystem(
        name="xfs",
        # ftype=1 is what overlay needs; said aloud because old xfsprogs default to 0.
        mkfs="mkfs.xfs -q -f -n ftype=1",
        mount_type="xfs",
        packages=("xfsprogs",),
        xfs_crc=1,
    ),
    Filesystem(name="btrfs", mkfs="mkfs.btrfs -q -f", mount_type="btrfs", packages=("btrfs-progs",)),
    Filesystem(
        name="zfs",
        # Said aloud because OpenZFS releases differ in these defaults. No cache file: our script imports the pool, and the
        # host's own services leave it alone.
        mkfs="zpool create -f -o ashift=12 -o cachefile=none -O atime=off -O compression=off -O xattr=sa",
        mount_type="zfs",
        packages=("zfsutils-linux",),
    ),
    Filesystem(
        name="xfs-ftype0",
        # As EL 7.3 and older made it: only format V4 can be without file types. Kernels from 6.18 on do not mount it.
        mkfs="mkfs.xfs -q -f -m crc=0 -n ftype=0",
        mount_type="xfs",
        packages=("xfsprogs",),
        d_type=False,
        xfs_crc=0,
    ),
)

FILESYSTEMS = {filesystem.name: filesystem for filesystem in _ALL}
"""Every backing filesystem by name, the usual ones first."""


def called(mount_type: str, *, d_type: bool) -> str:
    """The name of what the mount table calls `mount_type`; the mount table's own word for one that is not known here."""
    same = (each.name for each in _ALL if each.mount_type == mount_type and each.d_type is d_type)
    return next(same, mount_type)

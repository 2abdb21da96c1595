"""zfs: layers are datasets and clones of a ZFS pool."""

from stacks.driver import Driver

DRIVER = Driver(
    name="zfs",
    storage_driver="zfs",
    backing_filesystems=("zfs",),
    kernel_modules=("zfs",),
    binaries=("zpool", "zfs"),
    packages=("zfsutils-linux",),
    mechanism="the container is a clone; a write goes to new records, checksummed and perhaps compressed",
)

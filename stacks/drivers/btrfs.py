"""btrfs: layers are subvolumes and snapshots of a btrfs data root."""

from stacks.driver import Driver

DRIVER = Driver(
    name="btrfs",
    storage_driver="btrfs",
    backing_filesystems=("btrfs",),
    kernel_modules=("btrfs",),
    binaries=("mkfs.btrfs",),
    packages=("btrfs-progs",),
    mechanism="the container is a snapshot; a write allocates new extents, no file is copied up",
)

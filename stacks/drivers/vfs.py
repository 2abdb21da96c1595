"""vfs: no copy-on-write at all; each container is a full copy of its image."""

from stacks.driver import Driver

DRIVER = Driver(
    name="vfs",
    storage_driver="vfs",
    backing_filesystems=("ext4", "xfs", "btrfs", "xfs-ftype0"),
    copies_whole_image=True,
    mechanism="the image was copied when the container was made; a write is a plain write to the backing filesystem",
)

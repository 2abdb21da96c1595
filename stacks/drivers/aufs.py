"""aufs: the first driver of all; never in the mainline kernel, removed in Docker 24.0."""

from stacks.driver import Driver

DRIVER = Driver(
    name="aufs",
    storage_driver="aufs",
    backing_filesystems=("ext4", "xfs", "xfs-ftype0"),
    kernel_modules=("aufs",),
    mechanism="a union of directories, looked up from the top layer down; a write copies the whole file up",
)

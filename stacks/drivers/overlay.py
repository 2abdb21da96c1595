"""overlay: the first kernel overlay driver, one lower layer; removed in Docker 24.0."""

from stacks.driver import Driver

DRIVER = Driver(
    name="overlay",
    storage_driver="overlay",
    backing_filesystems=("ext4", "xfs", "xfs-ftype0"),
    kernel_modules=("overlay",),
    mechanism="as overlay2 with a single lower directory; each layer hard-links the one below it, which eats inodes",
)

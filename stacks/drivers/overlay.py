"""overlay: the first kernel overlay driver, one lower layer; removed in Docker 24.0."""

from stacks.driver import Driver

DRIVER = Driver(
    name="overlay",
    reads_back_as="overlay",
    backing_filesystems=("ext4", "xfs"),
    kernel_modules=("overlay",),
    mechanism="as overlay2 with a single lower directory; each layer hard-links the one below it, which eats inodes",
)

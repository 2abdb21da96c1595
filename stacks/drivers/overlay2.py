"""overlay2: the default of graph drivers since Docker 17.09; several lower layers in one kernel overlay mount."""

from stacks.driver import Driver

DRIVER = Driver(
    name="overlay2",
    storage_driver="overlay2",
    backing_filesystems=("ext4", "xfs", "btrfs", "xfs-ftype0"),
    kernel_modules=("overlay",),
    mechanism="new files go straight to the upper directory; the first write to an image's file copies the whole file up",
)

"""containerd's image store with its overlayfs snapshotter: what Docker 29 takes by itself, to be asked for before."""

from stacks.driver import Driver

DRIVER = Driver(
    name="containerd-overlayfs",
    storage_driver="overlayfs",
    image_store="containerd",
    features={"containerd-snapshotter": True},
    backing_filesystems=("ext4", "xfs", "xfs-ftype0"),
    kernel_modules=("overlay",),
    mechanism="as overlay2, but images and layers are containerd's, which keeps them compressed as well",
)

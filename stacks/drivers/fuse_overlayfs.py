"""fuse-overlayfs: overlay in user space, for rootless engines and old kernels."""

from stacks.driver import Driver

DRIVER = Driver(
    name="fuse-overlayfs",
    storage_driver="fuse-overlayfs",
    backing_filesystems=("ext4", "xfs", "btrfs", "xfs-ftype0"),
    kernel_modules=("fuse",),
    binaries=("fuse-overlayfs",),
    packages=("fuse-overlayfs",),
    mechanism="every call crosses FUSE to one user-space process per container, which copies a file up at its first write",
)

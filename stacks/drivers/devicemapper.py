"""devicemapper: thin-provisioned block devices; removed in Docker 25.0."""

from stacks.driver import Driver

DRIVER = Driver(
    name="devicemapper",
    storage_driver="devicemapper",
    # Without a thin pool of its own the driver makes one on loop files in the data root (loop-lvm).
    backing_filesystems=("ext4", "xfs", "xfs-ftype0"),
    # A full pool makes XFS retry for ever, and then the container cannot even be killed.
    storage_options=("dm.xfs_nospace_max_retries=0",),
    kernel_modules=("dm_thin_pool",),
    binaries=("thin_check", "lvm"),
    packages=("lvm2", "thin-provisioning-tools"),
    mechanism="each container is a thin snapshot of a block device; a write copies 64 KiB blocks, not files",
)

"""devicemapper with a thin pool on a disk of its own (direct-lvm), which the engine makes by itself; removed in Docker 25.0."""

from stacks.driver import Driver

DRIVER = Driver(
    name="devicemapper-direct",
    storage_driver="devicemapper",
    wants_whole_disk=True,
    # The data root holds the engine's records only; the layers are in the pool.
    backing_filesystems=("ext4", "xfs", "xfs-ftype0"),
    storage_options=(
        "dm.directlvm_device={pool}",
        "dm.thinp_percent=95",
        "dm.thinp_metapercent=1",
        # The disk is ours and empty, but a set-up that was killed may have begun on it.
        "dm.directlvm_device_force=true",
        # A full pool makes XFS retry for ever, and then the container cannot even be killed.
        "dm.xfs_nospace_max_retries=0",
    ),
    kernel_modules=("dm_thin_pool",),
    binaries=("thin_check", "lvm"),
    packages=("lvm2", "thin-provisioning-tools"),
    mechanism="as devicemapper, with the pool on a block device of its own rather than on files in the data root",
)

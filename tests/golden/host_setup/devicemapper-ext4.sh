ROOT=/var/lib/cowbench/h/demo/host
OWNER=0a1b2c3d.demo.host
DEVICE=''
DISK_BYTES=8589934592
POOL_DEVICE=''
MKFS='mkfs.ext4 -q -F -m 0 -E lazy_itable_init=0,lazy_journal_init=0'
MOUNT_TYPE=ext4
MOUNT_OPTIONS=noatime
MODULES='dm_thin_pool ext4'
BINARIES='dockerd containerd runc thin_check lvm mkfs.ext4'
PACKAGES_DEBIAN='docker.io apparmor lvm2 thin-provisioning-tools e2fsprogs'
PACKAGES_EL='docker lvm2 device-mapper-persistent-data e2fsprogs'
PACKAGES_SUSE='docker apparmor-parser lvm2 thin-provisioning-tools e2fsprogs'
ENGINE_ARCHIVE=''
ENGINE_RELEASES=''
SNAPSHOTTER=''
INSTALL=no
CONTAINERD_TOML='version = 2
root = "/var/lib/cowbench/h/demo/host/m/docker/containerd/daemon"
state = "/var/lib/cowbench/h/demo/host/x/containerd/daemon"
oom_score = 0
disabled_plugins = [
  "io.containerd.cri.v1.images",
  "io.containerd.cri.v1.runtime",
  "io.containerd.grpc.v1.cri",
  "io.containerd.internal.v1.opt",
  "io.containerd.internal.v1.restart",
  "io.containerd.monitor.container.v1.restart",
  "io.containerd.nri.v1.nri",
  "io.containerd.podsandbox.controller.v1.podsandbox",
  "io.containerd.snapshotter.v1.aufs",
  "io.containerd.snapshotter.v1.blockfile",
  "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper",
  "io.containerd.snapshotter.v1.erofs",
  "io.containerd.snapshotter.v1.zfs",
]
[grpc]
address = "/var/lib/cowbench/h/demo/host/x/containerd.sock"'
DAEMON_JSON='{
  "bridge": "none",
  "cgroup-parent": "/cowbench.0a1b2c3d.demo.host",
  "containerd": "/var/lib/cowbench/h/demo/host/x/containerd.sock",
  "data-root": "/var/lib/cowbench/h/demo/host/m/docker",
  "exec-opts": [
    "native.cgroupdriver=cgroupfs"
  ],
  "exec-root": "/var/lib/cowbench/h/demo/host/x",
  "hosts": [
    "unix:///var/lib/cowbench/h/demo/host/docker.sock"
  ],
  "ip6tables": false,
  "iptables": false,
  "log-driver": "json-file",
  "log-opts": {
    "max-file": "2",
    "max-size": "1m"
  },
  "pidfile": "/var/lib/cowbench/h/demo/host/dockerd.pid",
  "shutdown-timeout": 5,
  "storage-driver": "devicemapper",
  "storage-opts": [
    "dm.xfs_nospace_max_retries=0"
  ],
  "userland-proxy": false
}'

ROOT=/var/lib/cowbench/h/demo/host
OWNER=0a1b2c3d.demo.host
DEVICE=''
DISK_BYTES=8589934592
POOL_DEVICE=''
MKFS='zpool create -f -o ashift=12 -o cachefile=none -O atime=off -O compression=off -O xattr=sa'
MOUNT_TYPE=zfs
MOUNT_OPTIONS=noatime
MODULES=zfs
BINARIES='dockerd containerd runc zpool zfs'
PACKAGES_DEBIAN='docker.io apparmor zfsutils-linux'
PACKAGES_EL='docker zfs'
PACKAGES_SUSE='docker apparmor-parser zfs'
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
  "storage-driver": "zfs",
  "storage-opts": [],
  "userland-proxy": false
}'

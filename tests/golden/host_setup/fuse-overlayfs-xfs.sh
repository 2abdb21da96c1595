ROOT=/var/lib/cowbench/h/demo/host
OWNER=0a1b2c3d.demo.host
DEVICE=''
DISK_BYTES=8589934592
POOL_DEVICE=''
MKFS='mkfs.xfs -q -f -n ftype=1'
MOUNT_TYPE=xfs
MOUNT_OPTIONS=noatime
MODULES='fuse xfs'
BINARIES='dockerd containerd runc fuse-overlayfs mkfs.xfs'
PACKAGES_DEBIAN='docker.io apparmor fuse-overlayfs xfsprogs'
PACKAGES_EL='docker fuse-overlayfs xfsprogs'
PACKAGES_SUSE='docker apparmor-parser fuse-overlayfs xfsprogs'
SNAPSHOTTER=''
INSTALL=no
DAEMON_JSON='{
  "bridge": "none",
  "cgroup-parent": "/cowbench.0a1b2c3d.demo.host",
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
  "storage-driver": "fuse-overlayfs",
  "storage-opts": [],
  "userland-proxy": false
}'

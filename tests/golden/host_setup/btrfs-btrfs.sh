ROOT=/var/lib/cowbench/h/demo/host
OWNER=0a1b2c3d.demo.host
DEVICE=''
DISK_BYTES=8589934592
POOL_DEVICE=''
MKFS='mkfs.btrfs -q -f'
MOUNT_TYPE=btrfs
MOUNT_OPTIONS=noatime
MODULES=btrfs
BINARIES='dockerd containerd runc mkfs.btrfs'
PACKAGES_DEBIAN='docker.io apparmor btrfs-progs'
PACKAGES_EL='docker btrfs-progs'
PACKAGES_SUSE='docker apparmor-parser btrfsprogs'
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
  "storage-driver": "btrfs",
  "storage-opts": [],
  "userland-proxy": false
}'

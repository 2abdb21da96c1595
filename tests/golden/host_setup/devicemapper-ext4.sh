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
  "storage-driver": "devicemapper",
  "storage-opts": [
    "dm.xfs_nospace_max_retries=0"
  ],
  "userland-proxy": false
}'

ROOT=/var/lib/cowbench/h/demo/host
OWNER=0a1b2c3d.demo.host
DEVICE=blank
DISK_BYTES=8589934592
POOL_DEVICE=''
MKFS='mkfs.ext4 -q -F -m 0 -E lazy_itable_init=0,lazy_journal_init=0'
MOUNT_TYPE=ext4
MOUNT_OPTIONS=noatime
MODULES='overlay ext4'
BINARIES='dockerd containerd runc mkfs.ext4'
PACKAGES_DEBIAN='apparmor e2fsprogs'
PACKAGES_EL=e2fsprogs
PACKAGES_SUSE='apparmor-parser e2fsprogs'
ENGINE_ARCHIVE=https://download.docker.com/linux
ENGINE_RELEASES='debian:11|debian bullseye|docker-ce=5:28.5.2-1~debian.11~bullseye docker-ce-cli=5:28.5.2-1~debian.11~bullseye containerd.io=1.7.29-1~debian.11~bullseye
debian:12|debian bookworm|docker-ce=5:28.5.2-1~debian.12~bookworm docker-ce-cli=5:28.5.2-1~debian.12~bookworm containerd.io=1.7.29-1~debian.12~bookworm
debian:13|debian trixie|docker-ce=5:28.5.2-1~debian.13~trixie docker-ce-cli=5:28.5.2-1~debian.13~trixie containerd.io=1.7.29-1~debian.13~trixie
ubuntu:18.04|ubuntu bionic|docker-ce=5:24.0.2-1~ubuntu.18.04~bionic docker-ce-cli=5:24.0.2-1~ubuntu.18.04~bionic containerd.io=1.6.21-1
ubuntu:20.04|ubuntu focal|docker-ce=5:28.1.1-1~ubuntu.20.04~focal docker-ce-cli=5:28.1.1-1~ubuntu.20.04~focal containerd.io=1.7.27-1
ubuntu:22.04|ubuntu jammy|docker-ce=5:28.5.2-1~ubuntu.22.04~jammy docker-ce-cli=5:28.5.2-1~ubuntu.22.04~jammy containerd.io=1.7.29-1~ubuntu.22.04~jammy
ubuntu:24.04|ubuntu noble|docker-ce=5:28.5.2-1~ubuntu.24.04~noble docker-ce-cli=5:28.5.2-1~ubuntu.24.04~noble containerd.io=1.7.29-1~ubuntu.24.04~noble
ubuntu:26.04|ubuntu resolute|docker-ce=5:29.7.2-1~ubuntu.26.04~resolute docker-ce-cli=5:29.7.2-1~ubuntu.26.04~resolute containerd.io=2.3.3-1~ubuntu.26.04~resolute
rhel:7|centos/7|docker-ce-26.1.4-1.el7 docker-ce-cli-26.1.4-1.el7 containerd.io-1.6.33-3.1.el7
centos:7|centos/7|docker-ce-26.1.4-1.el7 docker-ce-cli-26.1.4-1.el7 containerd.io-1.6.33-3.1.el7
rhel:8|rhel/8|docker-ce-28.5.2-1.el8 docker-ce-cli-28.5.2-1.el8 containerd.io-1.7.29-1.el8
rhel:9|rhel/9|docker-ce-28.5.2-1.el9 docker-ce-cli-28.5.2-1.el9 containerd.io-1.7.29-1.el9
rhel:10|rhel/10|docker-ce-28.5.2-1.el10 docker-ce-cli-28.5.2-1.el10 containerd.io-1.7.29-1.el10
rocky:8|rhel/8|docker-ce-28.5.2-1.el8 docker-ce-cli-28.5.2-1.el8 containerd.io-1.7.29-1.el8
rocky:9|rhel/9|docker-ce-28.5.2-1.el9 docker-ce-cli-28.5.2-1.el9 containerd.io-1.7.29-1.el9
rocky:10|rhel/10|docker-ce-28.5.2-1.el10 docker-ce-cli-28.5.2-1.el10 containerd.io-1.7.29-1.el10
almalinux:8|rhel/8|docker-ce-28.5.2-1.el8 docker-ce-cli-28.5.2-1.el8 containerd.io-1.7.29-1.el8
almalinux:9|rhel/9|docker-ce-28.5.2-1.el9 docker-ce-cli-28.5.2-1.el9 containerd.io-1.7.29-1.el9
almalinux:10|rhel/10|docker-ce-28.5.2-1.el10 docker-ce-cli-28.5.2-1.el10 containerd.io-1.7.29-1.el10
centos:9|rhel/9|docker-ce-28.5.2-1.el9 docker-ce-cli-28.5.2-1.el9 containerd.io-1.7.29-1.el9
centos:10|rhel/10|docker-ce-28.5.2-1.el10 docker-ce-cli-28.5.2-1.el10 containerd.io-1.7.29-1.el10'
SNAPSHOTTER=''
INSTALL=yes
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
  "storage-driver": "overlay2",
  "storage-opts": [],
  "userland-proxy": false
}'

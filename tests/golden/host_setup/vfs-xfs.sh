#!/bin/sh
# shellcheck disable=SC3045 # ulimit -H is in every sh of a Linux distribution: dash, bash, busybox
# Readies one host of the bench: data disk, filesystem, mount, engine. Safe to run again.
# Exit codes: 0 the engine answers · 10 something is missing · 11 the disk · 12 the filesystem · 13 the mount · 14 the engine
# The last line on stderr says why; for an engine, the end of its log stands before it.
set -eu
ROOT=/var/lib/cowbench/h/demo/host
OWNER=0a1b2c3d.demo.host
DEVICE=''
DISK_BYTES=8589934592
FILESYSTEM=xfs
MKFS='mkfs.xfs -q -f -n ftype=1'
MOUNT_OPTIONS=noatime
MODULES=xfs
BINARIES='dockerd containerd runc mkfs.xfs'
PACKAGES='docker.io xfsprogs'
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
  "storage-driver": "vfs",
  "storage-opts": [],
  "userland-proxy": false
}'
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export PATH COWBENCH_OWNER="$OWNER"

fail() {
    code=$1
    shift
    printf 'cowbench: %s\n' "$*" >&2
    exit "$code"
}

engine_failed() {
    # At level info an engine tells its life; why it ended is in the rest.
    grep -v 'level=info' "$ROOT/dockerd.log" | tail -n 12 >&2
    fail 14 "$1"
}

open_files() {
    # containerd 2 lowered the default to 1024: a server under load then fails with EMFILE, and it looks like the driver's fault.
    # More than our own hard limit cannot be given where the capability to raise it is missing.
    hard=$(ulimit -Hn)
    if [ "$hard" = unlimited ] || [ "$hard" -gt 1048576 ]; then hard=1048576; fi
    echo "$hard"
}

missing_binaries() {
    for binary in $BINARIES; do
        command -v "$binary" >/dev/null 2>&1 || printf '%s ' "$binary"
    done
}

install_packages() {
    export DEBIAN_FRONTEND=noninteractive
    # shellcheck disable=SC2086 # one word per package
    apt-get update -qq && apt-get install -y -qq --no-install-recommends $PACKAGES
}

has_module() {
    # A filesystem that is built in has no module to load, but it is listed.
    modprobe -q "$1" 2>/dev/null || grep -qw "$1" /proc/filesystems || [ -d "/sys/module/$1" ]
}

loop_device() {
    # Direct I/O keeps the pages of the disk image out of the page cache: they would be cached twice.
    losetup --find --show --direct-io=on "$1" 2>/dev/null || losetup --find --show "$1"
}

# One run at a time: the reverse script waits for this lock, so it never tears down a host that is still growing.
mkdir -p "$ROOT"
exec 9>"$ROOT/lock"
flock -w 120 9 || fail 10 "another set-up of $ROOT is under way; wait for it, or run: cowbench sweep"

if [ -n "$(missing_binaries)" ] && [ "$INSTALL" = yes ]; then
    install_packages >"$ROOT/packages.log" 2>&1 || fail 10 "could not install $PACKAGES; see $ROOT/packages.log"
fi
[ -z "$(missing_binaries)" ] || fail 10 "not on PATH: $(missing_binaries); install: $PACKAGES"
for module in $MODULES; do
    has_module "$module" || fail 10 "kernel $(uname -r) has no $module, neither built in nor as a module; use another kernel or another cell"
done

if [ -z "$DEVICE" ]; then
    [ -e "$ROOT/disk.img" ] || truncate -s "$DISK_BYTES" "$ROOT/disk.img" || fail 11 "no room for the disk image in $ROOT; free some space"
    DEVICE=$(losetup --noheadings --output NAME --associated "$ROOT/disk.img" | head -n 1)
    [ -n "$DEVICE" ] || DEVICE=$(loop_device "$ROOT/disk.img") || fail 11 "no loop device for $ROOT/disk.img; see: losetup -a"
fi
[ -b "$DEVICE" ] || fail 11 "$DEVICE is not a block device; see: lsblk"

if [ ! -e "$ROOT/formatted" ]; then
    $MKFS "$DEVICE" >"$ROOT/mkfs.log" 2>&1 || fail 12 "$MKFS $DEVICE failed: $(tail -n 1 "$ROOT/mkfs.log")"
    printf '%s\n' "$MKFS" >"$ROOT/formatted"
fi

mkdir -p "$ROOT/m"
if ! mountpoint -q "$ROOT/m"; then
    mount -t "$FILESYSTEM" -o "$MOUNT_OPTIONS" "$DEVICE" "$ROOT/m" 2>"$ROOT/mount.log" ||
        fail 13 "mount -t $FILESYSTEM -o $MOUNT_OPTIONS $DEVICE failed: $(tail -n 1 "$ROOT/mount.log"); see: dmesg | tail"
fi

printf '%s\n' "$DAEMON_JSON" >"$ROOT/daemon.json"
engine=$(cat "$ROOT/dockerd.pid" 2>/dev/null) || engine=
if ! { [ -S "$ROOT/docker.sock" ] && kill -0 "$engine" 2>/dev/null; }; then
    # A killed engine leaves these behind, and the next one would wait for a process that is gone.
    rm -f "$ROOT/docker.sock" "$ROOT/dockerd.pid"
    : >"$ROOT/dockerd.log"
    # DOCKER_DRIVER in the environment would silently beat the configuration file.
    unset DOCKER_DRIVER
    # An engine that finds its containerd stuck has it write its stacks into the temporary directory: that goes with the host.
    mkdir -p "$ROOT/tmp"
    TMPDIR="$ROOT/tmp" setsid dockerd --config-file "$ROOT/daemon.json" --default-ulimit "nofile=$(open_files):$(open_files)" >"$ROOT/dockerd.log" 2>&1 </dev/null 9>&- &
    engine=$!
fi

# Also of an engine that was already there: a set-up that was killed may have just started it.
tries=0
# The socket is there before anyone listens, and before the storage driver was tried: only this line means ready.
until grep -q 'API listen on' "$ROOT/dockerd.log"; do
    kill -0 "$engine" 2>/dev/null || engine_failed "the engine ended while it started"
    tries=$((tries + 1))
    [ "$tries" -lt 600 ] || engine_failed "the engine did not get ready within 60 s"
    sleep 0.1
done

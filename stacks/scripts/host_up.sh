#!/bin/sh
# shellcheck disable=SC3045 # ulimit -H is in every sh of a Linux distribution: dash, bash, busybox
# Readies one host of the bench: data disk, filesystem, mount, engine. Safe to run again, also after a reboot or a power loss.
# Exit codes: 0 the engine answers · 10 something is missing · 11 the disk · 12 the filesystem · 13 the mount · 14 the engine
# The last line on stderr says why; for an engine or its containerd, the end of its log stands before it.
set -eu
# @variables@
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
export PATH COWBENCH_OWNER="$OWNER"
# LVM's programs complain of the lock that they inherit.
export LVM_SUPPRESS_FD_WARNINGS=1
POOL=cowbench.$OWNER

fail() {
    code=$1
    shift
    printf 'cowbench: %s\n' "$*" >&2
    exit "$code"
}

engine_failed() {
    # At level info they tell their lives, and containerd tries snapshotters that nobody asked for; why it ended is in the rest.
    noise='level=info|grpc: addrConn|bridge-nf-call|git source cannot'
    [ -n "$SNAPSHOTTER" ] || noise="$noise|failed to load plugin|could not use snapshotter"
    grep -vE "$noise" "$ROOT/$1.log" | tail -n 12 >&2
    fail 14 "$2"
}

open_files() {
    # containerd 2 lowered the default to 1024: a server under load then fails with EMFILE, and it looks like the driver's fault.
    # A login's hard limit differs between distributions, so it is raised first; without that capability it is all there is to give.
    ulimit -Hn 1048576 2>/dev/null || true
    hard=$(ulimit -Hn)
    if [ "$hard" = unlimited ] || [ "$hard" -gt 1048576 ]; then hard=1048576; fi
    echo "$hard"
}

missing_binaries() {
    for binary in $BINARIES; do
        command -v "$binary" >/dev/null 2>&1 || printf '%s ' "$binary"
    done
}

keep_other_engines_down() {
    # A package starts its engine as soon as it is unpacked: it would take memory and time from what is measured.
    [ -d /run/systemd/system ] || return 0
    for unit in docker.socket docker.service containerd.service; do
        [ "$(readlink -f "/etc/systemd/system/$unit")" = /dev/null ] && continue
        systemctl mask --quiet "$unit" 2>/dev/null || true
        systemctl stop --quiet "$unit" 2>/dev/null || true
    done
}

patiently() {
    # A fresh VM may be upgrading itself: somebody else's lock is waited for. Any other failure does not mend itself.
    waited_s=0
    until timeout 900 "$@" >"$ROOT/packages.log" 2>&1; do
        grep -qi 'could not get lock\|unable to lock' "$ROOT/packages.log" && [ "$waited_s" -lt 300 ] || return 1
        waited_s=$((waited_s + 5))
        sleep 5
    done
}

engine_release() {
    # Where in the archive of the engine's makers the packages for this distribution lie, and after a bar the pinned packages.
    this=$(
        # shellcheck source=/dev/null # of the host
        . /etc/os-release
        [ "$ID" = ubuntu ] || VERSION_ID=${VERSION_ID%%.*}
        echo "$ID:$VERSION_ID"
    )
    printf '%s\n' "$ENGINE_RELEASES" | sed -n "s,^$this|,,p" | grep . || {
        echo "$ENGINE_ARCHIVE: no release is pinned for $this" >"$ROOT/packages.log"
        return 1
    }
}

add_archive() {
    # $1: of apt the distribution and its suite, of dnf and yum the path. Signatures are checked; the key comes by HTTPS.
    if command -v apt-get >/dev/null; then
        patiently apt-get update -q && patiently apt-get -o DPkg::Lock::Timeout=300 install -q -y --no-install-recommends ca-certificates curl &&
            mkdir -p /etc/apt/keyrings &&
            patiently curl -fsS --retry 5 -o /etc/apt/keyrings/cowbench-engine.asc "$ENGINE_ARCHIVE/${1%% *}/gpg" &&
            echo "deb [signed-by=/etc/apt/keyrings/cowbench-engine.asc] $ENGINE_ARCHIVE/$1 stable" >/etc/apt/sources.list.d/cowbench-engine.list
    else
        # shellcheck disable=SC2016 # dnf's own word
        printf '[cowbench-engine]\nname=engine\nbaseurl=%s/%s/$basearch/stable\ngpgcheck=1\ngpgkey=%s/%s/gpg\n' \
            "$ENGINE_ARCHIVE" "$1" "$ENGINE_ARCHIVE" "${1%%/*}" >/etc/yum.repos.d/cowbench-engine.repo
    fi
}

install_packages() {
    export DEBIAN_FRONTEND=noninteractive ZYPP_LOCK_TIMEOUT=300
    pinned=
    if [ -n "$ENGINE_ARCHIVE" ]; then
        release=$(engine_release) && add_archive "${release%%|*}" || return 1
        pinned=${release#*|}
    fi
    # shellcheck disable=SC2086 # one word per package
    if command -v apt-get >/dev/null; then
        patiently apt-get update -q && patiently apt-get -o DPkg::Lock::Timeout=300 install -q -y --no-install-recommends $PACKAGES_DEBIAN $pinned
    elif command -v dnf >/dev/null; then
        patiently dnf -q -y install $PACKAGES_EL $pinned
    elif command -v yum >/dev/null; then
        # Amazon Linux 2 keeps its engine apart.
        ! command -v amazon-linux-extras >/dev/null || patiently amazon-linux-extras enable docker
        patiently yum -q -y install $PACKAGES_EL $pinned
    elif command -v zypper >/dev/null; then
        patiently zypper --quiet --non-interactive install --no-recommends $PACKAGES_SUSE
    else
        echo 'no package manager that is known here: apt-get, dnf, yum, zypper' >"$ROOT/packages.log"
        return 1
    fi
}

has_module() {
    # A filesystem that is built in has no module to load, but it is listed.
    modprobe -q "$1" 2>/dev/null || grep -qw "$1" /proc/filesystems || [ -d "/sys/module/$1" ]
}

loop_device() {
    # Direct I/O keeps the pages of the disk image out of the page cache: they would be cached twice.
    losetup --find --show --direct-io=on "$1" 2>/dev/null || losetup --find --show "$1"
}

is_there() {
    # A cloud may attach a disk after the VM has booted.
    tries=0
    until [ -b "$1" ]; do
        tries=$((tries + 1))
        [ "$tries" -lt 600 ] || return 1
        sleep 0.1
    done
}

blank_disks() {
    # Whole disks that are large enough and have nothing on them, the smallest first. Partitions, holders, a signature: not ours.
    for disk in /sys/block/*; do
        name=${disk##*/}
        case $name in loop* | ram* | zram* | sr* | fd* | dm-* | md* | nbd*) continue ;; esac
        # Nine tenths: clouds round, and the kernel counts in units of 512 bytes.
        if [ "$(cat "$disk/ro")" != 0 ] || [ "$(cat "$disk/size")" -lt $((DISK_BYTES * 9 / 5120)) ]; then continue; fi
        set -- "$disk/$name"*/partition "$disk"/holders/*
        if [ -e "$1" ] || [ -e "$2" ]; then continue; fi
        # 2 is its word for nothing found; 0 for something, 8 for more than one thing.
        found=0
        blkid -p "/dev/$name" >/dev/null 2>&1 || found=$?
        [ "$found" = 2 ] && printf '%s %s\n' "$(cat "$disk/size")" "/dev/$name"
    done | sort -n | cut -d' ' -f2
}

name_that_lasts() {
    # Kernels number disks as they find them: after the next boot it may be another one that has this name.
    for link in /dev/disk/by-id/* /dev/disk/by-path/*; do
        if [ "$(readlink -f "$link")" = "$1" ]; then
            echo "$link"
            return
        fi
    done
    echo "$1"
}

find_blank_disk() {
    # What a cloud calls its disks differs by cloud, kind of VM and kernel. The choice is noted: filled, a disk is blank no more.
    # $1 is the note, $2 a disk that is taken already.
    [ "$INSTALL" = yes ] || fail 11 "a blank disk is looked for only on a VM that is ours alone"
    if [ -s "$1" ]; then
        cat "$1"
        return
    fi
    tries=0
    until disk=$(blank_disks | grep -vxF "${2:-none}" | head -n 1) && [ -n "$disk" ]; do
        tries=$((tries + 1))
        [ "$tries" -lt 300 ] || fail 11 "no blank disk of $DISK_BYTES bytes came within 5 minutes; see: lsblk"
        sleep 1
    done
    name_that_lasts "$disk" >"$1.new"
    sync "$1.new"
    mv "$1.new" "$1"
    cat "$1"
}

make_filesystem() {
    if [ "$MOUNT_TYPE" = zfs ]; then
        # A set-up that was killed may have left its pool imported.
        zpool destroy -f "$POOL" 2>/dev/null || true
        $MKFS -m "$ROOT/m" "$POOL" "$DEVICE"
    else
        $MKFS "$DEVICE"
    fi
}

mount_filesystem() {
    if [ "$MOUNT_TYPE" != zfs ]; then
        mount -t "$MOUNT_TYPE" -o "$MOUNT_OPTIONS" "$DEVICE" "$ROOT/m"
    elif zpool list "$POOL" >/dev/null 2>&1; then
        zfs mount "$POOL"
    else
        # The pool is on a partition that zpool made. Only our own device is searched: a pool of the same name may be elsewhere.
        set --
        for place in "$DEVICE" "$DEVICE-part1" "${DEVICE}p1" "${DEVICE}1"; do
            [ ! -e "$place" ] || set -- "$@" -d "$place"
        done
        # After a power loss the pool still looks as if another boot had it in use.
        zpool import -f -o cachefile=none "$@" "$POOL"
    fi
}

is_ours() {
    # A pid file may hold another process's number by now: after a kill, and above all after a reboot.
    [ "$(cat "/proc/$1/comm" 2>/dev/null)" = "$2" ] && grep -qsaF -- "$ROOT/" "/proc/$1/cmdline"
}

ready_pool_device() {
    # Where the reverse script finds it.
    printf '%s\n' "$POOL_DEVICE" >"$ROOT/pool"
    [ "$(pvs --noheadings --options vg_name "$POOL_DEVICE" 2>/dev/null | tr -d ' ')" = docker ] || return 0
    if [ -e "$ROOT/m/docker/devicemapper/setup-config.json" ]; then
        vgchange --quiet --activate y docker
    else
        # The engine was killed while it made its pool, and it refuses a disk that is in a volume group.
        vgremove --quiet --quiet --force --force --yes docker && pvremove --quiet --quiet --force --force --yes "$POOL_DEVICE"
    fi
}

start_containerd() {
    # Left to itself an engine takes the containerd of the system into use, wherever its socket is, and shares it with all others.
    rm -f "$ROOT/x/containerd.sock"
    printf '%s\n' "$CONTAINERD_TOML" >"$ROOT/containerd.toml"
    : >"$ROOT/containerd.log"
    # Its number is noted before it is containerd: were this script killed in between, a second one would wait for the first one's
    # database for ever.
    # shellcheck disable=SC2016 # the inner shell's own words
    TMPDIR="$ROOT/tmp" setsid sh -c 'echo $$ >"$1/containerd.pid" && exec containerd --config "$1/containerd.toml"' sh "$ROOT" \
        >"$ROOT/containerd.log" 2>&1 </dev/null 9>&- &
    containerd=$!
}

start_engine() {
    # A killed engine leaves these behind, and the next one would wait for a process that is gone.
    rm -f "$ROOT/docker.sock" "$ROOT/dockerd.pid"
    : >"$ROOT/dockerd.log"
    # DOCKER_DRIVER in the environment would silently beat the configuration file.
    unset DOCKER_DRIVER
    TMPDIR="$ROOT/tmp" setsid dockerd --config-file "$ROOT/daemon.json" --default-ulimit "nofile=$(open_files):$(open_files)" \
        >"$ROOT/dockerd.log" 2>&1 </dev/null 9>&- &
    engine=$!
}

# One run at a time: the reverse script waits for this lock, so it never tears down a host that is still growing.
mkdir -p "$ROOT"
exec 9>"$ROOT/lock"
flock -w 120 9 || fail 10 "another set-up of $ROOT is under way; wait for it, or run: cowbench sweep"

boot=$(cat /proc/sys/kernel/random/boot_id)
if [ "$(cat "$ROOT/boot" 2>/dev/null)" != "$boot" ]; then
    # Of another boot: sockets nobody listens on, tasks that are gone, and numbers of processes that are others' now.
    rm -rf "$ROOT/x" "$ROOT/tmp" "$ROOT/docker.sock" "$ROOT/dockerd.pid" "$ROOT/containerd.pid"
    printf '%s\n' "$boot" >"$ROOT/boot"
fi

[ "$INSTALL" = no ] || keep_other_engines_down
if [ -n "$(missing_binaries)" ] && [ "$INSTALL" = yes ]; then
    install_packages || {
        tail -n 5 "$ROOT/packages.log" >&2
        fail 10 "could not install what is missing: $(missing_binaries); is a package archive reachable from this host?"
    }
fi
[ -z "$(missing_binaries)" ] || fail 10 "not on PATH: $(missing_binaries); install (names of Debian): $PACKAGES_DEBIAN"
for module in $MODULES; do
    has_module "$module" || fail 10 "kernel $(uname -r) has no $module, neither built in nor as a module; use another kernel or another cell"
done

if [ -z "$DEVICE" ]; then
    [ -e "$ROOT/disk.img" ] || truncate -s "$DISK_BYTES" "$ROOT/disk.img" || fail 11 "no room for the disk image in $ROOT; free some space"
    DEVICE=$(losetup --noheadings --output NAME --associated "$ROOT/disk.img" | head -n 1)
    [ -n "$DEVICE" ] || DEVICE=$(loop_device "$ROOT/disk.img") || fail 11 "no loop device for $ROOT/disk.img; see: losetup -a"
fi
if [ "$DEVICE" = blank ]; then DEVICE=$(find_blank_disk "$ROOT/data-disk"); fi
if [ "$POOL_DEVICE" = blank ]; then POOL_DEVICE=$(find_blank_disk "$ROOT/pool-disk" "$(readlink -f "$DEVICE")"); fi
for device in "$DEVICE" ${POOL_DEVICE:+"$POOL_DEVICE"}; do
    is_there "$device" || fail 11 "$device is not a block device; see: lsblk"
done

if [ ! -s "$ROOT/formatted" ]; then
    make_filesystem >"$ROOT/mkfs.log" 2>&1 || fail 12 "$MKFS $DEVICE failed: $(tail -n 1 "$ROOT/mkfs.log")"
    # In this order, or a power loss could leave the mark without the filesystem.
    sync "$DEVICE"
    printf '%s\n' "$MKFS" >"$ROOT/formatted.new"
    sync "$ROOT/formatted.new"
    mv "$ROOT/formatted.new" "$ROOT/formatted"
    sync "$ROOT"
fi

mkdir -p "$ROOT/m"
mountpoint -q "$ROOT/m" || mount_filesystem 2>"$ROOT/mount.log" || {
    # mount only guesses; the kernel knows.
    dmesg 2>/dev/null | grep -F "($(basename "$(readlink -f "$DEVICE")"))" | tail -n 3 >&2
    fail 13 "mount -t $MOUNT_TYPE -o $MOUNT_OPTIONS $DEVICE failed: $(head -n 1 "$ROOT/mount.log"); see: dmesg | tail"
}

# What they write into the temporary directory, such as the stacks of one that hangs, goes with the host.
mkdir -p "$ROOT/tmp" "$ROOT/x"
chmod 700 "$ROOT/x"
containerd=$(cat "$ROOT/containerd.pid" 2>/dev/null) || containerd=
is_ours "$containerd" containerd || start_containerd
tries=0
# It listens only after it has tried all its plugins. An engine that comes too early would wait a whole second before it tries again.
until [ -S "$ROOT/x/containerd.sock" ]; do
    kill -0 "$containerd" 2>/dev/null || engine_failed containerd "the engine's containerd ended while it started"
    tries=$((tries + 1))
    [ "$tries" -lt 1200 ] || engine_failed containerd "failed to start containerd: it did not get ready within 60 s"
    sleep 0.05
done
# An engine starts without the snapshotter that it was told to use, and fails with the first container.
if [ -n "$SNAPSHOTTER" ] && grep -qE "(failed to load|skip loading) plugin.*io\.containerd\.snapshotter\.v1\.$SNAPSHOTTER\W" "$ROOT/containerd.log"; then
    engine_failed containerd "the engine's containerd has no snapshotter $SNAPSHOTTER on this host"
fi

# The engine looks its disk up in LVM's list, which has it by the kernel's name only.
printf '%s\n' "$DAEMON_JSON" | sed "s,{pool},$(readlink -f "$POOL_DEVICE")," >"$ROOT/daemon.json"
engine=$(cat "$ROOT/dockerd.pid" 2>/dev/null) || engine=
if ! { [ -S "$ROOT/docker.sock" ] && is_ours "$engine" dockerd; }; then
    [ -z "$POOL_DEVICE" ] || ready_pool_device >"$ROOT/pool.log" 2>&1 || fail 11 "$POOL_DEVICE: $(tail -n 1 "$ROOT/pool.log"); see: lvs -a"
    start_engine
fi

# Also of an engine that was already there: a set-up that was killed may have just started it.
tries=0
# The socket is there before anyone listens, and before the storage driver was tried: only this line means ready.
until grep -q 'API listen on' "$ROOT/dockerd.log"; do
    kill -0 "$engine" 2>/dev/null || engine_failed dockerd "the engine ended while it started"
    tries=$((tries + 1))
    # Emulated, on a busy machine, with a pool to make, it takes more than a minute.
    [ "$tries" -lt 1800 ] || engine_failed dockerd "the engine did not get ready within 180 s"
    sleep 0.1
done

#!/bin/sh
# Takes one host of the bench away again, whole or in pieces: processes (a VM is one), cgroups, mounts, pools, loop devices, files.
# Finds what is its own by cgroup, by environment, by path and by name, never by a list kept elsewhere: a killed set-up leaves no list.
# Exit codes: 0 nothing is left · 20 something could not be removed (named on stderr)
set -u
# @variables@
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
POOL=cowbench.$OWNER

container_pids() {
    # The path is the tag: cgroup v1 and v2 list it alike.
    grep -lsF -- "/cowbench.$OWNER/" /proc/[0-9]*/cgroup | cut -d/ -f3
}

engine_pids() {
    # By environment (inherited from the set-up script) and by path; the path alone could be a pager that shows our log.
    {
        grep -lsazxF -- "COWBENCH_OWNER=$OWNER" /proc/[0-9]*/environ
        grep -lsaF -- "$ROOT/" /proc/[0-9]*/cmdline
    } | cut -d/ -f3 | sort -un | while read -r pid; do
        read -r name <"/proc/$pid/comm" || continue
        case $name in
        dockerd | containerd* | runc* | fuse-overlayfs | exe | docker* | sh | sleep | flock | timeout) echo "$pid" ;;
        mkfs* | mke2fs | mount* | losetup | zpool | zfs | lvm | vg* | pv* | lv* | dmsetup | thin_*) echo "$pid" ;;
        # A VM, and the connection to it that its commands share.
        qemu-* | genisoimage | ssh | ssh-keygen) echo "$pid" ;;
        esac
    done 2>/dev/null | grep -vx "$$"
}

mounts() {
    # Field 5 is the mount point, spaces as \040; deepest last, so that reversing the order unmounts children first.
    cut -d' ' -f5 /proc/self/mountinfo | grep -F -- "$ROOT/" | sort -r
}

loops() {
    losetup --noheadings --raw --output NAME,BACK-FILE 2>/dev/null | grep -F -- " $ROOT/" | cut -d' ' -f1
}

own_pool() {
    [ -e /dev/zfs ] && zpool list -H -o name 2>/dev/null | grep -xF -- "$POOL"
}

pool_disk() {
    # The whole disk that the set-up was given for a thin pool, if any.
    [ -e "$ROOT/pool" ] && readlink -f "$(cat "$ROOT/pool")"
}

standing_on() (
    # Device-mapper devices on top of one disk, the topmost first. In a subshell: it calls itself.
    for above in "/sys/class/block/$1/holders/"dm-*; do
        [ -e "$above" ] || continue
        standing_on "${above##*/}"
        cat "$above/dm/name" 2>/dev/null
    done
)

dm_devices() {
    # devicemapper's pool and thin devices lie on loop files in the data root, or on the disk of our own.
    for disk in $(loops) $(pool_disk); do
        standing_on "${disk##*/}"
    done
}

remove_dm_devices() {
    dm_devices | while read -r name; do
        # Without udev, which may not run here, the removal would wait for it for ever.
        dmsetup remove --noudevsync -- "$name" 2>/dev/null
    done
}

empty_pool_disk() {
    disk=$(pool_disk) && [ -n "$disk" ] || return 0
    # The engine calls its group so. A group of that name on another disk is not ours.
    if [ "$(pvs --noheadings --options vg_name "$disk" 2>/dev/null | tr -d ' ')" = docker ]; then
        vgremove --quiet --quiet --force --force --yes docker && rm -f /etc/lvm/profile/docker-thinpool.profile
        pvremove --quiet --quiet --force --force --yes "$disk"
    fi >/dev/null 2>&1
}

kill_all() {
    signal=$1
    pids=$({ engine_pids; container_pids; } | sort -un)
    # shellcheck disable=SC2086 # one word per pid
    [ -z "$pids" ] || kill "-$signal" $pids 2>/dev/null
    [ -z "$pids" ]
}

unmount_elsewhere() {
    # A mount namespace that was made while this host stood (a service with PrivateTmp, another container) has copies of its mounts,
    # and they keep the disk busy after ours are gone: the classic "device or resource busy".
    here=$(readlink /proc/self/ns/mnt)
    grep -lsF -- " $ROOT/" /proc/[0-9]*/mountinfo | cut -d/ -f3 | while read -r pid; do
        there=$(readlink "/proc/$pid/ns/mnt") || continue
        [ "$there" != "$here" ] || continue
        cut -d' ' -f5 "/proc/$pid/mountinfo" | grep -F -- "$ROOT/" | sort -r | while read -r point; do
            nsenter --target "$pid" --mount umount --lazy -- "$(printf '%b' "$point")" 2>/dev/null
        done
    done
}

remove_shim_sockets() {
    # Whichever containerd it is, its shims' sockets lie in /run/containerd/s. The bundle knows the name, in one of two files by version.
    find "$ROOT/x" -path '*/io.containerd.runtime.v2.task/*' '(' -name address -o -name bootstrap.json ')' \
        -exec grep -ho 'unix:///run/containerd/s/[0-9a-f]*' {} + 2>/dev/null | sed 's,^unix://,,' | while read -r socket; do
        rm -f -- "$socket"
    done
}

remove_cgroups() {
    # One group per controller under cgroup v1, one in all under v2. Each host has a parent of its own, so no other host is in the way.
    for group in "/sys/fs/cgroup/cowbench.$OWNER" /sys/fs/cgroup/*/"cowbench.$OWNER"; do
        [ -d "$group" ] && find "$group" -depth -type d -exec rmdir {} \; 2>/dev/null
    done
}

if [ ! -e "$ROOT" ] && [ -z "$(mounts)$(engine_pids)$(container_pids)$(own_pool)$(loops)" ]; then
    remove_cgroups
    exit 0
fi

# A set-up that is still running holds the lock; it is stopped with the rest below, so a short wait is only politeness.
if [ -e "$ROOT/lock" ]; then
    exec 9<"$ROOT/lock"
    flock -w 1 9 || true
fi

# The engine's data is thrown away with its disk: nothing is gained by a gentle stop, so it is killed, shims and containers with it.
round=0
while ! kill_all KILL; do
    round=$((round + 1))
    [ "$round" -lt 50 ] || break
    sleep 0.1
done

busy() {
    mounts
    own_pool
    dm_devices
    loops
}

round=0
while [ -n "$(busy)" ]; do
    mounts | while read -r point; do
        point=$(printf '%b' "$point")
        umount -- "$point" 2>/dev/null || { [ "$round" -gt 20 ] && umount --lazy -- "$point" 2>/dev/null; }
    done
    unmount_elsewhere
    [ -z "$(own_pool)" ] || zpool destroy -f "$POOL" 2>/dev/null
    remove_dm_devices
    for device in $(loops); do
        losetup --detach "$device" 2>/dev/null
    done
    [ -n "$(busy)" ] || break
    round=$((round + 1))
    [ "$round" -lt 50 ] || break
    kill_all KILL
    sleep 0.1
done

empty_pool_disk
remove_shim_sockets
remove_cgroups
if [ -n "$(busy)" ]; then
    printf 'cowbench: still in use: %s; see: fuser -vm %s/m\n' "$(busy | tr '\n' ' ')" "$ROOT" >&2
    exit 20
fi
# Only now: with the disk still mounted this would delete through the mount, slowly.
rm -rf -- "$ROOT"

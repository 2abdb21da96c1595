#!/bin/sh
# Prints what the kernel says of one host's data root, a key=value per line. A line that does not apply is left out.
# Exit codes: 0 fine · 30 the data root is not mounted
set -uf
# @variables@
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

# The mount table writes a space as \040.
point=$(printf '%s' "$ROOT/m" | sed 's/ /\\040/g')
# The last line counts: a later mount covers an earlier one. Fields: device, mount point, filesystem, options.
# shellcheck disable=SC2046 # one word per field
set -- $(grep -F -- " $point " /proc/self/mounts | tail -n 1)
[ "$#" -ge 4 ] || {
    printf 'cowbench: %s/m is not mounted\n' "$ROOT" >&2
    exit 30
}
device=$1
# A pool stands in the table by its name; its disk is what zpool lists.
[ "$3" != zfs ] || device=$(zpool list -vHPL "$1" | tr '\t' '\n' | grep '^/' | head -n 1)
block=$(readlink -f "/sys/class/block/$(basename "$(readlink -f "$device")")")
[ ! -e "$block/partition" ] || block=$(dirname "$block")

printf 'filesystem=%s\nmount_options=%s\n' "$3" "$4"
printf 'mkfs=%s\n' "$(cat "$ROOT/formatted")"
printf 'boot_id=%s\n' "$(cat /proc/sys/kernel/random/boot_id)"
# In sectors of 512 bytes, whatever the disk's own are.
printf 'disk_bytes=%s\n' "$(($(cat "$block/size") * 512))"
[ ! -e "$block/loop/dio" ] || printf 'direct_io=%s\n' "$(cat "$block/loop/dio")"
[ "$3" != xfs ] || xfs_info "$ROOT/m" 2>/dev/null | grep -o 'ftype=[01]'
exit 0

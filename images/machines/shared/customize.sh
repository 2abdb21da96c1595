#!/bin/sh
# Turns the bootstrapped tree $1 into a machine image: no identity of its own, cloud-init in charge, nothing but the bench at work.
set -eu
tree=$1
shared=$(dirname "$0")

# Each VM makes its own.
: >"$tree/etc/machine-id"
rm -f "$tree"/etc/ssh/ssh_host_* "$tree/var/lib/dbus/machine-id"

echo "# the kernel's command line names the root filesystem" >"$tree/etc/fstab"
rm -f "$tree/etc/resolv.conf"
echo "nameserver 10.0.2.3" >"$tree/etc/resolv.conf" # QEMU's user-mode network answers there
mkdir -p "$tree/etc/ssh/sshd_config.d"
printf 'PasswordAuthentication no\nUseDNS no\n' >"$tree/etc/ssh/sshd_config.d/cowbench.conf"

echo "policy: enabled" >"$tree/etc/cloud/ds-identify.cfg"
cp "$shared/cloud.cfg" "$tree/etc/cloud/cloud.cfg.d/90-cowbench.cfg"
if [ ! -e "$tree/sbin/ifup" ]; then # an old cloud-init knows only ifupdown, and then that package is there
    echo "system_info: {network: {renderers: [networkd]}}" >"$tree/etc/cloud/cloud.cfg.d/91-cowbench-network.cfg"
    chroot "$tree" systemctl --quiet enable systemd-networkd.service
fi

sed 's/#.*//' "$shared/masked-units.txt" | while read -r unit; do
    [ -z "$unit" ] || ln -sf /dev/null "$tree/etc/systemd/system/$unit"
done

# Everything is done in the stage before the network, as the seed asks for. A newer cloud-init, one process for all, waits for each.
if [ ! -e "$tree/lib/systemd/system/cloud-init-main.service" ]; then
    ln -sf /dev/null "$tree/etc/systemd/system/cloud-init.service"
    ln -sf /dev/null "$tree/etc/systemd/system/cloud-config.service"
fi

# Three of four events that udev is told at boot are of modules, consoles, power and bookkeeping. No rule here acts on them.
quiet=
for subsystem in acpi bdi memory tty vc wakeup workqueue; do quiet="$quiet --subsystem-nomatch=$subsystem"; done
mkdir -p "$tree/etc/systemd/system/systemd-udev-trigger.service.d"
printf '[Service]\nExecStart=\nExecStart=-udevadm trigger --type=devices --action=add%s\n' "$quiet" \
    >"$tree/etc/systemd/system/systemd-udev-trigger.service.d/cowbench.conf"

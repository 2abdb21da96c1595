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

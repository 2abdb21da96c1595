"""A virtual machine under QEMU as a value: its command line and the texts of its seed. Pure; `stacks.vm_process` runs it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

SSH_PORT = 7722
"""Where the operator reaches a VM's SSH. Not 22: this machine's own server holds that one on all its addresses."""

_GUEST = "10.0.2.15"
"""The address that QEMU's user-mode network gives its one guest; the gateway and resolver below are QEMU's own."""

_EMULATED_CPU = "Nehalem,-cx16"
"""With cmpxchg16b, kernel 6.12 dies of double faults when it is emulated, in about every second boot (QEMU 7.2).

An older model than `max`: emulating newer vector units costs more than it gives (docs/decisions/0013).
"""

_EMULATOR = "tcg,thread=single,tb-size=256"
"""One thread for all processors of a VM. With one for each QEMU 7.2 lets a processor run what another has just rewritten, and a
kernel rewrites itself at any time: kernels panic (`int3`) or hang (docs/decisions/0013).
"""

_KERNEL_WORDS = "root=/dev/nvme0n1 rw console=ttyS0 panic=-1 net.ifnames=0 quiet systemd.show_status=0 fsck.mode=skip"
"""`panic=-1` with QEMU's `-no-reboot` ends a VM whose kernel died, so that it is noticed at once."""


@dataclass(frozen=True, kw_only=True)
class Vm:
    """What a VM is made of. Everything of it lies in `root`; `listeners` pairs an address with the ports that are open on it.

    `address` is where the operator reaches it (127.77.a.b), the same last two numbers name it on the private network
    (10.77.a.b). `kernel` is None for an image with a bootloader of its own. `pool_bytes` is 0 without a second disk.
    `images` are tars of container images by the serial number of the disk that each one is put on. `group` is the multicast
    address and port of the stack's private network.
    """

    name: str
    root: Path
    image: Path
    kernel: Path | None
    cpus: int
    memory_bytes: int
    data_bytes: int
    pool_bytes: int
    images: dict[str, Path]
    address: str
    listeners: dict[str, tuple[int, ...]]
    open_ports: bool
    group: str
    accelerated: bool


_WHEN_EMULATED = "mitigations=off audit=0 no_timer_check"
"""An emulated processor has nothing to mitigate and pays for it all the same; a real one keeps what its users have. And on a busy
machine its timer may be too late for the check in `setup_IO_APIC`, which then panics.
"""


def private(address: str) -> str:
    """The address on the private network of what the operator reaches at `address`."""
    return f"10.{address.partition('.')[2]}"


def command(vm: Vm) -> tuple[str, ...]:
    """QEMU's command line. It goes to the background by itself, its pid in `qemu.pid`, its monitor at `qmp.sock`."""
    return (*without_network(vm), *_network(vm))


def without_network(vm: Vm) -> tuple[str, ...]:
    """The same without a network card, for who gives it another network."""
    return (
        "qemu-system-x86_64",
        *("-name", vm.name, "-machine", "q35", *_processor(vm), "-smp", str(vm.cpus), "-m", str(vm.memory_bytes >> 20)),
        *("-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"),
        *("-serial", f"file:{vm.root}/console.log"),
        *_boot(vm),
        *(_disk(vm, "data0") if vm.data_bytes else ()),
        *(_disk(vm, "pool0") if vm.pool_bytes else ()),
        *_device("seed", f"file={vm.root}/seed.iso,format=raw,readonly=on"),
        *(word for name, tar in vm.images.items() for word in _device(name, f"file={tar},format=raw,readonly=on")),
        *("-device", "virtio-rng-pci"),
        *("-qmp", f"unix:{vm.root}/qmp.sock,server=on,wait=off", "-pidfile", f"{vm.root}/qemu.pid", "-daemonize"),
    )


def _processor(vm: Vm) -> tuple[str, ...]:
    if vm.accelerated:
        return ("-accel", "kvm", "-cpu", "host")
    # An image of another distribution may want x86-64-v2, which has cmpxchg16b.
    return ("-accel", _EMULATOR, "-cpu", _EMULATED_CPU if vm.kernel else "Nehalem")


def _boot(vm: Vm) -> tuple[str, ...]:
    """Our own images boot without an initrd: NVMe and ext4 are built into Debian's cloud kernels, virtio's disks are not."""
    root = f"if=none,id=root,werror=report,rerror=report,file={vm.root}/root.qcow2,format=qcow2,cache=unsafe,discard=unmap"
    if vm.kernel is None:
        return ("-drive", root, "-device", "virtio-blk-pci,drive=root,serial=root,bootindex=0")
    return ("-drive", root, "-device", "nvme,drive=root,serial=root", "-kernel", str(vm.kernel), "-append", _words(vm))


def _words(vm: Vm) -> str:
    return _KERNEL_WORDS if vm.accelerated else f"{_KERNEL_WORDS} {_WHEN_EMULATED}"


def _disk(vm: Vm, name: str) -> tuple[str, ...]:
    # Flushes are not passed on to this machine's disk: they would measure it. What the VM has written is safe when QEMU dies.
    return _device(name, f"file={vm.root}/{name}.raw,format=raw,cache=unsafe,discard=unmap")


def _device(name: str, drive: str) -> tuple[str, ...]:
    # When this machine's disk is full the VM is told so. By default QEMU stops it without a word, and its clock with it.
    return (
        "-drive",
        f"if=none,id={name},werror=report,rerror=report,{drive}",
        "-device",
        f"virtio-blk-pci,drive={name},serial={name}",
    )


def _network(vm: Vm) -> tuple[str, ...]:
    """The operator's side, with only the ports that are open; and the private network of the stack's VMs."""
    doors = [f"hostfwd=tcp:{vm.address}:{SSH_PORT}-:22"]
    if vm.open_ports:
        doors += [
            f"hostfwd=tcp:{address}:{port}-{private(address)}:{port}" for address, ports in vm.listeners.items() for port in ports
        ]
    return (
        *("-netdev", f"user,id=n0,{','.join(doors)}", "-device", f"virtio-net-pci,netdev=n0,mac={mac(vm, 0)},romfile="),
        *("-netdev", f"socket,id=n1,mcast={vm.group},localaddr=127.0.0.1"),
        *("-device", f"virtio-net-pci,netdev=n1,mac={mac(vm, 1)},romfile="),
    )


def mac(vm: Vm, card: int) -> str:
    """The hardware address of one of its cards, by number."""
    third, fourth = (int(part) for part in vm.address.split(".")[2:])
    return f"52:54:00:{card:02x}:{third:02x}:{fourth:02x}"


def network_config(vm: Vm) -> str:
    """cloud-init's network configuration, version 1: the form that every cloud-init since 0.7 reads."""
    outside = {"type": "static", "address": f"{_GUEST}/24", "gateway": "10.0.2.2", "dns_nameservers": ["10.0.2.3"]}
    inside = [{"type": "static", "address": f"{private(address)}/16"} for address in (vm.address, *vm.listeners)]
    cards = [
        {"type": "physical", "name": "eth0", "mac_address": mac(vm, 0), "subnets": [outside]},
        {"type": "physical", "name": "eth1", "mac_address": mac(vm, 1), "subnets": inside},
    ]
    return json.dumps({"version": 1, "config": cards}, indent=1) + "\n"


def meta_data(vm: Vm, incarnation: str) -> str:
    """cloud-init's meta-data. Another instance id is another VM: what runs once per instance runs again.

    An image of our own has no later stage: cloud-init does all before the network is up, and starts twice in place of four times.
    """
    ours = {"dsmode": "local"} if vm.kernel else {}
    return json.dumps({"instance-id": incarnation, "local-hostname": vm.name, **ours}) + "\n"

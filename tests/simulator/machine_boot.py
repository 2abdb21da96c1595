"""One VM behind an instance: its disks, its two networks, and which of its ports the operator reaches now."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
import os
from typing import TYPE_CHECKING

from bench.errors import DeployError
from stacks import kvm, machine_image, state, vm, vm_process
from tests.simulator import boot_queue, monitor

if TYPE_CHECKING:
    from pathlib import Path

    from tests.simulator.member import Machine, Row

_SSH = 22
_DISKS = "disks"
"""The controller that disks are plugged into: clouds attach volumes to VMs that run already."""

_OUTSIDE = "192.0.2"
"""The network of the operator's side, QEMU's own: reserved for documentation, so no program's private network meets it."""

_INHERITED = ("PATH", "LANG", "LC_ALL", "TMPDIR")
"""Nothing else of the engine's environment: its marks are how a stack's orphans are found, and a cloud's VM is none."""


def boot(folder: Path, row: Row, machine: Machine, most_memory_bytes: int) -> None:
    """Make a VM in `folder`, powered on; it runs when its turn has come. Raises DeployError when that does not work."""
    if len(os.fsencode(folder / "qmp.sock")) > state.SOCKET_PATH_LIMIT_BYTES:
        raise DeployError(
            f"{folder} is too long for a unix socket", next_step="start the simulator in a directory with a shorter name"
        )
    made = _vm(folder, row, machine, most_memory_bytes)
    vm_process.create_disks(
        made,
        user_data_text=machine.user_data,
        incarnation=hashlib.sha256(f"{row.cloud}/{row.id}/{row.created_at}".encode()).hexdigest()[:16],
        network_config=network_config(made, machine),
    )
    environment = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    vm_process.power_on(folder, (*command(made), *boot_queue.PAUSED), f"simulator {folder}", environment)
    bring_in_line(folder, machine)
    boot_queue.join(folder)
    (folder / "booted").touch()


def command(made: vm.Vm) -> tuple[str, ...]:
    """QEMU's command line; at first it has no data disk, and nobody reaches anything."""
    return (
        *vm.without_network(made),
        *("-device", f"virtio-scsi-pci,id={_DISKS}"),
        *("-netdev", f"user,id=n0,net={_OUTSIDE}.0/24", "-device", f"virtio-net-pci,netdev=n0,mac={vm.mac(made, 0)},romfile="),
        *("-netdev", f"socket,id=n1,mcast={made.group},localaddr=127.0.0.1"),
        *("-device", f"virtio-net-pci,netdev=n1,mac={vm.mac(made, 1)},romfile="),
    )


def network_config(made: vm.Vm, machine: Machine) -> str:
    """cloud-init's network configuration, version 1. The private network is a /16: members do not tell how wide theirs is."""
    outside = {
        "type": "static",
        "address": f"{_OUTSIDE}.15/24",
        "gateway": f"{_OUTSIDE}.2",
        "dns_nameservers": [f"{_OUTSIDE}.3"],
    }
    inside = {"type": "static", "address": f"{machine.private_address}/16"}
    cards = [
        {"type": "physical", "name": "eth0", "mac_address": vm.mac(made, 0), "subnets": [outside]},
        {"type": "physical", "name": "eth1", "mac_address": vm.mac(made, 1), "subnets": [inside]},
    ]
    return json.dumps({"version": 1, "config": cards}, indent=1) + "\n"


def bring_in_line(folder: Path, machine: Machine) -> None:
    """Give a VM that runs the disks and the open ports that its cloud says it has now."""
    attach_disks(folder, machine)
    open_ports(folder, machine)


def attach_disks(folder: Path, machine: Machine) -> None:
    """Plug blank disks in and pull disks out, as a cloud does with volumes of a VM that runs."""
    note = folder / "disks.json"
    there: dict[str, int] = json.loads(note.read_text()) if note.exists() else {}
    new = list(machine.disks_bytes)
    for name, size_bytes in list(there.items()):
        if size_bytes in new:
            new.remove(size_bytes)
        else:
            _unplug(folder, name)
            del there[name]
            note.write_text(json.dumps(there))
    for size_bytes in new:
        name = next(name for name in map("disk{}".format, itertools.count()) if name not in there)
        # Who was killed before it noted the disk has left one of that name.
        _unplug(folder, name)
        vm_process.create_blank_disk(folder, name, size_bytes)
        _say(folder, f"drive_add 0 if=none,id=drive-{name},file={folder}/{name}.raw,format=raw,cache=unsafe,discard=unmap")
        _say(folder, f"device_add scsi-hd,bus={_DISKS}.0,drive=drive-{name},id={name},serial={name}")
        there[name] = size_bytes
        note.write_text(json.dumps(there))


def _unplug(folder: Path, name: str) -> None:
    """A disk goes, in whatever state it is; QEMU's answer that there is none is welcome."""
    for command_line in (f"device_del {name}", f"drive_del drive-{name}"):
        monitor.say(folder / "qmp.sock", command_line)
    (folder / f"{name}.raw").unlink(missing_ok=True)


def open_ports(folder: Path, machine: Machine) -> None:
    """Let the operator reach just these ports from now on. Connections that stand stay, as with a cloud's firewall."""
    note = folder / "doors.json"
    before = {tuple(each) for each in json.loads(note.read_text())} if note.exists() else set()
    wanted = set(_doors(machine))
    # Those to come are closed too: who was killed before it noted one has left it open.
    for address, outer, _ in before ^ wanted:
        monitor.say(folder / "qmp.sock", f"hostfwd_remove n0 tcp:{address}:{outer}")
    for address, outer, inner in wanted - before:
        _say(folder, f"hostfwd_add n0 tcp:{address}:{outer}-:{inner}")
    note.write_text(json.dumps(sorted(wanted)))


def _say(folder: Path, command_line: str) -> None:
    said = monitor.say(folder / "qmp.sock", command_line)
    if said not in {"", "OK"}:
        raise DeployError(
            f"QEMU refused {command_line!r}: {said}",
            next_step="is a VM of another simulator left? python -m tests.simulator stop ITS-DIR",
        )


def _doors(machine: Machine) -> list[tuple[str, int, int]]:
    """Public address, the port there, the port of the VM. This machine's own SSH server may hold 22 on all its addresses."""
    return [(machine.public_address, vm.SSH_PORT if port == _SSH else port, port) for port in machine.open_ports]


def _vm(folder: Path, row: Row, machine: Machine, most_memory_bytes: int) -> vm.Vm:
    image = machine_image.ensure(machine.image, lambda _: None)
    return vm.Vm(
        name=row.name,
        root=folder,
        image=image.root,
        kernel=image.kernel,
        cpus=min(machine.cpus, os.cpu_count() or 1),
        memory_bytes=min(machine.memory_bytes, most_memory_bytes),
        data_bytes=0,
        pool_bytes=0,
        images={},
        address=machine.public_address,
        listeners={},
        open_ports=False,
        group=_group(folder.parent, machine.network),
        accelerated=kvm.probe(image.kernel).works,
    )


def _group(folder: Path, network: str) -> str:
    """A multicast group for each network of each simulator: VMs of two networks do not see each other."""
    digest = hashlib.sha256(f"{folder} {network}".encode()).digest()
    return f"230.78.{digest[0]}.{digest[1]}:{17800 + digest[2]}"


def at(machine: Machine, public_address: str) -> Machine:
    """The same machine at another public address."""
    return dataclasses.replace(machine, public_address=public_address)

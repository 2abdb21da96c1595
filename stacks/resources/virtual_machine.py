"""`virtual_machine`: a VM on this machine: disks, seed, network, boot, set-up by cloud-init; facts read back over SSH."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from pulumi.dynamic import CreateResult, Resource

from bench.errors import DeployError
from stacks import (
    address,
    boot_slots,
    connection,
    drivers,
    image,
    image_transfer,
    kvm,
    machine_image,
    readback,
    ssh,
    state,
    user_data,
    vm,
    vm_process,
)
from stacks.resources import engine_host
from stacks.resources.replaced import Replaced

if TYPE_CHECKING:
    import pulumi

_INPUTS = (
    *(
        "stack",
        "host",
        "machine_image",
        "cpus",
        "memory_bytes",
        "disk_bytes",
        "pool_bytes",
        "setup",
        "ports",
        "open_to",
        "driver",
    ),
    *("public_key", "image_definition"),
)


class VirtualMachineProvider(Replaced):
    """Creates and deletes; any changed input replaces the VM."""

    inputs = _INPUTS

    def create(self, props: dict[str, Any]) -> CreateResult:
        """Make the VM, wait until its engine answers, read it back. On failure nothing is left: no state would name it."""
        stack, host, incarnation = props["stack"], props["host"], uuid4().hex
        try:
            booted = machine_image.ensure(props["machine_image"], lambda _: None)
            machine, verdict = _machine(props, booted)
            with boot_slots.slot(boot_slots.count(accelerated=verdict.works)):
                reach = _boot(props, machine, incarnation)
            url = connection.ssh_url(host, f"{user_data.ROOT}/docker.sock")
            facts = replace(
                readback.host_facts(reach, url, stack, user_data.ROOT),
                emulated=not verdict.works,
                virtualization=f"QEMU {kvm.version()}, {'KVM' if verdict.works else 'emulated'}",
                machine_image_digest=booted.digest,
            )
            engine_host.insist_on_driver(facts, drivers.load(props["driver"]), host)
        except BaseException:
            engine_host.remove(stack, host)
            raise
        outs = {
            **props,
            "engine_url": url,
            "reach": list(reach),
            "addresses": _addresses(props, machine),
            "facts": asdict(facts),
            "incarnation": incarnation,
        }
        return CreateResult(f"{stack}/{host}", outs)

    def delete(self, _id: str, props: dict[str, Any]) -> None:
        """Take the VM away, also when it is gone in part or as a whole; with the last one what is noted of its stack."""
        engine_host.remove(props["stack"], props["host"])
        ssh.forget(props["stack"], props["host"])
        engine_host.forget_if_last(props["stack"])


class VirtualMachine(Resource, module="cowbench", name="VirtualMachine"):
    """Inputs: `_INPUTS`, and private_key, secret. `setup` is the script of `stacks.host_setup`, `ports` are open, by cell.

    Outputs: engine_url, reach, addresses, facts (`HostFacts` as JSON), incarnation.
    """

    engine_url: pulumi.Output[str]
    reach: pulumi.Output[list[str]]
    addresses: pulumi.Output[dict[str, dict[str, str]]]
    facts: pulumi.Output[dict[str, Any]]
    incarnation: pulumi.Output[str]

    def __init__(self, name: str, props: dict[str, Any], opts: pulumi.ResourceOptions | None = None) -> None:
        outputs = {"engine_url": None, "reach": None, "addresses": None, "facts": None, "incarnation": None}
        super().__init__(VirtualMachineProvider(), name, {**props, **outputs}, opts)


def _machine(props: dict[str, Any], booted: machine_image.MachineImage) -> tuple[vm.Vm, kvm.Verdict]:
    stack, host = props["stack"], props["host"]
    root = engine_host.make_directory(stack, host)
    verdict = kvm.probe(booted.kernel)
    own = address.reserve(stack=stack, host=host, cell=_ITSELF, ports=(vm.SSH_PORT,))
    # Pulumi has no whole numbers: they come back as floats.
    wanted = {cell: tuple(int(port) for port in ports) for cell, ports in props["ports"].items()}
    listeners = {address.reserve(stack=stack, host=host, cell=cell, ports=ports): ports for cell, ports in wanted.items()}
    machine = vm.Vm(
        name=host,
        root=root,
        image=booted.root,
        kernel=booted.kernel,
        cpus=int(props["cpus"]),
        memory_bytes=int(props["memory_bytes"]),
        data_bytes=int(props["disk_bytes"]),
        pool_bytes=int(props["pool_bytes"]),
        images={image_transfer.serial(each.content_digest): each.tar for each in map(image.ensure, props["container_images"])},
        address=own,
        listeners=listeners,
        open_ports=props["open_to"] == "operator",
        group=_group(stack),
        accelerated=verdict.works,
    )
    return machine, verdict


def _boot(props: dict[str, Any], machine: vm.Vm, incarnation: str) -> tuple[str, ...]:
    """Make disks, switch on, wait until it is set up; how it is reached. Anew, with new disks, where the emulator broke."""
    stack, host = props["stack"], props["host"]
    text = user_data.render(host=host, public_key=props["public_key"], up_script=props["setup"])
    reach = ssh.reach(stack, host)
    for left in reversed(range(_BOOTS)):
        vm_process.create_disks(machine, user_data_text=text, incarnation=incarnation)
        vm_process.power_on(machine.root, vm.command(machine), state.owner(stack, host))
        try:
            _introduce(props, machine)
            vm_process.wait_until_set_up(machine.root, reach)
            break
        except DeployError:
            ended = not vm_process.running(machine.root)
            if not left or not ended or machine.accelerated or not vm_process.emulator_broke(machine.root):
                raise
    return reach


_BOOTS = 3
"""How often a VM is booted whose emulator breaks. It does so in a few boots of a hundred: three in a row say something."""

_ITSELF = "vm"
"""The name under which the VM's own address is reserved, beside those of its cells."""


def _group(stack: str) -> str:
    """A multicast group for each stack: VMs of two stacks do not see each other."""
    digest = hashlib.sha256(state.owner(stack, "").encode()).digest()
    return f"230.77.{digest[0]}.{digest[1]}:{17700 + digest[2]}"


def _introduce(props: dict[str, Any], machine: vm.Vm) -> None:
    ssh.introduce(
        stack=props["stack"],
        host=props["host"],
        address=machine.address,
        port=vm.SSH_PORT,
        private_key=props["private_key"],
        host_key=vm_process.wait_for_host_key(machine.root, machine.address),
        shared_connection=machine.root / "ssh.sock",
    )


def _addresses(props: dict[str, Any], machine: vm.Vm) -> dict[str, dict[str, str]]:
    """As `stacks.cloud.HostOutputs.addresses`; the VM's own under the empty name."""
    cells = dict(zip(props["ports"], machine.listeners, strict=True))
    found = {
        cell: {"bind": vm.private(each), "endpoint": each if machine.open_ports else "", "private": vm.private(each)}
        for cell, each in cells.items()
    }
    return {**found, "": {"bind": vm.private(machine.address), "endpoint": "", "private": vm.private(machine.address)}}

"""VMs on this machine as a cloud: other kernels and engines, under KVM where it works, else emulated. No account, no bill."""

from __future__ import annotations

import os
import re
import shutil
import sys
from typing import TYPE_CHECKING

import psutil

from stacks import drivers, engines, host_setup, kvm, machine_image, quantity, state, vm_process, vm_setup
from stacks.cloud import Access, Cloud, Features, HostOutputs, HostRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bench.records import Cell

_INSTANCE_TYPES = ("2cpu-1GiB", "1cpu-1GiB", "2cpu-2GiB", "4cpu-2GiB", "4cpu-4GiB", "8cpu-8GiB")
_PROGRAMS = ("qemu-system-x86_64", "qemu-img", "genisoimage", "ssh", "ssh-keygen")
_DATA_DEVICE = "/dev/disk/by-id/virtio-data0"
_POOL_DEVICE = "/dev/disk/by-id/virtio-pool0"
_OVERHEAD_BYTES = 320 << 20
"""What QEMU takes beside the guest's memory: 256 MiB of translated code when it emulates, its own tables."""

_LEFT_FREE_BYTES = 1 << 30
_NEEDED_FREE_DISK_BYTES = 4 << 30


def _facts(cell: Cell) -> Mapping[str, object]:
    return machine_image.facts(cell.machine_image)


def _problems() -> tuple[str, ...]:
    if sys.platform != "linux":
        return ("the qemu cloud needs Linux: plan, report and the public clouds work here; run the bench on a Linux machine",)
    found = []
    if missing := [program for program in _PROGRAMS if shutil.which(program) is None]:
        found.append(f"not on PATH: {', '.join(missing)}: run make setup-vms")
    found += machine_image.problems()
    if (free := state.free_bytes()) < _NEEDED_FREE_DISK_BYTES:
        found.append(f"only {free >> 20} MiB free for disks in {state.root()}: free some, or set COWBENCH_STATE to another disk")
    return tuple(found)


def _prepare(requests: tuple[HostRequest, ...], progress: Callable[[str], None]) -> None:
    for reference in sorted({request.machine_image for request in requests}):
        machine_image.ensure(reference, progress)


def _room(requests: tuple[HostRequest, ...]) -> str:
    """Asked before the first VM boots: one too many makes all of them swap, and then every number is wrong."""
    new = [request for request in requests if not vm_process.running(state.host_dir(request.stack, request.name))]
    needed = sum(_size(request.instance_type)[1] + _OVERHEAD_BYTES for request in new)
    there = psutil.virtual_memory().available - vm_process.untouched_bytes(_OVERHEAD_BYTES)
    if needed and needed + _LEFT_FREE_BYTES > there:
        return (
            f"{len(new)} VMs need {needed >> 20} MiB of memory and leave 1 GiB to this machine; "
            f"{max(0, there) >> 20} MiB are free: free some, leave cells out, or choose a smaller instance_type"
        )
    return _too_many_cores(requests)


def _too_many_cores(requests: tuple[HostRequest, ...]) -> str:
    cores = os.cpu_count() or 1
    widest = max((_size(request.instance_type)[0] for request in requests), default=0)
    # A VM's CPUs that wait for one another while only some of them run are slower than fewer ones.
    if widest <= max(2, cores):
        return ""
    what = f"a VM with {widest} CPUs on a machine with {cores} cores would measure its own waiting"
    return f"{what}: choose an instance_type with at most {max(2, cores)} CPUs"


def _size(instance_type: str) -> tuple[int, int]:
    """CPUs and bytes of memory of a type such as `2cpu-1GiB`."""
    found = re.fullmatch(r"(\d+)cpu-(\d+)GiB", instance_type)
    if found is None:
        raise ValueError(instance_type)
    return int(found[1]), int(found[2]) << 30


def _host(request: HostRequest, access: Access | None, _site: None) -> HostOutputs:
    from stacks.resources.virtual_machine import VirtualMachine  # noqa: PLC0415 - imports pulumi, which planning must not wait for

    assert access is not None
    cpus, memory_bytes = _size(request.instance_type)
    size_bytes = quantity.disk_bytes(request.disk)
    host = VirtualMachine(
        request.name,
        {
            "stack": request.stack,
            "host": request.name,
            "machine_image": request.machine_image,
            # The name stays when a definition changes: the VM must not.
            "image_definition": machine_image.fingerprint(request.machine_image),
            "cpus": cpus,
            "memory_bytes": memory_bytes,
            "disk_bytes": size_bytes,
            "pool_bytes": size_bytes if drivers.load(request.driver).wants_whole_disk else 0,
            "container_images": list(request.container_images),
            "setup": vm_setup.script(request, device=_DATA_DEVICE, pool_device=_POOL_DEVICE),
            "ports": {cell: list(ports) for cell, ports in request.ports.items()},
            "open_to": request.open_to,
            "driver": request.driver,
            "public_key": access.public_key,
            "private_key": access.private_key,
        },
    )
    return HostOutputs(
        resource=host,
        engine_url=host.engine_url,
        addresses=host.addresses,
        reach=host.reach,
        facts=host.facts,
        incarnation=host.incarnation,
    )


CLOUD = Cloud(
    name="qemu",
    features=Features(
        needs_account=False,
        needs_root=False,
        chooses_kernel=True,
        own_images=True,
        on_this_machine=True,
        whole_disks=True,
        reached_by_ssh=True,
        private_network=True,
    ),
    axes={
        "region": ("here",),
        "instance_type": _INSTANCE_TYPES,
        "disk": None,
        "machine_image": machine_image.names(),
        "engine": engines.ENGINES,
        "backing_filesystem": tuple(host_setup.FILESYSTEMS),
    },
    default_disk="virtio-8GiB",
    facts=_facts,
    problems=_problems,
    ready=lambda: f"ready; {kvm.known()}",
    prepare=_prepare,
    room=_room,
    host=_host,
)

"""Tables of the hosts as read back: what a machine image brought (kernel, engine), and what each host's data lies on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.host_words import image_name, pool, without_entry_types
from bench.report import numbers
from bench.report.axes import called, driver_label, naming_axes
from bench.report.table import differing_facts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bench.records import Cell, HostFacts, Run, Target
    from bench.report.table import Table

_DIGEST_SHOWN = 19
_OF_A_HOST = ("driver", "backing_filesystem", "data_placement", "server")
"""Axes that do not set what a machine is."""


def machines(run: Run) -> tuple[dict[str, str], Table | None]:
    """Return what is true of every machine, and a table of what differs, a row for each machine image; None if nothing does."""
    names = called(run)
    found: dict[tuple[str, ...], list[Target]] = {}
    for target in run.targets:
        found.setdefault((target.cell.machine_image, *_machine(target).values()), []).append(target)
    images = [image for image, *_ in found]
    rows = {}
    for (image, *_), targets in found.items():
        first = targets[0].cell
        label = names[first.name]["machine_image"] if first.name in names else image_name(image)
        hosts = ", ".join(dict.fromkeys(target.cell.host for target in targets))
        # Hosts of one image that differ in something are told apart by their names.
        rows[label if images.count(image) == 1 else f"{label}: {hosts}"] = _machine(targets[0])
    shared, table = differing_facts("called here", rows)
    return {fact: value for fact, value in shared.items() if fact != "image digest" or value != numbers.MISSING}, table


def storage(run: Run) -> tuple[dict[str, str], Table | None]:
    """Return what is true of every host's storage, and a table of what differs between hosts; None when nothing does."""
    by_host = {target.cell.host: target for target in run.targets}
    labels = _labels(run, {name: target.cell for name, target in by_host.items()})
    return differing_facts("host", {labels[name]: _storage(target) for name, target in by_host.items()})


def _labels(run: Run, hosts: Mapping[str, Cell]) -> dict[str, str]:
    """Name each host by driver and whatever else tells hosts apart; by its own name where that is not enough."""
    words = called(run)
    axes = [axis for axis in naming_axes(run.plan) if axis not in _OF_A_HOST]
    made = {
        name: " \u00b7 ".join(
            [driver_label(cell, run.plan), *(words.get(cell.name, {}).get(axis, getattr(cell, axis)) for axis in axes)]
        )
        for name, cell in hosts.items()
    }
    taken = list(made.values())
    return {name: label if taken.count(label) == 1 else f"{label} ({name})" for name, label in made.items()}


def _machine(target: Target) -> dict[str, str]:
    facts = target.host
    return {
        "machine image": image_name(target.cell.machine_image),
        "kernel": facts.kernel,
        "engine": facts.engine_version,
        "virtualisation": _virtualisation(facts),
        "operating system": facts.operating_system,
        "containerd": facts.containerd_version,
        "runc": facts.runc_version,
        "cgroup": f"v{facts.cgroup_version}",
        "CPUs": str(facts.cpus),
        "memory": numbers.size(facts.memory_bytes),
        "image digest": facts.machine_image_digest[:_DIGEST_SHOWN],
    }


def _virtualisation(facts: HostFacts) -> str:
    if facts.emulated:
        return facts.virtualization or "emulated"
    return facts.virtualization or "none or hardware"


def _storage(target: Target) -> dict[str, str]:
    facts = target.host
    on = pool(facts)
    return {
        "host name": target.cell.host,
        "storage driver": f"{facts.storage_driver}{f', {on}' if on else ''}",
        "image store": "containerd's snapshotter" if facts.image_store == "containerd" else "graph driver",
        "backing filesystem": facts.backing_filesystem + (" with ftype=0" if without_entry_types(facts) else ""),
        "made by": facts.mkfs,
        "mount options": facts.mount_options,
        "driver status": "; ".join(f"{key}: {value}" for key, value in facts.driver_status.items()),
        "direct io": "yes" if facts.direct_io else "no",
        "disk": numbers.size(facts.disk_bytes),
    }

"""Cells → the hosts that they need: one for all cells that differ only in server and data placement, and the load generators."""

from __future__ import annotations

from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING

from bench.errors import InputError
from stacks import axes, cell_names, clouds, servers
from stacks.cloud import HostRequest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from bench.records import Cell, Generators

_APART = 100
"""What ports of two cells that share an address differ by; no server's own ports are that far apart and meet another's."""


def targets(
    stack: str, cells: Iterable[Cell], generators: Generators | None, pulled: Collection[str] = ()
) -> tuple[tuple[HostRequest, tuple[Cell, ...]], ...]:
    """Each host with the cells on it. A driver and its control arm share a host: they then differ in nothing else.

    `pulled` names the servers whose images come from a registry.
    """
    found = []
    for name, group in groupby(sorted(cells, key=attrgetter("host")), key=attrgetter("host")):
        members = tuple(group)
        found.append((_target(stack, name, members, generators, pulled), members))
    return tuple(found)


def load_generators(stack: str, cells: Iterable[Cell], generators: Generators | None) -> tuple[tuple[str, HostRequest], ...]:
    """The hosts that the load comes from, each with its cloud: as many in every region that has a cell.

    Raises InputError for a cloud whose hosts share no network.
    """
    if generators is None:
        return ()
    places = sorted({(cell.cloud, cell.region) for cell in cells})
    return tuple(
        (cloud, _generator(stack, cloud, region, number, generators))
        for cloud, region in places
        for number in range(1, generators.count + 1)
    )


def by_cloud(stack: str, cells: Iterable[Cell], generators: Generators | None) -> dict[str, tuple[HostRequest, ...]]:
    """Every host that the stack needs, by cloud."""
    every = tuple(cells)
    found: dict[str, tuple[HostRequest, ...]] = {}
    for request, members in targets(stack, every, generators):
        found[members[0].cloud] = (*found.get(members[0].cloud, ()), request)
    for cloud, request in load_generators(stack, every, generators):
        found[cloud] = (*found[cloud], request)
    return found


def _target(
    stack: str, name: str, cells: tuple[Cell, ...], generators: Generators | None, pulled: Collection[str]
) -> HostRequest:
    cell = cells[0]
    apart = clouds.load(cell.cloud).features.address_per_cell
    shifts = {each.name: 0 if apart else _APART * number for number, each in enumerate(cells)}
    return HostRequest(
        stack=stack,
        name=name,
        region=cell.region,
        instance_type=cell.instance_type,
        disk=cell.disk,
        machine_image=cell.machine_image,
        engine=cell.engine,
        driver=cell.driver,
        backing_filesystem=cell.backing_filesystem,
        ports={each.name: (servers.load(each.server).port + shifts[each.name],) for each in cells},
        container_images=tuple(sorted({servers.load(each.server).image for each in cells if each.server not in pulled})),
        open_to="operator" if generators is None else "generators",
        shifts=shifts,
    )


def _generator(stack: str, cloud: str, region: str, number: int, wanted: Generators) -> HostRequest:
    if not clouds.load(cloud).features.private_network:
        raise InputError(
            f"the cloud {cloud} has no hosts for load generators",
            where="load.generators",
            next_step="remove load.generators, so that this machine drives the load, or leave the cloud out of the matrix",
        )
    usual = axes.usual(cloud, "")
    return HostRequest(
        stack=stack,
        name=cell_names.generator_name(cloud, "" if region == usual.get("region") else region, number),
        region=region,
        instance_type=wanted.instance_type or usual["instance_type"],
        disk=usual["disk"],
        machine_image=wanted.machine_image or usual["machine_image"],
        engine=usual["engine"],
        driver="overlay2",
        backing_filesystem="ext4",
        ports={},
        container_images=("loadgen",),
        open_to="operator",
    )

"""The interface of a cloud: a place that gives hosts. Members live in `stacks.clouds`, one file each.

A cloud gives us a host and nothing more: Pulumi owns create, update and delete, `stacks.host_setup` what runs on the host.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pulumi

    from bench.records import Cell


@dataclass(frozen=True, kw_only=True)
class Features:
    """What a cloud can and cannot do, as data; nobody asks a cloud for its name."""

    needs_account: bool
    needs_root: bool
    chooses_kernel: bool
    own_images: bool
    """A machine image may also be a user's own, by path or URL and checksum (`stacks.machine_source`)."""
    on_this_machine: bool
    """Hosts share this machine's cores, so trials on two of them must not overlap."""
    whole_disks: bool
    """Hosts can be given a second disk that no filesystem is made on, as devicemapper's direct-lvm wants."""
    reached_by_ssh: bool
    private_network: bool
    """Hosts of a stack reach one another, so that load can come from hosts of its own."""


@dataclass(frozen=True, kw_only=True)
class HostRequest:
    """One host to be made. `ports` has what its servers listen on, by cell; empty for a load generator.

    `container_images` names what is built here and will run there: a cloud may have a way to bring it along.
    `open_to` says who may reach those ports: the operator's machine, or only the load generators of the same private network.
    """

    stack: str
    name: str
    region: str
    instance_type: str
    disk: str
    machine_image: str
    engine: str
    driver: str
    backing_filesystem: str
    ports: Mapping[str, tuple[int, ...]]
    container_images: tuple[str, ...]
    open_to: Literal["operator", "generators"]


@dataclass(frozen=True, kw_only=True)
class Access:
    """The stack's SSH keys, with which its hosts let the operator in."""

    public_key: pulumi.Output[str]
    private_key: pulumi.Output[str]


@dataclass(frozen=True, kw_only=True)
class HostOutputs:
    """What a deployed host tells the rest of the program; `facts` is a `bench.records.HostFacts` as plain JSON."""

    resource: pulumi.Resource
    engine_url: pulumi.Output[str]
    addresses: pulumi.Output[dict[str, dict[str, str]]]
    """By cell: `bind`, where its server listens; `endpoint` and `private`, where the operator and the generators reach it.

    Empty when each cell takes a loopback address of its own.
    """
    reach: pulumi.Output[list[str]]
    """The start of a command line that runs the shell command appended to it on the host (`bench.records.Target.reach`)."""
    facts: pulumi.Output[dict[str, Any]]
    incarnation: pulumi.Output[str]
    """Changes when the host is made anew, and with it everything that was on it."""


@dataclass(frozen=True, kw_only=True)
class Cloud:
    """A cloud as a value.

    `facts` tells, before anything is created, what a host made for
    a cell would be like (keys as in `bench.knowledge`); a fact that cannot be known is absent. `problems` lists what keeps
    this machine or account from using the cloud, each with its cure, empty when it can. `prepare` makes what must be there before
    any host is (machine images), one line of progress per step. `room` says why the hosts of these
    requests do not fit (memory, quota), and after a colon the cure, or is empty. `host` makes one host.
    """

    name: str
    features: Features
    axes: Mapping[str, tuple[str, ...] | None]
    """Values each axis may take; None where any text is allowed. The first one is the default."""
    default_disk: str
    facts: Callable[[Cell], Mapping[str, object]]
    problems: Callable[[], tuple[str, ...]]
    ready: Callable[[], str]
    """How hosts will run here, in a few words, for who asks what this machine can do."""
    prepare: Callable[[tuple[HostRequest, ...], Callable[[str], None]], None]
    room: Callable[[tuple[HostRequest, ...]], str]
    host: Callable[[HostRequest, Access | None], HostOutputs]
    """With the stack's keys where the cloud's hosts are reached by SSH."""

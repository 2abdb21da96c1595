"""The interface of a cloud: a place that gives hosts. Members live in `stacks.clouds`, one file each.

A cloud gives us a host and nothing more: Pulumi owns create, update and delete, `stacks.host_setup` what runs on the host.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pulumi

    from bench.records import Cell
    from stacks.policy import Meaning


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
    public_addresses: bool = True
    """Hosts are reached over the internet. Else they may lie in a network of a company's own, as in a private cloud."""
    address_per_cell: bool = True
    """Each cell has an address of its own. Else those of one host share its address, and differ in their ports."""
    sells_spot: bool = False
    """VMs can be had cheaper, and are taken away when somebody pays more."""
    ends_vms: bool = False
    """A VM that powers itself off is gone, and costs nothing more. Else what it holds is paid for until it is deleted."""


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
    shifts: Mapping[str, int] = field(default_factory=dict)
    """By cell, what is added to the ports of its server: 0 where each cell has an address of its own."""
    zone: str = ""
    image_id: str = ""
    """The machine image as the cloud calls it, looked up when the plan was made; empty where the cloud has no such names."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Owner, run and expiry: on everything that is made for the host (`stacks.labels`)."""
    spot: bool = False
    lifetime_s: int = 0
    """After how many seconds the host powers itself off; 0 for never."""


@dataclass(frozen=True, kw_only=True)
class SiteRequest:
    """What the hosts of a stack in one zone share: a network, a firewall, a key.

    `operator` is the address (CIDR) that SSH is open to. `server_ports` are open to it, or to the private network, as `open_to`
    says.
    """

    stack: str
    region: str
    zone: str
    labels: Mapping[str, str]
    operator: str
    server_ports: tuple[int, ...]
    open_to: Literal["operator", "generators"]
    hosts: int
    spot: bool


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

    Empty when each cell takes a loopback address of its own. `shift`, a number as text, is what its ports are moved by.
    """
    reach: pulumi.Output[list[str]]
    """The start of a command line that runs the shell command appended to it on the host (`bench.records.Target.reach`)."""
    facts: pulumi.Output[dict[str, Any]]
    incarnation: pulumi.Output[str]
    """Changes when the host is made anew, and with it everything that was on it."""


@dataclass(frozen=True, kw_only=True)
class Belonging:
    """Something in an account that carries our labels, whatever Pulumi's state says of it. `expires_at` is Unix time."""

    cloud: str
    region: str
    kind: str
    """`vm`, `disk`, `network`, ...: as people say it."""
    id: str
    name: str
    owner: str
    run: str
    expires_at: float


@dataclass(frozen=True, kw_only=True)
class Account:
    """What a cloud with an account can be asked beside Pulumi, through its own client library. All raise DeployError.

    `image_id` gives the newest id of one of our image names in a region. `zones` are those of a region, the first one is used
    unless the matrix says otherwise. `instance_types` are those that a region sells. `belongings` finds all that carries our
    labels, in the regions named or in all where none is; `remove` takes one of them away and waits, and is fine with one that
    is gone. `meanings` tells, by type of resource, what its inputs mean for `stacks.policy`. `failures` are regular expressions
    of what the cloud says, by what it means (`stacks.deploy_failures.KINDS`). `images` are the names of `stacks.distributions`
    that the cloud has.
    """

    image_id: Callable[[str, str], str]
    zones: Callable[[str], tuple[str, ...]]
    instance_types: Callable[[str], tuple[str, ...]]
    belongings: Callable[[tuple[str, ...]], tuple[Belonging, ...]]
    remove: Callable[[Belonging], None]
    meanings: Mapping[str, Callable[[Mapping[str, Any]], Meaning]]
    failures: Mapping[str, tuple[str, ...]]
    images: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Cloud:
    """A cloud as a value.

    `facts` tells, before anything is created, what a host made for
    a cell would be like (keys as in `bench.knowledge`); a fact that cannot be known is absent. `problems` lists what keeps
    this machine or account from using the cloud, each with its cure, empty when it can. `prepare` makes what must be there before
    any host is (machine images), one line of progress per step. `room` says why the hosts of these
    requests do not fit (memory, quota), and after a colon the cure, or is empty. `site` makes what the hosts of a zone share, a
    value that only the cloud itself looks into; `host` makes one host.
    """

    name: str
    features: Features
    axes: Mapping[str, tuple[str, ...] | None]
    """Values each axis may take; None where any text is allowed. The first one is the default."""
    default_disk: str
    defaults: Mapping[str, str] = field(default_factory=dict)
    """The usual value of an axis on which any text is allowed."""
    facts: Callable[[Cell], Mapping[str, object]]
    problems: Callable[[], tuple[str, ...]]
    ready: Callable[[], str]
    """How hosts will run here, in a few words, for who asks what this machine can do."""
    prepare: Callable[[tuple[HostRequest, ...], Callable[[str], None]], None]
    room: Callable[[tuple[HostRequest, ...]], str]
    host: Callable[[HostRequest, Access | None, Any], HostOutputs]
    """With the stack's keys where the cloud's hosts are reached by SSH, and what `site` made."""
    site: Callable[[SiteRequest, Access | None], Any] = lambda *_: None
    account: Account | None = None

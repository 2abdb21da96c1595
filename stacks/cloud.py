"""The interface of a cloud: a place that gives hosts. Members live in `stacks.clouds`, one file each.

A cloud gives us a host and nothing more: Pulumi owns create, update and delete, `stacks.host_setup` what runs on the host.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

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
    emulated: bool = False


@dataclass(frozen=True, kw_only=True)
class HostOutputs:
    """What a deployed host tells the rest of the program; `facts` is a `bench.records.HostFacts` as plain JSON."""

    resource: pulumi.Resource
    engine_url: pulumi.Output[str]
    address: pulumi.Output[str]
    """Where servers of this host listen; empty when each cell takes a loopback address of its own."""
    facts: pulumi.Output[dict[str, Any]]
    incarnation: pulumi.Output[str]
    """Changes when the host is made anew, and with it everything that was on it."""


@dataclass(frozen=True, kw_only=True)
class Cloud:
    """A cloud as a value.

    `facts` tells, before anything is created, what a host made for
    a cell would be like (keys as in `bench.knowledge`); a fact that cannot be known is absent. `problems` lists what keeps
    this machine or account from using the cloud, each with its cure, empty when it can. `host` makes one host for all `cells`
    that share it.
    """

    name: str
    features: Features
    axes: Mapping[str, tuple[str, ...] | None]
    """Values each axis may take; None where any text is allowed. The first one is the default."""
    default_disk: str
    facts: Callable[[Cell], Mapping[str, object]]
    problems: Callable[[], tuple[str, ...]]
    host: Callable[[str, tuple[Cell, ...]], HostOutputs]

"""Cells → targets: the one place where cloud, engine, driver and server meet."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import pulumi

from bench.records import TARGETS_SCHEMA, Cell
from stacks import clouds, image, servers
from stacks.resources.container import Container
from stacks.resources.credential import Credential

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from stacks.cloud import HostOutputs


@dataclass(frozen=True, kw_only=True)
class Deployed:
    """What the program exports: `targets`, `targets.json` as plain data without any secret, and `credential`, the keys."""

    targets: pulumi.Output[dict[str, Any]]
    credential: pulumi.Output[dict[str, str]]


def deploy(cells: Iterable[Cell], stack: str, images: Mapping[str, str]) -> Deployed:
    """Make every host and every cell on it. `images` holds references by digest of servers that are pulled, not built here."""
    credential = Credential("s3", stack)
    targets = []
    # Cells that differ only in server and data placement share a host: a driver and its control arm then differ in nothing else.
    for _, group in groupby(sorted(cells, key=attrgetter("host")), key=attrgetter("host")):
        members = tuple(group)
        host = clouds.load(members[0].cloud).host(stack, members)
        targets += [_target(cell, host, credential, stack, images) for cell in members]
    return Deployed(
        targets=pulumi.Output.all(*targets).apply(lambda done: {"schema": TARGETS_SCHEMA, "stack": stack, "targets": list(done)}),
        credential=pulumi.Output.secret(pulumi.Output.all(access_key=credential.access_key, secret_key=credential.secret_key)),
    )


def _target(
    cell: Cell, host: HostOutputs, credential: Credential, stack: str, images: Mapping[str, str]
) -> pulumi.Output[dict[str, Any]]:
    container = Container(
        cell.name,
        {
            "stack": stack,
            "host": cell.host,
            "cell": cell.name,
            "server": cell.server,
            "image": images.get(cell.server) or image.ensure(servers.load(cell.server).image).content_digest,
            "data_placement": cell.data_placement,
            "engine_url": host.engine_url,
            "address": host.address,
            "incarnation": host.incarnation,
            "access_key": credential.access_key,
            "secret_key": credential.secret_key,
        },
        pulumi.ResourceOptions(depends_on=[host.resource], parent=host.resource, deleted_with=host.resource),
    )
    known = {"cell": asdict(cell), "credential": stack}
    return pulumi.Output.all(
        endpoint=container.endpoint, engine_url=host.engine_url, host=host.facts, server=container.facts
    ).apply(lambda facts: {**known, **facts})

"""Cells → targets: the one place where cloud, engine, driver and server meet."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import pulumi

from bench.records import TARGETS_SCHEMA, Cell
from stacks import clouds, hosts, image, servers, sites
from stacks.cloud import Access
from stacks.resources.container import Container
from stacks.resources.credential import Credential
from stacks.resources.load_generator import LoadGenerator
from stacks.resources.ssh_key import SshKey

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bench.records import Generators
    from stacks.cloud import HostOutputs, HostRequest
    from stacks.sites import Place
    from stacks.terms import Settled


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a matrix says of a stack beside its cells.

    `images` holds references by digest of servers that are pulled, not built here. Without `generators` the operator's machine
    drives the load.
    """

    images: Mapping[str, str]
    generators: Generators | None = None
    settled: Settled | None = None
    """On what terms hosts of clouds with an account are rented; only a stack that has some needs it."""


@dataclass(frozen=True, kw_only=True)
class Deployed:
    """What the program exports: `targets`, `targets.json` as plain data without any secret, and `credential`, the keys."""

    targets: pulumi.Output[dict[str, Any]]
    credential: pulumi.Output[dict[str, str]]


def deploy(cells: Iterable[Cell], stack: str, wanted: Wanted) -> Deployed:
    """Make every host and every cell on it, and the hosts that the load comes from."""
    every = tuple(cells)
    credential = Credential("s3", stack)
    access = _access(stack) if any(clouds.load(cell.cloud).features.reached_by_ssh for cell in every) else None
    requests = sites.on_terms(
        wanted.settled,
        [(members[0].cloud, each, members) for each, members in hosts.targets(stack, every, wanted.generators, wanted.images)],
        hosts.load_generators(stack, every, wanted.generators),
    )
    made = {place: clouds.load(place.cloud).site(request, access) for place, request in requests.sites.items()}
    targets = []
    for place, request, members in requests.targets:
        host = clouds.load(place.cloud).host(request, access, made[place])
        targets += [_target(cell, host, credential, stack, wanted.images) for cell in members]
    generators = [_generator(place, request, access, made[place]) for place, request in requests.generators]
    exported = pulumi.Output.all(targets=pulumi.Output.all(*targets), generators=pulumi.Output.all(*generators))
    return Deployed(
        targets=exported.apply(lambda done: {"schema": TARGETS_SCHEMA, "stack": stack, **done}),
        credential=pulumi.Output.secret(pulumi.Output.all(access_key=credential.access_key, secret_key=credential.secret_key)),
    )


def _access(stack: str) -> Access:
    key = SshKey("ssh", stack)
    return Access(public_key=key.public_key, private_key=key.private_key)


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
            "addresses": host.addresses,
            "incarnation": host.incarnation,
            "access_key": credential.access_key,
            "secret_key": credential.secret_key,
        },
        pulumi.ResourceOptions(depends_on=[host.resource], parent=host.resource, deleted_with=host.resource),
    )
    features = clouds.load(cell.cloud).features
    known = {
        "cell": asdict(cell),
        "credential": stack,
        "machine": "operator" if features.on_this_machine else f"{cell.cloud}/{cell.region}",
    }
    return pulumi.Output.all(
        endpoint=container.endpoint,
        private_endpoint=container.private_endpoint,
        engine_url=host.engine_url,
        reach=host.reach,
        host=host.facts,
        server=container.facts,
    ).apply(lambda facts: {**known, **facts})


def _generator(place: Place, request: HostRequest, access: Access | None, site: object) -> pulumi.Output[dict[str, Any]]:
    host = clouds.load(place.cloud).host(request, access, site)
    generator = LoadGenerator(
        request.name,
        {
            "stack": request.stack,
            "host": request.name,
            "image": image.ensure("loadgen").content_digest,
            "engine_url": host.engine_url,
            "reach": host.reach,
            "incarnation": host.incarnation,
        },
        pulumi.ResourceOptions(depends_on=[host.resource], parent=host.resource, deleted_with=host.resource),
    )
    known = {"name": request.name, "cloud": place.cloud, "region": request.region}
    return pulumi.Output.all(
        address=host.addresses.apply(lambda found: found[""]["private"]),
        engine_url=host.engine_url,
        reach=host.reach,
        folder=generator.folder,
        host=host.facts,
        image_id=generator.image_id,
    ).apply(lambda facts: {**known, **facts})

"""Where hosts are rented and on what terms: each with its zone, image, labels and end; and what those of one zone share. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from bench.errors import InputError
from bench.records import CREW_PORT
from stacks import clouds, labels
from stacks.cloud import HostRequest, SiteRequest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from bench.records import Cell
    from stacks.terms import Settled

HERE = ""
"""The zone of hosts that no zone is known of."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """A zone of a region of a cloud."""

    cloud: str
    region: str
    zone: str


@dataclass(frozen=True, kw_only=True)
class Requests:
    """Everything that a stack asks its clouds for: first the sites, then the hosts that stand on them."""

    sites: Mapping[Place, SiteRequest]
    targets: tuple[tuple[Place, HostRequest, tuple[Cell, ...]], ...]
    generators: tuple[tuple[Place, HostRequest], ...]


def on_terms(
    settled: Settled | None,
    targets: Iterable[tuple[str, HostRequest, tuple[Cell, ...]]],
    generators: Iterable[tuple[str, HostRequest]],
) -> Requests:
    """The requests with what was settled for the stack. Raises InputError when a cloud wants terms and there are none."""
    placed = [(*_rented(cloud, request, settled), cells) for cloud, request, cells in targets]
    driving = [_rented(cloud, request, settled) for cloud, request in generators]
    by_place: dict[Place, list[HostRequest]] = {}
    for place, request in (*((place, request) for place, request, _ in placed), *driving):
        by_place.setdefault(place, []).append(request)
    return Requests(
        sites={place: _site(place, requests, settled) for place, requests in by_place.items()},
        targets=tuple(placed),
        generators=tuple(driving),
    )


def _rented(cloud: str, request: HostRequest, settled: Settled | None) -> tuple[Place, HostRequest]:
    if not clouds.load(cloud).features.needs_account:
        return Place(cloud=cloud, region=request.region, zone=HERE), request
    if settled is None:
        raise InputError(
            "hosts in an account are rented on terms, and none were settled",
            where=f"cloud {cloud}",
            next_step="deploy with cowbench up MATRIX, which looks up images and your address first",
        )
    zone = settled.zones.get(f"{cloud}/{request.region}", HERE)
    rented = replace(
        request,
        zone=zone,
        instance_type=settled.instance_types.get(request.instance_type, request.instance_type),
        image_id=settled.image_ids.get(f"{cloud}/{request.region}/{request.machine_image}", ""),
        labels=labels.of(request.stack, settled.owner, settled.expires_at),
        spot=settled.spot and clouds.load(cloud).features.sells_spot,
        lifetime_s=settled.lifetime_s,
    )
    return Place(cloud=cloud, region=request.region, zone=zone), rented


def _server_ports(requests: list[HostRequest]) -> set[int]:
    """What hosts reach each other on: the servers, and where several load generators find their master."""
    generators = sum(not request.ports for request in requests)
    crew = {CREW_PORT} if generators > 1 else set()
    return crew | {port for request in requests for ports in request.ports.values() for port in ports}


def _site(place: Place, requests: list[HostRequest], settled: Settled | None) -> SiteRequest:
    first = requests[0]
    return SiteRequest(
        stack=first.stack,
        region=place.region,
        zone=place.zone,
        labels=first.labels,
        operator=settled.operator if settled else "",
        server_ports=tuple(sorted(_server_ports(requests))),
        open_to="generators" if any(request.open_to == "generators" for request in requests) else "operator",
        hosts=len(requests),
        spot=first.spot,
    )

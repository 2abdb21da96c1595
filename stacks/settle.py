"""Before anything is rented: whose it is, who may reach it, until when, which images exactly. Found once, and kept.

A second `up` of the same stack must find the same answers: another image or address would replace hosts that are in use.
"""

from __future__ import annotations

import getpass
import json
import os
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import TYPE_CHECKING

from bench.errors import DeployError, InputError
from stacks import clouds, hosts, operator_address, parts, state
from stacks.terms import Settled

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from bench.records import Generators
    from stacks.cloud import Account, HostRequest
    from stacks.parts import Part
    from stacks.terms import Terms

_AT_ONCE = 8
"""Questions to the clouds at the same time: each takes a second or more, and none of them likes a crowd."""

_NEAR = 5
"""Types that are told where one is not there: those that are written most like it."""


def settle(split: Sequence[Part], generators: Generators | None, terms: Terms) -> dict[str, Settled]:
    """What holds for each part that rents anything, by its name: what was kept of it, and what is new. Writes nothing.

    Asks the clouds for images and zones that are not known yet, whether a new part's types of VM, and those to try instead, are
    sold there, and for the operator's address where nobody said it. Raises DeployError when one does not answer or the stack's
    time is over, InputError when the terms are not those it was made on, or name a zone or a type that is not there.
    """
    rented = {part.name: requests for part in split if (requests := _requests(part, generators))}
    if not rented:
        return {}
    known = {name: kept for name in rented if (kept := read(name)) is not None}
    first = next(iter(known.values()), None) or _fresh(terms)
    for name, kept in known.items():
        _insist_on_same_terms(name, kept, terms)
    found = {name: known.get(name) or replace(first, image_ids={}, zones={}, instance_types={}) for name in rented}
    new = [place for name, requests in rented.items() if name not in known for place in requests]
    ids, zones = _looked_up(rented, found, new, terms)
    return {
        name: replace(
            settled,
            image_ids={**settled.image_ids, **{key: ids[key] for key in _images(rented[name]) if key in ids}},
            zones={**settled.zones, **{key: zones[key] for key in _regions(rented[name]) if key in zones}},
        )
        for name, settled in found.items()
    }


def zones_of(cloud: str, region: str, terms: Terms) -> tuple[str, ...]:
    """The zones to try, in this order: those that the matrix names, else the cloud's own. Raises DeployError."""
    return _named_zones(cloud, region, terms) or _account(cloud).zones(region)


def keep(settled: Mapping[str, Settled]) -> None:
    """Write down what holds for each part, in its directory, until it is gone."""
    for name, each in settled.items():
        path = _file(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_suffix(f".{os.getpid()}")
        draft.write_text(json.dumps(asdict(each), indent=2, sort_keys=True))
        draft.replace(path)


def read(part: str) -> Settled | None:
    """What was kept of a part; None when there is nothing, or a kill has torn it."""
    try:
        return Settled(**json.loads(_file(part).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def rented(part: str) -> dict[str, tuple[str, ...]]:
    """The regions, by cloud, in which the part may have rented anything."""
    settled = read(part)
    found: dict[str, set[str]] = {}
    for key in settled.zones if settled else ():
        cloud, _, region = key.partition("/")
        found.setdefault(cloud, set()).add(region)
    return {cloud: tuple(sorted(regions)) for cloud, regions in found.items()}


def of_stack(stack: str) -> tuple[Settled, ...]:
    """What holds for those parts of the stack that rent anything."""
    return tuple(settled for name in parts.names(stack) if (settled := read(name)) is not None)


def expires_at(stack: str) -> float | None:
    """When the first of the stack's parts ends by itself, Unix time; None when none of them rents anything."""
    return min((each.expires_at for each in of_stack(stack)), default=None)


def began_at(settled: Settled) -> str:
    """When it was settled, right before the deployment began: ISO 8601."""
    return datetime.fromtimestamp(settled.expires_at - settled.lifetime_s, UTC).isoformat(timespec="seconds")


def own_name() -> str:
    """Whose things are where nobody said it: the user on this machine."""
    return f"{getpass.getuser()}@{socket.gethostname()}"


def _file(part: str) -> Path:
    return state.stack_dir(part) / parts.SETTLED_FILE


def _fresh(terms: Terms) -> Settled:
    return Settled(
        owner=terms.owner or own_name(),
        operator=terms.operator or operator_address.find(),
        expires_at=time.time() + terms.lifetime_s,
        lifetime_s=terms.lifetime_s,
        spot=terms.spot,
    )


def _insist_on_same_terms(part: str, kept: Settled, terms: Terms) -> None:
    stack = parts.stack_of(part)
    if kept.expires_at < time.time():
        raise DeployError(
            "its time is over: its hosts power themselves off, or have done so",
            where=f"stack {stack}",
            next_step=f"cowbench down --stack {stack}, then up again",
        )
    stated = {"spot": terms.spot, "lifetime_s": terms.lifetime_s, "owner": terms.owner, "operator": terms.operator}
    for name, value in stated.items():
        if value not in ("", getattr(kept, name)):
            raise InputError(
                f"it was made with {name.removesuffix('_s')} {getattr(kept, name)}, the matrix says {value}",
                where=f"stack {stack}",
                next_step=f"cowbench down --stack {stack}, then up again; or put the matrix' deploy part back as it was",
            )


def _requests(part: Part, generators: Generators | None) -> tuple[tuple[str, HostRequest], ...]:
    """Every host that the part rents, each with its cloud."""
    return tuple(
        (cloud, request)
        for cloud, requests in hosts.by_cloud(part.name, part.cells, generators).items()
        if clouds.load(cloud).features.needs_account
        for request in requests
    )


def _images(requests: Iterable[tuple[str, HostRequest]]) -> dict[str, tuple[str, str, str]]:
    """Cloud, region and image of every host, by the key under which `Settled` has its id."""
    places = {(cloud, request.region, request.machine_image) for cloud, request in requests}
    return {"/".join(place): place for place in sorted(places)}


def _regions(requests: Iterable[tuple[str, HostRequest]]) -> dict[str, tuple[str, str]]:
    return {"/".join(place): place for place in sorted({(cloud, request.region) for cloud, request in requests})}


def _types(requests: Iterable[tuple[str, HostRequest]], terms: Terms) -> dict[tuple[str, str], list[str]]:
    """The types of VM that are wanted, and those that may take their place, by cloud and region."""
    found: dict[tuple[str, str], list[str]] = {}
    for cloud, region, kind in sorted({(cloud, request.region, request.instance_type) for cloud, request in requests}):
        found.setdefault((cloud, region), []).extend((kind, *terms.instead_of.get(kind, ())))
    return found


def _looked_up(
    rented: Mapping[str, tuple[tuple[str, HostRequest], ...]],
    found: Mapping[str, Settled],
    new: Iterable[tuple[str, HostRequest]],
    terms: Terms,
) -> tuple[dict[str, str], dict[str, str]]:
    """Image ids and zones that are not known yet, and whether what is new can be had, asked side by side."""
    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        ids, zones = {}, {}
        for name, requests in rented.items():
            for key, place in _images(requests).items():
                if key not in found[name].image_ids:
                    ids[key] = pool.submit(_image_id, *place)
            for key, region in _regions(requests).items():
                if key not in found[name].zones:
                    zones[key] = pool.submit(_first_zone, *region, terms)
        sold = [pool.submit(_insist_on_types, *place, kinds) for place, kinds in _types(new, terms).items()]
        placed = {key: each.result() for key, each in zones.items()}
        for each in sold:
            each.result()
        return {key: each.result() for key, each in ids.items()}, placed


def _image_id(cloud: str, region: str, image: str) -> str:
    return _account(cloud).image_id(region, image)


def _first_zone(cloud: str, region: str, terms: Terms) -> str:
    there, named = _account(cloud).zones(region), _named_zones(cloud, region, terms)
    if strange := [zone for zone in named if zone not in there]:
        step = f"write some of {', '.join(there)}" if there else "leave them out: it has none to choose from"
        raise InputError(f"{region} has no zone {', '.join(strange)}", where=f"deploy.zones, cloud {cloud}", next_step=step)
    return next(iter(named or there), "")


def _named_zones(cloud: str, region: str, terms: Terms) -> tuple[str, ...]:
    return tuple(terms.zones.get(f"{cloud}/{region}") or terms.zones.get(region) or ())


def _insist_on_types(cloud: str, region: str, wanted: Sequence[str]) -> None:
    there = _account(cloud).instance_types(region)
    for kind in wanted:
        if kind not in there:
            near = ", ".join(get_close_matches(kind, there, n=_NEAR, cutoff=0.0))
            step = f"write one that it has, such as {near}" if near else "write another region"
            raise InputError(f"{cloud} has no instance type {kind} in {region}", where=f"cloud {cloud}", next_step=step)


def _account(cloud: str) -> Account:
    account = clouds.load(cloud).account
    assert account is not None
    return account

"""What all clouds with an account have in common: from their VM to a host, and all that a `Cloud` says alike.

A cloud's own file has what only it knows: its network, its VM, its words. It hands them to `cloud` here.
"""

from __future__ import annotations

import importlib.util
import re
from collections import Counter
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from bench.errors import InputError
from stacks import distributions, engines, first_contact, host_setup, labels, user_data, vm_setup
from stacks.cloud import Access, Account, Cloud, Features, HostOutputs, HostRequest, SiteRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pulumi

    from bench.records import Cell


@dataclass(frozen=True, kw_only=True)
class RentedVm:
    """The VM that a cloud's file made. `id` changes whenever the VM does; `after` is what else must be there (an address)."""

    resource: pulumi.Resource
    id: pulumi.Output[str]
    public_address: pulumi.Output[str]
    private_address: pulumi.Output[str]
    after: tuple[pulumi.Resource, ...] = ()


def cloud(
    *,
    name: str,
    extra: str,
    sdk: str,
    regions: tuple[str, ...],
    instance_type: str,
    disks: tuple[str, ...],
    whole_disks: bool,
    sells_spot: bool,
    ends_vms: bool,
    credentials: Callable[[], tuple[str, ...]],
    site: Callable[[SiteRequest, Access | None], Any],
    vm: Callable[[HostRequest, Any, pulumi.Output[str]], RentedVm],
    account: Account,
    unfit: Callable[[HostRequest], str] = lambda _request: "",
    hosts_limit: int = 0,
    forms: Mapping[str, str] = MappingProxyType({}),
    public_addresses: bool = True,
) -> Cloud:
    """A cloud with an account, as a value.

    `extra` is the part of this package that brings `sdk`, the module of its Pulumi SDK. `regions` has what is usual first;
    others are taken as they are written. `disks` are its kinds, each with a usual size (`gp3-100GiB`), the default first; a
    speed in it holds for all disks of the kind that say none.
    `credentials` lists what is missing of them, each with its cure after a colon; it asks no network. `vm` makes a VM with its
    data disks, given what `site` made and the user-data. `unfit` says why there is no such host (a disk that its type cannot
    have), and after a colon the cure, or is empty; it sees what a cell says of a host, before anything else is known.
    `hosts_limit` is how many a region takes of one stack, 0 for any number. `forms` are patterns of the names that the cloud has
    on an axis (`region`, `instance_type`), where they tell them from another cloud's. `public_addresses` as in `Features`.
    """
    usual = {"region": regions[0], "instance_type": instance_type}

    def unusable(request: HostRequest) -> str:
        return _misnamed(request, name, forms, usual) or unfit(request)

    return Cloud(
        name=name,
        features=Features(
            needs_account=True,
            needs_root=False,
            chooses_kernel=True,
            own_images=False,
            on_this_machine=False,
            whole_disks=whole_disks,
            reached_by_ssh=True,
            private_network=True,
            address_per_cell=False,
            sells_spot=sells_spot,
            ends_vms=ends_vms,
            public_addresses=public_addresses,
        ),
        axes={
            "region": None,
            "instance_type": None,
            "disk": disks,
            "machine_image": account.images,
            "engine": engines.ENGINES,
            "backing_filesystem": tuple(host_setup.FILESYSTEMS),
        },
        defaults=usual,
        default_disk=disks[0],
        facts=_facts,
        problems=lambda: (*_missing_sdk(extra, sdk), *credentials()),
        ready=lambda: "credentials found; whether they are allowed to do what is needed shows when they are used",
        prepare=lambda _requests, _progress: None,
        room=lambda requests: next(filter(None, map(unusable, requests)), "") or _crowded(requests, name, hosts_limit),
        site=site,
        host=lambda request, access, made: _host(request, access, _fitting(vm, unusable), made, name),
        account=account,
    )


def _facts(cell: Cell) -> Mapping[str, object]:
    return distributions.facts(cell.machine_image)


def _missing_sdk(extra: str, sdk: str) -> tuple[str, ...]:
    # Not imported: that takes a second, and some of them a hundred megabytes.
    if importlib.util.find_spec(sdk) is not None:
        return ()
    return (f"{sdk} is not installed: make setup-clouds CLOUDS={extra}",)


def _misnamed(request: HostRequest, cloud: str, forms: Mapping[str, str], usual: Mapping[str, str]) -> str:
    """Which name cannot be one of the cloud's by its form, and after a colon the cure, or empty."""
    for axis, form in forms.items():
        if not re.fullmatch(form, written := str(getattr(request, axis))):
            return f"{written} is no {axis.replace('_', ' ')} of {cloud}: write one such as {usual[axis]}"
    return ""


def _crowded(requests: tuple[HostRequest, ...], name: str, limit: int) -> str:
    """Which region has more hosts than it takes, and after a colon the cure, or empty."""
    for region, count in Counter(request.region for request in requests).items():
        if 0 < limit < count:
            return (
                f"{name} takes {limit} hosts of a stack in {region}, and {count} are wanted: "
                "leave cells out, or spread them over regions or stacks"
            )
    return ""


def _fitting(
    vm: Callable[[HostRequest, Any, pulumi.Output[str]], RentedVm], unfit: Callable[[HostRequest], str]
) -> Callable[[HostRequest, Any, pulumi.Output[str]], RentedVm]:
    """`vm`, for hosts that can be: what comes of a plan can, but a type that took the place of another was in none."""

    def checked(request: HostRequest, site: Any, told: pulumi.Output[str]) -> RentedVm:  # noqa: ANN401 - as in `_host`
        if reason := unfit(request):
            what, _, cure = reason.partition(": ")
            raise InputError(what, where=f"host {request.name}", next_step=cure)
        return vm(request, site, told)

    return checked


def _host(
    request: HostRequest,
    access: Access | None,
    vm: Callable[[HostRequest, Any, pulumi.Output[str]], RentedVm],
    site: Any,  # noqa: ANN401 - what only the cloud itself looks into
    name: str,
) -> HostOutputs:
    import pulumi  # noqa: PLC0415 - only a deployment needs it: planning must not wait for it

    from stacks.resources.rented_host import RentedHost  # noqa: PLC0415 - imports pulumi

    assert access is not None
    setup = vm_setup.script(request, device=host_setup.BLANK, pool_device=host_setup.BLANK)
    text = pulumi.Output.all(access.public_key, access.private_key).apply(lambda keys: _user_data(request, setup, *keys))
    # Derived from the private key, but nothing of it can be told from the text, and policy must be able to read it.
    made = vm(request, site, pulumi.Output.unsecret(text))
    host = RentedHost(
        request.name,
        {
            "stack": request.stack,
            "host": request.name,
            "vm": made.id,
            "rented": f"{name} {request.instance_type}{' spot' if request.spot else ''}",
            "image_id": request.image_id,
            "address": made.public_address,
            "private_address": made.private_address,
            "setup": setup,
            "driver": request.driver,
            "ports": {cell: list(ports) for cell, ports in request.ports.items()},
            "shifts": dict(request.shifts),
            "open_to": request.open_to,
            "public_key": access.public_key,
            "private_key": access.private_key,
        },
        pulumi.ResourceOptions(depends_on=[made.resource, *made.after], parent=made.resource, deleted_with=made.resource),
    )
    return HostOutputs(
        resource=host,
        engine_url=host.engine_url,
        addresses=host.addresses,
        reach=host.reach,
        facts=host.facts,
        incarnation=host.incarnation,
    )


def _user_data(request: HostRequest, setup: str, public_key: str, private_key: str) -> str:
    return user_data.render(
        host=request.name,
        public_key=public_key,
        up_script=setup,
        word=first_contact.word(private_key, request.name),
        lifetime_s=request.lifetime_s,
        expires_at=labels.expires_at(request.labels),
    )

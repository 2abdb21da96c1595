"""OpenStack: OVH's public cloud, and private clouds that speak the same API.

Nova keeps labels as metadata of a VM. Neutron gets them as the description of a thing, which is set as it is made: its tags come
in a second request, which a killed run may never send, and older versions cut them off at 60 characters. Key pairs and server
groups have nothing but a name.
"""

from __future__ import annotations

import ipaddress
import os
import re
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, TypeVar

from bench.errors import DeployError
from stacks import disk, drivers, labels, policy, rented
from stacks.cloud import Access, Account, Belonging, HostRequest, SiteRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    import pulumi
    from openstack.connection import Connection
    from pulumi_openstack import compute, networking

_T = TypeVar("_T")

_PRIVATE = "10.78.0.0/20"
"""The private network of a site: each has its own, so that all may have the same addresses."""

_SSH = 22
_GIB = 1 << 30
_MARK = "cowbench"
_TAG = {"tags": [_MARK]}
"""For people alone: `openstack network list --tags cowbench`. Nothing here reads it."""

_GROUP_LIMIT = 10
"""VMs in a server group: Nova's own default of the quota `server_group_members`."""

_DISKS = ("high-speed", "classic", "high-speed-gen2", "high-speed-luks", "high-speed-gen2-luks", "classic-luks")
"""Volume types of OVH; a private cloud has its own, see `_disks`. Those with luks are encrypted."""

_IMAGES: Mapping[str, str] = {
    **{f"debian-{version}": rf"debian[ _-]?(?:gnu/linux )?{version}(?:\.\d+)?" for version in (12, 13, 11)},
    **{f"ubuntu-{version}": rf"ubuntu[ _-]?{re.escape(version)}" for version in ("24.04", "26.04", "22.04", "20.04", "18.04")},
    **{f"rocky-{version}": rf"rocky[ _-]?(?:linux[ _-]?)?{version}(?:\.\d+)?" for version in (9, 10, 8)},
    **{f"alma-{version}": rf"alma[ _-]?(?:linux[ _-]?)?{version}(?:\.\d+)?" for version in (9, 10, 8)},
    "centos-7": r"centos[ _-]?(?:linux[ _-]?)?7(?:\.\d+)?",
    "opensuse-leap": r"opensuse[ _-]?leap[ _-]?[\d.]+",
    "fedora": r"fedora[ _-]?(?:linux[ _-]?|cloud[ _-]?)?(?:base[ _-]?)?\d+",
}
"""How images are called, in any case: `Debian 12` on OVH and in the Sovereign Cloud Stack, or as the vendors name their files."""

_IMAGE_WORDS = r"lts|base|server|latest|generic|generic-?cloud|cloud|cloudimg|amd64|x86[_-]64|[\d.]+"
_CODE_NAMES = r"bullseye|bookworm|trixie|bionic|focal|jammy|noble|resolute"
_IMAGE_TAIL = rf"(?:[ _.-]\(?(?:{_IMAGE_WORDS}|{_CODE_NAMES})\)?)*"
"""What may follow: anything else (`- Docker`, `- UEFI`) is another image."""

_NO_LOCAL_DISKS, _LOCAL_DISKS = r"([bcr][23]|d2|s1)-\d+(-flex)?", r"i1-\d+"
"""Flavors of OVH that have one disk alone, and those that bring NVMe disks beside it."""

_WAY = "COWBENCH_OPENSTACK_ADDRESSES"
"""`floating`, which is usual, or `direct`."""

_DEFAULT, _NVME = "default", "nvme"
"""Kinds of ours: whatever volume type the cloud takes when none is asked for; and disks that the flavor itself brings."""

_WAITS_S = (1.0, 4.0, 15.0)
"""Between tries: a cloud that throttles does so for seconds."""

_PASSING = {409, 429, 500, 502, 503, 504}
"""What a later try may not meet. A conflict is one: what used a thing is gone a moment before the thing knows it."""

_GONE_LIMIT_S = 600


@dataclass(frozen=True, kw_only=True)
class _Site:
    """What the hosts of a zone share. `group` is None where a server group would hold one host, or more than its quota."""

    request: SiteRequest
    provider: pulumi.ProviderResource
    network: networking.Network
    subnet: networking.Subnet
    outside: pulumi.Output[str]
    firewall: networking.SecGroup
    key: compute.Keypair
    group: compute.ServerGroup | None
    way_out: tuple[pulumi.Resource, ...]
    """What a VM needs to fetch packages at its first boot: the rules that let it out, and its router."""


def _site(request: SiteRequest, access: Access | None) -> _Site:
    import pulumi  # noqa: PLC0415 - only a deployment needs it: planning must not wait for it
    import pulumi_openstack as openstack  # noqa: PLC0415 - as above

    assert access is not None
    name, about = f"{request.region}-{request.zone}".rstrip("-"), _about(request.labels)
    provider = openstack.Provider(name, region=request.region)
    mine = pulumi.ResourceOptions(provider=provider)
    network = openstack.networking.Network(name, admin_state_up=True, **about, opts=mine)
    subnet = openstack.networking.Subnet(
        name,
        network_id=network.id,
        cidr=_PRIVATE,
        ip_version=4,
        # A VM with an address of its own on the external network must not find a second way out.
        no_gateway=True if _direct() else None,
        dns_nameservers=_words("COWBENCH_OPENSTACK_DNS") or None,
        **about,
        opts=mine,
    )
    outside = openstack.networking.get_network_output(
        name=_external_network(), external=True, opts=pulumi.InvokeOutputOptions(provider=provider)
    ).apply(lambda found: found.id)
    firewall = openstack.networking.SecGroup(name, delete_default_rules=True, **about, opts=mine)
    given = _name(request.labels, name)
    return _Site(
        request=request,
        provider=provider,
        network=network,
        subnet=subnet,
        outside=outside,
        firewall=firewall,
        # Its name is given, and two cannot have the same.
        key=openstack.compute.Keypair(
            name,
            name=given,
            public_key=access.public_key,
            opts=pulumi.ResourceOptions(provider=provider, delete_before_replace=True),
        ),
        group=openstack.compute.ServerGroup(name, name=given, policies="soft-affinity", opts=mine)
        if 1 < request.hosts <= _GROUP_LIMIT
        else None,
        way_out=(*_rules(name, request, firewall, provider), *_router(name, request, subnet, outside, provider)),
    )


def _rules(
    name: str, request: SiteRequest, firewall: networking.SecGroup, provider: pulumi.ProviderResource
) -> Iterator[networking.SecGroupRule]:
    import pulumi  # noqa: PLC0415 - only a deployment needs it
    from pulumi_openstack import networking  # noqa: PLC0415 - as above

    opts = pulumi.ResourceOptions(provider=provider)
    for ethertype in ("IPv4", "IPv6"):
        yield networking.SecGroupRule(
            f"{name}-out-{ethertype}",
            security_group_id=firewall.id,
            direction="egress",
            ethertype=ethertype,
            opts=opts,
        )
    inside = request.operator if request.open_to == "operator" else _PRIVATE
    for port, source in {_SSH: request.operator, **dict.fromkeys(request.server_ports, inside)}.items():
        yield networking.SecGroupRule(
            f"{name}-in-{port}",
            security_group_id=firewall.id,
            direction="ingress",
            ethertype=f"IPv{ipaddress.ip_network(source, strict=False).version}",
            protocol="tcp",
            port_range_min=port,
            port_range_max=port,
            remote_ip_prefix=source,
            opts=opts,
        )


def _router(
    name: str,
    request: SiteRequest,
    subnet: networking.Subnet,
    outside: pulumi.Output[str],
    provider: pulumi.ProviderResource,
) -> Iterator[networking.RouterInterface]:
    import pulumi  # noqa: PLC0415 - only a deployment needs it
    from pulumi_openstack import networking  # noqa: PLC0415 - as above

    if _direct():
        return
    opts = pulumi.ResourceOptions(provider=provider)
    router = networking.Router(name, external_network_id=outside, **_about(request.labels), opts=opts)
    yield networking.RouterInterface(name, router_id=router.id, subnet_id=subnet.id, opts=opts)


def _vm(request: HostRequest, site: _Site, user_data: pulumi.Output[str]) -> rented.RentedVm:
    import pulumi  # noqa: PLC0415 - only a deployment needs it: planning must not wait for it
    from pulumi_openstack import compute, networking  # noqa: PLC0415 - as above

    opts, about = pulumi.ResourceOptions(provider=site.provider), _about(request.labels)
    guarded = {"security_group_ids": [site.firewall.id], **about}
    private = networking.Port(
        request.name,
        network_id=site.network.id,
        fixed_ips=[networking.PortFixedIpArgs(subnet_id=site.subnet.id)],
        **guarded,
        opts=opts,
    )
    public = networking.Port(f"{request.name}-public", network_id=site.outside, **guarded, opts=opts) if _direct() else None
    instance = compute.Instance(
        request.name,
        flavor_name=request.instance_type,
        image_id=request.image_id,
        availability_zone=request.zone or None,
        key_pair=site.key.name,
        user_data=user_data,
        # The metadata service is not reached from every private network; the drive always is.
        config_drive=True,
        metadata=dict(request.labels),
        # The first one has the way out.
        networks=[compute.InstanceNetworkArgs(port=port.id) for port in (public, private) if port],
        block_devices=[compute.InstanceBlockDeviceArgs(**each) for each in _block_devices(request)],
        scheduler_hints=[compute.InstanceSchedulerHintArgs(group=site.group.id)] if site.group else None,
        # Another one could not have the port while the old one holds it.
        opts=pulumi.ResourceOptions(provider=site.provider, depends_on=site.way_out, delete_before_replace=True),
    )
    if public is not None:
        return _rented(instance, public.all_fixed_ips.apply(_ipv4), private)
    address = networking.FloatingIp(request.name, pool=_external_network(), **about, opts=opts)
    bound = networking.FloatingIpAssociate(
        request.name,
        floating_ip=address.address,
        port_id=private.id,
        opts=pulumi.ResourceOptions(provider=site.provider, depends_on=site.way_out),
    )
    return _rented(instance, address.address, private, bound)


def _rented(
    instance: compute.Instance, public_address: pulumi.Output[str], private: networking.Port, *after: pulumi.Resource
) -> rented.RentedVm:
    return rented.RentedVm(
        resource=instance,
        id=instance.id,
        public_address=public_address,
        private_address=private.all_fixed_ips.apply(_ipv4),
        after=after,
    )


def _ipv4(addresses: Sequence[str] | None) -> str:
    """The IPv4 one: a port of OVH's external network has one of each, in any order."""
    return next((address for address in addresses or () if ":" not in address), "")


def _block_devices(request: HostRequest) -> list[dict[str, Any]]:
    """The image on the flavor's own disk, and blank volumes that Nova makes with the VM and deletes with it."""
    wanted = disk.read(request.disk)
    gone_with_vm = {"delete_on_termination": True}
    image = {"source_type": "image", "uuid": request.image_id, "destination_type": "local", "boot_index": 0, **gone_with_vm}
    if wanted.kind == _NVME:
        return [image]
    blank = {
        "source_type": "blank",
        "destination_type": "volume",
        "volume_size": -(-wanted.size_bytes // _GIB),
        "volume_type": None if wanted.kind == _DEFAULT else wanted.kind,
        # Never booted from.
        "boot_index": -1,
        **gone_with_vm,
    }
    return [image, *([blank] * (2 if drivers.load(request.driver).wants_whole_disk else 1))]


def _unfit(request: HostRequest) -> str:
    """Why there is no such VM, and after a colon the cure, or empty. Of a private cloud's own flavors nothing is known."""
    wanted = disk.read(request.disk)
    if wanted.iops or wanted.bytes_per_s:
        what = f"a volume's speed comes with its type and size, and cannot be asked for ({request.disk})"
        return f"{what}: write {wanted.kind}-{disk.size_text(wanted.size_bytes)}, or a faster type"
    if wanted.kind == _NVME and re.fullmatch(_NO_LOCAL_DISKS, request.instance_type):
        return f"{request.instance_type} has no local disk but the one it boots from: choose i1-45, or another disk"
    if wanted.kind != _NVME and re.fullmatch(_LOCAL_DISKS, request.instance_type):
        what = f"{request.instance_type} has local disks beside the {wanted.kind} one, and they could be taken for it"
        return f"{what}: choose a disk {_NVME}-SIZE, or an instance_type without local disks (b3-8)"
    return ""


def _about(found: Mapping[str, str]) -> dict[str, Any]:
    """The labels as Neutron takes them: at most 184 characters of its 255."""
    return {"description": " ".join(f"{key}={value}" for key, value in found.items()), **_TAG}


def _described(text: str | None) -> dict[str, str]:
    return dict(word.split("=", 1) for word in (text or "").split() if word.startswith(f"{_MARK}-") and "=" in word)


def _name(found: Mapping[str, str], place: str) -> str:
    """The name of what has nothing else: `cowbench_OWNER_RUN_EXPIRES_PLACE`. No label has an underscore, and 255 letters fit."""
    return "_".join((_MARK, *(found.get(key, "") for key in labels.KEYS), place))


def _named(text: str | None) -> dict[str, str]:
    mark, *values = (text or "").split("_")
    return dict(zip(labels.KEYS, values, strict=False)) if mark == _MARK and len(values) > len(labels.KEYS) else {}


def _direct() -> bool:
    """Whether VMs stand on the external network with an address of their own, as OVH allows."""
    return os.environ.get(_WAY) == "direct"


def _external_network() -> str:
    return os.environ.get("OS_EXTERNAL_NETWORK") or "Ext-Net"


def _words(variable: str) -> list[str]:
    return [word.strip() for word in os.environ.get(variable, "").split(",") if word.strip()]


def _disks() -> tuple[str, ...]:
    """Kinds of disks with a usual size; a private cloud's own volume types come first, so that one of them is the default."""
    kinds = dict.fromkeys((*_words("COWBENCH_OPENSTACK_DISKS"), *_DISKS, _DEFAULT))
    return (*(f"{kind}-100GiB" for kind in kinds), f"{_NVME}-1700GiB")


def _credentials() -> tuple[str, ...]:
    """What is missing or misspelt, without asking anybody: whether they are accepted shows when they are used."""
    way = os.environ.get(_WAY, "floating")
    misspelt = (
        () if way in {"floating", "direct"} else (f"{_WAY} names no way to an address, {way!r}: set it to floating or direct",)
    )
    return (*misspelt, *_missing_credentials())


def _missing_credentials() -> tuple[str, ...]:
    set_ = {name for name, value in os.environ.items() if name.startswith("OS_") and value}
    if "OS_CLOUD" in set_:
        if any(path.is_file() for path in _clouds_files()):
            return ()
        return (f"OS_CLOUD is set, but there is no clouds.yaml: put it into {_clouds_files()[-2]}",)
    if "OS_AUTH_URL" not in set_:
        return (
            "no OpenStack credentials: source the openrc file of your project, or set OS_CLOUD to a cloud of your clouds.yaml",
        )
    if {"OS_APPLICATION_CREDENTIAL_SECRET", "OS_TOKEN"} & set_:
        return ()
    parts = (
        ("OS_USERNAME", "OS_USER_ID"),
        ("OS_PASSWORD",),
        ("OS_PROJECT_ID", "OS_PROJECT_NAME", "OS_TENANT_ID", "OS_TENANT_NAME"),
    )
    missing = [part[0] for part in parts if not set_.intersection(part)]
    return (f"{', '.join(missing)} missing: source the openrc file of your project again",) if missing else ()


def _clouds_files() -> tuple[Path, ...]:
    """Where the SDK looks, in its order."""
    given = os.environ.get("OS_CLIENT_CONFIG_FILE")
    folders = (Path.cwd(), Path.home() / ".config/openstack", Path("/etc/openstack"))
    return (*([Path(given)] if given else []), *(folder / "clouds.yaml" for folder in folders))


@cache
def _connection(region: str) -> Connection:
    from openstack import config, connection  # noqa: PLC0415 - takes half a second

    found = config.get_cloud_region()
    if region:
        # Not asked for above: the SDK then knows no region but OS_REGION_NAME, and an account has many.
        found.config["region_name"] = region
    return connection.Connection(config=found)


def _asked(region: str, what: str, ask: Callable[[Connection], _T]) -> _T:
    """What the cloud answers, with some patience. Raises DeployError."""
    from keystoneauth1.exceptions import ClientException, ConnectFailure  # noqa: PLC0415 - takes as long as the SDK
    from openstack.exceptions import SDKException  # noqa: PLC0415 - as above

    tries = iter(_WAITS_S)
    while True:
        try:
            return ask(_connection(region))
        except (ClientException, SDKException) as error:
            status = _status(error)
            wait_s = next(tries, None) if status in _PASSING or isinstance(error, ConnectFailure) else None
            if wait_s is None:
                raise _refused(error, status, what, region) from error
        time.sleep(wait_s)


def _status(error: Exception) -> int | None:
    """The HTTP status behind it; an error of discovery has it in its text alone."""
    if found := getattr(error, "http_status", None) or getattr(error, "status_code", None):
        return int(found)
    told = re.search(r"\(HTTP (\d{3})\)", str(error))
    return int(told[1]) if told else None


def _refused(error: Exception, status: int | None, what: str, region: str) -> DeployError:
    steps = {
        401: "the credentials are wrong or have expired: source the openrc file again, or make new ones",
        403: "give the user of these credentials the role member in this project",
        404: "is it a region of this project? see: openstack catalog list",
    }
    if "could not be loaded" in str(error) or "not found" in str(error).lower():
        # The SDK finds no service in the catalog: that is how a region that is none shows.
        status = 404
    usual = "is OS_AUTH_URL right, and the network up? If so, ask the cloud's operator with these words"
    return DeployError(
        f"{what}: {' '.join(str(error).split())}",
        where=f"openstack {region}".rstrip(),
        next_step=steps.get(status or 0, "wait some minutes, then the same again" if status in _PASSING else usual),
    )


def _image_id(region: str, name: str) -> str:
    """The newest public, shared or own image whose name says this distribution and nothing more."""
    every = _asked(region, "listing images", lambda cloud: tuple(cloud.image.images(status="active")))
    fitting = sorted((each for each in every if _is_image(name, each.name or "")), key=lambda each: each.created_at)
    if fitting:
        return str(fitting[-1].id)
    raise DeployError(
        f"there is no image of {name} among {len(every)}",
        where=f"openstack {region}",
        next_step=f"upload its cloud image as {name}, or take it out of the matrix; what there is: openstack image list",
    )


def _is_image(name: str, called: str) -> bool:
    return re.fullmatch(rf"{_IMAGES[name]}{_IMAGE_TAIL}", called, re.IGNORECASE) is not None


def _zones(region: str) -> tuple[str, ...]:
    """Where VMs can be: Nova has no other zones that concern us."""
    found = _asked(region, "listing availability zones", lambda cloud: tuple(cloud.compute.availability_zones()))
    return tuple(zone.name for zone in found if zone.name != "internal" and (zone.state or {}).get("available"))


def _instance_types(region: str) -> tuple[str, ...]:
    return tuple(
        sorted(_asked(region, "listing flavors", lambda cloud: tuple(str(each.name) for each in cloud.compute.flavors())))
    )


@dataclass(frozen=True, kw_only=True)
class _Sort:
    """One sort of thing that may be ours: all there are, the labels of one of them, and how it is taken away by its id."""

    every: Callable[[Connection, str], Iterable[Any]]
    labels: Callable[[Any], Mapping[str, str]]
    remove: Callable[[Connection, str], Any]


def _disks_of_vms(cloud: Connection, _project: str) -> Iterator[Any]:
    """Volumes of VMs of ours, each with its VM's labels: left behind only if Nova fails to take them along."""
    ours = {vm.id: vm.metadata for vm in cloud.compute.servers() if labels.RUN in (vm.metadata or {})}
    for volume in cloud.block_storage.volumes():
        for attached in volume.attachments or ():
            if attached["server_id"] in ours:
                yield SimpleNamespace(id=volume.id, name=volume.name, metadata=ours[attached["server_id"]])


def _delete_and_wait(service: Any, what: str, id_: str) -> None:  # noqa: ANN401 - compute or block_storage
    from openstack.exceptions import NotFoundException  # noqa: PLC0415 - takes half a second

    try:
        found = getattr(service, f"get_{what}")(id_)
    except NotFoundException:
        return
    # Cinder refuses to delete what it is deleting.
    if found.status.lower() != "deleting":
        getattr(service, f"delete_{what}")(id_)
    service.wait_for_delete(found, interval=1, wait=_GONE_LIMIT_S)


def _delete_router(cloud: Connection, id_: str) -> None:
    for port in cloud.network.ports(device_id=id_):
        # Of a plain, a distributed and a highly available router; its way out goes with it.
        if "router_interface" in (port.device_owner or ""):
            cloud.network.remove_interface_from_router(id_, port_id=port.id)
    cloud.network.delete_router(id_)


def _network_sort(plural: str, remove: Callable[[Connection, str], Any]) -> _Sort:
    return _Sort(
        # Without its own project an administrator would see everybody's.
        every=lambda cloud, project: getattr(cloud.network, plural)(project_id=project),
        labels=lambda thing: _described(thing.description),
        remove=remove,
    )


_SORTS: Mapping[str, _Sort] = {
    "vm": _Sort(
        every=lambda cloud, _: cloud.compute.servers(),
        labels=lambda vm: vm.metadata or {},
        remove=lambda cloud, id_: _delete_and_wait(cloud.compute, "server", id_),
    ),
    "disk": _Sort(
        # Nova makes them with their VM, and cannot label them.
        every=_disks_of_vms,
        labels=lambda found: found.metadata,
        remove=lambda cloud, id_: _delete_and_wait(cloud.block_storage, "volume", id_),
    ),
    "address": _network_sort("ips", lambda cloud, id_: cloud.network.delete_ip(id_)),
    "port": _network_sort("ports", lambda cloud, id_: cloud.network.delete_port(id_)),
    "router": _network_sort("routers", _delete_router),
    "subnet": _network_sort("subnets", lambda cloud, id_: cloud.network.delete_subnet(id_)),
    "network": _network_sort("networks", lambda cloud, id_: cloud.network.delete_network(id_)),
    "firewall": _network_sort("security_groups", lambda cloud, id_: cloud.network.delete_security_group(id_)),
    "placement group": _Sort(
        every=lambda cloud, _: cloud.compute.server_groups(),
        labels=lambda group: _named(group.name),
        remove=lambda cloud, id_: cloud.compute.delete_server_group(id_),
    ),
    "key": _Sort(
        every=lambda cloud, _: cloud.compute.keypairs(),
        labels=lambda key: _named(key.name),
        remove=lambda cloud, id_: cloud.compute.delete_keypair(id_),
    ),
}
"""In the order in which they can be removed one after another."""


def _belongings(regions: tuple[str, ...]) -> tuple[Belonging, ...]:
    with ThreadPoolExecutor(max_workers=8) as pool:
        found = [each for some in pool.map(_in_region, regions or _regions()) for each in some]
    order = tuple(_SORTS)
    return tuple(sorted(found, key=lambda each: order.index(each.kind)))


def _regions() -> tuple[str, ...]:
    """Those in which these credentials have VMs, as the catalog says that comes with every token."""
    catalog = _asked("", "reading the catalog of services", lambda cloud: cloud.service_catalog)
    services = [service for service in catalog if service["type"] == "compute"]
    return tuple(sorted({end["region_id"] for service in services for end in service["endpoints"]}))


def _in_region(region: str) -> tuple[Belonging, ...]:
    project = _asked(region, "signing in", lambda cloud: cloud.current_project_id) or ""
    return tuple(each for kind in _SORTS for each in _of_sort(region, project, kind))


def _of_sort(region: str, project: str, kind: str) -> Iterator[Belonging]:
    sort = _SORTS[kind]
    for thing in _asked(region, f"listing every {kind}", lambda cloud: tuple(sort.every(cloud, project))):
        found = sort.labels(thing)
        if labels.RUN in found:
            yield Belonging(
                cloud="openstack",
                region=region,
                kind=kind,
                id=thing.id,
                name=thing.name or thing.id,
                **labels.told(found),
            )


def _remove(belonging: Belonging) -> None:
    remove = _SORTS[belonging.kind].remove
    _asked(belonging.region, f"removing {belonging.kind} {belonging.name}", lambda cloud: remove(cloud, belonging.id))


def _about_meaning(inputs: Mapping[str, Any]) -> policy.Meaning:
    return policy.Meaning(labels=_described(inputs.get("description")))


def _name_meaning(inputs: Mapping[str, Any]) -> policy.Meaning:
    return policy.Meaning(labels=_named(inputs.get("name")))


def _vm_meaning(inputs: Mapping[str, Any]) -> policy.Meaning:
    return policy.Meaning(
        labels=inputs.get("metadata") or {},
        user_data=inputs.get("userData") or "",
        deleted_with_vm=all(each.get("deleteOnTermination") for each in inputs.get("blockDevices") or ()),
    )


def _rule_meaning(inputs: Mapping[str, Any]) -> policy.Meaning:
    if inputs.get("direction") != "ingress":
        return policy.Meaning()
    # Neutron lets everybody in where neither a source nor a group is named.
    source = inputs.get("remoteIpPrefix") or inputs.get("remoteGroupId") or inputs.get("remoteAddressGroupId") or "*"
    first, last = inputs.get("portRangeMin") or 1, inputs.get("portRangeMax") or 65535
    return policy.Meaning(opens=(policy.Opening(source=source, first_port=int(first), last_port=int(last)),))


def _bond_meaning(_inputs: Mapping[str, Any]) -> policy.Meaning:
    """What ties two things together, and goes with them."""
    return policy.Meaning()


CLOUD = rented.cloud(
    name="openstack",
    extra="openstack",
    sdk="pulumi_openstack",
    regions=(os.environ.get("OS_REGION_NAME") or "GRA11",),
    instance_type="b3-8",
    disks=_disks(),
    whole_disks=True,
    sells_spot=False,
    # Shut off, a VM keeps its place, its disks and its price.
    ends_vms=False,
    credentials=_credentials,
    site=_site,
    vm=_vm,
    unfit=_unfit,
    # A private cloud has no addresses but those of its company.
    public_addresses=False,
    account=Account(
        image_id=_image_id,
        zones=_zones,
        instance_types=_instance_types,
        belongings=_belongings,
        remove=_remove,
        meanings={
            "openstack:networking/network:Network": _about_meaning,
            "openstack:networking/subnet:Subnet": _about_meaning,
            "openstack:networking/router:Router": _about_meaning,
            "openstack:networking/routerInterface:RouterInterface": _bond_meaning,
            "openstack:networking/secGroup:SecGroup": _about_meaning,
            "openstack:networking/secGroupRule:SecGroupRule": _rule_meaning,
            "openstack:networking/port:Port": _about_meaning,
            "openstack:networking/floatingIp:FloatingIp": _about_meaning,
            "openstack:networking/floatingIpAssociate:FloatingIpAssociate": _bond_meaning,
            "openstack:compute/keypair:Keypair": _name_meaning,
            "openstack:compute/serverGroup:ServerGroup": _name_meaning,
            "openstack:compute/instance:Instance": _vm_meaning,
        },
        failures={
            "throttled": (r"\b429\b", r"(?i)too ?many ?requests", r"(?i)rate limit"),
            "capacity": (
                r"No valid host was found",
                r"(?i)not enough hosts available",
                r"Exceeded m[a-z]+ (?:number of retries|scheduling attempts)",
                r"No more IP addresses available",
            ),
            "quota": (r"(?i)quota exceeded", r"(?i)exceed\w* (?:\w+ )*quota", r"OverQuota", r"LimitExceeded"),
            "credentials_expired": (r"\b401\b", r"requires authentication", r"Authentication failed", r"[Uu]nauthorized"),
            "not_found_yet": (r"\b404\b", r"(?i)could not be found", r"is not reachable from subnet"),
            "internal": (r"\b50[0234]\b", r"(?i)internal server error", r"(?i)service unavailable", r"(?i)bad gateway"),
        },
        images=tuple(_IMAGES),
    ),
)

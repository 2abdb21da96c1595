"""Hetzner Cloud: servers in a location, their volumes, a private network and a firewall. Its regions are its locations."""

from __future__ import annotations

import contextlib
import os
import re
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from bench.errors import DeployError
from stacks import disk, drivers, labels, rented
from stacks.cloud import Access, Account, Belonging, HostRequest, SiteRequest
from stacks.policy import Meaning, Opening

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import hcloud
    import pulumi
    import pulumi_hcloud

_ENDPOINT = "https://api.hetzner.cloud/v1"
_TOKEN_CHARACTERS = 64
_ANSWER_LIMIT_S = (10, 60)
"""To connect, and for an answer."""

_BUSY = frozenset({"conflict", "locked", "resource_in_use", "service_error"})
"""What the API says of something whose last user is just being deleted (what the Terraform provider tries again after)."""

_BUSY_ATTEMPTS = 15
_BUSY_PAUSE_S = 2.0

_NETWORK_ZONES = {
    "nbg1": "eu-central",
    "fsn1": "eu-central",
    "hel1": "eu-central",
    "ash": "us-east",
    "hil": "us-west",
    "sin": "ap-southeast",
}
"""By location, https://docs.hetzner.com/cloud/networks/faq: a subnet is in a zone, and a server must be in the same one."""

_NETWORK_RANGE, _SUBNET_RANGE = "10.77.0.0/16", "10.77.0.0/24"
_HOSTS_LIMIT = 100
"""Of servers in one network: https://docs.hetzner.com/cloud/networks/faq."""

_ARM = r"cax\d+"
_VOLUME_GIB = range(10, 10241)
_GIB = 1 << 30

_IMAGES = {
    "debian-12": "debian-12",
    "debian-13": "debian-13",
    "debian-11": "debian-11",
    "ubuntu-22.04": "ubuntu-22.04",
    "ubuntu-24.04": "ubuntu-24.04",
    "ubuntu-26.04": "ubuntu-26.04",
    "rocky-8": "rocky-8",
    "rocky-9": "rocky-9",
    "rocky-10": "rocky-10",
    "alma-8": "alma-8",
    "alma-9": "alma-9",
    "alma-10": "alma-10",
    "centos-stream-9": "centos-stream-9",
    "centos-stream-10": "centos-stream-10",
    "opensuse-leap": r"opensuse-\d+",
    "fedora": r"fedora-\d+",
}
"""By our name, a pattern of Hetzner's: of those that match, the newest is meant."""

_KINDS = {"vm": "servers", "disk": "volumes", "firewall": "firewalls", "network": "networks", "key": "ssh_keys"}
"""What can be ours, in the order in which it can be removed, and what the client library calls it."""

_NEXT_STEPS = {
    "unauthorized": "make a new token (Cloud Console > Security > API tokens, read and write) and export HCLOUD_TOKEN",
    "forbidden": "make a token that may read and write, and export HCLOUD_TOKEN",
    "token_readonly": "make a token that may read and write, and export HCLOUD_TOKEN",
    "rate_limit_exceeded": "wait some minutes: a project may ask 3600 times an hour; then run the command again",
    "protected": "switch its delete protection off in the Cloud Console, then run the command again",
    "resource_in_use": "see in the Cloud Console what still uses it, remove that, then run the command again",
}
_USUAL_NEXT_STEP = "look at https://status.hetzner.com, then run the command again"


@dataclass(frozen=True, kw_only=True)
class _Login:
    """What the sites of a stack have in common: a project takes the same public key only once."""

    provider: pulumi_hcloud.Provider
    key: pulumi_hcloud.SshKey


@dataclass(frozen=True, kw_only=True)
class _Site:
    login: _Login
    subnet: pulumi_hcloud.NetworkSubnet
    firewall: pulumi_hcloud.Firewall


_LOGINS: WeakKeyDictionary[Access, _Login] = WeakKeyDictionary()


def _site(request: SiteRequest, access: Access | None) -> _Site:
    import pulumi  # noqa: PLC0415 - only a deployment needs it: planning must not wait for it
    import pulumi_hcloud as hcloud  # noqa: PLC0415 - same

    assert access is not None
    login = _login(request, access)
    options = pulumi.ResourceOptions(provider=login.provider)
    marks = dict(request.labels)
    network = hcloud.Network(f"{request.region}-network", ip_range=_NETWORK_RANGE, labels=marks, opts=options)
    subnet = hcloud.NetworkSubnet(
        f"{request.region}-subnet",
        network_id=network.id.apply(int),
        type="cloud",
        network_zone=_NETWORK_ZONES[request.region],
        ip_range=_SUBNET_RANGE,
        opts=options,
    )
    firewall = hcloud.Firewall(f"{request.region}-firewall", rules=_rules(request), labels=marks, opts=options)
    # No placement group: Hetzner only has one that spreads servers apart, and load should come from nearby.
    return _Site(login=login, subnet=subnet, firewall=firewall)


def _login(request: SiteRequest, access: Access) -> _Login:
    import pulumi  # noqa: PLC0415 - as in `_site`
    import pulumi_hcloud as hcloud  # noqa: PLC0415 - same

    if access not in _LOGINS:
        # The plugin reads HCLOUD_TOKEN and HCLOUD_ENDPOINT itself, so neither is in Pulumi's state.
        provider = hcloud.Provider("hetzner")
        options = pulumi.ResourceOptions(provider=provider)
        key = hcloud.SshKey("hetzner-key", public_key=access.public_key, labels=dict(request.labels), opts=options)
        _LOGINS[access] = _Login(provider=provider, key=key)
    return _LOGINS[access]


def _rules(request: SiteRequest) -> Sequence[pulumi_hcloud.FirewallRuleArgs]:
    """What may come in over the public address; without a rule for it, all may go out.

    The private network passes by the firewall (https://docs.hetzner.com/cloud/firewalls/faq): generators need no rule.
    """
    import pulumi_hcloud as hcloud  # noqa: PLC0415 - as in `_site`

    ports = (22, *(request.server_ports if request.open_to == "operator" else ()))
    return [
        hcloud.FirewallRuleArgs(direction="in", protocol="tcp", port=str(port), source_ips=[request.operator]) for port in ports
    ]


def _vm(request: HostRequest, site: _Site, user_data: pulumi.Output[str]) -> rented.RentedVm:
    import pulumi  # noqa: PLC0415 - as in `_site`
    import pulumi_hcloud as hcloud  # noqa: PLC0415 - same

    size_gib = disk.read(request.disk).size_bytes // _GIB
    server = hcloud.Server(
        request.name,
        server_type=request.instance_type,
        image=request.image_id,
        location=request.region,
        # Without a key Hetzner mails a password to the account's owner, and root must change it first.
        ssh_keys=[site.login.key.id],
        user_data=user_data,
        labels=dict(request.labels),
        firewall_ids=[site.firewall.id.apply(int)],
        public_nets=[hcloud.ServerPublicNetArgs(ipv4_enabled=True, ipv6_enabled=False)],
        # Said to be empty, since an unsaid list is taken for a change at every update.
        networks=[hcloud.ServerNetworkArgs(subnet_id=site.subnet.id, alias_ips=[])],
        opts=pulumi.ResourceOptions(provider=site.login.provider),
    )
    volumes: list[hcloud.Volume] = []
    for use in ("data", "pool") if drivers.load(request.driver).wants_whole_disk else ("data",):
        options = pulumi.ResourceOptions(
            provider=site.login.provider,
            # One after another: a server that attaches a volume is locked.
            depends_on=[*volumes],
            # A new server wants a blank disk, not that of the one before.
            replace_on_changes=["serverId"],
        )
        name, marks = f"{request.name}-{use}", dict(request.labels)
        volumes.append(hcloud.Volume(name, size=size_gib, server_id=server.id.apply(int), labels=marks, opts=options))
    return rented.RentedVm(
        resource=server,
        id=server.id,
        public_address=server.ipv4_address,
        private_address=server.networks.apply(_private_address),
        after=tuple(volumes),
    )


def _private_address(networks: Sequence[pulumi_hcloud.outputs.ServerNetwork] | None) -> str:
    return (networks[0].ip or "") if networks else ""


def _unfit(request: HostRequest) -> str:
    """Why there is no such server, and after a colon the cure, or empty."""
    wanted = disk.read(request.disk)
    size_gib, rest = divmod(wanted.size_bytes, _GIB)
    if request.region not in _NETWORK_ZONES:
        known = f"write one of {', '.join(_NETWORK_ZONES)}; a new one is added in stacks/clouds/hetzner.py"
        return f"no location of Hetzner is known as {request.region}: {known}"
    if re.fullmatch(_ARM, request.instance_type):
        return f"{request.instance_type} is for ARM, and all images here are for x86: choose a type such as cpx22 or ccx13"
    if wanted.iops is not None or wanted.bytes_per_s is not None:
        what = f"Hetzner sells no speed of a volume ({request.disk}), it has the same limits at every size"
        return f"{what}: write a disk such as volume-20GiB"
    if rest or size_gib not in _VOLUME_GIB:
        what = f"Hetzner makes volumes of whole GiB, from {_VOLUME_GIB[0]}GiB to {_VOLUME_GIB[-1]}GiB, and none of {request.disk}"
        return f"{what}: write a disk such as volume-20GiB"
    return ""


def _credentials() -> tuple[str, ...]:
    token = os.environ.get("HCLOUD_TOKEN", "")
    if not token:
        return ("HCLOUD_TOKEN is not set: make a token (Cloud Console > Security > API tokens, read and write) and export it",)
    if len(token) != _TOKEN_CHARACTERS:
        return (f"HCLOUD_TOKEN has {len(token)} characters, a token has {_TOKEN_CHARACTERS}: copy it again",)
    return ()


def _client() -> hcloud.Client:
    import hcloud  # noqa: PLC0415 - only a look-up needs it: planning must not wait for it

    if missing := _credentials():
        what, _, cure = missing[0].partition(": ")
        raise DeployError(what, where="cloud hetzner", next_step=cure)
    return hcloud.Client(
        token=os.environ["HCLOUD_TOKEN"],
        api_endpoint=os.environ.get("HCLOUD_ENDPOINT") or _ENDPOINT,
        application_name="cowbench",
        # It asks again by itself, six times at most, when it is told to slow down or to come back.
        timeout=_ANSWER_LIMIT_S,
    )


@contextlib.contextmanager
def _asking(where: str) -> Iterator[None]:
    """What the API or the way to it says no with becomes a DeployError."""
    import hcloud  # noqa: PLC0415 - as in `_client`
    import requests  # noqa: PLC0415 - same

    try:
        yield
    except hcloud.APIException as error:
        step = _NEXT_STEPS.get(str(error.code), _USUAL_NEXT_STEP)
        raise DeployError(f"Hetzner says: {error.message} ({error.code})", where=where, next_step=step) from error
    except hcloud.HCloudException as error:
        raise DeployError(f"Hetzner did not finish: {error}", where=where, next_step=_USUAL_NEXT_STEP) from error
    except requests.RequestException as error:
        step = "is the network there, and HCLOUD_ENDPOINT right if it is set? Then run the command again"
        raise DeployError(f"Hetzner's API cannot be reached ({type(error).__name__})", where=where, next_step=step) from error


def _image_id(region: str, name: str) -> str:
    """The newest image of that name. They are the same in all locations; only those for x86 are looked at."""
    client, where = _client(), f"machine image {name} in {region}"
    with _asking(where):
        # Not filtered by status: the library (2.27) sends the page's size in its place.
        every = [image for image in client.images.get_all(type=["system"], architecture=["x86"]) if image.status == "available"]
    matching = [image for image in every if re.fullmatch(_IMAGES.get(name, re.escape(name)), image.name or "")]
    if not matching:
        known = ", ".join(sorted({str(image.name) for image in every}))
        raise DeployError("Hetzner has no such image (any more)", where=where, next_step=f"write another one; it has {known}")
    return str(max(matching, key=_release).id)


def _release(image: Any) -> tuple[list[int], Any]:  # noqa: ANN401 - the client's class answers attributes by magic
    return [int(number) for number in re.findall(r"\d+", image.name)], image.created


def _zones(region: str) -> tuple[str, ...]:
    """The location itself: Hetzner no longer has datacenters to choose from within it (removed in July 2026)."""
    client = _client()
    with _asking(f"region {region}"):
        known = [str(location.name) for location in client.locations.get_all()]
    if region not in known:
        raise DeployError(
            f"Hetzner has no location {region}", where="cloud hetzner", next_step=f"write one of {', '.join(known)}"
        )
    return (region,)


def _instance_types(region: str) -> tuple[str, ...]:
    client = _client()
    with _asking(f"server types in {region}"):
        every = client.server_types.get_all()
    return tuple(sorted(str(each.name) for each in every if any(sold.location.name == region for sold in each.locations or ())))


def _belongings(regions: tuple[str, ...]) -> tuple[Belonging, ...]:
    """Networks, firewalls and keys are in no location, so they are found whatever the regions are."""
    client, found = _client(), []
    for kind, service in _KINDS.items():
        with _asking(f"looking for {service}"):
            found += [_belonging(kind, each) for each in getattr(client, service).get_all(label_selector=labels.RUN)]
    return tuple(each for each in found if not regions or each.region in {"", *regions})


def _belonging(kind: str, found: Any) -> Belonging:  # noqa: ANN401 - as in `_release`
    return Belonging(
        cloud="hetzner",
        region=found.location.name if kind in {"vm", "disk"} else "",
        kind=kind,
        id=str(found.id),
        name=found.name,
        **labels.told(found.labels),
    )


def _remove(belonging: Belonging) -> None:
    import hcloud  # noqa: PLC0415 - as in `_client`

    client = _client()
    with _asking(f"{belonging.kind} {belonging.name}"):
        for attempt in range(1, _BUSY_ATTEMPTS + 1):
            try:
                return _delete(client, belonging)
            except hcloud.APIException as error:
                if error.code == "not_found":
                    return None
                if error.code not in _BUSY or attempt == _BUSY_ATTEMPTS:
                    raise
            time.sleep(_BUSY_PAUSE_S)
    return None


def _delete(client: hcloud.Client, belonging: Belonging) -> None:
    found = getattr(client, _KINDS[belonging.kind]).get_by_id(int(belonging.id))
    if belonging.kind == "disk" and found.server is not None:
        found.detach().wait_until_finished()
    done = found.delete()
    if belonging.kind == "vm":
        done.wait_until_finished()


def _labels(inputs: Mapping[str, Any]) -> Mapping[str, str]:
    return inputs.get("labels") or {}


def _of_firewall(inputs: Mapping[str, Any]) -> Meaning:
    return Meaning(labels=_labels(inputs), opens=tuple(_openings(inputs.get("rules") or ())))


def _openings(rules: Sequence[Mapping[str, Any]]) -> Iterator[Opening]:
    for rule in rules:
        if rule["direction"] == "in":
            first, _, last = str(rule.get("port") or "any").replace("any", "1-65535").partition("-")
            for source in rule.get("sourceIps") or ():
                yield Opening(source=source, first_port=int(first), last_port=int(last or first))


def _of_subnet(inputs: Mapping[str, Any]) -> Meaning:
    # Its servers reach one another on every port: the firewall does not stand between them.
    return Meaning(opens=(Opening(source=str(inputs["ipRange"]), first_port=1, last_port=65535),))


def _of_server(inputs: Mapping[str, Any]) -> Meaning:
    text = inputs.get("userData")
    return Meaning(labels=_labels(inputs), user_data=text if isinstance(text, str) else "")


def _labelled(inputs: Mapping[str, Any]) -> Meaning:
    # Also for volumes: Hetzner neither encrypts them nor deletes them with their server, so there is no switch to judge.
    return Meaning(labels=_labels(inputs))


CLOUD = rented.cloud(
    name="hetzner",
    extra="hetzner",
    sdk="pulumi_hcloud",
    regions=tuple(_NETWORK_ZONES),
    # The smallest x86 type with room for an engine (2 shared CPUs, 4 GB) that could be ordered in September 2026; cx could not.
    instance_type="cpx22",
    disks=("volume-20GiB",),
    whole_disks=True,
    sells_spot=False,
    # A server that is off costs as much as one that runs.
    ends_vms=False,
    credentials=_credentials,
    site=_site,
    vm=_vm,
    unfit=_unfit,
    forms={"instance_type": r"c[a-z]+\d+"},
    hosts_limit=_HOSTS_LIMIT,
    account=Account(
        image_id=_image_id,
        zones=_zones,
        instance_types=_instance_types,
        belongings=_belongings,
        remove=_remove,
        meanings={
            "hcloud:index/sshKey:SshKey": _labelled,
            "hcloud:index/network:Network": _labelled,
            "hcloud:index/networkSubnet:NetworkSubnet": _of_subnet,
            "hcloud:index/firewall:Firewall": _of_firewall,
            "hcloud:index/server:Server": _of_server,
            "hcloud:index/volume:Volume": _labelled,
        },
        failures={
            "throttled": (r"\brate_limit_exceeded\b", r"\blocked\b", r"\bconflict\b"),
            "capacity": (r"\bresource_unavailable\b", r"\bplacement_error\b", r"\bno_space_left_in_location\b"),
            "quota": (r"\bresource_limit_exceeded\b",),
            "credentials_expired": (r"\bunauthorized\b", r"\btoken_readonly\b", r"\bforbidden\b"),
            "not_found_yet": (r"\bnot_found\b",),
            "internal": (r"\b(?:server_error|service_error|unknown_error|bad_gateway|timeout|maintenance)\b",),
        },
        images=tuple(_IMAGES),
    ),
)

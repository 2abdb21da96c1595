"""DigitalOcean: droplets, their volumes, a VPC and a firewall that hangs on a tag, so that no droplet is ever without it."""

from __future__ import annotations

import contextlib
import importlib
import os
import re
import time
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from bench.errors import DeployError
from stacks import disk, drivers, labels, rented
from stacks.cloud import Access, Account, Belonging, HostRequest, SiteRequest
from stacks.policy import Meaning, Opening

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import pulumi
    import pulumi_digitalocean

_ENDPOINT = "https://api.digitalocean.com"
_TOKENS = ("DIGITALOCEAN_TOKEN", "DIGITALOCEAN_ACCESS_TOKEN")
"""The variables that the Pulumi plugin reads, in its order."""

_PER_PAGE = 200
_ATTEMPTS = 30
_PAUSE_S = 4.0
"""Members leave their VPC a minute or two after they are deleted; the Terraform provider waits for two."""

_VOLUME_GIB = range(1, 16385)
_GIB = 1 << 30

_REGIONS = ("fra1", "ams3", "lon1", "nyc1", "nyc3", "sfo3", "tor1", "blr1", "sgp1", "syd1")

_FORMS = {
    "region": r"[a-z]{3}\d",
    "instance_type": r"([a-z]+[0-9_]*-\d+vcpu-\d+[gm]b|c2?-\d+|gpu-\w+)(-\w+)*",
}

_IMAGES = {
    "debian-12": "debian-12-x64",
    "debian-13": "debian-13-x64",
    "debian-11": "debian-11-x64",
    "ubuntu-22.04": "ubuntu-22-04-x64",
    "ubuntu-24.04": "ubuntu-24-04-x64",
    "ubuntu-26.04": "ubuntu-26-04-x64",
    "rocky-8": "rockylinux-8-x64",
    "rocky-9": "rockylinux-9-x64",
    "rocky-10": "rockylinux-10-x64",
    "alma-8": "almalinux-8-x64",
    "alma-9": "almalinux-9-x64",
    "alma-10": "almalinux-10-x64",
    "centos-stream-9": "centos-stream-9-x64",
    "centos-stream-10": "centos-stream-10-x64",
    "fedora": r"fedora-\d+-x64",
}
"""By our name, a pattern of DigitalOcean's: of those that match, the newest is meant."""

_KEYS_NEXT_STEP = "make a new token with the scopes of docs/clouds/digitalocean.md and export DIGITALOCEAN_TOKEN"
_NEXT_STEPS = {
    401: _KEYS_NEXT_STEP,
    403: _KEYS_NEXT_STEP,
    409: "see in the control panel what still uses it, remove that, then run the command again",
    429: "wait some minutes: a token may ask 5000 times an hour; then run the command again",
}
_USUAL_NEXT_STEP = "look at https://status.digitalocean.com, then run the command again"


@dataclass(frozen=True, kw_only=True)
class _Login:
    """What the sites of a stack have in common: an account takes the same public key only once."""

    provider: pulumi_digitalocean.Provider
    key: pulumi_digitalocean.SshKey
    mark: pulumi_digitalocean.Tag


@dataclass(frozen=True, kw_only=True)
class _Site:
    login: _Login
    vpc: pulumi_digitalocean.Vpc
    firewall: pulumi_digitalocean.Firewall


_LOGINS: WeakKeyDictionary[Access, _Login] = WeakKeyDictionary()


def _site(request: SiteRequest, access: Access | None) -> _Site:
    import pulumi  # noqa: PLC0415 - only a deployment needs it: planning must not wait for it

    with warnings.catch_warnings():
        # The SDK warns of a name of its own, which it uses itself.
        warnings.simplefilter("ignore", DeprecationWarning)
        import pulumi_digitalocean as do  # noqa: PLC0415 - same

    assert access is not None
    login = _login(request, access)
    options = pulumi.ResourceOptions(provider=login.provider)
    name = _name(request.labels, request.region)
    # Its range is the cloud's to choose: no two of an account may overlap.
    vpc = do.Vpc(f"{request.region}-vpc", name=name, region=request.region, opts=options)
    firewall = do.Firewall(
        f"{request.region}-firewall",
        name=name,
        tags=[login.mark.name],
        inbound_rules=_inbound(request, vpc),
        # Without these nothing gets out.
        outbound_rules=[
            do.FirewallOutboundRuleArgs(protocol=protocol, port_range=ports, destination_addresses=["0.0.0.0/0", "::/0"])
            for protocol, ports in (("tcp", "1-65535"), ("udp", "1-65535"), ("icmp", None))
        ],
        opts=options,
    )
    return _Site(login=login, vpc=vpc, firewall=firewall)


def _login(request: SiteRequest, access: Access) -> _Login:
    import pulumi  # noqa: PLC0415 - as in `_site`
    import pulumi_digitalocean as do  # noqa: PLC0415 - same

    if access not in _LOGINS:
        # The plugin reads DIGITALOCEAN_TOKEN and DIGITALOCEAN_API_URL itself, so no token is in Pulumi's state.
        provider = do.Provider("digitalocean")
        options = pulumi.ResourceOptions(provider=provider)
        name = _name(request.labels)
        key = do.SshKey("digitalocean-key", name=name, public_key=access.public_key, opts=options)
        mark = do.Tag("digitalocean-mark", name=_mark(request.labels), opts=options)
        _LOGINS[access] = _Login(provider=provider, key=key, mark=mark)
    return _LOGINS[access]


def _name(marks: Mapping[str, str], *more: str) -> str:
    """`cowbench.OWNER.RUN.EXPIRES`: networks, firewalls and keys take no tags, so their name says whose they are."""
    return ".".join(("cowbench", *(marks[key] for key in labels.KEYS), *more))


def _mark(marks: Mapping[str, str]) -> str:
    """The tag that the firewall of a stack hangs on: the same, in the letters of a tag."""
    return _name(marks).replace(".", ":")


def _tags(marks: Mapping[str, str]) -> list[str]:
    return [*(f"{key}:{value}" for key, value in marks.items()), _mark(marks)]


def _inbound(request: SiteRequest, vpc: pulumi_digitalocean.Vpc) -> list[pulumi_digitalocean.FirewallInboundRuleArgs]:
    import pulumi_digitalocean as do  # noqa: PLC0415 - as in `_site`

    source = request.operator if request.open_to == "operator" else vpc.ip_range
    opened: list[tuple[int, pulumi.Input[str]]] = [(22, request.operator), *((port, source) for port in request.server_ports)]
    return [
        do.FirewallInboundRuleArgs(protocol="tcp", port_range=str(port), source_addresses=[address]) for port, address in opened
    ]


def _vm(request: HostRequest, site: _Site, user_data: pulumi.Output[str]) -> rented.RentedVm:
    import pulumi  # noqa: PLC0415 - as in `_site`
    import pulumi_digitalocean as do  # noqa: PLC0415 - same

    size_gib = disk.read(request.disk).size_bytes // _GIB
    droplet = do.Droplet(
        request.name,
        image=request.image_id,
        size=request.instance_type,
        region=request.region,
        vpc_uuid=site.vpc.id,
        # Without a key DigitalOcean mails a password to the account's owner, and root must change it first.
        ssh_keys=[site.login.key.id],
        user_data=user_data,
        tags=_tags(request.labels),
        # Agents would run beside what is measured.
        monitoring=False,
        droplet_agent=False,
        # The firewall is there first: it holds from the droplet's first second.
        opts=pulumi.ResourceOptions(provider=site.login.provider, depends_on=[site.firewall]),
    )
    attached: list[do.VolumeAttachment] = []
    for use in ("data", "pool") if drivers.load(request.driver).wants_whole_disk else ("data",):
        volume = do.Volume(
            f"{request.name}-{use}",
            region=request.region,
            size=size_gib,
            tags=_tags(request.labels),
            # A new droplet wants a blank disk, not that of the one before.
            opts=pulumi.ResourceOptions(provider=site.login.provider, replace_with=[droplet]),
        )
        attached.append(
            do.VolumeAttachment(
                f"{request.name}-{use}",
                droplet_id=droplet.id.apply(int),
                volume_id=volume.id,
                # One after another: a droplet that attaches a volume does nothing else meanwhile.
                opts=pulumi.ResourceOptions(provider=site.login.provider, depends_on=[*attached]),
            )
        )
    return rented.RentedVm(
        resource=droplet,
        id=droplet.id,
        public_address=droplet.ipv4_address,
        private_address=droplet.ipv4_address_private,
        after=tuple(attached),
    )


def _unfit(request: HostRequest) -> str:
    """Why there is no such droplet, and after a colon the cure, or empty."""
    wanted = disk.read(request.disk)
    size_gib, rest = divmod(wanted.size_bytes, _GIB)
    problem = ""
    if wanted.iops is not None or wanted.bytes_per_s is not None:
        problem = f"sells no speed of a volume ({request.disk}), it comes with the droplet's type"
    elif rest or size_gib not in _VOLUME_GIB:
        problem = f"makes volumes of whole GiB, up to {_VOLUME_GIB[-1]}GiB, and none of {request.disk}"
    return f"DigitalOcean {problem}: write a disk such as volume-20GiB" if problem else ""


def _token() -> str:
    return next((os.environ[name] for name in _TOKENS if os.environ.get(name)), "")


def _credentials() -> tuple[str, ...]:
    if _token():
        return ()
    return (f"neither {' nor '.join(_TOKENS)} is set: make a token (control panel > API > Tokens) and export the first one",)


def _client() -> Any:  # noqa: ANN401 - a quarter of a million generated lines, whose answers are plain JSON: not type-checked
    if missing := _credentials():
        what, _, cure = missing[0].partition(": ")
        raise DeployError(what, where="cloud digitalocean", next_step=cure)
    endpoint = os.environ.get("DIGITALOCEAN_API_URL") or _ENDPOINT
    return importlib.import_module("pydo").Client(
        token=_token(),
        endpoint=endpoint,
        # It asks again by itself when it is told to slow down, or when the cloud fails; for two minutes at most.
        retry_total=5,
        connection_timeout=10,
        read_timeout=60,
        **_login_without_tls(endpoint),
    )


def _login_without_tls(endpoint: str) -> dict[str, Any]:
    """The library sends no token without TLS, also where nobody is in between: to this machine itself."""
    if not endpoint.startswith("http://127."):
        return {}
    from azure.core.pipeline.policies import HeadersPolicy  # noqa: PLC0415 - as in `_asking`

    return {"authentication_policy": HeadersPolicy({"Authorization": f"Bearer {_token()}"})}


@contextlib.contextmanager
def _asking(where: str) -> Iterator[None]:
    """What the API or the way to it says no with becomes a DeployError."""
    from azure.core import exceptions  # noqa: PLC0415 - the library that pydo is made with; planning must not wait for it

    try:
        yield
    except exceptions.HttpResponseError as error:
        status = error.status_code or 0
        said = f"DigitalOcean says: {_message(error)} ({status})"
        raise DeployError(said, where=where, next_step=_NEXT_STEPS.get(status, _USUAL_NEXT_STEP)) from error
    except exceptions.AzureError as error:
        step = "is the network there, and DIGITALOCEAN_API_URL right if it is set? Then run the command again"
        said = f"DigitalOcean's API cannot be reached ({type(error).__name__})"
        raise DeployError(said, where=where, next_step=step) from error


def _message(error: Any) -> str:  # noqa: ANN401 - an exception with the response in it, or without
    try:
        return str(error.response.json()["message"])
    except (AttributeError, KeyError, TypeError, ValueError):
        return str(error.reason)


def _all(listed: Callable[..., Mapping[str, Any]], key: str, **filters: str) -> Iterator[Mapping[str, Any]]:
    page = 1
    while True:
        answer = listed(per_page=_PER_PAGE, page=page, **filters)
        yield from answer[key]
        if not answer.get("links", {}).get("pages", {}).get("next"):
            return
        page += 1


def _image_id(region: str, name: str) -> str:
    """The newest image of that name in that region."""
    client, where = _client(), f"machine image {name} in {region}"
    with _asking(where):
        every = [image for image in _all(client.images.list, "images", type="distribution") if region in image["regions"]]
    slugs = {str(image["slug"]): image for image in every if image.get("slug")}
    matching = [slug for slug in slugs if re.fullmatch(_IMAGES.get(name, re.escape(name)), slug)]
    if not matching:
        known = ", ".join(sorted(slugs)) or "none: is the region right?"
        raise DeployError(
            "DigitalOcean has no such image (any more)", where=where, next_step=f"write another one; there is {known}"
        )
    newest = max(matching, key=lambda slug: [int(number) for number in re.findall(r"\d+", slug)])
    return str(slugs[newest]["id"])


def _zones(region: str) -> tuple[str, ...]:
    """The region itself: DigitalOcean has no zones in it."""
    client = _client()
    with _asking(f"region {region}"):
        known = [str(each["slug"]) for each in _all(client.regions.list, "regions") if each["available"]]
    if region not in known:
        raise DeployError(
            f"DigitalOcean makes nothing (any more) in {region}",
            where="cloud digitalocean",
            next_step=f"write one of {', '.join(known)}",
        )
    return (region,)


def _instance_types(region: str) -> tuple[str, ...]:
    client = _client()
    with _asking(f"sizes of droplets in {region}"):
        every = tuple(_all(client.sizes.list, "sizes"))
    return tuple(sorted(str(each["slug"]) for each in every if each["available"] and region in each["regions"]))


def _belongings(regions: tuple[str, ...]) -> tuple[Belonging, ...]:
    """Firewalls, keys and tags are in no region, so they are found whatever the regions are."""
    client = _client()
    with _asking("looking for what is ours"):
        found = [
            *(_tagged("vm", each) for each in _all(client.droplets.list, "droplets")),
            *(_tagged("disk", each) for each in _all(client.volumes.list, "volumes")),
            *(_named("firewall", each["id"], each["name"]) for each in _all(client.firewalls.list, "firewalls")),
            # The first VPC that a region ever had cannot be deleted; it costs nothing.
            *(
                _named("network", each["id"], each["name"], each["region"])
                for each in _all(client.vpcs.list, "vpcs")
                if not each.get("default")
            ),
            *(_named("key", each["id"], each["name"]) for each in _all(client.ssh_keys.list, "ssh_keys")),
            *(_named("tag", each["name"], each["name"]) for each in _all(client.tags.list, "tags")),
        ]
    return tuple(each for each in found if each and (not regions or each.region in {"", *regions}))


def _tagged(kind: str, found: Mapping[str, Any]) -> Belonging | None:
    marks = _of_tags(found.get("tags") or ())
    return _belonging(kind, found["id"], found["name"], found["region"]["slug"], marks) if labels.RUN in marks else None


def _named(kind: str, id: object, name: str, region: str = "") -> Belonging | None:  # noqa: A002 - the cloud's word
    marks = _of_name(name)
    return _belonging(kind, id, name, region, marks) if marks else None


def _belonging(kind: str, id: object, name: str, region: str, marks: Mapping[str, str]) -> Belonging:  # noqa: A002 - as above
    return Belonging(
        cloud="digitalocean",
        region=region,
        kind=kind,
        id=str(id),
        name=name,
        **labels.told(marks),
    )


def _of_tags(tags: Sequence[str]) -> dict[str, str]:
    parts = [tag.partition(":") for tag in tags]
    return {key: value for key, _, value in parts if key in labels.KEYS}


def _of_name(name: str) -> dict[str, str]:
    """What `_name` and `_mark` wrote, empty for a name that is not ours."""
    parts = re.split(r"[.:]", name)
    ours = len(parts) > len(labels.KEYS) and parts[0] == "cowbench" and parts[len(labels.KEYS)].isdigit()
    return dict(zip(labels.KEYS, parts[1:], strict=False)) if ours else {}


def _remove(belonging: Belonging) -> None:
    from azure.core import exceptions  # noqa: PLC0415 - as in `_asking`

    client = _client()
    # A network still has members for a while after they are gone, and says so with 403.
    busy = {409, 422} | ({403} if belonging.kind == "network" else set())
    with _asking(f"{belonging.kind} {belonging.name}"):
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                if _is_gone(client, belonging):
                    return
            except exceptions.HttpResponseError as error:
                if error.status_code not in busy or attempt == _ATTEMPTS:
                    raise
            time.sleep(_PAUSE_S)
    raise DeployError(
        f"it is still there after {_ATTEMPTS} attempts to remove it",
        where=f"{belonging.kind} {belonging.name}",
        next_step="look at it in the control panel, then run the command again",
    )


def _is_gone(client: Any, belonging: Belonging) -> bool:  # noqa: ANN401 - as in `_client`
    """One attempt to delete it. What is not found is gone: pydo gives such an answer back, it does not raise it."""
    match belonging.kind:
        case "vm":
            said = client.droplets.destroy(droplet_id=int(belonging.id))
        case "disk":
            said = _delete_volume(client, belonging)
        case "firewall":
            said = client.firewalls.delete(firewall_id=belonging.id)
        case "network":
            said = client.vpcs.delete(vpc_id=belonging.id)
        case "key":
            said = client.ssh_keys.delete(ssh_key_identifier=int(belonging.id))
        case _:
            said = client.tags.delete(tag_id=belonging.id)
    # A droplet that is being destroyed is there for some seconds more.
    return belonging.kind != "vm" or _not_found(said)


def _delete_volume(client: Any, belonging: Belonging) -> object:  # noqa: ANN401 - as in `_client`
    found = client.volumes.get(volume_id=belonging.id)
    for droplet in found.get("volume", {}).get("droplet_ids") or ():
        order = {"type": "detach", "droplet_id": droplet, "region": belonging.region}
        client.volume_actions.post_by_id(volume_id=belonging.id, body=order)
    return client.volumes.delete(volume_id=belonging.id)


def _not_found(said: Mapping[str, Any] | None) -> bool:
    return bool(said) and said is not None and said.get("id") == "not_found"


def _of_firewall(inputs: Mapping[str, Any]) -> Meaning:
    return Meaning(labels=_of_name(inputs.get("name") or ""), opens=tuple(_openings(inputs.get("inboundRules") or ())))


def _openings(rules: Sequence[Mapping[str, Any]]) -> Iterator[Opening]:
    for rule in rules:
        first, _, last = str(rule.get("portRange") or "all").replace("all", "1-65535").partition("-")
        for source in (*(rule.get("sourceAddresses") or ()), *(rule.get("sourceTags") or ())):
            # A preview does not know the network's range yet.
            if isinstance(source, str):
                yield Opening(source=source, first_port=int(first), last_port=int(last or first))


def _of_droplet(inputs: Mapping[str, Any]) -> Meaning:
    text = inputs.get("userData")
    return Meaning(labels=_of_tags(inputs.get("tags") or ()), user_data=text if isinstance(text, str) else "")


def _of_volume(inputs: Mapping[str, Any]) -> Meaning:
    # Always encrypted, never deleted with its droplet: there is no switch to judge.
    return Meaning(labels=_of_tags(inputs.get("tags") or ()))


def _of_named(inputs: Mapping[str, Any]) -> Meaning:
    return Meaning(labels=_of_name(inputs.get("name") or ""))


CLOUD = rented.cloud(
    name="digitalocean",
    extra="digitalocean",
    sdk="pulumi_digitalocean",
    regions=_REGIONS,
    instance_type="s-2vcpu-4gb",
    disks=("volume-20GiB",),
    whole_disks=True,
    sells_spot=False,
    # A droplet that is off costs as much as one that runs.
    ends_vms=False,
    credentials=_credentials,
    site=_site,
    vm=_vm,
    unfit=_unfit,
    forms=_FORMS,
    account=Account(
        image_id=_image_id,
        zones=_zones,
        instance_types=_instance_types,
        belongings=_belongings,
        remove=_remove,
        meanings={
            "digitalocean:index/sshKey:SshKey": _of_named,
            "digitalocean:index/tag:Tag": _of_named,
            "digitalocean:index/vpc:Vpc": _of_named,
            "digitalocean:index/firewall:Firewall": _of_firewall,
            "digitalocean:index/droplet:Droplet": _of_droplet,
            "digitalocean:index/volume:Volume": _of_volume,
            "digitalocean:index/volumeAttachment:VolumeAttachment": lambda _: Meaning(),
        },
        failures={
            "throttled": (r"\b429\b", r"\btoo_many_requests\b", r"(?i)pending event"),
            "capacity": (r"(?i)not available in (?:this|the selected) region", r"(?i)region is (?:not available|unavailable)"),
            "quota": (r"(?i)exceed your \w+ limit", r"(?i)(?<!rate )\blimit (?:exceeded|reached)"),
            "credentials_expired": (r"\b401\b", r"(?i)unable to authenticate"),
            "not_found_yet": (r"\b404\b", r"\bnot_found\b", r"(?i)could not be found"),
            "internal": (r"\b50[0234]\b", r"\bserver_error\b", r"(?i)server error"),
        },
        images=tuple(_IMAGES),
    ),
)

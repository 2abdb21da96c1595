"""A simulated DigitalOcean.

Its rules are those of the API's documentation (https://docs.digitalocean.com/reference/api), of the Pulumi SDK's descriptions and
of the Terraform provider that the Pulumi plugin is made from, as of August 2026. None was checked against the real cloud; where
no real text was found, it is in the API's style. One rule is the simulator's own: a droplet has a firewall from its first second.
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import re
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from tests.simulator.member import Answered, Asked, Kind, Machine, Refused, Row, SimulatedCloud, Table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

TOKEN = "dop_v1_" + "5" * 64
PER_PAGE, MOST_PER_PAGE = 20, 200

VPC, FIREWALL = "digitalocean:index/vpc:Vpc", "digitalocean:index/firewall:Firewall"
KEY, TAG = "digitalocean:index/sshKey:SshKey", "digitalocean:index/tag:Tag"
DROPLET, VOLUME = "digitalocean:index/droplet:Droplet", "digitalocean:index/volume:Volume"
ATTACHMENT = "digitalocean:index/volumeAttachment:VolumeAttachment"

REGIONS = {
    "fra1": True,
    "ams2": False,
    "ams3": True,
    "lon1": True,
    "nyc1": True,
    "nyc2": False,
    "nyc3": True,
    "sfo1": False,
    "sfo2": True,
    "sfo3": True,
    "tor1": True,
    "blr1": True,
    "sgp1": True,
    "syd1": True,
}
"""By name: whether something new can be made there."""

SIZES = {
    "s-1vcpu-2gb": (1, 2048),
    "s-2vcpu-2gb": (2, 2048),
    "s-2vcpu-4gb": (2, 4096),
    "s-4vcpu-8gb": (4, 8192),
    "c-2": (2, 4096),
    "c-4": (4, 8192),
    "g-2vcpu-8gb": (2, 8192),
    "g-4vcpu-16gb": (4, 16384),
}
"""By name: CPUs and MiB of memory."""

SLUGS = (
    "debian-11-x64",
    "debian-12-x64",
    "debian-13-x64",
    "ubuntu-22-04-x64",
    "ubuntu-24-04-x64",
    "ubuntu-26-04-x64",
    "rockylinux-8-x64",
    "rockylinux-9-x64",
    "rockylinux-10-x64",
    "almalinux-8-x64",
    "almalinux-9-x64",
    "almalinux-10-x64",
    "centos-stream-9-x64",
    "centos-stream-10-x64",
    "fedora-41-x64",
    "fedora-42-x64",
)
IMAGES = {135438900 + number: slug for number, slug in enumerate(SLUGS)}
"""Ids are made up, and as long as real ones."""

MACHINES = {"debian-11-x64": "debian-bullseye", "debian-12-x64": "debian-bookworm", "debian-13-x64": "debian-trixie"}

OPERATORS = ipaddress.ip_network("127.0.0.0/8")
PRIVATE = tuple(ipaddress.IPv4Network(each) for each in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))


def invalid(text: str) -> Refused:
    return Refused("unprocessable_entity", text)


def must_exist(table: Table, kind: str, id: object) -> Row:  # noqa: A002 - the cloud's word
    row = table.row(str(id))
    if row is None or row.kind != kind:
        raise Refused("not_found", "The resource you were accessing could not be found.")
    return row


def check_name(name: str, inputs: Mapping[str, Any], pattern: str, text: str) -> None:
    """A name that is not given is made up by the plugin: the resource's own with eight characters more."""
    if not re.fullmatch(pattern, str(inputs.get("name") or f"{name}-0123abc")):
        raise invalid(text)


def check_tags(inputs: Mapping[str, Any]) -> None:
    for tag in inputs.get("tags") or ():
        if not re.fullmatch(r"[a-zA-Z0-9:\-_]{1,255}", tag):
            raise invalid(
                "tags may contain lowercase letters, numbers, colons, dashes, and underscores; "
                "there is a limit of 255 characters per tag"
            )


def check_region(inputs: Mapping[str, Any]) -> None:
    if inputs.get("region") not in REGIONS:
        raise invalid("You specified an invalid region.")
    if not REGIONS[inputs["region"]]:
        raise invalid("Region is not available")


def check_vpc(table: Table, name: str, inputs: Mapping[str, Any]) -> None:
    check_name(name, inputs, r"[a-zA-Z0-9\-.]+", "name is invalid: only alphanumeric characters, dashes, and periods are allowed")
    check_region(inputs)
    if any(row.inputs.get("name") == inputs.get("name") is not None for row in table.rows(VPC)):
        raise invalid("a VPC with the same name already exists in your account")
    if inputs.get("ipRange"):
        check_range(table, inputs["ipRange"])


def check_range(table: Table, text: str) -> None:
    try:
        wanted = ipaddress.IPv4Network(text)
    except ValueError:
        raise invalid("ip_range is not a valid CIDR") from None
    if not any(wanted.subnet_of(private) for private in PRIVATE) or not 16 <= wanted.prefixlen <= 24:
        raise invalid("ip_range must be in the private address space of RFC 1918, not larger than /16 or smaller than /24")
    if any(wanted.overlaps(ipaddress.IPv4Network(row.outputs["ipRange"])) for row in table.rows(VPC)):
        raise invalid("This range/size overlaps with another VPC network in your account")


def check_key(table: Table, name: str, inputs: Mapping[str, Any]) -> None:
    del name  # any text
    words = str(inputs["publicKey"]).split()
    if len(words) < 2 or not words[0].startswith(("ssh-", "ecdsa-")):
        raise invalid("Key invalid, key should be of the format `ssh-rsa ABCDEF...`")
    if any(str(row.inputs["publicKey"]).split()[:2] == words[:2] for row in table.rows(KEY)):
        raise invalid("SSH Key is already in use on your account")


def check_tag(table: Table, name: str, inputs: Mapping[str, Any]) -> None:
    del table, name
    check_tags({"tags": [inputs.get("name") or "0123abc"]})


def check_firewall(table: Table, name: str, inputs: Mapping[str, Any]) -> None:
    check_name(name, inputs, r"[a-zA-Z0-9][a-zA-Z0-9.\-]*", "name must begin with an alphanumeric character")
    check_tags(inputs)
    if any(row.inputs.get("name") == inputs.get("name") is not None for row in table.rows(FIREWALL)):
        raise Refused("conflict", "duplicate name")
    if len(inputs.get("tags") or ()) > 5 or len(inputs.get("dropletIds") or ()) > 10:
        raise invalid("a firewall takes at most 5 tags and 10 droplets")
    for tag in inputs.get("tags") or ():
        if not any(row.inputs.get("name") == tag for row in table.rows(TAG)):
            raise invalid(f"tag {tag} does not exist")
    rules = [*(inputs.get("inboundRules") or ()), *(inputs.get("outboundRules") or ())]
    if not rules:
        raise invalid("at least one rule must be specified")
    for rule in rules:
        check_rule(rule)


def check_rule(rule: Mapping[str, Any]) -> None:
    if rule["protocol"] not in {"tcp", "udp", "icmp"}:
        raise invalid(f"expected protocol to be one of tcp, udp, icmp, got {rule['protocol']}")
    if rule["protocol"] != "icmp" and not re.fullmatch(r"all|\d+(-\d+)?", str(rule.get("portRange") or "")):
        raise invalid("ports must be specified for tcp and udp: a port, a range, or all")
    addresses = rule.get("sourceAddresses") or rule.get("destinationAddresses") or ()
    if not addresses and not any(name.startswith(("source", "destination")) for name in rule):
        raise invalid("a rule needs sources or destinations")
    for address in addresses:
        try:
            ipaddress.ip_network(address)
        except ValueError:
            raise invalid(f"{address} is not an address or a CIDR") from None


def check_droplet(table: Table, name: str, inputs: Mapping[str, Any]) -> None:
    check_name(name, inputs, r"[a-zA-Z0-9.\-]{1,255}", "Only valid hostname characters are allowed. (a-z, A-Z, 0-9, . and -)")
    check_tags(inputs)
    check_region(inputs)
    if inputs["size"] not in SIZES:
        raise invalid("You specified an invalid size for Droplet creation.")
    if slug_of(inputs) is None:
        raise invalid("You specified an invalid image for Droplet creation.")
    if len(str(inputs.get("userData") or "").encode()) > 64 << 10:
        raise invalid("user_data is too large: at most 64 KiB")
    for key in inputs.get("sshKeys") or ():
        if not any(key in {row.id, row.outputs["fingerprint"]} for row in table.rows(KEY)):
            raise invalid(f"{key} are invalid key identifiers for Droplet creation.")
    if inputs.get("vpcUuid") and must_exist(table, VPC, inputs["vpcUuid"]).inputs["region"] != inputs["region"]:
        raise invalid("VPC is not in the same region as the Droplet")
    if not firewalls_of(table, inputs.get("tags") or (), ""):
        raise Refused("simulator", "a droplet that no firewall is for is open to the world: give it a tag that one hangs on")


def slug_of(inputs: Mapping[str, Any]) -> str | None:
    wanted = str(inputs["image"])
    return next((slug for id, slug in IMAGES.items() if wanted in {str(id), slug}), None)  # noqa: A001 - the cloud's word


def firewalls_of(table: Table, tags: Any, droplet: str) -> list[Row]:
    return [
        row
        for row in table.rows(FIREWALL)
        if set(row.inputs.get("tags") or ()) & set(tags) or droplet in map(str, map(int, row.inputs.get("dropletIds") or ()))
    ]


def check_volume(table: Table, name: str, inputs: Mapping[str, Any]) -> None:
    check_name(
        name, inputs, r"[a-z][a-z0-9\-]{0,63}", "name must begin with a letter: lowercase letters, numbers and -, up to 64"
    )
    check_tags(inputs)
    check_region(inputs)
    if not 1 <= inputs["size"] <= 16384:
        raise invalid("size_gigabytes must be between 1 and 16384")
    if any(row.inputs.get("name") == inputs.get("name") is not None for row in table.rows(VOLUME)):
        raise Refused("conflict", "failed to create volume: a volume with this name already exists in the region")


def check_attachment(table: Table, name: str, inputs: Mapping[str, Any]) -> None:
    del name  # it has none
    droplet = must_exist(table, DROPLET, int(inputs["dropletId"]))
    volume = must_exist(table, VOLUME, inputs["volumeId"])
    if droplet.inputs["region"] != volume.inputs["region"]:
        raise invalid("Volume and Droplet must be in the same region")


def make_attachment(table: Table, name: str, inputs: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    del name
    droplet, volume = str(int(inputs["dropletId"])), must_exist(table, VOLUME, inputs["volumeId"])
    if volume.outputs["dropletIds"]:
        raise invalid("volume is already attached to a droplet")
    if len(volumes_of(table, droplet)) >= 15:
        raise invalid("droplet already has the maximum number of attached volumes")
    table.change(volume.id, {**volume.outputs, "dropletIds": [int(droplet)], "attachedAs": table.counter("attachment")})
    return f"{droplet}-{volume.id}-{table.counter('id')}", {}


def volumes_of(table: Table, droplet: str) -> list[Row]:
    """In the order in which they were attached."""
    attached = [row for row in table.rows(VOLUME) if int(droplet) in row.outputs["dropletIds"]]
    return sorted(attached, key=lambda row: int(row.outputs["attachedAs"]))


def detach(table: Table, volume: Row | None) -> None:
    if volume is not None:
        table.change(volume.id, {**volume.outputs, "dropletIds": []})


def number(table: Table) -> str:
    return str(412_282_000 + table.counter("id"))


def unique(table: Table, what: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"https://digitalocean.example/{what}/{table.counter('id')}"))


def make_vpc(table: Table, name: str, inputs: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    del name
    chosen = inputs.get("ipRange") or f"10.114.{16 * (table.counter('range') % 16)}.0/20"
    id = unique(table, "vpc")  # noqa: A001 - the cloud's word
    return id, {"ipRange": chosen, "default": False, "urn": f"do:vpc:{id}"}


def make_key(table: Table, name: str, inputs: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    del name
    digest = hashlib.md5(str(inputs["publicKey"]).encode(), usedforsecurity=False).hexdigest()
    return number(table), {"fingerprint": ":".join(re.findall("..", digest))}


def make_tag(table: Table, name: str, inputs: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    del table
    return str(inputs.get("name") or name), {}


def make_firewall(table: Table, name: str, inputs: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    del name, inputs
    return unique(table, "firewall"), {"status": "succeeded", "pendingChanges": []}


def make_droplet(table: Table, name: str, inputs: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    del name
    vpc = table.row(str(inputs.get("vpcUuid") or ""))
    within = ipaddress.IPv4Network(vpc.outputs["ipRange"] if vpc else "10.135.0.0/16")
    own = within[2 + (table.counter(f"address in {within}") - 1) % (within.num_addresses - 3)]
    cpus, memory_mib = SIZES[inputs["size"]]
    count = table.counter("public address")
    outputs = {
        "ipv4Address": f"127.78.{count // 250 % 256}.{count % 250 + 1}",
        "ipv4AddressPrivate": str(own),
        "status": "active",
        "vcpus": cpus,
        "memory": memory_mib,
    }
    return number(table), outputs


def make_volume(table: Table, name: str, inputs: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    del name, inputs
    return unique(table, "volume"), {"dropletIds": [], "attachedAs": 0}


def unmake_vpc(table: Table, row: Row) -> None:
    if any(droplet.inputs.get("vpcUuid") == row.id for droplet in table.rows(DROPLET)):
        raise Refused("conflict", "Can not delete VPC with members")


def unmake_droplet(table: Table, row: Row) -> None:
    for volume in volumes_of(table, row.id):
        detach(table, volume)


def unmake_attachment(table: Table, row: Row) -> None:
    detach(table, table.row(str(row.inputs["volumeId"])))


def unmake_volume(table: Table, row: Row) -> None:
    # One that was rebuilt elsewhere is asked: the row in hand may be older than its detachment.
    now = table.row(row.id)
    if now is not None and now.outputs["dropletIds"]:
        raise Refused("conflict", "volume is attached: cannot delete an attached volume")


def machine(table: Table, row: Row) -> Machine | None:
    image = MACHINES.get(slug_of(row.inputs) or "")
    if image is None:
        return None
    cpus, memory_mib = SIZES[row.inputs["size"]]
    return Machine(
        image=image,
        user_data=str(row.inputs.get("userData") or ""),
        cpus=cpus,
        memory_bytes=memory_mib << 20,
        disks_bytes=tuple(int(volume.inputs["size"]) << 30 for volume in volumes_of(table, row.id)),
        private_address=row.outputs["ipv4AddressPrivate"],
        network=f"digitalocean-{row.inputs.get('vpcUuid')}",
        open_ports=open_ports(table, row),
        public_address=row.outputs["ipv4Address"],
    )


def open_ports(table: Table, droplet: Row) -> tuple[int, ...]:
    ports: set[int] = set()
    for firewall in firewalls_of(table, droplet.inputs.get("tags") or (), droplet.id):
        for rule in firewall.inputs.get("inboundRules") or ():
            sources = [ipaddress.ip_network(source) for source in rule.get("sourceAddresses") or ()]
            if rule["protocol"] == "tcp" and any(each.overlaps(OPERATORS) for each in sources if each.version == 4):
                first, _, last = str(rule["portRange"]).replace("all", "1-65535").partition("-")
                ports.update(range(int(first), int(last or first) + 1))
    return tuple(sorted(ports))


STATUSES = {"unauthorized": 401, "not_found": 404, "conflict": 409, "forbidden": 403, "too_many_requests": 429}


def api(table: Table, asked: Asked) -> Answered:
    if asked.headers.get("authorization") != f"Bearer {TOKEN}":
        return refusal(Refused("unauthorized", "Unable to authenticate you"))
    try:
        return route(table, asked)
    except Refused as no:
        return refusal(no)


def refusal(no: Refused) -> Answered:
    return answer({"id": no.code, "message": no.text}, STATUSES.get(no.code, 422))


def answer(document: object, status: int = 200) -> Answered:
    return Answered(status=status, body=json.dumps(document).encode())


def route(table: Table, asked: Asked) -> Answered:  # noqa: PLR0911 - a line for each call
    match (asked.method, *unquote(asked.path).strip("/").split("/")[1:]):
        case ("GET", "regions"):
            return page("regions", [{"slug": slug, "name": slug, "available": open_} for slug, open_ in REGIONS.items()], asked)
        case ("GET", "sizes"):
            open_ = [slug for slug, available in REGIONS.items() if available]
            return page("sizes", [{"slug": slug, "available": True, "regions": open_} for slug in SIZES], asked)
        case ("GET", "images"):
            return page("images", images(), asked)
        case ("GET", *path) if "/".join(path) in SHOWN:
            kind, show = SHOWN["/".join(path)]
            rows = [row for row in table.rows(kind) if asked.query.get("tag_name") in {None, *(row.inputs.get("tags") or ())}]
            return page(path[-1] if path[-1] != "keys" else "ssh_keys", [show(row) for row in rows], asked)
        case ("POST", "volumes", id, "actions"):
            return act(table, must_exist(table, VOLUME, id), json.loads(asked.body))
        case (method, *path, id) if "/".join(path) in SHOWN:
            kind, show = SHOWN["/".join(path)]
            row = must_exist(table, kind, id)
            if method == "DELETE":
                table.remove(row.id)
                return Answered(status=204)
            return answer({path[-1].rstrip("s"): show(row)})
    raise Refused("not_found", "The resource you were accessing could not be found.")


def act(table: Table, volume: Row, order: Mapping[str, Any]) -> Answered:
    if order["type"] != "detach" or order["droplet_id"] not in volume.outputs["dropletIds"]:
        raise invalid("attachment not found")
    detach(table, volume)
    return answer({"action": {"id": table.counter("action"), "type": "detach_volume", "status": "completed"}}, 202)


def page(key: str, every: list[dict[str, Any]], asked: Asked) -> Answered:
    per_page = min(int(asked.query.get("per_page", PER_PAGE)), MOST_PER_PAGE)
    here = int(asked.query.get("page", 1))
    more = {"next": f"https://api.digitalocean.com{asked.path}?page={here + 1}&per_page={per_page}"}
    links = {"pages": more} if here * per_page < len(every) else {}
    return answer({key: every[(here - 1) * per_page : here * per_page], "links": links, "meta": {"total": len(every)}})


def images() -> list[dict[str, Any]]:
    # An old image keeps its id, and loses its slug to the one that follows it.
    old = {"id": 100000000, "slug": None, "name": "12 x64", "distribution": "Debian", "regions": list(REGIONS)}
    new = [
        {"id": id, "slug": slug, "name": slug, "distribution": slug.partition("-")[0], "regions": list(REGIONS)}
        for id, slug in IMAGES.items()  # noqa: A001 - the cloud's word
    ]
    return [old, *new]


def region(slug: str) -> dict[str, Any]:
    return {"slug": slug, "name": slug, "available": REGIONS[slug]}


def show_droplet(row: Row) -> dict[str, Any]:
    created = datetime.fromtimestamp(row.created_at, UTC).isoformat()
    return {
        **named(row, int(row.id)),
        "region": region(row.inputs["region"]),
        "tags": row.inputs.get("tags") or [],
        "created_at": created,
    }


def show_volume(row: Row) -> dict[str, Any]:
    where = {"region": region(row.inputs["region"]), "tags": row.inputs.get("tags") or []}
    return {**named(row, row.id), **where, "droplet_ids": row.outputs["dropletIds"], "size_gigabytes": row.inputs["size"]}


def show_vpc(row: Row) -> dict[str, Any]:
    return {**named(row, row.id), "region": row.inputs["region"], "default": row.outputs["default"]}


def show_key(row: Row) -> dict[str, Any]:
    return {**named(row, int(row.id)), "fingerprint": row.outputs["fingerprint"]}


def show_plain(row: Row) -> dict[str, Any]:
    return named(row, row.id)


def named(row: Row, id: object) -> dict[str, Any]:  # noqa: A002 - the cloud's word
    return {"id": id, "name": str(row.inputs.get("name") or f"{row.name}-0123abc")}


SHOWN: dict[str, tuple[str, Callable[[Row], dict[str, Any]]]] = {
    "droplets": (DROPLET, show_droplet),
    "volumes": (VOLUME, show_volume),
    "firewalls": (FIREWALL, show_plain),
    "vpcs": (VPC, show_vpc),
    "account/keys": (KEY, show_key),
    "tags": (TAG, show_plain),
}

SIMULATED = SimulatedCloud(
    name="digitalocean",
    plugin="digitalocean",
    sdk="pulumi_digitalocean",
    kinds={
        VPC: Kind(check=check_vpc, make=make_vpc, unmake=unmake_vpc, changeable=("name", "description")),
        FIREWALL: Kind(
            check=check_firewall, make=make_firewall, changeable=("name", "tags", "dropletIds", "inboundRules", "outboundRules")
        ),
        KEY: Kind(check=check_key, make=make_key, changeable=("name",)),
        TAG: Kind(check=check_tag, make=make_tag),
        DROPLET: Kind(
            check=check_droplet,
            make=make_droplet,
            unmake=unmake_droplet,
            machine=machine,
            changeable=("name", "size", "tags", "backups", "resizeDisk", "gracefulShutdown", "volumeIds"),
            slow_s=35.0,
        ),
        VOLUME: Kind(check=check_volume, make=make_volume, unmake=unmake_volume, changeable=("size", "tags"), slow_s=2.0),
        ATTACHMENT: Kind(
            check=check_attachment,
            make=make_attachment,
            unmake=unmake_attachment,
            goes_with=("dropletId", "volumeId"),
            slow_s=5.0,
        ),
    },
    invokes={},
    api=api,
    environment=lambda url: {"DIGITALOCEAN_TOKEN": TOKEN, "DIGITALOCEAN_API_URL": url},
    configuration=(
        "token",
        "apiEndpoint",
        "httpRetryMax",
        "httpRetryWaitMax",
        "httpRetryWaitMin",
        "requestsPerSecond",
        "spacesAccessId",
        "spacesEndpoint",
        "spacesSecretKey",
    ),
    failures={
        "throttled": "too_many_requests: API Rate limit exceeded. (429)",
        "capacity": "unprocessable_entity: Size is not available in this region.",
        "quota": "unprocessable_entity: creating this/these droplet(s) will exceed your droplet limit",
        "credentials_expired": "unauthorized: Unable to authenticate you",
        "not_found_yet": "not_found: The resource you were accessing could not be found.",
        "internal": "server_error: Unexpected server-side error",
    },
)

"""A simulated Hetzner Cloud.

Its rules are those of the API's documentation (https://docs.hetzner.cloud), of hcloud-go's error codes and of the Terraform
provider that the Pulumi plugin is made from, as of August 2026. None was checked against the real cloud. Error codes are the
documented ones; where no real text was found, it is in their style. One rule is the simulator's own: a server has a firewall.
"""

from __future__ import annotations

import ipaddress
import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tests.simulator.member import Answered, Asked, Kind, Machine, Refused, Row, SimulatedCloud, Table

if TYPE_CHECKING:
    from collections.abc import Mapping

TOKEN = "simulated" * 7 + "0"
PER_PAGE, MOST_PER_PAGE = 25, 50

NETWORK, SUBNET = "hcloud:index/network:Network", "hcloud:index/networkSubnet:NetworkSubnet"
FIREWALL, KEY = "hcloud:index/firewall:Firewall", "hcloud:index/sshKey:SshKey"
SERVER, VOLUME = "hcloud:index/server:Server", "hcloud:index/volume:Volume"

ZONES = {
    "nbg1": "eu-central",
    "fsn1": "eu-central",
    "hel1": "eu-central",
    "ash": "us-east",
    "hil": "us-west",
    "sin": "ap-southeast",
}
EUROPE = ("nbg1", "fsn1", "hel1")
TYPES = {
    "cx23": (2, 4, EUROPE),
    "cx33": (4, 8, EUROPE),
    "cx43": (8, 16, EUROPE),
    "cpx22": (2, 4, (*EUROPE, "sin")),
    "cpx32": (4, 8, (*EUROPE, "sin")),
    "ccx13": (2, 8, tuple(ZONES)),
    "ccx23": (4, 16, tuple(ZONES)),
    "ccx33": (8, 32, tuple(ZONES)),
}
"""By name: CPUs, GB of memory, and where it is sold. All of them x86."""

IMAGES = {
    114690001: ("debian-12", "arm"),
    114690387: ("debian-12", "x86"),
    45557056: ("debian-11", "x86"),
    310557660: ("debian-13", "x86"),
    67794396: ("ubuntu-22.04", "x86"),
    161547269: ("ubuntu-24.04", "x86"),
    371547270: ("ubuntu-26.04", "x86"),
    45780952: ("rocky-8", "x86"),
    76766499: ("rocky-9", "x86"),
    310557700: ("rocky-10", "x86"),
    99682710: ("alma-8", "x86"),
    99682711: ("alma-9", "x86"),
    310557710: ("alma-10", "x86"),
    68091501: ("centos-stream-9", "x86"),
    310557730: ("centos-stream-10", "x86"),
    99682800: ("opensuse-15", "x86"),
    310557720: ("fedora-42", "x86"),
    361557720: ("fedora-43", "x86"),
}
"""Ids are made up, and as long as real ones."""

MACHINES = {"debian-11": "debian-bullseye", "debian-12": "debian-bookworm", "debian-13": "debian-trixie"}

OPERATORS = ipaddress.ip_network("127.0.0.0/8")
HOSTNAME = r"[a-zA-Z0-9]([-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?"
PRIVATE = tuple(ipaddress.IPv4Network(each) for each in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))

STATUSES = {
    "unauthorized": 401,
    "forbidden": 403,
    "resource_limit_exceeded": 403,
    "not_found": 404,
    "conflict": 409,
    "uniqueness_error": 409,
    "resource_unavailable": 412,
    "locked": 423,
    "protected": 423,
    "rate_limit_exceeded": 429,
    "server_error": 500,
}
"""Of the documentation's table of errors; the rest is 422."""


def invalid(field: str, why: str) -> Refused:
    return Refused("invalid_input", f"invalid input in field '{field}': [{field} => [{why}]]")


def check_labels(inputs: Mapping[str, Any]) -> None:
    for key, value in (inputs.get("labels") or {}).items():
        if not re.fullmatch(r"[a-zA-Z0-9]([-_.a-zA-Z0-9]{0,61}[a-zA-Z0-9])?", key):
            raise Refused("invalid_input", f"label key '{key}' is not correctly formatted")
        if not re.fullmatch(r"([a-zA-Z0-9]([-_.a-zA-Z0-9]{0,61}[a-zA-Z0-9])?)?", value):
            raise Refused("invalid_input", f"label value '{value}' (key: {key}) is not correctly formatted")


def check_name(table: Table, kind: str, name: str, inputs: Mapping[str, Any]) -> None:
    """A name that is not given is made up by the plugin: the resource's own with eight characters more."""
    called = str(inputs.get("name") or f"{name}-0123abc")
    if len(called) > 255:
        raise invalid("name", "must be between 1 and 255 characters")
    if kind == SERVER and not all(re.fullmatch(HOSTNAME, part) for part in called.split(".")):
        raise invalid("name", "Name must be a valid hostname.")
    if any(row.inputs.get("name") == called for row in table.rows(kind)):
        raise Refused("uniqueness_error", f"{kind.rpartition(':')[2].lower()} name is already used")


def name_of(row: Row) -> str:
    return str(row.inputs.get("name") or f"{row.name}-{row.id[-7:]}")


def must_exist(table: Table, kind: str, id: object, field: str) -> Row:  # noqa: A002
    row = table.row(str(id))
    if row is None or row.kind != kind:
        raise Refused("not_found", f"{field} with ID '{id}' not found")
    return row


def check_network(table: Table, name: str, inputs: Mapping[str, Any]) -> None:
    check_labels(inputs)
    check_name(table, NETWORK, name, inputs)
    wanted = network_of("ip_range", inputs["ipRange"])
    if not any(wanted.subnet_of(private) for private in PRIVATE):
        raise invalid("ip_range", "must be one of the private IPv4 ranges of RFC1918")


def network_of(field: str, text: str) -> ipaddress.IPv4Network:
    try:
        return ipaddress.IPv4Network(text)
    except ValueError:
        raise invalid(field, "must be the start of an IPv4 network in CIDR notation") from None


def check_subnet(table: Table, name: str, inputs: Mapping[str, Any]) -> None:
    del name  # a subnet has none
    if inputs["type"] not in {"cloud", "server", "vswitch"}:
        raise invalid("type", "must be one of cloud, server, vswitch")
    if inputs["networkZone"] not in ZONES.values():
        raise invalid("network_zone", "unknown network zone")
    network = must_exist(table, NETWORK, inputs["networkId"], "network")
    wanted = network_of("ip_range", inputs["ipRange"])
    if not wanted.subnet_of(ipaddress.IPv4Network(network.inputs["ipRange"])):
        raise invalid("ip_range", "must be a subnet of the ip_range of the network")
    others = [row for row in table.rows(SUBNET) if str(row.inputs["networkId"]) == network.id]
    if any(wanted.overlaps(ipaddress.IPv4Network(row.inputs["ipRange"])) for row in others):
        raise invalid("ip_range", "overlaps with another subnet")
    if any(row.inputs["networkZone"] != inputs["networkZone"] for row in others):
        raise invalid("network_zone", "all subnets of a network are in one network zone")


def check_firewall(table: Table, name: str, inputs: Mapping[str, Any]) -> None:
    check_labels(inputs)
    check_name(table, FIREWALL, name, inputs)
    rules = inputs.get("rules") or ()
    if len(rules) > 50:
        raise invalid("rules", "at most 50 rules")
    for rule in rules:
        if rule["direction"] not in {"in", "out"}:
            raise Refused("invalid_input", f"{rule['direction']} is not a valid direction")
        if rule["protocol"] not in {"tcp", "udp", "icmp", "esp", "gre"}:
            raise Refused("invalid_input", f"{rule['protocol']} is not a valid protocol")
        if (rule["protocol"] in {"tcp", "udp"}) != bool(rule.get("port")):
            raise invalid("port", "is for tcp and udp, and they need one")
        if rule["direction"] == "in" and not rule.get("sourceIps"):
            raise invalid("source_ips", "must not be empty")
        for source in rule.get("sourceIps") or ():
            network_of("source_ips", source)


def check_key(table: Table, name: str, inputs: Mapping[str, Any]) -> None:
    check_labels(inputs)
    check_name(table, KEY, name, inputs)
    words = str(inputs["publicKey"]).split()
    if len(words) < 2 or words[0] not in {"ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256"}:
        raise invalid("public_key", "SSH key is not in valid format")
    if any(str(row.inputs["publicKey"]).split()[:2] == words[:2] for row in table.rows(KEY)):
        raise Refused("uniqueness_error", "SSH key not unique")


def check_server(table: Table, name: str, inputs: Mapping[str, Any]) -> None:
    check_labels(inputs)
    check_name(table, SERVER, name, inputs)
    location = inputs.get("location")
    if location not in ZONES:
        raise invalid("location", "unknown location")
    if inputs["serverType"] not in TYPES:
        raise Refused("not_found", f"server type {inputs['serverType']} not found")
    if location not in TYPES[inputs["serverType"]][2]:
        raise Refused("invalid_input", "unsupported location for server type")
    if image_of(inputs)[1] != "x86":
        raise Refused("not_found", f"image {inputs.get('image')} for architecture x86 not found")
    if len(str(inputs.get("userData") or "").encode()) > 32 << 10:
        raise invalid("user_data", "must not be larger than 32 KiB")
    check_references(table, inputs, location)


def check_references(table: Table, inputs: Mapping[str, Any], location: str) -> None:
    for key in inputs.get("sshKeys") or ():
        must_exist(table, KEY, key, "ssh key")
    if not inputs.get("firewallIds"):
        raise Refused("simulator", "a server without a firewall is open to the world")
    for firewall in inputs["firewallIds"]:
        must_exist(table, FIREWALL, int(firewall), "firewall")
    for attached in inputs.get("networks") or ():
        subnet = subnet_of(table, attached)
        if subnet.inputs["networkZone"] != ZONES[location]:
            raise invalid("networks", f"the subnet is in {subnet.inputs['networkZone']}, the server in {ZONES[location]}")
        if len(members(table, subnet)) >= 100:
            raise Refused("resource_limit_exceeded", "network attachment limit exceeded")


def image_of(inputs: Mapping[str, Any]) -> tuple[str, str]:
    """Name and architecture of an image that is asked for by id or by name."""
    wanted = str(inputs.get("image"))
    found = [image for id, image in IMAGES.items() if wanted == str(id) or image == (wanted, "x86")]  # noqa: A001
    if not found:
        raise Refused("not_found", f"image {wanted} for architecture x86 not found")
    return found[0]


def subnet_of(table: Table, attached: Mapping[str, Any]) -> Row:
    if attached.get("subnetId"):
        return must_exist(table, SUBNET, attached["subnetId"], "subnet")
    within = [row for row in table.rows(SUBNET) if str(row.inputs["networkId"]) == str(attached.get("networkId"))]
    if not within:
        raise Refused("no_subnet_available", "network has no subnet")
    return within[-1]


def members(table: Table, subnet: Row) -> list[Row]:
    return [row for row in table.rows(SERVER) for net in row.outputs["networks"] if net["subnetId"] == subnet.id]


def check_volume(table: Table, name: str, inputs: Mapping[str, Any]) -> None:
    check_labels(inputs)
    check_name(table, VOLUME, name, inputs)
    if not 10 <= inputs["size"] <= 10240:
        raise invalid("size", "must be between 10 and 10240")
    if bool(inputs.get("location")) == bool(inputs.get("serverId")):
        raise invalid("location", "either location or server must be given")
    if inputs.get("location") and inputs["location"] not in ZONES:
        raise invalid("location", "unknown location")
    if inputs.get("serverId"):
        server = must_exist(table, SERVER, int(inputs["serverId"]), "server")
        if len(volumes_of(table, server)) >= 16:
            raise Refused("resource_limit_exceeded", "server volume attachment limit exceeded")


def volumes_of(table: Table, server: Row) -> list[Row]:
    return [row for row in table.rows(VOLUME) if str(row.outputs.get("serverId") or "") == server.id]


def number(table: Table) -> str:
    return str(104_000_000 + table.counter("id"))


def make_subnet(table: Table, name: str, inputs: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    del table, name
    gateway = ipaddress.IPv4Network(inputs["ipRange"])[1]
    return f"{int(inputs['networkId'])}-{inputs['ipRange']}", {"gateway": str(gateway)}


def make_key(table: Table, name: str, inputs: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    del name, inputs
    return number(table), {"fingerprint": "b7:2f:30:a0:2f:6c:58:6c:21:04:58:61:ba:06:3b:2f"}


def make_server(table: Table, name: str, inputs: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    del name
    networks = []
    for attached in inputs.get("networks") or ():
        subnet = subnet_of(table, attached)
        network = int(subnet.inputs["networkId"])
        networks.append({"networkId": network, "subnetId": subnet.id, "ip": free_address(table, subnet), "aliasIps": []})
    outputs = {
        "ipv4Address": public_address(table.counter("public address")),
        "status": "running",
        "networks": networks,
        "primaryDiskSize": 40,
    }
    return number(table), outputs


def free_address(table: Table, subnet: Row) -> str:
    """From the second host on: the first one is the gateway. Counted, so that two that are made at once differ."""
    within = ipaddress.IPv4Network(subnet.inputs["ipRange"])
    taken = {net["ip"] for row in members(table, subnet) for net in row.outputs["networks"]}
    for _ in range(within.num_addresses):
        address = str(within[2 + (table.counter(f"address in {subnet.id}") - 1) % (within.num_addresses - 3)])
        if address not in taken:
            return address
    raise Refused("ip_not_available", "IP not available")


def public_address(count: int) -> str:
    return f"127.78.{count // 250 % 256}.{count % 250 + 1}"


def make_volume(table: Table, name: str, inputs: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    del name
    id = number(table)  # noqa: A001
    server = table.row(str(int(inputs["serverId"]))) if inputs.get("serverId") else None
    outputs = {
        "linuxDevice": f"/dev/disk/by-id/scsi-0HC_Volume_{id}",
        "serverId": int(server.id) if server else 0,
        "location": server.inputs["location"] if server else inputs["location"],
    }
    return id, outputs


def make_plain(table: Table, name: str, inputs: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    del name, inputs
    return number(table), {}


def unmake_subnet(table: Table, row: Row) -> None:
    # The real plugin tries for minutes, then forgets the subnet; here a program that deletes too early is told at once.
    if members(table, row):
        raise Refused("service_error", "cannot remove subnet because servers are attached to it")


def unmake_firewall(table: Table, row: Row) -> None:
    if any(int(row.id) in map(int, server.inputs.get("firewallIds") or ()) for server in table.rows(SERVER)):
        raise Refused("resource_in_use", f"firewall with ID '{row.id}' is still in use")


def unmake_server(table: Table, row: Row) -> None:
    for volume in volumes_of(table, row):
        table.change(volume.id, {**volume.outputs, "serverId": 0})


def machine(table: Table, row: Row) -> Machine | None:
    image = MACHINES.get(image_of(row.inputs)[0])
    if image is None:
        return None
    cpus, memory_gib, _ = TYPES[row.inputs["serverType"]]
    network = row.outputs["networks"][0]
    return Machine(
        image=image,
        user_data=str(row.inputs.get("userData") or ""),
        cpus=cpus,
        memory_bytes=memory_gib << 30,
        disks_bytes=tuple(int(volume.inputs["size"]) << 30 for volume in volumes_of(table, row)),
        private_address=network["ip"],
        network=f"hetzner-{network['networkId']}",
        open_ports=open_ports(table, row),
        public_address=row.outputs["ipv4Address"],
    )


def open_ports(table: Table, server: Row) -> tuple[int, ...]:
    firewalls = [table.row(str(int(each))) for each in server.inputs["firewallIds"]]
    rules = [rule for firewall in firewalls if firewall for rule in firewall.inputs.get("rules") or ()]
    ports: set[int] = set()
    for rule in rules:
        sources = [ipaddress.ip_network(source) for source in rule.get("sourceIps") or ()]
        if rule["direction"] == "in" and rule["protocol"] == "tcp" and any(each.overlaps(OPERATORS) for each in sources):
            first, _, last = str(rule["port"]).replace("any", "1-65535").partition("-")
            ports.update(range(int(first), int(last or first) + 1))
    return tuple(sorted(ports))


def api(table: Table, asked: Asked) -> Answered:
    if asked.headers.get("authorization") != f"Bearer {TOKEN}":
        return refusal(Refused("unauthorized", "unable to authenticate"))
    try:
        return route(table, asked)
    except Refused as no:
        return refusal(no)


def refusal(no: Refused) -> Answered:
    error = {"error": {"code": no.code, "message": no.text, "details": None}}
    return answer(error, STATUSES.get(no.code, 422))


def answer(document: object, status: int = 200) -> Answered:
    return Answered(status=status, body=json.dumps(document).encode())


def route(table: Table, asked: Asked) -> Answered:
    parts = asked.path.strip("/").split("/")[1:]
    match (asked.method, *parts):
        case ("GET", "locations"):
            return page("locations", [location(name) for name in ZONES], asked)
        case ("GET", "server_types"):
            return page("server_types", server_types(), asked)
        case ("GET", "images"):
            return page("images", images(asked), asked)
        case ("GET", "actions", id):
            return answer({"action": action(int(id))})
        case ("GET", service) if service in SHOWN:
            kind, show = SHOWN[service]
            rows = [row for row in table.rows(kind) if selected(row, asked.query)]
            return page(service, [show(table, row) for row in rows], asked)
        case (method, service, id, *rest) if service in SHOWN:
            kind, show = SHOWN[service]
            row = must_exist(table, kind, id, service[:-1])
            return one(table, row, (method, *rest), {service[:-1]: show(table, row)})
    raise Refused("not_found", "no such endpoint")


def one(table: Table, row: Row, asked: tuple[str, ...], document: dict[str, Any]) -> Answered:
    match asked:
        case ("GET",):
            return answer(document)
        case ("DELETE",) if row.kind == SERVER:
            table.remove(row.id)
            return answer({"action": action(table.counter("action"))})
        case ("DELETE",):
            # The plugin detaches a volume that it deletes, the API does not.
            if row.kind == VOLUME and row.outputs.get("serverId"):
                raise Refused("service_error", "volume is still attached to a server")
            table.remove(row.id)
            return Answered(status=204)
        case ("POST", "actions", "detach") if row.kind == VOLUME:
            table.change(row.id, {**row.outputs, "serverId": 0})
            return answer({"action": action(table.counter("action"))}, 201)
    raise Refused("not_found", "no such endpoint")


def selected(row: Row, query: Mapping[str, str]) -> bool:
    """By name, and by a label selector of the kinds `key` and `key==value`."""
    found = row.inputs.get("labels") or {}
    wanted = [part.replace("==", "=").partition("=") for part in query.get("label_selector", "").split(",") if part]
    return query.get("name") in {None, name_of(row)} and all(
        key in found and (not equals or found[key] == value) for key, equals, value in wanted
    )


def page(service: str, every: list[dict[str, Any]], asked: Asked) -> Answered:
    per_page = min(int(asked.query.get("per_page", PER_PAGE)), MOST_PER_PAGE)
    here, last = int(asked.query.get("page", 1)), max(1, -(-len(every) // per_page))
    pagination = {
        "page": here,
        "per_page": per_page,
        "previous_page": here - 1 if here > 1 else None,
        "next_page": here + 1 if here < last else None,
        "last_page": last,
        "total_entries": len(every),
    }
    return answer({service: every[(here - 1) * per_page : here * per_page], "meta": {"pagination": pagination}})


def images(asked: Asked) -> list[dict[str, Any]]:
    every = [
        {
            "id": id,
            "name": name,
            "architecture": architecture,
            "type": "system",
            "status": "available",
            "os_flavor": name.partition("-")[0],
            "os_version": name.partition("-")[2],
            "created": moment(1_600_000_000 + id),
            "labels": {},
        }
        for id, (name, architecture) in IMAGES.items()  # noqa: A001
    ]
    filters = [key for key in ("name", "type", "status", "architecture") if key in asked.query]
    return [image for image in every if all(image[key] == asked.query[key] for key in filters)]


def server_types() -> list[dict[str, Any]]:
    return [
        {
            "id": 100 + place,
            "name": name,
            "cores": cpus,
            "memory": memory_gib,
            "architecture": "x86",
            "locations": [
                {"id": location(each)["id"], "name": each, "deprecation": None, "available": True, "recommended": True}
                for each in sold
            ],
        }
        for place, (name, (cpus, memory_gib, sold)) in enumerate(TYPES.items())
    ]


def moment(unix_s: float) -> str:
    return datetime.fromtimestamp(unix_s, UTC).isoformat()


def location(name: str) -> dict[str, Any]:
    return {"id": 1 + list(ZONES).index(name), "name": name, "description": f"{name} DC Park 1", "network_zone": ZONES[name]}


def action(id: int) -> dict[str, Any]:  # noqa: A002
    finished = {"status": "success", "progress": 100, "error": None, "resources": []}
    return {"id": id, "command": "simulated", "started": moment(0), "finished": moment(0), **finished}


def show_plain(table: Table, row: Row) -> dict[str, Any]:
    del table
    labels = dict(row.inputs.get("labels") or {})
    return {"id": int(row.id), "name": name_of(row), "labels": labels, "created": moment(row.created_at)}


def show_volume(table: Table, row: Row) -> dict[str, Any]:
    where = {"location": location(row.outputs["location"]), "server": int(row.outputs.get("serverId") or 0) or None}
    return {**show_plain(table, row), **where, "size": row.inputs["size"], "status": "available"}


def show_server(table: Table, row: Row) -> dict[str, Any]:
    where = {"location": location(row.inputs["location"]), "volumes": [int(each.id) for each in volumes_of(table, row)]}
    return {**show_plain(table, row), **where, "status": row.outputs["status"], "public_net": None, "private_net": []}


SHOWN = {
    "servers": (SERVER, show_server),
    "volumes": (VOLUME, show_volume),
    "firewalls": (FIREWALL, show_plain),
    "networks": (NETWORK, show_plain),
    "ssh_keys": (KEY, show_plain),
}


SIMULATED = SimulatedCloud(
    name="hetzner",
    plugin="hcloud",
    sdk="pulumi_hcloud",
    kinds={
        NETWORK: Kind(check=check_network, make=make_plain, changeable=("name", "labels")),
        SUBNET: Kind(check=check_subnet, make=make_subnet, unmake=unmake_subnet, goes_with=("networkId",)),
        FIREWALL: Kind(check=check_firewall, make=make_plain, unmake=unmake_firewall, changeable=("name", "labels", "rules")),
        KEY: Kind(check=check_key, make=make_key, changeable=("name", "labels")),
        SERVER: Kind(
            check=check_server,
            make=make_server,
            unmake=unmake_server,
            machine=machine,
            changeable=("name", "labels", "serverType", "firewallIds", "networks", "publicNets"),
            slow_s=12.0,
        ),
        VOLUME: Kind(check=check_volume, make=make_volume, changeable=("name", "labels", "size", "serverId"), slow_s=5.0),
    },
    invokes={},
    api=api,
    environment=lambda url: {"HCLOUD_TOKEN": TOKEN, "HCLOUD_ENDPOINT": f"{url}/v1"},
    configuration=("token", "endpoint", "endpointHetzner", "pollInterval", "pollFunction"),
    # The plugin says `text (code, id of the request)`; here the code comes first, for the shape of the API's own errors.
    failures={
        "throttled": "rate_limit_exceeded: Limit of 3600 requests per hour reached",
        "capacity": "resource_unavailable: error during placement",
        "quota": "resource_limit_exceeded: server limit exceeded",
        "credentials_expired": "unauthorized: unable to authenticate",
        "not_found_yet": "not_found: server with ID '42' not found",
        "internal": "server_error: An internal error occurred",
    },
)

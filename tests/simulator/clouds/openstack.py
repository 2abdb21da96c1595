"""An OpenStack cloud as OVH runs it: Keystone, Nova, Neutron, Cinder, Glance.

Rules, limits and texts are taken from the API references of these services and from the sources of Nova, Neutron and Cinder as
far as they are remembered there (tags of 60 characters as until 2024, quotas as they are by default); regions, flavors, volume
types and image names are OVH's. Nothing of it was checked against a real cloud.

Known to differ: a floating IP's association has an id of its own, pages have three entries so that every client must turn them,
and the external network has the same id in all regions, as a look-up is not told its region here.
"""

from __future__ import annotations

import base64
import ipaddress
import json
import re
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from tests.simulator.member import Answered, Asked, Kind, Machine, Refused, Row, SimulatedCloud, Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

NETWORK = "openstack:networking/network:Network"
SUBNET = "openstack:networking/subnet:Subnet"
ROUTER = "openstack:networking/router:Router"
INTERFACE = "openstack:networking/routerInterface:RouterInterface"
GROUP = "openstack:networking/secGroup:SecGroup"
RULE = "openstack:networking/secGroupRule:SecGroupRule"
PORT = "openstack:networking/port:Port"
ADDRESS = "openstack:networking/floatingIp:FloatingIp"
BOND = "openstack:networking/floatingIpAssociate:FloatingIpAssociate"
KEY = "openstack:compute/keypair:Keypair"
AFFINITY = "openstack:compute/serverGroup:ServerGroup"
INSTANCE = "openstack:compute/instance:Instance"

REGIONS: Mapping[str, tuple[str, ...]] = {
    "GRA11": ("nova",),
    "SBG5": ("nova",),
    "EU-WEST-PAR": ("eu-west-par-a", "eu-west-par-b", "eu-west-par-c"),
}
FLAVORS: Mapping[str, tuple[int, int, tuple[int, ...]]] = {
    "d2-4": (2, 4, ()),
    "b3-8": (2, 8, ()),
    "b3-16": (4, 16, ()),
    "b3-32": (8, 32, ()),
    "c3-8": (4, 8, ()),
    "i1-45": (8, 45, (1788,)),
    "i1-90": (16, 90, (1788, 1788)),
}
"""CPUs, GiB of memory, GiB of each NVMe disk that comes with it."""

VOLUME_TYPES = ("classic", "high-speed", "high-speed-gen2", "classic-luks", "high-speed-luks", "high-speed-gen2-luks")
VOLUME_GIB = (1, 12_000)
"""Least and most of a volume."""

IMAGES = (
    ("Debian 11", "2025-01-10T08:00:00Z", "debian-bullseye"),
    ("Debian 12", "2024-06-01T08:00:00Z", "debian-bookworm"),
    ("Debian 12", "2025-06-01T08:00:00Z", "debian-bookworm"),
    ("Debian 12 - Docker", "2025-07-01T08:00:00Z", ""),
    ("Debian 12 - UEFI", "2025-07-02T08:00:00Z", ""),
    ("Debian 13", "2025-09-01T08:00:00Z", "debian-trixie"),
    ("Ubuntu 22.04", "2025-03-01T08:00:00Z", ""),
    ("Ubuntu 24.04", "2025-03-01T08:00:00Z", ""),
    ("Ubuntu 24.04 - UEFI", "2025-04-01T08:00:00Z", ""),
    ("Rocky Linux 9", "2025-02-01T08:00:00Z", ""),
    ("AlmaLinux 9", "2025-02-01T08:00:00Z", ""),
    ("CentOS 7", "2024-01-01T08:00:00Z", ""),
    ("Fedora 41", "2024-11-01T08:00:00Z", ""),
    ("Fedora 42", "2025-05-01T08:00:00Z", ""),
    ("Windows Server 2022 Standard (Desktop)", "2025-05-01T08:00:00Z", ""),
)
"""Name, date, and which of `images/machines` stands behind it."""

EXTERNAL = {"id": "393d06cc-a82c-4dc4-a576-c79e8dd67ba3", "name": "Ext-Net"}
OPERATORS = ipaddress.ip_network("127.0.0.0/8")
PROJECT, USER, PASSWORD, TOKEN = "4c6f1b0b9d3a4e3c8f0d5d7f", "user-simulated", "simulated-password", "gAAAAABsimulated"

TAG_LENGTH, TEXT_LENGTH, USER_DATA_LENGTH, GROUP_MEMBERS, PAGE = 60, 255, 65535, 10, 3

Inputs = Mapping[str, Any]
Made = tuple[str, Mapping[str, Any]]


def image_id(region: str, name: str, created_at: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{region}/{name}/{created_at}"))


def refuse(status: int, text: str, kind: str = "") -> Refused:
    """As the plugin passes it on: gophercloud's sentence, then what the service said."""
    told = (
        {"NeutronError": {"type": kind, "message": text, "detail": ""}} if kind else {"error": {"code": status, "message": text}}
    )
    return Refused(str(status), f"Expected HTTP response code [200 201 202 204] but got {status} instead: {json.dumps(told)}")


def exists(table: Table, kind: str, wanted: str, sort: str) -> Row:
    row = table.row(wanted)
    if row is None or row.kind != kind:
        raise refuse(404, f"{sort} {wanted} could not be found.", f"{sort}NotFound")
    return row


def region_of(inputs: Inputs) -> str:
    region = str(inputs.get("region", ""))
    if region not in REGIONS:
        raise Refused("EndpointNotFound", "No suitable endpoint could be found in the service catalog.")
    return region


def check_common(inputs: Inputs) -> None:
    region_of(inputs)
    for field in ("name", "description"):
        if len(inputs.get(field) or "") > TEXT_LENGTH:
            text = f"Invalid input for {field}. Reason: '{inputs[field]}' exceeds maximum length of {TEXT_LENGTH}."
            raise refuse(400, text, "HTTPBadRequest")
    tags = inputs.get("tags") or ()
    for tag in tags:
        if not tag or len(tag) > TAG_LENGTH:
            raise refuse(400, f"Invalid input for operation: '{tag}' exceeds maximum length of {TAG_LENGTH}.", "InvalidInput")
    if len(set(tags)) != len(tags):
        raise refuse(400, f"Invalid input for operation: Duplicate items in the list: '{', '.join(tags)}'.", "InvalidInput")


def check_network(table: Table, name: str, inputs: Inputs) -> None:
    del table, name
    check_common(inputs)


def check_subnet(table: Table, name: str, inputs: Inputs) -> None:
    del name
    check_common(inputs)
    network = exists(table, NETWORK, inputs["networkId"], "Network")
    try:
        wanted = ipaddress.ip_network(inputs.get("cidr") or "")
    except ValueError as error:
        raise refuse(
            400, f"Invalid input for cidr. Reason: '{inputs.get('cidr')}' is not a valid IP subnet.", "HTTPBadRequest"
        ) from error
    if inputs.get("ipVersion", 4) != wanted.version:
        raise refuse(400, f"Invalid input for operation: ip_version mismatch for {wanted}.", "InvalidInput")
    for other in table.rows(SUBNET):
        if other.inputs["networkId"] == network.id and ipaddress.ip_network(other.inputs["cidr"]).overlaps(wanted):
            text = f"Requested subnet with cidr: {wanted} for network: {network.id} overlaps with another subnet."
            raise refuse(400, f"Invalid input for operation: {text}", "InvalidInput")
    for server in inputs.get("dnsNameservers") or ():
        ipaddress.ip_address(server)


def check_router(table: Table, name: str, inputs: Inputs) -> None:
    del name
    check_common(inputs)
    outside = inputs.get("externalNetworkId")
    if outside and outside != EXTERNAL["id"]:
        exists(table, NETWORK, outside, "Network")
        raise refuse(400, f"Bad router request: Network {outside} is not an external network.", "BadRequest")


def check_interface(table: Table, name: str, inputs: Inputs) -> None:
    del name
    region_of(inputs)
    router = exists(table, ROUTER, inputs["routerId"], "Router")
    subnet = exists(table, SUBNET, inputs.get("subnetId", ""), "Subnet")
    if not subnet.outputs.get("gatewayIp"):
        raise refuse(400, "Bad router request: Subnet for router interface must have a gateway IP.", "BadRequest")
    if any(row.inputs["subnetId"] == subnet.id for row in table.rows(INTERFACE)):
        text = f"Bad router request: Router already has a port on subnet {subnet.id}: {router.id}."
        raise refuse(400, text, "BadRequest")


def check_rule(table: Table, name: str, inputs: Inputs) -> None:
    del name
    region_of(inputs)
    exists(table, GROUP, inputs["securityGroupId"], "SecurityGroup")
    first, last = inputs.get("portRangeMin"), inputs.get("portRangeMax")
    if inputs["direction"] not in {"ingress", "egress"}:
        raise refuse(
            400,
            f"Invalid input for direction. Reason: '{inputs['direction']}' is not in ['ingress', 'egress'].",
            "HTTPBadRequest",
        )
    if inputs["ethertype"] not in {"IPv4", "IPv6"}:
        text = f"Security group rule for ethertype '{inputs['ethertype']}' not supported. Allowed values are ['IPv4', 'IPv6']."
        raise refuse(400, text, "SecurityGroupRuleInvalidEtherType")
    if (first or last) and not inputs.get("protocol"):
        raise refuse(400, "Must also specify protocol if port range is given.", "SecurityGroupProtocolRequiredWithPorts")
    if first and last and not 1 <= first <= last <= 65535:
        text = "For TCP/UDP protocols, port_range_min must be <= port_range_max"
        raise refuse(400, text, "SecurityGroupInvalidPortRange")
    check_source(inputs)
    same = (
        "securityGroupId",
        "direction",
        "ethertype",
        "protocol",
        "portRangeMin",
        "portRangeMax",
        "remoteIpPrefix",
        "remoteGroupId",
    )
    for other in table.rows(RULE):
        if all(other.inputs.get(field) == inputs.get(field) for field in same):
            raise refuse(409, f"Security group rule already exists. Rule id is {other.id}.", "SecurityGroupRuleExists")


def check_source(inputs: Inputs) -> None:
    if not (source := inputs.get("remoteIpPrefix")):
        return
    try:
        version = ipaddress.ip_network(source, strict=False).version
    except ValueError as error:
        raise refuse(400, f"Invalid CIDR {source} given as IP prefix.", "InvalidCIDR") from error
    if inputs["ethertype"] != f"IPv{version}":
        text = f"Conflicting value ethertype {inputs['ethertype']} for CIDR {source}"
        raise refuse(400, text, "SecurityGroupRuleParameterConflict")


def check_key(table: Table, name: str, inputs: Inputs) -> None:
    region, key = region_of(inputs), inputs.get("name") or name
    if not re.fullmatch(rf"[A-Za-z0-9 _-]{{1,{TEXT_LENGTH}}}", key):
        raise refuse(400, "Keypair data is invalid: Keypair name contains unsafe characters")
    if not re.match(r"(ssh-rsa|ssh-ed25519|ecdsa-sha2-nistp\d+) [A-Za-z0-9+/=]{16,}", inputs.get("publicKey") or ""):
        raise refuse(400, "Keypair data is invalid: failed to generate fingerprint")
    if any(row.inputs["region"] == region and row.outputs["name"] == key for row in table.rows(KEY)):
        raise refuse(409, f"Key pair '{key}' already exists.")


def check_affinity(table: Table, name: str, inputs: Inputs) -> None:
    del table
    region_of(inputs)
    if len(inputs.get("name") or name) > TEXT_LENGTH:
        raise refuse(400, f"Invalid input for field/attribute name. Value: {inputs['name']}. '{inputs['name']}' is too long")
    if inputs.get("policies") not in {"affinity", "anti-affinity", "soft-affinity", "soft-anti-affinity"}:
        raise refuse(400, f"Invalid input for field/attribute 0. Value: {inputs.get('policies')}.")


def check_port(table: Table, name: str, inputs: Inputs) -> None:
    del name
    check_common(inputs)
    if inputs["networkId"] != EXTERNAL["id"]:
        exists(table, NETWORK, inputs["networkId"], "Network")
    for fixed in inputs.get("fixedIps") or ():
        subnet = table.row(fixed.get("subnetId", ""))
        if subnet is None or subnet.inputs["networkId"] != inputs["networkId"]:
            text = f"Failed to create port on network {inputs['networkId']}, because fixed_ips included invalid subnet"
            raise refuse(400, f"Invalid input for operation: {text} {fixed.get('subnetId')}.", "InvalidInput")
    for group in inputs.get("securityGroupIds") or ():
        if table.row(group) is None:
            raise refuse(404, f"Security group {group} does not exist", "SecurityGroupNotFound")


def check_instance(table: Table, name: str, inputs: Inputs) -> None:
    region = region_of(inputs)
    if len(inputs.get("name") or name) > TEXT_LENGTH:
        raise refuse(400, f"Invalid input for field/attribute name. Value: {name}. '{name}' is too long")
    if inputs.get("flavorName") not in FLAVORS:
        raise Refused("NotFound", f"Unable to find flavor with name {inputs.get('flavorName')}")
    if inputs.get("imageId") not in {image_id(region, image, date) for image, date, _ in IMAGES}:
        raise refuse(400, f"Can not find requested image {inputs.get('imageId')}")
    if inputs.get("availabilityZone") not in {None, *REGIONS[region]}:
        raise refuse(400, "The requested availability zone is not available")
    if inputs.get("keyPair") not in {None, *(row.outputs["name"] for row in table.rows(KEY) if row.inputs["region"] == region)}:
        raise refuse(400, "Invalid key_name provided.")
    if len(base64.b64encode((inputs.get("userData") or "").encode())) > USER_DATA_LENGTH:
        raise refuse(400, "Invalid input for field/attribute user_data. Value: ... is too long")
    for key, value in (inputs.get("metadata") or {}).items():
        if not re.fullmatch(rf"[a-zA-Z0-9\-_:. ]{{1,{TEXT_LENGTH}}}", key) or len(value) > TEXT_LENGTH:
            raise refuse(400, f"Invalid input for field/attribute {key}. Value: {value}. '{value}' is too long")
    check_instance_ports(table, inputs)
    check_block_devices(inputs)
    check_hints(table, inputs)


def check_instance_ports(table: Table, inputs: Inputs) -> None:
    taken = {net.get("port") for row in table.rows(INSTANCE) for net in row.inputs.get("networks") or ()}
    for net in inputs.get("networks") or ():
        if table.row(net.get("port") or "") is None:
            raise refuse(400, f"Port {net.get('port')} could not be found.")
        if net["port"] in taken:
            raise refuse(409, f"Port {net['port']} is still in use.")


def check_block_devices(inputs: Inputs) -> None:
    devices = inputs.get("blockDevices") or ()
    bootable = [each["bootIndex"] for each in devices if each.get("bootIndex", 0) >= 0]
    if devices and sorted(bootable) != list(range(len(bootable))):
        text = "Boot sequence for the instance and image/block device mapping combination is not valid."
        raise refuse(400, f"Block Device Mapping is Invalid: {text}")
    for each in devices:
        if (each["sourceType"], each.get("destinationType")) != ("blank", "volume"):
            continue
        kind, size = each.get("volumeType", "classic"), each.get("volumeSize", 0)
        if kind not in VOLUME_TYPES:
            raise refuse(400, f"Volume type {kind} could not be found.")
        least, most = VOLUME_GIB
        if not least <= size <= most:
            raise refuse(400, f"Invalid input received: Requested volume size {size} is not between {least} and {most}")


def check_hints(table: Table, inputs: Inputs) -> None:
    for hint in inputs.get("schedulerHints") or ():
        if not (group := hint.get("group")):
            continue
        if table.row(group) is None:
            raise refuse(400, f"Instance group {group} could not be found.")
        members = [
            row for row in table.rows(INSTANCE) for each in row.inputs.get("schedulerHints") or () if each.get("group") == group
        ]
        if len(members) >= GROUP_MEMBERS:
            raise refuse(403, "Quota exceeded, too many servers in group")


def check_address(table: Table, name: str, inputs: Inputs) -> None:
    del table, name
    check_common(inputs)
    if inputs.get("pool") != EXTERNAL["name"]:
        raise Refused("NotFound", f"Error retrieving floating IP pool name: no network {inputs.get('pool')}")


def check_bond(table: Table, name: str, inputs: Inputs) -> None:
    del name
    region_of(inputs)
    port = exists(table, PORT, inputs["portId"], "Port")
    address = next((row for row in table.rows(ADDRESS) if row.outputs["address"] == inputs["floatingIp"]), None)
    if address is None:
        raise Refused(
            "NotFound", f"Unable to get ID of openstack_networking_floatingip_v2 {inputs['floatingIp']}: no floating IP"
        )
    if any(row.inputs["floatingIp"] == inputs["floatingIp"] or row.inputs["portId"] == port.id for row in table.rows(BOND)):
        text = f"Cannot associate floating IP {inputs['floatingIp']} with port {port.id}, as it already has a floating IP"
        raise refuse(409, text, "FloatingIPPortAlreadyAssociated")
    subnets = {fixed["subnetId"] for fixed in port.inputs.get("fixedIps") or ()}
    if not any(row.inputs["subnetId"] in subnets for row in table.rows(INTERFACE)):
        text = f"External network {EXTERNAL['id']} is not reachable from subnet {', '.join(sorted(subnets))}."
        raise refuse(
            404, f"{text} Therefore, cannot associate Port {port.id} with a Floating IP.", "ExternalGatewayForFloatingIPNotFound"
        )


def made(outputs: Callable[[Table, str, Inputs], Mapping[str, Any]] = lambda *_: {}) -> Callable[[Table, str, Inputs], Made]:
    """How a thing with a random id comes to be; the plugin gives a name where the program gives none."""

    def make(table: Table, name: str, inputs: Inputs) -> Made:
        id_ = str(uuid.uuid4())
        return id_, {
            "name": inputs.get("name") or f"{name}-{id_[:7]}",
            "allTags": inputs.get("tags") or [],
            **outputs(table, id_, inputs),
        }

    return make


def subnet_outputs(table: Table, id_: str, inputs: Inputs) -> Mapping[str, Any]:
    del table, id_
    gateway = "" if inputs.get("noGateway") else str(ipaddress.ip_network(inputs["cidr"])[1])
    return {"gatewayIp": inputs.get("gatewayIp") or gateway}


def port_outputs(table: Table, id_: str, inputs: Inputs) -> Mapping[str, Any]:
    del id_
    if inputs["networkId"] == EXTERNAL["id"]:
        # Both, and the longer one first: a client must choose.
        number = table.counter("public")
        return {"allFixedIps": [f"2001:db8::{number:x}", public_address(number)]}
    return {"allFixedIps": [private_address(table, fixed["subnetId"]) for fixed in inputs.get("fixedIps") or ()]}


def private_address(table: Table, subnet_id: str) -> str:
    """After the gateway and the two addresses of DHCP. Counted, so that two that are made at once differ."""
    subnet = exists(table, SUBNET, subnet_id, "Subnet")
    within = ipaddress.ip_network(subnet.inputs["cidr"])
    number = 3 + table.counter(f"address in {subnet_id}")
    if number >= within.num_addresses - 1:
        raise refuse(
            409, f"No more IP addresses available on network {subnet.inputs['networkId']}.", "IpAddressGenerationFailure"
        )
    return str(within[number])


def public_address(number: int) -> str:
    return f"127.78.{number // 250}.{number % 250 + 1}"


def instance_outputs(table: Table, id_: str, inputs: Inputs) -> Mapping[str, Any]:
    del id_
    ports = [exists(table, PORT, net["port"], "Port") for net in inputs.get("networks") or ()]
    addresses = [address for port in ports for address in port.outputs["allFixedIps"] if ":" not in address]
    blanks = [each for each in inputs.get("blockDevices") or () if each.get("destinationType") == "volume"]
    return {
        "accessIpV4": addresses[0] if addresses else "",
        "powerState": "active",
        # The volumes that Nova makes with it.
        "volumes": [str(uuid.uuid4()) for _ in blanks],
    }


def make_key(table: Table, name: str, inputs: Inputs) -> Made:
    del table
    key = inputs.get("name") or name
    return f"{inputs['region']}/{key}", {"name": key, "fingerprint": "35:9d:d0:c3:4a:80:d3:d8:86:f1:ca:f7:df:c4:f9:d8"}


def unmake_network(table: Table, row: Row) -> None:
    if any(port.inputs["networkId"] == row.id for port in table.rows(PORT)) or any(
        interface_of(table, subnet) for subnet in subnets_of(table, row)
    ):
        text = f"Unable to complete operation on network {row.id}. There are one or more ports still in use on the network."
        raise refuse(409, text, "NetworkInUse")
    for subnet in subnets_of(table, row):
        table.remove(subnet.id)


def subnets_of(table: Table, network: Row) -> list[Row]:
    return [subnet for subnet in table.rows(SUBNET) if subnet.inputs["networkId"] == network.id]


def interface_of(table: Table, subnet: Row) -> Row | None:
    return next((row for row in table.rows(INTERFACE) if row.inputs["subnetId"] == subnet.id), None)


def unmake_subnet(table: Table, row: Row) -> None:
    ports = [port for port in table.rows(PORT) for fixed in port.inputs.get("fixedIps") or () if fixed["subnetId"] == row.id]
    if ports or interface_of(table, row):
        text = f"Unable to complete operation on subnet {row.id}: One or more ports have an IP allocation from this subnet."
        raise refuse(409, text, "SubnetInUse")


def unmake_router(table: Table, row: Row) -> None:
    if any(interface.inputs["routerId"] == row.id for interface in table.rows(INTERFACE)):
        raise refuse(409, f"Router {row.id} still has ports", "RouterInUse")


def unmake_interface(table: Table, row: Row) -> None:
    ports = {bond.inputs["portId"] for bond in table.rows(BOND)}
    for port in table.rows(PORT):
        if port.id in ports and any(fixed["subnetId"] == row.inputs["subnetId"] for fixed in port.inputs.get("fixedIps") or ()):
            text = f"Router interface for subnet {row.inputs['subnetId']} on router {row.inputs['routerId']} cannot be deleted,"
            raise refuse(409, f"{text} as it is required by one or more floating IPs.", "RouterInterfaceInUseByFloatingIP")


def unmake_group(table: Table, row: Row) -> None:
    if any(row.id in (port.inputs.get("securityGroupIds") or ()) for port in table.rows(PORT)):
        raise refuse(409, f"Security Group {row.id} in use.", "SecurityGroupInUse")
    for rule in table.rows(RULE):
        if rule.inputs["securityGroupId"] == row.id:
            table.remove(rule.id)


def unmake_address(table: Table, row: Row) -> None:
    for bond in table.rows(BOND):
        if bond.inputs["floatingIp"] == row.outputs["address"]:
            table.remove(bond.id)


def unmake_port(table: Table, row: Row) -> None:
    for bond in table.rows(BOND):
        if bond.inputs["portId"] == row.id:
            table.remove(bond.id)


def machine(table: Table, row: Row) -> Machine | None:
    """None until it has a public address: before, nobody could tell whether it runs."""
    region = row.inputs["region"]
    behind = {image_id(region, name, date): image for name, date, image in IMAGES}[row.inputs["imageId"]]
    ports = [port for net in row.inputs.get("networks") or () if (port := table.row(net["port"]))]
    private = next((port for port in ports if port.inputs["networkId"] != EXTERNAL["id"]), None)
    public = address_of(table, ports)
    if not behind or private is None or not public:
        return None
    cpus, memory_gib, nvme = FLAVORS[row.inputs["flavorName"]]
    blanks = [each["volumeSize"] for each in row.inputs.get("blockDevices") or () if each["sourceType"] == "blank"]
    return Machine(
        image=behind,
        user_data=row.inputs.get("userData") or "",
        cpus=cpus,
        memory_bytes=memory_gib << 30,
        disks_bytes=tuple(size << 30 for size in (*nvme, *blanks)),
        private_address=private.outputs["allFixedIps"][0],
        network=f"openstack-{private.inputs['networkId']}",
        open_ports=open_ports(table, ports),
        public_address=public,
    )


def address_of(table: Table, ports: Sequence[Row]) -> str:
    ids = {port.id for port in ports}
    floating = [bond.inputs["floatingIp"] for bond in table.rows(BOND) if bond.inputs["portId"] in ids]
    own = [
        each
        for port in ports
        if port.inputs["networkId"] == EXTERNAL["id"]
        for each in port.outputs["allFixedIps"]
        if ":" not in each
    ]
    return next(iter((*own, *floating)), "")


def open_ports(table: Table, ports: Sequence[Row]) -> tuple[int, ...]:
    groups = {group for port in ports for group in port.inputs.get("securityGroupIds") or ()}
    found: set[int] = set()
    for rule in table.rows(RULE):
        given = rule.inputs
        if given["securityGroupId"] not in groups or given["direction"] != "ingress" or given["ethertype"] != "IPv4":
            continue
        source = ipaddress.ip_network(given.get("remoteIpPrefix") or "0.0.0.0/0", strict=False)
        if given.get("protocol") in {None, "tcp"} and not given.get("remoteGroupId") and source.overlaps(OPERATORS):
            found.update(range(given.get("portRangeMin") or 1, (given.get("portRangeMax") or 65535) + 1))
    return tuple(sorted(found))


def get_network(table: Table, arguments: Inputs) -> Mapping[str, Any]:
    """The external network, or one of the project's own, by its name."""
    wanted = arguments.get("name")
    found = [{**EXTERNAL, "external": True}] if wanted == EXTERNAL["name"] else []
    if not arguments.get("external"):
        found += [
            {"id": row.id, "name": wanted, "external": False} for row in table.rows(NETWORK) if row.outputs["name"] == wanted
        ]
    if len(found) != 1:
        raise Refused("NotFound", "Your query returned no results. Please change your search criteria and try again.")
    return {"adminStateUp": "true", "shared": "false", "status": "ACTIVE", "subnets": [], "tenantId": PROJECT, **found[0]}


def api(table: Table, asked: Asked) -> Answered:
    """Keystone at /identity, the others of a region at /REGION/SERVICE."""
    service, _, rest = asked.path.strip("/").partition("/")
    try:
        if service == "identity":
            return identity(asked, rest)
        return regional(table, asked, service, rest)
    except Refused as no:
        status = int(no.code) if no.code.isdigit() else 404
        text = no.text.partition("instead: ")[2]
        return answer(json.loads(text) if text else {"error": {"code": status, "title": no.code, "message": no.text}}, status)


def answer(document: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Answered:
    return Answered(status=status, body=json.dumps(document).encode(), headers=headers or {})


def base(asked: Asked) -> str:
    return f"http://{asked.headers['host']}/openstack"


def identity(asked: Asked, rest: str) -> Answered:
    here = f"{base(asked)}/identity/v3/"
    if rest.rstrip("/") != "v3/auth/tokens":
        version = {"id": "v3.14", "status": "stable", "links": [{"rel": "self", "href": here}], "media-types": []}
        return answer({"version": version} if rest.startswith("v3") else {"versions": {"values": [version]}})
    method = json.loads(asked.body)["auth"]["identity"]
    if method.get("password", {}).get("user", {}).get("password") != PASSWORD:
        raise Refused("401", "The request you have made requires authentication.")
    token = {
        "methods": ["password"],
        "user": {"id": USER, "name": USER, "domain": {"id": "default", "name": "Default"}},
        "project": {"id": PROJECT, "name": PROJECT, "domain": {"id": "default", "name": "Default"}},
        "roles": [{"id": "member", "name": "member"}],
        "issued_at": "2025-01-01T00:00:00.000000Z",
        "expires_at": "2099-01-01T00:00:00.000000Z",
        "catalog": catalog(asked),
    }
    return answer({"token": token}, 201, {"X-Subject-Token": TOKEN})


SERVICES = {
    "compute": ("compute", "v2.1", "2.1", "2.96"),
    "network": ("network", "v2.0", "", ""),
    "image": ("image", "v2", "", ""),
    "block-storage": ("volume", "v3", "3.0", "3.70"),
}
"""By service type: the word in the path, the version, and the least and greatest microversion."""


def catalog(asked: Asked) -> list[dict[str, Any]]:
    def endpoint(region: str, word: str, version: str) -> dict[str, str]:
        # As in most clouds, Neutron and Glance are in the catalog without their version.
        tail = f"/{version}" if word in {"compute", "volume"} else ""
        url = f"{base(asked)}/{region}/{word}{tail}"
        return {"id": f"{region}-{word}", "interface": "public", "region": region, "region_id": region, "url": url}

    return [
        {"id": word, "type": type_, "name": word, "endpoints": [endpoint(region, word, version) for region in REGIONS]}
        for type_, (word, version, _, _) in SERVICES.items()
    ]


def regional(table: Table, asked: Asked, region: str, rest: str) -> Answered:
    word, _, path = rest.partition("/")
    known = {word: found for word, *found in SERVICES.values()}
    if region not in REGIONS or word not in known:
        raise Refused("404", "The resource could not be found.")
    version, least, most = known[word]
    parts = path.strip("/").split("/")
    if parts in ([""], [version]):
        entry = {"id": version, "status": "CURRENT", "version": most, "min_version": least}
        entry["links"] = [{"rel": "self", "href": f"{base(asked)}/{region}/{word}/{version}/"}]  # type: ignore[assignment]
        return answer({"version": entry} if parts == [version] and word == "compute" else {"versions": [entry]})
    # Versions are told to everybody, and nothing else.
    if asked.headers.get("x-auth-token") != TOKEN:
        raise Refused("401", "The request you have made requires authentication.")
    service = {"compute": nova, "network": neutron, "image": glance, "volume": cinder}[word]
    return service(table, asked, region, parts[1:])


def page(asked: Asked, plural: str, every: Iterable[Mapping[str, Any]], *, relative: bool = False) -> Answered:
    """A page after `marker`, and where the next one is: a relative `next` is Glance's way, a list of links everybody else's."""
    entries = list(every)
    ids = [str(each.get("id") or each["keypair"]["name"]) for each in entries]
    start = ids.index(asked.query["marker"]) + 1 if asked.query.get("marker") in ids else 0
    size = min(int(asked.query.get("limit") or PAGE), PAGE)
    shown, document = entries[start : start + size], {}
    if start + size < len(entries):
        path, query = asked.path, f"limit={size}&marker={ids[start + size - 1]}"
        if relative:
            document["next"] = f"/v2/{path.rpartition('/')[2]}?{query}"
        else:
            document[f"{plural}_links"] = [{"rel": "next", "href": f"{base(asked)}{path}?{query}"}]  # type: ignore[assignment]
    return answer({plural: shown, **document})


def of_region(table: Table, kind: str, region: str) -> list[Row]:
    return [row for row in table.rows(kind) if row.inputs["region"] == region]


def one_of(rows: Sequence[Row], wanted: str, what: str) -> Row:
    found = next((row for row in rows if wanted in {row.id, row.id.partition("/")[2]}), None)
    if found is None:
        raise Refused("404", f"{what} {wanted} could not be found.")
    return found


def show_server(row: Row) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.outputs["name"],
        "status": "SHUTOFF" if row.outputs.get("status") == "stopped" else "ACTIVE",
        "metadata": row.inputs.get("metadata") or {},
        "OS-EXT-AZ:availability_zone": row.inputs.get("availabilityZone") or REGIONS[row.inputs["region"]][0],
        "os-extended-volumes:volumes_attached": [{"id": each} for each in row.outputs["volumes"]],
    }


def show_key(row: Row) -> dict[str, Any]:
    inner = {"name": row.outputs["name"], "public_key": row.inputs.get("publicKey"), "fingerprint": row.outputs["fingerprint"]}
    return {"keypair": {**inner, "type": "ssh"}}


def show_group(row: Row) -> dict[str, Any]:
    return {"id": row.id, "name": row.outputs["name"], "policy": row.inputs["policies"], "members": [], "rules": {}}


COMPUTE: Mapping[str, tuple[str, str, Callable[[Row], dict[str, Any]], str]] = {
    "servers": (INSTANCE, "server", show_server, "Instance"),
    "os-keypairs": (KEY, "keypair", show_key, "Keypair"),
    "os-server-groups": (AFFINITY, "server_group", show_group, "Instance group"),
}


def nova(table: Table, asked: Asked, region: str, parts: Sequence[str]) -> Answered:
    if parts[0] == "os-availability-zone":
        zones = [{"zoneName": zone, "zoneState": {"available": True}, "hosts": None} for zone in REGIONS[region]]
        return answer(
            {"availabilityZoneInfo": [*zones, {"zoneName": "internal", "zoneState": {"available": True}, "hosts": None}]}
        )
    if parts[0] == "flavors":
        return page(asked, "flavors", [{"id": str(uuid.uuid5(uuid.NAMESPACE_URL, name)), "name": name} for name in FLAVORS])
    if parts[0] not in COMPUTE:
        raise Refused("404", "The resource could not be found.")
    kind, single, show, what = COMPUTE[parts[0]]
    rows = of_region(table, kind, region)
    if len(parts) == 1 or parts[1] == "detail":
        return page(asked, f"{single}s", [show(row) for row in rows])
    row = one_of(rows, parts[1], what)
    if asked.method == "DELETE":
        table.remove(row.id)
        return Answered(status=202 if kind == KEY else 204)
    shown = show(row)
    return answer({single: shown.get(single, shown)})


def cinder(table: Table, asked: Asked, region: str, parts: Sequence[str]) -> Answered:
    volumes = [
        {
            "id": id_,
            "name": f"{row.id}-blank-vol",
            "status": "in-use",
            "metadata": {},
            "attachments": [{"server_id": row.id, "volume_id": id_}],
        }
        for row in of_region(table, INSTANCE, region)
        for id_ in row.outputs["volumes"]
    ]
    if parts[-1] in {"volumes", "detail"}:
        return page(asked, "volumes", volumes)
    found = next((each for each in volumes if each["id"] == parts[-1]), None)
    if found is None:
        raise Refused("404", f"Volume {parts[-1]} could not be found.")
    if asked.method == "DELETE":
        text = "Volume status must be available or error or error_restoring or error_extending or error_managing"
        raise Refused("400", f"Invalid volume: {text} and must not be migrating, attached, belong to a group.")
    return answer({"volume": found})


def glance(table: Table, asked: Asked, region: str, parts: Sequence[str]) -> Answered:
    del table, parts
    images = [
        {
            "id": image_id(region, name, date),
            "name": name,
            "status": "active",
            "visibility": "public",
            "created_at": date,
            "updated_at": date,
            "min_disk": 0,
            "min_ram": 512,
            "self": f"/v2/images/{image_id(region, name, date)}",
        }
        for name, date, _ in IMAGES
    ]
    return page(asked, "images", images, relative=True)


NETWORKING: Mapping[str, tuple[str, str]] = {
    "networks": (NETWORK, "Network"),
    "subnets": (SUBNET, "Subnet"),
    "routers": (ROUTER, "Router"),
    "ports": (PORT, "Port"),
    "security-groups": (GROUP, "Security group"),
    "floatingips": (ADDRESS, "Floating IP"),
}


def neutron(table: Table, asked: Asked, region: str, parts: Sequence[str]) -> Answered:
    if parts[0] not in NETWORKING:
        raise Refused("404", "The resource could not be found.")
    kind, what = NETWORKING[parts[0]]
    plural, rows = parts[0].replace("-", "_"), of_region(table, kind, region)
    if len(parts) == 1:
        shown = [*map(show_network_thing, rows), *(interfaces(table, region) if kind == PORT else ())]
        wanted = {key: value for key, value in asked.query.items() if key in {"device_id", "project_id"}}
        return page(asked, plural, [each for each in shown if all(each.get(key) == value for key, value in wanted.items())])
    row = one_of(rows, parts[1], what)
    if parts[2:] == ["remove_router_interface"]:
        return remove_interface(table, row, json.loads(asked.body))
    if asked.method == "DELETE":
        table.remove(row.id)
        return Answered(status=204)
    return answer({plural[:-1]: show_network_thing(row)})


def show_network_thing(row: Row) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.outputs["name"] if row.kind != ADDRESS else None,
        "description": row.inputs.get("description") or "",
        "tags": row.inputs.get("tags") or [],
        "project_id": PROJECT,
        "status": "ACTIVE",
        **({"device_owner": "", "device_id": ""} if row.kind == PORT else {}),
        **({"floating_ip_address": row.outputs["address"]} if row.kind == ADDRESS else {}),
    }


def interfaces(table: Table, region: str) -> list[dict[str, Any]]:
    """Ports that Neutron makes itself: without a description of anybody's."""
    owner = {"device_owner": "network:router_interface", "description": "", "name": "", "tags": [], "project_id": PROJECT}
    return [{"id": row.id, "device_id": row.inputs["routerId"], **owner} for row in of_region(table, INTERFACE, region)]


def remove_interface(table: Table, router: Row, body: Mapping[str, Any]) -> Answered:
    for row in table.rows(INTERFACE):
        if row.inputs["routerId"] == router.id and (
            row.id == body.get("port_id") or row.inputs["subnetId"] == body.get("subnet_id")
        ):
            table.remove(row.id)
            return answer({"id": router.id, "port_id": row.id})
    raise refuse(404, f"Router {router.id} does not have an interface with id {body.get('port_id')}", "RouterInterfaceNotFound")


CONFIGURATION = tuple(
    """
    allowReauth applicationCredentialId applicationCredentialName applicationCredentialSecret authUrl cacertFile cert
    cloud defaultDomain delayedAuth disableNoCacheHeader domainId domainName enableLogging endpointOverrides
    endpointType insecure key maxRetries password projectDomainId projectDomainName region swauth systemScope tenantId
    tenantName token userDomainId userDomainName userId userName
    """.split()  # noqa: SIM905 - thirty names in four lines
)
"""What the Pulumi provider takes."""

_TOLD = ("name", "description", "tags")

SIMULATED = SimulatedCloud(
    name="openstack",
    plugin="openstack",
    sdk="pulumi_openstack",
    kinds={
        NETWORK: Kind(check=check_network, make=made(), unmake=unmake_network, changeable=(*_TOLD, "adminStateUp"), slow_s=6.0),
        SUBNET: Kind(
            check=check_subnet,
            make=made(subnet_outputs),
            unmake=unmake_subnet,
            changeable=(*_TOLD, "dnsNameservers", "gatewayIp", "noGateway"),
            slow_s=6.0,
        ),
        ROUTER: Kind(check=check_router, make=made(), unmake=unmake_router, changeable=(*_TOLD, "externalNetworkId"), slow_s=8.0),
        INTERFACE: Kind(check=check_interface, make=made(), unmake=unmake_interface, slow_s=7.0),
        GROUP: Kind(check=check_network, make=made(), unmake=unmake_group, changeable=_TOLD),
        RULE: Kind(check=check_rule, make=made()),
        PORT: Kind(
            check=check_port,
            make=made(port_outputs),
            unmake=unmake_port,
            changeable=(*_TOLD, "securityGroupIds", "fixedIps"),
            slow_s=6.0,
        ),
        ADDRESS: Kind(
            check=check_address,
            make=made(lambda table, _id, _inputs: {"address": public_address(table.counter("public"))}),
            unmake=unmake_address,
            changeable=("description", "tags", "portId"),
            slow_s=8.0,
        ),
        BOND: Kind(check=check_bond, make=made(), slow_s=3.0),
        KEY: Kind(check=check_key, make=make_key),
        AFFINITY: Kind(check=check_affinity, make=made()),
        INSTANCE: Kind(
            check=check_instance,
            make=made(instance_outputs),
            machine=machine,
            changeable=("name", "metadata", "tags", "flavorName", "imageId", "powerState", "securityGroups"),
            slow_s=30.0,
        ),
    },
    invokes={"openstack:networking/getNetwork:getNetwork": get_network},
    api=api,
    environment=lambda url: {
        "OS_AUTH_URL": f"{url}/identity/v3",
        "OS_IDENTITY_API_VERSION": "3",
        "OS_USERNAME": USER,
        "OS_PASSWORD": PASSWORD,
        "OS_PROJECT_ID": PROJECT,
        "OS_USER_DOMAIN_NAME": "Default",
        "OS_REGION_NAME": "GRA11",
    },
    configuration=CONFIGURATION,
    failures={
        "throttled": "Expected HTTP response code [202] when accessing [POST /v2.1/servers], but got 429 instead: "
        '{"overLimit": {"code": 429, "message": "This request was rate-limited."}}',
        "capacity": "Error waiting for instance to become ready: The instance entered ERROR state: "
        "No valid host was found. There are not enough hosts available.",
        "quota": "Expected HTTP response code [202] when accessing [POST /v2.1/servers], but got 403 instead: "
        '{"forbidden": {"code": 403, "message": "Quota exceeded for instances: Requested 1, already used 20 of 20 instances"}}',
        "credentials_expired": "Expected HTTP response code [201] when accessing [POST /v3/auth/tokens], but got 401 instead: "
        '{"error": {"code": 401, "title": "Unauthorized", "message": "The request you have made requires authentication."}}',
        "not_found_yet": "Expected HTTP response code [200] when accessing [GET /v2.0/ports], but got 404 instead: "
        '{"NeutronError": {"type": "PortNotFound", "message": "Port could not be found.", "detail": ""}}',
        "internal": "Expected HTTP response code [202] when accessing [POST /v2.1/servers], but got 500 instead: "
        '{"computeFault": {"code": 500, "message": "Unexpected API Error."}}',
    },
)

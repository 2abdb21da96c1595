"""Simulated EC2: what it refuses and answers, as its API reference and user guide and Terraform's plugin document it.

Limits and words are of those documents as of 2026; none was checked against the real cloud. Names, dates and ids of images are
made up in the publishers' own style. A VM that is told to end is gone at once, and its disks live and die with it.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import ipaddress
import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from tests.simulator.member import Answered, Kind, Machine, Refused, SimulatedCloud

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from tests.simulator.member import Asked, Row, Table

VPC, SUBNET = "aws:ec2/vpc:Vpc", "aws:ec2/subnet:Subnet"
GATEWAY, ROUTES = "aws:ec2/internetGateway:InternetGateway", "aws:ec2/routeTable:RouteTable"
ASSOCIATION = "aws:ec2/routeTableAssociation:RouteTableAssociation"
GROUP = "aws:ec2/securityGroup:SecurityGroup"
INWARD = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
OUTWARD = "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule"
KEY, PLACEMENT, INSTANCE = "aws:ec2/keyPair:KeyPair", "aws:ec2/placementGroup:PlacementGroup", "aws:ec2/instance:Instance"

ACCESS_KEY = "AKIASIMULATEDCLOUD00"
GIB = 1 << 30
USER_DATA_LIMIT_BYTES = 16_384
LOOPBACK = ipaddress.ip_network("127.0.0.0/8")
ACCOUNT = "123456789012"

ZONES = {
    "eu-central-1": "abc",
    "eu-west-1": "abc",
    "us-east-1": "abcdef",
    "us-west-2": "abcd",
}
"""Regions that the account has switched on, and their zones."""


@dataclass(frozen=True, kw_only=True)
class InstanceType:
    cpus: int
    memory_gib: int
    arch: str = "x86_64"
    local_gb: tuple[int, ...] = ()


TYPES = {
    "t3.micro": InstanceType(cpus=2, memory_gib=1),
    "t3.small": InstanceType(cpus=2, memory_gib=2),
    "t3.medium": InstanceType(cpus=2, memory_gib=4),
    "m5.large": InstanceType(cpus=2, memory_gib=8),
    "m5d.large": InstanceType(cpus=2, memory_gib=8, local_gb=(75,)),
    "m6i.large": InstanceType(cpus=2, memory_gib=8),
    "m6id.large": InstanceType(cpus=2, memory_gib=8, local_gb=(118,)),
    "m7i-flex.large": InstanceType(cpus=2, memory_gib=8),
    "m7i.large": InstanceType(cpus=2, memory_gib=8),
    "m7i.xlarge": InstanceType(cpus=4, memory_gib=16),
    "m7i.2xlarge": InstanceType(cpus=8, memory_gib=32),
    "m7g.large": InstanceType(cpus=2, memory_gib=8, arch="arm64"),
    "c6i.large": InstanceType(cpus=2, memory_gib=4),
    "c7i.large": InstanceType(cpus=2, memory_gib=4),
    "r7i.large": InstanceType(cpus=2, memory_gib=16),
    "i4i.large": InstanceType(cpus=2, memory_gib=16, local_gb=(468,)),
}
NOT_IN_CLUSTERS = re.compile(r"t\d|.*-flex\.")
OLD_ZONE = "us-east-1e"
"""It has types up to the fourth generation and burstable ones."""


@dataclass(frozen=True, kw_only=True)
class VolumeType:
    gib: range
    iops: range = range(0)
    iops_per_gib: int = 0
    needs_iops: bool = False
    throughput: range = range(0)


VOLUMES = {
    "gp3": VolumeType(gib=range(1, 65_537), iops=range(3_000, 80_001), iops_per_gib=500, throughput=range(125, 2_001)),
    "gp2": VolumeType(gib=range(1, 16_385)),
    "io1": VolumeType(gib=range(4, 16_385), iops=range(100, 64_001), iops_per_gib=50, needs_iops=True),
    "io2": VolumeType(gib=range(4, 65_537), iops=range(100, 256_001), iops_per_gib=1_000, needs_iops=True),
    "st1": VolumeType(gib=range(125, 16_385)),
    "sc1": VolumeType(gib=range(125, 16_385)),
    "standard": VolumeType(gib=range(1, 1_025)),
}
"""EBS User Guide, "Amazon EBS volume types"; the ranges also stand in the EC2 API's model."""


@dataclass(frozen=True, kw_only=True)
class Image:
    owner: str
    name: str
    created: str
    machine: str = ""
    arch: str = "x86_64"
    root_gib: int = 8
    deprecated: str = "2028-03-01T00:00:00.000Z"


_DEBIAN, _UBUNTU, _ROCKY, _ALMA = "136693071363", "099720109477", "792107900819", "764336703387"
_RED_HAT, _AMAZON, _FEDORA = "309956199498", "137112412989", "125523088429"

IMAGES = (
    Image(owner=_DEBIAN, name="debian-11-amd64-20260210-2384", created="2026-02-10T06:00:00.000Z", machine="debian-bullseye"),
    Image(owner=_DEBIAN, name="debian-12-amd64-20251112-2294", created="2025-11-12T06:00:00.000Z", machine="debian-bookworm"),
    Image(owner=_DEBIAN, name="debian-12-amd64-20260316-2418", created="2026-03-16T06:00:00.000Z", machine="debian-bookworm"),
    Image(owner=_DEBIAN, name="debian-12-arm64-20260401-2440", created="2026-04-01T06:00:00.000Z", arch="arm64"),
    Image(owner=_DEBIAN, name="debian-13-amd64-20260316-2418", created="2026-03-16T06:00:00.000Z", machine="debian-trixie"),
    Image(owner="999999999999", name="debian-12-amd64-20260501-9999", created="2026-05-01T06:00:00.000Z"),
    *(
        Image(owner=_UBUNTU, name=f"ubuntu/images/{kind}/ubuntu-{name}-amd64-server-{date}", created=created, deprecated=until)
        for kind, name, date, created, until in (
            ("hvm-ssd", "bionic-18.04", "20230530", "2023-05-30T00:00:00.000Z", "2025-05-30T00:00:00.000Z"),
            ("hvm-ssd", "focal-20.04", "20250521", "2025-05-21T00:00:00.000Z", "2027-05-21T00:00:00.000Z"),
            ("hvm-ssd", "jammy-22.04", "20260320", "2026-03-20T00:00:00.000Z", "2028-03-20T00:00:00.000Z"),
            ("hvm-ssd-gp3", "noble-24.04", "20260321", "2026-03-21T00:00:00.000Z", "2028-03-21T00:00:00.000Z"),
            ("hvm-ssd-gp3", "resolute-26.04", "20260423", "2026-04-23T00:00:00.000Z", "2028-04-23T00:00:00.000Z"),
        )
    ),
    *(
        Image(owner=owner, name=name, created="2026-02-01T00:00:00.000Z", root_gib=10)
        for owner, name in (
            (_ROCKY, "Rocky-8-EC2-Base-8.10-20240528.0.x86_64"),
            (_ROCKY, "Rocky-9-EC2-Base-9.7-20251123.2.x86_64"),
            (_ROCKY, "Rocky-10-EC2-Base-10.1-20251116.0.x86_64"),
            (_ALMA, "AlmaLinux OS 8.10.20260203 x86_64"),
            (_ALMA, "AlmaLinux OS 9.7.20260203 x86_64"),
            (_ALMA, "AlmaLinux OS 10.1.20260203 x86_64"),
            (_RED_HAT, "RHEL-7.9_HVM-20240930-x86_64-0-Hourly2-GP3"),
            (_RED_HAT, "RHEL-8.10.0_HVM-20260120-x86_64-0-Hourly2-GP3"),
            (_RED_HAT, "RHEL-9.7.0_HVM-20260120-x86_64-0-Hourly2-GP3"),
            (_RED_HAT, "RHEL-10.1.0_HVM-20260120-x86_64-0-Hourly2-GP3"),
            (_FEDORA, "CentOS 7.9.2009 x86_64"),
            (_FEDORA, "CentOS Stream 9 x86_64 20260119"),
            (_FEDORA, "CentOS Stream 10 x86_64 20260119"),
            (_FEDORA, "Fedora-Cloud-Base-AmazonEC2.x86_64-43-20260305.0"),
            (_FEDORA, "Fedora-Cloud-Base-AmazonEC2.x86_64-Rawhide-20260401.n.0"),
            (_AMAZON, "amzn2-ami-kernel-5.10-hvm-2.0.20260120.0-x86_64-gp2"),
            (_AMAZON, "al2023-ami-2023.10.20260120.0-kernel-6.1-x86_64"),
        )
    ),
)


def image_id(region: str, image: Image) -> str:
    return f"ami-{_hex(f'{region}/{image.owner}/{image.name}')}"


def _hex(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:17]


def _insist(ok: object, code: str, text: str) -> None:
    if not ok:
        raise Refused(code, text)


def _region(inputs: Mapping[str, Any]) -> str:
    region = str(inputs.get("region") or "")
    _insist(region in ZONES, "AuthFailure", "AWS was not able to validate the provided access credentials")
    return region


def _zones(region: str) -> list[str]:
    return [f"{region}{letter}" for letter in ZONES[region]]


def _referred(table: Table, kind: str, id_: str, code: str, called: str) -> Row:
    row = table.row(id_)
    if row is None or row.kind != kind:
        raise Refused(code, f"The {called} '{id_}' does not exist")
    return row


def _check_tags(tags: Mapping[str, str] | None) -> None:
    _insist(len(tags or {}) <= 50, "TagLimitExceeded", "The maximum number of Tags for a resource has been reached.")
    for key, value in (tags or {}).items():
        _insist(1 <= len(key) <= 128, "InvalidParameterValue", f"Tag key exceeds the maximum length of 128 characters: {key}")
        _insist(len(value) <= 256, "InvalidParameterValue", f"Tag value exceeds the maximum length of 256 characters: {value}")
        _insist(
            not key.lower().startswith("aws:"),
            "InvalidParameterValue",
            "Tag keys starting with 'aws:' are reserved for internal use",
        )


def _cidr(text: str) -> ipaddress.IPv4Network:
    """As Terraform's plugin insists: a network's own address, not one within it."""
    try:
        network = ipaddress.ip_network(text)
    except ValueError:
        raise Refused("InvalidParameterValue", f'"{text}" is not a valid IPv4 CIDR block') from None
    _insist(isinstance(network, ipaddress.IPv4Network), "InvalidParameterValue", f'"{text}" is not a valid IPv4 CIDR block')
    assert isinstance(network, ipaddress.IPv4Network)
    return network


def _made(prefix: str, table: Table, **outputs: object) -> tuple[str, dict[str, Any]]:
    # Like real ones, ids say nothing of how many there are; unlike them, they are the same in every run.
    id_ = f"{prefix}-{_hex(f'{prefix}/{table.counter(prefix)}')}"
    return id_, {"ownerId": ACCOUNT, **outputs}


def _auto_named(table: Table, name: str) -> str:
    """Pulumi's auto-naming: the logical name and seven random characters; here they are counted."""
    return f"{name}-{table.counter('name'):07x}"


# What there is of each resource.


def _check_vpc(_table: Table, _name: str, inputs: Mapping[str, Any]) -> None:
    _region(inputs)
    _check_tags(inputs.get("tags"))
    block = inputs.get("cidrBlock")
    _insist(block, "MissingParameter", "Either 'cidrBlock' or 'ipv4IpamPoolId' should be provided.")
    _insist(16 <= _cidr(str(block)).prefixlen <= 28, "InvalidVpc.Range", f"The CIDR '{block}' is invalid.")


def _unmake_vpc(table: Table, row: Row) -> None:
    needs = [each for each in table.rows(SUBNET, GATEWAY, ROUTES, GROUP) if each.outputs.get("vpcId") == row.id]
    _insist(not needs, "DependencyViolation", f"The vpc '{row.id}' has dependencies and cannot be deleted.")


def _check_subnet(table: Table, _name: str, inputs: Mapping[str, Any]) -> None:
    region, block = _region(inputs), str(inputs.get("cidrBlock"))
    _check_tags(inputs.get("tags"))
    vpc = _referred(table, VPC, inputs["vpcId"], "InvalidVpcID.NotFound", "vpc ID")
    inside = _cidr(block).subnet_of(_cidr(vpc.inputs["cidrBlock"])) and 16 <= _cidr(block).prefixlen <= 28
    _insist(inside, "InvalidSubnet.Range", f"The CIDR '{block}' is invalid.")
    others = [each for each in table.rows(SUBNET) if each.inputs["vpcId"] == vpc.id]
    for other in others:
        apart = not _cidr(block).overlaps(_cidr(other.inputs["cidrBlock"]))
        _insist(apart, "InvalidSubnet.Conflict", f"The CIDR '{block}' conflicts with another subnet")
    zone = inputs.get("availabilityZone")
    _insist(
        zone is None or zone in _zones(region),
        "InvalidParameterValue",
        f"Value ({zone}) for parameter availabilityZone is invalid. "
        f"Subnets can currently only be created in the following availability zones: {', '.join(_zones(region))}.",
    )


def _make_subnet(table: Table, _name: str, inputs: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    zone = inputs.get("availabilityZone") or _zones(_region(inputs))[0]
    return _made("subnet", table, availabilityZone=zone, vpcId=inputs["vpcId"])


def _unmake_subnet(table: Table, row: Row) -> None:
    used = [each for each in table.rows(INSTANCE) if each.inputs["subnetId"] == row.id]
    _insist(not used, "DependencyViolation", f"The subnet '{row.id}' has dependencies and cannot be deleted.")
    _remove_all(table, (each for each in table.rows(ASSOCIATION) if each.inputs.get("subnetId") == row.id))


def _remove_all(table: Table, rows: Iterable[Row]) -> None:
    """What goes by itself with what it belongs to."""
    for row in tuple(rows):
        table.remove(row.id)


def _check_gateway(table: Table, _name: str, inputs: Mapping[str, Any]) -> None:
    _region(inputs)
    _check_tags(inputs.get("tags"))
    if vpc := inputs.get("vpcId"):
        _referred(table, VPC, vpc, "InvalidVpcID.NotFound", "vpc ID")
        others = [each for each in table.rows(GATEWAY) if each.outputs.get("vpcId") == vpc]
        _insist(not others, "InvalidParameterValue", f"Network {vpc} already has an internet gateway attached")


def _unmake_gateway(table: Table, row: Row) -> None:
    vpc = row.outputs.get("vpcId")
    subnets = {each.id for each in table.rows(SUBNET) if each.inputs["vpcId"] == vpc}
    mapped = [each for each in table.rows(INSTANCE) if each.inputs["subnetId"] in subnets and each.outputs.get("publicIp")]
    text = (
        f"Network {vpc} has some mapped public address(es). Please unmap those public address(es) before detaching the gateway."
    )
    _insist(not mapped, "DependencyViolation", text)


def _check_routes(table: Table, _name: str, inputs: Mapping[str, Any]) -> None:
    _region(inputs)
    _check_tags(inputs.get("tags"))
    _referred(table, VPC, inputs["vpcId"], "InvalidVpcID.NotFound", "vpc ID")
    for route in inputs.get("routes") or ():
        _cidr(route["cidrBlock"])
        gateway = _referred(table, GATEWAY, route["gatewayId"], "InvalidInternetGatewayID.NotFound", "internetGateway ID")
        same = gateway.outputs.get("vpcId") == inputs["vpcId"]
        text = f"route table and network gateway {gateway.id} belong to different networks"
        _insist(same, "InvalidParameterValue", text)


def _unmake_routes(table: Table, row: Row) -> None:
    used = [each for each in table.rows(ASSOCIATION) if each.inputs["routeTableId"] == row.id]
    _insist(not used, "DependencyViolation", f"The routeTable '{row.id}' has dependencies and cannot be deleted.")


def _check_association(table: Table, _name: str, inputs: Mapping[str, Any]) -> None:
    routes = _referred(table, ROUTES, inputs["routeTableId"], "InvalidRouteTableID.NotFound", "routeTable ID")
    subnet = _referred(table, SUBNET, inputs["subnetId"], "InvalidSubnetID.NotFound", "subnet ID")
    same = routes.inputs["vpcId"] == subnet.inputs["vpcId"]
    text = f"Route table {routes.id} and subnet {subnet.id} belong to different networks"
    _insist(same, "InvalidParameterValue", text)
    others = [each for each in table.rows(ASSOCIATION) if each.inputs["subnetId"] == subnet.id]
    text = f"the specified association for route table {routes.id} conflicts with an existing association"
    _insist(not others, "Resource.AlreadyAssociated", text)


def _check_group(table: Table, _name: str, inputs: Mapping[str, Any]) -> None:
    _region(inputs)
    _check_tags(inputs.get("tags"))
    _referred(table, VPC, inputs["vpcId"], "InvalidVpcID.NotFound", "vpc ID")
    for what in ("description", "name"):
        text = str(inputs.get(what) or "")
        plain = re.fullmatch(r"[a-zA-Z0-9. _\-:/()#,@\[\]+=&;{}!$*]{0,255}", text)
        allowed = "Character sets beyond ASCII are not supported." if what == "name" else "Invalid security group description."
        _insist(plain, "InvalidParameterValue", f"Value ({text}) for parameter Group{what.title()} is invalid. {allowed}")
    _insist(
        not str(inputs.get("name") or "").startswith("sg-"),
        "InvalidParameterValue",
        "invalid value for name (cannot begin with sg-)",
    )


def _make_group(table: Table, name: str, inputs: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    return _made("sg", table, name=inputs.get("name") or _auto_named(table, name), vpcId=inputs["vpcId"])


def _unmake_group(table: Table, row: Row) -> None:
    used = [each for each in table.rows(INSTANCE) if row.id in each.inputs.get("vpcSecurityGroupIds", ())]
    _insist(not used, "DependencyViolation", f"resource {row.id} has a dependent object")
    _remove_all(table, (each for each in table.rows(INWARD, OUTWARD) if each.inputs["securityGroupId"] == row.id))


def _check_rule(kind: str) -> Callable[[Table, str, Mapping[str, Any]], None]:
    def check(table: Table, _name: str, inputs: Mapping[str, Any]) -> None:
        _check_tags(inputs.get("tags"))
        group = inputs["securityGroupId"]
        _insist(table.row(group), "InvalidGroup.NotFound", f"The security group '{group}' does not exist")
        sources = [inputs[name] for name in ("cidrIpv4", "cidrIpv6", "referencedSecurityGroupId") if inputs.get(name)]
        text = "exactly one of cidr_ipv4, cidr_ipv6, prefix_list_id, referenced_security_group_id must be specified"
        _insist(len(sources) == 1, "InvalidAttributeCombination", text)
        if inputs.get("cidrIpv4"):
            _cidr(inputs["cidrIpv4"])
        first, last = inputs.get("fromPort"), inputs.get("toPort")
        if inputs["ipProtocol"] in {"tcp", "udp"}:
            given = isinstance(first, int) and isinstance(last, int) and 0 <= first <= last <= 65_535
            _insist(
                given,
                "InvalidParameterValue",
                f"Invalid value for portRange. Must specify both from and to ports: {first}-{last}",
            )
        _check_among_rules([each for each in table.rows(kind) if each.inputs["securityGroupId"] == group], inputs)

    return check


def _check_among_rules(others: list[Row], inputs: Mapping[str, Any]) -> None:
    text = "The maximum number of rules per security group has been reached."
    _insist(len(others) < 60, "RulesPerSecurityGroupLimitExceeded", text)
    names = ("cidrIpv4", "cidrIpv6", "referencedSecurityGroupId", "ipProtocol", "fromPort", "toPort")
    same = [each for each in others if all(each.inputs.get(name) == inputs.get(name) for name in names)]
    rule = f"peer: {inputs.get('cidrIpv4')}, {inputs['ipProtocol'].upper()}, from port: {inputs.get('fromPort')}"
    text = f'the specified rule "{rule}, to port: {inputs.get("toPort")}, ALLOW" already exists'
    _insist(not same, "InvalidPermission.Duplicate", text)


def _check_key(table: Table, _name: str, inputs: Mapping[str, Any]) -> None:
    _region(inputs)
    _check_tags(inputs.get("tags"))
    name = str(inputs.get("keyName") or "")
    _insist(
        len(name) <= 255,
        "InvalidParameterValue",
        f"Value ({name}) for parameter KeyName is invalid. Length exceeds maximum of 255.",
    )
    plain = re.match(r"(ssh-ed25519|ssh-rsa) [A-Za-z0-9+/=]+( |$)", inputs["publicKey"])
    _insist(plain, "InvalidKey.Format", "Key is not in valid OpenSSH public key format")
    _insist(not name or table.row(name) is None, "InvalidKeyPair.Duplicate", "The keypair already exists")


def _make_key(table: Table, name: str, inputs: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    key_name = inputs.get("keyName") or _auto_named(table, name)
    id_, outputs = _made("key", table, keyName=key_name, keyType="ed25519")
    # As in Terraform's plugin: the resource is called by its name.
    return key_name, {**outputs, "keyPairId": id_}


def _check_placement(_table: Table, _name: str, inputs: Mapping[str, Any]) -> None:
    _region(inputs)
    _check_tags(inputs.get("tags"))
    strategy = inputs["strategy"]
    known = strategy in {"cluster", "partition", "spread"}
    _insist(known, "InvalidParameterValue", f"The value '{strategy}' is not a valid value for strategy.")


def _make_placement(table: Table, name: str, inputs: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    called = inputs.get("name") or _auto_named(table, name)
    id_, outputs = _made("pg", table, name=called)
    return called, {**outputs, "placementGroupId": id_}


def _unmake_placement(table: Table, row: Row) -> None:
    used = [each for each in table.rows(INSTANCE) if each.inputs.get("placementGroup") == row.id]
    _insist(not used, "InvalidPlacementGroup.InUse", f"The placement group '{row.id}' is in use and may not be deleted.")


# VMs.


def _check_instance(table: Table, _name: str, inputs: Mapping[str, Any]) -> None:
    region, type_ = _region(inputs), str(inputs["instanceType"])
    _check_tags(inputs.get("tags"))
    _check_tags(inputs.get("volumeTags"))
    _insist(type_ in TYPES, "InvalidParameterValue", f"Invalid value '{type_}' for InstanceType.")
    subnet = _referred(table, SUBNET, inputs["subnetId"], "InvalidSubnetID.NotFound", "subnet ID")
    zone = subnet.outputs["availabilityZone"]
    text = f"The availability zone '{inputs.get('availabilityZone')}' does not match the zone of subnet '{subnet.id}'"
    _insist(inputs.get("availabilityZone") in {None, zone}, "InvalidParameterValue", text)
    _check_offer(region, zone, type_)
    _check_references(table, inputs, subnet)
    image = _check_image(region, inputs, type_)
    _check_user_data(inputs)
    _check_disks(inputs, image)
    _check_market(inputs)


def _check_offer(region: str, zone: str, type_: str) -> None:
    old = zone == OLD_ZONE and not type_.startswith("t")
    others = ", ".join(each for each in _zones(region) if each != OLD_ZONE)
    text = (
        f"Your requested instance type ({type_}) is not supported in your requested Availability Zone ({zone}). "
        f"Please retry your request by not specifying an Availability Zone or choosing {others}."
    )
    _insist(not old, "Unsupported", text)


def _check_references(table: Table, inputs: Mapping[str, Any], subnet: Row) -> None:
    for group_id in inputs.get("vpcSecurityGroupIds") or ():
        group = table.row(group_id)
        _insist(group, "InvalidGroup.NotFound", f"The security group '{group_id}' does not exist")
        assert group is not None
        text = f"Security group {group_id} and subnet {subnet.id} belong to different networks."
        _insist(group.inputs["vpcId"] == subnet.inputs["vpcId"], "InvalidParameter", text)
    if key := inputs.get("keyName"):
        _insist(table.row(key), "InvalidKeyPair.NotFound", f"The key pair '{key}' does not exist")
    if placement := inputs.get("placementGroup"):
        _insist(table.row(placement), "InvalidPlacementGroup.Unknown", f"The Placement Group '{placement}' is unknown.")
        text = (
            f"Cluster placement groups are not supported by the '{inputs['instanceType']}' instance type. "
            "Specify a supported instance type or change the placement group strategy, and try again."
        )
        _insist(not NOT_IN_CLUSTERS.match(inputs["instanceType"]), "InvalidParameterCombination", text)


def _image(region: str, id_: str) -> Image | None:
    return next((image for image in IMAGES if image_id(region, image) == id_), None)


def _check_image(region: str, inputs: Mapping[str, Any], type_: str) -> Image:
    id_ = str(inputs.get("ami") or "")
    _insist(re.fullmatch(r"ami-[0-9a-f]{8,17}", id_), "InvalidAMIID.Malformed", f'Invalid id: "{id_}" (expecting "ami-...")')
    image = _image(region, id_)
    if image is None:
        raise Refused("InvalidAMIID.NotFound", f"The image id '[{id_}]' does not exist")
    text = (
        f"The architecture '{TYPES[type_].arch}' of the specified instance type does not match the architecture '{image.arch}' "
        "of the specified AMI. Specify an instance type and an AMI that have matching architectures, and try again."
    )
    _insist(image.arch == TYPES[type_].arch, "InvalidParameterValue", text)
    return image


def _user_data(inputs: Mapping[str, Any]) -> bytes:
    if "userDataBase64" in inputs:
        try:
            return base64.b64decode(inputs["userDataBase64"], validate=True)
        except ValueError:
            raise Refused("InvalidUserData.Malformed", "Invalid BASE64 encoding of user data.") from None
    return str(inputs.get("userData") or "").encode()


def _check_user_data(inputs: Mapping[str, Any]) -> None:
    both = "userData" in inputs and "userDataBase64" in inputs
    _insist(not both, "InvalidAttributeCombination", '"user_data": conflicts with user_data_base64')
    fits = len(_user_data(inputs)) <= USER_DATA_LIMIT_BYTES
    _insist(fits, "InvalidParameterValue", f"User data is limited to {USER_DATA_LIMIT_BYTES} bytes")


def _check_disks(inputs: Mapping[str, Any], image: Image) -> None:
    disks, root = inputs.get("ebsBlockDevices") or [], inputs.get("rootBlockDevice") or {}
    names = [each["deviceName"] for each in disks]
    _insist(len(set(names)) == len(names), "InvalidBlockDeviceMapping", "A device name is used more than once")
    size = root.get("volumeSize", image.root_gib)
    text = f"Volume of size {size}GB is smaller than snapshot 'snap-{_hex(image.name)}', expect size >= {image.root_gib}GB"
    _insist(size >= image.root_gib, "InvalidBlockDeviceMapping", text)
    for each in (*disks, root):
        _check_volume(each, int(each.get("volumeSize", size)))


def _check_volume(disk: Mapping[str, Any], gib: int) -> None:
    type_ = str(disk.get("volumeType", "gp2"))
    _insist(type_ in VOLUMES, "InvalidParameterValue", f"Value ({type_}) for parameter volumeType is invalid.")
    kind, iops, throughput = VOLUMES[type_], disk.get("iops"), disk.get("throughput")
    small = f"Volume of {gib}GiB is too small for volume type {type_}; minimum is {kind.gib[0]}GiB."
    _insist(gib >= kind.gib[0], "InvalidParameterValue", small)
    large = f"Volume of {gib}GiB is too large for volume type {type_}; maximum is {kind.gib[-1]}GiB."
    _insist(gib <= kind.gib[-1], "InvalidParameterValue", large)
    _insist(iops or not kind.needs_iops, "MissingParameter", f"The parameter iops must be specified for {type_} volumes.")
    if iops is not None:
        _check_speed("iops", iops, kind.iops, type_)
        ratio = f"Iops to volume size ratio of {iops / gib:.6f} is too high; maximum is {kind.iops_per_gib:.6f}."
        # The free ones of gp3 are there at every size.
        _insist(iops <= max(kind.iops_per_gib * gib, kind.iops[0]), "InvalidParameterValue", ratio)
    if throughput is not None:
        _check_speed("throughput", throughput, kind.throughput, type_)
        share = throughput / (iops or 3000)
        text = f"Throughput (MiBps) to iops ratio of {share:.6f} is too high; maximum is 0.250000 MiBps per iops."
        _insist(share <= 0.25, "InvalidParameterValue", text)


def _check_speed(what: str, value: int, allowed: range, type_: str) -> None:
    text = f"The parameter {what} is not supported for {type_} volumes."
    _insist(allowed, "InvalidParameterCombination", text)
    _insist(value >= allowed[0], "InvalidParameterValue", f"Volume {what} of {value} is too low; minimum is {allowed[0]}.")
    _insist(value <= allowed[-1], "InvalidParameterValue", f"Volume {what} of {value} is too high; maximum is {allowed[-1]}.")


def _check_market(inputs: Mapping[str, Any]) -> None:
    ends = inputs.get("instanceInitiatedShutdownBehavior", "stop")
    known = ends in {"stop", "terminate"}
    _insist(known, "InvalidParameterValue", f"Value ({ends}) for parameter instanceInitiatedShutdownBehavior is invalid.")
    market = inputs.get("instanceMarketOptions")
    if market is None:
        return
    options = market.get("spotOptions") or {}
    reclaimed = options.get("instanceInterruptionBehavior", "terminate")
    once = options.get("spotInstanceType", "one-time") == "one-time"
    text = f"The request with type 'one-time' is not supported when instanceInterruptionBehavior is set to '{reclaimed}'."
    _insist(not once or reclaimed == "terminate", "InvalidParameterCombination", text)
    text = "The parameter validUntil cannot be specified when the SpotRequestType is set to 'one-time'."
    _insist(not once or "validUntil" not in options, "InvalidParameterCombination", text)
    text = "instanceInitiatedShutdownBehavior=stop is not supported for spot instances."
    _insist("instanceInitiatedShutdownBehavior" not in inputs or ends == "terminate", "InvalidParameterCombination", text)


def _make_instance(table: Table, _name: str, inputs: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    subnet = table.row(inputs["subnetId"])
    assert subnet is not None
    # The first four of a subnet are AWS' own.
    private = str(_cidr(subnet.inputs["cidrBlock"])[3 + table.counter(f"addresses of {subnet.id}")])
    public = inputs.get("associatePublicIpAddress", subnet.inputs.get("mapPublicIpOnLaunch", False))
    zone, number = subnet.outputs["availabilityZone"], table.counter("public addresses")
    return _made(
        "i",
        table,
        availabilityZone=zone,
        instanceState="running",
        privateIp=private,
        publicIp=f"127.78.{number // 250}.{number % 250 + 1}" if public else "",
    )


def _machine(table: Table, row: Row) -> Machine | None:
    image = _image(_region(row.inputs), row.inputs["ami"])
    if image is None or not image.machine:
        return None
    type_, data = TYPES[row.inputs["instanceType"]], _user_data(row.inputs)
    subnet = table.row(row.inputs["subnetId"])
    assert subnet is not None
    blank = [each for each in _volumes(row) if each.device != "root"]
    return Machine(
        image=image.machine,
        # As cloud-init does.
        user_data=(gzip.decompress(data) if data.startswith(b"\x1f\x8b") else data).decode(),
        cpus=type_.cpus,
        memory_bytes=type_.memory_gib * GIB,
        disks_bytes=(*(each.gib * GIB for each in blank), *(gb * 10**9 for gb in type_.local_gb)),
        private_address=row.outputs["privateIp"],
        network=subnet.inputs["vpcId"],
        open_ports=_open_ports(table, row, subnet) if row.outputs["publicIp"] else (),
        public_address=row.outputs["publicIp"],
    )


def _open_ports(table: Table, row: Row, subnet: Row) -> tuple[int, ...]:
    """Those that the operator, at some loopback address, reaches: there must be a way out, and a rule."""
    attached = {each.id for each in table.rows(GATEWAY) if each.outputs.get("vpcId") == subnet.inputs["vpcId"]}
    routes = {each.inputs["routeTableId"] for each in table.rows(ASSOCIATION) if each.inputs["subnetId"] == subnet.id}
    outward = [route for each in table.rows(ROUTES) if each.id in routes for route in each.inputs.get("routes") or ()]
    if not any(route["cidrBlock"] == "0.0.0.0/0" and route["gatewayId"] in attached for route in outward):
        return ()
    groups = row.inputs.get("vpcSecurityGroupIds") or ()
    rules = [each.inputs for each in table.rows(INWARD) if each.inputs["securityGroupId"] in groups]
    let_in = [rule for rule in rules if rule.get("cidrIpv4") and _cidr(rule["cidrIpv4"]).overlaps(LOOPBACK)]
    ports = {port for rule in let_in if rule["ipProtocol"] in {"tcp", "-1"} for port in _ports(rule)}
    return tuple(sorted(ports))


def _ports(rule: Mapping[str, Any]) -> range:
    return range(1, 65_536) if rule["ipProtocol"] == "-1" else range(rule["fromPort"], rule["toPort"] + 1)


@dataclass(frozen=True, kw_only=True)
class _Volume:
    id: str
    device: str
    gib: int


def _volumes(row: Row) -> list[_Volume]:
    root = {"deviceName": "root", "volumeSize": 8, **(row.inputs.get("rootBlockDevice") or {})}
    attached = sorted(row.inputs.get("ebsBlockDevices") or (), key=lambda each: str(each["deviceName"]))
    return [
        _Volume(id=f"vol-{_hex(row.id + each['deviceName'])}", device=each["deviceName"], gib=int(each["volumeSize"]))
        for each in (root, *attached)
    ]


# The API: actions of the EC2 Query API, answered in XML.


def api(table: Table, asked: Asked) -> Answered:
    given = dict(parse_qsl(asked.body.decode(), keep_blank_values=True)) | dict(asked.query)
    action = given.get("Action", "")
    try:
        region = _signed(asked.headers.get("authorization", ""))
        _insist(action in _ACTIONS, "InvalidAction", f"The action {action} is not valid for this web service.")
        answer = _ACTIONS[action](table, region, given)
    except Refused as refused:
        return _refusal(refused)
    inner = "".join(_xml(name, value) for name, value in answer.items())
    body = (
        f'<{action}Response xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>0</requestId>{inner}</{action}Response>'
    )
    return Answered(body=body.encode(), content_type="text/xml;charset=UTF-8")


def _refusal(refused: Refused) -> Answered:
    error = _xml("Error", {"Code": refused.code, "Message": refused.text})
    body = f"<Response><Errors>{error}</Errors><RequestID>0</RequestID></Response>"
    status = 401 if refused.code == "AuthFailure" else 400
    return Answered(status=status, body=body.encode(), content_type="text/xml;charset=UTF-8")


def _signed(authorization: str) -> str:
    """The region that a request is signed for. Its signature is not computed, its key is looked at."""
    found = re.search(r"Credential=([^/]+)/\d+/([a-z0-9-]+)/ec2/aws4_request", authorization)
    text = "AWS was not able to validate the provided access credentials"
    _insist(found and found[1] == ACCESS_KEY and found[2] in ZONES, "AuthFailure", text)
    assert found is not None
    return found[2]


def _xml(name: str, value: object) -> str:
    if isinstance(value, dict):
        inner = "".join(_xml(key, each) for key, each in value.items())
    elif isinstance(value, list):
        inner = "".join(_xml("item", each) for each in value)
    else:
        inner = escape(str(value))
    return f"<{name}>{inner}</{name}>"


def _listed(given: Mapping[str, str], name: str) -> list[str]:
    """`Owner.1`, `Owner.2`, ... as a list."""
    return [value for key, value in given.items() if re.fullmatch(rf"{name}\.\d+", key)]


def _filters(given: Mapping[str, str]) -> dict[str, list[str]]:
    names = {key.split(".")[1]: value for key, value in given.items() if re.fullmatch(r"Filter\.\d+\.Name", key)}
    return {name: _listed(given, rf"Filter\.{number}\.Value") for number, name in names.items()}


def _passes(given: Mapping[str, str], values: Mapping[str, str]) -> bool:
    """Whether something with these values is meant: one of each filter's, with `*` and `?` for any."""
    for name, wanted in _filters(given).items():
        _insist(name in values, "InvalidParameterValue", f"The filter '{name}' is invalid")
        _insist(
            len(wanted) <= 200, "FilterLimitExceeded", "The maximum number of filter values specified on a single call is 200"
        )
        if not any(fnmatchcase(values[name], each) for each in wanted):
            return False
    return True


def _page(name: str, found: list[Any], given: Mapping[str, str]) -> dict[str, Any]:
    size, start = int(given.get("MaxResults") or len(found) or 1), int(given.get("NextToken") or 0)
    more = {"nextToken": str(start + size)} if start + size < len(found) else {}
    return {name: found[start : start + size], **more}


def _describe_regions(_table: Table, _where: str, _given: Mapping[str, str]) -> dict[str, Any]:
    return {"regionInfo": [{"regionName": name, "optInStatus": "opt-in-not-required"} for name in ZONES]}


def _describe_zones(_table: Table, region: str, given: Mapping[str, str]) -> dict[str, Any]:
    # A local zone that the account has switched on is listed like the others.
    all_zones = [*((name, "availability-zone") for name in reversed(_zones(region))), (f"{region}-ham-1a", "local-zone")]
    zones = [{"zoneName": name, "zoneType": kind, "zoneState": "available"} for name, kind in all_zones]
    kept = [each for each in zones if _passes(given, {"state": "available", "zone-type": each["zoneType"]})]
    return {"availabilityZoneInfo": kept}


def _describe_type_offerings(_table: Table, region: str, given: Mapping[str, str]) -> dict[str, Any]:
    _insist(given.get("LocationType", "region") == "region", "InvalidParameterValue", "Other places are not simulated")
    sold = [{"instanceType": name, "locationType": "region", "location": region} for name in TYPES]
    return {"instanceTypeOfferingSet": [each for each in sold if _passes(given, {"location": region})]}


def _describe_images(_table: Table, region: str, given: Mapping[str, str]) -> dict[str, Any]:
    owners = _listed(given, "Owner")
    old_too = given.get("IncludeDeprecated") == "true"
    found = [
        {
            "imageId": image_id(region, image),
            "imageOwnerId": image.owner,
            "name": image.name,
            "creationDate": image.created,
            "deprecationTime": image.deprecated,
            "architecture": image.arch,
            "imageState": "available",
        }
        for image in IMAGES
        if image.owner in owners
        and (old_too or image.deprecated > "2026-06")
        and _passes(given, {"name": image.name, "state": "available", "architecture": image.arch, "root-device-type": "ebs"})
    ]
    return _page("imagesSet", found, given)


_CALLED = {
    VPC: "vpc",
    SUBNET: "subnet",
    GATEWAY: "internet-gateway",
    ROUTES: "route-table",
    GROUP: "security-group",
    INWARD: "security-group-rule",
    OUTWARD: "security-group-rule",
    KEY: "key-pair",
    PLACEMENT: "placement-group",
    INSTANCE: "instance",
}


def _here(table: Table, region: str, *kinds: str) -> list[Row]:
    return [row for row in table.rows(*kinds) if row.inputs.get("region") == region]


def _api_id(row: Row) -> str:
    """What the API calls it; Terraform's plugin calls some things by their names."""
    return str(row.outputs.get("keyPairId") or row.outputs.get("placementGroupId") or row.id)


def _describe_tags(table: Table, region: str, given: Mapping[str, str]) -> dict[str, Any]:
    tagged = [(_api_id(row), _CALLED[row.kind], row.inputs.get("tags") or {}) for row in _here(table, region, *_CALLED)]
    for row in _here(table, region, INSTANCE):
        tagged += [(volume.id, "volume", row.inputs.get("volumeTags") or {}) for volume in _volumes(row)]
    every = [
        {"resourceId": id_, "resourceType": called, "key": key, "value": value}
        for id_, called, tags in tagged
        for key, value in tags.items()
    ]
    kept = [each for each in every if _passes(given, {"key": each["key"], "resource-id": each["resourceId"]})]
    return _page("tagSet", kept, given)


def _describe_instances(table: Table, region: str, given: Mapping[str, str]) -> dict[str, Any]:
    """The table forgets what has ended, so nothing here is `terminated`."""
    wanted = _filters(given)
    running = any(fnmatchcase("running", each) for each in wanted.get("instance-state-name", ["*"]))
    keys = wanted.get("tag-key", [])
    found = [
        {
            "reservationId": f"r-{_hex(row.id)}",
            "instancesSet": [{"instanceId": row.id, "instanceState": {"code": 16, "name": "running"}}],
        }
        for row in _here(table, region, INSTANCE)
        if running and (not keys or set(keys) & (row.inputs.get("tags") or {}).keys())
    ]
    return _page("reservationSet", found, given)


def _describe_placements(table: Table, region: str, given: Mapping[str, str]) -> dict[str, Any]:
    wanted = _listed(given, "GroupId")
    found = [row for row in _here(table, region, PLACEMENT) if row.outputs["placementGroupId"] in wanted]
    _insist(found or not wanted, "InvalidPlacementGroup.Unknown", f"The Placement Group '{wanted}' is unknown.")
    return {"placementGroupSet": [{"groupName": row.id, "groupId": row.outputs["placementGroupId"]} for row in found]}


def _describe_gateways(table: Table, region: str, given: Mapping[str, str]) -> dict[str, Any]:
    found = [_existing(table, region, id_, "InvalidInternetGatewayID.NotFound") for id_ in _listed(given, "InternetGatewayId")]
    items = []
    for row in found:
        vpc = row.outputs.get("vpcId")
        attached = [{"vpcId": vpc, "state": "available"}] if vpc else []
        items.append({"internetGatewayId": row.id, "attachmentSet": attached})
    return _page("internetGatewaySet", items, given)


def _existing(table: Table, region: str, id_: str, code: str) -> Row:
    row = next((each for each in _here(table, region) if _api_id(each) == id_), None)
    if row is None:
        raise Refused(code, f"The ID '{id_}' does not exist")
    return row


def _detach_gateway(table: Table, region: str, given: Mapping[str, str]) -> dict[str, Any]:
    row = _existing(table, region, given["InternetGatewayId"], "InvalidInternetGatewayID.NotFound")
    attached = row.outputs.get("vpcId") == given["VpcId"]
    _insist(attached, "Gateway.NotAttached", f"resource {row.id} is not attached to network {given['VpcId']}")
    _unmake_gateway(table, row)
    table.change(row.id, {"vpcId": ""})
    return {"return": "true"}


def _delete_gateway(table: Table, region: str, given: Mapping[str, str]) -> dict[str, Any]:
    row = _existing(table, region, given["InternetGatewayId"], "InvalidInternetGatewayID.NotFound")
    text = f"The internetGateway '{row.id}' has dependencies and cannot be deleted."
    _insist(not row.outputs.get("vpcId"), "DependencyViolation", text)
    table.remove(row.id)
    return {"return": "true"}


def _terminate(table: Table, region: str, given: Mapping[str, str]) -> dict[str, Any]:
    ended = []
    for id_ in _listed(given, "InstanceId"):
        table.remove(_existing(table, region, id_, "InvalidInstanceID.NotFound").id)
        ended.append({"instanceId": id_, "currentState": {"code": 48, "name": "terminated"}})
    return {"instancesSet": ended}


def _delete_volume(table: Table, region: str, given: Mapping[str, str]) -> dict[str, Any]:
    id_ = given["VolumeId"]
    for row in _here(table, region, INSTANCE):
        attached = id_ in {volume.id for volume in _volumes(row)}
        _insist(not attached, "VolumeInUse", f"Volume {id_} is currently attached to {row.id}")
    raise Refused("InvalidVolume.NotFound", f"The volume '{id_}' does not exist.")


def _delete_placement(table: Table, region: str, given: Mapping[str, str]) -> dict[str, Any]:
    named = [row for row in _here(table, region, PLACEMENT) if row.id == given["GroupName"]]
    _insist(named, "InvalidPlacementGroup.Unknown", f"The Placement Group '{given['GroupName']}' is unknown.")
    table.remove(named[0].id)
    return {"return": "true"}


def _delete_key(table: Table, region: str, given: Mapping[str, str]) -> dict[str, Any]:
    # The real one, too, is content when there is none.
    for row in _here(table, region, KEY):
        if row.outputs["keyPairId"] == given["KeyPairId"]:
            table.remove(row.id)
    return {"return": "true"}


def _delete(parameter: str, code: str) -> Callable[[Table, str, Mapping[str, str]], dict[str, Any]]:
    def delete(table: Table, region: str, given: Mapping[str, str]) -> dict[str, Any]:
        table.remove(_existing(table, region, given[parameter], code).id)
        return {"return": "true"}

    return delete


_ACTIONS: Mapping[str, Callable[[Table, str, Mapping[str, str]], dict[str, Any]]] = {
    "DescribeRegions": _describe_regions,
    "DescribeAvailabilityZones": _describe_zones,
    "DescribeImages": _describe_images,
    "DescribeInstanceTypeOfferings": _describe_type_offerings,
    "DescribeTags": _describe_tags,
    "DescribeInstances": _describe_instances,
    "DescribePlacementGroups": _describe_placements,
    "DescribeInternetGateways": _describe_gateways,
    "TerminateInstances": _terminate,
    "DeleteVolume": _delete_volume,
    "DeleteSecurityGroup": _delete("GroupId", "InvalidGroup.NotFound"),
    "DeletePlacementGroup": _delete_placement,
    "DeleteSubnet": _delete("SubnetId", "InvalidSubnetID.NotFound"),
    "DeleteRouteTable": _delete("RouteTableId", "InvalidRouteTableID.NotFound"),
    "DetachInternetGateway": _detach_gateway,
    "DeleteInternetGateway": _delete_gateway,
    "DeleteVpc": _delete("VpcId", "InvalidVpcID.NotFound"),
    "DeleteKeyPair": _delete_key,
}

_OF_THE_PROVIDER = (
    "accessKey",
    "allowedAccountIds",
    "assumeRoleWithWebIdentity",
    "assumeRoles",
    "customCaBundle",
    "defaultTags",
    "ec2MetadataServiceEndpoint",
    "ec2MetadataServiceEndpointMode",
    "endpoints",
    "forbiddenAccountIds",
    "httpProxy",
    "httpsProxy",
    "ignoreTags",
    "insecure",
    "maxRetries",
    "noProxy",
    "profile",
    "region",
    "retryMode",
    "s3UsEast1RegionalEndpoint",
    "s3UsePathStyle",
    "secretKey",
    "sharedConfigFiles",
    "sharedCredentialsFiles",
    "skipCredentialsValidation",
    "skipMetadataApiCheck",
    "skipRegionValidation",
    "skipRequestingAccountId",
    "stsRegion",
    "tagPolicyCompliance",
    "token",
    "tokenBucketRateLimiterCapacity",
    "useDualstackEndpoint",
    "useFipsEndpoint",
    "userAgents",
)

SIMULATED = SimulatedCloud(
    name="aws",
    plugin="aws",
    sdk="pulumi_aws",
    kinds={
        VPC: Kind(check=_check_vpc, make=lambda t, _n, _i: _made("vpc", t), unmake=_unmake_vpc, changeable=("tags",), slow_s=2),
        SUBNET: Kind(check=_check_subnet, make=_make_subnet, unmake=_unmake_subnet, changeable=("tags",)),
        GATEWAY: Kind(
            check=_check_gateway,
            make=lambda table, _name, inputs: _made("igw", table, vpcId=inputs.get("vpcId", "")),
            unmake=_unmake_gateway,
            changeable=("tags",),
        ),
        ROUTES: Kind(
            check=_check_routes,
            make=lambda table, _name, inputs: _made("rtb", table, vpcId=inputs["vpcId"]),
            unmake=_unmake_routes,
            changeable=("tags", "routes"),
        ),
        ASSOCIATION: Kind(check=_check_association, make=lambda table, _name, _inputs: _made("rtbassoc", table)),
        GROUP: Kind(check=_check_group, make=_make_group, unmake=_unmake_group, changeable=("tags",), slow_s=2),
        INWARD: Kind(
            check=_check_rule(INWARD),
            make=lambda table, _name, _inputs: _made("sgr", table),
            changeable=("tags", "fromPort", "toPort", "ipProtocol", "cidrIpv4"),
        ),
        OUTWARD: Kind(
            check=_check_rule(OUTWARD),
            make=lambda table, _name, _inputs: _made("sgr", table),
            changeable=("tags", "fromPort", "toPort", "ipProtocol", "cidrIpv4"),
        ),
        KEY: Kind(check=_check_key, make=_make_key, changeable=("tags",)),
        PLACEMENT: Kind(check=_check_placement, make=_make_placement, unmake=_unmake_placement, changeable=("tags",)),
        INSTANCE: Kind(
            check=_check_instance,
            make=_make_instance,
            machine=_machine,
            changeable=("tags", "volumeTags", "vpcSecurityGroupIds"),
            slow_s=15,
        ),
    },
    invokes={},
    api=api,
    environment=lambda url: {
        "AWS_ENDPOINT_URL": url,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": "of-the-simulator-and-of-nothing-else-0000",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    },
    configuration=_OF_THE_PROVIDER,
    failures={
        "throttled": "RequestLimitExceeded: Request limit exceeded.",
        "capacity": (
            "InsufficientInstanceCapacity: We currently do not have sufficient m7i.large capacity in the Availability Zone you "
            "requested. Our system will be working on provisioning additional capacity."
        ),
        "quota": (
            "VcpuLimitExceeded: You have requested more vCPU capacity than your current vCPU limit of 32 allows for the instance "
            "bucket that the specified instance type belongs to. Please visit http://aws.amazon.com/contact-us/ec2-request to "
            "request an adjustment to this limit."
        ),
        "credentials_expired": "RequestExpired: Request has expired.",
        "not_found_yet": "InvalidGroup.NotFound: The security group 'sg-0123456789abcdef0' does not exist",
        "internal": "InternalError: An internal error has occurred",
    },
)

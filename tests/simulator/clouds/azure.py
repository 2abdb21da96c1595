"""A simulated Azure Resource Manager.

Its rules are those of Azure's pages on naming rules, VM sizes, disk types, deletion and common deployment errors, and of the
REST reference of the API versions that the client library asks for, as of 2025. None was checked against the real cloud.
Error codes are documented ones where one was found; texts are in their style, and shorter. Only what is named here exists.
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import json
import re
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from tests.simulator.member import Answered, Asked, Kind, Machine, Refused, Row, SimulatedCloud, Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

SUBSCRIPTION = "00000000-c0be-4000-8000-000000000001"
TOKEN = "simulated-token"
PER_PAGE = 5
OPERATORS = ipaddress.ip_network("127.0.0.0/8")

GROUP, SCHEDULE = "azure-native:resources:ResourceGroup", "azure-native:devtestlab:GlobalSchedule"
NETWORK, SUBNET = "azure-native:network:VirtualNetwork", "azure-native:network:Subnet"
FIREWALL, ADDRESS = "azure-native:network:NetworkSecurityGroup", "azure-native:network:PublicIPAddress"
INTERFACE, PLACEMENT = "azure-native:network:NetworkInterface", "azure-native:compute:ProximityPlacementGroup"
DISK, VM = "azure-native:compute:Disk", "azure-native:compute:VirtualMachine"

REGIONS: Mapping[str, tuple[str, ...]] = {
    "germanywestcentral": ("1", "2", "3"),
    "westeurope": ("1", "2", "3"),
    "northeurope": ("1", "2", "3"),
    "eastus2": ("1", "2", "3"),
    "westus3": ("1", "2", "3"),
    "westcentralus": (),
}
WRITTEN = {
    "germanywestcentral": "Germany West Central",
    "westeurope": "West Europe",
    "northeurope": "North Europe",
    "eastus2": "East US 2",
    "westus3": "West US 3",
    "westcentralus": "West Central US",
}
"""As the list of resource types has them."""


@dataclass(frozen=True, kw_only=True)
class Size:
    """A type of VM. `nvme_gib` are its local disks that come unformatted."""

    cpus: int
    memory_gib: int
    data_disks: int
    nvme_gib: tuple[int, ...] = ()
    accelerated: bool = True
    spot: bool = True


SIZES: Mapping[str, Size] = {
    "Standard_B1s": Size(cpus=1, memory_gib=1, data_disks=2, accelerated=False, spot=False),
    "Standard_B2s": Size(cpus=2, memory_gib=4, data_disks=4, accelerated=False, spot=False),
    "Standard_D2s_v5": Size(cpus=2, memory_gib=8, data_disks=4),
    "Standard_D4s_v5": Size(cpus=4, memory_gib=16, data_disks=8),
    "Standard_D8s_v5": Size(cpus=8, memory_gib=32, data_disks=16),
    "Standard_D2ds_v5": Size(cpus=2, memory_gib=8, data_disks=4),
    "Standard_D2as_v5": Size(cpus=2, memory_gib=8, data_disks=4),
    "Standard_D4as_v5": Size(cpus=4, memory_gib=16, data_disks=8),
    "Standard_D2s_v6": Size(cpus=2, memory_gib=8, data_disks=8),
    "Standard_D4s_v6": Size(cpus=4, memory_gib=16, data_disks=12),
    "Standard_D2ds_v6": Size(cpus=2, memory_gib=8, data_disks=8, nvme_gib=(110,)),
    "Standard_D4ds_v6": Size(cpus=4, memory_gib=16, data_disks=12, nvme_gib=(220,)),
    "Standard_L8s_v3": Size(cpus=8, memory_gib=64, data_disks=16, nvme_gib=(1788,)),
    "Standard_L16s_v3": Size(cpus=16, memory_gib=128, data_disks=32, nvme_gib=(1788, 1788)),
}


@dataclass(frozen=True, kw_only=True)
class Image:
    """An image of the marketplace. Versions are in the order in which the API lists them: by letter."""

    versions: tuple[str, ...]
    plan: bool = False
    trusted: bool = True
    machine: str = ""


IMAGES: Mapping[tuple[str, str, str], Image] = {
    ("debian", "debian-11", "11-gen2"): Image(versions=("0.20240903.1861", "0.20250703.2162"), machine="debian-bullseye"),
    ("debian", "debian-12", "12-gen2"): Image(
        versions=("0.20250316.2053", "0.20250428.1000", "0.20250428.99"), machine="debian-bookworm"
    ),
    ("debian", "debian-13", "13-gen2"): Image(versions=("0.20250814.2204",), machine="debian-trixie"),
    ("canonical", "ubuntuserver", "18_04-lts-gen2"): Image(versions=("18.04.202306070",)),
    ("canonical", "0001-com-ubuntu-server-focal", "20_04-lts-gen2"): Image(versions=("20.04.202505200",)),
    ("canonical", "0001-com-ubuntu-server-jammy", "22_04-lts-gen2"): Image(versions=("22.04.202506200",)),
    ("canonical", "ubuntu-24_04-lts", "server"): Image(versions=("24.04.202502210", "24.04.202506060")),
    ("redhat", "rhel", "7_9"): Image(versions=("7.9.2024061210",), trusted=False),
    ("redhat", "rhel", "8-lvm-gen2"): Image(versions=("8.10.2025022710",)),
    ("redhat", "rhel", "9-lvm-gen2"): Image(versions=("9.6.2025052010",)),
    ("redhat", "rhel", "10-lvm-gen2"): Image(versions=("10.0.2025052010",)),
    ("openlogic", "centos", "7_9"): Image(versions=("7.9.2022101800", "7.9.2023100400"), trusted=False),
    ("resf", "rockylinux-x86_64", "8-base"): Image(versions=("8.10.20240528",), plan=True),
    ("resf", "rockylinux-x86_64", "9-base"): Image(versions=("9.6.20250531",), plan=True),
    ("resf", "rockylinux-x86_64", "10-base"): Image(versions=("10.0.20250611",), plan=True),
    ("almalinux", "almalinux-x86_64", "8-gen2"): Image(versions=("8.10.2024102201",)),
    ("almalinux", "almalinux-x86_64", "9-gen2"): Image(versions=("9.6.202505220",)),
    ("almalinux", "almalinux-x86_64", "10-gen2"): Image(versions=("10.0.202505270",)),
    ("suse", "opensuse-leap-15-4", "gen2"): Image(versions=("2023.02.03",), trusted=False),
    ("suse", "sles-15-sp6-basic", "gen2"): Image(versions=("2025.06.02",)),
}
"""By publisher, offer and SKU in small letters: Azure does not tell them apart by case. The versions are made up."""

DISK_GIB: Mapping[str, int] = {
    "Standard_LRS": 32767,
    "StandardSSD_LRS": 32767,
    "Premium_LRS": 32767,
    "PremiumV2_LRS": 65536,
    "UltraSSD_LRS": 65536,
}
"""Kinds of disk, and the largest of each."""

NAMES: Mapping[str, tuple[str, int, str]] = {
    GROUP: ("resourceGroupName", 90, r"[\w.()-]*[\w()-]"),
    NETWORK: ("virtualNetworkName", 64, r"[A-Za-z0-9]([\w.-]*\w)?"),
    SUBNET: ("subnetName", 80, r"[A-Za-z0-9]([\w.-]*\w)?"),
    FIREWALL: ("networkSecurityGroupName", 80, r"[A-Za-z0-9]([\w.-]*\w)?"),
    ADDRESS: ("publicIpAddressName", 80, r"[A-Za-z0-9]([\w.-]*\w)?"),
    INTERFACE: ("networkInterfaceName", 80, r"[A-Za-z0-9]([\w.-]*\w)?"),
    PLACEMENT: ("proximityPlacementGroupName", 80, r"[A-Za-z0-9]([\w.-]*\w)?"),
    DISK: ("diskName", 80, r"\w([\w.-]*\w)?"),
    VM: ("vmName", 64, r"[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?"),
    SCHEDULE: ("name", 260, r"[A-Za-z0-9_-]+"),
}
"""The input with the name that Azure knows it by, how long it may be, of what characters (Azure: naming rules)."""

TYPES: Mapping[str, str] = {
    NETWORK: "Microsoft.Network/virtualNetworks",
    SUBNET: "Microsoft.Network/virtualNetworks/subnets",
    FIREWALL: "Microsoft.Network/networkSecurityGroups",
    ADDRESS: "Microsoft.Network/publicIPAddresses",
    INTERFACE: "Microsoft.Network/networkInterfaces",
    PLACEMENT: "Microsoft.Compute/proximityPlacementGroups",
    DISK: "Microsoft.Compute/disks",
    VM: "Microsoft.Compute/virtualMachines",
    SCHEDULE: "Microsoft.DevTestLab/schedules",
}

REFUSED_ADMINS = {"root", "admin", "administrator", "user", "test", "guest", "console", "sys", "1", "123"}
RESERVED_IN_TAGS = set("<>%&\\?/")
MOST_CUSTOM_DATA = 87380
RESERVED_PER_SUBNET = 4
"""The network's own address and the first three: the first VM has .4."""


# Names, groups, tags, regions: what all resources have.


def called(table: Table, kind: str, name: str, inputs: Mapping[str, Any]) -> str:
    """The name that Azure is given: the one that was asked for, else what the plugin makes up."""
    return str(inputs.get(NAMES[kind][0]) or f"{name}{table.counter('names'):08x}")


def check_name(kind: str, name: str, inputs: Mapping[str, Any]) -> None:
    argument, longest, pattern = NAMES[kind]
    # What the plugin makes up is eight characters longer than the name in the program.
    wanted = str(inputs.get(argument) or f"{name}00000000")
    if len(wanted) > longest or not re.fullmatch(pattern, wanted, re.ASCII):
        raise Refused(
            "InvalidResourceName",
            f"Resource name {wanted} is invalid. The name can be up to {longest} characters long, of the characters {pattern}.",
        )


def check_tags(inputs: Mapping[str, Any]) -> None:
    tags = inputs.get("tags") or {}
    if len(tags) > 50:
        raise Refused("TooManyTags", f"The resource has {len(tags)} tags. The most are 50.")
    for key, value in tags.items():
        if not 1 <= len(key) <= 512 or RESERVED_IN_TAGS & set(key):
            raise Refused(
                "InvalidTagNameCharacters",
                f"The tag names '{key}' have reserved characters '<,>,%,&,\\,?,/' or control characters, or are too long.",
            )
        if len(value) > 256:
            raise Refused("InvalidTagValueLength", f"The value of tag '{key}' is longer than 256 characters.")


def check_common(table: Table, kind: str, name: str, inputs: Mapping[str, Any]) -> None:
    """What holds for everything in a group."""
    check_name(kind, name, inputs)
    check_tags(inputs)
    group_of(table, inputs)
    region = inputs.get("location")
    if kind != SUBNET and region not in REGIONS:
        raise Refused(
            "LocationNotAvailableForResourceType",
            f"The provided location '{region}' is not available for resource type '{TYPES[kind]}'. "
            f"List of available regions for the resource type is '{','.join(REGIONS)}'.",
        )
    check_zones(kind, name, inputs)


def check_zones(kind: str, name: str, inputs: Mapping[str, Any]) -> None:
    zones, region = inputs.get("zones") or [], str(inputs.get("location"))
    if not zones:
        return
    if not REGIONS[region]:
        raise Refused(
            "LocationNotSupportAvailabilityZones",
            f"The resource '{TYPES[kind]}/{name}' does not support availability zones at location '{region}'.",
        )
    if not set(zones) <= set(REGIONS[region]):
        raise Refused(
            "InvalidAvailabilityZone",
            f"The zone(s) '{','.join(zones)}' for resource '{TYPES[kind]}/{name}' is not supported. "
            f"The supported zones for location '{region}' are '{','.join(REGIONS[region])}'",
        )


def group_of(table: Table, inputs: Mapping[str, Any]) -> Row:
    wanted = str(inputs["resourceGroupName"])
    found = next((row for row in table.rows(GROUP) if row.outputs["name"].lower() == wanted.lower()), None)
    if found is None:
        raise Refused("ResourceGroupNotFound", f"Resource group '{wanted}' could not be found.")
    return found


def within(table: Table, group: Row, *kinds: str) -> tuple[Row, ...]:
    return tuple(row for row in table.rows(*kinds) if row.id.lower().startswith(f"{group.id.lower()}/"))


def referred(table: Table, kind: str, reference: Any, by: str) -> Row:
    """The row behind `{id: ...}`."""
    wanted = (reference or {}).get("id")
    row = table.row(str(wanted))
    if row is None or row.kind != kind:
        raise Refused(
            "InvalidResourceReference",
            f"Resource {wanted} referenced by resource {by} was not found. Please make sure that the referenced resource exists, "
            "and that both resources are in the same region.",
        )
    return row


def same_region(row: Row, inputs: Mapping[str, Any], by: str) -> Row:
    if row.inputs.get("location") != inputs.get("location"):
        raise Refused(
            "InvalidResourceReference",
            f"Resource {row.id} referenced by resource {by} is in another region. Both must be in the same region.",
        )
    return row


def make_in_group(
    kind: str, more: Callable[[Table, str, Mapping[str, Any]], Mapping[str, Any]] | None = None
) -> Callable[..., Any]:
    """The `make` of what lies in a group; `more` are outputs beside name and type."""

    def make(table: Table, name: str, inputs: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
        known = called(table, kind, name, inputs)
        id_ = f"{group_of(table, inputs).id}/providers/{TYPES[kind]}/{known}"
        must_be_new(table, id_)
        return id_, {**plain(kind, known), **(more(table, id_, inputs) if more else {})}

    return make


def plain(kind: str, known: str) -> dict[str, Any]:
    return {"name": known, "type": TYPES[kind], "provisioningState": "Succeeded"}


def must_be_new(table: Table, id_: str) -> None:
    if any(row.id.lower() == id_.lower() for row in table.rows()):
        raise Refused("AlreadyExists", f"cannot create already existing resource '{id_}'")


def in_use(code: str, what: str, row: Row, by: Row) -> Refused:
    return Refused(code, f"{what} {row.id} is in use by {by.id}, and cannot be deleted before it.")


# Groups.


def check_group(table: Table, name: str, inputs: Mapping[str, Any]) -> None:
    del table
    check_name(GROUP, name, inputs)
    check_tags(inputs)
    if inputs.get("location") not in REGIONS:
        raise Refused(
            "LocationNotAvailableForResourceGroup",
            f"The provided location '{inputs.get('location')}' is not available for resource group. "
            f"List of available regions is '{','.join(REGIONS)}'.",
        )


def make_group(table: Table, name: str, inputs: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    known = called(table, GROUP, name, inputs)
    id_ = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{known}"
    must_be_new(table, id_)
    return id_, {"name": known, "type": "Microsoft.Resources/resourceGroups", "properties": {"provisioningState": "Succeeded"}}


DELETED_IN_ORDER = (VM, SCHEDULE, DISK, INTERFACE, ADDRESS, SUBNET, NETWORK, FIREWALL, PLACEMENT)


def unmake_group(table: Table, row: Row) -> None:
    """Azure takes everything along that is in it, in an order of its own."""
    for kind in DELETED_IN_ORDER:
        for each in within(table, row, kind):
            table.remove(each.id)


# Networks.


def prefixes(value: Mapping[str, Any] | None) -> list[ipaddress.IPv4Network]:
    return [address_prefix(each) for each in (value or {}).get("addressPrefixes") or ()]


def address_prefix(text: str) -> ipaddress.IPv4Network:
    try:
        return ipaddress.IPv4Network(text)
    except ValueError:
        raise Refused(
            "InvalidAddressPrefixFormat",
            f"Address prefix {text} is not formatted correctly. It should follow CIDR notation, for example 10.0.0.0/24.",
        ) from None


def check_network(table: Table, name: str, inputs: Mapping[str, Any]) -> None:
    check_common(table, NETWORK, name, inputs)
    if not prefixes(inputs.get("addressSpace")):
        raise Refused("InvalidRequestFormat", f"Virtual network {name} has no address space.")


def network_of(table: Table, inputs: Mapping[str, Any]) -> Row:
    group, wanted = group_of(table, inputs), str(inputs["virtualNetworkName"])
    found = next((row for row in within(table, group, NETWORK) if row.outputs["name"] == wanted), None)
    if found is None:
        raise Refused("ParentResourceNotFound", f"Failed to perform 'write' on the resource: parent {wanted} could not be found.")
    return found


def check_subnet(table: Table, name: str, inputs: Mapping[str, Any]) -> None:
    check_common(table, SUBNET, name, inputs)
    whole = network_of(table, inputs)
    wanted = address_prefix(str(inputs.get("addressPrefix")))
    if not any(wanted.subnet_of(each) for each in prefixes(whole.inputs["addressSpace"])) or wanted.prefixlen > 29:
        raise Refused("NetcfgInvalidSubnet", f"Subnet '{name}' is not valid in virtual network '{whole.outputs['name']}'.")
    for other in table.rows(SUBNET):
        if other.id.startswith(f"{whole.id}/") and wanted.overlaps(address_prefix(other.inputs["addressPrefix"])):
            raise Refused("NetcfgSubnetRangesOverlap", f"Subnet '{name}' overlaps with subnet '{other.name}'.")
    if firewall := inputs.get("networkSecurityGroup"):
        same_region(referred(table, FIREWALL, firewall, name), whole.inputs, name)


def make_subnet(table: Table, name: str, inputs: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    known = called(table, SUBNET, name, inputs)
    id_ = f"{network_of(table, inputs).id}/subnets/{known}"
    must_be_new(table, id_)
    return id_, plain(SUBNET, known)


def unmake_subnet(table: Table, row: Row) -> None:
    for interface in table.rows(INTERFACE):
        if any(row.id == (way.get("subnet") or {}).get("id") for way in interface.inputs["ipConfigurations"]):
            raise in_use("InUseSubnetCannotBeDeleted", "Subnet", row, interface)


def unmake_network(table: Table, row: Row) -> None:
    # Subnets are a part of it, and go with it; what uses them holds it.
    for subnet in table.rows(SUBNET):
        if subnet.id.startswith(f"{row.id}/"):
            table.remove(subnet.id)


# Firewalls.


def check_firewall(table: Table, name: str, inputs: Mapping[str, Any]) -> None:
    check_common(table, FIREWALL, name, inputs)
    taken: dict[tuple[str, int], str] = {}
    for rule in inputs.get("securityRules") or ():
        place = rule["direction"], int(rule.get("priority") or 0)
        if place in taken:
            raise Refused(
                "SecurityRuleConflict",
                f"Security rule {rule['name']} conflicts with rule {taken[place]}. "
                "Rules cannot have the same Priority and Direction.",
            )
        taken[place] = rule["name"]
        check_rule(rule, place[1])


def check_rule(rule: Mapping[str, Any], priority: int) -> None:
    if not 100 <= priority <= 4096:
        raise Refused("SecurityRuleInvalidPriority", f"Security rule has invalid Priority: {priority}. The range is 100-4096.")
    if not rule.get("sourcePortRange") and not rule.get("sourcePortRanges"):
        raise Refused("SecurityRuleParameterMissing", f"Security rule {rule['name']} has no source port range.")
    if rule["protocol"] not in {"Tcp", "Udp", "Icmp", "Esp", "Ah", "*"}:
        raise Refused("SecurityRuleInvalidProtocol", f"Security rule {rule['name']} has the invalid protocol {rule['protocol']}.")
    if rule["access"] not in {"Allow", "Deny"} or rule["direction"] not in {"Inbound", "Outbound"}:
        raise Refused("InvalidRequestFormat", f"Security rule {rule['name']}: cannot parse the request.")
    for source in both(rule, "sourceAddressPrefix", "sourceAddressPrefixes"):
        if source not in {"*", "Internet", "VirtualNetwork", "AzureLoadBalancer"} and not is_network(source):
            raise Refused(
                "SecurityRuleInvalidAddressPrefix", f"Security rule has invalid Address prefix. Value provided: {source}"
            )
    if not list(ranges(rule)):
        raise Refused("SecurityRuleParameterMissing", f"Security rule {rule['name']} has no destination port range.")


def both(rule: Mapping[str, Any], one: str, many: str) -> list[str]:
    return [*([rule[one]] if rule.get(one) else []), *(rule.get(many) or ())]


def is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text)
    except ValueError:
        return False
    return True


def ranges(rule: Mapping[str, Any]) -> Iterator[tuple[int, int]]:
    for text in both(rule, "destinationPortRange", "destinationPortRanges"):
        found = re.fullmatch(r"(\d+)(?:-(\d+))?", text.replace("*", "0-65535"))
        first, last = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
        if not 0 <= first <= last <= 65535:
            raise Refused("SecurityRuleInvalidPortRange", f"Security rule has invalid Port range. Value provided: {text}.")
        yield first, last


def unmake_firewall(table: Table, row: Row) -> None:
    for other in table.rows(SUBNET, INTERFACE):
        if (other.inputs.get("networkSecurityGroup") or {}).get("id") == row.id:
            raise in_use("InUseNetworkSecurityGroupCannotBeDeleted", "Network security group", row, other)


def open_to_operators(table: Table, firewall: Row) -> tuple[int, ...]:
    """The ports that a connection from the operator's side gets through to, by the first rule that concerns it."""
    del table
    rules = sorted(
        (rule for rule in firewall.inputs.get("securityRules") or () if rule["direction"] == "Inbound"),
        key=lambda rule: int(rule["priority"]),
    )
    named = {port for rule in rules for first, last in ranges(rule) if last - first < 1000 for port in range(first, last + 1)}
    return tuple(sorted(port for port in named if lets_in(rules, port)))


def lets_in(rules: list[Mapping[str, Any]], port: int) -> bool:
    for rule in rules:
        concerned = rule["protocol"] in {"Tcp", "*"} and any(first <= port <= last for first, last in ranges(rule))
        if concerned and any(is_operators(each) for each in both(rule, "sourceAddressPrefix", "sourceAddressPrefixes")):
            return bool(rule["access"] == "Allow")
    # The last of the rules that nobody wrote.
    return False


def is_operators(source: str) -> bool:
    if source in {"*", "Internet"}:
        return True
    network = ipaddress.ip_network(source) if is_network(source) else None
    return isinstance(network, ipaddress.IPv4Network) and network.overlaps(ipaddress.IPv4Network(OPERATORS))


# Addresses and interfaces.


def check_address(table: Table, name: str, inputs: Mapping[str, Any]) -> None:
    check_common(table, ADDRESS, name, inputs)
    standard = (inputs.get("sku") or {}).get("name") == "Standard"
    if not standard:
        raise Refused("IPv4BasicSkuPublicIpCountLimitReached", "Cannot create more than 0 IPv4 Basic SKU public IP addresses.")
    if inputs.get("publicIPAllocationMethod") != "Static":
        raise Refused(
            "StandardSkuPublicIPAddressesMustBeStatic", f"Standard sku publicIp {name} must have AllocationMethod set to Static."
        )


def make_address(table: Table, id_: str, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
    del id_, inputs
    high, low = divmod(table.counter("addresses"), 250)
    return {"ipAddress": f"127.78.{high}.{low + 1}"}


def unmake_address(table: Table, row: Row) -> None:
    for interface in table.rows(INTERFACE):
        if any(row.id == (way.get("publicIPAddress") or {}).get("id") for way in interface.inputs["ipConfigurations"]):
            raise in_use("PublicIPAddressCannotBeDeleted", "Public IP address", row, interface)


def check_interface(table: Table, name: str, inputs: Mapping[str, Any]) -> None:
    check_common(table, INTERFACE, name, inputs)
    ways = inputs.get("ipConfigurations") or []
    if not ways:
        raise Refused("InvalidRequestFormat", f"Network interface {name} must have at least one IP configuration.")
    for way in ways:
        referred(table, SUBNET, way.get("subnet"), name)
        if outer := way.get("publicIPAddress"):
            address = same_region(referred(table, ADDRESS, outer, name), inputs, name)
            for other in table.rows(INTERFACE):
                if any(address.id == (each.get("publicIPAddress") or {}).get("id") for each in other.inputs["ipConfigurations"]):
                    raise Refused("PublicIPAddressInUse", f"Resource {name} is referencing {address.id}, which {other.id} uses.")


def make_interface(table: Table, id_: str, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
    first = inputs["ipConfigurations"][0]
    subnet = referred(table, SUBNET, first["subnet"], id_)
    number = table.counter(f"interfaces of {subnet.id}")
    private = address_prefix(subnet.inputs["addressPrefix"])[RESERVED_PER_SUBNET - 1 + number]
    return {"ipConfigurations": [{**first, "privateIPAddress": str(private)}, *inputs["ipConfigurations"][1:]]}


def unmake_interface(table: Table, row: Row) -> None:
    for vm in standing(table):
        if any(each.get("id") == row.id for each in vm.inputs["networkProfile"]["networkInterfaces"]):
            raise in_use("NicInUse", "Network Interface", row, vm)


# Disks.


def check_disk(table: Table, name: str, inputs: Mapping[str, Any]) -> None:
    check_common(table, DISK, name, inputs)
    kind, size_gib = (inputs.get("sku") or {}).get("name", "Standard_LRS"), inputs.get("diskSizeGB") or 0
    if kind not in DISK_GIB:
        raise Refused("InvalidParameter", f"The value '{kind}' of parameter 'sku.name' is not valid for a disk.")
    if not 1 <= size_gib <= DISK_GIB[kind]:
        raise Refused(
            "InvalidParameter", f"The value '{size_gib}' of parameter 'disk.diskSizeGB' is out of range: 1 to {DISK_GIB[kind]}."
        )
    iops, speed = inputs.get("diskIOPSReadWrite"), inputs.get("diskMBpsReadWrite")
    if (iops or speed) and kind not in {"PremiumV2_LRS", "UltraSSD_LRS"}:
        raise Refused("InvalidParameter", "DiskIOPSReadWrite and DiskMBpsReadWrite can be set for UltraSSD and PremiumV2 only.")
    if kind == "PremiumV2_LRS":
        check_speed(size_gib, iops or 3000, speed or 125)
        if REGIONS[str(inputs["location"])] and not inputs.get("zones"):
            raise Refused("InvalidParameter", "A disk of kind PremiumV2_LRS needs a zone, in a region that has zones.")


def check_speed(size_gib: int, iops: float, speed: float) -> None:
    """3000 IOPS and 125 MB/s are free with any size; 500 IOPS per GiB, and 0.25 MB/s per IOPS (Azure: disk types)."""
    if not 3000 <= iops <= max(3000, min(80_000, 500 * size_gib)):
        raise Refused("InvalidParameter", f"The value '{iops}' of parameter 'diskIOPSReadWrite' is out of range for this size.")
    if not 125 <= speed <= min(2000, iops / 4):
        raise Refused("InvalidParameter", f"The value '{speed}' of parameter 'diskMBpsReadWrite' is out of range for these IOPS.")


def unmake_disk(table: Table, row: Row) -> None:
    for vm in standing(table):
        if row.id in attached(vm):
            raise Refused("OperationNotAllowed", f"Disk {row.outputs['name']} is attached to VM {vm.id}.")


def attached(vm: Row) -> list[str]:
    return [str((each.get("managedDisk") or {}).get("id")) for each in vm.inputs["storageProfile"].get("dataDisks") or ()]


# VMs.


def standing(table: Table) -> list[Row]:
    """VMs that are there, and not just going."""
    return [row for row in table.rows(VM) if row.outputs["provisioningState"] != "Deleting"]


def parameter(text: str) -> Refused:
    return Refused("InvalidParameter", text)


def check_vm(table: Table, name: str, inputs: Mapping[str, Any]) -> None:
    check_common(table, VM, name, inputs)
    wanted = str((inputs.get("hardwareProfile") or {}).get("vmSize"))
    if wanted not in SIZES:
        raise parameter(f"The value {wanted} provided for the VM size is not valid. The valid sizes are: {', '.join(SIZES)}")
    check_os(inputs.get("osProfile") or {})
    check_image(name, inputs)
    check_interfaces(table, name, inputs, SIZES[wanted])
    check_data_disks(table, inputs, SIZES[wanted])
    check_spot(inputs, SIZES[wanted])
    if placement := inputs.get("proximityPlacementGroup"):
        same_region(referred(table, PLACEMENT, placement, name), inputs, name)


def check_os(profile: Mapping[str, Any]) -> None:
    admin, linux = str(profile.get("adminUsername")), profile.get("linuxConfiguration") or {}
    if admin.lower() in REFUSED_ADMINS or not re.fullmatch(r"[a-z_][a-z0-9_-]{0,63}", admin):
        raise parameter("The Admin Username specified is not allowed.")
    if not re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,62}[A-Za-z0-9])?", str(profile.get("computerName"))):
        raise parameter(f"Linux host name '{profile.get('computerName')}' is not valid, or exceeds 64 characters in length.")
    keys = (linux.get("ssh") or {}).get("publicKeys") or ()
    if not keys and not profile.get("adminPassword"):
        raise parameter("Authentication using either SSH or by user name and password must be enabled in Linux profile.")
    for key in keys:
        if key.get("path") != f"/home/{admin}/.ssh/authorized_keys":
            raise parameter(
                "Destination path for SSH public keys is currently limited to its default value "
                f"/home/{admin}/.ssh/authorized_keys due to a known issue in Linux provisioning agent."
            )
        if not re.match(r"ssh-(rsa|ed25519) [A-Za-z0-9+/=]+", str(key.get("keyData"))):
            raise parameter("The value of parameter linuxConfiguration.ssh.publicKeys.keyData is invalid.")
    custom = str(profile.get("customData") or "")
    if len(custom) > MOST_CUSTOM_DATA or decoded(custom) is None:
        raise parameter(
            f"Custom data in OSProfile must be in Base64 encoding and with a maximum length of {MOST_CUSTOM_DATA} characters."
        )


def decoded(text: str) -> str | None:
    try:
        return base64.b64decode(text, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return None


def image_of(inputs: Mapping[str, Any]) -> tuple[str, Image | None]:
    reference = (inputs.get("storageProfile") or {}).get("imageReference") or {}
    publisher, offer, sku, version = (str(reference.get(part)) for part in ("publisher", "offer", "sku", "version"))
    image = IMAGES.get((publisher.lower(), offer.lower(), sku.lower()))
    urn = f"{publisher}:{offer}:{sku}:{version}"
    return urn, image if image and version in {*image.versions, "latest"} else None


def check_image(name: str, inputs: Mapping[str, Any]) -> None:
    urn, image = image_of(inputs)
    if image is None:
        raise Refused(
            "PlatformImageNotFound",
            f"The platform image '{urn}' is not available. Verify that all fields in the storage profile are correct.",
        )
    publisher, offer, sku, _ = urn.split(":")
    plan = inputs.get("plan") or {}
    if image.plan and (plan.get("publisher"), plan.get("product"), plan.get("name")) != (publisher, offer, sku):
        raise Refused(
            "VMMarketplaceInvalidInput",
            f"Creating a virtual machine from Marketplace image requires Plan information in the request. VM: '{name}'.",
        )
    if plan and not image.plan:
        raise Refused("VMMarketplaceInvalidInput", f"The image of VM '{name}' has no plan, and the request names one.")
    security = inputs.get("securityProfile") or {}
    if security.get("securityType") == "TrustedLaunch" and not image.trusted:
        raise Refused("BadRequest", f"Security type of VM '{name}' is not compatible with the security type of its image.")
    if security.get("uefiSettings") and not security.get("securityType"):
        raise parameter("UefiSettings can only be set when securityType is TrustedLaunch or ConfidentialVM.")


def check_interfaces(table: Table, name: str, inputs: Mapping[str, Any], size: Size) -> None:
    given = (inputs.get("networkProfile") or {}).get("networkInterfaces") or ()
    if not given:
        raise parameter(f"Virtual machine '{name}' must have at least one network interface.")
    for each in given:
        interface = same_region(referred(table, INTERFACE, each, name), inputs, name)
        for other in standing(table):
            if any(interface.id == theirs.get("id") for theirs in other.inputs["networkProfile"]["networkInterfaces"]):
                raise Refused("NicInUse", f"Network Interface {interface.id} is used by existing resource {other.id}.")
        if interface.inputs.get("enableAcceleratedNetworking") and not size.accelerated:
            raise Refused(
                "VMSizeIsNotPermittedToEnableAcceleratedNetworking",
                f"The VM size is not permitted to enable accelerated networking, as {interface.id} does.",
            )
        check_address_zone(table, interface, inputs)


def check_address_zone(table: Table, interface: Row, inputs: Mapping[str, Any]) -> None:
    for way in interface.inputs["ipConfigurations"]:
        address = table.row(str((way.get("publicIPAddress") or {}).get("id")))
        theirs = (address.inputs.get("zones") or []) if address else []
        if theirs and inputs.get("zones") and not set(theirs) >= set(inputs["zones"]):
            raise Refused("BadRequest", "The virtual machine and its public IP address are not in the same zone.")


def check_data_disks(table: Table, inputs: Mapping[str, Any], size: Size) -> None:
    given = inputs["storageProfile"].get("dataDisks") or []
    if len(given) > size.data_disks:
        raise Refused(
            "OperationNotAllowed",
            f"The maximum number of data disks allowed to be attached to a VM of this size is {size.data_disks}.",
        )
    if len({each["lun"] for each in given}) != len(given):
        raise parameter("More than one data disk has the same lun.")
    for each in given:
        if each["createOption"] == "Attach":
            check_attached(table, each, inputs)


def check_attached(table: Table, data_disk: Mapping[str, Any], inputs: Mapping[str, Any]) -> None:
    found = table.row(str((data_disk.get("managedDisk") or {}).get("id")))
    if found is None or found.kind != DISK:
        raise Refused("NotFound", f"Disk {data_disk.get('managedDisk')} is not found.")
    if any(found.id in attached(other) for other in standing(table)):
        raise Refused("ConflictingUserInput", f"Disk '{found.id}' cannot be attached as the disk is already owned by another VM.")
    if (found.inputs.get("zones") or []) != (inputs.get("zones") or []):
        raise Refused("BadRequest", f"Disk {found.id} cannot be attached to the VM because it is not in the same zone as the VM.")
    if found.inputs["sku"]["name"] in {"PremiumV2_LRS", "UltraSSD_LRS"} and data_disk.get("caching", "None") != "None":
        raise parameter(f"Disk {found.id} of this kind supports no caching but None.")


def check_spot(inputs: Mapping[str, Any], size: Size) -> None:
    spot = inputs.get("priority") == "Spot"
    if not spot and (inputs.get("evictionPolicy") or inputs.get("billingProfile")):
        raise parameter("EvictionPolicy and BillingProfile can be set only for Azure Spot Virtual Machines.")
    if spot and not size.spot:
        raise Refused("OperationNotAllowed", "The VM size is not supported for Azure Spot Virtual Machines.")
    if inputs.get("evictionPolicy") not in {None, "Deallocate", "Delete"}:
        raise parameter(f"The value '{inputs['evictionPolicy']}' of parameter 'evictionPolicy' is not valid.")


def make_vm(table: Table, id_: str, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
    del inputs
    number = table.counter("vms")
    return {"vmId": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{id_}/{number}"))}


def unmake_vm(table: Table, row: Row) -> None:
    """What is to go with it goes; it no longer holds what stays."""
    table.change(row.id, {"provisioningState": "Deleting"})
    disks = row.inputs["storageProfile"].get("dataDisks") or ()
    interfaces = row.inputs["networkProfile"]["networkInterfaces"]
    going = [(each.get("managedDisk") or {}).get("id") for each in disks if each.get("deleteOption") == "Delete"]
    going += [each.get("id") for each in interfaces if each.get("deleteOption") == "Delete"]
    for each in filter(None, going):
        table.remove(each)


def machine_of(table: Table, row: Row) -> Machine | None:
    _, image = image_of(row.inputs)
    if image is None or not image.machine or row.outputs["provisioningState"] == "Deleting":
        return None
    size = SIZES[row.inputs["hardwareProfile"]["vmSize"]]
    interface = table.row(row.inputs["networkProfile"]["networkInterfaces"][0]["id"])
    assert interface is not None
    way = interface.outputs["ipConfigurations"][0]
    subnet, address = table.row(way["subnet"]["id"]), table.row(str((way.get("publicIPAddress") or {}).get("id")))
    assert subnet is not None
    guards = [each for each in (subnet, interface) if each.inputs.get("networkSecurityGroup")]
    firewalls = [table.row(each.inputs["networkSecurityGroup"]["id"]) for each in guards]
    # Without any firewall, an address of the Standard kind lets nobody in.
    opened = [set(open_to_operators(table, each)) for each in firewalls if each]
    return Machine(
        image=image.machine,
        user_data=decoded(row.inputs["osProfile"].get("customData") or "") or "",
        cpus=size.cpus,
        memory_bytes=size.memory_gib << 30,
        disks_bytes=(*disk_sizes(table, row), *(gib << 30 for gib in size.nvme_gib)),
        private_address=way["privateIPAddress"],
        network=subnet.id.partition("/subnets/")[0],
        open_ports=tuple(sorted(set.intersection(*opened))) if opened and address else (),
        public_address=address.outputs["ipAddress"] if address else "",
    )


def disk_sizes(table: Table, vm: Row) -> tuple[int, ...]:
    in_order = sorted(vm.inputs["storageProfile"].get("dataDisks") or (), key=lambda each: int(each["lun"]))
    rows = [table.row(str((each.get("managedDisk") or {}).get("id"))) for each in in_order]
    return tuple(int(row.inputs["diskSizeGB"]) << 30 for row in rows if row)


# Placement and schedules.


def check_placement(table: Table, name: str, inputs: Mapping[str, Any]) -> None:
    check_common(table, PLACEMENT, name, inputs)
    if inputs.get("zones") and not (inputs.get("intent") or {}).get("vmSizes"):
        raise parameter("A zone of a proximity placement group can be named only together with the intended VM sizes.")


def unmake_placement(table: Table, row: Row) -> None:
    for vm in standing(table):
        if (vm.inputs.get("proximityPlacementGroup") or {}).get("id") == row.id:
            raise in_use("CannotDeleteProximityPlacementGroupInUse", "Proximity placement group", row, vm)


def check_schedule(table: Table, name: str, inputs: Mapping[str, Any]) -> None:
    check_common(table, SCHEDULE, name, inputs)
    vm = referred(table, VM, {"id": inputs.get("targetResourceId")}, name)
    if inputs.get("name") != f"shutdown-computevm-{vm.outputs['name']}":
        raise Refused("InvalidScheduleName", f"The schedule of a VM must be called shutdown-computevm-{vm.outputs['name']}.")
    if inputs.get("taskType") != "ComputeVmShutdownTask":
        raise Refused("InvalidTaskType", f"The task {inputs.get('taskType')} is not one for a VM.")
    if not re.fullmatch(r"([01]\d|2[0-3])[0-5]\d", str((inputs.get("dailyRecurrence") or {}).get("time"))):
        raise Refused("InvalidScheduleTime", "The time of a daily schedule is written HHmm.")


# The API that client libraries ask.


def api(table: Table, asked: Asked) -> Answered:
    """Of Azure Resource Manager: resource groups, the zones of a kind, images."""
    if asked.headers.get("authorization") != f"Bearer {TOKEN}":
        return refused(401, "ExpiredAuthenticationToken", "The access token expiry UTC time is earlier than the current time.")
    if "api-version" not in asked.query:
        return refused(400, "MissingApiVersionParameter", "The api-version query parameter (?api-version=) is required.")
    for method, pattern, answer in ROUTES:
        found = re.fullmatch(rf"/subscriptions/([^/]+){pattern}", asked.path, re.IGNORECASE)
        if found and method == asked.method:
            if found[1] != SUBSCRIPTION:
                return refused(404, "SubscriptionNotFound", f"The subscription '{found[1]}' could not be found.")
            return answer(table, asked, *found.groups()[1:])
    return refused(404, "NotFound", f"{asked.method} {asked.path} is not simulated.")


def refused(status: int, code: str, text: str) -> Answered:
    return Answered(status=status, body=json.dumps({"error": {"code": code, "message": text}}).encode())


def said(value: Any, status: int = 200) -> Answered:
    return Answered(status=status, body=json.dumps(value).encode())


def list_groups(table: Table, asked: Asked) -> Answered:
    """A page of them. The real one has a thousand to a page; `$filter` knows `tagName eq` and `and tagValue eq`."""
    wanted = re.fullmatch(r"tagName eq '([^']*)'(?: and tagValue eq '([^']*)')?", asked.query.get("$filter", ""))
    if asked.query.get("$filter") and wanted is None:
        return refused(400, "InvalidFilterInQueryString", f"Invalid $filter '{asked.query['$filter']}' specified.")
    rows = [row for row in table.rows(GROUP) if wanted is None or is_tagged(row, wanted[1], wanted[2])]
    start = int(asked.query.get("$skiptoken", "0"))
    page: dict[str, Any] = {"value": [group_as_json(row) for row in rows[start : start + PER_PAGE]]}
    if start + PER_PAGE < len(rows):
        page["nextLink"] = link(asked, asked.path, {**asked.query, "$skiptoken": str(start + PER_PAGE)})
    return said(page)


def is_tagged(row: Row, key: str, value: str | None) -> bool:
    tags = row.inputs.get("tags") or {}
    return key in tags and value in {None, tags[key]}


def group_as_json(row: Row) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": row.outputs["name"],
        "type": "Microsoft.Resources/resourceGroups",
        "location": row.inputs["location"],
        "tags": row.inputs.get("tags") or {},
        "properties": {"provisioningState": "Succeeded"},
    }


def link(asked: Asked, path: str, query: Mapping[str, str]) -> str:
    return f"http://{asked.headers.get('host')}/azure{path}?{urlencode(query)}"


def delete_group(table: Table, asked: Asked, name: str) -> Answered:
    """It goes at once; the client is sent to ask after it all the same, as it always is."""
    found = next((row for row in table.rows(GROUP) if row.outputs["name"].lower() == name.lower()), None)
    if found is None:
        return refused(404, "ResourceGroupNotFound", f"Resource group '{name}' could not be found.")
    table.remove(found.id)
    there = link(asked, f"/subscriptions/{SUBSCRIPTION}/operationresults/{name}", {"api-version": asked.query["api-version"]})
    return Answered(status=202, headers={"Location": there, "Retry-After": "0"})


def list_resource_types(_table: Table, _asked: Asked) -> Answered:
    zones = [{"location": WRITTEN[region], "zones": list(reversed(zones))} for region, zones in REGIONS.items() if zones]
    kind = {"resourceType": "virtualMachines", "locations": list(WRITTEN.values()), "zoneMappings": zones}
    other = {"resourceType": "operations", "locations": []}
    return said({"namespace": "Microsoft.Compute", "registrationState": "Registered", "resourceTypes": [other, kind]})


def list_skus(_table: Table, asked: Asked) -> Answered:
    """Of every kind: only VMs are looked at. What a subscription may not have is listed too, with why."""
    wanted = re.fullmatch(r"location eq '([^']*)'", asked.query.get("$filter", ""))
    places = [wanted[1]] if wanted and wanted[1] in REGIONS else []
    no = {"type": "Location", "values": places, "reasonCode": "NotAvailableForSubscription"}
    vm = "virtualMachines"
    kinds: list[tuple[str, str, list[Any]]] = [("Premium_LRS", "disks", []), ("Standard_M128s", vm, [no])]
    kinds += [(name, vm, []) for name in SIZES]
    return said(
        {
            "value": [
                {"name": name, "resourceType": kind, "locations": places, "restrictions": restrictions}
                for name, kind, restrictions in (kinds if places else [])
            ]
        }
    )


def list_versions(_table: Table, _asked: Asked, region: str, publisher: str, offer: str, sku: str) -> Answered:
    image = IMAGES.get((publisher.lower(), offer.lower(), sku.lower()))
    if region not in REGIONS:
        return refused(400, "NoRegisteredProviderFound", f"No registered resource provider found for location '{region}'.")
    if image is None:
        return refused(404, "NotFound", f"Artifact: VMImage was not found: {publisher}:{offer}:{sku}.")
    return said([{"location": region, "name": version} for version in image.versions])


def show_image(_table: Table, _asked: Asked, region: str, publisher: str, offer: str, sku: str, version: str) -> Answered:
    image = IMAGES.get((publisher.lower(), offer.lower(), sku.lower()))
    if image is None or version not in image.versions:
        return refused(404, "NotFound", f"Artifact: VMImage was not found: {publisher}:{offer}:{sku}:{version}.")
    features = [{"name": "IsAcceleratedNetworkSupported", "value": "True"}]
    if image.trusted:
        features.append({"name": "SecurityType", "value": "TrustedLaunchSupported"})
    properties = {
        "hyperVGeneration": "V2" if image.trusted else "V1",
        "features": features,
        "plan": {"name": sku, "publisher": publisher, "product": offer} if image.plan else None,
        "osDiskImage": {"operatingSystem": "Linux"},
    }
    return said({"location": region, "name": version, "properties": properties})


_IMAGE = (
    r"/providers/Microsoft.Compute/locations/([^/]+)/publishers/([^/]+)/artifacttypes/vmimage"
    r"/offers/([^/]+)/skus/([^/]+)/versions"
)

ROUTES: tuple[tuple[str, str, Callable[..., Answered]], ...] = (
    ("GET", "/resourcegroups", list_groups),
    ("DELETE", "/resourcegroups/([^/]+)", delete_group),
    ("GET", "/operationresults/([^/]+)", lambda _table, _asked, _name: Answered(status=200)),
    ("GET", "/providers/Microsoft.Compute", list_resource_types),
    ("GET", "/providers/Microsoft.Compute/skus", list_skus),
    ("GET", _IMAGE, list_versions),
    ("GET", f"{_IMAGE}/([^/]+)", show_image),
)


def checked(kind: str) -> Callable[[Table, str, Mapping[str, Any]], None]:
    return lambda table, name, inputs: check_common(table, kind, name, inputs)


SIMULATED = SimulatedCloud(
    name="azure",
    plugin="azure-native",
    sdk="pulumi_azure_native",
    kinds={
        GROUP: Kind(check=check_group, make=make_group, unmake=unmake_group, changeable=("tags",)),
        NETWORK: Kind(
            check=check_network,
            make=make_in_group(NETWORK),
            unmake=unmake_network,
            changeable=("tags", "addressSpace"),
            slow_s=4.0,
        ),
        SUBNET: Kind(
            check=check_subnet,
            make=make_subnet,
            unmake=unmake_subnet,
            changeable=("networkSecurityGroup", "defaultOutboundAccess", "addressPrefix"),
            slow_s=4.0,
        ),
        FIREWALL: Kind(
            check=check_firewall,
            make=make_in_group(FIREWALL),
            unmake=unmake_firewall,
            changeable=("tags", "securityRules"),
            slow_s=3.0,
        ),
        ADDRESS: Kind(
            check=check_address,
            make=make_in_group(ADDRESS, make_address),
            unmake=unmake_address,
            changeable=("tags",),
            slow_s=3.0,
        ),
        INTERFACE: Kind(
            check=check_interface,
            make=make_in_group(INTERFACE, make_interface),
            unmake=unmake_interface,
            changeable=("tags", "enableAcceleratedNetworking"),
            slow_s=2.0,
        ),
        PLACEMENT: Kind(check=check_placement, make=make_in_group(PLACEMENT), unmake=unmake_placement, changeable=("tags",)),
        DISK: Kind(
            check=check_disk,
            make=make_in_group(DISK),
            unmake=unmake_disk,
            changeable=(
                "tags",
                "diskSizeGB",
                "diskIOPSReadWrite",
                "diskMBpsReadWrite",
                "networkAccessPolicy",
                "publicNetworkAccess",
            ),
            slow_s=3.0,
        ),
        VM: Kind(
            check=check_vm,
            make=make_in_group(VM, make_vm),
            unmake=unmake_vm,
            machine=machine_of,
            changeable=("tags", "hardwareProfile", "diagnosticsProfile"),
            slow_s=40.0,
        ),
        SCHEDULE: Kind(
            check=check_schedule, make=make_in_group(SCHEDULE), changeable=("tags", "dailyRecurrence", "status", "timeZoneId")
        ),
    },
    invokes={},
    api=api,
    environment=lambda url: {
        "COWBENCH_AZURE_ENDPOINT": url,
        "COWBENCH_AZURE_TOKEN": TOKEN,
        "ARM_SUBSCRIPTION_ID": SUBSCRIPTION,
        "ARM_TENANT_ID": "00000000-c0be-4000-8000-000000000002",
        "ARM_CLIENT_ID": "00000000-c0be-4000-8000-000000000003",
        "ARM_CLIENT_SECRET": "simulated-client-secret",
    },
    configuration=("location", "subscriptionId", "tenantId", "clientId", "clientSecret", "environment", "useMsi", "useOidc"),
    failures={
        "throttled": "TooManyRequests: The request is being throttled as the limit has been reached. Retry after 10 seconds.",
        "capacity": "ZonalAllocationFailed: Allocation failed. We do not have sufficient capacity for the requested VM size "
        "in this zone.",
        "quota": "QuotaExceeded: Operation could not be completed as it results in exceeding approved standardDSv5Family Cores "
        "quota. Additional details - Current Limit: 10, Current Usage: 10, Additional Required: 2.",
        "credentials_expired": "ExpiredAuthenticationToken: The access token expiry UTC time is earlier than the current time.",
        "not_found_yet": "ResourceNotFound: The Resource was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix",
        "internal": "InternalServerError: Encountered internal server error. Diagnostic information: the simulator was told to.",
    },
)

"""A simulated Google Compute Engine.

Its rules are those of the API's reference (https://docs.cloud.google.com/compute/docs/reference/rest/v1), of its pages on names,
labels, disks, placement and run times, and of the Terraform provider that the Pulumi plugin is made from, as of August 2026.
None was checked against the real cloud. Texts are the real ones where one was found, else in their style. Limits of Hyperdisk
are those of a single disk, whatever the VM could use. What it cannot do: keep a disk whose VM is gone (`autoDelete` false), and
run `startup-script`, which Google's guest agent does: VMs here have images with cloud-init.
"""

from __future__ import annotations

import ipaddress
import json
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from tests.simulator.member import Answered, Asked, Kind, Machine, Refused, Row, SimulatedCloud, Table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PROJECT, TOKEN = "cowbench-simulated", "ya29.simulated"
API = "/compute/v1/projects/"
ROOT = "https://www.googleapis.com/compute/v1/"
LINKS = f"{ROOT}projects/"

PER_PAGE = 3
"""The real one's is 500, but it may give fewer at any time: so few here that nobody forgets to ask on."""

NETWORK, SUBNET = "gcp:compute/network:Network", "gcp:compute/subnetwork:Subnetwork"
FIREWALL, POLICY = "gcp:compute/firewall:Firewall", "gcp:compute/resourcePolicy:ResourcePolicy"
TEMPLATE, INSTANCE = "gcp:compute/instanceTemplate:InstanceTemplate", "gcp:compute/instanceFromTemplate:InstanceFromTemplate"

ZONES = {
    "europe-west1": "bcd",
    "europe-west3": "abc",
    "us-central1": "abcf",
}
"""By region, the last letters of its zones."""

PD, HYPERDISK = ("pd-standard", "pd-balanced", "pd-ssd"), ("hyperdisk-balanced",)
SERIES = {
    "e2": (PD, 0),
    "n1": (PD, 24),
    "n2": (PD, 24),
    "n2d": (PD, 24),
    "c2": (PD, 8),
    "c3": (("pd-balanced", "pd-ssd", *HYPERDISK), 0),
    "n4": (HYPERDISK, 0),
    "c4": (HYPERDISK, 0),
}
"""By machine series: kinds of disks it takes, and the most local SSDs that can be added to it."""

COMPACT = ("c2", "c3", "c4", "n2", "n2d")
GIB_PER_CPU = {"n1": 3.75, "c4": 3.5}
SIZES = {"c2": (4, 8, 16), "c3": (4, 8, 22)}
TYPES = {
    f"{series}-standard-{cpus}": (cpus, int(GIB_PER_CPU.get(series, 4) * cpus * (1 << 30)))
    for series in SERIES
    for cpus in SIZES.get(series, (2, 4, 8, 16))
}
"""CPUs and bytes of memory by name."""

DISK_GIB = {"pd-standard": (10, 65536), "pd-balanced": (10, 65536), "pd-ssd": (10, 65536), "hyperdisk-balanced": (4, 65536)}
LOCAL_SSD_GIB, LOCAL_SSD_COUNTS = 375, (0, 1, 2, 4, 8, 16, 24)

IMAGES = {
    ("debian-cloud", "debian-11"): ("debian-11-bullseye-v20260609", "debian-11-bullseye-v20260811"),
    ("debian-cloud", "debian-12"): ("debian-12-bookworm-v20260609", "debian-12-bookworm-v20260811"),
    ("debian-cloud", "debian-13"): ("debian-13-trixie-v20260609", "debian-13-trixie-v20260811"),
    ("ubuntu-os-cloud", "ubuntu-2204-lts"): ("ubuntu-2204-jammy-v20260805",),
    ("ubuntu-os-cloud", "ubuntu-2404-lts-amd64"): ("ubuntu-2404-noble-amd64-v20260805",),
    ("ubuntu-os-cloud", "ubuntu-2604-lts-amd64"): ("ubuntu-2604-resolute-amd64-v20260805",),
    ("rocky-linux-cloud", "rocky-linux-8"): ("rocky-linux-8-v20260715",),
    ("rocky-linux-cloud", "rocky-linux-9"): ("rocky-linux-9-v20260715",),
    ("rocky-linux-cloud", "rocky-linux-10"): ("rocky-linux-10-v20260715",),
    ("almalinux-cloud", "almalinux-8"): ("almalinux-8-v20260716",),
    ("almalinux-cloud", "almalinux-9"): ("almalinux-9-v20260716",),
    ("almalinux-cloud", "almalinux-10"): ("almalinux-10-v20260716",),
    ("rhel-cloud", "rhel-8"): ("rhel-8-v20260714",),
    ("rhel-cloud", "rhel-9"): ("rhel-9-v20260714",),
    ("rhel-cloud", "rhel-10"): ("rhel-10-v20260714",),
    ("centos-cloud", "centos-stream-10"): ("centos-stream-10-v20260714",),
    ("suse-cloud", "sles-15"): ("sles-15-sp7-v20260720-x86-64",),
    ("opensuse-cloud", "opensuse-leap"): ("opensuse-leap-15-6-v20260720-x86-64",),
}
"""By project and family, oldest first. The dates in the names are made up."""

MACHINES = {"debian-11": "debian-bullseye", "debian-12": "debian-bookworm", "debian-13": "debian-trixie"}

OPERATORS = ipaddress.ip_network("127.0.0.0/8")
NAME = r"(?:[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?)"
METADATA_VALUE_BYTES, METADATA_BYTES = 256 << 10, 512 << 10
DESCRIPTION_CHARACTERS = 2048
RUN_S = range(30, 120 * 24 * 3600 + 1)


def bad(text: str) -> Refused:
    return Refused("googleapi: Error 400", f"{text}, invalid")


def bad_field(field: str, value: object, why: str) -> Refused:
    return bad(f"Invalid value for field 'resource.{field}': '{value}'. {why}")


def not_found(path: str) -> Refused:
    return Refused("googleapi: Error 404", f"The resource '{path}' was not found, notFound")


def in_use(what: str, path: str, by: Row) -> Refused:
    text = f"The {what} resource '{path}' is already being used by '{by.id}', resourceInUseByAnotherResource"
    return Refused("googleapi: Error 400", text)


def check_plain(table: Table, name: str, inputs: Mapping[str, Any]) -> None:
    """A name that is not given is made up by the plugin: the resource's own with eight characters more."""
    del table
    called = str(inputs.get("name") or f"{name}-0123abc")
    if not re.fullmatch(NAME, called):
        raise bad_field("name", called, f"Must be a match of regex '{NAME}'")
    if len(str(inputs.get("description") or "")) > DESCRIPTION_CHARACTERS:
        raise bad_field("description", "...", f"The field exceeds the maximum of {DESCRIPTION_CHARACTERS} characters.")


def check_labels(labels: Mapping[str, Any]) -> None:
    if len(labels) > 64:
        raise bad_field("labels", "", "The number of labels exceeds the maximum of 64.")
    for key, value in labels.items():
        if not re.fullmatch(r"[a-z][a-z0-9_-]{0,62}", key):
            raise bad_field("labels", "", f"Label key '{key}' violates format constraints.")
        if not re.fullmatch(r"[a-z0-9_-]{0,63}", str(value)):
            raise bad_field("labels", "", f"Label value '{value}' violates format constraints.")


def refer(table: Table, kind: str, reference: object) -> Row:
    """The row that a name, a path, a link or a link with the unique id stands for."""
    wanted = str(reference).partition("?")[0].removeprefix(ROOT)
    for row in table.rows(kind):
        if wanted in {row.id, row.outputs["name"]}:
            return row
    raise not_found(wanted)


def check_network(table: Table, name: str, inputs: Mapping[str, Any]) -> None:
    check_plain(table, name, inputs)
    if inputs.get("autoCreateSubnetworks", True):
        raise Refused("simulator", "networks that make their own subnets are not simulated: set autoCreateSubnetworks to false")


def check_region(region: object) -> None:
    if region not in ZONES:
        raise Refused("googleapi: Error 404", f"Unknown region: {region}, notFound")


def check_zone(zone: object) -> str:
    region, _, letter = str(zone).rpartition("-")
    if not letter or letter not in ZONES.get(region, ""):
        raise Refused("googleapi: Error 404", f"Error loading zone '{zone}': The resource 'zones/{zone}' was not found, notFound")
    return region


def check_subnet(table: Table, name: str, inputs: Mapping[str, Any]) -> None:
    check_plain(table, name, inputs)
    check_region(inputs.get("region"))
    network = refer(table, NETWORK, inputs["network"])
    try:
        wanted = ipaddress.IPv4Network(str(inputs.get("ipCidrRange")))
    except ValueError:
        raise bad_field("ipCidrRange", inputs.get("ipCidrRange"), "Must be a valid CIDR range.") from None
    if not 8 <= wanted.prefixlen <= 29 or not wanted.is_private:
        raise bad_field("ipCidrRange", wanted, "Must be a private range from /8 to /29.")
    for row in table.rows(SUBNET):
        other = ipaddress.IPv4Network(row.inputs["ipCidrRange"])
        if row.outputs["network"] == network.outputs["selfLink"] and wanted.overlaps(other):
            raise bad(f"Invalid IPCidrRange: {wanted} conflicts with existing subnetwork '{row.outputs['name']}'")


def check_firewall(table: Table, name: str, inputs: Mapping[str, Any]) -> None:
    check_plain(table, name, inputs)
    refer(table, NETWORK, inputs["network"])
    if bool(inputs.get("allows")) == bool(inputs.get("denies")):
        raise bad_field("allowed", "", "Exactly one of allowed and denied must be specified.")
    for tag in inputs.get("targetTags") or ():
        if not re.fullmatch(NAME, tag):
            raise bad_field("targetTags[0]", tag, f"Must be a match of regex '{NAME}'")
    for source in inputs.get("sourceRanges") or ():
        try:
            ipaddress.ip_network(source)
        except ValueError:
            raise bad_field("sourceRanges[0]", source, "Must be a valid CIDR range.") from None
    for allowed in inputs.get("allows") or ():
        if allowed.get("ports") and allowed["protocol"] not in {"tcp", "udp", "sctp"}:
            raise bad_field("allowed[0].ports", "", "Ports may be specified only for tcp, udp and sctp.")
        for text in allowed.get("ports") or ():
            numbers = [int(each) if each.isdigit() else 65536 for each in text.split("-", 1)]
            if max(numbers) > 65535 or numbers != sorted(numbers):
                raise bad_field("allowed[0].ports[0]", text, "Invalid port range.")


def check_policy(table: Table, name: str, inputs: Mapping[str, Any]) -> None:
    check_plain(table, name, inputs)
    check_region(inputs.get("region"))
    placement = inputs.get("groupPlacementPolicy") or {}
    if placement.get("collocation") not in {"COLLOCATED", None}:
        raise bad_field("groupPlacementPolicy.collocation", placement["collocation"], "Must be COLLOCATED.")


def check_template(table: Table, name: str, inputs: Mapping[str, Any]) -> None:
    check_plain(table, name, inputs)
    check_labels(inputs.get("labels") or {})
    if inputs["machineType"] not in TYPES:
        text = f"Invalid machine type '{inputs['machineType']}'; zonal resources must be specified by name"
        raise bad_field("properties.machineType", inputs["machineType"], text)
    if not inputs.get("networkInterfaces"):
        raise bad_field("properties.networkInterfaces", "", "At least one network interface is required.")
    for interface in inputs["networkInterfaces"]:
        refer(table, SUBNET, interface["subnetwork"])
    check_metadata(inputs.get("metadata") or {})
    check_scheduling(inputs.get("scheduling") or {})
    check_disks(inputs["disks"], inputs["machineType"])


def check_metadata(metadata: Mapping[str, str]) -> None:
    sizes = {key: len(str(value).encode()) for key, value in metadata.items()}
    for key, size in sizes.items():
        if not re.fullmatch(r"[a-zA-Z0-9-_]{1,128}", key):
            raise bad_field("properties.metadata.items[0].key", key, "Must be a match of regex '[a-zA-Z0-9-_]{1,128}'")
        if size > METADATA_VALUE_BYTES:
            text = f"is too large: maximum size {METADATA_VALUE_BYTES} character(s); actual size {size}., fieldSizeTooLarge"
            raise Refused("googleapi: Error 400", f"Value for field 'resource.properties.metadata.items[0].value' {text}")
    if sum(sizes.values()) > METADATA_BYTES:
        raise bad_field("properties.metadata", "", "Metadata size exceeds 512 KB.")


def check_scheduling(scheduling: Mapping[str, Any]) -> None:
    if scheduling.get("provisioningModel", "STANDARD") not in {"STANDARD", "SPOT"}:
        raise bad_field("properties.scheduling.provisioningModel", scheduling["provisioningModel"], "Unknown value.")
    spot = scheduling.get("provisioningModel") == "SPOT"
    if spot != scheduling.get("preemptible", False):
        raise bad_field("properties.scheduling.preemptible", "", "Scheduling preemptible must agree with provisioningModel.")
    if spot and (scheduling.get("automaticRestart", True) or scheduling.get("onHostMaintenance") != "TERMINATE"):
        raise bad("Scheduling must have preemptible be false when AutomaticRestart is true or OnHostMaintenance is MIGRATE.")
    action = scheduling.get("instanceTerminationAction")
    if action not in {"STOP", "DELETE", None}:
        raise bad_field("properties.scheduling.instanceTerminationAction", action, "Unknown value.")
    if limit := scheduling.get("maxRunDuration"):
        if limit["seconds"] not in RUN_S:
            raise bad_field("properties.scheduling.maxRunDuration", limit["seconds"], "Must be from 30 seconds to 120 days.")
        if action is None:
            raise bad("Instance termination action must be specified when max run duration is set")


def check_disks(disks: list[Mapping[str, Any]], machine_type: str) -> None:
    kinds, most_local = SERIES[machine_type.partition("-")[0]]
    if [bool(disk.get("boot")) for disk in disks] != [True] + [False] * (len(disks) - 1):
        raise bad_field("properties.disks", "", "The first disk, and no other, must be the boot disk.")
    local = [disk for disk in disks if disk.get("type") == "SCRATCH"]
    if len(local) > most_local or len(local) not in LOCAL_SSD_COUNTS:
        raise bad(f"Number of local SSDs for an instance of type {machine_type} must not be {len(local)}")
    for disk in disks:
        if disk in local:
            if (disk.get("diskType"), disk.get("interface")) not in {("local-ssd", "NVME"), ("local-ssd", "SCSI")}:
                raise bad_field("properties.disks[1].initializeParams.diskType", disk.get("diskType"), "SCRATCH is local-ssd.")
            if disk.get("diskSizeGb") != LOCAL_SSD_GIB:
                raise bad_field("properties.disks[1].initializeParams.diskSizeGb", disk.get("diskSizeGb"), "Must be 375.")
            if disk.get("labels"):
                raise bad_field("properties.disks[1].initializeParams.labels", "", "Labels are for persistent disks only.")
        else:
            check_disk(disk, machine_type, kinds)


def check_disk(disk: Mapping[str, Any], machine_type: str, kinds: tuple[str, ...]) -> None:
    check_labels(disk.get("labels") or {})
    kind, size_gib = disk.get("diskType", "pd-standard"), disk.get("diskSizeGb", 10)
    if kind not in DISK_GIB:
        raise not_found(f"projects/{PROJECT}/zones/-/diskTypes/{kind}")
    if kind not in kinds:
        raise bad(f"{kind} disk type cannot be used by {machine_type} machine type., badRequest")
    least, most = DISK_GIB[kind]
    if not least <= size_gib <= most:
        raise bad(f"Disk size: '{size_gib} GB' must be from {least} GB to {most} GB")
    iops, throughput = disk.get("provisionedIops"), disk.get("provisionedThroughput")
    if kind not in HYPERDISK and (iops or throughput):
        raise bad(f"ProvisionedIops or throughput is not supported for disk type {kind}")
    if iops and not 3000 <= iops <= min(160_000, max(3000, 500 * size_gib)):
        raise bad(f"Requested provisioned iops {iops} is not in the valid range of this size")
    if throughput and not 140 <= throughput <= min(2400, max(140, (iops or 3000) // 4)):
        raise bad(f"Requested provisioned throughput {throughput} is not in the valid range of these iops")
    if disk.get("boot"):
        image_of(disk)


def image_of(boot: Mapping[str, Any]) -> str:
    """The family of an image that is named by its path."""
    wanted = str(boot.get("sourceImage")).removeprefix(ROOT)
    for (project, family), names in IMAGES.items():
        if wanted in {f"projects/{project}/global/images/{name}" for name in names}:
            return family
    raise not_found(wanted)


def check_instance(table: Table, name: str, inputs: Mapping[str, Any]) -> None:
    check_plain(table, name, inputs)
    check_labels(inputs.get("labels") or {})
    region = check_zone(inputs.get("zone"))
    template = refer(table, TEMPLATE, inputs["sourceInstanceTemplate"])
    subnet = subnet_of(table, template)
    if subnet.inputs["region"] != region:
        raise bad_field("networkInterfaces[0].subnetwork", subnet.id, f"Subnetwork is not in region {region}.")
    if policy := inputs.get("resourcePolicies"):
        if refer(table, POLICY, policy).inputs["region"] != region:
            raise bad_field("resourcePolicies[0]", policy, "Resource policy is in another region.")
        if (series := template.inputs["machineType"].partition("-")[0]) not in COMPACT:
            raise bad(f"Machine type {series} does not support a placement policy")


def subnet_of(table: Table, template: Row) -> Row:
    return refer(table, SUBNET, template.inputs["networkInterfaces"][0]["subnetwork"])


def named(table: Table, name: str, inputs: Mapping[str, Any]) -> str:
    return str(inputs.get("name") or f"{name}-{table.counter('name'):07x}")


def maker(collection: str, scope: str) -> Callable[[Table, str, Mapping[str, Any]], tuple[str, Mapping[str, Any]]]:
    """Makes what has no more to it than a name, a path and a number; `scope` is empty or the input that its path begins with."""

    def make(table: Table, name: str, inputs: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
        place = f"{scope}s/{inputs[scope]}" if scope else "global"
        called = named(table, name, inputs)
        path = f"projects/{PROJECT}/{place}/{collection}/{called}"
        link, number = f"{ROOT}{path}", str(6_000_000_000_000_000_000 + table.counter("number"))
        outputs = {"name": called, "selfLink": link, "selfLinkUnique": f"{link}?uniqueId={number}", "project": PROJECT}
        links = {} if "network" not in inputs else {"network": refer(table, NETWORK, inputs["network"]).outputs["selfLink"]}
        return path, {**outputs, **links, "number": number}

    return make


def make_instance(table: Table, name: str, inputs: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    path, outputs = maker("instances", "zone")(table, name, inputs)
    template = refer(table, TEMPLATE, inputs["sourceInstanceTemplate"])
    subnet = subnet_of(table, template)
    asked = template.inputs["networkInterfaces"][0].get("accessConfigs") or ()
    configs = [{"natIp": public_address(table.counter("public address")), "networkTier": "PREMIUM"} for _ in asked]
    interface = {
        "name": "nic0",
        "network": subnet.outputs["network"],
        "subnetwork": subnet.outputs["selfLink"],
        "networkIp": free_address(table, subnet),
        "accessConfigs": configs,
    }
    # A template may go while its VMs stay: they keep what they took from it.
    kept = {key: template.inputs.get(key) for key in ("machineType", "metadata", "tags", "scheduling")}
    labels = inputs.get("labels") or template.inputs.get("labels") or {}
    disks = [dict(disk) for disk in template.inputs["disks"]]
    vm = {"instanceId": outputs["number"], "currentStatus": "RUNNING", "networkInterfaces": [interface], "templateDisks": disks}
    return path, {**outputs, **kept, **vm, "labels": labels, "effectiveLabels": labels}


def free_address(table: Table, subnet: Row) -> str:
    """The first one is the gateway's, the last two are kept. Counted, so that two that are made at once differ."""
    within = ipaddress.IPv4Network(subnet.inputs["ipCidrRange"])
    taken = {interface_of(row)["networkIp"] for row in inside(table, subnet)}
    for _ in range(within.num_addresses):
        address = str(within[2 + (table.counter(f"address in {subnet.id}") - 1) % (within.num_addresses - 4)])
        if address not in taken:
            return address
    raise Refused("googleapi: Error 403", f"IP_SPACE_EXHAUSTED: IP space of '{subnet.id}' is exhausted")


def public_address(count: int) -> str:
    return f"127.78.{count // 250 % 256}.{count % 250 + 1}"


def interface_of(instance: Row) -> Mapping[str, Any]:
    interface: Mapping[str, Any] = instance.outputs["networkInterfaces"][0]
    return interface


def inside(table: Table, subnet: Row) -> list[Row]:
    return [row for row in table.rows(INSTANCE) if interface_of(row)["subnetwork"] == subnet.outputs["selfLink"]]


def unmake_network(table: Table, row: Row) -> None:
    for other in table.rows(SUBNET, FIREWALL):
        if other.outputs["network"] == row.outputs["selfLink"]:
            raise in_use("network", row.id, other)


def unmake_subnet(table: Table, row: Row) -> None:
    for other in inside(table, row):
        raise in_use("subnetwork", row.id, other)


def unmake_policy(table: Table, row: Row) -> None:
    for other in table.rows(INSTANCE):
        if other.inputs.get("resourcePolicies") in {row.id, row.outputs["selfLink"]}:
            raise in_use("resource_policy", row.id, other)


def machine(table: Table, row: Row) -> Machine | None:
    boot, *data = row.outputs["templateDisks"]
    image = MACHINES.get(image_of(boot))
    if image is None:
        return None
    cpus, memory_bytes = TYPES[row.outputs["machineType"]]
    interface = interface_of(row)
    return Machine(
        image=image,
        user_data=str((row.outputs.get("metadata") or {}).get("user-data", "")),
        cpus=cpus,
        memory_bytes=memory_bytes,
        disks_bytes=tuple(int(disk["diskSizeGb"]) << 30 for disk in data),
        private_address=interface["networkIp"],
        network=f"gcp-{interface['network'].rpartition('/')[2]}",
        open_ports=open_ports(table, row),
        public_address=interface["accessConfigs"][0]["natIp"],
    )


def open_ports(table: Table, instance: Row) -> tuple[int, ...]:
    tags, network = set(instance.outputs.get("tags") or ()), interface_of(instance)["network"]
    ports: set[int] = set()
    for firewall in table.rows(FIREWALL):
        rule, targets = firewall.inputs, set(firewall.inputs.get("targetTags") or tags)
        sources = [ipaddress.ip_network(each) for each in rule.get("sourceRanges") or ("0.0.0.0/0",)]
        here = firewall.outputs["network"] == network and (targets & tags or targets == tags)
        if here and rule.get("direction", "INGRESS") == "INGRESS" and any(each.overlaps(OPERATORS) for each in sources):
            for allowed in rule.get("allows") or ():
                for text in allowed.get("ports") or ("1-65535",):
                    first, _, last = str(text).partition("-")
                    ports.update(range(int(first), int(last or first) + 1))
    return tuple(sorted(ports))


def answer(document: object, status: int = 200) -> Answered:
    return Answered(status=status, body=json.dumps(document).encode())


def refusal(status: int, reason: str, message: str) -> Answered:
    told = {"message": message, "domain": "global", "reason": reason}
    return answer({"error": {"code": status, "message": message, "errors": [told]}}, status)


def api(table: Table, asked: Asked) -> Answered:
    if asked.headers.get("authorization") != f"Bearer {TOKEN}":
        text = "Request had invalid authentication credentials. Expected OAuth 2 access token."
        return refusal(401, "authError", text)
    project, _, rest = asked.path.removeprefix(API).partition("/")
    if asked.path.startswith(API) and (project == PROJECT or rest.startswith("global/images/")):
        try:
            return route(table, asked, project, tuple(rest.split("/")))
        except Refused as no:
            message, _, reason = no.text.rpartition(", ")
            return refusal(int(no.code.rpartition(" ")[2]), reason, message)
    return refusal(404, "notFound", f"The resource 'projects/{project}' was not found")


def route(table: Table, asked: Asked, project: str, parts: tuple[str, ...]) -> Answered:  # noqa: PLR0911 - a line for each call
    match asked.method, *parts:
        case "GET", "global", "images", "family", family:
            return image(project, family)
        case "GET", "zones", zone, "machineTypes":
            return page("machineTypeList", [{"name": name, "zone": zone} for name in TYPES], asked)
        case "GET", "regions", region:
            return region_of(region)
        case "GET", "aggregated", collection if collection in SHOWN:
            return aggregated(collection, shown(table, collection), asked)
        case "GET", "global", collection if collection in SHOWN:
            return page(f"{collection}List", shown(table, collection), asked)
        case "POST", *place, "operations", name, "wait":
            return answer(operation("/".join(place), name, "DONE"))
        case "DELETE", *place, collection, name if collection in SHOWN:
            return remove(table, collection, f"projects/{PROJECT}/{'/'.join(place)}/{collection}/{name}", "/".join(place))
    raise not_found(asked.path)


def image(project: str, family: str) -> Answered:
    names = IMAGES.get((project, family))
    if not names:
        raise not_found(f"projects/{project}/global/images/family/{family}")
    path = f"{LINKS}{project}/global/images/{names[-1]}"
    return answer({"kind": "compute#image", "name": names[-1], "family": family, "selfLink": path, "status": "READY"})


def region_of(region: str) -> Answered:
    if region not in ZONES:
        raise not_found(f"projects/{PROJECT}/regions/{region}")
    zones = [f"{LINKS}{PROJECT}/zones/{region}-{letter}" for letter in ZONES[region]]
    return answer({"kind": "compute#region", "name": region, "status": "UP", "zones": zones})


def shown(table: Table, collection: str) -> list[dict[str, Any]]:
    kind = SHOWN[collection]
    if collection == "disks":
        return [disk for row in table.rows(kind) for disk in disks_of(row)]
    return [show(row) for row in table.rows(kind)]


def show(row: Row) -> dict[str, Any]:
    """What the API says of a row, as far as anybody here asks."""
    outputs, made = row.outputs, datetime.fromtimestamp(row.created_at, UTC).isoformat()
    found = {"name": outputs["name"], "selfLink": outputs["selfLink"], "creationTimestamp": made}
    if row.kind == INSTANCE:
        return {**found, "labels": outputs["labels"], "status": outputs["currentStatus"]}
    if row.kind == TEMPLATE:
        found["properties"] = {"labels": row.inputs.get("labels") or {}, "machineType": row.inputs["machineType"]}
    return {**found, "description": str(row.inputs.get("description") or "")}


def disks_of(row: Row) -> list[dict[str, Any]]:
    """Persistent ones; they come and go with their VM, and the first is named as it is."""
    place = row.outputs["selfLink"].rpartition("/instances/")[0]
    persistent = [disk for disk in row.outputs["templateDisks"] if disk.get("type") != "SCRATCH"]
    names = [row.outputs["name"] + (f"-{number}" if number else "") for number in range(len(persistent))]
    return [
        {"name": name, "selfLink": f"{place}/disks/{name}", "labels": disk.get("labels") or {}, "sizeGb": str(disk["diskSizeGb"])}
        for name, disk in zip(names, persistent, strict=True)
    ]


def aggregated(collection: str, every: list[dict[str, Any]], asked: Asked) -> Answered:
    """By zone, region or `global`; a place that has none of them says so."""
    part, token = cut(every, asked)
    items: dict[str, Any] = {f"regions/{region}": {"warning": {"code": "NO_RESULTS_ON_PAGE"}} for region in ZONES}
    for each in part:
        place = str(each["selfLink"].removeprefix(f"{LINKS}{PROJECT}/").rpartition(f"/{collection}/")[0])
        items.setdefault(place, {}).setdefault(collection, []).append(each)
        items[place].pop("warning", None)
    return answer({"kind": "compute#aggregatedList", "items": items, **token})


def page(kind: str, every: list[dict[str, Any]], asked: Asked) -> Answered:
    part, token = cut(every, asked)
    return answer({"kind": f"compute#{kind}", "items": part, **token})


def cut(every: list[dict[str, Any]], asked: Asked) -> tuple[list[dict[str, Any]], dict[str, str]]:
    if "filter" in asked.query:
        raise Refused("googleapi: Error 400", "Filters are not simulated, invalid")
    start, size = int(asked.query.get("pageToken", 0)), min(PER_PAGE, int(asked.query.get("maxResults", PER_PAGE)))
    rest = start + size < len(every)
    return every[start : start + size], {"nextPageToken": str(start + size)} if rest else {}


def remove(table: Table, collection: str, path: str, place: str) -> Answered:
    if collection == "disks":
        for vm in table.rows(INSTANCE):
            for disk in disks_of(vm):
                if disk["selfLink"].endswith(path):
                    raise in_use("disk", path, vm)
    if table.row(path) is None:
        raise not_found(path)
    table.remove(path)
    return answer(operation(place, f"operation-{table.counter('operation')}", "RUNNING"))


def operation(place: str, name: str, status: str) -> dict[str, Any]:
    scope, _, where = place.partition("/")
    link = f"{LINKS}{PROJECT}/{place}"
    told = {scope.removesuffix("s"): link} if where else {}
    progress = 100 if status == "DONE" else 0
    return {"kind": "compute#operation", "name": name, "status": status, "progress": progress, **told}


SHOWN = {
    "instances": INSTANCE,
    "disks": INSTANCE,
    "instanceTemplates": TEMPLATE,
    "resourcePolicies": POLICY,
    "firewalls": FIREWALL,
    "subnetworks": SUBNET,
    "networks": NETWORK,
}


SIMULATED = SimulatedCloud(
    name="gcp",
    plugin="gcp",
    sdk="pulumi_gcp",
    kinds={
        NETWORK: Kind(check=check_network, make=maker("networks", ""), unmake=unmake_network, slow_s=12.0),
        SUBNET: Kind(check=check_subnet, make=maker("subnetworks", "region"), unmake=unmake_subnet, slow_s=12.0),
        FIREWALL: Kind(
            check=check_firewall,
            make=maker("firewalls", ""),
            changeable=("allows", "denies", "description", "disabled", "priority", "sourceRanges", "targetTags"),
            slow_s=10.0,
        ),
        POLICY: Kind(check=check_policy, make=maker("resourcePolicies", "region"), unmake=unmake_policy, slow_s=2.0),
        TEMPLATE: Kind(check=check_template, make=maker("instanceTemplates", ""), slow_s=3.0),
        INSTANCE: Kind(
            check=check_instance, make=make_instance, machine=machine, changeable=("labels", "metadata", "tags"), slow_s=12.0
        ),
    },
    invokes={},
    api=api,
    environment=lambda url: {
        "GOOGLE_CLOUD_PROJECT": PROJECT,
        "GOOGLE_OAUTH_ACCESS_TOKEN": TOKEN,
        "GOOGLE_COMPUTE_CUSTOM_ENDPOINT": f"{url}/compute/v1/",
    },
    configuration=(
        "project",
        "region",
        "zone",
        "accessToken",
        "credentials",
        "computeCustomEndpoint",
        "addPulumiAttributionLabel",
    ),
    failures={
        "throttled": "googleapi: Error 403: Quota exceeded for quota group 'default' and limit 'Queries per 100 seconds' of "
        "service 'compute.googleapis.com' for consumer 'project_number:1'., rateLimitExceeded",
        "capacity": "Error waiting for instance to create: The zone 'projects/p/zones/z' does not have enough resources "
        "available to fulfill the request. Try a different zone, or try again later. (code: ZONE_RESOURCE_POOL_EXHAUSTED)",
        "quota": "Error waiting for instance to create: Quota 'N2_CPUS' exceeded.  Limit: 8.0 in region europe-west3. "
        "(code: QUOTA_EXCEEDED)",
        "credentials_expired": 'oauth2: "invalid_grant" "Token has been expired or revoked."',
        "not_found_yet": "googleapi: Error 400: The resource 'projects/p/global/networks/n' is not ready, resourceNotReady",
        "internal": "googleapi: Error 503: Internal error. Please try again or contact Google Support., backendError",
    },
)

"""Amazon Web Services: VMs of EC2, disks of EBS or local NVMe, a network of their own. Not yet run against the real cloud."""

from __future__ import annotations

import base64
import functools
import gzip
import os
import re
import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from bench.errors import DeployError
from stacks import disk, drivers, labels, policy, rented
from stacks.cloud import Access, Account, Belonging, HostRequest, SiteRequest
from stacks.policy import Meaning, Opening

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import pulumi
    from pulumi_aws import ec2

_NETWORK, _SUBNET = "10.77.0.0/16", "10.77.0.0/20"
_ROOT_GIB = 20
"""More than any image below is made with (RHEL: 10), for packages; what is measured lies on the data disk."""

_NVME = "nvme"


@dataclass(frozen=True, kw_only=True)
class _Sold:
    """What a kind of volume may have; an empty range where that is not sold."""

    gib: range
    iops: range = range(0)
    iops_per_gib: int = 0
    mib_per_s: range = range(0)


_VOLUMES = {
    "gp3": _Sold(gib=range(1, 65_537), iops=range(3_000, 80_001), iops_per_gib=500, mib_per_s=range(125, 2_001)),
    "gp2": _Sold(gib=range(1, 16_385)),
    "io1": _Sold(gib=range(4, 16_385), iops=range(100, 64_001), iops_per_gib=50),
    "io2": _Sold(gib=range(4, 65_537), iops=range(100, 256_001), iops_per_gib=1_000),
    "st1": _Sold(gib=range(125, 16_385)),
}
"""EBS User Guide, "Amazon EBS volume types"."""

_IOPS_PER_MIB_PER_S = 4
"""As many a volume must have for each MiB/s (same page)."""

_NOT_CLOSE_TOGETHER = r"t\d\w*|mac.*|.*-flex"
"""Families without cluster placement groups: burstable, Mac, flex (EC2 User Guide, "Placement groups")."""

_LOCAL_DISKS = r"[a-z]+\d\w*d\w*|(i|im|is|d|h|g|p|trn|f)\d\w*|x1e?|[cmr]3"
"""Families that bring disks of their own: a `d` behind the generation, as in m6id, and some others (EC2, "Instance store")."""

_ONE_LOCAL_DISK = r"(?!d\d|[cmr]3|i2)\w+\.(medium|large|xlarge)"
"""The smallest sizes of the others have one (same page): of larger ones it depends on the family."""

_ARM = r"a1|[a-z]+\d+[a-z]*g[a-z]*"
"""Families with Graviton: a `g` behind the generation, as in m7g."""

_FORMS = {
    "region": r"[a-z]+(-[a-z]+)?-(north|south|east|west|central|northeast|southeast|northwest|southwest)-\d",
    "instance_type": r"[a-z][a-z0-9-]*\.(nano|micro|small|medium|large|\d*xlarge|metal(-\w+)?)",
}
_EVERYWHERE = "0.0.0.0/0"


@dataclass(frozen=True, kw_only=True)
class _Site:
    """What the hosts of a zone share. `ready` is what must stand before a VM boots: it installs packages at once."""

    provider: pulumi.ProviderResource
    subnet: pulumi.Output[str]
    firewall: pulumi.Output[str]
    key: pulumi.Output[str]
    placement: pulumi.Output[str] | None
    ready: tuple[pulumi.Resource, ...]


def _site(request: SiteRequest, access: Access | None) -> _Site:
    import pulumi  # noqa: PLC0415 - only a deployment needs it: planning must not wait for it
    import pulumi_aws  # noqa: PLC0415 - as above
    from pulumi_aws import ec2  # noqa: PLC0415 - as above

    assert access is not None
    here = _here(request)
    provider = pulumi_aws.Provider(here, region=request.region)
    options = pulumi.ResourceOptions(provider=provider)
    common = {"tags": _named(request, here), "opts": options}
    network = ec2.Vpc(f"{here}-network", cidr_block=_NETWORK, **common)
    zone = request.zone or None
    subnet = ec2.Subnet(f"{here}-subnet", vpc_id=network.id, cidr_block=_SUBNET, availability_zone=zone, **common)
    gateway = ec2.InternetGateway(f"{here}-gateway", vpc_id=network.id, **common)
    outward = ec2.RouteTableRouteArgs(cidr_block=_EVERYWHERE, gateway_id=gateway.id)
    routes = ec2.RouteTable(f"{here}-routes", vpc_id=network.id, routes=[outward], **common)
    way_out = ec2.RouteTableAssociation(f"{here}-way-out", route_table_id=routes.id, subnet_id=subnet.id, opts=options)
    firewall = ec2.SecurityGroup(f"{here}-firewall", vpc_id=network.id, description="Hosts of cowbench", **common)
    return _Site(
        provider=provider,
        subnet=subnet.id,
        firewall=firewall.id,
        key=ec2.KeyPair(f"{here}-key", public_key=access.public_key, **common).key_name,
        # Target and generator close together. It costs nothing, also when no VM of the site can be in it.
        placement=ec2.PlacementGroup(f"{here}-close", strategy="cluster", **common).name if request.hosts > 1 else None,
        ready=(way_out, *_rules(request, firewall.id, common)),
    )


def _rules(request: SiteRequest, firewall: pulumi.Output[str], common: Mapping[str, Any]) -> tuple[pulumi.Resource, ...]:
    from pulumi_aws import vpc  # noqa: PLC0415 - only a deployment needs it: planning must not wait for it

    here = _here(request)
    servers_open_to = request.operator if request.open_to == "operator" else _SUBNET
    openings = ((22, request.operator), *((port, servers_open_to) for port in request.server_ports))
    inward = tuple(
        vpc.SecurityGroupIngressRule(
            f"{here}-port-{port}",
            security_group_id=firewall,
            ip_protocol="tcp",
            from_port=port,
            to_port=port,
            cidr_ipv4=source,
            **common,
        )
        for port, source in openings
    )
    everything = {"security_group_id": firewall, "ip_protocol": "-1", "cidr_ipv4": _EVERYWHERE}
    return *inward, vpc.SecurityGroupEgressRule(f"{here}-outward", **everything, **common)


def _here(request: SiteRequest) -> str:
    # A zone's name begins with its region's.
    return f"aws-{request.zone or request.region}"


def _named(request: HostRequest | SiteRequest, name: str) -> dict[str, str]:
    """The labels, and the name that the cloud's own pages show."""
    return {**request.labels, "Name": f"{request.stack}-{name}"}


def _vm(request: HostRequest, site: _Site, user_data: pulumi.Output[str]) -> rented.RentedVm:
    import pulumi  # noqa: PLC0415 - only a deployment needs it: planning must not wait for it
    from pulumi_aws import ec2  # noqa: PLC0415 - as above

    named = _named(request, request.name)
    vm = ec2.Instance(
        request.name,
        ami=request.image_id,
        instance_type=request.instance_type,
        availability_zone=request.zone or None,
        subnet_id=site.subnet,
        vpc_security_group_ids=[site.firewall],
        associate_public_ip_address=True,
        key_name=site.key,
        placement_group=site.placement if _can_be_close(request.instance_type) else None,
        user_data_base64=user_data.apply(_packed),
        # Cloud-init reads it at the first boot only: another text wants another VM.
        user_data_replace_on_change=True,
        root_block_device=ec2.InstanceRootBlockDeviceArgs(
            volume_type="gp3", volume_size=_ROOT_GIB, delete_on_termination=True, encrypted=True
        ),
        ebs_block_devices=_disks(request),
        metadata_options=ec2.InstanceMetadataOptionsArgs(
            http_endpoint="enabled", http_tokens="required", http_put_response_hop_limit=1
        ),
        # How a VM ends itself at its expiry. Of a spot VM nothing else is accepted.
        instance_initiated_shutdown_behavior="terminate",
        instance_market_options=_spot() if request.spot else None,
        tags=named,
        # Not `tags` of each disk: those come by a second call, and until then nobody's disk exists.
        volume_tags=named,
        opts=pulumi.ResourceOptions(provider=site.provider, depends_on=list(site.ready)),
    )
    return rented.RentedVm(resource=vm, id=vm.id, public_address=vm.public_ip, private_address=vm.private_ip)


def _can_be_close(instance_type: str) -> bool:
    return re.fullmatch(_NOT_CLOSE_TOGETHER, instance_type.partition(".")[0]) is None


def _packed(text: str) -> str:
    """Cloud-init unpacks it. EC2 takes 16 KB, and the text has more; the same text always gives the same bytes."""
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()


def _disks(request: HostRequest) -> list[ec2.InstanceEbsBlockDeviceArgs]:
    """EBS disks. Local NVMe comes with the VM type by itself: EC2 takes no mapping for it."""
    from pulumi_aws import ec2  # noqa: PLC0415 - only a deployment needs it: planning must not wait for it

    wanted = disk.read(request.disk)
    if wanted.kind == _NVME:
        return []
    return [
        ec2.InstanceEbsBlockDeviceArgs(
            device_name=device,
            volume_type=wanted.kind,
            volume_size=-(-wanted.size_bytes // (1 << 30)),
            iops=wanted.iops,
            throughput=None if wanted.bytes_per_s is None else wanted.bytes_per_s >> 20,
            delete_on_termination=True,
            encrypted=True,
        )
        for device in ("/dev/sdf", "/dev/sdg")[: 1 + drivers.load(request.driver).wants_whole_disk]
    ]


def _unfit(request: HostRequest) -> str:
    """Why there is no such VM, and after a colon the cure, or empty."""
    wanted, kind = disk.read(request.disk), request.instance_type
    if re.fullmatch(_ARM, kind.partition(".")[0]):
        return f"{kind} is for ARM, and all images here are for x86: choose one such as m7i.large"
    if wanted.kind == _NVME:
        return _without_local_disks(request, wanted)
    # A VM finds its blank disks by their size: of two sorts it might measure the wrong one.
    if _has_local_disks(kind):
        what = f"{kind} has local disks beside the {wanted.kind} one, and they could be taken for it"
        return f"{what}: choose a disk nvme-SIZE, or an instance_type without local disks (m7i.large for m6id.large)"
    return _unsold(request.disk, wanted, _VOLUMES[wanted.kind])


def _has_local_disks(instance_type: str) -> bool:
    return re.fullmatch(_LOCAL_DISKS, instance_type.partition(".")[0]) is not None


def _without_local_disks(request: HostRequest, wanted: disk.Disk) -> str:
    kind = request.instance_type
    if not _has_local_disks(kind):
        what = f"{kind} has no local disk"
        return f"{what}: choose an instance_type with a d behind its generation (m6id.large), or another disk"
    if wanted.iops or wanted.bytes_per_s:
        return f"the speed of local disks comes with the type of VM ({request.disk}): leave +iops and +MiBps out"
    if re.fullmatch(_ONE_LOCAL_DISK, kind) and drivers.load(request.driver).wants_whole_disk:
        return f"{request.driver} wants two disks, and {kind} has one local one: choose m6id.12xlarge, or another disk"
    return ""


def _unsold(written: str, wanted: disk.Disk, sold: _Sold) -> str:
    """Why EBS has no such volume, or empty."""
    size_gib = -(-wanted.size_bytes // (1 << 30))
    iops = wanted.iops or 0
    for what, asked, offered in (
        ("GiB", size_gib, sold.gib),
        ("IOPS", iops, sold.iops),
        ("MiB/s", (wanted.bytes_per_s or 0) >> 20, sold.mib_per_s),
    ):
        if asked and not offered:
            return f"EC2 sells no {what} of a {wanted.kind} volume ({written}): leave it out, or choose gp3, which has both"
        if asked and asked not in offered:
            range_ = f"{offered[0]} to {offered[-1]} {what}"
            return f"a {wanted.kind} volume has {range_}, and not {asked} ({written}): write a number between these"
    return _out_of_proportion(written, wanted.kind, sold, (size_gib, iops, (wanted.bytes_per_s or 0) >> 20))


def _out_of_proportion(written: str, kind: str, sold: _Sold, asked: tuple[int, int, int]) -> str:
    """Why a volume of this size, with these IOPS and MiB/s (0 where they are not said), is refused, or empty."""
    size_gib, iops, mib_per_s = asked
    if iops and iops > (most := max(sold.iops_per_gib * size_gib, sold.iops[0])):
        what = f"a {kind} volume of {size_gib} GiB has at most {most} IOPS, and not {iops} ({written})"
        return f"{what}: ask for fewer, or for a larger volume"
    if mib_per_s and mib_per_s > (most := (iops or sold.iops[0]) // _IOPS_PER_MIB_PER_S):
        what = f"a {kind} volume with {iops or sold.iops[0]} IOPS has at most {most} MiB/s, and not {mib_per_s} ({written})"
        return f"{what}: ask for more IOPS, or for fewer MiB/s"
    return ""


def _spot() -> ec2.InstanceInstanceMarketOptionsArgs:
    from pulumi_aws import ec2  # noqa: PLC0415 - only a deployment needs it: planning must not wait for it

    return ec2.InstanceInstanceMarketOptionsArgs(
        market_type="spot",
        spot_options=ec2.InstanceInstanceMarketOptionsSpotOptionsArgs(
            spot_instance_type="one-time", instance_interruption_behavior="terminate"
        ),
    )


_ATTEMPTS = 8
"""With botocore's standard mode and its back-off: a minute and a half of throttling."""

_PATIENCE_S, _POLL_S = 600.0, 3.0
"""How long something may still be in use by what was just removed: a large VM takes minutes to end."""

_PAGE = 200
"""The most that a filter by id takes, and a page that no API refuses."""

_IMAGES: Mapping[str, tuple[str, str]] = {
    "debian-12": ("136693071363", "debian-12-amd64-*"),
    "debian-11": ("136693071363", "debian-11-amd64-*"),
    "debian-13": ("136693071363", "debian-13-amd64-*"),
    "ubuntu-18.04": ("099720109477", "ubuntu/images/hvm-ssd/ubuntu-bionic-18.04-amd64-server-*"),
    "ubuntu-20.04": ("099720109477", "ubuntu/images/hvm-ssd/ubuntu-focal-20.04-amd64-server-*"),
    "ubuntu-22.04": ("099720109477", "ubuntu/images/hvm-ssd/ubuntu-jammy-22.04-amd64-server-*"),
    "ubuntu-24.04": ("099720109477", "ubuntu/images/hvm-ssd-gp3/ubuntu-noble-24.04-amd64-server-*"),
    "ubuntu-26.04": ("099720109477", "ubuntu/images/hvm-ssd-gp3/ubuntu-resolute-26.04-amd64-server-*"),
    "rocky-8": ("792107900819", "Rocky-8-EC2-Base-8.*x86_64*"),
    "rocky-9": ("792107900819", "Rocky-9-EC2-Base-9.*x86_64*"),
    "rocky-10": ("792107900819", "Rocky-10-EC2-Base-10.*x86_64*"),
    "alma-8": ("764336703387", "AlmaLinux OS 8.*x86_64*"),
    "alma-9": ("764336703387", "AlmaLinux OS 9.*x86_64*"),
    "alma-10": ("764336703387", "AlmaLinux OS 10.*x86_64*"),
    "rhel-7": ("309956199498", "RHEL-7.*_HVM-*-x86_64-*-Hourly2-GP*"),
    "rhel-8": ("309956199498", "RHEL-8.*_HVM-*-x86_64-*-Hourly2-GP*"),
    "rhel-9": ("309956199498", "RHEL-9.*_HVM-*-x86_64-*-Hourly2-GP*"),
    "rhel-10": ("309956199498", "RHEL-10.*_HVM-*-x86_64-*-Hourly2-GP*"),
    "centos-7": ("125523088429", "CentOS 7.*x86_64*"),
    "centos-stream-9": ("125523088429", "CentOS Stream 9*x86_64*"),
    "centos-stream-10": ("125523088429", "CentOS Stream 10*x86_64*"),
    "amazon-linux-2": ("137112412989", "amzn2-ami-kernel-5.10-hvm-2.0.*-x86_64-gp2"),
    "amazon-linux-2023": ("137112412989", "al2023-ami-2023.*-kernel-6.1-x86_64"),
    "fedora": ("125523088429", "Fedora-Cloud-Base-AmazonEC2.x86_64-43-*"),
}
"""Owner and pattern of the name; the publishers' own accounts. openSUSE comes through the marketplace alone: it has no line."""

_KINDS: Mapping[str, str] = {
    "i": "vm",
    "vol": "disk",
    "sg": "firewall",
    "pg": "placement group",
    "subnet": "subnet",
    "rtb": "route table",
    "igw": "gateway",
    "vpc": "network",
    "key": "key",
}
"""What people call it, by how its id begins. In the order in which removing one after another works."""

_DELETES: Mapping[str, tuple[str, str]] = {
    "vol": ("delete_volume", "VolumeId"),
    "sg": ("delete_security_group", "GroupId"),
    "subnet": ("delete_subnet", "SubnetId"),
    "rtb": ("delete_route_table", "RouteTableId"),
    "igw": ("delete_internet_gateway", "InternetGatewayId"),
    "vpc": ("delete_vpc", "VpcId"),
    "key": ("delete_key_pair", "KeyPairId"),
}

_GONE = r".*\.(NotFound|Unknown)"
_STILL_IN_USE = r"DependencyViolation|VolumeInUse|InvalidPlacementGroup\.InUse|InvalidGroup\.InUse|IncorrectState"

_CURES: tuple[tuple[str, str], ...] = (
    (
        r"Expired\w*|RequestExpired|\w*SSO\w*|TokenRetrievalError|UnauthorizedSSOTokenError",
        "log in again (aws sso login, or a new key), then repeat the command",
    ),
    (
        r"AuthFailure",
        "is it a region of AWS that the account has switched on? Else the key is wrong: see with cowbench doctor --cloud aws",
    ),
    (
        r"NoCredentials\w*|PartialCredentials\w*|ProfileNotFound|InvalidClientTokenId|SignatureDoesNotMatch",
        "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; then cowbench doctor --cloud aws",
    ),
    (
        r"UnauthorizedOperation|AccessDenied\w*|OptInRequired|Blocked",
        "let an administrator of the account attach docs/clouds/aws-policy.json to your user or role",
    ),
    (r"RequestLimitExceeded|Throttling\w*|TooManyRequests\w*|ServiceUnavailable|Unavailable", "wait a minute, then repeat it"),
    (
        r"\w*(Connection|Connect|Timeout|EndpointURL|InvalidRegion|SSL|HTTPClient)\w*",
        "is it a region of AWS, and is the network up? A proxy goes into HTTPS_PROXY",
    ),
)


def _missing_credentials() -> tuple[str, ...]:
    import botocore.session  # noqa: PLC0415 - a tenth of a second, and planning must not wait for it
    from botocore.exceptions import BotoCoreError  # noqa: PLC0415 - as above

    if os.environ.keys() & {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"}:
        return ()
    session = botocore.session.Session()
    try:
        chain = session.get_component("credential_provider")
        # Both ask the network, and for seconds where nobody answers. Who means them writes a profile with a credential_source.
        chain.remove("iam-role")
        chain.remove("container-role")
        if session.get_credentials() is not None:
            return ()
    except BotoCoreError as error:
        return (f"the AWS credentials cannot be read ({error}): mend or unset AWS_PROFILE and its part of ~/.aws/config",)
    return ("no AWS credentials: set AWS_PROFILE (aws configure, aws sso login), or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",)


def _image_id(region: str, name: str) -> str:
    owner, pattern = _IMAGES[name]
    filters = {"name": pattern, "state": "available", "architecture": "x86_64", "root-device-type": "ebs"}
    with _answering(f"look for the image {name}", region):
        found = _pages(region, "describe_images", "Images", filters, Owners=[owner], IncludeDeprecated=True)
    if not found:
        raise DeployError(
            f"AWS has no image {name} there: account {owner} shows none named {pattern}",
            where=f"cloud aws, region {region}",
            next_step="choose another machine_image or region; cowbench plan shows what each gives",
        )
    now = datetime.now(UTC).isoformat()
    # Two years after its making an image is deprecated: still there, and of an old distribution there is no other.
    newest = max(found, key=lambda image: (image.get("DeprecationTime", "9") > now, image["CreationDate"]))
    return str(newest["ImageId"])


def _zones(region: str) -> tuple[str, ...]:
    with _answering("list the zones", region):
        filters = [
            {"Name": "state", "Values": ["available"]},
            {"Name": "zone-type", "Values": ["availability-zone"]},
        ]
        answer = _api(region).describe_availability_zones(Filters=filters)
    return tuple(sorted(zone["ZoneName"] for zone in answer["AvailabilityZones"]))


def _instance_types(region: str) -> tuple[str, ...]:
    with _answering("list the types of VM", region):
        found = _pages(
            region, "describe_instance_type_offerings", "InstanceTypeOfferings", {"location": region}, LocationType="region"
        )
    return tuple(sorted(str(each["InstanceType"]) for each in found))


def _belongings(regions: tuple[str, ...]) -> tuple[Belonging, ...]:
    found = [each for region in regions or _regions() for each in _belongings_in(region)]
    order = tuple(_KINDS.values())
    return tuple(sorted(found, key=lambda each: (order.index(each.kind), each.region, each.run, each.id)))


def _regions() -> tuple[str, ...]:
    """Those that the account has switched on."""
    with _answering("list the regions", _REGIONS[0]):
        answer = _api(_REGIONS[0]).describe_regions()
    return tuple(sorted(region["RegionName"] for region in answer["Regions"]))


def _belongings_in(region: str) -> list[Belonging]:
    with _answering("list what carries our labels", region):
        ours = [id_ for id_, _, _ in _tags(region, {"key": labels.RUN}) if _prefix(id_) in _KINDS]
        tags: dict[str, dict[str, str]] = {id_: {} for id_ in ours}
        for start in range(0, len(ours), _PAGE):
            for id_, key, value in _tags(region, {"resource-id": ours[start : start + _PAGE]}):
                tags[id_][key] = value
        ended = _ended_vms(region) if any(id_.startswith("i-") for id_ in ours) else set()
    return [_belonging(region, id_, carried) for id_, carried in tags.items() if id_ not in ended]


def _ended_vms(region: str) -> set[str]:
    """A VM that has ended is shown for another hour, labels and all."""
    filters = {"tag-key": labels.RUN, "instance-state-name": "terminated"}
    shown = _pages(region, "describe_instances", "Reservations", filters)
    return {vm["InstanceId"] for reservation in shown for vm in reservation["Instances"]}


def _belonging(region: str, id_: str, tags: Mapping[str, str]) -> Belonging:
    return Belonging(
        cloud="aws",
        region=region,
        kind=_KINDS[_prefix(id_)],
        id=id_,
        name=tags.get("Name", ""),
        **labels.told(tags),
    )


def _remove(belonging: Belonging) -> None:
    from botocore.exceptions import ClientError  # noqa: PLC0415 - a tenth of a second, and planning must not wait for it

    deadline = time.monotonic() + _PATIENCE_S
    with _answering(f"remove the {belonging.kind} {belonging.id}", belonging.region):
        api = _api(belonging.region)
        while time.monotonic() < deadline:
            try:
                if _gone(api, belonging.id):
                    return
            except ClientError as error:
                code = error.response["Error"]["Code"]
                if re.fullmatch(_GONE, code):
                    return
                if not re.fullmatch(_STILL_IN_USE, code):
                    raise
            time.sleep(_POLL_S)
    raise DeployError(
        f"the {belonging.kind} {belonging.id} was still in use after {_PATIENCE_S:.0f} s",
        where=f"cloud aws, region {belonging.region}",
        next_step="look in the EC2 console what uses it (network interfaces, peerings), remove that, then cowbench sweep again",
    )


def _gone(api: Any, id_: str) -> bool:  # noqa: ANN401 - botocore makes its clients' classes while it runs
    """Ask for the end of it; whether that has come."""
    match _prefix(id_):
        case "i":
            # It may be asked for again, and then the answer tells how far it is.
            answer = api.terminate_instances(InstanceIds=[id_])
            return bool(answer["TerminatingInstances"][0]["CurrentState"]["Name"] == "terminated")
        case "pg":
            for group in api.describe_placement_groups(GroupIds=[id_])["PlacementGroups"]:
                api.delete_placement_group(GroupName=group["GroupName"])
            return True
        case "igw":
            for gateway in api.describe_internet_gateways(InternetGatewayIds=[id_])["InternetGateways"]:
                for attachment in gateway["Attachments"]:
                    api.detach_internet_gateway(InternetGatewayId=id_, VpcId=attachment["VpcId"])
    operation, parameter = _DELETES[_prefix(id_)]
    getattr(api, operation)(**{parameter: id_})
    return True


def _prefix(id_: str) -> str:
    return id_.partition("-")[0]


def _tags(region: str, filters: Mapping[str, str | list[str]]) -> list[tuple[str, str, str]]:
    """One call for every type of resource: id, key and value of each tag."""
    return [(tag["ResourceId"], tag["Key"], tag["Value"]) for tag in _pages(region, "describe_tags", "Tags", filters)]


def _pages(
    region: str, operation: str, part: str, filters: Mapping[str, str | list[str]], **more: object
) -> list[dict[str, Any]]:
    written = [{"Name": name, "Values": [value] if isinstance(value, str) else value} for name, value in filters.items()]
    pages = _api(region).get_paginator(operation).paginate(Filters=written, PaginationConfig={"PageSize": _PAGE}, **more)
    return [each for page in pages for each in page[part]]


def _api(region: str) -> Any:  # noqa: ANN401 - botocore makes its clients' classes while it runs
    import botocore.session  # noqa: PLC0415 - a tenth of a second, and planning must not wait for it
    from botocore.config import Config  # noqa: PLC0415 - as above

    # A new session finds credentials that were renewed meanwhile.
    session = botocore.session.Session()
    session.register_component("data_loader", _descriptions())
    retries = {"mode": "standard", "total_max_attempts": _ATTEMPTS}
    config = Config(retries=retries, connect_timeout=10, read_timeout=60)
    return session.create_client("ec2", region_name=region, config=config)


@functools.cache
def _descriptions() -> Any:  # noqa: ANN401 - botocore has no types
    """What botocore knows of EC2: a third of a second to read, and each client would read it anew."""
    import botocore.loaders  # noqa: PLC0415 - as above

    return botocore.loaders.create_loader()


@contextmanager
def _answering(doing: str, region: str) -> Iterator[None]:
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - as above

    try:
        yield
    except (BotoCoreError, ClientError) as error:
        code = error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
        cure = next(
            (cure for pattern, cure in _CURES if re.fullmatch(pattern, code)), "look the code up in the EC2 API reference"
        )
        raise DeployError(
            f"could not {doing}: {str(error)[:300]}", where=f"cloud aws, region {region}", next_step=cure
        ) from error


def _labelled(inputs: Mapping[str, Any]) -> Meaning:
    return Meaning(labels=inputs.get("tags") or {})


def _inward(inputs: Mapping[str, Any]) -> Meaning:
    return Meaning(
        labels=inputs.get("tags") or {}, opens=(_opening(inputs, str(inputs.get("cidrIpv4") or inputs.get("cidrIpv6"))),)
    )


def _group(inputs: Mapping[str, Any]) -> Meaning:
    """Rules can also stand in the group itself; not with us, but policy must see them."""
    opens = tuple(
        _opening(rule, source)
        for rule in inputs.get("ingress") or ()
        for source in (*(rule.get("cidrBlocks") or ()), *(rule.get("ipv6CidrBlocks") or ()))
    )
    return Meaning(labels=inputs.get("tags") or {}, opens=opens)


def _opening(rule: Mapping[str, Any], source: str) -> Opening:
    return Opening(source=source, first_port=int(rule.get("fromPort") or 0), last_port=int(rule.get("toPort") or 65535))


def _instance(inputs: Mapping[str, Any]) -> Meaning:
    tags, disk_tags = inputs.get("tags") or {}, inputs.get("volumeTags") or {}
    disks = [inputs.get("rootBlockDevice") or {}, *(inputs.get("ebsBlockDevices") or ())]
    return Meaning(
        # A disk without them is as bad as a VM without them.
        labels={key: value for key, value in tags.items() if disk_tags.get(key) == value},
        user_data=str(inputs.get("userData") or "") + policy.unpacked(inputs.get("userDataBase64")),
        encrypted=all(each.get("encrypted") is True for each in disks),
        deleted_with_vm=all(each.get("deleteOnTermination") is not False for each in disks),
        metadata_needs_token=(inputs.get("metadataOptions") or {}).get("httpTokens") == "required",
    )


def _bucket(inputs: Mapping[str, Any]) -> Meaning:
    """None is made here, but a program that grows one, or a policy pack's user, is to hear of it."""
    return Meaning(labels=inputs.get("tags") or {}, public_bucket=str(inputs.get("acl") or "").startswith("public"))


_MEANINGS: Mapping[str, Callable[[Mapping[str, Any]], Meaning]] = {
    "aws:ec2/vpc:Vpc": _labelled,
    "aws:ec2/subnet:Subnet": _labelled,
    "aws:ec2/internetGateway:InternetGateway": _labelled,
    "aws:ec2/routeTable:RouteTable": _labelled,
    "aws:ec2/routeTableAssociation:RouteTableAssociation": lambda _inputs: Meaning(),
    "aws:ec2/securityGroup:SecurityGroup": _group,
    "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule": _inward,
    "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule": _labelled,
    "aws:ec2/keyPair:KeyPair": _labelled,
    "aws:ec2/placementGroup:PlacementGroup": _labelled,
    "aws:ec2/instance:Instance": _instance,
    "aws:s3/bucket:Bucket": _bucket,
}

_FAILURES: Mapping[str, tuple[str, ...]] = {
    "throttled": (r"RequestLimitExceeded", r"\bThrottling", r"TooManyRequests", r"SlowDown"),
    "capacity": (
        r"Insufficient\w*Capacity",
        r"UnfulfillableCapacity",
        r"SpotMaxPriceTooLow",
        r"Unsupported: .*not supported in your requested Availability Zone",
        r"VolumeTypeNotAvailableInZone",
    ),
    "quota": (r"\b(?!Request)\w+LimitExceeded", r"MaxSpotInstanceCountExceeded", r"PendingVerification"),
    "credentials_expired": (r"ExpiredToken", r"RequestExpired", r"token .*(has )?expired", r"SSO session .*expired"),
    "not_found_yet": (r"Invalid\w+\.NotFound", r"InvalidPlacementGroup\.Unknown"),
    "internal": (r"InternalError", r"InternalFailure", r"\bServiceUnavailable", r"\bUnavailable:"),
}
"""Codes of the EC2 API reference ("Error codes") and of STS, as Pulumi's AWS plugin passes them on."""

_REGIONS = ("eu-central-1", "eu-west-1", "us-east-1", "us-west-2")

CLOUD = rented.cloud(
    name="aws",
    extra="aws",
    sdk="pulumi_aws",
    regions=_REGIONS,
    instance_type="m7i.large",
    # io2 has no IOPS of its own. As many as gp3 has for nothing: a matrix that names none compares like with like.
    disks=("gp3-100GiB", "io2-100GiB+3000iops", "gp2-100GiB", "st1-500GiB", "nvme-60GiB"),
    whole_disks=True,
    sells_spot=True,
    ends_vms=True,
    credentials=_missing_credentials,
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
        meanings=_MEANINGS,
        failures=_FAILURES,
        images=tuple(_IMAGES),
    ),
)

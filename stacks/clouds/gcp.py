"""Google Cloud: Compute Engine VMs in a zone. Each is made of a template of its own: only so do its disks go with it."""

from __future__ import annotations

import contextlib
import os
import re
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import DeployError
from stacks import disk, drivers, labels, rented
from stacks.cloud import Access, Account, Belonging, HostRequest, SiteRequest
from stacks.policy import Meaning, Opening

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import pulumi
    import pulumi_gcp
    from pulumi_gcp import compute

_PROJECT_VARIABLES = ("GOOGLE_PROJECT", "GOOGLE_CLOUD_PROJECT", "GCLOUD_PROJECT", "CLOUDSDK_CORE_PROJECT")
"""In the order in which Pulumi's plugin reads them."""

_API_PATH = "/compute/v1/"
_SUBNET_RANGE = "10.78.0.0/20"
_NETWORK_TAG = "cowbench"
_REGION_MARK = "cowbench-region"
_GIB, _MIB = 1 << 30, 1 << 20

_BOOT_GIB = 20
"""What the largest of the images need (https://docs.cloud.google.com/compute/docs/images/os-details)."""

_LOCAL_SSD_GIB = 375
_NO_PERSISTENT_DISK = frozenset({"c4", "c4a", "c4d", "h4d", "n4", "n4a", "n4d"})
"""Machine series that take Hyperdisk alone, also to boot from (https://docs.cloud.google.com/compute/docs/disks/hyperdisks)."""

_NO_HYPERDISK = frozenset({"c2", "c2d", "e2", "n1", "n2", "n2d", "t2d"})
_LOCAL_SSD = frozenset({"c2", "c2d", "n1", "n2", "n2d"})
"""Machine series that local SSDs can be added to (https://docs.cloud.google.com/compute/docs/disks/local-ssd)."""

_MOST_CPUS = {"n2": (10, 20), "n2d": (16, 48), "c2": (8, 16), "c2d": (16, 32)}
"""By series, up to how many CPUs a VM may have one local SSD, and two (same page)."""

_FEWEST_GIB = {"pd": 10, "hyperdisk": 4}
_ARM = frozenset({"a4x", "c4a", "n4a", "t2a"})

_FORMS = {
    "region": r"[a-z]+-(north|south|east|west|central|northeast|southeast|northwest|southwest)\d+",
    # None has an odd number of CPUs but one. Custom types are in no list of what a zone has, and in no list of prices.
    "instance_type": r"[a-z]\d+[a-z]*-(micro|small|medium|(?!custom)[a-z]+-(1|\d*[02468])g?(-[a-z]+)*)",
}

_COMPACT = frozenset({"c2", "c2d", "c3", "c3d", "c4", "c4d", "h3", "h4d", "n2", "n2d"})
"""Machine series that can be placed close together (https://docs.cloud.google.com/compute/docs/instances/placement-policies-overview)."""

_RUN_LIMITS_S = (30, 120 * 24 * 3600)
"""Of a VM's run time (https://docs.cloud.google.com/compute/docs/instances/limit-vm-runtime)."""

_BEFORE_ITS_OWN_END_S = 60
"""A VM that powers itself off first is only stopped, and its disks are paid for: the cloud must be the faster one."""

_FAMILIES = {
    "debian-12": ("debian-cloud", "debian-12"),
    "debian-13": ("debian-cloud", "debian-13"),
    "debian-11": ("debian-cloud", "debian-11"),
    "ubuntu-22.04": ("ubuntu-os-cloud", "ubuntu-2204-lts"),
    "ubuntu-24.04": ("ubuntu-os-cloud", "ubuntu-2404-lts-amd64"),
    "ubuntu-26.04": ("ubuntu-os-cloud", "ubuntu-2604-lts-amd64"),
    "rocky-8": ("rocky-linux-cloud", "rocky-linux-8"),
    "rocky-9": ("rocky-linux-cloud", "rocky-linux-9"),
    "rocky-10": ("rocky-linux-cloud", "rocky-linux-10"),
    "alma-8": ("almalinux-cloud", "almalinux-8"),
    "alma-9": ("almalinux-cloud", "almalinux-9"),
    "alma-10": ("almalinux-cloud", "almalinux-10"),
    "rhel-8": ("rhel-cloud", "rhel-8"),
    "rhel-9": ("rhel-cloud", "rhel-9"),
    "rhel-10": ("rhel-cloud", "rhel-10"),
    "centos-stream-10": ("centos-cloud", "centos-stream-10"),
    "sles-15": ("suse-cloud", "sles-15"),
    "opensuse-leap": ("opensuse-cloud", "opensuse-leap"),
}
"""Project and family, as Google's ops-agent tests them (August 2026); a family stands for its newest image."""

_KINDS = {
    "vm": ("instances", "instance"),
    "template": ("instance_templates", "instance_template"),
    "disk": ("disks", "disk"),
    "placement": ("resource_policies", "resource_policy"),
    "firewall": ("firewalls", "firewall"),
    "subnet": ("subnetworks", "subnetwork"),
    "network": ("networks", "network"),
}
"""What can be ours, in the order in which it can be removed, and what the client library calls many and one of it."""

_PASSING_CODES = frozenset({429, 500, 502, 503, 504})
_PASSING_REASONS = frozenset(
    {"rateLimitExceeded", "userRateLimitExceeded", "resourceNotReady", "resourceInUseByAnotherResource", "backendError"}
)
"""An answer of this kind may be another one soon: also `in use`, by something whose end is under way."""

_PATIENCE_S = 90.0
_ANSWER_LIMIT_S = 150.0
"""Waiting for an operation is answered after two minutes at most."""

_OPERATION_LIMIT_S = 300.0

_STARTUP_SCRIPT = """\
#!/bin/sh
# Run by Google's guest agent at every boot. Of its images only Ubuntu's bring cloud-init, and most let nobody log in as root.
ssh_server() { systemctl "$1" ssh.service 2>/dev/null || systemctl "$1" sshd.service; }
bring_cloud_init() {
    if command -v apt-get >/dev/null; then
        apt-get -q update
        DEBIAN_FRONTEND=noninteractive apt-get -qy -o DPkg::Lock::Timeout=120 install cloud-init
    elif command -v zypper >/dev/null; then
        zypper -n install cloud-init
    else
        yum -qy install cloud-init
    fi
}
fresh=
if command -v cloud-init >/dev/null; then
    # The guest agent may have made another host key since cloud-init proved the first.
    cloud-init single --name bootcmd --frequency always
else
    fresh=yes
    # Nobody gets in before the host has the key that its user-data makes.
    ssh_server stop
    mkdir -p /etc/cloud/cloud.cfg.d
    # The network is the guest agent's.
    printf 'datasource_list: [GCE]\\nnetwork: {config: disabled}\\n' >/etc/cloud/cloud.cfg.d/99-cowbench.cfg
    n=0
    until bring_cloud_init; do n=$((n + 1)); [ "$n" -lt 6 ] || break; sleep 10; done
    # Without its local stage, which would set up the network that is in use.
    cloud-init init
    cloud-init modules --mode=config
fi
for file in /etc/ssh/sshd_config /etc/ssh/sshd_config.d/*.conf; do
    [ ! -f "$file" ] || sed -i 's/^[[:space:]]*PermitRootLogin[[:space:]].*/PermitRootLogin prohibit-password/' "$file"
done
ssh_server restart
[ -z "$fresh" ] || cloud-init modules --mode=final
"""


@dataclass(frozen=True, kw_only=True)
class _Site:
    """`placements` are by machine series, made when the first host of one is: VMs of two series are not placed together."""

    request: SiteRequest
    provider: pulumi_gcp.Provider
    subnet: compute.Subnetwork
    firewalls: tuple[compute.Firewall, ...]
    placements: dict[str, compute.ResourcePolicy] = field(default_factory=dict)


def _site(request: SiteRequest, _access: Access | None) -> _Site:
    import pulumi  # noqa: PLC0415 - only a deployment needs it: planning must not wait for it
    import pulumi_gcp as gcp  # noqa: PLC0415 - same

    place = request.zone or request.region
    told = _told(request.labels, request.region)
    # Credentials and endpoint are read by the plugin itself, so neither is in Pulumi's state.
    provider = gcp.Provider(
        f"{place}-gcp",
        project=_project() or None,
        region=request.region,
        zone=request.zone or None,
        add_pulumi_attribution_label=False,
    )
    options = pulumi.ResourceOptions(provider=provider)
    network = gcp.compute.Network(f"{place}-network", auto_create_subnetworks=False, description=told, opts=options)
    subnet = gcp.compute.Subnetwork(
        f"{place}-subnet",
        network=network.self_link,
        region=request.region,
        ip_cidr_range=_SUBNET_RANGE,
        description=told,
        opts=options,
    )
    # Outgoing traffic needs no rule: a network lets it out unless one forbids it.
    firewalls = tuple(
        gcp.compute.Firewall(
            f"{place}-{name}",
            network=network.self_link,
            direction="INGRESS",
            source_ranges=[source],
            target_tags=[_NETWORK_TAG],
            allows=[gcp.compute.FirewallAllowArgs(protocol="tcp", ports=[str(port) for port in ports])],
            description=told,
            opts=options,
        )
        for name, source, ports in _doors(request)
        if ports
    )
    return _Site(request=request, provider=provider, subnet=subnet, firewalls=firewalls)


def _doors(request: SiteRequest) -> tuple[tuple[str, str, tuple[int, ...]], ...]:
    """Name, source and ports of each firewall."""
    source = request.operator if request.open_to == "operator" else _SUBNET_RANGE
    return ("ssh", request.operator, (22,)), ("servers", source, request.server_ports)


def _vm(request: HostRequest, site: _Site, user_data: pulumi.Output[str]) -> rented.RentedVm:
    import pulumi  # noqa: PLC0415 - as in `_site`
    from pulumi_gcp import compute  # noqa: PLC0415 - same

    options = pulumi.ResourceOptions(provider=site.provider)
    marks = dict(request.labels)
    template = compute.InstanceTemplate(
        f"{request.name}-template",
        description=_told(request.labels, request.region),
        machine_type=request.instance_type,
        disks=_disks(request),
        network_interfaces=[
            compute.InstanceTemplateNetworkInterfaceArgs(
                subnetwork=site.subnet.self_link,
                access_configs=[compute.InstanceTemplateNetworkInterfaceAccessConfigArgs(network_tier="PREMIUM")],
            )
        ],
        metadata={
            "user-data": user_data,
            "startup-script": _STARTUP_SCRIPT,
            # Keys and logins of the project have no business here.
            "block-project-ssh-keys": "TRUE",
            "enable-oslogin": "FALSE",
        },
        scheduling=_scheduling(request),
        labels=marks,
        tags=[_NETWORK_TAG],
        opts=options,
    )
    placement = _placement(request, site)
    instance = compute.InstanceFromTemplate(
        request.name,
        zone=request.zone or None,
        source_instance_template=template.self_link_unique,
        # Said again: a template's are replaced by whatever labels the plugin adds.
        labels=marks,
        resource_policies=placement.self_link if placement else None,
        opts=options,
    )
    return rented.RentedVm(
        resource=instance,
        id=instance.id,
        public_address=instance.network_interfaces.apply(_public_address),
        private_address=instance.network_interfaces.apply(_private_address),
        after=site.firewalls,
    )


def _public_address(interfaces: Sequence[compute.outputs.InstanceFromTemplateNetworkInterface] | None) -> str:
    configs = interfaces[0].access_configs if interfaces else None
    return (configs[0].nat_ip or "") if configs else ""


def _private_address(interfaces: Sequence[compute.outputs.InstanceFromTemplateNetworkInterface] | None) -> str:
    return (interfaces[0].network_ip or "") if interfaces else ""


def _disks(request: HostRequest) -> list[compute.InstanceTemplateDiskArgs]:
    from pulumi_gcp import compute  # noqa: PLC0415 - as in `_site`

    wanted, marks = disk.read(request.disk), dict(request.labels)
    boot = compute.InstanceTemplateDiskArgs(
        boot=True,
        auto_delete=True,
        source_image=request.image_id,
        disk_type="hyperdisk-balanced" if _series(request) in _NO_PERSISTENT_DISK else "pd-balanced",
        disk_size_gb=_BOOT_GIB,
        labels=marks,
    )
    if wanted.kind == "nvme":
        # Goes with its VM whatever is said, and takes no labels.
        data = compute.InstanceTemplateDiskArgs(
            type="SCRATCH", disk_type="local-ssd", interface="NVME", disk_size_gb=_LOCAL_SSD_GIB, auto_delete=True
        )
    else:
        data = compute.InstanceTemplateDiskArgs(
            type="PERSISTENT",
            auto_delete=True,
            disk_type=wanted.kind,
            disk_size_gb=wanted.size_bytes // _GIB,
            provisioned_iops=wanted.iops,
            provisioned_throughput=None if wanted.bytes_per_s is None else wanted.bytes_per_s // _MIB,
            labels=marks,
        )
    return [boot, data, data] if drivers.load(request.driver).wants_whole_disk else [boot, data]


def _unfit(request: HostRequest) -> str:
    """Why there is no such VM, and after a colon the cure, or empty."""
    wanted, series = disk.read(request.disk), _series(request)
    if series in _ARM:
        return f"{request.instance_type} is for ARM, and all images here are for x86: choose one such as n2-standard-2"
    problem = _unsold(wanted) or _misfit(wanted, series) or _miscounted(request, wanted)
    cure = (
        "write a disk such as pd-balanced-100GiB, hyperdisk-balanced-100GiB+6000iops or nvme-375GiB, "
        "or another instance_type (docs/clouds/gcp.md)"
    )
    return f"Google Cloud {problem} ({request.disk}, {request.instance_type}): {cure}" if problem else ""


def _unsold(wanted: disk.Disk) -> str:
    """Why there is no such disk for any VM, or empty."""
    size_gib, rest = divmod(wanted.size_bytes, _GIB)
    hyperdisk, local = wanted.kind.startswith("hyperdisk-"), wanted.kind == "nvme"
    if rest:
        return "makes disks of whole GiB"
    if local and size_gib != _LOCAL_SSD_GIB:
        return f"makes local SSDs of {_LOCAL_SSD_GIB}GiB each"
    if (wanted.iops or wanted.bytes_per_s) and not hyperdisk:
        return f"sells no speed of {wanted.kind}, it comes with the size"
    fewest = _FEWEST_GIB["hyperdisk" if hyperdisk else "pd"]
    return f"makes no {wanted.kind} below {fewest}GiB" if size_gib < fewest else ""


def _miscounted(request: HostRequest, wanted: disk.Disk) -> str:
    """Why so many local SSDs cannot be added to a VM of this type, or empty: large ones take them by twos, fours, eights."""
    if request.instance_type.endswith("-lssd") and wanted.kind != "nvme":
        return f"gives VMs of this type local SSDs beside the {wanted.kind}, and they could be taken for it"
    found = re.match(r"(?:[a-z]+-)+(\d+)", request.instance_type.partition("-")[2])
    if wanted.kind != "nvme" or found is None:
        return ""
    most_cpus = _MOST_CPUS.get(_series(request), ())[drivers.load(request.driver).wants_whole_disk :]
    return "adds more local SSDs than are wanted to a VM of so many CPUs" if most_cpus and int(found[1]) > most_cpus[0] else ""


def _misfit(wanted: disk.Disk, series: str) -> str:
    """Why there is no such disk for VMs of the series, or empty."""
    hyperdisk, local = wanted.kind.startswith("hyperdisk-"), wanted.kind == "nvme"
    unfit = series not in _LOCAL_SSD if local else series in (_NO_HYPERDISK if hyperdisk else _NO_PERSISTENT_DISK)
    return f"has no {wanted.kind} for {series.upper()}" if unfit else ""


def _scheduling(request: HostRequest) -> compute.InstanceTemplateSchedulingArgs:
    from pulumi_gcp import compute  # noqa: PLC0415 - as in `_site`

    shortest, longest = _RUN_LIMITS_S
    ends = request.spot or request.lifetime_s
    seconds = min(max(request.lifetime_s - _BEFORE_ITS_OWN_END_S, shortest), longest)
    return compute.InstanceTemplateSchedulingArgs(
        provisioning_model="SPOT" if request.spot else "STANDARD",
        preemptible=request.spot,
        # One that comes back by itself in the middle of a trial would be measured as if nothing had been.
        automatic_restart=False,
        on_host_maintenance="TERMINATE" if request.spot else "MIGRATE",
        instance_termination_action="DELETE" if ends else None,
        max_run_duration=(compute.InstanceTemplateSchedulingMaxRunDurationArgs(seconds=seconds) if request.lifetime_s else None),
    )


def _placement(request: HostRequest, site: _Site) -> compute.ResourcePolicy | None:
    """What keeps the VMs of a series close together, best effort; None where the series cannot be, or nothing is to be near."""
    import pulumi  # noqa: PLC0415 - as in `_site`
    from pulumi_gcp import compute  # noqa: PLC0415 - same

    series = _series(request)
    if series not in _COMPACT or site.request.hosts == 1:
        return None
    if series not in site.placements:
        site.placements[series] = compute.ResourcePolicy(
            f"{site.request.zone or site.request.region}-{series}-together",
            region=request.region,
            group_placement_policy=compute.ResourcePolicyGroupPlacementPolicyArgs(collocation="COLLOCATED"),
            description=_told(request.labels, request.region),
            opts=pulumi.ResourceOptions(provider=site.provider),
        )
    return site.placements[series]


def _series(request: HostRequest) -> str:
    return request.instance_type.partition("-")[0]


def _told(marks: Mapping[str, str], region: str) -> str:
    """Labels as a description, for what takes no labels here: networks, firewalls, policies, templates."""
    return " ".join(f"{name}={value}" for name, value in {**marks, _REGION_MARK: region}.items())


def _heard(description: object) -> dict[str, str]:
    words = description.split() if isinstance(description, str) else []
    return {name: value for name, found, value in (word.partition("=") for word in words) if found}


def _project() -> str:
    return next((value for name in _PROJECT_VARIABLES if (value := os.environ.get(name))), "")


def _credentials() -> tuple[str, ...]:
    found = []
    if not _project():
        found.append("no project is named: export GOOGLE_CLOUD_PROJECT=your-project-id")
    file = os.environ.get("GOOGLE_APPLICATION_CREDENTIALS", "")
    if file and not Path(file).is_file():
        found.append("GOOGLE_APPLICATION_CREDENTIALS names no file: correct it, or unset it to use gcloud's")
    if not file and not os.environ.get("GOOGLE_OAUTH_ACCESS_TOKEN") and not _gcloud_file().is_file() and not _on_google():
        found.append(
            "no credentials: run gcloud auth application-default login, or export GOOGLE_APPLICATION_CREDENTIALS=key.json"
        )
    return tuple(found)


def _gcloud_file() -> Path:
    directory = os.environ.get("CLOUDSDK_CONFIG") or Path.home() / ".config/gcloud"
    return Path(directory) / "application_default_credentials.json"


def _on_google() -> bool:
    """Whether this machine is a VM of Google's, whose metadata server hands out credentials."""
    with contextlib.suppress(OSError):
        return Path("/sys/class/dmi/id/product_name").read_text().startswith("Google")
    return False


def _client(collection: str) -> Any:  # noqa: ANN401 - a client class of its own for every collection, all alike
    from google.cloud import compute_v1  # noqa: PLC0415 - takes seconds: only a look-up may wait for it
    from google.oauth2.credentials import Credentials  # noqa: PLC0415 - same

    if missing := _credentials():
        what, _, cure = missing[0].partition(": ")
        raise DeployError(what, where="cloud gcp", next_step=cure)
    token = os.environ.get("GOOGLE_OAUTH_ACCESS_TOKEN")
    endpoint = os.environ.get("GOOGLE_COMPUTE_CUSTOM_ENDPOINT", "").removesuffix(_API_PATH)
    name = "".join(word.title() for word in collection.split("_"))
    return getattr(compute_v1, f"{name}Client")(
        credentials=Credentials(token=token) if token else None,
        client_options={"api_endpoint": endpoint} if endpoint else None,
    )


def _patiently() -> dict[str, Any]:
    """How every question is asked: again after what may pass, a limited time."""
    from google.api_core.retry import Retry  # noqa: PLC0415 - as in `_client`

    retry = Retry(predicate=_may_pass, initial=1.0, maximum=15.0, multiplier=2.0, timeout=_PATIENCE_S)
    return {"retry": retry, "timeout": _ANSWER_LIMIT_S}


def _may_pass(error: BaseException) -> bool:
    # What requests raises for a broken connection is an OSError.
    return isinstance(error, OSError) or getattr(error, "code", 0) in _PASSING_CODES or _reason(error) in _PASSING_REASONS


def _reason(error: BaseException) -> str:
    return next((str(each.get("reason")) for each in getattr(error, "errors", ()) or ()), "")


@contextlib.contextmanager
def _asking(where: str) -> Iterator[None]:
    """What the API, the credentials or the way to it say no with becomes a DeployError."""
    from google.api_core.exceptions import GoogleAPIError, RetryError  # noqa: PLC0415 - as in `_client`
    from google.auth.exceptions import GoogleAuthError, TransportError  # noqa: PLC0415 - same

    try:
        yield
    except (GoogleAPIError, GoogleAuthError, OSError) as error:
        cause = error.cause if isinstance(error, RetryError) else error
        texts = [str(each.get("message")) for each in getattr(cause, "errors", ()) or ()]
        said = texts[0] if texts else f"{type(cause).__name__}: {cause}"
        # A token that cannot be renewed is refused as one that is not valid.
        code = 401 if isinstance(cause, GoogleAuthError) and not isinstance(cause, TransportError) else getattr(cause, "code", 0)
        raise DeployError(f"Google Cloud: {said}", where=where, next_step=_next_step(code or 0, _reason(cause))) from error


def _next_step(code: int, reason: str) -> str:
    if reason in {"accessNotConfigured", "SERVICE_DISABLED"}:
        return "gcloud services enable compute.googleapis.com, wait a minute, then run the command again"
    if reason in _PASSING_REASONS:
        return "see in the Google Cloud console what still uses it or asks so much, then run the command again"
    return _NEXT_STEPS.get(code, "is the network there? Look at https://status.cloud.google.com, then run the command again")


_NEXT_STEPS = {
    400: "see in the Google Cloud console what stands in the way, then run the command again",
    401: "renew the credentials (gcloud auth application-default login), then run the command again",
    403: "give the account the permissions of docs/clouds/gcp-role.yaml, then run the command again",
    404: "is the project (GOOGLE_CLOUD_PROJECT) the right one, and the region or image written as Google writes it?",
}


def _image_id(region: str, name: str) -> str:
    """The newest image of that name. They are the same in all regions."""
    where = f"machine image {name} in {region}"
    if name not in _FAMILIES:
        raise DeployError("Google Cloud has no such image", where=where, next_step=f"write one of {', '.join(_FAMILIES)}")
    project, family = _FAMILIES[name]
    client = _client("images")
    with _asking(where):
        image = client.get_from_family(project=project, family=family, **_patiently())
    return f"projects/{project}/global/images/{image.name}"


def _zones(region: str) -> tuple[str, ...]:
    client = _client("regions")
    with _asking(f"region {region}"):
        found = client.get(project=_project(), region=region, **_patiently())
    return tuple(sorted(zone.rpartition("/")[2] for zone in found.zones))


def _instance_types(region: str) -> tuple[str, ...]:
    """Those that a zone of the region has."""
    client, zones = _client("machine_types"), _zones(region)
    with _asking(f"machine types in {region}"):
        found = {str(each.name) for zone in zones for each in client.list(project=_project(), zone=zone, **_patiently())}
    return tuple(sorted(found))


def _belongings(regions: tuple[str, ...]) -> tuple[Belonging, ...]:
    every = [_belonging(kind, found, marks) for kind in _KINDS for found, marks in _ours(kind)]
    return tuple(each for each in every if not regions or each.region in {"", *regions})


def _ours(kind: str) -> Iterator[tuple[Any, Mapping[str, str]]]:
    """What carries our labels, or tells them in its description."""
    for found in _listed(kind):
        marks = dict(getattr(found, "labels", {})) or _heard(found.description)
        if labels.RUN in marks:
            yield found, marks


def _listed(kind: str) -> list[Any]:
    """All there are in the project. What cannot be looked through is an error, never left out: nobody would sweep it."""
    collection, _ = _KINDS[kind]
    client = _client(collection)
    with _asking(f"looking for {collection.replace('_', ' ')}"):
        # Both ask for page after page while they are read.
        if hasattr(client, "aggregated_list"):
            scopes = client.aggregated_list(project=_project(), **_patiently())
            return [each for _, scope in scopes for each in getattr(scope, collection)]
        return list(client.list(project=_project(), **_patiently()))


def _belonging(kind: str, found: Any, marks: Mapping[str, str]) -> Belonging:  # noqa: ANN401 - as in `_client`
    path = found.self_link.partition("/projects/")[2]
    place = re.search(r"/(?:zones/([a-z0-9-]+)-[a-z]|regions/([a-z0-9-]+))/", path)
    return Belonging(
        cloud="gcp",
        # Networks and what lies in none are global: their description tells whose region they serve.
        region=(place[1] or place[2]) if place else marks.get(_REGION_MARK, ""),
        kind=kind,
        id=f"projects/{path}",
        name=found.name,
        **labels.told(marks),
    )


def _remove(belonging: Belonging) -> None:
    from google.api_core.exceptions import NotFound  # noqa: PLC0415 - as in `_client`

    collection, one = _KINDS[belonging.kind]
    # projects/P/zones/Z/instances/I, projects/P/regions/R/subnetworks/S or projects/P/global/networks/N
    _, project, scope, *rest = belonging.id.split("/")
    place = {} if scope == "global" else {scope.removesuffix("s"): rest[0]}
    client = _client(collection)
    with _asking(f"{belonging.kind} {belonging.name}"), contextlib.suppress(NotFound):
        # Not `delete`, which waits by itself: it would ask Google's own endpoint, whatever this one is.
        done = client.delete_unary(project=project, **place, **{one: rest[-1]}, **_patiently())
        _wait(done, project=project, **place)


def _wait(operation: Any, **place: str) -> None:  # noqa: ANN401 - as in `_client`
    """Until the operation is done. Raises DeployError when it fails, or takes too long."""
    client = _client(f"{next((scope for scope in ('zone', 'region') if scope in place), 'global')}_operations")
    deadline = time.monotonic() + _OPERATION_LIMIT_S
    while operation.status.name != "DONE":
        if time.monotonic() > deadline:
            step = "look at its operations in the Google Cloud console, then run the command again"
            raise DeployError(f"Google Cloud: not done within {_OPERATION_LIMIT_S:.0f} s", where=operation.name, next_step=step)
        # It answers when the operation is done, or after two minutes at most.
        operation = client.wait(operation=operation.name, **place, **_patiently())
    if problems := operation.error.errors:
        step = _next_step(operation.http_error_status_code, "")
        raise DeployError(f"Google Cloud: {problems[0].message}", where=operation.name, next_step=step)


def _by_description(inputs: Mapping[str, Any]) -> Meaning:
    return Meaning(labels=_heard(inputs.get("description")))


def _of_firewall(inputs: Mapping[str, Any]) -> Meaning:
    outgoing = inputs.get("direction") == "EGRESS"
    return Meaning(labels=_heard(inputs.get("description")), opens=() if outgoing else tuple(_openings(inputs)))


def _openings(inputs: Mapping[str, Any]) -> Iterator[Opening]:
    named = inputs.get("sourceTags") or inputs.get("sourceServiceAccounts")
    # A rule without any source lets in everybody.
    for source in inputs.get("sourceRanges") or ([] if named else ["0.0.0.0/0"]):
        for allowed in inputs.get("allows") or ():
            for ports in allowed.get("ports") or ["0-65535"]:
                first, _, last = str(ports).partition("-")
                yield Opening(source=source, first_port=int(first), last_port=int(last or first))


def _of_template(inputs: Mapping[str, Any]) -> Meaning:
    texts = (inputs.get("metadata") or {}).values()
    # Google encrypts every disk and its metadata server answers only with a header of its own: there is no switch to judge.
    return Meaning(
        labels={**_heard(inputs.get("description")), **(inputs.get("labels") or {})},
        user_data="\n".join(text for text in texts if isinstance(text, str)),
        deleted_with_vm=all(each.get("autoDelete", True) is True for each in inputs.get("disks") or ()),
    )


def _of_instance(inputs: Mapping[str, Any]) -> Meaning:
    return Meaning(labels=inputs.get("labels") or {})


_MEANINGS: Mapping[str, Callable[[Mapping[str, Any]], Meaning]] = {
    "gcp:compute/network:Network": _by_description,
    "gcp:compute/subnetwork:Subnetwork": _by_description,
    "gcp:compute/firewall:Firewall": _of_firewall,
    "gcp:compute/resourcePolicy:ResourcePolicy": _by_description,
    "gcp:compute/instanceTemplate:InstanceTemplate": _of_template,
    "gcp:compute/instanceFromTemplate:InstanceFromTemplate": _of_instance,
}

_FAILURES = {
    "throttled": (r"\bError 429\b", r"rateLimitExceeded", r"RATE_LIMIT_EXCEEDED", r"Quota exceeded for quota (?:metric|group)"),
    "capacity": (r"ZONE_RESOURCE_POOL_EXHAUSTED", r"does not have enough resources available", r"\bstockout\b"),
    "quota": (r"QUOTA_EXCEEDED", r"Quota '[^']+' exceeded"),
    "credentials_expired": (
        r"\bError 401\b",
        r"invalid_grant",
        r"oauth2: cannot fetch token",
        r"Invalid Credentials",
        r"could not find default credentials",
    ),
    "not_found_yet": (r"resourceNotReady", r"The resource '[^']+' (?:was not found|is not ready)"),
    "internal": (r"\bError 50[0234]\b", r"backendError", r"internalError"),
}
"""Reasons of https://docs.cloud.google.com/compute/docs/troubleshooting, as Pulumi's plugin passes them on."""

CLOUD = rented.cloud(
    name="gcp",
    extra="gcp",
    sdk="pulumi_gcp",
    regions=("europe-west3", "europe-west1", "us-central1"),
    instance_type="n2-standard-2",
    # What Hyperdisk has for nothing: left to itself Google gives it more, by its size, and bills that.
    disks=("pd-balanced-100GiB", "pd-ssd-100GiB", "hyperdisk-balanced-100GiB+3000iops+140MiBps", "nvme-375GiB"),
    whole_disks=True,
    sells_spot=True,
    # The cloud deletes it, disks and all, a minute before it would power itself off.
    ends_vms=True,
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
        meanings=_MEANINGS,
        failures=_FAILURES,
        images=tuple(_FAMILIES),
    ),
)

"""Microsoft Azure. Everything of a site lies in one resource group, and goes with it.

A VM that powers itself off stays allocated, and is paid for. Where its life is 23 h at most, a schedule of Azure's own
deallocates it; its disks and its address stay until the group goes.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shutil
import time
from contextlib import contextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import DeployError
from stacks import disk, drivers, labels, policy, rented
from stacks.cloud import Access, Account, Belonging
from stacks.policy import Meaning, Opening

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import pulumi

    from stacks.cloud import HostRequest, SiteRequest

_NETWORK, _SUBNET = "10.80.0.0/16", "10.80.0.0/20"
_ADMIN = "cowbench"
"""Azure insists on a user that is not root. cloud-init, told of root alone, does not even make it."""

_SOLD_BY_SPEED = "PremiumV2_LRS"
_LOCAL = "nvme"
_FIRST_WITH_BLANK_NVME = 6
"""The generation of types of VM. Source: Azure's pages on local and temporary disks, 2025."""

_ONE_LOCAL_DISK = r"Standard_D[24]a?l?ds_v6|Standard_E[24]a?ds_v6|Standard_L8a?s_v[23]"
_ARM = r"Standard_[A-Z]+\d+(?:-\d+)?[a-z]*p[a-z]*_v\d+"

_FORMS = {"region": r"[a-z]+\d?", "instance_type": r"(Standard|Basic)_[A-Z]+\d+(-\d+)?[A-Za-z]*(_\w+)?"}
_VMS = "virtualMachines"

_LAST_PRIORITY = 4096
_WITHOUT_NVME = frozenset({"centos-7", "rhel-7"})
"""Images whose kernel (3.10) does not boot from the NVMe disks of newer types, nor know their network device (MANA)."""

_SCHEDULE_LIMIT_S = 23 * 3600
"""A schedule is daily: for a VM that is meant to live longer it would come too early."""

_IMAGES: Mapping[str, tuple[str, str, str]] = {
    "debian-12": ("Debian", "debian-12", "12-gen2"),
    "debian-11": ("Debian", "debian-11", "11-gen2"),
    "debian-13": ("Debian", "debian-13", "13-gen2"),
    "ubuntu-18.04": ("Canonical", "UbuntuServer", "18_04-lts-gen2"),
    "ubuntu-20.04": ("Canonical", "0001-com-ubuntu-server-focal", "20_04-lts-gen2"),
    "ubuntu-22.04": ("Canonical", "0001-com-ubuntu-server-jammy", "22_04-lts-gen2"),
    "ubuntu-24.04": ("Canonical", "ubuntu-24_04-lts", "server"),
    "rhel-7": ("RedHat", "RHEL", "7_9"),
    "rhel-8": ("RedHat", "RHEL", "8-lvm-gen2"),
    "rhel-9": ("RedHat", "RHEL", "9-lvm-gen2"),
    "rhel-10": ("RedHat", "RHEL", "10-lvm-gen2"),
    "centos-7": ("OpenLogic", "CentOS", "7_9"),
    "rocky-8": ("resf", "rockylinux-x86_64", "8-base"),
    "rocky-9": ("resf", "rockylinux-x86_64", "9-base"),
    "rocky-10": ("resf", "rockylinux-x86_64", "10-base"),
    "alma-8": ("almalinux", "almalinux-x86_64", "8-gen2"),
    "alma-9": ("almalinux", "almalinux-x86_64", "9-gen2"),
    "alma-10": ("almalinux", "almalinux-x86_64", "10-gen2"),
    "opensuse-leap": ("SUSE", "openSUSE-leap-15-4", "gen2"),
    "sles-15": ("SUSE", "sles-15-sp6-basic", "gen2"),
}
"""Publisher, offer and SKU, as kops, the tests of Azure's Linux agent and its list of endorsed distributions name them.

Whether one is there still, the look-up tells.
"""

_URN = ("publisher", "offer", "sku", "version")
_PLAN, _TRUSTED = "+plan", "+trusted"
"""What the look-up learned of an image beside its version: its terms must be named, and it boots as a trusted launch."""


@dataclass(frozen=True, kw_only=True)
class _Site:
    """`common` are the arguments of all that lies in the group: group, region, tags, options."""

    common: Mapping[str, Any]
    subnet: pulumi.Output[str]
    placement: pulumi.Output[str]
    public_key: pulumi.Output[str]


# The site.


def _site(request: SiteRequest, access: Access | None) -> _Site:
    import pulumi  # noqa: PLC0415 - only a deployment needs it: planning must not wait for it
    from pulumi_azure_native import Provider, compute, network, resources  # noqa: PLC0415 - takes a second

    assert access is not None
    prefix = "-".join(filter(None, (request.region, request.zone)))
    provider = Provider(prefix, location=request.region)
    group = resources.ResourceGroup(
        f"{prefix}-group", location=request.region, tags=request.labels, opts=pulumi.ResourceOptions(provider=provider)
    )
    # One call takes the group away and all that is in it: fewer to be throttled, and nothing is left in between.
    options = pulumi.ResourceOptions(provider=provider, deleted_with=group, transformations=[_without_aliases])
    common: Any = {"resource_group_name": group.name, "location": request.region, "tags": request.labels, "opts": options}
    firewall = network.NetworkSecurityGroup(f"{prefix}-firewall", security_rules=_rules(request), **common)
    whole = network.VirtualNetwork(f"{prefix}-network", address_space={"address_prefixes": [_NETWORK]}, **common)
    subnet = network.Subnet(
        f"{prefix}-subnet",
        resource_group_name=group.name,
        virtual_network_name=whole.name,
        address_prefix=_SUBNET,
        network_security_group={"id": firewall.id},
        # Every VM has an address of its own to go out with.
        default_outbound_access=False,
        opts=options,
    )
    placement = compute.ProximityPlacementGroup(f"{prefix}-placement", proximity_placement_group_type="Standard", **common)
    return _Site(common=common, subnet=subnet.id, placement=placement.id, public_key=access.public_key)


def _without_aliases(made: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult:
    """Old names are for stacks that were made with them, and there are none.

    The SDK gives every resource one for each version of its API, and they took two thirds of the program's time.
    """
    import pulumi  # noqa: PLC0415 - only a deployment needs it: planning must not wait for it

    made.opts.aliases = None
    return pulumi.ResourceTransformationResult(made.props, made.opts)


def _rules(request: SiteRequest) -> list[Any]:
    clients = request.operator if request.open_to == "operator" else _SUBNET
    ports = [str(port) for port in request.server_ports]
    return [
        _rule("ssh", 100, "Allow", request.operator, ["22"]),
        *([_rule("servers", 110, "Allow", clients, ports)] if ports else []),
        # Azure's own last rules let in whatever comes from the same network.
        _rule("nothing-else", _LAST_PRIORITY, "Deny", "*", ["0-65535"]),
    ]


def _rule(name: str, priority: int, access: str, source: str, ports: list[str]) -> dict[str, Any]:
    return {
        "name": name,
        "priority": priority,
        "direction": "Inbound",
        "access": access,
        "protocol": "Tcp" if access == "Allow" else "*",
        "source_address_prefix": source,
        "source_port_range": "*",
        "destination_address_prefix": "*",
        "destination_port_ranges": ports,
    }


# One VM.


def _vm(request: HostRequest, site: _Site, user_data: pulumi.Output[str]) -> rented.RentedVm:
    import pulumi  # noqa: PLC0415 - only a deployment needs it: planning must not wait for it
    from pulumi_azure_native import compute  # noqa: PLC0415 - takes a second

    wanted = _data_disks(request)
    told = user_data.apply(lambda text: hashlib.sha256(f"{request.image_id} {request.zone} {text}".encode()).hexdigest())
    disks = [_made_disk(request, site, each, told, "data" if lun == 0 else "pool") for lun, each in enumerate(wanted)]
    address, interface = _interface(request, site)
    # What it is told at its first boot cannot be changed later, and two VMs cannot share its interface.
    replaced = pulumi.ResourceOptions(replacement_trigger=told, delete_before_replace=True)
    machine = compute.VirtualMachine(
        request.name,
        zones=_zones(request),
        hardware_profile={"vm_size": request.instance_type},
        proximity_placement_group={"id": site.placement},
        os_profile=_os_profile(request, site, user_data),
        storage_profile=_storage(request, disks),
        # The interface is free of cost, and kept when the VM is made anew; the group takes it along.
        network_profile={"network_interfaces": [{"id": interface.id, "primary": True, "delete_option": "Detach"}]},
        # The serial console can then be read in the portal.
        diagnostics_profile={"boot_diagnostics": {"enabled": True}},
        **_of_the_image(request.image_id),
        **(_SPOT if request.spot else {}),
        **{**site.common, "opts": pulumi.ResourceOptions.merge(site.common["opts"], replaced)},
    )
    return rented.RentedVm(
        resource=machine,
        id=machine.id,
        public_address=address.ip_address.apply(lambda found: found or ""),
        private_address=interface.ip_configurations.apply(lambda found: found[0].private_ip_address or ""),
        after=_end(request, site, machine),
    )


_SPOT: Mapping[str, Any] = {"priority": "Spot", "eviction_policy": "Delete", "billing_profile": {"max_price": -1.0}}
"""At most the usual price (-1), and deleted when somebody else pays it: one that is only deallocated keeps its disks."""


def _interface(request: HostRequest, site: _Site) -> tuple[Any, Any]:
    from pulumi_azure_native import network  # noqa: PLC0415 - takes a second

    address = network.PublicIPAddress(
        f"{request.name}-address",
        sku={"name": "Standard"},
        public_ip_allocation_method="Static",
        zones=_zones(request),
        **site.common,
    )
    way = {
        "name": "primary",
        "subnet": {"id": site.subnet},
        "public_ip_address": {"id": address.id},
        "private_ip_allocation_method": "Dynamic",
    }
    interface = network.NetworkInterface(
        f"{request.name}-interface",
        ip_configurations=[way],
        enable_accelerated_networking=is_accelerated(request.instance_type),
        **site.common,
    )
    return address, interface


def is_accelerated(instance_type: str) -> bool:
    """All types do it from generation 4 on, those of B and L from their second; of older ones it depends on the size."""
    found = re.fullmatch(r"Standard_([A-Z]+)\w*_v(\d+)", instance_type)
    return found is not None and int(found[2]) >= (2 if found[1] in {"B", "L"} else 4)


def _generation(instance_type: str) -> int:
    found = re.fullmatch(r".*_v(\d+)", instance_type)
    return int(found[1]) if found else 1


def has_local_nvme(instance_type: str) -> bool:
    """Whether a type of VM brings NVMe disks that nothing is on: those with a `d` from generation 6 on, and the L series.

    Older types with a `d` have one resource disk, which the image formats and mounts at its first boot: it is not blank.
    """
    found = re.fullmatch(r"Standard_([A-Z]+)\d+(?:-\d+)?([a-z]*)_v(\d+)", instance_type)
    if found is None:
        return False
    return found[1] == "L" or ("d" in found[2] and int(found[3]) >= _FIRST_WITH_BLANK_NVME)


def takes_premium(instance_type: str) -> bool:
    """Whether a type takes premium disks: those with an `s`. Of a name that is not understood the best is thought."""
    found = re.fullmatch(r"(?:Standard|Basic)_([A-Z]+)\d+(?:-\d+)?([a-z]*)(?:_v\d+)?", instance_type)
    return found is None or "s" in found[2] or found[1].endswith("S")


def _unfit(request: HostRequest) -> str:
    """Why there is no such VM, and after a colon the cure, or empty."""
    return _unbootable(request) or _without_its_disk(request)


def _unbootable(request: HostRequest) -> str:
    kind = request.instance_type
    if re.fullmatch(_ARM, kind):
        return f"{kind} is for ARM, and all images here are for x86: choose one without p, such as Standard_D2s_v5"
    if _generation(kind) >= _FIRST_WITH_BLANK_NVME and request.machine_image in _WITHOUT_NVME:
        what = f"{kind} wants an image that knows NVMe and its network device, and {request.machine_image} does not"
        return f"{what}: choose a type of an older generation, such as Standard_D2s_v5, or a newer image"
    return ""


def _without_its_disk(request: HostRequest) -> str:
    wanted, kind = disk.read(request.disk), request.instance_type
    if wanted.kind != _SOLD_BY_SPEED and (wanted.iops or wanted.bytes_per_s):
        what = f"the speed of a disk of kind {wanted.kind} follows from its size or its VM ({request.disk})"
        return f"{what}: leave +iops and +MiBps out, or ask for {_SOLD_BY_SPEED}, where they are sold"
    if wanted.kind == _LOCAL:
        return _without_local_disks(request)
    # A VM finds its blank disks by their size: of two sorts it might measure the wrong one.
    if has_local_nvme(kind):
        what = f"{kind} has local disks beside the {wanted.kind} one, and they could be taken for it"
        return f"{what}: choose a disk {_LOCAL}-SIZE, or an instance_type without local disks (Standard_D2s_v6)"
    if wanted.kind.startswith("Premium") and not takes_premium(kind):
        return f"{kind} takes no {wanted.kind}: choose an instance_type with an s (Standard_D2s_v5), or StandardSSD_LRS"
    return ""


def _without_local_disks(request: HostRequest) -> str:
    kind = request.instance_type
    if not has_local_nvme(kind):
        what = f"{kind} has no local NVMe disk that comes unformatted"
        return f"{what}: choose an instance_type with one, such as Standard_D2ds_v6 or Standard_L8s_v3, or another disk"
    if re.fullmatch(_ONE_LOCAL_DISK, kind) and drivers.load(request.driver).wants_whole_disk:
        return f"{request.driver} wants two disks, and {kind} has one local one: choose Standard_L16s_v3, or another disk"
    return ""


def _data_disks(request: HostRequest) -> tuple[disk.Disk, ...]:
    """The disks to be made for a host; local ones come with the type of VM."""
    wanted = disk.read(request.disk)
    if wanted.kind == _LOCAL:
        return ()
    return (wanted, wanted) if drivers.load(request.driver).wants_whole_disk else (wanted,)


def _made_disk(request: HostRequest, site: _Site, wanted: disk.Disk, told: pulumi.Output[str], role: str) -> Any:  # noqa: ANN401 - a class of the SDK
    import pulumi  # noqa: PLC0415 - only a deployment needs it: planning must not wait for it
    from pulumi_azure_native import compute  # noqa: PLC0415 - takes a second

    # It goes with its VM, so a VM that is made anew needs a new one.
    options = pulumi.ResourceOptions.merge(site.common["opts"], pulumi.ResourceOptions(replacement_trigger=told))
    return compute.Disk(
        f"{request.name}-{role}",
        zones=_zones(request),
        sku={"name": wanted.kind},
        creation_data={"create_option": "Empty"},
        disk_size_gb=-(-wanted.size_bytes >> 30),
        disk_iops_read_write=wanted.iops,
        # Azure counts in millions here.
        disk_m_bps_read_write=wanted.bytes_per_s and -(-wanted.bytes_per_s // 10**6),
        # Its contents can be fetched by nobody but the VM.
        network_access_policy="DenyAll",
        public_network_access="Disabled",
        **{**site.common, "opts": options},
    )


def _storage(request: HostRequest, disks: list[Any]) -> dict[str, Any]:
    return {
        "image_reference": _image(request.image_id),
        "os_disk": {
            "create_option": "FromImage",
            "delete_option": "Delete",
            "caching": "ReadWrite",
            # Nothing that is measured lies on it, and every type of VM takes it.
            "managed_disk": {"storage_account_type": "StandardSSD_LRS"},
        },
        # A cache of the machine below the VM would be what is measured.
        "data_disks": [
            {"lun": lun, "create_option": "Attach", "managed_disk": {"id": each.id}, "caching": "None", "delete_option": "Delete"}
            for lun, each in enumerate(disks)
        ],
    }


def _os_profile(request: HostRequest, site: _Site, user_data: pulumi.Output[str]) -> dict[str, Any]:
    key = {"key_data": site.public_key, "path": f"/home/{_ADMIN}/.ssh/authorized_keys"}
    return {
        "computer_name": request.name,
        "admin_username": _ADMIN,
        "custom_data": user_data.apply(lambda text: base64.b64encode(text.encode()).decode()),
        "linux_configuration": {"disable_password_authentication": True, "ssh": {"public_keys": [key]}},
    }


def _of_the_image(image_id: str) -> dict[str, Any]:
    image = _image(image_id)
    plan = {"plan": {"publisher": image.get("publisher"), "product": image.get("offer"), "name": image.get("sku")}}
    # Said, because what is usual changes; and without Secure Boot, which refuses modules that were built on the VM (zfs).
    firmware = {"secure_boot_enabled": False, "v_tpm_enabled": True}
    trusted = {"security_profile": {"security_type": "TrustedLaunch", "uefi_settings": firmware}}
    return {**(plan if _PLAN in image_id else {}), **(trusted if _TRUSTED in image_id else {})}


def _end(request: HostRequest, site: _Site, machine: Any) -> tuple[pulumi.Resource, ...]:  # noqa: ANN401 - a class of the SDK
    """Azure's own end of the VM, at the minute of its expiry; none where it is to live for longer than a day."""
    from pulumi_azure_native import devtestlab  # noqa: PLC0415 - takes a second

    if not 0 < request.lifetime_s <= _SCHEDULE_LIMIT_S:
        return ()
    schedule = devtestlab.GlobalSchedule(
        f"{request.name}-end",
        # The service knows it by this name alone.
        name=machine.name.apply(lambda name: f"shutdown-computevm-{name}"),
        status="Enabled",
        task_type="ComputeVmShutdownTask",
        daily_recurrence={"time": time.strftime("%H%M", time.gmtime(labels.expires_at(request.labels) + 59))},
        time_zone_id="UTC",
        target_resource_id=machine.id,
        **site.common,
    )
    return (schedule,)


def _zones(request: HostRequest) -> list[str] | None:
    return [request.zone] if request.zone else None


def _image(image_id: str) -> dict[str, str]:
    """An image of the marketplace by its four words, any other by its id."""
    words = image_id.partition("+")[0].split(":")
    return dict(zip(_URN, words, strict=True)) if len(words) == len(_URN) else {"id": image_id}


# The account, through Azure's own client library.


def _image_id(region: str, name: str) -> str:
    """`publisher:offer:sku:version`, with what must be known of the image to boot it (`+plan`, `+trusted`)."""
    publisher, offer, sku = _IMAGES[name]
    with _asking(f"looking up the image {name} in {region}"):
        images = _compute().virtual_machine_images
        versions = [image.name for image in images.list(region, publisher, offer, sku)]
        if not versions:
            raise DeployError(
                f"Azure has no image {publisher}:{offer}:{sku} there any more",
                where=f"azure, {region}",
                next_step=f"choose another machine_image than {name}, or another region",
            )
        # Not by letter: 0.20250101.99 is older than 0.20250101.1000.
        newest = max(versions, key=lambda version: [int(number) for number in re.findall(r"\d+", version)])
        image = images.get(region, publisher, offer, sku, newest)
    trusted = any(feature.name == "SecurityType" and "TrustedLaunch" in feature.value for feature in image.features or ())
    return f"{publisher}:{offer}:{sku}:{newest}{_PLAN if image.plan else ''}{_TRUSTED if trusted else ''}"


def _zones_of(region: str) -> tuple[str, ...]:
    with _asking(f"looking up the zones of {region}"):
        kinds = _resources().providers.get("Microsoft.Compute").resource_types or []
    vms = [kind for kind in kinds if kind.resource_type == _VMS]
    if region not in (known := {_short(place) for kind in vms for place in kind.locations or ()}):
        near = ", ".join(get_close_matches(region, sorted(known), cutoff=0.0))
        raise DeployError(f"Azure makes no VMs in {region}", where=f"azure, {region}", next_step=f"write a region such as {near}")
    mappings = [each for kind in vms for each in kind.zone_mappings or ()]
    return tuple(sorted({zone for each in mappings if _short(each.location) == region for zone in each.zones or ()}))


def _short(location: str) -> str:
    """Azure writes `Germany West Central` where it lists, and `germanywestcentral` everywhere else."""
    return location.replace(" ", "").lower()


def _instance_types(region: str) -> tuple[str, ...]:
    """Those that the subscription may have there."""
    with _asking(f"looking up the types of VM in {region}"):
        every = [each for each in _compute().resource_skus.list(filter=f"location eq '{region}'") if each.resource_type == _VMS]
    return tuple(sorted(each.name for each in every if not any(no.type == "Location" for no in each.restrictions or ())))


def _belongings(regions: tuple[str, ...]) -> tuple[Belonging, ...]:
    with _asking("looking for resource groups of ours"):
        groups = list(_resources().resource_groups.list(filter=f"tagName eq '{labels.RUN}'"))
    return tuple(
        Belonging(
            cloud="azure",
            region=group.location,
            kind="resource group",
            id=group.id,
            name=group.name,
            **labels.told(group.tags or {}),
        )
        for group in groups
        if not regions or group.location in regions
    )


def _remove(belonging: Belonging) -> None:
    from azure.core.exceptions import ResourceNotFoundError  # noqa: PLC0415 - takes a while

    with _asking(f"deleting the resource group {belonging.name}"):
        try:
            # Nobody needs what the VMs still have to write.
            gone = _resources().resource_groups.begin_delete(
                belonging.name, force_deletion_types="Microsoft.Compute/virtualMachines"
            )
            gone.wait(_DELETION_LIMIT_S)
        except ResourceNotFoundError:
            return
        if not gone.done():
            raise DeployError(
                f"it is not gone after {_DELETION_LIMIT_S} s",
                where=f"azure, resource group {belonging.name}",
                next_step="see its activity log in the portal: something may hold it; then cowbench sweep --cloud azure again",
            )
        gone.result()


_DELETION_LIMIT_S = 1800
_LONGEST_WAIT_S = 60.0
"""Before a call that was throttled, or did not get through, is tried again; five times."""

_ENDPOINT, _TOKEN = "COWBENCH_AZURE_ENDPOINT", "COWBENCH_AZURE_TOKEN"
"""Another Azure Resource Manager to ask, and what to show it; without them Azure's own is asked, with the usual credentials."""


def _compute() -> Any:  # noqa: ANN401 - a class of the client library
    from azure.mgmt.compute import ComputeManagementClient  # noqa: PLC0415 - takes a while

    return ComputeManagementClient(_credential(), _subscription(), **_way())


def _resources() -> Any:  # noqa: ANN401 - a class of the client library
    from azure.mgmt.resource.resources import ResourceManagementClient  # noqa: PLC0415 - takes a while

    return ResourceManagementClient(_credential(), _subscription(), **_way())


def _way() -> dict[str, Any]:
    from azure.core.pipeline.policies import HeadersPolicy, RetryPolicy  # noqa: PLC0415 - takes a while

    class Patient(RetryPolicy):  # type: ignore[misc] # its types are not read
        """Waits as Retry-After says, but never an hour, which Azure may ask for."""

        def get_retry_after(self, response: object) -> float | None:
            asked = super().get_retry_after(response)
            return None if asked is None else min(asked, _LONGEST_WAIT_S)

    way: dict[str, Any] = {"retry_policy": Patient(retry_total=5, retry_backoff_max=_LONGEST_WAIT_S), "connection_timeout": 15}
    if endpoint := os.environ.get(_ENDPOINT):
        shown = HeadersPolicy({"Authorization": f"Bearer {os.environ.get(_TOKEN, '')}"})
        way |= {"base_url": endpoint, "authentication_policy": shown, "polling_interval": 1}
    return way


def _credential() -> Any:  # noqa: ANN401 - one of several classes of the client library
    from azure import identity  # noqa: PLC0415 - takes a while

    said = os.environ.get
    principal = said("ARM_TENANT_ID", ""), said("ARM_CLIENT_ID", "")
    if certificate := said("ARM_CLIENT_CERTIFICATE_PATH"):
        return identity.CertificateCredential(*principal, certificate, password=said("ARM_CLIENT_CERTIFICATE_PASSWORD"))
    if secret := said("ARM_CLIENT_SECRET"):
        return identity.ClientSecretCredential(*principal, secret)
    if said("ARM_USE_MSI", "").lower() == "true":
        return identity.ManagedIdentityCredential(client_id=principal[1] or None)
    return identity.AzureCliCredential()


def _subscription() -> str:
    """The subscription named by variable, else the default one of `az login`; empty where there is none."""
    if named := os.environ.get("ARM_SUBSCRIPTION_ID"):
        return named
    profile = Path(os.environ.get("AZURE_CONFIG_DIR", "~/.azure")).expanduser() / "azureProfile.json"
    try:
        # The command line writes a byte order mark.
        known = json.loads(profile.read_text(encoding="utf-8-sig"))["subscriptions"]
    except (OSError, ValueError, KeyError):
        return ""
    return next((str(each["id"]) for each in known if each.get("isDefault")), "")


def _credentials() -> tuple[str, ...]:
    said = os.environ.get
    missing = []
    if not _subscription():
        missing.append("no Azure subscription is named: export ARM_SUBSCRIPTION_ID=<its id>, or run az login")
    if said("ARM_CLIENT_SECRET") or said("ARM_CLIENT_CERTIFICATE_PATH"):
        lost = [name for name in ("ARM_TENANT_ID", "ARM_CLIENT_ID") if not said(name)]
        missing += [f"a service principal is half named, {name} is not set: export it too" for name in lost]
    elif said("ARM_USE_MSI", "").lower() != "true" and not shutil.which("az"):
        way = "export ARM_TENANT_ID, ARM_CLIENT_ID and ARM_CLIENT_SECRET, or install the az command and run az login"
        missing.append(f"no credentials for Azure: {way}")
    return tuple(missing)


@contextmanager
def _asking(what: str) -> Iterator[None]:
    """Whatever Azure's client library says is said as a DeployError, with what to do about it."""
    from azure.core import exceptions  # noqa: PLC0415 - takes a while

    if lacking := _credentials():
        why, _, cure = lacking[0].partition(": ")
        raise DeployError(why, where=f"azure, {what}", next_step=cure)
    try:
        yield
    except exceptions.AzureError as error:
        status = getattr(error, "status_code", None)
        expired = isinstance(error, exceptions.ClientAuthenticationError)
        step = _NEXT_STEPS.get(401 if expired else status or 0, "look at https://azure.status.microsoft, then try again")
        said = str(error).strip().partition("\n")[0]
        raise DeployError(f"Azure refused: {said}", where=f"azure, {what}", next_step=step) from error


_NEXT_STEPS: Mapping[int, str] = {
    0: "check the network: https://management.azure.com must be reached from here; then try again",
    401: "az login again, or renew the secret of the service principal (ARM_CLIENT_SECRET); then try again",
    403: "give the account the role of docs/clouds/azure-role.json on the subscription",
    404: "check the subscription and the region: az account show, az account list-locations",
    409: "something else is at work there: wait a minute, then try again",
    429: "Azure has had too many calls from this subscription: wait five minutes, then try again",
}


# What inputs mean.


def _labelled(inputs: Mapping[str, Any]) -> Meaning:
    return Meaning(labels=inputs.get("tags") or {})


def _opened(inputs: Mapping[str, Any]) -> Meaning:
    return Meaning(
        labels=inputs.get("tags") or {},
        opens=tuple(
            Opening(source=source, first_port=first, last_port=last)
            for rule in inputs.get("securityRules") or ()
            if (rule["direction"], rule["access"]) == ("Inbound", "Allow")
            for source in _one_or_many(rule, "sourceAddressPrefix", "sourceAddressPrefixes")
            for first, last in map(_ports, _one_or_many(rule, "destinationPortRange", "destinationPortRanges"))
        ),
    )


def _one_or_many(rule: Mapping[str, Any], one: str, many: str) -> tuple[str, ...]:
    return (*([rule[one]] if rule.get(one) else []), *(rule.get(many) or ()))


def _ports(written: str) -> tuple[int, int]:
    first, _, last = written.replace("*", "0-65535").partition("-")
    return int(first), int(last or first)


def _virtual_machine(inputs: Mapping[str, Any]) -> Meaning:
    storage = inputs.get("storageProfile") or {}
    attached = [storage.get("osDisk") or {}, *(storage.get("dataDisks") or ())]
    return Meaning(
        labels=inputs.get("tags") or {},
        # Azure encrypts every disk at rest, and has no token for its metadata service.
        user_data=policy.unpacked((inputs.get("osProfile") or {}).get("customData")),
        deleted_with_vm=all(each.get("deleteOption") == "Delete" for each in attached),
    )


_MEANINGS: Mapping[str, Callable[[Mapping[str, Any]], Meaning]] = {
    "azure-native:resources:ResourceGroup": _labelled,
    "azure-native:network:VirtualNetwork": _labelled,
    "azure-native:network:Subnet": lambda _inputs: Meaning(),  # takes no tags
    "azure-native:network:NetworkSecurityGroup": _opened,
    "azure-native:network:PublicIPAddress": _labelled,
    "azure-native:network:NetworkInterface": _labelled,
    "azure-native:compute:ProximityPlacementGroup": _labelled,
    "azure-native:compute:Disk": _labelled,
    "azure-native:compute:VirtualMachine": _virtual_machine,
    "azure-native:devtestlab:GlobalSchedule": _labelled,
}

_FAILURES: Mapping[str, tuple[str, ...]] = {
    "throttled": (r"TooManyRequests", r"RequestsThrottled", r"RetryableError\b", r"\b429\b"),
    "capacity": (r"SkuNotAvailable", r"(?:Zonal)?AllocationFailed", r"Overconstrained(?:Zonal)?AllocationRequest"),
    "quota": (r"QuotaExceeded", r"(?i)exceeding approved .*quota", r"PublicIPCountLimitReached", r"SubscriptionQuota"),
    "credentials_expired": (
        r"ExpiredAuthenticationToken",
        r"InvalidAuthenticationToken",
        # A session, a refresh token, a secret that ran out.
        r"AADSTS(?:50078|50173|70008|700082|7000222)",
        r"(?i)please run:? 'az login'",
    ),
    "not_found_yet": (
        r"ResourceGroupNotFound",
        r"ParentResourceNotFound",
        r"ReferencedResourceNotProvisioned",
        r"InvalidResourceReference",
        r"\bResourceNotFound\b",
    ),
    "internal": (
        r"Internal(?:Server|Operation|Execution)?Error",
        r"ServiceUnavailable",
        r"GatewayTimeout",
        r"AnotherOperationInProgress",
        r"RetryableErrorDueToAnotherOperation",
    ),
}
"""Codes as Azure Resource Manager documents them (common deployment errors, allocation failures, sign-in errors)."""

CLOUD = rented.cloud(
    name="azure",
    extra="azure",
    sdk="pulumi_azure_native",
    regions=("germanywestcentral", "westeurope", "northeurope", "eastus2", "westus3"),
    instance_type="Standard_D2s_v5",
    disks=("Premium_LRS-128GiB", "PremiumV2_LRS-64GiB", "StandardSSD_LRS-128GiB", "nvme-64GiB"),
    whole_disks=True,
    sells_spot=True,
    # Powered off from within it stays allocated, at the full price.
    ends_vms=False,
    credentials=_credentials,
    site=_site,
    vm=_vm,
    unfit=_unfit,
    forms=_FORMS,
    account=Account(
        image_id=_image_id,
        zones=_zones_of,
        instance_types=_instance_types,
        belongings=_belongings,
        remove=_remove,
        meanings=_MEANINGS,
        failures=_FAILURES,
        images=tuple(_IMAGES),
    ),
)

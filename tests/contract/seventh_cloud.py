"""A cloud that does not exist, in one file, as a new one would be written: the contract suite runs on it unchanged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pulumi

from stacks import disk, quantity, rented
from stacks.cloud import Access, Account, HostRequest, SiteRequest
from stacks.policy import Meaning, Opening

if TYPE_CHECKING:
    from collections.abc import Mapping


class _Made(pulumi.CustomResource):
    public_ip: pulumi.Output[str]
    private_ip: pulumi.Output[str]

    def __init__(self, kind: str, name: str, inputs: Mapping[str, Any], opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(f"seventh:index:{kind}", name, {"publicIp": None, "privateIp": None, **inputs}, opts)
        self.public_ip = self.publicIp  # type: ignore[attr-defined] # an output by the engine's name
        self.private_ip = self.privateIp  # type: ignore[attr-defined]


def _site(request: SiteRequest, access: Access | None) -> tuple[_Made, _Made]:
    assert access is not None
    inside = "10.7.0.0/24" if request.open_to == "generators" else request.operator
    opens = [{"from": request.operator, "port": 22}, *({"from": inside, "port": port} for port in request.server_ports)]
    key = _Made("Key", f"{request.region}-key", {"publicKey": access.public_key, "tags": dict(request.labels)})
    wall = _Made("Wall", f"{request.region}-wall", {"opens": opens, "tags": dict(request.labels)})
    return key, wall


def _vm(request: HostRequest, site: tuple[_Made, _Made], user_data: pulumi.Output[str]) -> rented.RentedVm:
    key, wall = site
    inputs = {
        "image": request.image_id,
        "type": request.instance_type,
        "diskBytes": quantity.disk_bytes(request.disk),
        "userData": user_data,
        "key": key.id,
        "wall": wall.id,
        "tags": dict(request.labels),
    }
    made = _Made("Server", request.name, inputs)
    return rented.RentedVm(resource=made, id=made.id, public_address=made.public_ip, private_address=made.private_ip)


def _unfit(request: HostRequest) -> str:
    wanted = disk.read(request.disk)
    sold_apart = wanted.iops or wanted.bytes_per_s
    return f"the seventh cloud sells no speed of a disk ({request.disk}): write ssd-20GiB" if sold_apart else ""


def _wall(inputs: Mapping[str, Any]) -> Meaning:
    opens = tuple(
        Opening(source=each["from"], first_port=int(each["port"]), last_port=int(each["port"])) for each in inputs["opens"]
    )
    return Meaning(labels=inputs["tags"], opens=opens)


CLOUD = rented.cloud(
    name="seventh",
    extra="seventh",
    sdk="json",
    regions=("middle",),
    instance_type="large",
    disks=("ssd-20GiB",),
    whole_disks=False,
    sells_spot=False,
    ends_vms=True,
    credentials=lambda: (),
    site=_site,
    vm=_vm,
    unfit=_unfit,
    account=Account(
        image_id=lambda _region, name: f"image-{name}",
        zones=lambda region: (f"{region}-1",),
        instance_types=lambda _region: ("small",),
        belongings=lambda _regions: (),
        remove=lambda _belonging: None,
        meanings={
            "seventh:index:Key": lambda inputs: Meaning(labels=inputs["tags"]),
            "seventh:index:Wall": _wall,
            "seventh:index:Server": lambda inputs: Meaning(labels=inputs["tags"], user_data=inputs["userData"]),
        },
        failures=dict.fromkeys(("throttled", "capacity", "quota", "credentials_expired"), ("never",)),
        images=("debian-12", "debian-13"),
    ),
)

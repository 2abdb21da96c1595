"""On what terms hosts are rented, and what those of one zone share."""

from __future__ import annotations

from typing import Any

import pytest

from bench.errors import InputError
from bench.records import Generators
from stacks import clouds, hosts, labels, rented, sites
from stacks.cloud import Account
from stacks.terms import Settled
from tests.cells import cell

SETTLED = Settled(
    owner="ann",
    operator="203.0.113.7/32",
    expires_at=1_800_000_000,
    lifetime_s=3600,
    spot=True,
    image_ids={"far/r1/debian-12": "image-1"},
    zones={"far/r1": "r1-b"},
    instance_types={"small": "smaller"},
)

FAR = rented.cloud(
    name="far",
    extra="far",
    sdk="json",
    regions=("r1",),
    instance_type="small",
    disks=("ssd-20GiB",),
    whole_disks=True,
    sells_spot=True,
    ends_vms=False,
    credentials=lambda: (),
    site=lambda *_: None,
    vm=lambda *_: pytest.fail("no VM is made here"),
    account=Account(
        image_id=lambda *_: "",
        zones=lambda _: ("r1-a", "r1-b"),
        instance_types=lambda _: ("small",),
        belongings=lambda _: (),
        remove=lambda _: None,
        meanings={},
        failures={},
        images=("debian-12",),
    ),
)


@pytest.fixture(autouse=True)
def _far(monkeypatch: pytest.MonkeyPatch) -> None:
    known = clouds.load
    monkeypatch.setattr(clouds, "load", lambda name: FAR if name == "far" else known(name))


def far(**changes: Any) -> object:
    return cell(**{"cloud": "far", "region": "r1", "instance_type": "small", "machine_image": "debian-12", **changes})


def requests(*cells: object, generators: int = 0, settled: Settled | None = SETTLED) -> sites.Requests:
    asked = Generators(count=generators, instance_type="", machine_image="") if generators else None
    targets = [(members[0].cloud, each, members) for each, members in hosts.targets("s", cells, asked)]  # type: ignore[arg-type]
    return sites.on_terms(settled, targets, hosts.load_generators("s", cells, asked))  # type: ignore[arg-type]


def test_a_host_in_an_account_gets_what_was_settled() -> None:
    ((place, request, _),) = requests(far()).targets

    assert place == sites.Place(cloud="far", region="r1", zone="r1-b")
    assert (request.zone, request.image_id, request.instance_type) == ("r1-b", "image-1", "smaller")
    assert request.labels == labels.of("s", "ann", 1_800_000_000)
    assert (request.spot, request.lifetime_s) == (True, 3600)


def test_target_and_generator_stand_on_one_site_that_lets_generators_alone_reach_the_servers() -> None:
    found = requests(far(), generators=1)
    ((place, site),) = found.sites.items()

    assert {place} == {found.targets[0][0], found.generators[0][0]}
    assert (site.open_to, site.hosts, site.operator) == ("generators", 2, "203.0.113.7/32")
    assert site.server_ports == found.targets[0][1].ports[found.targets[0][2][0].name]


def test_without_generators_the_operator_reaches_the_servers() -> None:
    (site,) = requests(far()).sites.values()

    assert site.open_to == "operator"


def test_two_cells_of_one_host_share_its_address_and_differ_in_their_ports() -> None:
    ((_, request, members),) = requests(
        far(), cell(placement="volume", cloud="far", region="r1", instance_type="small", machine_image="debian-12")
    ).targets

    ports = [request.ports[each.name][0] for each in members]
    assert ports[1] - ports[0] == request.shifts[members[1].name] - request.shifts[members[0].name] != 0


def test_a_host_of_this_machine_is_rented_on_no_terms() -> None:
    ((place, request, _),) = requests(cell(), settled=None).targets

    assert place.zone == sites.HERE
    assert (request.labels, request.lifetime_s, request.image_id) == ({}, 0, "")


def test_a_host_in_an_account_without_terms_is_refused() -> None:
    with pytest.raises(InputError, match="none were settled") as caught:
        requests(far(), settled=None)
    assert "cowbench up" in caught.value.next_step

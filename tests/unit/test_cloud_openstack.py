"""OpenStack: its program under mocks that answer as the simulated cloud does, its client against that cloud's API."""

from __future__ import annotations

import os
import re
import threading
from dataclasses import replace
from functools import cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pulumi
import pytest
import yaml

from bench.errors import DeployError
from bench.records import Cell, Generators
from stacks import clouds, deploy, hosts, labels, policy, terms
from stacks.cloud import Belonging
from stacks.clouds import openstack
from tests.cells import cell
from tests.simulator import api, arguments, cloud_side, faults, settings, table
from tests.simulator.clouds import openstack as simulated
from tests.simulator.member import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from tests.simulator.cloud_side import CloudSide
    from tests.simulator.member import Row

pytestmark = [
    # Pulumi's SDK warns of its own old names as it is imported, OpenStack's of what it calls itself.
    pytest.mark.filterwarnings("ignore:openstack[.].* has been deprecated:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::openstack.warnings.RemovedInSDK50Warning"),
    pytest.mark.filterwarnings("ignore::openstack.warnings.RemovedInSDK60Warning"),
]

CLOUD = clouds.load("openstack")
assert CLOUD.account is not None
ACCOUNT = CLOUD.account

DEBIAN_12 = simulated.image_id("GRA11", "Debian 12", "2025-06-01T08:00:00Z")
DEBIAN_13 = simulated.image_id("GRA11", "Debian 13", "2025-09-01T08:00:00Z")
OPERATOR = "203.0.113.7/32"
PRIVATE = "10.78.0.0/20"
SETTLED = terms.Settled(
    owner="Ann.Lee@a-host-with-a-name-that-is-rather-long.compute.internal.example.org",
    operator=OPERATOR,
    expires_at=1_800_000_000,
    lifetime_s=3600,
    spot=True,
    image_ids={"openstack/GRA11/debian-12": DEBIAN_12, "openstack/GRA11/debian-13": DEBIAN_13},
    zones={"openstack/GRA11": "nova"},
)
OWN = "openstack:"


@pytest.fixture(autouse=True)
def _account(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for variable in [name for name in os.environ if name.startswith(("OS_", "COWBENCH_OPENSTACK_"))]:
        monkeypatch.delenv(variable)
    monkeypatch.setattr("stacks.image.ensure", lambda name: SimpleNamespace(content_digest=f"sha256:{name}"))
    openstack._connection.cache_clear()
    yield
    openstack._connection.cache_clear()


@pytest.fixture
def side(tmp_path: Path) -> CloudSide:
    """A simulated cloud with nothing in it."""
    settings.write(tmp_path, settings.Settings(clouds=("openstack",)))
    table.create(tmp_path)
    return cloud_side.open_cloud(tmp_path, "openstack")


def whole(value: Any) -> Any:
    """The protocol has no whole numbers: 22 arrives as 22.0."""
    if isinstance(value, dict):
        return {name: whole(each) for name, each in value.items()}
    if isinstance(value, list):
        return [whole(each) for each in value]
    return int(value) if isinstance(value, float) else value


class Mocks(pulumi.runtime.Mocks):
    """What the cloud's own resources are answered with comes from the simulated cloud, and it refuses what that refuses."""

    def __init__(self, side: CloudSide) -> None:
        self.side = side
        self.registered: list[pulumi.runtime.MockResourceArgs] = []

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        self.registered.append(args)
        if args.typ.startswith(OWN):
            inputs = {"region": "GRA11", **whole(args.inputs)}
            assert arguments.problems("pulumi_openstack", args.typ, inputs) == ()
            row = self.side.create(args.typ, args.name, f"{args.typ}::{args.name}", inputs)
            return row.id, dict(row.outputs)
        return f"{args.name}-id", {
            **args.inputs,
            "engine_url": "unix:///x",
            "reach": ["sh", "-c"],
            "addresses": {"": {"bind": "10.78.0.4", "endpoint": "", "private": "10.78.0.4"}},
            "facts": {},
            "incarnation": "1",
            "public_key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA",
            "private_key": "PRIVATE",
        }

    def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]] | None]:
        return dict(self.side.invoke(args.token, args.args)), []


@pytest.fixture
def mocks(side: CloudSide) -> Mocks:
    made = Mocks(side)
    pulumi.runtime.set_mocks(made, project="cowbench", stack="s", preview=False)
    return made


def host(name: str, **axes: Any) -> Cell:
    made = cell(**{"cloud": "openstack", "machine_image": "debian-12", **axes})
    return replace(made, name=f"{name}-layer", host=name)


TWO = (
    host("old-kernel", driver="devicemapper_direct", filesystem="xfs", disk="high-speed-gen2-120GiB"),
    host("new-kernel", machine_image="debian-13", disk="default-40GiB"),
)
GENERATORS = Generators(count=1, instance_type="c3-8", machine_image="")


def deployed(cells: tuple[Cell, ...] = TWO, generators: Generators | None = GENERATORS) -> pulumi.Output[dict[str, Any]]:
    wanted = deploy.Wanted(images={"versitygw": "sha256:x"}, generators=generators, settled=SETTLED)
    return deploy.deploy(cells, "s", wanted).targets


def of(mocks: Mocks, kind: str) -> dict[str, Mapping[str, Any]]:
    return {args.name: args.inputs for args in mocks.registered if args.typ.endswith(f":{kind}")}


def ingress(mocks: Mocks) -> set[tuple[int, int, str]]:
    rules = [each for each in of(mocks, "SecGroupRule").values() if each["direction"] == "ingress"]
    assert {(each["protocol"], each["ethertype"]) for each in rules} == {("tcp", "IPv4")}
    return {(each["portRangeMin"], each["portRangeMax"], each["remoteIpPrefix"]) for each in rules}


@pulumi.runtime.test  # type: ignore[untyped-decorator] # the SDK ships it without types
def test_with_generators_only_they_reach_the_servers_and_only_the_operator_has_ssh(mocks: Mocks) -> pulumi.Output[None]:
    def judge(_: object) -> None:
        assert ingress(mocks) == {(22, 22, OPERATOR), (7070, 7070, PRIVATE)}
        assert {each["cidr"] for each in of(mocks, "Subnet").values()} == {PRIVATE}

    return deployed().apply(judge)


@pulumi.runtime.test  # type: ignore[untyped-decorator] # the SDK ships it without types
def test_without_generators_the_operator_alone_reaches_the_servers(mocks: Mocks) -> pulumi.Output[None]:
    def judge(_: object) -> None:
        assert ingress(mocks) == {(22, 22, OPERATOR), (7070, 7070, OPERATOR)}

    return deployed(generators=None).apply(judge)


@pulumi.runtime.test  # type: ignore[untyped-decorator] # the SDK ships it without types
def test_every_port_of_a_vm_is_guarded_and_everything_may_leave(mocks: Mocks) -> pulumi.Output[None]:
    def judge(_: object) -> None:
        (group,) = mocks.side.table.rows(simulated.GROUP)
        assert group.inputs["deleteDefaultRules"]
        assert {tuple(port["securityGroupIds"]) for port in of(mocks, "Port").values()} == {(group.id,)}
        out = [each for each in of(mocks, "SecGroupRule").values() if each["direction"] == "egress"]
        assert [(each["ethertype"], each.get("remoteIpPrefix"), each.get("protocol")) for each in out] == [
            ("IPv4", None, None),
            ("IPv6", None, None),
        ]

    return deployed().apply(judge)


@pulumi.runtime.test  # type: ignore[untyped-decorator] # the SDK ships it without types
def test_no_rule_of_the_policy_is_broken_and_everything_says_whose_it_is(mocks: Mocks) -> pulumi.Output[None]:
    def judge(_: object) -> None:
        own = [args for args in mocks.registered if args.typ.startswith(OWN)]
        assert [(args.name, found) for args in own if (found := policy.judge(args.typ, args.inputs, ACCOUNT.meanings))] == []
        told = [ACCOUNT.meanings[args.typ](args.inputs).labels for args in own]
        assert [each for each in told if each is not None] != []
        assert [
            each for each in told if each is not None and dict(each) != labels.of("s", SETTLED.owner, SETTLED.expires_at)
        ] == []
        bare = {args.typ.rpartition(":")[2] for args, each in zip(own, told, strict=True) if each is None}
        assert bare == {"SecGroupRule", "RouterInterface", "FloatingIpAssociate"}

    return deployed().apply(judge)


@pulumi.runtime.test  # type: ignore[untyped-decorator] # the SDK ships it without types
def test_a_vm_has_the_image_the_flavor_and_the_zone_that_were_settled(mocks: Mocks) -> pulumi.Output[None]:
    def judge(_: object) -> None:
        vms = of(mocks, "Instance")
        assert {name: (each["imageId"], each["flavorName"]) for name, each in vms.items()} == {
            "old-kernel": (DEBIAN_12, "b3-8"),
            "new-kernel": (DEBIAN_13, "b3-8"),
            "load-openstack-1": (DEBIAN_12, "c3-8"),
        }
        assert {each["availabilityZone"] for each in vms.values()} == {"nova"}
        (group,) = mocks.side.table.rows(simulated.AFFINITY)
        assert {each["schedulerHints"][0]["group"] for each in vms.values()} == {group.id}

    return deployed().apply(judge)


@pulumi.runtime.test  # type: ignore[untyped-decorator] # the SDK ships it without types
def test_disks_are_blank_volumes_that_go_with_their_vm(mocks: Mocks) -> pulumi.Output[None]:
    def judge(_: object) -> None:
        vms = of(mocks, "Instance")
        asked = {
            name: [(each.get("volumeType"), each["volumeSize"]) for each in vm["blockDevices"] if each["sourceType"] == "blank"]
            for name, vm in vms.items()
        }
        assert asked == {
            "old-kernel": [("high-speed-gen2", 120)] * 2,
            "new-kernel": [(None, 40)],
            "load-openstack-1": [("high-speed", 100)],
        }
        assert all(each["deleteOnTermination"] for vm in vms.values() for each in vm["blockDevices"])

    return deployed().apply(judge)


@pulumi.runtime.test  # type: ignore[untyped-decorator] # the SDK ships it without types
def test_disks_that_the_flavor_brings_are_not_made(mocks: Mocks) -> pulumi.Output[None]:
    cells = (replace(TWO[1], disk="nvme-1700GiB", instance_type="i1-45"),)

    def judge(_: object) -> None:
        (vm,) = of(mocks, "Instance").values()
        assert [each["sourceType"] for each in vm["blockDevices"]] == ["image"]

    return deployed(cells, None).apply(judge)


@pulumi.runtime.test  # type: ignore[untyped-decorator] # the SDK ships it without types
def test_user_data_is_the_plain_text_that_ends_the_vm_by_itself(mocks: Mocks) -> pulumi.Output[None]:
    def judge(_: object) -> None:
        for vm in of(mocks, "Instance").values():
            told = yaml.safe_load(vm["userData"])
            assert vm["userData"].startswith("#cloud-config\n")
            assert told["users"][0]["ssh_authorized_keys"] == ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA"]
            assert any("shutdown" in str(each) and "3600" in each for each in told["bootcmd"])
            assert "PRIVATE" not in vm["userData"]

    return deployed().apply(judge)


@pulumi.runtime.test  # type: ignore[untyped-decorator] # the SDK ships it without types
def test_a_host_is_told_both_its_addresses(mocks: Mocks) -> pulumi.Output[None]:
    def judge(_: object) -> None:
        floating = {row.outputs["address"] for row in mocks.side.table.rows(simulated.ADDRESS)}
        hosts = of(mocks, "RentedHost")
        assert {each["address"] for each in hosts.values()} == floating
        assert len(floating) == 3
        assert {each["private_address"].rpartition(".")[0] for each in hosts.values()} == {"10.78.0"}

    return deployed().apply(judge)


@pulumi.runtime.test  # type: ignore[untyped-decorator] # the SDK ships it without types
def test_on_the_external_network_itself_a_vm_needs_no_router_and_no_floating_address(
    mocks: Mocks, monkeypatch: pytest.MonkeyPatch
) -> pulumi.Output[None]:
    monkeypatch.setenv("COWBENCH_OPENSTACK_ADDRESSES", "direct")

    def judge(_: object) -> None:
        kinds = {args.typ.rpartition(":")[2] for args in mocks.registered}
        assert kinds.isdisjoint({"Router", "RouterInterface", "FloatingIp", "FloatingIpAssociate"})
        (subnet,) = of(mocks, "Subnet").values()
        assert subnet["noGateway"]
        public = {
            row.id: row for row in mocks.side.table.rows(simulated.PORT) if row.inputs["networkId"] == simulated.EXTERNAL["id"]
        }
        for vm in of(mocks, "Instance").values():
            assert vm["networks"][0]["port"] in public
            assert len(vm["networks"]) == 2
        given = {address for row in public.values() for address in row.outputs["allFixedIps"]}
        addresses = {each["address"] for each in of(mocks, "RentedHost").values()}
        assert addresses < given
        assert [address for address in addresses if ":" in address] == []

    return deployed().apply(judge)


@pulumi.runtime.test  # type: ignore[untyped-decorator] # the SDK ships it without types
def test_more_vms_than_a_server_group_takes_are_made_without_one(mocks: Mocks) -> pulumi.Output[None]:
    cells = tuple(host(f"host-{number}") for number in range(11))

    def judge(_: object) -> None:
        assert of(mocks, "ServerGroup") == {}
        assert len(of(mocks, "Instance")) == 11

    return deployed(cells, None).apply(judge)


@pulumi.runtime.test  # type: ignore[untyped-decorator] # the SDK ships it without types
def test_a_vm_boots_only_when_packages_can_reach_it(mocks: Mocks) -> pulumi.Output[None]:
    def judge(_: object) -> None:
        kinds = [args.typ for args in mocks.registered]
        first = kinds.index(simulated.INSTANCE)
        assert kinds.index(simulated.INTERFACE) < first
        assert simulated.RULE not in kinds[first:]

    return deployed().apply(judge)


@pytest.mark.parametrize(
    ("axes", "reason"),
    [
        ({"disk": "high-speed-100GiB+6000iops"}, "cannot be asked for (high-speed-100GiB+6000iops): write high-speed-100GiB, or"),
        ({"disk": "nvme-50GiB"}, "b3-8 has no local disk but the one it boots from: "),
        ({"instance_type": "i1-45"}, "i1-45 has local disks beside the high-speed one"),
        ({"disk": "nvme-1700GiB", "instance_type": "i1-45"}, ""),
        ({"disk": "nvme-50GiB", "instance_type": "SCS-4V-16-50s"}, ""),
    ],
)
def test_a_disk_that_a_flavor_cannot_have_is_refused(axes: dict[str, str], reason: str) -> None:
    (requests,) = hosts.by_cloud("s", (host("one", **axes),), None).values()
    found = openstack.CLOUD.room(requests)
    assert reason in found
    assert bool(found) == bool(reason)


def test_another_way_to_an_address_is_a_problem_before_anything_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COWBENCH_OPENSTACK_ADDRESSES", "flaoting")
    assert any("'flaoting': set it to floating or direct" in problem for problem in openstack.CLOUD.problems())


def test_volume_types_of_a_private_cloud_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COWBENCH_OPENSTACK_DISKS", "ssd, hdd")
    assert openstack._disks()[:3] == ("ssd-100GiB", "hdd-100GiB", "high-speed-100GiB")


@pytest.mark.parametrize(
    ("variables", "missing"),
    [
        ({}, "no OpenStack credentials"),
        ({"OS_AUTH_URL": "https://x"}, "OS_USERNAME, OS_PASSWORD, OS_PROJECT_ID missing"),
        ({"OS_AUTH_URL": "https://x", "OS_USERNAME": "u", "OS_PASSWORD": "p"}, "OS_PROJECT_ID missing"),
        ({"OS_CLOUD": "ovh"}, "OS_CLOUD is set, but there is no clouds.yaml"),
        ({"OS_AUTH_URL": "https://x", "OS_APPLICATION_CREDENTIAL_SECRET": "s"}, ""),
        ({"OS_AUTH_URL": "https://x", "OS_USERNAME": "u", "OS_PASSWORD": "p", "OS_PROJECT_NAME": "n"}, ""),
    ],
)
def test_what_is_missing_of_the_credentials_is_named(
    variables: Mapping[str, str], missing: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    problems = CLOUD.problems()
    assert [problem for problem in problems if ": " not in problem] == []
    assert "".join(problems).startswith(missing)
    assert bool(problems) == bool(missing)


def test_a_cloud_of_clouds_yaml_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OS_CLOUD", "ovh")
    (tmp_path / "clouds.yaml").write_text("clouds: {ovh: {}}")
    assert CLOUD.problems() == ()


# The account, against the simulated cloud's API.


@pytest.fixture
def served(side: CloudSide, monkeypatch: pytest.MonkeyPatch) -> Iterator[CloudSide]:
    server = api.Server(side.directory)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    for name, value in simulated.SIMULATED.environment(f"{server.url}/openstack").items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(openstack, "_WAITS_S", (0.01, 0.01))
    try:
        yield side
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(
    ("name", "image", "date"),
    [
        ("debian-12", "Debian 12", "2025-06-01T08:00:00Z"),
        ("ubuntu-24.04", "Ubuntu 24.04", "2025-03-01T08:00:00Z"),
        ("rocky-9", "Rocky Linux 9", "2025-02-01T08:00:00Z"),
        ("alma-9", "AlmaLinux 9", "2025-02-01T08:00:00Z"),
        ("fedora", "Fedora 42", "2025-05-01T08:00:00Z"),
    ],
)
def test_the_newest_image_of_a_name_is_found_on_whatever_page(served: CloudSide, name: str, image: str, date: str) -> None:
    del served
    assert ACCOUNT.image_id("SBG5", name) == simulated.image_id("SBG5", image, date)


@pytest.mark.parametrize(
    ("name", "image"),
    [
        ("debian-12", "debian-12-generic-amd64"),
        ("debian-12", "Debian 12 (bookworm)"),
        ("ubuntu-24.04", "ubuntu-24.04-server-cloudimg-amd64"),
        ("ubuntu-24.04", "Ubuntu 24.04 LTS"),
        ("rocky-9", "Rocky-9-GenericCloud-Base-9.4-20240509.0.x86_64"),
        ("alma-9", "AlmaLinux-9-GenericCloud-9.4-20240507.x86_64"),
        ("opensuse-leap", "openSUSE Leap 15.6"),
        ("fedora", "Fedora-Cloud-Base-40-1.14.x86_64"),
    ],
)
def test_images_are_found_as_vendors_call_them(name: str, image: str) -> None:
    assert openstack._is_image(name, image)


@pytest.mark.parametrize(
    "image", ["Debian 12 - Docker", "Debian 12 - UEFI", "Debian 120", "Debian 11", "my Debian 12", "debian-12-arm64"]
)
def test_what_is_more_than_the_distribution_is_another_image(image: str) -> None:
    assert not openstack._is_image("debian-12", image)


def test_an_image_that_is_not_there_is_told_with_what_to_do(served: CloudSide) -> None:
    del served
    with pytest.raises(DeployError, match="there is no image of opensuse-leap among 15") as refused:
        ACCOUNT.image_id("GRA11", "opensuse-leap")
    assert "upload its cloud image" in refused.value.next_step


def test_zones_are_those_that_vms_can_be_in(served: CloudSide) -> None:
    del served
    assert ACCOUNT.zones("EU-WEST-PAR") == ("eu-west-par-a", "eu-west-par-b", "eu-west-par-c")


def test_types_are_those_that_the_region_sells(served: CloudSide) -> None:
    found = ACCOUNT.instance_types("GRA11")

    assert "b3-8" in found
    assert "m7i.large" not in found
    assert set(found) == set(simulated.FLAVORS)
    assert served.table.rows() == ()


def test_a_region_that_is_none_is_told(served: CloudSide) -> None:
    del served
    with pytest.raises(DeployError) as refused:
        ACCOUNT.zones("GRA99")
    assert refused.value.where == "openstack GRA99"
    assert refused.value.next_step == "is it a region of this project? see: openstack catalog list"


def test_throttling_is_waited_out_but_not_for_ever(served: CloudSide) -> None:
    fault = faults.Fault(cloud="openstack", op="api", failure="throttled", times=2)
    faults.add(served.directory, fault)
    assert ACCOUNT.zones("GRA11") == ("nova",)
    faults.add(served.directory, replace(fault, times=100))
    with pytest.raises(DeployError) as refused:
        ACCOUNT.zones("GRA11")
    assert "429" in refused.value.what
    assert refused.value.next_step == "wait some minutes, then the same again"


def test_credentials_that_are_not_accepted_are_told(served: CloudSide, monkeypatch: pytest.MonkeyPatch) -> None:
    del served
    monkeypatch.setenv("OS_PASSWORD", "another")
    with pytest.raises(DeployError, match="401") as refused:
        ACCOUNT.belongings(("GRA11",))
    assert "expired" in refused.value.next_step


@pulumi.runtime.test  # type: ignore[untyped-decorator] # the SDK ships it without types
def test_everything_of_ours_is_found_without_state_and_can_be_removed_in_that_order(
    served: CloudSide, mocks: Mocks
) -> pulumi.Output[None]:
    other = served.create(simulated.NETWORK, "somebody", "urn:other", {"region": "GRA11", "description": "the shop's"})

    def judge(_: object) -> None:
        found = ACCOUNT.belongings(())
        count = {kind: [each.kind for each in found].count(kind) for kind in openstack._SORTS}
        assert count == {
            "vm": 3,
            "disk": 4,
            "address": 3,
            "port": 3,
            "router": 1,
            "subnet": 1,
            "network": 1,
            "firewall": 1,
            "placement group": 1,
            "key": 1,
        }
        assert {(each.region, each.owner, each.run, each.expires_at) for each in found} == {
            ("GRA11", labels.word(SETTLED.owner), labels.run("s"), 1_800_000_000.0)
        }
        for each in found:
            ACCOUNT.remove(each)
        assert [row.id for row in served.table.rows()] == [other.id]
        for each in found:
            ACCOUNT.remove(each)

    assert mocks.side.directory == served.directory
    return deployed().apply(judge)


def test_a_disk_that_nova_left_behind_is_removed(served: CloudSide, monkeypatch: pytest.MonkeyPatch) -> None:
    del served
    asked: list[str] = []
    volume = SimpleNamespace(id="v", status="available")

    def get_volume(id_: str) -> SimpleNamespace:
        asked.append(f"get {id_}")
        return volume

    service = SimpleNamespace(
        get_volume=get_volume,
        delete_volume=lambda id_: asked.append(f"delete {id_}"),
        wait_for_delete=lambda found, **_: asked.append(f"wait {found.id}"),
    )
    monkeypatch.setattr(openstack, "_connection", cache(lambda _: SimpleNamespace(block_storage=service)))
    belonging = Belonging(cloud="openstack", region="GRA11", kind="disk", id="v", name="v", owner="a", run="r", expires_at=0.0)
    ACCOUNT.remove(belonging)
    volume.status = "deleting"
    ACCOUNT.remove(belonging)
    assert asked == ["get v", "delete v", "wait v", "get v", "wait v"]


def test_its_words_for_failures_are_understood() -> None:
    for kind, said in simulated.SIMULATED.failures.items():
        fitting = {each for each, patterns in ACCOUNT.failures.items() if any(re.search(pattern, said) for pattern in patterns)}
        assert kind in fitting, said


# The simulated cloud refuses what the real one refuses.


def with_network(side: CloudSide) -> tuple[Row, Row]:
    network = side.create(simulated.NETWORK, "n", "urn:n", {"region": "GRA11"})
    subnet = side.create(
        simulated.SUBNET, "s", "urn:s", {"region": "GRA11", "networkId": network.id, "cidr": PRIVATE, "ipVersion": 4}
    )
    return network, subnet


REFUSED: Mapping[str, tuple[str, Callable[[Row, Row], dict[str, Any]], str]] = {
    "a tag of 61 characters": (simulated.NETWORK, lambda *_: {"tags": ["x" * 61]}, "exceeds maximum length of 60"),
    "a description of 256": (simulated.NETWORK, lambda *_: {"description": "x" * 256}, "exceeds maximum length of 255"),
    "a region that is none": (simulated.NETWORK, lambda *_: {"region": "GRA99"}, "No suitable endpoint"),
    "a subnet of no network": (simulated.SUBNET, lambda *_: {"networkId": "x", "cidr": PRIVATE}, "NetworkNotFound"),
    "an overlapping subnet": (
        simulated.SUBNET,
        lambda n, _: {"networkId": n.id, "cidr": "10.78.1.0/24"},
        "overlaps with another",
    ),
    "a subnet that is no CIDR": (
        simulated.SUBNET,
        lambda n, _: {"networkId": n.id, "cidr": "10.78.1.1/20"},
        "not a valid IP subnet",
    ),
    "a router to a private network": (simulated.ROUTER, lambda n, _: {"externalNetworkId": n.id}, "not an external network"),
    "a port in another network's subnet": (
        simulated.PORT,
        lambda _, s: {"networkId": simulated.EXTERNAL["id"], "fixedIps": [{"subnetId": s.id}]},
        "included invalid subnet",
    ),
    "a port with a group that is not there": (
        simulated.PORT,
        lambda n, _: {"networkId": n.id, "securityGroupIds": ["x"]},
        "SecurityGroupNotFound",
    ),
    "a key that is none": (simulated.KEY, lambda *_: {"publicKey": "secret"}, "failed to generate fingerprint"),
    "a key's name with a slash": (simulated.KEY, lambda *_: {"name": "a/b"}, "unsafe characters"),
    "another policy": (simulated.AFFINITY, lambda *_: {"policies": "near"}, "Invalid input"),
    "an address of another pool": (simulated.ADDRESS, lambda *_: {"pool": "public"}, "no network public"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_it_refuses(what: str, side: CloudSide) -> None:
    kind, inputs, text = REFUSED[what]
    given = {"region": "GRA11", **inputs(*with_network(side))}
    with pytest.raises(Refused, match=text):
        side.create(kind, "x", "urn:x", given)


def vm(side: CloudSide) -> dict[str, Any]:
    network, subnet = with_network(side)
    port = side.create(
        simulated.PORT, "p", "urn:p", {"region": "GRA11", "networkId": network.id, "fixedIps": [{"subnetId": subnet.id}]}
    )
    return {"region": "GRA11", "flavorName": "b3-8", "imageId": DEBIAN_12, "networks": [{"port": port.id}]}


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"flavorName": "b3-9"}, "Unable to find flavor with name b3-9"),
        ({"imageId": "x"}, "Can not find requested image"),
        ({"availabilityZone": "b"}, "availability zone is not available"),
        ({"keyPair": "x"}, "Invalid key_name"),
        ({"userData": "x" * 50_000}, "user_data"),
        ({"metadata": {"a/b": "c"}}, "Invalid input"),
        ({"networks": [{"port": "x"}]}, "Port x could not be found"),
        ({"schedulerHints": [{"group": "x"}]}, "Instance group x could not be found"),
        (
            {"blockDevices": [{"sourceType": "blank", "destinationType": "volume", "volumeSize": 9, "bootIndex": 1}]},
            "Boot sequence",
        ),
        (
            {
                "blockDevices": [
                    {"sourceType": "blank", "destinationType": "volume", "bootIndex": -1, "volumeSize": 9, "volumeType": "x"}
                ]
            },
            "Volume type x could not be found",
        ),
        (
            {"blockDevices": [{"sourceType": "blank", "destinationType": "volume", "bootIndex": -1, "volumeSize": 0}]},
            "volume size 0",
        ),
    ],
)
def test_it_refuses_a_vm(changes: dict[str, Any], text: str, side: CloudSide) -> None:
    usual = vm(side)
    with pytest.raises(Refused, match=text):
        side.create(simulated.INSTANCE, "x", "urn:x", {**usual, **changes})
    side.create(simulated.INSTANCE, "x", "urn:x", usual)


@pulumi.runtime.test  # type: ignore[untyped-decorator] # the SDK ships it without types
def test_what_something_else_needs_stays(mocks: Mocks) -> pulumi.Output[None]:
    def judge(_: object) -> None:
        side = mocks.side
        for kind in (simulated.NETWORK, simulated.SUBNET, simulated.ROUTER, simulated.INTERFACE, simulated.GROUP):
            (row,) = side.table.rows(kind)
            with pytest.raises(Refused, match="409"):
                side.table.remove(row.id)

    return deployed().apply(judge)


@pulumi.runtime.test  # type: ignore[untyped-decorator] # the SDK ships it without types
def test_the_machine_behind_a_vm_is_open_where_the_firewall_is(mocks: Mocks) -> pulumi.Output[None]:
    here = replace(SETTLED, operator="127.0.0.1/32")
    wanted = deploy.Wanted(images={"versitygw": "sha256:x"}, settled=here)

    def judge(_: object) -> None:
        rows = {row.name: row for row in mocks.side.table.rows(simulated.INSTANCE)}
        machine = simulated.machine(mocks.side.table, rows["old-kernel"])
        assert machine is not None
        assert machine.open_ports == (22, 7070)
        assert (machine.image, machine.cpus, machine.disks_bytes) == ("debian-bookworm", 2, (120 << 30, 120 << 30))
        assert machine.public_address.startswith("127.78.")
        assert machine.private_address.startswith("10.78.0.")
        assert machine.user_data.startswith("#cloud-config\n")
        for rule in mocks.side.table.rows(simulated.RULE):
            mocks.side.table.remove(rule.id)
        closed = simulated.machine(mocks.side.table, rows["old-kernel"])
        assert closed is not None
        assert closed.open_ports == ()

    return deploy.deploy(TWO, "s", wanted).targets.apply(judge)

"""The cloud `aws`: what its program asks for, and what its client makes of what the simulated EC2 answers."""

from __future__ import annotations

import base64
import gzip
import json
import os
import re
import subprocess
import sys
import threading
import tomllib
from collections import Counter
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pulumi
import pytest
from pulumi.runtime import mocks

from bench.errors import DeployError, InputError
from bench.records import Generators
from stacks import axes, clouds, deploy, deploy_failures, hosts, labels, policy
from stacks.clouds import aws
from stacks.terms import Settled
from tests.cells import cell
from tests.simulator import api, arguments, faults, settings, table
from tests.simulator.cloud_side import CloudSide, open_cloud
from tests.simulator.clouds import aws as simulated
from tests.simulator.member import Refused

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bench.records import Cell

# Its SDK deprecates some of its own classes while it is imported.
pytestmark = pytest.mark.filterwarnings("ignore:aws.* has been deprecated in favor of:DeprecationWarning")

REGION, ZONE = "eu-central-1", "eu-central-1b"
FAR, NEAR = "203.0.113.7/32", "127.0.0.1/32"
CLOUD = clouds.load("aws")
ACCOUNT = CLOUD.account
assert ACCOUNT is not None
ROOT = Path(__file__).parents[2]
TWO_KERNELS = (
    cell(cloud="aws", machine_image="debian-12"),
    replace(cell("vfs", cloud="aws", machine_image="debian-13"), name="aws-vfs", host="vfs"),
)
ONE_GENERATOR = Generators(count=1, instance_type="", machine_image="")


def ami(name: str) -> str:
    image = next(each for each in simulated.IMAGES if each.name.startswith(name) and each.machine)
    return simulated.image_id(REGION, image)


def settled(**changes: Any) -> Settled:
    terms = Settled(
        owner="Ann Lee",
        operator=FAR,
        expires_at=1_900_000_000,
        lifetime_s=7200,
        spot=False,
        image_ids={f"aws/{REGION}/{name}": ami(f"{name}-amd64") for name in ("debian-12", "debian-13")},
        zones={f"aws/{REGION}": ZONE},
    )
    return replace(terms, **changes)


class Engine(mocks.Mocks):
    """Makes what the program registers in the simulated cloud, by its rules; the rest is answered as if it stood."""

    def __init__(self, cloud: CloudSide) -> None:
        self.cloud, self.registered = cloud, list[mocks.MockResourceArgs]()

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        if not args.typ.startswith("aws:"):
            return f"{args.name}-id", {**args.inputs, **STANDING}
        inputs = whole({"region": REGION, **args.inputs})
        args.inputs = {name: value for name, value in inputs.items() if name in args.inputs}
        self.registered.append(args)
        # Route table associations take a region like all others.
        assert arguments.problems("pulumi_aws", args.typ, inputs) == ()
        row = self.cloud.create(args.typ, args.name, f"urn:{args.name}", inputs)
        return row.id, dict(row.outputs)

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]] | None]:
        return dict(args.args), None

    def inputs(self, kind: str) -> list[dict[str, Any]]:
        return [dict(args.inputs) for args in self.registered if args.typ == kind]


STANDING: dict[str, Any] = {
    "engine_url": "unix:///x",
    "reach": ["sh", "-c"],
    "addresses": {"": {"bind": "10.77.0.4", "endpoint": "", "private": "10.77.0.4"}},
    "facts": {},
    "incarnation": "1",
    "endpoint": "http://x",
    "private_endpoint": "",
    "public_key": "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIP0 stack",
    "private_key": "-----BEGIN OPENSSH PRIVATE KEY-----",
    "access_key": "S3ACCESS",
    "secret_key": "S3SECRET",
    "folder": "/load",
    "image_id": "sha256:1",
}


def whole(value: Any) -> Any:
    """As the simulator's plugin hands values on: the protocol has no whole numbers."""
    if isinstance(value, dict):
        return {name: whole(each) for name, each in value.items()}
    if isinstance(value, list):
        return [whole(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


@pytest.fixture
def cloud(tmp_path: Path) -> CloudSide:
    return empty_cloud(tmp_path)


def empty_cloud(directory: Path) -> CloudSide:
    settings.write(directory, settings.Settings(clouds=("aws",), modules={"aws": simulated.__name__}))
    table.create(directory)
    return open_cloud(directory, "aws")


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> CloudSide:
    """Two hosts, for who only asks it things that it refuses."""
    engine = Engine(empty_cloud(tmp_path_factory.mktemp("standing")))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("stacks.image.ensure", lambda name: SimpleNamespace(content_digest=f"sha256:{name}"))
        up(engine)
    return engine.cloud


@pytest.fixture
def engine(cloud: CloudSide, monkeypatch: pytest.MonkeyPatch) -> Engine:
    monkeypatch.setattr("stacks.image.ensure", lambda name: SimpleNamespace(content_digest=f"sha256:{name}"))
    return Engine(cloud)


def up(engine: Engine, cells: tuple[Cell, ...] = TWO_KERNELS, generators: Generators | None = None, **terms: Any) -> None:
    pulumi.runtime.set_mocks(engine, project="cowbench", stack="s", preview=False)

    @pulumi.runtime.test  # type: ignore[untyped-decorator] # the SDK ships it without types
    def program() -> pulumi.Output[Any]:
        wanted = deploy.Wanted(images={}, generators=generators, settled=settled(**terms))
        return deploy.deploy(cells, "s", wanted).targets

    program()


def one(**axes: Any) -> tuple[Cell, ...]:
    return (cell(cloud="aws", **axes),)


def openings(engine: Engine) -> set[tuple[int, int, str]]:
    return {(rule["fromPort"], rule["toPort"], rule["cidrIpv4"]) for rule in engine.inputs(simulated.INWARD)}


def test_the_servers_are_open_to_the_operator_alone_who_drives_the_load(engine: Engine) -> None:
    up(engine)
    assert openings(engine) == {(22, 22, FAR), (7070, 7070, FAR)}
    assert [(rule["ipProtocol"], rule["cidrIpv4"]) for rule in engine.inputs(simulated.OUTWARD)] == [("-1", "0.0.0.0/0")]
    # Rules within the group and rules beside it would fight.
    assert {"ingress", "egress"}.isdisjoint(engine.inputs(simulated.GROUP)[0])


def test_the_servers_are_open_to_the_private_network_alone_where_generators_drive_it(engine: Engine) -> None:
    up(engine, generators=ONE_GENERATOR)
    assert openings(engine) == {(22, 22, FAR), (7070, 7070, "10.77.0.0/20")}


@pytest.mark.parametrize("generators", [None, ONE_GENERATOR])
def test_nothing_breaks_a_rule_and_everything_is_labelled(engine: Engine, generators: Generators | None) -> None:
    up(engine, generators=generators)
    wanted = labels.of("s", "Ann Lee", 1_900_000_000)
    assert ACCOUNT is not None
    assert {args.typ for args in engine.registered} <= ACCOUNT.meanings.keys()
    for args in engine.registered:
        assert policy.judge(args.typ, args.inputs, ACCOUNT.meanings) == ()
        if args.typ != simulated.ASSOCIATION:
            assert wanted.items() <= args.inputs["tags"].items()
    for vm in engine.inputs(simulated.INSTANCE):
        assert wanted.items() <= vm["volumeTags"].items()


def test_all_hosts_of_a_zone_share_one_network(engine: Engine) -> None:
    up(engine, generators=ONE_GENERATOR)
    kinds = Counter(args.typ for args in engine.registered)
    assert kinds.pop(simulated.INSTANCE) == 3
    assert kinds.pop(simulated.INWARD) == 2
    assert set(kinds.values()) == {1}
    assert [each["availabilityZone"] for each in engine.inputs(simulated.SUBNET)] == [ZONE]


def test_each_host_has_its_image_and_type_and_an_end(engine: Engine) -> None:
    up(engine)
    vms = engine.inputs(simulated.INSTANCE)
    assert {vm["ami"] for vm in vms} == {ami("debian-12"), ami("debian-13")}
    for vm in vms:
        assert vm["instanceType"] == "m7i.large"
        assert vm["availabilityZone"] == ZONE
        assert vm["instanceInitiatedShutdownBehavior"] == "terminate"
        assert vm["metadataOptions"]["httpTokens"] == "required"
        assert vm["userDataReplaceOnChange"] is True
        assert "instanceMarketOptions" not in vm


def test_a_spot_host_is_asked_for_once_and_ends_when_it_is_reclaimed(engine: Engine) -> None:
    up(engine, spot=True)
    for vm in engine.inputs(simulated.INSTANCE):
        assert vm["instanceMarketOptions"] == {
            "marketType": "spot",
            "spotOptions": {"spotInstanceType": "one-time", "instanceInterruptionBehavior": "terminate"},
        }


def test_user_data_is_small_and_the_same_each_time_and_holds_no_secret(engine: Engine) -> None:
    up(engine, one())
    packed = engine.inputs(simulated.INSTANCE)[0]["userDataBase64"]
    assert len(base64.b64decode(packed)) <= simulated.USER_DATA_LIMIT_BYTES // 2
    text = gzip.decompress(base64.b64decode(packed)).decode()
    assert aws._packed(text) == packed
    assert text.startswith("#cloud-config\n")
    assert STANDING["public_key"] in text
    assert "end-of-life" in text
    assert "7200" in text
    assert not any(secret in text for secret in (STANDING["private_key"], "S3SECRET", "S3ACCESS"))


def disks(engine: Engine) -> list[tuple[Any, ...]]:
    names = ("volumeType", "volumeSize", "iops", "throughput")
    return [tuple(each.get(name) for name in names) for each in engine.inputs(simulated.INSTANCE)[0]["ebsBlockDevices"]]


@pytest.mark.parametrize(
    ("axes", "expected"),
    [
        ({}, [("gp3", 100, None, None)]),
        ({"disk": "gp3-50GiB+6000iops+500MiBps"}, [("gp3", 50, 6000, 500)]),
        ({"disk": "gp3-1536MiB"}, [("gp3", 2, None, None)]),
        ({"disk": "io2-40GiB+12000iops"}, [("io2", 40, 12000, None)]),
        ({"disk": axes.disk("io2-40GiB", "aws")}, [("io2", 40, 3000, None)]),
        ({"disk": "st1-125GiB"}, [("st1", 125, None, None)]),
        ({"driver": "devicemapper-direct"}, [("gp3", 100, None, None)] * 2),
        ({"disk": "nvme-60GiB", "instance_type": "m6id.large"}, []),
    ],
)
def test_a_host_has_the_disks_that_were_asked_for(engine: Engine, axes: dict[str, str], expected: list[tuple[Any, ...]]) -> None:
    up(engine, one(**axes))
    assert disks(engine) == expected


@pytest.mark.parametrize(
    ("axes", "said"),
    [
        ({"disk": "nvme-60GiB"}, "m7i.large has no local disk"),
        ({"instance_type": "m6id.large"}, "m6id.large has local disks beside the gp3 one"),
        ({"instance_type": "m7g.large"}, "m7g.large is for ARM"),
        ({"disk": "nvme-60GiB+6000iops", "instance_type": "m6id.large"}, "speed of local disks"),
        ({"disk": "nvme-60GiB", "instance_type": "m6id.large", "driver": "devicemapper-direct"}, "wants two disks"),
        ({"disk": "gp2-100GiB+6000iops"}, "sells no IOPS of a gp2 volume"),
        ({"disk": "io2-100GiB+250MiBps"}, "sells no MiB/s of a io2 volume"),
        ({"disk": "st1-100GiB"}, "has 125 to 16384 GiB, and not 100"),
        ({"disk": "gp3-100GiB+2999iops"}, "has 3000 to 80000 IOPS, and not 2999"),
        ({"disk": "gp3-10GiB+6000iops"}, "volume of 10 GiB has at most 5000 IOPS"),
        ({"disk": "gp3-100GiB+800MiBps"}, "with 3000 IOPS has at most 750 MiB/s"),
    ],
)
def test_what_ec2_does_not_sell_or_would_be_mistaken_is_refused(engine: Engine, axes: dict[str, str], said: str) -> None:
    with pytest.raises(InputError, match=said) as refused:
        up(engine, one(**axes))
    assert refused.value.next_step
    assert engine.inputs(simulated.INSTANCE) == []


@pytest.mark.parametrize(
    "axes",
    [
        {"disk": "gp3-1GiB+3000iops"},
        {"disk": "gp3-100GiB+4000iops+1000MiBps"},
        {"disk": axes.disk("io2-4GiB", "aws")},
        {"disk": "nvme-60GiB", "instance_type": "d3.xlarge", "driver": "devicemapper-direct"},
    ],
)
def test_what_ec2_sells_is_not_refused(axes: dict[str, str]) -> None:
    (requests,) = hosts.by_cloud("s", one(**axes), None).values()
    assert aws.CLOUD.room(requests) == ""


@pytest.mark.parametrize("family", ["m6id", "m5ad", "c7gd", "r5dn", "x2iedn", "z1d", "i4i", "i7ie", "im4gn", "d3en", "g5", "c3"])
def test_a_family_with_disks_of_its_own_is_known_by_its_name(family: str) -> None:
    assert re.fullmatch(aws._LOCAL_DISKS, family)


@pytest.mark.parametrize("family", ["t3", "m7i", "m7i-flex", "c6a", "c7gn", "r8g", "x8i", "m8azn", "inf2", "a1", "mac2-m2pro"])
def test_a_family_without_disks_of_its_own_is_known_by_its_name(family: str) -> None:
    assert not re.fullmatch(aws._LOCAL_DISKS, family)


@pytest.mark.parametrize(("instance_type", "close"), [("m7i.large", True), ("t3.medium", False), ("m7i-flex.large", False)])
def test_hosts_are_close_together_where_their_type_allows_it(engine: Engine, instance_type: str, *, close: bool) -> None:
    cells = tuple(replace(each, instance_type=instance_type) for each in TWO_KERNELS)
    up(engine, cells)
    assert engine.inputs(simulated.PLACEMENT)[0]["strategy"] == "cluster"
    assert {"placementGroup" in vm for vm in engine.inputs(simulated.INSTANCE)} == {close}


def test_a_single_host_is_close_to_nobody(engine: Engine) -> None:
    up(engine, one())
    assert engine.inputs(simulated.PLACEMENT) == []


@pytest.mark.parametrize(
    ("terms", "generators", "expected"),
    [
        ({"operator": NEAR}, None, (22, 7070)),
        ({"operator": NEAR}, ONE_GENERATOR, (22,)),
        ({"operator": FAR}, None, ()),
    ],
)
def test_the_vm_behind_an_instance_is_open_where_the_program_opened_it(
    engine: Engine, terms: dict[str, Any], generators: Generators | None, expected: tuple[int, ...]
) -> None:
    up(engine, one(), generators=generators, **terms)
    rows = engine.cloud.table.rows(simulated.INSTANCE)
    machines = [simulated.SIMULATED.kinds[simulated.INSTANCE].machine(engine.cloud.table, row) for row in rows]
    for machine in machines:
        assert machine is not None
        assert machine.open_ports == expected
        assert machine.image == "debian-bookworm"
        assert machine.user_data.startswith("#cloud-config\n")
        assert machine.disks_bytes == (100 << 30,)
        assert machine.private_address.startswith("10.77.")
        assert machine.public_address.startswith("127.78.")
    assert len({machine.public_address for machine in machines if machine}) == len(machines)


def test_without_a_way_out_nobody_gets_in(engine: Engine) -> None:
    up(engine, one(), operator=NEAR)
    (association,) = engine.cloud.table.rows(simulated.ASSOCIATION)
    engine.cloud.table.remove(association.id)
    (row,) = engine.cloud.table.rows(simulated.INSTANCE)
    machine = simulated.SIMULATED.kinds[simulated.INSTANCE].machine(engine.cloud.table, row)
    assert machine is not None
    assert machine.open_ports == ()


def gp3(**changes: Any) -> dict[str, Any]:
    return {"ebsBlockDevices": [{"deviceName": "/dev/sdf", "volumeType": "gp3", "volumeSize": 100, **changes}]}


@pytest.mark.parametrize(
    ("kind", "changes", "code"),
    [
        (simulated.VPC, {"cidrBlock": "10.0.0.0/8"}, "InvalidVpc.Range"),
        (simulated.VPC, {"cidrBlock": "10.77.0.1/16"}, "InvalidParameterValue"),
        (simulated.VPC, {"tags": {"aws:mine": "1"}}, "InvalidParameterValue"),
        (simulated.VPC, {"tags": {"note": "x" * 257}}, "InvalidParameterValue"),
        (simulated.SUBNET, {"cidrBlock": "10.78.0.0/20"}, "InvalidSubnet.Range"),
        (simulated.SUBNET, {"cidrBlock": "10.77.0.0/24"}, "InvalidSubnet.Conflict"),
        (simulated.SUBNET, {"cidrBlock": "10.77.32.0/20", "availabilityZone": "eu-central-1z"}, "InvalidParameterValue"),
        (simulated.SUBNET, {"vpcId": "vpc-0"}, "InvalidVpcID.NotFound"),
        (simulated.GATEWAY, {}, "InvalidParameterValue"),
        (simulated.ROUTES, {"routes": [{"cidrBlock": "0.0.0.0/0", "gatewayId": "igw-0"}]}, "InvalidInternetGatewayID.NotFound"),
        (simulated.ASSOCIATION, {}, "Resource.AlreadyAssociated"),
        (simulated.GROUP, {"description": "größer"}, "InvalidParameterValue"),
        (simulated.GROUP, {"name": "sg-mine"}, "InvalidParameterValue"),
        (simulated.INWARD, {}, "InvalidPermission.Duplicate"),
        (simulated.INWARD, {"fromPort": 80, "toPort": 79}, "InvalidParameterValue"),
        (simulated.INWARD, {"cidrIpv4": "203.0.113.7/24"}, "InvalidParameterValue"),
        (simulated.INWARD, {"securityGroupId": "sg-0"}, "InvalidGroup.NotFound"),
        (simulated.KEY, {"publicKey": "PuTTY-User-Key-File-3"}, "InvalidKey.Format"),
        (simulated.PLACEMENT, {"strategy": "together"}, "InvalidParameterValue"),
        (simulated.INSTANCE, {"ami": "debian-12"}, "InvalidAMIID.Malformed"),
        (simulated.INSTANCE, {"ami": "ami-00000000000000000"}, "InvalidAMIID.NotFound"),
        (simulated.INSTANCE, {"instanceType": "m7i.tiny"}, "InvalidParameterValue"),
        (simulated.INSTANCE, {"instanceType": "m7g.large"}, "InvalidParameterValue"),
        (simulated.INSTANCE, {"instanceType": "t3.medium"}, "InvalidParameterCombination"),
        (simulated.INSTANCE, {"availabilityZone": "eu-central-1a"}, "InvalidParameterValue"),
        (simulated.INSTANCE, {"subnetId": "subnet-0"}, "InvalidSubnetID.NotFound"),
        (simulated.INSTANCE, {"vpcSecurityGroupIds": ["sg-0"]}, "InvalidGroup.NotFound"),
        (simulated.INSTANCE, {"keyName": "nobody's"}, "InvalidKeyPair.NotFound"),
        (simulated.INSTANCE, {"placementGroup": "none"}, "InvalidPlacementGroup.Unknown"),
        (simulated.INSTANCE, {"userData": "#cloud-config"}, "InvalidAttributeCombination"),
        (simulated.INSTANCE, {"userDataBase64": base64.b64encode(b"x" * 16_385).decode()}, "InvalidParameterValue"),
        (simulated.INSTANCE, {"userDataBase64": "not base64"}, "InvalidUserData.Malformed"),
        (simulated.INSTANCE, {"rootBlockDevice": {"volumeSize": 4, "volumeType": "gp3"}}, "InvalidBlockDeviceMapping"),
        (simulated.INSTANCE, gp3(volumeType="gp4"), "InvalidParameterValue"),
        (simulated.INSTANCE, gp3(iops=90_000, volumeSize=1000), "InvalidParameterValue"),
        (simulated.INSTANCE, gp3(iops=6_000, volumeSize=8), "InvalidParameterValue"),
        (simulated.INSTANCE, gp3(throughput=1_000), "InvalidParameterValue"),
        (simulated.INSTANCE, gp3(volumeType="st1", iops=3_000, volumeSize=200), "InvalidParameterCombination"),
        (simulated.INSTANCE, gp3(volumeType="st1"), "InvalidParameterValue"),
        (simulated.INSTANCE, gp3(volumeType="io2"), "MissingParameter"),
        (simulated.INSTANCE, {"instanceInitiatedShutdownBehavior": "vanish"}, "InvalidParameterValue"),
        (
            simulated.INSTANCE,
            {"instanceMarketOptions": {"spotOptions": {"instanceInterruptionBehavior": "stop"}}},
            "InvalidParameterCombination",
        ),
    ],
)
def test_the_simulated_cloud_refuses_what_the_real_one_does(
    standing: CloudSide, kind: str, changes: dict[str, Any], code: str
) -> None:
    row = standing.table.rows(kind)[0]
    with pytest.raises(Refused) as refused:
        standing.create(kind, "another", "urn:another", {**row.inputs, **changes})
    assert refused.value.code == code


def test_an_old_zone_has_no_new_types(cloud: CloudSide) -> None:
    with pytest.raises(Refused, match="not supported in your requested Availability Zone") as refused:
        simulated._check_offer("us-east-1", "us-east-1e", "m7i.large")
    assert deploy_failures.kind_of(str(refused.value), [aws._FAILURES]) == "capacity"
    simulated._check_offer("us-east-1", "us-east-1e", "t3.micro")
    assert cloud.table.rows() == ()


@pytest.mark.parametrize(
    "kind", [simulated.VPC, simulated.SUBNET, simulated.GROUP, simulated.PLACEMENT, simulated.GATEWAY, simulated.ROUTES]
)
def test_the_simulated_cloud_keeps_what_is_in_use(standing: CloudSide, kind: str) -> None:
    row = standing.table.rows(kind)[0]
    with pytest.raises(Refused, match=r"DependencyViolation|InvalidPlacementGroup\.InUse"):
        standing.table.remove(row.id)
    assert standing.table.row(row.id) is not None


# The account: botocore asks the simulated cloud over HTTP.


@contextmanager
def served(directory: Path) -> Iterator[str]:
    server = api.Server(directory)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"{server.url}/aws"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def url(cloud: CloudSide, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    assert cloud.table.rows() == ()
    without_credentials(monkeypatch, tmp_path)
    with served(tmp_path) as found:
        for name, value in simulated.SIMULATED.environment(found).items():
            monkeypatch.setenv(name, value)
        yield found


def without_credentials(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))


@pytest.mark.usefixtures("url")
def test_an_image_is_the_newest_of_its_publisher_for_the_right_processor() -> None:
    assert aws._image_id(REGION, "debian-12") == simulated.image_id(
        REGION, next(each for each in simulated.IMAGES if each.name == "debian-12-amd64-20260316-2418")
    )
    assert aws._image_id("us-east-1", "debian-12") != aws._image_id(REGION, "debian-12")


@pytest.mark.usefixtures("url")
def test_every_image_that_the_cloud_says_it_has_is_found_page_by_page(monkeypatch: pytest.MonkeyPatch) -> None:
    assert ACCOUNT is not None
    # The smallest page that real requests may ask for is 5; the simulated cloud is less strict.
    monkeypatch.setattr(aws, "_PAGE", 1)
    found = {name: ACCOUNT.image_id(REGION, name) for name in ACCOUNT.images}
    assert len(set(found.values())) == len(ACCOUNT.images)
    named = {simulated.image_id(REGION, each): each.name for each in simulated.IMAGES}
    # Rawhide is newer, and no release.
    assert named[found["fedora"]] == "Fedora-Cloud-Base-AmazonEC2.x86_64-43-20260305.0"
    # Deprecated two years after its making, and the only one there is.
    assert "bionic-18.04" in named[found["ubuntu-18.04"]]


@pytest.mark.usefixtures("url")
def test_an_image_that_is_not_there_is_said_with_what_was_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulated, "IMAGES", ())
    with pytest.raises(DeployError, match="no image debian-12 there: account 136693071363 shows none named debian-12-amd64"):
        aws._image_id(REGION, "debian-12")


@pytest.mark.usefixtures("url")
def test_zones_are_those_of_the_region_and_no_local_ones() -> None:
    assert aws._zones("us-west-2") == ("us-west-2a", "us-west-2b", "us-west-2c", "us-west-2d")


@pytest.mark.usefixtures("url")
@pytest.mark.parametrize("page", [3, 200])
def test_everything_of_ours_is_found_by_its_labels(engine: Engine, page: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws, "_PAGE", page)
    up(engine, generators=ONE_GENERATOR)
    foreign = engine.cloud.create(
        simulated.VPC, "theirs", "urn:theirs", {"region": REGION, "cidrBlock": "10.0.0.0/16", "tags": {"Name": "theirs"}}
    )
    found = aws._belongings(())
    single = ("firewall", "placement group", "subnet", "route table", "gateway", "network", "key")
    assert Counter(each.kind for each in found) == {"vm": 3, "disk": 6, **dict.fromkeys(single, 1)}
    assert [each.kind for each in found[:3]] == ["vm"] * 3
    assert foreign.id not in {each.id for each in found}
    for each in found:
        assert (each.cloud, each.region, each.owner, each.run) == ("aws", REGION, "ann-lee", labels.run("s"))
        assert each.expires_at == 1_900_000_000
        assert each.name.startswith("s-")
    assert aws._belongings(("eu-west-1", "us-east-1")) == ()


@pytest.mark.usefixtures("url")
def test_removing_one_after_another_leaves_nothing_and_may_be_repeated(engine: Engine) -> None:
    up(engine, generators=ONE_GENERATOR)
    found = aws._belongings((REGION,))
    for _ in range(2):
        for each in found:
            aws._remove(each)
    assert engine.cloud.table.rows() == ()
    assert aws._belongings((REGION,)) == ()


@pytest.mark.usefixtures("url")
def test_what_stays_in_use_is_given_up_with_a_next_step(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(aws, "_PATIENCE_S", 0.2)
    monkeypatch.setattr(aws, "_POLL_S", 0.01)
    up(engine, one())
    firewall = next(each for each in aws._belongings((REGION,)) if each.kind == "firewall")
    with pytest.raises(DeployError, match="still in use after 0 s") as error:
        aws._remove(firewall)
    assert "EC2 console" in error.value.next_step


class Slow:
    """EC2 as botocore shows it, with a VM that takes its time to end."""

    def __init__(self) -> None:
        self.states = ["shutting-down", "shutting-down", "terminated"]

    def terminate_instances(self, InstanceIds: list[str]) -> dict[str, Any]:  # noqa: N803 - botocore's names
        return {"TerminatingInstances": [{"InstanceId": InstanceIds[0], "CurrentState": {"Name": self.states.pop(0)}}]}


def test_a_vm_is_waited_for_until_it_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = Slow()
    monkeypatch.setattr(aws, "_api", lambda _region: slow)
    monkeypatch.setattr(aws, "_POLL_S", 0.0)
    aws._remove(aws._belonging(REGION, "i-0123456789abcdef0", {}))
    assert slow.states == []


@pytest.mark.usefixtures("url")
def test_a_vm_that_has_ended_is_nobodys_any_more(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    up(engine, one())
    (vm,) = engine.cloud.table.rows(simulated.INSTANCE)
    asked: list[Any] = []

    def pages(region: str, operation: str, part: str, filters: Any, **more: Any) -> list[dict[str, Any]]:
        if operation != "describe_instances":
            return real(region, operation, part, filters, **more)
        asked.append(filters)
        return [{"Instances": [{"InstanceId": vm.id}]}]

    real = aws._pages
    monkeypatch.setattr(aws, "_pages", pages)
    assert "vm" not in {each.kind for each in aws._belongings((REGION,))}
    assert asked == [{"tag-key": "cowbench-run", "instance-state-name": "terminated"}]


@pytest.mark.usefixtures("url")
def test_types_are_those_that_the_region_sells() -> None:
    found = aws._instance_types(REGION)

    assert "m7i.large" in found
    assert "m7i.huge" not in found


@pytest.mark.usefixtures("url")
def test_throttling_is_waited_out(tmp_path: Path) -> None:
    faults.add(tmp_path, faults.Fault(op="api", cloud="aws", failure="throttled", times=1))
    assert aws._zones(REGION)
    assert faults.pending(tmp_path) == ()


@pytest.mark.usefixtures("url")
@pytest.mark.parametrize(
    ("failure", "said", "next_step"),
    [
        ("throttled", "Request limit exceeded", "wait a minute"),
        ("credentials_expired", "Request has expired", "log in again"),
    ],
)
def test_what_the_account_says_becomes_an_error_with_its_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: str, said: str, next_step: str
) -> None:
    monkeypatch.setattr(aws, "_ATTEMPTS", 2)
    faults.add(tmp_path, faults.Fault(op="api", cloud="aws", failure=failure, times=2))
    with pytest.raises(DeployError, match=said) as error:
        aws._zones(REGION)
    assert next_step in error.value.next_step
    assert error.value.where == f"cloud aws, region {REGION}"


@pytest.mark.usefixtures("url")
def test_keys_that_nobody_knows_and_regions_that_do_not_exist_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DeployError, match="AuthFailure") as error:
        aws._zones("eu-nowhere-1")
    assert error.value.next_step.startswith("is it a region of AWS")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAOFSOMEBODYELSE00")
    with pytest.raises(DeployError, match="AuthFailure") as error:
        aws._belongings(())
    assert "cowbench doctor --cloud aws" in error.value.next_step


@pytest.mark.parametrize(
    ("code", "next_step"),
    [
        ("UnauthorizedOperation", "docs/clouds/aws-policy.json"),
        ("AccessDenied", "docs/clouds/aws-policy.json"),
        ("ExpiredToken", "log in again"),
        ("SomethingNew", "EC2 API reference"),
    ],
)
def test_a_code_leads_to_its_cure(code: str, next_step: str) -> None:
    from botocore.exceptions import ClientError  # noqa: PLC0415 - as in the program: it takes a moment

    refusal = ClientError({"Error": {"Code": code, "Message": "no " + "x" * 1000}}, "TerminateInstances")
    with pytest.raises(DeployError, match=code) as error, aws._answering("do it", REGION):
        raise refusal
    assert next_step in error.value.next_step
    assert len(error.value.what) < 400


def test_missing_credentials_are_found_without_asking_anybody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    without_credentials(monkeypatch, tmp_path)
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("it asked the network"))
    (problem,) = aws._missing_credentials()
    assert problem.startswith("no AWS credentials: set AWS_PROFILE")
    monkeypatch.setenv("AWS_PROFILE", "of-nobody")
    (problem,) = aws._missing_credentials()
    assert "of-nobody" in problem
    assert ": mend or unset AWS_PROFILE" in problem


@pytest.mark.parametrize(
    "variables",
    [
        {"AWS_ACCESS_KEY_ID": "AKIASIMULATEDCLOUD00", "AWS_SECRET_ACCESS_KEY": "s"},
        {"AWS_PROFILE": "bench"},
        {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://127.0.0.1:9/"},
    ],
)
def test_credentials_are_found_where_aws_tools_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    without_credentials(monkeypatch, tmp_path)
    (tmp_path / ".aws").mkdir()
    (tmp_path / ".aws" / "credentials").write_text("[bench]\naws_access_key_id = a\naws_secret_access_key = b\n")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("it asked the network"))
    assert aws._missing_credentials() == ()


@pytest.mark.parametrize("kind", deploy_failures.KINDS)
def test_what_the_simulated_cloud_says_when_it_fails_is_understood(kind: str) -> None:
    text = simulated.SIMULATED.failures[kind]
    assert deploy_failures.kind_of(text, [aws._FAILURES]) == kind
    # Pulumi's plugin puts this around it.
    around = f"operation error EC2: RunInstances, https response error StatusCode: 400, RequestID: 0, api error {text}"
    assert deploy_failures.kind_of(around, [aws._FAILURES]) == kind


def test_what_breaks_a_rule_is_seen() -> None:
    bad_vm = {
        "tags": labels.of("s", "ann", 1),
        "userDataBase64": base64.b64encode(b"password: hunter2hunter2").decode(),
        "rootBlockDevice": {"encrypted": True},
        "ebsBlockDevices": [{"deleteOnTermination": False}],
        "metadataOptions": {"httpTokens": "optional"},
    }
    broken = {each.rule for each in policy.judge(simulated.INSTANCE, bad_vm, aws._MEANINGS)}
    assert broken == {
        "labelled", "encrypted", "disks_go_with_their_vm", "metadata_needs_a_token", "no_secret_in_user_data",
    }  # fmt: skip # a list
    everybody = {"tags": labels.of("s", "ann", 1), "ingress": [{"fromPort": 1, "toPort": 9, "cidrBlocks": ["0.0.0.0/0"]}]}
    assert [each.rule for each in policy.judge(simulated.GROUP, everybody, aws._MEANINGS)] == ["closed_to_the_world"]
    rule = {"tags": labels.of("s", "ann", 1), "fromPort": 22, "toPort": 22, "cidrIpv6": "::/0"}
    assert [each.rule for each in policy.judge(simulated.INWARD, rule, aws._MEANINGS)] == ["closed_to_the_world"]


# What stands beside the program.

MADE_BY = {
    simulated.VPC: "CreateVpc",
    simulated.SUBNET: "CreateSubnet",
    simulated.GATEWAY: "CreateInternetGateway",
    simulated.ROUTES: "CreateRouteTable",
    simulated.ASSOCIATION: "AssociateRouteTable",
    simulated.GROUP: "CreateSecurityGroup",
    simulated.INWARD: "AuthorizeSecurityGroupIngress",
    simulated.OUTWARD: "AuthorizeSecurityGroupEgress",
    simulated.KEY: "ImportKeyPair",
    simulated.PLACEMENT: "CreatePlacementGroup",
    simulated.INSTANCE: "RunInstances",
}


def test_the_policy_file_allows_what_is_done_and_only_with_our_labels() -> None:
    text = (ROOT / "docs/clouds/aws-policy.json").read_text()
    statements = json.loads(text)["Statement"]
    allowed = {action.removeprefix("ec2:") for each in statements for action in each["Action"]}
    # Of buckets only programs are judged that others write: the policy pack's users.
    assert set(MADE_BY) == aws._MEANINGS.keys() - {"aws:s3/bucket:Bucket"}
    assert set(MADE_BY.values()) <= allowed
    assert simulated._ACTIONS.keys() <= allowed
    for each in statements:
        assert each["Effect"] == "Allow"
        changes = [action for action in each["Action"] if not action.startswith(("ec2:Describe", "sts:"))]
        if changes and each["Resource"] == "*":
            assert "Condition" in each
    # What IAM takes as a managed policy, white space not counted.
    assert len("".join(text.split())) <= 6144


def test_there_is_a_price_for_what_is_usual() -> None:
    prices = tomllib.loads((ROOT / "stacks/prices/aws.toml").read_text())
    region, instance_type = CLOUD.defaults["region"], CLOUD.defaults["instance_type"]
    assert prices["instance_hour"][region][instance_type] > 0
    assert prices["disk_gib_month"][region][CLOUD.default_disk.partition("-")[0]] > 0
    for part in ("disk_gib_month", "iops_month", "throughput_mib_month"):
        for kinds in prices[part].values():
            # Local disks are none of EBS: they come with the type of VM.
            assert kinds.keys() <= simulated.VOLUMES.keys() | {"nvme"}
    for types in prices["instance_hour"].values():
        assert types.keys() <= simulated.TYPES.keys() | {"m7i.4xlarge"}


def test_planning_for_it_loads_neither_its_sdk_nor_its_client() -> None:
    program = "import sys, stacks.clouds.aws; print(*sorted({'pulumi', 'pulumi_aws', 'boto3', 'botocore'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "\n"

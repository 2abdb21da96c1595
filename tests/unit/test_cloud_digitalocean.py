"""DigitalOcean: what its program registers, under mocks, and what its account answers, against the simulated one."""

from __future__ import annotations

import re
import threading
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pulumi
import pytest
import yaml

from bench.errors import DeployError, InputError
from bench.records import CREW_PORT, Generators
from stacks import clouds, deploy, labels, policy
from stacks.terms import Settled
from tests.cells import cell
from tests.simulator import faults, settings, table
from tests.simulator.api import Server
from tests.simulator.clouds import digitalocean as simulated
from tests.simulator.faults import Fault
from tests.simulator.member import Refused
from tests.simulator.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bench.records import Cell
    from tests.simulator.cloud_side import CloudSide

OCEAN = clouds.load("digitalocean")
assert OCEAN.account is not None
ACCOUNT = OCEAN.account

SETTLED = Settled(
    owner="ann",
    operator="203.0.113.7/32",
    expires_at=1_800_000_000,
    lifetime_s=3600,
    spot=True,
    image_ids={f"digitalocean/{where}": image for where, image in (("fra1/debian-12", "7"), ("fra1/debian-13", "8"))},
)
TWO_GENERATORS = Generators(count=2, instance_type="", machine_image="")
KEY = "ssh-ed25519 AAAA operator"


def on(host: str, **axes: Any) -> Cell:
    made = cell(**{"cloud": "digitalocean", **axes})
    return replace(made, host=host, name=f"{host}-{made.name}")


class Recorder(pulumi.runtime.Mocks):
    """Answers as the cloud does: with ids that are numbers, with addresses and ranges."""

    def __init__(self) -> None:
        self.registered: list[pulumi.runtime.MockResourceArgs] = []

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        self.registered.append(args)
        outputs: dict[str, Any] = {
            "public_key": KEY,
            "private_key": "PRIVATE",
            "access_key": "ACCESS",
            "secret_key": "SECRET",
            "ipRange": "10.114.0.0/20",
            "ipv4Address": "198.51.100.4",
            "ipv4AddressPrivate": "10.114.0.2",
            "addresses": {"": {"private": "10.114.0.2"}},
        }
        return str(1000 + len(self.registered)), {**args.inputs, **outputs}

    def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]] | None]:
        raise AssertionError(f"nothing is looked up while deploying, and {args.token} was")

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [args.inputs for args in self.registered if args.typ == kind]


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    monkeypatch.setattr("stacks.image.ensure", lambda name: SimpleNamespace(content_digest=f"sha256:{name}"))
    mocks = Recorder()
    pulumi.runtime.set_mocks(mocks, project="cowbench", stack="s", preview=False)
    return mocks


def made(*cells: Cell, generators: Generators | None = None) -> pulumi.Output[Any]:
    return deploy.deploy(cells, "s", deploy.Wanted(images={}, generators=generators, settled=SETTLED)).targets


TWO_KERNELS = (on("one", machine_image="debian-12"), on("two", machine_image="debian-13", placement="volume"))


@pulumi.runtime.test  # type: ignore[untyped-decorator] # the SDK ships it without types
def test_each_host_is_a_droplet_with_its_image_region_key_and_network(recorder: Recorder) -> pulumi.Output[None]:
    def judge(_: object) -> None:
        droplets = recorder.of(simulated.DROPLET)
        assert sorted(droplet["image"] for droplet in droplets) == ["7", "7", "7", "8"]
        assert {(droplet["region"], droplet["size"], droplet["monitoring"]) for droplet in droplets} == {
            ("fra1", "s-2vcpu-4gb", False)
        }
        assert all(len(droplet["sshKeys"]) == 1 and droplet["vpcUuid"] for droplet in droplets)
        assert [key["publicKey"] for key in recorder.of(simulated.KEY)] == [KEY]

    return made(*TWO_KERNELS, generators=TWO_GENERATORS).apply(judge)


@pulumi.runtime.test  # type: ignore[untyped-decorator] # the SDK ships it without types
def test_with_generators_the_servers_are_open_to_the_private_network_alone(recorder: Recorder) -> pulumi.Output[None]:
    def judge(_: object) -> None:
        (firewall,) = recorder.of(simulated.FIREWALL)
        assert [(rule["portRange"], rule["sourceAddresses"]) for rule in firewall["inboundRules"]] == [
            ("22", ["203.0.113.7/32"]),
            # Where the generators meet, since there are two.
            (str(CREW_PORT), ["10.114.0.0/20"]),
            ("7070", ["10.114.0.0/20"]),
        ]

    return made(on("one"), generators=TWO_GENERATORS).apply(judge)


@pulumi.runtime.test  # type: ignore[untyped-decorator] # the SDK ships it without types
def test_without_generators_the_operator_reaches_ssh_and_the_servers_and_nobody_else_does(
    recorder: Recorder,
) -> pulumi.Output[None]:
    def judge(_: object) -> None:
        (firewall,) = recorder.of(simulated.FIREWALL)
        opens = ACCOUNT.meanings[simulated.FIREWALL](firewall).opens
        assert [(each.source, each.first_port, each.last_port) for each in opens] == [
            ("203.0.113.7/32", 22, 22),
            ("203.0.113.7/32", 7070, 7070),
        ]
        assert {rule["protocol"] for rule in firewall["outboundRules"]} == {"tcp", "udp", "icmp"}
        # Two droplets or a hundred: the firewall holds for whatever has the tag.
        assert firewall["tags"] == [tag["name"] for tag in recorder.of(simulated.TAG)]
        assert all(set(firewall["tags"]) <= set(droplet["tags"]) for droplet in recorder.of(simulated.DROPLET))

    return made(on("one")).apply(judge)


@pulumi.runtime.test  # type: ignore[untyped-decorator] # the SDK ships it without types
def test_everything_says_whose_it_is_by_tag_or_name_and_no_rule_is_broken(recorder: Recorder) -> pulumi.Output[None]:
    def judge(_: object) -> None:
        ours = [args for args in recorder.registered if args.typ.startswith("digitalocean:")]
        assert {args.typ for args in ours} == set(ACCOUNT.meanings)
        assert [v for args in ours for v in policy.judge(args.typ, args.inputs, ACCOUNT.meanings)] == []
        marks = [ACCOUNT.meanings[args.typ](args.inputs).labels for args in ours if args.typ != simulated.ATTACHMENT]
        assert all(each == labels.of("s", "ann", 1_800_000_000) for each in marks)

    return made(*TWO_KERNELS, generators=TWO_GENERATORS).apply(judge)


@pulumi.runtime.test  # type: ignore[untyped-decorator] # the SDK ships it without types
def test_a_host_has_a_blank_volume_and_a_second_one_for_a_driver_that_wants_a_whole_disk(
    recorder: Recorder,
) -> pulumi.Output[None]:
    cells = (on("plain", disk="volume-50GiB"), on("thin", driver="devicemapper-direct", disk="volume-30GiB"))

    def judge(_: object) -> None:
        sizes = {args.name: args.inputs["size"] for args in recorder.registered if args.typ == simulated.VOLUME}
        assert sizes == {"plain-data": 50, "thin-data": 30, "thin-pool": 30}
        assert not any({"filesystemType", "initialFilesystemType"} & set(volume) for volume in recorder.of(simulated.VOLUME))
        droplets = [each["dropletId"] for each in recorder.of(simulated.ATTACHMENT)]
        assert sorted(droplets.count(droplet) for droplet in set(droplets)) == [1, 2]

    return made(*cells).apply(judge)


@pulumi.runtime.test  # type: ignore[untyped-decorator] # the SDK ships it without types
def test_user_data_is_plain_cloud_init_that_ends_the_vm_and_holds_no_secret(recorder: Recorder) -> pulumi.Output[None]:
    def judge(_: object) -> None:
        (droplet,) = recorder.of(simulated.DROPLET)
        told = yaml.safe_load(droplet["userData"])
        assert told["hostname"] == "one"
        assert told["users"] == [{"name": "root", "ssh_authorized_keys": [KEY]}]
        assert ["3600" in command for command in told["bootcmd"]] == [False, False, True]
        assert not {"PRIVATE", "ACCESS", "SECRET"} & set(droplet["userData"].split())
        assert len(droplet["userData"].encode()) < 64 << 10

    return made(on("one")).apply(judge)


@pulumi.runtime.test  # type: ignore[untyped-decorator] # the SDK ships it without types
def test_two_regions_have_networks_of_their_own_and_one_key(recorder: Recorder) -> pulumi.Output[None]:
    def judge(_: object) -> None:
        assert {vpc["region"] for vpc in recorder.of(simulated.VPC)} == {"fra1", "nyc3"}
        assert len({vpc["name"] for vpc in recorder.of(simulated.VPC)}) == 2
        assert len(recorder.of(simulated.KEY)) == len(recorder.of(simulated.TAG)) == 1

    return made(on("one"), on("two", region="nyc3")).apply(judge)


@pytest.mark.parametrize("wanted", ["volume-17TiB", "volume-20GiB+500iops", "volume-1500MiB"])
def test_a_volume_that_is_not_sold_is_refused_before_anything_is_made(recorder: Recorder, wanted: str) -> None:
    with pytest.raises(InputError, match="DigitalOcean"):
        made(on("one", disk=wanted))

    assert recorder.of(simulated.DROPLET) == []


@pytest.fixture
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CloudSide]:
    settings.write(tmp_path, Settings(clouds=("digitalocean",)))
    table.create(tmp_path)
    server = Server(tmp_path)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    for name, value in simulated.SIMULATED.environment(f"{server.url}/digitalocean").items():
        monkeypatch.setenv(name, value)
    # What the client library and the cloud's file wait between attempts.
    monkeypatch.setattr("time.sleep", lambda _: None)
    yield server.clouds["digitalocean"]
    server.shutdown()
    server.server_close()


MARKS = labels.of("s", "ann", 1_800_000_000)
TAGS = [f"{key}:{value}" for key, value in MARKS.items()]
NAME = ".".join(("cowbench", *MARKS.values()))
MARK = NAME.replace(".", ":")


def fill(cloud: CloudSide, hosts: int = 1) -> None:
    """What the program makes, and something of somebody else."""

    def make(kind: str, logical: str, **inputs: Any) -> str:
        cloud.check(kind, logical, f"urn:{logical}", inputs)
        return cloud.create(kind, logical, f"urn:{logical}", inputs).id

    make(simulated.VPC, "theirs", name="default-fra1", region="fra1", ipRange="10.135.0.0/16")
    vpc = make(simulated.VPC, "vpc", name=f"{NAME}.fra1", region="fra1")
    make(simulated.TAG, "mark", name=MARK)
    rule = {"protocol": "tcp", "portRange": "22", "sourceAddresses": ["127.0.0.0/8"]}
    make(simulated.FIREWALL, "firewall", name=f"{NAME}.fra1", tags=[MARK], inboundRules=[rule])
    key = make(simulated.KEY, "key", name=NAME, publicKey=KEY)
    droplet = {"size": "s-2vcpu-4gb", "image": "135438901", "region": "fra1", "tags": [*TAGS, MARK], "vpcUuid": vpc}
    for number in range(hosts):
        host = make(simulated.DROPLET, f"host{number}", sshKeys=[key], **droplet)
        volume = make(simulated.VOLUME, f"disk{number}", size=20, region="fra1", tags=TAGS)
        make(simulated.ATTACHMENT, f"disk{number}-on", dropletId=int(host), volumeId=volume)


def test_an_image_is_looked_up_and_the_newest_is_taken(cloud: CloudSide) -> None:
    assert cloud.table.rows() == ()
    assert ACCOUNT.image_id("fra1", "debian-12") == "135438901"
    assert ACCOUNT.image_id("nyc3", "fedora") == "135438915"
    with pytest.raises(DeployError, match="no such image") as refused:
        ACCOUNT.image_id("fra1", "centos-7")
    assert "debian-12-x64" in refused.value.next_step


def test_every_image_that_it_claims_to_have_is_found(cloud: CloudSide) -> None:
    assert cloud.table.rows() == ()
    assert all(ACCOUNT.image_id("fra1", name).isdigit() for name in ACCOUNT.images)


def test_the_zone_of_a_region_is_the_region_itself(cloud: CloudSide) -> None:
    assert cloud.table.rows() == ()
    assert ACCOUNT.zones("fra1") == ("fra1",)
    with pytest.raises(DeployError, match="makes nothing"):
        ACCOUNT.zones("nyc2")


def test_types_are_those_that_the_region_sells(cloud: CloudSide) -> None:
    found = ACCOUNT.instance_types("fra1")

    assert "s-2vcpu-4gb" in found
    assert "s-3vcpu-4gb" not in found
    assert ACCOUNT.instance_types("nyc2") == ()
    assert cloud.table.rows() == ()


def test_what_is_ours_is_found_over_all_pages_and_nothing_of_others(cloud: CloudSide, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stacks.clouds.digitalocean._PER_PAGE", 3)
    fill(cloud, hosts=7)

    found = ACCOUNT.belongings(())

    kinds = [each.kind for each in found]
    counts = {kind: kinds.count(kind) for kind in kinds}
    assert counts == {"vm": 7, "disk": 7, "firewall": 1, "network": 1, "key": 1, "tag": 1}
    assert {(each.owner, each.run, each.expires_at) for each in found} == {("ann", labels.run("s"), 1_800_000_000.0)}
    assert {each.kind for each in ACCOUNT.belongings(("nyc3",))} == {"firewall", "key", "tag"}


def test_a_regions_first_network_which_cannot_be_deleted_is_left_out(cloud: CloudSide) -> None:
    fill(cloud)
    (vpc,) = [row for row in cloud.table.rows(simulated.VPC) if row.name == "vpc"]
    cloud.table.change(vpc.id, {"default": True})

    assert "network" not in {each.kind for each in ACCOUNT.belongings(())}


def test_removing_one_after_another_leaves_what_is_not_ours(cloud: CloudSide) -> None:
    fill(cloud)

    for belonging in ACCOUNT.belongings(()):
        ACCOUNT.remove(belonging)
        ACCOUNT.remove(belonging)

    assert [row.name for row in cloud.table.rows() if row.kind != simulated.ATTACHMENT] == ["theirs"]


def test_a_volume_is_detached_before_it_is_removed(cloud: CloudSide) -> None:
    fill(cloud)
    (volume,) = [each for each in ACCOUNT.belongings(()) if each.kind == "disk"]

    ACCOUNT.remove(volume)

    assert cloud.table.rows(simulated.VOLUME) == ()
    assert len(cloud.table.rows(simulated.DROPLET)) == 1


def test_what_is_still_in_use_is_tried_again_and_then_said(cloud: CloudSide) -> None:
    fill(cloud)
    (network,) = [each for each in ACCOUNT.belongings(()) if each.kind == "network"]

    with pytest.raises(DeployError, match="with members") as refused:
        ACCOUNT.remove(network)

    assert "what still uses it" in refused.value.next_step


def test_throttling_is_waited_out_but_not_for_ever(cloud: CloudSide) -> None:
    faults.add(cloud.directory, Fault(cloud="digitalocean", op="api", failure="throttled", times=3))
    assert ACCOUNT.zones("fra1") == ("fra1",)
    faults.add(cloud.directory, Fault(cloud="digitalocean", op="api", failure="throttled", times=100))
    with pytest.raises(DeployError, match="429") as refused:
        ACCOUNT.zones("fra1")
    assert refused.value.next_step.startswith("wait")


def test_a_token_that_is_missing_or_unknown_is_said_with_its_cure(cloud: CloudSide, monkeypatch: pytest.MonkeyPatch) -> None:
    assert OCEAN.problems() == ()
    monkeypatch.setenv("DIGITALOCEAN_TOKEN", "unknown")
    with pytest.raises(DeployError, match="Unable to authenticate") as refused:
        ACCOUNT.belongings(())
    assert "export DIGITALOCEAN_TOKEN" in refused.value.next_step
    monkeypatch.delenv("DIGITALOCEAN_TOKEN")
    monkeypatch.delenv("DIGITALOCEAN_ACCESS_TOKEN", raising=False)
    assert "neither" in OCEAN.problems()[0]
    with pytest.raises(DeployError, match="neither DIGITALOCEAN_TOKEN nor"):
        ACCOUNT.zones("fra1")
    monkeypatch.setenv("DIGITALOCEAN_ACCESS_TOKEN", simulated.TOKEN)
    assert ACCOUNT.zones("fra1") == ("fra1",)
    assert cloud.table.rows() == ()


def test_an_api_that_cannot_be_reached_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    monkeypatch.setenv("DIGITALOCEAN_TOKEN", simulated.TOKEN)
    monkeypatch.setenv("DIGITALOCEAN_API_URL", "http://127.0.0.1:9")
    with pytest.raises(DeployError, match="cannot be reached"):
        ACCOUNT.image_id("fra1", "debian-12")


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (
            "POST https://api.digitalocean.com/v2/droplets: 422 creating this/these droplet(s) will exceed your droplet limit",
            "quota",
        ),
        ("422 unprocessable_entity: droplet limit exceeded", "quota"),
        ("GET https://api.digitalocean.com/v2/account: 401 Unable to authenticate you", "credentials_expired"),
        ("POST https://api.digitalocean.com/v2/vpcs: 429 Too many requests", "throttled"),
        *((text, kind) for kind, text in simulated.SIMULATED.failures.items()),
    ],
)
def test_what_the_cloud_says_is_understood(said: str, kind: str) -> None:
    matching = [name for name, patterns in ACCOUNT.failures.items() if any(re.search(each, said) for each in patterns)]
    assert matching == [kind]


@pytest.mark.parametrize(
    ("kind", "changes", "code"),
    [
        (simulated.VPC, {"name": "under_score"}, "unprocessable_entity"),
        (simulated.VPC, {"name": "other", "ipRange": "10.135.1.0/24"}, "unprocessable_entity"),
        (simulated.VPC, {"name": "other", "region": "nyc2"}, "unprocessable_entity"),
        (simulated.FIREWALL, {"name": "other", "tags": ["nobody"]}, "unprocessable_entity"),
        (simulated.FIREWALL, {"name": "other:colon"}, "unprocessable_entity"),
        (simulated.FIREWALL, {}, "conflict"),
        (simulated.KEY, {}, "unprocessable_entity"),
        (simulated.TAG, {"name": "with.dot"}, "unprocessable_entity"),
        (simulated.DROPLET, {"region": "mars1"}, "unprocessable_entity"),
        (simulated.DROPLET, {"region": "ams3"}, "unprocessable_entity"),
        (simulated.DROPLET, {"size": "s-99vcpu"}, "unprocessable_entity"),
        (simulated.DROPLET, {"image": "1"}, "unprocessable_entity"),
        (simulated.DROPLET, {"name": "under_score"}, "unprocessable_entity"),
        (simulated.DROPLET, {"tags": ["with space"]}, "unprocessable_entity"),
        (simulated.DROPLET, {"tags": TAGS}, "simulator"),
        (simulated.DROPLET, {"userData": "x" * 66000}, "unprocessable_entity"),
        (simulated.VOLUME, {"size": 16385}, "unprocessable_entity"),
        (simulated.VOLUME, {"name": "1-digit-first"}, "unprocessable_entity"),
        (simulated.ATTACHMENT, {"dropletId": 7}, "not_found"),
    ],
)
def test_the_simulated_cloud_refuses_what_the_real_one_does(
    cloud: CloudSide, kind: str, changes: dict[str, Any], code: str
) -> None:
    fill(cloud)
    like = next(row for row in reversed(cloud.table.rows(kind)) if row.name != "theirs")

    with pytest.raises(Refused) as refused:
        cloud.check(kind, "new", "urn:new", {**like.inputs, **changes})

    assert refused.value.code == code


def test_the_vm_behind_a_droplet_is_open_where_its_firewall_is_and_has_its_volumes(cloud: CloudSide) -> None:
    fill(cloud)
    (row,) = cloud.table.rows(simulated.DROPLET)

    machine = simulated.machine(cloud.table, row)

    assert machine is not None
    assert (machine.image, machine.open_ports, machine.disks_bytes) == ("debian-bookworm", (22,), (20 << 30,))
    assert (machine.cpus, machine.memory_bytes, machine.public_address) == (2, 4 << 30, "127.78.0.2")
    assert machine.private_address == row.outputs["ipv4AddressPrivate"]

"""Hetzner Cloud: what its program registers, under mocks, and what its account answers, against the simulated one."""

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
from bench.records import Generators
from stacks import clouds, deploy, hosts, labels, policy
from stacks.clouds import hetzner
from stacks.terms import Settled
from tests.cells import cell
from tests.simulator import faults, settings, table
from tests.simulator.api import Server
from tests.simulator.clouds import hetzner as simulated
from tests.simulator.faults import Fault
from tests.simulator.member import Refused
from tests.simulator.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bench.records import Cell
    from tests.simulator.cloud_side import CloudSide

HETZNER = clouds.load("hetzner")
assert HETZNER.account is not None
ACCOUNT = HETZNER.account

SETTLED = Settled(
    owner="ann",
    operator="203.0.113.7/32",
    expires_at=1_800_000_000,
    lifetime_s=3600,
    spot=True,
    image_ids={
        "hetzner/nbg1/debian-12": "114690387",
        "hetzner/nbg1/debian-13": "310557660",
        "hetzner/ash/debian-12": "114690387",
    },
    zones={"hetzner/nbg1": "nbg1", "hetzner/ash": "ash"},
)
TWO_GENERATORS = Generators(count=2, instance_type="", machine_image="")
KEY = "ssh-ed25519 AAAA operator"


def on(host: str, **axes: Any) -> Cell:
    made = cell(**{"cloud": "hetzner", **axes})
    return replace(made, host=host, name=f"{host}-{made.name}")


class Recorder(pulumi.runtime.Mocks):
    """Answers as the cloud does: with ids that are numbers, and with addresses."""

    def __init__(self) -> None:
        self.registered: list[pulumi.runtime.MockResourceArgs] = []

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        self.registered.append(args)
        outputs: dict[str, Any] = {
            "public_key": KEY,
            "private_key": "PRIVATE",
            "access_key": "ACCESS",
            "secret_key": "SECRET",
            "ipv4Address": "198.51.100.4",
            "addresses": {"": {"private": "10.77.0.2"}},
        }
        if "networks" in args.inputs:
            outputs["networks"] = [{**each, "ip": "10.77.0.2"} for each in args.inputs["networks"]]
        return str(1000 + len(self.registered)), {**args.inputs, **outputs}

    def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]] | None]:
        raise AssertionError(f"nothing is looked up while deploying, and {args.token} was")

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [args.inputs for args in self.registered if args.typ.startswith("hcloud:") and args.typ.endswith(f":{kind}")]

    def named(self, name: str) -> dict[str, Any]:
        (found,) = [args.inputs for args in self.registered if args.name == name and args.typ.startswith("hcloud:")]
        return found


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
def test_each_host_is_a_server_with_its_image_location_key_and_firewall(recorder: Recorder) -> pulumi.Output[None]:
    def judge(_: object) -> None:
        servers = recorder.of("Server")
        assert sorted(server["image"] for server in servers) == ["114690387", "114690387", "114690387", "310557660"]
        assert {server["location"] for server in servers} == {"nbg1"}
        assert {server["serverType"] for server in servers} == {"cpx22"}
        assert all(len(server["sshKeys"]) == len(server["firewallIds"]) == len(server["networks"]) == 1 for server in servers)
        assert {tuple(each["ipv4Enabled"] for each in server["publicNets"]) for server in servers} == {(True,)}
        assert [key["publicKey"] for key in recorder.of("SshKey")] == [KEY]

    return made(*TWO_KERNELS, generators=TWO_GENERATORS).apply(judge)


@pulumi.runtime.test  # type: ignore[untyped-decorator] # the SDK ships it without types
def test_with_generators_only_ssh_is_open_and_the_private_network_is_said_to_be(recorder: Recorder) -> pulumi.Output[None]:
    def judge(_: object) -> None:
        (firewall,) = recorder.of("Firewall")
        assert [(rule["direction"], rule["protocol"], rule["port"], rule["sourceIps"]) for rule in firewall["rules"]] == [
            ("in", "tcp", "22", ["203.0.113.7/32"])
        ]
        (subnet,) = recorder.of("NetworkSubnet")
        meaning = ACCOUNT.meanings["hcloud:index/networkSubnet:NetworkSubnet"](subnet)
        assert [opening.source for opening in meaning.opens] == ["10.77.0.0/24"]

    return made(*TWO_KERNELS, generators=TWO_GENERATORS).apply(judge)


@pulumi.runtime.test  # type: ignore[untyped-decorator] # the SDK ships it without types
def test_without_generators_the_operator_reaches_ssh_and_the_servers_and_nobody_else_does(
    recorder: Recorder,
) -> pulumi.Output[None]:
    def judge(_: object) -> None:
        (firewall,) = recorder.of("Firewall")
        assert [(rule["port"], rule["sourceIps"]) for rule in firewall["rules"]] == [
            ("22", ["203.0.113.7/32"]),
            ("7070", ["203.0.113.7/32"]),
        ]
        opens = ACCOUNT.meanings["hcloud:index/firewall:Firewall"](firewall).opens
        assert [(each.source, each.first_port, each.last_port) for each in opens] == [
            ("203.0.113.7/32", 22, 22),
            ("203.0.113.7/32", 7070, 7070),
        ]

    return made(on("one")).apply(judge)


@pulumi.runtime.test  # type: ignore[untyped-decorator] # the SDK ships it without types
def test_everything_that_takes_labels_has_them_and_no_rule_is_broken(recorder: Recorder) -> pulumi.Output[None]:
    def judge(_: object) -> None:
        ours = [args for args in recorder.registered if args.typ.startswith("hcloud:")]
        assert {args.typ for args in ours} == set(ACCOUNT.meanings)
        assert [v for args in ours for v in policy.judge(args.typ, args.inputs, ACCOUNT.meanings)] == []
        unmarked = [args.typ for args in ours if set(args.inputs.get("labels") or ()) != set(labels.KEYS)]
        assert unmarked == ["hcloud:index/networkSubnet:NetworkSubnet"]

    return made(*TWO_KERNELS, generators=TWO_GENERATORS).apply(judge)


@pulumi.runtime.test  # type: ignore[untyped-decorator] # the SDK ships it without types
def test_a_host_has_a_blank_volume_and_a_second_one_for_a_driver_that_wants_a_whole_disk(
    recorder: Recorder,
) -> pulumi.Output[None]:
    cells = (on("plain", disk="volume-50GiB"), on("thin", driver="devicemapper-direct", disk="volume-30GiB"))

    def judge(_: object) -> None:
        sizes = {args.name: args.inputs["size"] for args in recorder.registered if args.typ == simulated.VOLUME}
        assert sizes == {"plain-data": 50, "thin-data": 30, "thin-pool": 30}
        assert not any({"format", "automount", "location"} & set(volume) for volume in recorder.of("Volume"))
        assert recorder.named("thin-data")["serverId"] == recorder.named("thin-pool")["serverId"]
        assert recorder.named("thin-data")["serverId"] != recorder.named("plain-data")["serverId"]

    return made(*cells).apply(judge)


@pulumi.runtime.test  # type: ignore[untyped-decorator] # the SDK ships it without types
def test_user_data_is_plain_cloud_init_that_ends_the_vm_and_holds_no_secret(recorder: Recorder) -> pulumi.Output[None]:
    def judge(_: object) -> None:
        text = recorder.named("one")["userData"]
        told = yaml.safe_load(text)
        assert told["hostname"] == "one"
        assert told["users"] == [{"name": "root", "ssh_authorized_keys": [KEY]}]
        assert ["3600" in command for command in told["bootcmd"]] == [False, False, True]
        assert not {"PRIVATE", "ACCESS", "SECRET"} & set(text.split())
        assert len(text.encode()) < 32 << 10

    return made(on("one")).apply(judge)


@pulumi.runtime.test  # type: ignore[untyped-decorator] # the SDK ships it without types
def test_two_regions_have_networks_of_their_own_and_one_key(recorder: Recorder) -> pulumi.Output[None]:
    def judge(_: object) -> None:
        assert {subnet["networkZone"] for subnet in recorder.of("NetworkSubnet")} == {"eu-central", "us-east"}
        assert len(recorder.of("SshKey")) == 1

    return made(on("one"), on("two", region="ash")).apply(judge)


@pytest.mark.parametrize("wanted", ["volume-5GiB", "volume-11TiB", "volume-20GiB+500iops", "volume-10300MiB"])
def test_a_volume_that_is_not_sold_is_refused_before_anything_is_made(recorder: Recorder, wanted: str) -> None:
    with pytest.raises(InputError, match="Hetzner"):
        made(on("one", disk=wanted))

    assert recorder.of("Server") == []


@pytest.mark.parametrize(("axes", "why"), [({"region": "mars1"}, "no location"), ({"instance_type": "cax11"}, "is for ARM")])
def test_a_server_that_is_not_there_is_refused(axes: dict[str, str], why: str) -> None:
    (requests,) = hosts.by_cloud("s", (on("one", **axes),), None).values()
    assert why in hetzner.CLOUD.room(requests)


def test_a_network_that_is_too_small_for_all_hosts_is_refused() -> None:
    (full,) = hosts.by_cloud("s", (on("one"),), replace(TWO_GENERATORS, count=99)).values()
    (too_many,) = hosts.by_cloud("s", (on("one"),), replace(TWO_GENERATORS, count=100)).values()
    assert hetzner.CLOUD.room(full) == ""
    assert hetzner.CLOUD.room(too_many).startswith("hetzner takes 100 hosts of a stack in nbg1, and 101 are wanted: ")


@pytest.fixture
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CloudSide]:
    settings.write(tmp_path, Settings(clouds=("hetzner",)))
    table.create(tmp_path)
    server = Server(tmp_path)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    for name, value in simulated.SIMULATED.environment(f"{server.url}/hetzner").items():
        monkeypatch.setenv(name, value)
    # What the client library and the cloud's file wait between attempts.
    monkeypatch.setattr("time.sleep", lambda _: None)
    yield server.clouds["hetzner"]
    server.shutdown()
    server.server_close()


MARKS = labels.of("s", "ann", 1_800_000_000)


def fill(cloud: CloudSide, hosts: int = 1) -> None:
    """What the program makes, and something of somebody else."""

    def make(kind: str, name: str, **inputs: Any) -> str:
        cloud.check(kind, name, f"urn:{name}", inputs)
        return cloud.create(kind, name, f"urn:{name}", inputs).id

    make(simulated.NETWORK, "theirs", ipRange="10.0.0.0/8")
    network = make(simulated.NETWORK, "network", ipRange="10.77.0.0/16", labels=MARKS)
    subnet = make(
        simulated.SUBNET, "subnet", networkId=int(network), type="cloud", networkZone="eu-central", ipRange="10.77.0.0/24"
    )
    rule = {"direction": "in", "protocol": "tcp", "port": "22", "sourceIps": ["127.0.0.0/8"]}
    firewall = make(simulated.FIREWALL, "firewall", rules=[rule], labels=MARKS)
    key = make(simulated.KEY, "key", publicKey=KEY, labels=MARKS)
    for number in range(hosts):
        server = make(
            simulated.SERVER,
            f"host{number}",
            serverType="cpx22",
            location="nbg1",
            image="114690387",
            sshKeys=[key],
            firewallIds=[int(firewall)],
            networks=[{"subnetId": subnet}],
            labels=MARKS,
        )
        make(simulated.VOLUME, f"disk{number}", size=20, serverId=int(server), labels=MARKS)


def test_an_image_is_looked_up_for_the_right_architecture_and_the_newest_is_taken(cloud: CloudSide) -> None:
    assert cloud.table.rows() == ()
    assert ACCOUNT.image_id("nbg1", "debian-12") == "114690387"
    assert ACCOUNT.image_id("ash", "fedora") == "361557720"
    with pytest.raises(DeployError, match="no such image") as refused:
        ACCOUNT.image_id("nbg1", "centos-7")
    assert "debian-12" in refused.value.next_step


def test_every_image_that_it_claims_to_have_is_found(cloud: CloudSide) -> None:
    assert cloud.table.rows() == ()
    assert all(ACCOUNT.image_id("nbg1", name).isdigit() for name in ACCOUNT.images)


def test_the_zone_of_a_region_is_the_location_itself(cloud: CloudSide) -> None:
    assert cloud.table.rows() == ()
    assert ACCOUNT.zones("hel1") == ("hel1",)
    with pytest.raises(DeployError, match="no location mars1"):
        ACCOUNT.zones("mars1")


def test_types_are_those_that_the_region_sells(cloud: CloudSide) -> None:
    found = ACCOUNT.instance_types("ash")

    assert "ccx13" in found
    assert "cpx22" not in found
    assert "cpx22" in ACCOUNT.instance_types("nbg1")
    assert cloud.table.rows() == ()


def test_what_is_ours_is_found_over_all_pages_and_nothing_of_others(cloud: CloudSide) -> None:
    fill(cloud, hosts=51)

    found = ACCOUNT.belongings(())

    kinds = [each.kind for each in found]
    assert {kind: kinds.count(kind) for kind in kinds} == {"vm": 51, "disk": 51, "firewall": 1, "network": 1, "key": 1}
    assert {(each.owner, each.run, each.expires_at) for each in found} == {("ann", labels.run("s"), 1_800_000_000.0)}
    assert {each.kind for each in ACCOUNT.belongings(("ash",))} == {"firewall", "network", "key"}


def test_removing_one_after_another_leaves_what_is_not_ours(cloud: CloudSide) -> None:
    fill(cloud)

    for belonging in ACCOUNT.belongings(()):
        ACCOUNT.remove(belonging)
        ACCOUNT.remove(belonging)

    assert [row.name for row in cloud.table.rows() if row.kind != simulated.SUBNET] == ["theirs"]


def test_a_volume_is_detached_before_it_is_removed(cloud: CloudSide) -> None:
    fill(cloud)
    (volume,) = [each for each in ACCOUNT.belongings(()) if each.kind == "disk"]

    ACCOUNT.remove(volume)

    assert cloud.table.rows(simulated.VOLUME) == ()
    assert len(cloud.table.rows(simulated.SERVER)) == 1


def test_what_is_still_in_use_is_tried_again_and_then_said(cloud: CloudSide) -> None:
    fill(cloud)
    (firewall,) = [each for each in ACCOUNT.belongings(()) if each.kind == "firewall"]

    with pytest.raises(DeployError, match="still in use") as refused:
        ACCOUNT.remove(firewall)

    assert "what still uses it" in refused.value.next_step


def test_throttling_is_waited_out_but_not_for_ever(cloud: CloudSide) -> None:
    faults.add(cloud.directory, Fault(cloud="hetzner", op="api", failure="throttled", times=3))
    assert ACCOUNT.zones("nbg1") == ("nbg1",)
    faults.add(cloud.directory, Fault(cloud="hetzner", op="api", failure="throttled", times=100))
    with pytest.raises(DeployError, match="rate_limit_exceeded") as refused:
        ACCOUNT.zones("nbg1")
    assert refused.value.next_step.startswith("wait")


def test_a_token_that_is_missing_cut_off_or_unknown_is_said_with_its_cure(
    cloud: CloudSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert HETZNER.problems() == ()
    monkeypatch.setenv("HCLOUD_TOKEN", "x" * 64)
    with pytest.raises(DeployError, match="unauthorized") as refused:
        ACCOUNT.belongings(())
    assert "export HCLOUD_TOKEN" in refused.value.next_step
    monkeypatch.setenv("HCLOUD_TOKEN", "short")
    assert "5 characters" in HETZNER.problems()[0]
    monkeypatch.delenv("HCLOUD_TOKEN")
    with pytest.raises(DeployError, match="HCLOUD_TOKEN is not set"):
        ACCOUNT.zones("nbg1")
    assert cloud.table.rows() == ()


def test_an_api_that_cannot_be_reached_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HCLOUD_TOKEN", "x" * 64)
    monkeypatch.setenv("HCLOUD_ENDPOINT", "http://127.0.0.1:9/v1")
    with pytest.raises(DeployError, match="cannot be reached"):
        ACCOUNT.image_id("nbg1", "debian-12")


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("error during placement (resource_unavailable, 81861d8beb8f129)", "capacity"),
        ("server limit exceeded (resource_limit_exceeded, d1798f30e86aa508)", "quota"),
        ("Limit of 3600 requests per hour reached (rate_limit_exceeded)", "throttled"),
        ("unable to authenticate (unauthorized)", "credentials_expired"),
        *((text, kind) for kind, text in simulated.SIMULATED.failures.items()),
    ],
)
def test_what_the_cloud_says_is_understood(said: str, kind: str) -> None:
    matching = [name for name, patterns in ACCOUNT.failures.items() if any(re.search(each, said) for each in patterns)]
    assert matching == [kind]


@pytest.mark.parametrize(
    ("kind", "changes", "code"),
    [
        (simulated.NETWORK, {"ipRange": "8.8.0.0/16"}, "invalid_input"),
        (simulated.NETWORK, {"ipRange": "10.78.0.0/16", "labels": {"a": "no good"}}, "invalid_input"),
        (simulated.SUBNET, {"ipRange": "10.78.0.0/24"}, "invalid_input"),
        (simulated.SUBNET, {"ipRange": "10.77.0.128/25"}, "invalid_input"),
        (simulated.SUBNET, {"networkId": 7}, "not_found"),
        (simulated.KEY, {}, "uniqueness_error"),
        (simulated.SERVER, {"location": "mars1"}, "invalid_input"),
        (simulated.SERVER, {"serverType": "cx99"}, "not_found"),
        (simulated.SERVER, {"location": "ash"}, "invalid_input"),
        (simulated.SERVER, {"image": "1"}, "not_found"),
        (simulated.SERVER, {"name": "under_score"}, "invalid_input"),
        (simulated.SERVER, {"userData": "x" * 33000}, "invalid_input"),
        (simulated.SERVER, {"firewallIds": []}, "simulator"),
        (simulated.SERVER, {"sshKeys": ["7"]}, "not_found"),
        (simulated.VOLUME, {"size": 9}, "invalid_input"),
        (simulated.VOLUME, {"serverId": 7}, "not_found"),
        (simulated.FIREWALL, {"rules": [{"direction": "in", "protocol": "tcp", "sourceIps": ["10.0.0.0/8"]}]}, "invalid_input"),
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


def test_the_vm_behind_a_server_is_open_where_its_firewall_is_and_has_its_volumes(cloud: CloudSide) -> None:
    fill(cloud)
    (row,) = cloud.table.rows(simulated.SERVER)

    machine = simulated.machine(cloud.table, row)

    assert machine is not None
    assert (machine.image, machine.open_ports, machine.disks_bytes) == ("debian-bookworm", (22,), (20 << 30,))
    assert (machine.private_address, machine.public_address) == ("10.77.0.2", "127.78.0.2")
    assert (machine.cpus, machine.memory_bytes) == (2, 4 << 30)

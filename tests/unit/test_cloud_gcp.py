"""Google Cloud: what its program registers, under mocks, and what its account answers, against the simulated one."""

from __future__ import annotations

import re
import shutil
import subprocess
import threading
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pulumi
import pytest
import yaml

from bench.errors import DeployError, InputError
from bench.records import Generators
from stacks import clouds, deploy, distributions, labels, policy, prices
from stacks.clouds import gcp
from stacks.terms import Settled
from tests.cells import cell
from tests.simulator import faults, settings, table
from tests.simulator.api import Server
from tests.simulator.clouds import gcp as simulated
from tests.simulator.faults import Fault
from tests.simulator.member import Refused
from tests.simulator.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bench.records import Cell
    from tests.simulator.cloud_side import CloudSide

GCP = clouds.load("gcp")
assert GCP.account is not None
ACCOUNT = GCP.account

DEBIAN_12 = "projects/debian-cloud/global/images/debian-12-bookworm-v20260811"
DEBIAN_13 = "projects/debian-cloud/global/images/debian-13-trixie-v20260811"
SETTLED = Settled(
    owner="ann",
    operator="203.0.113.7/32",
    expires_at=1_800_000_000,
    lifetime_s=3600,
    spot=False,
    image_ids={
        "gcp/europe-west3/debian-12": DEBIAN_12,
        "gcp/europe-west3/debian-13": DEBIAN_13,
        "gcp/us-central1/debian-12": DEBIAN_12,
    },
    zones={"gcp/europe-west3": "europe-west3-b", "gcp/us-central1": "us-central1-f"},
)
A_GENERATOR = Generators(count=1, instance_type="", machine_image="")
KEY = "ssh-ed25519 AAAA operator"


def on(host: str, **axes: Any) -> Cell:
    made = cell(**{"cloud": "gcp", **axes})
    return replace(made, host=host, name=f"{host}-{made.name}")


class Recorder(pulumi.runtime.Mocks):
    """Answers as the cloud does: with links, and with addresses."""

    def __init__(self) -> None:
        self.registered: list[pulumi.runtime.MockResourceArgs] = []

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        self.registered.append(args)
        outputs: dict[str, Any] = {
            "public_key": KEY,
            "private_key": "PRIVATE",
            "access_key": "ACCESS",
            "secret_key": "SECRET",
            "addresses": {"": {"private": "10.78.0.2"}},
            "selfLink": f"https://link/{args.name}",
            "selfLinkUnique": f"https://link/{args.name}?uniqueId=1",
        }
        if args.typ == simulated.INSTANCE:
            outputs["networkInterfaces"] = [{"networkIp": "10.78.0.2", "accessConfigs": [{"natIp": "198.51.100.4"}]}]
        return f"{args.name}-id", {**args.inputs, **outputs}

    def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]] | None]:
        raise AssertionError(f"nothing is looked up while deploying, and {args.token} was")

    @property
    def ours(self) -> list[pulumi.runtime.MockResourceArgs]:
        return [args for args in self.registered if args.typ.startswith("gcp:")]

    def of(self, kind: str) -> dict[str, dict[str, Any]]:
        return {args.name: args.inputs for args in self.ours if args.typ == kind}


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    monkeypatch.setattr("stacks.image.ensure", lambda name: SimpleNamespace(content_digest=f"sha256:{name}"))
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "ours")
    mocks = Recorder()
    pulumi.runtime.set_mocks(mocks, project="cowbench", stack="s", preview=False)
    return mocks


def made(*cells: Cell, generators: Generators | None = None, **terms: Any) -> pulumi.Output[Any]:
    settled = replace(SETTLED, **terms)
    return deploy.deploy(cells, "s", deploy.Wanted(images={}, generators=generators, settled=settled)).targets


TWO_KERNELS = (on("one", machine_image="debian-12"), on("two", machine_image="debian-13", placement="volume"))


@pulumi.runtime.test  # type: ignore[untyped-decorator] # the SDK ships it without types
def test_each_host_has_its_image_zone_and_type_and_lies_close_to_the_others(recorder: Recorder) -> pulumi.Output[None]:
    def judge(_: object) -> None:
        templates, instances = recorder.of(simulated.TEMPLATE), recorder.of(simulated.INSTANCE)
        images = {name: template["disks"][0]["sourceImage"] for name, template in templates.items()}
        assert images == {"one-template": DEBIAN_12, "two-template": DEBIAN_13, "load-gcp-1-template": DEBIAN_12}
        assert {template["machineType"] for template in templates.values()} == {"n2-standard-2"}
        assert instances.keys() == {"one", "two", "load-gcp-1"}
        assert {instance["zone"] for instance in instances.values()} == {"europe-west3-b"}
        for name, instance in instances.items():
            assert instance["sourceInstanceTemplate"] == f"https://link/{name}-template?uniqueId=1"
        (together,) = recorder.of(simulated.POLICY).values()
        assert together["groupPlacementPolicy"] == {"collocation": "COLLOCATED"}
        assert {instance["resourcePolicies"] for instance in instances.values()} == {"https://link/europe-west3-b-n2-together"}

    return made(*TWO_KERNELS, generators=A_GENERATOR).apply(judge)


@pulumi.runtime.test  # type: ignore[untyped-decorator] # the SDK ships it without types
def test_what_belongs_to_a_host_is_told_of_its_addresses(recorder: Recorder) -> pulumi.Output[None]:
    def judge(_: object) -> None:
        (host,) = [args.inputs for args in recorder.registered if args.typ.endswith(":RentedHost")]
        assert (host["address"], host["private_address"], host["vm"]) == ("198.51.100.4", "10.78.0.2", "one-id")

    return made(on("one")).apply(judge)


@pulumi.runtime.test  # type: ignore[untyped-decorator] # the SDK ships it without types
def test_hosts_that_cannot_be_close_or_have_none_to_be_close_to_are_not_placed(recorder: Recorder) -> pulumi.Output[None]:
    cells = (on("one", instance_type="e2-standard-2"), on("two", instance_type="e2-standard-4"), on("far", region="us-central1"))

    def judge(_: object) -> None:
        assert recorder.of(simulated.POLICY) == {}
        assert recorder.of(simulated.INSTANCE)["far"]["zone"] == "us-central1-f"
        assert recorder.of(simulated.SUBNET)["us-central1-f-subnet"]["region"] == "us-central1"

    return made(*cells).apply(judge)


def _rules(recorder: Recorder) -> dict[str, tuple[Any, ...]]:
    return {
        name: (rule["direction"], rule["sourceRanges"], rule["targetTags"], rule["allows"])
        for name, rule in recorder.of(simulated.FIREWALL).items()
    }


@pulumi.runtime.test  # type: ignore[untyped-decorator] # the SDK ships it without types
def test_with_generators_the_servers_are_open_to_the_private_network_alone(recorder: Recorder) -> pulumi.Output[None]:
    def judge(_: object) -> None:
        (subnet,) = recorder.of(simulated.SUBNET).values()
        assert _rules(recorder) == {
            "europe-west3-b-ssh": ("INGRESS", ["203.0.113.7/32"], ["cowbench"], [{"protocol": "tcp", "ports": ["22"]}]),
            "europe-west3-b-servers": (
                "INGRESS",
                [subnet["ipCidrRange"]],
                ["cowbench"],
                [{"protocol": "tcp", "ports": ["7070"]}],
            ),
        }
        assert {tuple(template["tags"]) for template in recorder.of(simulated.TEMPLATE).values()} == {("cowbench",)}

    return made(*TWO_KERNELS, generators=A_GENERATOR).apply(judge)


@pulumi.runtime.test  # type: ignore[untyped-decorator] # the SDK ships it without types
def test_without_generators_the_operator_reaches_ssh_and_the_servers_and_nobody_else_does(
    recorder: Recorder,
) -> pulumi.Output[None]:
    def judge(_: object) -> None:
        rules = recorder.of(simulated.FIREWALL).values()
        opens = [each for rule in rules for each in ACCOUNT.meanings[simulated.FIREWALL](rule).opens]
        assert [(each.source, each.first_port, each.last_port) for each in opens] == [
            ("203.0.113.7/32", 22, 22),
            ("203.0.113.7/32", 7070, 7070),
        ]

    return made(on("one")).apply(judge)


@pytest.mark.parametrize(
    ("rule", "broken"),
    [
        ({"sourceRanges": ["0.0.0.0/0"], "allows": [{"protocol": "tcp", "ports": ["22"]}]}, ["closed_to_the_world"]),
        ({"allows": [{"protocol": "all"}]}, ["closed_to_the_world"]),
        ({"sourceTags": ["cowbench"], "allows": [{"protocol": "all"}]}, []),
        ({"direction": "EGRESS", "allows": [{"protocol": "all"}]}, []),
    ],
)
def test_a_rule_that_lets_in_everybody_is_understood_as_one(rule: dict[str, Any], broken: list[str]) -> None:
    told = {"description": "cowbench-owner=a cowbench-run=b cowbench-expires=1", **rule}
    assert [each.rule for each in policy.judge(simulated.FIREWALL, told, ACCOUNT.meanings)] == broken


@pytest.mark.parametrize("disk_stays", [True, False])
def test_a_disk_that_would_outlive_its_vm_is_understood_as_one(disk_stays: object) -> None:
    marks = labels.of("s", "ann", 1)
    template = {"labels": marks, "disks": [{"boot": True}, {"autoDelete": not disk_stays}]}
    broken = [each.rule for each in policy.judge(simulated.TEMPLATE, template, ACCOUNT.meanings)]
    assert broken == (["disks_go_with_their_vm"] if disk_stays else [])


@pulumi.runtime.test  # type: ignore[untyped-decorator] # the SDK ships it without types
def test_everything_says_whose_it_is_and_no_rule_is_broken(recorder: Recorder) -> pulumi.Output[None]:
    def judge(_: object) -> None:
        assert {args.typ for args in recorder.ours} == set(ACCOUNT.meanings)
        assert [v for args in recorder.ours for v in policy.judge(args.typ, args.inputs, ACCOUNT.meanings)] == []
        marks = labels.of("s", "ann", 1_800_000_000)
        for args in recorder.ours:
            told = args.inputs.get("labels") or dict(word.split("=") for word in args.inputs["description"].split())
            assert marks.items() <= told.items(), args.name
        disks = [disk for template in recorder.of(simulated.TEMPLATE).values() for disk in template["disks"]]
        assert {tuple(sorted(disk["labels"].items())) for disk in disks} == {tuple(sorted(marks.items()))}

    return made(*TWO_KERNELS, generators=A_GENERATOR).apply(judge)


@pulumi.runtime.test  # type: ignore[untyped-decorator] # the SDK ships it without types
def test_a_disk_is_made_as_it_is_written_and_goes_with_its_vm(recorder: Recorder) -> pulumi.Output[None]:
    cells = (
        on("plain", disk="pd-ssd-50GiB"),
        on("thin", driver="devicemapper-direct", disk="pd-balanced-30GiB"),
        on("fast", disk="hyperdisk-balanced-100GiB+6000iops+250MiBps", instance_type="n4-standard-2"),
        on("local", disk="nvme-375GiB", driver="devicemapper-direct"),
    )

    def judge(_: object) -> None:
        every = {name: template["disks"] for name, template in recorder.of(simulated.TEMPLATE).items()}
        data = {name: [(disk["diskType"], disk["diskSizeGb"]) for disk in disks[1:]] for name, disks in every.items()}
        assert data == {
            "plain-template": [("pd-ssd", 50)],
            "thin-template": [("pd-balanced", 30)] * 2,
            "fast-template": [("hyperdisk-balanced", 100)],
            "local-template": [("local-ssd", 375)] * 2,
        }
        fast = every["fast-template"][1]
        assert (fast["provisionedIops"], fast["provisionedThroughput"]) == (6000, 250)
        assert {(disk["type"], disk["interface"]) for disk in every["local-template"][1:]} == {("SCRATCH", "NVME")}
        assert {disk["autoDelete"] for disks in every.values() for disk in disks} == {True}
        boots = {name: disks[0]["diskType"] for name, disks in every.items()}
        assert boots.pop("fast-template") == "hyperdisk-balanced"
        assert set(boots.values()) == {"pd-balanced"}

    return made(*cells).apply(judge)


@pulumi.runtime.test  # type: ignore[untyped-decorator] # the SDK ships it without types
def test_user_data_is_plain_cloud_init_that_holds_no_secret(recorder: Recorder) -> pulumi.Output[None]:
    def judge(_: object) -> None:
        (template,) = recorder.of(simulated.TEMPLATE).values()
        metadata = template["metadata"]
        told = yaml.safe_load(metadata["user-data"])
        assert told["hostname"] == "one"
        assert told["users"] == [{"name": "root", "ssh_authorized_keys": [KEY]}]
        assert metadata["block-project-ssh-keys"] == "TRUE"
        assert not {"PRIVATE", "ACCESS", "SECRET"} & set(" ".join(metadata.values()).split())
        assert metadata["user-data"] in ACCOUNT.meanings[simulated.TEMPLATE](template).user_data

    return made(on("one")).apply(judge)


@pulumi.runtime.test  # type: ignore[untyped-decorator] # the SDK ships it without types
def test_a_vm_is_deleted_before_it_would_only_power_itself_off(recorder: Recorder) -> pulumi.Output[None]:
    def judge(_: object) -> None:
        (template,) = recorder.of(simulated.TEMPLATE).values()
        assert template["scheduling"] == {
            "provisioningModel": "STANDARD",
            "preemptible": False,
            "automaticRestart": False,
            "onHostMaintenance": "MIGRATE",
            "instanceTerminationAction": "DELETE",
            "maxRunDuration": {"seconds": 3540},
        }

    return made(on("one")).apply(judge)


@pulumi.runtime.test  # type: ignore[untyped-decorator] # the SDK ships it without types
def test_a_spot_vm_is_deleted_when_it_is_taken_away(recorder: Recorder) -> pulumi.Output[None]:
    def judge(_: object) -> None:
        (template,) = recorder.of(simulated.TEMPLATE).values()
        assert template["scheduling"] == {
            "provisioningModel": "SPOT",
            "preemptible": True,
            "automaticRestart": False,
            "onHostMaintenance": "TERMINATE",
            "instanceTerminationAction": "DELETE",
        }

    return made(on("one"), spot=True, lifetime_s=0).apply(judge)


@pytest.mark.parametrize(
    ("wanted", "instance_type", "why"),
    [
        ("pd-ssd-50GiB+6000iops", "n2-standard-2", "sells no speed"),
        ("nvme-100GiB", "n2-standard-2", "375GiB each"),
        ("pd-ssd-10300MiB", "n2-standard-2", "whole GiB"),
        ("nvme-375GiB", "e2-standard-2", "no nvme for E2"),
        ("hyperdisk-balanced-50GiB", "n2-standard-2", "no hyperdisk-balanced for N2"),
        ("pd-ssd-50GiB", "n4-standard-2", "no pd-ssd for N4"),
        ("pd-balanced-9GiB", "n2-standard-2", "no pd-balanced below 10GiB"),
        ("pd-balanced-50GiB", "c3-standard-8-lssd", "could be taken for it"),
        ("pd-balanced-50GiB", "t2a-standard-2", "for ARM"),
        ("nvme-375GiB", "n2-highmem-16", "more local SSDs than are wanted"),
        ("nvme-375GiB", "n2-custom-12-4096", "is no instance type of gcp"),
    ],
)
def test_a_disk_that_is_not_sold_is_refused_before_a_vm_is_made(
    recorder: Recorder, wanted: str, instance_type: str, why: str
) -> None:
    with pytest.raises(InputError, match=why):
        made(on("one", disk=wanted, instance_type=instance_type))

    assert recorder.of(simulated.TEMPLATE) == {}


def booted(tmp_path: Path, *commands: str) -> list[str]:
    """What the startup script did on a machine with these commands, in this order; its /etc is below `tmp_path`."""
    programs, did = tmp_path / "bin", tmp_path / "did"
    programs.mkdir()
    for name in ("sh", "mkdir", "sed", "chmod", "cp"):
        (programs / name).symlink_to(shutil.which(name) or name)
    for name in ("systemctl", *commands):
        (programs / name).write_text(f'#!/bin/sh\necho "{name} $*" >>{did}\n')
        (programs / name).chmod(0o755)
    if "apt-get" in commands:
        with (programs / "apt-get").open("a") as installing:
            installing.write(f"case $* in *cloud-init) cp {programs}/systemctl {programs}/cloud-init\n")
            installing.write(f"sed -i s/systemctl/cloud-init/ {programs}/cloud-init;; esac\n")
    (tmp_path / "etc/ssh/sshd_config.d").mkdir(parents=True)
    (tmp_path / "etc/ssh/sshd_config").write_text("Port 22\nPermitRootLogin no\n")
    script = gcp._STARTUP_SCRIPT.replace("/etc/", f"{tmp_path}/etc/")
    subprocess.run([programs / "sh", "-c", script], env={"PATH": str(programs)}, check=True, timeout=60)
    assert (tmp_path / "etc/ssh/sshd_config").read_text() == "Port 22\nPermitRootLogin prohibit-password\n"
    return did.read_text().splitlines()


def test_an_image_without_cloud_init_gets_it_before_anybody_can_log_in(tmp_path: Path) -> None:
    assert booted(tmp_path, "apt-get") == [
        "systemctl stop ssh.service",
        "apt-get -q update",
        "apt-get -qy -o DPkg::Lock::Timeout=120 install cloud-init",
        "cloud-init init",
        "cloud-init modules --mode=config",
        "systemctl restart ssh.service",
        "cloud-init modules --mode=final",
    ]
    assert yaml.safe_load((tmp_path / "etc/cloud/cloud.cfg.d/99-cowbench.cfg").read_text()) == {
        "datasource_list": ["GCE"],
        "network": {"config": "disabled"},
    }


def test_an_image_with_cloud_init_proves_the_host_key_that_is_there_once_more(tmp_path: Path) -> None:
    assert booted(tmp_path, "cloud-init") == [
        "cloud-init single --name bootcmd --frequency always",
        "systemctl restart ssh.service",
    ]


def test_the_usual_host_has_a_price_in_the_usual_region() -> None:
    known = prices.read()
    for name, table_name in (("n2-standard-2", "instance_hour"), ("pd-balanced", "disk_gib_month")):
        figure = known.find("gcp", table_name, GCP.defaults["region"], name)
        assert figure is not None
        assert figure.amount > 0
        assert figure.as_of is not None


@pytest.fixture
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CloudSide]:
    settings.write(tmp_path, Settings(clouds=("gcp",)))
    table.create(tmp_path)
    server = Server(tmp_path)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    for name in gcp._PROJECT_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name, value in simulated.SIMULATED.environment(f"{server.url}/gcp").items():
        monkeypatch.setenv(name, value)
    # What the client library waits between attempts.
    monkeypatch.setattr("time.sleep", lambda _: None)
    yield server.clouds["gcp"]
    server.shutdown()
    server.server_close()


MARKS = labels.of("s", "ann", 1_800_000_000)
TOLD = " ".join(f"{name}={value}" for name, value in {**MARKS, "cowbench-region": "europe-west3"}.items())


def fill(cloud: CloudSide, hosts: int = 1) -> None:
    """What the program makes, and something of somebody else."""

    def make(kind: str, name: str, **inputs: Any) -> str:
        return cloud.create(kind, name, f"urn:{name}", inputs).id

    make(simulated.NETWORK, "theirs", autoCreateSubnetworks=False, description="not ours")
    network = make(simulated.NETWORK, "network", autoCreateSubnetworks=False, description=TOLD)
    subnet = make(
        simulated.SUBNET, "subnet", network=network, region="europe-west3", ipCidrRange="10.78.0.0/20", description=TOLD
    )
    allows = [{"protocol": "tcp", "ports": ["22"]}]
    ranges = ["127.0.0.0/8"]
    make(
        simulated.FIREWALL,
        "ssh",
        network=network,
        direction="INGRESS",
        sourceRanges=ranges,
        targetTags=["cowbench"],
        allows=allows,
        description=TOLD,
    )
    placement = {"collocation": "COLLOCATED"}
    together = make(simulated.POLICY, "together", region="europe-west3", groupPlacementPolicy=placement, description=TOLD)
    boot = {"boot": True, "sourceImage": DEBIAN_12, "diskType": "pd-balanced", "diskSizeGb": 20, "labels": MARKS}
    data = {"diskType": "pd-balanced", "diskSizeGb": 30, "labels": MARKS}
    for number in range(hosts):
        template = make(
            simulated.TEMPLATE,
            f"template{number}",
            machineType="n2-standard-2",
            networkInterfaces=[{"subnetwork": subnet, "accessConfigs": [{"networkTier": "PREMIUM"}]}],
            metadata={"user-data": "#cloud-config\n"},
            scheduling={"preemptible": False},
            disks=[boot, data],
            tags=["cowbench"],
            labels=MARKS,
            description=TOLD,
        )
        make(
            simulated.INSTANCE,
            f"host{number}",
            zone="europe-west3-b",
            sourceInstanceTemplate=template,
            resourcePolicies=together,
            labels=MARKS,
        )


def test_the_newest_image_of_a_family_is_pinned_by_its_name(cloud: CloudSide) -> None:
    assert cloud.table.rows() == ()
    assert ACCOUNT.image_id("europe-west3", "debian-12") == DEBIAN_12
    with pytest.raises(DeployError, match="no such image") as refused:
        ACCOUNT.image_id("europe-west3", "centos-7")
    assert "debian-12" in refused.value.next_step


def test_every_image_that_it_claims_to_have_is_known_and_found(cloud: CloudSide) -> None:
    assert cloud.table.rows() == ()
    assert set(ACCOUNT.images) <= set(distributions.names())
    assert all(ACCOUNT.image_id("europe-west3", name).startswith("projects/") for name in ACCOUNT.images)


def test_zones_are_those_of_the_region(cloud: CloudSide) -> None:
    assert cloud.table.rows() == ()
    assert ACCOUNT.zones("us-central1") == ("us-central1-a", "us-central1-b", "us-central1-c", "us-central1-f")
    with pytest.raises(DeployError, match="mars1") as refused:
        ACCOUNT.zones("mars1")
    assert "region" in refused.value.next_step


def test_types_are_those_that_the_region_sells(cloud: CloudSide) -> None:
    found = ACCOUNT.instance_types("us-central1")

    assert "n2-standard-2" in found
    assert "n2-standard-3" not in found
    assert cloud.table.rows() == ()


def test_what_is_ours_is_found_over_all_pages_and_nothing_of_others(cloud: CloudSide) -> None:
    fill(cloud, hosts=7)

    found = ACCOUNT.belongings(())

    kinds = [each.kind for each in found]
    assert {kind: kinds.count(kind) for kind in kinds} == {
        "vm": 7,
        "template": 7,
        "disk": 14,
        "placement": 1,
        "firewall": 1,
        "subnet": 1,
        "network": 1,
    }
    assert {(each.owner, each.run, each.expires_at) for each in found} == {("ann", labels.run("s"), 1_800_000_000.0)}
    assert {each.region for each in found} == {"europe-west3"}
    assert ACCOUNT.belongings(("us-central1",)) == ()
    assert ACCOUNT.belongings(("europe-west3",)) == found


def test_removing_one_after_another_leaves_what_is_not_ours(cloud: CloudSide) -> None:
    fill(cloud, hosts=2)

    for belonging in ACCOUNT.belongings(()):
        ACCOUNT.remove(belonging)
        ACCOUNT.remove(belonging)

    assert [row.name for row in cloud.table.rows()] == ["theirs"]


def test_what_is_still_in_use_is_tried_again_and_then_said(cloud: CloudSide, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(cloud)
    monkeypatch.setattr(gcp, "_PATIENCE_S", 0.2)
    (network,) = [each for each in ACCOUNT.belongings(()) if each.kind == "network"]

    with pytest.raises(DeployError, match="already being used by") as refused:
        ACCOUNT.remove(network)

    assert "what still uses it" in refused.value.next_step


def test_throttling_is_waited_out_but_not_for_ever(cloud: CloudSide, monkeypatch: pytest.MonkeyPatch) -> None:
    faults.add(cloud.directory, Fault(cloud="gcp", op="api", failure="throttled", times=3))
    assert len(ACCOUNT.zones("europe-west3")) == 3
    monkeypatch.setattr(gcp, "_PATIENCE_S", 0.2)
    faults.add(cloud.directory, Fault(cloud="gcp", op="api", failure="throttled", times=100_000))
    with pytest.raises(DeployError, match="rateLimitExceeded"):
        ACCOUNT.zones("europe-west3")


def test_credentials_that_are_missing_or_expired_are_said_with_their_cure(
    cloud: CloudSide, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert GCP.problems() == ()
    monkeypatch.setenv("GOOGLE_OAUTH_ACCESS_TOKEN", "ya29.old")
    with pytest.raises(DeployError) as refused:
        ACCOUNT.belongings(())
    assert "application-default login" in refused.value.next_step
    monkeypatch.delenv("GOOGLE_OAUTH_ACCESS_TOKEN")
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    with pytest.raises(DeployError, match="no credentials"):
        ACCOUNT.zones("europe-west3")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    assert "names no file" in GCP.problems()[0]
    monkeypatch.delenv("GOOGLE_CLOUD_PROJECT")
    assert "GOOGLE_CLOUD_PROJECT" in GCP.problems()[0]
    assert cloud.table.rows() == ()


def test_another_project_is_not_found_and_that_is_said(cloud: CloudSide, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "somebody-elses")
    with pytest.raises(DeployError, match="somebody-elses") as refused:
        ACCOUNT.belongings(())
    assert "GOOGLE_CLOUD_PROJECT" in refused.value.next_step
    assert cloud.table.rows() == ()


def test_an_api_that_cannot_be_reached_is_said(cloud: CloudSide, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gcp, "_PATIENCE_S", 0.2)
    monkeypatch.setenv("GOOGLE_COMPUTE_CUSTOM_ENDPOINT", "http://127.0.0.1:9/compute/v1/")
    with pytest.raises(DeployError) as refused:
        ACCOUNT.image_id("europe-west3", "debian-12")
    assert "network" in refused.value.next_step
    assert cloud.table.rows() == ()


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("Error creating Network: googleapi: Error 429: Resource has been exhausted", "throttled"),
        ("Error waiting for instance to create: ZONE_RESOURCE_POOL_EXHAUSTED_WITH_DETAILS", "capacity"),
        ("googleapi: Error 403: Quota 'IN_USE_ADDRESSES' exceeded.  Limit: 8.0 in region europe-west3., quotaExceeded", "quota"),
        ("googleapi: Error 401: Request had invalid authentication credentials.", "credentials_expired"),
        ("googleapi: Error 404: The resource 'projects/p/global/networks/n' was not found, notFound", "not_found_yet"),
        *((text, kind) for kind, text in simulated.SIMULATED.failures.items()),
    ],
)
def test_what_the_cloud_says_is_understood(said: str, kind: str) -> None:
    matching = [name for name, patterns in ACCOUNT.failures.items() if any(re.search(each, said) for each in patterns)]
    assert matching == [kind]


BOOT = {"boot": True, "sourceImage": DEBIAN_12, "diskType": "pd-balanced", "diskSizeGb": 20}
LOCAL = {"type": "SCRATCH", "diskType": "local-ssd", "interface": "NVME", "diskSizeGb": 375}


@pytest.mark.parametrize(
    ("kind", "changes", "text"),
    [
        (simulated.NETWORK, {"name": "Upper"}, "Must be a match of regex"),
        (simulated.NETWORK, {"name": "x" * 64}, "Must be a match of regex"),
        (simulated.SUBNET, {"ipCidrRange": "10.78.1.0/24"}, "conflicts with existing"),
        (simulated.SUBNET, {"ipCidrRange": "8.8.8.0/24"}, "private range"),
        (simulated.SUBNET, {"region": "mars1"}, "Unknown region"),
        (simulated.SUBNET, {"network": "gone"}, "'gone' was not found"),
        (simulated.FIREWALL, {"sourceRanges": ["anybody"]}, "valid CIDR range"),
        (simulated.FIREWALL, {"allows": [{"protocol": "tcp", "ports": ["70000"]}]}, "Invalid port range"),
        (simulated.FIREWALL, {"allows": []}, "Exactly one"),
        (simulated.POLICY, {"groupPlacementPolicy": {"collocation": "NEAR"}}, "Must be COLLOCATED"),
        (simulated.TEMPLATE, {"machineType": "n2-standard-3"}, "Invalid machine type"),
        (simulated.TEMPLATE, {"labels": {"Owner": "ann"}}, "Label key 'Owner'"),
        (simulated.TEMPLATE, {"labels": {"owner": "Ann"}}, "Label value 'Ann'"),
        (simulated.TEMPLATE, {"metadata": {"user-data": "x" * 300_000}}, "is too large"),
        (simulated.TEMPLATE, {"networkInterfaces": []}, "At least one network interface"),
        (simulated.TEMPLATE, {"scheduling": {"provisioningModel": "SPOT", "preemptible": True}}, "must have preemptible"),
        (simulated.TEMPLATE, {"scheduling": {"maxRunDuration": {"seconds": 60}}}, "termination action"),
        (
            simulated.TEMPLATE,
            {"scheduling": {"instanceTerminationAction": "DELETE", "maxRunDuration": {"seconds": 5}}},
            "30 seconds",
        ),
        (simulated.TEMPLATE, {"disks": [{**BOOT, "sourceImage": "projects/debian-cloud/global/images/gone"}]}, "not found"),
        (simulated.TEMPLATE, {"disks": [BOOT, {"diskType": "gp3", "diskSizeGb": 30}]}, "diskTypes/gp3"),
        (simulated.TEMPLATE, {"disks": [BOOT, {"diskType": "pd-ssd", "diskSizeGb": 5}]}, "from 10 GB"),
        (simulated.TEMPLATE, {"disks": [BOOT, {"diskType": "hyperdisk-balanced", "diskSizeGb": 30}]}, "cannot be used by"),
        (
            simulated.TEMPLATE,
            {"disks": [BOOT, {"diskType": "pd-ssd", "diskSizeGb": 30, "provisionedIops": 9}]},
            "not supported",
        ),
        (simulated.TEMPLATE, {"disks": [BOOT, *[LOCAL] * 3]}, "Number of local SSDs"),
        (simulated.TEMPLATE, {"disks": [BOOT, {**LOCAL, "labels": MARKS}]}, "persistent disks only"),
        (simulated.INSTANCE, {"zone": "europe-west3-z"}, "zones/europe-west3-z"),
        (simulated.INSTANCE, {"zone": "us-central1-a"}, "not in region us-central1"),
        (simulated.INSTANCE, {"sourceInstanceTemplate": "gone"}, "'gone' was not found"),
    ],
)
def test_the_simulated_cloud_refuses_what_the_real_one_does(
    cloud: CloudSide, kind: str, changes: dict[str, Any], text: str
) -> None:
    fill(cloud)
    like = next(row for row in reversed(cloud.table.rows(kind)) if row.name != "theirs")

    with pytest.raises(Refused, match=re.escape(text)) as refused:
        cloud.check(kind, "new", "urn:new", {**like.inputs, **changes})

    assert refused.value.code.startswith("googleapi: Error 4")


def test_a_second_machine_series_that_sells_fast_disks_takes_them_within_their_limits(cloud: CloudSide) -> None:
    fill(cloud)
    (template,) = cloud.table.rows(simulated.TEMPLATE)

    def check(**speeds: int) -> None:
        data = {"diskType": "hyperdisk-balanced", "diskSizeGb": 100, **speeds}
        boot = {**BOOT, "diskType": "hyperdisk-balanced"}
        cloud.check(simulated.TEMPLATE, "n", "u", {**template.inputs, "machineType": "n4-standard-2", "disks": [boot, data]})

    check(provisionedIops=6000, provisionedThroughput=250)
    with pytest.raises(Refused, match="iops 60000"):
        check(provisionedIops=60_000)
    with pytest.raises(Refused, match="throughput 2000"):
        check(provisionedIops=6000, provisionedThroughput=2000)


def test_nothing_that_is_in_use_can_be_deleted(cloud: CloudSide) -> None:
    fill(cloud)

    for kind in (simulated.NETWORK, simulated.SUBNET, simulated.POLICY):
        row = next(row for row in cloud.table.rows(kind) if row.name != "theirs")
        with pytest.raises(Refused, match="already being used by"):
            cloud.table.remove(row.id)


def test_the_vm_behind_an_instance_is_open_where_its_firewall_is_and_has_its_disks(cloud: CloudSide) -> None:
    fill(cloud)
    (row,) = cloud.table.rows(simulated.INSTANCE)

    machine = simulated.machine(cloud.table, row)

    assert machine is not None
    assert (machine.image, machine.open_ports, machine.disks_bytes) == ("debian-bookworm", (22,), (30 << 30,))
    assert (machine.private_address, machine.public_address) == ("10.78.0.2", "127.78.0.2")
    assert (machine.cpus, machine.memory_bytes, machine.user_data) == (2, 8 << 30, "#cloud-config\n")

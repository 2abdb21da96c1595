"""Azure: what its program registers, under mocks, and what its account answers, against the simulated one."""

from __future__ import annotations

import base64
import json
import re
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pulumi
import pytest
import yaml

from bench.errors import DeployError, InputError
from bench.records import Generators
from stacks import clouds, deploy, labels, policy
from stacks.clouds import azure
from stacks.terms import Settled
from tests.cells import cell
from tests.simulator import faults, settings, table
from tests.simulator.api import Server
from tests.simulator.clouds import azure as simulated
from tests.simulator.faults import Fault
from tests.simulator.member import Refused
from tests.simulator.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from bench.records import Cell
    from stacks.cloud import Belonging
    from tests.simulator.cloud_side import CloudSide

AZURE = clouds.load("azure")
assert AZURE.account is not None
ACCOUNT = AZURE.account

ROLE = Path(__file__).parents[2] / "docs/clouds/azure-role.json"
END = 1_800_000_000
REGION = "germanywestcentral"
DEBIAN_12 = "Debian:debian-12:12-gen2:0.20250428.1000"
ROCKY_9 = "resf:rockylinux-x86_64:9-base:9.6.20250531"
SETTLED = Settled(
    owner="ann",
    operator="203.0.113.7/32",
    expires_at=END,
    lifetime_s=3600,
    spot=False,
    image_ids={
        f"azure/{REGION}/debian-12": f"{DEBIAN_12}+trusted",
        f"azure/{REGION}/rocky-9": f"{ROCKY_9}+plan",
        "azure/westeurope/debian-12": DEBIAN_12,
    },
    zones={f"azure/{REGION}": "2"},
)
GENERATOR = Generators(count=1, instance_type="", machine_image="")
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 operator"


def on(host: str, **axes: Any) -> Cell:
    made = cell(**{"cloud": "azure", **axes})
    return replace(made, host=host, name=f"{host}-{made.name}")


class Recorder(pulumi.runtime.Mocks):
    """Answers as the cloud does: with names that are not those of the program, and with addresses."""

    def __init__(self) -> None:
        self.registered: list[pulumi.runtime.MockResourceArgs] = []

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        self.registered.append(args)
        outputs: dict[str, Any] = {"name": f"{args.name}0001", "public_key": KEY, "private_key": "PRIVATE"}
        outputs |= {"access_key": "ACCESS", "secret_key": "SECRET", "addresses": {"": {"private": "10.80.0.4"}}}
        if args.typ == simulated.ADDRESS:
            outputs["ipAddress"] = "198.51.100.4"
        if args.typ == simulated.INTERFACE:
            outputs["ipConfigurations"] = [{**args.inputs["ipConfigurations"][0], "privateIPAddress": "10.80.0.4"}]
        return f"/{args.name}", {**args.inputs, **outputs}

    def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]] | None]:
        raise AssertionError(f"nothing is looked up while deploying, and {args.token} was")

    def ours(self) -> list[pulumi.runtime.MockResourceArgs]:
        return [args for args in self.registered if args.typ.startswith("azure-native:")]

    def of(self, kind: str) -> dict[str, dict[str, Any]]:
        return {args.name: args.inputs for args in self.registered if args.typ == kind}


@pytest.fixture
def recorder(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    monkeypatch.setattr("stacks.image.ensure", lambda name: SimpleNamespace(content_digest=f"sha256:{name}"))
    mocks = Recorder()
    pulumi.runtime.set_mocks(mocks, project="cowbench", stack="s", preview=False)
    return mocks


def made(*cells: Cell, generators: Generators | None = None, **terms: Any) -> pulumi.Output[Any]:
    wanted = deploy.Wanted(images={}, generators=generators, settled=replace(SETTLED, **terms))
    return deploy.deploy(cells, "s", wanted).targets


TWO_KERNELS = (on("one"), on("two", machine_image="rocky-9", placement="volume"))


@pulumi.runtime.test  # type: ignore[untyped-decorator] # the SDK ships it without types
def test_each_host_is_a_vm_with_its_image_zone_and_place_beside_the_others(recorder: Recorder) -> pulumi.Output[None]:
    def judge(_: object) -> None:
        vms = recorder.of(simulated.VM)
        assert set(vms) == {"one", "two", "load-azure-1"}
        parts = ("publisher", "offer", "sku", "version")
        images = {name: ":".join(vm["storageProfile"]["imageReference"][part] for part in parts) for name, vm in vms.items()}
        assert images == {"one": DEBIAN_12, "two": ROCKY_9, "load-azure-1": DEBIAN_12}
        assert {tuple(vm["zones"]) for vm in vms.values()} == {("2",)}
        assert {vm["hardwareProfile"]["vmSize"] for vm in vms.values()} == {"Standard_D2s_v5"}
        assert {vm["proximityPlacementGroup"]["id"] for vm in vms.values()} == {f"/{REGION}-2-placement"}
        assert {vm["osProfile"]["linuxConfiguration"]["ssh"]["publicKeys"][0]["keyData"] for vm in vms.values()} == {KEY}
        assert {inputs["enableAcceleratedNetworking"] for inputs in recorder.of(simulated.INTERFACE).values()} == {True}

    return made(*TWO_KERNELS, generators=GENERATOR).apply(judge)


@pulumi.runtime.test  # type: ignore[untyped-decorator] # the SDK ships it without types
def test_an_image_with_terms_names_its_plan_and_one_that_can_boots_trusted_without_secure_boot(
    recorder: Recorder,
) -> pulumi.Output[None]:
    def judge(_: object) -> None:
        vms = recorder.of(simulated.VM)
        assert vms["two"]["plan"] == {"publisher": "resf", "product": "rockylinux-x86_64", "name": "9-base"}
        assert "securityProfile" not in vms["two"]
        assert "plan" not in vms["one"]
        security = vms["one"]["securityProfile"]
        assert (security["securityType"], security["uefiSettings"]["secureBootEnabled"]) == ("TrustedLaunch", False)

    return made(*TWO_KERNELS).apply(judge)


@pulumi.runtime.test  # type: ignore[untyped-decorator] # the SDK ships it without types
def test_nothing_is_looked_for_under_names_of_older_versions_of_the_api(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> pulumi.Output[None]:
    aliased: list[str] = []
    monkeypatch.setattr("pulumi.resource.collapse_alias_to_urn", lambda _alias, name, *_: aliased.append(name))

    def judge(_: object) -> None:
        assert set(recorder.of(simulated.VM)) == {"one", "two"}
        # Once for all of them; what lies in it is many.
        assert set(aliased) <= {f"{REGION}-2-group"}

    return made(*TWO_KERNELS).apply(judge)


def opened(recorder: Recorder) -> list[tuple[Any, ...]]:
    (firewall,) = recorder.of(simulated.FIREWALL).values()
    told = ("access", "direction", "protocol", "sourceAddressPrefix", "destinationPortRanges")
    return [tuple(rule[word] for word in told) for rule in sorted(firewall["securityRules"], key=lambda rule: rule["priority"])]


NOTHING_ELSE = ("Deny", "Inbound", "*", "*", ["0-65535"])
SSH = ("Allow", "Inbound", "Tcp", "203.0.113.7/32", ["22"])


@pulumi.runtime.test  # type: ignore[untyped-decorator] # the SDK ships it without types
def test_with_generators_only_the_private_network_reaches_the_servers(recorder: Recorder) -> pulumi.Output[None]:
    def judge(_: object) -> None:
        assert opened(recorder) == [SSH, ("Allow", "Inbound", "Tcp", "10.80.0.0/20", ["7070"]), NOTHING_ELSE]
        (subnet,) = recorder.of(simulated.SUBNET).values()
        assert subnet["addressPrefix"] == "10.80.0.0/20"
        assert subnet["networkSecurityGroup"]["id"] == f"/{REGION}-2-firewall"

    return made(*TWO_KERNELS, generators=GENERATOR).apply(judge)


@pulumi.runtime.test  # type: ignore[untyped-decorator] # the SDK ships it without types
def test_without_generators_the_operator_reaches_ssh_and_the_servers_and_nobody_else_does(
    recorder: Recorder,
) -> pulumi.Output[None]:
    def judge(_: object) -> None:
        assert opened(recorder) == [SSH, ("Allow", "Inbound", "Tcp", "203.0.113.7/32", ["7070"]), NOTHING_ELSE]
        (firewall,) = recorder.of(simulated.FIREWALL).values()
        opens = ACCOUNT.meanings[simulated.FIREWALL](firewall).opens
        assert [(each.source, each.first_port, each.last_port) for each in opens] == [
            ("203.0.113.7/32", 22, 22),
            ("203.0.113.7/32", 7070, 7070),
        ]

    return made(on("one")).apply(judge)


@pulumi.runtime.test  # type: ignore[untyped-decorator] # the SDK ships it without types
def test_everything_that_takes_tags_has_them_and_no_rule_is_broken(recorder: Recorder) -> pulumi.Output[None]:
    def judge(_: object) -> None:
        assert {args.typ for args in recorder.ours()} == set(ACCOUNT.meanings)
        assert [v for args in recorder.ours() for v in policy.judge(args.typ, args.inputs, ACCOUNT.meanings)] == []
        unmarked = [args.typ for args in recorder.ours() if args.inputs.get("tags") != labels.of("s", "ann", END)]
        assert unmarked == [simulated.SUBNET]
        assert {str(args.provider).split("::")[-2] for args in recorder.ours()} == {f"{REGION}-2"}

    return made(*TWO_KERNELS, generators=GENERATOR).apply(judge)


@pulumi.runtime.test  # type: ignore[untyped-decorator] # the SDK ships it without types
def test_disks_are_of_the_kind_size_and_speed_asked_for_and_go_with_their_vm(recorder: Recorder) -> pulumi.Output[None]:
    cells = (
        on("plain", disk="StandardSSD_LRS-50GiB"),
        on("thin", driver="devicemapper-direct", disk="PremiumV2_LRS-64GiB+6000iops+250MiBps"),
    )

    def judge(_: object) -> None:
        words = ("diskSizeGB", "diskIOPSReadWrite", "diskMBpsReadWrite")
        disks = {
            name: (each["sku"]["name"], *(each.get(word) for word in words)) for name, each in recorder.of(simulated.DISK).items()
        }
        fast = ("PremiumV2_LRS", 64, 6000, 263)
        assert disks == {"plain-data": ("StandardSSD_LRS", 50, None, None), "thin-data": fast, "thin-pool": fast}
        assert {tuple(each["zones"]) for each in recorder.of(simulated.DISK).values()} == {("2",)}
        attached = recorder.of(simulated.VM)["thin"]["storageProfile"]["dataDisks"]
        assert [(each["lun"], each["managedDisk"]["id"]) for each in attached] == [(0, "/thin-data"), (1, "/thin-pool")]
        assert {(each["createOption"], each["caching"], each["deleteOption"]) for each in attached} == {
            ("Attach", "None", "Delete")
        }

    return made(*cells).apply(judge)


@pulumi.runtime.test  # type: ignore[untyped-decorator] # the SDK ships it without types
def test_local_nvme_comes_with_the_type_of_vm_and_no_disk_is_made(recorder: Recorder) -> pulumi.Output[None]:
    def judge(_: object) -> None:
        assert recorder.of(simulated.DISK) == {}
        assert recorder.of(simulated.VM)["one"]["storageProfile"].get("dataDisks", []) == []

    return made(on("one", disk="nvme-100GiB", instance_type="Standard_D2ds_v6")).apply(judge)


@pytest.mark.parametrize(
    ("axes", "why"),
    [
        ({"disk": "nvme-64GiB"}, "no local NVMe disk"),
        ({"disk": "Premium_LRS-128GiB+6000iops"}, "follows from its size"),
        ({"disk": "StandardSSD_LRS-128GiB+250MiBps"}, "follows from its size"),
        ({"disk": "nvme-64GiB+6000iops", "instance_type": "Standard_D2ds_v6"}, "follows from its size"),
        ({"instance_type": "Standard_D2ds_v6"}, "has local disks beside the Premium_LRS one"),
        ({"instance_type": "Standard_D2_v5"}, "takes no Premium_LRS"),
        ({"instance_type": "Standard_D2ps_v5"}, "for ARM"),
        ({"instance_type": "Standard_D2s_v6", "machine_image": "centos-7"}, "wants an image that knows NVMe"),
        ({"disk": "nvme-64GiB", "instance_type": "Standard_D2ds_v6", "driver": "devicemapper-direct"}, "wants two disks"),
    ],
)
def test_a_disk_that_is_not_sold_is_refused_before_its_vm_is_made(recorder: Recorder, axes: dict[str, str], why: str) -> None:
    with pytest.raises(InputError, match=why):
        made(on("one", **axes))

    assert recorder.of(simulated.VM) == {}


def test_types_of_vm_are_told_apart_by_what_they_bring() -> None:
    assert [name for name, size in simulated.SIZES.items() if azure.has_local_nvme(name) != bool(size.nvme_gib)] == []
    assert [name for name, size in simulated.SIZES.items() if azure.is_accelerated(name) != size.accelerated] == []
    assert azure.has_local_nvme("Standard_E4-2ads_v6")
    assert [name for name in simulated.SIZES if not azure.takes_premium(name)] == []
    assert azure.takes_premium("Standard_DS2_v2")
    assert azure.takes_premium("Standard_NC24ads_A100_v4")
    assert not azure.takes_premium("Standard_D2d_v5")


@pulumi.runtime.test  # type: ignore[untyped-decorator] # the SDK ships it without types
def test_spot_vms_are_deleted_when_somebody_pays_more(recorder: Recorder) -> pulumi.Output[None]:
    def judge(_: object) -> None:
        vm = recorder.of(simulated.VM)["one"]
        assert (vm["priority"], vm["evictionPolicy"], vm["billingProfile"]) == ("Spot", "Delete", {"maxPrice": -1})

    return made(on("one"), spot=True).apply(judge)


@pulumi.runtime.test  # type: ignore[untyped-decorator] # the SDK ships it without types
def test_azure_itself_deallocates_a_vm_at_the_minute_of_its_expiry(recorder: Recorder) -> pulumi.Output[None]:
    def judge(_: object) -> None:
        assert "priority" not in recorder.of(simulated.VM)["one"]
        (schedule,) = recorder.of(simulated.SCHEDULE).values()
        assert schedule["name"] == "shutdown-computevm-one0001"
        # 1800000000 is the 15th of January 2027, 08:00:00 UTC.
        assert (schedule["dailyRecurrence"], schedule["timeZoneId"]) == ({"time": "0800"}, "UTC")
        assert (schedule["targetResourceId"], schedule["status"]) == ("/one", "Enabled")

    return made(on("one")).apply(judge)


@pulumi.runtime.test  # type: ignore[untyped-decorator] # the SDK ships it without types
def test_a_vm_that_lives_longer_than_a_day_has_no_daily_end(recorder: Recorder) -> pulumi.Output[None]:
    def judge(_: object) -> None:
        assert len(recorder.of(simulated.VM)) == 1
        assert recorder.of(simulated.SCHEDULE) == {}

    return made(on("one"), lifetime_s=2 * 86400).apply(judge)


@pulumi.runtime.test  # type: ignore[untyped-decorator] # the SDK ships it without types
def test_user_data_is_cloud_init_in_base64_that_ends_the_vm_and_holds_no_secret(recorder: Recorder) -> pulumi.Output[None]:
    def judge(_: object) -> None:
        profile = recorder.of(simulated.VM)["one"]["osProfile"]
        text = base64.b64decode(profile["customData"]).decode()
        told = yaml.safe_load(text)
        assert told["hostname"] == profile["computerName"] == "one"
        assert told["users"] == [{"name": "root", "ssh_authorized_keys": [KEY]}]
        assert ["3600" in command for command in told["bootcmd"]] == [False, False, True]
        assert not {"PRIVATE", "ACCESS", "SECRET"} & set(text.split())
        assert ACCOUNT.meanings[simulated.VM](recorder.of(simulated.VM)["one"]).user_data == text
        assert len(profile["customData"]) <= simulated.MOST_CUSTOM_DATA

    return made(on("one")).apply(judge)


@pulumi.runtime.test  # type: ignore[untyped-decorator] # the SDK ships it without types
def test_each_region_is_a_group_of_its_own_and_without_zones_none_is_named(recorder: Recorder) -> pulumi.Output[None]:
    def judge(_: object) -> None:
        groups = recorder.of(simulated.GROUP)
        assert {name: group["location"] for name, group in groups.items()} == {
            f"{REGION}-2-group": REGION,
            "westeurope-group": "westeurope",
        }
        assert "zones" not in recorder.of(simulated.VM)["two"]
        assert "zones" not in recorder.of(simulated.ADDRESS)["two-address"]
        assert recorder.of(simulated.VM)["two"]["resourceGroupName"] == "westeurope-group0001"

    return made(on("one"), on("two", region="westeurope")).apply(judge)


def test_broken_programs_are_seen_for_what_they_mean() -> None:
    rule = {"direction": "Inbound", "access": "Allow", "sourceAddressPrefixes": ["*"], "destinationPortRange": "8000-8010"}
    kept = {"osDisk": {"deleteOption": "Delete"}, "dataDisks": [{"deleteOption": "Detach"}]}
    secret = base64.b64encode(b"password: hunter2hunter2").decode()
    marks = labels.of("s", "ann", END)

    def broken(kind: str, **inputs: Any) -> list[str]:
        return [violation.rule for violation in policy.judge(kind, inputs, ACCOUNT.meanings)]

    assert broken(simulated.FIREWALL, securityRules=[rule], tags=marks) == ["closed_to_the_world"]
    assert broken(simulated.VM, storageProfile=kept, tags=marks) == ["disks_go_with_their_vm"]
    told = {"osProfile": {"customData": secret}, "storageProfile": {"osDisk": {"deleteOption": "Delete"}}}
    assert broken(simulated.VM, tags=marks, **told) == ["no_secret_in_user_data"]
    assert broken(simulated.ADDRESS) == ["labelled"]


def test_the_role_allows_to_make_read_and_delete_everything_that_the_program_registers() -> None:
    allowed = {action.lower() for action in json.loads(ROLE.read_text())["Actions"]}
    kinds = [*simulated.TYPES.values(), "Microsoft.Resources/subscriptions/resourceGroups"]
    needed = {f"{kind}/{what}".lower() for kind in kinds for what in ("read", "write", "delete")}
    assert set(simulated.TYPES) | {simulated.GROUP} == set(ACCOUNT.meanings)
    assert needed - allowed == set()
    assert [action for action in allowed if "*" in action or "authorization/" in action] == []


# The account, against the simulated one.


@pytest.fixture
def cloud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[CloudSide]:
    settings.write(tmp_path, Settings(clouds=("azure",)))
    table.create(tmp_path)
    server = Server(tmp_path)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    for name, value in simulated.SIMULATED.environment(f"{server.url}/azure").items():
        monkeypatch.setenv(name, value)
    # What the client library waits between attempts.
    monkeypatch.setattr("time.sleep", lambda _: None)
    yield server.clouds["azure"]
    server.shutdown()
    server.server_close()


def make(cloud: CloudSide, kind: str, name: str, **inputs: Any) -> Mapping[str, Any]:
    """What exists then: inputs, outputs, and its id."""
    row = cloud.create(kind, name, f"urn:{name}", inputs)
    return {**row.outputs, "id": row.id}


def a_group(cloud: CloudSide, name: str = "ours", tags: Mapping[str, str] | None = None, region: str = REGION) -> str:
    group = make(cloud, simulated.GROUP, name, location=region, tags=labels.of("s", "ann", END) if tags is None else tags)
    return str(group["name"])


def a_rule(**changes: Any) -> dict[str, Any]:
    plain = {"name": "ssh", "priority": 100, "direction": "Inbound", "access": "Allow", "protocol": "Tcp"}
    ends = {"sourceAddressPrefix": "127.0.0.1/32", "sourcePortRange": "*", "destinationPortRanges": ["22"]}
    return {**plain, **ends, **changes}


def a_network(cloud: CloudSide, group: str, rules: list[dict[str, Any]]) -> str:
    common = {"resourceGroupName": group, "location": REGION}
    firewall = make(cloud, simulated.FIREWALL, "firewall", securityRules=rules, **common)
    network = make(cloud, simulated.NETWORK, "network", addressSpace={"addressPrefixes": ["10.80.0.0/16"]}, **common)
    place = {"resourceGroupName": group, "virtualNetworkName": network["name"]}
    subnet = make(
        cloud,
        simulated.SUBNET,
        "subnet",
        addressPrefix="10.80.0.0/20",
        networkSecurityGroup={"id": firewall["id"]},
        **place,
    )
    return str(subnet["id"])


def vm_inputs(cloud: CloudSide, group: str, subnet: str, name: str = "host") -> dict[str, Any]:
    """All that a VM needs is made; its own inputs are not yet used."""
    common = {"resourceGroupName": group, "location": REGION}
    address = make(
        cloud,
        simulated.ADDRESS,
        f"{name}-address",
        sku={"name": "Standard"},
        publicIPAllocationMethod="Static",
        zones=["1"],
        **common,
    )
    way = {"name": "primary", "subnet": {"id": subnet}, "publicIPAddress": {"id": address["id"]}}
    interface = make(cloud, simulated.INTERFACE, f"{name}-interface", ipConfigurations=[way], **common)
    data = make(
        cloud,
        simulated.DISK,
        f"{name}-data",
        sku={"name": "PremiumV2_LRS"},
        diskSizeGB=64,
        zones=["1"],
        creationData={"createOption": "Empty"},
        **common,
    )
    keys = [{"keyData": KEY, "path": "/home/cowbench/.ssh/authorized_keys"}]
    publisher, offer, sku, version = DEBIAN_12.split(":")
    attached = {
        "lun": 0,
        "createOption": "Attach",
        "managedDisk": {"id": data["id"]},
        "caching": "None",
        "deleteOption": "Delete",
    }
    return {
        **common,
        "zones": ["1"],
        "hardwareProfile": {"vmSize": "Standard_D2s_v5"},
        "networkProfile": {"networkInterfaces": [{"id": interface["id"], "deleteOption": "Detach"}]},
        "osProfile": {
            "computerName": name,
            "adminUsername": "cowbench",
            "customData": base64.b64encode(b"#cloud-config\n").decode(),
            "linuxConfiguration": {"disablePasswordAuthentication": True, "ssh": {"publicKeys": keys}},
        },
        "storageProfile": {
            "imageReference": {"publisher": publisher, "offer": offer, "sku": sku, "version": version},
            "osDisk": {"createOption": "FromImage", "deleteOption": "Delete"},
            "dataDisks": [attached],
        },
    }


def a_vm(cloud: CloudSide, rules: list[dict[str, Any]] | None = None) -> Mapping[str, Any]:
    group = a_group(cloud)
    return make(cloud, simulated.VM, "host", **vm_inputs(cloud, group, a_network(cloud, group, rules or [a_rule()])))


def test_an_image_is_the_newest_by_number_with_what_must_be_known_to_boot_it(cloud: CloudSide) -> None:
    assert cloud.table.rows() == ()
    assert ACCOUNT.image_id(REGION, "debian-12") == f"{DEBIAN_12}+trusted"
    assert ACCOUNT.image_id("westeurope", "rocky-9") == f"{ROCKY_9}+plan+trusted"
    assert ACCOUNT.image_id(REGION, "centos-7") == "OpenLogic:CentOS:7_9:7.9.2023100400"


def test_every_image_that_it_claims_to_have_is_found(cloud: CloudSide) -> None:
    assert cloud.table.rows() == ()
    found = {name: ACCOUNT.image_id(REGION, name) for name in ACCOUNT.images}
    assert all(len(urn.split(":")) == 4 for urn in found.values())
    assert len(set(found.values())) == len(found)


def test_an_image_of_a_region_that_is_none_is_an_error_with_its_cure(cloud: CloudSide) -> None:
    assert cloud.table.rows() == ()
    with pytest.raises(DeployError, match="NoRegisteredProviderFound") as refused:
        ACCOUNT.image_id("mars", "debian-12")
    assert "azure, looking up the image debian-12 in mars" in str(refused.value)


def test_zones_are_those_of_the_region_in_their_order(cloud: CloudSide) -> None:
    assert cloud.table.rows() == ()
    assert ACCOUNT.zones(REGION) == ("1", "2", "3")
    assert ACCOUNT.zones("westcentralus") == ()


def test_a_region_that_is_none_is_refused_with_those_that_are_like_it(cloud: CloudSide) -> None:
    del cloud
    with pytest.raises(DeployError, match="makes no VMs in germanywestcentrl") as raised:
        ACCOUNT.zones("germanywestcentrl")
    assert "germanywestcentral" in raised.value.next_step


def test_types_are_those_that_the_region_sells(cloud: CloudSide) -> None:
    found = ACCOUNT.instance_types("germanywestcentral")

    assert "Standard_D2s_v5" in found
    assert "Standard_M128s" not in found
    assert "Premium_LRS" not in found
    assert ACCOUNT.instance_types("mars") == ()
    assert cloud.table.rows() == ()


def test_what_is_ours_is_found_over_all_pages_and_nothing_of_others(cloud: CloudSide) -> None:
    for number in range(2 * simulated.PER_PAGE + 1):
        a_group(cloud, f"ours-{number}", region="westeurope" if number == 0 else REGION)
    a_group(cloud, "theirs", tags={"team": "x"})

    found = ACCOUNT.belongings(())

    assert len(found) == 2 * simulated.PER_PAGE + 1
    told = {(each.cloud, each.kind, each.owner, each.run, each.expires_at) for each in found}
    assert told == {("azure", "resource group", "ann", labels.run("s"), float(END))}
    assert [each.region for each in ACCOUNT.belongings(("westeurope", "eastus2"))] == ["westeurope"]


def test_removing_a_group_takes_all_that_is_in_it_and_leaves_what_is_not_ours(cloud: CloudSide) -> None:
    a_vm(cloud)
    a_group(cloud, "theirs", tags={"team": "x"})

    for belonging in ACCOUNT.belongings(()):
        ACCOUNT.remove(belonging)
        ACCOUNT.remove(belonging)

    assert [row.name for row in cloud.table.rows()] == ["theirs"]


def test_throttling_is_waited_out_but_not_for_ever(cloud: CloudSide) -> None:
    a_group(cloud)
    faults.add(cloud.directory, Fault(op="api", failure="throttled", times=3))
    assert len(ACCOUNT.belongings(())) == 1

    faults.add(cloud.directory, Fault(op="api", failure="throttled", times=100))
    with pytest.raises(DeployError, match="TooManyRequests") as refused:
        ACCOUNT.belongings(())
    assert "wait five minutes" in refused.value.next_step
    assert faults.pending(cloud.directory)[0].times > 50


def test_azure_may_not_ask_for_an_hour_of_patience(cloud: CloudSide) -> None:
    assert cloud.table.rows() == ()
    policy_of = azure._way()["retry_policy"].get_retry_after
    answer = SimpleNamespace(http_response=SimpleNamespace(headers={"Retry-After": "3600"}))
    assert policy_of(answer) == 60
    answer.http_response.headers = {"Retry-After": "7"}
    assert policy_of(answer) == 7
    answer.http_response.headers = {}
    assert policy_of(answer) is None


def test_credentials_that_ran_out_are_told_from_rights_that_are_missing(
    cloud: CloudSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults.add(cloud.directory, Fault(op="api", failure="quota"))
    with pytest.raises(DeployError) as forbidden:
        ACCOUNT.belongings(())
    assert "azure-role.json" in forbidden.value.next_step

    monkeypatch.setenv("COWBENCH_AZURE_TOKEN", "an old one")
    with pytest.raises(DeployError, match="ExpiredAuthenticationToken") as expired:
        ACCOUNT.zones(REGION)
    assert "az login again" in expired.value.next_step


def test_a_subscription_that_is_not_there_and_a_network_that_is_down_are_said(
    cloud: CloudSide, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cloud.table.rows() == ()
    monkeypatch.setenv("ARM_SUBSCRIPTION_ID", "00000000-0000-4000-8000-000000000000")
    with pytest.raises(DeployError, match="SubscriptionNotFound") as unknown:
        ACCOUNT.belongings(())
    assert "az account show" in unknown.value.next_step

    monkeypatch.setenv("COWBENCH_AZURE_ENDPOINT", "http://127.0.0.1:1")
    with pytest.raises(DeployError) as unreachable:
        ACCOUNT.zones(REGION)
    assert "check the network" in unreachable.value.next_step


def test_a_removal_that_azure_does_not_finish_is_said(cloud: CloudSide, monkeypatch: pytest.MonkeyPatch) -> None:
    belonging = belonging_of(cloud)
    never = SimpleNamespace(wait=lambda _limit: None, done=lambda: False)
    groups = SimpleNamespace(begin_delete=lambda _name, **_: never)
    monkeypatch.setattr(azure, "_resources", lambda: SimpleNamespace(resource_groups=groups))

    with pytest.raises(DeployError, match="not gone after") as refused:
        ACCOUNT.remove(belonging)
    assert "activity log" in refused.value.next_step


def belonging_of(cloud: CloudSide) -> Belonging:
    a_group(cloud)
    (found,) = ACCOUNT.belongings(())
    return found


VARIABLES = (
    "ARM_SUBSCRIPTION_ID",
    "ARM_TENANT_ID",
    "ARM_CLIENT_ID",
    "ARM_CLIENT_SECRET",
    "ARM_CLIENT_CERTIFICATE_PATH",
    "ARM_USE_MSI",
)


@pytest.fixture
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AZURE_CONFIG_DIR", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def test_without_any_credentials_both_ways_to_them_are_named(nothing_set: Path) -> None:
    assert nothing_set.exists()
    named, missing = AZURE.problems()
    assert "ARM_SUBSCRIPTION_ID" in named
    assert "ARM_CLIENT_SECRET" in missing
    assert "az login" in missing


def test_nothing_is_asked_without_credentials(nothing_set: Path) -> None:
    assert nothing_set.exists()
    with pytest.raises(DeployError, match="no Azure subscription is named") as refused:
        ACCOUNT.belongings(())
    assert "az login" in refused.value.next_step


def test_a_service_principal_that_is_half_named_is_said_to_be(nothing_set: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert nothing_set.exists()
    monkeypatch.setenv("ARM_SUBSCRIPTION_ID", simulated.SUBSCRIPTION)
    monkeypatch.setenv("ARM_CLIENT_SECRET", "s")
    monkeypatch.setenv("ARM_CLIENT_ID", "c")
    (problem,) = AZURE.problems()
    assert "ARM_TENANT_ID is not set" in problem

    monkeypatch.setenv("ARM_TENANT_ID", "t")
    assert AZURE.problems() == ()


def test_the_command_line_of_azure_is_enough_once_it_is_signed_in(nothing_set: Path) -> None:
    (nothing_set / "az").touch(mode=0o755)
    (problem,) = AZURE.problems()
    assert "az login" in problem

    profile = {"subscriptions": [{"id": "a", "isDefault": False}, {"id": "b", "isDefault": True}]}
    (nothing_set / "azureProfile.json").write_text(json.dumps(profile), encoding="utf-8-sig")
    assert AZURE.problems() == ()
    assert azure._subscription() == "b"


# The simulated one itself.


def test_ports_are_open_as_the_first_rule_that_concerns_the_operator_says(cloud: CloudSide) -> None:
    rules = [
        a_rule(),
        a_rule(name="inside", priority=110, sourceAddressPrefix="10.80.0.0/20", destinationPortRanges=["7070"]),
        a_rule(name="shut", priority=120, access="Deny", destinationPortRanges=["7170"]),
        a_rule(name="late", priority=130, destinationPortRanges=["7170", "7270"]),
        a_rule(
            name="rest", priority=4096, access="Deny", protocol="*", sourceAddressPrefix="*", destinationPortRanges=["0-65535"]
        ),
    ]
    vm = a_vm(cloud, rules)

    machine = simulated.machine_of(cloud.table, present(cloud, vm["id"]))

    assert machine is not None
    assert machine.open_ports == (22, 7270)
    assert (machine.image, machine.user_data) == ("debian-bookworm", "#cloud-config\n")
    assert machine.disks_bytes == (64 << 30,)
    assert machine.private_address == "10.80.0.4"
    assert machine.public_address.startswith("127.78.")


def present(cloud: CloudSide, id_: str) -> Any:
    found = cloud.table.row(id_)
    assert found is not None
    return found


def test_things_are_deleted_in_an_order_and_a_vm_takes_its_disk_along(cloud: CloudSide) -> None:
    vm = a_vm(cloud)
    by_kind = {row.kind: row.id for row in cloud.table.rows()}
    held = (simulated.DISK, simulated.INTERFACE, simulated.ADDRESS, simulated.SUBNET, simulated.FIREWALL, simulated.NETWORK)
    for kind in held:
        with pytest.raises(Refused):
            cloud.delete(kind, by_kind[kind], {})

    cloud.delete(simulated.VM, vm["id"], {})

    assert cloud.table.rows(simulated.DISK, simulated.VM) == ()
    for kind in (simulated.INTERFACE, simulated.ADDRESS, simulated.NETWORK, simulated.FIREWALL):
        cloud.delete(kind, by_kind[kind], {})
    assert {row.kind for row in cloud.table.rows()} == {simulated.GROUP}


def put(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    """A change to inputs: the value at a path such as `osProfile.adminUsername`."""

    def change(inputs: dict[str, Any]) -> None:
        *way, last = path.split(".")
        there: Any = inputs
        for word in way:
            there = there[int(word) if word.isdigit() else word]
        there[last] = value

    return change


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (put("hardwareProfile.vmSize", "Standard_D3s_v5"), "InvalidParameter"),
        (put("zones", ["7"]), "InvalidAvailabilityZone"),
        (put("zones", ["2"]), "BadRequest"),
        (put("location", "mars"), "LocationNotAvailableForResourceType"),
        (put("resourceGroupName", "gone"), "ResourceGroupNotFound"),
        (put("vmName", "x" * 65), "InvalidResourceName"),
        (put("tags", {"a<b": "c"}), "InvalidTagNameCharacters"),
        (put("tags", {"a": "c" * 257}), "InvalidTagValueLength"),
        (put("osProfile.adminUsername", "root"), "InvalidParameter"),
        (put("osProfile.customData", "A" * 87384), "InvalidParameter"),
        (put("osProfile.customData", "not base64"), "InvalidParameter"),
        (put("osProfile.linuxConfiguration.ssh.publicKeys.0.path", "/root/.ssh/authorized_keys"), "InvalidParameter"),
        (put("storageProfile.imageReference.version", "0.1.2"), "PlatformImageNotFound"),
        (put("plan", {"name": "x"}), "VMMarketplaceInvalidInput"),
        (put("storageProfile.dataDisks.0.caching", "ReadOnly"), "InvalidParameter"),
        (put("storageProfile.dataDisks.0.managedDisk", {"id": "/gone"}), "NotFound"),
        (put("networkProfile.networkInterfaces", []), "InvalidParameter"),
        (put("networkProfile.networkInterfaces.0.id", "/gone"), "InvalidResourceReference"),
        (put("evictionPolicy", "Delete"), "InvalidParameter"),
        (put("securityProfile", {"uefiSettings": {"secureBootEnabled": False}}), "InvalidParameter"),
        (put("proximityPlacementGroup", {"id": "/gone"}), "InvalidResourceReference"),
    ],
)
def test_a_vm_that_azure_would_refuse_is_refused_with_its_code(
    cloud: CloudSide, change: Callable[[dict[str, Any]], None], code: str
) -> None:
    group = a_group(cloud)
    inputs = vm_inputs(cloud, group, a_network(cloud, group, [a_rule()]))
    cloud.check(simulated.VM, "host", "urn:host", inputs)

    change(inputs)

    with pytest.raises(Refused) as refused:
        cloud.check(simulated.VM, "host", "urn:host", inputs)
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("kind", "inputs", "code"),
    [
        (simulated.GROUP, {"location": "mars"}, "LocationNotAvailableForResourceGroup"),
        (simulated.NETWORK, {"addressSpace": {"addressPrefixes": ["10.80.0.1/16"]}}, "InvalidAddressPrefixFormat"),
        (simulated.SUBNET, {"addressPrefix": "10.81.0.0/20"}, "NetcfgInvalidSubnet"),
        (simulated.SUBNET, {"addressPrefix": "10.80.1.0/24"}, "NetcfgSubnetRangesOverlap"),
        (simulated.FIREWALL, {"securityRules": [a_rule(), a_rule(name="b")]}, "SecurityRuleConflict"),
        (simulated.FIREWALL, {"securityRules": [a_rule(priority=99)]}, "SecurityRuleInvalidPriority"),
        (simulated.FIREWALL, {"securityRules": [a_rule(sourceAddressPrefix="10.0.0.1/8")]}, "SecurityRuleInvalidAddressPrefix"),
        (simulated.FIREWALL, {"securityRules": [a_rule(destinationPortRanges=["70000"])]}, "SecurityRuleInvalidPortRange"),
        (
            simulated.ADDRESS,
            {"sku": {"name": "Standard"}, "publicIPAllocationMethod": "Dynamic"},
            "StandardSkuPublicIPAddressesMustBeStatic",
        ),
        (simulated.ADDRESS, {"sku": {"name": "Basic"}}, "IPv4BasicSkuPublicIpCountLimitReached"),
        (simulated.DISK, {"sku": {"name": "Premium_LRS"}, "diskSizeGB": 40000}, "InvalidParameter"),
        (simulated.DISK, {"sku": {"name": "Premium_LRS"}, "diskSizeGB": 64, "diskIOPSReadWrite": 5000}, "InvalidParameter"),
        (simulated.DISK, {"sku": {"name": "PremiumV2_LRS"}, "diskSizeGB": 64}, "InvalidParameter"),
        (
            simulated.DISK,
            {"sku": {"name": "PremiumV2_LRS"}, "diskSizeGB": 10, "diskIOPSReadWrite": 6000, "zones": ["1"]},
            "InvalidParameter",
        ),
        (simulated.PLACEMENT, {"zones": ["1"]}, "InvalidParameter"),
    ],
)
def test_what_azure_would_refuse_is_refused_with_its_code(cloud: CloudSide, kind: str, inputs: dict[str, Any], code: str) -> None:
    group = a_group(cloud)
    a_network(cloud, group, [a_rule()])
    (network,) = cloud.table.rows(simulated.NETWORK)
    place: dict[str, Any] = {"resourceGroupName": group, "location": REGION, "virtualNetworkName": network.outputs["name"]}

    with pytest.raises(Refused) as refused:
        cloud.check(kind, "it", "urn:it", {**place, **inputs})
    assert refused.value.code == code


def test_a_schedule_is_known_by_the_name_of_its_vm_alone(cloud: CloudSide) -> None:
    vm = a_vm(cloud)
    (group,) = cloud.table.rows(simulated.GROUP)
    inputs = {
        "resourceGroupName": group.outputs["name"],
        "location": REGION,
        "name": f"shutdown-computevm-{vm['name']}",
        "taskType": "ComputeVmShutdownTask",
        "targetResourceId": vm["id"],
        "dailyRecurrence": {"time": "0800"},
    }
    cloud.check(simulated.SCHEDULE, "end", "urn:end", inputs)
    for wrong in ({"name": "end"}, {"dailyRecurrence": {"time": "8:00"}}, {"targetResourceId": "/gone"}):
        with pytest.raises(Refused):
            cloud.check(simulated.SCHEDULE, "end", "urn:end", {**inputs, **wrong})


def test_the_words_of_every_simulated_failure_are_understood() -> None:
    for kind, text in simulated.SIMULATED.failures.items():
        understood = {each for each, patterns in ACCOUNT.failures.items() if any(re.search(p, text) for p in patterns)}
        assert understood == {kind}

"""Every cloud passes this, unchanged. Pulumi runs under mocks: what the program registers is recorded, nothing is created."""

from __future__ import annotations

import ipaddress
import sys
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pulumi
import pytest
from pulumi.runtime import rpc

from bench import knowledge
from bench.errors import InputError
from bench.records import AXES, Generators
from stacks import axes, clouds, deploy, disk, distributions, drivers, hosts, labels, plan, policy, policy_enforcement
from stacks.terms import Settled
from tests.cells import cell
from tests.contract import seventh_cloud
from tests.registry import files_of, folder, modules
from tests.unit import renting

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from bench.records import Cell
    from stacks.cloud import Cloud, HostRequest
    from stacks.policy import Meaning


SETTLED = Settled(
    owner="ann",
    operator="203.0.113.7/32",
    expires_at=1_900_000_000,
    lifetime_s=3600,
    spot=False,
    # The form of Azure's, which its program takes apart; the others pass on whatever they were told.
    image_ids={
        f"{name}/{usual['region']}/{usual['machine_image']}": "Debian:debian-12:12-gen2:1.0.0"
        for name in clouds.CLOUDS
        if (usual := axes.usual(name, ""))
    },
)
WANTED = deploy.Wanted(images={}, settled=SETTLED)
TWO_GENERATORS = Generators(count=2, instance_type="", machine_image="")

PRIVATE = tuple(ipaddress.IPv4Network(each) for each in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"))
"""RFC 1918. The operator's address above is of a range for documentation, which Python calls private too."""

LONGEST_PLAIN_INPUT = 1000
"""Characters of an input; only what VMs are told has more."""

HOSTS = frozenset({"EngineHost", "VirtualMachine", "RentedHost"})
"""What a host is to the rest of the program, whatever its cloud makes for it."""


class Recorder(pulumi.runtime.Mocks):
    """Remembers what was registered, and answers with the inputs and with what only a cloud can know."""

    def __init__(self) -> None:
        self.registered: list[pulumi.runtime.MockResourceArgs] = []

    def of_clouds(self) -> list[pulumi.runtime.MockResourceArgs]:
        """What an account would be asked for."""
        return [args for args in self.registered if not args.typ.startswith(("pulumi", "cowbench"))]

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        self.registered.append(args)
        # Some clouds number what they make, and their programs count on it.
        return str(1000 + len(self.registered)), {
            **OUTPUTS_OF_CLOUDS,
            **args.inputs,
            **_with_addresses(args.inputs),
            "engine_url": "unix:///x",
            "reach": ["sh", "-c"],
            "addresses": {"": {"bind": "10.77.0.1", "endpoint": "", "private": "10.77.0.1"}},
            "facts": {},
            "incarnation": "1",
            "endpoint": "http://x",
            "private_endpoint": "",
            "public_key": "ssh-ed25519 AAAA",
            "private_key": "PRIVATE",
            "folder": "/load",
            "image_id": "sha256:1",
        }

    def call(self, args: pulumi.runtime.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]] | None]:
        return {"id": "found", **args.args}, []


OUTPUTS_OF_CLOUDS = {
    **dict.fromkeys(("publicIp", "ipv4Address", "address", "ipAddress", "accessIpV4"), "198.51.100.9"),
    **dict.fromkeys(("privateIp", "ipv4AddressPrivate"), "10.7.0.9"),
    "allFixedIps": ["10.7.0.9"],
    "fingerprint": "aa:bb",
    "ipRange": "10.7.0.0/20",
}
"""Names that the clouds' SDKs have for what is known once a VM stands; addresses are of the range for documentation."""


def _with_addresses(inputs: dict[str, Any]) -> dict[str, Any]:
    """Addresses where an SDK tells them within a list of what it was given."""
    cards = [
        {
            **card,
            "networkIp": "10.7.0.9",
            "accessConfigs": [{**each, "natIp": "198.51.100.9"} for each in card.get("accessConfigs", [])],
        }
        for card in inputs.get("networkInterfaces", [])
        if isinstance(card, dict)
    ]
    configurations = [{**each, "privateIPAddress": "10.7.0.9"} for each in inputs.get("ipConfigurations", [])]
    return {
        **({"networkInterfaces": cards} if cards else {}),
        **({"ipConfigurations": configurations} if configurations else {}),
    }


def _is_inside(source: str) -> bool:
    return any(ipaddress.IPv4Network(source).subnet_of(each) for each in PRIVATE)


@pytest.fixture(autouse=True)
def _seventh(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cloud that was made up: the one file, and the one line."""
    monkeypatch.setitem(sys.modules, "stacks.clouds.seventh", seventh_cloud)


@pytest.fixture(params=(*clouds.CLOUDS, "seventh"))
def cloud(request: pytest.FixtureRequest) -> Cloud:
    return clouds.load(request.param)


@pytest.fixture
def recorder() -> Recorder:
    mocks = Recorder()
    pulumi.runtime.set_mocks(mocks, project="cowbench", stack="contract", preview=False)
    return mocks


def test_every_file_is_registered_and_every_name_has_its_file() -> None:
    assert files_of(folder(clouds.__file__)) == modules(clouds.CLOUDS)


def test_it_is_called_what_it_is_registered_as() -> None:
    assert tuple(clouds.load(name).name for name in clouds.CLOUDS) == clouds.CLOUDS


def test_every_axis_it_speaks_of_exists(cloud: Cloud) -> None:
    assert set(cloud.axes) <= set(AXES)


def test_a_cell_that_names_nothing_gets_a_value_on_every_axis(cloud: Cloud) -> None:
    values = axes.filled({"cloud": cloud.name}, "")
    assert set(values) == set(AXES)
    assert "" not in values.values()


def test_its_default_disk_is_one_it_takes(cloud: Cloud) -> None:
    assert axes.disk(cloud.default_disk, cloud.name) == cloud.default_disk


def test_facts_are_ones_the_knowledge_can_judge(cloud: Cloud) -> None:
    facts = cloud.facts(cell(cloud=cloud.name))

    assert facts["kernel"]
    assert facts["docker"]
    assert knowledge.judge(facts)


def test_a_host_that_fits_nowhere_is_refused_before_it_is_made(cloud: Cloud) -> None:
    requests = tuple(request for request, _ in hosts.targets("contract", (cell(cloud=cloud.name),), None))

    assert cloud.room(()) == ""
    # Nobody has the memory for these, and a cloud that does not have to care says nothing.
    assert cloud.room(requests * 100_000) or not (cloud.features.chooses_kernel and cloud.features.on_this_machine)


def test_a_disk_that_cannot_be_had_is_left_out_of_the_plan_and_refused_before_it_is_made(cloud: Cloud) -> None:
    if cloud.account is None:
        return
    # No cloud sells the speed of all its disks: that of local ones, or of the cheapest, comes with their size or their VM.
    sized = [disk.read(offered) for offered in cloud.axes["disk"] or ()]
    fast = [disk.text(each) for one in sized for each in (replace(one, iops=6000), replace(one, bytes_per_s=250 << 20))]
    planned = plan.plan(renting.wanted({"cloud": (cloud.name,), "disk": (cloud.default_disk, *fast)}), plan.facts_of)

    assert planned.left_out
    for each in planned.left_out:
        assert each.reason
        assert each.fix
        assert each.source == f"stacks.clouds.{cloud.name}"
        assert ": " in cloud.room(_hosts_of(each.cell))
    assert {cloud.room(_hosts_of(each)) for each in planned.cells} == {""}
    assert cloud.default_disk in {each.disk for each in planned.cells}


def test_local_disks_are_left_out_of_the_plan_where_the_type_of_vm_has_none(cloud: Cloud) -> None:
    local = [offered for offered in cloud.axes["disk"] or () if offered.startswith("nvme-")]
    if cloud.account is None or not local:
        return
    planned = plan.plan(renting.wanted({"cloud": (cloud.name,), "disk": (cloud.default_disk, *local)}), plan.facts_of)

    # Some clouds add them to their usual type. Then a VM has them, and nothing speaks against the cell.
    for each in planned.left_out:
        assert cloud.defaults["instance_type"] in each.reason
    assert {each.disk for each in planned.cells} | {each.cell.disk for each in planned.left_out} == {cloud.default_disk, *local}


@pytest.mark.parametrize("driver", drivers.DRIVERS)
def test_what_is_usual_can_be_had_with_every_driver(cloud: Cloud, driver: str) -> None:
    values = axes.filled({"cloud": cloud.name, "driver": driver}, "")

    assert axes.impossible(values) == ("", "")
    if cloud.account is not None:
        generators = Generators(count=2, instance_type="", machine_image="")
        (requests,) = hosts.by_cloud("contract", (cell(driver, cloud=cloud.name),), generators).values()
        assert cloud.room(requests) == ""


def _hosts_of(one: Cell) -> tuple[HostRequest, ...]:
    return tuple(request for request, _ in hosts.targets("contract", (one,), None))


def test_every_problem_says_what_to_do(cloud: Cloud) -> None:
    assert [problem for problem in cloud.problems() if ": " not in problem] == []


@pulumi.runtime.test  # type: ignore[untyped-decorator] # the SDK ships it without types
def test_cells_that_differ_in_placement_share_one_host(cloud: Cloud, recorder: Recorder) -> pulumi.Output[None]:
    cells = (cell(cloud=cloud.name), cell(placement="volume", cloud=cloud.name))
    deployed = deploy.deploy(cells, "contract", WANTED)

    def judge(_: object) -> None:
        ours = [args for args in recorder.registered if args not in recorder.of_clouds()]
        kinds = Counter(args.typ.rsplit(":", 1)[-1] for args in ours)
        assert kinds.pop("Container") == 2
        assert kinds.pop("Credential") == 1
        assert kinds["SshKey"] >= cloud.features.reached_by_ssh
        assert sum(count for kind, count in kinds.items() if kind in HOSTS) == 1

    return deployed.targets.apply(judge)


@pulumi.runtime.test  # type: ignore[untyped-decorator] # the SDK ships it without types
def test_no_target_carries_a_secret(cloud: Cloud, recorder: Recorder) -> pulumi.Output[None]:
    deployed = deploy.deploy((cell(cloud=cloud.name),), "contract", WANTED)

    def judge(targets: dict[str, Any]) -> None:
        assert recorder.registered
        assert set(targets) == {"schema", "stack", "targets", "generators"}
        assert {"access_key", "secret_key"}.isdisjoint(targets["targets"][0])
        assert "PRIVATE" not in str(targets)

    return deployed.targets.apply(judge)


@pulumi.runtime.test  # type: ignore[untyped-decorator] # the SDK ships it without types
def test_what_a_host_is_told_at_its_first_boot_holds_no_secret(cloud: Cloud, recorder: Recorder) -> pulumi.Output[None]:
    deployed = deploy.deploy((cell(cloud=cloud.name),), "contract", WANTED)

    def judge(_: object) -> None:
        told = [str({**args.inputs, "private_key": ""}) for args in recorder.registered]
        assert [text for text in told if "PRIVATE" in text] == []

    return deployed.targets.apply(judge)


@pulumi.runtime.test  # type: ignore[untyped-decorator] # the SDK ships it without types
def test_load_comes_from_hosts_of_its_own_where_the_cloud_has_a_network(
    cloud: Cloud, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> pulumi.Output[None] | None:
    monkeypatch.setattr("stacks.image.ensure", lambda name: SimpleNamespace(content_digest=f"sha256:{name}"))
    wanted = replace(WANTED, generators=TWO_GENERATORS)
    if not cloud.features.private_network:
        with pytest.raises(InputError, match="has no hosts for load generators"):
            deploy.deploy((cell(cloud=cloud.name),), "contract", wanted)
        return None
    deployed = deploy.deploy((cell(cloud=cloud.name),), "contract", wanted)

    def judge(targets: dict[str, Any]) -> None:
        made = [args for args in recorder.registered if args.typ.endswith(":LoadGenerator")]
        assert len(made) == len(targets["generators"]) == 2
        assert {each["cloud"] for each in targets["generators"]} == {cloud.name}

    return deployed.targets.apply(judge)


def test_a_cloud_with_an_account_can_be_asked_what_is_in_it(cloud: Cloud) -> None:
    assert (cloud.account is not None) == cloud.features.needs_account


def test_what_is_usual_is_written_as_the_cloud_writes_it_and_what_is_not_is_said_with_an_example(cloud: Cloud) -> None:
    if cloud.account is None:
        return
    usual = axes.filled({"cloud": cloud.name}, "")

    assert callable(cloud.account.instance_types)
    assert axes.impossible(usual) == ("", "")
    what, cure = axes.impossible({**usual, "instance_type": "no such type at all!"})
    # A cloud whose types have any name, such as a private one, only tells when it is asked.
    assert bool(what) == bool(cure)


def test_its_images_are_distributions_that_are_known(cloud: Cloud) -> None:
    assert cloud.account is None or set(cloud.account.images) <= set(distributions.names())


def test_it_knows_its_own_words_for_the_failures_that_can_be_helped(cloud: Cloud) -> None:
    assert cloud.account is None or set(cloud.account.failures) >= {"throttled", "capacity", "quota", "credentials_expired"}


@pytest.mark.parametrize("generators", [None, TWO_GENERATORS])
@pulumi.runtime.test  # type: ignore[untyped-decorator] # the SDK ships it without types
def test_nothing_that_it_makes_breaks_a_rule(
    cloud: Cloud, recorder: Recorder, generators: Generators | None, monkeypatch: pytest.MonkeyPatch
) -> pulumi.Output[None] | None:
    monkeypatch.setattr("stacks.image.ensure", lambda name: SimpleNamespace(content_digest=f"sha256:{name}"))
    if generators is not None and not cloud.features.private_network:
        return None
    deployed = deploy.deploy((cell(cloud=cloud.name),), "contract", replace(WANTED, generators=generators))

    def judge(_: object) -> None:
        meanings = cloud.account.meanings if cloud.account else {}
        broken = [(args.name, policy.judge(args.typ, args.inputs, meanings)) for args in recorder.of_clouds()]
        assert [(name, violations) for name, violations in broken if violations] == []
        assert bool(broken) == cloud.features.needs_account

    return deployed.targets.apply(judge)


@pulumi.runtime.test  # type: ignore[untyped-decorator] # the SDK ships it without types
def test_its_vms_are_judged_in_a_preview_too(
    cloud: Cloud, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> pulumi.Output[None] | None:
    monkeypatch.setattr("stacks.image.ensure", lambda name: SimpleNamespace(content_digest=f"sha256:{name}"))
    if cloud.account is None:
        return None
    meanings = cloud.account.meanings
    deployed = deploy.deploy((cell(cloud=cloud.name),), "contract", WANTED)

    def judge(_: object) -> None:
        told = [args for args in recorder.of_clouds() if meanings[args.typ](args.inputs).user_data]
        assert told
        for args in told:
            inputs = _without_user_data(args.inputs)
            broken = policy_enforcement.violations(
                args.typ, {**inputs, "more": rpc.UNKNOWN}, {args.typ: _unlabelled(meanings[args.typ])}
            )
            assert [each.rule for each in broken] == ["labelled"]

    return deployed.targets.apply(judge)


def _without_user_data(value: Any) -> Any:
    """Inputs as in a preview: what a VM is told holds a key that is made with it, so it is known later."""
    if isinstance(value, dict):
        return {key: _without_user_data(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_without_user_data(each) for each in value]
    return rpc.UNKNOWN if isinstance(value, str) and len(value) > LONGEST_PLAIN_INPUT else value


def _unlabelled(meaning: Callable[[Mapping[str, Any]], Meaning]) -> Callable[[Mapping[str, Any]], Meaning]:
    return lambda inputs: replace(meaning(inputs), labels={})


@pytest.mark.parametrize("generators", [None, TWO_GENERATORS])
@pulumi.runtime.test  # type: ignore[untyped-decorator] # the SDK ships it without types
def test_only_the_operator_comes_in_by_ssh_and_servers_are_open_to_whom_they_should_be(
    cloud: Cloud, recorder: Recorder, generators: Generators | None, monkeypatch: pytest.MonkeyPatch
) -> pulumi.Output[None] | None:
    monkeypatch.setattr("stacks.image.ensure", lambda name: SimpleNamespace(content_digest=f"sha256:{name}"))
    if cloud.account is None:
        return None
    meanings = cloud.account.meanings
    only = cell(cloud=cloud.name)
    ((request, _),) = hosts.targets("contract", (only,), generators)
    (port,) = request.ports[only.name]
    deployed = deploy.deploy((only,), "contract", replace(WANTED, generators=generators))

    def judge(_: object) -> None:
        opened = [opening for args in recorder.of_clouds() for opening in meanings[args.typ](args.inputs).opens]
        to_ssh = {opening.source for opening in opened if opening.first_port <= 22 <= opening.last_port}
        to_server = {opening.source for opening in opened if opening.first_port <= port <= opening.last_port}
        # Some clouds have no firewall between the hosts of a network of one's own, and say so.
        assert {source for source in to_ssh if not _is_inside(source)} == {SETTLED.operator}
        assert to_server
        assert (SETTLED.operator in to_server) == (generators is None)
        assert {each.last_port - each.first_port for each in opened if not _is_inside(each.source)} == {0}

    return deployed.targets.apply(judge)


@pulumi.runtime.test  # type: ignore[untyped-decorator] # the SDK ships it without types
def test_hosts_of_one_zone_share_a_network_and_every_host_is_told_its_end(
    cloud: Cloud, recorder: Recorder
) -> pulumi.Output[None] | None:
    if cloud.account is None:
        return None
    one, two = cell(cloud=cloud.name), replace(cell("vfs", cloud=cloud.name), name="another", host="another")
    deployed = deploy.deploy((one, two), "contract", WANTED)
    meanings = cloud.account.meanings

    def judge(_: object) -> None:
        kinds = Counter(args.typ for args in recorder.of_clouds())
        vms = [args for args in recorder.of_clouds() if meanings[args.typ](args.inputs).user_data]
        assert len(vms) == 2
        # Beside the VMs and what each has of its own there is what both share, made once.
        assert 1 in kinds.values()
        for args in vms:
            meaning = meanings[args.typ](args.inputs)
            assert "end-of-life" in meaning.user_data
            assert meaning.labels is not None
            assert labels.expires_at(meaning.labels) == SETTLED.expires_at

    return deployed.targets.apply(judge)

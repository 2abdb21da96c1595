"""A broken program for every rule, on the real engine against the simulator: refused by the rule's name, with nothing made.

Each is a cloud's own program with one resource gone wrong, or one that it never makes.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pulumi
import pytest

from bench.errors import DeployError
from stacks import clouds, lifecycle, parts, policy, settle
from stacks.deploy import Wanted
from stacks.terms import Terms
from tests.cells import cell
from tests.simulator import table
from tests.simulator.place import simulator

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from stacks.cloud import Access, Cloud, SiteRequest
    from stacks.terms import Settled
    from tests.simulator.place import Simulator

pytestmark = [
    pytest.mark.live,
    pytest.mark.timeout(170),
    # The simulator's API outlives the object that started it, on purpose: the next command finds it by its directory.
    pytest.mark.filterwarnings("ignore:Exception ignored in. <function Popen.__del__:pytest.PytestUnraisableExceptionWarning"),
    # The module of buckets has some of old names.
    pytest.mark.filterwarnings("ignore:.* has been deprecated in favor of .*:DeprecationWarning"),
]

STACK = "broken"
CLOUDS = ("aws", "hetzner")


@dataclass(frozen=True, kw_only=True)
class Broken:
    """What goes wrong: the inputs of every resource of a type, or a bucket beside them. `told` is what the rule says of it.

    Keys within an input are as on the wire: that late nothing translates them.
    """

    cloud: str
    told: str
    kind: str = ""
    inputs: dict[str, Any] = field(default_factory=dict)


SOUND_DISK = {"volumeSize": 10, "encrypted": True, "deleteOnTermination": True}
WORLD = [{"direction": "in", "protocol": "tcp", "port": "22", "sourceIps": ["0.0.0.0/0"]}]

BROKEN: dict[str, Broken] = {
    "closed_to_the_world": Broken(
        cloud="hetzner", kind="Firewall", inputs={"rules": WORLD}, told="ports 22-22 are open to 0.0.0.0/0"
    ),
    "labelled": Broken(
        cloud="hetzner", kind="Volume", inputs={"labels": {"team": "s3"}}, told="it does not say cowbench-owner, cowbench-run"
    ),
    "disks_go_with_their_vm": Broken(
        cloud="aws",
        kind="Instance",
        inputs={"root_block_device": {**SOUND_DISK, "deleteOnTermination": False}},
        told="a disk of it would stay when its VM is deleted",
    ),
    "encrypted": Broken(
        cloud="aws",
        kind="Instance",
        inputs={"root_block_device": {**SOUND_DISK, "encrypted": False}},
        told="a disk of it is not encrypted",
    ),
    "metadata_needs_a_token": Broken(
        cloud="aws",
        kind="Instance",
        inputs={"metadata_options": {"httpTokens": "optional"}},
        told="its metadata service answers without a token",
    ),
    "no_secret_in_user_data": Broken(
        cloud="hetzner",
        kind="Server",
        inputs={"user_data": "#!/bin/sh\nexport SECRET_KEY=wJalrXUtnFEMIbPxRfiCYEXAMPLEKEY\n"},
        told="its user-data holds what looks like a key or a password",
    ),
    "no_public_bucket": Broken(cloud="aws", told="everybody could read this bucket"),
}


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    with simulator(tmp_path_factory.mktemp("cb") / "c", clouds=CLOUDS) as running:
        yield running


@pytest.fixture(autouse=True)
def _here(simulated: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COWBENCH_STATE", str(tmp_path / "s"))
    monkeypatch.delenv("PULUMI_BACKEND_URL", raising=False)
    for name, value in simulated.environment().items():
        monkeypatch.setenv(name, value)


def _settled(cloud: str) -> Settled:
    terms = Terms(owner="somebody", operator="127.0.0.0/8", deadline_s=120)
    return settle.settle(parts.split(STACK, [cell(cloud=cloud)]), None, terms)[STACK]


def _break(monkeypatch: pytest.MonkeyPatch, broken: Broken) -> None:
    load = clouds.load

    def loaded(name: str) -> Cloud:
        cloud = load(name)
        return replace(cloud, site=_gone_wrong(cloud, broken)) if name == broken.cloud else cloud

    monkeypatch.setattr(clouds, "load", loaded)


def _gone_wrong(cloud: Cloud, broken: Broken) -> Any:
    def change(args: pulumi.ResourceTransformationArgs) -> pulumi.ResourceTransformationResult | None:
        if args.type_.rpartition(":")[2] != broken.kind:
            return None
        return pulumi.ResourceTransformationResult({**args.props, **broken.inputs}, args.opts)

    def site(request: SiteRequest, access: Access | None) -> Any:
        pulumi.runtime.register_stack_transformation(change)
        if not broken.kind:
            import pulumi_aws as aws  # noqa: PLC0415 - takes seconds, and most of these tests need none of it

            aws.s3.Bucket("results", acl="public-read", tags=dict(request.labels))
        return cloud.site(request, access)

    return site


def test_there_is_a_broken_program_for_every_rule() -> None:
    assert set(BROKEN) == {rule.__name__ for rule, _ in policy.RULES}


@pytest.mark.parametrize("rule", BROKEN)
def test_a_program_that_breaks_a_rule_is_refused_by_its_name(
    rule: str, simulated: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = BROKEN[rule]
    wanted = Wanted(images={}, settled=_settled(broken.cloud))
    _break(monkeypatch, broken)

    with pytest.raises(DeployError, match=f"{rule}: {broken.told}") as raised:
        lifecycle.preview(STACK, [cell(cloud=broken.cloud)], wanted, lambda _: None)

    assert raised.value.next_step == next(fix for each, fix in policy.RULES if each.__name__ == rule)
    assert table.history(simulated.directory) == ()


@pytest.mark.parametrize("cloud", CLOUDS)
def test_the_same_program_unbroken_is_previewed(cloud: str) -> None:
    wanted = Wanted(images={}, settled=_settled(cloud))

    assert lifecycle.preview(STACK, [cell(cloud=cloud)], wanted, lambda _: None)["create"] > 0

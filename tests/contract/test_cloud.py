"""Every cloud passes this, unchanged. Pulumi runs under mocks: what the program registers is recorded, nothing is created."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pulumi
import pytest

from bench import knowledge
from bench.errors import InputError
from bench.records import AXES, Generators
from stacks import axes, clouds, deploy, hosts
from tests.cells import cell
from tests.registry import files_of, folder, modules

if TYPE_CHECKING:
    from stacks.cloud import Cloud


NOTHING = deploy.Wanted(images={})


class Recorder(pulumi.runtime.Mocks):
    """Remembers what was registered, and answers with the inputs."""

    def __init__(self) -> None:
        self.registered: list[pulumi.runtime.MockResourceArgs] = []

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        self.registered.append(args)
        return f"{args.name}-id", {
            **args.inputs,
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
        return dict(args.args), None


@pytest.fixture(params=clouds.CLOUDS)
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
    assert cloud.room(requests * 100_000) or not cloud.features.chooses_kernel


def test_every_problem_says_what_to_do(cloud: Cloud) -> None:
    assert [problem for problem in cloud.problems() if ": " not in problem] == []


@pulumi.runtime.test  # type: ignore[untyped-decorator] # the SDK ships it without types
def test_cells_that_differ_in_placement_share_one_host(cloud: Cloud, recorder: Recorder) -> pulumi.Output[None]:
    cells = (cell(cloud=cloud.name), cell(placement="volume", cloud=cloud.name))
    deployed = deploy.deploy(cells, "contract", NOTHING)

    def judge(_: object) -> None:
        kinds = Counter(args.typ.rsplit(":", 1)[-1] for args in recorder.registered)
        assert kinds.pop("Container") == 2
        assert kinds.pop("Credential") == 1
        assert kinds.pop("SshKey", 0) == cloud.features.reached_by_ssh
        assert list(kinds.values()) == [1]

    return deployed.targets.apply(judge)


@pulumi.runtime.test  # type: ignore[untyped-decorator] # the SDK ships it without types
def test_no_target_carries_a_secret(cloud: Cloud, recorder: Recorder) -> pulumi.Output[None]:
    deployed = deploy.deploy((cell(cloud=cloud.name),), "contract", NOTHING)

    def judge(targets: dict[str, Any]) -> None:
        assert recorder.registered
        assert set(targets) == {"schema", "stack", "targets", "generators"}
        assert {"access_key", "secret_key"}.isdisjoint(targets["targets"][0])
        assert "PRIVATE" not in str(targets)

    return deployed.targets.apply(judge)


@pulumi.runtime.test  # type: ignore[untyped-decorator] # the SDK ships it without types
def test_what_a_host_is_told_at_its_first_boot_holds_no_secret(cloud: Cloud, recorder: Recorder) -> pulumi.Output[None]:
    deployed = deploy.deploy((cell(cloud=cloud.name),), "contract", NOTHING)

    def judge(_: object) -> None:
        told = [str({**args.inputs, "private_key": ""}) for args in recorder.registered]
        assert [text for text in told if "PRIVATE" in text] == []

    return deployed.targets.apply(judge)


@pulumi.runtime.test  # type: ignore[untyped-decorator] # the SDK ships it without types
def test_load_comes_from_hosts_of_its_own_where_the_cloud_has_a_network(
    cloud: Cloud, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> pulumi.Output[None] | None:
    monkeypatch.setattr("stacks.image.ensure", lambda name: SimpleNamespace(content_digest=f"sha256:{name}"))
    wanted = deploy.Wanted(images={}, generators=Generators(count=2, instance_type="", machine_image=""))
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

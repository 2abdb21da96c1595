"""What the cloud simulator refuses by the SDKs' own classes, and whether its members speak of the same."""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING, Any

import pytest

from tests.simulator import arguments, clouds, values
from tests.simulator.pocket import SERVER

if TYPE_CHECKING:
    from collections.abc import Mapping

AWS_INSTANCE = "aws:ec2/instance:Instance"
PLAIN = {"serverType": "cx23", "image": "debian-12"}
MEMBERS = sorted(each.name for each in pkgutil.iter_modules(clouds.__path__))


def said(sdk: str, kind: str, inputs: Mapping[str, Any]) -> list[str]:
    return [f"{each.path}: {each.text}" for each in arguments.problems(sdk, kind, inputs)]


def test_what_a_resource_takes_is_fine() -> None:
    inputs = {**PLAIN, "labels": {"a": "b"}, "networks": [{"networkId": 7, "aliasIps": ["10.0.0.9"]}], "firewallIds": [1, 2]}

    assert said("pulumi_hcloud", SERVER, inputs) == []


@pytest.mark.parametrize(
    ("inputs", "problem"),
    [
        ({"image": "debian-12"}, 'serverType: Missing required argument. The argument "server_type" is required'),
        ({**PLAIN, "flavour": "x"}, "flavour: Invalid or unknown key"),
        ({**PLAIN, "serverType": 7}, "serverType: expected string type, got whole number type"),
        ({**PLAIN, "backups": "true"}, "backups: expected bool type, got string type"),
        ({**PLAIN, "firewallIds": ["1"]}, "firewallIds[0]: expected whole number type, got string type"),
        ({**PLAIN, "firewallIds": 1}, "firewallIds: expected list type, got whole number type"),
        ({**PLAIN, "labels": {"a": 1}}, "labels.a: expected string type, got whole number type"),
        ({**PLAIN, "networks": [{"network": 7}]}, "networks[0].network: Invalid or unknown key"),
        ({**PLAIN, "networks": ["7"]}, "networks[0]: expected object type, got string type"),
    ],
)
def test_what_a_resource_does_not_take_is_named_with_its_place(inputs: dict[str, Any], problem: str) -> None:
    (found,) = said("pulumi_hcloud", SERVER, inputs)

    assert found.startswith(problem)


def test_blocks_within_blocks_are_looked_into() -> None:
    disk = {"deviceName": "/dev/sdf", "volumeSize": "100", "throughputs": 1}

    found = said("pulumi_aws", AWS_INSTANCE, {"ami": "ami-1", "instanceType": "m7i.large", "ebsBlockDevices": [disk]})

    assert [text.partition(": ")[0] for text in found] == ["ebsBlockDevices[0].volumeSize", "ebsBlockDevices[0].throughputs"]


def test_what_a_preview_does_not_know_yet_is_fine() -> None:
    unknown = {"serverType": values.UNKNOWN, "firewallIds": [values.UNKNOWN], "networks": [{"networkId": values.UNKNOWN}]}

    assert said("pulumi_hcloud", SERVER, unknown) == []


def test_a_value_outside_a_closed_enumeration_is_refused() -> None:
    pytest.importorskip("pulumi_azure_native", reason="the SDK with enumerations: uv sync --extra azure")
    disk = {"resourceGroupName": "g", "creationData": {"createOption": "Empty"}, "osType": "BeOS"}

    assert said("pulumi_azure_native", "azure-native:compute:Disk", disk) == ["osType: expected one of Windows, Linux; got BeOS."]


@pytest.mark.parametrize("member", MEMBERS)
def test_every_simulated_resource_is_one_of_its_sdk(member: str) -> None:
    simulated = clouds.load(member)
    pytest.importorskip(simulated.sdk, reason="its SDK is an extra of its own: uv sync --all-extras")

    for kind, rules in simulated.kinds.items():
        strange = set(rules.changeable) - arguments.inputs(simulated.sdk, kind)
        assert not strange, f"{kind} does not take {strange}"


@pytest.mark.parametrize("member", MEMBERS)
def test_every_simulated_provider_is_configured_by_names_that_its_sdk_knows(member: str) -> None:
    simulated = clouds.load(member)
    sdk = pytest.importorskip(simulated.sdk, reason="its SDK is an extra of its own: uv sync --all-extras")
    known = arguments._types(importlib.import_module(f"{sdk.__name__}.provider").ProviderArgs)

    assert set(simulated.configuration) <= set(known)


@pytest.mark.parametrize("member", MEMBERS)
def test_every_simulated_cloud_has_words_for_every_failure(member: str) -> None:
    wanted = {"throttled", "capacity", "quota", "credentials_expired", "not_found_yet", "internal"}

    assert {name for name, words in clouds.load(member).failures.items() if words} == wanted

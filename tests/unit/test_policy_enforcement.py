"""Rules hold for every resource that a program registers, by its inputs as they go over the wire, and in a policy pack."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pulumi
import pytest
from google.protobuf import struct_pb2
from pulumi.runtime import rpc

from stacks import labels, policy, policy_enforcement, policy_pack
from stacks.policy import Meaning, Opening
from tests.unit import made_up_clouds

if TYPE_CHECKING:
    from collections.abc import Mapping

LABELS = dict.fromkeys(labels.KEYS, "x")
SOUND: dict[str, Any] = {
    "labels": LABELS,
    "from": "203.0.113.7/32",
    "port": 22,
    "userData": "#!/bin/sh",
    "encrypted": True,
    "deleted": True,
    "token": True,
    "public": False,
}


def _meaning(inputs: Mapping[str, Any]) -> Meaning:
    return Meaning(
        labels=inputs["labels"],
        opens=(Opening(source=inputs["from"], first_port=inputs["port"], last_port=inputs["port"]),),
        user_data=inputs["userData"],
        encrypted=inputs["encrypted"],
        deleted_with_vm=inputs["deleted"],
        metadata_needs_token=inputs["token"],
        public_bucket=inputs["public"],
    )


MEANINGS = {"far:index:Server": _meaning}
BROKEN: dict[str, dict[str, Any]] = {
    "closed_to_the_world": {"from": "0.0.0.0/0"},
    "labelled": {"labels": {}},
    "disks_go_with_their_vm": {"deleted": False},
    "encrypted": {"encrypted": False},
    "metadata_needs_a_token": {"token": False},
    "no_secret_in_user_data": {"userData": "password=correct-horse-battery"},
    "no_public_bucket": {"public": True},
}

_SECRET = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270"}
_OUTPUT = {"4dabf18193072939515e22adb298388d": "d0e6a833031e9bbcd3f4e8bde6ca49a4"}


def test_there_is_a_broken_program_for_every_rule() -> None:
    assert set(BROKEN) == {rule.__name__ for rule, _ in policy.RULES}


@pytest.mark.parametrize("rule", BROKEN)
def test_a_program_that_breaks_a_rule_is_refused_with_its_name_the_resource_and_what_to_do(rule: str) -> None:
    fix = next(fix for each, fix in policy.RULES if each.__name__ == rule)

    with pytest.raises(pulumi.RunError, match=f"server-1 .* breaks a rule .*\n  {rule}: .*\n  next: ") as raised:
        policy_enforcement.insist("far:index:Server", "server-1", {**SOUND, **BROKEN[rule]}, MEANINGS)
    assert str(raised.value).endswith(fix)


def test_a_sound_program_is_not_refused() -> None:
    policy_enforcement.insist("far:index:Server", "server-1", SOUND, MEANINGS)


def test_a_type_that_no_cloud_speaks_of_is_refused() -> None:
    with pytest.raises(pulumi.RunError, match="known_kind: no cloud says what it means"):
        policy_enforcement.insist("far:index:Balloon", "balloon", {}, MEANINGS)


@pytest.mark.parametrize("kind", ["pulumi:pulumi:Stack", "pulumi:providers:far", "pulumi-python:dynamic/cowbench:RentedHost"])
def test_pulumis_own_and_ours_are_exempt(kind: str) -> None:
    policy_enforcement.insist(kind, "x", {}, {})


def test_what_is_not_known_in_a_preview_breaks_no_rule_and_what_is_known_does() -> None:
    unknown = dict.fromkeys(SOUND, rpc.UNKNOWN)

    assert policy_enforcement.violations("far:index:Server", unknown, MEANINGS) == ()
    (told,) = policy_enforcement.violations("far:index:Server", {**SOUND, "userData": rpc.UNKNOWN, "from": "*"}, MEANINGS)
    assert told.rule == "closed_to_the_world"


def test_inputs_that_cannot_be_read_are_refused_once_all_are_known() -> None:
    unreadable = {**SOUND, "from": None}

    (told,) = policy_enforcement.violations("far:index:Server", unreadable, MEANINGS)
    assert "cannot be read" in told.what
    assert policy_enforcement.violations("far:index:Server", {**unreadable, "userData": rpc.UNKNOWN}, MEANINGS) == ()


@pytest.mark.parametrize("signature", [_SECRET, _OUTPUT])
def test_secrets_and_outputs_are_judged_by_what_they_hold(signature: dict[str, str]) -> None:
    inputs = {**SOUND, "userData": {**signature, "value": "password=correct-horse-battery"}}

    (told,) = policy_enforcement.violations("far:index:Server", inputs, MEANINGS)
    assert told.rule == "no_secret_in_user_data"


def test_an_output_without_a_value_is_not_known_yet() -> None:
    assert policy_enforcement.violations("far:index:Server", {**SOUND, "userData": dict(_OUTPUT)}, MEANINGS) == ()


class _Monitor:
    def __init__(self) -> None:
        self.registered: list[str] = []

    def RegisterResource(self, request: Any) -> str:  # noqa: N802 - gRPC's name
        self.registered.append(request.name)
        return "made"

    def Invoke(self, request: Any) -> str:  # noqa: N802 - gRPC's name
        return f"asked {request}"


def test_the_engine_hears_of_nothing_that_breaks_a_rule() -> None:
    monitor = _Monitor()
    judging = policy_enforcement._Judging(monitor, MEANINGS)

    def register(name: str, **inputs: Any) -> Any:
        wire = struct_pb2.Struct()
        wire.update({**SOUND, **inputs})
        return judging.RegisterResource(SimpleNamespace(type="far:index:Server", name=name, object=wire))

    assert register("sound") == "made"
    with pytest.raises(pulumi.RunError, match="ports 22-22 are open to"):
        register("open", **{"from": "0.0.0.0/0"})
    assert monitor.registered == ["sound"]
    assert judging.Invoke(1) == "asked 1"


@dataclass
class _Resource:
    resource_type: str
    props: dict[str, Any]


def test_the_pack_tells_each_violation_under_its_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    made_up_clouds.register(monkeypatch, "far")
    bare = _Resource("far:index:Server", {"labels": {}})
    told: dict[str, list[str]] = {name: [] for name, _ in policy_pack.rules()}
    for name, said in told.items():
        policy_pack.validator(name)(bare, said.append)

    assert {name for name, said in told.items() if said} == {"labelled"}
    assert "next: give it the labels" in told["labelled"][0]


def test_the_pack_tells_of_types_that_nobody_speaks_of_and_leaves_pulumis_own_alone() -> None:
    said: list[str] = []
    validate = policy_pack.validator(policy_pack.UNKNOWN_KIND)

    validate(_Resource("far:index:Balloon", {}), said.append)
    validate(_Resource("pulumi:providers:far", {}), said.append)

    assert len(said) == 1


def test_every_rule_of_the_pack_has_a_name_and_a_description() -> None:
    told = dict(policy_pack.rules())

    assert set(told) == {*BROKEN, policy_pack.UNKNOWN_KIND}
    assert all(description.endswith(".") for description in told.values())

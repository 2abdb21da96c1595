"""The rules of what may be made in an account: each one broken on purpose, and kept by what is near it."""

from __future__ import annotations

import base64
import gzip
from typing import TYPE_CHECKING, Any

import pytest

from stacks import labels, policy
from stacks.policy import Meaning, Opening

if TYPE_CHECKING:
    from collections.abc import Mapping

GOOD = Meaning(
    labels=labels.of("demo", "ann", 1_800_000_000),
    opens=(Opening(source="203.0.113.7/32", first_port=22, last_port=22),),
    user_data="#cloud-config\nusers: []\n",
    encrypted=True,
    deleted_with_vm=True,
    metadata_needs_token=True,
    public_bucket=False,
)


def broken(**changes: Any) -> list[str]:
    meaning = Meaning(**{**{name: getattr(GOOD, name) for name in GOOD.__dataclass_fields__}, **changes})
    return [violation.rule for violation in policy.judge("x:y:Z", {}, {"x:y:Z": lambda _: meaning})]


def test_what_keeps_every_rule_breaks_none() -> None:
    assert broken() == []


def test_what_a_cloud_has_no_switch_for_breaks_none() -> None:
    assert (
        broken(labels=None, opens=(), encrypted=None, deleted_with_vm=None, metadata_needs_token=None, public_bucket=None) == []
    )


@pytest.mark.parametrize(
    "source", ["0.0.0.0/0", "::/0", "*", "Internet", "Any", "0.0.0.0/1", "128.0.0.0/1", "2000::/3", "52.0.0.0/8"]
)
def test_nothing_is_open_to_the_world_by_whatever_name(source: str) -> None:
    assert broken(opens=(Opening(source=source, first_port=22, last_port=22),)) == ["closed_to_the_world"]


@pytest.mark.parametrize(
    "source",
    ["10.0.0.0/8", "127.0.0.0/8", "203.0.0.0/16", "203.0.113.7/32", "2001:db8::/32", "sg-0123456789", "cowbench-generator"],
)
def test_networks_and_groups_that_are_somebodys_may_come_in(source: str) -> None:
    assert broken(opens=(Opening(source=source, first_port=7070, last_port=7070),)) == []


@pytest.mark.parametrize("missing", labels.KEYS)
def test_owner_run_and_expiry_are_on_everything(missing: str) -> None:
    assert GOOD.labels is not None
    assert broken(labels={**GOOD.labels, missing: ""}) == ["labelled"]
    assert broken(labels={key: value for key, value in GOOD.labels.items() if key != missing}) == ["labelled"]


@pytest.mark.parametrize(
    ("switch", "value", "rule"),
    [
        ("deleted_with_vm", False, "disks_go_with_their_vm"),
        ("encrypted", False, "encrypted"),
        ("metadata_needs_token", False, "metadata_needs_a_token"),
        ("public_bucket", True, "no_public_bucket"),
    ],
)
def test_a_switch_that_stands_wrong_breaks_its_rule(switch: str, value: bool, rule: str) -> None:  # noqa: FBT001 - a value of the table
    assert broken(**{switch: value}) == [rule]


@pytest.mark.parametrize(
    "text",
    [
        "-----BEGIN OPENSSH PRIVATE KEY-----\nb3Bl",
        "export AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG",
        "id: AKIAIOSFODNN7EXAMPLE",
        'ROOT_SECRET_KEY: "abcdefghijkl"'.replace("ROOT_", ""),
        "password: hunter2hunter2",
    ],
)
def test_user_data_holds_no_secret(text: str) -> None:
    assert broken(user_data=f"#cloud-config\n{text}\n") == ["no_secret_in_user_data"]


def test_every_rule_says_what_to_do() -> None:
    assert all(fix for _, fix in policy.RULES)


def test_a_resource_that_no_cloud_speaks_of_is_refused() -> None:
    (violation,) = policy.judge("x:y:New", {}, {})

    assert violation.rule == "known_kind"
    assert violation.fix


def test_the_meaning_is_told_by_what_the_resource_is_given() -> None:
    seen: list[Mapping[str, Any]] = []

    def meaning(inputs: Mapping[str, Any]) -> Meaning:
        seen.append(inputs)
        return GOOD

    policy.judge("x:y:Z", {"userData": "text"}, {"x:y:Z": meaning})

    assert seen == [{"userData": "text"}]


@pytest.mark.parametrize(
    "packed",
    [
        "#cloud-config",
        base64.b64encode(b"#cloud-config").decode(),
        base64.b64encode(gzip.compress(b"#cloud-config")).decode(),
    ],
)
def test_user_data_is_read_however_it_is_packed(packed: str) -> None:
    assert policy.unpacked(packed) == "#cloud-config"


def test_user_data_that_cannot_be_unpacked_is_judged_as_it_is() -> None:
    torn = base64.b64encode(gzip.compress(b"#cloud-config")[:-4]).decode()

    assert policy.unpacked(torn) == torn
    assert policy.unpacked("(known when it is made)") == "(known when it is made)"
    assert policy.unpacked(None) == ""

"""Labels: words that every cloud takes, and that tell two operators' stacks of one name apart."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bench.errors import DeployError, InputError
from stacks import clouds, labels, ownership

if TYPE_CHECKING:
    from pathlib import Path

STRICTEST = re.compile(r"[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?|")
"""A value of a label on GCP and Hetzner."""


@given(st.text(max_size=200))
def test_any_owner_becomes_a_word_that_the_strictest_cloud_takes(owner: str) -> None:
    assert STRICTEST.fullmatch(labels.word(owner))


def test_the_keys_are_words_too() -> None:
    assert all(STRICTEST.fullmatch(key) for key in labels.KEYS)


def test_two_state_directories_have_runs_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COWBENCH_STATE", str(tmp_path / "one"))
    one = labels.run("demo")
    monkeypatch.setenv("COWBENCH_STATE", str(tmp_path / "two"))

    assert labels.run("demo") != one
    assert labels.run("demo").endswith("-demo")


def test_so_have_two_machines_whose_state_lies_in_the_same_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COWBENCH_STATE", str(tmp_path / "s"))
    one = labels.run("clouds")
    assert labels.run("clouds") == one
    (tmp_path / "s").rename(tmp_path / "the other machine's")

    assert labels.run("clouds") != one


def test_a_copy_of_a_state_directory_has_runs_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COWBENCH_STATE", str(tmp_path / "s"))
    one = labels.run("clouds")
    (tmp_path / "s").rename(tmp_path / "t")
    monkeypatch.setenv("COWBENCH_STATE", str(tmp_path / "t"))

    assert labels.run("clouds") != one


def _is_name(text: str) -> bool:
    try:
        ownership.check_name(text)
    except InputError:
        return False
    return True


NAMES = st.text("ab-0", min_size=1, max_size=ownership.STACK_NAME_LIMIT).filter(_is_name)
PARTS = st.builds(lambda stack, cloud: f"{stack}.{cloud}" if cloud else stack, NAMES, st.sampled_from(["", "a", *clouds.CLOUDS]))


@given(PARTS, PARTS)
@example("clouds.aws", "clouds-aws")
@example("clouds.aws", "aws-clouds")
@example("a-", "a")
def test_no_two_stacks_or_parts_have_one_label(one: str, other: str) -> None:
    names = {name for name in (one, other) if _is_name(name.partition(".")[0])}

    assert len({labels.run(name) for name in names}) == len(names)


@pytest.mark.parametrize("cloud", clouds.CLOUDS)
def test_the_longest_name_is_not_cut(cloud: str) -> None:
    longest = "a" * (ownership.STACK_NAME_LIMIT - 1)

    assert STRICTEST.fullmatch(labels.run(f"{longest}b.{cloud}"))
    assert len({labels.run(f"{longest}{end}.{cloud}") for end in "bc"}) == 2


def test_a_directory_that_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("COWBENCH_STATE", str(tmp_path / "file"))

    with pytest.raises(DeployError, match=r"the state directory .* cannot be used") as raised:
        labels.run("demo")
    assert "COWBENCH_STATE" in raised.value.next_step


def test_when_it_may_go_is_read_back_and_what_cannot_be_read_may_go_now() -> None:
    assert labels.expires_at(labels.of("demo", "ann", 1_800_000_000.7)) == 1_800_000_000
    assert labels.expires_at({}) == 0
    assert labels.expires_at({labels.EXPIRES: "soon"}) == 0

"""Labels: words that every cloud takes, and that tell two operators' stacks of one name apart."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from stacks import labels

if TYPE_CHECKING:
    import pytest

STRICTEST = re.compile(r"[a-z0-9]([a-z0-9_-]{0,61}[a-z0-9])?|")
"""A value of a label on GCP and Hetzner."""


@given(st.text(max_size=200))
def test_any_owner_becomes_a_word_that_the_strictest_cloud_takes(owner: str) -> None:
    assert STRICTEST.fullmatch(labels.word(owner))


def test_the_keys_are_words_too() -> None:
    assert all(STRICTEST.fullmatch(key) for key in labels.KEYS)


def test_two_state_directories_have_runs_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COWBENCH_STATE", "/one")
    one = labels.run("demo")
    monkeypatch.setenv("COWBENCH_STATE", "/two")

    assert labels.run("demo") != one
    assert labels.run("demo").endswith("-demo")


def test_when_it_may_go_is_read_back_and_what_cannot_be_read_may_go_now() -> None:
    assert labels.expires_at(labels.of("demo", "ann", 1_800_000_000.7)) == 1_800_000_000
    assert labels.expires_at({}) == 0
    assert labels.expires_at({labels.EXPIRES: "soon"}) == 0

"""What a server acknowledged, after its host lost its power: losses are real and found, and what was flushed is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from stacks import user_data

if TYPE_CHECKING:
    from tests.vms.standing import Stack

pytestmark = [pytest.mark.vm, pytest.mark.timeout(1800)]

SERVERS = ("versitygw", "seaweedfs")


def missing(found: dict[str, Any]) -> int:
    return int(found["lost"] + found["wrong"] + found["unreadable"])


@pytest.mark.parametrize("server", SERVERS)
def test_what_was_flushed_before_the_power_loss_is_there_byte_by_byte(trixie: Stack, server: str) -> None:
    code, found = trixie.durability(server, "--seconds", "6", "--flush-first")

    assert code == 0
    assert found["acknowledged"] > 20
    assert found["missing_despite_flush"] == 0
    assert found["intact"] >= found["acknowledged"] - missing(found)
    # Only what was acknowledged while the flush went on, or after it, may be gone.
    assert (found["oldest_missing_age_s"] or 0) <= found["flush_age_s"]


@pytest.mark.parametrize("server", SERVERS)
def test_what_was_not_flushed_is_lost_and_the_loss_is_found_and_told(trixie: Stack, server: str) -> None:
    code, found = trixie.durability(server, "--seconds", "6")

    assert code == 0, "the server promises no more, so this is no failure"
    assert missing(found) > 0
    assert missing(found) + found["intact"] == found["acknowledged"]
    assert found["verdict"] == "lost, as was to be expected"
    assert found["examples"]
    assert 0 < found["in_doubt"] <= 4, "each of the four users had at most one object under way"


def test_a_filesystem_that_flushes_every_write_loses_nothing(trixie: Stack) -> None:
    """What a server that promises durability would be like: the exit status is earned, and not for want of losses."""
    done = trixie.shell(f"mount -o remount,sync {user_data.ROOT}/m")
    assert done.returncode == 0, done.stderr

    code, found = trixie.durability("versitygw", "--seconds", "6")

    assert code == 0
    assert (missing(found), found["in_doubt_wrong"]) == (0, 0)
    assert found["verdict"] == "kept"
    assert found["acknowledged"] > 5


def test_a_person_is_told_what_became_of_how_many_and_what_it_means(trixie: Stack) -> None:
    cell = trixie.target("versitygw").cell.name

    ended = trixie.place.cowbench("durability", cell, "--stack", trixie.name, "--seconds", "4", "--size", "4KiB", "--users", "2")

    assert ended.code == 0, ended.said
    for words in ("users put objects of 4 KiB", "  acknowledged", "  in doubt", "before the cut survived", "next: "):
        assert words in ended.said
    assert trixie.place.cowbench("check", "--stack", trixie.name).code == 0, "and the stack stands as it did"

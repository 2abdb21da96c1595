"""What goes from an account and what stays: never what somebody else still may have."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bench import cli_sweep
from bench.errors import DeployError, InputError
from stacks import account_sweep, doctor, labels, ownership, settle
from stacks.account_sweep import Mine
from tests.unit import made_up_clouds
from tests.unit.made_up_clouds import belonging

if TYPE_CHECKING:
    from pathlib import Path

    from stacks.cloud import Belonging
    from tests.unit.made_up_clouds import MadeUp

NOW = 1_000_000.0
ME = Mine(owners=frozenset({"me"}), state="abcd1234-", alive=frozenset({"abcd1234-used"}))

EXPIRED = belonging("expired", owner="them", run="ffff0000-theirs", expires_at=NOW - 1)
THEIRS = belonging("theirs", owner="them", run="ffff0000-theirs")
USED = belonging("used", run="abcd1234-used")
LOST = belonging("lost", run="abcd1234-lost")
ANOTHERS = belonging("anothers", owner="them", run="abcd1234-lost")
MINE_ELSEWHERE = belonging("elsewhere", run="0000ffff-other-machine")
NO_DATE = belonging("no-date", owner="", run="", expires_at=0)
EVERY = (EXPIRED, THEIRS, USED, LOST, ANOTHERS, MINE_ELSEWHERE, NO_DATE)


@pytest.fixture
def far(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MadeUp:
    monkeypatch.setenv("COWBENCH_STATE", str(tmp_path))
    return made_up_clouds.register(monkeypatch, "far")[0]


def _gone(**how: object) -> list[Belonging]:
    return [each.belonging for each in account_sweep.doomed(EVERY, ME, now=NOW, **how)]  # type: ignore[arg-type] # options


def test_what_is_past_its_expiry_and_what_nobody_comes_back_for_goes() -> None:
    assert _gone() == [EXPIRED, LOST, NO_DATE]


def test_all_of_this_owner_goes_only_when_asked_for_and_nothing_of_others() -> None:
    assert _gone(everything=True) == [EXPIRED, USED, LOST, MINE_ELSEWHERE, NO_DATE]


def test_a_run_that_is_named_goes_whoevers_it_is_and_nothing_else() -> None:
    assert _gone(run="ffff0000-theirs") == [EXPIRED, THEIRS]


def test_every_reason_is_told() -> None:
    told = {each.belonging.id: each.why for each in account_sweep.doomed(EVERY, ME, now=NOW)}

    assert told == {
        "expired": "past its expiry",
        "no-date": "past its expiry",
        "lost": "nobody will come back for its run",
    }


def test_a_stack_in_use_and_its_parts_are_alive_and_an_abandoned_one_is_not(far: MadeUp) -> None:
    ownership.claim("used")

    mine = account_sweep.mine()

    assert {labels.run("used"), labels.run(f"used.{far.name}")} <= mine.alive
    assert labels.run("lost") not in mine.alive
    assert labels.run("lost").startswith(mine.state)
    assert labels.run("lost.far").startswith(mine.state)
    assert labels.word(settle.own_name()) in mine.owners


def test_a_run_may_be_named_by_its_stack(far: MadeUp) -> None:
    one = belonging("one", cloud=far.name, run=labels.run("mine.far"))

    assert [each.belonging for each in account_sweep.doomed([one], account_sweep.mine(), run="mine.far", now=NOW)] == [one]


def test_a_stack_that_is_named_goes_with_all_its_parts_and_no_other_stack(far: MadeUp) -> None:
    ours = [belonging(each, cloud=far.name, run=labels.run(each)) for each in ("mine", "mine.aws", "mine.far")]
    others = [belonging(each, cloud=far.name, run=labels.run(each)) for each in ("mine-far", "far-mine", "mine-2", "min")]

    doomed = account_sweep.doomed([*ours, *others], account_sweep.mine(), run="mine", now=NOW)

    assert [each.belonging for each in doomed] == ours


def test_another_machines_run_of_the_same_place_is_not_ours(far: MadeUp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COWBENCH_STATE", str(tmp_path / "s"))
    owner = labels.word(settle.own_name())
    theirs = belonging("theirs", cloud=far.name, owner=owner, run=labels.run("clouds"))
    (tmp_path / "s").rename(tmp_path / "their-disk")

    mine = account_sweep.mine()

    assert account_sweep.doomed([theirs], mine, now=NOW) == ()
    assert account_sweep.doomed([theirs], mine, run="clouds", now=NOW) == ()
    # A machine that lost its state still has three ways to what it made.
    by_label = account_sweep.doomed([theirs], mine, run=theirs.run, now=NOW)
    by_owner = account_sweep.doomed([theirs], mine, everything=True, now=NOW)
    by_time = account_sweep.doomed([theirs], mine, now=theirs.expires_at + 1)
    assert [[each.belonging for each in found] for found in (by_label, by_owner, by_time)] == [[theirs]] * 3


def test_what_others_hold_on_to_is_removed_once_they_are_gone(far: MadeUp) -> None:
    network, vm = belonging("network"), belonging("vm")
    far.there, far.held = [network, vm], {"network"}
    gone: list[str] = []

    stuck = account_sweep.remove([network, vm], lambda each: gone.append(each.id))

    assert stuck == ()
    assert gone == ["vm", "network"]


def test_what_resists_is_named_with_why_and_does_not_keep_the_rest(far: MadeUp) -> None:
    held, free = belonging("held"), belonging("free")
    far.there, far.held = [held, free, belonging("other")], {"held"}

    stuck = account_sweep.remove([held, free], lambda _: None)

    assert [each.id for each in far.there] == ["held", "other"]
    with pytest.raises(DeployError, match="vm name-held in middle: still in use") as raised:
        account_sweep.insist_on_all(stuck, "cowbench sweep --cloud far")
    assert raised.value.next_step == "wait; then cowbench sweep --cloud far"


def test_nothing_that_resists_is_no_error() -> None:
    account_sweep.insist_on_all((), "again")


@pytest.mark.parametrize("name", ["local", "nowhere"])
def test_a_cloud_without_an_account_is_refused_with_those_that_have_one(far: MadeUp, name: str) -> None:
    with pytest.raises(InputError, match="is no cloud with an account") as raised:
        account_sweep.account_of(name)
    assert far.name in raised.value.next_step


def test_the_doctor_tries_an_account_only_when_its_credentials_are_there(far: MadeUp) -> None:
    tried = doctor.examine_account("far")

    assert [each.works for each in tried] == [True] * 5
    assert "middle answers; zones: a, b" in tried[1].reason
    assert tried[2].reason == "4 instance types in middle"
    assert "debian-12 in middle is far-middle-debian-12" in tried[3].reason

    far.asked.clear()
    far.broken = "no token: set FAR_TOKEN"
    (told,) = doctor.examine_account("far")
    assert (told.works, told.reason, told.fix) == (False, "no token", "set FAR_TOKEN")
    assert far.asked == []


def test_the_doctor_has_one_line_for_each_account_and_asks_no_network(far: MadeUp) -> None:
    far.broken = "no token: set FAR_TOKEN"

    (told,) = (each for each in doctor.examine() if each.name == "far")

    assert (told.works, told.fix) == (False, "set FAR_TOKEN")
    assert far.asked == []


def test_a_stack_whose_state_is_gone_is_found_by_its_name_with_its_owners(far: MadeUp) -> None:
    whole = belonging("whole", cloud="far", owner="me", run="0000ffff-demo")
    part = belonging("part", cloud="far", owner="them", run="0000ffff--far-demo")
    another = belonging("another", cloud="far", owner="me", run="0000ffff-other-demo")
    far.there[:] = [whole, part, another]

    assert account_sweep.of_lost_state("demo") == (whole, part)
    assert account_sweep.of_lost_state("nothing") == ()
    with pytest.raises(DeployError, match="nothing is known of it here, and 2 things of a stack of that name") as raised:
        cli_sweep.insist_on_no_lost_state("demo")
    assert "far (of me), far (of them)" in raised.value.what
    assert "cowbench sweep --cloud far --run 0000ffff--far-demo" in raised.value.next_step
    cli_sweep.insist_on_no_lost_state("nothing")
    far.broken = "no way there"
    cli_sweep.insist_on_no_lost_state("demo")

"""What a power loss left is counted object by object: intact, lost, wrong, unreadable, and what was only under way."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import pytest

from bench import durability_load, durability_words
from bench.client import Settings
from bench.clients.boto3 import connect
from bench.durability import Durability, Fate, Put, Reading, Subject, Times, acceptable, judge
from bench.durability_load import Plan
from bench.errors import DeployError, InputError
from stacks import power, servers, vm_process
from stacks.server import NOT_FLUSHED
from tests.cells import cell
from tests.fakes import fake_s3
from tests.unit.example_run import example_run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from tests.fakes import FakeS3

SECOND_NS = 1_000_000_000
SUBJECT = Subject(cell="a cell", server="a server", promised=False, users=2, size_bytes=4096)
PLAN = Plan(seconds=0.3, flush_first=False)


@pytest.fixture
def server() -> Iterator[FakeS3]:
    with fake_s3() as fake:
        yield fake


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(durability_load, "_PAUSE_BETWEEN_READINGS_S", 0.01)
    monkeypatch.setattr(durability_load, "_ROOM_S", 0.01)


@dataclass(kw_only=True)
class Plug:
    """A host that never was: what the power loss does to the server's objects is a function of the test."""

    server: FakeS3
    damage: Callable[[dict[str, bytes]], None] = lambda _: None
    done: list[str] = field(default_factory=list)
    put_before: list[int] = field(default_factory=list)
    """How often something had been put when all was flushed."""

    def flush(self) -> None:
        self.done.append("flush")
        self.put_before.append(self.server.requests["PUT object"])

    def cut(self) -> None:
        self.done.append("cut")
        # Whoever puts meets an error from now on, and what is stored is not touched any more.
        self.server.faults["PUT object"] = "reset"

    def restore(self) -> None:
        self.done.append("restore")
        (objects,) = self.server.buckets.values()
        self.damage(objects)


def measured(server: FakeS3, damage: Callable[[dict[str, bytes]], None] = lambda _: None, plan: Plan = PLAN) -> Durability:
    client = connect(server.endpoint, "access", "secret", Settings(connections=2, silence_s=5.0, expect_100_continue=False))
    return durability_load.measure(client, SUBJECT, plan, Plug(server=server, damage=damage), lambda _: None)


def test_what_is_all_there_afterwards_was_kept(server: FakeS3) -> None:
    found = measured(server)

    assert found.acknowledged > 2
    assert (found.intact, found.lost, found.wrong, found.unreadable) == (found.acknowledged, 0, 0, 0)
    assert found.in_doubt >= 1, "what was under way when the power went was answered to nobody"
    assert found.verdict == "kept"
    assert found.oldest_missing_age_s is None
    assert server.buckets == {}, "what was put is removed again"


def test_every_way_to_come_to_harm_is_counted_apart_and_shown(server: FakeS3) -> None:
    def damage(objects: dict[str, bytes]) -> None:
        lost, shorter, altered, zeroed = sorted(objects)[:4]
        del objects[lost]
        objects[shorter] = objects[shorter][:-1]
        objects[altered] = bytes([objects[altered][0] ^ 1]) + objects[altered][1:]
        objects[zeroed] = objects[zeroed][:100] + bytes(4096 - 100)

    found = measured(server, damage)

    assert (found.lost, found.wrong, found.unreadable) == (1, 3, 0)
    assert found.intact == found.acknowledged - 4
    assert found.still_listed == 3, "of those four only the lost one is not listed"
    details = {example.detail for example in found.examples}
    assert {"s3/not_found/NoSuchKey", "4095 bytes instead of 4096", "other bytes from byte 0 on"} < details
    assert any(detail.startswith("zeros from byte 10") for detail in details), "or 101, where byte 100 was a zero anyway"


def test_an_object_that_the_server_cannot_give_is_unreadable_and_not_lost(server: FakeS3) -> None:
    found = measured(server, lambda _: server.faults.update({"GET object": "bare_503"}))

    assert found.unreadable == found.acknowledged
    assert found.lost == 0
    assert server.requests["GET object"] == 6 * (found.acknowledged + found.in_doubt), (
        "a fresh server is asked again, not for ever"
    )


def test_a_server_that_knows_its_data_a_moment_later_lost_nothing(server: FakeS3, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(durability_load, "_PAUSE_BETWEEN_READINGS_S", 0.5)

    def recovers(_: dict[str, bytes]) -> None:
        server.faults["GET object"] = "bare_503"
        threading.Timer(0.3, server.faults.clear).start()

    found = measured(server, recovers)

    assert found.unreadable == 0
    assert found.verdict == "kept"


def test_users_that_only_meet_errors_prove_nothing_and_the_power_stays_on(server: FakeS3) -> None:
    server.faults["PUT object"] = "denied"
    plug = Plug(server=server)
    client = connect(server.endpoint, "access", "secret", Settings(connections=2, silence_s=5.0, expect_100_continue=False))

    with pytest.raises(DeployError, match="nothing was acknowledged") as caught:
        durability_load.measure(client, SUBJECT, PLAN, plug, lambda _: None)

    assert caught.value.next_step
    assert plug.done == ["flush"]


@pytest.mark.parametrize(("flush_first", "done"), [(False, 1), (True, 2)])
def test_the_bucket_and_room_for_objects_are_always_flushed_and_the_objects_when_asked(
    server: FakeS3, *, flush_first: bool, done: int
) -> None:
    plug = Plug(server=server)
    client = connect(server.endpoint, "access", "secret", Settings(connections=2, silence_s=5.0, expect_100_continue=False))

    found = durability_load.measure(client, SUBJECT, Plan(seconds=0.2, flush_first=flush_first), plug, lambda _: None)

    assert plug.done == ["flush"] * done + ["cut", "restore"]
    assert plug.put_before[0] == 1, "a server may keep objects in files that it makes at a bucket's first write"
    assert (found.flush_age_s is not None) == flush_first


NOW_NS = 100 * SECOND_NS


def ledger(*ages_s: float | None) -> list[Put]:
    """Objects acknowledged so many seconds before the power went; None for one in doubt."""
    return [
        Put(key=f"k{at}", size_bytes=1, sha256="", acknowledged_ns=None if age is None else NOW_NS - int(age * SECOND_NS))
        for at, age in enumerate(ages_s)
    ]


def judged(
    ages_s: Sequence[float | None], fates: Sequence[Fate], *, promised: bool = False, flush_age_s: float | None = None
) -> Durability:
    puts = ledger(*ages_s)
    times = Times(
        began_ns=NOW_NS - 60 * SECOND_NS,
        flush_ns=None if flush_age_s is None else NOW_NS - int(flush_age_s * SECOND_NS),
        cut_ns=NOW_NS,
        back_ns=NOW_NS + 40 * SECOND_NS,
    )
    readings = {put.key: Reading(fate=fate) for put, fate in zip(puts, fates, strict=True)}
    return judge(replace(SUBJECT, promised=promised), puts, readings, times)


def test_ages_tell_how_old_an_object_must_be_to_be_safe() -> None:
    found = judged([31.5, 30.0, 12.0, 2.0], ["intact", "lost", "intact", "lost"])

    assert found.oldest_missing_age_s == 30.0
    assert found.youngest_intact_age_s == 12.0
    assert (found.load_s, found.down_s) == (60.0, 40.0)
    assert "Everything acknowledged more than 30.0 s before the cut survived." in durability_words.lines(found)


def test_an_answer_that_was_on_its_way_when_the_power_went_is_of_age_zero() -> None:
    assert judged([-0.01], ["intact"]).youngest_intact_age_s == 0.0


def test_an_object_in_doubt_may_be_there_or_not_but_not_torn() -> None:
    assert judged([1.0, None, None], ["intact", "intact", "lost"]).verdict == "kept"
    torn = judged([1.0, None], ["intact", "wrong"], promised=True)
    assert (torn.in_doubt_wrong, torn.wrong) == (1, 0)
    assert torn.verdict == "promise broken"


@pytest.mark.parametrize(
    ("fate", "promised", "verdict", "fine"),
    [
        ("intact", True, "kept", True),
        ("lost", True, "promise broken", False),
        ("wrong", True, "promise broken", False),
        ("unreadable", True, "promise broken", False),
        ("lost", False, "lost, as was to be expected", True),
    ],
)
def test_only_a_broken_promise_is_a_failure(fate: Fate, *, promised: bool, verdict: str, fine: bool) -> None:
    found = judged([1.0], [fate], promised=promised)

    assert (found.verdict, acceptable(found)) == (verdict, fine)
    assert durability_words.lines(found)[-1].startswith("next: ")


def test_what_was_flushed_and_is_gone_is_the_hosts_fault_whatever_the_server_promises() -> None:
    kept = judged([9.0, 1.0], ["intact", "lost"], flush_age_s=5.0)
    broken = judged([9.0, 1.0], ["lost", "lost"], flush_age_s=5.0)

    assert (kept.missing_despite_flush, acceptable(kept)) == (0, True)
    assert (broken.missing_despite_flush, acceptable(broken)) == (1, False)
    assert any("had been flushed" in line for line in durability_words.lines(broken))


def test_a_loss_that_was_to_be_expected_is_said_with_its_cause() -> None:
    said = "\n".join(durability_words.lines(judged([1.0], ["lost"])))

    assert NOT_FLUSHED.lower().split(":")[0] in said


@pytest.mark.parametrize("name", servers.SERVERS)
def test_a_server_that_does_not_flush_says_so_among_its_quirks(name: str) -> None:
    server = servers.load(name)

    assert (NOT_FLUSHED in server.quirks) != server.flushes_before_answer


@pytest.mark.parametrize(
    ("axes", "endpoint", "reason"),
    [
        ({"cloud": "local"}, "http://127.77.0.1:7070", "cutting their power would cut yours"),
        ({"cloud": "qemu"}, "", "lets only load generators in"),
    ],
)
def test_a_host_whose_plug_nobody_here_can_pull_is_refused_with_the_reason(
    axes: dict[str, Any], endpoint: str, reason: str
) -> None:
    target = replace(example_run().targets[0], cell=cell(**axes), endpoint=endpoint)

    with pytest.raises(InputError, match=reason) as caught:
        power.plug("s", target.cell.name, [target])

    assert caught.value.next_step


def test_a_host_without_power_cannot_lose_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("COWBENCH_STATE", str(tmp_path))
    target = replace(example_run().targets[0], cell=cell(cloud="qemu"))

    with pytest.raises(DeployError, match="does not run") as caught:
        power.plug("s", target.cell.name, [target])

    assert "cowbench logs" in caught.value.next_step


def test_the_servers_beside_the_cell_lose_their_power_too_and_are_started_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vm_process, "running", lambda _: True)
    plain = example_run().targets[0]
    ours = [replace(plain, cell=cell(cloud="qemu", placement=placement)) for placement in ("writable_layer", "volume")]
    other = replace(plain, cell=cell(cloud="qemu", filesystem="xfs"))

    plug = power.plug("s", ours[0].cell.name, [*ours, other])

    assert plug.beside == tuple(ours)


def test_a_cell_that_is_not_there_is_named_with_those_that_are() -> None:
    target = example_run().targets[0]

    with pytest.raises(InputError, match="no cell nowhere") as caught:
        power.plug("s", "nowhere", [target])

    assert target.cell.name in caught.value.next_step

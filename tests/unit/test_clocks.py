"""Clocks of other hosts: read through their reach, and judged after the load."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from bench import checks, clocks, run, store
from bench.check import Evidence
from bench.records import ClockReading
from tests.unit import small_run
from tests.unit.small_run import KEYS, FakeGenerator

if TYPE_CHECKING:
    from pathlib import Path

    from bench.records import Finding, Run

HOST = small_run.generator_host()


def ahead(by_s: int) -> tuple[str, ...]:
    """A reach to a host whose clock is ahead: `date` there says so."""
    return ("sh", "-c", f'date() {{ echo $(( $(command date +%s) + {by_s} )).$(command date +%N); }}; eval "$0"')


DEAD = ("sh", "-c", "exit 255")


def with_reach(reach: tuple[str, ...]) -> Run:
    whole = small_run.run()
    first, *rest = whole.targets
    return replace(whole, targets=(replace(first, reach=reach), *rest))


def test_the_operators_own_machine_needs_no_reading() -> None:
    assert clocks.read(small_run.run()) == ()


@pytest.mark.parametrize("by_s", [0, 4000, -4000])
def test_a_clock_is_read_with_how_sure_we_are(by_s: int) -> None:
    (reading,) = clocks.read(with_reach(ahead(by_s)))

    assert reading.host == "host-btrfs"
    assert 0 < reading.uncertainty_s < 5
    # The two halves of what `date` says are read one after the other, so a second may pass between them.
    assert abs(reading.offset_s - by_s) <= reading.uncertainty_s + 1


def test_a_host_that_does_not_answer_has_no_reading() -> None:
    whole = replace(with_reach(DEAD), generators=(replace(HOST, reach=ahead(0)),))

    assert [reading.host for reading in clocks.read(whole)] == ["generator-1"]


def test_a_run_reads_the_clocks_when_it_begins_and_when_it_ends(tmp_path: Path) -> None:
    folder = store.create(tmp_path, with_reach(ahead(7)))
    done = run.perform(folder, KEYS, lambda _: None, FakeGenerator)

    first, second = done.clocks
    assert first.host == second.host == "host-btrfs"
    assert first.read_at < second.read_at
    assert done == store.read(folder)


def reading(host: str, offset_s: float, at: int, uncertainty_s: float = 0.1) -> ClockReading:
    return ClockReading(host=host, offset_s=offset_s, uncertainty_s=uncertainty_s, read_at=f"2026-01-02T03:0{at}:00.000+00:00")


def found(*readings: ClockReading, driven: bool = True) -> tuple[Finding, ...]:
    look = checks.load("clock").look
    targets = (small_run.target("btrfs"), small_run.target("vfs"))
    return look(Evidence(targets=targets, generators=(HOST,) if driven else (), clocks=readings))


def test_clocks_that_agree_are_not_worth_a_word() -> None:
    assert found(reading("host-btrfs", 2.0, 1), reading("generator-1", -2.0, 1), reading("host-btrfs", 2.9, 5)) == ()
    assert found() == ()


@pytest.mark.parametrize(
    ("target_s", "generator_s", "refused"),
    [(400.0, 0.0, True), (-400.0, 0.0, True), (400.0, 390.0, False), (200.0, -200.0, True), (300.1, 0.0, False)],
)
def test_servers_refuse_requests_signed_at_another_time(target_s: float, generator_s: float, *, refused: bool) -> None:
    findings = found(reading("host-btrfs", target_s, 1), reading("generator-1", generator_s, 1))

    assert [(each.level, each.cell) for each in findings] == ([("error", "btrfs")] if refused else [])
    if refused:
        assert "host-btrfs" in findings[0].text
        assert "generator-1" in findings[0].text
        assert "set the clocks" in findings[0].fix


def test_load_from_the_operators_machine_is_signed_by_its_clock() -> None:
    (finding,) = found(reading("host-vfs", 1000.0, 1), driven=False)

    assert "1000 s from that of the operator's machine" in finding.text


def test_a_clock_that_jumped_while_it_was_measured_is_told() -> None:
    (finding,) = found(reading("host-btrfs", 0.0, 1), reading("host-btrfs", -30.0, 5), driven=False)

    assert (finding.level, finding.check) == ("warning", "clock")
    assert "host-btrfs moved by -30.0 s" in finding.text


def test_a_change_within_what_is_known_is_no_jump() -> None:
    assert found(reading("generator-1", 0.0, 1, 2.0), reading("generator-1", 4.5, 5, 2.0)) == ()


def test_two_readings_are_compared_where_they_are_near_in_time() -> None:
    apart = (reading("host-btrfs", 0.0, 1), reading("generator-1", 0.0, 1))
    later = (reading("host-btrfs", 900.0, 8), reading("generator-1", 900.0, 7))

    assert {finding.level for finding in found(*apart, *later)} == {"warning"}, "both jumped, and still agree"

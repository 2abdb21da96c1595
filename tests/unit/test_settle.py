"""Before a trial begins, what was written before it is on the disk: of the trial before, of preparing, on every host."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from bench import campaign, reach, run, store
from tests.unit import small_run
from tests.unit.small_run import KEYS, FakeGenerator

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import pytest

    from bench.generator import Progress
    from bench.records import GeneratorHost, Run, Target, Trial, TrialResult


def on_vms(machine: str = "operator", generators: tuple[GeneratorHost, ...] = ()) -> Run:
    """Two cells, each in a virtual machine of its own."""
    whole = small_run.run()
    targets = tuple(replace(each, machine=machine, reach=("ssh", f"vm-{each.cell.name}")) for each in whole.targets)
    return replace(whole, targets=targets, generators=generators)


def generator_vm() -> GeneratorHost:
    return replace(small_run.generator_host("load"), reach=("ssh", "vm-load"))


class Told:
    """What happened, in order: `sync` here, `sync vm-...` there, and the trials."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, answer: Callable[[str], None] = lambda _: None) -> None:
        self.events: list[str] = []

        def call(host: Sequence[str], command: str, **_: Any) -> bytes:
            if command == "sync":
                self.events.append(f"sync {host[-1]}")
                answer(host[-1])
            return b""

        monkeypatch.setattr(reach, "call", call)
        monkeypatch.setattr("os.sync", lambda: self.events.append("sync"))

    def make(self, **arguments: Any) -> FakeGenerator:
        told = self

        class Telling(FakeGenerator):
            def measure(self, trial: Trial, target: Target, on_progress: Callable[[Progress], None]) -> TrialResult:
                told.events.append(f"measure {target.cell.name}")
                return super().measure(trial, target, on_progress)

            def prepare(self, target: Target, workload: Any) -> str:
                told.events.append(f"prepare {target.cell.name}")
                return super().prepare(target, workload)

        return Telling(**arguments)

    def between_trials(self) -> list[list[str]]:
        """What was synced before each trial, since the one before it began."""
        found: list[list[str]] = [[]]
        for event in self.events:
            if event.startswith("measure"):
                found.append([])
            elif event.startswith("sync"):
                found[-1].append(event)
        return found


def perform(tmp_path: Path, measured: Run, told: Told) -> tuple[TrialResult, ...]:
    folder = store.create(tmp_path, measured)
    run.perform(folder, KEYS, lambda _: None, told.make)
    return store.results(folder)


def test_the_host_of_the_trial_before_then_this_one_s_then_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told, measured = Told(monkeypatch), on_vms()
    perform(tmp_path, measured, told)

    cells = [trial.cell for trial in measured.schedule]
    first, *others = told.between_trials()[:-1]
    assert first == [f"sync vm-{cells[0]}", "sync"]
    assert others == [[f"sync vm-{before}", f"sync vm-{cell}", "sync"] for before, cell in pairwise(cells)]


def test_the_host_of_a_trial_is_quiet_before_another_run_may_have_its_turn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = Told(monkeypatch)
    perform(tmp_path, on_vms(), told)

    last = [event for event in told.events if event.startswith(("measure", "prepare", "sync vm"))]
    after = [later for event, later in pairwise(last) if event.startswith("measure")]
    assert all(event.startswith("sync vm") for event in after)


def test_hosts_that_load_came_from_write_out_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = Told(monkeypatch)
    perform(tmp_path, on_vms(generators=(generator_vm(),)), told)

    assert all("sync vm-load" in synced and synced[-1] == "sync" for synced in told.between_trials()[:-1])


def test_on_another_machine_this_one_s_disk_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = Told(monkeypatch)
    perform(tmp_path, on_vms("aws/eu", (generator_vm(),)), told)

    assert "sync" not in told.events


def late(times: int, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """The machine of the first cell takes longer than it may, so many times."""
    now, left = [0.0], [times]
    monkeypatch.setattr(campaign, "monotonic", lambda: now[0])

    def answer(host: str) -> None:
        if host == "vm-btrfs" and left[0]:
            left[0] -= 1
            now[0] += 61.0
            raise reach.Unreachable("no answer within 60 s")

    return answer


def test_a_trial_that_began_while_a_host_still_wrote_is_marked_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measured = on_vms()
    results = perform(tmp_path, measured, Told(monkeypatch, late(1000, monkeypatch)))
    folder = store.newest(tmp_path)
    assert folder

    begun = [trial.cell for trial in measured.schedule].index("btrfs")
    assert [result.stamps for result in results[:begun]] == [()] * begun
    assert {result.stamps for result in results[begun:]} == {("unsettled",)}
    assert "unsettled" in {finding.check for finding in store.read(folder).findings}


def test_a_host_that_was_late_is_asked_again_before_the_next_trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    results = perform(tmp_path, on_vms(), Told(monkeypatch, late(1, monkeypatch)))

    assert [result.stamps for result in results].count(("unsettled",)) == 1


def test_a_trial_in_which_nothing_failed_is_measured_again_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "failed_samples", lambda *_: 0)
    results = perform(tmp_path, on_vms(), Told(monkeypatch, late(1, monkeypatch)))

    assert {result.stamps for result in results} == {()}
    assert sorted(result.repeats for result in results) == [0] * (len(results) - 1) + [1]


def test_a_host_that_cannot_be_asked_holds_nobody_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone(_host: str) -> None:
        raise reach.Unreachable("connection refused")

    results = perform(tmp_path, on_vms(), Told(monkeypatch, gone))

    assert {result.stamps for result in results} == {()}


def test_trials_are_dated_by_this_machine_s_clock_wherever_they_were_driven(tmp_path: Path) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    folder = store.create(tmp_path, small_run.run())
    run.perform(folder, KEYS, lambda _: None, FakeGenerator)

    dates = [datetime.fromisoformat(result.started_at) for result in store.results(folder)]
    assert all(before <= date <= datetime.now(UTC) for date in dates), "the fake's own clock is years away"
    assert dates == sorted(dates)

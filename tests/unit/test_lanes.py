"""Trials on one machine never overlap, those on different machines do, and whatever ends one lane ends all of them tidily."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from bench import lanes, run, store
from bench.errors import DeployError, InputError, Interrupted
from bench.records import Generators, Reference
from tests.unit import small_run
from tests.unit.small_run import KEYS, FakeGenerator

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bench.generator import Progress
    from bench.records import Run, Target, Trial, TrialResult, Workload
    from bench.status import Status

PATIENCE_S = 30.0


def place(target: Target, cloud: str, machine: str) -> Target:
    """The target on another cloud; its cell keeps its name."""
    return replace(target, cell=replace(target.cell, cloud=cloud), machine=machine)


def two_places(blocks: int = 2) -> Run:
    """Two cells on two clouds, each with a load generator of its own."""
    whole = small_run.run(blocks)
    first, second = whole.targets
    targets = (place(first, "north", "north/here"), place(second, "south", "south/here"))
    hosts = tuple(small_run.generator_host(f"load-{cloud}", cloud=cloud) for cloud in ("north", "south"))
    return replace(whole, targets=targets, generators=hosts)


RUN = two_places()


def machines(run: Run) -> dict[str, set[str]]:
    return {
        lane.machine: {trial.cell for trial in lane.trials} for lane in lanes.split(run.schedule, run.targets, run.generators)
    }


def test_targets_of_one_machine_share_a_lane() -> None:
    assert machines(small_run.run()) == {"operator": {"btrfs", "vfs"}}


def test_machines_that_nothing_is_shared_between_have_a_lane_each() -> None:
    assert machines(RUN) == {"north/here": {"btrfs"}, "south/here": {"vfs"}}


def test_load_from_the_operators_machine_makes_it_the_machine_of_the_lane() -> None:
    assert machines(replace(RUN, generators=())) == {"operator": {"btrfs", "vfs"}}
    assert machines(replace(RUN, generators=RUN.generators[:1])) == {"north/here": {"btrfs"}, "operator": {"vfs"}}


def test_virtual_machines_on_the_operators_machine_share_its_lane_even_with_generators_of_their_own() -> None:
    first, second = RUN.targets

    assert machines(replace(RUN, targets=(replace(first, machine="operator"), second))) == {
        "operator": {"btrfs"},
        "south/here": {"vfs"},
    }


def test_every_trial_is_in_one_lane_and_in_the_order_of_the_schedule() -> None:
    found = lanes.split(RUN.schedule, RUN.targets, RUN.generators)

    assert sorted(trial.index for lane in found for trial in lane.trials) == [trial.index for trial in RUN.schedule]
    assert all([trial.index for trial in lane.trials] == sorted(trial.index for trial in lane.trials) for lane in found)


class Recorded(FakeGenerator):
    """Notes which threads use it, and what runs at once; `meet` is called in each measured trial."""

    made: list[Recorded]
    meet: Callable[[Recorded, Trial], None]

    def __init__(self, *, meet: Callable[[Recorded, Trial], None], made: list[Recorded], **usual: Any) -> None:
        super().__init__(**usual)
        self.meet, self.threads, self.abandoned = meet, {threading.get_ident()}, threading.Event()
        made.append(self)

    def prepare(self, target: Target, workload: Workload) -> str:
        self.threads.add(threading.get_ident())
        return super().prepare(target, workload)

    def measure(self, trial: Trial, target: Target, on_progress: Callable[[Progress], None]) -> TrialResult:
        self.meet(self, trial)
        return super().measure(trial, target, on_progress)

    def abandon(self) -> None:
        self.abandoned.set()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return store.create(tmp_path, RUN)


def perform(
    folder: Path, meet: Callable[[Recorded, Trial], None], observe: Callable[[Status], None] = lambda _: None
) -> list[Recorded]:
    made: list[Recorded] = []
    run.perform(folder, KEYS, observe, partial(Recorded, meet=meet, made=made))
    return made


def test_trials_on_two_machines_run_at_the_same_time(folder: Path) -> None:
    both = threading.Barrier(2, timeout=PATIENCE_S)
    made = perform(folder, lambda *_: _wait(both))

    assert store.read(folder).state == "complete"
    assert sorted(each.trial.index for each in store.results(folder)) == [trial.index for trial in RUN.schedule]
    assert sorted(each.hosts[0].name for each in made) == ["load-north", "load-south"]
    assert sorted(each.log.name for each in made) == ["generator-load-north.log", "generator-load-south.log"]


def nothing(_generator: Recorded, _trial: Trial) -> None:
    """Lets a trial be."""


def _wait(both: threading.Barrier) -> None:
    both.wait()


def test_a_generator_is_made_and_used_in_one_thread_and_two_lanes_have_two(folder: Path) -> None:
    made = perform(folder, nothing)

    assert [len(each.threads) for each in made] == [1, 1]
    assert made[0].threads != made[1].threads
    assert threading.get_ident() not in made[0].threads | made[1].threads


def test_one_lane_needs_no_thread(tmp_path: Path) -> None:
    made = perform(store.create(tmp_path, small_run.run()), nothing)

    assert [each.threads for each in made] == [{threading.get_ident()}]


def test_trials_on_one_machine_never_overlap_whatever_drives_them(tmp_path: Path) -> None:
    shared = replace(RUN, targets=tuple(replace(target, machine="operator") for target in RUN.targets))
    running: Counter[str] = Counter()

    def alone(_generator: Recorded, _trial: Trial) -> None:
        running["now"] += 1
        assert running["now"] == 1
        running["now"] -= 1
        running["all"] += 1

    made = perform(store.create(tmp_path, shared), alone)

    assert made[0].threads == made[1].threads
    assert len(made) == 2, "each cell's load comes from a host of its own"
    assert running["all"] == len(RUN.schedule)


def test_the_view_shows_what_every_lane_does(folder: Path) -> None:
    both = threading.Barrier(2, timeout=PATIENCE_S)
    seen: list[Status] = []
    perform(folder, lambda *_: _wait(both), seen.append)

    together = [status for status in seen if status.phase == "measure" and status.others]
    assert {status.cell for status in together} == {"btrfs", "vfs"}
    assert all({status.cell, *(each.cell for each in status.others)} <= {"btrfs", "vfs", ""} for status in together)
    assert [status.trials_done for status in seen] == sorted(status.trials_done for status in seen)
    assert (seen[-1].phase, seen[-1].trials_done, seen[-1].others, seen[-1].left_s) == ("check", len(RUN.schedule), (), 0.0)
    assert seen[-1].ops == 3 * len(RUN.schedule)


def test_ctrl_c_ends_every_lane_and_keeps_what_was_measured(folder: Path) -> None:
    both = threading.Barrier(2, timeout=PATIENCE_S)

    def interrupt_later(generator: Recorded, trial: Trial) -> None:
        both.wait()
        if trial.block == 1:
            if trial.cell == "vfs":
                os.kill(os.getpid(), signal.SIGINT)
            assert generator.abandoned.wait(PATIENCE_S)
            # Longer than whoever does not wait takes to be back.
            time.sleep(0.5)

    with pytest.raises(Interrupted, match="of 8 trials are measured and kept"):
        perform(folder, interrupt_later)
    kept = store.results(folder)
    assert store.read(folder).state == "interrupted"
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("lane")] == []
    perform(folder, nothing)

    assert len(kept) == len(RUN.schedule) / 2, "the first block"
    assert store.results(folder)[: len(kept)] == kept
    assert sorted(each.trial.index for each in store.results(folder)) == [trial.index for trial in RUN.schedule]


class Stuck(Recorded):
    """One lane's generator waits until it is abandoned; the other's disk is full by then."""

    def prepare(self, target: Target, workload: Workload) -> str:
        if target.cell.cloud == "north":
            return "abandoned" if self.abandoned.wait(PATIENCE_S) else "nobody came"
        return super().prepare(target, workload)


def test_a_full_disk_in_one_lane_ends_the_others_too(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    append = store.append

    def full(into: Path, result: TrialResult) -> None:
        if store.results(into):
            raise DeployError("the disk is full", where=str(into), next_step="free some space")
        append(into, result)

    made: list[Recorded] = []
    monkeypatch.setattr(store, "append", full)
    with pytest.raises(DeployError, match="disk is full"):
        run.perform(folder, KEYS, lambda _: None, partial(Stuck, meet=nothing, made=made))

    assert all(each.abandoned.is_set() for each in made)
    assert [each.trial.cell for each in store.results(folder)] == ["vfs"], "what was abandoned is no result"
    assert store.read(folder).state == "interrupted"


def begin(runs: Path, **changes: Any) -> Path:
    deployed = {"targets": RUN.targets, "generators": RUN.generators, "load": RUN.load, **changes}
    return run.start(
        stack="small", matrix_text="", plan=RUN.plan, left_out=(), reference=Reference(axes={"driver": "btrfs"}), runs=runs,
        versions={}, operator={}, check_first=False, **deployed,
    )  # fmt: skip


def test_a_started_run_says_where_its_load_comes_from(tmp_path: Path) -> None:
    wanted = replace(RUN.load, generators=Generators(count=1, instance_type="", machine_image=""))

    assert store.read(begin(tmp_path, load=wanted)).generators == RUN.generators


@pytest.mark.parametrize(("count", "hosts"), [(0, RUN.generators), (1, ()), (1, RUN.generators[:1]), (2, RUN.generators)])
def test_a_stack_without_the_generators_that_the_matrix_asks_for_is_refused(
    tmp_path: Path, count: int, hosts: tuple[Any, ...]
) -> None:
    wanted = Generators(count=count, instance_type="", machine_image="") if count else None
    with pytest.raises(InputError, match=f"asks for {count} load generators") as caught:
        begin(tmp_path, load=replace(RUN.load, generators=wanted), generators=hosts)

    assert "cowbench up" in caught.value.next_step
    assert list(tmp_path.iterdir()) == []

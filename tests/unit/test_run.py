from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import checks, run, signals, store
from bench.errors import DeployError, InputError, Interrupted
from bench.records import Finding, Reference
from bench.status import GIVE_UP_AFTER
from tests.unit import small_run
from tests.unit.small_run import KEYS, FakeGenerator

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.records import Run, Target
    from bench.run import Status

ROOMY = small_run.run()
RUN = replace(ROOMY, targets=tuple(replace(each, host=replace(each.host, disk_bytes=0)) for each in ROOMY.targets))
"""With disks so small that every trial's garbage must go at once: so each trial has all its steps."""

TRIALS = len(RUN.schedule)
PROJECT = Path(__file__).parents[2]


def seen() -> tuple[list[Status], Callable[[Status], None]]:
    statuses: list[Status] = []
    return statuses, statuses.append


def ignore(_status: Status) -> None:
    """For runs whose progress is not the point."""


def perform(folder: Path, **generator: Any) -> Run:
    return run.perform(folder, KEYS, ignore, partial(FakeGenerator, **generator))


def begin(runs: Path, *, targets: tuple[Target, ...] = RUN.targets, check_first: bool = False) -> Path:
    return run.start(
        stack="small",
        matrix_text=RUN.matrix_text,
        plan=[target.cell for target in targets],
        left_out=(),
        targets=targets,
        load=RUN.load,
        reference=Reference(axes={"driver": "btrfs"}),
        runs=runs,
        versions=run.versions(),
        operator=run.operator(),
        check_first=check_first,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return store.create(tmp_path, RUN)


def test_a_run_measures_every_trial_of_its_schedule_once_and_in_order(folder: Path) -> None:
    done = perform(folder)

    assert done.state == "complete"
    assert done == store.read(folder)
    assert [each.trial for each in store.results(folder)] == list(RUN.schedule)
    assert len(list((folder / "samples").iterdir())) == TRIALS


def test_each_trial_is_prepared_measured_and_cleaned_up_in_this_order(folder: Path) -> None:
    made: list[FakeGenerator] = []

    def make(**arguments: Any) -> FakeGenerator:
        made.append(FakeGenerator(**arguments))
        return made[-1]

    run.perform(folder, KEYS, ignore, make)

    (generator,) = made
    expected = [(step, trial.cell, trial.workload) for trial in RUN.schedule for step in ("prepare", "measure", "clean_up")]
    assert generator.steps == [*expected, ("close", "", "")]
    assert generator.load == RUN.load
    assert generator.samples == folder / "samples"


def test_the_run_folder_holds_the_matrix_that_repeats_it(tmp_path: Path) -> None:
    folder = begin(tmp_path)

    assert (folder / "matrix.yaml").read_text() == (
        f"# For the very same order and objects, write under load: seed: {RUN.load.seed}\n{RUN.matrix_text}"
    )


def test_a_complete_run_is_returned_and_not_measured_again(folder: Path) -> None:
    done = perform(folder)

    assert run.perform(folder, {}, ignore, _no_generator) == done


def _no_generator(**_: Any) -> FakeGenerator:
    raise AssertionError("nothing is left to measure")


class Killed(BaseException):
    """Ends the process where it is raised, as a fault of our own would."""


EVERY_DEATH = [
    *((KeyboardInterrupt, step, count) for step in ("prepare", "measure", "clean_up") for count in range(TRIALS)),
    *((error, "measure", count) for error in (Killed, Interrupted) for count in (0, TRIALS - 1)),
]


@pytest.mark.parametrize(("error", "step", "count"), EVERY_DEATH)
def test_a_run_that_died_at_any_trial_is_resumed_with_the_same_schedule_and_each_trial_once(
    folder: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException], step: str, count: int
) -> None:
    def dies_at(at: str, trials_before: int) -> None:
        if (at, trials_before) == (step, count):
            raise error("stopped")

    monkeypatch.setattr(checks, "look", lambda _when, _evidence: ())
    with pytest.raises(Killed if error is Killed else Interrupted):
        perform(folder, dies_at=dies_at)
    first = store.results(folder)
    assert len(first) == (count + 1 if step == "clean_up" else count)
    assert store.read(folder).state == "interrupted"
    done = perform(folder)

    assert done.state == "complete"
    assert done.schedule == RUN.schedule
    assert [each.trial for each in store.results(folder)] == list(RUN.schedule)
    assert store.results(folder)[: len(first)] == first
    assert len(list((folder / "samples").iterdir())) == TRIALS


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, TRIALS), max_size=5))
def test_a_run_that_is_interrupted_again_and_again_measures_each_trial_once(
    tmp_path_factory: pytest.TempPathFactory, deaths: list[int]
) -> None:
    folder = store.create(tmp_path_factory.mktemp("runs"), RUN)
    for death in deaths:

        def dies_at(step: str, count: int, death: int = death) -> None:
            if step == "measure" and count == death:
                raise KeyboardInterrupt

        try:
            perform(folder, dies_at=dies_at)
        except Interrupted:
            assert store.read(folder).state == "interrupted"
    perform(folder)

    assert [each.trial for each in store.results(folder)] == list(RUN.schedule)


def test_an_interrupted_run_says_what_is_kept_and_how_to_go_on(folder: Path) -> None:
    def dies_at(step: str, count: int) -> None:
        if (step, count) == ("prepare", 3):
            raise KeyboardInterrupt

    with pytest.raises(Interrupted, match="3 of 8 trials") as caught:
        perform(folder, dies_at=dies_at)

    assert f"--resume {folder}" in caught.value.next_step
    assert caught.value.exit_code == 130


def test_a_polite_kill_ends_a_run_as_an_interrupt_does(folder: Path) -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}

    def dies_at(step: str, count: int) -> None:
        if (step, count) == ("measure", 2):
            os.kill(os.getpid(), signal.SIGTERM)

    try:
        with pytest.raises(Interrupted, match="2 of 8 trials"), signals.interrupting():
            perform(folder, dies_at=dies_at)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_a_run_can_be_performed_outside_the_main_thread(folder: Path) -> None:
    thread = threading.Thread(target=perform, args=(folder,))
    thread.start()
    thread.join(60)

    assert store.read(folder).state == "complete"


KILLED = """
import os, signal, sys
from functools import partial
from pathlib import Path
from bench import run
from tests.unit.small_run import KEYS, FakeGenerator

def dies_at(step, count):
    if (step, count) == (sys.argv[2], int(sys.argv[3])):
        os.kill(os.getpid(), signal.SIGKILL)

run.perform(Path(sys.argv[1]), KEYS, lambda status: None, partial(FakeGenerator, dies_at=dies_at))
"""


@pytest.mark.parametrize(("step", "count"), [("measure", 3), ("clean_up", 5)])
def test_a_run_that_was_killed_leaves_no_lock_and_is_resumed(folder: Path, step: str, count: int) -> None:
    command = [sys.executable, "-c", KILLED, str(folder), step, str(count)]
    child = subprocess.run(command, cwd=PROJECT, timeout=60, check=False)
    assert child.returncode == -signal.SIGKILL
    assert store.read(folder).state == "running"
    left = store.results(folder)
    done = perform(folder)

    assert done.state == "complete"
    assert [each.trial for each in store.results(folder)] == list(RUN.schedule)
    assert store.results(folder)[: len(left)] == left
    assert [finding.text for finding in done.findings if "part-00003-00.parquet" in finding.text] == (
        ["samples of a trial that did not end: part-00003-00.parquet; left out"] if step == "measure" else []
    )


def test_a_second_process_on_the_same_run_is_refused(folder: Path) -> None:
    with store.claimed(folder), pytest.raises(InputError, match="another cowbench"):
        perform(folder)


def test_a_target_that_cannot_be_prepared_gives_results_and_the_others_go_on(folder: Path) -> None:
    def problem(step: str, target: Target) -> str:
        return "no answer" if step == "prepare" and target.cell.name == "vfs" else ""

    done = perform(folder, problem=problem)
    by_cell = {cell: [each for each in store.results(folder) if each.trial.cell == cell] for cell in ("btrfs", "vfs")}

    assert done.state == "complete"
    assert all(each.problem == "" for each in by_cell["btrfs"])
    assert len(by_cell["btrfs"]) == len(by_cell["vfs"]) == TRIALS // 2
    assert [each.problem for each in by_cell["vfs"]][:GIVE_UP_AFTER] == ["prepare failed: no answer"] * GIVE_UP_AFTER


def test_a_target_is_given_up_after_three_trials_in_a_row_without_samples(folder: Path) -> None:
    tried: list[str] = []

    def problem(step: str, target: Target) -> str:
        if step == "measure" and target.cell.name == "vfs":
            tried.append(step)
            return "connection refused"
        return ""

    done = perform(folder, problem=problem)
    last = [each for each in store.results(folder) if each.trial.cell == "vfs"][-1]
    finding = next(finding for finding in done.findings if finding.check == "run" and finding.level == "error")

    assert len(tried) == GIVE_UP_AFTER
    assert last.problem.startswith("given up after 3 trials in a row without samples, the last: connection refused")
    assert finding.cell == "vfs"
    assert finding.text == last.problem


def test_two_failures_and_a_success_are_not_three_in_a_row(folder: Path) -> None:
    tried: list[str] = []

    def problem(step: str, target: Target) -> str:
        if step == "prepare" and target.cell.name == "vfs":
            tried.append(step)
            return "" if len(tried) == 3 else "no answer"
        return ""

    done = perform(folder, problem=problem)

    assert len(tried) == TRIALS // 2
    assert not [finding for finding in done.findings if "given up" in finding.text]


def test_a_resumed_run_gives_a_given_up_target_another_chance(folder: Path) -> None:
    def problem(_step: str, target: Target) -> str:
        return "no answer" if target.cell.name == "vfs" else ""

    def dies_at(_step: str, count: int) -> None:
        if count == 3:
            raise KeyboardInterrupt

    with pytest.raises(Interrupted):
        perform(folder, problem=problem, dies_at=dies_at)
    perform(folder)

    assert store.results(folder)[-1].problem == ""
    assert [each.trial for each in store.results(folder)] == list(RUN.schedule)


def test_objects_that_stay_behind_are_said_and_the_trial_counts(folder: Path) -> None:
    done = perform(folder, problem=lambda step, _target: "403" if step == "clean_up" else "")

    assert all(each.problem == "" for each in store.results(folder))
    assert len([finding for finding in done.findings if "were not removed: 403" in finding.text]) == TRIALS


def test_on_a_roomy_disk_buckets_stay_until_the_run_is_over(tmp_path: Path) -> None:
    made: list[FakeGenerator] = []

    def make(**arguments: Any) -> FakeGenerator:
        made.append(FakeGenerator(**arguments))
        return made[-1]

    run.perform(store.create(tmp_path, ROOMY), KEYS, ignore, make)
    steps = [step for step, _, _ in made[0].steps]
    removals = [(cell, workload) for step, cell, workload in made[0].steps if step == "clean_up"]

    assert steps.index("clean_up") == 2 * TRIALS
    assert sorted(removals) == sorted({(trial.cell, trial.workload) for trial in ROOMY.schedule})


def test_a_full_disk_ends_the_run_with_what_is_kept(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fsync = os.fsync
    trials_on_disk = 3

    def full(handle: int) -> None:
        if len(store.results(folder)) > trials_on_disk:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(handle)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(DeployError, match="disk is full") as caught:
            perform(folder)
    assert f"--resume {folder}" in caught.value.next_step
    perform(folder)

    assert [each.trial for each in store.results(folder)] == list(RUN.schedule)


def test_a_run_without_a_target_s_keys_is_refused_before_anything_is_measured(folder: Path) -> None:
    with pytest.raises(InputError, match="no keys for credential small"):
        run.perform(folder, {}, ignore, _no_generator)

    assert store.read(folder) == RUN


def test_no_secret_reaches_the_run_folder(folder: Path) -> None:
    perform(folder)
    written = b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())

    assert not any(secret.encode() in written for _, secret in KEYS.values())


def test_the_status_counts_blocks_trials_and_ops_and_names_every_phase(folder: Path) -> None:
    statuses, observe = seen()
    run.perform(folder, KEYS, observe, FakeGenerator)

    assert [status.phase for status in statuses] == ["prepare", "measure", "measure", "clean up"] * TRIALS + ["check"]
    assert [status.trials_done for status in statuses[::4]] == list(range(TRIALS + 1))
    assert [status.blocks_done for status in statuses[::4]] == [0] * 4 + [1] * 4 + [2]
    assert [(status.ops, status.failed_ops) for status in statuses[2::4]] == [(3 * n, n) for n in range(1, TRIALS + 1)]
    assert statuses[2].ops_per_s == 3.0
    assert [(status.cell, status.workload) for status in statuses[:-1:4]] == [
        (trial.cell, trial.workload) for trial in RUN.schedule
    ]
    assert (statuses[-1].ops, statuses[-1].left_s) == (3 * TRIALS, 0.0)


def test_the_time_left_is_the_planned_time_scaled_by_how_long_trials_took(folder: Path) -> None:
    now = [100.0]
    statuses, observe = seen()

    def dies_at(step: str, _count: int) -> None:
        # Planned are 1.5 s a trial; each takes 3 s.
        now[0] += {"prepare": 0.5, "measure": 2.0, "clean_up": 0.5}[step]

    run.perform(folder, KEYS, observe, partial(FakeGenerator, dies_at=dies_at), clock=lambda: now[0])
    starts = [status for status in statuses if status.phase == "prepare"]

    assert [status.left_s for status in starts] == pytest.approx(
        [1.5 * TRIALS, *(3.0 * left for left in range(TRIALS - 1, 0, -1))]
    )
    assert [status.elapsed_s for status in starts] == pytest.approx([3.0 * done for done in range(TRIALS)])


def test_failed_ops_end_up_as_findings_of_the_complete_run(folder: Path) -> None:
    done = perform(folder)

    assert {(finding.check, finding.cell) for finding in done.findings} == {("failures", "btrfs"), ("failures", "vfs")}


def test_a_run_of_which_nothing_could_be_measured_is_complete_and_says_so(folder: Path) -> None:
    done = perform(folder, problem=lambda step, _target: "no answer" if step == "prepare" else "")

    assert done.state == "complete"
    assert any(finding.check == "store" and "no samples" in finding.text for finding in done.findings)


def test_a_started_run_holds_all_that_is_needed_to_judge_or_repeat_it(tmp_path: Path) -> None:
    started = store.read(begin(tmp_path))

    assert started.schedule == RUN.schedule
    assert started.targets == RUN.targets
    assert started.load.seed == RUN.load.seed
    assert started.state == "running"
    assert started.cowbench_version == started.versions["cowbench"]
    assert started.run_id.endswith("-small")


def finding(cell: str) -> Finding:
    return Finding(check="driver_in_use", level="error", cell=cell, text="another driver", fix="down and up")


def test_a_cell_that_is_not_what_was_planned_is_left_out_with_its_finding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checks, "look", lambda _when, _evidence: (finding("vfs"),))
    started = store.read(begin(tmp_path, check_first=True))

    assert {trial.cell for trial in started.schedule} == {"btrfs"}
    assert started.targets == RUN.targets
    assert started.findings == (finding("vfs"),)


def test_a_run_without_any_sound_cell_is_not_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "look", lambda _when, _evidence: (finding("vfs"), finding("btrfs")))

    with pytest.raises(DeployError, match="none of 2 cells") as caught:
        begin(tmp_path, check_first=True)
    assert caught.value.next_step == "down and up"
    assert list(tmp_path.iterdir()) == []


def test_targets_that_do_not_answer_are_found_before_the_run(tmp_path: Path) -> None:
    with pytest.raises(DeployError, match="does not answer"):
        begin(tmp_path, check_first=True)


IMPORTED = """
import sys
from bench import run
print(run.versions()["locust"], [name for name in ("locust", "boto3", "pulumi", "duckdb", "pydantic") if name in sys.modules])
"""


def test_versions_are_read_without_importing_what_they_are_of() -> None:
    command = [sys.executable, "-c", IMPORTED]
    said = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=60, check=True)

    assert said.stdout.split() == [run.versions()["locust"], "[]"]


def test_the_operator_is_described_without_its_name() -> None:
    described = run.operator()

    assert all(described.values())
    assert os.uname().nodename not in described.values()
    assert int(described["cores"]) >= 1

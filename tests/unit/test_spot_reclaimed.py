"""A spot VM that was taken away: what of the run it took with it, and that no server is blamed for it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from bench import checks, cli_steps, judge, run, store
from bench.check import Evidence, Gone
from bench.errors import DeployError
from bench.records import Trial
from tests.unit import small_run
from tests.unit.small_run import KEYS, SECOND_NS, FakeGenerator, generator_host, result, target, write_part

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from bench.records import Finding, Run, TrialResult

SPOT = "aws m7i.large spot, kvm"
GONE = Gone("the host does not answer")
WINDOW_S = 10.0
NETWORK = "network/unreachable/EHOSTUNREACH"
Ops = list[dict[str, Any]]


def op(at_s: float, **changed: Any) -> dict[str, Any]:
    return {"start_ns": SECOND_NS + round(at_s * SECOND_NS), **changed}


def failed(at_s: float, error: str = NETWORK, **changed: Any) -> dict[str, Any]:
    return op(at_s, error=error, bytes=0, **changed)


def steady(until_s: float = WINDOW_S) -> Ops:
    return [op(n / 10) for n in range(round(until_s * 10))]


WHOLE = steady()
HALF = steady(5.0)


def evidence(folder: Path, trials: Sequence[tuple[str, Ops | str, tuple[str, ...]]], *hosts: str, **more: Any) -> Evidence:
    """Trials of cells in this order, each with its ops or its problem and its stamps; `hosts` are spot VMs that are silent."""
    cells = dict.fromkeys(cell for cell, _, _ in trials)
    found = []
    for index, (cell, ops, stamps) in enumerate(trials):
        trial = Trial(index=index, block=index, position=0, cell=cell, workload="put", seed=1)
        if isinstance(ops, str):
            found.append(result(trial, problem=ops))
            continue
        part = f"part-{index:05d}-00.parquet"
        write_part(folder / part, index, ops)
        found.append(result(trial, parts=(part,), samples=len(ops), window_s=WINDOW_S, stamps=stamps))
    return Evidence(
        targets=tuple(target(cell, virtualization=SPOT) for cell in cells),
        workloads=(small_run.workload("put", duration_s=WINDOW_S),),
        results=tuple(found),
        parts=tuple(sorted(folder.glob("*.parquet"))),
        now=dict.fromkeys(hosts, GONE),
        **more,
    )


def trials_of_a(*trials: Ops | str) -> list[tuple[str, Ops | str, tuple[str, ...]]]:
    return [("a", trial, ()) for trial in trials]


def found(check: str, seen: Evidence) -> tuple[Finding, ...]:
    return checks.load(check).look(seen)


@pytest.mark.parametrize(
    ("last", "lost"),
    [
        pytest.param(WHOLE, (), id="whole"),
        pytest.param([*WHOLE, op(10.5, op="verify")], (), id="read back"),
        pytest.param(HALF, (1,), id="silent"),
        pytest.param([*HALF, failed(5.1, "timeout/total/op", lasts_ns=20 * SECOND_NS)], (1,), id="hangs"),
        pytest.param([*WHOLE, failed(9.99)], (1,), id="gone at the end"),
        pytest.param([*WHOLE, failed(10.5, op="verify")], (1,), id="gone while it was read back"),
        pytest.param([*WHOLE, failed(10.5, op="clean_up")], (), id="gone when all was measured"),
        pytest.param([*WHOLE, failed(5.0)], (), id="failed once, and went on"),
        pytest.param(
            [*HALF, *(failed(5 + n / 10, "s3/full/InsufficientStorage") for n in range(50))], (), id="answers all along"
        ),
    ],
)
@pytest.mark.parametrize("after", [[], ["prepare failed: no route"]])
def test_the_trial_in_which_a_spot_vm_went_does_not_count(
    tmp_path: Path, last: Ops, lost: tuple[int, ...], after: list[str]
) -> None:
    seen = evidence(tmp_path, trials_of_a(WHOLE, last, *after), "host-a")
    told = found("spot_reclaimed", seen)

    assert [finding.trials for finding in told] == [trials for trials in [(*lost, *([2] if after else []))] if trials]
    assert all(("got no answer to the end, and do not count" in finding.text) == bool(lost) for finding in told)
    assert all(("the last 1 of 3 trials were not measured" in finding.text) == bool(after) for finding in told)


def test_trials_that_got_no_answer_at_all_are_lost_with_the_one_before_them(tmp_path: Path) -> None:
    dead = [failed(n / 10) for n in range(100)]
    (finding,) = found("spot_reclaimed", evidence(tmp_path, trials_of_a(WHOLE, HALF, dead, "no route"), "host-a"))

    assert finding.trials == (1, 2, 3)
    assert "the last 1 of 4 trials were not measured (no route), the last 2 before them got no answer to the end" in finding.text


def test_a_workload_that_ran_out_was_not_cut_short(tmp_path: Path) -> None:
    seen = evidence(tmp_path, [("a", HALF, ("ran_out",)), ("a", "no route", ())], "host-a")

    assert [finding.trials for finding in found("spot_reclaimed", seen)] == [(1,)]


def test_only_the_last_trial_of_a_host_was_cut_short_whichever_of_its_cells_it_is_of(tmp_path: Path) -> None:
    seen = evidence(tmp_path, [("a", HALF, ()), ("b", HALF, ()), ("a", "no route", ()), ("b", "no route", ())], "host-a")
    first, second = seen.targets
    seen = replace(seen, targets=(first, replace(second, cell=replace(second.cell, host="host-a"))))

    assert [(finding.cell, finding.trials) for finding in found("spot_reclaimed", seen)] == [("a", (2,)), ("b", (1, 3))]


def test_what_failed_while_the_host_still_answered_is_not_of_its_going(tmp_path: Path) -> None:
    seen = evidence(tmp_path, [("b", "refused", ()), ("a", HALF, ()), ("b", "no route", ()), ("a", "no route", ())], "host-a")
    first, second = seen.targets
    seen = replace(seen, targets=(replace(first, cell=replace(first.cell, host="host-a")), second))

    assert [(finding.cell, finding.trials) for finding in found("spot_reclaimed", seen)] == [("a", (1, 3)), ("b", (2,))]
    (failure,) = found("failures", seen)
    assert (failure.cell, failure.trials) == ("b", (0,))


def test_trials_are_lost_with_a_load_generator_too(tmp_path: Path) -> None:
    load = generator_host("load-1")
    spot = replace(load, host=replace(load.host, virtualization=SPOT))
    seen = evidence(tmp_path, trials_of_a(WHOLE, "no route"), "load-1", generators=(spot,))

    (finding,) = found("spot_reclaimed", seen)
    assert finding.text.startswith("the spot VM load-1 does not answer any more")
    assert found("engine_survived", seen) == ()

    both = replace(seen, now={"load-1": GONE, "host-a": GONE})
    (finding,) = found("spot_reclaimed", both)
    assert finding.text.startswith("none of the spot VMs host-a, load-1 answers any more")
    assert found("engine_survived", both) == ()


@pytest.mark.parametrize(
    ("trials", "by", "level"),
    [
        pytest.param([WHOLE, WHOLE], "engine_survived", "warning", id="after the last trial"),
        pytest.param([WHOLE, HALF], "spot_reclaimed", "error", id="in the last trial"),
        pytest.param([WHOLE, "no route"], "spot_reclaimed", "error", id="before"),
        pytest.param(["no route", WHOLE], "engine_survived", "warning", id="long before"),
    ],
)
def test_a_silent_spot_vm_is_told_by_exactly_one_check(tmp_path: Path, trials: list[Ops | str], by: str, level: str) -> None:
    seen = evidence(tmp_path, trials_of_a(*trials), "host-a")

    told = (*found("engine_survived", seen), *found("spot_reclaimed", seen))
    assert [(finding.check, finding.level, finding.cell) for finding in told] == [(by, level, "a")]
    assert "host-a" in told[0].text


def test_a_spot_vm_that_answers_and_whose_engine_does_not_was_not_taken_away(tmp_path: Path) -> None:
    seen = evidence(tmp_path, trials_of_a(WHOLE, HALF), "host-a")
    seen = replace(seen, now={"host-a": "the engine does not answer"})

    assert found("spot_reclaimed", seen) == ()
    (finding,) = found("engine_survived", seen)
    assert (finding.level, "the engine of host host-a could not be asked" in finding.text) == ("error", True)


def test_a_silent_host_that_is_no_spot_vm_stays_a_dead_engine(tmp_path: Path) -> None:
    seen = evidence(tmp_path, trials_of_a(WHOLE, [*HALF, failed(10.5, op="verify")]), "host-a")
    seen = replace(seen, targets=(target("a"),))

    assert found("spot_reclaimed", seen) == ()
    assert [finding.check for name in ("integrity", "engine_survived") for finding in found(name, seen)] == [
        "integrity",
        "engine_survived",
    ]


def test_no_server_is_blamed_for_what_failed_in_lost_trials(tmp_path: Path) -> None:
    cut = [*HALF, *(failed(5 + n / 10) for n in range(50)), failed(10.5, op="verify")]
    seen = evidence(tmp_path, trials_of_a(WHOLE, cut), "host-a")

    assert found("failures", seen) == found("integrity", seen) == ()
    there = replace(seen, now={})
    assert [len(found(name, there)) for name in ("failures", "integrity")] == [1, 1]


def test_what_failed_before_and_what_came_back_wrong_is_told_all_the_same(tmp_path: Path) -> None:
    before = [*WHOLE, failed(10.5, "s3/not_found/NoSuchKey", op="verify"), failed(3.0), op(10.6, op="verify")]
    cut = [*HALF, failed(2.0, "integrity/wrong_digest/sha256"), failed(5.1)]
    seen = evidence(tmp_path, trials_of_a(before, cut), "host-a")

    assert [finding.trials for finding in found("failures", seen)] == [(0,)]
    assert [(finding.trials, "other content" in finding.text) for finding in found("integrity", seen)] == [
        ((1,), True),
        ((0,), False),
    ]


def test_where_the_samples_are_gone_nothing_is_said_of_them(tmp_path: Path) -> None:
    seen = replace(evidence(tmp_path, trials_of_a(WHOLE, HALF), "host-a"), parts=())

    assert found("spot_reclaimed", seen) == ()
    assert len(found("engine_survived", seen)) == 1


class Vanishing(FakeGenerator):
    """Each trial is a second of even load. The VM of cell btrfs goes in the middle of its last one but `gone_for`."""

    gone_for = 0

    def prepare(self, target: Any, workload: Any) -> str:
        del workload
        return "no route to host" if target.cell.name == "btrfs" and self._left(target) < self.gone_for else ""

    def measure(self, trial: Trial, target: Any, on_progress: Any) -> TrialResult:
        del on_progress
        ops = [op(n / 100) for n in range(100)]
        if target.cell.name == "btrfs" and self._left(target) == self.gone_for:
            ops = [*ops[:50], failed(0.5, op="verify"), failed(0.6)]
        part = f"part-{trial.index:05d}-00.parquet"
        write_part(self.samples / part, trial.index, ops)
        return result(trial, parts=(part,), samples=len(ops))

    def _left(self, target: Any) -> int:
        cells = [each.trial.cell for each in store.results(self.samples.parent)]
        return RUN.load.blocks * len(RUN.load.workloads) - 1 - cells.count(target.cell.name)


PLAIN = small_run.run(blocks=8)
RUN = replace(PLAIN, targets=tuple(replace(one, host=replace(one.host, virtualization=SPOT)) for one in PLAIN.targets))


def gone(one: Any) -> Any:
    if one.cell.name == "btrfs":
        raise DeployError(GONE, where="host host-btrfs", next_step="cowbench down, then up again")
    return one


def test_a_run_that_lost_a_spot_vm_ends_with_3_and_its_last_trial_is_in_no_estimate(tmp_path: Path) -> None:
    folder = store.create(tmp_path, RUN)
    done = run.perform(folder, KEYS, lambda _: None, Vanishing, refresh=gone)
    judged, summary = judge.judge(folder)

    assert {finding.check for finding in done.findings if finding.level == "error"} == {"spot_reclaimed"}
    assert cli_steps.exit_code_of(judged, summary) == DeployError.exit_code
    (cut,) = [cell for cell in summary.cells if cell.unsound_trials]
    assert (cut.cell, cut.unsound_trials, cut.stamps, cut.failed_ops) == ("btrfs", 1, {"spot_reclaimed": 1}, 0)
    assert min(cut.trial_ops_per_s) == pytest.approx(100.0)
    assert {one.verdict for one in summary.comparisons} == {"no difference shown"}


def test_a_given_up_spot_vm_ends_so_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Vanishing, "gone_for", 4)
    folder = store.create(tmp_path, RUN)
    done: Run = run.perform(folder, KEYS, lambda _: None, Vanishing, refresh=gone)

    (finding,) = [each for each in done.findings if each.check == "spot_reclaimed"]
    assert len(finding.trials) == 5
    assert {each.check for each in done.findings if each.level == "error"} == {"spot_reclaimed", "run"}
    _, summary = judge.judge(folder)
    assert cli_steps.exit_code_of(done, replace(summary, sound=True)) == DeployError.exit_code

"""A trial in which the generator was held up is measured again, but never one in which something failed, and not without end."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from bench import run, store
from bench.status import REPEATED_SHARE
from tests.unit import small_run
from tests.unit.small_run import KEYS, FakeGenerator, write_part

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bench.generator import Progress
    from bench.records import Target, Trial, TrialResult

RUN = small_run.run(blocks=6)


class HeldUp(FakeGenerator):
    """A generator that is held up in the first `times` passes of each trial of `bad`."""

    def __init__(self, *, bad: tuple[int, ...], times: int, stamps: tuple[str, ...], error: str, **usual: Any) -> None:
        super().__init__(**usual)
        self.bad, self.times, self.stamps, self.error = bad, times, stamps, error
        self.passes: dict[int, int] = {}

    def measure(self, trial: Trial, target: Target, on_progress: Callable[[Progress], None]) -> TrialResult:
        seen = self.passes[trial.index] = self.passes.get(trial.index, 0) + 1
        result = super().measure(trial, target, on_progress)
        write_part(self.samples / result.parts[0], trial.index, [{}, {}, {"error": self.error}])
        return replace(result, stamps=self.stamps) if trial.index in self.bad and seen <= self.times else result


def perform(tmp_path: Path, **how: Any) -> tuple[TrialResult, ...]:
    folder = store.create(tmp_path, RUN)
    held_up = {"bad": (3,), "times": 1, "stamps": ("held_up",), "error": "", **how}
    run.perform(folder, KEYS, lambda _: None, partial(HeldUp, **held_up))
    return store.results(folder)


def test_the_sound_pass_counts_and_the_thrown_away_one_is_told(tmp_path: Path) -> None:
    results = perform(tmp_path)

    assert [result.trial.index for result in results] == [trial.index for trial in RUN.schedule]
    assert (results[3].stamps, results[3].repeats) == ((), 1)
    assert {result.repeats for result in results if result.trial.index != 3} == {0}


@pytest.mark.parametrize("stamps", [("held_up",), ("stolen",), ("held_up", "stolen")])
def test_every_disturbance_of_the_generators_host_is_a_reason(tmp_path: Path, stamps: tuple[str, ...]) -> None:
    assert perform(tmp_path, stamps=stamps)[3].repeats == 1


def test_a_trial_that_stays_unsound_is_kept_with_its_stamp(tmp_path: Path) -> None:
    results = perform(tmp_path, times=9)

    assert (results[3].stamps, results[3].repeats) == (("held_up",), 2)


def test_a_pass_with_a_failure_is_never_thrown_away(tmp_path: Path) -> None:
    results = perform(tmp_path, error="network/reset/ECONNRESET")

    assert (results[3].stamps, results[3].repeats) == (("held_up",), 0)


@pytest.mark.parametrize("stamps", [("client_bound",), ("server_gone",), ("held_up", "server_gone")])
def test_other_stamps_are_no_reason_to_try_again(tmp_path: Path, stamps: tuple[str, ...]) -> None:
    results = perform(tmp_path, stamps=stamps)

    assert (results[3].stamps, results[3].repeats) == (stamps, 0)


def test_a_generator_that_is_always_the_limit_is_not_cured_by_trying(tmp_path: Path) -> None:
    results = perform(tmp_path, bad=tuple(range(len(RUN.schedule))), times=9)

    assert 0 < sum(result.repeats for result in results) <= REPEATED_SHARE * len(RUN.schedule)


def test_the_run_says_how_many_were_measured_again(tmp_path: Path) -> None:
    perform(tmp_path)
    folder = store.newest(tmp_path)
    assert folder is not None

    told = [finding.text.split(",")[0] for finding in store.read(folder).findings if finding.level == "info"]

    assert told == ["1 of 24 trials were measured again"]

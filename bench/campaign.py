"""The loop over the trials of a run: prepare, measure, keep the result, clean up. A failure is a result, never the end."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol, Self

from bench import store
from bench.records import Finding, TrialResult

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from types import TracebackType

    from bench.records import Load, Run, Target, Trial, Workload
    from bench.status import Phase, Progress, Status, Tally


class Measures(Protocol):
    """What a campaign asks of a load generator: `bench.generator.Generator`, or one made for a test.

    `prepare` and `clean_up` return what went wrong, in words, or nothing. `measure` returns a result also for a failed trial.
    A generator that itself fails says so the same way, and recovers by the next call.
    """

    def __enter__(self) -> Self: ...
    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None: ...
    def prepare(self, target: Target, workload: Workload) -> str:
        """Makes the objects that the workload reads."""

    def measure(self, trial: Trial, target: Target, on_progress: Callable[[Progress], None]) -> TrialResult:
        """Drives the load for one trial."""

    def clean_up(self, target: Target, workload: Workload) -> str:
        """Removes every object of the trial."""


class MakeGenerator(Protocol):
    """How a generator is made."""

    def __call__(self, *, load: Load, credentials: Mapping[str, tuple[str, str]], samples: Path, log: Path) -> Measures:
        """`samples` is the folder of the sample parts, `log` the file for what the generator says."""


NOISE = frozenset({"held_up", "stolen"})
"""Stamps that tell of the generator's host alone, and never of the cell: to repeat for them favours nobody."""

_REPEATS_PER_TRIAL = 2

_GARBAGE_SHARE = 0.2
"""Of a host's disk, what a cell may fill with deleted objects: cells share it, and a filesystem slows down when it fills."""


@dataclass(frozen=True, kw_only=True)
class Campaign:
    """A run being measured into its folder. Every result is on the disk before the next trial begins."""

    folder: Path
    run: Run
    tally: Tally
    observe: Callable[[Status], None]
    moved_bytes: dict[str, dict[str, int]] = field(default_factory=dict)
    """Cell → workload → at most what it wrote since its bucket was last removed."""

    @property
    def log(self) -> Path:
        """What the load generator says."""
        return self.folder / "generator.log"

    def measure_rest(self, make: MakeGenerator, credentials: Mapping[str, tuple[str, str]]) -> None:
        """Measures each trial that is left. Raises Interrupted, and DeployError for a full disk."""
        with make(load=self.run.load, credentials=credentials, samples=self.folder / "samples", log=self.log) as generator:
            while (trial := self.tally.next_trial) is not None:
                self.tally.begin(trial)
                self._take(generator, trial)
            for target in self.run.targets:
                self._clean_up(generator, target)

    def _take(self, generator: Measures, trial: Trial) -> None:
        """Takes one trial to its result on the disk."""
        if trial.cell in self.tally.given_up:
            result = _without_samples(trial, self.tally.given_up[trial.cell])
            store.append(self.folder, result)
        else:
            result = self._measure_soundly(generator, trial)
            store.append(self.folder, result)
            self._make_room(generator, trial, result)
        if given_up := self.tally.end(result):
            fix = f"mend the target (cowbench check), then measure again; what the generator said: {self.log}"
            store.note(self.folder, Finding(check="run", level="error", cell=trial.cell, text=given_up, fix=fix))

    def _measure_soundly(self, generator: Measures, trial: Trial) -> TrialResult:
        """Measures again, a few times at most, when its host was disturbed, and only then: a comparison needs whole blocks.

        A pass in which anything failed is never thrown away: a failure is a measurement. What was thrown away is counted.
        """
        result = self._measure(generator, trial)
        for repeats in range(1, _REPEATS_PER_TRIAL + 1):
            disturbed = bool(result.stamps) and NOISE.issuperset(result.stamps) and not result.problem
            if not disturbed or store.failed_samples(self.folder, result) or not self.tally.may_repeat():
                break
            result = replace(self._measure(generator, trial), repeats=repeats)
        return result

    def _measure(self, generator: Measures, trial: Trial) -> TrialResult:
        target = self._target(trial)

        def on_progress(progress: Progress) -> None:
            self.tally.progressed(progress)
            self._tell("measure")

        self._tell("prepare")
        if problem := generator.prepare(target, self._workload(trial)):
            return _without_samples(trial, f"prepare failed: {problem}")
        # What the last trial wrote may still be on its way to the disk, and on one host that is the next trial's disk too.
        os.sync()
        self._tell("measure")
        return generator.measure(trial, target, on_progress)

    def _make_room(self, generator: Measures, trial: Trial, result: TrialResult) -> None:
        """Lets the server give space back before the disk is full of deleted objects, which would change what is measured.

        Each trial deletes what it made, but some servers keep the space until the bucket goes. Buckets stay as long as they may:
        a fresh one makes servers reserve room anew.
        """
        moved = self.moved_bytes.setdefault(trial.cell, {})
        written = result.samples * self._workload(trial).object_size_bytes
        moved[trial.workload] = moved.get(trial.workload, 0) + written
        target = self._target(trial)
        if sum(moved.values()) > _GARBAGE_SHARE * target.host.disk_bytes:
            self._clean_up(generator, target)

    def _clean_up(self, generator: Measures, target: Target) -> None:
        """Removes every object and the bucket. What stays behind is said, since later trials on that disk will feel it."""
        moved = self.moved_bytes.pop(target.cell.name, {})
        if moved:
            self._tell("clean up")
        for workload in self.run.load.workloads:
            # A target that could not even be prepared has said so in its results.
            if moved.get(workload.name) and (problem := generator.clean_up(target, workload)):
                text = f"objects of {workload.name} were not removed: {problem}"
                fix = "look at the server's log; what stays behind takes space and may slow later trials"
                store.note(self.folder, Finding(check="run", level="warning", cell=target.cell.name, text=text, fix=fix))

    def _tell(self, phase: Phase) -> None:
        self.observe(self.tally.status(phase))

    def _target(self, trial: Trial) -> Target:
        return next(target for target in self.run.targets if target.cell.name == trial.cell)

    def _workload(self, trial: Trial) -> Workload:
        return next(workload for workload in self.run.load.workloads if workload.name == trial.workload)


def _without_samples(trial: Trial, problem: str) -> TrialResult:
    return TrialResult(
        trial=trial,
        started_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        window_start_ns=0,
        window_end_ns=0,
        samples=0,
        parts=(),
        health=None,
        stamps=(),
        problem=problem,
    )

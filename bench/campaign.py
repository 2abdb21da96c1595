"""The loop over the trials of a lane: prepare, measure, keep the result, clean up. A failure is a result, never the end."""

from __future__ import annotations

import os
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol, Self

from bench import lanes, reach, store
from bench.records import Finding, TrialResult

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    from bench.ledger import Ledger
    from bench.records import GeneratorHost, Load, Target, Trial, Workload
    from bench.status import Phase, Progress, Tally


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

    def abandon(self) -> None:
        """Called from another thread: what the generator is asked to do just now ends soon, with whatever result."""


class MakeGenerator(Protocol):
    """How a generator is made."""

    def __call__(
        self,
        *,
        load: Load,
        credentials: Mapping[str, tuple[str, str]],
        samples: Path,
        log: Path,
        hosts: tuple[GeneratorHost, ...],
    ) -> Measures:
        """`samples` is the folder of the sample parts, `log` the file for what the generator says.

        Load comes from `hosts`, or from this machine where there are none.
        """


NOISE = frozenset({"held_up", "stolen"})
"""Stamps that tell of the generator's host alone, and never of the cell: to repeat for them favours nobody."""

_REPEATS_PER_TRIAL = 2

_SETTLE_S = 60.0

_GARBAGE_SHARE = 0.2
"""Of a host's disk, what a cell may fill with deleted objects: cells share it, and a filesystem slows down when it fills."""


@dataclass(frozen=True, kw_only=True)
class Campaign:
    """One lane being measured into the run folder. Every result is on the disk before the next trial begins."""

    ledger: Ledger
    tally: Tally
    generators: dict[tuple[str, ...], Measures] = field(default_factory=dict)
    """By the names of the hosts that the load comes from."""
    moved_bytes: dict[str, dict[str, int]] = field(default_factory=dict)
    """Cell → workload → at most what it wrote since its bucket was last removed."""

    def measure_rest(self, make: MakeGenerator, credentials: Mapping[str, tuple[str, str]]) -> None:
        """Measures each trial of the lane that is left. Raises DeployError for a full disk, Stopped when another lane failed."""
        cells = {trial.cell for trial in self.tally.rest}
        targets = [target for target in self.ledger.run.targets if target.cell.name in cells]
        with ExitStack() as started:
            for names, hosts in {_names(hosts): hosts for hosts in map(self._hosts, targets)}.items():
                generator = make(
                    load=self.ledger.run.load,
                    credentials=credentials,
                    samples=self.ledger.folder / "samples",
                    log=self._log(hosts),
                    hosts=hosts,
                )
                self.generators[names] = started.enter_context(generator)
            while (trial := self.tally.next_trial) is not None:
                self.tally.begin(trial)
                self._take(trial)
            for target in targets:
                self._clean_up(target)

    def abandon(self) -> None:
        """Ends what the lane waits for; call `Ledger.stop` before, from another thread."""
        for generator in tuple(self.generators.values()):
            generator.abandon()

    def _take(self, trial: Trial) -> None:
        """Takes one trial to its result on the disk."""
        if trial.cell in self.tally.given_up:
            result = _without_samples(trial, self.tally.given_up[trial.cell])
            self.ledger.append(result)
        else:
            result = self._measure_soundly(trial)
            self.ledger.append(result)
            self._make_room(trial, result)
        if given_up := self.tally.end(result):
            log = self._log(self._hosts(self._target(trial)))
            fix = f"mend the target (cowbench check), then measure again; what the generator said: {log}"
            self.ledger.note(Finding(check="run", level="error", cell=trial.cell, text=given_up, fix=fix))

    def _measure_soundly(self, trial: Trial) -> TrialResult:
        """Measures again, a few times at most, when its host was disturbed, and only then: a comparison needs whole blocks.

        A pass in which anything failed is never thrown away: a failure is a measurement. What was thrown away is counted.
        """
        result = self._measure(trial)
        for repeats in range(1, _REPEATS_PER_TRIAL + 1):
            disturbed = bool(result.stamps) and NOISE.issuperset(result.stamps) and not result.problem
            if not disturbed or store.failed_samples(self.ledger.folder, result) or not self.tally.may_repeat():
                break
            result = replace(self._measure(trial), repeats=repeats)
        return result

    def _measure(self, trial: Trial) -> TrialResult:
        target = self._target(trial)
        generator = self.generators[_names(self._hosts(target))]

        def on_progress(progress: Progress) -> None:
            self.tally.progressed(progress)
            self._tell("measure")

        self._tell("prepare")
        if problem := generator.prepare(target, self._workload(trial)):
            return _without_samples(trial, f"prepare failed: {problem}")
        _settle(target)
        self._tell("measure")
        return generator.measure(trial, target, on_progress)

    def _make_room(self, trial: Trial, result: TrialResult) -> None:
        """Lets the server give space back before the disk is full of deleted objects, which would change what is measured.

        Each trial deletes what it made, but some servers keep the space until the bucket goes. Buckets stay as long as they may:
        a fresh one makes servers reserve room anew.
        """
        moved = self.moved_bytes.setdefault(trial.cell, {})
        written = result.samples * self._workload(trial).object_size_bytes
        moved[trial.workload] = moved.get(trial.workload, 0) + written
        target = self._target(trial)
        if sum(moved.values()) > _GARBAGE_SHARE * target.host.disk_bytes:
            self._clean_up(target)

    def _clean_up(self, target: Target) -> None:
        """Removes every object and the bucket. What stays behind is said, since later trials on that disk will feel it."""
        moved = self.moved_bytes.pop(target.cell.name, {})
        if moved:
            self._tell("clean up")
        generator = self.generators[_names(self._hosts(target))]
        for workload in self.ledger.run.load.workloads:
            # A target that could not even be prepared has said so in its results.
            if moved.get(workload.name) and (problem := generator.clean_up(target, workload)):
                text = f"objects of {workload.name} were not removed: {problem}"
                fix = "look at the server's log; what stays behind takes space and may slow later trials"
                self.ledger.note(Finding(check="run", level="warning", cell=target.cell.name, text=text, fix=fix))

    def _tell(self, phase: Phase) -> None:
        self.ledger.tell(self.tally, phase)

    def _hosts(self, target: Target) -> tuple[GeneratorHost, ...]:
        return lanes.load_hosts(target, self.ledger.run.generators)

    def _log(self, hosts: Sequence[GeneratorHost]) -> Path:
        """What the load generator on these hosts says."""
        return self.ledger.folder / (f"generator-{hosts[0].name}.log" if hosts else "generator.log")

    def _target(self, trial: Trial) -> Target:
        return next(target for target in self.ledger.run.targets if target.cell.name == trial.cell)

    def _workload(self, trial: Trial) -> Workload:
        return next(workload for workload in self.ledger.run.load.workloads if workload.name == trial.workload)


def _names(hosts: Sequence[GeneratorHost]) -> tuple[str, ...]:
    return tuple(host.name for host in hosts)


def _settle(target: Target) -> None:
    """What the last trial wrote may still be on its way to the disk, and on one machine that is the next trial's disk too."""
    if target.machine == lanes.OPERATOR:
        os.sync()
    if tuple(target.reach) != reach.HERE:
        # A host that cannot be asked just now has nothing to measure either; that is for the trial to tell.
        with suppress(reach.Unreachable, reach.Refused):
            reach.call(target.reach, "sync", timeout_s=_SETTLE_S)


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

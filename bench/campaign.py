"""The loop over the trials of a lane: prepare, measure, keep the result, clean up. A failure is a result, never the end."""

from __future__ import annotations

import os
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from time import monotonic
from typing import TYPE_CHECKING, Protocol, Self

from bench import lanes, reach, store, turns
from bench.host_words import is_spot
from bench.records import Finding, TrialResult

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
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


NOISE = frozenset({"held_up", "stolen", "unsettled"})
"""Stamps that tell of the generator's host alone, or are decided before the trial begins: to repeat for them favours nobody."""

_REPEATS_PER_TRIAL = 2

_SETTLE_S = 60.0
"""How long a host may take to write out what it holds; a trial that begins while it still does is `unsettled`."""

_GARBAGE_SHARE = 0.2
"""Of a host's disk, what a cell may fill with deleted objects: cells share it, and a filesystem slows down when it fills."""


@dataclass(frozen=True, kw_only=True)
class Campaign:
    """One lane being measured into the run folder. Every result is on the disk before the next trial begins."""

    ledger: Ledger
    tally: Tally
    machine: str
    """What all trials of the lane share (`bench.lanes.Lane`)."""
    generators: dict[tuple[str, ...], Measures] = field(default_factory=dict)
    """By the names of the hosts that the load comes from."""
    moved_bytes: dict[str, dict[str, int]] = field(default_factory=dict)
    """Cell → workload → at most what it wrote since its bucket was last removed."""
    unsettled: dict[tuple[str, ...], None] = field(default_factory=dict)
    """By reach: other hosts that may hold what is not yet on their disks, in the order in which they were loaded."""
    shared: set[str] = field(default_factory=set)
    """The machine, once it was found to be shared with another run."""

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
                with self._turn():
                    self._clean_up(target)
                    self._settle_hosts()

    def abandon(self) -> None:
        """Ends what the lane waits for; call `Ledger.stop` before, from another thread."""
        for generator in tuple(self.generators.values()):
            generator.abandon()

    def _take(self, trial: Trial) -> None:
        """Takes one trial to its result on the disk."""
        if trial.cell in self.tally.given_up:
            result = without_samples(trial, self.tally.given_up[trial.cell])
            self.ledger.append(result)
        else:
            with self._turn():
                result = self._measure_soundly(trial)
                self.ledger.append(result)
                self._make_room(trial, result)
                self._settle_hosts()
        if given_up := self.tally.end(result):
            log = self._log(self._hosts(self._target(trial)))
            fix = f"mend the target (cowbench check), then measure again; what the generator said: {log}"
            self.ledger.note(Finding(check="run", level="error", cell=trial.cell, text=given_up, fix=fix))

    def _measure_soundly(self, trial: Trial) -> TrialResult:
        """Measures again, a few times at most, when it was disturbed (NOISE), and only then: a comparison needs whole blocks.

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
        self._load(target)
        if problem := generator.prepare(target, self._workload(trial)):
            return without_samples(trial, f"prepare failed: {problem}{self._on_spot(target)}")
        settled = self._settle()
        self._load(target)
        self._tell("measure")
        # By this machine's clock, so that trials driven from anywhere stand in one order.
        started_at = _now()
        result = generator.measure(trial, target, on_progress)
        stamps = result.stamps if settled or result.problem else (*result.stamps, "unsettled")
        problem = result.problem and f"{result.problem}{self._on_spot(target)}"
        return replace(result, started_at=started_at, stamps=stamps, problem=problem)

    def _on_spot(self, target: Target) -> str:
        """Words for a problem: where a host may be taken away at any time, that is the likeliest reason."""
        hosts = [target.host, *(each.host for each in self._hosts(target))]
        return " (on a spot VM: its cloud may have taken it away)" if any(map(is_spot, hosts)) else ""

    def _load(self, target: Target) -> None:
        """Notes that the target and what drives it are about to write."""
        for host in (target.reach, *(each.reach for each in self._hosts(target))):
            if tuple(host) != reach.HERE:
                self.unsettled[tuple(host)] = None

    def _settle(self) -> bool:
        """Waits until what trials and preparing wrote is on the disk, which cells may share. Returns whether all of it is.

        Hosts first: where they are virtual machines of this one, what they write out is only in its memory then.
        """
        self._settle_hosts()
        if self.machine == lanes.OPERATOR:
            os.sync()
        return not self.unsettled

    def _settle_hosts(self) -> None:
        """Other hosts write out what they hold. Also before a turn ends: the next run does not know them."""
        for host in tuple(self.unsettled):
            if _written_out(host):
                del self.unsettled[host]

    @contextmanager
    def _turn(self) -> Iterator[None]:
        with turns.turn(self.machine, self._wait):
            yield

    def _wait(self) -> None:
        self._tell("wait for another run")
        if self.machine not in self.shared:
            self.shared.add(self.machine)
            text = f"another run was under way on the machine {self.machine}: the trials of both took turns"
            fix = "nothing, trials did not overlap; for numbers without idle servers beside them, measure one run at a time"
            self.ledger.note(Finding(check="run", level="info", cell="", text=text, fix=fix))

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
        self._load(target)
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


def _written_out(host: tuple[str, ...]) -> bool:
    """Whether nothing of the host is on its way to a disk any more. One that cannot be asked does not write either."""
    began_s = monotonic()
    try:
        reach.call(host, "sync", timeout_s=_SETTLE_S)
    except (reach.Unreachable, reach.Refused):
        return monotonic() - began_s < _SETTLE_S
    return True


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def without_samples(trial: Trial, problem: str) -> TrialResult:
    """The result of a trial that was not measured, as of now."""
    return TrialResult(
        trial=trial,
        started_at=_now(),
        window_start_ns=0,
        window_end_ns=0,
        samples=0,
        parts=(),
        health=None,
        stamps=(),
        problem=problem,
    )

"""Where a run stands: blocks, trials, ops, the time that is left, and which targets were given up. No input or output here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from bench.records import Run, Trial, TrialResult

Phase = Literal["prepare", "measure", "clean up", "check"]

GIVE_UP_AFTER = 3
"""Trials in a row without a sample: the target is gone, and waiting for its time-outs would cost the others their run."""


REPEATED_SHARE = 0.25
"""Of a run's trials, how many may be measured again: a generator that is always the limit is not cured by trying."""


@dataclass(frozen=True, kw_only=True)
class Status:
    """Where a run stands. Ops and times are of this call of `perform`, trials and blocks of the whole run.

    `left_s` scales the planned time of what is left by how long the trials so far really took; planned is warm-up and window,
    so before the first trial has ended it is too short by what preparing and cleaning up take.
    """

    run_id: str
    blocks_done: int
    blocks: int
    trials_done: int
    trials: int
    cell: str
    workload: str
    phase: Phase
    ops_per_s: float
    bytes_per_s: float
    ops: int
    failed_ops: int
    elapsed_s: float
    left_s: float


class Progress(Protocol):
    """What a generator tells while it measures; counts are of the running trial."""

    @property
    def ops(self) -> int:
        """Ops that ended so far, failed ones too."""

    @property
    def failed_ops(self) -> int:
        """Those of them that failed."""

    @property
    def ops_per_s(self) -> float:
        """The rate just now."""

    @property
    def bytes_per_s(self) -> float:
        """The rate just now."""


class Tally:
    """Counts the trials of a run as they begin and end. `clock` gives seconds that only grow."""

    def __init__(self, run: Run, done: Collection[int], clock: Callable[[], float]) -> None:
        self._run, self._clock = run, clock
        self._rest = [trial for trial in run.schedule if trial.index not in done]
        self._planned_s = {workload.name: workload.warm_up_s + workload.duration_s for workload in run.load.workloads}
        self._trial: Trial | None = None
        self._progress: Progress | None = None
        self._ops = self._failed_ops = self._repeats = 0
        self._started_s = self._trial_started_s = clock()
        self._taken_s = self._taken_planned_s = 0.0
        self._failed_in_row: dict[str, int] = {}
        self.given_up: dict[str, str] = {}
        """Cell → why it is not measured any more."""

    @property
    def next_trial(self) -> Trial | None:
        """The trial to measure next, None at the end."""
        return self._rest[0] if self._rest else None

    def may_repeat(self) -> bool:
        """Whether one more trial may be measured again; counts it when it may."""
        self._repeats += 1
        return self._repeats <= REPEATED_SHARE * len(self._run.schedule)

    def begin(self, trial: Trial) -> None:
        """The trial is the current one from now on."""
        self._trial, self._progress, self._trial_started_s = trial, None, self._clock()

    def progressed(self, progress: Progress) -> None:
        """The current trial moved on."""
        self._progress = progress

    def end(self, result: TrialResult) -> str:
        """The current trial ended. Returns why its target is given up, if this trial was the one too many."""
        trial = self._rest.pop(0)
        if self._progress:
            self._ops += self._progress.ops
            self._failed_ops += self._progress.failed_ops
        self._progress = None
        if trial.cell in self.given_up:
            return ""
        self._taken_s += self._clock() - self._trial_started_s
        self._taken_planned_s += self._planned_s[trial.workload]
        self._trial_started_s = self._clock()
        failed = self._failed_in_row.get(trial.cell, 0) + 1 if result.problem else 0
        self._failed_in_row[trial.cell] = failed
        if failed < GIVE_UP_AFTER:
            return ""
        self.given_up[trial.cell] = f"given up after {failed} trials in a row without samples, the last: {result.problem}"
        return self.given_up[trial.cell]

    def status(self, phase: Phase) -> Status:
        """Where the run stands now."""
        progress, run = self._progress, self._run
        return Status(
            run_id=run.run_id,
            blocks_done=self._rest[0].block if self._rest else run.load.blocks,
            blocks=run.load.blocks,
            trials_done=len(run.schedule) - len(self._rest),
            trials=len(run.schedule),
            cell=self._trial.cell if self._trial else "",
            workload=self._trial.workload if self._trial else "",
            phase=phase,
            ops_per_s=progress.ops_per_s if progress else 0.0,
            bytes_per_s=progress.bytes_per_s if progress else 0.0,
            ops=self._ops + (progress.ops if progress else 0),
            failed_ops=self._failed_ops + (progress.failed_ops if progress else 0),
            elapsed_s=self._clock() - self._started_s,
            left_s=self._left_s(),
        )

    def _left_s(self) -> float:
        scale = self._taken_s / self._taken_planned_s if self._taken_planned_s else 1.0
        planned_s = sum(self._planned_s[trial.workload] for trial in self._rest if trial.cell not in self.given_up)
        return max(0.0, planned_s * scale - (self._clock() - self._trial_started_s)) if planned_s else 0.0

"""Where a run stands: blocks, trials, ops, the time that is left, and which targets were given up. No input or output here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from bench.records import Run, Trial, TrialResult

Phase = Literal["wait for another run", "prepare", "measure", "clean up", "check"]

GIVE_UP_AFTER = 3
"""Trials in a row without a sample: the target is gone, and waiting for its time-outs would cost the others their run."""


REPEATED_SHARE = 0.25
"""Of a run's trials, how many may be measured again: a generator that is always the limit is not cured by trying."""


@dataclass(frozen=True, kw_only=True)
class Activity:
    """What one lane of a run does just now. Rates are of its running trial."""

    cell: str
    workload: str
    phase: Phase
    ops_per_s: float
    bytes_per_s: float


@dataclass(frozen=True, kw_only=True)
class Status:
    """Where a run stands. Ops and times are of this call of `perform`, trials and blocks of the whole run.

    `cell` to `bytes_per_s` are of the lane that tells this, `others` of the lanes that run beside it. `left_s` scales the planned
    time of what is left by how long the trials so far really took; planned is warm-up and window, so before the first trial has
    ended it is too short by what preparing and cleaning up take.
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
    others: tuple[Activity, ...] = ()


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
    """Counts the trials of one lane as they begin and end. `clock` gives seconds that only grow.

    `trials` are all of the lane, `done` the indexes of those that are measured.
    """

    def __init__(self, run: Run, trials: Sequence[Trial], done: Collection[int], clock: Callable[[], float]) -> None:
        self._clock, self._trials = clock, len(trials)
        self.rest = [trial for trial in trials if trial.index not in done]
        self._planned_s = {workload.name: workload.warm_up_s + workload.duration_s for workload in run.load.workloads}
        self._trial: Trial | None = None
        self._progress: Progress | None = None
        self._ops = self._failed_ops = self._repeats = 0
        self._started_s = self._trial_started_s = clock()
        self._taken_s = self._taken_planned_s = 0.0
        self._failed_in_row: dict[str, int] = {}
        self.phase: Phase = "prepare"
        self.given_up: dict[str, str] = {}
        """Cell → why it is not measured any more."""

    @property
    def next_trial(self) -> Trial | None:
        """The trial to measure next, None at the end."""
        return self.rest[0] if self.rest else None

    def may_repeat(self) -> bool:
        """Whether one more trial may be measured again; counts it when it may."""
        self._repeats += 1
        return self._repeats <= REPEATED_SHARE * self._trials

    def begin(self, trial: Trial) -> None:
        """The trial is the current one from now on."""
        self._trial, self._progress, self._trial_started_s = trial, None, self._clock()

    def progressed(self, progress: Progress) -> None:
        """The current trial moved on."""
        self._progress = progress

    def end(self, result: TrialResult) -> str:
        """The current trial ended. Returns why its target is given up, if this trial was the one too many."""
        trial = self.rest.pop(0)
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

    @property
    def ops(self) -> tuple[int, int]:
        """Ops so far, and those of them that failed; the running trial's too."""
        progress = self._progress
        return self._ops + (progress.ops if progress else 0), self._failed_ops + (progress.failed_ops if progress else 0)

    @property
    def elapsed_s(self) -> float:
        """Since this lane began."""
        return self._clock() - self._started_s

    @property
    def left_s(self) -> float:
        """Until this lane's last trial has ended."""
        scale = self._taken_s / self._taken_planned_s if self._taken_planned_s else 1.0
        planned_s = sum(self._planned_s[trial.workload] for trial in self.rest if trial.cell not in self.given_up)
        return max(0.0, planned_s * scale - (self._clock() - self._trial_started_s)) if planned_s else 0.0

    def now(self) -> Activity:
        """What the lane does."""
        trial, progress = self._trial, self._progress
        return Activity(
            cell=trial.cell if trial else "",
            workload=trial.workload if trial else "",
            phase=self.phase,
            ops_per_s=progress.ops_per_s if progress else 0.0,
            bytes_per_s=progress.bytes_per_s if progress else 0.0,
        )


def of(run: Run, tallies: Sequence[Tally], telling: Tally) -> Status:
    """Where the run stands, by the tallies of all its lanes, as `telling` sees it."""
    now, rest = telling.now(), [trial for tally in tallies for trial in tally.rest]
    return Status(
        run_id=run.run_id,
        blocks_done=min((trial.block for trial in rest), default=run.load.blocks),
        blocks=run.load.blocks,
        trials_done=len(run.schedule) - len(rest),
        trials=len(run.schedule),
        cell=now.cell,
        workload=now.workload,
        phase=now.phase,
        ops_per_s=now.ops_per_s,
        bytes_per_s=now.bytes_per_s,
        ops=sum(tally.ops[0] for tally in tallies),
        failed_ops=sum(tally.ops[1] for tally in tallies),
        elapsed_s=telling.elapsed_s,
        left_s=max(tally.left_s for tally in tallies),
        # A lane that has nothing left does nothing any more.
        others=tuple(tally.now() for tally in tallies if tally is not telling and tally.rest),
    )
